# SPDX-License-Identifier: Apache-2.0
"""What is judged in milliseconds of a real guest behind the API of Proxmox VE (its stand-in): stall_ms against the writer's own
view, and the hold that a slow server outlasts.

HOLDFAST_SAMPLE: one of the guests that stand still, drawn by HOLDFAST_SAMPLE_SEED.
"""

import time

from hf import Latency, LoadedTest, always, main, plain_tables
from pvelib import OnProxmox
from test_snapshot import ROUNDS, Rounds


class Stall(OnProxmox, Rounds):
    @always
    def test_tables_without_transactions(self):
        self.durability(0)
        self.load("--threads", "3", *plain_tables())
        self.rounds(ROUNDS)


class Slow(OnProxmox, LoadedTest):
    """A server that takes longer than hold-limit."""

    def outlast(self, limit_s=2, grace_s=1.0, **keys):
        """When the first commit after the server was asked was acknowledged: not later than hold-limit, or than it runs again."""
        Latency()
        self.site.write(hold_limit=f"{limit_s}s", **keys)
        process = self.site.start("snapshot", "create", "db")
        posted = self.wait_for_post("/snapshot")
        waited = Latency.commit(timeout_s=30)
        committed = time.monotonic()
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn('"class":"timeout"', out)
        self.assert_clean()
        ran, = (t for t, what, _ in self.world.timeline if what == "resumed")
        print(f"  commit after {waited:.2f} s, hold-limit {limit_s} s, {committed - ran:.2f} s after the processors ran again")
        self.assertLess(committed - max(ran, posted + limit_s), grace_s)
        return committed

    @always
    def test_past_hold_limit_the_database_is_released_while_the_task_runs(self):
        self.world.faults["savevm-end-seconds"] = 5
        committed = self.outlast()
        ended, = (task.ended for task in self.world.tasks.values() if task.kind == "qmsnapshot")
        self.assertLess(committed, ended)

    def test_a_guest_that_stood_still_beyond_hold_limit_is_free_when_it_runs(self):
        self.vm.seconds["disk"] = 2.5
        self.outlast()

    def test_a_guest_that_stood_still_while_it_was_frozen_is_thawed_when_it_runs(self):
        """Whoever froze it has to thaw it, and its agent did not answer when hold-limit came."""
        self.vm.seconds["disk"] = 6
        self.outlast(10, 5.0, freeze="yes")


if __name__ == "__main__":
    main(most=3)
