# SPDX-License-Identifier: Apache-2.0
"""What the tests of whole runs stand on: a private MariaDB, VMs that are directories, the holdfast binary.

One server per test program, on 127.0.0.1; one site (configuration, state, VM) per test. A caretaker outside the
program's process tree waits for the program to go, however it goes, and then ends the server and removes all files.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE / "tests/harness"))
import timed  # noqa: E402
BUILD = Path(os.environ.get("HOLDFAST_BUILD_DIR", SOURCE / "build/dev"))
BINARY = BUILD / "src/holdfast"
PLUGINS = BUILD / "tests/integration/run/plugins"
START_WITHIN_S = 30

SANITIZED = b"__asan_init" in BINARY.read_bytes() if BINARY.exists() else False


def missing(name, why):
    """Ends the program: skipped, or failed where HOLDFAST_TEST_REQUIRE names what is missing."""
    required = os.environ.get("HOLDFAST_TEST_REQUIRE", "").split(",")
    fails = name in required or "all" in required
    print(f"{'FAIL' if fails else 'SKIP'} {name}: {why}", flush=True)
    sys.exit(1 if fails else 77)


def program(name):
    """Path of a program, or None."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def need(name, *programs):
    for p in programs:
        if not program(p):
            missing(name, f"{p} not found")


def make_identity(path):
    """A new key of age in this file; its recipient. For who needs age and age-keygen."""
    subprocess.run(["age-keygen", "-o", path], check=True, stderr=subprocess.DEVNULL)
    return recipient_of(path)


def recipient_of(path):
    return subprocess.run(["age-keygen", "-y", path], check=True, capture_output=True, text=True).stdout.strip()


def seed(unset=0):
    """HOLDFAST_SEED; else always the same where samples do (HOLDFAST_SAMPLE, as in ./check), and another one each time in a
    soak (0). unset: what HOLDFAST_SAMPLE counts as where it is not set."""
    given = os.environ.get("HOLDFAST_SEED")
    return int(given) if given else 20261123 if int(os.environ.get("HOLDFAST_SAMPLE", unset)) else int(time.time())


def die_with_parent():
    """Before exec: SIGKILL when the parent goes."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


# ---- other days ----------------------------------------------------------------------------

LATER = BUILD / "tests/integration/run/later.so"


def need_later():
    """For who begins programs on other days."""
    if SANITIZED or not LATER.exists():
        missing("later", f"{LATER} is not built, or cannot be preloaded before a sanitizer")


def later(file, seconds):
    """The environment of a program whose time of day is so much later; said again, the same for one that runs."""
    new = file.with_suffix(".new")
    new.write_text(f"{int(seconds)}\n")
    new.rename(file)    # an empty one would be a clock that is right for a moment
    return {"LD_PRELOAD": str(LATER), "LATER": str(file)}


def age(folder, seconds, *patterns):
    """All files below that match are so much older: by the clock of a store in a directory, which is the file system's."""
    for pattern in patterns or ("*",):
        for path in folder.rglob(pattern):
            with contextlib.suppress(FileNotFoundError):
                then = path.stat().st_mtime - seconds
                os.utime(path, (then, then))


def flip(path, at=None):
    """One bit of a file, in its middle or there: whatever its content is, it is another one then."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    path.write_bytes(data)


def processes(program, folder):
    """Process ids of this program, wherever it lies, whose arguments name that folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(program.encode()) and str(folder).encode() in b" ".join(words):
            found.append(entry.parent.name)
    return found


# ---- the server ----------------------------------------------------------------------------


