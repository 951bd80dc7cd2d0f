# SPDX-License-Identifier: Apache-2.0
"""A change with a snapshot before it, probes after it, and the way back: on a real guest.

The walk-through of docs/guides/maintenance.md is run as it stands there. The others: kept, refused, interrupted, without a
binlog, and SIGKILL at each of maintain's own kill points, after which nothing was decided by anybody.
"""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from guide import Guide
import kill_points
from hf import LAB, SOURCE, GuestTest, Latency, is_mysql, lab, main, sql

GUIDE = SOURCE / "docs/guides/maintenance.md"


class MaintainTest(GuestTest):
    def setUp(self):
        super().setUp()
        sql("CREATE DATABASE IF NOT EXISTS shop", user="root")
        sql("DROP TABLE IF EXISTS shop.orders;"
            "CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, total INT) ENGINE=InnoDB;"
            "INSERT INTO shop.orders (total) VALUES (10), (20)", user="root")
        for right in ("SELECT ON shop.*", "REPLICATION SLAVE ON *.*"):
            sql(f"GRANT {right} TO holdfast", user="root")
        self.site.write(probe="sql SELECT MIN(total) > 0 FROM shop.orders", probe_grace="1s")
        self.addCleanup(lambda: sql("DROP DATABASE IF EXISTS shop", user="root"))

    def maintain(self, *command, options=(), **kw):
        return self.site.run("maintain", "db", *options, "--", *command, **kw)

    @staticmethod
    def orders():
        return sql("SELECT total FROM shop.orders ORDER BY id", user="root")

    @staticmethod
    def break_it():
        """A command that breaks what the probe asks for."""
        return [str(LAB), "sql", "-u", "root", "-e", "UPDATE shop.orders SET total = 0"]

    def undecided(self):
        return "\n".join(self.ok(self.site.run("status"))["undecided"])


class Walk(Guide, MaintainTest):
    @unittest.skipIf(is_mysql() if os.environ.get("HOLDFAST_LAB_DIR") else False, "the guide speaks of MariaDB")
    def test_the_guide_does_what_it_says(self):
        sql("REVOKE REPLICATION SLAVE ON *.* FROM holdfast", user="root")
        self.names = {"/var/lib/holdfast": self.site.state}
        with tempfile.TemporaryDirectory(prefix="hf-guide-") as name:
            self.folder = Path(name)
            self.put("ssh", f'#!/bin/sh\nshift\nPATH=${{PATH#*:}} exec "{LAB}" ssh "$@"\n')  # which calls ssh itself
            self.follow(GUIDE, name)
        self.site.write()
        self.assertEqual(self.orders(), ["10", "20"])
        self.assertEqual(sql("SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'shop' "
                             "AND column_name = 'currency'", user="root"), ["1"])
        self.assert_clean()

    def do_ini(self, _, body):
        """The VM is called web01 there."""
        self.site.write(probe=None, probe_grace=None)
        text = self.site.config.read_text().replace("[vm db]", "[vm web01]")
        self.site.config.write_text(text + body)

    def do_sql(self, _, body):
        sql(body, user="root")

    def after(self, attributes, body):
        if "status" in attributes:
            self.assertEqual(self.orders(), ["10", "20"], "the application does not answer as before")


