# SPDX-License-Identifier: Apache-2.0
"""A backup of a real guest through the API of vSphere (its stand-in), drilled on a host of libvirt: what came of an export is a machine
that boots by itself, with the controller it had, and whose database is what the manifest says. Disks of another moment under
the point's name are found; a coordinator that dies leaves nothing; `restore vm` makes a machine there that stays.

HOLDFAST_SAMPLE: the drill that passes, and one more, drawn by HOLDFAST_SAMPLE_SEED; of deaths two.
"""

import os
import random
import signal
import sys
import time

from test_drill import DRILL_S, Drill  # noqa: I001  before a path that has another one is searched

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # and this before it once more
import test_restore_vm  # noqa: E402
from backuplib import runlib  # noqa: E402
from hf import always, lab, lab_env, main, sql  # noqa: E402
from vmwlib import OnVmware, boots_by_itself  # noqa: E402

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
COMPARED = ("boot", "database", "position", "tables", "rows", "content", "check-table")
HERE = "here"  # the host of libvirt, which has nothing of vSphere but the point
DEATHS = ("drill.after_journal", "libvirt.before_machine", "libvirt.after_machine", "libvirt.after_machine_start", "drill.after_start")


def setUpModule():
    runlib.need("nbdkit", "nbdkit")
    runlib.need("age", "age", "age-keygen")


class OnTwo(OnVmware):
    """The guest is vSphere's; what is made of its points is made on the host of libvirt."""

    def setUp(self):
        super().setUp()
        self.enterContext(boots_by_itself())
        self.server.say("change", vm=self.domain, set={"memory": 1024, "cpus": 2, "cores": 1})
        self.site.hosts[HERE] = {"plugin": "libvirt", "uri": lab_env()["URI"]}
        self.site.write()


class Drilled(OnTwo, Drill):
    where = ("--hypervisor", HERE)


class Passes(Drilled):
    where = ()

    @always
    def test_a_point_taken_under_load_passes_on_libvirt_and_leaves_nothing(self):
        """… where the VM's section says so, as for a policy's drill."""
        self.site.write(drill_hypervisor=HERE)
        self.load("--threads", "2")
        doc = self.backup()
        self.writer.wait_for_commits(20)  # what is drilled is not what runs
        self.assertEqual((doc["grade"], doc["proof"]), ("B", "position"), doc)
        with self.writer_at_rest():
            drill = self.drill(doc["point"])
        self.assert_nothing_left()
        results = self.results(drill)
        self.assertEqual({k: results[k] for k in COMPARED}, dict.fromkeys(COMPARED, "ok"), drill)
        self.assertIn("ok", [v for k, v in results.items() if k.startswith("probe ")])
        at = next(c for c in drill["checks"] if c["name"] == "position")
        self.assertEqual(at["expected"], at["found"])
        self.assertTrue(at["found"].startswith(f"{doc['position']['file']}:{doc['position']['offset']}, GTID "), at)
        row, = self.ok(self.site.run("list"))["points"]
        self.assertTrue(row["last_drill"]["passed"])
        self.assert_clean()


class Fails(Drilled):
    def make_rows(self, word):
        sql(f"REPLACE INTO hf_test.kept VALUES (1, '{word}')", user="root")

    def test_disks_of_another_moment_are_found(self):
        """… under the point's name, whole, and sealed: only what is in them tells."""
        sql("CREATE TABLE hf_test.kept (id INT PRIMARY KEY, t VARCHAR(100)) ENGINE=InnoDB", user="root")
        self.addCleanup(sql, "DROP TABLE IF EXISTS hf_test.kept", "root")
        self.make_rows("then")
        then = self.backup()
        self.make_rows("later")
        later = self.backup()
        others = {a["name"]: a for a in self.manifest(later, self.read_store("shelf"))["artifacts"] if a["kind"] == "image"}
        self.reseal(then["point"], lambda m: m.update(artifacts=[others.get(a["name"], a) for a in m["artifacts"]]))
        drill = self.drill(then["point"], 1)
        results = self.results(drill)
        self.assertEqual({k: results[k] for k in COMPARED}, {**dict.fromkeys(COMPARED, "ok"), "position": "failed", "content": "failed"}, drill)
        self.assertRegex(self.why(drill, "content"), r"hf_test\.kept: [0-9a-f]{16}, the dump has [0-9a-f]{16}")
        self.assertIn("another binlog position than was recorded", drill["why"])
        at = next(c for c in drill["checks"] if c["name"] == "position")
        self.assertTrue(at["found"].startswith(f"{later['position']['file']}:{later['position']['offset']}, GTID "), at)
        self.assertEqual(self.ok(self.site.run("status"))["vms"][0]["last_drill"]["passed"], False)
        self.assert_nothing_left()
        self.assert_clean()

    def test_vsphere_itself_drills_nothing_and_says_what_does(self):
        point = self.backup()["point"]
        result = self.site.run("verify", point, "--drill")
        self.assertEqual((result.status, result.error["class"]), (4, "unsupported"), result.stdout)
        self.assertIn("--hypervisor, or with drill-hypervisor in [vm db]", result.error["hint"])
        self.assert_nothing_left()


class Deaths(Drilled):
    def test_killed_in_the_middle_nothing_is_left_and_the_vm_runs_on(self):
        point = self.backup()["point"]
        draw = random.Random(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time_ns())
        for where in draw.sample(DEATHS, 2) if SAMPLE else DEATHS:
            with self.subTest(point=where):
                process = self.begin(point, points=f"{where}=kill")
                out, err = process.communicate(timeout=DRILL_S)
                self.assertEqual(process.returncode, -signal.SIGKILL, out + err)
                self.assert_nothing_left()
                self.assert_clean()
                print(f"  {where}", flush=True)
        self.assertEqual(self.ok(self.site.run("show", point))["drills"], [])


class Restored(OnTwo, test_restore_vm.RestoreVm):
    def test_a_point_becomes_a_machine_of_libvirt_that_holds_what_was_there(self):
        point = self.write_and_back_up()
        self.addCleanup(lab, "virsh", "undefine", test_restore_vm.NAME, check=False)
        self.addCleanup(lab, "virsh", "destroy", test_restore_vm.NAME, check=False)
        doc = self.ok(self.site.run("restore", "vm", point, "--hypervisor", HERE, "--name", test_restore_vm.NAME, "--dir", str(self.out), "--start"))
        told = {(f["kind"], f["about"]): f["text"] for f in doc["findings"]}
        self.assertEqual(told["changed", "disk scsi0:1"], "is 'sdb' here, on vmpvscsi")
        self.assertIn("with BIOS", told["changed", "machine"])
        self.assertIn("cut off", [kind for kind, _ in told])
        self.until("no agent", lambda: test_restore_vm.agent("guest-ping"))
        self.assertEqual(self.until("no database", self.rows), "before\n")
        xml = lab("virsh", "dumpxml", test_restore_vm.NAME)
        for piece in ("state='settled'", "<link state='down'/>", "scsi0:1.qcow2"):
            self.assertIn(piece, xml.replace('"', "'"))
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [])
        self.assertEqual(sql("SELECT word FROM restored.words ORDER BY word", user="root"), ["after", "before"])
        self.assert_clean()

    @staticmethod
    def rows():
        status, out = test_restore_vm.in_guest("/usr/bin/mariadb", "-BN", "-e", "SELECT word FROM restored.words ORDER BY word")
        if status != 0:
            raise RuntimeError("the database does not answer yet")
        return out


if __name__ == "__main__":
    main(most=2)
