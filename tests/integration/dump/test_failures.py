#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong while a dump is made: the object is named, INCOMPLETE stays, nothing is left in the server."""

import signal
import subprocess
import time

import dumplib
import runlib
import kill_points
from dumplib import IS_MARIADB, DumpTest, sql

CONTENT = """
CREATE DATABASE shop;
CREATE TABLE shop.orders (id INT PRIMARY KEY, v VARCHAR(50)) ENGINE = InnoDB;
INSERT INTO shop.orders VALUES (1, 'one'), (2, 'two');
CREATE TABLE shop.log (id INT) ENGINE = MyISAM;
INSERT INTO shop.log VALUES (1);
CREATE TABLE shop.`do.t` (id INT) ENGINE = InnoDB;
INSERT INTO shop.`do.t` VALUES (7);
CREATE PROCEDURE shop.p() SELECT 1;
CREATE TRIGGER shop.t BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.v = 'x';
CREATE DATABASE crm;
CREATE TABLE crm.people (id INT PRIMARY KEY) ENGINE = InnoDB;
INSERT INTO crm.people VALUES (1);
"""


class Failures(DumpTest):
    @classmethod
    def setUpClass(cls):
        cls.server = dumplib.start()
        sql(cls.server, CONTENT)

    def stalled(self, point, to="out", *options, ms=3000):
        """A dump that waits at a point, and has reached it."""
        log = self.folder / "points"
        env = {**runlib.os.environ, "HOLDFAST_POINT": f"{point}=stall:{ms}", "HOLDFAST_POINT_LOG": str(log)}
        process = subprocess.Popen([*self.command(to, *options), "--json"], env=env, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if log.exists() and point in log.read_text().split():
                return process
            time.sleep(0.01)
        return self.fail(f"{point} was not reached")

    def error_of(self, process, status=1):
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, out + err)
        return runlib.json.loads(out)["error"]

    def assert_nothing_left(self):
        self.assert_no_session_left()
        begin = time.monotonic()
        sql(self.server, "INSERT INTO shop.orders VALUES (99, 'x'); DELETE FROM shop.orders WHERE id = 99")
        self.assertLess(time.monotonic() - begin, 2)

    # ---- deaths -------------------------------------------------------------------------

    def test_killed_at_any_point_it_is_no_dump_and_holds_nothing(self):
        for n, point in enumerate(dumplib.sampled(sorted(kill_points.of("integration.dump.failures")))):
            with self.subTest(point=point):
                to = f"killed{n}"
                env = {**runlib.os.environ, "HOLDFAST_POINT": f"{point}=kill"}
                done = subprocess.run(self.command(to, "--nontransactional", "lock"), env=env, capture_output=True)
                self.assertEqual(done.returncode, -signal.SIGKILL, f"nobody visits {point}: {done.stderr.decode()}")
                directory = self.folder / to
                self.assertTrue((directory / "INCOMPLETE").exists() or (directory / "INCOMPLETE.part").exists())
                for path in directory.glob("*.zst"):
                    self.assertEqual(subprocess.run(["zstd", "-qt", path]).returncode, 0, path)
                self.assert_nothing_left()

    def test_a_signal_ends_it_and_it_says_so(self):
        process = self.stalled("dump.before_rows")
        process.send_signal(signal.SIGTERM)
        error = self.error_of(process)
        self.assertEqual(error["class"], "cancelled")
        self.assertIn("out, an unfinished dump", error["left"][0])
        self.assert_incomplete("out")
        self.assert_nothing_left()

    # ---- the server changes -------------------------------------------------------------

    def test_a_table_dropped_before_the_lock_is_named(self):
        sql(self.server, "CREATE TABLE shop.gone (id INT)")
        process = self.stalled("dump.after_open")
        sql(self.server, "DROP TABLE shop.gone")
        error = self.error_of(process)
        self.assertIn("table shop.gone was dropped", error["message"])
        self.assert_incomplete("out")

    def test_a_table_created_before_the_lock_is_named(self):
        process = self.stalled("dump.after_open")
        sql(self.server, "CREATE TABLE shop.`ne w` (id INT)")
        self.addCleanup(sql, self.server, "DROP TABLE shop.`ne w`")
        self.assertIn("table shop.ne w was created", self.error_of(process)["message"])

    def test_a_table_dropped_after_the_lock_is_named(self):
        sql(self.server, "CREATE TABLE shop.gone (id INT)")
        process = self.stalled("dump.before_rows")
        sql(self.server, "DROP TABLE shop.gone")
        error = self.error_of(process)
        self.assertIn("table shop.gone: ", error["message"])
        self.assert_incomplete("out")
        self.assert_nothing_left()

    def test_a_table_altered_after_the_lock_is_named(self):
        sql(self.server, "CREATE TABLE shop.changing (id INT PRIMARY KEY, v INT); INSERT INTO shop.changing VALUES (1, 1)")
        self.addCleanup(sql, self.server, "DROP TABLE shop.changing")
        process = self.stalled("dump.before_rows")
        sql(self.server, "ALTER TABLE shop.changing MODIFY v VARCHAR(10), FORCE")
        error = self.error_of(process)
        self.assertIn("table shop.changing: ", error["message"])
        self.assert_incomplete("out")

    def test_a_lost_connection_fails_and_names_what_was_read(self):
        process = self.stalled("dump.before_rows", "out", "--threads", "1", "--only", "crm")
        for (thread,) in sql(self.server, "SELECT id FROM information_schema.processlist WHERE user = 'root' AND "
                                          "id <> CONNECTION_ID()"):
            sql(self.server, f"KILL {thread}")
        error = self.error_of(process)
        self.assertEqual(error["class"], "unreachable")
        self.assertIn("schema crm: ", error["message"])
        self.assert_incomplete("out")

    # ---- rights -------------------------------------------------------------------------

    def account(self, *grants):
        """An option file for an account with these rights and what a lock needs."""
        sql(self.server, "DROP USER IF EXISTS narrow@'%'; CREATE USER narrow@'%' IDENTIFIED BY 'secret'")
        self.addCleanup(sql, self.server, "DROP USER narrow@'%'")
        lock = "RELOAD, PROCESS, " + ("BINLOG MONITOR" if IS_MARIADB else "REPLICATION CLIENT, BACKUP_ADMIN")
        for grant in (f"{lock} ON *.*", *grants):
            sql(self.server, f"GRANT {grant} TO narrow@'%'")
        if not IS_MARIADB:
            sql(self.server, "GRANT SELECT ON performance_schema.* TO narrow@'%'")
        path = self.folder / "narrow.cnf"
        path.write_text("[client]\nuser = narrow\npassword = secret\n")
        path.chmod(0o600)
        return path

    def test_what_the_account_may_not_see_is_asked_for_and_not_left_out(self):
        cnf = self.account("SELECT, SHOW VIEW, EVENT ON *.*")
        error = self.run_dump("out", status=1, defaults=cnf)
        self.assertEqual(error["class"], "auth")
        self.assertIn("no right TRIGGER on everything", error["message"])
        self.assertIn("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO 'narrow'@'%'", error["hint"])
        self.assertFalse((self.folder / "out").exists())

    def test_rights_on_one_schema_do_for_one_schema(self):
        cnf = self.account("SELECT, SHOW VIEW, EVENT, TRIGGER ON crm.*")
        dump = self.run_dump("crm", "--only", "crm", defaults=cnf)
        self.assertEqual(list(dump.tables()), [("crm", "people")])
        error = self.run_dump("shop", "--only", "crm,shop", status=1, defaults=cnf)
        self.assertIn("shop", error["message"])

    def test_a_hidden_routine_is_named(self):
        cnf = self.account("SELECT, SHOW VIEW, EVENT, TRIGGER, EXECUTE ON shop.*")
        error = self.run_dump("out", "--only", "shop", status=1, defaults=cnf)
        self.assertEqual(error["class"], "auth")
        self.assertIn("PROCEDURE shop.p", error["message"])
        self.assert_incomplete("out")

    # ---- the directory ------------------------------------------------------------------

    def test_a_directory_with_something_in_it_is_refused(self):
        (self.folder / "out").mkdir()
        (self.folder / "out/mine").write_text("x")
        error = self.run_dump("out", status=1)
        self.assertEqual(error["class"], "conflict")
        self.assertEqual([p.name for p in (self.folder / "out").iterdir()], ["mine"])

    def test_a_full_disk_is_named(self):
        out = self.folder / "small"
        out.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "hf-test", out]).returncode != 0:
            runlib.missing("mount", "tmpfs cannot be mounted")
        self.addCleanup(subprocess.run, ["umount", "-l", out])
        sql(self.server, "CREATE TABLE shop.large (b LONGBLOB)")
        self.addCleanup(sql, self.server, "DROP TABLE shop.large")
        for _ in range(8):
            sql(self.server, "INSERT INTO shop.large VALUES (" + ("RANDOM_BYTES(1024)" if not IS_MARIADB else
                             "UNHEX(REPEAT(SHA2(RAND(), 512), 16))") + ")")
        sql(self.server, "INSERT INTO shop.large SELECT x.b FROM shop.large x, shop.large y, shop.large z")
        error = self.run_dump("small", "--compression", "none", status=1)
        self.assertEqual(error["class"], "no-space")
        self.assertIn("table shop.large: cannot write '", error["message"])
        self.assertTrue((out / "INCOMPLETE").exists())
        self.assert_nothing_left()

    # ---- choices ------------------------------------------------------------------------

    def test_only_takes_schemas_and_tables(self):
        dump = self.run_dump("some", "--only", "crm,shop.do.t")
        self.assertEqual(sorted(dump.tables()), [("crm", "people"), ("shop", "do.t")])
        self.assertIsNone(dump.manifest["users"])
        self.assertEqual(dump.manifest["selection"], ["crm", "shop.do.t"])
        error = self.run_dump("none", "--only", "crm,nonesuch", status=1)
        self.assertEqual(error["class"], "not-found")
        self.assertIn("'nonesuch'", error["message"])

    def test_tables_without_transactions_are_marked_read_held_or_refused(self):
        marked = self.run_dump("marked")
        self.assertTrue(marked.tables()["shop", "log"]["nontransactional"])
        self.assertEqual(self.document["nontransactional"], ["shop.log"])
        held = self.run_dump("held", "--nontransactional", "lock")
        self.assertEqual(self.document["nontransactional"], [])
        self.assertEqual(held.checksums(), marked.checksums())
        error = self.run_dump("refused", "--nontransactional", "refuse", status=4)
        self.assertIn("table shop.log is MyISAM", error["message"])
        self.assertFalse((self.folder / "refused").exists())

    def test_definers_can_be_left_out(self):
        dump = self.run_dump("stripped", "--definer", "strip")
        text = "".join(p.read_text() for _, p in dump.files() if p.suffix == ".sql" and "users" not in p.name)
        self.assertIn("PROCEDURE", text)
        self.assertNotIn("DEFINER=", text)

    def test_a_mistyped_choice_changes_nothing(self):
        for options in (("--compression", "lzma"), ("--threads", "0"), ("--definer", "drop"),
                        ("--nontransactional", "maybe")):
            self.run_dump("out", *options, status=2)
        self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    dumplib.main()
