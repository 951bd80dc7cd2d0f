# SPDX-License-Identifier: Apache-2.0
"""What has to be on the stores in the course of the day of test_day.py: worked out from the rules as the manual tells them, hour by
hour, and compared with what lies there. Nothing of it asks holdfast.
"""

import base64
import json
import tempfile
from datetime import timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from backuplib import MIB, reader

ZONE = ZoneInfo("Europe/Berlin")
KEEP = {"shelf": {"last": 1, "hourly": 2, "daily": 2}, "vault": {"last": 1, "daily": 2}}
GRACE_H = 2.5


def bucket(rule, taken):
    """What a point shares with those of which the rule wants one."""
    form = {"last": "%FT%TZ", "hourly": "%F %H %z", "daily": "%F"}[rule]  # %z: an hour that comes twice is two
    return taken.astimezone(timezone.utc if rule == "last" else ZONE).strftime(form)


def survivors(rules, taken, verified):
    """Of {point: when}: those that a rule wants, the newest, and the newest that was verified."""
    def wants(point):
        newer = [p for p in taken if taken[p] > taken[point]]
        if not newer or (point in verified and not verified.intersection(newer)):
            return True
        for rule, n in rules.items():
            of_newer = {bucket(rule, taken[p]) for p in newer}
            if bucket(rule, taken[point]) not in of_newer and len(of_newer) < n:
                return True
        return False
    return {p for p in taken if wants(p)}


class Ledger:
    """What has to be on a store. points: when each was taken; packs_of: what each needs; written, condemned: the hour of a pack."""

    def __init__(self, test, name):
        self.test, self.name, self.bucket = test, name, test.buckets.get(name)
        self.points, self.packs_of, self.written, self.condemned, self.verified = {}, {}, {}, {}, set()
        self.totals = []  # bytes on the store after each prune
        self.end = ".age" if self.bucket else ""
        light = Path(tempfile.mkdtemp(dir=test.scratch.name))
        (light / "holdfast.json").write_bytes(self.get("holdfast.json"))
        self.metadata_file = reader.Store(light, test.identity, light).metadata_file

    # -- what there is ------------------------------------------------------------------------

    def get(self, name):
        return self.bucket.get(name) if self.bucket else (self.test.site.dir / self.name / name).read_bytes()

    def sizes(self):
        """Name → bytes."""
        if self.bucket:
            return self.bucket.sizes()
        folder = self.test.site.dir / self.name
        return {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}

    @staticmethod
    def ids(names, kind):
        return {n.rpartition("/")[2].partition(".")[0] for n in names if n.startswith(f"{kind}/")}

    # -- what happens -------------------------------------------------------------------------

    def add(self, point, taken, hour):
        """One that was put there just now."""
        text = self.get(f"points/db/{point}/manifest.json{self.end}")
        packs = base64.b64decode(json.loads(reader.age(text, self.metadata_file) if self.end else text)["manifest"]["packs"])
        self.points[point] = taken
        self.packs_of[point] = {packs[at:at + 16].hex() for at in range(0, len(packs), 16)}
        for pack in self.ids(self.sizes(), "index") - set(self.written):
            self.written[pack] = hour

    def named(self):
        return set().union(*(self.packs_of[p] for p in self.points))

    def prune(self, hour):
        """What a prune has to do now. Returns the points that go."""
        gone = set(self.points) - survivors(KEEP[self.name], self.points, self.verified)
        for point in gone:
            del self.points[point]
        for pack in set(self.condemned) - set(self.written):  # removed the last time
            del self.condemned[pack]
        for pack in set(self.written) - self.named():
            if pack not in self.condemned:
                if hour - self.written[pack] >= GRACE_H:
                    self.condemned[pack] = hour
            elif hour - self.condemned[pack] >= GRACE_H:
                del self.written[pack]
        return gone

    # -- the comparison -----------------------------------------------------------------------

    def assert_agrees(self, gone, report, before):
        """With what lies there after a prune, and with what it said. before: the sizes before it."""
        t, now = self.test, self.sizes()
        t.assertEqual({n.split("/")[2] for n in now if n.startswith("points/")}, set(self.points))
        t.assertEqual(self.ids(now, "condemned"), set(self.condemned))
        t.assertEqual(self.ids(now, "index"), set(self.written))
        t.assertEqual(self.ids(now, "packs") | self.ids(now, "trees"), set(self.written))
        told = {a: {p["point"] for p in report["points"] if p["store"] == self.name and p["action"] == a} for a in ("deleted", "kept")}
        t.assertEqual(told, {"deleted": gone, "kept": set(self.points)})
        packs, = (s["packs"] for s in report["stores"] if s["name"] == self.name)
        removed = sum(n for name, n in before.items() if name not in now and not name.startswith("points/"))
        t.assertEqual(packs["removed"]["bytes"], removed)
        self.totals.append(sum(now.values()))
        print(f"  prune, {self.name}: points {len(gone)} deleted, {len(self.points)} kept; packs {packs['condemned']['packs']} condemned, "
              f"{packs['removed']['packs']} removed; {removed / MIB:.1f} MiB gone, {self.totals[-1] / MIB:.1f} left", flush=True)
