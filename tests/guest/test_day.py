# SPDX-License-Identifier: Apache-2.0
"""A day of a real guest in minutes: a point every hour while it changes, pruned on the way; every survivor passes its drill.

The day is simulated: the clocks of the coordinator, the bucket and the directory go on by an hour from point to point. How long
anything takes, and the guest, are real. It is the day on which Berlin has the hour from two to three twice. What `prune` may leave is
counted here anew, from the rules as the manual tells them.
"""

import base64
import os
import random
import subprocess
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hf import Shell, compare, instant, is_mysql, lab, lab_env, main, sql
from backuplib import MIB, BackupTest, runlib, swiftlib
from daylib import GRACE_H, KEEP, ZONE, Ledger



def last_long_day():
    """The evening before the last day that had 25 hours: the last Sunday of October, which is over."""
    now = datetime.now(timezone.utc)
    year = now.year - (now.month < 11)
    end = datetime(year, 10, 31, 18, 20, tzinfo=timezone.utc)
    return end - timedelta(days=end.isoweekday() % 7 + 1)


BEGIN = last_long_day()
HOURS = 24
YEARS_S = 10 * 365 * 24 * 3600  # the host's own clock, by which its requests are dated, is not simulated

# What happens in which hour, besides what happens in each.
VERIFIED = (1, 10)
PRUNED = (*range(1, HOURS, 3), HOURS - 1)
AFTER = (HOURS + 2, HOURS + 5, HOURS + 6)  # the evening: what was condemned last is removed, and then its condemnation
RELEASES = (5, 11, 17)
APPEARS, DISAPPEARS = 2, 5
SNAPSHOT, SNAPSHOT_ENDS = 8, 12
POWER_CUT = 14
GROWS = 19
LEFT = (3, 10, 22, 23)  # the last of the first day, the last that was verified, the last two

HOURLY, RELEASE, GROWTH = 1 * MIB, 40 * MIB, 64 * MIB
SLACK = 2 * MIB  # of what is sent over what the guest wrote: journals, chunks that are changed in part
STILL_AT_MOST_MS = 2000
DRILL_S = 900


def setUpModule():
    runlib.need("nbdkit", "nbdkit")
    runlib.need("age", "age", "age-keygen")
    runlib.need_later()
    tempfile.tempdir = os.environ["HOLDFAST_LAB_DIR"]  # what a killed test leaves goes with the lab
    BackupTest.swift = swiftlib.Swift(skew_s=YEARS_S)


def tearDownModule():
    BackupTest.swift.stop()


