# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the coordinator at every kill point of the source, on a real guest.

Each scenario runs once to see which points it visits; then once more per point that none before it visited, dying
there. After each death: the database accepts a commit within two seconds (where services were stopped or file systems
frozen: within hold-limit and two seconds), the services run, both disks take writes, `recover` leaves nothing unknown
and no dead-man, and a second `recover` changes nothing. A point in the source that no scenario visits fails the walk.

HOLDFAST_SAMPLE: as many twelfths of them, and of those in the host's own books, where no guest makes a difference
(integration.run.kill walks them, too), half as many; drawn by HOLDFAST_SAMPLE_SEED.
"""

import math
import os
import random
import re
import signal
import tempfile
import time
from pathlib import Path

from hf import Blocker, GuestTest, Guest, Latency, db_service, main, sql  # noqa: I001  it says where the others are
import kill_points

COMMIT_WITHIN_S = 2.0
SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
IN_BOOKS = re.compile(r"^(vmlock|journal|catalog|run|undo|recover)\.")


# What a scenario may change of the site.
PLAIN = {"quiesce": "lock", "services": None, "freeze": None, "hold_limit": None, "stall_budget": None,
         "quiesce_timeout": None}

# Points that only an undo visits: they are walked with the coordinator dead before.
IN_UNDO = re.compile(r"^(undo|recover|guardian|db\.(before|after)_kill$|tunnel\.(before|after)_bridge_end$)")


def share(points, part):
    """How many of them that is, at least one."""
    return math.ceil(min(1, part) * len(points))


class Kills(GuestTest):
    """Scenarios, deaths in them, and what has to be true afterwards, whatever hypervisor is behind."""

    def setUp(self):
        super().setUp()
        self.scratch = tempfile.TemporaryDirectory(prefix="hf-points-")
        self.addCleanup(self.scratch.cleanup)
        self.addCleanup(self.set_durability, 1)
        Latency()
        sql("CREATE TABLE IF NOT EXISTS hf_test.pulse_blocked (id INT) ENGINE=InnoDB")
        self.blocker = None
        self.addCleanup(self.unblock)
        self.guest = Guest(db_service(), "apache2", "cron")
        self.addCleanup(self.guest.close)
        self.hold_limit_s = self.guest.hold_limit_s()
        self.visited = set()
        self.db = self.site.keys["db"]

    @staticmethod
    def set_durability(value):
        sql(f"SET GLOBAL innodb_flush_log_at_trx_commit = {value}", user="root")

    # -- scenarios: what is prepared, and the command that dies -----------------------------

    def prepare(self, scenario):
        self.site.write(**PLAIN, db=self.db)
        return getattr(self, scenario)()

    def create(self):
        return ["snapshot", "create", "db"]

    def create_relaxed(self):
        self.set_durability(0)
        return ["snapshot", "create", "db"]

    def create_failing(self):
        """Fails after the overlays are prepared: the coordinator undoes by itself."""
        return ["snapshot", "create", "db"]

    def create_blocked(self):
        """A table lock of somebody is in the way: attempts are withdrawn, then the run gives up."""
        self.site.write(stall_budget="300ms", quiesce_timeout="1s")
        self.blocker = Blocker("LOCK TABLES hf_test.pulse_blocked WRITE;")
        return ["snapshot", "create", "db"]

    def create_resting(self):
        """Services beside the lock, and the file systems frozen inside it."""
        self.site.write(services="cron", freeze="yes", hold_limit=f"{self.hold_limit_s}s")
        return ["snapshot", "create", "db"]

    def create_stopped(self):
        self.site.write(quiesce="stop", services="apache2, cron", hold_limit=f"{self.hold_limit_s}s")
        return ["snapshot", "create", "db"]

    def back_within_s(self, scenario):
        """The promise, and for what the guest itself has to do three times what it takes for that now: the guardian and
        the dead-man start the same units, on a machine that emulates its processors."""
        if scenario in ("create_resting", "create_stopped"):
            return self.hold_limit_s + COMMIT_WITHIN_S + 3 * self.guest.slow_s
        return COMMIT_WITHIN_S

    def create_through_agent(self):
        """Every statement goes through the guest agent, and takes its time."""
        self.site.write(db="agent", stall_budget="20s", hold_limit="60s")
        return ["snapshot", "create", "db"]

    def unblock(self):
        if self.blocker:
            self.blocker.stop()
        self.blocker = None

    def delete(self):
        name = self.ok(self.site.run("snapshot", "create", "db"))["snapshot"]
        return ["snapshot", "delete", "db", name]

    # -- one death -----------------------------------------------------------------------------

    def env(self, points, log=None):
        once = tempfile.mkdtemp(dir=self.scratch.name)
        env = {"HOLDFAST_POINT": points, "HOLDFAST_POINT_ONCE": once}
        if log:
            env["HOLDFAST_POINT_LOG"] = log
        return env

    def visits(self, scenario, also=""):
        log = Path(self.scratch.name) / f"{scenario}{len(self.visited)}.log"
        command = self.prepare(scenario)
        result = self.site.run(*command, env=self.env(also, str(log)))
        self.assertEqual(result.status, 1 if also or self.blocker else 0, result.stdout + result.stderr)
        self.unblock()
        self.tidy()
        self.set_durability(1)
        order = list(dict.fromkeys(log.read_text().split()))
        self.visited |= set(order)
        return order

    def die(self, scenario, points):
        """Runs the scenario with these points armed; the coordinator has to be killed by one of them."""
        command = self.prepare(scenario)
        process = self.site.start(*command, env=self.env(points))
        # Not until its output ends: the guardian has that, too, and is to be measured.
        # The guardian has a tunnel of its own, and may be the first one there: then the run is called off.
        ends = (-signal.SIGKILL, 1) if scenario == "create_through_agent" else (-signal.SIGKILL,)
        status = process.wait(timeout=180)
        self.assertIn(status, ends, f"{points} did not kill the coordinator: {status in ends or process.communicate(timeout=180)}")
        within_s = self.back_within_s(scenario)
        begin = time.monotonic()
        took = Latency.accepts(within_s + 10)
        self.unblock()
        self.assertIsNotNone(took, f"after {points}: no commit within {within_s + 10:.0f} s")
        self.assertLess(took, within_s, f"after {points}: a commit took {took:.2f} s")
        self.assert_alive(begin + within_s, points)
        process.communicate(timeout=180)
        return took

    def assert_alive(self, deadline, points):
        """Services and disks; what is over by now gets a moment to be asked."""
        left = max(5.0, deadline - time.monotonic())
        self.assertIsNotNone(self.guest.writable(left), f"after {points}: a disk takes no writes")
        self.assertIsNotNone(self.guest.running(left), f"after {points}: a service does not run")

    def recover(self, points):
        """Until the guardian has let go, then clean, then nothing more to do."""
        for _ in range(120):
            runs = self.ok(self.site.run("recover"))["runs"]
            if not any(r["outcome"] == "alive" for r in runs):
                break
            time.sleep(0.25)
        else:
            self.fail(f"after {points}: the run stays alive")
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [], f"after {points}: recover twice")

    def assert_no_stranger(self, scenario, points):
        """A committed snapshot may be there and is listed; nothing else may."""
        self.assertEqual(self.site.journals(), [], points)
        self.assertEqual(self.guest.dead_men(), "", f"after {points}: dead-men are left")
        value = sql("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")[0]
        self.assertEqual(value, "0" if scenario == "create_relaxed" else "1", f"after {points}: variable left changed")
        known = [r for r in self.site.run("snapshot", "list", "db").json["snapshots"] if not r["foreign"]]
        for row in known:
            self.assertEqual(row.get("state"), "present", f"after {points}: unknown snapshot {row}")
        self.tidy()
        self.assert_clean()

    def chosen(self, order):
        seed = os.environ.get("HOLDFAST_SAMPLE_SEED") or str(time.time_ns())
        if not SAMPLE:
            return order
        draw = random.Random(f"{seed} {order}")
        books = [p for p in order if IN_BOOKS.match(p)]
        others = [p for p in order if p not in books]
        some = draw.sample(books, share(books, SAMPLE / 24)) + draw.sample(others, share(others, SAMPLE / 12))
        return [p for p in order if p in some]

    def walk(self, scenario, order, also=""):
        for point in self.chosen(order):
            with self.subTest(scenario=scenario, point=point):
                points = f"{point}=kill" + (f",{also}" if also else "")
                took = self.die(scenario, points)
                self.recover(points)
                self.assert_no_stranger(scenario, points)
                self.set_durability(1)
                print(f"  {scenario:15} {point:30} next commit after {took * 1000:5.0f} ms", flush=True)


class KillWalk(Kills):
    """Scenarios share one walk so that the points that nobody visits can be named."""

    def test_every_point(self):
        done = set()
        for scenario, also in (("create", ""), ("create_relaxed", ""), ("delete", ""), ("create_blocked", ""),
                               ("create_failing", "hold.before_capture=error"), ("create_resting", ""),
                               ("create_stopped", ""), ("create_through_agent", "")):
            order = [p for p in self.visits(scenario, also) if p not in done and p + "=error" != also]
            done |= set(order)
            begin = time.monotonic()
            self.walk(scenario, [p for p in order if not p.startswith("guardian.")], also)
            print(f"  {scenario}: {len(order)} points in {time.monotonic() - begin:.0f} s", flush=True)
        self.walk_undo("create", "hold.after_capture")
        self.walk_undo("create_blocked", "db.before_kill_query")
        self.walk_undo("create_through_agent", "hold.after_capture")
        self.assertEqual(kill_points.of("guest.kill") - self.visited, set(), "points that no scenario visits")

    def walk_undo(self, scenario, death):
        """Coordinator and guardian both die (the host lost power): the next recover does it all."""
        log = Path(self.scratch.name) / f"undo-{scenario}.log"
        process = self.site.start(*self.prepare(scenario), env=self.env(f"{death}=kill", str(log)))
        process.communicate(timeout=120)
        self.unblock()
        self.recover("undo")
        order = [p for p in dict.fromkeys(log.read_text().split()) if IN_UNDO.match(p)]
        if scenario == "create_through_agent":  # the others were walked, in less time
            order = [p for p in order if p not in self.visited]
        self.visited |= set(order)
        for point in self.chosen(order):
            with self.subTest(scenario=f"power, {scenario}", point=point):
                points = f"{death}=kill,{point}=kill"
                self.die(scenario, points)
                self.recover(points)
                self.assert_no_stranger(scenario, points)


if __name__ == "__main__":
    main()
