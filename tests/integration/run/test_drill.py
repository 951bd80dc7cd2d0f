# SPDX-License-Identifier: Apache-2.0
"""`verify --drill` without a guest: what refuses it, what fails it, and that nothing of it is left, however it ends.

The machines of the played hypervisor never run anything, so no drill passes here: tests/guest/test_drill.py has those that do.
"""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import types
import unittest

import runlib
import kill_points  # noqa: I001  runlib says where it is

MIB = 1 << 20
MINE = "integration.run.drill"
SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "12"))

runlib.need("nbdkit", "nbdkit")
runlib.need("age", "age", "age-keygen")


class DrillTest(unittest.TestCase):
    folder = None

    @classmethod
    def setUpClass(cls):
        if not DrillTest.folder:
            DrillTest.folder = tempfile.mkdtemp(prefix="hf-drill-")
            unittest.addModuleCleanup(shutil.rmtree, DrillTest.folder, True)

    def setUp(self):
        self.site = runlib.Site(types.SimpleNamespace(dir=self.folder, port=1, defaults="none"))
        self.site.sections["web"] = {"quiesce": "none"}
        self.addCleanup(self.site.close)
        (self.site.vm / "vda.img").write_bytes(os.urandom(2 * MIB))
        (self.site.vm / "vdb.img").write_bytes(os.urandom(MIB))

    def add_store(self, name="vault", **keys):
        folder = self.site.dir / name
        folder.mkdir(mode=0o700)
        self.site.stores[name] = {"url": f"file://{folder}", "off-host": "assume", **keys}
        self.site.write()
        self.ok(self.site.run("store", "init", name))
        return folder

    def backup(self):
        """The point, and a section by which it can be drilled."""
        point = self.ok(self.site.run("backup", "web"))["point"]
        self.site.write(db="tcp://127.0.0.1:1", drill_timeout="1s")
        return point

    def drill(self, point, *args, **env):
        return self.site.run("verify", point, "--drill", *args, **env)

    def ok(self, r, status=0):
        self.assertEqual(r.status, status, str(r))
        return r.json

    def fails(self, r, status, error_class, piece):
        self.assertEqual(r.status, status, str(r))
        self.assertEqual(r.error["class"], error_class, str(r))
        self.assertIn(piece, r.error["message"])
        return r.error

    def calls(self):
        file = self.site.vms / "calls"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def left(self):
        """What a drill could leave: machines, journals, folders of sockets, sockets, servers of disks."""
        machines = [p.name for p in self.site.vms.iterdir() if p.is_dir() and p != self.site.vm]
        folders = [p.name for p in runlib.drill_folders(self.site.state)]
        sockets = [p.name for p in (self.site.state / "sockets").glob("*")]
        return [*machines, *folders, *sockets, *self.site.journals(), *runlib.processes("nbdkit", self.site.dir)]

    def assert_nothing_left(self):
        runlib.wait_until(lambda: not self.left(), 15, f"{self.left()} is still there, and should not be")

    def check(self, doc, name):
        found, = [c for c in doc["checks"] if c["name"] == name]
        return found["result"], found["why"] or ""


