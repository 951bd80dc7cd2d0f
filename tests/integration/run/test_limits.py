# SPDX-License-Identifier: Apache-2.0
"""A hypervisor that hangs, a guest that hangs, sessions that are lost: hold-limit holds, and no grade is made up."""


from runlib import SANITIZED, Pulse, RunTest, main

HOLD_LIMIT_S = 1.0
MARGIN_S = 0.6 if SANITIZED else 0.2


class Hanging(RunTest):
    def setUp(self):
        super().setUp()
        self.site.write(hold_limit="1s")
        self.pulse = Pulse(RunTest.server)

    def run_beside_writer(self, *args, **env):
        r = self.site.run(*args, **env)
        longest = self.pulse.stop()
        print(f"\n  a writer waited for {longest * 1000:.0f} ms", end=" ")
        self.assertLess(longest, HOLD_LIMIT_S + MARGIN_S)
        return r, longest

    def test_a_capture_that_hangs_costs_the_guest_hold_limit_and_no_more(self):
        r, longest = self.run_beside_writer("snapshot", "create", "web", DIR_HANG_MS=2500)
        self.fails(r, 1, "timeout", "did not return in time")
        self.assertGreater(longest, HOLD_LIMIT_S / 2, "nobody was held, so nothing was tested")
        self.assertIn("hold-limit", r.error["hint"])
        self.assertEqual(r.error["left"], [])

    def test_what_the_late_call_did_is_discarded(self):
        r, _ = self.run_beside_writer("snapshot", "create", "web", DIR_HANG_MS=2500)
        self.assertEqual(r.status, 1)
        calls = (self.site.vms / "calls").read_text().split("\n")
        self.assertGreater(calls.index("capture_discard web"), calls.index("capture_begin web"))
        self.assert_clean()
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [])
        self.assertIn("timeout", str(self.ok(self.site.run("status"))["vms"]) + self.show_last())

    def show_last(self):
        return str(self.ok(self.site.run("show", self.ok(self.site.run("status"))["vms"][0]["last_run"])))

    def test_without_a_lock_a_capture_that_hangs_fails_as_well(self):
        self.site.write(quiesce="none")
        r, longest = self.run_beside_writer("snapshot", "create", "web", DIR_HANG_MS=1600)
        self.fails(r, 1, "timeout")
        self.assertLess(longest, 0.5)
        self.assert_clean()

    def test_a_sync_that_hangs_under_the_lock_costs_hold_limit_and_the_run(self):
        self.relax(flush_log=1)
        self.without_super()
        r, _ = self.run_beside_writer("snapshot", "create", "web", DIR_SYNC_MS=1500)
        self.fails(r, 1, "timeout", "no sync in the guest")
        self.assertNotIn("capture_begin", (self.site.vms / "calls").read_text())
        self.assert_clean()

    def test_with_less_required_too_nothing_is_captured_after_the_limit(self):
        self.site.write(require="E")
        self.relax(flush_log=1)
        self.without_super()
        r, _ = self.run_beside_writer("snapshot", "create", "web", DIR_SYNC_MS=1500)
        self.fails(r, 1, "timeout", "hold-limit passed before the capture")
        self.assertNotIn("capture_begin", (self.site.vms / "calls").read_text())
        self.assert_clean()

    def test_a_settle_that_takes_long_holds_nobody(self):
        r, longest = self.run_beside_writer("snapshot", "create", "web", DIR_SETTLE_MS=1500)
        self.assertEqual(self.ok(r)["grade"], "B")
        self.assertLess(longest, 0.5)


class Lost(RunTest):
    """Sessions are killed while the run stands still at a point."""

    def kill_holder(self, run):
        root = self.session()
        holder = root.sql(f"SELECT IS_USED_LOCK('holdfast.{run}')")[0]
        self.assertNotEqual(holder, "NULL")
        root.sql(f"KILL {holder}")

    def killed_at(self, point):
        p = self.site.start("snapshot", "create", "web", **self.site.points(f"{point}=stall:400"))
        self.site.wait_for_point(point)
        self.kill_holder(self.site.journals()[0])
        return p.wait()

    def test_a_session_lost_while_held_is_grade_e_and_status_3_never_b(self):
        for point in ("hold.after_lock", "hold.before_capture", "hold.after_capture", "hold.before_unlock",
                      "db.before_unlock"):
            with self.subTest(point=point):
                r = self.killed_at(point)
                doc = self.ok(r, status=3)
                self.assertEqual((doc["grade"], doc["required"], doc["proof"]), ("E", "B", "none"))
                self.assertIsNone(doc["position"])
                self.assertIn("gone", doc["grade_why"])
                self.assertGreater(doc["stall_ms"], 0)
                self.assert_known()
                row = self.site.snapshots()[0]
                self.assertEqual((row["snapshot"], row["grade"]), (doc["snapshot"], "E"))
                self.assertEqual(self.ok(self.site.run("show", doc["run"]))["outcome"], "degraded")
                self.ok(self.site.run("snapshot", "delete", "web", doc["snapshot"]))

    def test_text_says_that_it_is_no_success(self):
        p = self.site.start("snapshot", "create", "web", as_json=False,
                            **self.site.points("hold.after_capture=stall:400"))
        self.site.wait_for_point("hold.after_capture")
        self.kill_holder(self.site.journals()[0])
        r = p.wait()
        self.assertEqual(r.status, 3, str(r))
        self.assertIn("required   B: this is NOT a success", r.stdout)
        self.assertEqual(self.site.run("status", "--check", as_json=False).status, 1)

    def test_a_lost_session_before_the_lock_is_replaced_and_the_grade_is_b(self):
        self.assertEqual(self.ok(self.killed_at("db.before_lock"))["grade"], "B")
        self.assert_known()

    def test_the_variables_come_back_when_the_holder_was_lost(self):
        root = self.relax()
        self.ok(self.killed_at("hold.after_capture"), status=3)
        self.assert_relaxed(root)

    def test_the_variables_come_back_when_all_sessions_were_lost_after_the_unlock(self):
        """The lock was proven, so the grade is B; what the lock's own sessions could not undo, a new one does."""
        root = self.relax()
        p = self.site.start("snapshot", "create", "web", **self.site.points("db.before_restore=stall:400"))
        self.site.wait_for_point("db.before_restore")
        for other in root.sql("SELECT id FROM information_schema.processlist WHERE user = 'root' "
                              "AND id <> CONNECTION_ID() AND host LIKE '127.0.0.1%'"):
            root.sql(f"KILL {other}")
        doc = self.ok(p.wait())
        self.assertEqual((doc["grade"], doc["warnings"]), ("B", []))
        self.assert_relaxed(root)
        self.assert_known()


if __name__ == "__main__":
    main()
