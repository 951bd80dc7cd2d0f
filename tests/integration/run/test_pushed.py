# SPDX-License-Identifier: Apache-2.0
"""Points whose disks lie in a backup that the hypervisor wrote itself and keeps: taken, judged, and what a death leaves of them."""

import json
import os
import shutil
import signal
import time

import backuplib
import kill_points
import runlib
from storeslib import MIB, StoresTest

runlib.need("age", "age", "age-keygen")

MINE = "integration.run.pushed"
UNDO_WITHIN_S = 10


class PushedTest(StoresTest):
    def setUp(self):
        super().setUp()
        (self.site.vm / "push").touch()
        self.shelf = self.site.vms / "shelf"
        self.where("elsewhere")

    def where(self, text):
        (self.site.vms / "shelf.where").write_text(text + "\n")

    def backups(self):
        return sorted(p.name for p in self.shelf.iterdir()) if self.shelf.is_dir() else []

    def backup(self, status=0, **env):
        return self.ok(self.site.run("backup", "web", **env), status)

    def artifact(self, doc):
        return next(a for a in doc["artifacts"] if a["kind"] == "pushed")

    def calls(self):
        return [line.split()[0] for line in (self.site.vms / "calls").read_text().splitlines()]


class Taken(PushedTest):
    def test_it_is_a_point_whose_record_names_the_backup(self):
        doc = self.backup()
        name = f"web.hf-{doc['point']}"
        a = self.artifact(doc)
        self.assertEqual((doc["grade"], doc["protected"]), ("B", True))
        self.assertEqual([(x["kind"], x["name"]) for x in doc["artifacts"]],
                         [("pushed", "backup"), ("dump", "dump"), ("vm", "definition")])
        self.assertEqual((a["ref"], a["form"], a["place"], a["disks"]), (f"shelf:{name}", "folder", "shelf", ["vda", "vdb"]))
        self.assertEqual((a["bytes"], a["digest"], a["off_host"], a["incremental"]), (5 * MIB + 512, None, "proven", False))
        self.assertGreater(a["stored_bytes"], 5 * MIB)
        self.assertEqual(self.backups(), [name])
        for target, content in self.disks.items():
            self.assertEqual((self.shelf / name / target).read_bytes(), content)
        path, = self.manifests()
        manifest = json.loads(path.read_text())["manifest"]
        self.assertEqual((manifest["format"], manifest["packs"], manifest["checkpoint"]), (2, "", None))
        self.assertEqual([p.name for p in (self.site.dir / "vault").iterdir() if p.name in ("packs", "index", "trees")], [])
        self.assertEqual(backuplib.Judge(self.site.dir / "vault").look().strays, set())
        self.assertFalse({"checkpoint_drop", "checkpoint_list"} & set(self.calls()))
        self.assert_clean()

    def test_a_point_that_is_read_from_the_hypervisor_is_of_the_format_before(self):
        (self.site.vm / "push").unlink()
        runlib.need("qemu-nbd", "qemu-nbd")
        self.backup()
        path, = self.manifests()
        self.assertEqual(json.loads(path.read_text())["manifest"]["format"], 1)

    def test_the_copy_is_waited_for_and_the_wait_is_asked_again(self):
        doc = self.backup(DIR_PUSH_MS=500, DIR_PUSH_TIMEOUTS=2)
        self.assertTrue(doc["protected"])
        self.assertEqual(self.calls().count("export_end"), 3)

    def test_a_backup_that_fails_at_its_end_leaves_nothing(self):
        self.fails(self.site.run("backup", "web", DIR_PUSH_FAILS="1"), 1, "conflict", "the backup failed")
        self.assertEqual((self.backups(), self.manifests()), ([], []))
        self.assert_clean()

    def test_one_that_the_hypervisor_gives_up_ends_before_the_copy_is_waited_for(self):
        running = self.site.start("backup", "web", **self.site.points("backup.before_push_end=stall:1500"))
        self.site.wait_for_point("backup.before_push_end")
        (self.site.vm / "full").touch()
        self.fails(running.wait(), 1, "no-space", "scratch space")
        self.assertEqual(self.backups(), [])

    def test_interrupted_while_it_is_copied_it_is_taken_away(self):
        running = self.site.start("backup", "web", DIR_PUSH_MS=20000, **self.site.points())
        self.site.wait_for_point("backup.before_push_end")
        begin = time.monotonic()
        running.signal(signal.SIGINT)
        self.fails(running.wait(), 1, "cancelled")
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual((self.backups(), self.manifests()), ([], []))
        self.assert_clean()

    def test_two_stores_name_the_same_backup_and_one_that_fails_is_out(self):
        other = self.add_store("other")
        doc = self.backup()
        refs = {self.artifact(json.loads(p.read_text())["manifest"])["ref"] for name in ("vault", "other") for p in self.manifests(name)}
        self.assertEqual(refs, {self.artifact(doc)["ref"]})
        running = self.site.start("backup", "web", **self.site.points("backup.after_push_end=stall:1000"))
        self.site.wait_for_point("backup.after_push_end")
        shutil.rmtree(other)
        doc = self.ok(running.wait(), 3)
        self.assertEqual({s["name"]: s["protected"] for s in doc["stores"]}, {"vault": True, "other": False})
        self.assert_clean()

    def test_with_no_store_left_the_backup_goes_too(self):
        running = self.site.start("backup", "web", **self.site.points("backup.after_push_end=stall:1000"))
        self.site.wait_for_point("backup.after_push_end")
        shutil.rmtree(self.site.dir / "vault")
        self.assertEqual(running.wait().status, 1)
        self.assertEqual(self.backups(), [])
        self.assert_clean()

    def test_a_machine_that_nothing_can_be_read_of_is_refused_before_anything_is_held(self):
        """A machine without `push` is read, whatever else the plugin can do."""
        (self.site.vm / "push").unlink()
        runlib.need("qemu-nbd", "qemu-nbd")
        self.assertNotIn("pushed", [a["kind"] for a in self.backup()["artifacts"]])


