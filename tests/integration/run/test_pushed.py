# SPDX-License-Identifier: Apache-2.0
"""Points whose disks lie in a backup that the hypervisor wrote itself and keeps: taken, judged, and what a death leaves of them."""

import json
import os
import shutil
import signal
import time

import backuplib
import kill_points
import runlib
from storeslib import MIB, StoresTest

runlib.need("age", "age", "age-keygen")

MINE = "integration.run.pushed"
UNDO_WITHIN_S = 10


class PushedTest(StoresTest):
    def setUp(self):
        super().setUp()
        (self.site.vm / "push").touch()
        self.shelf = self.site.vms / "shelf"
        self.where("elsewhere")

    def where(self, text):
        (self.site.vms / "shelf.where").write_text(text + "\n")

    def backups(self):
        return sorted(p.name for p in self.shelf.iterdir()) if self.shelf.is_dir() else []

    def backup(self, status=0, **env):
        return self.ok(self.site.run("backup", "web", **env), status)

    def artifact(self, doc):
        return next(a for a in doc["artifacts"] if a["kind"] == "pushed")

    def calls(self):
        return [line.split()[0] for line in (self.site.vms / "calls").read_text().splitlines()]


class Taken(PushedTest):
    def test_it_is_a_point_whose_record_names_the_backup(self):
        doc = self.backup()
        name = f"web.hf-{doc['point']}"
        a = self.artifact(doc)
        self.assertEqual((doc["grade"], doc["protected"]), ("B", True))
        self.assertEqual([(x["kind"], x["name"]) for x in doc["artifacts"]],
                         [("pushed", "backup"), ("dump", "dump"), ("vm", "definition")])
        self.assertEqual((a["ref"], a["form"], a["place"], a["disks"]), (f"shelf:{name}", "folder", "shelf", ["vda", "vdb"]))
        self.assertEqual((a["bytes"], a["digest"], a["off_host"], a["incremental"]), (5 * MIB + 512, None, "proven", False))
        self.assertGreater(a["stored_bytes"], 5 * MIB)
        self.assertEqual(self.backups(), [name])
        for target, content in self.disks.items():
            self.assertEqual((self.shelf / name / target).read_bytes(), content)
        path, = self.manifests()
        manifest = json.loads(path.read_text())["manifest"]
        self.assertEqual((manifest["format"], manifest["packs"], manifest["checkpoint"]), (2, "", None))
        self.assertEqual([p.name for p in (self.site.dir / "vault").iterdir() if p.name in ("packs", "index", "trees")], [])
        self.assertEqual(backuplib.Judge(self.site.dir / "vault").look().strays, set())
        self.assertFalse({"checkpoint_drop", "checkpoint_list"} & set(self.calls()))
        self.assert_clean()

    def test_a_point_that_is_read_from_the_hypervisor_is_of_the_format_before(self):
        (self.site.vm / "push").unlink()
        runlib.need("qemu-nbd", "qemu-nbd")
        self.backup()
        path, = self.manifests()
        self.assertEqual(json.loads(path.read_text())["manifest"]["format"], 1)

    def test_the_copy_is_waited_for_and_the_wait_is_asked_again(self):
        doc = self.backup(DIR_PUSH_MS=500, DIR_PUSH_TIMEOUTS=2)
        self.assertTrue(doc["protected"])
        self.assertEqual(self.calls().count("export_end"), 3)

    def test_a_backup_that_fails_at_its_end_leaves_nothing(self):
        self.fails(self.site.run("backup", "web", DIR_PUSH_FAILS="1"), 1, "conflict", "the backup failed")
        self.assertEqual((self.backups(), self.manifests()), ([], []))
        self.assert_clean()

    def test_one_that_the_hypervisor_gives_up_ends_before_the_copy_is_waited_for(self):
        running = self.site.start("backup", "web", **self.site.points("backup.before_push_end=stall:1500"))
        self.site.wait_for_point("backup.before_push_end")
        (self.site.vm / "full").touch()
        self.fails(running.wait(), 1, "no-space", "scratch space")
        self.assertEqual(self.backups(), [])

    def test_interrupted_while_it_is_copied_it_is_taken_away(self):
        running = self.site.start("backup", "web", DIR_PUSH_MS=20000, **self.site.points())
        self.site.wait_for_point("backup.before_push_end")
        begin = time.monotonic()
        running.signal(signal.SIGINT)
        self.fails(running.wait(), 1, "cancelled")
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual((self.backups(), self.manifests()), ([], []))
        self.assert_clean()

    def test_two_stores_name_the_same_backup_and_one_that_fails_is_out(self):
        other = self.add_store("other")
        doc = self.backup()
        refs = {self.artifact(json.loads(p.read_text())["manifest"])["ref"] for name in ("vault", "other") for p in self.manifests(name)}
        self.assertEqual(refs, {self.artifact(doc)["ref"]})
        running = self.site.start("backup", "web", **self.site.points("backup.after_push_end=stall:1000"))
        self.site.wait_for_point("backup.after_push_end")
        shutil.rmtree(other)
        doc = self.ok(running.wait(), 3)
        self.assertEqual({s["name"]: s["protected"] for s in doc["stores"]}, {"vault": True, "other": False})
        self.assert_clean()

    def test_with_no_store_left_the_backup_goes_too(self):
        running = self.site.start("backup", "web", **self.site.points("backup.after_push_end=stall:1000"))
        self.site.wait_for_point("backup.after_push_end")
        shutil.rmtree(self.site.dir / "vault")
        self.assertEqual(running.wait().status, 1)
        self.assertEqual(self.backups(), [])
        self.assert_clean()

    def test_a_machine_that_nothing_can_be_read_of_is_refused_before_anything_is_held(self):
        """A machine without `push` is read, whatever else the plugin can do."""
        (self.site.vm / "push").unlink()
        runlib.need("qemu-nbd", "qemu-nbd")
        self.assertNotIn("pushed", [a["kind"] for a in self.backup()["artifacts"]])


