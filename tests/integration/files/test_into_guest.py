# SPDX-License-Identifier: Apache-2.0
"""`restore files --to-guest`: an archive into a guest (this machine's sshd in its place), by its own tar."""

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from fileslib import Site, Sshd, awkward_tree, describe, forge, forged_member  # noqa: I001  it says where the others are
import kill_points
import timed


class IntoGuest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sshd = Sshd()
        cls.addClassCleanup(cls.sshd.close)

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="hf-into-")
        self.addCleanup(self.tmp.cleanup)
        self.dir = Path(self.tmp.name)
        self.tree, self.out, self.target = self.dir / "tree", self.dir / "out", self.dir / "target"
        self.site = Site(self.dir, self.sshd, files=self.tree)

    def archive(self):
        p = self.site.run("archive", "web", "--to", self.out)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def args(self, *args):
        return ("restore", "files", self.out, "--to-guest", "web", "--to", self.target, *args)

    def restore(self, *args, status=0, env=None):
        p = self.site.run(*self.args(*args), **(env or {}))
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.doc

    def refused(self, cls, *args):
        error = self.restore(*args, status=1)["error"]
        self.assertEqual(error["class"], cls, error)
        return error

    def restored(self):
        return self.target / str(self.tree)[1:]

    def assert_same(self):
        before, after = describe(self.tree), describe(self.restored())
        self.assertEqual(before.keys(), after.keys())
        for entry in (*before.values(), *after.values()):
            entry[3] = None if stat.S_ISDIR(entry[0]) else entry[3]  # of a folder the file system's
        for name, entry in before.items():
            self.assertEqual(entry, after[name], name)

    def tars(self):
        return subprocess.run(["pgrep", "-f", f"tar --extract.*{self.target}"], check=False, capture_output=True).stdout


class RoundTrip(IntoGuest):
    def test_every_kind_of_entry_comes_back_as_it_was(self):
        awkward_tree(self.tree)
        os.chown(self.tree / "big", 3_000_000_000, 4_000_000_000)
        self.archive()
        doc = self.restore()
        self.assertEqual((doc["vm"], doc["target"], doc["warnings"], doc["refused"]), ("web", str(self.target), [], []))
        self.assertEqual(doc["entries"], len(describe(self.tree)))
        self.assert_same()
        self.assertLess((self.restored() / "sparse").stat().st_blocks, 8192, "holes were filled")
        self.assertEqual((self.restored() / "all-hole").stat().st_blocks, 0, "a hole was filled")
        self.assertEqual(self.target.stat().st_mode & 0o777, 0o700)

    def test_many_holes_and_a_size_that_takes_more_than_a_tar_header_has_room_for(self):
        self.tree.mkdir()
        with open(self.tree / "holes", "wb") as f:
            for i in range(300):
                f.seek(i * 100_000)
                f.write(b"data%d" % i)
            f.truncate(300 * 100_000)
        with open(self.tree / "huge", "wb") as f:
            f.truncate(9 << 30)
            f.seek(8 << 30)
            f.write(b"far out")
        self.archive()
        self.restore()
        self.assertEqual((self.restored() / "holes").read_bytes(), (self.tree / "holes").read_bytes())
        self.assertEqual((self.restored() / "huge").stat().st_size, 9 << 30)
        self.assertLess((self.restored() / "huge").stat().st_blocks, 1024)
        with open(self.restored() / "huge", "rb") as f:
            f.seek(8 << 30)
            self.assertEqual(f.read(7), b"far out")

    def test_twenty_thousand_small_files(self):
        for i in range(200):
            (self.tree / f"folder-with-a-name-{i}").mkdir(parents=True)
            for j in range(100):
                (self.tree / f"folder-with-a-name-{i}" / f"a-file-with-a-rather-long-name-{j}").write_text(f"{i} {j}")
        self.archive()
        self.restore()
        self.assert_same()
        (self.restored() / "folder-with-a-name-199").rename(self.dir / "kept")
        shutil.rmtree(self.restored())
        self.restored().mkdir()
        (self.dir / "kept").rename(self.restored() / "folder-with-a-name-199")
        self.assertIn("folder-with-a-name-199/", self.refused("conflict")["message"])
        self.assertEqual(os.listdir(self.restored()), ["folder-with-a-name-199"])

    def test_single_paths_come_back_alone(self):
        awkward_tree(self.tree)
        self.archive()
        self.restore(str(self.tree / "modes"), str(self.tree / "-rf")[1:])
        self.assertEqual(sorted(os.listdir(self.restored())), ["-rf", "modes"])
        shutil.rmtree(self.target)
        self.refused("not-found", self.tree / "no-such")
        self.assertEqual(os.listdir(self.target), [])


