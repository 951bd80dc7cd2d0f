# SPDX-License-Identifier: Apache-2.0
"""`restore image`: a disk of a point into a file, raw and qcow2; whatever interrupts it, FILE is whole or not there, and it goes on."""

import os
import signal
import subprocess
import time

import runlib
import kill_points  # noqa: I001  runlib says where it is
from restorelib import ALL_FORMATS, FORMATS, MIB, Case

runlib.need("qemu-nbd", "qemu-nbd", "qemu-img")
runlib.need("age", "age", "age-keygen")

MINE = "integration.run.restore_image"


class Whole(Case):
    def check_formats(self, store):
        for form in ALL_FORMATS:
            with self.subTest(form=form):
                file = self.out / f"{store}.{form}"
                doc = self.ok(self.restore(file, form, "--store", store))
                size = self.disk.stat().st_size
                self.assertEqual({k: doc[k] for k in ("point", "vm", "disk", "store", "file", "format", "bytes", "resumed")},
                                 {"point": self.point, "vm": "web", "disk": "vda", "store": store, "file": str(file),
                                  "format": form, "bytes": size, "resumed": False})
                self.assertLess(doc["written"], 4 * MIB)
                self.assertGreater(doc["fetched"], 2 * MIB)
                self.assertLess(file.stat().st_blocks * 512, 4 * MIB)
                self.assert_equal(file, form)
                file.unlink()

    def test_a_disk_comes_back_equal_from_a_directory_plain_and_encrypted(self):
        self.add_store("vault")
        self.add_store("safe", **self.encrypt())
        for store in ("vault", "safe"):
            self.backup(store=store)
            self.check_formats(store)

    def test_the_disk_of_a_later_point_comes_back_too(self):
        self.add_store()
        self.backup()
        before, first = self.disk.read_bytes(), self.point
        with self.disk.open("r+b") as f:
            f.seek(MIB)
            f.write(os.urandom(200000))
        self.point = self.ok(self.site.run("backup", "web"))["point"]
        self.ok(self.restore(self.out / "new"))
        self.assert_equal(self.out / "new")
        (self.out / "new").unlink()
        self.point = first
        self.ok(self.restore(self.out / "old"))
        self.assertEqual((self.out / "old").read_bytes(), before)

    def test_which_disk_has_to_be_said_where_there_are_several(self):
        self.add_store()
        self.backup()
        error = self.fails(self.site.run("restore", "image", self.point, "--to", self.out / "x"), "config", "vda, vdb", 2)
        self.assertIn("--disk", error["hint"])
        self.fails(self.site.run("restore", "image", self.point, "--to", self.out / "x", "--disk", "vdz"), "config", "vda, vdb", 2)
        self.fails(self.site.run("restore", "image", self.point, "--disk", "vda"), "config", "--to", 2)
        self.fails(self.site.run("restore", "image", "20990101T000000Z-00000000", "--disk", "vda", "--to", self.out / "x"),
                   "not-found")
        self.assertEqual(list(self.out.iterdir()), [])

    def test_a_file_that_exists_is_replaced_by_a_new_one_and_only_with_overwrite(self):
        self.add_store()
        self.backup()
        file = self.out / "x"
        file.write_text("precious")
        file.chmod(0o640)
        before = file.stat()
        error = self.fails(self.restore(file), "conflict", "exists")
        self.assertIn("--overwrite", error["hint"])
        self.assertEqual(file.read_text(), "precious")
        self.ok(self.restore(file, "raw", "--overwrite"))
        self.assert_equal(file)
        self.assertNotEqual(file.stat().st_ino, before.st_ino)
        self.assertEqual(file.stat().st_mode, before.st_mode)

    def test_the_disk_of_a_running_machine_is_not_replaced(self):
        self.add_store()
        self.backup()
        file = self.out / "x"
        file.write_bytes(bytes(MIB))
        machine = subprocess.Popen(["qemu-nbd", "--persistent", "-f", "raw", "-k", self.site.dir / "sock", file],
                                   preexec_fn=runlib.die_with_parent)
        try:
            runlib.wait_until((self.site.dir / "sock").exists, 10, "no qemu-nbd")
            self.fails(self.restore(file, "raw", "--overwrite"), "busy", "in use", 4)
        finally:
            machine.kill()
            machine.wait()
        self.assertEqual(file.read_bytes(), bytes(MIB))

    def test_a_device_is_written_in_place_and_only_with_overwrite(self):
        self.add_store()
        self.backup()
        image = self.site.dir / "device"
        with image.open("wb") as f:
            f.write(os.urandom(12 * MIB))
        loop = runlib.program("losetup")
        r = subprocess.run([loop, "--find", "--show", image], capture_output=True, text=True) if loop else None
        if not r or r.returncode:
            self.skipTest("no loop devices")
        device = r.stdout.strip()
        try:
            self.fails(self.restore(device), "conflict", "device")
            self.fails(self.restore(device, "qcow2", "--overwrite"), "unsupported", "raw", 4)
            self.ok(self.restore(device, "raw", "--overwrite"))
            size = self.disk.stat().st_size
            with open(device, "rb") as f:
                self.assertEqual(f.read(size), self.disk.read_bytes())
        finally:
            subprocess.run([loop, "-d", device], check=True)

    def test_people_read_what_was_restored(self):
        self.add_store()
        self.backup()
        r = self.site.run(*self.args(self.out / "x"), as_json=False)
        self.assertIn(f"restored   {self.out}/x, raw: disk vda of web/{self.point}, from store vault\n", r.stdout)


