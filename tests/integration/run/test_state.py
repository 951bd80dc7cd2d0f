# SPDX-License-Identifier: Apache-2.0
"""A run whose own files are in trouble: disk full, catalog damaged, journal torn, configuration changed."""

import contextlib
import errno
import subprocess

from runlib import RunTest, main, missing

POWER_LOSS = "hold.after_capture=kill,guardian.before_undo=kill"


class StateTest(RunTest):
    def lose_power(self):
        """A run that died in the middle, and its guardian; the id of the run."""
        r = self.site.start("snapshot", "create", "web", **self.site.points(POWER_LOSS)).wait()
        self.assertEqual(r.status, -9)
        self.assertLess(self.session().commit(), 2.0)
        self.site.wait_for_point("guardian.before_undo")
        self.assertEqual(len(self.site.journals()), 1)
        return self.site.journals()[0]


class Full(StateTest):
    """The state directory is a small file system; it fills up while the run stands still."""

    MOMENTS = ("vmlock.after_take", "journal.after_create", "catalog.after_run_begin", "run.before_sessions",
               "run.before_prepare", "run.after_prepare", "hold.after_lock", "hold.after_capture",
               "run.before_commit", "catalog.after_snapshot_commit", "run.before_end")

    def small(self):
        self.site.close()
        super().setUp()
        self.site.state.mkdir(mode=0o700)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", self.site.state],
                               capture_output=True, text=True, check=False)
        if mount.returncode != 0:
            missing("mount", mount.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.site.state], check=False)

    def fill(self):
        with open(self.site.state / "filler", "ab", buffering=0) as f:
            with contextlib.suppress(OSError):
                while True:
                    if f.write(b"\0" * 4096) == 0:
                        raise OSError(errno.ENOSPC, "full")

    def relieve(self):
        (self.site.state / "filler").unlink()

    def full_at(self, moment, also="", **env):
        """The result of a run whose disk was full from this moment on, and what recover then did."""
        self.small()
        p = self.site.start("snapshot", "create", "web", **self.site.points(f"{moment}=stall:300{also}"), **env)
        self.site.wait_for_point(moment)
        self.fill()
        r = p.wait()
        self.assertLess(self.session().commit(), 2.0)
        self.relieve()
        return r, self.recover()

    def test_nothing_is_held_and_status_and_state_agree(self):
        for moment in self.MOMENTS:
            with self.subTest(moment=moment):
                r, _ = self.full_at(moment)
                self.assertIn(r.status, (0, 1), str(r))
                names = [x["snapshot"] for x in self.site.snapshots()]
                self.assertEqual(names, [r.json["snapshot"]] if r.status == 0 else [], str(r))
                if r.status == 1:
                    self.assertEqual(r.error["class"], "no-space", str(r))
                self.assert_known()

    def test_the_journal_has_room_for_a_variable_and_its_way_back(self):
        """Its space was set aside when the run began; what fails is the catalog, and everything is undone."""
        root = self.relax()
        r, _ = self.full_at("run.before_harden")
        self.fails(r, 1, "no-space", "catalog")
        self.assertIn("db.after_restore", self.site.visited())
        self.assert_relaxed(root)
        self.assert_clean()

    def test_a_guardian_undoes_the_hold_on_a_full_disk(self):
        r, runs = self.full_at("hold.after_lock", also=",hold.after_capture=kill")
        self.assertEqual(r.status, -9)
        self.assertLessEqual({x["outcome"] for x in runs}, {"undone"})
        self.assert_clean()

    def test_a_disk_that_was_full_before_refuses_and_touches_nothing(self):
        self.small()
        self.fill()
        r = self.site.run("snapshot", "create", "web")
        self.fails(r, 1, "no-space")
        self.assertNotIn("capture_prepare", (self.site.vms / "calls").read_text())
        self.relieve()
        self.ok(self.site.run("snapshot", "create", "web"))


