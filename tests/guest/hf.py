# SPDX-License-Identifier: Apache-2.0
"""What the guest tests stand on: the lab, a private configuration, the holdfast binary, a writer.

The lab (tests/lab/lab up) must be running; HOLDFAST_LAB_DIR names it, HOLDFAST_LAB_GUEST one of its guests
(default: the first) and HOLDFAST_BUILD_DIR the build to test. Where ctest hands out labs (--resource-spec-file), it is the
one that ctest gives, in the folder HOLDFAST_LABS. Without lab or build a test fails where HOLDFAST_TEST_REQUIRE names
`guest`, and is skipped (77) elsewhere. A lab is used by one test at a time: the second waits.
"""

import contextlib
import fcntl
import json
import os
import random
import re
import select
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest
from datetime import datetime
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/harness"))
import timed  # noqa: E402
LAB = SOURCE / "tests/lab/lab"


def take_given_lab():
    """Of the labs that ctest hands out, the one it gave to this test: "mariadb" and "id:mariadb1,slots:1"."""
    kind = os.environ.get("CTEST_RESOURCE_GROUP_0")
    if kind:
        given = os.environ[f"CTEST_RESOURCE_GROUP_0_{kind.upper()}"]
        os.environ["HOLDFAST_LAB_DIR"] = str(Path(os.environ["HOLDFAST_LABS"]) / re.fullmatch(r"id:(\w+),.*", given)[1])


take_given_lab()  # as it is imported: some modules ask for the lab as they are


