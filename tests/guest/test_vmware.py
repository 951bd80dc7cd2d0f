# SPDX-License-Identifier: Apache-2.0
"""A real guest through the API of vSphere (its stand-in), judged as with libvirt: snapshots against the writer's log, deaths of the
coordinator, snapshots of others. What is judged in milliseconds: test_vmware_time.py; a server that goes away, and rollback:
test_vmware_back.py.

HOLDFAST_SAMPLE: some deaths, and two cases besides those that are never left out, drawn by HOLDFAST_SAMPLE_SEED.
"""

import os
import random
import time

from hf import Latency, LoadedTest, always, lab_env, main, plain_tables
from test_kill import Kills
from test_snapshot import Rounds
from vmwlib import FOREIGN, OnVmware

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
SERVICES = "apache2, cron"
UNITS = ["cron.service", "apache2.service"]


def draw():
    return random.Random(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time_ns())


class Snapshot(OnVmware, Rounds):
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
        self.site.write(quiesce="stop", services=SERVICES, hold_limit="90s")
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20, within_s=60)
        self.assertEqual((report["grade"], report["proof"]), ("A", "service"), report)
        self.assertEqual(report["stopped"], [lab_env()["DB_SERVICE"] + ".service", *UNITS])
        status, findings = self.judge(report, None, "stopped", "capture_end")
        self.assertEqual(status, 0, findings)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()

    @always
    def test_quiesced_by_the_tools_too(self):
        """The guest is frozen by them inside the hold: nothing of ours may write there then, and the lock stands all the same."""
        self.load("--threads", "3", *plain_tables())
        self.site.plugin_keys["tools-quiesce"] = "yes"
        self.site.write()
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20, within_s=60)
        status, findings = self.judge(report, None)
        self.assertEqual((report["grade"], status), ("B", 0), findings)
        self.assertEqual(len(self.when("frozen")), 1)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()

    def test_a_freeze_by_holdfast_is_refused(self):
        """There is no call for it, and no hint of one that was begun."""
        self.site.write(freeze="yes")
        refused = self.site.run("snapshot", "create", "db")
        self.assertEqual((refused.status, refused.error["class"]), (4, "unsupported"), refused.stdout)
        self.assertEqual(self.count("CreateSnapshot_Task"), 0)
        self.site.write(freeze=None)
        self.assert_clean()

    def test_snapshots_of_others_stay(self):
        """One of before ours and what it holds: ours comes and goes above it, and nobody deletes it or goes back to it."""
        self.load("--threads", "1")
        self.make_foreign()
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20)
        status, findings = self.judge(report, None)
        self.assertEqual((report["grade"], status), ("B", 0), findings)
        rows = self.site.run("snapshot", "list", "db").json["snapshots"]
        self.assertEqual({r["snapshot"]: r["foreign"] for r in rows}, {FOREIGN: True, report["snapshot"]: False})
        for verb in ("delete", "rollback"):
            refused = self.site.run("snapshot", verb, "db", FOREIGN, *(["--yes"] if verb == "rollback" else []))
            self.assertNotEqual(refused.status, 0, refused.stdout)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean([FOREIGN])


class BySsh(OnVmware, Rounds):
    channel = "ssh"
    test_a_stopped_server = Snapshot.test_a_stopped_server

class Kill(OnVmware, Kills):
    """What is asked of the server goes on without the coordinator: it is waited for, and its snapshot goes."""

    def some(self, order, n):
        """Those that this plugin or the hold make, for the others are walked with libvirt."""
        order = [p for p in order if p.startswith(("vmware.", "hold."))]
        drawn = draw().sample(order, min(n, len(order))) if SAMPLE else order
        return [p for p in order if p in drawn]

    @staticmethod
    def scenarios():
        """With so many deaths of a sample in each."""
        return [("create", 2), ("delete", 1)]

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

    def test_death_with_a_task_under_way(self):
        """The server makes its snapshot to its end; the guardian takes it away, or where that died, too, the next `recover`."""
        self.fault("seconds", "createSnapshot", 3)
        for points in ("", "guardian.before_undo=kill"):
            before = self.count("CreateSnapshot_Task")
            process = self.site.start(*self.prepare("create"), env=self.env(points))
            self.wait_for_call("CreateSnapshot_Task", before)
            process.kill()
            took = Latency.accepts(10)
            self.assertEqual(self.state()["running"], 1, "no task was under way")
            self.assertIsNotNone(took, points)
            self.assertLess(took, 2, points)
            process.communicate(timeout=120)
            self.recover(points)
            self.assert_no_stranger("create", points)

    def test_death_of_all_while_the_server_is_stopped(self):
        """Nobody is left on this host: the dead-man in the guest starts the database again when hold-limit comes."""
        command = self.prepare("create_stopped")
        self.site.write(guest="ssh")
        self.fault("seconds", "createSnapshot", 3)
        process = self.site.start(*command, env=self.env("guardian.before_undo=kill"))
        begin = self.wait_for_call("CreateSnapshot_Task")
        process.kill()
        within_s = self.back_within_s("create_stopped")
        self.assertIsNotNone(Latency.accepts(within_s))
        print(f"  started by its dead-man after {time.monotonic() - begin:.1f} s, hold-limit {self.hold_limit_s} s", flush=True)
        self.assertNotEqual(self.site.journals(), [], "somebody was left")
        self.assertGreater(time.monotonic() - begin, self.hold_limit_s / 2, "it was started before its time")
        self.assert_alive(begin + within_s, "stopped")
        process.communicate(timeout=120)
        self.recover("stopped")
        self.assert_no_stranger("create", "stopped")


if __name__ == "__main__":
    main(most=4)
