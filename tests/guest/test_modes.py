# SPDX-License-Identifier: Apache-2.0
"""Every way to rest, under write load, with the binlog on and off: what each promises is looked for in what comes out of
the snapshot's own disks.

    stop    every commit acknowledged before the server was down is there, none sent after it; nothing was acknowledged
            while it was down
    lock    the same for the lock, also with the filesystems frozen and with services at rest
    light   every commit acknowledged before the capture call is there, and the recovered position lies in the bracket
    freeze  (alone) the grade is D; none promises nothing and says E
"""

import subprocess

from hf import CUT_MS, LoadedTest, compare, instant, lab, lab_env, main, plain_tables, sql

SERVICES = "apache2, cron"
UNITS = ["cron.service", "apache2.service"]  # in the order of starting

# The writer gets on again a little after the database does: it tries to connect every so often, and the guest is emulated.
RECONNECT_MS = 1500.0


def guest(command):
    return lab("ssh", command)


def active(units):
    return guest("systemctl is-active " + " ".join(units) + "; true").split() == ["active"] * len(units)


def dead_men():
    return guest("systemctl list-units --all --no-legend 'holdfast-*'; ls /run/holdfast 2>/dev/null; true").split()


class Modes(LoadedTest):
    def setUp(self):
        super().setUp()
        self.db_unit = lab_env()["DB_SERVICE"] + ".service"
        self.addCleanup(guest, f"systemctl start {self.db_unit} apache2 cron")

    def snapshot(self, **keys):
        """One snapshot with these keys, its frozen data disk, and everything as it was before."""
        self.site.write(**keys)
        frozen = self.site.layers()["vdb"]
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.writer.wait_for_commits(20, within_s=60)
        self.assertEqual(dead_men(), [], "left armed after a good run")
        self.assertTrue(active([*UNITS, self.db_unit]))
        return report, frozen

    def binlog_off(self):
        lab("binlog", "off")
        self.addCleanup(lab, "binlog", "on")

    def events(self, report):
        return [e["event"] for e in report["timeline"]]

    def drop(self, report):
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()

    # -- stop ----------------------------------------------------------------------------------

    def stop_once(self):
        self.load("--threads", "2", *plain_tables())
        report, frozen = self.snapshot(quiesce="stop", services=SERVICES)
        self.assertEqual((report["grade"], report["proof"]), ("A", "service"), report)
        self.assertEqual(report["stopped"], [self.db_unit, *UNITS])
        self.assertEqual(self.events(report), ["services_stop_begin", "services_stopped", "stop_begin", "stopped", "synced",
                                               "capture_begin", "capture_end", "started", "services_started"])
        gap = self.longest_gap(report, "stop_begin", "started", after=3000)["ms"]
        status, findings = self.judge(report, frozen, "stopped", "capture_end")
        self.assertEqual(status, 0, findings)
        print(f"  stop: stall {report['stall_ms']:.0f} ms, the writer's longest gap {gap:.0f} ms", flush=True)
        self.assertLessEqual(gap, report["stall_ms"] + self.idle_ms + RECONNECT_MS)
        self.drop(report)
        return report

    def test_stop(self):
        report = self.stop_once()
        self.assertLessEqual(report["position_min"]["file"], report["position_max"]["file"])

    def test_stop_without_binlog(self):
        self.binlog_off()
        self.assertIsNone(self.stop_once()["position_min"])

    # -- lock with a freeze, with services ------------------------------------------------------

    def freeze_once(self):
        self.load("--threads", "2", *plain_tables())
        report, frozen = self.snapshot(quiesce="lock", freeze="yes", services=SERVICES)
        self.assertEqual(report["grade"], "B", report)
        self.assertEqual(self.events(report), ["services_stop_begin", "services_stopped", "lock_begin", "locked",
                                               "freeze_begin", "frozen", "capture_begin", "capture_end", "thawed",
                                               "unlocked", "services_started"])
        status, findings = self.judge(report, frozen)
        self.assertEqual(status, 0, findings)
        self.drop(report)
        return report

    def test_lock_and_freeze_with_services_at_rest(self):
        self.assertEqual(self.freeze_once()["proof"], "position")

    def test_lock_and_freeze_without_binlog(self):
        self.binlog_off()
        self.assertEqual(self.freeze_once()["proof"], "session")

    # -- light ---------------------------------------------------------------------------------

    def recovered_end(self, socket, report):
        """The end of the binlog that the snapshot holds, as the recovered server lists it."""
        command = ["mariadb", "--no-defaults", "-S", socket, "-u", "root", "-BN", "-e", "SHOW BINARY LOGS"]
        rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        sizes = {line.split("\t")[0]: int(line.split("\t")[1]) for line in rows}
        return sizes[report["position_min"]["file"]]

    def light_once(self):
        self.load("--threads", "2")
        report, frozen = self.snapshot(quiesce="light")
        self.assertEqual(report["grade"], "C", report)
        gap = self.longest_gap(report, "lock_begin", "unlocked")["ms"]
        with self.recovered(frozen) as socket:
            status, findings = compare(self.writer.log, socket, instant(report, "capture_begin"),
                                       instant(report, "capture_end", CUT_MS))
            self.assertEqual(status, 0, findings)
            if report["position_min"]:
                low, high = report["position_min"], report["position_max"]
                end = self.recovered_end(socket, report)
                self.assertGreaterEqual(end, low["offset"])
                if low["file"] == high["file"]:
                    self.assertLessEqual(end, high["offset"])
        print(f"  light: stall {report['stall_ms']:.1f} ms, the writer's longest gap {gap:.1f} ms (idle {self.idle_ms:.1f})",
              flush=True)
        self.drop(report)
        return report

    def test_light(self):
        self.assertEqual(self.light_once()["proof"], "bracket")

    def test_light_without_binlog(self):
        self.binlog_off()
        report = self.light_once()
        self.assertEqual((report["proof"], report["position_min"]), ("session", None))

    def test_light_falls_back_to_lock_and_says_so(self):
        self.load("--threads", "1", *plain_tables())
        report, _ = self.snapshot(quiesce="light")
        self.assertEqual(report["grade"], "B")
        self.assertTrue(any("light" in w for w in report["warnings"]), report["warnings"])
        self.drop(report)

    # -- freeze alone, nothing at all -----------------------------------------------------------

    def test_freeze_alone_is_grade_d(self):
        self.load("--threads", "1")
        report, _ = self.snapshot(quiesce="none", freeze="yes")
        self.assertEqual((report["grade"], report["proof"]), ("D", "freeze"), report)
        self.assertEqual(self.events(report), ["freeze_begin", "frozen", "capture_begin", "capture_end", "thawed"])
        self.drop(report)

    def test_none_promises_nothing(self):
        self.load("--threads", "1")
        report, _ = self.snapshot(quiesce="none")
        self.assertEqual((report["grade"], report["proof"], report["required"]), ("E", "none", "E"))
        self.drop(report)

    # -- through ssh ----------------------------------------------------------------------------

    def test_everything_through_ssh(self):
        self.load("--threads", "2", *plain_tables())
        report, frozen = self.snapshot(guest="ssh", db="ssh", services="cron")
        self.assertEqual(report["grade"], "B", report)
        status, findings = self.judge(report, frozen)
        self.assertEqual(status, 0, findings)
        self.drop(report)

    def test_the_databases_socket_through_ssh(self):
        socket = sql("SELECT @@socket")[0]
        self.load("--threads", "1")
        report, _ = self.snapshot(guest="ssh", db=f"ssh://{socket}")
        self.assertEqual(report["grade"], "B", report)
        self.drop(report)

    # -- services that are not what they should be -----------------------------------------------

    def test_an_unknown_service_is_refused_and_nothing_is_held(self):
        self.site.write(services="apache2, no-such-thing")
        result = self.site.run("snapshot", "create", "db")
        self.assertNotEqual(result.status, 0)
        self.assertIn("no-such-thing.service", result.error["message"])
        self.assert_clean()
        self.assertTrue(active(UNITS))

    def test_a_service_that_does_not_run_stays_so(self):
        guest("systemctl stop cron")
        self.load("--threads", "1")
        self.site.write(services=SERVICES)
        report = self.ok(self.site.run("snapshot", "create", "db"))
        self.assertEqual(report["stopped"], ["apache2.service"])
        self.assertFalse(active(["cron.service"]))
        self.drop(report)

    def test_a_service_that_does_not_come_back_fails_the_run_and_is_named(self):
        guest("printf '[Unit]\\nDescription=t\\n[Service]\\nExecStart=/bin/sh -c \"test ! -e /run/hf-broken && exec sleep 1000\"\\n"
              "[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/hf-broken.service; "
              "systemctl daemon-reload; systemctl start hf-broken")
        guest("timeout 20 sh -c 'until grep -qx sleep /proc/$(systemctl show -p MainPID --value hf-broken)/comm; "
              "do sleep 0.2; done'; touch /run/hf-broken")
        self.addCleanup(guest, "systemctl stop hf-broken; rm -f /etc/systemd/system/hf-broken.service /run/hf-broken; "
                               "systemctl reset-failed hf-broken 2>/dev/null; systemctl daemon-reload; true")
        self.load("--threads", "1")
        self.site.write(services="hf-broken", start_timeout="10s")
        result = self.site.run("snapshot", "create", "db")
        self.assertEqual(result.status, 1, result.stdout)
        self.assertTrue(any("hf-broken.service" in left for left in result.error["left"]), result.error)
        self.writer.wait_for_commits(20)
        guest("rm -f /run/hf-broken")
        self.ok(self.site.run("recover"))
        self.assert_clean()
        self.assertEqual(dead_men(), [])

    # -- coverage --------------------------------------------------------------------------------

    def test_files_on_what_is_not_captured_are_refused_or_lower_the_grade(self):
        guest("mkdir -p /srv/scratch && mountpoint -q /srv/scratch || mount -t tmpfs none /srv/scratch")
        self.addCleanup(guest, "umount /srv/scratch; rmdir /srv/scratch")
        self.load("--threads", "1")
        self.site.write(files="/var/www/cmdb, /srv/scratch")
        result = self.site.run("snapshot", "create", "db")
        self.assertNotEqual(result.status, 0)
        self.assertIn("/srv/scratch", result.error["message"])
        self.assertIn("uncovered = lower", result.error["hint"])
        self.assert_clean()
        self.site.write(uncovered="lower")
        result = self.site.run("snapshot", "create", "db")
        report = self.ok(result, status=3)
        self.assertEqual(report["grade"], "E")
        self.assertIn("/srv/scratch", report["grade_why"])
        self.drop(report)

    def test_check_reports_all_of_it(self):
        self.site.write(quiesce="stop", services=SERVICES, freeze="yes", files="/var/www/cmdb")
        findings = self.ok(self.site.run("check", "db"))["checks"]
        said = {f["area"] for f in findings}
        self.assertLessEqual({"guest", "services", "dead-man", "database", "coverage"}, said)
        texts = " ".join(f["message"] for f in findings)
        for unit in ("apache2.service", "cron.service", self.db_unit):
            self.assertIn(unit, texts)
        self.assertEqual(dead_men(), [])


if __name__ == "__main__":
    main()
