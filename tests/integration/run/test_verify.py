# SPDX-License-Identifier: Apache-2.0
"""`verify` of points on stores that are directories: each damage is named, plain and encrypted."""

import contextlib
import os
import re
import shutil
import subprocess

import runlib
from storeslib import MIB, StoresTest

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")


class Verifying(StoresTest):
    def encrypted(self, **keys):
        """A second store, for a key of its own."""
        return self.add_store("safe", recipients=runlib.make_identity(self.site.dir / "identity"), **keys)

    def backup(self, store="vault"):
        return self.ok(self.site.run("backup", "web", "--store", store))["point"]

    def verify(self, *args, status=0):
        return self.ok(self.site.run("verify", *(args or ("--all", "--read"))), status)

    def damage(self, *args):
        """What is said of the one copy that is looked at."""
        doc = self.verify(*args, status=1)
        self.assertEqual(doc["damaged"], 1, doc)
        copy, = [c for c in doc["copies"] if not c["good"]]
        return "\n".join(copy["damage"])

    def objects(self, folder, store="vault"):
        return sorted(p for p in (self.site.dir / store / folder).rglob("*") if p.is_file())

    def name(self, path):
        """Of the object, in its store."""
        return str(path.relative_to(self.site.dir)).split("/", 1)[1]

    @contextlib.contextmanager
    def changed(self, *paths):
        """What is done to these files is undone."""
        before = {p: p.read_bytes() for p in paths}
        yield
        for path, content in before.items():
            path.write_bytes(content)

    def check_flipped(self, store, folders):
        for folder in folders:
            for path in self.objects(folder, store):
                with self.subTest(path=self.name(path)), self.changed(path):
                    runlib.flip(path)
                    self.assertIn(self.name(path), self.damage("--all", "--read", "--store", store))

    def test_a_good_point_is_good_at_each_depth(self):
        point = self.backup()
        for depth, options in {"there": [], "read": ["--read"], "content": ["--content"]}.items():
            doc = self.verify(point, *options)
            copy, = doc["copies"]
            self.assertEqual((doc["depth"], doc["damaged"], copy["point"], copy["good"], copy["damage"]),
                             (depth, 0, point, True, []))
            self.assertEqual(copy["bytes_read"] > 3 * MIB, depth != "there")
        self.assertEqual(doc["stores"], [{"name": "vault", "id": doc["stores"][0]["id"], "copies": 1, "unfinished": 0,
                                          "error": None}])

    def test_a_flipped_bit_anywhere_is_named(self):
        self.backup()
        self.check_flipped("vault", ["packs", "index", "trees", "points"])

    def test_a_flipped_bit_anywhere_on_an_encrypted_store_is_named_without_the_key_of_the_data(self):
        self.encrypted()
        self.backup("safe")
        self.check_flipped("safe", ["packs", "index", "trees", "points"])

    def test_a_damaged_pack_is_told_with_the_disks_it_costs_something_and_from_where(self):
        (self.site.vm / "vda.img").write_bytes(bytes(MIB) + os.urandom(MIB))
        self.backup()
        small, large = sorted(self.objects("packs"), key=lambda p: p.stat().st_size)
        with self.changed(large):
            runlib.flip(large)
            said = self.damage()
            self.assertIn("disk 'vda': 4 chunks lie in damaged packs, the first at 1048576", said)
            self.assertNotIn("disk 'vdb'", said)
        with self.changed(small):
            runlib.flip(small)
            self.assertIn("disk 'vdb': 1 chunk lies in damaged packs, the first at 0", self.damage())

    def test_what_is_found_damaged_is_sent_again_by_the_next_backup(self):
        """Incremental, compared, and after a pack was found missing: the old point stays damaged, the next one is whole."""
        first = last = self.backup()
        for spoil in (runlib.flip, lambda p: p.unlink()):
            large = max(self.objects("packs"), key=lambda p: (p.stat().st_size, p.stat().st_mtime))
            spoil(large)
            self.damage(last, "--read")
            self.assertIn(large.name, [p.name for p in self.objects("damaged")])
            doc = self.ok(self.site.run("backup", "web"))
            self.assertTrue(all(a["incremental"] for a in doc["artifacts"] if a["kind"] == "image"))
            self.verify(doc["point"], "--read")
            self.damage(last)
            last = doc["point"]
            out = self.site.dir / "restored"
            self.ok(self.site.run("restore", "image", first, "--disk", "vda", "--to", str(out)))
            self.assertEqual(out.read_bytes(), (self.site.vm / "vda.img").read_bytes())
            out.unlink()
        self.site.write(checkpoint="never")
        tree = max(self.objects("trees"), key=lambda p: p.stat().st_mtime)
        runlib.flip(tree)
        point = self.backup()  # never looked at the old tree
        self.assertIn(tree.name, self.damage(point, "--read"))
        self.verify(self.backup(), "--read")

    def test_a_mark_goes_when_the_pack_is_good_again_or_gone(self):
        point = self.backup()
        pack = self.objects("packs")[0]
        with self.changed(pack):
            runlib.flip(pack)
            self.damage(point, "--read")
        self.assertIn("was found damaged before, by reading it", self.damage(point))
        self.verify(point, "--read")
        self.verify(point)
        self.assertEqual(self.objects("damaged"), [])
        mark = self.site.dir / "vault/damaged" / pack.name
        mark.parent.mkdir(exist_ok=True)
        mark.write_text("content")  # what its digest does not tell
        self.assertIn("was found damaged before, by reading its content", self.damage(point, "--read"))
        self.verify(point, "--content")
        self.assertFalse(mark.exists())
        mark.parent.mkdir(exist_ok=True)
        (mark.parent / ("0" * 32)).touch()
        self.verify(point)
        self.assertEqual(self.objects("damaged"), [])

    def test_a_mark_that_cannot_be_set_is_said_and_changes_nothing_else(self):
        point = self.backup()
        runlib.flip(self.objects("packs")[0])
        r = self.site.run("verify", point, "--read", HOLDFAST_POINT="store.path.before_rename=error")
        self.assertEqual((r.status, r.json["damaged"]), (1, 1), str(r))
        self.assertIn("a mark of damage could not be set", r.stderr)
        self.assertEqual(self.objects("damaged"), [])

    def test_what_a_restore_cannot_read_is_sent_again_too(self):
        first = self.backup()
        large = max(self.objects("packs"), key=lambda p: p.stat().st_size)
        runlib.flip(large)
        self.ok(self.site.run("restore", "image", first, "--disk", "vda", "--to", str(self.site.dir / "restored")), 1)
        self.assertEqual([p.name for p in self.objects("damaged")], [large.name])
        self.verify(self.backup(), "--read")

    def test_a_parent_whose_tree_cannot_be_read_is_compared_and_its_tree_written_again(self):
        self.backup()
        for path in self.objects("trees"):
            runlib.flip(path)
        self.verify(self.backup(), "--read")

    def check_swapped(self, store):
        a, b = self.objects("packs", store)[:2]
        with self.changed(a, b):
            other = a.read_bytes()
            a.write_bytes(b.read_bytes())
            b.write_bytes(other)
            said = self.damage("--all", "--read", "--store", store)
            self.assertIn(self.name(a), said)
            self.assertIn(self.name(b), said)

    def test_two_swapped_packs_are_named_plain_and_encrypted(self):
        (self.site.vm / "vdb.img").write_bytes(os.urandom(3 * MIB))
        (self.site.vm / "vda.img").write_bytes(os.urandom(3 * MIB))
        self.backup()
        self.encrypted()
        self.backup("safe")
        self.check_swapped("vault")
        self.check_swapped("safe")

    def test_truncated_and_missing_objects_are_named_without_reading(self):
        self.backup()
        for path in self.objects("packs") + self.objects("trees") + self.objects("points"):
            with self.subTest(path=self.name(path)):
                with self.changed(path):
                    os.truncate(path, path.stat().st_size - 1)
                    self.assertIn(self.name(path).split("/")[-1], self.damage("--all"))
                with self.changed(path):
                    path.unlink()
                    self.assertIn(self.name(path).split("/")[-1], self.damage("--all"))

    def test_a_missing_index_is_named(self):
        self.backup()
        for path in self.objects("index"):
            with self.subTest(path=self.name(path)), self.changed(path):
                path.unlink()
                self.assertIn(self.name(path), self.damage("--all"))

    def test_a_forged_manifest_is_named_plain_and_encrypted(self):
        self.encrypted()
        self.backup()
        self.backup("safe")
        path, = self.manifests()
        text = path.read_text()
        with self.changed(path):
            path.write_text(text.replace('"grade":"B"', '"grade":"A"'))
            said = self.damage("--all", "--store", "vault")
            self.assertIn("not written by a holder of the store's key", said)
            self.assertIn(self.name(path), said)
        # Whoever knows the recipients can encrypt to them; the seal he cannot make.
        path, = [p for p in self.objects("points", "safe") if p.name == "manifest.json.age"]
        keys = [r for s in (self.site.dir / "safe" / "holdfast.json",) for r in re.findall(r"age1[a-z0-9]+", s.read_text())]
        with self.changed(path):
            forged = subprocess.run(["age", *[o for k in dict.fromkeys(keys) for o in ("-r", k)]], input=text.encode(),
                                    capture_output=True, check=True).stdout
            path.write_bytes(forged)
            said = self.damage("--all", "--store", "safe")
            self.assertIn("not written by a holder of the store's key", said)
            self.assertIn(self.name(path), said)

    def test_content_needs_the_key_of_the_data(self):
        self.encrypted()
        self.backup("safe")
        doc = self.verify("--all", "--content", "--store", "safe", status=1)
        self.assertIn("no key for it is at hand", doc["stores"][0]["error"])
        self.assertEqual(doc["copies"], [])
        self.stores["safe"]["identity-file"] = self.site.dir / "identity"
        self.write()
        self.assertEqual(self.verify("--all", "--content", "--store", "safe")["damaged"], 0)

    def test_every_store_that_has_the_point_is_looked_at_and_one_that_cannot_be_is_named(self):
        other = self.add_store("other")
        point = self.ok(self.site.run("backup", "web"))["point"]
        self.assertEqual([c["store"] for c in self.verify(point)["copies"]], ["vault", "other"])
        self.assertEqual([c["store"] for c in self.verify(point, "--store", "other")["copies"]], ["other"])
        alone = self.backup()
        self.assertEqual([c["store"] for c in self.verify(f"web/{alone}")["copies"]], ["vault"])
        shutil.rmtree(other)
        doc = self.verify(point, status=1)
        self.assertEqual([(c["store"], c["good"]) for c in doc["copies"]], [("vault", True)])
        self.assertIn("other", doc["stores"][1]["error"])

    def test_a_point_that_is_gone_from_a_store_is_damage_and_what_never_was_one_is_none(self):
        point = self.backup()
        path, = self.manifests()
        folder = path.parent
        unfinished = folder.parent / "20200101T000000Z-00000000/vm"
        unfinished.mkdir(parents=True)
        (unfinished / "definition").write_text("x")
        doc = self.verify("--all")
        self.assertEqual((len(doc["copies"]), doc["stores"][0]["unfinished"]), (1, 1))
        shutil.rmtree(folder)
        self.assertIn("manifest.json", self.damage("--all"))
        self.assertIn("manifest.json", self.damage(point))
        self.fails(self.site.run("verify", "20990101T000000Z-00000000"), 1, "not-found", "no store has a point")

    def test_one_of_a_point_or_all_is_wanted(self):
        self.fails(self.site.run("verify"), 2, "config", "--all")
        self.fails(self.site.run("verify", "x", "--all"), 2, "config", "--all")

    def test_people_read_what_is_damaged(self):
        point = self.backup()
        pack = self.objects("packs")[0]
        runlib.flip(pack)
        r = self.site.run("verify", point, "--read", as_json=False)
        self.assertEqual(r.status, 1)
        self.assertIn(f"DAMAGED    web/{point} on vault: ", r.stdout)
        self.assertRegex(r.stdout, rf"\n {{11}}\S+ {self.name(pack)}: what was read back has another content\n")
        self.assertIn("1 verified, 1 damaged\n", r.stdout)


if __name__ == "__main__":
    runlib.main()
