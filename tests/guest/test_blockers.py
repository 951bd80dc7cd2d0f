# SPDX-License-Identifier: Apache-2.0
"""Somebody is in the way of the lock: writers wait at most stall-budget + 200 ms per attempt, and the message
names who blocks."""

import subprocess
import threading
import time

from hf import Blocker, GuestTest, Latency, main, sql

BUDGET_MS = 500
SLACK_MS = 200


class Pulse(threading.Thread):
    """Commits as fast as it can on one connection; remembers the longest wait."""

    def __init__(self, env):
        super().__init__(daemon=True)
        self.command = ["mariadb", f"--defaults-file={env['WRITER_CNF']}", "-N", "-n", "--unbuffered", "hf_test"]
        self.longest_ms = 0.0
        self.commits = 0
        self.halt = threading.Event()

    def run(self):
        p = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        while not self.halt.is_set():
            begin = time.monotonic()
            p.stdin.write("INSERT INTO pulse VALUES (); SELECT 1;\n")
            p.stdin.flush()
            if not p.stdout.readline():
                break
            self.longest_ms = max(self.longest_ms, (time.monotonic() - begin) * 1000)
            self.commits += 1
        p.stdin.close()
        p.wait()

    def stop(self):
        self.halt.set()
        self.join(30)


class Blockers(GuestTest):
    keys = {"stall_budget": f"{BUDGET_MS}ms", "quiesce_timeout": "4s"}

    def setUp(self):
        super().setUp()
        Latency()
        sql("CREATE TABLE IF NOT EXISTS hf_test.blocked (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB;"
            "CREATE TABLE IF NOT EXISTS hf_test.blocked_m (id INT PRIMARY KEY, t TEXT) ENGINE=MyISAM;"
            "INSERT IGNORE INTO hf_test.blocked VALUES (1, 'x'); INSERT IGNORE INTO hf_test.blocked_m VALUES (1, 'x')")
        self.pulse = Pulse(self.site.lab)
        self.pulse.start()
        self.blocker = None

    def tidy(self):
        if self.blocker:
            self.blocker.stop()
        self.pulse.stop()
        super().tidy()
        sql("DROP TABLE IF EXISTS hf_test.blocked_m")

    def idle_ms(self):
        """The longest commit without any run: noise of the machine, to be granted."""
        time.sleep(2)
        noise, self.pulse.longest_ms = self.pulse.longest_ms, 0.0
        return noise

    def attempt(self, statements, wait_s=1.0):
        noise = self.idle_ms()
        self.blocker = Blocker(statements)
        time.sleep(wait_s)
        self.pulse.longest_ms = 0.0
        result = self.site.run("snapshot", "create", "db")
        print(f"longest commit {self.pulse.longest_ms:.0f} ms (idle {noise:.0f} ms), status {result.status}")
        self.assertGreater(self.pulse.commits, 0)
        self.assertLess(self.pulse.longest_ms, BUDGET_MS + SLACK_MS + noise)
        return result

    def given_up(self, result, *names):
        self.assertEqual(result.status, 1, result.stdout + result.stderr)
        self.assertEqual(result.error["class"], "timeout")
        for name in names:
            self.assertIn(name, result.error["message"] + result.error["hint"])
        self.assert_clean()

    def test_long_select_does_not_stop_the_snapshot(self):
        result = self.attempt("SELECT SLEEP(60), t FROM blocked;")
        self.assertEqual(self.ok(result)["grade"], "B")

    def test_idle_transaction_does_not_stop_the_snapshot(self):
        result = self.attempt("START TRANSACTION; UPDATE blocked SET t = 'y'; SELECT * FROM blocked FOR UPDATE;")
        self.assertEqual(self.ok(result)["grade"], "B")

    def test_running_alter(self):
        sql("CREATE TABLE IF NOT EXISTS hf_test.big AS SELECT seq AS id, REPEAT('x', 200) AS t FROM hf_test.seq_1_to_200000")
        self.addCleanup(sql, "DROP TABLE IF EXISTS hf_test.big")
        result = self.attempt("ALTER TABLE big FORCE, ALGORITHM=COPY;", wait_s=0.3)
        if result.status == 0:
            self.assertEqual(result.json["grade"], "B")
        else:
            self.given_up(result, "ALTER TABLE")

    def test_lock_tables_write_is_named(self):
        result = self.attempt("LOCK TABLES blocked WRITE;")
        self.given_up(result, "writer")

    def test_running_write_on_myisam_is_named(self):
        result = self.attempt("UPDATE blocked_m SET t = SLEEP(60);")
        self.given_up(result, "UPDATE blocked_m")


if __name__ == "__main__":
    main()
