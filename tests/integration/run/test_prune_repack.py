# SPDX-License-Identifier: Apache-2.0
"""Packs of which half is needed: what is needed is moved, the rest goes, and every point stays whole; whatever happens meanwhile."""

import os
import random
import shutil

import runlib
from prunelib import CHUNK, CHUNKS, GRACE_S, HOUR_S, PruneTest, day  # noqa: I001  it says where the others are
import kill_points

MINE = "integration.run.prune_repack"


class RepackTest(PruneTest):
    """A pack of CHUNKS chunks of which the one point that is left needs two."""

    def setUp(self):
        super().setUp()
        self.web.keep("last 1")
        self.first()

    def first(self):
        """Two points, the first of them with a pack of which the second needs a third."""
        self.old = self.web.backup(at=day("2026-11-01"))
        self.half, self.once = self.big(), list(self.web.blocks)
        for i in range(CHUNKS - 2):
            self.web.blocks[i] = random.randbytes(CHUNK)
        self.new = self.web.backup(at=day("2026-11-02"))

    def big(self):
        """The pack with most in it."""
        return max((p for p in (self.vault.folder / "packs").glob("*/*")), key=lambda p: p.stat().st_size).name.partition(".")[0]

    def size(self, kind="packs"):
        return sum(p.stat().st_size for p in (self.vault.folder / kind).rglob("*") if p.is_file())

    def has(self, pack):
        return pack in self.vault.names("index")

    def moved(self):
        return sorted(str(p.relative_to(self.vault.folder / "moved")) for p in self.vault.folder.glob("moved/*/*"))

    def ripen(self):
        """Nothing is young any more."""
        self.vault.age(GRACE_S + 10, "packs/*/*", "trees/*/*", "index/*", "moved/*/*", "condemned/*")

    def let_go(self):
        """What is due, and then its condemnation, which outlives it by one prune."""
        self.ripen()
        for _ in range(2):
            doc = self.web.prune()
        return doc

    def repacked(self, *args, **kwargs):
        """After points went, and nothing is young."""
        self.web.prune()
        self.ripen()
        return self.packs(self.web.prune(*args, **kwargs))


