# SPDX-License-Identifier: Apache-2.0
"""What Proxmox VE (its stand-in) makes of a backup of a real guest is a real guest: `verify --drill` of a point whose disks the server
keeps, and `restore vm`. It boots, with its link down, its database recovers and is what the manifest says; another content, another
position and a damaged archive are found; the VM goes, also when the coordinator dies, and the one it was made from runs on.

HOLDFAST_SAMPLE: the drill that passes, and two of the other cases, drawn by HOLDFAST_SAMPLE_SEED.
"""

import os
import random
import signal
import time

from test_drill import DRILL_S, Drill  # noqa: I001  before a path that has another one is searched
from backuplib import BOOT_S, runlib
from hf import always, lab, main, sql
from pvelib import DATA_DISK, UNDO_WITHIN_S, AmongOthers, copied

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
OWN_FIRST = 900000000  # the numbers of drills
COMPARED = ("boot", "database", "position", "tables", "rows", "content", "check-table")
DEATHS = ("proxmox.after_restore_post", "proxmox.after_restore_task", "drill.before_start", "drill.after_start")
LATE = ("drill.before_position", "drill.before_content", "drill.before_end")  # it has booted


def setUpModule():
    runlib.need("age", "age", "age-keygen")


class Copies(AmongOthers, Drill):
    def setUp(self):
        super().setUp()
        self.process = lab("virsh", "domid", self.domain)

    def machines(self):
        """VMs that were made, by number."""
        return {number: vm for number, vm in self.world.vms.items() if number != 100}

    def left(self):
        """… of libvirt too, with their disks."""
        return [*super().left(), *self.machines(), *(v for v, number in self.world.volumes.items() if number != 100),
                *(d for d in lab("virsh", "list", "--all", "--name").split() if d.startswith(copied.PREFIX)),
                *(e.name for e in os.scandir(self.vm.folder) if e.name.startswith("vm-"))]

    def assert_untouched(self, *docs):
        """The archives of these points, and the machine that they were made of."""
        self.assertEqual(set(self.ours()), {self.pushed(doc)["ref"] for doc in docs})
        self.assertEqual(lab("virsh", "domid", self.domain), self.process, "the machine was started anew")
        self.assert_at_rest()


class Passes(Copies):
    @always
    def test_a_point_taken_under_load_passes_and_its_vm_goes(self):
        self.load("--threads", "2")
        doc = self.backup()
        self.writer.wait_for_commits(20)  # what is drilled is not what runs
        with self.writer_at_rest():
            drill = self.drill(doc["point"])
        self.assert_nothing_left()
        results = self.results(drill)
        self.assertEqual({k: results[k] for k in COMPARED}, dict.fromkeys(COMPARED, "ok"), drill)
        self.assertIn("ok", [v for k, v in results.items() if k.startswith("probe ")])
        at = next(c for c in drill["checks"] if c["name"] == "position")
        self.assertEqual(at["expected"], at["found"])
        self.assertTrue(at["found"].startswith(f"{doc['position']['file']}:{doc['position']['offset']}, GTID "), at)
        (number, config), = (d for _, what, d in self.world.timeline if what == "started-vm")
        self.assertGreater(number, OWN_FIRST)
        self.assertIn("link_down=1", config["net0"])
        row, = self.ok(self.site.run("list"))["points"]
        self.assertTrue(row["last_drill"]["passed"])
        self.assert_untouched(doc)


class Restored(Copies):
    def test_a_point_becomes_a_vm_that_holds_what_the_manifest_says_and_is_alone(self):
        sql("CREATE DATABASE restored; CREATE TABLE restored.words (word VARCHAR(20)) ENGINE=InnoDB", user="root")
        self.addCleanup(sql, "DROP DATABASE IF EXISTS restored", user="root")
        sql("INSERT INTO restored.words VALUES ('before')", user="root")
        doc = self.backup()
        sql("INSERT INTO restored.words VALUES ('after')", user="root")
        said = self.ok(self.site.run("restore", "vm", doc["point"], "--name", "db-restored", "--start", "--network", "none"))
        number, = self.machines()
        self.assertEqual((said["id"], said["backup"]), (str(number), self.pushed(doc)["ref"]))
        vm = self.machines()[number]
        self.assertEqual(self.until_rows(vm), "before\n")
        logs = [line.split("\t")[:2] for line in self.ask(vm, "SHOW BINARY LOGS").splitlines()]
        self.assertIn([doc["position"]["file"], str(doc["position"]["offset"])], logs, "its binlog does not end where the point says")
        self.assertEqual(self.in_vm(vm, "cat", "/sys/class/net/eth0/carrier"), "0\n", "something leads out")
        self.assertEqual(sql("SELECT word FROM restored.words ORDER BY word", user="root"), ["after", "before"])
        vm.wipe()
        self.world.vms.pop(number)
        self.world.volumes = {v: n for v, n in self.world.volumes.items() if n == 100}
        self.assert_untouched(doc)

    @staticmethod
    def in_vm(vm, *argv):
        """What a program says; None: it failed."""
        with vm.agent_lock:
            pid = vm.agent.exec(list(argv), b"")
        deadline = time.monotonic() + 60
        while not (done := vm.agent.exec_status(pid)):
            assert time.monotonic() < deadline, f"{argv} does not end"
            time.sleep(0.2)
        return done.get("out-data", "") if done["exitcode"] == 0 else None

    def ask(self, vm, statement):
        return self.in_vm(vm, "/usr/bin/mariadb", "-BN", "-e", statement)

    def until_rows(self, vm):
        deadline = time.monotonic() + BOOT_S
        while not vm.agent_alive or (rows := self.ask(vm, "SELECT word FROM restored.words ORDER BY word")) is None:
            self.assertLess(time.monotonic(), deadline, "the VM does not come up")
            time.sleep(0.3)
        return rows


