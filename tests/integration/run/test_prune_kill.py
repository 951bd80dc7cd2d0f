# SPDX-License-Identifier: Apache-2.0
"""A prune that dies, or meets an error, at each of its points: the next one finishes it, and no point that was to stay has lost anything."""

import os
import random
import shutil
import signal

import prunelib
import runlib
from prunelib import GRACE_S, HOUR_S, PruneTest, day  # noqa: I001  it says where the others are
import kill_points

MINE = "integration.run.prune_kill"


class PruneKill(PruneTest):
    """One prune that has all kinds of work: points and abandoned folders to delete, packs to condemn, to reprieve and to remove."""

    def setUp(self):
        super().setUp()
        self.web.keep("last 1")
        for n in (1, 2):
            self.web.change(2)
            self.web.backup(at=day(f"2026-11-0{n}"))
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        self.web.prune()
        self.assertTrue(self.vault.names("condemned"))
        self.vault.age(GRACE_S + 10, "condemned/*")
        self.web.backup(at=day("2026-11-03"))
        (self.web.site.vm / "off").touch()  # so the checkpoint's point goes
        for n in (4, 5):
            self.web.change(2)
            self.new = self.web.backup(at=day(f"2026-11-0{n}"))
        self.vault.age(15 * prunelib.DAY_S)
        self.there = set(self.vault.judge().points)
        self.mark_used()
        folder = self.vault.folder / "points/web/20261103T030000Z-00000001/dump"
        folder.mkdir(parents=True)
        (folder / "t.sql").write_text("half")
        self.vault.age(15 * prunelib.DAY_S, "t.sql")
        (self.web.site.vm / "off").unlink()
        self.places = (self.web.site.state, self.vault.folder, self.web.site.vm)
        self.kept = self.dir / "kept"
        for n, place in enumerate(self.places):
            shutil.copytree(place, self.kept / str(n))

    def mark_used(self):
        """A pack of the newest point is condemned, as by a prune that did not see its manifest."""
        packs = {p.name for p in (self.vault.folder / "index").iterdir()}
        newest = max(packs, key=lambda n: (self.vault.folder / "index" / n).stat().st_mtime_ns)
        (self.vault.folder / "condemned" / newest.partition(".")[0]).touch()
        self.vault.age(HOUR_S, f"condemned/{newest.partition('.')[0]}")

    def again(self):
        for n, place in enumerate(self.places):
            shutil.rmtree(place)
            shutil.copytree(self.kept / str(n), place)

    def orders(self):
        self.web.prune(**self.web.site.points())
        return self.web.site.visited()

    def sample(self, order):
        """All of them in a soak; its own, and a few of those below, where samples do."""
        n = int(os.environ.get("HOLDFAST_SAMPLE", len(order)))
        mine = [p for p in order if p in kill_points.of(MINE)]
        others = [p for p in order if p not in mine]
        return mine + random.Random(runlib.seed()).sample(others, min(n, len(others)))

    def left(self):
        return [p.name for p in (self.web.site.state / "stores/vault/journal").glob("*")]

    def finish(self):
        """What was left is finished, and then all is as if nothing had happened."""
        self.web.site.run("recover")
        self.web.prune()
        self.assertEqual(self.left(), [])
        found = self.assert_whole()
        self.assertEqual(set(found.points), {self.new})
        self.assertEqual(self.web.listed(), {self.new})
        for seconds in (GRACE_S + 10, GRACE_S + 10):
            self.vault.age(seconds)
            self.web.prune()
        self.vault.age(HOUR_S, "condemned/*")
        for _ in range(2):
            self.web.prune()
        self.assertEqual(self.assert_whole().strays, set())

    def test_killed_at_every_point_the_next_one_finishes_it(self):
        order = self.orders()
        self.finish()
        self.assertEqual(kill_points.of(MINE) - set(order), set(), "never visited")
        for point in self.sample(order):
            with self.subTest(point=point):
                self.again()
                r = self.web.start("prune", **self.web.site.points(f"{point}=kill")).wait()
                self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
                whole = self.vault.judge().points
                self.assertIn(self.new, whole)
                self.finish()

    def test_an_error_at_any_of_its_points_is_said_and_the_next_one_finishes_it(self):
        order = self.orders()
        for point in [p for p in order if p in kill_points.of(MINE, "HF_POINT_ERR")]:
            with self.subTest(point=point):
                self.again()
                doc = self.web.prune(status=1, **self.web.site.points(f"{point}=error"))
                self.assertIn(point, doc["stores"][0]["error"])
                self.finish()

    def test_what_was_not_begun_is_judged_anew(self):
        r = self.web.start("prune", **self.web.site.points("prune.before_manifest=kill")).wait()
        self.assertEqual(r.status, -9, str(r))
        self.assertEqual(len(self.left()), 1)
        self.web.keep("last 9")
        doc = self.web.prune()
        self.assertEqual(self.actions(doc), {p: "kept" for p in self.there})
        self.assertEqual(self.left(), [])

    def test_interrupted_it_ends_with_the_point_at_hand_and_says_what_was_done(self):
        running = self.web.start("prune", **self.web.site.points("prune.before_manifest=stall:1500"))
        self.web.site.wait_for_point("prune.before_manifest")
        running.signal(signal.SIGINT)
        r = running.wait()
        self.assertEqual(r.status, 1, str(r))
        self.assertEqual(list(self.actions(r.json).values()), ["kept", "deleted"], "the newest stays, the next one was begun")
        self.assertRegex(r.json["stores"][0]["error"], "interrupted|cancelled")
        self.assertEqual(self.left(), [])
        self.finish()

    def test_interrupted_between_two_stores_it_says_that_the_second_was_not_looked_at(self):
        self.add_store("archive")
        running = self.web.start("prune", **self.web.site.points("prune.before_end=stall:1500"))
        self.web.site.wait_for_point("prune.before_end")
        running.signal(signal.SIGINT)
        r = running.wait()
        self.assertEqual(r.status, 1, str(r))
        first, second = r.json["stores"]
        self.assertEqual((first["name"], first["error"], second["name"]), ("vault", None, "archive"))
        self.assertRegex(second["error"], "interrupted|cancelled")

    def test_a_second_one_on_this_host_is_told_that_the_first_is_at_work(self):
        running = self.web.start("prune", **self.web.site.points("prune.before_mark=stall:2000"))
        self.web.site.wait_for_point("prune.before_mark")
        error = self.web.prune(status=1)["stores"][0]["error"]
        self.assertRegex(error, "another prune")
        self.assertEqual(running.wait().status, 0)
        self.finish()


if __name__ == "__main__":
    runlib.need_later()
    runlib.main()
