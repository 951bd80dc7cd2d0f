# SPDX-License-Identifier: Apache-2.0
"""`restore vm`: a machine from a point, on a hypervisor of directories; whatever interrupts it, there is a whole machine or none."""

import os
import shutil

import runlib
import kill_points  # noqa: I001  runlib says where it is
from restorelib import Case

runlib.need("qemu-nbd", "qemu-nbd", "qemu-img")
runlib.need("age", "age", "age-keygen")

MINE = "integration.run.restore_vm"
NO_GUARDIAN = "guardian.before_undo=kill"
DECIDED = ("restore.vm.after_decision", "restore.vm.after_settle")


class Machine(Case):
    def setUp(self):
        super().setUp()
        self.add_store()
        self.backup()
        self.made = self.site.vms / "new"

    def vm(self, *more, name="new", **env):
        return self.site.run("restore", "vm", self.point, "--name", name, "--dir", self.out, *more, **env)

    def mark(self):
        return (self.made / "machine").read_text().split()[2]

    def nothing_is_left(self, disks=False):
        self.assertFalse(self.made.exists())
        self.assertFalse((self.out / "new").exists())
        self.assertEqual(bool(list(self.out.iterdir())), disks)
        self.assertEqual(self.site.journals(), [])

    def assert_whole(self, form="qcow2"):
        self.assertEqual((self.made / "domain").read_text(),
                         "".join(f"{d} {self.out}/new/{d}.{form}\n" for d in ("vda", "vdb")))
        self.assertEqual(self.mark(), "settled")
        self.assertEqual([p.name for p in self.out.iterdir()], ["new"])
        self.assertEqual(sorted(p.name for p in (self.out / "new").iterdir()), [f"vda.{form}", f"vdb.{form}"])
        self.assertEqual(self.site.journals(), [])
        vda = self.out / "new" / f"vda.{form}"
        moved = self.out / "alone"
        moved.mkdir()
        shutil.copy(vda, moved / "vda")
        self.assert_equal(moved / "vda", form)
        shutil.rmtree(moved)

    def kill(self, command, point, both):
        """The run dies there; both: and its guardian, as soon as it sees that."""
        r = command(**self.site.points(f"{point}=kill{',' + NO_GUARDIAN if both else ''}"))
        self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
        if both:
            runlib.wait_until(lambda: "guardian.before_undo" in self.site.visited(), 10, "no guardian")

    def take_away(self):
        shutil.rmtree(self.made)
        shutil.rmtree(self.out / "new")


class Whole(Machine):
    def test_a_point_comes_back_as_a_machine_of_another_name(self):
        doc = self.ok(self.vm())
        self.assertEqual({k: doc[k] for k in ("point", "vm", "store", "name", "hypervisor", "started", "dry_run")},
                         {"point": self.point, "vm": "web", "store": "vault", "name": "new", "hypervisor": "here",
                          "started": False, "dry_run": False})
        self.assertEqual([d["disk"] for d in doc["disks"]], ["vda", "vdb"])
        self.assertIn({"kind": "changed", "about": "name", "text": "new"}, doc["findings"])
        self.assertTrue((self.made / "off").exists())
        self.assert_whole()
        self.assertEqual(self.site.domain(), "vda vda.img\nvdb vdb.img\n")

    def test_it_is_started_where_that_was_asked_for_and_said_in_words(self):
        r = self.site.run("restore", "vm", self.point, "--name", "new", "--dir", self.out, "--format", "raw", "--start", as_json=False)
        self.assertEqual(r.status, 0, str(r))
        self.assertIn(f"restored   new on here, from web/{self.point} on store vault\n", r.stdout)
        self.assertIn("machine    runs", r.stdout)
        self.assertFalse((self.made / "off").exists())
        self.assert_whole("raw")

    def test_a_dry_run_tells_and_makes_nothing(self):
        doc = self.ok(self.vm("--dry-run"))
        self.assertTrue(doc["findings"])
        self.nothing_is_left()

    def test_a_host_that_knows_nothing_of_the_machine_restores_it_too(self):
        del self.site.sections["web"]
        self.site.sections["other"] = {"quiesce": "none"}
        self.site.write = lambda: None
        self.site.config.write_text(self.site.config.read_text().replace("[vm web]", "[vm other]"))
        self.ok(self.vm())
        self.assert_whole()

    def test_an_encrypted_point_needs_its_key_before_anything_is_done(self):
        self.add_store("safe", **self.encrypt())
        self.backup(store="safe")
        self.ok(self.vm("--store", "safe"))
        self.assert_whole()
        self.take_away()
        del self.site.stores["safe"]["identity-file"]
        self.site.write()
        self.fails(self.vm("--store", "safe"), "auth")
        self.nothing_is_left()