class Plain(RepackTest):
    def test_what_is_needed_is_moved_and_the_rest_goes_after_the_grace_period(self):
        before = self.size()
        young = self.packs(self.web.prune())
        self.assertEqual((young["wasted"]["packs"], young["repacked"]["packs"], young["left"]["packs"]), (1, 0, 0), "it is young")
        self.assertGreater(young["wasted"]["bytes"], (CHUNKS - 2) * CHUNK)
        self.ripen()
        dry = self.packs(self.web.prune("-n"))
        self.assertEqual(self.moved(), [])
        doc = self.packs(self.web.prune())
        self.assertEqual(doc, dry)
        self.assertEqual((doc["wasted"]["packs"], doc["repacked"]["packs"], doc["left"]["packs"], doc["left_why"]), (1, 1, 0, None))
        self.assertEqual(doc["moved_bytes"], 2 * (CHUNK + 44))
        self.assertEqual([m.partition("/")[0] for m in self.moved()], [self.half])
        self.assertTrue(self.has(self.half))
        self.assert_whole()
        self.assertEqual(self.packs(self.web.prune())["removed"]["packs"], 0, "it waits")
        self.let_go()
        self.assertFalse(self.has(self.half))
        self.assertLess(self.size(), before - (CHUNKS - 3) * CHUNK)
        found = self.assert_whole()
        self.assertEqual(found.twice, [])
        self.assertEqual(found.strays, set())
        self.web.run("catalog", "rebuild")
        self.assert_whole()

    def test_what_was_said_of_it_goes_with_the_last_point_that_names_it(self):
        self.repacked()
        self.ripen()
        self.web.prune()
        self.assertFalse(self.has(self.half))
        self.assertEqual(len(self.moved()), 1)
        self.web.blocks = [random.randbytes(CHUNK) for _ in range(CHUNKS)]
        self.web.backup(at=day("2026-11-03"))
        for _ in range(4):
            self.web.prune()
            self.ripen()
        self.assertEqual(self.moved(), [])
        self.assertEqual(self.assert_whole().strays, set())

    def test_moved_twice_it_is_still_found(self):
        self.web.keep("last 2")
        self.web.blocks[-2] = random.randbytes(CHUNK)
        stays = self.web.backup(at=day("2026-11-03"))    # names the first pack, for the last chunk of it
        self.assertEqual(self.repacked()["repacked"]["packs"], 1)
        self.ripen()
        self.web.prune()
        self.assertFalse(self.has(self.half))
        self.web.blocks[0] = random.randbytes(CHUNK)
        self.web.backup(at=day("2026-11-04"))
        doc = self.web.prune()
        self.assertEqual(self.actions(doc)[stays], "kept")
        self.assertGreater(self.packs(doc)["repacked"]["packs"], 0)
        self.let_go()
        olds = {m.partition("/")[0] for m in self.moved()}
        news = {m.partition("/")[2] for m in self.moved()}
        self.assertIn(self.half, olds)
        self.assertTrue(olds & news, "moved from where it had been moved to")
        self.assertEqual({p for p in olds if self.has(p)}, set())
        self.assertEqual(self.assert_whole().strays, set())

    def test_with_repack_off_it_is_only_said(self):
        self.web.stores["vault"]["repack"] = "no"
        self.web.write()
        doc = self.repacked()
        self.assertEqual((doc["wasted"]["packs"], doc["repacked"]["packs"], doc["left"]["packs"], doc["left_why"]), (1, 0, 1, "off"))
        self.assertIsNotNone(self.web.prune()["stores"][0]["packs"]["trees_read_at"])
        text = self.web.site.run("prune", as_json=False).stdout
        self.assertRegex(text, r"1 packs \(1\.\d MiB\) partly not needed, 1 packs \(1\.\d MiB\) not repacked: repack = no")
        self.assertEqual(self.moved(), [])

    def test_the_trees_are_not_read_again_while_nothing_changes(self):
        self.web.stores["vault"]["repack"] = "no"
        self.web.write()
        doc = self.repacked()
        trees = self.vault.folder / "trees"
        shutil.move(trees, self.dir / "away")
        trees.mkdir()
        self.assertEqual(self.packs(self.web.prune())["left_why"], "unreadable", "other packs than before")
        trees.rmdir()
        shutil.move(self.dir / "away", trees)
        self.assertEqual(self.packs(self.web.prune())["wasted"], doc["wasted"])
        visits = self.web.site.points()
        self.web.prune(**visits)
        self.assertNotIn("repack.after_trees", self.web.site.visited())

    def test_if_a_tree_cannot_be_read_nothing_is_repacked_and_that_is_said(self):
        self.web.prune()
        self.ripen()
        path = max((self.vault.folder / "trees").rglob("*/*"), key=lambda p: p.stat().st_mtime_ns)
        whole = path.read_bytes()
        runlib.flip(path, 100)
        doc = self.packs(self.web.prune())
        self.assertEqual((doc["wasted"], doc["repacked"]["packs"], doc["left_why"]), (None, 0, "unreadable"))
        self.assertEqual(self.moved(), [])
        path.write_bytes(whole)
        self.assertEqual(self.packs(self.web.prune())["repacked"]["packs"], 1)
        self.assert_whole()

    def spoil(self, block):
        """The pack's record of this block, wherever it lies: in the order in which the threads of a backup were done with them."""
        self.web.prune()
        path, = self.vault.folder.glob(f"packs/*/{self.half}")
        at = path.read_bytes().find(block)
        self.assertGreater(at, 0)
        runlib.flip(path, at + CHUNK // 2)
        self.ripen()

    def test_damage_of_what_nobody_needs_goes_with_it(self):
        self.spoil(self.once[0])
        self.assertEqual(self.packs(self.web.prune())["repacked"]["packs"], 1)
        self.let_go()
        self.assertFalse(self.has(self.half))
        self.assert_whole()

    def test_a_damaged_pack_stays_and_is_told(self):
        self.spoil(self.web.blocks[-1])
        doc = self.packs(self.web.prune())
        self.assertEqual((doc["repacked"]["packs"], doc["left"]["packs"], doc["left_why"]), (0, 1, "damaged"))
        self.assertEqual(self.vault.names("condemned").count(self.half), 0)

    def late(self, meanwhile):
        """A backup that takes a record which no point needs, and a prune that looked before and moves the rest."""
        self.web.prune()
        self.ripen()
        other = self.second()
        other.keep("last 9")
        other.blocks = list(self.once)    # those of the point that is gone
        running, disks = other.start_backup(**other.site.points("point.before_manifest=stall:2500"))
        other.site.wait_for_point("point.before_manifest")
        meanwhile()
        doc = running.wait().json
        other.taken[doc["point"]] = disks
        return other

    def test_a_backup_that_took_a_dead_record_before_is_not_harmed(self):
        other = self.late(lambda: self.assertEqual(self.packs(self.web.prune())["repacked"]["packs"], 1))
        self.assertIn(self.half, self.vault.names("condemned"))
        self.ripen()
        doc = self.packs(self.web.prune())
        self.assertEqual((doc["removed"]["packs"], doc["moved_bytes"] > 0), (0, True), "what was taken is copied now")
        self.assertTrue(self.has(self.half))
        self.assertGreater(len(self.moved()), 1)
        self.assert_whole(self.web, other)
        self.ripen()
        self.web.prune()
        self.assertFalse(self.has(self.half))
        self.assert_whole(self.web, other)

    def test_forged_objects_remove_nothing_that_is_needed(self):
        self.web.prune()
        self.ripen()
        for repack in ("no", "yes"):
            self.web.stores["vault"]["repack"] = repack
            self.web.write()
            self.forge()

    def forge(self):
        """Every pack is condemned, and moved to every other."""
        for pack in self.vault.names("index"):
            for new in ("0" * 32, pack, *self.vault.names("index")):
                folder = self.vault.folder / "moved" / pack
                folder.mkdir(parents=True, exist_ok=True)
                (folder / new).touch()
            (self.vault.folder / "condemned").mkdir(exist_ok=True)
            (self.vault.folder / "condemned" / pack).touch()
        self.ripen()
        for _ in range(3):
            self.web.prune()
            self.ripen()
            self.assertEqual(set(self.vault.judge().points), {self.new})
            self.assert_whole()

    def test_verify_finds_what_is_missing_of_a_pack_that_was_moved(self):
        self.repacked()
        self.ripen()
        self.web.prune()
        new = self.moved()[0].partition("/")[2]
        path, = self.vault.folder.glob(f"packs/*/{new}")
        index = self.vault.folder / f"index/{new}.idx"
        whole = path.read_bytes()
        runlib.flip(path, 100)
        self.web.run("verify", "--all")
        self.web.run("verify", "--all", "--read", status=1)
        path.unlink()
        self.web.run("verify", "--all", status=1)
        path.write_bytes(whole)
        self.web.run("verify", "--all", "--read")
        aside = index.read_bytes()
        index.unlink()
        self.web.run("verify", "--all", status=1)
        index.write_bytes(aside)
        self.assert_whole()


class Encrypted(RepackTest):
    """As it is where only hosts that restore have the key."""

    def add_store(self, name, **keys):
        runlib.need("age", "age", "age-keygen")
        self.identity = self.dir / "identity"
        store = super().add_store(name, recipients=runlib.make_identity(self.identity), **keys)
        store.identity = self.identity
        return store

    def with_key(self, has_key):
        self.web.stores["vault"].pop("identity-file", None)
        self.web.stores["vault"].update({"identity-file": self.identity} if has_key else {})
        self.web.write()

    def whole(self):
        self.with_key(True)
        found = self.assert_whole()
        self.with_key(False)
        return found

    def test_without_the_key_it_is_only_said_and_with_it_done(self):
        doc = self.repacked()
        self.assertEqual((doc["wasted"]["packs"], doc["repacked"]["packs"], doc["left"]["packs"], doc["left_why"]), (1, 0, 1, "no-identity"))
        self.assertEqual(self.moved(), [])
        self.with_key(True)
        self.assertEqual(self.packs(self.web.prune("-n"))["repacked"]["packs"], 1)
        doc = self.packs(self.web.prune())
        self.assertEqual((doc["repacked"]["packs"], doc["left_why"]), (1, None))
        self.with_key(False)    # what was moved and needs nothing more goes without it
        self.let_go()
        self.assertFalse(self.has(self.half))
        found = self.whole()
        self.assertEqual((found.strays, found.twice), (set(), []))

    def test_what_would_have_to_be_copied_is_not_removed_without_the_key(self):
        self.web.prune()
        self.ripen()
        self.with_key(True)
        other = self.second()
        other.keep("last 9")
        other.blocks = list(self.once)
        running, disks = other.start_backup(**other.site.points("point.before_manifest=stall:2000"))
        other.site.wait_for_point("point.before_manifest")
        self.assertEqual(self.packs(self.web.prune())["repacked"]["packs"], 1)
        other.taken[running.wait().json["point"]] = disks
        self.with_key(False)
        for _ in range(2):
            self.ripen()
            doc = self.packs(self.web.prune())
            self.assertEqual((doc["left"]["packs"], doc["left_why"]), (1, "no-identity"))
            self.assertTrue(self.has(self.half))
        self.with_key(True)
        for _ in range(2):
            self.web.prune()
            self.ripen()
        self.web.prune()
        self.assertFalse(self.has(self.half))
        other.stores["vault"]["identity-file"] = self.identity
        other.write()
        self.assert_whole(self.web, other)


class Kill(RepackTest):
    """It dies at each of its points, in any of its two parts: moving, and removing what was moved."""

    def setUp(self):
        super().setUp()
        self.web.prune()
        self.ripen()
        self.moving = self.keep("moving")
        self.web.prune()
        self.ripen()
        self.removing = self.keep("removing")

    def keep(self, name):
        for n, place in enumerate((self.web.site.state, self.vault.folder)):
            shutil.copytree(place, self.dir / name / str(n))
        return name

    def again(self, name):
        for n, place in enumerate((self.web.site.state, self.vault.folder)):
            shutil.rmtree(place)
            shutil.copytree(self.dir / name / str(n), place)

    def order(self, name):
        self.again(name)
        self.web.prune(**self.web.site.points())
        return self.web.site.visited()

    def finish(self):
        self.assertEqual(set(self.vault.judge().points), {self.new})
        for _ in range(3):
            self.web.prune()
            self.ripen()
        self.let_go()
        found = self.assert_whole()
        self.assertEqual((found.strays, found.twice, self.has(self.half)), (set(), [], False))
        self.assertEqual(self.vault.names("condemned"), [])

    def sample(self, order):
        """All of them in a soak; its own, and a few of those that other walks have, where samples do."""
        order = list(dict.fromkeys(order))
        n = int(os.environ.get("HOLDFAST_SAMPLE", 2 * len(order))) // 2    # there are two states
        mine = [p for p in order if p in kill_points.of(MINE)]
        others = [p for p in order if p not in mine]
        return mine + random.Random(runlib.seed()).sample(others, min(n, len(others)))

    def test_killed_at_every_point_the_next_one_goes_on(self):
        visited = set()
        for state in (self.moving, self.removing):
            order = self.order(state)
            visited |= set(order)
            for point in self.sample(order):
                with self.subTest(state=state, point=point):
                    self.again(state)
                    r = self.web.start("prune", **self.web.site.points(f"{point}=kill")).wait()
                    self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
                    self.finish()
        self.gone()
        visited |= set(self.web.site.visited())
        self.assertEqual(kill_points.of(MINE) - visited, set(), "never visited")

    def gone(self):
        """The last point that needed what was moved goes: killed while that is forgotten, too."""
        self.again(self.removing)
        self.let_go()
        self.web.blocks = [random.randbytes(CHUNK) for _ in range(CHUNKS)]
        self.new = self.web.backup(at=day("2026-11-03"))
        self.ripen()
        r = self.web.start("prune", **self.web.site.points("repack.before_unsay=kill")).wait()
        self.assertEqual(r.status, -9, str(r))
        self.web.prune(**self.web.site.points())
        self.assertEqual(self.moved(), [])
        self.finish()

    def test_an_error_at_any_of_them_is_said(self):
        for state in (self.moving, self.removing):
            for point in [p for p in self.order(state) if p in kill_points.of(MINE, "HF_POINT_ERR")]:
                with self.subTest(state=state, point=point):
                    self.again(state)
                    doc = self.web.prune(status=1, **self.web.site.points(f"{point}=error"))
                    self.assertIn(point, doc["stores"][0]["error"])
                    self.assertEqual(set(self.vault.judge().points), {self.new})
            self.finish()


if __name__ == "__main__":
    runlib.need_later()
    runlib.main()
