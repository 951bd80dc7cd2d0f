# SPDX-License-Identifier: Apache-2.0
"""^C, SIGTERM and SIGHUP before, inside and after the hold, and while the lock or the hypervisor is waited for."""

import os
import signal
import time

from runlib import RunTest, main

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STALL = "stall:500"


class Signals(RunTest):
    def signalled_at(self, point, number, **env):
        """The run's result, signalled while it stands still at the point."""
        p = self.site.start("snapshot", "create", "web", **self.site.points(f"{point}={STALL}"), **env)
        self.site.wait_for_point(point)
        p.signal(number)
        return p.wait()

    def assert_cancelled(self, result):
        self.fails(result, 1, "cancelled")
        self.assertEqual(result.error["left"], [])
        self.assertLess(self.session().commit(), 1.0)
        self.assert_clean()
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [])

    def test_before_the_hold_everything_is_undone(self):
        for number in ASKING:
            for point in ("run.before_sessions", "run.after_prepare", "db.before_lock"):
                with self.subTest(signal=number.name, point=point):
                    self.assert_cancelled(self.signalled_at(point, number))

    def test_under_the_lock_before_the_capture_everything_is_undone(self):
        for number in ASKING:
            for point in ("db.after_lock", "hold.after_lock", "hold.before_capture"):
                with self.subTest(signal=number.name, point=point):
                    self.assert_cancelled(self.signalled_at(point, number))

    def test_after_the_instant_the_run_goes_to_its_end(self):
        for number in ASKING:
            for point in ("hold.after_capture", "hold.after_unlock", "run.before_commit", "run.before_end"):
                with self.subTest(signal=number.name, point=point):
                    doc = self.ok(self.signalled_at(point, number))
                    self.assertEqual(doc["grade"], "B")
                    self.assert_known()
                    self.ok(self.site.run("snapshot", "delete", "web", doc["snapshot"]))

    def test_waiting_for_the_lock_ends_at_once(self):
        root, blocker = self.session(), self.session()
        root.sql("CREATE TABLE IF NOT EXISTS t.plain (i INT) ENGINE=MyISAM")
        blocker.send("INSERT INTO t.plain SELECT SLEEP(60);\n")
        self.addCleanup(root.sql, f"KILL {blocker.id}")
        time.sleep(0.1)
        self.site.write(stall_budget="10s", quiesce_timeout="30s")
        p = self.site.start("snapshot", "create", "web", **self.site.points())
        self.site.wait_for_point("db.before_lock_step")
        time.sleep(0.3)
        begin = time.monotonic()
        p.signal(signal.SIGINT)
        r = p.wait()
        self.assertLess(time.monotonic() - begin, 1.0)
        self.assert_cancelled(r)

    def test_a_deletion_is_stopped_cleanly_and_the_snapshot_stays(self):
        name = self.ok(self.site.run("snapshot", "create", "web"))["snapshot"]
        p = self.site.start("snapshot", "delete", "web", name, DIR_DELETE_MS=5000, **self.site.points())
        self.site.wait_for_point("run.before_delete")
        time.sleep(0.2)
        begin = time.monotonic()
        p.signal(signal.SIGINT)
        self.fails(p.wait(), 1, "cancelled")
        self.assertLess(time.monotonic() - begin, 2.0)
        self.assertEqual([r["snapshot"] for r in self.site.snapshots()], [name])
        self.assert_known()
        self.ok(self.site.run("snapshot", "delete", "web", name))
        self.assert_clean()

    def test_the_undo_is_not_cancelled_by_a_second_signal(self):
        p = self.site.start("snapshot", "create", "web", DIR_DISCARD_MS=600,
                            **self.site.points(f"hold.after_lock={STALL},run.before_undo=stall:200"))
        self.site.wait_for_point("hold.after_lock")
        p.signal(signal.SIGINT)
        self.site.wait_for_point("undo.before_effect")
        p.signal(signal.SIGINT)
        p.signal(signal.SIGTERM)
        r = p.wait()
        self.assertIn("already stopping", r.stderr)
        self.assert_cancelled(r)

    def test_the_guardian_is_deaf(self):
        """A ^C on the terminal reaches a process group; the guardian has a session of its own, and ignores it besides.
        """
        p = self.site.start("snapshot", "create", "web", **self.site.points("hold.after_lock=stall:600"))
        self.site.wait_for_point("hold.after_lock")
        with open(f"/proc/{p.process.pid}/task/{p.process.pid}/children") as f:
            guardian = int(f.read())
        self.assertNotEqual(os.getsid(guardian), os.getsid(p.process.pid))
        for number in (*ASKING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(guardian, number)
        p.process.kill()
        p.wait()
        self.assertEqual(self.recover(), [])
        self.assert_clean()


if __name__ == "__main__":
    main()