class Day(BackupTest):
    def setUp(self):
        if is_mysql():
            self.skipTest("what a day does to points and stores is the same with either server, and seen with MariaDB")
        self.domain = lab_env()["DOMAIN"]
        self.switch_on()  # one that was killed may have left it off, and a snapshot
        super().setUp()
        self.tidy()
        self.before = self.site.layers()
        self.off_at, self.dated, self.spent = {}, {}, {}
        self.wrote_before = self.wrote_until = 0  # in the lives of its QEMU before, and when the last point was begun
        self.clock(0)
        self.site.defaults["timezone"] = ZONE.key
        # What is moved has other names, which cannot be worked out before: it has tests of its own.
        keys = {name: {"prune_grace": f"{int(GRACE_H * 60)}m", "keep": ", ".join(f"{r} {n}" for r, n in rules.items()), "repack": "no"}
                for name, rules in KEEP.items()}
        self.add_path("shelf", **keys["shelf"])
        self.add_swift("vault", recipients=self.recipient, identity_file=str(self.identity), **keys["vault"])
        self.ledgers = {name: Ledger(self, name) for name in KEEP}
        self.rows, self.points, self.expected, self.reports, self.sent_to = {}, {}, {}, {}, {}
        self.still_ms = self.stall_ms = 0.0
        self.shell = Shell()
        self.addCleanup(lambda: self.shell.close())  # the one of the guest's last life
        self.addCleanup(self.clear_guest)

    def clear_guest(self):
        sql("DROP TABLE IF EXISTS hf_test.hours, hf_test.passing")
        # Zeros, or the disk would hold them for ever.
        lab("ssh", "cd /root/day && shred -n 0 -z release hourly; sync; rm -rf /root/day", check=False)

    def clock(self, hour):
        """So late it is for who makes points, and for the bucket. The directory's clock is this machine's: what lies there is dated
        anew after each step, as the day's clock would have."""
        self.off_s = self.off_at[hour] = off_s = int((BEGIN + timedelta(hours=hour)).timestamp() - time.time())
        self.swift.set_clock(off_s)
        self.site.env.update(runlib.later(self.site.dir / "later", off_s))

    def date(self):
        """What has come to the directory since, in this hour."""
        for path in (self.site.dir / "shelf").rglob("*"):
            then = path.stat().st_mtime_ns
            if path.is_file() and self.dated.get(path) != then:
                self.dated[path] = then + self.off_s * 10 ** 9
                os.utime(path, ns=(self.dated[path], self.dated[path]))

    def spend(self, part, fn, *args):
        began = time.monotonic()
        try:
            return fn(*args)
        finally:
            self.spent[part] = self.spent.get(part, 0.0) + time.monotonic() - began

    # -- what changes -------------------------------------------------------------------------

    def change(self, hour):
        """Returns how much of it nobody can have seen before."""
        self.change_rows(hour)
        steps = [f"dd if=/dev/urandom of=hourly bs=1M count={HOURLY // MIB} conv=notrunc", f"echo {hour} >hour", f"touch is-{hour}",
                 f"rm -f is-{hour - 3}"]
        if hour in RELEASES:
            steps.append(f"dd if=/dev/urandom of=release bs=1M count={RELEASE // MIB} conv=notrunc")
        self.assertEqual(self.shell.ask(" && ".join(["cd /root/day", *steps, "sync", "echo yes"]), 120), "yes")
        return HOURLY + (RELEASE if hour in RELEASES else 0)

    def change_rows(self, hour):
        self.rows[hour] = 0
        self.rows[hour // 2] = self.rows.get(hour // 2, 0) + 1
        gone = hour - 7 if hour % 3 == 0 else -1
        self.rows.pop(gone, None)
        text = base64.b64encode(random.randbytes(1200)).decode()
        statements = ["USE hf_test", f"INSERT INTO hours VALUES ({hour}, 0, '{text}')",
                      f"INSERT INTO hours VALUES ({hour // 2}, 1, '{text}') ON DUPLICATE KEY UPDATE n = n + 1",
                      f"DELETE FROM hours WHERE hour = {gone}"]
        if hour == APPEARS:
            statements.append("CREATE TABLE passing ENGINE=InnoDB SELECT * FROM hours")
        if hour == DISAPPEARS:
            statements.append("DROP TABLE passing")
        sql("; ".join(statements))

    def written(self):
        """Bytes that the guest has written since it was switched on."""
        stats = [line.split() for target in self.before for line in lab("virsh", "domblkstat", self.domain, target).splitlines()]
        return sum(int(s[2]) for s in stats if s[1] == "wr_bytes")

    def cut_power(self):
        """Its writer goes on when it is back. MariaDB as it comes loses in a power cut what it acknowledged last: its log is not synced."""
        sql("SET GLOBAL sync_binlog = 1", user="root")
        self.writer.wait_for_commits(5)
        self.shell.close()
        self.wrote_before += self.written()
        self.switch_off()
        self.switch_on()
        self.shell = Shell()

    def grow(self):
        self.addCleanup(self.shrink, self.capacity("vdb"))
        lab("virsh", "blockresize", self.domain, "vdb", f"{self.capacity('vdb') + GROWTH}B")

    def capacity(self, target):
        return int(lab("virsh", "domblkinfo", self.domain, target).split()[1])

    def shrink(self, size):
        """Not with bitmaps in it."""
        self.tidy()
        lab("virsh", "blockresize", self.domain, "vdb", f"{size}B")

    def special(self, hour):
        """Of this hour only, ahead of what changes in each."""
        if hour == SNAPSHOT:
            self.snapshot = self.ok(self.site.run("snapshot", "create", "db"))["snapshot"]
        if hour == SNAPSHOT_ENDS:
            self.ok(self.site.run("snapshot", "delete", "db", self.snapshot))
        if hour == POWER_CUT:
            self.cut_power()
        if hour == GROWS:
            self.grow()

    # -- an hour ------------------------------------------------------------------------------

    def hour(self, hour):
        began = time.time_ns()
        self.spend("special", self.special, hour)
        new = self.spend("changes", self.change, hour)
        wrote = self.written() + self.wrote_before
        self.reports[hour] = doc = self.spend("backups", self.backup)
        self.date()
        self.points[hour] = doc["point"]
        self.assertEqual((doc["grade"], doc["protected"]), ("B", True), doc)
        self.assertEqual([w for w in doc["warnings"] if "only assumed to be off the host" not in w], [])
        for ledger in self.ledgers.values():
            ledger.add(doc["point"], BEGIN + timedelta(hours=hour), hour)
        self.judge_size(hour, doc, new, wrote)
        self.expected[hour] = dict(self.rows)
        if hour != POWER_CUT:
            self.still_ms = max(self.still_ms, self.writer.gaps(began, time.time_ns())["longest_gap"]["ms"])
        self.stall_ms = max(self.stall_ms, doc["stall_ms"])

    def judge_size(self, hour, doc, new, wrote):
        """Only what changed was read and sent."""
        images = [a for a in doc["artifacts"] if a["kind"] == "image"]
        read, sent = (sum(a[key] for a in images) for key in ("read_bytes", "stored_bytes"))
        changed, self.wrote_until = wrote - self.wrote_until, wrote
        print(f"  {hour:02}h: the guest wrote {changed / MIB:.1f} MiB, read {read / MIB:.1f}, sent {sent / MIB:.1f}; stall "
              f"{doc['stall_ms']:.0f} ms", flush=True)
        for store in doc["stores"]:
            self.sent_to[store["name"]] = self.sent_to.get(store["name"], 0) + store["bytes"]
        if hour == 0:
            return
        self.assertEqual([(a["incremental"], a["incremental_why"]) for a in images], [(True, None)] * len(images), images)
        self.assertLessEqual(read, 3 * changed + 4 * SLACK + (GROWTH if hour == GROWS else 0))
        for store in doc["stores"]:
            self.assertLessEqual(new, store["bytes"])
            self.assertLessEqual(store["bytes"], changed + SLACK)

    def verify(self, hour):
        self.ok(self.site.run("verify", self.points[hour], "--read"))
        for ledger in self.ledgers.values():
            ledger.verified.add(self.points[hour])

    def prune(self, hour):
        gone = {name: ledger.prune(hour) for name, ledger in self.ledgers.items()}
        before = {name: ledger.sizes() for name, ledger in self.ledgers.items()}
        doc = self.ok(self.site.run("prune"))
        self.date()
        for name, ledger in self.ledgers.items():
            ledger.assert_agrees(gone[name], doc, before[name])

    # -- what stayed --------------------------------------------------------------------------

    def drill(self, hour, store, status=0):
        """With probes for what was in the guest in this hour, and for what was not there any more or yet."""
        rows = self.expected[hour]
        self.site.write(probe=[
            f"sql SELECT MAX(hour) = {max(rows)} AND COUNT(*) = {len(rows)} AND SUM(n) = {sum(rows.values())} FROM hf_test.hours",
            f"guest /usr/bin/grep -qx {hour} /root/day/hour", f"guest /usr/bin/test -e /root/day/is-{hour}",
            f"guest /usr/bin/test ! -e /root/day/is-{hour + 1}", f"guest /usr/bin/test ! -e /root/day/is-{hour - 3}"])
        r = self.site.run("verify", self.points[hour], "--drill", "--store", store, timeout=DRILL_S)
        self.site.write(probe=None)
        doc = self.ok(r, status)
        print(f"  {hour:02}h from {store}: {'passed' if doc['passed'] else 'failed'} in {doc['duration_ms'] / 1000:.1f} s", flush=True)
        return doc

    def assert_passes(self, hour, store):
        doc = self.drill(hour, store)
        looked_at = {c["name"]: c["result"] for c in doc["checks"]}
        probes = [v for k, v in looked_at.items() if k.startswith("probe ")]
        self.assertEqual(probes, ["ok"] * 5, doc)
        for name in ("boot", "database", "position", "tables", "rows", "content", "check-table"):
            self.assertEqual(looked_at[name], "ok", doc)

    def look(self, hour, store):
        """Another server recovers the copy: the rows of this hour and no others; every commit before the lock, none after it."""
        disk, report = Path(self.scratch.name) / "vdb.raw", self.reports[hour]
        self.ok(self.site.run("restore", "image", self.points[hour], "--disk", "vdb", "--to", str(disk), "--store", store))
        back_ms = -1000.0 * self.off_at[hour]  # the report's times are the day's, the writer's are real
        with self.recovered(str(disk)) as socket:
            out = subprocess.run(["mariadb", "--no-defaults", "-S", socket, "-u", "root", "-BNe",
                                  "SELECT hour, n FROM hf_test.hours ORDER BY hour; SHOW TABLES IN hf_test"],
                                 check=True, capture_output=True, text=True).stdout.split("\n")
            status, findings = compare(self.writer.log, socket, instant(report, "locked", back_ms), instant(report, "locked", back_ms + 1))
        disk.unlink()
        rows = {int(a): int(b) for a, b in (line.split("\t") for line in out if "\t" in line)}
        self.assertEqual(rows, self.expected[hour])
        self.assertEqual("passing" in out, APPEARS <= hour < DISAPPEARS)
        self.assertEqual(status, 0, findings)

    def lose_a_pack(self):
        """The first of the directory, in which the system's disk begins."""
        packs = sorted((self.site.dir / "shelf/packs").rglob("*/*"), key=lambda p: p.stat().st_mtime_ns)
        packs[0].unlink()

    def test_every_survivor_of_a_day_of_hourly_points_passes_its_drill(self):
        self.clear_guest()
        sql("CREATE TABLE hf_test.hours (hour INT PRIMARY KEY, n INT, filler VARCHAR(2000)) ENGINE=InnoDB")
        self.shell.ask("mkdir /root/day", 60)
        self.load("--threads", "1", "--pause-us", "50000")
        for hour in range(HOURS):
            self.clock(hour)
            self.hour(hour)
            if hour in VERIFIED:
                self.spend("verify", self.verify, hour)
            if hour in PRUNED:
                self.spend("prunes", self.prune, hour)
        for hour in AFTER:
            self.clock(hour)
            self.spend("prunes", self.prune, hour)
        print(f"  the writer's longest gap {self.still_ms:.0f} ms, the longest stall {self.stall_ms:.0f} ms", flush=True)
        self.assertLess(self.still_ms, STILL_AT_MOST_MS)
        self.spend("at the end", self.assert_settled)
        self.assert_survivors()
        print("  seconds: " + ", ".join(f"{k} {v:.1f}" for k, v in self.spent.items()), flush=True)

    def assert_settled(self):
        """On the stores there is what the survivors need and nothing else, and it is whole."""
        for ledger in self.ledgers.values():
            self.assertEqual((ledger.condemned, set(ledger.written)), ({}, ledger.named()))
            sizes = ledger.totals
            self.assertGreater(max(a - b for a, b in zip(sizes, sizes[1:])), RELEASE / 2, "no release has left the store")
            self.assertLess(sizes[-1], self.sent_to[ledger.name] - RELEASE / 2)
        doc = self.ok(self.site.run("verify", "--all", "--read"))
        self.assertEqual((len(doc["copies"]), doc["damaged"]), (sum(len(s.points) for s in self.ledgers.values()), 0))
        self.writer.wait_for_commits(5)
        self.assert_no_trace("shelf")

    def assert_survivors(self):
        """Each from each store: by a drill from one, by the look of another server from the others."""
        of = {point: hour for hour, point in self.points.items()}
        copies = sorted((of[p], name) for name, ledger in self.ledgers.items() for p in ledger.points)
        left = sorted({hour for hour, _ in copies})
        self.assertEqual(tuple(left), LEFT)
        for i, hour in enumerate(left):
            store = [name for h, name in copies if h == hour][-(i % 2)]
            self.spend("drills", self.assert_passes, hour, store)
            copies.remove((hour, store))
        for hour, store in copies:
            self.spend("looks", self.look, hour, store)
        self.lose_a_pack()
        doc = self.spend("drill without a pack", self.drill, left[-2], "shelf", 1)
        self.assertRegex(doc["why"], r"disks: disk vda cannot be read: .*packs/")


if __name__ == "__main__":
    main()
