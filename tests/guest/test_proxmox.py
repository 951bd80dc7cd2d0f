# SPDX-License-Identifier: Apache-2.0
"""A real guest through the API of Proxmox VE (its stand-in), judged as with libvirt: snapshots against the writer's log, the hold
that a slow server outlasts, deaths of the coordinator. Rollback and vzdump: test_proxmox_back.py.

HOLDFAST_SAMPLE: some deaths of each scenario, drawn by HOLDFAST_SAMPLE_SEED.
"""

import os
import random
import time

from hf import Latency, LoadedTest, lab, lab_env, main, plain_tables
from pvelib import OnProxmox
from test_kill import Kills
from test_snapshot import ROUNDS, Rounds

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
SERVICES = "apache2, cron"
UNITS = ["cron.service", "apache2.service"]


class Snapshot(OnProxmox, Rounds):
    def test_tables_without_transactions(self):
        self.durability(0)
        self.load("--threads", "3", *plain_tables())
        self.rounds(ROUNDS)

    def test_without_the_lock_it_is_found_out(self):
        self.without_lock()

    def test_without_a_channel_into_the_guest(self):
        self.site.write(guest="none")
        self.durability(0)
        self.load("--threads", "3")
        self.rounds(1, events=("synced",))

    def test_a_stopped_server(self):
        self.load("--threads", "2", *plain_tables())
        self.site.write(quiesce="stop", services=SERVICES)
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20, within_s=60)
        self.assertEqual((report["grade"], report["proof"]), ("A", "service"), report)
        self.assertEqual(report["stopped"], [lab_env()["DB_SERVICE"] + ".service", *UNITS])
        status, findings = self.judge(report, None, "stopped", "capture_end")
        self.assertEqual(status, 0, findings)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()

    def frozen_before(self):
        self.load("--threads", "2", *plain_tables())
        self.site.write(freeze="yes", services="cron")
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20, within_s=60)
        self.assertEqual(report["grade"], "B", report)
        status, findings = self.judge(report, None)
        self.assertEqual(status, 0, findings)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()
        return [line for task in self.world.tasks.values() for line in task.lines]

    def test_frozen_before_and_left_so(self):
        self.assertIn("skipping guest filesystem freeze - already frozen", self.frozen_before())

    def test_the_database_through_the_agent_too(self):
        """The server finds the agent busy or not: the point has what it promises either way."""
        self.site.write(db="agent", stall_budget="20s", hold_limit="60s")
        self.load("--threads", "2")
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20, within_s=60)
        status, findings = self.judge(report, None, "locked", "capture_end")  # the release is heard of late
        self.assertEqual((report["grade"], status), ("B", 0), findings)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()


class Version8(Snapshot):
    """Its server thaws what somebody else froze."""

    is_new = False
    test_tables_without_transactions = test_without_the_lock_it_is_found_out = None
    test_without_a_channel_into_the_guest = test_a_stopped_server = test_the_database_through_the_agent_too = None

    def test_frozen_before_and_left_so(self):
        self.frozen_before()


class Slow(OnProxmox, LoadedTest):
    """A server that takes longer than hold-limit."""

    LIMIT_S = 2

    def outlast(self):
        """When the commit after the lock's begin came, and the run's document."""
        Latency()
        self.site.write(hold_limit=f"{self.LIMIT_S}s")
        process = self.site.start("snapshot", "create", "db", env={"HOLDFAST_POINT_LOG": str(self.site.dir / "points")})
        self.wait_for_request("/snapshot")
        waited = Latency.commit(timeout_s=30)
        committed = time.monotonic()
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn('"class":"timeout"', out)
        self.assert_clean()
        return waited, committed, out

    def wait_for_request(self, end):
        deadline = time.monotonic() + 60
        while not any(method == "POST" and path.endswith(end) for _, method, path, *_ in self.world.requests):
            self.assertLess(time.monotonic(), deadline, f"no POST …{end}")
            time.sleep(0.02)

    def test_past_hold_limit_the_database_is_released_while_the_task_runs(self):
        self.world.faults["savevm-end-seconds"] = 5
        waited, committed, _ = self.outlast()
        ended, = (t for t, what, _ in self.world.timeline[:] if what == "task-stopped" and t < committed + 60 and "qmsnapshot" in _)
        print(f"  commit after {waited:.2f} s, hold-limit {self.LIMIT_S} s; the task ended {ended - committed:.2f} s later")
        self.assertLess(waited, self.LIMIT_S + 1)
        self.assertLess(committed, ended)

    def test_a_guest_that_stood_still_beyond_hold_limit_is_free_when_it_runs(self):
        self.vm.seconds["disk"] = 2.5
        waited, committed, _ = self.outlast()
        ran, = (t for t, what, _ in self.world.timeline if what == "resumed")
        print(f"  commit after {waited:.2f} s, {committed - ran:.2f} s after the processors ran again")
        self.assertLess(committed - ran, 1.5)


class Kill(OnProxmox, Kills):
    """What is asked of the server goes on without the coordinator: it is waited for, and its snapshot goes."""

    def some(self, order, n):
        """Those that this plugin or the hold make, for the others are walked with libvirt."""
        order = [p for p in order if p.startswith(("proxmox.", "hold."))]
        seed = os.environ.get("HOLDFAST_SAMPLE_SEED") or str(time.time_ns())
        drawn = random.Random(f"{seed} {order}").sample(order, min(n, len(order))) if SAMPLE else order
        return [p for p in order if p in drawn]

    def test_deaths(self):
        done = set()
        for scenario, n in (("create", 3), ("create_resting", 2), ("delete", 1)):
            order = self.some([p for p in self.visits(scenario) if p not in done], n)
            done |= set(order)
            for point in order:
                with self.subTest(scenario=scenario, point=point):
                    took = self.die(scenario, f"{point}=kill")
                    self.recover(point)
                    self.assert_no_stranger(scenario, point)
                    print(f"  {scenario:15} {point:30} next commit after {took * 1000:5.0f} ms", flush=True)

    def test_coordinator_and_guardian_die_with_a_task_under_way(self):
        """The host lost power: the server makes its snapshot to its end, and the next `recover` takes it away."""
        self.vm.seconds["disk"] = 0.5
        process = self.site.start(*self.prepare("create"), env=self.env("proxmox.after_snapshot=kill,guardian.before_undo=kill"))
        process.communicate(timeout=120)
        self.assertTrue(any(not task.exit for task in self.world.tasks.values()) or self.vm.snapshots, "no task was under way")
        self.recover("power")
        self.assert_no_stranger("create", "power")


if __name__ == "__main__":
    main()