class Server:
    """MariaDB with all files below `dir`, as root over TCP and socket."""

    def __init__(self, *options):
        self.dir = self._make_dir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.socket = self.dir / "sock"
        self.log = self.dir / "log"
        self.defaults = self.dir / "client.cnf"
        self.defaults.write_text("[client]\nuser = root\n")
        self.defaults.chmod(0o600)
        self.life = self._start_caretaker(options)
        self.wait()

    def _make_dir(self):
        need("mariadb", "mariadbd", "mariadb-install-db", "mariadb")
        return Path(tempfile.mkdtemp(prefix="hf-run-"))

    def _commands(self, options):
        common = ["--no-defaults", f"--datadir={self.dir}/data", "--user=root", "--innodb-log-file-size=8M",
                  "--innodb-buffer-pool-size=16M"]
        install = [program("mariadb-install-db"), *common, "--auth-root-authentication-method=normal",
                   "--skip-test-db"]
        run = [program("mariadbd"), *common, f"--port={self.port}", "--bind-address=127.0.0.1",
               f"--socket={self.socket}", f"--pid-file={self.dir}/pid", "--log-bin=binlog", "--sync-binlog=1",
               "--server-id=1", "--skip-name-resolve", *options]
        return install, run

    def _start_caretaker(self, options):
        install, run = self._commands(options)
        inside, outside = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
            os.close(outside)
            try:
                self._take_care(install, run, inside)
            finally:
                os._exit(0)
        os.close(inside)
        os.wait()
        return outside

    def _take_care(self, install, run, inside):
        """Twice forked: not in the process tree that a test runner kills as a whole."""
        null = os.open("/dev/null", os.O_RDWR)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        # A starting server removes what looks like its temporary tables: /tmp is not for two of them.
        os.environ["TMPDIR"] = str(self.dir)
        subprocess.run(install, check=False, preexec_fn=die_with_parent)
        server = subprocess.Popen(run, preexec_fn=die_with_parent)
        while os.read(inside, 1):  # lose_power
            server.kill()
            server.wait()
            server = subprocess.Popen(run, preexec_fn=die_with_parent)
        server.kill()
        server.wait()
        for line in Path("/proc/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{self.dir}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        for _ in range(50):  # a guardian of the last run may still be writing
            shutil.rmtree(self.dir, ignore_errors=True)
            if not self.dir.exists():
                break
            time.sleep(0.1)

    def wait(self):
        """Until it answers."""
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            with contextlib.suppress(RuntimeError):
                Session(self).close()
                return
            time.sleep(0.05)
        sys.exit(f"FAIL fixture: the server does not answer:\n{self.log.read_text()}")

    def lose_power(self):
        """It is gone at once, and starts again; when it answers is another matter."""
        pid = int((self.dir / "pid").read_text())
        os.write(self.life, b"x")
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 20, "the server does not die")

    def stop(self):
        os.close(self.life)
        deadline = time.monotonic() + 20
        while self.dir.exists() and time.monotonic() < deadline:
            time.sleep(0.02)


