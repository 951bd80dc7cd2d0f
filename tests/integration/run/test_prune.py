# SPDX-License-Identifier: Apache-2.0
"""Snapshots whose time is over, those whose time is not, and limits."""

import contextlib
import signal
import sqlite3
import time

from runlib import RunTest, main


class Prune(RunTest):
    def create(self, *args):
        return self.ok(self.site.run("snapshot", "create", "web", *args))["snapshot"]

    def expired(self):
        name = self.create("--keep", "1s")
        time.sleep(1.2)
        return name

    def shift(self, name, seconds):
        """As if the snapshot's time of day had been another one."""
        with contextlib.closing(sqlite3.connect(self.site.state / "catalog.sqlite")) as db, db:
            db.execute("UPDATE snapshots SET taken_us = taken_us + ?1, expires_us = expires_us + ?1 WHERE name = ?2",
                       (seconds * 1000000, name))

    def prune(self, *args, status=0, **env):
        doc = self.ok(self.site.run("prune", *args, **env), status)
        self.assertEqual(set(doc), {"pruned", "kept", "failed", "dry_run", "points", "stores", "backups"})
        return doc

    def kept(self, doc):
        return {r["snapshot"]: r["why"] for r in doc["kept"]}

    def test_what_expired_goes_and_the_rest_stays(self):
        old, later, forever = self.expired(), self.create("--keep", "1h"), self.create()
        (self.site.vm / "theirs.snap").write_text("foreign\n")
        shown = {r["snapshot"]: r["expires_at"] for r in self.site.snapshots()}
        self.assertTrue(shown[old] and shown[later])
        self.assertIsNone(shown[forever])
        self.assertEqual([r["snapshot"] for r in self.prune("--dry-run")["pruned"]], [old])
        self.assertEqual(len(self.site.snapshots()), 4)
        doc = self.prune("web")
        self.assertEqual([r["snapshot"] for r in doc["pruned"]], [old])
        self.assertEqual(self.kept(doc), {later: "not-due", forever: "no-expiry", "theirs": "foreign"})
        self.assertEqual({r["snapshot"] for r in self.site.snapshots()}, {later, forever, "theirs"})

    def test_a_clock_that_jumped_ahead_deletes_nothing(self):
        name = self.create("--keep", "1h")
        self.shift(name, -7200)
        self.assertEqual(self.kept(self.prune()), {name: "clock"})

    def test_a_snapshot_from_the_future_stays(self):
        name = self.expired()
        self.shift(name, 7200)
        self.assertEqual(self.kept(self.prune()), {name: "clock"})

    def test_a_busy_vm_is_left_for_the_next_time(self):
        name = self.expired()
        p = self.site.start("snapshot", "create", "web", **self.site.points("run.before_prepare=stall:3000"))
        self.site.wait_for_point("run.before_prepare")
        self.assertEqual(self.kept(self.prune())[name], "busy")
        self.ok(p.wait())

    def test_an_interrupted_prune_ends_with_the_deletion_at_hand_and_says_so(self):
        """The last of a VM, so that the next VM is the first that is not looked at any more."""
        self.site.sections["other"] = dict(self.site.sections["web"], name="nowhere")
        self.site.sections["third"] = dict(self.site.sections["web"], name="nowhere")
        self.site.write()
        name = self.expired()
        p = self.site.start("prune", "web", "other", "third", **self.site.points("run.before_delete=stall:1500"))
        self.site.wait_for_point("run.before_delete")
        p.signal(signal.SIGINT)
        doc = self.ok(p.wait(), 1)
        told = [r["snapshot"] for r in doc["pruned"]] + [r["snapshot"] for r in doc["failed"]]
        self.assertIn(name, told)
        self.assertEqual([r["vm"] for r in doc["failed"] if r["snapshot"] is None], ["other"])
        self.assertEqual({r["error"]["class"] for r in doc["failed"]}, {"cancelled"})
        del self.site.sections["other"], self.site.sections["third"]
        self.site.write()
        self.ok(self.site.run("recover"))
        self.prune("web")
        self.assertEqual(self.site.snapshots(), [])

    def test_one_that_fails_does_not_stop_the_others(self):
        self.site.sections["away"] = dict(self.site.sections["web"], name="nowhere")
        self.site.write()
        name = self.expired()
        doc = self.prune("away", "web", status=1)
        self.assertEqual([(r["vm"], r["error"]["class"]) for r in doc["failed"]], [("away", "not-found")])
        self.assertEqual([r["snapshot"] for r in doc["pruned"]], [name])
        other = self.expired()
        doc = self.prune("web", status=1, DIR_FAIL="snapshot_delete")
        self.assertEqual([(r["snapshot"], r["error"]["class"]) for r in doc["failed"]], [(other, "plugin")])

    def watched(self):
        return self.site.run("status", "--check", as_json=False).status

    def status(self):
        return self.ok(self.site.run("status"))["vms"][0]

    def test_status_tells_what_is_next_and_what_is_overdue(self):
        later = self.create("--keep", "1h")
        vm = self.status()
        self.assertTrue(vm["next_expiry_at"])
        self.assertEqual((vm["overdue"], vm["overdue_ms"], vm["limits"], self.watched()), ([], 0, [], 0))
        old = self.expired()
        vm = self.status()
        self.assertEqual(vm["overdue"], [old])
        self.assertGreater(vm["overdue_ms"], 0)
        self.assertEqual(self.watched(), 0)  # cron has its time
        self.shift(old, -3 * 3600)
        self.assertEqual(self.watched(), 1)
        self.assertIn(f"web: {old} has expired", self.site.run("status", as_json=False).stdout)
        self.prune()
        self.assertEqual((self.status()["overdue"], self.watched()), ([], 0))
        self.assertEqual([r["snapshot"] for r in self.site.snapshots()], [later])

    def test_status_tells_which_limit_is_exceeded(self):
        self.create()
        self.site.write(max_snapshots=1, max_chain=200)
        vm = self.status()
        self.assertEqual([(x["limit"], x["refuses"]) for x in vm["limits"]], [("max-snapshots", True)])
        self.assertGreaterEqual(vm["chain"], 2)
        self.assertGreater(vm["store_free_bytes"], 0)
        self.assertEqual(self.watched(), 1)
        self.site.write(max_snapshots=12)
        self.assertEqual((self.status()["limits"], self.watched()), ([], 0))

    def test_status_shows_the_others_when_one_cannot_be_asked(self):
        self.site.sections["away"] = dict(self.site.sections["web"], name="nowhere")
        self.site.write()
        self.create()
        rows = {r["vm"]: r for r in self.ok(self.site.run("status"))["vms"]}
        self.assertIn("nowhere", rows["away"]["hypervisor_error"])
        self.assertIsNone(rows["away"]["chain"])
        self.assertIsNone(rows["web"]["hypervisor_error"])
        self.assertGreaterEqual(rows["web"]["chain"], 2)
        self.assertEqual(self.watched(), 1)

    def test_what_somebody_else_removed_is_forgotten(self):
        name, other = self.expired(), self.create("--keep", "1h")
        for path in self.site.vm.glob(f"{name}*"):
            path.unlink()
        self.assertEqual(self.status()["overdue"], [name])
        self.assertEqual(self.kept(self.prune("--dry-run")), {name: "gone", other: "not-due"})
        self.assertEqual(self.status()["overdue"], [name])
        self.assertEqual(self.kept(self.prune()), {name: "gone", other: "not-due"})
        self.assertEqual((self.status()["overdue"], self.status()["snapshots"]), ([], 1))
        self.assertEqual(self.kept(self.prune()), {other: "not-due"})

    def test_the_configuration_says_how_long_when_keep_does_not(self):
        self.site.write(snapshot_keep="1h")
        self.create()
        self.assertTrue(self.site.snapshots()[0]["expires_at"])


class Limits(RunTest):
    def findings(self, status):
        return [c["message"] for c in self.site.run("check").json["checks"]
                if c["area"] == "limits" and c["status"] == status]

    def test_without_room_no_snapshot_is_begun(self):
        self.site.write(min_free="600M")
        error = self.fails(self.site.run("snapshot", "create", "web"), 1, "no-space", "min-free")
        self.assertTrue(error["hint"])
        self.assertNotIn("capture_plan", (self.site.vms / "calls").read_text())
        self.assertIn("min-free", self.findings("fail")[0])
        self.site.write(min_free="50%")
        self.ok(self.site.run("snapshot", "create", "web"))

    def test_too_many_snapshots_or_layers_are_refused(self):
        self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual(self.findings("fail"), [])
        for key, value in (("max_snapshots", 1), ("max_chain", 2)):
            with self.subTest(key=key):
                self.site.write(max_snapshots=None, max_chain=None)
                self.site.write(**{key: value})
                self.fails(self.site.run("snapshot", "create", "web"), 4, "unsupported", key.replace("_", "-"))
                self.assertEqual(len(self.findings("fail")), 1)


if __name__ == "__main__":
    main()
