# SPDX-License-Identifier: Apache-2.0
"""Recovery points pruned: which go and why, what becomes of their packs, what a wrong clock, damage and a late manifest do."""

import datetime
import shutil
import time

import runlib
from prunelib import DAY_S, GRACE_S, HOUR_S, PruneTest, day


class Points(PruneTest):
    """Which points go."""

    def take(self, *days):
        points = []
        for text in days:
            self.web.change()
            points.append(self.web.backup(at=day(text)))
        return points

    def test_each_store_keeps_what_its_rules_say_and_each_decision_its_reason(self):
        self.add_store("archive", keep="monthly 12")
        self.web.keep("last 1, weekly 2")
        old, first, second, newer, newest = self.take("2026-10-01", "2026-11-02", "2026-11-16", "2026-11-17", "2026-11-24")
        dry = self.web.prune("--dry-run")
        self.assertEqual(self.web.listed(), {old, first, second, newer, newest})
        doc = self.web.prune()
        for key in ("points", "pruned"):
            self.assertEqual(doc[key], dry[key])
        self.assertEqual(self.actions(doc), {old: "deleted", first: "deleted", second: "deleted", newer: "kept", newest: "kept"})
        self.assertEqual(self.why(doc, newest), "last 1, weekly 2026-W48")
        self.assertEqual(self.why(doc, newer), "weekly 2026-W47")
        self.assertEqual(self.why(doc, second), "2026-W47 has a newer one")
        self.assertEqual(self.why(doc, old), "older than weekly 2")
        self.assertEqual(self.actions(doc, "archive"),
                         {old: "kept", first: "deleted", second: "deleted", newer: "deleted", newest: "kept"})
        self.assertEqual(self.web.listed(), {old, newer, newest}, "gone from the list with the last copy")
        self.assertEqual([c["store"] for c in self.web.run("show", old)["copies"]], ["archive"])
        self.assertEqual(self.web.run("show", first)["outcome"], "done", "its run is history")
        self.assert_whole()
        again = self.web.prune()
        self.assertNotIn("deleted", {p["action"] for p in again["points"]})

    def test_without_keep_nothing_goes_and_no_store_is_asked(self):
        self.take("2024-01-01", "2025-01-01")
        shutil.move(self.vault.folder, self.dir / "away")
        doc = self.web.prune()
        self.assertEqual((doc["points"], doc["stores"]), ([], []))
        self.web.keep("all")
        shutil.move(self.dir / "away", self.vault.folder)
        self.assertEqual(set(self.actions(self.web.prune()).values()), {"kept"})

    def test_the_newest_and_the_last_verified_stay_and_damaged_ones_push_nothing_out(self):
        self.web.keep("last 1")
        first, verified, third, whole, damaged = self.take(*(f"2026-11-0{n}" for n in range(1, 6)))
        for point in (first, verified):
            self.web.run("verify", point, "--read")
        newest_pack = max(self.vault.folder.rglob("packs/*/*"), key=lambda p: p.stat().st_mtime_ns)
        newest_pack.write_bytes(b"?" + newest_pack.read_bytes()[1:])
        self.web.run("verify", damaged, "--read", status=1)
        doc = self.web.prune()
        self.assertEqual({p: self.why(doc, p) for p, a in self.actions(doc).items() if a == "kept"},
                         {damaged: "last 1", whole: "last 1", verified: "verified"})

    def test_a_point_from_the_future_stays_and_pushes_nothing_out(self):
        self.web.keep("last 1")
        first, second, future = self.take("2026-11-01", "2026-11-02", "2027-11-02")
        doc = self.web.prune()
        self.assertEqual(self.actions(doc), {first: "deleted", second: "kept", future: "kept"})
        self.assertEqual(self.why(doc, future), "from the future")
        third, = self.take("2026-11-03")
        doc = self.web.prune(later_s=700 * DAY_S)  # the host's clock runs away: the store's says better
        self.assertEqual(self.actions(doc), {second: "deleted", third: "kept", future: "kept"})

    def test_days_begin_where_the_configuration_says(self):
        self.web.keep("daily 2")
        late = self.web.backup(at=day("2026-11-02", 22))
        later = self.web.backup(at=day("2026-11-02", 23))
        self.assertEqual(self.actions(self.web.prune("-n", TZ="UTC")), {late: "deleted", later: "kept"})
        self.assertEqual(self.actions(self.web.prune("-n", TZ="Europe/Berlin")), {late: "kept", later: "kept"})
        text = self.web.site.config.read_text().replace("[defaults]", "[defaults]\ntimezone = Asia/Tokyo")
        self.web.site.config.write_text(text)
        self.assertEqual(self.why(self.web.prune("-n", TZ="UTC"), later), "daily 2026-11-03")

    def test_only_what_was_asked_for_is_judged_and_a_vm_without_a_section_keeps_all(self):
        other = self.second()
        other.keep("last 1")
        theirs = [other.backup(at=day("2026-11-01")), other.backup(at=day("2026-11-02"))]
        self.web.keep("last 1")
        old, new = self.take("2026-11-01", "2026-11-02")
        self.assertEqual(self.actions(self.web.prune()), {old: "deleted", new: "kept"})
        self.assertEqual(self.actions(other.prune("db", "--store", "vault")), {theirs[0]: "deleted", theirs[1]: "kept"})
        self.assertEqual(self.web.run("prune", "nobody", status=2)["error"]["class"], "config")
        self.assert_whole(self.web, other)

    def test_the_checkpoint_of_a_point_that_is_no_more_goes_too(self):
        self.web.keep("last 1")
        old = self.web.backup(at=day("2026-11-01"))
        self.assertEqual([p.stem for p in self.web.site.vm.glob("*.cp")], [f"hf-{old}"])
        (self.web.site.vm / "off").touch()
        self.web.backup(at=day("2026-11-02"))
        self.assertEqual(len(list(self.web.site.vm.glob("*.cp"))), 1, "of a VM that is off it stays")
        (self.web.site.vm / "off").unlink()
        self.web.prune()
        self.assertEqual(list(self.web.site.vm.glob("*.cp")), [])
        self.web.backup(at=day("2026-11-03"))
        self.web.prune()
        self.assertEqual(len(list(self.web.site.vm.glob("*.cp"))), 1, "that of a point which is there")

    def test_the_checkpoint_of_a_backup_that_ended_meanwhile_stays(self):
        self.web.keep("last 1")
        old = self.web.backup(at=day("2026-11-01"))
        running = self.web.start("prune", **self.web.site.points("prune.before_manifests=stall:6000"))
        self.web.site.wait_for_point("prune.before_manifests")
        new = self.web.backup()
        r = running.wait()
        self.assertEqual((r.status, self.actions(r.json)), (0, {old: "deleted", new: "kept"}), str(r))
        self.assertEqual([p.stem for p in self.web.site.vm.glob("*.cp")], [f"hf-{new}"])

    def test_a_point_that_is_being_read_stays_for_that_time(self):
        self.web.keep("last 1")
        old, new = self.take("2026-11-01", "2026-11-02")
        running = self.web.start("restore", "image", old, "--disk", "vda", "--to", str(self.dir / "out"),
                                 **self.web.site.points("restore.image.before_part=stall:4000"))
        self.web.site.wait_for_point("restore.image.before_part")
        for args in (("-n",), ()):
            doc = self.web.prune(*args)
            self.assertEqual(self.actions(doc), {old: "kept", new: "kept"})
            self.assertEqual(self.why(doc, old), "being read")
        self.assertEqual(running.wait().status, 0)
        self.assertEqual(self.actions(self.web.prune()), {old: "deleted", new: "kept"})

    def test_a_point_that_is_being_verified_stays_for_that_time(self):
        self.web.keep("last 1")
        old, _ = self.take("2026-11-01", "2026-11-02")
        self.web.stores["vault"] = self.vault.section(**{"rate-limit": "400K"})
        self.web.write()
        running = self.web.start("verify", old, "--read")
        whys = set()
        while running.process.poll() is None:
            whys.add(self.why(self.web.prune("-n"), old))
        self.assertIn("being read", whys)
        self.assertEqual(running.wait().status, 0)
        self.assertEqual(self.why(self.web.prune("-n"), old), "verified")

    def test_one_store_under_two_names_with_different_rules_is_not_touched(self):
        self.web.keep("last 1")
        points = self.take("2026-11-01", "2026-11-02")
        self.web.stores["archive"] = self.vault.section(keep="yearly 9")
        self.web.write()
        for args in ((), ("--store", "vault"), ("--store", "archive")):
            doc = self.web.prune(*args, status=1)
            self.assertEqual(doc["points"], [])
            for row in doc["stores"]:
                self.assertIn("the same url", row["error"])
        self.web.stores["archive"] = self.vault.section()
        self.web.write()
        self.assertEqual(self.actions(self.web.prune("-n")), dict(zip(points, ("deleted", "kept"), strict=True)))

    def test_the_checkpoint_of_a_second_backup_meanwhile_stays(self):
        self.web.keep("last 1")
        self.web.backup(at=day("2026-11-01"))
        (self.web.site.vm / "off").touch()
        self.web.backup(at=day("2026-11-02"))
        (self.web.site.vm / "off").unlink()
        running = self.web.start("prune", **self.web.site.points("prune.before_manifest=stall:4000"))
        self.web.site.wait_for_point("prune.before_manifest")
        new = self.web.backup(at=day("2026-11-03"))
        self.assertEqual(running.wait().status, 0)
        self.assertEqual([p.stem for p in self.web.site.vm.glob("*.cp")], [f"hf-{new}"])

    def test_text_says_what_and_why(self):
        self.web.keep("last 1")
        self.take("2026-11-01", "2026-11-02")
        text = self.web.site.run("prune", "--dry-run", as_json=False).stdout
        self.assertRegex(text, r"would delete web/20261101T\S+ on vault, taken 2026-11-01: older than last 1")
        self.assertRegex(text, r"keep +web/20261102T\S+ on vault, taken 2026-11-02: last 1")
        self.assertRegex(text, r"store vault: 1 of 2 points would be deleted")
        text = self.web.site.run("prune", as_json=False).stdout
        self.assertRegex(text, r"deleted +web/20261101T")
        self.assertNotIn("keep ", text)
        self.assertRegex(text, r"store vault: 1 of 2 points deleted")


