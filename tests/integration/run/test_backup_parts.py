# SPDX-License-Identifier: Apache-2.0
"""What a point has beside its disks: the dump of the same instant and the application's files, streamed to the stores."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import runlib
import kill_points
from runlib import SOURCE, RunTest
from storeslib import StoresTest

sys.path.insert(0, str(SOURCE / "tests/integration/files"))
os.environ.setdefault("HOLDFAST_BUILD_DIR", str(runlib.BUILD))
import fileslib  # noqa: E402

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")
runlib.need("zstd", "zstd")


class Parts(StoresTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sshd = fileslib.Sshd()
        cls.addClassCleanup(cls.sshd.close)

    def with_files(self, **keys):
        """The guest's files are a tree of this machine, which is reached by ssh."""
        self.tree = self.site.dir / "app"
        (self.tree / "cache").mkdir(parents=True)
        (self.tree / "index.php").write_text("<?php\n")
        (self.tree / "upload.bin").write_bytes(os.urandom(3 << 20))
        (self.tree / "cache/junk").write_text("junk")
        ssh = {k.replace("-", "_"): v for k, v in self.sshd.vm_keys().items() if k != "guest"}
        self.write(files=self.tree, exclude="cache/", uncovered="lower", require="E", **ssh, **keys)

    def point(self, doc, name="vault"):
        return self.site.dir / name / "points/web" / doc["point"]

    def manifest(self, doc, name="vault"):
        return json.loads((self.point(doc, name) / "manifest.json").read_text())["manifest"]

    def loaded(self, folder):
        """The ids that the dump holds, read with the ordinary tools."""
        rows = []
        for path in sorted((folder / "dump").glob("t.pulse.*.sql.zst")):
            text = subprocess.run(["zstd", "-dc", path], check=True, capture_output=True, text=True).stdout
            rows += [int(x.strip("(),;\n")) for x in text.split("VALUES")[-1].split() if x.strip("(),;\n").isdigit()]
        return rows

    # -- the dump ------------------------------------------------------------------------------

    def test_the_dump_is_of_the_instant_of_the_disks(self):
        s = self.session()
        s.commit()
        before = [int(x) for x in s.sql("SELECT id FROM t.pulse")]
        running = self.site.start("backup", "web", **self.site.points("backup.before_dump=stall:1000"))
        self.site.wait_for_point("backup.before_dump")
        for _ in range(5):
            s.commit()
        doc = self.ok(running.wait())
        self.assertEqual(sorted(self.loaded(self.point(doc))), sorted(before))
        events = [e["event"] for e in doc["timeline"]]
        self.assertLess(events.index("capture_end"), events.index("readers_begun"))
        self.assertLess(events.index("readers_begun"), events.index("unlocked"))
        dump = next(a for a in self.manifest(doc)["artifacts"] if a["kind"] == "dump")
        self.assertEqual(dump["position"], self.manifest(doc)["position"])
        about = json.loads((self.point(doc) / "dump/holdfast.json").read_text())
        self.assertEqual(about["position"]["offset"], doc["position"]["offset"])
        self.assert_clean()

    def test_without_a_lock_of_the_point_the_dump_takes_its_own_and_says_where(self):
        s = self.session()
        self.write(quiesce="none", require="E")
        running = self.site.start("backup", "web", **self.site.points("backup.before_dump=stall:1000"))
        self.site.wait_for_point("backup.before_dump")
        for _ in range(5):
            s.commit()
        doc = self.ok(running.wait())
        ids = [int(x) for x in s.sql("SELECT id FROM t.pulse")]
        self.assertEqual(sorted(self.loaded(self.point(doc))), sorted(ids))
        dump = next(a for a in self.manifest(doc)["artifacts"] if a["kind"] == "dump")
        self.assertGreater(dump["position"]["offset"], doc["position_max"]["offset"])

    def test_behind_ssh_the_dump_has_a_tunnel_of_its_own(self):
        self.with_files(db=f"ssh://127.0.0.1:{RunTest.server.port}")
        doc = self.ok(self.site.run("backup", "web"))
        self.assertEqual(doc["grade"], "B")
        ids = [int(x) for x in self.session().sql("SELECT id FROM t.pulse")]
        self.assertEqual(sorted(self.loaded(self.point(doc))), sorted(ids))
        self.assertEqual(list((self.site.state / "sockets").iterdir()), [])

    def test_the_dump_comes_back_by_load(self):
        doc = self.ok(self.site.run("backup", "web"))
        folder = self.site.dir / "fetched"
        shutil.copytree(self.point(doc) / "dump", folder)
        other = runlib.Server()
        self.addCleanup(other.stop)
        self.ok(self.site.run("load", str(folder), "--to-db", f"tcp://127.0.0.1:{other.port}", "--defaults-file",
                              str(other.defaults)))
        there = runlib.Session(other)
        self.addCleanup(there.close)
        self.assertEqual(there.sql("CHECKSUM TABLE t.pulse"), self.session().sql("CHECKSUM TABLE t.pulse"))

    def test_a_dump_that_cannot_begin_fails_the_run_and_lets_the_lock_go(self):
        pulse = runlib.Pulse(RunTest.server)
        try:
            result = self.site.run("backup", "web", HOLDFAST_POINT="dump.attach=error")
        finally:
            longest = pulse.stop()
        self.fails(result, 1, "internal", "readers")
        self.assertLess(longest, 2)
        self.assertEqual(list((self.site.dir / "vault").glob("points/web/*/manifest.json")), [])
        self.assert_clean()

    def test_a_database_that_cannot_be_dumped_is_found_before_anything_is_held(self):
        self.without_super()
        self.session().sql("REVOKE SELECT ON *.* FROM modest@'127.0.0.1'")
        self.fails(self.site.run("backup", "web"), 1, "auth", "the dump")
        found = self.site.run("check", "web")
        self.assertEqual(found.status, 1, str(found))
        finding = next(f for f in found.json["checks"] if f["area"] == "dump")
        self.assertIn("GRANT", str(finding))
        self.assertNotIn("capture_prepare", (self.site.vms / "calls").read_text())
        self.ok(self.site.run("backup", "web", "--produce", "image"))

    # -- files ---------------------------------------------------------------------------------

    def test_the_files_are_a_tar_with_a_listing_on_the_store(self):
        self.with_files()
        doc = self.ok(self.site.run("backup", "web"))
        files = self.point(doc) / "files"
        tar = subprocess.run(["zstd", "-dc", files / "files.tar.zst"], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(tar)) as t:
            names = {Path("/", m.name) for m in t.getmembers()}
            content = t.extractfile(str(self.tree / "upload.bin")[1:]).read()
        self.assertEqual(content, (self.tree / "upload.bin").read_bytes())
        self.assertIn(self.tree / "index.php", names)
        self.assertNotIn(self.tree / "cache/junk", names)
        about = json.loads((files / "files.json").read_text())
        self.assertEqual(about["paths"], [str(self.tree)])
        part = next(a for a in self.manifest(doc)["artifacts"] if a["kind"] == "files")
        self.assertEqual([o["name"] for o in part["objects"]], ["files/files.json", "files/files.jsonl.zst", "files/files.tar.zst"])
        self.assertLessEqual(part["read_from"], part["read_to"])
        self.assertEqual([a["kind"] for a in doc["artifacts"]], ["image", "image", "dump", "files", "vm"])

    def test_nothing_of_them_touches_this_hosts_disks(self):
        self.with_files()
        self.ok(self.site.run("backup", "web"))
        here = [p for p in self.site.state.rglob("*") if p.is_file()]
        self.assertTrue(here)
        self.assertEqual([p for p in here if p.suffix in (".zst", ".tar", ".part", ".sql")], [])
        self.assertLess(sum(p.stat().st_size for p in here if "catalog" not in p.name), 1 << 20)

    def test_encrypted_they_are_opened_by_age_and_nothing_else(self):
        identity = self.site.dir / "identity"
        self.with_files()
        self.add_store("safe", recipients=runlib.make_identity(identity))
        doc = self.ok(self.site.run("backup", "web", "--store", "safe"))
        objects = [p for k in ("dump", "files") for p in (self.point(doc, "safe") / k).iterdir()]
        self.assertGreater(len(objects), 5)
        for path in objects:
            self.assertEqual(path.suffix, ".age")
            self.assertTrue(path.read_bytes().startswith(b"age-encryption.org/v1\n"))
        opened = subprocess.run(f"age -d -i {identity} {self.point(doc, 'safe')}/files/files.tar.zst.age | zstd -dc | tar -t",
                                shell=True, check=True, capture_output=True, text=True).stdout
        self.assertIn("upload.bin", opened)

    # -- stores --------------------------------------------------------------------------------

    def test_a_store_that_vanishes_during_the_dump_is_out_and_the_other_has_all(self):
        self.with_files()
        other = self.add_store("other")
        running = self.site.start("backup", "web", **self.site.points("backup.before_dump=stall:1000"))
        self.site.wait_for_point("backup.before_dump")
        shutil.rmtree(other)
        doc = self.ok(running.wait(), 3)
        self.assertEqual({s["name"]: s["protected"] for s in doc["stores"]}, {"vault": True, "other": False})
        self.assertEqual([a["kind"] for a in doc["artifacts"]], ["image", "image", "dump", "files", "vm"])
        self.assertTrue((self.point(doc) / "files/files.tar.zst").exists())
        self.assert_clean()

    def test_when_the_last_store_vanishes_during_the_files_the_run_fails(self):
        self.with_files()
        running = self.site.start("backup", "web", **self.site.points("backup.before_files=stall:1000"))
        self.site.wait_for_point("backup.before_files")
        shutil.rmtree(self.site.dir / "vault")
        self.fails(running.wait(), 1, "unreachable", "vault")
        self.assert_clean()

    def test_killed_while_they_are_read_it_leaves_no_point_and_no_export(self):
        self.with_files()
        for point in ("backup.before_dump", *sorted(kill_points.of("integration.run.backup_parts"))):
            with self.subTest(point=point):
                self.assertEqual(self.site.run("backup", "web", **self.site.points(f"{point}=kill")).status, -9)
                self.site.wait_for_undo(10)
                self.recover()
                self.assert_clean()
                self.assertLess(self.session().commit(), 2)
                self.assertEqual(list((self.site.dir / "vault").glob("points/web/*/manifest.json")), [])
        self.assertTrue(self.ok(self.site.run("backup", "web"))["protected"])

    def test_an_export_that_is_given_up_ends_the_dump_too(self):
        self.with_files()
        (self.site.vm / "full").touch()
        began = time.monotonic()
        self.fails(self.site.run("backup", "web", HOLDFAST_POINT="backup.before_dump=stall:1500"), 1, "no-space")
        self.assertLess(time.monotonic() - began, 15)
        self.assert_clean()

    # -- what is produced ----------------------------------------------------------------------

    def test_what_is_produced_is_what_was_asked_for(self):
        self.with_files()
        for produce, kinds in (("image", ["image", "image", "vm"]), ("image,dump", ["image", "image", "dump", "vm"]),
                               ("files,image", ["image", "image", "files", "vm"])):
            doc = self.ok(self.site.run("backup", "web", "--produce", produce))
            self.assertEqual([a["kind"] for a in doc["artifacts"]], kinds)
        self.write(dump="none")
        doc = self.ok(self.site.run("backup", "web"))
        self.assertEqual([a["kind"] for a in doc["artifacts"]], ["image", "image", "files", "vm"])

    def test_of_a_machine_that_is_off_there_is_no_dump_and_it_says_so(self):
        self.with_files(quiesce="none")
        (self.site.vm / "off").touch()
        doc = self.ok(self.site.run("backup", "web"))
        self.assertEqual([a["kind"] for a in doc["artifacts"]], ["image", "image", "vm"])
        self.assertIn("the VM is off", str(doc["warnings"]))

    def test_what_cannot_be_produced_is_refused(self):
        self.fails(self.site.run("backup", "web", "--produce", "image,tape"), 2, "config", "tape")
        self.fails(self.site.run("backup", "web", "--produce", "dump"), 4, "unsupported", "image")
        self.fails(self.site.run("backup", "web", "--produce", "image,files"), 2, "config", "no files")
        self.assertEqual(list((self.site.dir / "vault").glob("points")), [])


if __name__ == "__main__":
    runlib.main()
