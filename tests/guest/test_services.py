# SPDX-License-Identifier: Apache-2.0
"""Services of a real guest brought to rest and back, and the dead-men that do it when nobody else does."""

import os
import subprocess
import time
import unittest

from hf import LAB, build_dir, lab, lab_env, main, tool

UNITS = "/run/systemd/system"
RUN = "hf-20261123T030000Z-7f3a9c21"


def guest(script, check=True):
    """A shell script in the guest, as root; its standard output."""
    return lab("ssh", "bash", "-s", input=script, check=check).strip()


def db_unit():
    return lab_env().get("DB_SERVICE", "mariadb") + ".service"


def is_active(unit):
    return guest(f"systemctl is-active {unit}", check=False) == "active"


def wait_until(what, within_s):
    """Seconds that it took; None: it did not come true."""
    begin = time.monotonic()
    while time.monotonic() < begin + within_s:
        if what():
            return time.monotonic() - begin
        time.sleep(0.1)
    return None


def command(*args):
    env = lab_env()
    return [tool("guest_drive"), env["URI"], env["DOMAIN"], *args]


def environ():
    return {**os.environ, "HOLDFAST_PLUGIN_DIR": str(build_dir() / "plugins")}


def drive(*args, ok=True):
    """One verb of guest_drive: what it says."""
    p = subprocess.run(command(*args), capture_output=True, text=True, timeout=120, env=environ(), check=False)
    assert (p.returncode == 0) == ok, p.stdout + p.stderr
    return p.stdout.strip()


class Rest:
    """A set of services that is held by a process of its own."""

    def __init__(self, *units):
        self.process = subprocess.Popen(command("rest", *units), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environ())
        first = self.process.stdout.readline()
        assert first.startswith("to-start"), first
        self.to_start = first.split()[1:]
        self.idle = self.process.stdout.readline().split()[1:]

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.communicate(timeout=60)


class ServicesTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.tidy)

    def tidy(self):
        for name in drive("list").split():
            drive("disarm", name)
        guest(f"systemctl kill -s KILL 'hft-*' 2>/dev/null; systemctl stop 'hft-*' 2>/dev/null; rm -f {UNITS}/hft-*;"
              " systemctl daemon-reload; systemctl reset-failed; rm -rf /run/holdfast;"
              f" systemctl start {db_unit()} apache2 cron")

    def rest(self, *units):
        r = Rest(*units)
        self.addCleanup(r.close)
        return r

    def unit(self, name, text, start=True):
        guest(f"cat > '{UNITS}/{name}' <<'X'\n{text}\nX\nsystemctl daemon-reload" +
              (f"\nsystemctl start '{name}'" if start else ""))
        return name


