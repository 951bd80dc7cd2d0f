# SPDX-License-Identifier: Apache-2.0
"""How soon after the instant a database is let go: what benches of hypervisors' APIs share. To be imported behind the folder of the plugin's tests.

A row is NAME: function(seconds that the task takes) -> (ms from the instant to the release, the requests meanwhile).
"""
import argparse
import collections
import json
import random
import re
import statistics
import sys
from datetime import datetime
from pathlib import Path

BOUND_MS = 250 + 30  # one look, and what is ours
DB_LINES = ("freeze = no", "uncovered = lower", "hold-limit = 20s", "require = E")
servers = []


def begin_of(text):
    """When capture_begin returned, by when its request came."""
    ms = float(re.search(r"^begin ([0-9.]+) ms", text, re.M)[1])
    return lambda posted: posted + ms / 1000  # its clock began before the request was there: never too early


def unlocked_of(text):
    """Since 1970, of what `snapshot create --json` said."""
    doc = json.loads(text[text.index("{"):text.rindex("}") + 1])
    event = {e["event"]: e for e in doc["timeline"]}["unlocked"]
    return datetime.fromisoformat(doc["started_at"].replace("Z", "+00:00")).timestamp() + event["at_ms"] / 1000


def db_lines():
    """Of a VM's section, for a MariaDB of our own."""
    if not servers:
        sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration/run"))
        import runlib
        servers.append(runlib.Server())
    return [f"db = tcp://127.0.0.1:{servers[0].port}", f"db-defaults-file = {servers[0].defaults}", *DB_LINES]


def run_row(name, row, rounds, is_odd):
    figures, asked = [], []
    draw = random.Random(name)
    for _ in range(rounds):
        ms, requests = row(draw.uniform(0.3, 1.3))
        figures.append(ms)
        asked.append(requests)
    most = max(asked, key=len)
    odd = sorted({r for requests in asked for r in requests[1:] if is_odd(r)})
    return {"row": name, "rounds": rounds, "median_ms": statistics.median(figures), "max_ms": max(figures), "bound_ms": BOUND_MS,
            "requests_median": statistics.median(map(len, asked)), "requests_max": len(most),
            "most": dict(collections.Counter(most)), "not_the_task": odd}


def run(rows, is_odd, requests_max):
    """The command line. True: over the bound, or something was asked that has nothing to do with the task."""
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=20)
    p.add_argument("--rows", default=",".join(rows))
    p.add_argument("--json")
    args = p.parse_args()
    told, is_bad = [], False
    for name in args.rows.split(","):
        r = run_row(name, rows[name], args.rounds, is_odd)
        told.append(r)
        is_bad |= r["max_ms"] > BOUND_MS or bool(r["not_the_task"]) or r["requests_max"] > requests_max
        print(f"{name:9} from the instant to the release: median {r['median_ms']:6.1f} ms, at most {r['max_ms']:6.1f} ms of {BOUND_MS}; "
              f"asked meanwhile: median {r['requests_median']:g}, at most {r['requests_max']}: "
              + ", ".join(f"{n} × {what}" for what, n in r["most"].items())
              + (f"; NOT THE TASK: {', '.join(r['not_the_task'])}" if r["not_the_task"] else ""), flush=True)
    for server in servers:
        server.stop()
    if args.json:
        Path(args.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return is_bad