class OffHost(PushedTest):
    def judged(self, status, protected, word):
        doc = self.backup(status)
        self.assertEqual((doc["protected"], doc["stores"][0]["protected"], self.artifact(doc)["off_host"]), (protected, protected, word))
        shown = self.ok(self.site.run("show", doc["point"]))
        self.assertEqual(shown["protected"], protected)
        return doc

    def test_elsewhere_protects(self):
        self.judged(0, True, "proven")
        self.where("elsewhere 192.0.2.9")
        self.judged(0, True, "proven")
        self.where("elsewhere 2001:db8::9")
        self.judged(0, True, "proven")

    def test_here_and_unknown_do_not_and_that_is_said(self):
        for text, why in (("here", "in this house"), ("unknown", "nobody has said")):
            self.where(text)
            doc = self.judged(3, False, "no")
            warned = [w for w in doc["warnings"] if "does not protect from the loss of the host" in w]
            self.assertTrue(warned and why in warned[0], doc["warnings"])
            self.assertIn(why, self.artifact(doc)["off_host_why"])

    def test_a_server_that_is_the_guest_or_this_host_does_not(self):
        for server in ("127.0.0.1", "::1", "localhost"):
            self.where(f"elsewhere {server}")
            self.judged(3, False, "no")

    def test_a_server_whose_name_nobody_knows_is_no_proof(self):
        self.where("elsewhere nowhere.invalid")
        doc = self.judged(3, False, "no")
        self.assertIn("nowhere.invalid", self.artifact(doc)["off_host_why"])

    def test_it_can_be_taken_for_granted_and_each_point_says_so(self):
        self.site.hypervisor["off-host"] = "assume"
        self.site.write()
        self.where("here")
        doc = self.judged(0, True, "assumed")
        self.assertTrue([w for w in doc["warnings"] if "only assumed to be off the host: the shelf is in this house" in w], doc["warnings"])
        self.where("elsewhere")
        self.judged(0, True, "proven")