class StopAndStart(ServicesTest):
    def test_three_services_rest_in_order_and_come_back_in_reverse(self):
        r = self.rest("apache2.service", "cron.service", "mysql.service", db_unit())   # mysql is an alias of mariadb
        self.assertEqual(r.to_start, [db_unit(), "cron.service", "apache2.service"])
        self.assertEqual(r("stop"), "ok")
        self.assertEqual(guest("pgrep -c 'mariadbd|mysqld|apache2|cron'", check=False), "0")
        order = guest("systemctl show -p Id,InactiveEnterTimestampMonotonic apache2 cron " + db_unit())
        times = [int(line.split("=")[1]) for line in order.splitlines() if line.startswith("Inactive")]
        self.assertEqual(times, sorted(times))
        self.assertEqual(r("verify"), "ok")
        self.assertEqual(r("start"), "ok")
        for unit in ("apache2", "cron", db_unit()):
            self.assertTrue(is_active(unit), unit)

    def test_a_service_that_was_started_and_stopped_in_between_is_noticed(self):
        r = self.rest("cron.service")
        self.assertEqual(r("stop"), "ok")
        guest("systemctl start cron; systemctl stop cron")
        self.assertIn("error conflict: unit 'cron.service' did not stay at rest: it was started and stopped", r("verify"))
        self.assertEqual(r("start"), "ok")

    def test_a_service_that_was_started_in_between_is_noticed(self):
        r = self.rest("cron.service")
        self.assertEqual(r("stop"), "ok")
        guest("systemctl start cron")
        self.assertIn("error conflict: unit 'cron.service' did not stay at rest: it is active", r("verify"))

    def test_a_unit_that_nothing_refers_to_is_remembered_through_its_dead_man(self):
        unit = self.unit("hft-plain@a\\x2db.service", "[Service]\nExecStart=/bin/sleep 1000")
        r = self.rest(unit)
        self.assertEqual(r("stop"), "ok")
        self.assertIn("systemd has forgotten unit", r("verify"))
        self.assertEqual(r("start"), "ok")
        drive("arm-start", f"holdfast-deadman-{RUN}-start", "60000", unit)
        self.assertEqual(r("stop"), "ok")
        self.assertEqual(r("verify"), "ok")
        guest(f"systemctl start '{unit}'; systemctl stop '{unit}'")
        self.assertIn("started and stopped in between", r("verify"))
        self.assertEqual(drive("disarm", f"holdfast-deadman-{RUN}-start"), "armed")

    def test_a_socket_rests_with_its_service_and_comes_back_first(self):
        self.unit("hft-echo.service", "[Service]\nExecStart=/bin/sleep 1000")
        self.unit("hft-echo.socket", "[Socket]\nListenStream=/run/hft.sock", start=False)
        guest("systemctl stop hft-echo.service; systemctl start hft-echo.socket hft-echo.service")
        r = self.rest("hft-echo.service")
        self.assertEqual(r.to_start, ["hft-echo.socket", "hft-echo.service"])
        self.assertEqual(r("stop"), "ok")
        self.assertFalse(is_active("hft-echo.socket"))
        self.assertEqual(r("start"), "ok")
        self.assertTrue(is_active("hft-echo.socket"))
        self.assertTrue(is_active("hft-echo.service"))

    def test_what_systemd_stops_with_a_service_comes_back_with_it(self):
        self.unit("hft-base.service", "[Service]\nExecStart=/bin/sleep 1000")
        self.unit("hft-app.service",
                  "[Unit]\nRequires=hft-base.service\nAfter=hft-base.service\n[Service]\nExecStart=/bin/sleep 1000")
        r = self.rest("hft-base.service")
        self.assertEqual(r.to_start, ["hft-base.service", "hft-app.service"])
        self.assertEqual(r("stop"), "ok")
        self.assertFalse(is_active("hft-app.service"))
        self.assertEqual(r("start"), "ok")
        self.assertTrue(is_active("hft-app.service"))

    def test_a_service_that_does_not_run_stays_as_it_is(self):
        self.unit("hft-idle.service", "[Service]\nExecStart=/bin/sleep 1000", start=False)
        r = self.rest("hft-idle.service", "cron.service")
        self.assertEqual((r.to_start, r.idle), (["cron.service"], ["hft-idle.service"]))
        self.assertEqual([r("stop"), r("verify"), r("start")], ["ok"] * 3)
        self.assertFalse(is_active("hft-idle.service"))

    def test_units_that_are_not_there_are_named(self):
        said = drive("rest", "cron.service", "hft-none.service", "hft-neither.service", ok=False)
        self.assertIn("error not-found: no such units in the guest: 'hft-none.service' (not-found), "
                      "'hft-neither.service' (not-found)", said)

    def test_the_database_is_found_under_its_real_name(self):
        self.assertEqual(drive("find-db"), db_unit())

    def test_the_clock_of_the_guest_is_near_ours(self):
        offset, within = map(int, drive("clock").split())
        self.assertLess(abs(offset), 5000)
        self.assertLess(within, 5000)


