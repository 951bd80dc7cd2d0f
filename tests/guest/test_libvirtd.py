# SPDX-License-Identifier: Apache-2.0
"""libvirtd that does not answer: stopped (SIGSTOP) or killed in the middle of the capture."""

import os
import signal
import time
from pathlib import Path

from hf import GuestTest, Latency, lab, main


class Libvirtd(GuestTest):
    def setUp(self):
        super().setUp()
        Latency()
        self.addCleanup(self.go_on)

    @staticmethod
    def pid():
        return int((Path(os.environ["HOLDFAST_LAB_DIR"]) / "libvirtd.pid").read_text())

    def go_on(self):
        os.kill(self.pid(), signal.SIGCONT)

    def start_stalled(self, **env):
        """A run that waits right before the snapshot call, the database locked, and libvirtd stopped by then."""
        process = self.site.start("snapshot", "create", "db",
                                  env={"HOLDFAST_POINT": "libvirt.before_snapshot=stall:700",
                                       "HOLDFAST_POINT_LOG": str(self.site.dir / "points"), **env})
        self.wait_for(lambda: "libvirt.before_snapshot" in self.points(), 20)
        os.kill(self.pid(), signal.SIGSTOP)
        return process

    def points(self):
        log = self.site.dir / "points"
        return log.read_text().split() if log.exists() else []

    def wait_for(self, condition, within_s):
        deadline = time.monotonic() + within_s
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not come")
            time.sleep(0.02)

    def recovered(self):
        def done():
            return not any(r["outcome"] == "alive" for r in self.ok(self.site.run("recover"))["runs"])
        self.wait_for(done, 60)
        self.assert_clean()

    def test_past_hold_limit_the_database_is_released_first_and_a_late_snapshot_is_undone(self):
        self.site.write(hold_limit="2s")
        process = self.start_stalled()
        begin = time.monotonic()
        waited = Latency.commit(timeout_s=10)
        self.assertIsNotNone(waited)
        print(f"  commit after {waited:.2f} s, hold-limit 2 s", flush=True)
        self.assertLess(waited, 3.0)
        time.sleep(max(0.0, 4 - (time.monotonic() - begin)))
        self.go_on()
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertIn('"class":"timeout"', out)
        self.recovered()

    def test_coordinator_dies_while_its_snapshot_call_is_on_its_way(self):
        """The guardian must not take the overlay from under a snapshot that libvirtd is about to make."""
        process = self.start_stalled()
        time.sleep(1.2)
        process.kill()
        process.wait()
        waited = Latency.commit(timeout_s=10)
        self.assertLess(waited, 2.0)
        time.sleep(0.5)
        self.go_on()
        self.recovered()
        self.assertLess(Latency.commit(timeout_s=10), 2.0)
        # What the guest wrote is in the files that its definition names: it must survive a cold start's look.
        for path in self.site.layers().values():
            self.assertTrue(Path(path).exists(), path)

    def test_libvirtd_dies_during_the_capture(self):
        process = self.start_stalled()
        time.sleep(1.0)
        os.kill(self.pid(), signal.SIGKILL)
        waited = Latency.commit(timeout_s=10)
        self.assertLess(waited, 2.0)
        lab("daemon", "start")
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, out + err)
        self.recovered()


if __name__ == "__main__":
    main()
