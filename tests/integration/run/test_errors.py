# SPDX-License-Identifier: Apache-2.0
"""An error, and a sudden exit, at every point that can fail: status and state agree, nothing is held, nothing is lost.

`once`: only the first visit fails, so the undo works. `always`: each visit fails, in the undo too, so what is left
has to wait for the next recover.
"""


from runlib import main
from walk import WalkTest, points_in_source

POINT_EXIT = 99
FALLIBLE = points_in_source("HF_POINT_ERR")


class Errors(WalkTest):
    def fallible(self):
        """(scenario, point) for every scenario that visits a point which can fail."""
        for scenario, order in self.orders().items():
            for point in order:
                if point in FALLIBLE and not scenario.also:
                    yield scenario, point

    def test_every_point_that_can_fail_is_visited(self):
        self.assertEqual(FALLIBLE - {p for _, p in self.fallible()}, set())

    def test_an_error_once_leaves_nothing_open(self):
        for scenario, point in self.fallible():
            with self.subTest(scenario=str(scenario), point=point):
                r = self.fail_at(scenario, f"{point}=error", self.site_points)
                runs = self.recover()
                if r.status != 0:
                    self.assertIn("error injected at point", r.stdout + r.stderr)
                self.assert_status_is_true(scenario, r, runs)

    def test_an_error_each_time_leaves_only_what_recover_finishes(self):
        for scenario, point in self.fallible():
            with self.subTest(scenario=str(scenario), point=point):
                r = self.fail_at(scenario, f"{point}=error", lambda spec: {"HOLDFAST_POINT": spec})
                self.assert_status_is_true(scenario, r, self.recover())

    def test_a_sudden_exit_is_a_death_like_any_other(self):
        for scenario, point in self.fallible():
            with self.subTest(scenario=str(scenario), point=point):
                self.die(scenario, f"{point}=exit", status=POINT_EXIT)
                self.recover()
                self.assert_all_well(scenario, point)

    def site_points(self, spec):
        return self.site.points(spec)

    def fail_at(self, scenario, spec, points):
        command = self.fresh(scenario)
        r = self.site.start(*command, **points(spec)).wait()
        if self.blocker:
            self.root.sql(f"KILL {self.blocker.id}")
            self.blocker = None
        self.assertLess(self.root.commit(), 1.0)
        self.assertIn(r.status, (0, 1), str(r))
        self.assertEqual(len(r.stdout.splitlines()), 1, f"one document: {r}")
        return r

    def assert_status_is_true(self, scenario, r, runs):
        """0: it is done and stays done, also when recover had to complete the record. 1: it is not done."""
        names = [x["snapshot"] for x in self.site.snapshots()]
        if scenario.name == "delete":
            if r.status == 0:
                self.assertEqual(names, [])
            elif not any(x["outcome"] == "finished" for x in runs):
                self.assertEqual(names, [self.name])
        else:
            self.assertEqual(names, [r.json["snapshot"]] if r.status == 0 else [])
        self.assert_all_well(scenario, str(r))


if __name__ == "__main__":
    main()
