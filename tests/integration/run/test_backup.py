# SPDX-License-Identifier: Apache-2.0
"""Backups of directories that play a machine, to stores that are directories: what is on the store, what a failure leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys

import runlib
from runlib import SOURCE
from storeslib import MIB, StoresTest

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")


class Backups(StoresTest):
    def rebuilt(self, doc, target, name="vault", identity=None):
        """The disk as a reader that knows nothing but docs/format.md makes it of the store."""
        root = next(a["digest"] for a in doc["artifacts"] if a["name"] == target)
        out = self.site.dir / "rebuilt"
        subprocess.run([sys.executable, SOURCE / "tests/interop/reader.py", self.site.dir / name, root, out,
                        *([identity] if identity else [])], check=True)
        return out.read_bytes()

    def calls(self):
        return [line.split()[0] for line in (self.site.vms / "calls").read_text().splitlines()]

    def test_a_backup_is_a_point_on_the_store_with_all_disks_and_the_definition(self):
        doc = self.ok(self.site.run("backup", "web"))
        self.assertEqual((doc["grade"], doc["protected"], doc["snapshot"]), ("B", True, None))
        self.assertEqual([(a["kind"], a["name"], a["bytes"]) for a in doc["artifacts"]],
                         [("image", "vda", 5 * MIB), ("image", "vdb", 512), ("dump", "dump", doc["artifacts"][2]["bytes"]), ("vm", "definition", len(self.site.domain()))])
        self.assertGreater(doc["artifacts"][0]["stored_bytes"], 3 * MIB)
        store, = doc["stores"]
        self.assertEqual((store["name"], store["read_back"], store["off_host"], store["error"]),
                         ("vault", True, "assumed", None))
        self.assertIn("assumed to be off the host", " ".join(doc["warnings"]))
        path, = self.manifests()
        manifest = json.loads(path.read_text())["manifest"]
        self.assertEqual((manifest["point"], manifest["grade"], len(manifest["artifacts"])), (doc["point"], "B", 4))
        self.assertEqual((path.parent / "vm/definition").read_text(), self.site.domain())
        self.assert_clean()

    def test_the_disks_are_those_of_the_instant_whatever_the_guest_writes_meanwhile(self):
        running = self.site.start("backup", "web", **self.site.points("backup.before_disks=stall:1000"))
        self.site.wait_for_point("backup.before_disks")
        (self.site.vm / "vda.img").write_bytes(os.urandom(5 * MIB))
        doc = self.ok(running.wait())
        self.assertGreater(self.calls().count("export_watch"), 2)
        for target, content in self.disks.items():
            self.assertEqual(self.rebuilt(doc, target), content)

    def test_an_encrypted_point_is_read_with_the_key_of_a_recipient_and_holds_nothing_open(self):
        identity = self.site.dir / "identity"
        (self.site.vm / "vda.img").write_bytes(b"a secret of the guest " * 1000 + bytes(MIB))
        self.add_store("safe", recipients=runlib.make_identity(identity))
        doc = self.ok(self.site.run("backup", "web", "--store", "safe"))
        written = (self.site.vm / "vda.img").read_bytes()
        self.assertEqual(self.rebuilt(doc, "vda", "safe", identity)[:len(written)], written)
        objects = [p for p in (self.site.dir / "safe").rglob("*") if p.is_file() and p.name != "holdfast.json"]
        self.assertTrue(objects)
        for path in objects:
            self.assertTrue(path.read_bytes().startswith(b"age-encryption.org/v1\n"), path)

    def test_the_second_backup_sends_only_what_changed(self):
        self.ok(self.site.run("backup", "web"))
        with (self.site.vm / "vda.img").open("r+b") as f:
            f.seek(MIB)
            f.write(os.urandom(4096))
        doc = self.ok(self.site.run("backup", "web"))
        self.assertLess(doc["stores"][0]["bytes"], 512 << 10)
        self.assertEqual(len(self.manifests()), 2)

    def test_it_goes_to_two_stores_and_one_that_fails_is_named(self):
        other = self.add_store("other")
        doc = self.ok(self.site.run("backup", "web"))
        self.assertEqual([s["protected"] for s in doc["stores"]], [True, True])
        (other / "holdfast.json").unlink()
        doc = self.ok(self.site.run("backup", "web"), 3)
        self.assertEqual({s["name"]: s["protected"] for s in doc["stores"]}, {"vault": True, "other": False})
        self.assertIn("other", next(s["error"] for s in doc["stores"] if s["name"] == "other"))
        self.assertEqual((len(self.manifests()), len(self.manifests("other"))), (2, 1))
        self.assertTrue(doc["protected"])
        self.assert_clean()

    def test_a_store_that_vanishes_while_the_disks_are_read_is_out_and_the_other_counts(self):
        other = self.add_store("other")
        running = self.site.start("backup", "web", **self.site.points("backup.before_disks=stall:1000"))
        self.site.wait_for_point("backup.before_disks")
        shutil.rmtree(other)
        doc = self.ok(running.wait(), 3)
        self.assertEqual({s["name"]: s["protected"] for s in doc["stores"]}, {"vault": True, "other": False})
        self.assertEqual(self.rebuilt(doc, "vda"), self.disks["vda"])
        self.assert_clean()

    def test_interrupted_while_the_disks_are_read_it_ends_the_export_and_there_is_no_point(self):
        running = self.site.start("backup", "web", **self.site.points("backup.before_disks=stall:1000"))
        self.site.wait_for_point("backup.before_disks")
        running.signal(signal.SIGINT)
        self.fails(running.wait(), 1, "cancelled")
        self.assertEqual(self.manifests(), [])
        self.assert_clean()

    def test_a_guest_that_tells_no_address_is_said_to_tell_none(self):
        doc = self.ok(self.site.run("backup", "web"))
        self.assertNotIn("does not tell its addresses", " ".join(doc["warnings"]))
        (self.site.vm / "agent").unlink()
        doc = self.ok(self.site.run("backup", "web"))
        self.assertIn("does not tell its addresses", " ".join(doc["warnings"]))

    def test_without_a_store_that_is_ready_nothing_is_held(self):
        (self.site.dir / "vault" / "holdfast.json").unlink()
        self.fails(self.site.run("backup", "web"), 1, "not-found", "vault")
        self.assertNotIn("capture_prepare", self.calls())
        self.assert_clean()

    def test_only_the_store_that_was_asked_for_gets_it(self):
        self.add_store("other")
        self.ok(self.site.run("backup", "web", "--store", "other"))
        self.assertEqual((len(self.manifests()), len(self.manifests("other"))), (0, 1))

    def test_a_store_on_this_host_is_refused_before_anything_is_held(self):
        self.stores["vault"]["off-host"] = "verify"
        self.write()
        self.fails(self.site.run("backup", "web"), 2, "config", "not off the host")
        self.assertNotIn("capture_prepare", self.calls())
        self.assert_clean()

    def test_a_scratch_space_that_is_full_ends_the_export_and_there_is_no_point(self):
        (self.site.vm / "full").touch()
        error = self.fails(self.site.run("backup", "web", HOLDFAST_POINT="backup.before_disks=stall:1500"), 1, "no-space")
        self.assertEqual(error["left"], [])
        self.assertEqual(self.manifests(), [])
        self.assert_clean()

    def test_a_grade_below_the_required_one_is_status_3(self):
        self.write(quiesce="none", require="B")
        doc = self.ok(self.site.run("backup", "web"), 3)
        self.assertEqual((doc["grade"], doc["protected"]), ("E", True))
        self.assertEqual(self.ok(self.site.run("show", doc["run"]))["outcome"], "degraded")

    def test_a_disk_that_cannot_be_exported_fails_the_run_and_ends_the_job(self):
        self.fails(self.site.run("backup", "web", DIR_FAIL="export_disk"), 1, "plugin")
        self.assert_clean()
        self.fails(self.site.run("backup", "web", DIR_FAIL="export_end"), 1, "plugin")
        self.assert_clean()
        self.assertEqual(self.manifests(), [])


if __name__ == "__main__":
    runlib.main()
