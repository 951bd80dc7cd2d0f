# SPDX-License-Identifier: Apache-2.0
"""What comes back of a real guest through the API of vSphere (its stand-in): a rollback, and deaths in one.

HOLDFAST_SAMPLE: one death in a rollback, drawn by HOLDFAST_SAMPLE_SEED.
"""

import os
import random
import time

from hf import Latency, always, lab, main, sql
from test_rollback import BOOT_S, Back
from vmwlib import FOREIGN, OnVmware

SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))

# Where the coordinator dies, and the state that must be there afterwards.
DEATHS = {
    "rollback.before_switch": "old",
    "vmware.after_rollback_stop": "old",
    "vmware.after_rollback_keep": "old",
    "vmware.after_rollback_task": "old",
    "vmware.after_rollback_start": "old",
    "rollback.before_decision": "old",
    "rollback.after_decision": "new",
    "vmware.after_settle_mark": "new",
    "rollback.after_settle": "new",
}


class Rollback(OnVmware, Back):
    @always
    def test_what_was_written_since_is_gone_and_all_before_is_there(self):
        self.make_foreign()
        self.load("--threads", "2")
        report = self.create()
        self.writer.wait_for_commits(50)
        self.writer.stop()
        self.mark("mark_since")
        begin = time.monotonic()
        done = self.back(report["snapshot"])
        print(f"  back after {time.monotonic() - begin:.1f} s, off {done['off_ms']:.0f} ms, database {done['db_ms']:.0f} ms",
              flush=True)
        self.assert_holds_what_was_committed_before(report)
        self.assertEqual((self.marks(), done["kept"]), (set(), []))
        self.assertEqual(self.tree(), [FOREIGN, report["snapshot"]])
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assert_clean([FOREIGN])

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
                self.assertEqual((self.tree(), self.kept_in_disks()), ([name], [1, 1]), point)
                print(f"  {point:30} the {DEATHS[point]} state", flush=True)
        sql("DROP TABLE IF EXISTS hf_test.mark_old", user="root")
        self.ok(self.site.run("snapshot", "delete", "db", name))
        self.assert_clean()


if __name__ == "__main__":
    main(most=2)
