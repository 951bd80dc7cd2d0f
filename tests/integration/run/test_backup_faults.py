# SPDX-License-Identifier: Apache-2.0
"""Whole backups through a proxy that cuts, stalls, trickles, lies and repeats: a right point, or none and a clear error.

Chains of four backups to one place in Swift. After each of them another reader rebuilds every disk of every point from what Swift has, and
nothing may lie there that no manifest, pack or index names, but what runs that failed left. HOLDFAST_SAMPLE chains' runs are drawn by
HOLDFAST_SAMPLE_SEED (printed); 0, or none: all 200 of them.
"""

import collections
import concurrent.futures
import os
import random
import time
import unittest

import runlib
import s3lib  # noqa: I001  it says where the others are
import s3proxy
import swiftlib
from backuplib import MIB

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")

RUNS, CHAIN, AT_ONCE = 200, 4, 3
SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
SEED = int(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time())
CLEAR = {"unreachable", "timeout", "corrupt", "conflict", "auth", "not-found", "config"}


class Fault:
    """A fault for this share of all requests. told_lies: a listing was falsified, which TLS would have stopped, or an object again and
    again: what is there may be unknown then, and sent once more."""

    def __init__(self, seed, share):
        self.chaos, self.told_lies, self.lies = s3proxy.chaos(seed, share), False, collections.Counter()

    def __call__(self, request):
        kind = self.chaos(request)
        if kind in ("flip", "wrong-length") and request.method in ("GET", "HEAD"):
            self.lies[request.target] += 1
            self.told_lies |= self.lies[request.target] > 1 or (kind == "flip" and "list-type" in request.query)
        return kind


class Chain:
    """Four backups of one machine to one place; each changes some of its disk."""

    def __init__(self, swift, bucket, number):
        self.number, self.dice = number, random.Random(f"{SEED}/{number}")
        self.machine = s3lib.Machine(swift, bucket)
        self.identity, keys = None, {"patience": "8s"}
        if self.dice.random() < 0.5:
            self.identity = self.machine.site.dir / "identity"
            keys["recipients"] = runlib.make_identity(self.identity)
        self.machine.add_store("vault", f"chain/{number}", **keys)
        size = 36 * MIB if self.dice.random() < 0.25 else self.dice.randrange(1, 5) * MIB  # the first: in parts
        self.disk = bytearray(self.dice.randbytes(size))
        self.points, self.strays, self.done, self.failed, self.met, self.told_lies = {}, set(), 0, 0, [], False

    def change(self):
        for _ in range(self.dice.randrange(1, 4)):
            at = self.dice.randrange(len(self.disk) - 4096)
            self.disk[at:at + 4096] = self.dice.randbytes(4096)
        return self.machine.disks({"vda": bytes(self.disk), "vdb": self.dice.randbytes(512)})

    def run(self, n):
        seed = f"{SEED}/{self.number}/{n}"
        digests = self.change()
        fault = Fault(seed, self.dice.choice((0.1, 0.25, 0.4)))
        with s3proxy.Proxy(self.machine.swift, fault=fault, seed=seed) as proxy:
            self.machine.at("vault", proxy.port)
            begin = time.monotonic()
            r = self.machine.site.start("backup", "web").wait(timeout=240)
            self.met += proxy.met
        self.told_lies |= fault.told_lies
        what = f"HOLDFAST_SAMPLE_SEED={SEED}, chain {self.number}, run {n}, {time.monotonic() - begin:.1f} s, met {proxy.met}: {r}"
        self.judge(r, digests, what)

    def judge(self, r, digests, what):
        assert self.machine.at_rest(), what
        try:
            found = self.machine.judge("vault", self.identity)
        except AssertionError as e:
            raise AssertionError(f"{e}; {what}") from None
        new = set(found.points) - set(self.points)
        assert set(self.points) <= set(found.points), f"points have gone; {what}"
        assert all(found.points[p] == digests for p in new), f"other disks; {what}"
        assert all(found.points[p] == self.points[p] for p in self.points), f"older points changed; {what}"
        marks = {s for s in found.strays if s.startswith("damaged/")}
        assert self.told_lies or not marks, f"called damaged: {marks}; {what}"
        found.strays -= marks
        assert self.told_lies or found.twice == [], f"sent twice: {found.twice}; {what}"
        if r.status == 0:
            assert new == {r.json["point"]}, f"{new}; {what}"
            assert found.strays <= self.strays, f"named by nothing: {found.strays - self.strays}; {what}"
            self.done += 1
        else:
            assert r.status == 1 and r.error["class"] in CLEAR and "vault" in r.error["message"], what
            assert len(new) <= 1, what
            self.failed += 1
        self.points, self.strays = found.points, found.strays

    def close(self):
        self.machine.site.close()


class BackupFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.swift = swiftlib.Swift()
        cls.addClassCleanup(cls.swift.stop)
        cls.bucket = cls.swift.make_bucket(f"faults-{os.getpid()}")

    def test_each_run_makes_a_right_point_or_none(self):
        n = RUNS // CHAIN
        chosen = sorted(random.Random(SEED).sample(range(n), max(1, SAMPLE // CHAIN))) if 0 < SAMPLE < RUNS else range(n)
        print(f"{len(chosen) * CHAIN} of {RUNS} runs, HOLDFAST_SAMPLE_SEED={SEED}", flush=True)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(self.one_chain, chosen))
        wrong = [e for _, e in results if e]
        self.assertEqual(len(wrong), 0, "\n\n".join(wrong))
        chains = [c for c, _ in results]
        met = {kind for c in chains for kind in c.met}
        done, failed = sum(c.done for c in chains), sum(c.failed for c in chains)
        print(f"{done} points, {failed} runs failed; met {', '.join(sorted(met))}", flush=True)
        self.assertGreater(done, len(chosen) * CHAIN // 2)
        if len(chosen) >= 3:
            self.assertGreaterEqual(len(met), len(s3proxy.FAULTS) - 3, met)

    def one_chain(self, number):
        """It, and what was wrong: None."""
        chain = Chain(self.swift, self.bucket, number)
        try:
            for n in range(CHAIN):
                chain.run(n)
        except AssertionError as e:
            return chain, f"chain {number}: {e}"
        finally:
            chain.close()
        print(f"chain {number}: {chain.done} points, {chain.failed} failed", flush=True)
        return chain, None


if __name__ == "__main__":
    runlib.main()