class Dead(PushedTest):
    def order(self):
        self.backup(**self.site.points())
        return self.site.visited()

    def points_of_store(self):
        return set(backuplib.Judge(self.site.dir / "vault").look().points)

    def named(self):
        return {self.artifact(json.loads(p.read_text())["manifest"])["ref"].partition(":")[2] for p in self.manifests()}

    def test_killed_at_every_point_no_point_is_without_its_backup_and_what_is_left_is_what_the_table_says(self):
        order = self.order()
        self.assertEqual(kill_points.of(MINE) - {p for p in kill_points.of(MINE) if p.startswith("prune.")} - set(order), set(), "never visited")
        for point in order:
            with self.subTest(point=point):
                r = self.site.run("backup", "web", **self.site.points(f"{point}=kill"))
                self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
                if order.index(point) > order.index("run.after_journal"):
                    self.site.wait_for_undo(UNDO_WITHIN_S)
                self.recover()
                self.assert_clean()
                self.assertLessEqual(self.named(), set(self.backups()), "a point without its backup")
                self.points_of_store()
                orphans = set(self.backups()) - self.named()
                after = order.index(point) - order.index("backup.after_export_decided")
                is_put = "point.after_manifest" in order and order.index(point) >= order.index("point.after_manifest")
                self.assertEqual(len(orphans), 1 if after >= 0 and not is_put else 0, (point, orphans))
                for name in orphans:
                    shutil.rmtree(self.shelf / name)
        self.assertTrue(self.backup()["protected"])

    def test_an_error_at_any_of_its_points_leaves_a_whole_point_or_none(self):
        for point in sorted(kill_points.of(MINE, "HF_POINT_ERR")):
            if not point.startswith("backup."):
                continue
            self.fails(self.site.run("backup", "web", **self.site.points(f"{point}=error")), 1, "internal", point)
            self.assertEqual((self.backups(), self.manifests()), ([], []), point)
            self.assert_clean()

    def test_recover_names_a_backup_that_may_be_without_a_point(self):
        """The power fails: there is no guardian."""
        r = self.site.run("backup", "web", **self.site.points("backup.after_export_decided=kill,guardian.before_undo=kill"))
        self.assertEqual(r.status, -9, r)
        runlib.wait_until(lambda: "guardian.before_undo" in self.site.visited(), UNDO_WITHIN_S, "no guardian")
        name, = self.backups()
        done = self.ok(self.site.run("recover"))
        self.assertIn(f"backup shelf:{name} of run", json.dumps(done))
        self.assertIn("may be without a point", json.dumps(done))
        self.assertEqual(self.backups(), [name])
        self.assertEqual(self.recover(), [])


class VerbsTest(PushedTest):
    def text(self, *args, status=0):
        r = self.site.run(*args, as_json=False)
        self.assertEqual(r.status, status, r)
        return r.stdout

    def away(self, is_away=True):
        (self.site.vms / "shelf.away").touch() if is_away else (self.site.vms / "shelf.away").unlink()

    def foreign(self, notes="nightly job"):
        folder = self.shelf / "web.by-others"
        folder.mkdir(parents=True)
        (folder / "vda").write_bytes(b"x" * 7)
        (folder / "notes").write_text(notes)
        return "shelf:web.by-others"

    def orphan(self, age_s=0):
        r = self.site.run("backup", "web", **self.site.points("backup.after_export_decided=kill"))
        self.assertEqual(r.status, -9, r)
        self.site.wait_for_undo(UNDO_WITHIN_S)
        self.recover()
        name, = {n for n in self.backups() if n.startswith("web.hf-")} - {self.artifact(json.loads(p.read_text())["manifest"])["ref"].partition(":")[2] for p in self.manifests()}
        os.utime(self.shelf / name, (time.time() - age_s,) * 2)
        return f"shelf:{name}"

    def verify(self, *args, status=0):
        return self.ok(self.site.run("verify", *args), status)

    def states(self, status=0):
        doc = self.ok(self.site.run("list", "--backups"), status)
        return {b["ref"]: (b["state"], b["point"]) for b in doc["backups"]}, doc



