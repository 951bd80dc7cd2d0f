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
SMALL, OTHER, LONG = os.urandom(3000), os.urandom(500), os.urandom(storelib.PART + 12345)
WORDS = {"{small}": SMALL, "{long}": LONG}


class Operation:
    """words: of store_drive, with {name}, {folder}, {out} and the contents of WORDS; before: what lies there; after: what lies there
    then; says: a pattern, with NAME."""

    def __init__(self, name, words, says, before=None, after=None, reads=False):
        self.name, self.words, self.says, self.before, self.after, self.reads = name, words, says, before, after, reads


OPERATIONS = (
    Operation("put", "put {name} {small} confirm", r"3000 [0-9a-f]{64} confirmed", after=SMALL),
    Operation("put-long", "put {name} {long} confirm", rf"{len(LONG)} [0-9a-f]{{64}} confirmed", after=LONG),
    Operation("replace", "put {name} {small} replace confirm", r"3000 [0-9a-f]{64} confirmed", before=OTHER, after=SMALL),
    Operation("get", "get {name} 0 3000 {out}", "", before=SMALL, after=SMALL, reads=True),
    Operation("head", "head {name}", r"3000 \d{10}", before=SMALL, after=SMALL, reads=True),
    Operation("list", "list {folder}/", r"NAME 3000 \d{10}", before=SMALL, after=SMALL, reads=True),
    Operation("remove", "remove {name}", "", before=SMALL),
    Operation("now", "now", r"\d{10}", reads=True),
    Operation("sweep", "sweep 5", "0", reads=True),
)


class Table:
    """For a case of a store. faults: their names; lies: those about what is read, which nobody can tell."""

    faults, lies = (), ()

    def broken(self, fault, operation):
        """What stands between and does that once: with .port and .met."""
        raise NotImplementedError

    def lay(self, objects):
        """Names and contents, past everything that breaks."""
        raise NotImplementedError

    def pairs(self):
        every = storelib.sample(2, 1)
        all_pairs = [(f, o) for i, f in enumerate(self.faults) for j, o in enumerate(OPERATIONS) if (i + j + SEED) % every == 0]
        return [(f, o) for f, o in all_pairs if not (f in self.lies and o.reads)]

    def test_each_operation_overcomes_each_fault(self):
        pairs = self.pairs()
        self.assertEqual({f for f, _ in pairs} | {o.name for _, o in pairs}, {*self.faults, *(o.name for o in OPERATIONS)})
        for word, content in WORDS.items():
            self.file(word.strip("{}"), content)
        self.lay({f"{o.name}-{f}/x": o.before for f, o in pairs if o.before})
        random.Random(SEED).shuffle(pairs)  # else those that wait are all at once
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for (fault, operation), (done, met) in zip(pairs, pool.map(lambda pair: self.one(*pair), pairs)):
                with self.subTest(fault=fault, operation=operation.name):
                    self.judge(fault, operation, done, met)

    def run_operation(self, operation, fault, port):
        folder = f"{operation.name}-{fault}"
        given = {"name": f"{folder}/x", "folder": folder, "out": self.dir / folder, "small": self.dir / "small", "long": self.dir / "long"}
        return self.drive(*operation.words.format(**given).split(), port=port, stall_ms=1000, retry_ms=30000)

    def one(self, fault, operation):
        with self.broken(fault, operation) as between:
            return self.run_operation(operation, fault, between.port), between.met

    def judge(self, fault, operation, done, met):
        folder = f"{operation.name}-{fault}"
        self.assertEqual(done.status, 0, done)
        self.assertRegex(done.stdout.rstrip("\n"), f"^{operation.says.replace('NAME', f'{folder}/x')}$")
        self.assertIn(fault, met)
        self.assertTrue(self.stored(f"{folder}/x") == operation.after, "something else lies there")
        if operation.name == "get":
            self.assertTrue((self.dir / folder).read_bytes() == SMALL, "other bytes were read")
