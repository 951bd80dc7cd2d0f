# SPDX-License-Identifier: Apache-2.0
"""`restore vm` and `verify --drill` of points whose disks the hypervisor keeps, on a hypervisor of directories: the machine comes whole from
the backup, or nothing of it is left. Drills that pass: test_drill_pushed.py."""

import re
import shutil
import signal

import runlib
from storeslib import StoresTest

NO_GUARDIAN = "guardian.before_undo=kill"
DECIDED = ("restore.vm.after_decision", "restore.vm.after_settle")
POINTS = ("restore.vm.after_create", "restore.vm.after_start", *DECIDED)


class PushedRestore(StoresTest):
    def setUp(self):
        super().setUp()
        (self.site.vm / "push").touch()
        (self.site.vms / "shelf.where").write_text("elsewhere\n")
        self.point = self.ok(self.site.run("backup", "web"))["point"]
        self.made = self.site.vms / "new"

    def vm(self, *more, **env):
        return self.site.run("restore", "vm", self.point, "--name", "new", *more, **env)

    def calls(self):
        return [line.split()[0] for line in (self.site.vms / "calls").read_text().splitlines()]

    def assert_whole(self):
        self.assertEqual((self.made / "domain").read_text(), "vda vda.img\nvdb vdb.img\n")
        for target, content in self.disks.items():
            self.assertEqual((self.made / f"{target}.img").read_bytes(), content)
        self.assertEqual((self.made / "machine").read_text().split()[2], "settled")
        self.assertEqual(self.site.journals(), [])

    def assert_nothing_left(self):
        self.assertFalse(self.made.exists())
        self.assertEqual(self.site.journals(), [])
        self.assertEqual(len(list((self.site.vms / "shelf").iterdir())), 1)


class Restored(PushedRestore):
    def test_the_machine_comes_whole_from_the_backup(self):
        doc = self.ok(self.vm("--storage", "floor", "--start"))
        self.assertEqual({k: doc[k] for k in ("name", "hypervisor", "id", "dir", "disks", "started", "dry_run")},
                         {"name": "new", "hypervisor": "here", "id": "id-new", "dir": "", "disks": [], "started": True, "dry_run": False})
        self.assertEqual(doc["backup"], f"shelf:web.hf-{self.point}")
        self.assertFalse((self.made / "off").exists())
        self.assert_whole()
        r = self.site.run("show", self.point, as_json=False)
        self.assertEqual(r.status, 0, str(r))

    def words(self, *more):
        r = self.site.run("restore", "vm", self.point, "--name", "new", *more, as_json=False)
        self.assertEqual(r.status, 0, str(r))
        return re.sub(r", in [0-9hms.]+$", ", in a moment", r.stdout, flags=re.M)

    def test_it_is_said_in_words(self):
        place = f"new on here, from web/{self.point} on store vault\nfrom       shelf:web.hf-{self.point}, by the hypervisor itself\n"
        self.assertEqual(self.words("--dry-run"), f"changed    name: new\nwould be   {place}")
        self.assertEqual(self.words(), f"changed    name: new\nrestored   {place}machine    id-new is shut off, in a moment\n")
        shutil.rmtree(self.made)
        self.assertEqual(self.words("--start"), f"changed    name: new\nrestored   {place}machine    id-new runs, in a moment\n")

    def test_what_it_refuses_it_says_and_what_to_do_instead(self):
        for args, message, hint in (
                (("--dir", "/tmp"), "is in a backup of its hypervisor, so --dir has no meaning", "--storage NAME"),
                (("--instant",), "and boots none from it", "Without --instant, and with a --name."),
                (("--in-place",), "never one in the place of another", "Without --in-place, and with a --name.")):
            r = self.site.run("restore", "vm", self.point, "--name", "new", *args, as_json=False)
            self.assertIn(message, r.stderr)
            self.assertIn(hint, r.stderr)

    def test_one_that_is_found_damaged_is_restored_all_the_same_and_that_is_said(self):
        """Perhaps there is no other; who restores it has to know."""
        folder, = (self.site.vms / "shelf").iterdir()
        (folder / "bad").touch()
        warned = f"warning    shelf:{folder.name}: backup shelf:{folder.name} is damaged, as its place found when it verified it\n"
        self.assertTrue(self.words("--dry-run").startswith(warned))
        finding = self.ok(self.vm())["findings"][0]
        self.assertEqual((finding["kind"], finding["about"]), ("warning", f"shelf:{folder.name}"))
        self.assert_whole()

    def test_a_dry_run_makes_nothing(self):
        self.assertTrue(self.ok(self.vm("--dry-run"))["dry_run"])
        self.assertNotIn("machine_create", self.calls())
        self.assert_nothing_left()

    def test_the_copy_is_waited_for_and_asked_for_again(self):
        self.ok(self.vm(DIR_RESTORE_MS=300, DIR_RESTORE_TIMEOUTS=2))
        self.assertEqual(self.calls().count("machine_create"), 3)
        self.assert_whole()

    def test_what_has_no_meaning_is_refused_before_the_hypervisor_plans(self):
        for args, status, error_class in ((("--dir", str(self.site.dir)), 2, "config"), (("--format", "raw"), 2, "config"),
                                          (("--instant",), 4, "unsupported"), (("--in-place",), 4, "unsupported")):
            with self.subTest(args=args):
                self.fails(self.vm(*args), status, error_class, "backup of its hypervisor")
        self.assertNotIn("machine_plan", self.calls())

    def test_a_point_on_the_store_wants_a_folder_and_no_storage(self):
        (self.site.vm / "push").unlink()
        runlib.need("qemu-nbd", "qemu-nbd")
        point = self.ok(self.site.run("backup", "web"))["point"]
        self.fails(self.site.run("restore", "vm", point, "--name", "new"), 2, "config", "needs --dir DIR")
        self.fails(self.site.run("restore", "vm", point, "--name", "new", "--dir", str(self.site.dir), "--storage", "floor"), 2, "config",
                   "--storage is for points")