class Faults(ServicesTest):
    STUBBORN = ("[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'\nTimeoutStopSec=6\n")

    def test_a_service_that_ignores_sigterm_is_given_up_and_started_again(self):
        unit = self.unit("hft-stubborn.service", self.STUBBORN)
        r = self.rest(unit, "cron.service")
        self.assertIn("error timeout: stop of unit 'hft-stubborn.service'", r("stop 3000"))
        self.assertTrue(is_active("cron.service"))
        self.assertEqual(r("start 30000"), "ok")
        self.assertTrue(is_active(unit))

    def test_a_service_that_had_to_be_killed_did_not_stop_cleanly(self):
        unit = self.unit("hft-stubborn.service", self.STUBBORN.replace("=6", "=1"))
        r = self.rest(unit)
        self.assertIn("error conflict: unit 'hft-stubborn.service' did not stop cleanly: timeout", r("stop"))
        self.assertEqual(r("start"), "ok")

    def test_a_process_that_a_service_leaves_behind_is_noticed(self):
        unit = self.unit("hft-left.service",
                         "[Service]\nExecStart=/bin/sh -c 'sleep 1001 & exec sleep 2000'\nKillMode=process")
        r = self.rest(unit)
        self.assertIn("is stopped, and processes of it still run", r("stop 6000"))
        self.assertEqual(r("start"), "ok")

    def test_what_a_service_leaves_to_itself_is_waited_for(self):
        unit = self.unit("hft-left.service",
                         "[Service]\nExecStart=/bin/sh -c 'sleep 6 & exec sleep 2000'\nKillMode=process")
        r = self.rest(unit)
        self.assertEqual(r("stop"), "ok")
        self.assertEqual(guest("pgrep -fc '^sleep 6'", check=False), "0")
        self.assertEqual(r("start"), "ok")

    def test_one_that_does_not_start_keeps_nobody_else_down(self):
        unit = self.unit("hft-once.service", "[Service]\nType=notify\nExecStart=/bin/sh -c 'test ! -e /run/hft-broken && "
                                             "systemd-notify --ready && exec sleep 1000'\nNotifyAccess=all")
        self.addCleanup(guest, "rm -f /run/hft-broken")
        r = self.rest("apache2.service", unit, "cron.service")
        self.assertEqual(r("stop"), "ok")
        guest("touch /run/hft-broken")
        said = r("start")
        self.assertIn("error plugin: start of unit 'hft-once.service'", said)
        self.assertTrue(said.endswith("| unit 'hft-once.service' does not run"), said)
        self.assertTrue(is_active("apache2") and is_active("cron"))

    def test_a_service_that_keeps_falling_over_does_not_count_as_started(self):
        unit = self.unit("hft-loop.service", "[Service]\nExecStart=/bin/sh -c 'test ! -e /run/hft-broken && exec sleep "
                                             "1000; sleep 0.2; exit 1'\nRestart=always\nRestartSec=100ms\n"
                                             "[Unit]\nStartLimitIntervalSec=0")
        self.addCleanup(guest, "rm -f /run/hft-broken")
        r = self.rest(unit)
        self.assertEqual(r("stop"), "ok")
        guest("touch /run/hft-broken")
        self.assertIn("unit 'hft-loop.service' does not run", r("start"))

    def test_one_that_was_started_too_often_is_started_all_the_same(self):
        unit = self.unit("hft-often.service", "[Unit]\nStartLimitIntervalSec=300\nStartLimitBurst=2\n"
                                              "[Service]\nExecStart=/bin/sleep 1000")
        drive("arm-start", f"holdfast-deadman-{RUN}-start", "100000", unit)   # so that systemd counts on
        r = self.rest(unit)
        for _ in range(3):
            self.assertEqual(r("stop"), "ok")
            self.assertEqual(r("start"), "ok")

    def test_a_service_that_takes_long_to_start_leaves_time_for_the_next(self):
        unit = self.unit("hft-slow.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=200\n"
                                             "ExecStart=/bin/sh -c 'test ! -e /run/hft-broken || sleep 120'")
        self.addCleanup(guest, "rm -f /run/hft-broken")
        r = self.rest("cron.service", unit)
        self.assertEqual(r("stop"), "ok")
        guest("touch /run/hft-broken")
        said = r("start 20000")
        self.assertIn("unit 'hft-slow.service' does not run", said)
        self.assertTrue(is_active("cron"))