class OffHost(PushedTest):
    def judged(self, status, protected, word):
        doc = self.backup(status)
        self.assertEqual((doc["protected"], doc["stores"][0]["protected"], self.artifact(doc)["off_host"]), (protected, protected, word))
        shown = self.ok(self.site.run("show", doc["point"]))
        self.assertEqual(shown["protected"], protected)
        return doc

    def test_elsewhere_protects(self):
        self.judged(0, True, "proven")
        self.where("elsewhere 192.0.2.9")
        self.judged(0, True, "proven")
        self.where("elsewhere 2001:db8::9")
        self.judged(0, True, "proven")

    def test_here_and_unknown_do_not_and_that_is_said(self):
        for text, why in (("here", "in this house"), ("unknown", "nobody has said")):
            self.where(text)
            doc = self.judged(3, False, "no")
            warned = [w for w in doc["warnings"] if "does not protect from the loss of the host" in w]
            self.assertTrue(warned and why in warned[0], doc["warnings"])
            self.assertIn(why, self.artifact(doc)["off_host_why"])

    def test_a_server_that_is_the_guest_or_this_host_does_not(self):
        for server in ("127.0.0.1", "::1", "localhost"):
            self.where(f"elsewhere {server}")
            self.judged(3, False, "no")

    def test_a_server_whose_name_nobody_knows_is_no_proof(self):
        self.where("elsewhere nowhere.invalid")
        doc = self.judged(3, False, "no")
        self.assertIn("nowhere.invalid", self.artifact(doc)["off_host_why"])

    def test_it_can_be_taken_for_granted_and_each_point_says_so(self):
        self.site.hypervisor["off-host"] = "assume"
        self.site.write()
        self.where("here")
        doc = self.judged(0, True, "assumed")
        self.assertTrue([w for w in doc["warnings"] if "only assumed to be off the host: the shelf is in this house" in w], doc["warnings"])
        self.where("elsewhere")
        self.judged(0, True, "proven")


class Dead(PushedTest):
    def order(self):
        self.backup(**self.site.points())
        return self.site.visited()

    def points_of_store(self):
        return set(backuplib.Judge(self.site.dir / "vault").look().points)

    def named(self):
        return {self.artifact(json.loads(p.read_text())["manifest"])["ref"].partition(":")[2] for p in self.manifests()}

    def test_killed_at_every_point_no_point_is_without_its_backup_and_what_is_left_is_what_the_table_says(self):
        order = self.order()
        self.assertEqual(kill_points.of(MINE) - {p for p in kill_points.of(MINE) if p.startswith("prune.")} - set(order), set(), "never visited")
        for point in order:
            with self.subTest(point=point):
                r = self.site.run("backup", "web", **self.site.points(f"{point}=kill"))
                self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
                if order.index(point) > order.index("run.after_journal"):
                    runlib.wait_until(lambda: not self.site.journals(), UNDO_WITHIN_S, "no end of the undo")
                self.recover()
                self.assert_clean()
                self.assertLessEqual(self.named(), set(self.backups()), "a point without its backup")
                self.points_of_store()
                orphans = set(self.backups()) - self.named()
                after = order.index(point) - order.index("backup.after_export_decided")
                is_put = "point.after_manifest" in order and order.index(point) >= order.index("point.after_manifest")
                self.assertEqual(len(orphans), 1 if after >= 0 and not is_put else 0, (point, orphans))
                for name in orphans:
                    shutil.rmtree(self.shelf / name)
        self.assertTrue(self.backup()["protected"])

    def test_an_error_at_any_of_its_points_leaves_a_whole_point_or_none(self):
        for point in sorted(kill_points.of(MINE, "HF_POINT_ERR")):
            if not point.startswith("backup."):
                continue
            self.fails(self.site.run("backup", "web", **self.site.points(f"{point}=error")), 1, "internal", point)
            self.assertEqual((self.backups(), self.manifests()), ([], []), point)
            self.assert_clean()

    def test_recover_names_a_backup_that_may_be_without_a_point(self):
        """The power fails: there is no guardian."""
        r = self.site.run("backup", "web", **self.site.points("backup.after_export_decided=kill,guardian.before_undo=kill"))
        self.assertEqual(r.status, -9, r)
        runlib.wait_until(lambda: "guardian.before_undo" in self.site.visited(), UNDO_WITHIN_S, "no guardian")
        name, = self.backups()
        done = self.ok(self.site.run("recover"))
        self.assertIn(f"backup shelf:{name} of run", json.dumps(done))
        self.assertIn("may be without a point", json.dumps(done))
        self.assertEqual(self.backups(), [name])
        self.assertEqual(self.recover(), [])


if __name__ == "__main__":
    runlib.main()