class Refused(DrillTest):
    """Nothing is known of the point then, and nothing was begun."""

    def refused(self, point, status, error_class, piece, *args):
        before = self.calls().count("machine_plan")
        error = self.fails(self.drill(point, *args), status, error_class, piece)
        self.assertEqual(self.calls().count("machine_plan"), before)
        self.assertIsNone(self.ok(self.site.run("list"))["points"][0]["last_drill"])
        self.assert_nothing_left()
        return error

    def test_an_encrypted_point_needs_the_identity_file(self):
        key = self.site.dir / "key"
        self.add_store(recipients=runlib.make_identity(key))
        error = self.refused(self.backup(), 1, "auth", "encrypted")
        self.assertIn("identity-file", error["hint"])

    def test_without_a_section_a_way_in_or_a_database_nothing_can_be_compared(self):
        self.add_store()
        point = self.backup()
        for keys, piece in (({"guest": "none"}, "guest = none"), ({"guest": None, "db": None}, "db = none"),
                            ({"db": "tcp://127.0.0.1:1", "drill_db": "tcp://127.0.0.1:1"}, "drill-db")):
            with self.subTest(keys=keys):
                self.site.write(**keys)
                error = self.refused(point, 4, "unsupported", piece)
                self.assertIn("CHECK TABLE", error["hint"])
        del self.site.sections["web"]
        self.site.sections["other"] = {}
        shutil.copytree(self.site.vm, self.site.vms / "other")
        self.site.vm = self.site.vms
        self.site.config.write_text(self.site.config.read_text().replace("[vm web]", "[vm other]"))
        self.fails(self.drill(point), 4, "unsupported", "no section")

    def test_a_point_that_is_nowhere(self):
        self.add_store()
        self.backup()
        self.fails(self.drill("20200101T000000Z-00000000"), 1, "not-found", "no store")

    def test_options_that_do_not_go_together(self):
        self.add_store()
        point = self.backup()
        self.fails(self.drill(point, "--read"), 2, "config", "--drill")
        self.fails(self.site.run("verify", "--all", "--drill"), 2, "config", "--drill")
        self.fails(self.site.run("verify", point, "--hypervisor", "here"), 2, "config", "--hypervisor")
        self.fails(self.drill(point, "--hypervisor", "nowhere"), 2, "config", "nowhere")
        self.assert_nothing_left()

    def test_a_hypervisor_that_cannot_make_the_machine(self):
        self.add_store()
        point = self.backup()
        for step in ("machine_plan", "machine_create", "machine_start"):
            with self.subTest(step=step):
                r = self.drill(point, DIR_FAIL=step)
                self.assertNotEqual(r.status, 0)
                self.assertIn("error", r.json)
                self.assert_nothing_left()
        self.assertIsNone(self.ok(self.site.run("list"))["points"][0]["last_drill"])


