# SPDX-License-Identifier: Apache-2.0
"""What is judged in milliseconds of a real guest behind the API of vSphere (its stand-in): stall_ms against the writer's own view,
and the hold that a slow server, or one that is not there any more, outlasts.

HOLDFAST_SAMPLE: one of these servers, drawn by HOLDFAST_SAMPLE_SEED.
"""

import signal
import time

from hf import Latency, LoadedTest, always, main, plain_tables
from test_snapshot import ROUNDS, Rounds
from vmwlib import OnVmware


class Stall(OnVmware, Rounds):
    @always
    def test_tables_without_transactions(self):
        self.durability(0)
        self.load("--threads", "3", *plain_tables())
        self.rounds(ROUNDS)


class Slow(OnVmware, LoadedTest):
    """A server that takes longer than hold-limit, or does not answer when it comes."""

    def outlast(self, meanwhile=lambda: None, limit_s=3, grace_s=1.0, **keys):
        """When the first commit after the server was asked was acknowledged: not later than hold-limit, or than the guest runs again
        where that is later; no point was made."""
        Latency()
        self.site.write(hold_limit=f"{limit_s}s", **keys)
        process = self.site.start("snapshot", "create", "db")
        asked = self.wait_for_call("CreateSnapshot_Task")
        meanwhile()
        waited = Latency.commit(timeout_s=60)
        committed = time.monotonic()
        self.assertIsNotNone(waited)
        print(f"  commit {committed - asked:.2f} s after the request, hold-limit {limit_s} s", flush=True)
        self.committed_ns = time.time_ns()
        self.release_s = committed - asked - limit_s
        return process

    def end(self, process, cls):
        out, err = process.communicate(timeout=180)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn(f'"class":"{cls}"', out)
        return out

    @always
    def test_past_hold_limit_the_database_is_released_while_the_task_runs(self):
        self.fault("seconds", "createSnapshot", 8)
        process = self.outlast()
        self.assertLess(self.release_s, 1.0)
        self.end(process, "timeout")
        self.assertLess(self.committed_ns, self.when("instant")[0])
        self.assert_clean()

    def test_a_guest_that_stood_still_beyond_hold_limit_is_free_when_it_runs(self):
        self.fault("seconds", "stun", 5)
        process = self.outlast()
        self.end(process, "timeout")
        self.assertLess(self.committed_ns - self.when("ran again")[0], 1e9)
        self.assert_clean()

    def test_a_server_that_is_restarted_in_the_hold(self):
        """It is waited for until hold-limit, for hosts work on; nothing is left of the snapshot that they made."""
        self.fault("seconds", "createSnapshot", 2)
        process = self.outlast(lambda: self.server.say("restart", value="6"))
        self.assertLess(self.release_s, 1.0)
        self.end(process, "timeout")
        self.settle()

    def test_a_server_that_hangs_in_the_hold(self):
        self.fault("seconds", "createSnapshot", 2)
        process = self.outlast(lambda: self.server.process.send_signal(signal.SIGSTOP))
        try:
            self.assertLess(self.release_s, 1.0)
            self.end(process, "timeout")
        finally:
            self.server.process.send_signal(signal.SIGCONT)
        self.settle()

    def test_a_server_that_is_killed_in_the_hold(self):
        """Another takes its place, which knows nothing of what the first one had begun."""
        self.fault("seconds", "createSnapshot", 2)
        process = self.outlast(self.server.process.kill)
        self.assertLess(self.release_s, 1.0)
        self.end(process, "timeout")
        self.assertNotEqual(self.site.journals(), [])
        self.server.close()
        self.server = self.serve()
        self.site.plugin_keys = self.keys_of_api()
        self.site.write()
        self.settle()

    def settle(self):
        """The next `recover` finds the server there, and takes away what is left."""
        self.server.say("calm")
        self.wait_for_tasks()
        self.ok(self.site.run("recover"))
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [])
        self.assertEqual(self.site.run("snapshot", "list", "db").json["snapshots"], [])
        self.site.write(hold_limit=None)
        self.assert_clean()


if __name__ == "__main__":
    main(most=3)
