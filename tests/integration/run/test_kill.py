# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the coordinator at every point that a command visits: the guardian alone undoes everything.

After each death a commit is accepted within two seconds; within seconds nothing of the run is left, or it is
complete; `recover` has nothing to add, or finishes what had no guardian yet.
"""

import os
import subprocess
import time

from runlib import main
from walk import UNDO_WITHIN_S, WalkTest


class Kill(WalkTest):
    def test_the_guardian_undoes_every_death_of_its_coordinator(self):
        slowest = 0.0
        for scenario, point, order in self.own_points():
            with self.subTest(scenario=str(scenario), point=point):
                self.die(scenario, f"{point}=kill")
                if self.has_guardian(order, point):
                    slowest = max(slowest, self.site.wait_for_undo(UNDO_WITHIN_S))
                    self.assertEqual(self.recover(), [], f"{point}: the guardian left work to recover")
                self.recover()
                self.assert_all_well(scenario, point)
        self.tell()
        print(f"  the slowest guardian was done after {slowest * 1000:.0f} ms")

    def test_what_was_committed_stays_and_what_was_not_goes(self):
        for scenario, point, order in self.own_points():
            if scenario.name != "create":
                continue
            with self.subTest(point=point):
                self.die(scenario, f"{point}=kill")
                self.recover()
                is_committed = order.index(point) >= order.index("catalog.after_snapshot_commit")
                self.assertEqual(len(self.site.snapshots()), 1 if is_committed else 0)
                self.assert_all_well(scenario, point)

    def test_a_deletion_goes_all_the_way_or_has_not_begun(self):
        for scenario, point, order in self.own_points():
            if scenario.name != "delete":
                continue
            with self.subTest(point=point):
                self.die(scenario, f"{point}=kill")
                self.recover()
                is_begun = order.index(point) >= order.index("run.before_delete")
                self.assertEqual([r["snapshot"] for r in self.site.snapshots()], [] if is_begun else [self.name])
                self.assert_all_well(scenario, point)

    def test_a_run_goes_on_when_only_its_guardian_dies(self):
        p = self.site.start("snapshot", "create", "web", **self.site.points("hold.after_lock=stall:300"))
        self.site.wait_for_point("hold.after_lock")
        children = self.children(p.process.pid)
        self.assertEqual(len(children), 1)
        os.kill(children[0], 9)
        self.assertEqual(self.ok(p.wait())["grade"], "B")
        self.assert_known()

    def test_who_reads_the_output_does_not_wait_for_the_guardian(self):
        env = self.site.environ(**self.site.points("hold.after_capture=kill,guardian.before_undo=stall:2000"))
        begin = time.monotonic()
        subprocess.run(self.site.command("snapshot", "create", "web"), stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, env=env, check=False)
        self.assertLess(time.monotonic() - begin, 1.5)
        self.assertEqual(self.recover(), [])
        self.assert_clean()

    @staticmethod
    def children(pid):
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(c) for c in f.read().split()]


if __name__ == "__main__":
    main()
