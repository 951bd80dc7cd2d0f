# SPDX-License-Identifier: Apache-2.0
"""Snapshots under write load, each recovered from its own disks and compared with the writer's log: every
commit acknowledged before the lock was granted is in the point, none sent after it, transactions whole.
"""

import os

from hf import LoadedTest, lab, main, plain_tables, sql

ROUNDS = int(os.environ.get("HOLDFAST_ROUNDS", "5"))


class Rounds(LoadedTest):
    """What is done with a snapshot, whatever hypervisor makes it."""

    def rounds(self, n, events=()):
        """Each: snapshot, recover, compare, delete. None of `events` may be in a timeline."""
        self.assert_stalls_are_true(n, lambda: self.one_round(events))
        self.assert_clean()

    def one_round(self, events):
        frozen = self.site.layers()["vdb"]
        self.writer.wait_for_commits(20)
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20)
        self.assertEqual(report["grade"], "B", report)
        self.assertFalse({e["event"] for e in report["timeline"]} & set(events), report)
        excess = self.stall_against_writer(report)
        status, findings = self.judge(report, frozen)
        self.assertEqual(status, 0, findings)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        return excess

    def without_lock(self):
        """The findings of the same comparison on a snapshot taken without the lock, which has to fail, or it proves nothing."""
        self.durability(0)
        self.site.write(quiesce="none")
        self.load("--threads", "3", *plain_tables())
        frozen = self.site.layers()["vdb"]
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20)
        self.assertEqual((report["grade"], report["position"]), ("E", None))
        self.assertLessEqual(report["position_min"]["offset"], report["position_max"]["offset"])
        status, findings = self.judge(report, frozen, "capture_begin", "capture_end")
        self.assertEqual(status, 1, findings)
        print("  " + findings.splitlines()[0])


class Snapshot(Rounds):
    def test_lock_mode_proves_its_position(self):
        self.load("--threads", "2")
        report = self.ok(self.site.run("snapshot", "create", "db", "--label", "first"))
        self.assertEqual((report["grade"], report["proof"], report["required"]), ("B", "position", "B"))
        self.assertTrue(report["position"]["file"].startswith("binlog."))
        self.assertGreater(report["stall_ms"], 0)
        events = [e["event"] for e in report["timeline"]]
        self.assertEqual([e for e in events if e != "synced"],
                         ["lock_begin", "locked", "capture_begin", "capture_end", "unlocked"])
        shown = self.ok(self.site.run("show", report["snapshot"]))
        self.assertEqual(shown["position"], report["position"])
        listed = self.site.run("snapshot", "list", "db").json["snapshots"]
        self.assertEqual([(r["snapshot"], r["grade"], r["label"]) for r in listed],
                         [(report["snapshot"], "B", "first")])
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()

    def test_durable_server_with_nontransactional_tables(self):
        self.load("--threads", "3", *plain_tables())
        self.rounds(ROUNDS)

    def test_relaxed_server_with_nontransactional_tables(self):
        self.durability(0)
        self.load("--threads", "3", *plain_tables())
        self.rounds(ROUNDS)
        self.assertEqual(sql("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit"), ["0"])

    def test_relaxed_server_with_transactional_tables_needs_nothing_under_the_lock(self):
        """Redo and binlog are made durable before the lock: all commits are there, and no sync was needed."""
        for value in (0, 2):
            self.durability(value)
            if not self.writer:
                self.load("--threads", "3")
            self.rounds(max(1, ROUNDS // 2), events=("synced",))
            self.assertEqual(sql("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_binlog"), [f"{value}\t0"])

    def test_relaxed_server_without_guest_channel(self):
        self.site.write(guest="none")
        self.durability(0)
        self.load("--threads", "3")
        self.rounds(2, events=("synced",))

    def test_negative_control_without_lock_is_found_out(self):
        self.without_lock()

    def test_below_the_required_grade_is_status_3(self):
        self.site.write(quiesce="none", require="B")
        result = self.site.run("snapshot", "create", "db")
        self.assertEqual(result.json["grade"], "E")
        self.assertEqual(result.status, 3)

    def test_binlog_off_is_proven_by_the_session(self):
        lab("binlog", "off")
        self.addCleanup(lab, "binlog", "on")
        self.load("--threads", "2")
        frozen = self.site.layers()["vdb"]
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20)
        self.assertEqual((report["grade"], report["proof"], report["position"]), ("B", "session", None))
        status, findings = self.judge(report, frozen)
        self.assertEqual(status, 0, findings)

    def test_snapshots_of_a_chain_are_deleted_in_any_order(self):
        self.load("--threads", "1")
        names = []
        for _ in range(3):
            names.append(self.ok(self.site.run("snapshot", "create", "db"))["snapshot"])
            self.writer.wait_for_commits(20)
        for name in (names[1], names[2], names[0]):
            self.ok(self.site.run("snapshot", "delete", "db", name))
            self.writer.wait_for_commits(20)
        self.assert_clean()


if __name__ == "__main__":
    main()
