#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A dump into an empty server: the same there. What is in the way, missing, damaged or hostile: named, nothing changed."""

import gzip
import json
import os
import shutil
import subprocess

import loadlib  # noqa: I001  it says where the others are
import dumplib
import runlib
from dumplib import quote, sql
from loadlib import LoadTest

SEED = runlib.seed()

MYDUMPER_TRIES, MYDUMPER_WITHIN_S = 4, 20


class Load(LoadTest):
    def test_what_is_no_address_of_a_server_is_refused(self):
        for to in ("127.0.0.1:3306", "none", "ssh", "ssh:///run/mysqld.sock", "tcp://", "tcp://:1", "tcp://h:0", "tcp://h:65536",
                   "tcp://h:1x", "tcp://h:", "tcp://h: 1", "tcp://a@h:1", "tcp://h/1", "tcp://-h:1", "tcp://fd00::5:1", "tcp://[::1"):
            done = subprocess.run([str(runlib.BINARY), "load", str(self.folder), "--to-db", to, "--defaults-file", "/dev/null", "--json"],
                                  capture_output=True, text=True)
            self.assertEqual(2, done.returncode, to + done.stderr)
            error = json.loads(done.stdout)["error"]
            self.assertEqual(("config", f"--to-db: '{to}' is no address of a database"), (error["class"], error["message"]))
            self.assertIn("tcp://HOST:PORT", error["hint"])

    def test_what_is_loaded_is_the_same(self):
        dump = self.run_dump("d", "--only", "shop,crm")
        doc = self.load(dump.dir)
        self.assertEqual([], doc["differences"])
        self.assertEqual(6, doc["tables"] + 1)
        self.assertEqual(doc["compared"]["rows"], doc["compared"]["checksums"])
        self.assert_same()

    def test_load_data_and_statements_load_the_same(self):
        dump = self.run_dump("d", "--only", "shop,crm", "--compression", "gzip")
        before = sql(self.target, "SELECT @@GLOBAL.local_infile")[0][0]
        try:
            for infile in (0, 1):
                self.clean()
                sql(self.target, f"SET GLOBAL local_infile = {infile}; SET GLOBAL binlog_format = ROW")
                self.load(dump.dir)
                self.assert_same()
        finally:
            sql(self.target, f"SET GLOBAL local_infile = {before}")

    def test_existing_tables_are_named_and_nothing_is_changed(self):
        dump = self.run_dump("d", "--only", "shop")
        sql(self.target, "CREATE DATABASE shop; CREATE TABLE shop.audit (i INT); CREATE TABLE shop.orders (i INT); "
                         "INSERT INTO shop.orders VALUES (7)")
        error = self.load(dump.dir, status=1)
        self.assertEqual("conflict", error["class"])
        self.assertIn("`shop`.`orders`", error["message"])
        self.assertIn("`shop`.`audit`", error["message"])
        self.assertEqual([["audit"], ["orders"]], sql(self.target, "SHOW TABLES FROM shop"))
        self.assertEqual([["7"]], sql(self.target, "SELECT * FROM shop.orders"))

    def test_existing_programs_are_named_before_anything_is_changed(self):
        dump = self.run_dump("d", "--only", "shop")
        sql(self.target, "CREATE DATABASE shop; USE shop; CREATE TABLE mine (i INT); CREATE FUNCTION TWICE (x INT) RETURNS INT "
                         "DETERMINISTIC RETURN 0; CREATE PROCEDURE other () SELECT 1; CREATE TRIGGER log_it BEFORE INSERT ON mine "
                         "FOR EACH ROW SET NEW.i = 1; CREATE EVENT later ON SCHEDULE EVERY 1 DAY DO SELECT 1")
        error = self.load(dump.dir, status=1)
        self.assertEqual("conflict", error["class"])
        for text in ("3 of what", "FUNCTION `shop`.`TWICE`", "TRIGGER `shop`.`log_it`", "EVENT `shop`.`later`"):
            self.assertIn(text, error["message"])
        self.assertEqual([["mine"]], sql(self.target, "SHOW TABLES FROM shop"))
        self.load(dump.dir, "--only", "shop.audit")

    def test_no_part_that_is_missing_or_damaged_is_success_even_by_force(self):
        dump = self.run_dump("d", "--only", "shop,crm", "--compression", "none")
        lost = ("shop-schema-post.sql", "shop.orders-schema-triggers.sql", "shop.b_first-schema-view.sql", "shop.audit-schema.sql",
                "shop.plain.00000.sql", "shop-schema-create.sql")
        for name in dumplib.sampled(lost):
            with self.subTest(name):
                self.clean()
                path = dump.dir / name
                whole = path.read_bytes()
                path.unlink()
                self.assertIn(f"{name} (missing", self.load(dump.dir, status=1)["message"])
                self.assert_nothing_there()
                doc = self.load(dump.dir, "--force-incomplete", "--verify", "none", status=1)
                if "differences" in doc:  # else it needed what is missing, and failed
                    self.assertTrue(any("missing" in d for d in doc["differences"]), doc)
                path.write_bytes(whole)
        self.clean()
        path = dump.dir / "shop.orders-schema-triggers.sql"
        path.write_bytes(path.read_bytes().replace(b"NEW.note", b"NEW.NOTE", 1))
        self.assertIn("damaged", self.load(dump.dir, status=1)["message"])
        self.assert_nothing_there()
        doc = self.load(dump.dir, "--force-incomplete", status=1)
        self.assertEqual(["shop.orders-schema-triggers.sql is damaged"], doc["differences"])

    def test_a_session_that_is_lost_while_it_loads_costs_nothing(self):
        dump = self.run_dump("d", "--only", "shop,crm")
        load = self.stalled(dump.dir, "load.before_commit")
        for (thread,) in sql(self.target, "SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> CONNECTION_ID() "
                                          "AND EXISTS (SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = id)"):
            sql(self.target, f"KILL {thread}")
        out, err = load.communicate(timeout=60)
        if load.returncode != 0:  # a table without transactions cannot be tried again
            self.assertRegex(json.loads(out)["error"]["message"], r"shop\.plain", err)
            self.load(dump.dir, "--resume")
        self.assert_same()

    def test_replace_drops_first_and_never_meets_errno_150(self):
        dump = self.run_dump("d", "--only", "shop,crm")
        # A parent that the old children fit and the new ones do not.
        sql(self.target, "CREATE DATABASE shop; USE shop; CREATE TABLE customer (id BIGINT PRIMARY KEY, x INT); "
                         "CREATE TABLE orders (id INT PRIMARY KEY, c BIGINT, FOREIGN KEY (c) REFERENCES customer (id)); "
                         "CREATE VIEW b_first AS SELECT 1; CREATE FUNCTION twice (x INT) RETURNS INT DETERMINISTIC RETURN 0; "
                         "INSERT INTO customer VALUES (1, 1); INSERT INTO orders VALUES (1, 1)")
        self.load(dump.dir, "--replace")
        self.assert_same()

    def test_foreign_keys_from_outside_are_named_before_anything_is_dropped(self):
        dump = self.run_dump("d", "--only", "shop")
        sql(self.target, "CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY); CREATE DATABASE other; "
                         "CREATE TABLE other.o (c INT, CONSTRAINT far FOREIGN KEY (c) REFERENCES shop.customer (id))")
        error = self.load(dump.dir, "--replace", status=1)
        self.assertIn("far of other.o to shop.customer", error["message"])
        self.assertEqual([["customer"]], sql(self.target, "SHOW TABLES FROM shop"))

    def test_missing_and_truncated_files_are_found_before_anything_is_changed(self):
        dump = self.run_dump("d", "--only", "shop,crm")
        (dump.dir / "shop.orders.00000.sql.zst").unlink()
        path = dump.dir / "shop.customer.00000.sql.zst"
        path.write_bytes(path.read_bytes()[:-10])
        error = self.load(dump.dir, status=1)
        self.assertIn("shop.orders.00000.sql.zst (missing", error["message"])
        self.assertIn("shop.customer.00000.sql.zst (another size", error["message"])
        self.assert_nothing_there()
        shutil.copy(dump.dir / "shop.plain.00000.sql.zst", dump.dir / "x.zst")
        doc = self.load(dump.dir, "--force-incomplete", "--only", "shop.orders,shop.plain", status=1)
        self.assertTrue(any("shop.orders" in d for d in doc["differences"]), doc)

    def test_a_damaged_file_brings_no_rows_and_is_named(self):
        dump = self.run_dump("d", "--only", "shop", "--compression", "none")
        path = dump.dir / "shop.orders.00000.sql"
        path.write_bytes(path.read_bytes().replace(b"'a\\n5\\'", b"'a\\n6\\'", 1))
        error = self.load(dump.dir, status=1)
        self.assertIn("shop.orders.00000.sql is damaged", error["message"])
        self.assertEqual([["0"]], sql(self.target, "SELECT COUNT(*) FROM shop.orders"))

    def test_another_size_than_the_manifest_says_is_found(self):
        dump = self.run_dump("d", "--only", "crm")
        doc = json.loads((dump.dir / "holdfast.json").read_text())
        table = doc["schemas"][0]["tables"][0]
        table["checksum"] = "0123456789abcdef"
        (dump.dir / "holdfast.json").write_text(json.dumps(doc))
        found = self.load(dump.dir, "--force-incomplete", status=1)
        self.assertEqual(1, len(found["differences"]))
        self.assertIn("crm.card has the checksum", found["differences"][0])

    def test_an_unfinished_dump_is_refused(self):
        dump = self.run_dump("d", "--only", "crm")
        (dump.dir / "INCOMPLETE").touch()
        self.assertIn("not finished", self.load(dump.dir, status=1)["message"])
        self.assert_nothing_there()
        self.load(dump.dir, "--force-incomplete")

    def test_statements_that_do_not_belong_are_refused(self):
        for text in dumplib.sampled(("DROP DATABASE shop;", "SET GLOBAL max_connections = 9;", "CREATE USER eve;",
                                     "INSERT INTO customer VALUES (9, 'x', NULL);", "\\! touch /tmp/x\n", "system touch /tmp/x\n",
                                     "UPDATE audit SET what = 1;")):
            with self.subTest(text):
                self.clean()
                dump = self.run_dump("d" + str(len(os.listdir(self.folder))), "--only", "shop", "--compression", "none")
                (dump.dir / "shop.plain.00000.sql").write_text(text)
                error = self.load(dump.dir, "--force-incomplete", status=1)
                self.assertIn("shop.plain.00000.sql", error["message"])
                self.assertIn("byte 0", error["message"])

    def test_another_name_another_definer_and_some_tables_only(self):
        sql(self.target, "CREATE USER IF NOT EXISTS keeper@localhost; GRANT ALL ON *.* TO keeper@localhost")
        dump = self.run_dump("d", "--only", "shop,crm")
        self.load(dump.dir, "--as", "shop=sh`op 2,crm=c2", "--definer", "keeper@localhost")
        self.assertEqual([["2"]], sql(self.target, "SELECT COUNT(*) FROM c2.card"))
        self.assertIn("REFERENCES `sh``op 2`.`customer`", sql(self.target, "SHOW CREATE TABLE c2.card")[0][1])
        for column, table in (("definer", "views"), ("definer", "routines"), ("definer", "triggers"), ("definer", "events")):
            where = "table_schema" if table == "views" else f"{table[:-1]}_schema"
            found = sql(self.target, f"SELECT DISTINCT {column} FROM information_schema.{table} WHERE {where} LIKE 'sh%'")
            self.assertEqual([["keeper@localhost"]], found, table)
        self.load(dump.dir, "--only", "shop.plain,crm")
        self.assertEqual([["plain"]], sql(self.target, "SHOW TABLES FROM shop"))
        self.assertIn("no 'shop.nowhere'", self.load(dump.dir, "--only", "shop.nowhere", status=1)["message"])

    def test_a_packet_too_large_for_the_server_is_told_with_its_place(self):
        sql(self.target, "SET GLOBAL max_allowed_packet = 16384")
        try:
            dump = self.run_dump("d", "--only", "shop", "--compression", "none")
            self.assertIn("max_allowed_packet", self.load(dump.dir, status=4)["message"])
            self.assert_nothing_there()
            doc = json.loads((dump.dir / "holdfast.json").read_text())
            doc["largest_statement_bytes"] = 10
            (dump.dir / "holdfast.json").write_text(json.dumps(doc))
            error = self.load(dump.dir, status=1)
            self.assertRegex(error["message"], r"shop\.\w+\.00000\.sql.*byte \d+")
        finally:
            sql(self.target, "SET GLOBAL max_allowed_packet = 268435456")

    def test_accounts_and_grants_come_when_asked_for(self):
        sql(self.server, "CREATE USER 'o''b'@'localhost' IDENTIFIED BY 'x'; GRANT SELECT ON shop.a_second TO 'o''b'@'localhost'; "
                         "GRANT EXECUTE ON FUNCTION shop.twice TO 'o''b'@'localhost'")
        try:
            dump = self.run_dump("d")
            self.load(dump.dir)
            self.assertEqual([], sql(self.target, "SELECT user FROM mysql.user WHERE user LIKE 'o%'"))
            self.load(dump.dir, "--replace", "--users")
            grants = "SHOW GRANTS FOR 'o''b'@'localhost'"
            self.assertEqual(sorted(sql(self.server, grants)), sorted(sql(self.target, grants)))
        finally:
            sql(self.server, "DROP USER 'o''b'@'localhost'")
            sql(self.target, "DROP USER IF EXISTS 'o''b'@'localhost'")

    def test_no_binlog_writes_nothing_into_it(self):
        dump = self.run_dump("d", "--only", "shop,crm")
        status = "SHOW MASTER STATUS" if dumplib.IS_MARIADB else "SHOW BINARY LOG STATUS"
        before = sql(self.target, status)
        self.load(dump.dir, "--no-binlog")
        self.assertEqual(before, sql(self.target, status))
        self.assert_same()


