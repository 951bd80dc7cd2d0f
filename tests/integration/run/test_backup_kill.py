# SPDX-License-Identifier: Apache-2.0
"""A backup that dies, or meets an error, at each of its points: nothing of it is left with the VM, the store stays whole."""

import os
import time

import backuplib
import kill_points
import runlib
from backuplib import MIB
from storeslib import StoresTest

runlib.need("qemu-nbd", "qemu-nbd")

MINE = "integration.run.backup_kill"
UNDO_WITHIN_S = 10
DAY_S = 24 * 3600


class BackupKill(StoresTest):
    def setUp(self):
        super().setUp()
        self.taken = {}  # point → digests of its disks

    def change_disk(self):
        self.disks["vda"] = os.urandom(MIB)
        (self.site.vm / "vda.img").write_bytes(self.disks["vda"])

    def judge(self, name="vault"):
        """What lies on the store is right: each point has its disks, no point has gone, nothing was sent twice."""
        found = backuplib.Judge(self.site.dir / name).look()
        for point, disks in found.points.items():
            self.assertEqual(disks, self.taken.setdefault(point, backuplib.digests(self.disks)), point)
        self.assertEqual(set(self.taken) - set(found.points), set(), "points have gone")
        self.assertEqual(found.twice, [])
        return found

    def left_processes(self):
        """Of the export that this site's disks had."""
        return runlib.processes("qemu-nbd", self.site.dir)

    def assert_no_export(self):
        runlib.wait_until(lambda: not self.left_processes(), UNDO_WITHIN_S, "qemu-nbd does not end")
        self.assert_clean()

    def die_at(self, point, order=None):
        self.change_disk()
        r = self.site.run("backup", "web", **self.site.points(f"{point}=kill"))
        self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
        if not order or order.index(point) > order.index("run.after_journal"):
            self.site.wait_for_undo(UNDO_WITHIN_S)
            self.assertEqual(self.recover(), [], "the guardian left work to recover")
        self.recover()

    def orders(self):
        self.change_disk()
        self.ok(self.site.run("backup", "web", **self.site.points()))
        order = self.site.visited()
        self.judge()
        return order

    def test_killed_at_every_point_it_is_undone_by_its_guardian_and_the_store_is_consistent(self):
        order = self.orders()
        walked = {p for p in kill_points.of(MINE) if not p.startswith("site.")}
        self.assertEqual(walked - set(order), set(), "never visited")
        for point in order:
            with self.subTest(point=point):
                self.die_at(point, order)
                self.assert_no_export()
                self.assertLess(self.session().commit(), 2)
                self.judge()
        self.change_disk()
        self.assertTrue(self.ok(self.site.run("backup", "web"))["protected"])
        self.judge()

    def test_an_error_at_any_of_its_points_is_said_and_leaves_a_whole_point_or_none(self):
        fallible = [p for p in self.orders() if p in kill_points.of(MINE, "HF_POINT_ERR")]
        self.assertGreater(len(fallible), 5)
        for point in fallible:
            with self.subTest(point=point):
                self.change_disk()
                before = len(self.judge().points)
                error = self.fails(self.site.run("backup", "web", **self.site.points(f"{point}=error")), 1, "internal", point)
                self.assertEqual(self.recover(), [])
                self.assert_no_export()
                is_there = len(self.judge().points) - before
                self.assertEqual(is_there, 1 if point.startswith("catalog.") else 0, "a point, or none")
                self.assertEqual("catalog rebuild" in error["hint"] if error["hint"] else False, bool(is_there))
        self.assertTrue(self.ok(self.site.run("backup", "web"))["protected"])

    def test_a_point_whose_run_died_before_the_catalog_knew_it_is_found_by_a_rebuild(self):
        for point in ("point.after_manifest", "backup.before_commit", "catalog.before_point_commit"):
            with self.subTest(point=point):
                known = set(self.taken)
                self.die_at(point)
                new, = set(self.judge().points) - known
                self.assertEqual(self.ok(self.site.run("show", new))["outcome"], "undone")
        rebuild = self.site.run("catalog", "rebuild")
        if "there is no verb" in rebuild.stdout:
            self.skipTest("this holdfast has no `catalog rebuild`")
        self.ok(rebuild)
        listed = self.site.run("list", "web")
        for point in self.taken:
            self.assertIn(point, listed.stdout)

    def test_making_a_store_ready_is_done_again_after_a_death_at_any_of_its_points(self):
        points = [p for p in sorted(kill_points.of(MINE)) if p.startswith("site.")]
        self.assertEqual(len(points), 2)
        for n, point in enumerate(points):
            folder = self.site.dir / f"store{n}"
            folder.mkdir(mode=0o700)
            self.stores[folder.name] = {"url": f"file://{folder}", "off-host": "assume"}
            self.write()
            self.assertEqual(self.site.run("store", "init", folder.name, **self.site.points(f"{point}=kill")).status, -9)
            self.ok(self.site.run("store", "init", folder.name))
            self.ok(self.site.run("backup", "web", "--store", folder.name))
            self.judge(folder.name)
            self.taken.clear()

    def hidden(self):
        return [p for p in (self.site.dir / "vault").rglob(".*") if p.is_file()]

    def test_what_dead_runs_left_unfinished_goes_after_two_days_and_not_before(self):
        for _ in range(3):
            self.die_at("store.path.before_rename")
        left = len(self.hidden())
        self.assertGreaterEqual(left, 3)
        self.ok(self.site.run("backup", "web"))
        self.assertEqual(len(self.hidden()), left)
        long_ago = time.time() - 2.1 * DAY_S
        for path in self.hidden()[1:]:
            os.utime(path, (long_ago, long_ago))
        self.ok(self.site.run("backup", "web"))
        self.assertEqual(len(self.hidden()), 1)
        self.judge()


if __name__ == "__main__":
    runlib.main()