class Maintain(MaintainTest):
    def test_all_well_is_kept_and_nobody_comes_between(self):
        inside = " ".join(f"'{a}'" for a in self.site.command("snapshot", "create", "db"))
        doc = self.ok(self.maintain("sh", "-c", f"echo to the log; {inside} >/dev/null; test $? = 4"))
        self.assertEqual(doc["outcome"], "kept")
        self.assertEqual(doc["command"]["exit_status"], 0)
        self.assertEqual([p["ok"] for p in doc["probes"]], [True])
        self.assertIsNone(doc["rollback"])
        log = Path(doc["command"]["log"])
        self.assertIn("to the log", log.read_text())
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.site.snapshots(), [doc["snapshot"]])
        self.assertEqual(self.undecided(), "")
        self.assertEqual(self.site.journals(), [])

    def test_a_probe_that_fails_before_the_change_refuses_it(self):
        sql("UPDATE shop.orders SET total = 0", user="root")
        r = self.maintain("touch", str(self.site.dir / "ran"))
        self.assertEqual(r.status, 1, r.stdout + r.stderr)
        self.assertIn("MIN(total) > 0 FROM shop.orders: does not pass: the answer is 0", r.error["message"])
        self.assertFalse((self.site.dir / "ran").exists())
        self.assert_clean()
        checks = self.ok(self.site.run("check", "db"))["checks"]
        self.assertIn("warn", [c["status"] for c in checks if c["area"] == "probes"])

    def test_a_program_that_is_nowhere_is_a_usage_error(self):
        self.assertEqual(self.maintain("/no/such/program").status, 2)
        self.assert_clean()

    def test_a_failure_is_kept_and_awaits_a_decision(self):
        """Through a tunnel: probes and saving have one each beside that of the check."""
        self.site.write(db="ssh")
        doc = self.ok(self.maintain(*self.break_it()), status=1)
        self.assertEqual(doc["outcome"], "failed-kept")
        self.assertEqual(self.orders(), ["0", "0"])
        said = self.undecided()
        for command in (f"snapshot rollback db {doc['snapshot']}", f"snapshot delete db {doc['snapshot']}"):
            self.assertIn(f"holdfast {command}", said)
        self.assertEqual(self.site.run("status", "--check", as_json=False).status, 1)
        self.ok(self.site.run("snapshot", "delete", "db", doc["snapshot"]))
        self.assertEqual(self.undecided(), "")

    def test_ctrl_c_ends_the_command_and_is_no_success(self):
        process = self.begin("sh", "-c", "touch begun; exec sleep 60")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn('"failed-kept"', out)
        self.assertIn("interrupted", out)
        self.assertEqual(self.site.journals(), [])

    def test_a_lost_terminal_does_not_end_the_command(self):
        process = self.begin("sh", "-c", "touch begun; sleep 3; echo to the end")
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertIn("to the end", err)

    def test_on_a_terminal_somebody_is_asked(self):
        ours, theirs = os.openpty()
        process = subprocess.Popen(
            self.site.command("maintain", "db", "--on-failure=rollback", "--", "sh", "-c", "echo its words; exit 3",
                              as_json=False), stdin=theirs, stdout=theirs, stderr=theirs, env=self.site.environ())
        os.close(theirs)
        said, answers, deadline = "", ["o\n", "nonsense\n", "k\n"], time.monotonic() + 90
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while time.monotonic() < deadline and select.select([ours], [], [], 60)[0]:
                said += os.read(ours, 65536).decode()
                if answers and said.count("command's output > ") > 3 - len(answers):
                    os.write(ours, answers.pop(0).encode())
        os.close(ours)
        self.assertEqual(process.wait(timeout=60), 1, said)
        self.assertIn("saves what the database took since", said)
        self.assertEqual(said.count("its words"), 2, said)
        self.assertIn("failed-kept", said)

    def begin(self, *command):
        """Until the command has made the file `begun`."""
        begun = self.site.dir / "begun"
        command = [a.replace("touch begun", f"touch {begun}") for a in command]
        process = self.site.start("maintain", "db", "--", *command)
        deadline = time.monotonic() + 60
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertTrue(begun.exists())
        return process

    def test_without_the_right_to_the_binlog_no_rollback_is_promised(self):
        sql("REVOKE REPLICATION SLAVE ON *.* FROM holdfast", user="root")
        r = self.maintain("true", options=["--on-failure=rollback"])
        self.assertEqual(r.status, 1, r.stdout + r.stderr)
        self.assertIn("GRANT REPLICATION SLAVE", r.error["hint"])
        self.assert_clean()

    def test_without_a_binlog_the_disks_of_until_then_stay(self):
        lab("binlog", "off")
        self.addCleanup(lab, "binlog", "on")
        sql("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO holdfast", user="root")
        r = self.maintain(*self.break_it(), options=["--on-failure=rollback"])
        self.assertEqual(r.status, 4, r.stdout + r.stderr)
        self.assertIn("writes no binlog", r.error["message"])
        self.assertEqual(self.orders(), ["10", "20"])
        doc = self.ok(self.maintain(*self.break_it(), options=["--on-failure=rollback", "--discard-writes"]), status=5)
        self.assertEqual(self.orders(), ["10", "20"])
        self.assertIsNone(doc["saved"])
        self.assertFalse(Path(doc["dump"], "INCOMPLETE").exists())
        rows = subprocess.run(["zstdcat", Path(doc["dump"], "shop.orders.00000.sql.zst")], capture_output=True, text=True, check=True)
        self.assertRegex(rows.stdout, r"\(1,.*\b0\b")  # as the command had left it
        self.assertTrue(doc["rollback"]["kept"])
        for path in doc["rollback"]["kept"]:
            self.assertTrue(Path(path).exists(), path)
            Path(path).unlink()
        self.assertTrue(all(p["ok"] for p in doc["probes_after"]))


