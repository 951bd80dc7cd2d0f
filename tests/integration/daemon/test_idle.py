# SPDX-License-Identifier: Apache-2.0
"""A daemon that has nothing to do sleeps until the next due time, and is small."""

import socket
import time
import urllib.request
from pathlib import Path

import daemonlib
import runlib
from daemonlib import DaemonTest

WATCHED_S = 5
RSS_MAX_KIB = 30 << 10


def switches(pid):
    """How often its threads went to sleep so far: each that woke did once more."""
    n = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        n += int(next(line for line in status.read_text().splitlines() if line.startswith("voluntary_ctxt")).split()[1])
    return n


def rss_kib(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


class Idle(DaemonTest):
    def settle(self, pid):
        """Until it sleeps."""
        before = -1
        while before != (before := switches(pid)):
            time.sleep(0.5)
        return before

    def watch(self, d):
        before = self.settle(d.process.pid)
        time.sleep(WATCHED_S)
        return switches(d.process.pid) - before

    def test_it_does_not_wake_before_something_is_due(self):
        d = self.start().ready()
        self.assertEqual(self.watch(d), 0, d.log)

    def test_nor_while_a_run_that_says_nothing_goes_on(self):
        self.play('{"run": "20261123T030000Z-7f3a9c21"}')
        self.hold()
        d = self.start_due().ready()
        self.wait_running()
        self.assertEqual(self.watch(d), 0, d.log)
        self.let_go()
        self.wait_ended()

    def test_with_a_watchdog_it_wakes_for_that_alone(self):
        d = self.start(WATCHDOG_USEC="2000000").ready()
        self.assertIn(self.watch(d), range(4, 7))

    @staticmethod
    def many(n):
        return "".join(f"[vm vm{i:05}]\nhypervisor = here\nquiesce = none\n" for i in range(n))

    def test_it_is_small(self):
        if runlib.SANITIZED:
            self.skipTest("a sanitizer is not")
        with self.site.config.open("a") as f:
            f.write(self.many(10000))
        d = self.start().ready()
        rss = rss_kib(d.process.pid)
        print(f"\n  {rss} KiB with 10,000 VMs", end=" ", flush=True)
        self.assertLess(rss, RSS_MAX_KIB)
        d.reload()
        d.reload()
        self.assertLess(rss_kib(d.process.pid), RSS_MAX_KIB)

    def test_it_is_small_with_metrics(self):
        """After all have run, been scraped, and the configuration been read again."""
        if runlib.SANITIZED:
            self.skipTest("a sanitizer is not")
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        file = self.site.dir / "holdfast.prom"
        self.defaults(metrics_listen=f"127.0.0.1:{port}", metrics_file=file)
        with self.site.config.open("a") as f:
            f.write(self.many(10000))
        self.follow()
        self.query("UPDATE duties SET began_us = 1795402800000000, ended_us = 1795402900000000, success_us = 1795402900000000, "
                   "outcome = 'done', grade = 'B', stall_ms = 12, duration_ms = 100000, bytes = 123456789, is_protected = 1, attempts = 1")
        self.query("INSERT INTO stalls (policy, vm, bucket, runs, sum_ms) SELECT policy, vm, 4, 100, 1200 FROM duties")
        file.unlink()
        d = self.start().ready()
        for _ in range(2):
            runlib.wait_until(file.exists, 40, f"no metrics: {d.log}")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                size = len(answer.read())
            self.assertGreater(size, 10 << 20)
            self.settle(d.process.pid)
            rss = rss_kib(d.process.pid)
            print(f"\n  {rss} KiB with 10,000 VMs and {size >> 20} MiB of metrics", end=" ", flush=True)
            self.assertLess(rss, RSS_MAX_KIB)
            file.unlink()
            d.reload()


if __name__ == "__main__":
    daemonlib.main()