class Session:
    """One session with the server, by the mariadb client."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            [program("mariadb"), f"--defaults-file={server.defaults}", f"--socket={server.socket}", "-BNn",
             "--skip-reconnect", "--force"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        self.pending = b""
        self.n = 0
        try:
            self.id = int(self.sql("SELECT CONNECTION_ID()")[0])
        except BaseException:
            self.close()
            raise

    def send(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the client is gone: " + self.process.stdout.read().decode()) from None

    def _line(self, deadline):
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise RuntimeError(f"the session has ended: {self.pending.decode()}")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode()

    def sql(self, statement, within_s=20.0):
        """Rows of a statement, columns separated by tabs; RuntimeError for an error of the server."""
        self.n += 1
        end = f"-- end {self.n}"
        self.send(f"{statement};\nSELECT '{end}';\n")
        deadline = time.monotonic() + within_s
        rows = []
        while not rows or rows[-1] != end:
            rows.append(self._line(deadline))
        if rows[0].startswith("ERROR"):
            raise RuntimeError(rows[0])
        return rows[:-1]

    def commit(self, within_s=20.0):
        """Seconds until one commit was acknowledged."""
        begin = time.monotonic()
        self.sql("INSERT INTO t.pulse VALUES ()", within_s)
        return time.monotonic() - begin

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


class Pulse:
    """Commits all the time in a thread; keeps the longest that one took."""

    def __init__(self, server):
        self.session = Session(server)
        self.longest = 0.0
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopping:
            self.longest = max(self.longest, self.session.commit())

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.session.close()
        return self.longest


# ---- holdfast ------------------------------------------------------------------------------


class Result:
    def __init__(self, status, stdout, stderr):
        self.status, self.stdout, self.stderr = status, stdout, stderr

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def error(self):
        return self.json["error"]

    def __str__(self):
        return f"status {self.status}\n{self.stdout}{self.stderr}"


class Running:
    """A holdfast process. Its output goes to files: a guardian that lives on would keep a pipe open."""

    def __init__(self, command, environ, folder):
        self.files = [tempfile.TemporaryFile("w+", dir=folder) for _ in range(2)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.files[0], stderr=self.files[1],
                                        env=environ, preexec_fn=die_with_parent)

    def wait(self, timeout=60):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        texts = []
        for f in self.files:
            f.seek(0)
            texts.append(f.read())
            f.close()
        return Result(self.process.returncode, *texts)

    def signal(self, number):
        self.process.send_signal(number)


class Site:
    """Configuration, state directory and one VM called web with two disks."""

    def __init__(self, server):
        self.server = server
        self.dir = Path(tempfile.mkdtemp(prefix="site-", dir=server.dir))
        self.state = self.dir / "state"
        self.config = self.dir / "holdfast.conf"
        self.vms = self.dir / "vms"
        self.vm = self.make_vm("web")
        self.point_log = None
        self.sections = {"web": {"db": f"tcp://127.0.0.1:{server.port}", "db-defaults-file": server.defaults,
                                 "quiesce": "lock"}}
        self.stores = {}  # the sections [store NAME]
        self.policies = {}  # the sections [policy NAME]
        self.hypervisor = {}  # more keys of [hypervisor here]
        self.write()

    def make_vm(self, name):
        folder = self.vms / name
        folder.mkdir(parents=True)
        (folder / "vda.img").write_text("root\n")
        (folder / "vdb.img").write_text("data\n")
        (folder / "domain").write_text("vda vda.img\nvdb vdb.img\n")
        (folder / "agent").touch()
        return folder

    def write(self, **keys):
        """(Re)writes the configuration with these keys of VM web; None removes one."""
        web = self.sections["web"]
        web.update({k.replace("_", "-"): v for k, v in keys.items()})
        self.write_all()

    def write_all(self):
        """The configuration as sections, stores and policies are."""
        lines = ["[defaults]", f"state = {self.state}", f"plugin-dir = {PLUGINS}", "[hypervisor here]",
                 "plugin = dir", f"root = {self.vms}", *(f"{k} = {v}" for k, v in self.hypervisor.items())]
        for name, section in self.sections.items():
            lines += [f"[vm {name}]", "hypervisor = here"]
            lines += [f"{k} = {v}" for k, v in section.items() if v is not None]
        for kind, sections in (("store", self.stores), ("policy", self.policies)):
            for name, section in sections.items():
                lines += [f"[{kind} {name}]", *(f"{k} = {v}" for k, v in section.items())]
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o600)

    def command(self, *args, as_json=True):
        return [str(BINARY), "-c", str(self.config), *(["--json"] if as_json else []), *args]

    @staticmethod
    def environ(**more):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST_P", "DIR_"))}
        return {**clean, **{k: str(v) for k, v in more.items()}}

    def start(self, *args, as_json=True, wrap=(), **env):
        return Running([*wrap, *self.command(*args, as_json=as_json)], self.environ(**env), self.dir)

    def run(self, *args, as_json=True, wrap=(), **env):
        return self.start(*args, as_json=as_json, wrap=wrap, **env).wait()

    # -- points --------------------------------------------------------------------------------

    def points(self, spec=""):
        """Environment for kill points, of the next command: each acts once, visits are recorded."""
        once = tempfile.mkdtemp(prefix="once-", dir=self.dir)
        self.point_log = Path(once) / "visits"
        env = {"HOLDFAST_POINT_ONCE": once, "HOLDFAST_POINT_LOG": self.point_log}
        return {**env, "HOLDFAST_POINT": spec} if spec else env

    def visited(self):
        """By the last command with points, in the order of their first visit."""
        return list(dict.fromkeys(self.point_log.read_text().split())) if self.point_log.exists() else []

    def wait_for_point(self, name, within_s=15):
        wait_until(lambda: name in self.visited(), within_s, f"point {name} is not reached")

    # -- what is there -------------------------------------------------------------------------

    def journals(self):
        folder = self.state / "journal"
        return sorted(p.stem for p in folder.iterdir()) if folder.is_dir() else []

    def is_held(self):
        """By a run, or by a guardian, which lets the VM go after its journal has."""
        for path in (self.state / "locks").glob("*"):
            with open(path, "rb") as f:
                try:
                    fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def wait_for_undo(self, within_s):
        """Until the next run can begin; how long that took."""
        return wait_until(lambda: not self.journals() and not self.is_held(), within_s, "no end of the undo")

    def snapshots(self):
        r = self.run("snapshot", "list", "web")
        assert r.status == 0, str(r)
        return r.json["snapshots"]

    def domain(self):
        return (self.vm / "domain").read_text()

    def strangers(self):
        """Files of the VM that no listed snapshot explains."""
        names = [p.name[:-5] for p in self.vm.glob("*.snap")]
        return sorted(p.name for p in self.vm.iterdir()
                      if p.name.endswith(".new") or p.name == "job"
                      or (p.name.endswith(".ov") and p.name.split(".", 1)[1][:-3] not in names))

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def drill_folders(state):
    """Of the sockets of this site's drills: others may be at work beside it."""
    with contextlib.closing(sqlite3.connect(Path(state) / "catalog.sqlite")) as db:
        runs = db.execute("SELECT id FROM runs WHERE verb = 'drill'").fetchall()
    return [p for p in (Path("/run") / f"holdfast-drill-{run[-8:]}" for run, in runs) if p.exists()]


