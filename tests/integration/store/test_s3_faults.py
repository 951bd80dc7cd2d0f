# SPDX-License-Identifier: Apache-2.0
"""Seeded runs through a proxy that cuts, stalls, trickles, lies and repeats: a put that says it arrived has arrived, whole.

HOLDFAST_SAMPLE=0 makes it 200 runs, HOLDFAST_SEED another series. A run's number is in the name of what fails.
"""

import concurrent.futures
import hashlib
import os
import random
import unittest

import faultlib
import s3proxy
import storelib
import timed

RUNS = storelib.sample(20, 200)
SEED = faultlib.SEED
SIZES = (0, 1, 4096, 1 << 20, storelib.PART + 1, 11 << 20)


class Faults(storelib.Case):
    def setUp(self):
        super().setUp()
        self.content = random.Random(SEED).randbytes(max(SIZES))

    def test_a_put_has_arrived_whole_or_has_failed(self):
        arrived, met = faultlib.seeded(self.one_run, RUNS)
        self.assertGreater(arrived, RUNS // 2)
        if RUNS >= 20:
            self.assertGreaterEqual(len(met), len(s3proxy.FAULTS) - 2, met)
        self.assertEqual(self.uploads(), 0)

    def one_run(self, run):
        dice = random.Random(f"{SEED}/{run}")
        size = dice.choice(SIZES)
        content = self.content[-size:] if size else b""
        name = f"run-{run:03}"
        file = self.file(name, content)
        how = [w for w in ("unknown", "resume") if dice.random() < 0.5]
        with s3proxy.Proxy(self.swift, fault=s3proxy.chaos(f"{SEED}/{run}", 0.5), seed=f"{SEED}/{run}") as proxy:
            options = {"port": proxy.port, "prefix": f"p{run}", "stall_ms": 1000, "retry_ms": 30000}
            done = self.drive("put", name, file, "confirm", *how, **options)
            if done.status:
                print(f"run {run}: {done.stdout.strip()}; met {' '.join(proxy.met)}", flush=True)
            with self.subTest(run=run, seed=SEED, done=str(done), met=proxy.met):
                self.judge(done, name, content, f"p{run}", how)
                met = proxy.met + (self.read(name, content, options) if done.status == 0 else [])
            self.ok("sweep", 1 << 33, prefix=f"p{run}")  # what a lost answer left
            return done.status == 0, met

    def judge(self, done, name, content, prefix, how):
        there = self.stored(name, prefix)
        if done.status == 0:
            self.assertEqual(done.stdout, f"{len(content)} {hashlib.sha256(content).hexdigest()} confirmed\n")
            self.assertTrue(there == content, f"{prefix}: other bytes are there")
        else:
            self.assertTrue(there is None or there == content, f"{prefix}: a torn object, {done}")
            self.assertTrue(done.stdout.startswith("error "), done)

    def read(self, name, content, options):
        """Listing and reading through the same trouble: what comes without an error is right. (A flipped bit is the caller's to
        find, who knows a digest: the transport that flips none is TLS.)"""
        with s3proxy.Proxy(self.swift, fault=s3proxy.chaos(f"read/{options['prefix']}/{SEED}", 0.5,
                                                          [f for f in s3proxy.FAULTS if f != "flip"])) as proxy:
            options = options | {"port": proxy.port}
            done = self.drive("list", "", **options)
            if done.status == 0:
                self.assertEqual([line.split()[:2] for line in done.lines], [[name, str(len(content))]])
            if content:
                out = self.dir / f"{name}.out"
                done = self.drive("get", name, 0, len(content), out, **options)
                if done.status == 0:
                    self.assertTrue(out.read_bytes() == content, f"{name}: other bytes were read")
            return proxy.met


class EachFault(faultlib.Table, storelib.Case):
    """Those that s3proxy knows, at the first request of each kind."""

    faults = s3proxy.FAULTS
    lies = ("flip",)
    long = os.urandom(storelib.PART + 12345)

    def broken(self, fault, operation):
        def first(request):
            return fault if request.nth == 1 and not (fault in self.lies and request.method in ("GET", "HEAD")) else None
        return s3proxy.Proxy(self.swift, fault=first, seed=f"{fault}/{operation.name}")

    def lay(self, objects):
        def put(item):
            name, content = item
            if content:
                self.ok("put", name, self.file(name.replace("/", "."), content))
        with concurrent.futures.ThreadPoolExecutor(faultlib.WORKERS) as pool:
            list(pool.map(put, objects.items()))

    def at(self, store):
        return {"prefix": f"pre/fix/{store}"}


if __name__ == "__main__":
    timed.main()
