# SPDX-License-Identifier: Apache-2.0
"""Backups of directories that play a machine, to stores that are directories: what is on the store, what a failure leaves."""

import json
import os
import unittest
from pathlib import Path

import runlib
from runlib import RunTest

runlib.need("qemu-nbd", "qemu-nbd")

MIB = 1 << 20


class Backups(RunTest):
    def setUp(self):
        super().setUp()
        self.disks = {"vda": os.urandom(3 * MIB) + bytes(2 * MIB), "vdb": b"data" * 128}
        for target, content in self.disks.items():
            (self.site.vm / f"{target}.img").write_bytes(content)
        self.stores = {}
        self.add_store("vault")

    def add_store(self, name, **keys):
        folder = self.site.dir / name
        folder.mkdir(mode=0o700)
        self.stores[name] = {"url": f"file://{folder}", "off-host": "assume", **keys}
        self.write()
        self.ok(self.site.run("store", "init", name))
        return folder

    def write(self, **keys):
        self.site.write(**keys)
        text = self.site.config.read_text()
        for name, section in self.stores.items():
            text += f"[store {name}]\n" + "".join(f"{k} = {v}\n" for k, v in section.items())
        self.site.config.write_text(text)

    def manifests(self, name="vault"):
        return sorted((self.site.dir / name).glob("points/web/*/manifest.json"))

    def calls(self):
        return [line.split()[0] for line in (self.site.vms / "calls").read_text().splitlines()]

    def test_a_backup_is_a_point_on_the_store_with_all_disks_and_the_definition(self):
        doc = self.ok(self.site.run("backup", "web"))
        self.assertEqual((doc["grade"], doc["protected"], doc["snapshot"]), ("B", True, None))
        self.assertEqual([(a["kind"], a["name"], a["bytes"]) for a in doc["artifacts"]],
                         [("image", "vda", 5 * MIB), ("image", "vdb", 512), ("vm", "definition", len(self.site.domain()))])
        self.assertGreater(doc["artifacts"][0]["stored_bytes"], 3 * MIB)
        store, = doc["stores"]
        self.assertEqual((store["name"], store["read_back"], store["off_host"], store["error"]),
                         ("vault", True, "assumed", None))
        self.assertIn("assumed to be off the host", " ".join(doc["warnings"]))
        path, = self.manifests()
        manifest = json.loads(path.read_text())["manifest"]
        self.assertEqual((manifest["point"], manifest["grade"], len(manifest["artifacts"])), (doc["point"], "B", 3))
        self.assertEqual((path.parent / "vm/definition").read_text(), self.site.domain())
        self.assert_clean()

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

    def test_what_cannot_be_produced_is_refused(self):
        self.fails(self.site.run("backup", "web", "--produce", "image,dump"), 4, "unsupported", "image,dump")
        self.assertEqual(self.manifests(), [])

    def test_a_disk_that_cannot_be_exported_fails_the_run_and_ends_the_job(self):
        self.fails(self.site.run("backup", "web", DIR_FAIL="export_disk"), 1, "plugin")
        self.assert_clean()
        self.fails(self.site.run("backup", "web", DIR_FAIL="export_end"), 1, "plugin")
        self.assert_clean()
        self.assertEqual(self.manifests(), [])

    def test_killed_at_every_point_it_leaves_no_job_and_the_next_run_works(self):
        env = self.site.points()
        self.ok(self.site.run("backup", "web", **env))
        visited = self.site.visited()
        self.assertIn("backup.after_export_end", visited)
        for point in visited:
            with self.subTest(point=point):
                (self.site.vm / "vda.img").write_bytes(os.urandom(MIB))
                self.site.run("backup", "web", **self.site.points(f"{point}=kill"))
                self.recover()
                self.assert_clean()
                for path in self.manifests():
                    json.loads(path.read_text())
        doc = self.ok(self.site.run("backup", "web"))
        self.assertTrue(doc["protected"])


if __name__ == "__main__":
    runlib.main()
