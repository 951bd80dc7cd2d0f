# SPDX-License-Identifier: Apache-2.0
"""What the tests of loads stand on: a source, a target, the verb, and what both servers say about themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dump"))
import dumplib  # noqa: E402
import runlib  # noqa: E402
from dumplib import DumpTest, own_dump, sql  # noqa: E402, F401

# Every kind of object, in two schemas that know each other. Rows enough for keys to be added behind them (64 KiB stored).
TABLES = """
CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
CREATE TABLE customer (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL, born DATE, UNIQUE KEY name (name));
CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, note TEXT, amount DECIMAL(9,2), bits BIT(12),
  KEY by_amount (amount), KEY c (customer), CONSTRAINT who FOREIGN KEY (customer) REFERENCES customer (id) ON DELETE CASCADE);
CREATE TABLE plain (id INT PRIMARY KEY, t TEXT) ENGINE = MyISAM;
CREATE TABLE audit (what TEXT);
INSERT INTO customer (name, born) WITH RECURSIVE q (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM q WHERE n < 900)
  SELECT CONCAT('o''Brien \\\\ "', n, '; DROP -- */'), '1999-12-31' FROM q;
INSERT INTO orders SELECT id, id, REPEAT(CONCAT('a\\n', id, '\\'"'), 3), id / 3, 5 FROM customer;
INSERT INTO plain SELECT id, name FROM customer;
CREATE VIEW b_first AS SELECT id, amount FROM orders;
CREATE VIEW a_second AS SELECT id FROM b_first;
CREATE DATABASE crm;
CREATE TABLE crm.card (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES shop.customer (id));
INSERT INTO crm.card VALUES (1, 1), (2, 2);
"""
PROGRAMS = """
DELIMITER //
CREATE FUNCTION twice (x INT) RETURNS INT DETERMINISTIC BEGIN DECLARE s TEXT DEFAULT ';
'; RETURN 2 * x; END//
CREATE VIEW by_routine AS SELECT twice(id) AS t FROM customer//
CREATE TRIGGER log_it AFTER INSERT ON orders FOR EACH ROW BEGIN INSERT INTO audit VALUES (NEW.note); END//
CREATE EVENT later ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM audit; END//
DELIMITER ;
"""
SHOP = TABLES + PROGRAMS
SCHEMAS = ["crm", "shop"]


class LoadTest(DumpTest):
    """Source and target stay; each test finds the target empty."""

    target = None
    schemas = SCHEMAS

    @classmethod
    def setUpClass(cls):
        cls.server = dumplib.start()
        cls.target = dumplib.start("--log-bin-trust-function-creators=1")
        sql(cls.server, "SET GLOBAL log_bin_trust_function_creators = 1")
        sql(cls.server, SHOP)

    def setUp(self):
        super().setUp()
        self.clean()

    def clean(self):
        names = sql(self.target, "SELECT HEX(schema_name) FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', "
                                 "'sys', 'information_schema', 'performance_schema')")
        for (name,) in names:
            sql(self.target, f"SET foreign_key_checks = 0; DROP DATABASE {dumplib.quote(bytes.fromhex(name).decode())}")

    def load_command(self, directory, *options, target=None):
        target = target or self.target
        return [str(runlib.BINARY), "load", str(directory), "--to-db", f"tcp://127.0.0.1:{target.port}",
                "--defaults-file", str(target.defaults), *options]

    def load(self, directory, *options, status=0, env=None, target=None):
        """The document; for a status that is not 0 the error, if there is one."""
        done = subprocess.run([*self.load_command(directory, *options, target=target), "--json"], capture_output=True,
                              text=True, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        doc = json.loads(done.stdout) if done.stdout else {}
        return doc.get("error", doc)

    def stalled(self, directory, point, ms=1500, *more):
        """A load that waits at a point; which it has reached. more: what becomes of it at others."""
        log = self.folder / "points"
        load = subprocess.Popen([*self.load_command(directory), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "HOLDFAST_POINT": ",".join([f"{point}=stall:{ms}", *more]), "HOLDFAST_POINT_LOG": str(log)})
        self.addCleanup(load.wait)
        self.addCleanup(load.kill)
        runlib.wait_until(lambda: log.exists() and point in log.read_text().split(), 20, f"{point} is reached")
        return load

    def says(self, server):
        """Rows of a table sorted: without a key, an engine keeps them in any order (Aria where there is room)."""
        out, rows = [], []
        for line in [*own_dump(server, self.schemas).splitlines(), ""]:
            if line.startswith("(") and line[-1] in ",;":
                rows.append(line[:-1])
                continue
            out += sorted(rows) + [line]
            rows = []
        return "\n".join(out)

    def assert_same(self):
        self.assert_same_text(self.says(self.server), self.says(self.target))
        self.assertNotIn(["holdfast_load"], sql(self.target, "SHOW DATABASES"))

    def assert_nothing_there(self):
        self.assertEqual([], [r for r in sql(self.target, "SHOW DATABASES") if r[0] in (*self.schemas, "holdfast_load")])
