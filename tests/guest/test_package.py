# SPDX-License-Identifier: Apache-2.0
"""The Debian package on a fresh machine with systemd: installed, it follows a policy by itself, under its hardened unit, through
reload, restart, death and a daemon that hangs; what `status` says is true each time; a purge leaves the catalog.

The guest is that machine: it is the host here. Its VM is a directory (tests/integration/run/plugin_dir.c, of the build with the tests),
whose database is the guest's own server.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from hf import LAB, SOURCE, build_dir, lab, lab_env, main
import debian  # tests/harness, which hf.py knows

PLAYED = "tests/integration/run/plugins/holdfast-dir.so"
VM, DISKS, STORE = "web01", "/srv/vms", "/srv/store"
UNIT = "holdfastd.service"
MIB = 1 << 20
SLOW_MIB = 12  # of new content, at a MiB a second and read back: a run that somebody can get in the way of
RUN_S = 180  # until a policy of each minute has made a run, in an emulated machine that is busy
UNDER_LOAD_S = 60

CONFIG = f"""[defaults]
metrics-listen = 127.0.0.1:9469

[hypervisor here]
plugin = dir
root = {DISKS}

[vm {VM}]
hypervisor = here
db = tcp://127.0.0.1:3306
db-defaults-file = /etc/holdfast/{VM}.cnf
guest = none
freeze = no

[store nas]
url = file://{STORE}
off-host = assume
rate-limit = 1M

[policy minutely]
vms = {VM}
schedule = * * * * *
produce = image
keep = last 30
"""


def host(script, check=True, timeout=120):
    """What the script says on the host that is the guest; with check=False (status, output with stderr)."""
    p = subprocess.run([LAB, "ssh", "bash -euo pipefail -s"], input=script, check=False, capture_output=True, text=True, timeout=timeout)
    if check and p.returncode != 0:
        raise AssertionError(f"{script}\nends with {p.returncode}: {p.stdout}{p.stderr}")
    return p.stdout if check else (p.returncode, p.stdout + p.stderr)


def put(path, text, mode="600"):
    quoted = shlex.quote(path)
    host(f"install -D -m {mode} /dev/null {quoted}; cat >{quoted} <<'THE-END'\n{text}THE-END\n")


def send(files, folder):
    """Files of this machine into a folder of the host."""
    names = [Path(f) for f in files]
    tar = subprocess.Popen(["tar", "c", *(a for n in names for a in ("-C", n.parent, n.name))], stdout=subprocess.PIPE)
    subprocess.run([LAB, "ssh", f"mkdir -p {folder} && tar x --no-same-owner -C {folder}"], stdin=tar.stdout, check=True, timeout=300)
    assert tar.wait() == 0


def install():
    """As `apt install ./holdfast.deb` does where there is a network: what it needs is brought along."""
    deb = debian.build()
    with tempfile.TemporaryDirectory(prefix="hf-needs-") as scratch:
        status = Path(scratch) / "status"
        status.write_text(host("cat /var/lib/dpkg/status"))
        needs = debian.fetch_needs(deb, status, Path(scratch))
        send([deb, *needs], "/root/debs")
    print(f"  {len(needs)} packages beside it: {', '.join(n.name.split('_')[0] for n in needs)}", flush=True)
    host("apt-get install -q -y --no-install-recommends /root/debs/*.deb </dev/null", timeout=600)
    return [n.name.split("_")[0] for n in needs]


def setUpModule():  # noqa: N802  unittest's name
    begin = time.monotonic()
    needs = install()
    print(f"  installed after {time.monotonic() - begin:.0f} s", flush=True)
    unittest.addModuleCleanup(host, f"systemctl stop {UNIT} 2>/dev/null || :; apt-get purge -q -y holdfast {' '.join(needs)} </dev/null || :; "
                              "pkill -x holdfast || :; umount -q /var/lib/holdfast || :; rm -rf /root/debs /etc/holdfast /var/lib/holdfast "
                              f"{DISKS} {STORE} /etc/systemd/system/holdfastd.service.d; systemctl daemon-reload", timeout=300)


def show(*names, unit=UNIT):
    """Properties of the unit."""
    said = host(f"systemctl show {unit} " + " ".join(f"-p {n}" for n in names))
    values = dict(line.split("=", 1) for line in said.splitlines())
    return values[names[0]] if len(names) == 1 else [values[n] for n in names]


def holdfast(*args):
    """The document of a verb that ends well."""
    return json.loads(host("holdfast --json " + shlex.join(args)))


def wait_for(what, within_s, look):
    """What look says once it says something."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within_s} s\n{host('holdfast status', check=False)[1]}{journal(60)}")
        time.sleep(1)
    return seen


def journal(lines=1000):
    return host(f"journalctl -u {UNIT} -o cat -n {lines}")


def points():
    return [p["point"] for p in holdfast("list", VM)["points"]]


def open_runs():
    return holdfast("status")["open_runs"]


