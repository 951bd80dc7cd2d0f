# SPDX-License-Identifier: Apache-2.0
"""Backups of a real guest under write load, to a real object store and to a directory, each rebuilt by a reader that knows
only docs/format.md; and what is left of one that failed or died.
"""

import base64
import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from hf import LAB, SOURCE, is_mysql, lab, main, plain_tables, same_with_either_server
from backuplib import MIB, UNDO_WITHIN_S, BackupTest, contains, is_equal

sys.path.insert(0, str(SOURCE / "tests/integration/run"))
import kill_points  # noqa: E402
import runlib  # noqa: E402
import swiftlib  # noqa: E402
import test_quiet as quiet  # noqa: E402

ROUNDS = int(os.environ.get("HOLDFAST_ROUNDS", "3"))
PAUSED_AT_MOST_S = 2.0
# Deaths besides those that belong to this test alone; 0: everywhere.
SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))

# Points that only the backup of a machine that is off comes by.
WHILE_OFF = re.compile(r"qemu_nbd")

# Where a real guest is something else than a directory that plays one.
WORTH_IT = ("backup.", "catalog.", "image.", "libvirt.", "point.", "store.")


def setUpModule():
    runlib.need("age", "age", "age-keygen")
    runlib.need("nbdcopy", "nbdcopy")
    runlib.need("strace", "strace")
    BackupTest.swift = swiftlib.Swift()


def tearDownModule():
    BackupTest.swift.stop()


def write_in_guest(path, content):
    lab("ssh", f"base64 -d >{path} && sync {path}", input=base64.b64encode(content).decode())


class Instant(BackupTest):
    """What is in a point."""

    def read_again(self, process, base=None):
        """The export a second time, in full, by somebody else, before it is ended: a raw disk per target."""
        self.wait_for_point(process, "backup.before_export_end")
        out = {}
        for target in self.before:
            out[target] = Path(self.scratch.name) / f"again.{target}"
            subprocess.run(["nbdcopy", self.export_uri(target, base), out[target]], check=True, capture_output=True, timeout=120)
        self.assertIsNone(process.poll(), "the run went on while its export was read a second time")
        return out

    def test_a_point_is_the_instant_on_both_stores_encrypted_and_plain(self):
        marker = random.randbytes(MIB)
        needle = marker[300 * 1024:300 * 1024 + 32]
        write_in_guest("/root/marker", marker)
        self.addCleanup(lab, "ssh", "rm -f /root/marker")
        tmp = self.site.dir / "tmp"
        tmp.mkdir()
        # Each kind of store once encrypted and once plain: it is the other way round with the other server.
        plain, safe = ("vault", "shelf") if is_mysql() else ("shelf", "vault")
        to = {safe: {"recipients": self.recipient}, plain: {}}
        self.add_swift(**to["vault"])
        self.add_path(**to["shelf"])
        self.durability(0)
        self.load("--threads", "3", *plain_tables())
        began = time.monotonic()
        process = self.start(points="backup.before_export_end=stall:10000", TMPDIR=str(tmp))
        again = self.read_again(process)
        doc = self.document(process)
        self.tell(doc, time.monotonic() - began)
        self.assertEqual((doc["grade"], doc["proof"], doc["protected"]), ("B", "position", True), doc)
        self.assertEqual([(s["name"], s["read_back"], s["error"]) for s in doc["stores"]],
                         [("vault", True, None), ("shelf", True, None)])
        for name in ("vault", "shelf"):
            for target, read in again.items():
                self.assertTrue(is_equal(read, self.rebuilt(doc, name, target)), f"{target} on {name} is not what was exported")
        status, findings = self.judge(doc, str(Path(self.scratch.name) / "vault.vdb"))
        self.assertEqual(status, 0, findings)
        self.assertTrue(contains(self.folder_of(plain), needle), "what is plain holds the marker, or this proves nothing")
        for folder in (self.site.state, tmp, self.folder_of(safe), *([self.swift.dir] if safe == "vault" else [])):
            self.assertFalse(contains(folder, needle), folder)
        self.assert_no_trace()

    def test_writers_wait_as_long_as_the_point_says(self):
        self.add_swift(recipients=self.recipient)
        self.add_path()
        self.backup()
        self.load("--threads", "2")
        self.assert_stalls_are_true(ROUNDS, self.backup_under_load)
        self.assert_no_trace()

    def backup_under_load(self):
        self.writer.wait_for_commits(20)
        began = time.monotonic()
        doc = self.backup()
        self.tell(doc, time.monotonic() - began)
        self.assertEqual((doc["grade"], doc["protected"]), ("B", True))
        excess = self.stall_against_writer(doc)
        with self.writer_at_rest():
            disk = str(self.rebuilt(doc, "shelf", "vdb"))
        status, findings = self.judge(doc, disk)
        self.assertEqual(status, 0, findings)
        return excess

    def test_negative_control_without_lock_is_found_out(self):
        """The same comparison on a point taken without the lock has to fail, or it proves nothing."""
        self.add_path()
        self.durability(0)
        self.site.write(quiesce="none")
        self.load("--threads", "3", *plain_tables())
        doc = self.backup()
        self.writer.wait_for_commits(20)
        self.assertEqual((doc["grade"], doc["position"]), ("E", None))
        status, findings = self.judge(doc, str(self.rebuilt(doc, "shelf", "vdb")), "capture_begin", "capture_end")
        self.assertEqual(status, 1, findings)
        print("  " + findings.splitlines()[0])

    def test_nothing_is_opened_or_started_between_lock_and_unlock(self):
        self.add_path()
        trace, log = self.site.dir / "trace", self.site.dir / "points"
        wrap = ["strace", "-f", "-s", "4096", "-e", f"trace={quiet.TRACED}", "-o", str(trace)]
        command = wrap + self.site.command("backup", "db")
        subprocess.run(command, check=True, capture_output=True, timeout=180,
                       env=self.site.environ(HOLDFAST_POINT_LOG=str(log), ASAN_OPTIONS="detect_leaks=0"))
        calls = [c for c in quiet.coordinator_calls(trace.read_text()) if str(log) not in c]
        hold = quiet.hold_of(calls, "hold.after_lock", "hold.before_unlock")
        self.assertTrue(hold, "no hold in the trace")
        self.assertTrue(any("libvirt.before_backup" in c for c in hold), "the export did not begin in it")
        self.assertTrue(quiet.loud(calls), "the trace shows nothing at all")
        self.assertEqual(quiet.loud(hold), [])


