# SPDX-License-Identifier: Apache-2.0
"""status and status --check of what policies owe: what holdfastd wrote down, what it could not, and clocks that jump."""

import contextlib
import datetime
import fcntl
import os
import sqlite3
import subprocess
import time

import runlib
from storeslib import StoresTest

runlib.need("qemu-nbd", "qemu-nbd")

HOUR, DAY = 3600, 86400
OK, WARNING, CRITICAL = 0, 1, 2
COLUMNS = {"served_s": 0, "attempts": 0, "began_us": 0, "ended_us": 0, "pid": 0, "pid_start": 0, "outcome": None, "run_id": None,
           "error": None, "message": None, "success_us": 0, "grade": None, "stall_ms": -1, "duration_ms": 0, "bytes": 0,
           "is_protected": 0, "datastores": None}


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def us(seconds):
    return int(seconds * 1000000)


class StatusTest(StoresTest):
    """Policy nightly, at 02:00 UTC, and what its holdfastd wrote."""

    def setUp(self):
        super().setUp()
        self.site.policies["nightly"] = {"vms": "web", "schedule": "0 2 * * *", "timezone": "UTC"}
        self.site.write()
        self.ok(self.site.run("status"))  # makes the catalog
        self.daemon = self.play_daemon()
        self.now = time.time()
        self.last = self.now // DAY * DAY + 2 * HOUR  # when it was last due
        if self.last > self.now:
            self.last -= DAY

    def play_daemon(self):
        """One lives for as long as the file is open."""
        (self.site.state / "locks").mkdir(mode=0o700, exist_ok=True)
        lock = (self.site.state / "locks/holdfastd.lock").open("a")
        self.addCleanup(lock.close)
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def sql(self, statement, values=()):
        with contextlib.closing(sqlite3.connect(self.site.state / "catalog.sqlite")) as db, db:
            db.execute(statement, values)

    def owe(self, policy="nightly", vm="web", kind="run", **fields):
        row = {"policy": policy, "vm": vm, "kind": kind, **COLUMNS, **fields}
        names = ", ".join(row)
        self.sql(f"INSERT OR REPLACE INTO duties ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))

    def former(self):
        """There was a success, two days ago."""
        return {"success_us": us(self.last - 2 * DAY), "grade": "B"}

    def tried(self, outcome, due=None, **fields):
        """The run for `due` (the last one) began with it and took a minute."""
        due = self.last if due is None else due
        ended = us(due + 60)
        good = {"success_us": ended, "grade": "B", "stall_ms": 41.25, "duration_ms": 60000, "is_protected": 1}
        self.owe(**{"served_s": int(due), "attempts": 1, "began_us": us(due), "ended_us": ended, "outcome": outcome,
                    **(good if outcome == "done" else {}), **fields})

    def raise_alarm(self, kind, text, policy="nightly", vm="web"):
        self.sql("INSERT INTO alarms VALUES (?, ?, ?, ?, ?)", (kind, policy, vm, us(self.last), text))

    def row(self, kind="run", policy="nightly", **env):
        rows = self.ok(self.site.run("status", **env))["policies"]
        found, = [r for r in rows if (r["policy"], r["kind"]) == (policy, kind)]
        return found

    def later(self, at):
        """The environment of a program that runs at another time."""
        runlib.need_later()
        return runlib.later(self.site.dir / "later", int(at - time.time()))

    def expect(self, level, state, piece="", kind="run", **env):
        """The same in JSON, in text and for monitoring."""
        row = self.row(kind, **env)
        self.assertEqual((row["level"], row["state"]), (("ok", "warning", "critical")[level], state), str(row))
        self.assertIn(piece, row["message"] or "")
        text = self.site.run("status", as_json=False, **env).stdout
        if row["message"]:
            name = "nightly web" + (" drill" if kind == "drill" else "")
            self.assertIn(f"{row['level'].upper()}: {name}: {row['message']}\n", text)
        check = self.site.run("status", "--check", as_json=False, **env)
        self.assertEqual(check.status, level, str(check))
        self.assertRegex(check.stdout, r"^HOLDFAST (OK|WARNING|CRITICAL) - [^|\n]*\| vms=1 duties=\d+ [^|\n]*\n$")
        if row["message"]:
            self.assertIn(f" - nightly web{' drill' if kind == 'drill' else ''}: {row['message'].replace('|', ' ')}; ", check.stdout)
        return row


class Runs(StatusTest):
    def test_without_policies_there_is_nothing_of_them(self):
        self.site.policies.clear()
        self.site.write()
        doc = self.ok(self.site.run("status"))
        self.assertEqual((doc["policies"], doc["alarms"]), ([], []))
        self.assertNotIn("POLICY", self.site.run("status", as_json=False).stdout)
        check = self.site.run("status", "--check", as_json=False)
        self.assertEqual(check.status, WARNING)  # nobody has ever backed it up
        self.assertIn(", nothing to go back to on 1, ", check.stdout)
        self.ok(self.site.run("backup", "web"))
        check = self.site.run("status", "--check", as_json=False)
        self.assertEqual(check.status, OK, str(check))
        self.assertIn(", nothing to go back to on 0, ", check.stdout)

    def test_a_policy_that_nobody_follows_says_that_no_holdfastd_ran(self):
        row = self.expect(CRITICAL, "unfollowed", "no holdfastd has run here")
        self.assertEqual((row["followed"], row["last_due_at"], row["success_at"]), (False, None, None))
        self.owe(vm="another", served_s=int(self.now))
        self.expect(WARNING, "unfollowed", "has not read this configuration")

    def test_one_that_was_just_followed_waits(self):
        self.ok(self.site.run("backup", "web"))
        self.owe(served_s=int(time.time()))
        row = self.expect(OK, "waiting")
        self.assertLess(time.time() - 60, when(row["next_start_at"]))

    def test_a_catalog_that_was_lost_is_not_well_though_nothing_is_due_yet(self):
        self.ok(self.site.run("backup", "web", "--policy", "nightly"))
        self.tried("done")
        self.expect(OK, "done")
        for file in self.site.state.glob("catalog.sqlite*"):
            file.unlink()
        self.ok(self.site.run("status"))
        self.owe(served_s=int(time.time()))  # as holdfastd finds it
        self.assertEqual(self.row()["state"], "waiting")
        check = self.site.run("status", "--check", as_json=False)
        self.assertEqual(check.status, WARNING)
        self.assertIn(", nothing to go back to on 1, ", check.stdout)

    def test_one_that_was_done_is_well(self):
        self.tried("done")
        row = self.expect(OK, "done")
        self.assertEqual((row["grade"], row["stall_ms"], row["protected"], row["by_holdfastd"]), ("B", 41.25, True, True))
        self.assertEqual(when(row["next_due_at"]), self.last + DAY)
        self.assertRegex(self.site.run("status", as_json=False).stdout, r"nightly +web +run +done .* B +41\.250 +yes ")

    def test_a_failed_run_is_critical_with_its_reason_until_one_succeeds(self):
        self.tried("failed", error="unreachable", message="hypervisor here: it is | away")
        row = self.expect(CRITICAL, "failed", "hypervisor here: it is | away")
        self.assertEqual((row["error"], row["error_message"]), ("unreachable", "hypervisor here: it is | away"))
        self.assertIn("tried again", row["message"])
        self.expect(CRITICAL, "failed", "should have been tried again", **self.later(self.last + 3 * HOUR))
        self.raise_alarm("failed", "it is away")
        self.assertIn("alarm: nightly web: failed since", self.site.run("status", as_json=False).stdout)
        # By hand, as the administrator does it then: the policy's, and no other run, makes it good.
        self.ok(self.site.run("backup", "web"))
        self.expect(CRITICAL, "failed")
        done = self.ok(self.site.run("backup", "web", "--policy", "nightly"))
        row = self.expect(OK, "done")
        self.assertEqual((row["run"], row["by_holdfastd"], row["grade"]), (done["run"], False, "B"))

    def test_a_degraded_run_is_a_warning(self):
        self.tried("degraded", message="store other: no route")
        self.expect(WARNING, "degraded", "store other: no route")

    def test_a_run_by_hand_that_fails_counts_as_well(self):
        self.tried("done")
        self.site.run("backup", "web", "--policy", "nightly", DIR_FAIL="capture_begin")
        self.expect(CRITICAL, "failed", "capture_begin")

    def test_a_missed_run_is_overdue_an_hour_after_it_was_due(self):
        self.owe(served_s=int(self.last - HOUR), **self.former())
        late = self.now - self.last
        if late > HOUR + 60:
            row = self.expect(CRITICAL, "overdue", "does holdfastd run?")
            self.assertTrue(row["overdue"])
        env = self.later(self.last + HOUR - 120)
        self.expect(OK, "waiting", **env)
        env = self.later(self.last + HOUR + 120)
        self.expect(CRITICAL, "overdue", **env)

    def test_twice_the_retry_is_waited_for_when_that_is_longer(self):
        self.site.policies["nightly"]["retry"] = "2h"
        self.site.write()
        self.owe(served_s=int(self.last - HOUR), **self.former())
        env = self.later(self.last + 4 * HOUR - 120)
        self.expect(OK, "waiting", **env)
        env = self.later(self.last + 4 * HOUR + 120)
        self.expect(CRITICAL, "overdue", **env)

    def test_a_holdfastd_that_has_died_is_noticed_before_anything_is_due(self):
        said = "holdfastd does not run"
        self.tried("done")
        self.assertIs(self.ok(self.site.run("status"))["holdfastd_runs"], True)
        self.expect(OK, "done")
        self.daemon.close()
        self.assertIs(self.ok(self.site.run("status"))["holdfastd_runs"], False)
        self.assertIn(f"WARNING: {said}: nothing begins by itself\n", self.site.run("status", as_json=False).stdout)
        check = self.site.run("status", "--check", as_json=False)
        self.assertEqual((check.status, check.stdout.startswith(f"HOLDFAST WARNING - {said}; ")), (WARNING, True), check.stdout)
        self.site.policies.clear()
        self.site.write()
        self.assertIs(self.ok(self.site.run("status"))["holdfastd_runs"], None)

    def test_a_holdfastd_that_is_dead_for_a_day_is_noticed(self):
        self.tried("done")
        env = self.later(self.last + 2 * DAY + 2 * HOUR)
        row = self.expect(CRITICAL, "overdue", "more than once", **env)
        self.assertTrue(row["has_missed"])
        self.assertEqual(when(row["success_at"]), self.last + 60)

    def test_a_clock_that_was_ahead_and_came_back_doubles_nothing_and_is_said(self):
        self.tried("done")
        env = self.later(self.last + 365 * DAY + 2 * HOUR)
        self.expect(CRITICAL, "overdue", **env)
        self.tried("done", due=self.last + 365 * DAY)
        row = self.expect(WARNING, "ahead", "the clock was wrong")
        self.assertEqual(when(row["next_due_at"]), self.last + DAY)
        self.tried("done", due=self.last + DAY)
        row = self.expect(WARNING, "ahead", "the clock was ahead")
        self.assertEqual(when(row["next_due_at"]), self.last + 2 * DAY)

    def test_a_vm_that_is_no_longer_configured_is_owed_nothing(self):
        self.tried("done")
        self.tried("failed", vm="gone", message="no such VM")
        self.raise_alarm("missed", "it was missed", vm="gone")
        self.expect(OK, "done")
        self.assertIn("gone: missed since", self.site.run("status", as_json=False).stdout)
        self.assertIn("(no longer configured)", self.site.run("status", as_json=False).stdout)

    def test_a_vm_that_fell_out_of_all_policies_is_not_well_unless_it_is_left_out_by_name(self):
        self.tried("done")
        self.ok(self.site.run("backup", "web"))
        for vms, level in (("web", OK), ("other*", WARNING), ("*, !web", OK)):
            with self.subTest(vms=vms):
                self.site.policies["nightly"]["vms"] = vms
                self.site.write()
                check = self.site.run("status", "--check", as_json=False)
                self.assertEqual(check.status, level, str(check))
                forgotten = self.ok(self.site.run("status"))["forgotten"]
                self.assertEqual(forgotten, ["web"] if level else [])
                text = self.site.run("status", as_json=False).stdout
                self.assertEqual("WARNING: web: no policy selects it any more" in text, bool(level))

    def test_alarms_of_holdfastd_itself_are_warnings(self):
        self.tried("done")
        self.raise_alarm("daemon", "the configuration cannot be read", "", "")
        check = self.site.run("status", "--check", as_json=False)
        self.assertEqual(check.status, WARNING)
        self.assertIn("WARNING - holdfastd: the configuration cannot be read; ", check.stdout)
        self.assertIn("alarms=1", check.stdout)

    def test_busy_for_long_is_a_warning_and_critical_once_the_next_was_due(self):
        self.tried("busy", due=self.last, **self.former())
        env = self.later(self.last + 30 * 60)
        self.expect(OK, "busy", **env)
        env = self.later(self.last + 3 * HOUR)
        self.expect(WARNING, "busy", "busy for long", **env)
        env = self.later(self.last + DAY + 3 * HOUR)
        self.expect(CRITICAL, "overdue", **env)


class Policies(StatusTest):
    """The last results beside the next runs."""

    def shown(self):
        return self.site.run("policies", as_json=False).stdout

    def last_of_web(self):
        vm, = self.ok(self.site.run("policies"))["policies"][0]["vms"]
        return vm["last"]

    def test_how_the_last_run_went_stands_beside_the_next(self):
        self.assertIn("  last   web never followed: no holdfastd has run here", self.shown())
        self.tried("done")
        day = datetime.datetime.fromtimestamp(self.last, datetime.UTC)
        self.assertIn(f"  last   web done {day:%Y-%m-%d} 02:01\n  next   ", self.shown())
        self.assertEqual((self.last_of_web()["state"], self.last_of_web()["message"]), ("done", None))
        self.tried("failed", message="no route to host")
        self.assertRegex(self.shown(), r"  last   web failed .*\n? *.*no route to host")
        self.assertIn("no route to host", self.last_of_web()["message"])

    def test_without_a_catalog_or_with_one_that_cannot_be_read_the_rest_is_shown(self):
        catalog = self.site.state / "catalog.sqlite"
        catalog.write_bytes(b"not a database, and longer than its header " * 40)
        self.assertIn("nightly: 0 2 * * *", self.shown())
        self.assertIn("notice: how the last runs went is not known:", self.shown())
        for file in self.site.state.glob("catalog.sqlite*"):
            file.unlink()
        self.assertNotIn("last", self.shown())
        self.assertIsNone(self.last_of_web())
        self.assertFalse(catalog.exists())


class Attempts(StatusTest):
    def child(self, name="holdfast"):
        """One of this name that waits, and when it began."""
        script = self.site.dir / name
        script.write_text("#!/bin/sh\nread -r _\n")
        script.chmod(0o755)
        p = subprocess.Popen([script], stdin=subprocess.PIPE)
        self.addCleanup(p.stdin.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
            return p, int(f.read().rpartition(")")[2].split()[19])

    def test_one_that_is_going_on_is_running_and_no_longer_when_its_process_is_gone(self):
        p, start = self.child()
        self.owe(served_s=int(self.last), attempts=1, began_us=us(self.now - 60), pid=p.pid, pid_start=start, **self.former())
        self.assertTrue(self.expect(OK, "waiting")["running"])
        self.assertRegex(self.site.run("status", as_json=False).stdout, r"nightly +web +run +running ")
        p.kill()
        p.wait()
        self.assertFalse(self.expect(CRITICAL, "interrupted", "nobody wrote down how it ended")["running"])

    def test_a_number_that_another_process_has_now_is_not_the_run(self):
        self.owe(served_s=int(self.last), attempts=1, began_us=us(self.now - 60), pid=os.getpid(), pid_start=1)
        self.expect(CRITICAL, "interrupted")

    def test_another_program_that_has_number_and_time_after_a_reboot_is_not_the_run(self):
        p, start = self.child("cron")
        self.owe(served_s=int(self.last), attempts=1, began_us=us(self.now - 60), pid=p.pid, pid_start=start)
        self.expect(CRITICAL, "interrupted")

    def test_a_run_whose_end_nobody_recorded_is_judged_by_its_own_row(self):
        self.owe(served_s=int(self.last), attempts=1, began_us=us(self.now), pid=1, pid_start=1)
        done = self.ok(self.site.run("backup", "web", "--policy", "nightly"))
        self.assertEqual(self.expect(OK, "done")["run"], done["run"])

    def test_one_that_was_killed_and_undone_has_failed(self):
        self.owe(served_s=int(self.last), attempts=1, began_us=us(self.now), pid=1, pid_start=1)
        r = self.site.run("backup", "web", "--policy", "nightly", **self.site.points("backup.before_disks=kill"))
        self.assertEqual(r.status, -9)
        runlib.wait_until(lambda: self.row()["state"] == "failed", 15, "the run is not undone")
        self.expect(CRITICAL, "failed", "undone")

    def test_where_cron_runs_the_policy_nobody_has_to_follow_it(self):
        self.ok(self.site.run("backup", "--policy", "nightly"))
        row = self.expect(OK, "done")
        self.assertEqual((row["followed"], row["by_holdfastd"]), (False, False))
        env = self.later(self.last + 2 * DAY + 2 * HOUR)
        self.expect(CRITICAL, "overdue", **env)


class Drills(StatusTest):
    def setUp(self):
        super().setUp()
        self.site.policies["nightly"]["drill"] = "7d"
        self.site.write()
        self.tried("done")

    def test_one_that_passed_is_well_and_one_that_failed_critical(self):
        self.tried("done", kind="drill")
        self.expect(OK, "done", kind="drill")
        self.tried("failed", kind="drill", error="conflict", message="table t.orders has 2 rows, not 3")
        self.expect(CRITICAL, "failed", "2 rows, not 3", kind="drill")

    def test_one_that_is_not_made_is_overdue(self):
        self.tried("done", kind="drill", due=self.now - 9 * DAY)
        self.expect(CRITICAL, "overdue", kind="drill")


if __name__ == "__main__":
    runlib.main()
