#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A dump and a snapshot of the same VM at the same time: both work, or the one that came second says who is in its way."""

import os
import signal
import time

import dumplib
import runlib
from dumplib import IS_MARIADB, Dump, DumpTest, sql

# A table that no socket takes in one go: a dump that is stopped leaves its SELECT under way in the server.
CONTENT = """
CREATE DATABASE shop;
CREATE TABLE shop.orders (id INT PRIMARY KEY, v VARCHAR(50)) ENGINE = InnoDB;
INSERT INTO shop.orders VALUES (1, 'one'), (2, 'two');
CREATE DATABASE big;
CREATE TABLE big.wide (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB) ENGINE = InnoDB;
INSERT INTO big.wide (b) VALUES (REPEAT('x', 8000000)), (REPEAT('y', 8000000)), (REPEAT('z', 8000000)), (REPEAT('0', 8000000));
"""


class Meeting(DumpTest):
    @classmethod
    def setUpClass(cls):
        cls.server = dumplib.start()
        sql(cls.server, CONTENT)

    def setUp(self):
        super().setUp()
        self.site = runlib.Site(self.server)
        self.addCleanup(self.site.close)

    def dump_command(self, *options):
        return ("dump", "web", "--to", str(self.folder / "out"), *options)

    def assert_whole(self, result):
        self.assertEqual(result.status, 0, str(result))
        self.assertFalse((self.folder / "out/INCOMPLETE").exists())
        self.assertEqual(Dump(self.folder / "out").tables()["shop", "orders"]["rows"], 2)

    def assert_snapshot(self, result):
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(result.json["grade"], "B")

    def test_a_snapshot_while_a_dump_reads_works_and_so_does_the_dump(self):
        dump = self.site.start(*self.dump_command(), **self.site.points("dump.before_rows=stall:3000"))
        self.site.wait_for_point("dump.before_rows")
        begin = time.monotonic()
        self.assert_snapshot(self.site.run("snapshot", "create", "web"))
        self.assertLess(time.monotonic() - begin, 3, "the snapshot waited for the dump")
        self.assert_whole(dump.wait())
        self.assert_no_session_left()

    def test_a_snapshot_waits_for_the_short_lock_of_a_dump(self):
        dump = self.site.start(*self.dump_command(), **self.site.points("dump.before_release=stall:700"))
        self.site.wait_for_point("dump.before_release")
        self.assert_snapshot(self.site.run("snapshot", "create", "web"))
        self.assert_whole(dump.wait())

    def test_a_dump_waits_for_the_hold_of_a_snapshot(self):
        snapshot = self.site.start("snapshot", "create", "web", **self.site.points("hold.after_lock=stall:900"))
        self.site.wait_for_point("hold.after_lock")
        self.assert_whole(self.site.run(*self.dump_command()))
        self.assert_snapshot(snapshot.wait())

    def test_a_dump_that_does_not_get_its_lock_in_time_leaves_the_snapshot_alone(self):
        """MySQL's lock can be held by two: there it does get it."""
        self.site.write(stall_budget="300ms", quiesce_timeout="600ms")
        snapshot = self.site.start("snapshot", "create", "web", **self.site.points("hold.after_lock=stall:4000"))
        self.site.wait_for_point("hold.after_lock")
        result = self.site.run(*self.dump_command())
        if IS_MARIADB:
            self.assertEqual(result.status, 1, str(result))
            self.assertIn("lock", result.error["message"])
            self.assertTrue((self.folder / "out/INCOMPLETE").exists())
        else:
            self.assert_whole(result)
        self.assert_snapshot(snapshot.wait())
        self.assert_no_session_left()

    def test_a_statement_of_a_dump_that_hangs_never_hangs_the_site(self):
        """MySQL's lock waits for statements that read. Within the budget it is given up, the dump's session named."""
        dump = self.site.start(*self.dump_command("--threads", "1"))
        runlib.wait_until(lambda: sql(self.server, "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT%wide%' "
                                                   "AND id <> CONNECTION_ID()"), 20, "the dump reads")
        os.kill(dump.process.pid, signal.SIGSTOP)
        try:
            self.site.write(stall_budget="300ms", quiesce_timeout="1s")
            result = self.site.run("snapshot", "create", "web")
            begin = time.monotonic()
            sql(self.server, "INSERT INTO shop.orders VALUES (9, 'x'); DELETE FROM shop.orders WHERE id = 9")
            self.assertLess(time.monotonic() - begin, 2)
        finally:
            os.kill(dump.process.pid, signal.SIGCONT)
        if IS_MARIADB:
            self.assert_snapshot(result)
        else:
            self.assertIn(result.status, (1, 4), str(result))
            self.assertIn("SELECT", result.error["message"] + str(result.error.get("hint")))
        self.assert_whole(dump.wait())


if __name__ == "__main__":
    dumplib.main()