class Refused(Machine):
    def test_what_is_taken_or_cannot_be_is_refused_before_a_disk_is_read(self):
        packs = self.site.dir / "vault" / "packs"
        packs.rename(self.site.dir / "hidden")
        self.fails(self.vm(name="web"), "conflict", "there is a machine 'web' already", 1)
        self.fails(self.vm(name="a/b"), "config", "is no name of a machine", 2)
        self.site.sections["web"]["name"] = "/dc/vm/web"
        self.site.write()
        error = self.fails(self.site.run("restore", "vm", self.point, "--in-place", "--dir", self.out), "config", "is no name of a machine", 2)
        self.assertIn("[vm web] gives a path", error["hint"])
        del self.site.sections["web"]["name"]
        self.site.write()
        self.fails(self.vm("--network", "some"), "config", "", 2)
        self.fails(self.vm("--hypervisor", "there"), "config", "", 2)
        (self.out / "new").mkdir()
        self.fails(self.vm(), "conflict", "exists already", 1)
        (self.out / "new").rmdir()
        error = self.fails(self.vm(DIR_FAIL="machine_plan"), "plugin", "told to fail")
        self.assertFalse(error["left"])
        self.nothing_is_left()

    def test_a_step_that_fails_takes_the_machine_away_and_the_next_try_has_the_disks(self):
        for step in ("machine_create", "machine_start"):
            with self.subTest(step=step):
                self.fails(self.vm("--start", DIR_FAIL=step), "plugin", "told to fail")
                self.nothing_is_left(disks=True)
                doc = self.ok(self.vm("--start"))
                self.assertEqual([d["fetched"] for d in doc["disks"]], [0, 0])
                self.assert_whole()
                self.take_away()

    def part(self):
        """Of a restore that has failed when its disks were whole."""
        self.fails(self.vm(DIR_FAIL="machine_create"), "plugin", "told to fail")
        return self.out / f".new-{self.point}.holdfast-part"

    def test_disks_that_a_machine_has_written_into_are_restored_again(self):
        for form in ("raw", "qcow2"):
            with self.subTest(form=form):
                self.fails(self.vm("--start", "--format", form, DIR_WRITES=1, **self.site.points("restore.vm.after_start=error")), "internal")
                self.nothing_is_left(disks=True)
                doc = self.ok(self.vm("--start", "--format", form))
                self.assertEqual([d["fetched"] > 0 for d in doc["disks"]], [True, True])
                self.assert_whole(form)
                self.take_away()

    def test_a_disk_that_is_a_link_or_has_two_names_or_no_record_is_restored_again(self):
        mine = self.site.dir / "mine"
        for spoil in (lambda d: (d.rename(mine), d.symlink_to(mine)), lambda d: mine.hardlink_to(d),
                      lambda d: d.with_name(d.name + ".holdfast-part.json").unlink()):
            spoil(self.part() / "vda.qcow2")
            doc = self.ok(self.vm())
            self.assertEqual([d["fetched"] > 0 for d in doc["disks"]], [True, False])
            self.assert_whole()
            self.take_away()
            mine.unlink(missing_ok=True)

    def test_a_folder_that_somebody_else_has_put_there_is_not_used(self):
        part = self.out / f".new-{self.point}.holdfast-part"
        theirs = self.site.dir / "theirs"
        theirs.mkdir(mode=0o700)
        part.symlink_to(theirs)
        self.fails(self.vm(), "conflict", "is there, and not ours")
        part.unlink()
        part.write_text("a file\n")
        self.fails(self.vm(), "conflict", "is there, and not ours")
        part.unlink()
        self.assertEqual((theirs.stat().st_mode & 0o777, list(theirs.iterdir())), (0o700, []))
        if os.geteuid() == 0:
            part.mkdir()
            os.chown(part, 65534, 65534)
            self.fails(self.vm(), "conflict", "is there, and not ours")
            self.assertEqual(list(part.iterdir()), [])
            part.rmdir()
        self.assertEqual(self.site.journals(), [])

    def test_what_another_format_has_left_does_not_come_into_the_machines_folder(self):
        part = self.part()
        for name in ("vdz.qcow2.holdfast-part", "vdz.qcow2.holdfast-part.json", "notes"):
            (part / name).write_text("left\n")
        self.ok(self.vm("--format", "raw"))
        folder = self.out / "new"
        self.assertEqual((folder / "notes").read_text(), "left\n")
        (folder / "notes").unlink()
        self.assert_whole("raw")

    def test_a_machine_that_cannot_be_given_away_yet_is_by_recover(self):
        self.ok(self.vm(DIR_FAIL="machine_settle"))
        self.assertEqual(self.mark(), "made")
        self.ok(self.site.run("recover"))
        self.assert_whole()