class Catalog(StateTest):
    def damage(self):
        for suffix in ("-wal", "-shm"):
            (self.site.state / f"catalog.sqlite{suffix}").unlink(missing_ok=True)
        (self.site.state / "catalog.sqlite").write_bytes(b"not a database at all" * 500)

    def test_a_damaged_catalog_stops_new_runs_with_the_way_out(self):
        self.ok(self.site.run("snapshot", "create", "web"))
        self.damage()
        error = self.fails(self.site.run("snapshot", "create", "web"), 1, "corrupt", "catalog")
        self.assertTrue(error["hint"])
        self.assertEqual(self.site.journals(), [])
        for verb in (("snapshot", "list"), ("show", "hf-x"), ("status",)):
            self.fails(self.site.run(*verb), 1, "corrupt")
        check = self.site.run("status", "--check", as_json=False)
        self.assertEqual((check.status, check.stdout.split()[:2]), (3, ["HOLDFAST", "UNKNOWN"]))
        (self.site.state / "catalog.sqlite").rename(self.site.state / "damaged")
        self.assertEqual(self.ok(self.site.run("snapshot", "create", "web"))["grade"], "B")

    def test_a_dead_run_is_undone_without_it(self):
        self.lose_power()
        self.damage()
        self.assertEqual([r["outcome"] for r in self.recover()], ["undone"])
        (self.site.state / "catalog.sqlite").unlink()
        self.assert_clean()

    def test_a_snapshot_that_the_lost_catalog_knew_is_still_listed_and_can_be_deleted(self):
        name = self.ok(self.site.run("snapshot", "create", "web"))["snapshot"]
        for p in self.site.state.glob("catalog.sqlite*"):
            p.unlink()
        self.assertEqual([(r["snapshot"], r["foreign"]) for r in self.site.snapshots()], [(name, False)])
        self.ok(self.site.run("snapshot", "delete", "web", name))
        self.assert_clean()


class Journal(StateTest):
    def path(self, run):
        return self.site.state / "journal" / f"{run}.jsonl"

    def test_a_torn_last_line_is_ignored(self):
        run = self.lose_power()
        with self.path(run).open("ab") as f:
            f.write(b'{"seq":9,"at":"2026-')
        self.assertEqual([r["outcome"] for r in self.recover()], ["undone"])
        self.assert_clean()

    def test_a_damaged_journal_is_named_and_stops_nobody(self):
        run = self.lose_power()
        good = self.path(run).read_bytes()
        self.path(run).write_bytes(good.replace(b'"kind"', b'"knid"', 2))
        error = self.fails(self.site.run("recover"), 1, "corrupt", run)
        self.assertIn("by hand", error["hint"])
        checks = self.ok(self.site.run("check"))["checks"]
        self.assertIn(run, str([c for c in checks if c["area"] == "runs" and c["status"] == "warn"]))
        created = self.site.run("snapshot", "create", "web")
        self.assertIn(run, created.stderr)
        self.ok(self.site.run("snapshot", "delete", "web", self.ok(created)["snapshot"]))
        self.path(run).write_bytes(good)
        self.assertEqual([r["outcome"] for r in self.recover()], ["undone"])
        self.assert_clean()


class Configuration(StateTest):
    def test_a_vm_that_was_taken_out_is_asked_back_and_then_undone(self):
        run = self.lose_power()
        section = self.site.sections.pop("web")
        self.site.sections["other"] = {"db": "none"}
        self.site.config.write_text(self.site.config.read_text().replace("[vm web]", "[vm other]"))
        error = self.fails(self.site.run("recover"), 2, "config", "web")
        self.assertIn(error["class"], "config")
        self.assertEqual(self.site.journals(), [run])
        self.site.sections = {"web": section}
        self.site.write()
        self.assertEqual([r["outcome"] for r in self.recover()], ["undone"])
        self.assert_clean()

    def test_under_a_new_name_the_next_run_undoes_it(self):
        self.lose_power()
        text = self.site.config.read_text().replace("[vm web]\n", "[vm shop]\nname = web\n")
        self.site.config.write_text(text)
        self.assertEqual(self.ok(self.site.run("snapshot", "create", "shop"))["grade"], "B")
        self.assertEqual(self.site.journals(), [])
        self.assertEqual(len(list(self.site.vm.glob("*.snap"))), 1)

    def test_a_dead_run_is_seen_by_status_and_check_until_it_is_undone(self):
        run = self.lose_power()
        self.assertEqual(self.ok(self.site.run("status"))["open_runs"], [run])
        self.assertEqual(self.site.run("status", "--check", as_json=False).status, 1)
        checks = self.ok(self.site.run("check"))["checks"]
        self.assertIn(run, str([c for c in checks if c["area"] == "runs"]))
        dry = self.ok(self.site.run("recover", "--dry-run"))["runs"]
        self.assertEqual([(r["run"], r["outcome"]) for r in dry], [(run, "would undo")])
        self.assertEqual(len(dry[0]["actions"]), 2)
        self.assertEqual(self.site.journals(), [run])
        text = self.site.run("recover", as_json=False)
        self.assertIn(f"{run}  web  snapshot create: undone", text.stdout)
        self.assert_clean()


if __name__ == "__main__":
    main()
