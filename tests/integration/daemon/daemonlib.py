# SPDX-License-Identifier: Apache-2.0
"""A holdfastd on a site of its own: what it tells systemd, what the catalog says, and how time is made to pass.

Schedules come once a year. A duty whose last due time is made to lie years back is due as soon as the daemon looks.
"""

import contextlib
import datetime
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import types
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "run"))
import runlib  # noqa: E402

DAEMON = runlib.BUILD / "src/holdfastd"
WITHIN_S = 40
YEAR_S = 366 * 86400
# Half a year from now, so that no due time passes while a test runs.
YEARLY = f"0 0 1 {(datetime.datetime.now().month + 5) % 12 + 1} *"

PLAYED = """#!/bin/sh
# Plays holdfast: notes its words, waits while there is a file `wait`, says what `report` says, ends as `status` says.
here=$(dirname "$0")
echo "begin $$ $*" >>"$here/calls"
while [ -e "$here/wait" ]; do sleep 0.02; done
cat "$here/said" >&2
cat "$here/report"
echo "end $$" >>"$here/calls"
exit "$(cat "$here/status")"
"""


class Daemon:
    """One process, with a socket that plays systemd's."""

    def __init__(self, site, binary=DAEMON, wrap=(), **env):
        self.folder = Path(tempfile.mkdtemp(prefix="daemon-", dir=site.dir))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.folder / "notify"))
        self.heard = []
        self.log_path = self.folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*wrap, str(binary), "-c", str(site.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=site.environ(NOTIFY_SOCKET=self.folder / "notify", **env), preexec_fn=runlib.die_with_parent)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def listen(self, within_s=0.0):
        """All that was told so far."""
        self.socket.settimeout(within_s or 0.001)
        with contextlib.suppress(TimeoutError):
            while True:
                self.heard.append(self.socket.recv(65536).decode())
        return self.heard

    def wait_for(self, piece, within_s=WITHIN_S, after=0):
        """Until systemd was told this, behind the first `after` messages."""
        def has_come():
            return any(piece in m for m in self.listen()[after:])
        runlib.wait_until(lambda: has_come() or self.process.poll() is not None, within_s,
                          f"{piece} is not told: {self.log}")
        if not has_come():
            raise AssertionError(f"ended with {self.process.returncode}: {self.log}")

    def ready(self):
        self.wait_for("READY=1")
        return self

    def reload(self):
        """Until it was ready again."""
        before = len(self.listen())
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("READY=1", after=before)

    def end(self, number=signal.SIGTERM, within_s=WITHIN_S):
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(within_s)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.socket.close()


