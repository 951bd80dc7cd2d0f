# SPDX-License-Identifier: Apache-2.0
"""Seeded runs of the SFTP driver through connections that are refused, cut, stalled, trickled or flipped: a put that says it arrived has
arrived, whole.

HOLDFAST_SAMPLE=0 makes it 200 runs, HOLDFAST_SEED another series.
"""

import concurrent.futures
import random

import faultlib
import remotelib
import sshproxy
import storelib
from contract import BIG

SEED = faultlib.SEED
RUNS = storelib.sample(8, 200)
SIZES = (0, 1, 4096, 1 << 20, 5 << 20, 11 << 20)


class Faults(remotelib.Case):
    """Seeded runs through connections that are refused, cut, stalled, trickled or flipped."""

    make_server = remotelib.Sftp

    def test_a_put_has_arrived_whole_or_has_failed(self):
        arrived, met = faultlib.seeded(self.one_run, RUNS)
        self.assertGreater(arrived, RUNS // 2)
        if RUNS >= 100:
            self.assertGreaterEqual(len(met), len(sshproxy.FAULTS) - 1, met)

    def one_run(self, run):
        dice = random.Random(f"{SEED}/{run}")
        size = dice.choice(SIZES)
        content = BIG[:size]
        name = f"run-{run:03}/x"
        file = self.file(f"in-{run}", content)
        how = [w for w in ("unknown", "replace") if dice.random() < 0.5]
        with sshproxy.Proxy(self.server.port, sshproxy.chaos(f"{SEED}/{run}", 0.5, max(4000, 2 * size))) as proxy:
            options = {"port": proxy.port, "stall_ms": 1000, "retry_ms": 30000}
            done = self.drive("put", name, file, "confirm", *how, **options)
            there = self.stored(name)
            with self.subTest(run=run, seed=SEED, done=str(done), met=proxy.met):
                if done.status == 0:
                    self.assertEqual(done.stdout, self.says(content, "confirmed"))
                    self.assertTrue(there == content, "other bytes are there")
                    self.read(name, content, options)
                else:
                    self.assertTrue(there is None or there == content, "a torn object")
            return done.status == 0, proxy.met

    def read(self, name, content, options):
        folder = name.partition("/")[0]
        done = self.drive("list", f"{folder}/", **options)
        if done.status == 0:
            self.assertEqual([line.split()[:2] for line in done.lines], [[name, str(len(content))]])
        if content:
            out = self.dir / f"{folder}.out"
            done = self.drive("get", name, 0, len(content), out, **options)
            if done.status == 0:
                self.assertTrue(out.read_bytes() == content, "other bytes were read")


class EachFault(faultlib.Table, remotelib.Case):
    """Those that sshproxy knows, somewhere behind the login: how many bytes an operation and a login are is measured first."""

    make_server = remotelib.Sftp
    faults = sshproxy.FAULTS
    lay = remotelib.lay

    def at(self, store):
        return {"folder": self.folder / store}

    def setUp(self):
        super().setUp()
        self.make_files()
        self.lay({f"{o.name}-none/d/x": o.before for o in faultlib.OPERATIONS})
        with concurrent.futures.ThreadPoolExecutor(faultlib.WORKERS) as pool:
            self.bytes = dict(pool.map(self.measure, faultlib.OPERATIONS))

    def measure(self, operation):
        with sshproxy.Proxy(self.server.port) as proxy:
            self.assertEqual(self.run_operation(operation, "none", proxy.port).status, 0)
        return operation.name, proxy.passed

    def broken(self, fault, operation):
        """Within its own last requests: what it has more than a mere look (head), and that one's."""
        way = fault.rpartition("-")[2]
        all_of_it, look = (self.bytes[name].get(way, 0) for name in (operation.name, "head"))
        spare = 400 if way == "down" else 100  # sshd joins answers as it comes; the goodbye is ours
        at = all_of_it - spare - random.Random(f"{SEED}/{fault}/{operation.name}").randrange(max(1, all_of_it - look + 100))
        return sshproxy.Proxy(self.server.port, lambda nth: (fault, at) if nth == 1 else None)


if __name__ == "__main__":
    remotelib.main()
