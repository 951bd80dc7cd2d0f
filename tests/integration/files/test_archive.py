# SPDX-License-Identifier: Apache-2.0
"""Archives of a guest's files (this machine's sshd in its place), and what comes back of them."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from fileslib import BUILD, Site, Sshd, awkward_tree, describe, forge, forged_member  # noqa: I001  it says where the others are
import kill_points
import timed

# For any tree; sanitizers take more.
MEMORY_MAX_KIB = 64 << 10 if BUILD.name != "asan" else 1 << 30


def lines(folder):
    """The listing, by name."""
    text = subprocess.run(["zstd", "-dcq", folder / "files.jsonl.zst"], check=True, capture_output=True).stdout
    return {e.get("name") or bytes.fromhex(e["name_hex"]): e for e in map(json.loads, text.decode().splitlines())}


class FilesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sshd = Sshd()
        cls.addClassCleanup(cls.sshd.close)

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="hf-files-")
        self.addCleanup(self.tmp.cleanup)
        self.dir = Path(self.tmp.name)
        self.tree, self.out, self.target = self.dir / "tree", self.dir / "out", self.dir / "target"

    def site(self, **keys):
        return Site(self.dir, self.sshd, **{"files": self.tree, **keys})

    def archive(self, status=0, env=None, **keys):
        p = self.site(**keys).run("archive", "web", "--to", self.out, **(env or {}))
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.doc

    def restore(self, *args, status=0):
        p = self.site().run("restore", "files", self.out, "--to", self.target, *args)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.doc

    def restored(self):
        return self.target / str(self.tree)[1:]

    def processes(self):
        return subprocess.run(["pgrep", "-f", f"tar --create.*{str(self.tree)[1:]}"], check=False, capture_output=True).stdout


class RoundTrip(FilesTest):
    def test_every_kind_of_entry_comes_back_as_it_was(self):
        awkward_tree(self.tree)
        before = describe(self.tree)
        doc = self.archive()
        self.assertEqual(doc["entries"], len(before))
        self.restore()
        after = describe(self.restored())
        self.assertEqual(before.keys(), after.keys())
        for name, entry in before.items():
            self.assertEqual(entry, after[name], name)
        self.assertLess((self.restored() / "sparse").stat().st_blocks, 8192, "holes were filled")

    def test_the_listing_has_size_and_digest_of_every_file(self):
        awkward_tree(self.tree)
        before = describe(self.tree)
        self.archive()
        listed = lines(self.out)
        for name, (_, uid, _, size, mtime_ns, _, content, _, same) in before.items():
            full = os.path.normpath(os.fsencode(self.tree)[1:] + b"/" + name)
            try:
                e = listed[full.decode()]
            except UnicodeDecodeError:
                e = listed[full]
            self.assertEqual((e["uid"], e["mtime"]), (uid, f"{mtime_ns // 10**9}.{mtime_ns % 10**9:09d}"))
            if e["type"] == "file":
                self.assertEqual((e["size"], e["sha256"]), (size, content))
            if len(same) > 1:
                self.assertIn(e["type"], ("file", "hardlink"))

    def test_ordinary_tar_reads_it_and_gzip_and_none_do_as_well(self):
        awkward_tree(self.tree)
        for how, suffix in (("zstd", ".zst"), ("gzip", ".gz"), ("none", "")):
            with self.subTest(how):
                p = self.site().run("archive", "web", "--to", self.out, "--compression", how)
                self.assertEqual(p.returncode, 0, p.stdout)
                subprocess.run(["tar", "-taf", self.out / f"files.tar{suffix}"], check=True, capture_output=True)
                self.restore()
                self.assertEqual(describe(self.tree), describe(self.restored()))
                shutil.rmtree(self.out)
                shutil.rmtree(self.target)

    def test_many_small_files_come_back_in_bounded_memory(self):
        n = 200_000 if int(os.environ.get("HOLDFAST_SAMPLE", "0")) == 0 else 20_000
        for folder in range(n // 1000):
            (self.tree / f"d{folder}").mkdir(parents=True)
            for i in range(1000):
                with open(self.tree / f"d{folder}" / f"f{i}", "wb") as f:
                    f.write(b"%d/%d" % (folder, i))
        before = describe(self.tree)
        at = time.monotonic()
        p, kib = self.site().run_measured("archive", "web", "--to", self.out)
        self.assertEqual(p.returncode, 0, p.stdout)
        print(f"  {n} files: archived in {time.monotonic() - at:.1f} s with {kib // 1024} MiB", flush=True)
        self.assertLess(kib, MEMORY_MAX_KIB)
        self.assertEqual(p.doc["types"]["file"], n)
        at = time.monotonic()
        p, kib = self.site().run_measured("restore", "files", self.out, "--to", self.target)
        self.assertEqual(p.returncode, 0, p.stdout)
        print(f"  {n} files: restored in {time.monotonic() - at:.1f} s with {kib // 1024} MiB", flush=True)
        self.assertLess(kib, MEMORY_MAX_KIB)
        after = describe(self.restored())
        self.assertEqual([n for n in before.keys() | after.keys() if before.get(n) != after.get(n)], [])

    def test_single_paths_come_back_alone(self):
        awkward_tree(self.tree)
        before = describe(self.tree)
        self.archive()
        self.restore("/")  # each by its place in the tar
        self.assertEqual(describe(self.restored()), before)
        shutil.rmtree(self.target)
        self.restore(str(self.tree / "modes"), str(self.tree / "-rf")[1:])
        self.assertEqual(sorted(os.listdir(self.restored())), ["-rf", "modes"])
        shutil.rmtree(self.target)
        doc = self.restore(self.tree / "no-such", status=1)
        self.assertEqual(doc["error"]["class"], "not-found")
        self.assertEqual(os.listdir(self.target), [])

    def test_what_is_excluded_is_not_in_it(self):
        for name in ("a.log", "keep", "sub/b.log", "sub/keep", "cache/x", "sub/cache/y", "only/here/z", "sub/only/z"):
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(name)
        self.archive(exclude=f"*.log, cache/, {self.tree}/only")
        self.restore()
        files = sorted(str(p.relative_to(self.restored())) for p in self.restored().rglob("*") if p.is_file())
        self.assertEqual(files, ["keep", "sub/keep", "sub/only/z"])


class Refused(FilesTest):
    def test_links_out_devices_and_setuid_only_come_when_asked_for(self):
        self.tree.mkdir()
        os.symlink("/etc/passwd", self.tree / "out")
        os.symlink("../" * 30 + "etc", self.tree / "up")
        os.mknod(self.tree / "null", 0o20666, os.makedev(1, 3))
        (self.tree / "suid").write_text("x")
        (self.tree / "suid").chmod(0o4755)
        self.archive()
        doc = self.restore(status=1)
        self.assertEqual(doc["n_refused"], 4)
        self.assertEqual(os.listdir(self.restored()), ["suid"])
        self.assertEqual((self.restored() / "suid").stat().st_mode & 0o7777, 0o755)
        shutil.rmtree(self.target)
        self.restore("--with-links", "--with-devices", "--with-setuid")
        self.assertEqual(describe(self.tree), describe(self.restored()))

    def test_files_that_are_there_are_kept_unless_told(self):
        self.tree.mkdir()
        (self.tree / "a").write_text("archived")
        (self.tree / "b").write_text("archived")
        self.archive()
        self.restored().mkdir(parents=True)
        (self.restored() / "b").write_text("mine")
        doc = self.restore(status=1)
        self.assertEqual(doc["error"]["class"], "conflict")
        self.assertEqual(os.listdir(self.restored()), ["b"])
        self.restore("--overwrite")
        self.assertEqual((self.restored() / "b").read_text(), "archived")

    def test_no_forged_archive_writes_outside(self):
        victim = self.dir / "victim"
        victim.write_text("untouched")
        traps = {
            "climbs": [("../victim", "file", b"evil")],
            "climbs within": [("a/../../victim", "file", b"evil")],
            "absolute": [(str(victim), "file", b"evil")],
            "through a link": [("l", "symlink", str(self.dir)), ("l/victim", "file", b"evil")],
            "hard link": [("h", "hardlink", "../victim"), ("h", "file", b"evil")],
            "over a link": [("v", "symlink", str(victim)), ("v", "file", b"evil")],
        }
        for name, members in traps.items():
            with self.subTest(name):
                forge(self.out, [forged_member(*m) for m in members])
                for extra in ((), ("--with-links",), ("--overwrite", "--with-links")):
                    shutil.rmtree(self.target, ignore_errors=True)
                    self.site().run("restore", "files", self.out, "--to", self.target, *extra)
                    self.assertEqual(victim.read_text(), "untouched")
                    self.assertEqual(sorted(set(os.listdir(self.dir)) - {"state"}),
                                     ["holdfast.conf", "out", "target", "victim"])
                shutil.rmtree(self.out)
                shutil.rmtree(self.target)

    def test_a_flipped_bit_is_found(self):
        self.tree.mkdir()
        (self.tree / "a").write_bytes(b"x" * 100000)
        self.site().run("archive", "web", "--to", self.out, "--compression", "none")
        data = bytearray((self.out / "files.tar").read_bytes())
        data[data.index(b"xxxx") + 5000] ^= 1
        (self.out / "files.tar").write_bytes(data)
        self.assertEqual(self.restore(status=1)["error"]["class"], "corrupt")


class Troubles(FilesTest):
    def test_a_path_that_is_not_there_fails_or_warns(self):
        self.tree.mkdir()
        doc = self.archive(status=1, files=f"{self.tree}, {self.dir}/missing")
        self.assertIn("missing", doc["error"]["message"])
        self.assertTrue((self.out / "INCOMPLETE").exists())
        self.assertEqual(self.restore(status=1)["error"]["class"], "conflict")
        shutil.rmtree(self.out)
        doc = self.archive(files=f"{self.tree}, {self.dir}/missing", unreadable="warn")
        self.assertEqual(doc["unreadable"], 1)
        self.assertIn("missing", doc["warnings"][0])

    def test_killed_at_any_point_it_is_no_archive(self):
        """Each kill point that an archive visits; a failure in its place is named and no archive either."""
        self.tree.mkdir()
        (self.tree / "a").write_text("x")
        log = self.dir / "points"
        self.archive(env={"HOLDFAST_POINT_LOG": str(log)})
        visited = set(log.read_text().split()) if log.exists() else set()
        self.assertEqual(kill_points.of("integration.files.archive") - visited, set(), "points that nobody visits")
        for point in sorted(visited):
            for how in ("kill", "error"):
                with self.subTest(point=point, how=how):
                    shutil.rmtree(self.out, ignore_errors=True)
                    p = self.site().run("archive", "web", "--to", self.out, HOLDFAST_POINT=f"{point}={how}")
                    if how == "error" and p.returncode == 0:
                        continue  # a point that cannot fail
                    self.assertEqual(p.returncode, -signal.SIGKILL if how == "kill" else 1)
                    self.assertNotEqual(self.site().run("restore", "files", self.out, "--to", self.target).returncode, 0)
                    self.assertFalse(self.restored().exists())

    def test_a_file_that_is_written_to_meanwhile_is_named(self):
        self.tree.mkdir()
        (self.tree / "calm").write_text("x")
        with open(self.tree / "growing", "wb") as f:
            f.write(os.urandom(32 << 20))
        writer = subprocess.Popen(["sh", "-c", 'while :; do echo more >>"$1"; sleep 0.01; done', "sh", self.tree / "growing"])
        try:
            doc = self.archive()
        finally:
            writer.kill()
            writer.wait()
        self.assertEqual(doc["changed"], 1)
        self.assertTrue(any("growing: file changed" in w for w in doc["warnings"]), doc["warnings"])
        self.assertLess(doc["read_from"], doc["read_until"])

    def test_a_directory_with_something_in_it_is_refused(self):
        self.tree.mkdir()
        self.out.mkdir()
        (self.out / "mine").touch()
        self.assertEqual(self.archive(status=1)["error"]["class"], "conflict")

    def test_a_lost_connection_is_no_archive(self):
        """sshd's session dies while tar is writing."""
        self.slow_tree()
        p = subprocess.Popen(self.site().command("archive", "web", "--to", self.out), stdout=subprocess.PIPE)
        self.wait_for_tar(p)
        for pid in subprocess.run(["pgrep", "-P", str(self.sshd.process.pid)], check=False, capture_output=True,
                                  text=True).stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        said = json.loads(p.communicate(timeout=60)[0])
        self.assertEqual(p.returncode, 1)
        self.assertEqual(said["error"]["class"], "unreachable")
        self.assertEqual(sorted(os.listdir(self.out)), ["INCOMPLETE"])
        self.assert_ends()

    def slow_tree(self):
        self.tree.mkdir()
        with open(self.tree / "random", "wb") as f:
            for _ in range(48):
                f.write(os.urandom(8 << 20))

    def wait_for_tar(self, process):
        deadline = time.monotonic() + 30
        while not self.processes() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        self.assertTrue(self.processes(), "tar never ran")

    def assert_ends(self):
        deadline = time.monotonic() + 10
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.processes(), b"", "tar still runs in the guest")

    def test_interrupted_or_killed_nothing_runs_on_and_nothing_passes_for_whole(self):
        self.slow_tree()
        for how in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(how):
                shutil.rmtree(self.out, ignore_errors=True)
                p = subprocess.Popen(self.site().command("archive", "web", "--to", self.out), stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
                self.wait_for_tar(p)
                p.send_signal(how)
                self.assertNotEqual(p.wait(30), 0)
                self.assertTrue((self.out / "INCOMPLETE").exists())
                self.assertFalse((self.out / "files.tar.zst").exists())
                self.assert_ends()


if __name__ == "__main__":
    timed.main()
