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

from guide import Guide
from hf import LAB, SOURCE, build_dir, lab, lab_env, main
import debian  # tests/harness, which hf.py knows

PLAYED = "tests/integration/run/plugins/holdfast-dir.so"
PLUGINS = "/usr/lib/x86_64-linux-gnu/holdfast"
GUIDES = SOURCE / "docs/guides"
VM, VMS, STORE, NAS = "db01", "/srv/vms", "/srv/store", "/srv/nas"
UNIT = "holdfastd.service"
DROP_IN = "/etc/systemd/system/holdfastd.service.d"
CONF = "/etc/holdfast/holdfast.conf"
MIB = 1 << 20
SLOW_MIB = 12  # of new content, at a quarter of a MiB a second and read back: a run that many can get in the way of
OFF_MIB = 6  # one that can be switched off
RUN_S = 240  # until a policy of each minute has made a run, in an emulated machine that is busy
ASK_METRICS = """perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("127.0.0.1:9469") or exit;
    print $s "GET /metrics HTTP/1.0\\r\\n\\r\\n"; print <$s>'"""
BACK_S = 90  # until systemd has a daemon again

CONFIG = f"""[hypervisor here]
plugin = dir
root = {VMS}

[vm {VM}]
hypervisor = here
db = tcp://127.0.0.1:3306
db-defaults-file = /etc/holdfast/{VM}.cnf
hold-limit = 5m                      ; its hypervisor copies disks to snapshot them

[store vault]
url = file://{STORE}
off-host = assume
rate-limit = 256K

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
    tar = subprocess.run(["tar", "c", *(a for n in names for a in ("-C", n.parent, n.name))], check=True, capture_output=True)
    subprocess.run([LAB, "ssh", f"mkdir -p {folder} && tar x --no-same-owner -C {folder}"], input=tar.stdout, check=True, timeout=300)


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
    unittest.addModuleCleanup(host, f"systemctl stop {UNIT} 2>/dev/null || :; pkill -x holdfast || :; rm -f {PLUGINS}/holdfast-dir.so; "
                              f"dpkg --purge holdfast {' '.join(needs)}; rm -rf /root/debs /etc/holdfast "
                              f"/var/lib/holdfast {VMS} {STORE} {NAS} {DROP_IN}; systemctl daemon-reload", timeout=300)
    send([build_dir() / PLAYED], PLUGINS)


def show(*names, unit=UNIT):
    """Properties of the unit."""
    said = host(f"systemctl show {unit} " + " ".join(f"-p {n}" for n in names))
    values = dict(line.split("=", 1) for line in said.splitlines())
    return values[names[0]] if len(names) == 1 else [values[n] for n in names]


def holdfast(*args):
    """The document of a verb that ends well."""
    return json.loads(host("holdfast --json " + shlex.join(args)))


def wait_until(what, within_s, look, explain=str):
    """What look says once it says something."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within_s} s\n{explain()}")
        time.sleep(1)
    return seen


def wait_for(what, within_s, look):
    """The same, of holdfast: says what is there instead."""
    return wait_until(what, within_s, look, lambda: host("holdfast status", check=False)[1] + journal(60))


def journal(lines=1000):
    return host(f"journalctl -u {UNIT} -o cat -n {lines}")


def make_vm(name):
    """One with a disk, whose database is the server of this machine."""
    host(f"install -d {VMS}/{name}; cd {VMS}/{name}; echo vda vda.img >domain; touch agent; head -c {2 * MIB} /dev/urandom >vda.img")


def points():
    return [p["point"] for p in holdfast("list", VM)["points"]]


def open_runs():
    return holdfast("status")["open_runs"]


def another_point(before):
    return wait_for("another run", RUN_S, lambda: [p for p in points() if p not in before])


class Installed(unittest.TestCase):
    """Before anybody wrote a configuration. (Classes run in the order of their names.)"""

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


class HostGuide(Guide, unittest.TestCase):
    """A guide whose commands are typed on the host."""

    names = {"plugin = libvirt": "plugin = dir", "uri = qemu:///system": f"root = {VMS}", "10.0.0.5": "127.0.0.1",
             "url = file:///mnt/nas/holdfast": f"url = file://{NAS}\noff-host = assume",
             "holdfast@": "hf_guide@", "user = holdfast": "user = hf_guide"}

    def do_sql(self, _, body):
        self.addCleanup(host, "mariadb -e \"DROP USER hf_guide@'%'\"")
        host(f"mariadb <<'END'\n{self.ours(body)}END\n")

    def do_ini(self, attributes, body):
        how, = attributes
        host(f"cat {'>>' if how.endswith('+') else '>'}{attributes[how]} <<'END'\n{self.ours(body)}END\n")

    def do_yaml(self, *_):
        """Prometheus reads it in integration.package."""

    def do_sh(self, attributes, body):
        status, said = host(self.ours(body), check=False, timeout=300)
        self.assertEqual(status, 0, f"{body}\n{said}")
        self.assertIn(attributes.get("output", ""), said, body)


