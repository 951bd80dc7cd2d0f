# SPDX-License-Identifier: Apache-2.0
"""holdfastd is killed at each of its kill points: the next one makes the run that was due, or finds how it ended; never a second one.

And those of them that can fail do so, once and each time: it says so, tries again ever more seldom, and there is no second run either.
"""

import signal
import time

import daemonlib
import runlib
import kill_points  # noqa: I001  runlib says where it is
from daemonlib import DaemonTest

runlib.need("qemu-nbd", "qemu-nbd")

MINE = "integration.daemon.kill"
FALLIBLE = kill_points.of(MINE, "HF_POINT_ERR")
LOOK_ON_S = 6
TRIES_MAX = 4  # in that time: at once, after 1 s, 2 s and 4 s


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

    def walk(self, points):
        """Each of these points, with the first scenario that visits it."""
        walked = set()
        for scenario in self.SCENARIOS:
            for point in self.visits(scenario):
                if point in points and point not in walked:
                    walked.add(point)
                    yield scenario, point
        self.assertEqual(walked, points)

    def test_each_point(self):
        n = 0
        for scenario, point in self.walk(kill_points.of(MINE)):
            self.die(scenario, point)
            n += 1
        print(f"\n  {n} deaths", flush=True)

    # -- errors ------------------------------------------------------------------------------------

    def wait_log(self, d, piece):
        runlib.wait_until(lambda: piece in d.log, daemonlib.WITHIN_S, f"'{piece}' is not said: {d.log}")

    def assert_over(self, point, d):
        """All is made up for, and another daemon finds nothing that is left to do."""
        self.assert_run_once(point, d)
        self.wait_alarms()
        self.assertEqual(d.end(), 0, f"after {point}: {d.log}")
        self.follow()
        self.assert_run_once(point, d)

    def test_an_error_once_is_said_and_overcome(self):
        for scenario, point in self.walk(FALLIBLE):
            self.new_site()
            d = scenario(self, self.site.points(f"{point}=error"))
            self.wait_log(d, f"works again, after: error injected at point {point}")
            self.assert_over(point, d)

    def test_an_error_each_time_is_an_alarm_and_no_busy_loop(self):
        for scenario, point in self.walk(FALLIBLE):
            self.new_site()
            env = {**self.site.points(f"{point}=error"), "HOLDFAST_POINT_ONCE": ""}
            d = scenario(self, {k: v for k, v in env.items() if v})
            self.wait_log(d, f"error injected at point {point}")
            time.sleep(LOOK_ON_S)
            self.assertIn(f"error injected at point {point}", self.alarms()["daemon"])
            self.assertIn(self.site.point_log.read_text().split().count(point), range(2, TRIES_MAX + 1), d.log)
            self.assertEqual(len(self.runs()), 1 if point == "catalog.before_duty_end" else 0, f"{point}: {d.log}")
            self.assertEqual(d.end(), 0, f"{point}: {d.log}")
            self.assert_over(point, self.start().ready())


if __name__ == "__main__":
    daemonlib.main()