class InPlace(Machine):
    """The machine itself gets the point's disks."""

    FORMER = "vda vda.img\nvdb vdb.img\n"

    def in_place(self, *more, **env):
        return self.site.run("restore", "vm", self.point, "--in-place", "--dir", self.out, *more, **env)

    def test_it_keeps_the_old_disks_and_tells_them(self):
        self.fails(self.in_place(), "busy", "is not shut off", 4)
        (self.site.vm / "off").touch()
        doc = self.ok(self.in_place())
        self.assertEqual(doc["former_disks"], [str(self.site.vm / "vda.img"), str(self.site.vm / "vdb.img")])
        folder = self.out / f"web-{self.point}"
        self.assertEqual(self.site.domain(), f"vda {folder}/vda.qcow2\nvdb {folder}/vdb.qcow2\n")
        self.assertFalse((self.site.vm / "off").exists())
        self.assertTrue(self.disk.exists())
        self.assertEqual(self.site.journals(), [])

    def test_killed_it_is_repeated_and_names_the_disks_that_it_really_replaces(self):
        former = [str(self.site.vm / "vda.img"), str(self.site.vm / "vdb.img")]
        (self.site.vm / "off").touch()
        self.kill(self.in_place, "restore.vm.after_create", both=True)
        self.assertNotEqual(self.site.domain(), self.FORMER)
        self.assertEqual(self.ok(self.in_place())["former_disks"], former)

    def test_disks_that_the_point_does_not_have_are_told_and_not_for_removal(self):
        (self.site.vm / "off").touch()
        (self.site.vm / "vdc.img").write_text("newer\n")
        (self.site.vm / "domain").write_text(self.FORMER + "vdc vdc.img\n")
        newer = str(self.site.vm / "vdc.img")
        doc = self.ok(self.in_place("--dry-run"))
        self.assertEqual(doc["kept_disks"], [newer])
        self.assertNotIn(newer, doc["former_disks"])
        finding = next(f for f in doc["findings"] if f["about"] == "vdc")
        self.assertEqual(finding["kind"], "left out")
        self.assertIn("the point does not", finding["text"])
        r = self.site.run("restore", "vm", self.point, "--in-place", "--dir", self.out, as_json=False)
        self.assertEqual(r.status, 0, str(r))
        self.assertIn(f"kept       {newer} (not in the point)\n", r.stdout)
        self.assertNotIn(f"former     {newer}", r.stdout)

    def test_a_dry_run_leaves_a_dead_run_to_recover(self):
        (self.site.vm / "off").touch()
        self.kill(self.in_place, "restore.vm.after_create", both=True)
        state = lambda: (self.site.domain(), self.site.journals(), sorted(self.out.rglob("*")))  # noqa: E731
        before = state()
        error = self.fails(self.in_place("--dry-run"), "busy", "is not undone yet", 4)
        self.assertIn("holdfast recover", error["hint"])
        self.assertEqual(state(), before)
        self.ok(self.site.run("recover"))
        self.ok(self.in_place("--dry-run"))
        self.assertEqual(self.site.journals(), [])

    def test_one_that_does_not_boot_is_as_it_was(self):
        (self.site.vm / "off").touch()
        (self.site.vm / "agent").unlink()
        error = self.fails(self.in_place("--boot-timeout", "1s", DIR_FAIL="guest_ping"), "timeout", "did not boot from the restored disks")
        self.assertIn("former disks again", error["hint"])
        self.assertFalse(error["left"])
        self.assertEqual(self.site.domain(), self.FORMER)
        self.assertTrue((self.site.vm / "off").exists())
        self.assertEqual(self.site.journals(), [])

    def test_one_that_does_not_boot_and_cannot_be_taken_away_does_not_say_that_it_is_as_it_was(self):
        (self.site.vm / "off").touch()
        error = self.fails(self.in_place("--boot-timeout", "1s", DIR_FAIL="guest_ping,machine_destroy"), "timeout", "did not boot")
        self.assertNotIn("former disks again", error["hint"] or "")
        self.assertIn("a machine with disks in", str(error["left"]))
        self.assertNotEqual(self.site.domain(), self.FORMER)
        self.ok(self.site.run("recover"))
        self.assertEqual(self.site.domain(), self.FORMER)

    def is_as_it_was(self):
        return self.site.domain() == self.FORMER and (self.site.vm / "off").exists() and self.site.journals() == []

    def test_killed_before_it_booted_its_guardian_or_else_recover_makes_it_as_it_was(self):
        for point in sorted(kill_points.of(MINE)):
            if point in DECIDED:
                continue
            for both in (False, True):
                with self.subTest(point=point, both=both):
                    (self.site.vm / "off").touch()
                    self.kill(self.in_place, point, both)
                    if both:
                        self.ok(self.site.run("recover"))
                    runlib.wait_until(self.is_as_it_was, 0 if both else 10, f"{self.site.domain()} {self.site.journals()}")

    def die_while_it_boots(self):
        """Both of them: nobody undoes it, and the machine runs."""
        (self.site.vm / "off").touch()
        self.kill(self.in_place, "restore.vm.after_start", both=True)
        self.assertFalse((self.site.vm / "off").exists())
        return self.site.domain()

    def test_a_machine_that_answers_is_not_taken_away_by_the_next_backup(self):
        restored = self.die_while_it_boots()
        self.ok(self.site.run("backup", "web"))
        self.assertEqual((self.site.vm / "machine").read_text().split()[2], "settled")
        self.assertEqual(self.site.domain(), restored)
        self.assertFalse((self.site.vm / "off").exists())
        self.assertEqual(self.site.journals(), [])

    def test_a_machine_that_runs_and_does_not_answer_is_left_to_who_decides(self):
        restored = self.die_while_it_boots()
        for verb in (("backup", "web"), ("snapshot", "create", "web")):
            error = self.fails(self.site.run(*verb, DIR_FAIL="guest_ping"), "busy", "runs, and its guest does not answer", 4)
            self.assertIn("holdfast recover", error["hint"])
            self.assertEqual(self.site.domain(), restored)
            self.assertFalse((self.site.vm / "off").exists())
        self.ok(self.site.run("recover"))
        self.assertTrue(self.is_as_it_was())

    def test_a_machine_that_has_not_come_up_is_made_as_it_was_by_the_next_backup(self):
        (self.site.vm / "off").touch()
        self.kill(self.in_place, "restore.vm.after_create", both=True)
        self.ok(self.site.run("backup", "web"))
        self.assertTrue(self.is_as_it_was())