def occupy_lab():
    """Waits until no other test has this lab; ends with the process."""
    used = os.open(Path(os.environ["HOLDFAST_LAB_DIR"]) / "used", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(used, fcntl.LOCK_EX)


def need_guest(flavour=None):
    """Ends the process unless lab and build are there, and the guest is of that flavour (None: any); it is this test's then."""
    flavour = flavour or os.environ.get("HOLDFAST_TEST_FLAVOUR")
    missing = [f"{v} not set" for v in ("HOLDFAST_LAB_DIR", "HOLDFAST_BUILD_DIR") if not os.environ.get(v)]
    if not missing and not (Path(os.environ["HOLDFAST_LAB_DIR"]) / "env").exists():
        missing = [f"no lab {os.environ['HOLDFAST_LAB_DIR']}"]
    if not missing and flavour and lab_env()["FLAVOUR"] != flavour:
        missing = [f"no guest of flavour {flavour}"]
    if not missing:
        occupy_lab()
        return
    if "guest" in os.environ.get("HOLDFAST_TEST_REQUIRE", "").split(","):
        sys.exit(f"FAIL guest: {', '.join(missing)}, and the guest is required")
    print(f"SKIP guest: {', '.join(missing)} (tests/guest/run starts a lab)")
    sys.exit(77)


def build_dir():
    return Path(os.environ["HOLDFAST_BUILD_DIR"])


def tool(name):
    """writer or compare; a release build has none, then HOLDFAST_TOOLS_DIR says where they are."""
    return Path(os.environ.get("HOLDFAST_TOOLS_DIR") or build_dir() / "tests/guest") / name


def lab(*args, check=True, **kw):
    """One lab command; its standard output."""
    p = subprocess.run([LAB, *args], check=False, capture_output=True, text=True, timeout=300, **kw)
    if check and p.returncode != 0:
        raise RuntimeError(f"lab {' '.join(args)}: {p.stderr.strip()}")
    return p.stdout


def lab_env(guest=None):
    """The guest's shell variables as a dictionary; without a name those of the guest that is tested."""
    folder = Path(os.environ["HOLDFAST_LAB_DIR"])
    guest = guest or os.environ.get("HOLDFAST_LAB_GUEST")
    text = (folder / "guests" / guest / "env" if guest else folder / "env").read_text()
    return dict(shlex.split(line)[-1].split("=", 1) for line in text.splitlines() if "=" in line)


def is_mysql():
    """Whether the guest has MySQL; else it has MariaDB."""
    return lab_env()["FLAVOUR"] == "mysql"


def sql(statement, user="writer", check=True):
    """Rows of a statement in the guest's server, tab-separated lines; root goes by ssh."""
    return lab("sql", "-u", user, "-BN", "-e", statement, check=check).splitlines()


def db_service():
    """The unit of the guest's server."""
    return lab_env().get("DB_SERVICE", "mariadb")


class Shell:
    """A shell in the guest, logged in before anything happens to it: a login writes, and hangs in a frozen guest."""

    def __init__(self):
        self.process = subprocess.Popen([LAB, "ssh", "bash", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, bufsize=0)
        self.asked = 0

    def ask(self, script, within_s):
        """What the script says, or None when it has not ended by then; its answer is dropped when it comes."""
        self.asked += 1
        mark = f"--{self.asked}--"
        self.process.stdin.write(f"{{ {script}\n}} </dev/null 2>/dev/null; echo; echo {mark}\n".encode())
        deadline = time.monotonic() + within_s
        said = b""
        while select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise RuntimeError("the shell in the guest has ended")
            said += piece
            if f"\n{mark}\n".encode() in said:
                answer = said.decode().rsplit(f"\n{mark}\n", 1)[0]
                return re.sub(r"(?s).*\n--\d+--\n", "", answer).strip()
        return None

    def close(self):
        self.process.kill()
        self.process.communicate()


class Guest:
    """The guest's state as its users see it. Times are from the call on."""

    DIRS = ("/", "/var/lib/mysql")

    def __init__(self, *units):
        self.units = units
        self.shell = Shell()
        self.slow_s = self.yardstick()

    def log_in_again(self, within_s=60):
        """After it was out of reach, which ssh bears for half a minute."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            self.shell.close()
            self.shell = Shell()
            with contextlib.suppress(RuntimeError, BrokenPipeError):
                if self.shell.ask("echo yes", 15) == "yes":
                    return
        raise RuntimeError("nobody can log in to the guest")

    def yardstick(self):
        """How long this machine takes now for what a dead-man does: start the database until it answers. The guest's
        processors are emulated, so that this is no constant."""
        unit = db_service()
        self.shell.ask(f"systemctl stop {unit}", 120)
        begin = time.monotonic()
        self.shell.ask(f"systemctl start {unit}", 120)
        if Latency.accepts(60) is None:
            raise RuntimeError("the database does not come back")
        return time.monotonic() - begin

    def hold_limit_s(self):
        """As short as this machine lets it be: dead-men are armed, and a sync is done, inside it."""
        return max(8, round(3 * self.slow_s))

    def writable(self, within_s):
        """Seconds until both disks took a write; None: they did not."""
        begin = time.monotonic()
        probes = [f"{d.rstrip('/')}/.hf-probe" for d in self.DIRS]
        touch = " && ".join(f"touch {p} && rm {p}" for p in probes)
        return time.monotonic() - begin if self.shell.ask(f"{touch} && echo yes", within_s) == "yes" else None

    def running(self, within_s, *units):
        """Seconds until all units are active; None: they are not."""
        begin = time.monotonic()
        check = " && ".join(f"systemctl -q is-active {u}" for u in units or self.units)
        while (left := begin + within_s - time.monotonic()) > 0:
            if self.shell.ask(f"{check} && echo yes", left) == "yes":
                return time.monotonic() - begin
            time.sleep(0.1)
        return None

    def dead_men(self):
        """Names of dead-men and their marks that are left."""
        return self.shell.ask("systemctl list-units --all --full --plain --no-legend 'holdfast-deadman-*';"
                              "ls /run/holdfast", 30)

    def close(self):
        self.shell.close()


class Result:
    def __init__(self, process):
        self.status = process.returncode
        self.stdout, self.stderr = process.stdout, process.stderr

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def error(self):
        return self.json["error"]


class Site:
    """A configuration and state directory of their own, for one VM of the lab."""

    def __init__(self, **vm_keys):
        self.tmp = tempfile.TemporaryDirectory(prefix="hf-test-")
        self.dir = Path(self.tmp.name)
        self.state = self.dir / "state"
        self.config = self.dir / "holdfast.conf"
        self.lab = lab_env()
        self.plugin_keys = {}  # of the section [hypervisor lab], besides, or in place of plugin and uri
        self.hosts = {}  # other sections [hypervisor NAME]
        self.stores = {}  # the sections [store NAME]
        self.defaults = {}  # of the section [defaults], besides
        self.env = {}  # of every run, besides
        self.keys = {
            "hypervisor": "lab",
            "name": self.lab["DOMAIN"],
            "guest": "agent",
            "db": f"tcp://127.0.0.1:{self.lab['DB_PORT']}",
            "db-defaults-file": self.lab["HOLDFAST_CNF"],
            "quiesce": "lock",
            "ssh": f"root@127.0.0.1:{self.lab['SSH_PORT']}",
            "ssh-key": self.lab["SSH_KEY"],
            "ssh-known-hosts": self.lab["SSH_KNOWN_HOSTS"],
        }
        self.write(**vm_keys)

    def write(self, **vm_keys):
        """(Re)writes the configuration; a value None removes the key, one of a list makes it stand several times."""
        self.keys.update({k.replace("_", "-"): v for k, v in vm_keys.items()})
        lines = ["[defaults]", f"state = {self.state}", *(f"{k} = {v}" for k, v in self.defaults.items())]
        hypervisor = {"plugin": "libvirt", "uri": self.lab["URI"], **self.plugin_keys}
        sections = {"[hypervisor lab]": hypervisor, **{f"[hypervisor {n}]": h for n, h in self.hosts.items()}, "[vm db]": self.keys,
                    **{f"[store {n}]": s for n, s in self.stores.items()}}
        for head, keys in sections.items():
            rows = [(k, v) for k, of_key in keys.items() for v in (of_key if isinstance(of_key, list) else [of_key])]
            lines += [head, *(f"{k} = {v}" for k, v in rows if v is not None)]
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o600)

    def command(self, *args, as_json=True):
        binary = build_dir() / "src/holdfast"
        return [str(binary), "-c", str(self.config), *(["--json"] if as_json else []), *args]

    def environ(self, **more):
        return {**os.environ, "HOLDFAST_PLUGIN_DIR": str(build_dir() / "plugins"), "HOLDFAST_APP_DIR": str(SOURCE / "apps"),
                **self.env, **more}

    def run(self, *args, as_json=True, timeout=180, env=None):
        p = subprocess.run(self.command(*args, as_json=as_json), capture_output=True, text=True, timeout=timeout,
                           env=self.environ(**(env or {})), check=False)
        return Result(p)

    def start(self, *args, env=None):
        return subprocess.Popen(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.environ(**(env or {})))

    def snapshots(self, ours=True):
        rows = self.run("snapshot", "list", "db").json["snapshots"]
        return [r["snapshot"] for r in rows if not (ours and r["foreign"])]

    def delete_all(self):
        for name in reversed(self.snapshots()):
            r = self.run("snapshot", "delete", "db", name)
            assert r.status == 0, r.stdout + r.stderr

    def layers(self):
        """File names of every active disk image of the domain, as libvirt sees them now."""
        out = lab("virsh", "domblklist", self.lab["DOMAIN"], "--details").splitlines()
        return {c[2]: c[3] for c in (line.split() for line in out) if len(c) == 4 and c[1] == "disk"}

    def overlays_on_disk(self):
        folder = Path(next(iter(self.layers().values()))).parent
        return sorted(p.name for p in folder.glob("*.hf-*"))

    def journals(self):
        folder = self.state / "journal"
        return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []

    def close(self):
        self.tmp.cleanup()


def answers(timeout_s, statement="SELECT 1"):
    """Whether the database does, within this time."""
    try:
        subprocess.run([LAB, "sql", "-u", "writer", "-e", statement], check=True, capture_output=True, timeout=timeout_s)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return False
    return True


class Latency:
    """How long a commit takes right now, from a session of its own: the writer's view in the fault tests."""

    def __init__(self):
        sql("CREATE TABLE IF NOT EXISTS hf_test.pulse (id BIGINT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB")

    @staticmethod
    def commit(timeout_s):
        """Seconds until one commit was acknowledged; None when it was not within the time."""
        begin = time.monotonic()
        was_taken = answers(timeout_s, "INSERT INTO hf_test.pulse VALUES ()")
        return time.monotonic() - begin if was_taken else None

    @classmethod
    def accepts(cls, within_s):
        """Seconds until a commit was acknowledged, tried again while the server is away; None: none was."""
        begin = time.monotonic()
        while (left := begin + within_s - time.monotonic()) > 0:
            if cls.commit(max(0.2, left)) is not None:
                return time.monotonic() - begin
            time.sleep(0.1)
        return None


class Blocker:
    """A session of its own that runs statements and stays until stopped."""

    def __init__(self, statements, user="writer"):
        database = ["hf_test"] if user == "writer" else []
        self.process = subprocess.Popen([LAB, "sql", "-u", user, "-n", "-BN", "--unbuffered", *database], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process.stdin.write("SELECT CONNECTION_ID();\n" + statements + "\n")
        self.process.stdin.flush()
        self.id = int(self.process.stdout.readline())

    def stop(self):
        sql(f"KILL {self.id}", user="root", check=False)
        self.process.kill()
        self.process.communicate()


def plain_tables():
    """The writer's options for all tables without transactions that the guest's server has."""
    return ["--myisam"] if is_mysql() else ["--myisam", "--aria"]


class Writer:
    """The lab's writer: commits all the time, and logs each with its instants (tests/lab/writerlog.h)."""

    def __init__(self, folder, *options):
        self.log = Path(folder) / "writer.log"
        self.process = subprocess.Popen(
            [tool("writer"), "--log", self.log, "--defaults-file", lab_env()["WRITER_CNF"],
             *options], stdout=subprocess.PIPE, text=True)

    def wait_for_commits(self, n, within_s=30):
        """Until n more commits were acknowledged."""
        deadline = time.monotonic() + within_s
        want = self.commits() + n
        while self.commits() < want:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"the writer got no further than {self.commits()} commits")
            time.sleep(0.05)

    def commits(self):
        if not self.log.exists():
            return 0
        with self.log.open() as lines:
            return sum(line.startswith("A ") for line in lines)

    def gaps(self, begin_ns, end_ns):
        """The writer's longest stalls between two instants, as its own summary."""
        out = subprocess.run([tool("writer"), "--log", self.log, "--gaps-between", str(begin_ns),
                              str(end_ns)], capture_output=True, text=True, check=True).stdout
        return json.loads(out)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return json.loads(self.process.communicate(timeout=60)[0])


# The report's times are cut to a millisecond, and begin up to that much early.
CUT_MS = 1.0

# How far the writer's view and stall_ms may be apart (DESIGN section 11).
SLACK_MS = 30.0

# So long before the lock and after its release the writer is looked at.
AROUND_MS = 300.0


def compare(log, socket, present_before, absent_after, held=None, ignore=()):
    """The lab's judge: exit status and findings of tests/lab/compare.c."""
    command = [tool("compare"), "--log", log, "--socket", socket, "--user", "root",
               "--present-before", present_before, "--absent-after", absent_after]
    if held:
        command += ["--held", *held]
    for table in ignore:
        command += ["--ignore-table", table]
    p = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    return p.returncode, p.stdout + p.stderr


def instant(report, event, plus_ms=0.0):
    """An event of a report's timeline as an instant that the lab's tools read."""
    at = next(e["at_ms"] for e in report["timeline"] if e["event"] == event)
    return f"{report['started_at']}+{at + plus_ms:.3f}"


def after_ms(report, event, at_ns):
    """How long after an event of the timeline an instant of the writer's log was."""
    started = datetime.fromisoformat(report["started_at"])
    at = next(e["at_ms"] for e in report["timeline"] if e["event"] == event)
    return at_ns / 1e6 - (started.timestamp() * 1e3 + at)


class GuestTest(unittest.TestCase):
    """A site per test, left as it was found: no snapshot, no overlay, no journal."""

    keys = {}

    def setUp(self):
        self.site = Site(**self.keys)
        self.before = self.site.layers()
        self.addCleanup(self.site.close)
        self.addCleanup(self.tidy)

    def tidy(self):
        self.site.run("recover")
        self.site.write()
        self.site.delete_all()

    def assert_clean(self):
        """Nothing of holdfast is left on the hypervisor, in the state or beside the disks."""
        self.assertEqual(self.site.snapshots(), [])
        self.assertEqual(self.site.layers(), self.before)
        self.assertEqual(self.site.overlays_on_disk(), [])
        self.assertEqual(self.site.journals(), [])

    def ok(self, result, status=0):
        self.assertEqual(result.status, status, result.stdout + result.stderr)
        return result.json


class LoadedTest(GuestTest):
    """A guest whose database is written to, and the comparison of a snapshot with the writer's log."""

    def setUp(self):
        super().setUp()
        self.scratch = tempfile.TemporaryDirectory(prefix="hf-load-")
        self.addCleanup(self.scratch.cleanup)
        self.addCleanup(self.durability, 1)
        # Left behind they would make every later snapshot of the lab sync the guest.
        self.addCleanup(sql, "DROP TABLE IF EXISTS hf_test.w_myisam, hf_test.w_aria")
        self.writer = None
        self.idle_ms = 0.0
        self.addCleanup(lambda: self.writer and self.writer.process.poll() is None and self.writer.stop())

    @staticmethod
    def durability(value):
        """Of the redo log; less than 1 goes with a binlog that is not synced either, which is MariaDB's default."""
        sql(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value};"
            f"SET GLOBAL sync_binlog = {'DEFAULT' if value == 1 else 0}", user="root")

    def load(self, *options):
        self.writer = Writer(self.scratch.name, *options)
        self.plain_tables = "--myisam" in options
        begin = time.time_ns()
        self.writer.wait_for_commits(200)
        self.idle_ms = self.writer.gaps(begin, time.time_ns())["longest_gap"]["ms"]

    def longest_gap(self, report, first, last, after=AROUND_MS):
        """The longest time without a commit between two events, looked at from AROUND_MS before to `after` ms after them. To
        be asked before the writer is put to rest: it is waited for until that time has passed."""
        time.sleep(max(0.0, after - after_ms(report, last, time.time_ns())) / 1e3)
        self.writer.wait_for_commits(1)
        return self.writer.gaps(instant(report, first, -AROUND_MS), instant(report, last, after))["longest_gap"]

    def stall_against_writer(self, report):
        """How much longer the longest time in which the writer got nothing acknowledged was than stall_ms, and than what it
        is without any snapshot (idle): that time holds the commits before and after the stall, too."""
        longest = self.longest_gap(report, "lock_begin", "unlocked")
        gap = longest["ms"]
        print(f"  stall {report['stall_ms']:.1f} ms, the writer's longest gap {gap:.1f} ms (idle {self.idle_ms:.1f}), begun "
              f"{after_ms(report, 'lock_begin', longest['from_ns']):+.1f} ms from the lock's begin, ended "
              f"{after_ms(report, 'unlocked', longest['to_ns']):+.1f} ms from its end", flush=True)
        if not self.plain_tables:  # writes to those wait from an earlier stage on, and the bound covers them
            self.assertLessEqual(report["stall_ms"], gap + SLACK_MS + self.idle_ms)
        return gap - report["stall_ms"] - self.idle_ms

    def assert_stalls_are_true(self, rounds, one_round):
        """stall_ms agrees with what the writer saw in so many rounds; each returns by how much the writer's view was longer.
        The machine stalls the writer by itself now and then, so a few rounds may have such a moment in them, two of five; the
        middle one may not. Where one of fewer than five is too long, five are made."""
        excess = []
        while len(excess) < rounds or (len(excess) < 5 and max(excess) > SLACK_MS):
            excess.append(one_round())
        self.assertLessEqual(statistics.median(excess), SLACK_MS, excess)
        self.assertLessEqual(sum(e > SLACK_MS for e in excess), 2, excess)

    @contextlib.contextmanager
    def writer_at_rest(self):
        """It stands still where nothing is to be seen of it: an emulated guest that is written to takes a processor for itself."""
        process = self.writer.process if self.writer and self.writer.process.poll() is None else None
        if process:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if process:
                process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def recovered(self, frozen):
        """A server on the host that recovered the frozen data disk by itself: its socket. The writer rests meanwhile."""
        out = Path(os.environ["HOLDFAST_LAB_DIR"]) / "recovered"
        with self.writer_at_rest():
            try:
                yield lab("recover-copy", str(out), frozen).split()[-1]
            finally:
                lab("recover-stop", str(out))

    def judge(self, report, frozen, locked="locked", released="unlocked"):
        """Recovers the frozen data disk on the host and asks the comparison."""
        with self.recovered(frozen) as socket:
            return compare(self.writer.log, socket, instant(report, locked), instant(report, locked, CUT_MS),
                           (instant(report, locked, CUT_MS), instant(report, released)))


def cases_of(suite):
    """The single cases of a suite of suites."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases_of(item)
        else:
            yield item


def always(test):
    """Marks a case that a sample never leaves out."""
    test.is_always = True
    return test


def same_with_either_server(cls):
    """Marks a class: a sample with MySQL draws none of its cases."""
    cls.is_same_with_either_server = True
    return cls


class Sampling(unittest.TestLoader):
    """HOLDFAST_SAMPLE cases of a module, or `most` if that is less, drawn by HOLDFAST_SAMPLE_SEED (printed), those that are
    marked among them; all of them without HOLDFAST_SAMPLE."""

    def __init__(self, most=None):
        super().__init__()
        self.most = most

    def loadTestsFromModule(self, module, *args, **kw):
        suite = super().loadTestsFromModule(module, *args, **kw)
        cases, size = list(cases_of(suite)), int(os.environ.get("HOLDFAST_SAMPLE", "0"))
        if size and is_mysql():
            cases = [c for c in cases if not hasattr(c, "is_same_with_either_server")]
        size = min(size, self.most or size) or len(cases)
        if size >= len(cases):
            return self.suiteClass(cases)
        kept = {i for i, c in enumerate(cases) if hasattr(getattr(c, c.id().rpartition(".")[2]), "is_always")}
        seed = int(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time())
        others = sorted(set(range(len(cases))) - kept)
        chosen = sorted([*kept, *random.Random(seed).sample(others, max(0, size - len(kept)))])
        print(f"{len(chosen)} of {len(cases)} cases, HOLDFAST_SAMPLE_SEED={seed}", flush=True)
        return self.suiteClass([cases[i] for i in chosen])


def main(flavour=None, most=None):
    need_guest(flavour)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    timed.main(testLoader=Sampling(most))
