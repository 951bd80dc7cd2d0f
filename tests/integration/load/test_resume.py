#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A load that is killed anywhere and resumed brings everything once; many small tables cost no more each."""

import os
import signal
import subprocess
import time

import loadlib  # noqa: I001  it says where the others are
import dumplib
import kill_points
from dumplib import own_dump, sql
from loadlib import LoadTest

# Each is died at; load.before_drop has a test of its own.
POINTS = ("load.before_progress", "load.before_table", "load.before_commit", "load.after_commit", "load.before_keys",
          "load.before_foreign_keys", "load.before_objects", "load.before_end")
# Two tables whose keys come behind the rows (more than a MiB stored), one of them without transactions.
BIG = """
CREATE TABLE shop.big (id INT PRIMARY KEY, h CHAR(64), n INT, KEY h (h), KEY n (n));
CREATE TABLE shop.bigplain (id INT PRIMARY KEY, h CHAR(64)) ENGINE = MyISAM;
INSERT INTO shop.big WITH RECURSIVE q (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM q WHERE n < 899)
  SELECT a.n * 900 + b.n, SHA2(a.n * 900 + b.n, 256), b.n FROM q a, q b WHERE a.n < 60;
INSERT INTO shop.bigplain SELECT id, h FROM shop.big WHERE id < 9000;
"""


class Resume(LoadTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        sql(cls.server, BIG)

    def kill_and_resume(self, point, *options, infile=1):
        sql(self.target, f"SET GLOBAL local_infile = {infile}")
        env = {"HOLDFAST_POINT": f"{point}=kill"}
        done = subprocess.run(self.load_command(self.dump.dir, *options), capture_output=True, text=True,
                              env={**os.environ, **env})
        self.assertEqual(-signal.SIGKILL, done.returncode, point + done.stderr)
        self.assert_no_session_left(self.target)
        doc = self.load(self.dump.dir, "--resume")
        self.assertEqual([], doc["differences"])
        self.assert_same()

    def test_killed_at_every_point_and_resumed_nothing_is_there_twice(self):
        self.dump = self.run_dump("d", "--only", "shop,crm")
        for point in dumplib.sampled(POINTS):
            with self.subTest(point):
                self.clean()
                self.kill_and_resume(point)

    def test_every_point_of_the_source_is_visited(self):
        self.assertEqual(kill_points.of("integration.load.resume"), {*POINTS, "load.before_drop"})

    def test_killed_while_dropping_it_begins_anew(self):
        self.dump = self.run_dump("d", "--only", "shop,crm")
        self.load(self.dump.dir)
        sql(self.target, "INSERT INTO shop.audit VALUES ('old')")
        done = subprocess.run(self.load_command(self.dump.dir, "--replace"), capture_output=True,
                              env={**os.environ, "HOLDFAST_POINT": "load.before_drop=kill"})
        self.assertEqual(-signal.SIGKILL, done.returncode)
        self.load(self.dump.dir, "--resume", "--replace")
        self.assert_same()

    def test_killed_at_any_moment_and_resumed_until_it_is_done(self):
        self.dump = self.run_dump("d", "--only", "shop,crm")
        status, kills = None, 0
        while status != 0 and kills < 30:
            load = subprocess.Popen(self.load_command(self.dump.dir, "--resume"), stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE)
            time.sleep(0.1 + 0.15 * kills)
            load.kill()
            status = load.wait()
            text = load.stderr.read().decode()
            load.stderr.close()
            kills += 1
            if kills > 1 and "no load is interrupted here: the one to be resumed had ended" in text:
                status = 0    # killed behind its last act: all has to be in
            self.assertIn(status, (0, -signal.SIGKILL), text)
        self.assertEqual(0, status)
        self.assertGreater(kills, 1)
        self.assert_same()

    def test_a_file_that_a_dying_load_commits_while_it_is_resumed_is_there_once(self):
        self.dump = self.run_dump("d", "--only", "shop,crm")
        dying = self.stalled(self.dump.dir, "load.before_commit", 3000, "load.after_commit=kill")
        doc = self.load(self.dump.dir, "--resume")
        self.assertEqual(-signal.SIGKILL, dying.wait(20))
        self.assertEqual([], doc["differences"])
        self.assert_same()

    def test_without_resume_an_interrupted_load_is_named(self):
        self.dump = self.run_dump("d", "--only", "shop,crm")
        subprocess.run(self.load_command(self.dump.dir), capture_output=True,
                       env={**os.environ, "HOLDFAST_POINT": "load.before_objects=kill"})
        error = self.load(self.dump.dir, status=1)
        self.assertIn("interrupted", error["message"])
        self.assertIn("--resume", error["hint"])
        other = self.run_dump("other", "--only", "crm")
        self.assertIn("another dump", self.load(other.dir, "--resume", status=1)["message"])
        self.load(self.dump.dir, "--replace")
        error = self.load(self.dump.dir, "--resume", status=1)
        self.assertIn("no load is interrupted here: the one to be resumed had ended, or had not begun; ", error["message"])
        self.assertIn("is whole", error["hint"])
        self.assert_same()

    def test_stopped_by_a_signal_it_goes_on_later(self):
        self.dump = self.run_dump("d", "--only", "shop,crm")
        load = subprocess.Popen(self.load_command(self.dump.dir), stderr=subprocess.PIPE,
                                env={**os.environ, "HOLDFAST_POINT": "load.before_commit=stall:700"})
        time.sleep(0.5)
        load.send_signal(signal.SIGTERM)
        _, text = load.communicate(timeout=60)
        self.assertEqual(1, load.returncode, text)
        self.assertIn(b"--resume", text)
        self.load(self.dump.dir, "--resume")
        self.assert_same()


class Many(LoadTest):
    """2,000 against 4,000 small tables, or, where samples do (HOLDFAST_SAMPLE), some hundred."""

    FEW = 2000 if int(os.environ.get("HOLDFAST_SAMPLE", "0")) == 0 else 200 if dumplib.IS_MARIADB else 100

    @classmethod
    def setUpClass(cls):
        cls.server = dumplib.start("--table-open-cache=400")
        cls.target = dumplib.start("--table-open-cache=400")
        for schema, n in (("two", cls.FEW), ("four", 2 * cls.FEW)):
            text = "".join(f"CREATE TABLE t{i} (id INT PRIMARY KEY, x VARCHAR(10), KEY (x));INSERT INTO t{i} VALUES (1, 'a'), "
                           "(2, 'b');" for i in range(n))
            sql(cls.server, f"CREATE DATABASE {schema}; USE {schema}; SET sql_log_bin = 0; {text}")

    def test_twice_as_many_tables_take_twice_as_long(self):
        dumps = {schema: self.run_dump(schema, "--only", schema) for schema in ("two", "four")}
        took = {}
        # Others may be at work on this machine: the best of some rounds counts.
        for _ in range(8):
            self.clean()
            for schema, dump in dumps.items():
                doc = self.load(dump.dir)
                self.assertEqual([], doc["differences"])
                took[schema] = min(doc["duration_ms"], took.get(schema, doc["duration_ms"]))
            if took["four"] <= 2.4 * took["two"]:
                break
        print(f"{took} ms, ratio {took['four'] / took['two']:.2f}", flush=True)
        self.assertLess(took["four"], 3 * took["two"])
        self.schemas = ["two", "four"]
        self.assertEqual(own_dump(self.server, self.schemas), own_dump(self.target, self.schemas))


if __name__ == "__main__":
    dumplib.main()
