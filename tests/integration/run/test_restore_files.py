# SPDX-License-Identifier: Apache-2.0
"""The files of a point come back into a folder or a guest, read from their store as a stream."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import runlib
import s3lib  # noqa: F401  it says where swiftlib is
import s3proxy
import swiftlib
from runlib import SOURCE
from storeslib import MIB, StoresTest

sys.path.insert(0, str(SOURCE / "tests/integration/files"))
os.environ.setdefault("HOLDFAST_BUILD_DIR", str(runlib.BUILD))
import fileslib  # noqa: E402

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")

BIG = 12 * MIB  # more than is read ahead, in a file that is behind the small ones


def content(folder, with_folders=True):
    """Name, kind, rights, times and digest of all below it."""
    out = []
    for path in sorted(folder.rglob("*")):
        st = path.lstat()
        what = os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if path.is_dir() and not with_folders:
            continue
        out.append((str(path.relative_to(folder)), st.st_mode, st.st_mtime_ns, st.st_uid, what))
    return out


class FilesTest(StoresTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sshd = fileslib.Sshd()
        cls.addClassCleanup(cls.sshd.close)

    def setUp(self):
        super().setUp()
        self.tree = self.site.dir / "app"
        (self.tree / "etc").mkdir(parents=True)
        (self.tree / "etc/app.conf").write_text("a = 1\n")
        (self.tree / "etc/link").symlink_to("app.conf")
        (self.tree / "index.php").write_text("<?php\n")
        (self.tree / "index.php").chmod(0o640)
        (self.tree / "zz-big.bin").write_bytes(random.randbytes(BIG))
        ssh = {k.replace("-", "_"): v for k, v in self.sshd.vm_keys().items() if k != "guest"}
        self.write(files=self.tree, uncovered="lower", require="E", dump="none", **ssh)
        self.to = self.site.dir / "restored"

    def backup(self, *stores):
        return self.ok(self.site.run("backup", "web", *(x for s in stores or ("vault",) for x in ("--store", s)),
                                     "--produce", "image,files"))["point"]

    def restore(self, point, *more, **env):
        return self.site.run("restore", "files", point, "--to", str(self.to), *more, **env)

    def tar(self, point, store="vault"):
        return next((self.site.dir / store / "points/web" / point / "files").glob("files.tar*"))

    def came_back(self):
        return self.to / str(self.tree)[1:]

    def assert_same(self, with_folders=True):
        self.assertEqual(content(self.came_back(), with_folders), content(self.tree, with_folders))

    def listing(self, folder):
        text = subprocess.run(["zstd", "-dc", folder / "files.jsonl.zst"], check=True, capture_output=True).stdout
        return [json.loads(line) for line in text.splitlines()]

    def archive(self):
        folder = self.site.dir / "monday"
        self.ok(self.site.run("archive", "web", "--to", str(folder)))
        return folder

    def with_key(self):
        identity = self.site.dir / "identity"
        self.add_store("safe", recipients=runlib.make_identity(identity))
        return lambda: (self.stores["safe"].update({"identity-file": identity}), self.write())


class Files(FilesTest):
    def test_all_of_them_come_back_as_they_were(self):
        point = self.backup()
        doc = self.ok(self.restore(point))
        self.assert_same()
        self.assertEqual((doc["point"], doc["store"], doc["archive"], doc["target"]), (point, "vault", "files", str(self.to)))
        self.assertNotIn("dir", doc)
        self.assertEqual(doc["refused"], [])

    def test_encrypted_with_the_key_and_nothing_else_is_written_here(self):
        with_key = self.with_key()
        point = self.backup("safe")
        self.assertIn("identity-file", self.fails(self.restore(point), 1, "auth")["hint"])
        self.assertFalse(self.to.exists())
        with_key()
        before = {p for p in self.site.dir.rglob("*") if p.is_file()}
        self.ok(self.restore(point))
        self.assert_same()
        new = {p for p in self.site.dir.rglob("*") if p.is_file() and self.to not in p.parents} - before
        self.assertEqual([p for p in new if p.stat().st_size > 64 << 10], [])

    def test_one_file_is_read_for_until_it_has_come_and_no_further(self):
        point = self.backup()
        size = self.tar(point).stat().st_size
        self.assertGreater(size, BIG)
        doc = self.ok(self.restore(point, f"{self.tree}/etc"))
        self.assertEqual(content(self.came_back()), [c for c in content(self.tree) if c[0].startswith("etc")])
        first = doc["fetched_bytes"]
        doc = self.ok(self.restore(point, "--overwrite", f"{self.tree}/zz-big.bin"))
        self.assertLess(first, 8 * MIB)  # what is read ahead, and no more
        self.assertIn(size, range(doc["fetched_bytes"] - MIB, doc["fetched_bytes"]))
        self.fails(self.restore(point, "--overwrite", "/nowhere"), 1, "not-found", "/nowhere")

    def test_what_is_an_archive_is_a_directory_and_what_is_none_may_be_a_point(self):
        point = self.backup()
        plain = self.site.dir / point
        self.ok(self.site.run("archive", "web", "--to", str(plain)))
        doc = self.ok(self.site.run("restore", "files", str(plain), "--to", str(self.to)))
        self.assertEqual(doc["dir"], str(plain))
        shutil.rmtree(self.to)
        shutil.rmtree(plain)
        plain.mkdir()
        (plain / "INCOMPLETE").touch()
        self.fails(self.site.run("restore", "files", str(plain), "--to", str(self.to)), 1, "conflict", "incomplete")
        (plain / "INCOMPLETE").unlink()
        doc = self.ok(self.site.run("restore", "files", f"web/{point}", "--to", str(self.to)))
        self.assertEqual(doc["point"], point)
        self.fails(self.site.run("restore", "files", "/nowhere/monday", "--to", str(self.to)), 1, "not-found")
        self.fails(self.site.run("restore", "files", "/nowhere/monday", "--store", "vault", "--to", str(self.to)), 2, "config",
                   "no point")

    def test_a_point_without_files_or_without_that_archive_says_so(self):
        point = self.ok(self.site.run("backup", "web", "--produce", "image"))["point"]
        self.fails(self.restore(point), 1, "not-found", "has no files")
        self.fails(self.restore(self.backup(), "--archive", "other"), 1, "not-found", "other")

    def test_into_a_guest_by_its_own_tar(self):
        point = self.backup()
        doc = self.ok(self.restore(point, "--to-guest", "web"))
        self.assert_same()
        self.assertEqual((doc["vm"], doc["point_vm"]), ("web", "web"))
        self.fails(self.restore(point, "--to-guest", "web"), 1, "conflict", "exists already")

    def test_what_is_behind_a_link_in_the_target_is_neither_written_nor_taken_away(self):
        point = self.backup()
        victim = self.site.dir / "victim"
        victim.mkdir()
        (victim / "app.conf").write_text("mine")
        self.came_back().mkdir(parents=True)
        (self.came_back() / "etc").symlink_to(victim)
        result = self.restore(point, "--overwrite", "--with-links", f"{self.tree}/etc/app.conf")
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("app.conf", result.error["message"])
        self.assertEqual([p.read_text() for p in victim.iterdir()], ["mine"])

    # -- from the middle -----------------------------------------------------------------------

    def last_file(self, folder):
        return "/" + [e for e in self.listing(folder) if e["type"] == "file"][-1]["name"]

    def many(self, n):
        """n MiB that cannot be packed, and what is at their end is known from the listing only."""
        (self.tree / "zz-big.bin").unlink()
        (self.tree / "many").mkdir()
        for i in range(n):
            (self.tree / "many" / f"{i:02d}").write_bytes(random.randbytes(MIB))

    def test_a_file_at_the_end_of_a_large_archive_is_fetched_alone_encrypted_or_plain(self):
        with_key = self.with_key()
        self.many(64)
        points = {"vault": self.backup(), "safe": self.backup("safe")}
        last = self.last_file(self.tar(points["vault"]).parent)
        with_key()
        for store, point in points.items():
            with self.subTest(store=store):
                shutil.rmtree(self.to, ignore_errors=True)
                self.assertGreater(self.tar(point, store).stat().st_size, 64 * MIB)
                doc = self.ok(self.restore(point, last))
                self.assertEqual((self.to / last[1:]).read_bytes(), Path(last).read_bytes())
                self.assertEqual([c[0] for c in content(self.to, False)], [last[1:]])
                self.assertLessEqual(doc["fetched_bytes"], 2 * doc["bytes"] + 8 * MIB)
                here_and_there = ["/" + e["name"] for e in self.listing(self.tar(points["vault"]).parent) if e["type"] == "file"][3::20]
                doc = self.ok(self.restore(point, *here_and_there))
                for name in here_and_there:
                    self.assertEqual((self.to / name[1:]).read_bytes(), Path(name).read_bytes())
                self.assertEqual(doc["entries"], len(here_and_there))
                self.assertLess(doc["fetched_bytes"], 32 * MIB)

    def test_ordinary_zstd_and_tar_read_what_has_a_table_behind_it(self):
        tar = self.tar(self.backup())
        self.assertEqual(tar.read_bytes()[-4:], bytes.fromhex("b1ea928f"))
        plain = subprocess.run(["zstd", "-dc", tar], check=True, capture_output=True).stdout
        self.assertEqual(hashlib.sha256(plain).hexdigest(), json.loads(tar.with_name("files.json").read_text())["tar_sha256"])
        names = subprocess.run(["tar", "--zstd", "-tf", tar], check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertEqual([n.rstrip("/") for n in names], [e["name"] for e in self.listing(tar.parent)])
        self.to.mkdir()
        subprocess.run(["tar", "--zstd", "-xpf", tar, "-C", self.to], check=True)
        self.assert_same()

    def rewrite(self, folder, entries):
        """A listing in the old one's place, and what files.json says of it."""
        text = b"".join(json.dumps(e).encode() + b"\n" for e in entries)
        about = json.loads((folder / "files.json").read_text())
        about["listing_sha256"] = hashlib.sha256(text).hexdigest()
        (folder / "files.json").write_text(json.dumps(about))
        (folder / "files.jsonl.zst").unlink(missing_ok=True)
        (folder / "files.jsonl").write_bytes(text)

    def test_an_archive_of_before_in_one_frame_and_without_places_is_read_from_its_beginning(self):
        folder = self.archive()
        tar = folder / "files.tar.zst"
        entries = [{k: v for k, v in e.items() if k != "at"} for e in self.listing(folder)]
        subprocess.run(f"zstd -dc {tar} | zstd -q -1 -o {tar}.new && mv {tar}.new {tar}", shell=True, check=True)
        for step in ("one frame", "no places"):
            if step == "no places":
                self.rewrite(folder, entries)
            for path, n in ((f"{self.tree}/zz-big.bin", 1), (f"{self.tree}/etc", 2), ("/", 4)):
                with self.subTest(step=step, path=path):
                    shutil.rmtree(self.to, ignore_errors=True)
                    self.ok(self.site.run("restore", "files", str(folder), "--to", str(self.to), path))
                    self.assertEqual(len(content(self.came_back(), False)), n)
        self.assert_same()

    def test_no_packing_is_read_from_its_middle_and_gzip_from_its_beginning(self):
        for how in ("gzip", "none"):
            with self.subTest(how=how):
                folder = self.site.dir / how
                self.ok(self.site.run("archive", "web", "--to", str(folder), "--compression", how))
                self.ok(self.site.run("restore", "files", str(folder), "--to", str(self.to / how), f"{self.tree}/index.php"))
                self.assertEqual((self.to / how / str(self.tree)[1:] / "index.php").read_text(), "<?php\n")

    def test_a_table_or_places_that_lie_never_lead_to_a_wrong_file(self):
        self.many(6)
        folder = self.archive()
        tar = folder / "files.tar.zst"
        data, entries = tar.read_bytes(), self.listing(folder)
        name, place = [(e["name"], e["at"]) for e in entries if "/many/" in e["name"] and e["size"]][2]
        n = int.from_bytes(data[-9:-5], "little")
        table = len(data) - 9 - 8 * n
        sizes = [data[table + 8 * i:table + 8 * i + 8] for i in range(n)]
        frames, at = [], 0
        for s in sizes:
            frames.append(data[at:at + int.from_bytes(s[:4], "little")])
            at += len(frames[-1])

        def lies(order, sizes):
            tar.write_bytes(b"".join(frames[i] for i in order) + data[table - 8:table] + b"".join(sizes) + data[-9:])

        def refuses(message=""):
            self.fails(self.site.run("restore", "files", str(folder), "--to", str(self.to), name), 1, "corrupt", message)
            self.assertFalse((self.to / name).exists())
        order, first = list(range(n)), place // MIB
        order[first], order[first + 1] = first + 1, first
        lies(order, [sizes[i] for i in order])  # frames in another order, of which the table knows
        refuses()
        lies(range(n), sizes[::-1])
        refuses()
        short = (int.from_bytes(sizes[0][4:], "little") - 512).to_bytes(4, "little")
        lies(range(n), [sizes[0][:4] + short, *sizes[1:]])  # less content than files.json says
        refuses("files.tar")
        tar.write_bytes(data)
        for wrong in (512, -512, 1, 1 << 40):
            self.rewrite(folder, [{**e, "at": e["at"] + (wrong if e["name"] == name else 0)} for e in entries])
            refuses()

    # -- damage --------------------------------------------------------------------------------

    def test_a_tar_or_listing_that_is_missing_or_cut_is_named_before_anything_is_written(self):
        point = self.backup()
        tar = self.tar(point)
        listing = tar.with_name("files.jsonl.zst")
        os.truncate(tar, tar.stat().st_size - 1)
        self.fails(self.restore(point), 1, "corrupt", "files.tar.zst (another size)")
        listing.unlink()
        self.fails(self.restore(point), 1, "corrupt", "files.jsonl.zst (missing)")
        self.assertFalse(self.to.exists())

    def test_a_changed_description_is_not_believed(self):
        point = self.backup()
        about = self.tar(point).with_name("files.json")
        about.write_text(about.read_text().replace('"entries"', '"entriez"'))
        self.fails(self.restore(point), 1, "corrupt", "files.json")
        self.assertFalse(self.to.exists())

    def test_a_flipped_bit_is_named_and_the_file_it_is_in_is_not_left_there(self):
        with_key = self.with_key()
        points = {"vault": self.backup(), "safe": self.backup("safe")}
        with_key()
        for store, point in points.items():
            with self.subTest(store=store):
                shutil.rmtree(self.to, ignore_errors=True)
                path = self.tar(point, store)
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 0x10
                path.write_bytes(data)
                error = self.fails(self.restore(point), 1, "corrupt")
                self.assertIn(str(self.to), str(error["left"]))
                self.assertEqual((self.came_back() / "index.php").read_text(), "<?php\n")
                self.assertFalse((self.came_back() / "zz-big.bin").exists())

    # -- interrupted ---------------------------------------------------------------------------

    def test_a_disk_that_is_full_is_named_and_no_half_of_a_file_is_left(self):
        point = self.backup()
        self.to.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", self.to], check=False).returncode:
            runlib.missing("mount", "no right to mount")
        self.addCleanup(subprocess.run, ["umount", "-l", self.to], check=False)
        error = self.fails(self.restore(point), 1, "no-space", "zz-big.bin")
        self.assertIn(str(self.to), str(error["left"]))
        self.assertFalse((self.came_back() / "zz-big.bin").exists())


