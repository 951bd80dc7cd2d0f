# SPDX-License-Identifier: Apache-2.0
"""Incremental backups of directories that play a machine: what is read, what is said, and that every point is the disks of its instant."""

import base64
import json
import os
import random
import shutil

import runlib
from backuplib import Judge, digests
from storeslib import MIB, StoresTest

runlib.need("qemu-nbd", "qemu-nbd", "qemu-img", "qemu-io")

CHUNK = 256 << 10
PAGE = 4096


class Incrementals(StoresTest):
    def setUp(self):
        super().setUp()
        self.taken = {}

    def disk(self, target="vda"):
        return self.site.vm / f"{target}.img"

    def poke(self, at, data, target="vda"):
        with self.disk(target).open("r+b") as f:
            f.seek(at)
            f.write(data)

    def backup(self, *args, **env):
        """Its document; what each disk was then is what every store has to give back."""
        targets = [line.split()[0] for line in self.site.domain().splitlines()]
        now = {t: self.disk(t).read_bytes() for t in targets}
        doc = self.ok(self.site.run("backup", "web", *args, **env))
        self.taken[doc["point"]] = digests(now)
        self.images = {a["name"]: a for a in doc["artifacts"] if a["kind"] == "image"}
        return doc

    def is_incremental(self):
        return {name: a["incremental"] for name, a in self.images.items()}

    def manifest(self, doc):
        return json.loads((self.site.dir / f"vault/points/web/{doc['point']}/manifest.json").read_text())["manifest"]

    def judge(self, name="vault"):
        found = Judge(self.site.dir / name).look()
        for point, disks in found.points.items():
            self.assertEqual(disks, self.taken[point], point)
        return found

    def said(self, doc, piece):
        self.assertIn(piece, " ".join(doc["warnings"]))

    def drop(self, *patterns, name="vault"):
        for pattern in patterns:
            for path in (self.site.dir / name).glob(pattern):
                path.unlink()

    def test_only_what_changed_is_read_and_the_point_is_whole(self):
        first = self.backup()
        self.assertEqual(self.is_incremental(), {"vda": False, "vdb": False})
        self.assertIn("left no checkpoint", self.images["vda"]["incremental_why"])
        self.assertNotIn("compared", " ".join(first["warnings"]))
        self.poke(MIB + 100, os.urandom(PAGE))
        doc = self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": True})
        self.assertEqual((self.images["vda"]["read_bytes"], self.images["vdb"]["read_bytes"]), (CHUNK, 0))
        self.assertIsNone(self.images["vda"]["incremental_why"])
        self.assertLess(doc["stores"][0]["bytes"], CHUNK + (32 << 10))
        manifest = self.manifest(doc)
        self.assertEqual([a["parent"] for a in manifest["artifacts"] if a["kind"] == "image"], [first["point"]] * 2)
        self.assertEqual(len(self.judge().points), 2)
        shown = self.ok(self.site.run("show", doc["point"]))
        self.assertEqual([a["incremental"] for a in shown["artifacts"] if a["kind"] == "image"], [True, True])
        self.assert_clean()

    def test_what_the_bitmap_does_not_tell_is_not_read(self):
        """The negative control: with a bitmap that lies the point is wrong, so what the others find out is the bitmap's doing."""
        self.backup()
        self.poke(MIB, os.urandom(PAGE))
        (self.site.vm / "vda.blind").touch()
        doc = self.backup()
        self.assertEqual(self.images["vda"]["read_bytes"], 0)
        self.assertNotEqual(Judge(self.site.dir / "vault").look().points[doc["point"]]["vda"], self.taken[doc["point"]]["vda"])

    def test_what_is_called_unchanged_has_to_prove_it(self):
        """A disk that became a copy of another one, with a bitmap that says nothing: they differ at one place."""
        data = os.urandom(3 * MIB)
        self.poke(0, data)
        self.poke(0, data, "vdb")
        self.poke(700 * 1024, b"x" * 100, "vdb")
        self.backup()
        shutil.copy(self.disk(), self.disk("vdb"))
        (self.site.vm / "vdb.blind").touch()
        doc = self.backup()
        self.said(doc, "disk vdb is read whole and compared: what its bitmap calls unchanged is not what point")
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": False})
        self.judge()

    def test_points_of_random_changes_are_the_disks_of_their_instants(self):
        dice = random.Random(runlib.seed())
        self.backup()
        for i in range(int(os.environ.get("HOLDFAST_SAMPLE", 8)) or 200):
            size = self.disk().stat().st_size
            kind = ("write", "zero", "grow", "shrink", "shrink and grow")[i % 5]
            if kind in ("write", "zero"):
                for _ in range(3):
                    at = dice.randrange(size // PAGE) * PAGE
                    self.poke(at, bytes(PAGE) if kind == "zero" else dice.randbytes(PAGE))
            else:
                with self.disk().open("r+b") as f:
                    f.truncate(size - 700 * 1024 if "shrink" in kind else size + 300 * 1024)
                    f.truncate(size if kind == "shrink and grow" else os.fstat(f.fileno()).st_size)
                self.poke(0, dice.randbytes(PAGE))
            self.backup()
            self.assertEqual(self.is_incremental(), {"vda": True, "vdb": True}, kind)
            self.assertLess(self.images["vda"]["read_bytes"], size, kind)
        self.judge()

    def test_a_disk_without_a_bitmap_is_compared_beside_one_that_has_it(self):
        (self.site.vm / "vdb.plain").touch()
        self.backup()
        self.poke(0, b"x" * 100, "vdb")
        doc = self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": False})
        self.assertIn("format", self.images["vdb"]["incremental_why"])
        self.assertNotIn("compared", " ".join(doc["warnings"]))
        self.judge()

    def test_a_lost_bitmap_is_said_and_the_next_one_is_incremental_again(self):
        self.backup()
        self.poke(2 * MIB, os.urandom(PAGE))
        (self.site.vm / "vda.lost").touch()
        doc = self.backup()
        self.assertEqual(self.is_incremental(), {"vda": False, "vdb": True})
        self.said(doc, "disk vda is read whole and compared: its bitmap is lost")
        self.assertLess(doc["stores"][0]["bytes"], CHUNK + (32 << 10))
        (self.site.vm / "vda.lost").unlink()
        self.poke(MIB, os.urandom(PAGE))
        self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": True})
        self.judge()

    def test_disks_that_come_and_go(self):
        self.backup()
        (self.site.vm / "vdc.img").write_bytes(os.urandom(MIB))
        (self.site.vm / "domain").write_text("vda vda.img\nvdc vdc.img\n")
        doc = self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdc": False})
        self.said(doc, "disk vdc is read whole and compared: the checkpoint was made without it")
        (self.site.vm / "domain").write_text("vda vda.img\nvdb vdb.img\nvdc vdc.img\n")
        self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": False, "vdc": True})
        self.judge()

    def test_a_checkpoint_that_is_gone_is_said(self):
        first = self.backup()
        (self.site.vm / f"{first['checkpoint']}.cp").unlink()
        doc = self.backup()
        self.said(doc, f"the hypervisor has lost checkpoint {first['checkpoint']}")
        self.assertEqual(self.is_incremental(), {"vda": False, "vdb": False})
        self.judge()

    def test_a_store_that_came_later_has_all_compared_once(self):
        self.backup()
        self.add_store("second")
        self.poke(MIB, os.urandom(PAGE))
        doc = self.backup()
        self.said(doc, "store second: point")
        self.assertEqual(self.is_incremental(), {"vda": False, "vdb": False})
        self.poke(2 * MIB, os.urandom(PAGE))
        self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": True})
        self.judge()
        self.judge("second")

    def test_a_store_whose_chunks_are_larger_takes_the_same_changes(self):
        self.add_store("second")
        path = self.site.dir / "second/holdfast.json"
        doc = json.loads(path.read_text())
        self.assertEqual(doc["chunk_bytes"], CHUNK)
        path.write_text(json.dumps({**doc, "chunk_bytes": 4 * CHUNK}))
        shutil.rmtree(self.site.state / "stores/second")
        self.backup()
        self.poke(2 * MIB, os.urandom(PAGE))
        self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": True})
        self.assertEqual(self.images["vda"]["read_bytes"], 4 * CHUNK)
        self.judge()
        self.judge("second")

    def test_a_parent_that_was_pruned_is_said_and_compared(self):
        first = self.backup()
        self.drop(f"points/web/{first['point']}/manifest.json")
        doc = self.backup()
        self.said(doc, f"point {first['point']}, of which the hypervisor knows the changes, is not there")
        self.assertEqual(self.is_incremental(), {"vda": False, "vdb": False})
        self.judge()

    def test_a_parent_whose_manifest_or_tree_is_damaged_is_said_and_compared(self):
        first = self.backup()
        path = self.site.dir / f"vault/points/web/{first['point']}/manifest.json"
        good = path.read_text()
        path.write_text(good.replace('"vm_id":"id-web"', '"vm_id":"id-wob"'))
        self.said(self.backup(), "store vault: ")
        path.write_text(good)
        self.drop("trees/*/*", "index/*")
        doc = self.backup()
        self.said(doc, "store vault: the disk's root")
        self.assertEqual(self.is_incremental(), {"vda": False, "vdb": False})

    def test_chunks_that_are_gone_are_read_with_the_changes(self):
        self.backup()
        self.poke(MIB, os.urandom(PAGE))
        self.backup()
        one = max((self.site.dir / "vault/packs").glob("*/*"), key=lambda p: p.stat().st_size)
        self.drop(f"index/{one.name}.idx", f"packs/*/{one.name}")
        self.drop(f"points/web/{next(iter(self.taken))}/manifest.json")
        self.poke(2 * MIB, os.urandom(PAGE))
        doc = self.backup()
        self.assertTrue(self.images["vda"]["incremental"])
        self.assertEqual(self.images["vda"]["read_bytes"], 11 * CHUNK)  # twelve have data, and one of them lies in the second pack
        self.drop(f"points/web/{list(self.taken)[1]}/manifest.json")
        self.assertEqual(self.judge().points.keys(), {doc["point"]})

    def test_what_is_condemned_is_read_and_sent_again(self):
        self.backup()
        self.poke(MIB, os.urandom(PAGE))
        packs = list((self.site.dir / "vault/packs").glob("*/*"))
        (self.site.dir / "vault/condemned").mkdir()
        for pack in packs:
            (self.site.dir / "vault/condemned" / pack.name).touch()
        doc = self.backup()
        self.assertTrue(self.images["vda"]["incremental"])
        named = base64.b64decode(self.manifest(doc)["packs"]).hex()
        self.assertEqual([p.name for p in packs if p.name in named], [])

    def test_a_host_that_lost_all_it_knew_goes_on_with_the_increments(self):
        self.backup()
        shutil.rmtree(self.site.state)
        self.poke(MIB, os.urandom(PAGE))
        self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": True})
        self.judge()

    def test_never_is_a_reason_and_no_news(self):
        self.site.write(checkpoint="never")
        self.backup()
        doc = self.backup()
        self.assertEqual(self.images["vda"]["incremental_why"], "checkpoint = never")
        self.assertNotIn("compared", " ".join(doc["warnings"]))

    def test_a_run_that_fails_leaves_the_next_one_incremental_to_the_point_before(self):
        first = self.backup()
        self.poke(MIB, os.urandom(PAGE))
        for fault in ("backup.before_definition=error", "catalog.before_point_commit=error"):
            self.assertEqual(self.site.run("backup", "web", HOLDFAST_POINT=fault).status, 1)
        for path in self.manifests():  # of the second there is a point that nobody knows: whole, but its checkpoint is gone
            if path.parent.name != first["point"]:
                self.taken[path.parent.name] = digests({t: self.disk(t).read_bytes() for t in ("vda", "vdb")})
        self.poke(2 * MIB, os.urandom(PAGE))
        self.backup()
        self.assertEqual(self.is_incremental(), {"vda": True, "vdb": True})
        self.assertEqual(self.images["vda"]["read_bytes"], 2 * CHUNK)
        self.judge()


if __name__ == "__main__":
    runlib.main()