class Broken(Case):
    """What cannot be had is said, and FILE never appears."""

    def none_there(self, file):
        self.assertFalse(file.exists())
        self.assert_no_qemu(file.parent)

    def test_the_wrong_key_and_none_are_a_question_of_rights(self):
        self.add_store("safe", **self.encrypt())
        self.backup(store="safe")
        other = self.site.dir / "other"
        runlib.make_identity(other)
        for key in (other, None):
            self.site.stores["safe"]["identity-file"] = key
            if not key:
                del self.site.stores["safe"]["identity-file"]
            self.site.write()
            for form in FORMATS:
                error = self.fails(self.restore(self.out / "x", form), "auth")
                self.assertIn("identity-file", error["hint"])
                self.assertEqual(list(self.out.iterdir()), [])

    def test_a_missing_or_damaged_chunk_is_named_and_once_it_is_back_the_restore_goes_on(self):
        vault = self.add_store()
        self.backup(40)
        # The last pack: what lies before it is good.
        packs = [p for p in (vault / "packs").rglob("*") if p.is_file() and p.stat().st_size > MIB]
        pack = max(packs, key=lambda p: p.stat().st_mtime_ns)
        kept = pack.read_bytes()
        for form in FORMATS:
            file = self.out / form
            for is_gone in (True, False):
                with self.subTest(form=form, is_gone=is_gone):
                    pack.write_bytes(kept[:1000] + bytes(100000) + kept[101000:])
                    if is_gone:
                        pack.unlink()
                    error = self.fails(self.restore(file, form), "corrupt", pack.name)
                    self.assertRegex(error["message"], "the disk at [0-9]+: pack ")
                    self.assertIn("verify", error["hint"])
                    self.none_there(file)
            pack.write_bytes(kept)
            self.ok(self.restore(file, form))
            self.assert_equal(file, form)
            file.unlink()

    def test_a_full_disk_is_said_with_how_to_go_on(self):
        self.add_store()
        self.backup(40)
        small = self.site.dir / "small"
        small.mkdir()
        r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "holdfast-test", small], capture_output=True)
        if r.returncode:
            runlib.missing("mount", "no tmpfs can be mounted")
        self.addCleanup(subprocess.run, ["umount", "-l", small], capture_output=True)
        for form in FORMATS:
            with self.subTest(form=form):
                file = small / form
                # Slow enough for a first record.
                error = self.fails(self.restore(file, form, **self.slow(550)), "no-space")
                self.assertIn(str(self.part(file)), str(error["left"]))
                self.assertIn("The same command goes on", error["hint"])
                self.none_there(file)
                subprocess.run(["mount", "-o", "remount,size=200m", small], check=True)
                doc = self.ok(self.restore(file, form))
                self.assertTrue(doc["resumed"])
                self.assert_equal(file, form)
                file.unlink()
                subprocess.run(["mount", "-o", "remount,size=24m", small], check=True)

    def test_interrupted_by_a_person_it_names_the_part_and_goes_on_from_there(self):
        self.add_store()
        self.backup(48)
        for form in FORMATS:
            with self.subTest(form=form):
                file = self.out / form
                running = self.site.start(*self.args(file, form), **self.slow(300))
                # One write more than there are workers: one of them has ended its first.
                workers = min(max(os.cpu_count() + 1, 4), 8)
                runlib.wait_until(lambda n=workers: self.site.point_log.exists() and
                                  self.site.point_log.read_text().count("restore.image.before_write") > n, 15, "no write ends")
                running.signal(signal.SIGINT)
                begin = time.monotonic()
                error = self.fails(running.wait(), "cancelled")
                self.assertLess(time.monotonic() - begin, 5)
                self.assertIn(str(self.part(file)), str(error["left"]))
                self.none_there(file)
                doc = self.ok(self.restore(file, form))
                self.assertTrue(doc["resumed"])
                self.assertLess(doc["fetched"], 48 * MIB)
                self.assert_equal(file, form)
                file.unlink()


