#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A dump under full write load is the state at its position: the binlog up to there, replayed into another server, makes
the same. One transaction more or less is noticed."""

import contextlib
import subprocess
import threading
import time

import dumplib
import runlib
from dumplib import IS_MARIADB, DumpTest, sql

ROWS = 1 << 16
CONTENT = f"""
CREATE DATABASE bank; USE bank;
CREATE TABLE account (id INT PRIMARY KEY, balance INT, note VARCHAR(40)) ENGINE = InnoDB;
CREATE TABLE moved (id INT AUTO_INCREMENT PRIMARY KEY, source INT, target INT, amount INT) ENGINE = InnoDB;
CREATE TABLE big (id INT PRIMARY KEY, seen INT, filler CHAR(255), filler2 CHAR(255), filler3 CHAR(255), filler4 CHAR(255))
    ENGINE = InnoDB DEFAULT CHARSET latin1;
CREATE TABLE named (name VARCHAR(40) CHARACTER SET utf8mb4, part INT, seen INT, filler CHAR(255), filler2 CHAR(255),
    filler3 CHAR(255), filler4 CHAR(255), PRIMARY KEY (name, part)) ENGINE = InnoDB DEFAULT CHARSET latin1;
CREATE TABLE numbers (n INT PRIMARY KEY);
INSERT INTO numbers VALUES (0);
""" + "".join(f"INSERT INTO numbers SELECT n + {1 << i} FROM numbers;\n" for i in range(16)) + f"""
INSERT INTO account SELECT n, 1000, '' FROM numbers WHERE n < 200;
INSERT INTO big SELECT n * 31 - 1000000, 0, REPEAT('a', 255), REPEAT('b', 255), SHA2(n, 512), REPEAT('d', 255) FROM numbers;
INSERT INTO named SELECT CONCAT('kunde ä', n DIV 3), n % 3, 0, REPEAT('a', 255), REPEAT('b', 255), SHA2(n, 512),
    REPEAT('d', 255) FROM numbers;
ANALYZE TABLE big, named;
"""
MOVE = """BEGIN; UPDATE account SET balance = balance - {a} WHERE id = {i}; UPDATE account SET balance = balance + {a} WHERE
id = {j}; INSERT INTO moved (source, target, amount) VALUES ({i}, {j}, {a}); UPDATE big SET seen = seen + 1 WHERE id =
{k} * 31 - 1000000; UPDATE named SET seen = seen + 1 WHERE name = CONCAT('kunde ä', {k} DIV 3) AND part = {k} % 3; COMMIT"""


class Writers:
    """Threads that move money until told to stop."""

    def __init__(self, server, n=3):
        self.stopping, self.done, self.failed = False, [0] * n, []
        self.sessions = [runlib.Session(server) for _ in range(n)]
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(n)]
        for t in self.threads:
            t.start()

    def _run(self, me):
        session, n = self.sessions[me], me * 7919
        session.sql("USE bank")
        session.sql("SET NAMES utf8mb4")
        while not self.stopping:
            n += 1
            with contextlib.suppress(RuntimeError):  # a deadlock's victim
                session.sql(MOVE.format(a=n % 50, i=n % 200, j=(n * 13 + 1) % 200, k=(n * 127) % ROWS))
                self.done[me] += 1

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join()
        for s in self.sessions:
            s.close()


class Instant(DumpTest):
    @classmethod
    def setUpClass(cls):
        cls.server = dumplib.start("--innodb-buffer-pool-size=256M")
        sql(cls.server, CONTENT)

    def binlog(self, position):
        """Everything that the server wrote up to the position, as statements."""
        options = ["--disable-log-bin", f"--stop-position={position['offset']}"]
        names = [row[0] for row in sql(self.server, "SHOW BINARY LOGS")]
        names = names[:names.index(position["file"]) + 1]
        if IS_MARIADB:
            command = [runlib.program("mariadb-binlog"), *options, *(str(self.server.dir / "data" / n) for n in names)]
        else:
            inner = f"/tmp/{self.server.dir.name}/data"
            command = ["chroot", str(self.server.tree), "/usr/bin/mysqlbinlog", "--skip-gtids", *options,
                       *(f"{inner}/{n}" for n in names)]
        return command

    def replay(self, position):
        target = dumplib.start("--innodb-buffer-pool-size=256M")
        self.addCleanup(target.stop)
        reader = subprocess.Popen(self.binlog(position), stdout=subprocess.PIPE)
        done = subprocess.run(dumplib.client(target, "--binary-mode"), stdin=reader.stdout, capture_output=True)
        reader.stdout.close()
        self.assertEqual(reader.wait(), 0)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return target

    def dump_under_load(self, to, *options, env=None):
        writers = Writers(self.server)
        try:
            time.sleep(0.5)
            before = sum(writers.done)
            dump = self.run_dump(to, "--threads", "3", *options, env=env)
            during = sum(writers.done) - before
        finally:
            writers.stop()
        self.assertGreater(during, 20, "there was no load worth the name")
        return dump

    def test_the_dump_is_the_state_at_its_position(self):
        dump = self.dump_under_load("loaded")
        pieces = {name: len(t["files"]) for (_, name), t in dump.tables().items()}
        self.assertGreater(pieces["big"], 1, "a large table with a number as its key was not split")
        self.assertGreater(pieces["named"], 1, "a large table with a text as its key was not split")
        self.assertEqual(dump.tables()["bank", "big"]["rows"], ROWS)
        self.assertEqual(dump.tables()["bank", "named"]["rows"], ROWS)
        again = self.run_dump("replayed", server=self.replay(dump.manifest["position"]))
        self.assertEqual(dump.checksums(), again.checksums())

    def test_the_comparison_notices_a_single_transaction(self):
        """The negative control: one commit further it is another state."""
        one = self.run_dump("one")
        sql(self.server, "USE bank; " + MOVE.format(a=1, i=1, j=2, k=3))
        two = self.run_dump("two")
        self.assertNotEqual(one.checksums(), two.checksums())
        self.assertNotEqual(one.manifest["position"], two.manifest["position"])

    def test_writers_wait_for_milliseconds_only(self):
        self.dump_under_load("stall")
        self.assertLess(self.document["stall_ms"], 2000)
        self.assertGreaterEqual(self.document["stall_ms"], self.document["held_ms"])


if __name__ == "__main__":
    dumplib.main()