class Fails(Copies):
    def test_an_archive_of_another_moment_is_found(self):
        """… under the name of the point's, whole, and with its size: only what is in it tells."""
        sql("CREATE TABLE hf_test.kept (id INT PRIMARY KEY, t VARCHAR(100)) ENGINE=InnoDB; INSERT INTO hf_test.kept VALUES (1, 'then')", user="root")
        self.addCleanup(sql, "DROP TABLE IF EXISTS hf_test.kept", "root")
        then = self.backup()
        sql("UPDATE hf_test.kept SET t = 'later'", user="root")
        later = self.backup()
        one, other = self.archive_of(then), self.archive_of(later)
        one["path"], other["path"] = other["path"], one["path"]
        drill = self.drill(then["point"], 1)
        results = self.results(drill)
        self.assertEqual({k: results[k] for k in COMPARED}, {**dict.fromkeys(COMPARED, "ok"), "position": "failed", "content": "failed"}, drill)
        self.assertRegex(self.why(drill, "content"), r"hf_test\.kept: [0-9a-f]{16}, the dump has [0-9a-f]{16}")
        self.assertIn("another binlog position than was recorded", drill["why"])
        at = next(c for c in drill["checks"] if c["name"] == "position")
        self.assertTrue(at["found"].startswith(f"{later['position']['file']}:{later['position']['offset']}, GTID "), at)
        self.assertEqual(self.ok(self.site.run("status"))["vms"][0]["last_drill"]["passed"], False)
        self.assert_nothing_left()
        self.assert_untouched(then, later)

    def test_a_damaged_archive_is_found_and_is_no_vm(self):
        doc = self.backup()
        disk = copied.disks_in(self.archive_of(doc))[DATA_DISK]
        with open(disk, "r+b") as file:
            file.seek(os.path.getsize(disk) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        drill = self.end(self.begin(doc["point"]), 1)
        self.assertNotIn("error", drill, "a damaged archive is no trouble of the host")
        self.assertEqual((drill["passed"], self.results(drill)["boot"]), (False, "failed"), drill)
        self.assertIn("checksum", self.why(drill, "boot"))
        self.assert_nothing_left()
        result = self.site.run("restore", "vm", doc["point"], "--name", "db-restored", "--start")
        self.assertEqual((result.status, result.error["class"], result.error["left"]), (1, "corrupt", []), result.stdout)
        self.assert_nothing_left()
        self.assert_untouched(doc)


class Deaths(Copies):
    """Of the coordinator, and for every second one of its guardian too: then the VM is there until `recover`."""

    def test_killed_in_the_middle_nothing_is_left_and_the_vm_runs_on(self):
        doc = self.backup()
        seed = os.environ.get("HOLDFAST_SAMPLE_SEED") or str(time.time_ns())
        draw = random.Random(seed)
        points = draw.sample(DEATHS, 2) if SAMPLE else DEATHS + LATE
        first = draw.randrange(2)
        print(f"  HOLDFAST_SAMPLE_SEED={seed}", flush=True)
        for i, point in enumerate(points):
            with self.subTest(point=point):
                self.die(doc["point"], point, with_guardian=(i + first) % 2)
                self.assert_untouched(doc)
        self.assertEqual(self.ok(self.site.run("show", doc["point"]))["drills"], [])

    def die(self, point, where, with_guardian):
        process = self.begin(point, points=f"{where}=kill" + (",guardian.before_undo=kill" if with_guardian else ""))
        self.assertEqual(process.wait(timeout=DRILL_S), -signal.SIGKILL, f"{where} did not kill the coordinator")
        if with_guardian:
            process.communicate(timeout=UNDO_WITHIN_S)
            self.assertEqual(len(self.machines()), 1, f"after {where}: there is nothing to take away")
        self.recover(where)
        process.communicate(timeout=UNDO_WITHIN_S)
        self.wait_for_tasks()
        self.assert_nothing_left()
        print(f"  {where:32} {'and the guardian' if with_guardian else ''}", flush=True)


if __name__ == "__main__":
    main(most=3)