class Killed(MaintainTest):
    """SIGKILL at each of maintain's own points: nobody decides, and what is to be decided is said."""

    WALK = (
        ("maintain.before_snapshot", False), ("maintain.after_snapshot", False), ("maintain.before_command", True),
        ("maintain.after_command", True), ("maintain.before_save", True), ("maintain.after_save", True),
        ("maintain.before_rollback", True), ("maintain.before_record", True), ("maintain.after_rollback", True),
    )

    def test_every_point(self):
        walked = {p for p, _ in self.WALK}
        self.assertEqual(walked, kill_points.of("guest.maintain"))
        Latency()
        for point, says in self.WALK:
            with self.subTest(point=point):
                sql("UPDATE shop.orders SET total = 10 * id", user="root")
                self.die(point)
                self.look(point, says)
                self.site.delete_all()
                self.assert_clean()

    def die(self, point):
        is_kept = point == "maintain.before_record"
        once = tempfile.mkdtemp(dir=self.site.dir)
        process = self.site.start("maintain", "db", f"--on-failure={'keep' if is_kept else 'rollback'}", "--",
                                  *self.break_it(), env={"HOLDFAST_POINT": f"{point}=kill", "HOLDFAST_POINT_ONCE": once})
        out, err = process.communicate(timeout=180)
        self.assertEqual(process.returncode, -signal.SIGKILL, f"{point}: {out}{err}")

    def look(self, point, says):
        self.assertIsNotNone(Latency.accepts(10), f"{point}: no commit")
        runs = self.recover()
        self.assertEqual([r["outcome"] for r in runs], ["unfinished"], point)
        said = "\n".join(runs[0]["actions"])
        self.assertIn("holdfast snapshot rollback db hf-" if says else "holdfast snapshot list db", said, point)
        is_back = point == "maintain.after_rollback"
        has_run = says and not is_back and point != "maintain.before_command"
        self.assertEqual(self.orders(), ["0", "0"] if has_run else ["10", "20"], point)
        self.assertEqual("rollback db" in self.undecided(), says and not is_back, point)
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [], f"{point}: recover twice")
        self.assertEqual(len(self.site.snapshots()), 0 if point == "maintain.before_snapshot" else 1, point)

    def recover(self):
        for _ in range(120):
            runs = self.ok(self.site.run("recover"))["runs"]
            if not any(r["outcome"] == "alive" for r in runs):
                return runs
            time.sleep(0.25)
        return self.fail("the run stays alive")

    def test_the_command_outlives_us_and_keeps_the_vm(self):
        begun, ended = self.site.dir / "begun", self.site.dir / "ended"
        process = self.site.start("maintain", "db", "--", "sh", "-c", f"touch {begun}; sleep 4; touch {ended}")
        while not begun.exists():
            self.assertIsNone(process.poll())
            time.sleep(0.05)
        process.kill()
        process.wait()
        r = self.site.run("snapshot", "create", "db")
        self.assertFalse(ended.exists(), "too late to tell")
        self.assertEqual(r.status, 4, r.stdout + r.stderr)
        self.recover()
        self.assertTrue(ended.exists())
        with contextlib.suppress(OSError):
            process.communicate(timeout=10)


if __name__ == "__main__":
    main()
