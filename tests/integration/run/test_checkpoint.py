# SPDX-License-Identifier: Apache-2.0
"""What a backup leaves in the hypervisor for the next one: which checkpoints there are after each, and what failures leave."""

import contextlib
import json
import os
import sqlite3

import runlib
from runlib import RunTest  # noqa: I001  it says where the others are
from backuplib import Judge, digests
import kill_points

runlib.need("qemu-nbd", "qemu-nbd")

UNDO_WITHIN_S = 10


class Checkpoints(RunTest):
    def setUp(self):
        super().setUp()
        for target in ("vda", "vdb"):
            (self.site.vm / f"{target}.img").write_bytes(os.urandom(4096))
        self.folder = self.site.dir / "vault"
        self.folder.mkdir(mode=0o700)
        self.site.stores["vault"] = {"url": f"file://{self.folder}", "off-host": "assume"}
        self.site.write()
        self.ok(self.site.run("store", "init", "vault"))

    def backup(self, status=0, **env):
        return self.ok(self.site.run("backup", "web", **env), status)

    def checkpoints(self):
        return sorted(p.stem for p in self.site.vm.glob("*.cp"))

    def manifests(self):
        return [json.loads(p.read_text())["manifest"] for p in self.folder.glob("points/web/*/manifest.json")]

    def in_catalog(self):
        with contextlib.closing(sqlite3.connect(self.site.state / "catalog.sqlite")) as db:
            return dict(db.execute("SELECT id, checkpoint FROM points"))

    def test_a_backup_leaves_one_checkpoint_called_after_its_run_and_records_it(self):
        doc = self.backup()
        name = f"hf-{doc['run']}"
        self.assertEqual(self.checkpoints(), [name])
        self.assertEqual(doc["checkpoint"], name)
        self.assertEqual([m["checkpoint"] for m in self.manifests()], [name])
        self.assertEqual(self.in_catalog(), {doc["point"]: name})
        self.assert_clean()

    def test_the_next_one_deletes_the_older_and_leaves_those_of_others_alone(self):
        (self.site.vm / "theirs.cp").write_text("foreign\n")
        first = self.backup()
        second = self.backup()
        self.assertEqual(self.checkpoints(), [second["checkpoint"], "theirs"])
        self.assertEqual(self.in_catalog(), {first["point"]: first["checkpoint"], second["point"]: second["checkpoint"]})

    def test_never_makes_none_and_deletes_what_was_there(self):
        self.backup()
        self.site.write(checkpoint="never")
        doc = self.backup()
        self.assertIsNone(doc["checkpoint"])
        self.assertEqual(self.checkpoints(), [])
        self.assertIsNone(self.in_catalog()[doc["point"]])

    def test_a_vm_with_internal_snapshots_is_left_without_one_unless_always(self):
        self.backup()
        (self.site.vm / "internal").touch()
        self.assertIsNone(self.backup()["checkpoint"])
        self.assertEqual(self.checkpoints(), [])
        self.site.write(checkpoint="always")
        doc = self.backup()
        self.assertEqual(self.checkpoints(), [doc["checkpoint"]])

    def test_a_vm_that_is_off_keeps_the_one_it_has(self):
        first = self.backup()
        (self.site.vm / "off").touch()
        self.assertIsNone(self.backup()["checkpoint"])
        self.assertEqual(self.checkpoints(), [first["checkpoint"]])
        (self.site.vm / "internal").touch()
        self.backup()
        self.assertEqual(self.checkpoints(), [])

    def test_a_run_that_fails_takes_its_own_away_and_leaves_the_one_of_the_point_before(self):
        first = self.backup()
        for fault in ({"DIR_FAIL": "export_end"}, {"HOLDFAST_POINT": "backup.before_definition=error"},
                      {"HOLDFAST_POINT": "catalog.before_point_commit=error"}):
            self.assertEqual(self.site.run("backup", "web", **fault).status, 1)
            self.assertEqual(self.checkpoints(), [first["checkpoint"]], fault)
            self.assert_clean()

    def test_recover_takes_the_one_of_a_dead_run_away_and_leaves_the_one_of_the_point_before(self):
        first = self.backup()
        dead = self.site.start("backup", "web", **self.site.points("backup.before_disks=kill,guardian.before_undo=kill")).wait()
        self.assertEqual(dead.status, -9)
        self.site.wait_for_point("guardian.before_undo")
        self.assertEqual(len(self.checkpoints()), 2)
        self.recover()
        self.assertEqual(self.checkpoints(), [first["checkpoint"]])
        self.assert_clean()

    def test_an_older_one_that_cannot_be_deleted_is_a_warning_with_a_remedy_and_goes_the_next_time(self):
        first = self.backup()
        second = self.backup(DIR_FAIL="checkpoint_drop")
        self.assertIn("older checkpoints are not deleted", " ".join(second["warnings"]))
        self.assertEqual(self.checkpoints(), sorted([first["checkpoint"], second["checkpoint"]]))
        third = self.backup()
        self.assertEqual(self.checkpoints(), [third["checkpoint"]])
        self.assertNotIn("older checkpoints", " ".join(third["warnings"]))

    def test_killed_anywhere_what_is_there_belongs_to_a_point_and_the_next_backup_leaves_one_alone(self):
        self.backup()
        self.backup(**self.site.points())
        order = self.site.visited()
        self.assertEqual(kill_points.of("integration.run.checkpoint") - set(order), set(), "points that nobody visits")
        self.assertLess(order.index("backup.after_commit"), order.index("backup.before_checkpoint_drop"))
        for point in order[order.index("run.before_prepare"):]:
            with self.subTest(point=point):
                (self.site.vm / "vda.img").write_bytes(os.urandom(4096))
                self.site.run("backup", "web", **self.site.points(f"{point}=kill"))
                self.site.wait_for_undo(UNDO_WITHIN_S)
                self.assertTrue(self.checkpoints())
                self.assertEqual(set(self.checkpoints()) - set(self.in_catalog().values()), set(), "of no point")
                doc = self.backup()
                self.assertEqual(self.checkpoints(), [doc["checkpoint"]])
                self.assertTrue(all(a["incremental"] for a in doc["artifacts"] if a["kind"] == "image"), doc["artifacts"])
                now = digests({t: (self.site.vm / f"{t}.img").read_bytes() for t in ("vda", "vdb")})
                self.assertEqual(Judge(self.folder).look().points[doc["point"]], now)


if __name__ == "__main__":
    runlib.main()
