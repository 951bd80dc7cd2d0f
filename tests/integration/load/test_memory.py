#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The most memory that a dump and a load take: 128 MB, and four times the largest row per worker."""

import os
import subprocess

import loadlib  # noqa: I001  it says where the others are
import dumplib
import runlib
from dumplib import sql
from loadlib import LoadTest

MB = 1 << 20
THREADS = 2
ROW = 16 * MB


class Memory(LoadTest):
    @classmethod
    def setUpClass(cls):
        if runlib.SANITIZED:
            runlib.missing("plain-build", "a sanitizer takes memory of its own")
        cls.server = dumplib.start()
        cls.target = dumplib.start()
        # Bytes that zstd cannot shorten and that have to be escaped; and many rows of no size.
        sql(cls.server, f"""CREATE DATABASE wide; CREATE TABLE wide.w (id INT PRIMARY KEY, b LONGBLOB);
            INSERT INTO wide.w SELECT n, REPEAT(UNHEX(SHA2(n, 512)), {ROW // 64}) FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3
            UNION SELECT 4) AS q;
            CREATE DATABASE slim; CREATE TABLE slim.s (id INT PRIMARY KEY, h CHAR(64), KEY h (h));
            INSERT INTO slim.s WITH RECURSIVE q (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM q WHERE n < 399)
              SELECT a.n * 400 + b.n, SHA2(a.n * 400 + b.n, 256) FROM q a, q b""")

    def peak(self, command):
        """Bytes of resident memory at the most."""
        out = (self.folder / "out.txt").open("w+")
        self.addCleanup(out.close)
        process = subprocess.Popen(command, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        self.assertEqual(0, process.returncode, out.read())
        return usage.ru_maxrss * 1024

    def measure(self, schema, limit):
        options = ["--threads", str(THREADS)]
        dump = self.peak([*self.command(schema, "--only", schema, *options)])
        by_data = self.peak(self.load_command(self.folder / schema, *options))
        self.clean()
        sql(self.target, "SET GLOBAL local_infile = 1 - @@GLOBAL.local_infile")
        by_other = self.peak(self.load_command(self.folder / schema, *options))
        print(f"{schema}: dump {dump / MB:.0f} MB, load {by_data / MB:.0f} and {by_other / MB:.0f} MB (with and without LOAD DATA), "
              f"limit {limit / MB:.0f} MB", flush=True)
        for took in (dump, by_data, by_other):
            self.assertLess(took, limit)

    def test_rows_of_16_mb(self):
        self.measure("wide", 128 * MB + THREADS * 4 * ROW)

    def test_many_small_rows(self):
        self.measure("slim", 128 * MB)


if __name__ == "__main__":
    dumplib.main()
