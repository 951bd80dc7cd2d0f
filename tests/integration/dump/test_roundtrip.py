#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random content out of one server and into an empty one: nothing is different there.

HOLDFAST_SEED chooses the content (runlib.seed).
"""

import subprocess

import dumplib
import runlib
from dumplib import DumpTest, own_dump, quote, sql
from schemas import Maker

SEED = runlib.seed()


class RoundTrip(DumpTest):
    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}", flush=True)
        cls.server = dumplib.start()
        cls.made = Maker(SEED).make()
        sql(cls.server, cls.made.script())
        cls.says = own_dump(cls.server, cls.made.schemas)

    def setUp(self):
        super().setUp()
        self.target = None

    def empty_server(self):
        self.target = dumplib.start()
        self.addCleanup(self.target.stop)
        return self.target

    def checksum_tables(self, server):
        """Without tables that have a VIRTUAL column: MariaDB's CHECKSUM of such a one changes by FLUSH TABLES alone (seen
        with 10.11.19)."""
        out = {}
        for schema in self.made.schemas:
            found = sql(server, "SELECT HEX(table_name) FROM information_schema.tables WHERE table_schema = "
                                f"X'{schema.encode().hex()}' AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND "
                                "table_name NOT IN (SELECT table_name FROM information_schema.columns WHERE extra LIKE "
                                "'VIRTUAL%')")
            for (name,) in found:
                name = bytes.fromhex(name).decode()
                out[schema, name] = sql(server, f"CHECKSUM TABLE {quote(schema)}.{quote(name)} EXTENDED")[0][-1]
        return out

    def assert_same_rows(self, dump, again):
        """Names the row; a checksum alone would not."""
        one, two = dump.tables(), again.tables()
        self.assertEqual(set(one), set(two))
        for key in one:
            if (one[key]["rows"], one[key]["checksum"]) != (two[key]["rows"], two[key]["checksum"]):
                self.assert_same_text(dump.text_of(key), again.text_of(key))
        self.assertEqual(again.checksums(), dump.checksums())

    def accounts(self, dump):
        """MariaDB shows a PROXY right of another host's root or not, depending on when rights were last loaded."""
        text = (dump.dir / "holdfast-users.sql.txt").read_text()
        return "\n".join(line for line in text.splitlines() if not line.startswith("GRANT PROXY"))

    def assert_same_server(self, dump):
        again = self.run_dump("again", server=self.target)
        self.assert_same_rows(dump, again)
        self.assert_same_text(self.accounts(dump), self.accounts(again))
        self.assert_same_text(self.says, own_dump(self.target, self.made.schemas))
        self.assertEqual(self.checksum_tables(self.server), self.checksum_tables(self.target))

    def test_the_plain_client_makes_the_same_server_of_it(self):
        dump = self.run_dump("one", "--threads", "3")
        self.assert_files_are_as_told(dump)
        dump.load_by_client(self.empty_server())
        self.assert_same_server(dump)

    def test_gzip_and_no_compression_hold_the_same(self):
        one, two = self.run_dump("gz", "--compression", "gzip"), self.run_dump("plain", "--compression", "none")
        self.assertEqual(one.checksums(), two.checksums())
        self.assert_files_are_as_told(one)
        self.assert_files_are_as_told(two)

    def assert_files_are_as_told(self, dump):
        """Nothing but what the manifest names, each with its digest; checksums can be had from the files alone."""
        named = {path.name: path for _, path in dump.files()}
        self.assertEqual({p.name for p in dump.dir.iterdir()}, {*named, "holdfast.json", "metadata"})
        entries = [f for s in dump.manifest["schemas"] for f in (s["create"], s["post"])]
        entries += [f for t in dump.tables().values() for f in (t["schema"], t["view"], t["triggers"], *t["files"])]
        for f in filter(None, entries):
            path = dump.dir / f["name"]
            self.assertEqual(path.stat().st_size, f["stored_bytes"])
            reader = {".zst": "zstdcat", ".gz": "zcat"}.get(path.suffix, "cat")
            text = subprocess.run([reader, path], check=True, capture_output=True).stdout
            self.assertEqual(len(text), f["bytes"])
            self.assertEqual(subprocess.run(["sha256sum"], input=text, capture_output=True, check=True).stdout[:64].decode(),
                             f["sha256"])
            if "rows" in f:
                rows = [line for line in text.split(b"\n") if line.startswith(b"(")]
                self.assertEqual(len(rows), f["rows"], f["name"])

    def test_names_stay_inside_the_directory(self):
        dump = self.run_dump("names")
        for path in dump.dir.iterdir():
            self.assertRegex(path.name, r"\A[A-Za-z0-9_.-]+\Z")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir() if p.name not in ("state",)),
                         sorted(["names", f"{self.server.port}.conf"]))

    def test_myloader_loads_rows_and_tables(self):
        """Debian's, of version 0.10: no zstd, no sequences, no names with dots, and no DELIMITER."""
        program = runlib.program("myloader")
        if not program:
            runlib.missing("mydumper", "myloader not found")
        schema = "ml"
        sql(self.server, "CREATE DATABASE IF NOT EXISTS ml; CREATE TABLE IF NOT EXISTS ml.a (id INT PRIMARY KEY, b BLOB, "
                         "j JSON, f FLOAT); REPLACE INTO ml.a VALUES (1, X'00ff5c270a', '[1]', 1.1), (2, NULL, NULL, NULL); "
                         "CREATE TABLE IF NOT EXISTS ml.b (id INT) ENGINE = MyISAM; "
                         "CREATE OR REPLACE VIEW ml.v AS SELECT * FROM ml.a")
        self.addCleanup(sql, self.server, "DROP DATABASE ml")
        dump = self.run_dump("ml", "--only", schema, "--compression", "gzip")
        target = self.empty_server()
        options = ["-h", "127.0.0.1", "-P", str(target.port), "-u", "root", "-d", str(dump.dir), "-t", "2", "-o"]
        done = subprocess.run([program, *options], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("CRITICAL", done.stderr)
        again = self.run_dump("again", "--only", schema, server=target)
        self.assertEqual(again.checksums(), dump.checksums())
        self.assert_same_text(own_dump(self.server, [schema]), own_dump(target, [schema]))


if __name__ == "__main__":
    dumplib.main()
