# SPDX-License-Identifier: Apache-2.0
"""holdfastd with real runs: what is due is made, once; its end and its restart lose nothing; what fails is told and comes right by itself."""

import ctypes
import json
import os
import signal
import subprocess
import time

import daemonlib
import runlib
from daemonlib import DaemonTest

runlib.need("qemu-nbd", "qemu-nbd")

CLONE_NEWNS = 0x20000
STALL = "backup.before_commit=stall:"


class Schedule(DaemonTest):
    def test_what_is_due_is_made_once_and_recorded(self):
        d = self.start_due()
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], duty["attempts"]), ("done", 1), d.log)
        runs = self.runs()
        self.assertEqual([r["id"] for r in runs], [duty["run_id"]])
        self.assertEqual(json.loads(runs[0]["report"])["policy"], "yearly")
        self.assertEqual(self.points(), [duty["run_id"]])
        self.assertEqual((duty["grade"], duty["is_protected"], duty["pid"]), ("E", 1, 0))
        self.assertGreater(duty["bytes"], 0)
        self.assertGreater(duty["success_us"], duty["began_us"])
        self.assertTrue(duty["datastores"])
        self.wait_alarms()  # what was missed is made up for
        self.assertEqual(d.end(), 0)
        self.follow()
        self.assertEqual(len(self.runs()), 1)

    def test_nothing_runs_when_a_policy_is_new(self):
        d = self.start().ready()
        time.sleep(0.3)
        self.assertEqual(self.runs(), [])
        self.assertAlmostEqual(self.duty()["served_s"], time.time(), delta=60)
        self.assertEqual(d.end(), 0)

    def test_the_log_of_a_run_is_part_of_the_daemons(self):
        d = self.start_due()
        self.wait_ended()
        d.end()
        self.assertRegex(d.log, r"(?m)^\S+Z warn   yearly: run=\S+ vm=web backup: store vault is only assumed")
        self.assertRegex(d.log, r"(?m)^\S+Z info   yearly: run of web: done, run ")

    def test_a_snapshot_is_made_by_its_own_verb(self):
        self.policy(produce="snapshot", snapshot_keep="2h")
        self.start_due()
        self.assertEqual(self.wait_ended()["outcome"], "done")
        self.assertEqual(len(self.runs("snapshot create")), 1)

    def test_a_drill_is_of_the_newest_point_and_without_one_a_failure(self):
        self.policy(drill="daily")
        self.follow()
        self.make_due(kind="drill")
        d = self.start().ready()
        duty = self.wait_ended(kind="drill")
        self.assertEqual((duty["outcome"], duty["error"]), ("failed", "not-found"))
        self.assertIn("no recovery point", duty["message"])
        self.wait_alarms("drill-failed", "drill-overdue")
        d.end()
        for _ in range(2):
            r = self.site.run("backup", "web")
            self.assertEqual(r.status, 0, str(r))
        self.site.sections["web"].update({"db": "tcp://127.0.0.1:1", "drill-timeout": "1s", "quiesce": "none"})
        self.site.write_all()
        self.make_due(kind="drill")
        self.query("UPDATE duties SET outcome = NULL WHERE kind = 'drill'")
        self.start()
        duty = self.wait_ended(kind="drill")
        self.assertEqual(duty["outcome"], "failed")  # machines of the played hypervisor never run anything
        if runlib.SANITIZED:
            self.skipTest("nbdkit is not built with a sanitizer, and cannot load what is")
        drills = self.query("SELECT * FROM drills")
        self.assertEqual([d["point_id"] for d in drills], [r.json["point"]], duty)
        self.assertIn("drill failed", duty["message"])

    def test_below_the_grade_of_the_policy_is_degraded_and_no_success(self):
        self.policy(require="A")
        self.start_due()
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], duty["success_us"]), ("degraded", 0))
        self.assertIn("grade E, and A is required", duty["message"])
        self.assertIn("grade E, and A is required", self.wait_alarms("degraded")["degraded"])


