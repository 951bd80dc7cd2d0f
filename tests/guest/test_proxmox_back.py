# SPDX-License-Identifier: Apache-2.0
"""What comes back of a real guest through the API of Proxmox VE (its stand-in): a rollback, and the disks in a backup by the
server (vzdump), which the plugin is asked for by tests/plugin/drive.

HOLDFAST_SAMPLE: either one death in a rollback, or one of a backup, drawn by HOLDFAST_SAMPLE_SEED.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from hf import Blocker, Latency, LoadedTest, always, build_dir, lab, main, plain_tables, sql
from pvelib import OnBackups, OnProxmox
from test_rollback import BOOT_S, Back

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
NAME = "hf-20261127T030000Z-7f3a9c21"
MIB = 1 << 20

# Where the coordinator dies, and the state that must be there afterwards.
DEATHS = {
    "rollback.before_switch": "old",
    "proxmox.after_rollback_stop": "old",
    "proxmox.after_rollback_keep": "old",
    "proxmox.after_rollback_task": "old",
    "proxmox.after_rollback_start": "old",
    "rollback.before_decision": "old",
    "rollback.after_decision": "new",
    "proxmox.after_settle_mark": "new",
    "rollback.after_settle": "new",
}


class Rollback(OnProxmox, Back):
    @always
    def test_what_was_written_since_is_gone_and_all_before_is_there(self):
        self.load("--threads", "2")
        report = self.create()
        self.writer.wait_for_commits(50)
        self.writer.stop()
        self.mark("mark_since")
        begin = time.monotonic()
        done = self.back(report["snapshot"])
        print(f"  back after {time.monotonic() - begin:.1f} s, off {done['off_ms']:.0f} ms, boot {done['boot_ms']}, database {done['db_ms']:.0f} ms", flush=True)
        self.assert_holds_what_was_committed_before(report)
        self.assertEqual((self.marks(), done["kept"]), (set(), []))
        self.assertEqual(self.site.snapshots(), [report["snapshot"]])
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean()

    def test_a_death_leaves_a_machine_that_boots_in_one_of_the_two_states(self):
        name = self.create()["snapshot"]
        points = list(DEATHS)
        if SAMPLE:
            seed = int(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time())
            points = random.Random(seed).sample(points, 1)
            print(f"{points}, HOLDFAST_SAMPLE_SEED={seed}", flush=True)
        for point in points:
            with self.subTest(point=point):
                self.mark("mark_old")
                sql("FLUSH TABLES", user="root")
                lab("ssh", "sync")
                self.die(name, point)
                self.assertIsNotNone(Latency.accepts(BOOT_S), f"after {point}: the guest does not boot")
                self.assertEqual("old" if "mark_old" in self.marks() else "new", DEATHS[point], point)
                self.assertEqual((self.site.snapshots(), self.vm.lock), ([name], None))
                self.assertEqual(set(map(tuple, self.vm.kept_names().values())), {(name,)}, point)
                print(f"  {point:30} the {DEATHS[point]} state", flush=True)
        sql("DROP TABLE IF EXISTS hf_test.mark_old", user="root")
        self.ok(self.site.run("snapshot", "delete", "db", name))
        self.assert_clean()


class Vzdump(OnBackups, LoadedTest):
    """The copy goes on for seconds while the database is written to; what it holds is of the moment when it began."""

    def setUp(self):
        super().setUp()
        self.vm.bytes_per_s = 300 * MIB  # QEMU counts what is not allocated, too
        self.undo, self.end = (str(self.site.dir / n) for n in ("undo", "end"))

    def tidy(self):
        self.start("discard", "100", NAME, self.undo).communicate(timeout=180)
        super().tidy()

    def start(self, *args, **env):
        """One operation of the plugin, with its keys."""
        keys = self.keys_of_api()
        del keys["plugin"]
        command = [build_dir() / "tests/plugin/plugin_drive", "proxmox", *(f"{k}={v}" for k, v in keys.items()), "--", *args]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env=self.site.environ(HOLDFAST_RUN_ID=NAME, HOLDFAST_DEADLINE_MS="60000", **env))

    def end_of(self, process, status=0):
        said = process.communicate(timeout=180)[0]
        self.assertEqual(process.returncode, status, said)
        return said

    def discard(self):
        self.end_of(self.start("discard", "100", NAME, self.undo))

    def export(self, **env):
        return self.start("export", self.vm.name, NAME, self.undo, self.end, **env)

    def hold(self):
        """A session that holds the database, and when it did."""
        holder = Blocker("FLUSH TABLES WITH READ LOCK;\nSELECT 'locked';", user="root")
        self.addCleanup(holder.process.kill)
        self.assertEqual(holder.process.stdout.readline(), "locked\n")
        return holder, time.time_ns()

    @always
    def test_the_archive_holds_the_moment_when_its_job_began(self):
        self.load("--threads", "2", *plain_tables())
        holder, locked = self.hold()
        process = self.export()
        said = "".join(iter(process.stdout.readline, "exported\n"))
        holder.stop()
        released = time.time_ns()
        self.writer.wait_for_commits(50)
        Path(self.end).touch()
        self.end_of(process)
        copied = time.time_ns()
        self.writer.wait_for_commits(20)
        archive, = self.world.archives.values()
        self.assertIn(archive["volid"], said)
        print(f"  held {(released - locked) / 1e6:.0f} ms, copied for {(copied - released) / 1e9:.1f} s after; {archive['size'] / MIB:.0f} MiB")
        self.judge_archive(archive, locked, locked, copied)
        self.discard()
        self.assert_nothing_runs()

    def test_killed_while_it_copies_the_undo_ends_the_job(self):
        self.vm.seconds["copy"] = 20
        self.end_of(self.export(HOLDFAST_POINT="proxmox.after_vzdump=kill"), -signal.SIGKILL)
        self.assertEqual(len(self.jobs()), 2, "no job was under way")
        self.discard()
        self.assert_nothing_runs()

    def assert_nothing_runs(self):
        self.wait_for_tasks()
        self.assertEqual(self.world.archives, {})
        self.assertEqual(self.jobs(), {})
        self.assertEqual(list(Path(self.vm.folder).iterdir()), [])
        self.assertIsNotNone(Latency.accepts(5))
        self.assert_clean()


if __name__ == "__main__":
    main(most=3)