class Refused(IntoGuest):
    def test_links_out_devices_and_setuid_only_come_when_asked_for(self):
        self.tree.mkdir()
        os.symlink("/etc/passwd", self.tree / "out")
        os.symlink("../" * 30 + "etc", self.tree / "up")
        os.mknod(self.tree / "null", 0o20666, os.makedev(1, 3))
        os.link(self.tree / "null", self.tree / "zero")
        (self.tree / "suid").write_text("x")
        (self.tree / "suid").chmod(0o4755)
        os.setxattr(self.tree / "suid", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        self.archive()
        doc = self.restore(status=1)
        self.assertEqual(doc["n_refused"], 5, doc)
        self.assertEqual(os.listdir(self.restored()), ["suid"])
        self.assertEqual((self.restored() / "suid").stat().st_mode & 0o7777, 0o755)
        self.assertEqual(os.listxattr(self.restored() / "suid"), [])
        shutil.rmtree(self.target)
        self.restore("--with-links", "--with-devices", "--with-setuid")
        self.assert_same()

    def test_files_that_are_there_are_kept_unless_told(self):
        self.tree.mkdir()
        (self.tree / "a").write_text("archived")
        (self.tree / "b\nb").write_text("archived")
        self.archive()
        self.restored().mkdir(parents=True)
        (self.restored() / "b\nb").write_text("mine")
        other = self.dir / "other name"
        os.link(self.restored() / "b\nb", other)
        self.assertIn("exists already", self.refused("conflict")["message"])
        self.assertEqual(os.listdir(self.restored()), ["b\nb"])
        self.restore("--overwrite")
        self.assert_same()
        self.assertEqual(other.read_text(), "mine", "written through a hard link")

    def test_nothing_is_written_through_a_symlink_in_the_guest(self):
        (self.tree / "sub").mkdir(parents=True)
        (self.tree / "sub/file").write_text("archived")
        self.archive()
        elsewhere = self.dir / "elsewhere"
        elsewhere.mkdir()
        for link in (self.restored() / "sub", self.restored()):
            shutil.rmtree(self.target, ignore_errors=True)
            link.parent.mkdir(parents=True)
            os.symlink(elsewhere, link)
            for extra in ((), ("--overwrite",), ("--overwrite", self.tree / "sub/file")):
                with self.subTest(link=link, extra=extra):
                    self.assertIn("is no folder", self.refused("conflict", *extra)["message"])
                    self.assertEqual(os.listdir(elsewhere), [])
        shutil.rmtree(self.target)
        self.restored().mkdir(parents=True)
        (self.dir / "victim").write_text("mine")
        (self.restored() / "sub").mkdir()
        os.symlink(self.dir / "victim", self.restored() / "sub/file")
        self.restore("--overwrite")
        self.assertEqual((self.dir / "victim").read_text(), "mine")
        self.assert_same()

    def test_a_file_and_a_folder_do_not_replace_each_other(self):
        self.tree.mkdir()
        (self.tree / "file").write_text("x")
        (self.tree / "folder").mkdir()
        self.archive()
        for name, make in (("file", os.mkdir), ("folder", os.mkfifo)):
            with self.subTest(name):
                self.restored().mkdir(parents=True)
                make(self.restored() / name)
                self.assertIn(name, self.refused("conflict", "--overwrite")["message"])
                shutil.rmtree(self.target)

    def test_no_forged_archive_writes_outside(self):
        victim, reg, sym, hard = self.dir / "victim", "file", "symlink", "hardlink"
        victim.write_text("untouched")
        traps = {
            "climbs": [("../victim", reg, b"evil")],
            "climbs within": [("a/../../victim", reg, b"evil")],
            "absolute": [(str(victim), reg, b"evil")],
            "through a link": [("l", sym, str(self.dir)), ("l/victim", reg, b"evil")],
            "through a link inside": [("l", sym, "m"), ("m", sym, str(self.dir)), ("l/victim", reg, b"evil")],
            "through a late link": [("l/x", reg, b"x"), ("l", sym, str(self.dir)), ("l/victim", reg, b"evil")],
            "hard link": [("h", hard, "../victim"), ("h", reg, b"evil")],
            "hard link to what is there": [("h", hard, "mine"), ("h", reg, b"evil")],
            "over a link": [("v", sym, str(victim)), ("v", reg, b"evil")],
        }
        for name, members in traps.items():
            with self.subTest(name):
                forge(self.out, [forged_member(*m) for m in members])
                for extra in ((), ("--with-links",), ("--overwrite", "--with-links")):
                    shutil.rmtree(self.target, ignore_errors=True)
                    self.target.mkdir()
                    (self.target / "mine").write_text("mine")
                    self.site.run(*self.args(*extra))
                    self.assertEqual(victim.read_text(), "untouched")
                    self.assertEqual((self.target / "mine").read_text(), "mine")
                    self.assertEqual((self.target / "mine").stat().st_nlink, 1)
                    self.assertEqual(sorted(set(os.listdir(self.dir)) - {"state"}),
                                     ["holdfast.conf", "out", "target", "victim"])
                shutil.rmtree(self.out)

    def test_a_target_that_is_no_folder_and_a_vm_without_ssh(self):
        self.tree.mkdir()
        self.archive()
        self.target.write_text("a file")
        self.refused("plugin")
        for target in ("relative", "", "/new\nline"):
            p = self.site.run("restore", "files", self.out, "--to-guest", "web", "--to", target)
            self.assertEqual((p.returncode, p.doc["error"]["class"]), (2, "config"), target)
        config = self.site.config.read_text().split("[vm web]")[0]
        self.site.config.write_text(f"{config}[vm web]\nhypervisor = lab\nguest = agent\nquiesce = none\n")
        doc = self.restore(status=2)
        self.assertIn("by ssh", doc["error"]["message"])
        self.assertIn("ssh-key", doc["error"]["hint"])

    def test_a_guest_without_gnu_tar_is_told(self):
        self.tree.mkdir()
        self.archive()
        (self.dir / "bin").mkdir()
        other = self.dir / "bin/tar"
        other.write_text("#!/bin/sh\necho 'bsdtar 3.6'\n")
        other.chmod(0o755)
        with open(self.sshd.dir / "authorized_keys") as f:
            before = f.read()
        self.addCleanup((self.sshd.dir / "authorized_keys").write_text, before)
        (self.sshd.dir / "authorized_keys").write_text(
            f'command="PATH={self.dir}/bin:$PATH; export PATH; eval \\"$SSH_ORIGINAL_COMMAND\\"" {before}')
        error = self.restore(status=4)["error"]
        self.assertIn("no GNU tar", error["message"])
        self.assertFalse(self.target.exists())


class Troubles(IntoGuest):
    def big_tree(self, mib=96):
        self.tree.mkdir()
        with open(self.tree / "random", "wb") as f:
            for _ in range(mib // 8):
                f.write(os.urandom(8 << 20))
        (self.tree / "then").write_text("the last")

    def assert_partial(self, doc, cls):
        self.assertEqual(doc["error"]["class"], cls, doc)
        self.assertIn("may have a part of it", " ".join(doc["error"]["left"]))
        self.assertIn("--overwrite", doc["error"]["hint"])

    def small_disk(self, mib):
        self.target.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", self.target], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.target], check=False)

    def test_too_little_room_is_told_before_anything_is_written(self):
        self.big_tree(16)
        self.archive()
        self.small_disk(8)
        error = self.refused("no-space")
        self.assertIn("16.0 MiB to be restored, and 8.0 MiB free", error["message"])
        self.assertEqual(os.listdir(self.target), [])
        self.restore(self.tree / "then")

    def test_a_disk_that_fills_up_is_told_and_with_room_the_same_completes_it(self):
        self.big_tree(16)
        self.archive()
        self.small_disk(8)
        doc = self.restore("--overwrite", status=1)
        self.assert_partial(doc, "no-space")
        self.assertIn("No space left on device", doc["error"]["message"])
        subprocess.run(["mount", "-o", "remount,size=64m", self.target], check=True)
        self.restore("--overwrite")
        self.assert_same()

    def test_a_flipped_bit_is_found_and_the_guest_is_told_no_end(self):
        self.big_tree(8)
        p = self.site.run("archive", "web", "--to", self.out, "--compression", "none")
        self.assertEqual(p.returncode, 0)
        data = bytearray((self.out / "files.tar").read_bytes())
        data[700_000] ^= 1
        (self.out / "files.tar").write_bytes(data)
        self.assert_partial(self.restore(status=1), "corrupt")
        self.assertFalse((self.restored() / "then").exists())

    def test_killed_or_failed_at_any_point_the_same_again_completes_it(self):
        self.big_tree(8)
        self.archive()
        log = self.dir / "points"
        self.restore(env={"HOLDFAST_POINT_LOG": str(log)})
        visited = set(log.read_text().split()) if log.exists() else set()
        self.assertEqual(kill_points.of("integration.files.into_guest") - visited, set(), "points that nobody visits")
        for point in sorted(visited):
            for how in ("kill", "error"):
                with self.subTest(point=point, how=how):
                    shutil.rmtree(self.target)
                    p = self.site.run(*self.args(), HOLDFAST_POINT=f"{point}={how}")
                    self.assertEqual(p.returncode, -signal.SIGKILL if how == "kill" else 1, p.stdout)
                    if how == "error" and point != "restore.before_mkdir":
                        self.assertIn("may have a part", " ".join(p.doc["error"]["left"]))
                    self.assert_ends()
                    self.restore("--overwrite")
                    self.assert_same()

    def start(self):
        p = subprocess.Popen(self.site.command(*self.args()), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        deadline = time.monotonic() + 30
        while not (self.restored() / "random").exists() and time.monotonic() < deadline and p.poll() is None:
            time.sleep(0.005)
        self.assertTrue(self.tars(), "tar never ran")
        return p

    def assert_ends(self):
        deadline = time.monotonic() + 10
        while self.tars() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.tars(), b"", "tar still runs in the guest")

    def test_a_lost_connection_is_told(self):
        self.big_tree()
        self.archive()
        p = self.start()
        for pid in subprocess.run(["pgrep", "-P", str(self.sshd.process.pid)], check=False, capture_output=True,
                                  text=True).stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        said = json.loads(p.communicate(timeout=60)[0])
        self.assertEqual(p.returncode, 1)
        self.assert_partial(said, "unreachable")
        self.assert_ends()
        self.restore("--overwrite")
        self.assert_same()

    def test_tar_killed_in_the_guest_is_told(self):
        self.big_tree()
        self.archive()
        p = self.start()
        for pid in self.tars().split():
            os.kill(int(pid), signal.SIGKILL)
        said = json.loads(p.communicate(timeout=60)[0])
        self.assertEqual(p.returncode, 1)
        self.assert_partial(said, "plugin")

    def test_interrupted_or_killed_nothing_runs_on(self):
        self.big_tree()
        self.archive()
        for how in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(how):
                p = self.start()
                begin = time.monotonic()
                p.send_signal(how)
                out = p.communicate(timeout=30)[0]
                self.assertLess(time.monotonic() - begin, 5)
                self.assertNotEqual(p.returncode, 0)
                if how == signal.SIGINT:
                    self.assert_partial(json.loads(out), "cancelled")
                self.assert_ends()
                self.assertFalse((self.restored() / "then").exists())
                shutil.rmtree(self.target)


if __name__ == "__main__":
    timed.main()