def wait_until(condition, within_s, what):
    """The time it took; AssertionError when it does not come true."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() > begin + within_s:
            raise AssertionError(f"{what} within {within_s} s")
        time.sleep(0.01)
    return time.monotonic() - begin


# ---- cases ---------------------------------------------------------------------------------


class RunTest(unittest.TestCase):
    """A site per test; all tests of a program share its server."""

    server = None
    server_options = ()

    @classmethod
    def setUpClass(cls):
        if not RunTest.server:
            RunTest.server = Server(*cls.server_options)
            unittest.addModuleCleanup(RunTest.server.stop)
        s = Session(RunTest.server)
        s.sql("CREATE DATABASE IF NOT EXISTS t")
        s.sql("CREATE TABLE IF NOT EXISTS t.pulse (id BIGINT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB")
        s.close()

    def setUp(self):
        self.site = Site(RunTest.server)
        self.addCleanup(self.site.close)

    def session(self):
        s = Session(RunTest.server)
        self.addCleanup(s.close)
        return s

    def relax(self, flush_log=0):
        """The server is not durable at commit, for the time of this test."""
        s = self.session()
        for name, value in (("innodb_flush_log_at_trx_commit", flush_log), ("sync_binlog", 0)):
            s.sql(f"SET GLOBAL {name} = {value}")
            self.addCleanup(s.sql, f"SET GLOBAL {name} = 1")
        return s

    def without_super(self):
        """The lock is taken by an account that may set no variables."""
        s = self.session()
        s.sql("CREATE OR REPLACE USER modest@'127.0.0.1'")
        self.addCleanup(s.sql, "DROP USER modest@'127.0.0.1'")
        s.sql("GRANT RELOAD, PROCESS, BINLOG MONITOR, SELECT ON *.* TO modest@'127.0.0.1'")
        cnf = self.site.dir / "modest.cnf"
        cnf.write_text("[client]\nuser = modest\n")
        cnf.chmod(0o600)
        self.site.write(db_defaults_file=cnf)

    def assert_relaxed(self, session):
        """As `relax` left it: nobody's setting was changed for good."""
        self.assertEqual(session.sql("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_binlog"), ["0\t0"])

    def ok(self, result, status=0):
        self.assertEqual(result.status, status, str(result))
        return result.json

    def fails(self, result, status, error_class, piece=""):
        """One JSON document with an error of this class."""
        self.assertEqual(result.status, status, str(result))
        self.assertEqual(result.error["class"], error_class, str(result))
        self.assertIn(piece, result.error["message"])
        return result.error

    def assert_clean(self):
        """No snapshot of ours, no file beside the disks, no journal, disks as at the start."""
        self.assertEqual([r["snapshot"] for r in self.site.snapshots() if not r["foreign"]], [])
        self.assertEqual(self.site.domain(), "vda vda.img\nvdb vdb.img\n")
        self.assertEqual(self.site.strangers(), [])
        self.assertEqual(self.site.journals(), [])

    def assert_known(self):
        """Each of our snapshots is present in the catalog, its run counts, and nothing else lies about."""
        for row in self.site.snapshots():
            self.assertEqual(row.get("state"), "present", f"unknown snapshot {row}")
            self.assertIn(self.ok(self.site.run("show", row["run"]))["outcome"], ("done", "degraded"))
        self.assertEqual(self.site.strangers(), [])
        self.assertEqual(self.site.journals(), [])
        self.assertNotEqual(self.ok(self.site.run("status"))["vms"][0].get("outcome"), "unfinished")

    def recover(self):
        """Once no guardian is at work: clean, and the second time nothing to do. What the first one did."""
        def is_over():
            return "alive" not in [r["outcome"] for r in self.ok(self.site.run("recover", "-n"))["runs"]]
        wait_until(is_over, 15, "no end of the run's guardian")
        runs = self.ok(self.site.run("recover"))["runs"]
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [], "the second recover found something to do")
        return runs


def main():
    if not BINARY.exists():
        sys.exit(f"FAIL fixture: {BINARY} is not built")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    timed.main(warnings="ignore")  # of files that a failed case leaves open