class Failed(DrillTest):
    def test_a_database_that_never_answers_fails_the_drill_and_everybody_is_told(self):
        self.add_store()
        point = self.backup()
        doc = self.ok(self.drill(point), 1)
        self.assertEqual((doc["point"], doc["vm"], doc["store"], doc["passed"], doc["recovery_ms"]),
                         (point, "web", "vault", False, None))
        self.assertEqual(self.check(doc, "boot"), ("ok", ""))
        result, why = self.check(doc, "database")
        self.assertEqual(result, "failed")
        self.assertIn("no answer after", why)
        self.assertIn("database: no answer", doc["why"])
        self.assert_nothing_left()
        self.tell_everybody(point, doc)

    def tell_everybody(self, point, doc):
        drill, = self.ok(self.site.run("show", point))["drills"]
        self.assertEqual((drill["run"], drill["passed"], drill["why"]), (doc["run"], False, doc["why"]))
        row, = self.ok(self.site.run("list"))["points"]
        self.assertEqual(row["last_drill"]["run"], doc["run"])
        self.assertIn("FAILED", self.site.run("list", as_json=False).stdout)
        self.assertIn("FAILED", self.site.run("show", point, as_json=False).stdout)
        vm, = self.ok(self.site.run("status"))["vms"]
        self.assertEqual((vm["last_drill"]["run"], vm["verb"]), (doc["run"], "backup"))
        self.assertEqual(self.ok(self.site.run("show", doc["run"]))["checks"], doc["checks"])
        self.assertIn("CRITICAL", self.site.run("status", "--check", as_json=False).stdout)

    def test_never_drilled_is_said(self):
        self.add_store()
        self.backup()
        self.assertIn("never drilled", self.site.run("status", as_json=False).stdout)

    def drill_findings(self, status):
        checks = self.ok(self.site.run("check"), status)["checks"]
        return [(c["status"], c["message"]) for c in checks if c["area"] == "drill"]

    def test_check_fails_where_drills_are_expected_and_none_could_be_made(self):
        key = self.site.dir / "key"
        self.add_store("safe", recipients=runlib.make_identity(key))
        self.site.write(db="tcp://127.0.0.1:1")
        self.assertEqual(self.drill_findings(1), [], "nobody expects one")
        self.site.write(drill_every="7d")
        (status, message), = self.drill_findings(1)
        self.assertEqual(status, "fail")
        self.assertIn("no drill from store safe", message)
        self.site.stores["safe"]["identity-file"] = key
        self.site.write(guest="none")
        (status, message), = self.drill_findings(1)
        self.assertEqual(status, "fail")
        self.assertIn("guest = none", message)

    def status_of_web(self, outcome):
        self.assertIn(f"overdue on {outcome}, over", self.site.run("status", "--check", as_json=False).stdout)
        vm, = self.ok(self.site.run("status"))["vms"]
        return vm

    def age(self, table, days):
        column = {"runs": "started_us", "drills": "started_us"}[table]
        with contextlib.closing(sqlite3.connect(self.site.state / "catalog.sqlite")) as db, db:
            db.execute(f"UPDATE {table} SET {column} = {column} - ?", (days * 86400 * 10**6,))

    def test_overdue_is_what_has_not_passed_for_longer_than_expected(self):
        self.add_store()
        point = self.backup()
        self.age("runs", 8)
        self.assertIs(self.status_of_web(0)["drill_overdue"], False, "nobody expects one")
        self.site.write(drill_every="9d")
        self.assertIs(self.status_of_web(0)["drill_overdue"], False)
        self.site.write(drill_every="7d")
        row = self.status_of_web(1)
        self.assertEqual((row["drill_overdue"], row["drill_every_ms"]), (True, 7 * 86400 * 1000))
        self.assertLess(row["drill_since"], row["last_point"]["taken_at"], "… though the point is of today")
        self.assertIn("drill overdue", self.site.run("status", as_json=False).stdout)
        self.ok(self.drill(point), 1)
        self.assertIs(self.status_of_web(1)["drill_overdue"], True, "one that failed is none")
        with contextlib.closing(sqlite3.connect(self.site.state / "catalog.sqlite")) as db, db:
            db.execute("UPDATE drills SET has_passed = 1")
        self.assertIs(self.status_of_web(0)["drill_overdue"], False)
        self.age("drills", 8)
        self.assertIs(self.status_of_web(1)["drill_overdue"], True)

    def test_a_failed_drill_takes_back_the_verification(self):
        self.add_store()
        point = self.backup()
        self.ok(self.site.run("verify", point, "--read"))
        copy, = self.ok(self.site.run("show", point))["copies"]
        self.assertIsNotNone(copy["verified_at"])
        self.ok(self.drill(point), 1)
        copy, = self.ok(self.site.run("show", point))["copies"]
        self.assertEqual((copy["verified_at"], copy["damaged"]), (None, False))

    def test_a_disk_whose_tree_is_gone_is_the_points_fault(self):
        vault = self.add_store()
        point = self.backup()
        for tree in (vault / "trees").rglob("*"):
            if tree.is_file():
                tree.unlink()
        doc = self.ok(self.drill(point), 1)
        self.assertEqual(self.check(doc, "boot")[0], "failed")
        copy, = self.ok(self.site.run("show", point))["copies"]
        self.assertEqual((copy["verified_at"], copy["damaged"]), (None, True))
        self.assertNotIn("machine_create", self.calls())
        self.assert_nothing_left()

    def test_a_changed_definition_is_the_points_fault_and_boots_nothing(self):
        vault = self.add_store()
        point = self.backup()
        file, = [f for f in (vault / "points/web" / point / "vm").iterdir() if f.is_file()]
        file.chmod(0o600)
        runlib.flip(file)
        doc = self.ok(self.drill(point), 1)
        self.assertEqual(self.check(doc, "boot")[0], "failed")
        self.assertIn("the definition in", self.check(doc, "boot")[1])
        copy, = self.ok(self.site.run("show", point))["copies"]
        self.assertTrue(copy["damaged"])
        self.assertNotIn("machine_create", self.calls())
        self.assert_nothing_left()
        self.fails(self.site.run("restore", "vm", point, "--name", "new", "--dir", str(self.site.dir)), 1, "corrupt", "the definition in")

    def test_a_store_that_goes_away_says_nothing_of_the_point(self):
        vault = self.add_store()
        point = self.backup()
        self.ok(self.site.run("verify", point, "--read"))
        self.site.write(drill_timeout="1h")
        run = self.site.start("verify", point, "--drill", **self.site.points())
        self.site.wait_for_point("drill.after_start", 30)
        shutil.copytree(vault, self.site.dir / "away")
        shutil.rmtree(vault)
        folder, = runlib.drill_folders(self.site.state)
        subprocess.run(["qemu-io", "-r", "-f", "raw", "-c", "read 0 64k", f"nbd+unix:///?socket={folder}/vda"], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        r = run.wait()
        self.fails(r, 1, "unreachable", "disk vda")
        self.assert_nothing_left()
        (self.site.dir / "away").rename(vault)
        copy, = self.ok(self.site.run("show", point))["copies"]
        self.assertEqual((copy["verified_at"] is None, copy["damaged"]), (False, False))
        self.assertEqual(self.ok(self.site.run("show", point))["drills"], [])

    def test_a_verdict_that_was_recorded_stays_also_when_the_drill_dies_then(self):
        self.add_store()
        point = self.backup()
        self.drill(point, **self.site.points("run.before_end=kill"))
        self.assert_nothing_left()
        drill, = self.ok(self.site.run("show", point))["drills"]
        self.assertIs(drill["passed"], False)
        with contextlib.closing(sqlite3.connect(self.site.state / "catalog.sqlite")) as db:
            self.assertEqual(db.execute("SELECT outcome FROM runs WHERE id = ?", (drill["run"],)).fetchone(), ("failed",))

    def test_the_vm_itself_may_be_gone_and_is_never_asked(self):
        self.add_store()
        point = self.backup()
        shutil.rmtree(self.site.vm)
        (self.site.vms / "calls").unlink()
        self.site.vm = self.site.vms
        doc = self.ok(self.drill(point), 1)
        self.assertEqual(self.check(doc, "boot")[0], "ok")
        lines = (self.site.vms / "calls").read_text().splitlines()
        self.assertEqual([line for line in lines if line.split()[1] in ("web", "id-web")], [])

    def test_people_read_why(self):
        self.add_store()
        r = self.site.run("verify", self.backup(), "--drill", as_json=False)
        self.assertEqual(r.status, 1)
        self.assertIn("FAILED     web/", r.stdout)
        self.assertIn("FAILED     database: no answer", r.stdout)


class Interrupted(DrillTest):
    def test_control_c_leaves_nothing(self):
        self.add_store()
        point = self.backup()
        self.site.write(drill_timeout="1h")
        for stop in (signal.SIGINT, signal.SIGTERM):
            run = self.site.start("verify", point, "--drill", **self.site.points())
            self.site.wait_for_point("drill.after_start", 30)
            run.signal(stop)
            r = run.wait()
            self.assertEqual((r.status, r.error["class"]), (1, "cancelled"), str(r))
            self.assert_nothing_left()
        self.assertEqual(self.ok(self.site.run("show", point))["drills"], [])

    def test_beside_a_drill_the_vm_is_backed_up_but_not_drilled_again(self):
        self.add_store()
        point = self.backup()
        self.site.write(drill_timeout="1h")
        run = self.site.start("verify", point, "--drill", **self.site.points())
        self.site.wait_for_point("drill.after_start", 30)
        self.fails(self.drill(point), 4, "busy", "held by run")
        self.site.write(db=None)
        self.ok(self.site.run("backup", "web"))
        run.signal(signal.SIGKILL)
        run.wait()
        self.assert_nothing_left()

    def test_wherever_it_dies_the_guardian_clears_away(self):
        """Each point of a drill, killed and failing; what is left after the guardian is nothing."""
        self.add_store()
        point = self.backup()
        r = self.drill(point, **self.site.points())
        self.assertEqual(r.status, 1, str(r))
        mine = kill_points.of(MINE)
        self.assertLessEqual(mine, set(self.site.visited()), "points that no drill comes by")
        ways = [(p, way) for p in sorted(mine) for way in ("kill", "error")]
        if SAMPLE:
            ways = random.Random(runlib.seed(unset=12)).sample(ways, min(SAMPLE, len(ways)))
        for name, way in ways:
            with self.subTest(point=name, way=way):
                r = self.drill(point, **self.site.points(f"{name}={way}"))
                self.assertIn(name, self.site.visited())
                self.assertNotEqual(r.status, 0)
                self.assert_nothing_left()
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [])

    def test_without_a_guardian_the_next_drill_and_recover_clear_away(self):
        self.add_store()
        point = self.backup()
        env = self.site.points("drill.after_start=kill,guardian.before_undo=kill")
        del env["HOLDFAST_POINT_ONCE"]
        self.drill(point, **env)
        runlib.wait_until(lambda: not runlib.processes("nbdkit", self.site.dir), 10, "nbdkit lives on")
        runlib.wait_until(lambda: self.ok(self.site.run("recover", "-n"))["runs"][0]["outcome"] != "alive", 10, "guardian")
        self.assertTrue([x for x in self.left() if x.startswith("holdfast-drill-")], self.left())
        run, = self.ok(self.site.run("recover"))["runs"]
        self.assertEqual((run["verb"], run["outcome"]), ("drill", "undone"))
        self.assert_nothing_left()


if __name__ == "__main__":
    runlib.main()