class DeadMen(ServicesTest):
    NAME = f"holdfast-deadman-{RUN}-start"
    THAW = f"holdfast-deadman-{RUN}-thaw"

    def assert_nothing_left(self):
        self.assertEqual(guest("ls /run/holdfast 2>/dev/null;"
                               " systemctl list-units --all --plain --no-legend 'holdfast*'"), "")

    def test_it_starts_the_services_when_nobody_disarms(self):
        drive("arm-start", self.NAME, "3000", "cron.service", "hft-none.service", "apache2.service")
        self.assertEqual(drive("list", RUN), self.NAME)
        self.assertEqual(drive("list", "hf-other"), "")
        guest("systemctl stop apache2 cron")
        self.assertIsNotNone(wait_until(lambda: is_active("apache2"), 30))
        self.assertTrue(is_active("cron"))
        self.assertIsNotNone(wait_until(lambda: drive("list") == "", 30))
        self.assertEqual(drive("disarm", self.NAME), "fired")
        self.assert_nothing_left()

    def test_nothing_is_left_of_one_that_was_disarmed(self):
        drive("arm-start", self.NAME, "2000", "cron.service")
        self.assertEqual(drive("disarm", self.NAME), "armed")
        self.assertEqual(drive("list"), "")
        guest("systemctl stop cron; sleep 3")
        self.assertFalse(is_active("cron"))
        self.assert_nothing_left()

    def test_a_name_that_is_armed_is_not_armed_again(self):
        drive("arm-start", self.NAME, "60000", "cron.service")
        self.assertIn("error plugin", drive("arm-start", self.NAME, "60000", "cron.service", ok=False))
        self.assertEqual(drive("disarm", self.NAME), "armed")

    def test_disarming_at_the_very_moment_tells_the_truth(self):
        told = []
        for i in range(6):
            guest("systemctl stop cron")
            drive("arm-start", self.NAME, "1000", "cron.service")
            time.sleep(0.5 + 0.15 * i)
            told.append(drive("disarm", self.NAME))
            time.sleep(0.5)
            if told[-1] == "armed":
                self.assertFalse(is_active("cron"))
        print("told:", *told)

    def test_five_timers_are_at_most_a_second_late(self):
        late = [int(drive("measure", f"holdfast-deadman-{RUN}-m{i}", "2000")) for i in range(5)]
        print("late:", *late, "ms")
        self.assertLessEqual(max(late), 1000)
        self.assert_nothing_left()

    def test_it_thaws_file_systems_that_stay_frozen_and_short_of_memory(self):
        # What the guest has left is taken by another process, and a writer waits for the frozen disk.
        guest("systemd-run -q --collect --unit=hft-hog perl -e 'open M, \"/proc/meminfo\"; @m = grep /MemAvail/, <M>;"
              " $m[0] =~ /(\\d+)/; sleep 3; $x = \"a\" x (($1 - 60000) * 1024); sleep 20'")
        drive("arm-thaw", self.THAW, "8000", "/", "/var/lib/mysql")
        lab("virsh", "domfsfreeze", lab_env()["DOMAIN"])
        self.addCleanup(lab, "virsh", "domfsthaw", lab_env()["DOMAIN"], check=False)
        frozen_at = time.monotonic()
        self.assertIn("error", drive("list", ok=False))
        writer = subprocess.Popen([LAB, "ssh", "dd if=/dev/zero of=/root/hft bs=1M count=50 && "
                                   "touch /var/lib/mysql/hft && rm /root/hft /var/lib/mysql/hft"])
        try:
            self.assertIsNone(writer.poll())
            time.sleep(5)
            self.assertIsNone(writer.poll())
            self.assertEqual(writer.wait(180), 0)
        finally:
            writer.kill()
            writer.wait()
        print(f"thawed {time.monotonic() - frozen_at:.1f} s after the freeze")
        lab("virsh", "domfsthaw", lab_env()["DOMAIN"])
        self.assertEqual(drive("disarm", self.THAW), "fired")

    def test_one_thaw_that_is_not_needed_does_no_harm(self):
        drive("arm-thaw", self.THAW, "60000", "/", "/mnt/$HOME ${PATH}")
        self.assertEqual(drive("list"), self.THAW)
        self.assertIn("/mnt/$HOME ${PATH}", guest("ps ax -o args"))
        self.assertEqual(drive("disarm", self.THAW), "armed")
        self.assertEqual(drive("list"), "")


if __name__ == "__main__":
    main()
