# SPDX-License-Identifier: Apache-2.0
"""faults_held.py - faults drawn by seed with the whole program and a database: it is let go in time, no grade is given to an instant
outside the hold, and what is left is named with its remedy."""
import json
import os
import random
import sys
import threading
import time

from common import HERE, RUNS, Site, program
from faults import SWITCHES

sys.path.insert(0, os.path.join(HERE, "..", "..", "integration", "run"))
import runlib  # noqa: E402

HOLD_S = 3
FAULTS_S = 8  # then all is well again: what waits for that comes to its end
SPARE_S = 4  # of a loaded machine, and of the wait for the lock
HELD_SWITCHES = [*SWITCHES, ("die-in-snapshot", 1), ("drop-before", "GET status"), ("drop-after", "GET log"), ("half-line", 3),
                 ("statistics-lag", True), ("node-away", "pve1"), ("403", 1), ("401", 1), ("still-running", 3),
                 ("disk-s", 5), ("cleanup-seconds", 4)]


class Writer(threading.Thread):
    """Commits without end, and knows the longest that one took."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.session, self.worst, self.ends = runlib.Session(server), 0.0, False

    def run(self):
        while not self.ends:
            self.worst = max(self.worst, self.session.commit(60))
            time.sleep(0.01)

    def end(self):
        self.ends = True
        self.join()
        self.session.close()
        return self.worst


def watch_instants(site, server):
    """A session, and {snapshot: the server's position when it was taken}, which it fills."""
    session, positions, instant = runlib.Session(server), {}, site.vm.instant

    def at_instant(name):
        positions[name] = tuple(session.sql("SHOW MASTER STATUS")[0].split("\t")[:2])
        instant(name)
    site.vm.instant = at_instant
    return session, positions


def held_run(seed, server):
    draw = random.Random(seed)
    site = Site(new=draw.random() < 0.5)
    site.vm.snapshots["theirs"] = {"name": "theirs", "snaptime": 1, "vmstate": 0, "description": "by hand"}
    site.vm.seconds["disk"] = draw.choice([0.02, 0.3, 0.8])
    chosen = draw.sample(HELD_SWITCHES, 2)
    (session, positions), writer = watch_instants(site, server), Writer(server)
    begun = threading.Event()

    def arm():
        wait_for = draw.choice([None, "/status/current", "/feature", "POST"])
        end = time.monotonic() + 10
        while wait_for and time.monotonic() < end and not [r for r in list(site.world.requests) if r[2].endswith(wait_for) or (
                r[1] == wait_for and r[2].endswith("/snapshot"))]:
            time.sleep(0.002)
        site.vm.seconds["disk"] = dict(chosen).get("disk-s", site.vm.seconds["disk"])
        site.world.faults.update((k, v) for k, v in chosen if k != "disk-s")
        begun.set()
        time.sleep(FAULTS_S)
        site.world.faults.clear()
    threading.Thread(target=arm, daemon=True).start()
    writer.start()
    state = [f"state = {os.path.join(site.folder, f'held-{seed}')}"]
    db = [f"db = tcp://127.0.0.1:{server.port}", f"db-defaults-file = {server.defaults}", "freeze = no", "uncovered = lower", f"hold-limit = {HOLD_S}s",
          "require = E"]
    status, text = program(site, "snapshot", "create", "web01", "--json", db=db, defaults=state)
    worst = writer.end()
    assert worst < HOLD_S + SPARE_S, f"{seed} {chosen}: a commit waited for {worst:.1f} s\n{text}"
    judge_report(seed, chosen, status, text, site, positions)
    begun.wait(12)
    site.world.faults.clear()
    judge_left(seed, chosen, status, text, site, lambda *args: program(site, *args, db=db, defaults=state))
    site.server.close()
    session.close()


def report_of(text):
    lines = [line for line in text.splitlines() if line.startswith('{"run"')]
    return json.loads(lines[0]) if lines else {}


def judge_report(seed, chosen, status, text, site, positions):
    """A grade above E: the position of the report is the one that the server had at that instant."""
    doc = report_of(text)
    assert len(site.requests("POST", "/snapshot")) <= 1, (seed, chosen)
    if status == 0:
        assert doc["snapshot"] in site.vm.snapshots and "snapstate" not in site.vm.snapshots[doc["snapshot"]], (seed, chosen, text)
    if doc.get("grade") in ("A", "B", "C", "D"):
        at = doc["position"]
        assert (at["file"], str(at["offset"])) == positions[doc["snapshot"]], (seed, chosen, positions, text)


def judge_left(seed, chosen, status, text, site, say):
    """Once the faults are over, recover takes all away that a run left; what it cannot is named with its remedy. Nothing else goes."""
    end = time.monotonic() + 15
    while any(not t.exit for t in site.world.tasks.values()) and time.monotonic() < end:
        time.sleep(0.05)
    recovered, words = say("recover")
    kept = {report_of(text)["snapshot"]} if status == 0 else set()
    left = set(site.vm.snapshots) - {"theirs"} - kept
    stuck = site.vm.lock is not None
    assert "theirs" in site.vm.snapshots and kept <= set(site.vm.snapshots), (seed, chosen, site.vm.snapshots)
    if stuck:  # its worker died: the lock is not ours to remove
        assert recovered != 0 and "qm unlock 100" in text + words, (seed, chosen, text, words)
    else:
        assert not left and recovered == 0, (seed, chosen, left, status, text, recovered, words)
    assert not [r for r in site.world.requests if r[1] == "DELETE" and "/tasks/" in r[2]], (seed, chosen)
    assert not [r for r in site.world.requests if r[1] == "DELETE" and "force" in r[3]], (seed, chosen)
    assert not site.vm.frozen or not site.vm.agent_alive, (seed, chosen, text, words)


def with_a_database_nothing_is_held_too_long_or_said_too_much(site):
    server = runlib.Server()
    try:
        runlib.Session(server).sql("CREATE DATABASE t; CREATE TABLE t.pulse (id BIGINT AUTO_INCREMENT PRIMARY KEY)")
        for seed in range(int(os.environ.get("HOLDFAST_TEST_FIRST", "0")), RUNS if RUNS > 40 else RUNS // 4):
            held_run(seed, server)
    finally:
        server.stop()
