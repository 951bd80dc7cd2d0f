# SPDX-License-Identifier: Apache-2.0
"""Seeded runs of the WebDAV driver through a proxy that cuts, stalls, trickles, lies and repeats: a put that says it arrived has arrived,
whole.

HOLDFAST_SAMPLE=0 makes it 200 runs, HOLDFAST_SEED another series.
"""

import random

import faultlib
import remotelib
import s3proxy
import storelib
from contract import BIG
from davlib import PART, Case

SEED = faultlib.SEED
RUNS = storelib.sample(8, 200)
SIZES = (0, 1, 4096, PART, 2 * PART + 1, 5 << 20)


LIES = ("flip", "wrong-length")  # about what is there: nobody can tell


class Faults(Case):
    """Seeded runs through a proxy that cuts, stalls, trickles, lies and repeats: a put that says it arrived has arrived, whole."""

    def test_a_put_has_arrived_whole_or_has_failed(self):
        arrived, _ = faultlib.seeded(self.one_run, RUNS)
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


class EachFault(faultlib.Table, Case):
    """Those that s3proxy knows, at the first request of each kind."""

    faults = s3proxy.FAULTS
    lies = LIES

    def command(self, *arguments, **options):
        return super().command(*arguments, **options | {"part_bytes": len(self.long)})

    def broken(self, fault, operation):
        def first(request):
            is_lie = fault in self.lies and request.method in ("GET", "HEAD", "PROPFIND")
            return fault if request.nth == 1 and not is_lie else None
        return s3proxy.Proxy(self.server, fault=first, seed=f"{fault}/{operation.name}")

    lay = remotelib.lay

    def at(self, store):
        return {"folder": self.folder / store}


if __name__ == "__main__":
    remotelib.main()