class DaemonTest(unittest.TestCase):
    folder = None

    @classmethod
    def setUpClass(cls):
        if not DAEMON.exists():
            sys.exit(f"FAIL fixture: {DAEMON} is not built")
        if not DaemonTest.folder:
            DaemonTest.folder = tempfile.mkdtemp(prefix="hf-daemon-")
            unittest.addModuleCleanup(shutil.rmtree, DaemonTest.folder, True)

    def setUp(self):
        self.new_site()

    def new_site(self):
        self.site = runlib.Site(types.SimpleNamespace(dir=self.folder, port=1, defaults="none"))
        self.site.sections["web"] = {"quiesce": "none"}
        self.addCleanup(self.site.close)
        self.addCleanup(self.end_runs)
        self.binary = DAEMON
        self.store = self.add_store("vault")
        self.policy()

    def end_runs(self):
        """Those that outlived their test; their guardians clean up."""
        for name in ("holdfast", "sh"):
            for pid in runlib.processes(name, self.site.dir):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGTERM)

    # -- the site --------------------------------------------------------------------------------

    def add_store(self, name):
        folder = self.site.dir / name
        folder.mkdir(mode=0o700)
        self.site.stores[name] = {"url": f"file://{folder}", "off-host": "assume"}
        self.site.write_all()
        r = self.site.run("store", "init", name)
        self.assertEqual(r.status, 0, str(r))
        return folder

    def add_vm(self, name):
        self.site.make_vm(name)
        self.site.sections[name] = {"quiesce": "none"}
        self.site.write_all()

    def policy(self, name="yearly", **keys):
        self.site.policies[name] = {"vms": "*", "schedule": YEARLY, "require": "E",
                                    **{k.replace("_", "-"): v for k, v in keys.items()}}
        self.site.write_all()

    def defaults(self, **keys):
        """More keys of the section; until the site is written anew."""
        text = "".join(f"{k.replace('_', '-')} = {v}\n" for k, v in keys.items())
        self.site.config.write_text(self.site.config.read_text().replace("[defaults]\n", "[defaults]\n" + text, 1))

    def play(self, report="{}", status=0, said=""):
        """From now on a script is what the daemon begins: it lies beside a copy of holdfastd."""
        self.played = self.site.dir / "played"
        if not self.played.exists():
            self.played.mkdir()
            shutil.copy(DAEMON, self.played / "holdfastd")
            (self.played / "holdfast").write_text(PLAYED)
            (self.played / "holdfast").chmod(0o755)
            self.binary = self.played / "holdfastd"
        for name, text in (("report", report), ("status", status), ("said", said)):
            (self.played / name).write_text(f"{text}\n")

    def hold(self):
        (self.played / "wait").touch()

    def let_go(self):
        (self.played / "wait").unlink()

    def calls(self, word="begin"):
        path = self.played / "calls"
        return [c for c in (path.read_text().splitlines() if path.exists() else []) if c.startswith(word)]

    def start(self, **env):
        d = Daemon(self.site, self.binary, **env)
        self.addCleanup(d.close)
        return d

    # -- the catalog -----------------------------------------------------------------------------

    def query(self, sql, *args):
        path = self.site.state / "catalog.sqlite"
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as db, db:
            db.row_factory = sqlite3.Row
            return [dict(r) for r in db.execute(sql, args).fetchall()]

    def duty(self, vm="web", policy="yearly", kind="run"):
        rows = self.query("SELECT * FROM duties WHERE vm = ? AND policy = ? AND kind = ?", vm, policy, kind)
        return rows[0] if rows else None

    def follow(self, **env):
        """A daemon comes and goes, and has heard of all policies."""
        d = self.start(**env).ready()
        self.assertEqual(d.end(), 0, d.log)

    def make_due(self, vm="%", policy="%", kind="run", years=3):
        """Seen at the daemon's next start or reload."""
        self.query("UPDATE duties SET served_s = ?, attempts = 0 WHERE vm LIKE ? AND policy LIKE ? AND kind = ?",
                   int(time.time()) - years * YEAR_S, vm, policy, kind)

    def start_due(self, **env):
        """A daemon that finds all runs due."""
        self.follow()
        self.make_due()
        return self.start(**env)

    def wait_ended(self, vm="web", policy="yearly", kind="run", within_s=WITHIN_S):
        def has_ended():
            d = self.duty(vm, policy, kind)
            return d and d["began_us"] > 0 and d["ended_us"] > 0 and d["outcome"]
        runlib.wait_until(has_ended, within_s, f"{kind} of {vm} has not ended: {self.duty(vm, policy, kind)}")
        return self.duty(vm, policy, kind)

    def wait_running(self, vm="web", policy="yearly", kind="run"):
        def goes_on():
            d = self.duty(vm, policy, kind)
            return d and d["pid"] > 0 and d["ended_us"] == 0
        runlib.wait_until(goes_on, WITHIN_S, f"{kind} of {vm} has not begun")
        return self.duty(vm, policy, kind)

    def alarms(self):
        """Those that are on: kind → text."""
        return {a["kind"]: a["text"] for a in self.query("SELECT kind, text FROM alarms")}

    def wait_alarms(self, *kinds):
        """Until these are on, and no others."""
        runlib.wait_until(lambda: sorted(self.alarms()) == sorted(kinds), WITHIN_S,
                          f"alarms {kinds}, and there are {self.alarms()}")
        return self.alarms()

    def runs(self, verb="backup"):
        return self.query("SELECT * FROM runs WHERE verb = ? ORDER BY started_us", verb)

    def points(self):
        return sorted(p.parent.name for p in self.store.glob("points/*/*/manifest.json"))

    def wait_stalled(self, n=1):
        """So many runs have a point, and stand at STALL."""
        runlib.wait_until(lambda: len(self.points()) == n, WITHIN_S, "the runs get so far")

    def assert_clean(self):
        """No journal, and the disks as they were."""
        runlib.wait_until(lambda: self.site.journals() == [], WITHIN_S, f"journals: {self.site.journals()}")
        self.assertEqual(self.site.domain(), "vda vda.img\nvdb vdb.img\n")
        self.assertEqual(self.site.strangers(), [])


main = runlib.main