class Failed(PushedRestore):
    def test_whatever_fails_nothing_of_it_is_left(self):
        for op in ("machine_plan", "machine_create", "machine_start"):
            with self.subTest(op=op):
                self.fails(self.vm("--start", DIR_FAIL=op), 1, "plugin", "told to fail")
                self.assert_nothing_left()

    def test_a_backup_that_is_not_the_point_s_is_none(self):
        notes, = (self.site.vms / "shelf").glob("*/notes")
        kept = notes.read_text()
        notes.write_text("holdfast hf-20250101T000000Z-00000000")
        self.fails(self.vm(), 1, "conflict", "is not this point's")
        notes.write_text(kept)
        self.assertNotIn("machine_plan", self.calls())

    def test_killed_anywhere_there_is_a_whole_machine_or_none(self):
        for both in (False, True):
            for point in POINTS:
                with self.subTest(point=point, both=both):
                    r = self.vm("--start", **self.site.points(f"{point}=kill{',' + NO_GUARDIAN if both else ''}"))
                    self.assertEqual(r.status, -signal.SIGKILL, str(r))
                    if both:
                        runlib.wait_until(lambda: "guardian.before_undo" in self.site.visited(), 10, "no guardian")
                        runlib.wait_until(lambda: self.site.run("recover").status == 0, 10, "recover does not come to it")
                    self.site.wait_for_undo(10)
                    if point in DECIDED:
                        self.assert_whole()
                        for file in self.made.iterdir():
                            file.unlink()
                        self.made.rmdir()
                    self.assert_nothing_left()

    def test_a_drill_that_does_not_come_up_leaves_nothing(self):
        self.site.write(db="tcp://127.0.0.1:1", drill_timeout="1s")
        doc = self.ok(self.site.run("verify", self.point, "--drill"), 1)
        self.assertFalse(doc["passed"])
        self.assertEqual([p.name for p in self.site.vms.iterdir() if p.is_dir() and p.name not in ("web", "shelf")], [])
        self.assert_nothing_left()


if __name__ == "__main__":
    runlib.main()
