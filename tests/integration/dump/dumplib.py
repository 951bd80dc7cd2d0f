# SPDX-License-Identifier: Apache-2.0
"""What the tests of dumps stand on: servers of both flavours, the verb, the plain client, the flavour's own mysqldump.

A test program gets the flavour as its first argument. Servers and files go when the program goes (runlib.Server).
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))
import runlib  # noqa: E402
import timed  # noqa: E402

FLAVOUR = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in ("mariadb", "mysql") else "mariadb"
IS_MARIADB = FLAVOUR == "mariadb"
# Large rows go through; nothing here is about durability.
OPTIONS = ("--max-allowed-packet=256M", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0",
           "--innodb-buffer-pool-size=64M", "--innodb-redo-log-capacity=128M" if not IS_MARIADB
           else "--innodb-log-file-size=64M", "--event-scheduler=OFF")
STEPS = ("-schema-create.sql", "-schema-sequence.sql", "-schema.sql", "data", "-schema-post.sql", "holdfast-users.sql.txt",
         "-schema-view.sql", "-schema-triggers.sql")


def sampled(cases):
    """All of them on MariaDB and in a soak; where samples do, three of them on MySQL, whose sessions and tables cost much more."""
    if IS_MARIADB or not int(os.environ.get("HOLDFAST_SAMPLE", "0")):
        return list(cases)
    return random.Random(runlib.seed()).sample(list(cases), min(3, len(cases)))


def mysql_tree():
    found = subprocess.run([runlib.SOURCE / "tests/integration/mysql-sid"], capture_output=True, text=True)
    if found.returncode != 0:
        runlib.missing("mysql", found.stderr.strip())
    return Path(found.stdout.strip())


def mysql_template(tree):
    """A fresh server's files, made once per tree and copied: --initialize takes as long as all else of a start."""
    final = tree / "var/cache/holdfast-data"
    if final.exists():
        return final
    with tempfile.TemporaryDirectory(prefix="hf-template-", dir=tree / "tmp") as folder:
        inner = f"/tmp/{Path(folder).name}"
        subprocess.run(["chroot", str(tree), "/usr/sbin/mysqld", "--no-defaults", f"--datadir={inner}/data", "--user=root",
                        f"--tmpdir={inner}", "--innodb-redo-log-capacity=8M", "--initialize-insecure"], check=True, capture_output=True)
        (Path(folder) / "data/auto.cnf").unlink()  # each server has a UUID of its own
        with contextlib.suppress(OSError):  # somebody else was faster
            (Path(folder) / "data").rename(final)
    return final


class MysqlServer(runlib.Server):
    """MySQL from a chroot; its files are seen from both sides."""

    def _make_dir(self):
        runlib.need("mysql", "mariadb", "chroot")
        self.tree = mysql_tree()
        return Path(tempfile.mkdtemp(prefix="hf-dump-", dir=self.tree / "tmp"))

    def _commands(self, options):
        inner = Path("/tmp") / self.dir.name
        base = ["chroot", str(self.tree), "/usr/sbin/mysqld", "--no-defaults", f"--datadir={inner}/data", "--user=root",
                f"--tmpdir={inner}"]
        run = [*base, f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={inner}/sock",
               f"--pid-file={inner}/pid", "--log-bin=binlog", "--server-id=1", "--mysqlx=OFF",
               "--secure-file-priv=NULL", *options]
        return ["cp", "-a", str(mysql_template(self.tree)), str(self.dir / "data")], run


def start(*options):
    return (runlib.Server if IS_MARIADB else MysqlServer)(*OPTIONS, *options)


def client(server, *arguments):
    return [runlib.program("mariadb"), f"--defaults-file={server.defaults}", "--host=127.0.0.1",
            f"--port={server.port}", "--max-allowed-packet=512M", "--default-character-set=utf8mb4", *arguments]


def sql(server, text, *arguments):
    """Rows as lists of texts; RuntimeError with the server's word."""
    data = text if isinstance(text, bytes) else text.encode()
    done = subprocess.run(client(server, "-BN", *arguments), input=data, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace")[-1500:])
    return [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]


def quote(name):
    return "`" + name.replace("`", "``") + "`"


def own_dump(server, schemas):
    """What the flavour's own mysqldump says about these schemas, without what may differ."""
    options = ["--routines", "--events", "--triggers", "--skip-dump-date", "--skip-comments", "--hex-blob",
               "--single-transaction", "--order-by-primary"]
    if IS_MARIADB:
        command = [runlib.program("mariadb-dump"), f"--defaults-file={server.defaults}",
                   f"--socket={server.socket}", *options, "--databases", "--", *schemas]
    else:
        command = ["chroot", str(server.tree), "/usr/bin/mysqldump", "--no-defaults", "--user=root", "--socket",
                   f"/tmp/{server.dir.name}/sock", "--set-gtid-purged=OFF", "--column-statistics=0", *options, "--databases", "--", *schemas]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="surrogateescape")