class FromSwift(FilesTest):
    """From a bucket behind a proxy, which can break off in the middle."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.swift = swiftlib.Swift()
        cls.addClassCleanup(cls.swift.stop)

    def setUp(self):
        super().setUp()
        self.bucket = swiftlib.Bucket(self.swift, self.swift.make_bucket(f"files-{os.getpid()}-{random.randrange(1 << 30)}"),
                                      "site")
        identity = self.site.dir / "identity"
        self.stores["cloud"] = {**self.bucket.section(swiftlib.key_files(self.site.dir)), "off-host": "assume",
                                "recipients": runlib.make_identity(identity), "patience": "3s"}
        self.write()
        self.ok(self.site.run("store", "init", "cloud"))
        self.point = self.backup("cloud")
        self.stores["cloud"]["identity-file"] = identity
        self.seen, self.fault = [], None
        proxy = s3proxy.Proxy(self.swift, fault=self.look)
        self.addCleanup(proxy.close)
        self.stores["cloud"]["url"] = self.bucket.url(proxy.port)
        self.write()

    def look(self, request):
        self.seen.append(request)
        return self.fault(request) if self.fault else None

    def late(self, how):
        """That happens to what is wanted of the tar behind its first pieces."""
        def fault(request):
            of_tar = [r for r in self.seen if "files.tar" in r.target and r.method == "GET"]
            return how if "files.tar" in request.target and len(of_tar) > 3 else None
        return fault

    def test_it_comes_back_in_few_requests(self):
        self.ok(self.restore(self.point))
        self.assert_same()
        self.assertLess(len([r for r in self.seen if "files." in r.target]), 12)

    def test_a_store_that_is_lost_in_the_middle_is_named_and_what_came_is_whole(self):
        self.fault = self.late("503")
        error = self.fails(self.restore(self.point), 1, "unreachable", "files.tar")
        self.assertIn(str(self.to), str(error["left"]))
        self.assertFalse((self.came_back() / "zz-big.bin").exists())
        self.fault = None
        self.ok(self.restore(self.point, "--overwrite"))
        self.assert_same(with_folders=False)  # those that were there keep a time of now

    def test_interrupted_in_the_middle_no_half_of_a_file_is_left(self):
        self.fault = self.late("stall")
        running = self.site.start("restore", "files", self.point, "--to", str(self.to))
        runlib.wait_until(lambda: any("files.tar" in r.target for r in self.seen) and
                          (self.came_back() / "zz-big.bin").exists(), 20, "the big file begun")
        running.signal(signal.SIGINT)
        error = self.fails(running.wait(), 1, "cancelled")
        self.assertIn(str(self.to), str(error["left"]))
        self.assertFalse((self.came_back() / "zz-big.bin").exists())


if __name__ == "__main__":
    runlib.main()