class OneHost(HostGuide):
    """Every command of docs/guides/one-host.md, in its order."""

    def test_every_command_of_the_guide_does_what_it_says(self):
        make_vm("web01")
        host(f"install -d -m 700 {NAS}")
        self.addCleanup(host, f"systemctl stop {UNIT}; rm {CONF}")
        self.do((GUIDES / "one-host.md").read_text())
        self.assertEqual(show("ActiveState"), "active")
        self.assertEqual(len(holdfast("list", "web01")["points"]), 1)


class Policy(HostGuide):
    """The daemon at work."""

    @classmethod
    def setUpClass(cls):
        make_vm(VM)
        host(f"install -d -m 700 {STORE}")
        password = Path(lab_env()["HOLDFAST_CNF"]).read_text()
        put(f"/etc/holdfast/{VM}.cnf", re.sub(r"(?m)^(host|port) = .*\n", "", password))
        put(CONF, CONFIG)
        # This machine is the guest as well: as on a real host, whose guests outlive its daemons, its database has to.
        cls.addClassCleanup(host, f"rm -r {DROP_IN}; systemctl daemon-reload")  # the administrator's: a purge would leave it
        put(f"{DROP_IN}/database.conf", "[Unit]\nAfter=mariadb.service\n", mode="644")
        host(f"holdfast store init vault; systemctl daemon-reload; systemctl start {UNIT}")
        cls.addClassCleanup(host, f"systemctl stop {UNIT}")
        another_point([])

    def setUp(self):
        """Each test begins with a daemon that is well, and no run going on."""
        host(f"systemctl reset-failed {UNIT} 2>/dev/null || :; systemctl start {UNIT}")
        wait_for("no run is open", RUN_S, lambda: not open_runs())
        self.assertTrue(self.is_well())

    @staticmethod
    def is_well():
        return show("ActiveState", "SubState") == ["active", "running"]

    def is_replaced(self, daemon):
        return self.is_well() and show("MainPID") not in (daemon, "0")

    @staticmethod
    def assert_check(status):
        """Of `status --check`, sooner or later: while a run goes on that is a warning."""
        wait_for(f"status --check says {status}", RUN_S, lambda: host("holdfast status --check", check=False)[0] == status)

    def be_slow(self, mib):
        host(f"head -c {mib * MIB} /dev/urandom >{VMS}/{VM}/vda.img")
        self.addCleanup(host, f"head -c {2 * MIB} /dev/urandom >{VMS}/{VM}/vda.img")

    def assert_confined(self, pid):
        have = dict(line.split(":\t") for line in host(f"grep -E '^(NoNewPrivs|Seccomp|CapBnd|CapEff|Umask):' /proc/{pid}/status").splitlines())
        self.assertEqual({k: v.strip() for k, v in have.items()}, {
            "NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "000000000000000f", "CapEff": "000000000000000f", "Umask": "0077"})
        self.assertNotEqual(host(f"readlink /proc/{pid}/ns/mnt"), host("readlink /proc/self/ns/mnt"))

    def test_a_run_succeeds_by_itself_and_everybody_is_told(self):
        another_point(points())
        self.assert_check(0)
        self.assertIn("minutely", host("holdfast status"))
        self.assertRegex(host(f"systemctl status --no-pager --full {UNIT}"), r"Status: \"\S")
        self.assertRegex(journal(), rf"minutely: run of {VM}: done")

    def test_a_run_outlives_reload_restart_upgrade_and_death_of_the_daemon_and_is_begun_once(self):
        self.be_slow(SLOW_MIB)
        run, = wait_for("a run begins", RUN_S, open_runs)
        pid = int(host(f"pgrep -o -f '^/usr/bin/holdfast .*backup {VM}'"))
        daemon = show("MainPID")
        for process in (daemon, pid):
            self.assert_confined(process)
        host(f"systemctl reload {UNIT}")
        self.assertEqual(show("MainPID"), daemon)
        for way in (f"systemctl restart {UNIT}", "dpkg -i /root/debs/holdfast_*.deb"):
            host(f"{way}; kill -0 {pid}")
            self.assertTrue(self.is_replaced(daemon), way)
            daemon = show("MainPID")
        host(f"kill -KILL {daemon}; kill -0 {pid}")
        wait_for("another daemon", BACK_S, lambda: self.is_replaced(daemon))
        wait_for("the run ends", RUN_S, lambda: run not in open_runs())
        wait_for("the daemon has heard of it", BACK_S, lambda: re.search(rf"run of {VM}: done, run {run}", journal()))
        self.assertEqual(points().count(run), 1)
        self.assert_check(0)
        # The due times that passed meanwhile come as one run.
        another_point(points())

    def test_a_machine_that_goes_down_ends_its_run_and_makes_it_after_the_boot(self):
        self.be_slow(OFF_MIB)
        run, = wait_for("a run begins", RUN_S, open_runs)
        before, domain = points(), lab_env()["DOMAIN"]
        host("systemctl poweroff", check=False)
        wait_until("the machine is off", BACK_S, lambda: "shut off" in lab("virsh", "domstate", domain))
        lab("virsh", "start", domain)
        wait_until("the machine is back", RUN_S, lambda: host("true", check=False, timeout=60)[0] == 0)
        wait_for("it has booted", BACK_S, self.is_well)
        self.assertEqual(holdfast("show", run)["outcome"], "failed")  # it was there to say so itself
        self.assertNotIn(run, host("ls /var/lib/holdfast/journal"))
        another_point(before)

    def test_a_daemon_that_hangs_is_killed_and_started_again(self):
        put(f"{DROP_IN}/watchdog.conf", "[Service]\nWatchdogSec=10s\nTimeoutStopSec=5s\n", mode="644")
        self.addCleanup(host, f"rm {DROP_IN}/watchdog.conf; systemctl daemon-reload; systemctl restart {UNIT}")
        host(f"systemctl daemon-reload; systemctl restart {UNIT}")
        daemon = show("MainPID")
        time.sleep(25)
        self.assertEqual(show("MainPID"), daemon, "it is alive, and was taken for dead")
        host(f"kill -STOP {daemon}")
        wait_for("another daemon", BACK_S, lambda: self.is_replaced(daemon))
        self.assertIn("atchdog", journal(30))
        another_point(points())

    def test_a_mistake_in_the_configuration_is_refused_and_what_is_in_force_stays(self):
        put(CONF, CONFIG + "nonsense = 1\n")
        self.addCleanup(put, CONF, CONFIG)
        daemon = show("MainPID")
        self.assertNotEqual(host(f"systemctl reload {UNIT}", check=False)[0], 0)
        self.assertIn("nonsense", journal(20))
        self.assertEqual((show("MainPID"), self.is_well()), (daemon, True))
        self.assertNotEqual(host(f"systemctl restart {UNIT}", check=False)[0], 0)
        self.assertEqual(show("ActiveState", "Result", "ExecMainStatus"), ["failed", "exit-code", "2"])
        time.sleep(8)  # longer than RestartSec: trying again would not help
        self.assertEqual(show("ActiveState"), "failed")
        self.assert_check(3)

    def test_every_command_of_the_guide_for_monitoring_does_what_it_says(self):
        put(CONF, CONFIG.replace("* * * * *", "@yearly"))  # a run that goes on would be a warning
        self.addCleanup(lambda: (put(CONF, CONFIG), host(f"rm -f /etc/holdfast/*.password /etc/holdfast/*.token; systemctl reload {UNIT}")))
        host(f"systemctl reload {UNIT}")
        self.assert_check(0)
        self.do((GUIDES / "monitoring.md").read_text())
        said = wait_for("the metrics are there", BACK_S, lambda: host(ASK_METRICS, check=False)[1])
        self.assertRegex(said, rf'(?m)^holdfast_last_success_timestamp_seconds{{[^}}]*vm="{VM}"[^}}]*}} 1\d{{9}}')
        self.assertNotRegex(said, "SECRET|TOKEN")
        self.assertEqual(host("ss -Hltn 'sport = 9469' | awk '{print $4}'").split(), ["127.0.0.1:9469"])

    def test_status_knows_without_the_daemon(self):
        host(f"systemctl stop {UNIT}")
        self.assertEqual(show("ActiveState", "Result"), ["inactive", "success"])
        said = host("holdfast status")
        self.assertIn("minutely", said)
        self.assertIn("holdfastd does not run", said)

    def test_what_expired_goes_by_the_timer_under_the_same_hardening(self):
        host("systemctl start holdfast-prune.service")
        self.assertEqual(show("Result", "ExecMainStatus", unit="holdfast-prune.service"), ["success", "0"])


class Removed(unittest.TestCase):
    """At last."""

    def test_a_purge_leaves_catalog_and_configuration_and_says_so(self):
        put(CONF, CONFIG)
        host(f"rm -f {PLUGINS}/holdfast-dir.so")
        said = host("apt-get purge -q -y holdfast </dev/null 2>&1", timeout=300)
        self.assertIn("/var/lib/holdfast stays", said)
        host(f"test -s /var/lib/holdfast/catalog.sqlite -a -s {CONF}")
        self.assertEqual(show("LoadState"), "not-found")
        self.assertEqual(host("pgrep -x holdfastd || :"), "")
        self.assertEqual(host("find /usr /etc/systemd /var/lib/systemd -name '*holdfast*' || :"), "")


if __name__ == "__main__":
    if (reason := debian.why_not()) and "guest" in os.environ.get("HOLDFAST_TEST_REQUIRE", "").split(","):
        sys.exit(f"FAIL guest: {reason}")
    elif reason:
        print(f"SKIP guest: {reason}")
        sys.exit(77)
    main()