class Packs(PruneTest):
    """Packs that no point needs any more; those that are half needed: test_prune_repack.py."""

    def setUp(self):
        super().setUp()
        self.web.stores["vault"]["repack"] = "no"
        self.web.keep("last 1")
        self.old = self.web.backup(at=day("2026-11-01"))
        self.web.change(3)
        self.new = self.web.backup(at=day("2026-11-02"))

    def test_on_a_store_without_any_point_nothing_is_condemned(self):
        before = self.vault.judge().points
        points = self.vault.folder / "points"
        points.rename(self.dir / "not-mounted")
        points.mkdir()
        for _ in range(2):
            self.vault.age(GRACE_S + 10)
            r = self.web.site.run("prune", as_json=False)
            self.assertEqual((r.status, self.vault.names("condemned")), (0, []), str(r))
            self.assertIn("has packs and not a single point", r.stderr)
        shutil.rmtree(points, ignore_errors=True)
        (self.dir / "not-mounted").rename(points)
        self.assertEqual(self.vault.judge().points, before)

    def test_they_are_condemned_wait_and_are_gone(self):
        young = self.packs(self.web.prune())
        self.assertGreater(young["young"]["packs"], 0, "a backup might have written them just now")
        self.assertEqual(self.vault.names("condemned"), [])
        self.vault.age(GRACE_S + 10)
        dry = self.packs(self.web.prune("-n"))
        doc = self.packs(self.web.prune())
        self.assertEqual(doc, dry)
        condemned = doc["condemned"]["packs"]
        self.assertGreater(condemned, 0)
        self.assertEqual(len(self.vault.names("condemned")), condemned)
        self.vault.age(GRACE_S - 100, "condemned/*")
        self.assertEqual(self.packs(self.web.prune())["waiting"]["packs"], condemned)
        self.assert_whole()
        self.vault.age(200, "condemned/*")
        before = set(self.vault.names("index"))
        self.assertEqual(self.packs(self.web.prune())["removed"]["packs"], condemned)
        self.assertEqual(len(before - set(self.vault.names("index"))), condemned)
        self.assertEqual(len(self.vault.names("condemned")), condemned)
        self.assertEqual(self.packs(self.web.prune())["removed"]["packs"], 0)
        self.assertEqual(self.assert_whole().strays, set())

    def test_an_index_that_is_listed_for_a_while_after_its_pack_is_gone_is_not_used(self):
        """As of a store whose listings are behind."""
        blocks = list(self.web.blocks)
        self.web.change(3)
        self.web.backup()
        self.settle()
        indexes = {p: p.read_bytes() for p in (self.vault.folder / "index").iterdir()}
        self.assertGreater(self.packs(self.web.prune())["removed"]["packs"], 0)
        for path, content in indexes.items():
            path.write_bytes(content)
        self.web.blocks = blocks
        self.web.backup()
        for path in indexes:
            if not list(self.vault.folder.glob(f"*/{path.name[:2]}/{path.stem}")):
                path.unlink()
        self.assert_whole()

    def test_one_that_a_manifest_names_again_is_reprieved_and_not_while_somebody_may_be_removing_it(self):
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        self.web.prune()
        condemned = set(self.vault.names("condemned"))
        marks = self.vault.folder / "condemned"
        used = {p for p in self.vault.names("index") if p not in condemned}
        self.assertTrue(used)
        for pack in used:
            (marks / pack).touch()
        self.assertEqual(self.packs(self.web.prune())["reprieved"], 0, "too young: its maker is just at it")
        self.vault.age(GRACE_S, "condemned/*")
        doc = self.packs(self.web.prune())
        self.assertEqual((doc["reprieved"], doc["removed"]["packs"]), (0, len(condemned)), "too old: it is made young first")
        self.assertEqual(set(self.vault.names("condemned")), used | condemned)
        self.vault.age(HOUR_S, "condemned/*")
        doc = self.packs(self.web.prune())
        self.assertEqual((doc["reprieved"], doc["removed"]["packs"]), (len(used), 0))
        self.assertEqual(self.vault.names("condemned"), [])
        self.assertEqual(self.assert_whole().strays, set())

    def test_what_dead_backups_left_goes_too_but_not_what_one_may_be_writing(self):
        self.web.change(3)
        for point in ("image.before_index", "point.before_manifest"):
            running, _ = self.web.start_backup(later_s=-20 * DAY_S, **self.web.site.points(f"{point}=kill"))
            self.assertEqual(running.wait().status, -9)
            self.web.site.wait_for_undo(10)
            self.web.site.run("recover")
        folder = self.vault.folder / "points/web/20261103T030000Z-00000001/dump"
        folder.mkdir(parents=True)
        (folder / "shop.t.00000.sql.zst").write_text("half")
        self.assertTrue(self.vault.judge().strays)
        self.assertEqual(self.web.prune()["stores"][0]["abandoned"], 0)
        self.vault.age(15 * DAY_S)
        self.assertGreater(self.web.prune()["stores"][0]["abandoned"], 0)
        self.assertFalse(folder.exists())
        self.vault.age(GRACE_S + 10)
        for _ in range(2):
            self.web.prune()
        self.assertEqual(self.assert_whole().strays, set())

    def test_if_one_manifest_cannot_be_read_no_pack_is_removed(self):
        self.web.change()
        newest = self.web.backup(at=day("2026-11-03"))
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        self.web.change()
        self.web.backup(at=day("2026-11-04"))
        path, = self.vault.folder.glob(f"points/web/{newest}/manifest.json")
        whole = path.read_bytes()
        path.write_bytes(whole[:-30] + b"x" + whole[-29:])
        before = set(self.vault.names("index")), set(self.vault.names("condemned"))
        self.assertTrue(before[1])
        doc = self.web.prune(status=1)
        self.assertEqual((set(self.vault.names("index")), set(self.vault.names("condemned"))), before)
        self.assertEqual(doc["stores"][0]["unreadable"], 1)
        self.assertEqual(self.why(doc, newest), "its manifest cannot be read")
        path.write_bytes(whole)
        self.assertEqual(self.actions(self.web.prune())[newest], "deleted")
        self.assert_whole()

    def settle(self):
        """Everything is old, and what no point needs has been condemned for long enough."""
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        return set(self.vault.names("index")), set(self.vault.names("condemned"))

    def test_a_folder_that_the_listing_does_not_show_as_one_ends_it_before_a_pack_is_touched(self):
        """As of a server that shortens its listings: here somebody moved the folder away, and left a link."""
        before = self.settle()
        self.assertTrue(before[1])
        shutil.move(self.vault.folder / "points/web", self.dir / "moved")
        (self.vault.folder / "points/web").symlink_to(self.dir / "moved")
        error = self.web.prune(status=1)["stores"][0]["error"]
        self.assertRegex(error, f"{self.new}|links are not followed")
        self.assertEqual((set(self.vault.names("index")), set(self.vault.names("condemned"))), before)
        (self.vault.folder / "points/web").unlink()
        shutil.move(self.dir / "moved", self.vault.folder / "points/web")
        self.web.prune()
        self.assert_whole()

    def test_a_stores_clock_that_runs_ahead_lets_nothing_become_due(self):
        """The store's times as they are in three days; this host's clock is right."""
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        self.web.prune()
        condemned = set(self.vault.names("condemned"))
        self.assertTrue(condemned)
        doc = self.web.prune(later_s=-3 * DAY_S)
        self.assertEqual(self.packs(doc)["removed"]["packs"], 0)
        self.vault.age(GRACE_S + 10, "condemned/*")
        doc = self.packs(self.web.prune(later_s=-3 * DAY_S))
        self.assertEqual((doc["removed"]["packs"], doc["waiting"]["packs"]), (0, len(condemned)))
        self.assertEqual(self.packs(self.web.prune())["removed"]["packs"], len(condemned))

    def test_while_the_stores_clock_is_far_behind_nothing_is_condemned(self):
        """What is dated so would be due as soon as that clock is mended."""
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        for args in ((), ("-n",)):
            error = self.web.prune(*args, status=1, later_s=3 * DAY_S)["stores"][0]["error"]
            self.assertIn("clock", error)
        self.assertEqual(self.vault.names("condemned"), [])
        self.assertGreater(self.packs(self.web.prune(later_s=DAY_S))["condemned"]["packs"], 0)

    def test_a_folder_is_not_abandoned_because_a_clock_says_so(self):
        """Its backup began an hour ago. What it has sent looks old: the store's clock was wrong then, or is now."""
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
        folder = self.vault.folder / f"points/web/{then:%Y%m%dT%H%M%SZ}-00000001/dump"
        folder.mkdir(parents=True)
        (folder / "shop.t.00000.sql.zst").write_text("half")
        self.vault.age(60 * DAY_S, "shop.t.*")
        self.assertEqual(self.web.prune()["stores"][0]["abandoned"], 0)
        self.assertTrue(any(folder.iterdir()))

    def test_a_manifest_that_is_listed_and_not_given_keeps_its_folder_and_all_packs(self):
        """As of a server that says 404 for what is there: here it is one of another name, which is asked for as little."""
        before = self.settle()
        path = self.vault.folder / f"points/web/{self.new}/manifest.json"
        path.rename(path.with_name("manifest.json.age"))
        self.vault.age(20 * DAY_S)
        error = self.web.prune(status=1, later_s=0)["stores"][0]["error"]
        self.assertIn(self.new, error)
        self.assertEqual((set(self.vault.names("index")), set(self.vault.names("condemned"))), before)
        path.with_name("manifest.json.age").rename(path)
        self.assert_whole()

    def test_a_manifest_that_came_meanwhile_and_cannot_be_read_is_told(self):
        before = self.settle()
        running = self.web.start("prune", **self.web.site.points("prune.before_mark=stall:1500"))
        self.web.site.wait_for_point("prune.before_mark")
        folder = self.vault.folder / "points/web/20261103T030000Z-00000001"
        folder.mkdir()
        (folder / "manifest.json").write_text("{}")
        r = running.wait()
        self.assertEqual(r.status, 1, str(r))
        self.assertIn("came meanwhile", r.json["stores"][0]["error"])
        self.assertEqual((set(self.vault.names("index")), set(self.vault.names("condemned"))), before)

    def test_one_that_never_comes_to_act_ends(self):
        """Reading takes longer than what was read may count."""
        self.settle()
        running = self.web.start("prune", later_s=0, HOLDFAST_POINT="prune.before_mark=stall:1000")
        for n in range(1, 100):
            runlib.later(self.web.later, n * HOUR_S)
            if running.process.poll() is not None:
                break
            time.sleep(0.1)
        r = running.wait()
        self.assertEqual(r.status, 1, str(r))
        self.assertIn("half an hour", r.json["stores"][0]["error"])

    def test_a_damaged_index_keeps_nothing_back_and_loses_nothing(self):
        self.web.prune()
        path = next(p for p in self.vault.folder.glob("index/*"))
        path.write_bytes(path.read_bytes()[:-1])
        self.vault.age(GRACE_S + 10)    # that one is new
        before = {p.name for p in self.vault.folder.glob("index/*")}
        self.web.prune()
        self.vault.age(GRACE_S + 10)
        self.web.prune()
        self.assertLess({p.name for p in self.vault.folder.glob("index/*")}, before)


