# SPDX-License-Identifier: Apache-2.0
"""`restore vm --instant`: a machine from disks that are served, on a hypervisor of directories; however it ends, nothing is left of it."""

import json
import os
import shutil
import signal
import subprocess

import runlib
import kill_points  # noqa: I001  runlib says where it is
from restorelib import Case

runlib.need("nbdkit", "nbdkit", "qemu-io", "qemu-img")
runlib.need("age", "age", "age-keygen")

MINE = "integration.run.restore_instant"
NO_GUARDIAN = "guardian.before_undo=kill"


class Instant(Case):
    def setUp(self):
        if runlib.SANITIZED:
            self.skipTest("nbdkit is not built with a sanitizer, and cannot load what is")
        super().setUp()
        self.add_store()
        self.backup(mib=1)
        self.made = self.site.vms / "new"

    @property
    def sockets(self):
        """Of the sockets, once it runs."""
        return next(self.out.glob("holdfast-new-????????"))

    def args(self, *more):
        return ("restore", "vm", self.point, "--name", "new", "--instant", "--dir", self.out, *more)

    def run_to_end(self, *more, **env):
        return self.site.run(*self.args(*more), **env)

    def boot(self, *more, as_json=True, **env):
        """One that runs."""
        run = self.site.start(*self.args(*more), as_json=as_json, **env)
        self.addCleanup(run.process.kill)
        runlib.wait_until(lambda: os.fstat(run.files[0].fileno()).st_size or run.process.poll() is not None, 20, "it does not run")
        return run

    def end(self, run, number=signal.SIGINT, status=0):
        if number:
            run.signal(number)
        r = run.wait(30)
        self.assertEqual(r.status, status, str(r))
        return r

    def is_gone(self):
        return (not self.made.exists() and list(self.out.iterdir()) == [] and self.site.journals() == []
                and runlib.processes("nbdkit", self.out) == [])

    def nothing_is_left(self, within_s=0):
        runlib.wait_until(self.is_gone, within_s, f"{list(self.out.rglob('*'))} {self.site.journals()} is gone")
        self.assertEqual(self.site.domain(), "vda vda.img\nvdb vdb.img\n")

    def io(self, *commands):
        words = [w for c in commands for w in ("-c", c)]
        r = subprocess.run(["qemu-io", "-f", "raw", *words, f"nbd+unix:///?socket={self.sockets}/vda"], capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertNotIn("failed", r.stdout + r.stderr)

    def assert_served(self):
        r = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", self.disk, f"nbd+unix:///?socket={self.sockets}/vda"],
                           capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)


class Runs(Instant):
    def test_it_runs_from_the_store_and_all_of_it_is_gone_when_somebody_ends_it(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            run = self.boot()
            self.assertEqual((self.made / "domain").read_text(), f"vda {self.sockets}/vda\nvdb {self.sockets}/vdb\n")
            self.assertEqual((self.made / "machine").read_text().split()[1:], ["instant", "made"])
            self.assertFalse((self.made / "off").exists() or (self.made / "paused").exists())
            self.assertEqual(self.sockets.stat().st_mode & 0o777, 0o711)
            self.assertEqual({p.name: p.stat().st_mode & 0o777 for p in self.sockets.iterdir()}, {"vda": 0o600, "vdb": 0o600})
            self.assert_served()
            self.io("write -P 0xaa 4096 65536")
            self.io("read -P 0xaa 4096 65536")
            folder = self.sockets
            doc = json.loads(self.end(run, number).stdout)
            self.assertEqual({k: doc[k] for k in ("point", "vm", "store", "name", "hypervisor", "started", "instant", "dry_run", "dir")},
                             {"point": self.point, "vm": "web", "store": "vault", "name": "new", "hypervisor": "here", "started": True,
                              "instant": True, "dry_run": False, "dir": str(folder)})
            self.assertEqual([(d["disk"], d["file"]) for d in doc["disks"]], [(d, str(folder / d)) for d in ("vda", "vdb")])
            self.nothing_is_left()

    def test_it_says_before_it_begins_that_what_is_written_is_lost_and_then_how_to_end_it(self):
        r = self.end(self.boot(as_json=False))
        self.assertIn("What new writes is kept in memory, and is lost when it ends.", r.stderr)
        self.assertIn(f"running    new on here, from web/{self.point} on store vault", r.stdout)
        self.assertIn("to end it  ", r.stdout)

    def test_a_machine_that_stops_by_itself_ends_it(self):
        run = self.boot()
        shutil.rmtree(self.made)
        self.end(run, None)
        self.nothing_is_left()
        run = self.boot()
        (self.made / "off").touch()
        self.assertIn("machine new has stopped", self.end(run, None).stderr)
        self.nothing_is_left()

    def test_a_server_that_ends_ends_it_with_the_reason(self):
        run = self.boot()
        os.kill(int(runlib.processes("nbdkit", self.sockets / "vdb")[0]), signal.SIGKILL)
        self.assertIn("disk vdb of new is gone", self.end(run, None, status=1).stderr)
        self.nothing_is_left()

    def test_from_an_encrypted_store_and_not_without_its_key(self):
        self.add_store("safe", **self.encrypt())
        self.ok(self.site.run("backup", "web", "--store", "safe"))
        self.point = self.site.run("list").json["points"][0]["point"]
        run = self.boot("--store", "safe")
        self.assert_served()
        self.end(run)
        del self.site.stores["safe"]["identity-file"]
        self.site.write()
        self.fails(self.run_to_end("--store", "safe"), "auth")
        self.nothing_is_left()

    def test_a_dry_run_tells_and_makes_nothing(self):
        self.assertTrue(self.ok(self.run_to_end("--dry-run"))["findings"])
        self.nothing_is_left()

    def test_two_of_a_name_and_what_makes_no_sense_is_refused(self):
        for more in (("--in-place",), ("--start",), ("--format", "raw"), ("--boot-timeout", "1s")):
            self.fails(self.run_to_end(*more), "config", "--instant goes without", 2)
        run = self.boot()
        self.fails(self.run_to_end(), "busy", "", 4)
        self.end(run)
        self.nothing_is_left()

    def test_two_hypervisors_have_one_of_a_name_each_and_the_end_of_one_is_not_the_others(self):
        there = self.site.dir / "there"
        there.mkdir()
        with self.site.config.open("a") as f:
            f.write(f"[hypervisor there]\nplugin = dir\nroot = {there}\n")
        one = self.boot()
        folder = self.sockets
        two = self.boot("--hypervisor", "there")
        self.assertTrue((there / "new/domain").exists())
        self.end(two)
        self.assertFalse((there / "new").exists())
        self.assertEqual(self.sockets, folder)
        self.assert_served()
        self.end(one)
        self.nothing_is_left()

    def scratch(self):
        """A small memory for what is written."""
        small = self.site.dir / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small], capture_output=True).returncode:
            runlib.missing("mount", "no tmpfs can be mounted")
        self.addCleanup(subprocess.run, ["umount", "-l", small], capture_output=True)
        return small

    def wait_for_words(self, run, words):
        runlib.wait_until(lambda: words in os.pread(run.files[1].fileno(), 1 << 16, 0).decode(), 20, f"'{words}' is not said")

    def test_what_it_writes_is_watched_and_it_is_ended_before_its_memory_is_full(self):
        small = self.scratch()
        run = self.boot(TMPDIR=small)
        self.io("write -P 1 0 2200k")
        self.wait_for_words(run, f"'{small}' is 5")
        self.io("write -P 1 2200k 1100k")
        self.wait_for_words(run, f"'{small}' is 8")
        self.io("write -P 1 3300k 450k")
        stderr = self.end(run, None, status=1).stderr
        self.assertIn("before it is full", stderr)
        self.assertEqual(stderr.count("% full"), 3, stderr)
        self.nothing_is_left()

    def test_it_does_not_begin_where_its_memory_is_full_already(self):
        small = self.scratch()
        (small / "theirs").write_bytes(bytes(3900 << 10))
        self.fails(self.run_to_end(TMPDIR=small), "no-space", "% full")
        self.nothing_is_left()


