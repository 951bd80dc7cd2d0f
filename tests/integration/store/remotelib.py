# SPDX-License-Identifier: Apache-2.0
"""Servers of sftp and WebDAV for the tests of stores, one per program: on 127.0.0.1, all they have below a folder of their own.

They and their folders go with the test program, however that goes.
"""

import concurrent.futures
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import storelib
import swiftlib
from swiftlib import runlib

os.environ.setdefault("HOLDFAST_BUILD_DIR", str(runlib.BUILD))
sys.path.insert(0, str(runlib.SOURCE / "tests/integration/files"))
import fileslib  # noqa: E402
import timed  # noqa: E402

START_WITHIN_S = 30
FOLDERS = 99
AT_ONCE = 4  # classes of one program
SKIPPED = 77
USER, PASSWORD = "hf", "s3cret/with+odd=chars"


def main():
    """The program's classes, each in a process of its own: they wait more than they work. With arguments: those, here."""
    if len(sys.argv) > 1:
        timed.main()
    found = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    names = {type(test).__name__: None for suite in found for test in suite}

    def run(name):
        done = subprocess.run([sys.executable, *(["-B"] if sys.dont_write_bytecode else []), sys.argv[0], name], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=runlib.die_with_parent)
        print(f"{name}: {done.stdout}", flush=True)
        return done.returncode

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        codes = set(pool.map(run, names))
    skipped = {SKIPPED} & codes
    sys.exit(1 if codes - {0} - skipped else max(codes))


def removed_at_the_end(folder):
    """A process outside of ours removes it once we are gone, and what still writes to it."""
    words = ["sh", "-c", 'read -r line; sleep 0.2; rm -rf "$1"', "sh", str(folder)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)


class Server:
    """Folders below `root` are what it serves; on this machine they can be looked into."""

    CACHE_S = 0  # it may not see for so long what is changed on its disk

    def __init__(self, prefix):
        self.dir = Path(tempfile.mkdtemp(prefix=prefix))
        self.remover = removed_at_the_end(self.dir)
        self.root = self.dir / "root"
        self.root.mkdir()
        self.n = 0

    def new_folder(self):
        self.n += 1
        folder = self.root / f"store{self.n}"
        folder.mkdir(exist_ok=True)
        return folder

    def wait_for(self, port, process):
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        log = self.dir / "log"
        sys.exit(f"FAIL fixture: no server answers: {log.read_text()[-2000:] if log.exists() else ''}")

    def stop(self):
        self.remover.communicate(b"\n")
        shutil.rmtree(self.dir, ignore_errors=True)


class Sftp(Server):
    """OpenSSH. program: what serves sftp, and its options, in a line of sshd_config; None: nothing does."""

    def __init__(self, program="internal-sftp"):
        runlib.need("sshd", "sshd", "ssh-keygen", "setpriv")
        super().__init__("hf-sftp-")
        lines = [f"Subsystem sftp {program}"] if program else []
        self.sshd = fileslib.Sshd(*lines, "UseDNS no", "MaxStartups 100", "LogLevel ERROR")
        self.sshd_remover = removed_at_the_end(self.sshd.dir)
        self.port = self.sshd.port
        host = self.sshd.dir.joinpath("host.pub").read_text()
        self.known_hosts = self.dir / "known_hosts"
        self.known_hosts.write_text(f"127.0.0.1 {host}")  # on whatever port
        self.key = self.sshd.dir / "user"

    def url(self, folder, port=None):
        return f"sftp://root@127.0.0.1:{port or self.port}{folder}"

    def options(self):
        return {"key_file": self.key, "known_hosts": self.known_hosts}

    def section(self):
        return {"ssh-key": self.key, "ssh-known-hosts": self.known_hosts}

    def sessions(self):
        """Process ids of all that serve a connection."""
        found, all_of_them = [self.sshd.process.pid], {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                text = stat.read_text()
                all_of_them.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(text.split()[0]))
        for pid in found:
            found += all_of_them.get(pid, [])
        return found[1:]

    def signal_sessions(self, number):
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self):
        self.signal_sessions(signal.SIGKILL)
        self.sshd.close()
        self.sshd_remover.communicate(b"\n")
        super().stop()


class Dav(Server):
    """rclone, with TLS."""

    CACHE_S = 1.2

    def __init__(self):
        runlib.need("rclone", "rclone", "openssl")
        super().__init__("hf-dav-")
        swiftlib.make_ca(self.dir, "ca")
        swiftlib.make_ca(self.dir, "other")
        self.ca = self.dir / "ca.crt"
        self.tls = ssl.create_default_context(cafile=self.ca)
        self.password = self.dir / "password"
        self.password.touch(mode=0o600)
        self.password.write_text(PASSWORD + "\n")
        self.port = swiftlib.free_ports(1)[0]
        for n in range(1, FOLDERS + 1):  # before it can have looked for them
            (self.root / f"store{n}").mkdir()
        with (self.dir / "log").open("w") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=runlib.die_with_parent)
        self.wait_for(self.port, self.process)

    def command(self):
        return [runlib.program("rclone"), "serve", "webdav", self.root, "--addr", f"127.0.0.1:{self.port}", "--user", USER, "--pass",
                PASSWORD, "--config", "/dev/null", "--dir-cache-time", "1s", "--cert", self.dir / "ca-server.crt", "--key",
                self.dir / "ca-server.key"]

    def url(self, folder, port=None):
        return f"davs://127.0.0.1:{port or self.port}/{folder.relative_to(self.root)}"

    def options(self):
        return {"user": USER, "secret_file": self.password, "ca": self.ca}

    def section(self):
        return {"user": USER, "password-file": self.password, "ca-file": self.ca}

    def stop(self):
        self.process.kill()
        self.process.wait()
        super().stop()


def lay(case, objects):
    """Onto the server's disk."""
    for name, content in objects.items():
        path = case.folder / name
        (path.parent if content else path.parent.parent).mkdir(parents=True, exist_ok=True)
        if content:
            path.write_bytes(content)
    case.changed_behind()


class Case(storelib.Driver):
    """A folder on the server per test, and the driver program."""

    password = PASSWORD
    make_server = None
    server = None

    @classmethod
    def setUpClass(cls):
        cls.server = cls.make_server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="test-", dir=self.server.dir))
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.folder = self.server.new_folder()
        self.port = self.server.port

    def command(self, *arguments, port=None, folder=None, **options):
        given = {"retry_ms": 8000, "stall_ms": 2000} | self.server.options() | options
        env = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_") and k != "SSH_AUTH_SOCK"}
        env |= {f"HOLDFAST_{'' if k in ('cancel_ms', 'point') else 'S3_'}{k.upper()}": str(v) for k, v in given.items()
                if v is not None}
        return [storelib.DRIVE, self.server.url(folder or self.folder, port or self.port), *map(str, arguments)], env

    def stored(self, name):
        """As the server has it on its disk; None: not there."""
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    def changed_behind(self):
        """Something was changed on the server's disk: it sees that now."""
        time.sleep(self.server.CACHE_S)

    def hidden(self):
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob(".*.tmp"))

    def names(self, *arguments):
        return [line.split()[0] for line in self.ok("list", *arguments).lines]