class Late(PruneTest):
    """A backup whose host slept between its last look at the condemned packs and its manifest."""

    def setUp(self):
        super().setUp()
        self.web.keep("last 1")
        self.web.backup()

    def sleeps_at(self, point, meanwhile=lambda: None):
        running, _ = self.web.start_backup(later_s=0, **self.web.site.points(f"{point}=stall:3000"))
        self.web.site.wait_for_point(point)
        meanwhile()
        runlib.later(self.web.later, 3 * HOUR_S)
        return running.wait()

    def condemn_all(self):
        (self.vault.folder / "condemned").mkdir(exist_ok=True)
        for pack in self.vault.names("index"):
            (self.vault.folder / "condemned" / pack).touch()

    def remove_all(self):
        for kind in ("packs", "trees", "index"):
            shutil.rmtree(self.vault.folder / kind)

    def test_it_looks_again_and_makes_no_point_of_packs_that_were_condemned_or_removed(self):
        for meanwhile in (self.condemn_all, self.remove_all):
            before = set(self.vault.folder.glob("points/web/*/manifest.json"))
            r = self.sleeps_at("backup.before_definition", meanwhile)
            self.assertEqual(r.status, 1, str(r))
            self.assertIn("condemned when the disks had been read already", r.error["message"])
            self.assertEqual(set(self.vault.folder.glob("points/web/*/manifest.json")), before)
        shutil.rmtree(self.vault.folder / "condemned")
        self.assertEqual(self.sleeps_at("backup.before_definition").status, 0)

    def test_a_manifest_that_took_too_long_is_taken_back(self):
        before = set(self.vault.folder.glob("points/web/*/manifest.json"))
        r = self.sleeps_at("point.before_manifest")
        self.assertEqual(r.status, 1, str(r))
        self.assertIn("took so long", r.error["message"])
        self.assertEqual(set(self.vault.folder.glob("points/web/*/manifest.json")), before)

    def test_packs_that_were_condemned_and_removed_while_the_disks_were_read_are_sent_again(self):
        running, disks = self.web.start_backup(later_s=0, **self.web.site.points("backup.before_export_end=stall:1"))
        doc = running.wait().json
        self.web.taken[doc["point"]] = disks
        running, disks = self.web.start_backup(later_s=0, **self.web.site.points("backup.before_disks=stall:3000"))
        self.web.site.wait_for_point("backup.before_disks")
        for path in self.vault.folder.glob("points/web/*/manifest.json"):
            path.unlink()
        self.remove_all()
        runlib.later(self.web.later, 3 * HOUR_S)
        r = running.wait()
        self.assertEqual(r.status, 0, str(r))
        self.web.taken[r.json["point"]] = disks
        found = self.vault.judge()
        self.assertEqual(found.points, {r.json["point"]: disks})


if __name__ == "__main__":
    runlib.need_later()
    runlib.main()