class Fails(Instant):
    def test_a_step_that_fails_leaves_nothing(self):
        for step in ("machine_plan", "machine_create", "machine_start"):
            with self.subTest(step=step):
                error = self.fails(self.run_to_end(DIR_FAIL=step), "plugin", "told to fail")
                self.assertFalse(error["left"])
                self.nothing_is_left()

    def test_an_error_at_any_point_leaves_nothing(self):
        for point in sorted(kill_points.of(MINE, "HF_POINT_ERR")):
            with self.subTest(point=point):
                r = self.run_to_end(**self.site.points(f"{point}=error"))
                self.assertEqual(r.status, 1, str(r))
                self.nothing_is_left()

    def test_a_machine_that_cannot_be_ended_is_named_and_ended_by_recover(self):
        run = self.boot(DIR_FAIL="machine_destroy")
        self.assertIn("machine new on here", self.end(run, status=1).stderr)
        self.assertTrue(self.made.exists())
        self.ok(self.site.run("recover"))
        self.nothing_is_left()

    def test_killed_at_any_point_its_guardian_or_else_recover_leaves_nothing(self):
        visits = self.site.points()
        self.end(self.boot(**visits))
        order = [p for p in self.site.visited() if p in kill_points.of(MINE)]
        self.assertEqual(kill_points.of(MINE) - set(order), set(), "never visited")
        for point in order:
            for both in (False, True):
                with self.subTest(point=point, both=both):
                    run = self.boot(**self.site.points(f"{point}=kill{',' + NO_GUARDIAN if both else ''}"))
                    if point == "instant.before_end":
                        run.signal(signal.SIGINT)
                    self.assertEqual(run.wait(30).status, -9)
                    if both:
                        runlib.wait_until(lambda: "guardian.before_undo" in self.site.visited(), 10, "no guardian")
                        runlib.wait_until(lambda: self.site.run("recover").status == 0, 10, "recover does not succeed")
                    self.nothing_is_left(within_s=10)

    def test_killed_while_a_disk_begins_to_be_served_nothing_is_left_of_its_socket(self):
        run = self.boot(**self.site.points(f"serve.after_start=kill,{NO_GUARDIAN}"))
        self.assertEqual(run.wait(30).status, -9)
        runlib.wait_until(lambda: "guardian.before_undo" in self.site.visited(), 10, "no guardian")
        self.assertEqual([p.name for p in self.sockets.glob("*.lock")], ["vda.lock"])
        runlib.wait_until(lambda: self.site.run("recover").status == 0, 10, "recover does not succeed")
        self.nothing_is_left(within_s=10)

    def test_after_a_death_of_both_the_same_command_runs_it_again(self):
        run = self.boot(**self.site.points(f"instant.up=kill,{NO_GUARDIAN}"))
        self.assertEqual(run.wait(30).status, -9)
        runlib.wait_until(lambda: "guardian.before_undo" in self.site.visited(), 10, "no guardian")
        run = self.boot()
        self.assert_served()
        self.end(run)
        self.nothing_is_left()


if __name__ == "__main__":
    runlib.main()
