# SPDX-License-Identifier: Apache-2.0
"""The scenarios of the kill walk, and which of them dies at which point.

Each scenario is a command on a fresh site that visits some of the kill points of the source. A point belongs to the
first scenario that visits it. Programs of the walk share this list, so that none has to know what the others did.
"""

import re
import time

from runlib import RunTest  # noqa: I001  it says where the others are
import kill_points

COMMIT_WITHIN_S = 2.0
UNDO_WITHIN_S = 10.0
VARIABLES = ("innodb_flush_log_at_trx_commit", "sync_binlog")


# Of those that guest.kill walks, only a guest with systemd and an agent comes by these.
IN_GUEST = re.compile(r"services\.|deadman\.|tunnel\.|libvirt\."
                      r"|hold\.(before|after)_(services_|stop$|start$|freeze$|thaw$)|hold\.after_rearm$")


def points_in_source(pattern=r"HF_POINT(?:_ERR)?"):
    """Names of the points that this guest of directories has; those of the plugins, and of a guest that can be
    stopped and frozen, are walked on real guests alone."""
    return {p for p in kill_points.of("guest.kill", pattern) if not IN_GUEST.match(p)}


class Scenario:
    """What is prepared, the command, its exit status when nobody dies, and points armed besides."""

    def __init__(self, name, prepare, args, status=0, also=""):
        self.name, self.prepare, self.args, self.status, self.also = name, prepare, args, status, also

    def __str__(self):
        return self.name


def plain(_):
    """Durable at commit, nothing in the way."""


def relaxed(test):
    """Both variables are to be set for the run, and back."""
    for name in VARIABLES:
        test.root.sql(f"SET GLOBAL {name} = 0")


def contended(test):
    """Somebody writes to a table without transactions, for so long that the lock is not granted."""
    test.blocker = test.session()
    test.blocker.send("INSERT INTO t.plain SELECT SLEEP(60);\n")
    time.sleep(0.1)
    test.site.write(stall_budget="50ms", quiesce_timeout="200ms")


def with_snapshot(test):
    test.name = test.ok(test.site.run("snapshot", "create", "web"))["snapshot"]


CREATE = ("snapshot", "create", "web")
SCENARIOS = [
    Scenario("create", plain, CREATE),
    Scenario("relaxed", relaxed, CREATE),
    Scenario("contended", contended, CREATE, status=1),
    Scenario("failing", relaxed, CREATE, status=1, also="hold.before_capture=error"),
    Scenario("delete", with_snapshot, ("snapshot", "delete", "web", "NAME")),
]


class WalkTest(RunTest):
    """One death after the other, each on a site of its own."""

    def setUp(self):
        super().setUp()
        self.root = self.session()
        self.root.sql("CREATE TABLE IF NOT EXISTS t.plain (i INT) ENGINE=MyISAM")
        self.blocker = None
        self.worst = 0.0
        self.n = 0

    def fresh(self, scenario):
        """The scenario's command on a new site."""
        self.settle_down()
        self.site.close()
        super().setUp()
        self.name = None
        scenario.prepare(self)
        return [self.name if a == "NAME" else a for a in scenario.args]

    def settle_down(self):
        for name in VARIABLES:
            self.root.sql(f"SET GLOBAL {name} = 1")
        if self.blocker:
            self.root.sql(f"KILL {self.blocker.id}")
            self.blocker = None

    def orders(self):
        """Scenario → points in the order of their first visit; each scenario once, without a death."""
        return {s: self.visits(s) for s in SCENARIOS}

    def visits(self, scenario):
        command = self.fresh(scenario)
        r = self.site.run(*command, **self.site.points(scenario.also))
        self.assertEqual(r.status, scenario.status, f"{scenario}: {r}")
        return self.site.visited()

    def own_points(self):
        """(scenario, point, order of the scenario's visits) for every point that a command visits."""
        seen = set()
        for scenario, order in self.orders().items():
            for point in order:
                if point not in seen and f"{point}=error" != scenario.also:
                    yield scenario, point, order
            seen |= set(order)

    # -- one death -----------------------------------------------------------------------------

    def die(self, scenario, points, status=-9, **env):
        """Runs the scenario with these points armed, and commits at once when it is dead."""
        command = self.fresh(scenario)
        spec = ",".join(p for p in (points, scenario.also) if p)
        r = self.site.start(*command, **self.site.points(spec), **env).wait()
        if scenario.name == "contended":
            self.root.sql(f"KILL {self.blocker.id}")
            self.blocker = None
        took = self.root.commit(within_s=30)
        self.assertEqual(r.status, status, f"{points} did not end the coordinator: {r}")
        self.assertLess(took, COMMIT_WITHIN_S, f"after {points}: a commit took {took:.2f} s")
        self.worst = max(self.worst, took)
        self.n += 1
        return r

    def has_guardian(self, order, point):
        """Whether the guardian had been started when the run died at this point."""
        start = order.index("run.after_journal")
        return order.index(point) > start

    def assert_variable(self, scenario, points):
        wanted = ["0"] if scenario.prepare is relaxed else ["1"]
        for name in VARIABLES:
            self.assertEqual(self.root.sql(f"SELECT @@GLOBAL.{name}"), wanted, f"after {points}: {name} changed")

    def assert_no_session(self, points):
        """No session of a run is left in the server: its mark is a user lock."""
        marks = self.root.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'BACKUP STAGE%' "
                              "OR state LIKE '%backup lock%'")
        self.assertEqual(marks, ["0"], f"after {points}")

    def assert_all_well(self, scenario, points):
        """Nothing is open, no snapshot is unknown, the server is as before."""
        self.assert_known()
        self.assertEqual(self.ok(self.site.run("status"))["open_runs"], [], points)
        self.assert_variable(scenario, points)
        self.assert_no_session(points)

    def tell(self):
        print(f"\n  {self.n} deaths, the next commit took {self.worst * 1000:.1f} ms at the most", flush=True)