class Verbs(VerbsTest):
    # -- show ----------------------------------------------------------------------------------

    def test_show_tells_where_it_lies_and_what_has_become_of_it(self):
        doc = self.backup()
        folder = self.shelf / f"web.hf-{doc['point']}"
        now = self.artifact(self.ok(self.site.run("show", doc["point"])))["now"]
        self.assertEqual(now, {"there": True, "check": "unchecked", "protected": True, "damage": None, "error": None})
        self.assertIn(f"folder shelf:{folder.name}; off the host: proven (the shelf is in another house); there, not verified yet\n",
                      self.text("show", doc["point"]))
        (folder / "good").touch()
        (folder / "protected").unlink()
        self.assertIn("; there, verified by its place, not protected from retention\n", self.text("show", doc["point"]))
        self.away()
        self.assertIn("; not looked at: the shelf is away\n", self.text("show", doc["point"]))
        self.assertIsNone(self.artifact(self.ok(self.site.run("show", doc["point"])))["now"]["there"])
        self.away(False)
        shutil.rmtree(folder)
        self.assertIn(f"; DAMAGED: backup shelf:{folder.name} is gone\n", self.text("show", doc["point"]))

    def test_show_of_a_point_that_the_catalog_has_lost_asks_as_well(self):
        doc = self.backup()
        shutil.rmtree(self.site.state)
        shown = self.ok(self.site.run("show", doc["point"]))
        self.assertEqual((shown["read_from"], self.artifact(shown)["now"]["there"]), ("vault", True))

    def test_list_has_it_as_any_point_and_asks_nobody(self):
        doc = self.backup()
        before = len(self.calls())
        row, = self.ok(self.site.run("list"))["points"]
        self.assertEqual((row["point"], row["protected"]), (doc["point"], True))
        self.assertEqual(len(self.calls()), before)

    def test_a_lost_catalog_is_made_anew(self):
        doc = self.backup()
        shutil.rmtree(self.site.state)
        self.ok(self.site.run("catalog", "rebuild"))
        self.assertEqual([p["point"] for p in self.ok(self.site.run("list"))["points"]], [doc["point"]])

    # -- list --backups ------------------------------------------------------------------------

    def test_backups_are_listed_beside_the_points_with_whose_they_are(self):
        doc, foreign, orphan = self.backup(), self.foreign(), self.orphan()
        ref = self.artifact(doc)["ref"]
        states, listed = self.states()
        self.assertEqual(states, {ref: ("point", doc["point"]), foreign: ("foreign", None), orphan: ("orphan", orphan[-25:])})
        self.assertEqual(len(listed["points"]), 1)
        text = self.text("list", "web", "--backups")
        for words in (f"{orphan} ", "NO POINT on any store", "not made by holdfast", ref):
            self.assertIn(words, text)
        self.assertTrue(text.endswith("\nLooked for where [hypervisor here] writes backups to now; those that lie elsewhere are not listed.\n"), text)
        self.assertEqual(listed["asked"], [{"vm": "web", "hypervisor": "here"}])
        shutil.rmtree(self.site.state)
        self.assertEqual(self.states()[0], states, "the stores are asked, not only the catalog")

    def test_those_of_a_machine_that_is_gone_are_listed_and_shown_and_good(self):
        doc = self.backup()
        shutil.rmtree(self.site.vm)
        self.assertEqual(self.states()[0], {self.artifact(doc)["ref"]: ("point", doc["point"])})
        self.assertTrue(self.artifact(self.ok(self.site.run("show", doc["point"])))["now"]["there"])
        self.assertTrue(self.verify(doc["point"])["copies"][0]["good"])

    def test_a_machine_that_is_not_configured_is_not_one_without_backups(self):
        self.backup()
        doc = self.ok(self.site.run("list", "wbe", "--backups"), 1)
        self.assertEqual((doc["asked"], [e["vm"] for e in doc["errors"]]), ([], ["wbe"]))

    def test_a_young_one_without_a_point_may_be_of_a_run_on_another_host(self):
        orphan = self.orphan()
        row, = self.states()[1]["backups"]
        self.assertIn("under way on another host", row["why"])
        self.assertIn("NO POINT on any store: it is younger than a day", self.text("list", "--backups"))
        os.utime(self.shelf / orphan.partition(":")[2], (time.time() - 25 * 3600,) * 2)
        row, = self.states()[1]["backups"]
        self.assertEqual((row["state"], row["why"]), ("orphan", None))

    def test_a_store_that_cannot_be_asked_makes_no_orphans(self):
        orphan = self.orphan()
        (self.site.dir / "vault").rename(self.site.dir / "away")
        self.assertEqual(self.states()[0][orphan][0], "uncertain")

    def test_a_run_that_is_under_way_has_no_orphan(self):
        running = self.site.start("backup", "web", **self.site.points("backup.after_push_end=stall:2500"))
        self.site.wait_for_point("backup.after_push_end")
        (ref, (state, _)), = self.states()[0].items()
        self.assertEqual(state, "uncertain")
        self.assertIn("under way", next(b["why"] for b in self.states()[1]["backups"]))
        self.ok(running.wait())
        self.assertEqual(self.states()[0][ref][0], "point")

    def test_a_hypervisor_that_does_not_answer_is_told_and_the_points_are_listed(self):
        self.backup()
        self.away()
        states, doc = self.states(1)
        self.assertEqual((states, len(doc["points"]), [e["vm"] for e in doc["errors"]]), ({}, 1, ["web"]))

    # -- verify --------------------------------------------------------------------------------

    def test_a_good_one_is_good_and_what_was_not_read_is_said(self):
        doc = self.backup()
        copy, = self.verify(doc["point"])["copies"]
        self.assertEqual((copy["good"], copy["damage"], copy["notes"]), (True, [], []))
        copy, = self.verify(doc["point"], "--read")["copies"]
        self.assertEqual((copy["good"], len(copy["notes"])), (True, 1))
        self.assertIn("cannot be read from here", copy["notes"][0])
        self.assertIsNone(self.ok(self.site.run("show", doc["point"]))["copies"][0]["verified_at"])
        (self.shelf / f"web.hf-{doc['point']}" / "good").touch()
        copy, = self.verify(doc["point"], "--read")["copies"]
        self.assertEqual(copy["notes"], [])
        self.assertIsNotNone(self.ok(self.site.run("show", doc["point"]))["copies"][0]["verified_at"])

    def test_what_is_wrong_with_it_is_damage(self):
        def shorter(folder):
            (folder / "vda").write_bytes(b"")

        def another(folder):
            (folder / "notes").write_text("holdfast hf-20260101T000000Z-0123456")
        for spoil, words in ((shutil.rmtree, "is gone"), (lambda f: (f / "bad").touch(), "damaged, as its place found"), (shorter, "bytes, and had"),
                             (another, "is not this point's")):
            doc = self.backup()
            spoil(self.shelf / f"web.hf-{doc['point']}")
            report = self.verify(doc["point"], status=1)
            copy, = report["copies"]
            self.assertEqual((copy["good"], report["damaged"]), (False, 1))
            self.assertIn(words, copy["damage"][0])
            shown = self.ok(self.site.run("show", doc["point"]))
            self.assertEqual((shown["copies"][0]["damaged"], shown["protected"]), (True, False))
            self.assertIn("DAMAGED", self.text("list"))
            shutil.rmtree(self.shelf, ignore_errors=True)

    def test_a_backup_server_s_size_is_no_proof_it_grows_when_the_server_verifies_it(self):
        """Proxmox Backup Server adds its own index to the sum, which has the notes and the verification."""
        doc = self.backup()
        folder = self.shelf / f"web.hf-{doc['point']}"
        (folder / "pbs").touch()
        (folder / "good").write_text("verify_state")
        copy, = self.verify(doc["point"], "--read")["copies"]
        self.assertEqual((copy["good"], copy["damage"], copy["notes"]), (True, [], []))
        self.assertIn("; there, verified by its place\n", self.text("show", doc["point"]))

    def test_a_hypervisor_that_does_not_answer_proves_nothing_and_damages_nothing(self):
        doc = self.backup()
        self.away()
        report = self.verify(doc["point"], "--read", status=1)
        copy, = report["copies"]
        self.assertEqual((copy["good"], report["damaged"]), (None, 0))
        self.assertIn("could not be looked at", copy["notes"][0])
        r = self.site.run("verify", doc["point"], as_json=False)
        self.assertIn(f"UNKNOWN    web/{doc['point']} on vault: ", r.stdout)
        self.assertNotIn("good", r.stdout + r.stderr)
        self.assertIsNone(self.ok(self.site.run("show", doc["point"]))["copies"][0]["verified_at"])

    def test_what_was_called_damaged_and_is_as_it_was_is_not_for_ever(self):
        """Its place was not mounted, say. Nothing proves its data; but nothing is known against it any more."""
        doc = self.backup()
        folder, aside = self.shelf / f"web.hf-{doc['point']}", self.site.dir / "aside"
        folder.rename(aside)
        self.verify(doc["point"], status=1)
        aside.rename(folder)
        self.verify(doc["point"])
        self.assertIn("DAMAGED", self.text("list"), "not all was looked at")
        self.verify(doc["point"], "--read")
        shown, = self.ok(self.site.run("show", doc["point"]))["copies"]
        self.assertEqual((shown["damaged"], shown["protected"], shown["verified_at"]), (False, True, None))

    def test_one_that_lost_its_protection_is_told_and_is_good(self):
        doc = self.backup()
        (self.shelf / f"web.hf-{doc['point']}" / "protected").unlink()
        copy, = self.verify(doc["point"])["copies"]
        self.assertTrue(copy["good"])
        self.assertIn("retention", copy["notes"][0])

    # -- what cannot be done with it -----------------------------------------------------------

    def test_its_disks_are_not_served_and_what_does_it_is_named(self):
        doc = self.backup()
        out = self.site.dir / "out.img"
        for args in (("restore", "image", doc["point"], "--disk", "vda", "--to", str(out)), ("serve", doc["point"], "--disk", "vda", "--socket", str(self.site.dir / "sock"))):
            error = self.fails(self.site.run(*args), 4, "unsupported", self.artifact(doc)["ref"])
            self.assertIn("holdfast restore vm", error["hint"])
        self.assertFalse(out.exists())

    # -- check ---------------------------------------------------------------------------------

    def test_check_plans_the_way_that_a_backup_takes(self):
        def of_backup():
            return [(f["status"], f["message"]) for f in self.site.run("check", "web").json["checks"] if f["area"] == "backup"]
        self.assertEqual(of_backup(), [("ok", "the hypervisor would write 2 disks itself")])
        (self.site.vm / "push").unlink()
        self.assertEqual(of_backup(), [])