class Killed(Machine):
    def test_a_folder_that_cannot_be_looked_at_is_not_taken_for_gone(self):
        self.kill(self.vm, "restore.vm.after_create", both=True)
        away = self.site.dir / "away"
        self.out.rename(away)
        self.out.write_text("no folder\n")
        r = self.site.run("recover")
        self.assertEqual(r.status, 1, str(r))
        self.assertIn(f"disks in '{self.out}/new'", r.stdout)
        self.assertTrue(self.site.journals())
        self.out.unlink()
        away.rename(self.out)
        self.ok(self.site.run("recover"))
        self.nothing_is_left(disks=True)

    def test_killed_at_any_point_its_guardian_or_else_recover_leaves_all_or_nothing_and_the_same_command_ends_it(self):
        self.ok(self.vm("--start", **self.site.points()))
        order = [p for p in self.site.visited() if p in kill_points.of(MINE)]
        self.assertEqual(kill_points.of(MINE) - set(order), set(), "never visited")
        self.take_away()
        for point in order:
            for who in ("guardian", "recover", "the same command"):
                with self.subTest(point=point, who=who):
                    self.kill(lambda **env: self.vm("--start", **env), point, both=who != "guardian")
                    # Once it runs and answers it is what was wanted: who begins anew does not take it away.
                    decided = point in DECIDED or (point == "restore.vm.after_start" and who == "the same command")
                    if who == "recover":
                        self.ok(self.site.run("recover"))
                        self.ok(self.site.run("recover"))
                    if who == "guardian":
                        runlib.wait_until(lambda: self.site.journals() == [], 10, "no guardian")
                    if who != "the same command" and not decided:
                        self.nothing_is_left(disks=True)
                    r = self.vm("--start")
                    if decided:
                        self.fails(r, "conflict", "exists already")
                    else:
                        self.ok(r)
                    self.assert_whole()
                    self.take_away()


if __name__ == "__main__":
    runlib.main()
