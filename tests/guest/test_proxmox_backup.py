# SPDX-License-Identifier: Apache-2.0
"""`backup` of a real guest through the API of Proxmox VE (its stand-in), whose disks the server copies itself (vzdump): what is in
the archive against the writer's log, whether it protects, what the verbs say of it, and deaths of the coordinator.

HOLDFAST_SAMPLE: one death of each kind, drawn by HOLDFAST_SAMPLE_SEED.
"""

import os
import random
import signal
import time

from backuplib import MIB, BackupTest, runlib
from hf import CUT_MS, Latency, LoadedTest, after_ms, always, instant, main, plain_tables
from pvelib import DATA_DISK, AmongOthers, copied

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
RELEASED_WITHIN_S = 2.0

# Where the coordinator dies, and what there is afterwards: nothing, an archive that no point names, or a point.
DEATHS = {
    "held": ("db.after_lock", "hold.after_lock", "proxmox.before_vzdump", "proxmox.after_vzdump", "hold.after_capture", "hold.before_unlock"),
    "copied": ("backup.before_push_end", "backup.after_push_end", "backup.before_export_decided"),
    "decided": ("backup.after_export_decided",),
    "written": ("point.after_manifest",),
}
LEFT = {"held": None, "copied": None, "decided": "orphan", "written": "point"}


def setUpModule():
    runlib.need("age", "age", "age-keygen")


class Pushed(AmongOthers, BackupTest):
    def setUp(self):
        super().setUp()
        self.add_path()


class Point(Pushed):
    """PBS, which the server connects to in the hold, before the disks have their instant."""

    storage = "pbs1"

    @always
    def test_its_archive_holds_the_moment_of_its_hold(self):
        """… though it is copied for seconds while the database is written to."""
        self.vm.bytes_per_s = 300 * MIB  # QEMU counts what is not allocated, too
        self.vm.seconds["connect"] = 0.6  # longer than between two looks at the task
        self.load("--threads", "2", *plain_tables())
        began = time.monotonic()
        doc = self.backup()
        ended = time.time_ns()
        self.writer.wait_for_commits(20)
        print(f"  stall {doc['stall_ms']:.1f} ms, {time.monotonic() - began:.1f} s", flush=True)
        self.assertEqual((doc["grade"], doc["proof"], doc["protected"]), ("B", "position", True), doc)
        (ref, archive), = self.ours().items()
        self.assertEqual((self.pushed(doc)["ref"], self.pushed(doc)["off_host"], archive["protected"]), (ref, "proven", True))
        self.assertIn(f"run=hf-{doc['point']} ", archive["notes"] + " ")
        self.assertLess(after_ms(doc, "unlocked", self.at_ns("instant", ref)), 0, "released before all disks had their instant")
        self.judge_archive(archive, instant(doc, "locked"), instant(doc, "locked", CUT_MS), ended)
        self.assert_told(doc, ref)
        self.assert_at_rest()

    def assert_told(self, doc, ref):
        self.assertEqual(self.states(), {ref: ("point", doc["point"]), self.theirs[100]: ("foreign", None)})
        copy, = self.ok(self.site.run("verify", doc["point"]))["copies"]
        self.assertEqual((copy["good"], copy["damage"]), (True, []))
        now = self.pushed(self.ok(self.site.run("show", doc["point"])))["now"]
        self.assertEqual((now["there"], now["protected"], now["damage"]), (True, True, None))
        row, = self.ok(self.site.run("list"))["points"]
        self.assertEqual((row["point"], row["protected"]), (doc["point"], True))

    @always
    def test_without_the_lock_it_is_found_out(self):
        """The same comparison has to fail then, or it proves nothing."""
        self.durability(0)
        self.site.write(quiesce="none")
        self.load("--threads", "3", *plain_tables())
        doc = self.backup()
        self.writer.wait_for_commits(20)
        self.assertEqual((doc["grade"], doc["position"]), ("E", None))
        disk = copied.disks_in(self.archive_of(doc))[DATA_DISK]
        status, findings = LoadedTest.judge(self, doc, disk, "capture_begin", "capture_end")
        self.assertEqual(status, 1, findings)
        print("  " + findings.splitlines()[0])

    def test_whether_it_protects_depends_on_where_it_lies(self):
        for storage, status, is_protected, word in (("local", 3, False, "no"), ("nfs1", 0, True, "proven")):
            with self.subTest(storage=storage):
                self.site.plugin_keys["backup-storage"] = storage
                self.site.write()
                doc = self.backup(status=status)
                self.assertEqual((self.pushed(doc)["place"], doc["protected"], self.pushed(doc)["off_host"]), (storage, is_protected, word))
                self.assertEqual(self.ok(self.site.run("show", doc["point"]))["protected"], is_protected)
                copy, = self.ok(self.site.run("verify", doc["point"]))["copies"]
                self.assertTrue(copy["good"])
                self.assertEqual(bool([w for w in doc["warnings"] if "does not protect from the loss of the host" in w]), not is_protected)
        self.assert_at_rest()


class Deaths(Pushed):
    """SIGKILL of the coordinator, and for every second one of its guardian too, as if the host had lost its power."""

    def chosen(self):
        seed = os.environ.get("HOLDFAST_SAMPLE_SEED") or str(time.time_ns())
        draw = random.Random(seed)
        all_of = [(kind, point) for kind, points in DEATHS.items() for point in (draw.sample(points, 1) if SAMPLE else points)]
        print(f"  HOLDFAST_SAMPLE_SEED={seed}", flush=True)
        return [(kind, point, draw.random() < 0.5) for kind, point in all_of]

    @always
    def test_no_death_keeps_the_database_or_leaves_a_point_without_its_archive(self):
        self.load("--threads", "2")
        self.vm.seconds["copy"] = 2  # at least
        for kind, point, with_guardian in self.chosen():
            with self.subTest(point=point, with_guardian=with_guardian):
                took = self.die(point, with_guardian)
                self.recover(point)
                self.assert_left(kind, point)
                print(f"  {point:32} {'and the guardian' if with_guardian else '':17} next commit after {took * 1000:5.0f} ms", flush=True)

    def die(self, point, with_guardian):
        process = self.start(points=f"{point}=kill" + (",guardian.before_undo=kill" if with_guardian else ""))
        self.assertEqual(process.wait(timeout=180), -signal.SIGKILL, f"{point} did not kill the coordinator")
        took = Latency.accepts(RELEASED_WITHIN_S + 10)
        self.assertIsNotNone(took, f"after {point}: the database is not released")
        self.assertLess(took, RELEASED_WITHIN_S, f"after {point}")
        process.communicate(timeout=180)
        return took

    def assert_left(self, kind, point):
        self.wait_for_tasks()
        self.assert_at_rest()
        ours = self.ours()
        left = {ref: state for ref, (state, _) in self.states().items() if ref in ours}
        self.assertEqual(list(left.values()), [LEFT[kind]] if LEFT[kind] else [], f"after {point}")
        self.assertEqual(set(ours), set(left))
        points = self.points_on("shelf")
        self.assertEqual(len(points), LEFT[kind] == "point", f"after {point}")
        for one in points:
            copy, = self.ok(self.site.run("verify", one))["copies"]
            self.assertTrue(copy["good"], f"after {point}: a point that is none")
        for ref in ours:
            self.world.drop_archive(ref)


if __name__ == "__main__":
    main(most=4)