class Pruned(VerbsTest):
    def setUp(self):
        super().setUp()
        self.site.sections["web"]["keep"] = "last 1"
        self.write()

    def two(self):
        return self.backup()["point"], self.backup()["point"]

    def prune(self, *args, status=0, **env):
        return self.ok(self.site.run("prune", *args, **env), status)

    def names(self, *points):
        return sorted(f"web.hf-{p}" for p in points)

    def test_a_backup_goes_with_the_last_copy_of_its_point(self):
        self.add_store("other")
        old, new = self.two()
        dry = self.prune("--dry-run")
        self.assertEqual(self.backups(), self.names(old, new))
        self.assertTrue(dry["backups"])
        self.prune("--store", "vault")
        self.assertEqual((self.backups(), len(self.manifests()), len(self.manifests("other"))), (self.names(old, new), 1, 2))
        doc = self.prune()
        self.assertEqual([(b["ref"], b["action"]) for b in doc["backups"]], [(f"shelf:web.hf-{old}", "deleted")])
        self.assertEqual((self.backups(), len(self.manifests("other"))), (self.names(new), 1))
        self.assertEqual([p["point"] for p in self.ok(self.site.run("list"))["points"]], [new])

    def planned(self, status=0):
        return [(b["ref"], b["action"]) for b in self.prune("--dry-run", status=status)["backups"]]

    def test_both_stores_in_one_go(self):
        self.add_store("other")
        old, new = self.two()
        planned = self.planned()
        doc = self.prune()
        self.assertEqual(planned, [(b["ref"], b["action"]) for b in doc["backups"]], "a dry run tells what the real one does")
        self.assertEqual([b["action"] for b in doc["backups"]], ["kept", "deleted"])
        self.assertEqual(self.backups(), self.names(new))
        self.assertNotIn(old, "".join(map(str, self.manifests() + self.manifests("other"))))

    def test_another_store_that_cannot_be_asked_keeps_the_backup(self):
        old, new = self.two()
        self.add_store("other")
        (self.site.dir / "other").rename(self.site.dir / "away")
        doc = self.prune("--store", "vault")
        self.assertEqual([b["action"] for b in doc["backups"]], ["kept"])
        self.assertEqual(self.backups(), self.names(old, new))

    def test_a_hypervisor_that_does_not_answer_keeps_the_point_and_others_go(self):
        old, new = self.two()
        self.away()
        doc = self.prune(status=1)
        row, = [p for p in doc["points"] if p["point"] == old]
        self.assertEqual((row["action"], row["why"]), ("failed", "the shelf is away"))
        self.assertEqual(len(self.manifests()), 2)
        self.away(False)
        self.prune()
        self.assertEqual((self.backups(), len(self.manifests())), (self.names(new), 1))

    def test_one_that_is_gone_or_another_s_does_not_keep_the_point(self):
        old, new = self.two()
        shutil.rmtree(self.shelf / f"web.hf-{old}")
        self.assertEqual(self.prune()["backups"][0]["action"], "deleted")
        newer = self.backup()["point"]
        (self.shelf / f"web.hf-{new}" / "notes").write_text("taken over by hand")
        self.assertEqual(self.planned(status=1), [(f"shelf:web.hf-{new}", "failed")])
        doc = self.prune(status=1)
        self.assertEqual([b["action"] for b in doc["backups"]], ["failed"])
        self.assertIn("is not of run", doc["backups"][0]["why"])
        self.assertEqual((self.backups(), len(self.manifests())), (self.names(new, newer), 1))

    def test_interrupted_between_the_manifest_and_the_backup_it_goes_on_with_that_backup(self):
        """It is protected: nobody would ever delete it."""
        old, new = self.two()
        running = self.site.start("prune", **self.site.points("prune.before_pushed_delete=stall:1500"))
        self.site.wait_for_point("prune.before_pushed_delete")
        running.signal(signal.SIGINT)
        doc = self.ok(running.wait(), 1)
        self.assertEqual([b["action"] for b in doc["backups"]], ["deleted"])
        self.assertIn("cancelled", doc["stores"][0]["error"])
        self.assertEqual((self.backups(), [p.parent.name for p in self.manifests()]), (self.names(new), [new]))

    def test_orphans_of_ours_are_named_when_they_are_older_than_a_day_and_nothing_else_is(self):
        self.backup()
        self.foreign()
        orphan = self.orphan(age_s=3600)
        self.assertEqual(self.prune()["backups"], [])
        os.utime(self.shelf / orphan.partition(":")[2], (time.time() - 25 * 3600,) * 2)
        for _ in range(2):
            doc = self.prune()
            self.assertEqual([(b["ref"], b["action"]) for b in doc["backups"]], [(orphan, "orphan")])
        self.assertIn(f"orphan       backup {orphan} of web: no store", self.text("prune"))
        self.assertEqual(len(self.backups()), 3)

    def test_killed_between_the_manifest_and_the_backup_it_leaves_an_orphan_and_no_point_without_a_backup(self):
        for point in sorted(p for p in kill_points.of(MINE) if p.startswith("prune.")):
            old, new = self.two()
            r = self.site.run("prune", **self.site.points(f"{point}=kill"))
            self.assertEqual(r.status, -9, r)
            self.assertEqual([p.parent.name for p in self.manifests()], [new])
            is_left = f"web.hf-{old}" in self.backups()
            self.assertEqual(is_left, "before" in point)
            if is_left:
                self.assertEqual(self.states()[0][f"shelf:web.hf-{old}"][0], "orphan")
            self.prune()
            shutil.rmtree(self.shelf / f"web.hf-{old}", ignore_errors=True)
            shutil.rmtree(self.shelf / f"web.hf-{new}")
            shutil.rmtree(self.manifests()[0].parent)
            self.ok(self.site.run("catalog", "rebuild"))


if __name__ == "__main__":
    runlib.main()
