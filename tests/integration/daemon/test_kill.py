# SPDX-License-Identifier: Apache-2.0
"""holdfastd is killed at each of its kill points: the next one makes the run that was due, or finds how it ended; never a second one."""

import signal

import daemonlib
import runlib
import kill_points  # noqa: I001  runlib says where it is
from daemonlib import DaemonTest

runlib.need("qemu-nbd", "qemu-nbd")

MINE = "integration.daemon.kill"


class Walk(DaemonTest):
    # -- what leads past the points: each leaves one run owed, or going on --------------------------

    def first_start(self, points):
        """The duties are not known yet."""
        return self.start(**points)

    def due(self, points):
        self.follow()
        self.make_due()
        return self.start(**points)

    def interrupted(self, points):
        """A former daemon died before it had let its child go."""
        self.follow()
        self.make_due()
        d = self.start(HOLDFAST_POINT="daemon.after_duty_begin=kill")
        self.assertEqual(d.process.wait(40), -9)
        return self.start(**points)

    def reloaded(self, points):
        self.follow()
        d = self.start(**points).ready()
        self.make_due()
        d.process.send_signal(signal.SIGHUP)
        return d

    SCENARIOS = (first_start, due, interrupted, reloaded)

    # -- the walk ----------------------------------------------------------------------------------

    def visits(self, scenario):
        """Without a death: the points of the daemon, in their order."""
        self.new_site()
        d = scenario(self, self.site.points())
        if scenario is not Walk.first_start:
            self.wait_ended()
        d.ready()
        self.assertEqual(d.end(), 0, d.log)
        return [p for p in self.site.visited() if kill_points.walker(p) == MINE]

    def die(self, scenario, point):
        self.new_site()
        d = scenario(self, self.site.points(f"{point}=kill"))
        self.assertEqual(d.process.wait(60), -9, f"{point} did not end it: {d.log}")
        if scenario is Walk.first_start:
            self.follow()
            self.make_due()
        d = self.start().ready()
        self.assert_run_once(point, d)
        self.assertEqual(d.end(), 0, f"after {point}: {d.log}")
        self.follow()
        self.assert_run_once(point, d)

    def assert_run_once(self, point, d):
        if self.duty()["began_us"] == 0:
            self.make_due()  # the reload it was killed at would have seen it
            d.reload()
        duty = self.wait_ended()
        self.assertEqual(duty["outcome"], "done", f"after {point}: {duty}, {d.log}")
        runs = self.runs()
        self.assertEqual([r["id"] for r in runs], [duty["run_id"]], f"after {point}: {d.log}")
        self.assertEqual(self.points(), [duty["run_id"]], f"after {point}")
        self.assert_clean()

    def test_each_point(self):
        walked = set()
        for scenario in self.SCENARIOS:
            for point in self.visits(scenario):
                if point not in walked:
                    walked.add(point)
                    self.die(scenario, point)
        self.assertEqual(walked, kill_points.of(MINE))
        print(f"\n  {len(walked)} deaths", flush=True)


if __name__ == "__main__":
    daemonlib.main()
