# SPDX-License-Identifier: Apache-2.0
"""One table for all stores behind a network: each operation of a store meets each fault of what stands between.

Met once, a fault is overcome: the operation has done what it was to do, and says so; on the store lies what ought to.
HOLDFAST_SAMPLE=0 walks all pairs; else half of them, which half HOLDFAST_SEED decides.
"""

import concurrent.futures
import os
import random

import storelib
from swiftlib import runlib

SEED = runlib.seed(unset=1)
WORKERS = 6
SMALL, OTHER = os.urandom(3000), os.urandom(500)


def seeded(one_run, runs):
    """one_run(number) → whether a put has arrived, and the faults that it met; four at a time. Returns how many have, and all that were met."""
    print(f"seed {SEED}, {runs} runs", flush=True)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one_run, range(runs)))
    met = {kind for _, kinds in results for kind in kinds}
    arrived = sum(r for r, _ in results)
    print(f"{arrived} of {runs} arrived; met {', '.join(sorted(met))}", flush=True)
    return arrived, met


class Operation:
    """words: of store_drive, with {name}, {folder}, {out} and the files {small}, {long}; before: what lies there; after: what lies there
    then; says: a pattern."""

    def __init__(self, name, words, says, before=None, after=None, reads=False):
        self.name, self.words, self.says, self.before, self.after, self.reads = name, words, says, before, after, reads


OPERATIONS = (
    Operation("put", "put {name} {small} confirm", r"3000 [0-9a-f]{64} confirmed", after=SMALL),
    Operation("put-long", "put {name} {long} confirm", r"\d+ [0-9a-f]{64} confirmed", after="long"),
    Operation("replace", "put {name} {small} replace confirm", r"3000 [0-9a-f]{64} confirmed", before=OTHER, after=SMALL),
    Operation("get", "get {name} 0 3000 {out}", "", before=SMALL, after=SMALL, reads=True),
    Operation("head", "head {name}", r"3000 \d{10}", before=SMALL, after=SMALL, reads=True),
    Operation("list", "list {folder}/", r"d/x 3000 \d{10}", before=SMALL, after=SMALL, reads=True),
    Operation("remove", "remove {name}", "", before=SMALL),
    Operation("now", "now", r"\d{10}", reads=True),
    Operation("sweep", "sweep 5", "0", reads=True),
)


class Table:
    """For a case of a store. faults: their names; lies: those about what is read, which nobody can tell."""

    faults, lies = (), ()
    long = os.urandom((1 << 20) + 12345)

    def broken(self, fault, operation):
        """What stands between and does that once: with .port and .met."""
        raise NotImplementedError

    def lay(self, objects):
        """Names and contents (None: just the store that it would lie in), past everything that breaks."""
        raise NotImplementedError

    def at(self, store):
        """Options for one of many stores."""
        raise NotImplementedError

    def pairs(self):
        every = storelib.sample(2, 1)
        all_pairs = [(f, o) for i, f in enumerate(self.faults) for j, o in enumerate(OPERATIONS) if (i + j + SEED) % every == 0]
        return [(f, o) for f, o in all_pairs if not (f in self.lies and o.reads)]

    def test_each_operation_overcomes_each_fault(self):
        pairs = self.pairs()
        self.assertEqual({f for f, _ in pairs} | {o.name for _, o in pairs}, {*self.faults, *(o.name for o in OPERATIONS)})
        self.make_files()
        self.lay({f"{o.name}-{f}/d/x": o.before for f, o in pairs})
        random.Random(SEED).shuffle(pairs)  # else those that wait are all at once
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for (fault, operation), (done, met) in zip(pairs, pool.map(lambda pair: self.one(*pair), pairs)):
                with self.subTest(fault=fault, operation=operation.name):
                    self.judge(fault, operation, done, met)

    def make_files(self):
        self.file("small", SMALL)
        self.file("long", self.long)

    def run_operation(self, operation, fault, port):
        store = f"{operation.name}-{fault}"
        words = operation.words.format(name="d/x", folder="d", out=self.dir / store, small=self.dir / "small", long=self.dir / "long")
        return self.drive(*words.split(), port=port, stall_ms=1000, retry_ms=30000, **self.at(store))

    def one(self, fault, operation):
        with self.broken(fault, operation) as between:
            return self.run_operation(operation, fault, between.port), between.met

    def judge(self, fault, operation, done, met):
        store = f"{operation.name}-{fault}"
        after = self.long if operation.after == "long" else operation.after
        self.assertEqual(done.status, 0, done)
        self.assertRegex(done.stdout.rstrip("\n"), f"^{operation.says}$")
        self.assertIn(fault, met)
        self.assertTrue(self.stored(f"{store}/d/x") == after, "something else lies there")
        if operation.name == "get":
            self.assertTrue((self.dir / store).read_bytes() == SMALL, "other bytes were read")