class Mortal(LoadTest):
    """What happens to the target's server: each test has one of its own."""

    @classmethod
    def setUpClass(cls):
        cls.server = dumplib.start()
        sql(cls.server, "SET GLOBAL log_bin_trust_function_creators = 1")
        sql(cls.server, loadlib.SHOP)

    def setUp(self):
        self.target = dumplib.start("--log-bin-trust-function-creators=1")
        self.addCleanup(self.target.stop)
        super().setUp()

    def test_a_full_disk_is_named_with_the_table_and_with_room_the_load_goes_on(self):
        dump = self.run_dump("d", "--only", "shop,crm")
        sql(self.target, "CREATE DATABASE shop CHARACTER SET utf8mb4")
        disk = str(self.target.dir / "data/shop")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k,mode=777", "hf-test", disk]).returncode != 0:
            runlib.missing("mount", "tmpfs cannot be mounted")
        error = self.load(dump.dir, status=1)
        self.assertRegex(error["message"], r"shop\.\w+")
        self.assertIn("--resume", error["left"][0])
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        self.load(dump.dir, "--resume")
        self.assert_same()

    def test_a_server_that_dies_is_named_with_what_was_under_way(self):
        dump = self.run_dump("d", "--only", "shop,crm")
        load = self.stalled(dump.dir, "load.before_commit")
        os.kill(int((self.target.dir / "pid").read_text()), 9)
        out, err = load.communicate(timeout=60)
        self.assertEqual(1, load.returncode, out + err)
        error = json.loads(out)["error"]
        self.assertEqual("unreachable", error["class"])
        self.assertRegex(error["message"], r"rows of (shop|crm)\.\w+: ")
        self.assertIn("--resume", error["left"][0])