class Installed(unittest.TestCase):
    """Before anybody wrote a configuration. (Its name makes it the first.)"""

    def test_without_a_configuration_the_unit_is_on_and_does_nothing(self):
        self.assertEqual(show("UnitFileState", "ActiveState", "ConditionResult", "Result"), ["enabled", "inactive", "no", "success"])
        self.assertEqual(show("UnitFileState", "ActiveState", unit="holdfast-prune.timer"), ["enabled", "active"])
        self.assertEqual(host("stat -c '%a %U:%G' /etc/holdfast").strip(), "750 root:root")
        self.assertEqual(host("systemctl --failed --no-legend --plain | grep holdfast || :"), "")

    def test_its_programs_run_and_find_their_plugins(self):
        self.assertRegex(host("holdfast --version; holdfastd --version"), r"holdfast \d+\.\d+.*\nholdfastd \d+\.\d+")
        self.assertIn("libvirt", host("holdfast plugins"))

    def test_systemd_has_nothing_to_say_about_the_units(self):
        said = host("systemd-analyze verify --man=no holdfastd.service holdfast-prune.timer holdfast-prune.service 2>&1 | grep holdfast || :")
        self.assertEqual(said, "")


class Policy(unittest.TestCase):
    """The daemon at work."""

    @classmethod
    def setUpClass(cls):
        send([build_dir() / PLAYED], "/usr/lib/x86_64-linux-gnu/holdfast")
        cls.addClassCleanup(host, "rm -f /usr/lib/x86_64-linux-gnu/holdfast/holdfast-dir.so")
        host(f"mkdir -p {DISKS}/{VM}; install -d -m 700 {STORE}; cd {DISKS}/{VM}; echo vda vda.img >domain; touch agent; "
             f"head -c {2 * MIB} /dev/urandom >vda.img")
        password = Path(lab_env()["HOLDFAST_CNF"]).read_text()
        put(f"/etc/holdfast/{VM}.cnf", re.sub(r"(?m)^(host|port) = .*\n", "", password))
        put("/etc/holdfast/holdfast.conf", CONFIG)
        host("holdfast store init nas; systemctl start holdfastd")
        cls.addClassCleanup(host, "systemctl stop holdfastd")
        wait_for("the first run", RUN_S, points)

    def setUp(self):
        """Each test begins with a daemon that is well, and no run going on."""
        host(f"systemctl reset-failed {UNIT}; systemctl start {UNIT}")
        wait_for("no run is open", RUN_S, lambda: not open_runs())
        self.assertTrue(self.is_well())

    @staticmethod
    def is_well():
        return show("ActiveState", "SubState") == ["active", "running"]

    def slow_run(self):
        """A run that has just begun, and its process."""
        host(f"head -c {SLOW_MIB * MIB} /dev/urandom >{DISKS}/{VM}/vda.img")
        self.addCleanup(host, f"head -c {2 * MIB} /dev/urandom >{DISKS}/{VM}/vda.img")
        run, = wait_for("a run begins", RUN_S, open_runs)
        return run, int(host(f"pgrep -f -o 'holdfast .*backup {VM}'"))

    def ends_well(self, run):
        """The run, once, and it is a point."""
        wait_for("the run ends", RUN_S, lambda: run not in open_runs())
        self.assertEqual(points().count(run), 1, points())

    def runs_of(self, since):
        return [p for p in points() if p not in since]

    # -- what it does --------------------------------------------------------------------------

    def test_a_run_succeeds_by_itself_and_everybody_is_told(self):
        before = points()
        wait_for("another run", RUN_S, lambda: self.runs_of(before))
        status, said = host("holdfast status --check", check=False)
        self.assertEqual(status, 0, said)
        self.assertIn("minutely", host("holdfast status"))
        unit = host(f"systemctl status --no-pager --full {UNIT}")
        self.assertRegex(unit, r"Status: \"\S")
        self.assertIn(VM, journal())

    def test_its_runs_have_the_rights_of_the_unit_and_no_more(self):
        _, pid = self.slow_run()
        for process in (show("MainPID"), pid):
            have = dict(line.split(":\t") for line in host(f"grep -E '^(NoNewPrivs|Seccomp|CapBnd|CapEff|Umask):' /proc/{process}/status").splitlines())
            rights = {k: v.strip() for k, v in have.items()}
            self.assertEqual(rights, {"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "000000000000000f", "CapEff": "000000000000000f",
                                      "Umask": "0077"})
            self.assertNotEqual(host(f"readlink /proc/{process}/ns/mnt"), host("readlink /proc/self/ns/mnt"))

    def test_metrics_are_served_on_this_machine_alone(self):
        said = host("perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(\"127.0.0.1:9469\") or die; "
                    "print $s \"GET /metrics HTTP/1.0\\r\\n\\r\\n\"; print <$s>'")
        self.assertRegex(said, rf'(?m)^holdfast_last_success_timestamp_seconds{{[^}}]*vm="{VM}"[^}}]*}} \d')
        self.assertEqual(host("ss -Hltn 'sport = 9469' | awk '{print $4}'").split(), ["127.0.0.1:9469"])

    # -- what is done to it --------------------------------------------------------------------

    def test_a_reload_keeps_the_run_and_a_mistake_keeps_the_old_configuration(self):
        run, pid = self.slow_run()
        daemon = show("MainPID")
        put("/etc/holdfast/holdfast.conf", CONFIG.replace("minutely", "everyminute"))
        self.addCleanup(lambda: (put("/etc/holdfast/holdfast.conf", CONFIG), host(f"systemctl reload {UNIT}")))
        host(f"systemctl reload {UNIT}; kill -0 {pid}")
        self.ends_well(run)
        self.assertEqual(show("MainPID"), daemon)
        put("/etc/holdfast/holdfast.conf", CONFIG + "nonsense = 1\n")
        status, _ = host(f"systemctl reload {UNIT}", check=False)
        self.assertNotEqual(status, 0)
        self.assertIn("nonsense", journal(20))
        before = points()
        put("/etc/holdfast/holdfast.conf", CONFIG.replace("minutely", "everyminute"))  # not read by anybody yet but the runs
        wait_for("a run by the old configuration", RUN_S, lambda: self.runs_of(before))
        self.assertEqual(show("MainPID"), daemon)

    def test_a_run_outlives_a_restart_and_is_not_begun_twice(self):
        run, pid = self.slow_run()
        host(f"systemctl restart {UNIT}; kill -0 {pid}")
        self.assertEqual(open_runs(), [run])
        self.ends_well(run)
        self.assertTrue(self.is_well())
        self.assertEqual(host("holdfast status --check", check=False)[0], 0)

    def test_a_daemon_that_is_killed_is_started_again_and_its_run_is_not_begun_twice(self):
        run, pid = self.slow_run()
        daemon = show("MainPID")
        host(f"kill -KILL {daemon}; kill -0 {pid}")
        wait_for("another daemon", UNDER_LOAD_S, lambda: self.is_well() and show("MainPID") not in (daemon, "0"))
        self.assertEqual(open_runs(), [run])
        self.ends_well(run)
        before = points()
        wait_for("the next run", RUN_S, lambda: self.runs_of(before))

    def test_a_daemon_that_hangs_is_killed_and_started_again(self):
        put("/etc/systemd/system/holdfastd.service.d/watchdog.conf", "[Service]\nWatchdogSec=10s\nTimeoutStopSec=5s\n", mode="644")
        self.addCleanup(host, f"rm -r /etc/systemd/system/holdfastd.service.d; systemctl daemon-reload; systemctl restart {UNIT}")
        host(f"systemctl daemon-reload; systemctl restart {UNIT}")
        daemon = show("MainPID")
        time.sleep(25)
        self.assertEqual(show("MainPID"), daemon, "it is alive, and was taken for dead")
        host(f"kill -STOP {daemon}")
        wait_for("another daemon", 60 + UNDER_LOAD_S, lambda: self.is_well() and show("MainPID") not in (daemon, "0"))
        self.assertIn("atchdog", host(f"journalctl -u {UNIT} -o cat -n 30"))
        before = points()
        wait_for("the next run", RUN_S, lambda: self.runs_of(before))

    def test_a_daemon_that_is_off_is_seen(self):
        host(f"systemctl stop {UNIT}")
        self.assertEqual(show("ActiveState", "Result"), ["inactive", "success"])
        # Overdue it is after an hour; what is due next, and when the last success was, is said all the same.
        said = host("holdfast status")
        self.assertIn("minutely", said)

    def test_a_configuration_that_cannot_be_read_stays_failed_and_says_why(self):
        put("/etc/holdfast/holdfast.conf", CONFIG + "nonsense = 1\n")
        self.addCleanup(put, "/etc/holdfast/holdfast.conf", CONFIG)
        status, _ = host(f"systemctl restart {UNIT}", check=False)
        self.assertNotEqual(status, 0)
        self.assertEqual(show("ActiveState", "Result", "ExecMainStatus"), ["failed", "exit-code", "2"])
        self.assertIn("nonsense", journal(20))
        self.assertEqual(host("holdfast status --check", check=False)[0], 3)

    def test_what_expired_goes_by_the_timer_under_the_same_hardening(self):
        host("systemctl start holdfast-prune.service")
        self.assertEqual(show("Result", "ExecMainStatus", unit="holdfast-prune.service"), ["success", "0"])


class Removed(unittest.TestCase):
    """At last. (Its name makes it the last.)"""

    def test_a_purge_leaves_catalog_and_configuration_and_says_so(self):
        said = host("apt-get purge -q -y holdfast </dev/null 2>&1", timeout=300)
        self.assertIn("/var/lib/holdfast stays", said)
        host("test -s /var/lib/holdfast/catalog.sqlite -a -s /etc/holdfast/holdfast.conf")
        self.assertEqual(show("LoadState"), "not-found")
        self.assertEqual(host("pgrep -x holdfastd || :"), "")
        self.assertEqual(host("find /usr /lib /etc/systemd /var/lib/systemd -name '*holdfast*' | grep -v deb-systemd-helper || :"), "")


if __name__ == "__main__":
    if (reason := debian.why_not()) and "guest" in os.environ.get("HOLDFAST_TEST_REQUIRE", "").split(","):
        sys.exit(f"FAIL guest: {reason}")
    elif reason:
        print(f"SKIP guest: {reason}")
        sys.exit(77)
    main()
