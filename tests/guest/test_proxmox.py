# SPDX-License-Identifier: Apache-2.0
"""A real guest through the API of Proxmox VE (its stand-in), judged as with libvirt: snapshots against the writer's log, and deaths
of the coordinator. What is judged in milliseconds: test_proxmox_time.py; rollback and vzdump: test_proxmox_back.py,
test_proxmox_backup.py; restored VMs: test_proxmox_drill.py.

HOLDFAST_SAMPLE: some deaths, and two cases besides those that are never left out, drawn by HOLDFAST_SAMPLE_SEED.
"""

import os
import random
import time

from hf import Latency, LoadedTest, always, lab_env, main, plain_tables
from pvelib import OnProxmox
from test_kill import Kills
from test_snapshot import Rounds

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
SERVICES = "apache2, cron"
UNITS = ["cron.service", "apache2.service"]


def draw():
    return random.Random(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time_ns())


class Snapshot(OnProxmox, Rounds):
    @always
    def test_without_the_lock_it_is_found_out(self):
        self.without_lock()

    def test_without_a_channel_into_the_guest(self):
        self.site.write(guest="none")
        self.durability(0)
        self.load("--threads", "3")
        self.one_round(("synced",))
        self.assert_clean()

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

    def test_frozen_before_by_holdfast(self):
        self.load("--threads", "2", *plain_tables())
        self.site.write(freeze="yes")
        report = self.ok(self.site.run("snapshot", "create", "db"), 0 if self.is_new else 3)
        self.writer.wait_for_commits(20, within_s=60)
        self.judge_frozen(report)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()

    def judge_frozen(self, report):
        self.assertEqual(report["grade"], "B", report)
        status, findings = self.judge(report, None)
        self.assertEqual(status, 0, findings)
        lines = [line for task in self.world.tasks.values() for line in task.lines]
        self.assertIn("skipping guest filesystem freeze - already frozen", lines)

    def test_the_database_through_the_agent_too(self):
        self.has_tunnel = True
        self.site.write(db="agent", stall_budget="20s", hold_limit="60s")
        self.load("--threads", "1")
        for _ in range(3):  # where the machine is busy a server's greeting may take longer than a client waits
            result = self.site.run("snapshot", "create", "db")
            if "'handshake: " not in result.stdout:
                break
        report = self.ok(result)
        self.writer.wait_for_commits(20, within_s=60)
        status, findings = self.judge(report, None, "locked", "capture_end")  # the release is heard of late
        self.assertEqual((report["grade"], status), ("B", 0), findings)
        lines = "\n".join(line for task in self.world.tasks.values() for line in task.lines)
        self.assertNotIn("freeze", lines, "the server found its agent busy")
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()


class Version8(OnProxmox, LoadedTest):
    """Its server thaws what somebody else froze, at the end of its task: nobody can say any more how long it was frozen."""

    is_new = False
    test_frozen_before_by_holdfast = Snapshot.test_frozen_before_by_holdfast

    def judge_frozen(self, report):
        self.assertEqual((report["grade"], report["grade_why"]), ("E", "the filesystems did not stay frozen"))


class Kill(OnProxmox, Kills):
    """What is asked of the server goes on without the coordinator: it is waited for, and its snapshot goes."""

    def some(self, order, n):
        """Those that this plugin or the hold make, for the others are walked with libvirt."""
        order = [p for p in order if p.startswith(("proxmox.", "hold."))]
        drawn = draw().sample(order, min(n, len(order))) if SAMPLE else order
        return [p for p in order if p in drawn]

    @always
    def test_deaths(self):
        done = set()
        for scenario, n in self.scenarios():
            order = self.some([p for p in self.visits(scenario) if p not in done], n)
            done |= set(order)
            for point in order:
                with self.subTest(scenario=scenario, point=point):
                    took = self.die(scenario, f"{point}=kill")
                    self.recover(point)
                    self.assert_no_stranger(scenario, point)
                    print(f"  {scenario:15} {point:30} next commit after {took * 1000:5.0f} ms", flush=True)

    @staticmethod
    def scenarios():
        """With so many deaths of a sample in each."""
        scenarios = [("create", 2), ("create_resting", 1), ("delete", 1)]
        return scenarios if not SAMPLE else [scenarios[0], draw().choice(scenarios[1:])]

    def test_death_with_a_task_under_way(self):
        """The server makes its snapshot to its end; the guardian takes it away, or where that died, too, the next `recover`."""
        self.vm.seconds["disk"] = 0.5
        for points in ("", "guardian.before_undo=kill"):
            self.world.requests.clear()
            process = self.site.start(*self.prepare("create"), env=self.env(points))
            self.wait_for_post("/snapshot")
            process.kill()
            task = list(self.world.tasks.values())[-1]
            self.assertEqual((task.kind, task.exit), ("qmsnapshot", None), "no task was under way")
            self.assertIsNotNone(Latency.accepts(10), points)
            process.communicate(timeout=120)
            self.recover(points)
            self.assert_no_stranger("create", points)


if __name__ == "__main__":
    main(most=4)