class Refused(BackupTest):
    def test_another_authority_and_a_wrong_secret_are_told_before_anything_is_held(self):
        self.add_swift()
        (self.site.dir / "wrong").write_text("not the secret\n")
        (self.site.dir / "wrong").chmod(0o600)
        good = dict(self.site.stores["vault"])
        for key, value in (("ca-file", self.swift.dir / "other.crt"), ("secret-key-file", self.site.dir / "wrong")):
            with self.subTest(key=key):
                self.site.stores["vault"] = {**good, key: value}
                self.site.write()
                process = self.start()
                error = self.document(process, 1)["error"]
                print(f"  {key}: {error['class']}: {error['message']}")
                self.assertIn("vault", error["message"])
                self.assertEqual([p for p in self.visited() if re.match(r"hold\.|db\.|libvirt\.", p)], [])
        self.site.stores["vault"] = good
        self.site.write()
        self.backup()
        self.assert_no_trace()


class SmallScratch(BackupTest):
    """Eight megabytes for what the guest overwrites while it is read."""

    def setUp(self):
        super().setUp()
        self.small = Path(os.environ["HOLDFAST_LAB_DIR"]) / "small"
        self.assertLess(os.statvfs(self.small).f_blocks * os.statvfs(self.small).f_frsize, 9 * MIB)
        self.addCleanup(lab, "ssh", "rm -f /root/junk")
        self.events = Path(self.scratch.name) / "events"

    def follow_events(self):
        """The guest's pauses, as libvirt tells them."""
        out = self.events.open("w")
        process = subprocess.Popen(["stdbuf", "-oL", "virsh", "-q", "-c", self.site.lab["URI"], "event", self.domain, "--event",
                                    "lifecycle", "--loop", "--timestamp"], stdout=out, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(out.close)  # the child has its own

    def pauses(self):
        """Seconds of each."""
        found, since = [], None
        for stamp, what in re.findall(r"^(\S+ \S+?)(?:\+\d+)?: event 'lifecycle' .*: (\w+)", self.events.read_text(), re.M):
            at = datetime.fromisoformat(stamp).timestamp()
            if what == "Suspended":
                since = at
            elif what == "Resumed" and since is not None:
                found, since = [*found, at - since], None
        self.assertIsNone(since, "the guest is still paused")
        return found

    def overwrite(self):
        """The guest overwrites 64 MiB, again and again."""
        lab("ssh", "dd if=/dev/urandom of=/root/junk bs=1M count=64 conv=fsync")
        shell = subprocess.Popen([LAB, "ssh", "while dd if=/dev/zero of=/root/junk bs=1M count=64 conv=notrunc,fsync; do "
                                  ":; done"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lab, "ssh", "pkill dd", check=False)
        self.addCleanup(shell.wait)
        self.addCleanup(shell.kill)
        return shell

    def test_a_full_scratch_space_costs_the_backup_and_the_guest_next_to_nothing(self):
        self.fill_up("backup.before_disks=stall:5000")

    def test_a_job_that_cannot_be_ended_at_once_is_ended_a_moment_later(self):
        """However long the reader is busy with something else."""
        self.fill_up("backup.before_disks=stall:5000,libvirt.before_backup_abort=error")

    def test_it_is_watched_from_the_instant_on(self):
        """A guest that is paused before the lock is let go would not answer to that."""
        self.fill_up("hold.before_unlock=stall:4000")

    def fill_up(self, points):
        self.add_path()
        self.site.plugin_keys["scratch-dir"] = self.small
        self.site.write()
        self.follow_events()
        self.load("--threads", "2")
        self.overwrite()
        process = self.start("--produce", "image", points=points)
        error = self.document(process, 1)["error"]
        self.writer.wait_for_commits(20)
        pauses = self.pauses()
        print(f"  {error['message']}; paused {[round(p, 3) for p in pauses]} s, the writer's longest gap "
              f"{self.writer.gaps(0, time.time_ns())['longest_gap']['ms']:.0f} ms (idle {self.idle_ms:.0f})", flush=True)
        self.assertEqual(error["class"], "no-space", error)
        self.assertLess(max(pauses, default=0), PAUSED_AT_MOST_S)
        self.assertEqual(self.points_on("shelf"), set())
        self.assertEqual(list(self.small.iterdir()), [])
        self.assert_no_trace()


@same_with_either_server
class Deaths(BackupTest):
    """SIGKILL of the coordinator, or of coordinator and guardian, with a guest that writes all the time."""

    def setUp(self):
        super().setUp()
        self.add_swift(recipients=self.recipient)
        self.add_path()
        self.seen = set()
        self.addCleanup(lab, "ssh", "rm -f /root/fresh")

    def die(self, points):
        """Killed there; the guest writes on, and nothing is left once the guardian is through."""
        process = self.start(points=",".join(f"{p}=kill" for p in points))
        self.assertEqual(process.wait(timeout=180), -signal.SIGKILL, f"{points} did not kill the coordinator")
        began = time.monotonic()
        if self.writer:
            self.writer.wait_for_commits(5)
        took = time.monotonic() - began
        process.communicate(timeout=60)
        return took

    def until_guardian_is_through(self, points):
        deadline = time.monotonic() + UNDO_WITHIN_S
        while self.site.journals():
            self.assertLess(time.monotonic(), deadline, f"after {points}: the run's journal stays")
            time.sleep(0.05)

    def assert_undone(self, point, after):
        self.until_guardian_is_through(point)
        self.assert_no_trace()
        if self.writer:
            self.assertLess(after, PAUSED_AT_MOST_S, f"after {point}: no five commits for so long")
        self.assertEqual(self.backup()["protected"], True)
        self.seen.add(point)
        print(f"  {point:32} five more commits after {after * 1000:4.0f} ms", flush=True)

    def chosen(self, order):
        """All that are this test's own, and a sample of the others where a real guest differs from one that is played."""
        ours = kill_points.of("guest.backup")
        watched = order[order.index("run.after_journal"):]  # before, there is no guardian, and nothing to undo
        others = [p for p in watched if p.startswith(WORTH_IT) and p not in ours]
        seed = int(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time())
        if 0 < SAMPLE < len(others):
            others = sorted(random.Random(seed).sample(others, max(1, SAMPLE // 4)))
            print(f"  {len(others)} of the points of others, HOLDFAST_SAMPLE_SEED={seed}", flush=True)
        return [p for p in order if p in ours or p in others]

    def visits(self):
        process = self.start()
        self.assertTrue(self.document(process)["protected"])
        return [p for p in self.visited() if not p.startswith("guardian.")]

    def test_killed_anywhere_nothing_of_a_backup_is_left_and_the_next_one_works(self):
        self.load("--threads", "2")
        order = self.visits()
        for point in self.chosen(order):
            with self.subTest(point=point):
                if re.match(r"store\.s3\..*_(upload|part|complete)$", point):  # a pack that goes in parts
                    lab("ssh", "dd if=/dev/urandom of=/root/fresh bs=1M count=40 conv=fsync")
                self.assert_undone(point, self.die([point]))
        self.lose_power("libvirt.after_backup")
        ours = {p for p in kill_points.of("guest.backup") if not WHILE_OFF.search(p)}
        self.assertEqual(ours - self.seen, set(), "points that no run visits")

    def lose_power(self, death):
        """Coordinator and guardian die; `recover` ends it, though it dies at each of its own steps before."""
        self.die([death, "guardian.before_undo"])
        self.assertNotIn("None", lab("virsh", "domjobinfo", self.domain))
        log = self.log
        for point in ("libvirt.after_export_retire", "libvirt.before_backup_abort", "libvirt.after_backup_abort",
                      "libvirt.before_export_remove"):
            with self.subTest(point=f"recover, {point}"):
                self.assertTrue(self.site.journals())
                r = self.site.run("recover", env={"HOLDFAST_POINT": f"{point}=kill", "HOLDFAST_POINT_LOG": str(log)})
                self.assertEqual(r.status, -signal.SIGKILL, r.stdout + r.stderr)
                self.seen.add(point)
                self.writer.wait_for_commits(5)
        self.ok(self.site.run("recover"))
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [])
        self.assert_no_trace()

    def test_a_machine_that_is_off_is_read_without_it(self):
        self.site.stores.pop("vault")
        self.site.write(quiesce="none")
        self.switch_off()
        process = self.start(points="backup.before_export_end=stall:3000")
        self.wait_for_point(process, "backup.before_export_end")
        self.assertEqual(len(self.qemu_nbds()), len(self.before))
        doc = self.document(process)
        print(f"  off: grade {doc['grade']}, stall {doc['stall_ms']:.1f} ms", flush=True)
        for target, path in self.before.items():
            self.assertTrue(is_equal(self.rebuilt(doc, "shelf", target), path, "qcow2"), target)
        self.assert_no_trace()
        for point in (p for p in self.visited() if WHILE_OFF.search(p)):
            with self.subTest(point=point):
                self.assert_undone(point, self.die([point]))
        self.assertEqual({p for p in kill_points.of("guest.backup") if WHILE_OFF.search(p)} - self.seen, set())
        self.assert_started_meanwhile_is_void()

    def assert_started_meanwhile_is_void(self):
        """The machine runs, and what was read of it is no point."""
        before = self.points_on("shelf")
        process = self.start(points="backup.before_export_end=stall:3000")
        self.wait_for_point(process, "backup.before_export_end")
        lab("virsh", "start", self.domain)
        error = self.document(process, 1)["error"]
        self.assertEqual(error["class"], "conflict", error)
        self.assertEqual(self.points_on("shelf"), before)
        self.assert_no_trace()
        self.switch_on()


if __name__ == "__main__":
    main()