class Mydumper(LoadTest):
    """Directories of Debian's mydumper, in all its ways of packing."""

    @classmethod
    def setUpClass(cls):
        runlib.need("mydumper", "mydumper")
        cls.server = dumplib.start()
        cls.target = dumplib.start("--log-bin-trust-function-creators=1")
        sql(cls.server, "SET GLOBAL log_bin_trust_function_creators = 1")
        # mydumper puts a blank behind each ';' at the end of a line, in strings too.
        # Version 0.10 writes broken statements for programs of a current MySQL.
        programs = loadlib.PROGRAMS.replace("';\n'", "';'") if dumplib.IS_MARIADB else ""
        sql(cls.server, loadlib.TABLES + programs + "CREATE TABLE `odd.na me` (`x``y` INT); INSERT INTO `odd.na me` VALUES (1), (NULL);")

    def mydumper(self, *options):
        """Once in a hundred times or so, version 0.10 hangs at its end for ever: a queue is gone before its threads are."""
        for _ in range(MYDUMPER_TRIES):
            to = self.folder / f"m{len(os.listdir(self.folder))}"
            command = ["mydumper", "-h", "127.0.0.1", "-P", str(self.server.port), "-u", "root", "-o", str(to),
                       *(["-G", "-E", "-R"] if dumplib.IS_MARIADB else []), "--regex", "^(shop|crm)\\.", *options]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=MYDUMPER_WITHIN_S)
            except subprocess.TimeoutExpired:
                continue
            if not (to / "metadata").exists():
                self.skipTest(f"mydumper does not dump this server: {done.stderr[-200:]}")
            return to
        raise AssertionError("mydumper does not end")

    def test_plain_packed_and_chunked_directories_load(self):
        for options in ((), ("-c",), ("-r", "100"), ("-c", "-s", "2000")):
            with self.subTest(options):
                self.clean()
                doc = self.load(self.mydumper(*options))
                self.assertEqual([], doc["differences"])
                self.assert_same()

    def test_zstd_directories_load(self):
        to = self.mydumper()
        for path in to.glob("*.sql"):
            subprocess.run(["zstd", "-q", "--rm", str(path)], check=True)
        self.load(to)
        self.assert_same()

    def test_what_is_cut_off_is_no_success(self):
        to = self.mydumper("-c")
        path = next(to.glob("shop.orders*.sql.gz"))
        path = next(p for p in to.glob("shop.orders*.sql.gz") if "schema" not in p.name)
        whole = path.read_bytes()
        path.write_bytes(whole[:len(whole) // 2])
        self.assertIn("truncated", self.load(to, status=1)["message"])
        self.clean()
        text = gzip.decompress(whole)
        path.write_bytes(gzip.compress(text[:len(text) // 2]))
        self.assertIn("does not end", self.load(to, status=1)["message"])


class RoundTrip(LoadTest):
    """Random content, as the dump's own test makes it."""

    @classmethod
    def setUpClass(cls):
        from schemas import Maker
        print(f"seed {SEED}", flush=True)
        cls.server = dumplib.start()
        cls.target = dumplib.start("--log-bin-trust-function-creators=1")
        cls.made = Maker(SEED).make()
        cls.schemas = cls.made.schemas
        sql(cls.server, cls.made.script())

    def test_random_content_is_the_same_there(self):
        dump = self.run_dump("d")
        doc = self.load(dump.dir)
        self.assertEqual([], doc["differences"])
        self.assert_same()
        for schema in self.schemas:
            # With a virtual column, MariaDB tells another checksum each time it is asked.
            for (name,) in sql(self.server, "SELECT HEX(table_name) FROM information_schema.columns WHERE table_schema = "
                                            f"X'{schema.encode().hex()}' GROUP BY table_name HAVING SUM(extra LIKE "
                                            "'%VIRTUAL%') = 0"):
                check = f"CHECKSUM TABLE {quote(schema)}.{quote(bytes.fromhex(name).decode())} EXTENDED"
                self.assertEqual(sql(self.server, check)[0][-1], sql(self.target, check)[0][-1], check)


if __name__ == "__main__":
    dumplib.main()