class Killed(Case):
    def visits(self, form):
        self.ok(self.restore(self.out / "all", form, **self.site.points()))
        (self.out / "all").unlink()
        return [p for p in self.site.visited() if p in kill_points.of(MINE)]

    def test_killed_at_any_point_the_same_command_again_gives_an_equal_disk(self):
        self.add_store()
        self.backup()
        walked = set()
        for form in ALL_FORMATS:
            order = self.visits(form)
            walked |= set(order)
            for point in order:
                with self.subTest(form=form, point=point):
                    file = self.out / "x"
                    r = self.restore(file, form, **self.site.points(f"{point}=kill"))
                    self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
                    self.assertEqual(file.exists(), point == "restore.image.after_rename")
                    self.ok(self.restore(file, form))
                    self.assert_equal(file, form)
                    file.unlink()
        self.assertEqual(kill_points.of(MINE) - walked, set(), "never visited")

    def test_an_error_at_any_point_is_said_and_the_same_command_again_gives_an_equal_disk(self):
        self.add_store()
        self.backup()
        for form in ALL_FORMATS:
            for point in [p for p in self.visits(form) if p in kill_points.of(MINE, "HF_POINT_ERR")]:
                with self.subTest(form=form, point=point):
                    file = self.out / "x"
                    self.fails(self.restore(file, form, **self.site.points(f"{point}=error")), "internal", point)
                    self.assertFalse(file.exists())
                    self.ok(self.restore(file, form))
                    self.assert_equal(file, form)
                    file.unlink()

    def test_killed_after_a_record_only_what_it_does_not_name_is_written_again(self):
        self.add_store()
        self.backup(48)
        for form in FORMATS:
            with self.subTest(form=form):
                file = self.out / "x"
                running = self.site.start(*self.args(file, form), **self.slow(550))
                record = self.part(file).with_name(self.part(file).name + ".json")
                runlib.wait_until(lambda: record.exists() and '"durable":[[' in record.read_text(), 30, "no record")
                running.signal(signal.SIGKILL)
                self.assertEqual(running.wait().status, -9)
                doc = self.ok(self.restore(file, form))
                self.assertTrue(doc["resumed"])
                self.assertLess(doc["written"], 48 * MIB)
                self.assert_equal(file, form)
                file.unlink()

    def test_another_point_or_format_into_the_same_file_begins_anew(self):
        self.add_store()
        first = self.backup()
        file = self.out / "x"
        self.assertEqual(self.restore(file, **self.site.points("restore.image.before_rename=kill")).status, -9)
        with self.disk.open("r+b") as f:
            f.write(b"changed")
        self.point = self.ok(self.site.run("backup", "web"))["point"]
        self.assertFalse(self.ok(self.restore(file))["resumed"])
        self.assert_equal(file)
        file.unlink()
        self.assertEqual(self.restore(file, **self.site.points("restore.image.before_rename=kill")).status, -9)
        self.assertFalse(self.ok(self.restore(file, "qcow2"))["resumed"])
        self.assert_equal(file, "qcow2")
        self.assertNotEqual(first, self.point)


if __name__ == "__main__":
    runlib.main()
