# SPDX-License-Identifier: Apache-2.0
"""Coordinator and guardian die together, as when the host loses power, at every point of the source.

Then `recover` does it all, and twice is once; or the next `snapshot create` does, before it begins. The points that
only an undo visits are walked as well: dying there, too, is finished by the next one.
"""


from runlib import Pulse, RunTest, main, wait_until
from walk import COMMIT_WITHIN_S, SCENARIOS, WalkTest, points_in_source

BOTH = "guardian.before_undo=kill"
# The richest death: everything that a run can leave behind is there.
IN_THE_MIDDLE = "hold.after_capture=kill"


class Power(WalkTest):
    def test_recover_undoes_every_death_alone(self):
        for scenario, point, _ in self.own_points():
            with self.subTest(scenario=str(scenario), point=point):
                self.die(scenario, f"{point}=kill,{BOTH}")
                self.recover()
                self.assert_all_well(scenario, point)
        self.tell()

    def test_the_next_create_undoes_every_death_before_it_begins(self):
        for scenario, point, _ in self.own_points():
            with self.subTest(scenario=str(scenario), point=point):
                self.die(scenario, f"{point}=kill,{BOTH}")
                before = {r["snapshot"] for r in self.site.snapshots() if r.get("state") == "present"}
                self.wait_for_lock()
                doc = self.ok(self.site.run("snapshot", "create", "web"))
                names = {r["snapshot"] for r in self.site.snapshots()}
                self.assertLessEqual(names, before | {doc["snapshot"]})
                self.assertIn(doc["snapshot"], names)
                self.assertEqual(self.site.journals(), [])
                self.assert_all_well(scenario, point)

    def wait_for_lock(self):
        """The guardian's end, so that its lock is gone."""
        wait_until(lambda: "alive" not in [r["outcome"] for r in self.ok(self.site.run("recover", "-n"))["runs"]], 15,
                   "no end of the guardian")

    # -- points that only an undo visits ---------------------------------------------------------

    def undo_points(self):
        """Visited by the guardian of a run that died in the middle of the relaxed scenario, in this order."""
        self.die(SCENARIOS[1], IN_THE_MIDDLE)
        self.recover()
        order = self.site.visited()
        return order[order.index("guardian.before_undo"):]

    def test_an_undo_that_dies_is_finished_by_the_next(self):
        """Guardian and `recover` die at each point that they visit; the one after that finishes."""
        for point in self.undo_points():
            with self.subTest(point=point):
                self.die(SCENARIOS[1], f"{IN_THE_MIDDLE},{point}=kill" if point != "guardian.before_undo"
                         else f"{IN_THE_MIDDLE},{BOTH}")
                self.recover()
                self.assert_all_well(SCENARIOS[1], point)
                if point == "guardian.before_undo":
                    continue
                self.die(SCENARIOS[1], f"{IN_THE_MIDDLE},{BOTH}")
                self.wait_for_lock()
                killed = self.site.run("recover", **self.site.points(f"{point}=kill"))
                self.assertIn(killed.status, (-9, 0), f"{point}: {killed}")
                self.recover()
                self.assert_all_well(SCENARIOS[1], point)

    # -- a session that outlives its coordinator, as when a network goes away ----------------------

    def test_a_session_that_outlived_its_coordinator_is_killed_by_its_mark(self):
        said, took = self.linger("guardian.before_undo=stall:300")
        self.assertIn("no database session of the run is left", said)
        self.assertLess(took, COMMIT_WITHIN_S)

    def test_dying_beside_that_kill_is_finished_by_the_next(self):
        for point in ("db.before_kill", "db.after_kill"):
            with self.subTest(point=point):
                self.linger(f"guardian.before_undo=stall:300,{point}=kill")

    def linger(self, points):
        """A run dies; a session takes its mark and lock over, as if its host had vanished. What the guardian said,
        and how long a commit took that was sent meanwhile."""
        command = self.fresh(SCENARIOS[0])
        p = self.site.start(*command, **self.site.points(f"{IN_THE_MIDDLE},{points}"))
        p.process.wait()
        run = self.site.journals()[0]
        ghost = self.session()
        ghost.sql(f"SELECT GET_LOCK('holdfast.{run}', 5)")
        ghost.sql("BACKUP STAGE START")
        ghost.sql("BACKUP STAGE BLOCK_COMMIT")
        self.assertEqual(self.root.sql(f"SELECT IS_USED_LOCK('holdfast.{run}')"), [str(ghost.id)])
        pulse = Pulse(RunTest.server)
        self.recover()
        took = pulse.stop()
        self.assert_all_well(SCENARIOS[0], points)
        self.assertEqual(self.root.sql(f"SELECT COUNT(*) FROM information_schema.processlist WHERE id = {ghost.id}"),
                         ["0"])
        return p.wait().stderr, took

    # -- nothing was forgotten --------------------------------------------------------------------

    def test_every_point_of_the_source_is_visited(self):
        visited = set()
        for order in self.orders().values():
            visited |= set(order)
        visited |= set(self.undo_points())
        self.linger("guardian.before_undo=stall:300")
        visited |= set(self.site.visited())
        self.assertEqual(points_in_source() - visited, set(), "points that no scenario visits")


if __name__ == "__main__":
    main()