class Limits(DaemonTest):
    def test_never_more_at_a_time_and_all_in_the_end(self):
        for i in range(5):
            self.add_vm(f"vm{i}")
        self.play('{"run": "20261123T030000Z-7f3a9c21"}')
        self.hold()
        self.start_due()  # a hypervisor bears two unless it says otherwise
        runlib.wait_until(lambda: len(self.calls()) == 2, 20, "two begin")
        time.sleep(0.5)
        self.assertEqual(len(self.calls()), 2)
        self.let_go()
        runlib.wait_until(lambda: len(self.calls("end")) == 6, 20, "all end")
        going = most = 0
        for call in self.calls(""):
            going += 1 if call.startswith("begin") else -1
            most = max(most, going)
        self.assertEqual((len(self.calls()), most), (6, 2))

    def test_many_at_a_time_do_not_run_out_of_descriptors(self):
        n = 16
        for i in range(n - 1):
            self.site.sections[f"vm{i}"] = {"quiesce": "none"}
        self.site.stores["vault"]["max-runs"] = n
        self.site.write_all()
        text = self.site.config.read_text()
        for section in ("defaults", "hypervisor here"):
            text = text.replace(f"[{section}]", f"[{section}]\nmax-runs = {n}")
        self.site.config.write_text(text)
        self.play('{"run": "20261123T030000Z-7f3a9c21"}')
        program = self.played / "holdfast"
        program.write_text(program.read_text().replace("echo", 'ulimit -Sn >>"$here/limit"\necho', 1))
        self.hold()
        d = self.start_due(wrap=("prlimit", "--nofile=40:4096"))
        runlib.wait_until(lambda: len(self.calls()) == n, 20, f"all begin: {d.log}")
        self.assertNotIn("error", d.log)
        self.assertEqual(set((self.played / "limit").read_text().split()), {"40"})
        self.let_go()
        runlib.wait_until(lambda: len(self.calls("end")) == n, 20, "all end")


class Ends(DaemonTest):
    def test_sigterm_ends_the_daemon_and_not_its_run_and_the_next_one_takes_it_over(self):
        self.run_through_a_restart(signal.SIGTERM, 0)

    def test_killed_the_same(self):
        self.run_through_a_restart(signal.SIGKILL, -9)

    def run_through_a_restart(self, number, status):
        d = self.start_due(HOLDFAST_POINT=STALL + "3000")
        before = self.wait_running()
        self.assertEqual(d.end(number), status, d.log)
        os.kill(before["pid"], 0)
        d = self.start().ready()
        self.assertEqual(self.duty()["pid"], before["pid"])
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], len(self.runs()), len(self.points())), ("done", 1, 1), d.log)
        self.assertIn(f"goes on (process {before['pid']})", d.log)
        self.assertEqual(duty["run_id"], self.runs()[0]["id"])
        self.assert_clean()

    def test_a_run_that_ends_without_a_daemon_is_recorded_by_the_next(self):
        d = self.start_due(HOLDFAST_POINT=STALL + "1000")
        pid = self.wait_running()["pid"]
        d.end(signal.SIGKILL)
        runlib.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "the run ends")
        self.assertEqual(self.duty()["ended_us"], 0)
        self.start().ready()
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], len(self.runs())), ("done", 1))
        self.assertEqual(duty["success_us"], self.runs()[0]["ended_us"])

    def test_a_run_that_was_killed_is_a_failure_and_undone(self):
        d = self.start_due(HOLDFAST_POINT=STALL + "20000")
        pid = self.wait_running()["pid"]
        self.wait_stalled()
        os.kill(pid, signal.SIGKILL)
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], duty["success_us"]), ("failed", 0))
        self.assertIn("ended by signal 9", duty["message"])
        runlib.wait_until(lambda: "undoing what it did" in d.log, 20, "the guardian is heard")
        d.end()
        self.assert_clean()

    def test_there_is_one_daemon_per_state_directory(self):
        self.start().ready()
        second = self.start()
        self.assertEqual(second.process.wait(20), 4)
        self.assertIn("has a holdfastd already", second.log)


class Reload(DaemonTest):
    def test_runs_go_on_over_a_reload_and_what_is_new_begins(self):
        d = self.start_due(HOLDFAST_POINT=STALL + "3000")
        pid = self.wait_running()["pid"]
        self.add_vm("db")
        d.reload()
        runlib.wait_until(lambda: self.duty("db"), 20, "what is new is followed")
        self.assertEqual((self.duty()["pid"], self.duty("db")["began_us"]), (pid, 0))
        self.make_due("db")
        d.reload()
        self.wait_running("db")
        self.assertEqual([self.wait_ended(v)["outcome"] for v in ("web", "db")], ["done", "done"], d.log)
        self.assertEqual(len(self.runs()), 2)
        told = [m for m in d.listen() if "RELOADING=1" in m]
        self.assertEqual(len(told), 2)
        self.assertRegex(told[0], r"MONOTONIC_USEC=\d+")

    def test_a_broken_file_leaves_the_former_configuration_in_force(self):
        self.follow()
        d = self.start().ready()
        self.make_due()
        good = self.site.config.read_text()
        self.site.config.write_text(good + "[policy other]\nvms = *\n")
        d.reload()
        self.assertIn("the former configuration stays in force", d.log)
        self.assertIn("has no key 'schedule'", d.log)
        self.assertTrue(any("trouble" in m and "was not read again" in m for m in d.listen()), d.heard)
        self.assertIn("has no key 'schedule'", self.wait_alarms("daemon")["daemon"])
        self.site.config.write_text(good)
        d.reload()
        self.assertEqual(self.wait_ended()["outcome"], "done")
        self.assertNotIn("trouble", [m for m in d.listen() if "STATUS=" in m][-1])
        self.wait_alarms()

    def test_a_vm_that_goes_from_the_configuration_while_it_runs(self):
        self.add_vm("db")
        d = self.start_due(HOLDFAST_POINT=STALL + "4000")
        self.wait_running("db")
        self.wait_stalled(2)
        del self.site.sections["db"]
        self.site.write_all()
        d.reload()
        self.assertEqual(self.wait_ended("db")["outcome"], "done")
        d.end()
        self.follow()
        self.assertEqual(len([r for r in self.runs() if r["vm"] == "db"]), 1)


