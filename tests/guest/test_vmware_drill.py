# SPDX-License-Identifier: Apache-2.0
"""A backup of a real guest through the API of vSphere (its stand-in), drilled on a host of libvirt: what came of an export is a machine
that boots by itself, with the controller it had, and whose database is what the manifest says. Another moment's data under the
point's name, and a changed row, are found; `restore vm` makes a machine of the same point.

HOLDFAST_SAMPLE: the drill that passes, and one more, drawn by HOLDFAST_SAMPLE_SEED.
"""

import re
import shutil
import time

from test_drill import CHANGED, Drill, pages_with, resealed  # noqa: I001  before a path that has another one is searched
from backuplib import BOOT_S, runlib
from hf import always, lab, lab_env, main, sql
from vmwlib import OnVmware, boots_by_itself

COMPARED = ("boot", "database", "position", "tables", "rows", "content", "check-table")
HERE = "here"  # the host of libvirt, which has nothing of vSphere but the point
RESTORED = "db-restored"


def setUpModule():
    runlib.need("nbdkit", "nbdkit", "qemu-io")


class Drilled(OnVmware, Drill):
    where = ("--hypervisor", HERE)

    def setUp(self):
        super().setUp()
        self.enterContext(boots_by_itself())
        self.server.say("change", vm=self.domain, set={"memory": 1024, "cpus": 2, "cores": 1})
        self.site.hosts[HERE] = {"plugin": "libvirt", "uri": lab_env()["URI"]}
        self.site.write(hold_limit="60s")

    def plan_of(self):
        """What the last drill told of its machine, by what it is about."""
        return self.log_lines


class Passes(Drilled):
    @always
    def test_a_point_taken_under_load_passes_on_libvirt_and_leaves_nothing(self):
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


if __name__ == "__main__":
    main(most=2)
