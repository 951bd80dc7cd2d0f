# SPDX-License-Identifier: Apache-2.0
"""Seeded runs of the WebDAV driver through a proxy that cuts, stalls, trickles, lies and repeats: a put that says it arrived has arrived,
whole.

HOLDFAST_SAMPLE=0 makes it 200 runs, HOLDFAST_SEED another series.
"""

import concurrent.futures
import random
import unittest

import s3proxy
import storelib
from contract import BIG
from davlib import PART, Case
from swiftlib import runlib

SEED = runlib.seed(unset=1)
RUNS = storelib.sample(8, 200)
SIZES = (0, 1, 4096, PART, 2 * PART + 1, 5 << 20)


LIES = ("flip", "wrong-length")  # about what is there: nobody can tell


class Faults(Case):
    """Seeded runs through a proxy that cuts, stalls, trickles, lies and repeats: a put that says it arrived has arrived, whole."""

    def test_a_put_has_arrived_whole_or_has_failed(self):
        print(f"seed {SEED}, {RUNS} runs", flush=True)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(self.one_run, range(RUNS)))
        arrived = sum(r for r, _ in results)
        print(f"{arrived} of {RUNS} arrived; met {', '.join(sorted({k for _, kinds in results for k in kinds}))}", flush=True)
        self.assertGreater(arrived, RUNS // 3)

    def one_run(self, run):
        dice = random.Random(f"{SEED}/{run}")
        content = BIG[:dice.choice(SIZES)]
        name = f"run-{run:03}/x"
        file = self.file(f"in-{run}", content)
        how = [w for w in ("unknown", "replace") if dice.random() < 0.5]
        with s3proxy.Proxy(self.server, fault=s3proxy.chaos(f"{SEED}/{run}", 0.4), seed=f"{SEED}/{run}") as proxy:
            done = self.drive("put", name, file, "confirm", *how, port=proxy.port, stall_ms=1000, retry_ms=30000)
            there = self.stored(name)
            with self.subTest(run=run, seed=SEED, done=str(done), met=proxy.met):
                if done.status == 0:
                    self.assertEqual(done.stdout, self.says(content, "confirmed"))
                    self.assertTrue(there == content, "other bytes are there")
                else:
                    # Without reading back a bit that was flipped on the way is not seen: so it is no success.
                    self.assertTrue(there is None or there == content or "flip" in proxy.met, "a torn object")
            return done.status == 0, proxy.met

    def test_each_fault_alone_is_overcome_at_each_kind_of_request(self):
        file = self.file("in", BIG[:3000])

        def one(fault):
            def first(request):
                return fault if request.nth == 1 and not (fault in LIES and request.method in ("GET", "HEAD", "PROPFIND")) else None
            with s3proxy.Proxy(self.server, fault=first, seed=fault) as proxy:
                return fault, self.drive("put", f"{fault}/x", file, "confirm", port=proxy.port, stall_ms=1000, retry_ms=30000), proxy.met

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for fault, done, met in pool.map(one, s3proxy.FAULTS):
                with self.subTest(fault=fault):
                    self.assertEqual(done.status, 0, done)
                    self.assertEqual(self.stored(f"{fault}/x"), BIG[:3000])
                    self.assertIn(fault, met)


if __name__ == "__main__":
    unittest.main()