class Trouble(DaemonTest):
    def test_a_store_that_was_away_is_used_once_it_is_back(self):
        self.policy(retry="1s")
        away = self.store.with_name("away")
        self.follow()
        self.make_due()
        self.store.rename(away)
        d = self.start()
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], duty["success_us"]), ("failed", 0))
        self.assertIn("vault", duty["message"])
        self.assertIn("vault", self.wait_alarms("failed", "missed")["failed"])
        away.rename(self.store)
        runlib.wait_until(lambda: self.duty()["outcome"] == "done", 30, f"no retry: {d.log}")
        self.assertEqual(len(self.points()), 1)
        self.wait_alarms()

    def test_a_vm_that_is_gone_from_the_hypervisor_is_a_failure(self):
        self.site.vm.rename(self.site.vm.with_name("former"))
        self.start_due()
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], duty["error"]), ("failed", "not-found"))

    def test_a_vm_that_is_busy_is_tried_again(self):
        self.policy(retry="1s")
        self.play('{"error": {"class": "busy", "message": "held by somebody"}}', status=4)
        d = self.start_due()
        duty = self.wait_ended()
        self.assertEqual((duty["outcome"], duty["message"]), ("busy", "held by somebody"))
        self.play('{"run": "20261123T030000Z-7f3a9c21"}')
        runlib.wait_until(lambda: self.duty()["outcome"] == "done", 30, f"no retry: {d.log}")

    def test_a_program_that_talks_without_end_is_borne(self):
        self.play("x" * (3 << 20), said="y" * (1 << 20))
        d = self.start_due()
        duty = self.wait_ended()
        self.assertEqual(duty["outcome"], "failed")
        self.assertIn("too long", duty["message"])
        self.assertLess(len(duty["message"]), 1024)
        self.assertEqual(d.end(), 0)

    def test_a_full_disk_begins_nothing_loses_nothing_and_passes(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            runlib.missing("mount", os.strerror(ctypes.get_errno()))
        self.follow()
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "holdfast-test", self.site.state], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.site.state], check=False)
        self.play('{"run": "20261123T030000Z-7f3a9c21"}')
        self.follow()
        self.make_due()
        filler = self.site.state / "filler"
        with filler.open("wb", buffering=0) as f:
            try:
                while f.write(b"x" * 512):
                    pass
            except OSError:
                pass
        d = self.start().ready()
        self.assertTrue(any("trouble" in m for m in d.listen()), d.heard)
        time.sleep(1.5)
        self.assertEqual(self.calls(), [])
        self.assertLess(d.log.count("\n"), 10, d.log)
        filler.unlink()
        self.assertEqual(self.wait_ended()["outcome"], "done")
        self.assertEqual(len(self.calls()), 1)
        self.assertIn("works again", d.log)
        self.wait_alarms()
        d.end()


class Begins(DaemonTest):
    def daemon(self, *args):
        return subprocess.run([daemonlib.DAEMON, "-c", self.site.config, *args], capture_output=True, text=True,
                              timeout=30)

    def test_check_says_whether_the_configuration_is_good_and_begins_nothing(self):
        r = self.daemon("--check")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertIn("1 policies, 1 VMs", r.stdout)
        self.assertFalse((self.site.state / "catalog.sqlite").exists())
        with self.site.config.open("a") as f:
            f.write("[policy other]\nvms = *\nschedule = never\n")
        for args in (("--check",), ()):
            r = self.daemon(*args)
            self.assertEqual(r.returncode, 2)
            self.assertIn("holdfastd: ", r.stderr)
            self.assertIn("schedule", r.stderr)

    def test_version_and_help(self):
        self.assertRegex(self.daemon("--version").stdout, r"^holdfastd \d")
        self.assertIn("--check", self.daemon("--help").stdout)

    def test_what_systemd_told_us_is_not_told_to_runs(self):
        self.play()
        (self.played / "holdfast").write_text(f"#!/bin/sh\nenv >{self.played}/env\n")
        self.start_due(WATCHDOG_USEC="60000000", JOURNAL_STREAM="1:2")
        self.wait_ended()
        env = (self.played / "env").read_text()
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"):
            self.assertNotIn(name, env)

    def test_the_watchdog_hears_of_it_where_there_is_one(self):
        d = self.start(WATCHDOG_USEC="400000").ready()
        time.sleep(1.1)
        told = [m for m in d.listen() if m == "WATCHDOG=1"]
        self.assertIn(len(told), range(4, 7))


if __name__ == "__main__":
    daemonlib.main()