class Dump:
    """A directory, and its manifest."""

    def __init__(self, directory):
        self.dir = Path(directory)
        self.manifest = json.loads((self.dir / "holdfast.json").read_text())

    def tables(self):
        return {(s["name"], t["name"]): t for s in self.manifest["schemas"] for t in s["tables"]}

    def checksums(self):
        """What has to be equal in another dump of the same content."""
        return {k: (t["kind"], t["rows"], t["checksum"], t["trigger_count"]) for k, t in self.tables().items()}

    def text_of(self, key):
        """The rows of a table, sorted."""
        rows = []
        for f in self.tables()[key]["files"]:
            text = subprocess.run(["zstdcat", self.dir / f["name"]], check=True, capture_output=True).stdout
            rows += [line.rstrip(b",;") for line in text.split(b"\n") if line.startswith(b"(")]
        return f"{key}\n" + b"\n".join(sorted(rows)).decode("latin1")

    def files(self):
        """(schema or None, path), in the order of docs/dump-format.md."""
        by_step = {step: [] for step in STEPS}
        for s in self.manifest["schemas"]:
            for f in (s["create"], s["post"]):
                self._put(by_step, None if f is s["create"] else s["name"], f)
            for t in s["tables"]:
                for f in (t["schema"], t["view"], t["triggers"], *t["files"]):
                    self._put(by_step, s["name"], f)
        self._put(by_step, None, self.manifest["users"])
        return [entry for step in STEPS for entry in by_step[step]]

    def _put(self, by_step, schema, file):
        if file is None:
            return
        step = next((s for s in STEPS if file["name"].endswith(s)), "data")
        by_step[step].append((schema, self.dir / file["name"]))

    def load_by_client(self, server):
        for schema, path in self.files():
            if path.suffix == ".zst":
                data = subprocess.run(["zstdcat", path], check=True, capture_output=True).stdout
            elif path.suffix == ".gz":
                data = subprocess.run(["zcat", path], check=True, capture_output=True).stdout
            else:
                data = path.read_bytes()
            try:
                sql(server, data, *([f"--database={schema}"] if schema else []))
            except RuntimeError as e:
                raise AssertionError(f"{path.name}: {e}") from None


class DumpTest(unittest.TestCase):
    """Each test has a directory of its own; class attribute `server` is the source."""

    server = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="hf-dump-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def config(self, server=None, defaults=None):
        server = server or self.server
        path = self.folder / f"{server.port}.conf"
        path.write_text(f"[defaults]\nstate = {self.folder}/state\n[hypervisor none]\nplugin = libvirt\n"
                        f"uri = test:///default\n[vm v]\nhypervisor = none\ndb = tcp://127.0.0.1:{server.port}\n"
                        f"db-defaults-file = {defaults or server.defaults}\n")
        return path

    def command(self, to, *options, server=None, defaults=None):
        return [str(runlib.BINARY), "-c", str(self.config(server, defaults)), "dump", "v", "--to",
                str(self.folder / to), *options]

    def run_dump(self, to, *options, status=0, env=None, **where):
        """The Dump, or (status not 0) the error's document."""
        done = subprocess.run([*self.command(to, *options, **where), "--json"], capture_output=True, text=True,
                              env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        if status != 0:
            return json.loads(done.stdout)["error"]
        self.document = json.loads(done.stdout)
        self.assertFalse((self.folder / to / "INCOMPLETE").exists())
        return Dump(self.folder / to)

    def assert_incomplete(self, to):
        """Says so itself, and no half file has a final name."""
        directory = self.folder / to
        self.assertTrue((directory / "INCOMPLETE").exists())
        self.assertFalse((directory / "holdfast.json").exists())
        for path in directory.glob("*.zst"):
            self.assertEqual(subprocess.run(["zstd", "-qt", path]).returncode, 0, path)

    def assert_same_text(self, one, other):
        if one == other:
            return
        a, b = one.splitlines(), other.splitlines()
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                self.fail(f"line {i + 1} differs:\n{x[:2000]}\n{y[:2000]}")
        self.fail(f"{len(a)} lines and {len(b)} lines")

    def assert_no_session_left(self, server=None, within_s=5):
        """None but our own."""
        end = time.monotonic() + within_s
        rows = None
        while time.monotonic() < end:
            rows = sql(server or self.server, "SELECT id, info FROM information_schema.processlist WHERE user = 'root' "
                                              "AND id <> CONNECTION_ID()")
            if not rows:
                return
            time.sleep(0.05)
        self.fail(rows)


def main():
    runlib.need("tools", "zstdcat")
    if not runlib.BINARY.exists():
        runlib.missing("build", f"{runlib.BINARY} not found")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    timed.main()
