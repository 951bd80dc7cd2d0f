# SPDX-License-Identifier: Apache-2.0
"""A prune of a bucket of Swift: the same rules, a store with a clock of its own behind a proxy, and what is asked of it."""

import datetime
import itertools
import os
import random
import re
import unittest

import runlib
import s3lib  # noqa: I001  it says where the others are
import s3proxy
import swiftlib
from backuplib import MIB

runlib.need("qemu-nbd", "qemu-nbd")
DAYS = 3


class PruneSwift(unittest.TestCase):
    numbers = itertools.count()

    @classmethod
    def setUpClass(cls):
        cls.swift = swiftlib.Swift()
        cls.addClassCleanup(cls.swift.stop)

    def setUp(self):
        self.machine = s3lib.Machine(self.swift, self.swift.make_bucket(f"prune-{os.getpid()}-{next(self.numbers)}"))
        self.addCleanup(self.machine.site.close)
        self.machine.site.sections["web"]["keep"] = "last 1"
        self.machine.add_store("vault", "vault")
        self.bucket = self.machine.buckets["vault"]
        self.days, self.hidden = 0, None
        self.locked = None
        self.proxy = s3proxy.Proxy(self.swift, before=self.refuse, answer=self.age)
        self.addCleanup(self.proxy.close)
        self.machine.at("vault", self.proxy.port)

    def refuse(self, request):
        """To remove what is locked."""
        is_locked = request.method == "DELETE" and self.locked and self.locked in request.target
        return s3proxy.xml_error(403, "AccessDenied") if is_locked else None

    def age(self, request, answer):
        """What is listed is some days older than it is, and may lack a point."""
        def older(m):
            then = datetime.datetime.fromisoformat(m[2].decode()[:19]) - datetime.timedelta(days=self.days)
            return m[1] + then.strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
        if request.method == "GET" and b"<ListBucketResult" in answer.body:
            if self.hidden:
                answer.body = re.sub(rb"<CommonPrefixes><Prefix>[^<]*%s/</Prefix></CommonPrefixes>" % self.hidden.encode(), b"", answer.body)
            answer.body = re.sub(rb"(<LastModified>)([^<]*)", older, answer.body)
            answer.set("Content-Length", str(len(answer.body)))

    def run_ok(self, *args):
        r = self.machine.site.run(*args)
        self.assertEqual(r.status, 0, str(r))
        return r.json

    def backup(self, content=None):
        digests = self.machine.disks({"vda": content or random.randbytes(2 * MIB), "vdb": bytes(512)})
        return self.run_ok("backup", "web")["point"], digests

    def prune(self, *args):
        del self.proxy.seen[:]
        doc = self.run_ok("prune", *args)
        return {p["point"]: p["action"] for p in doc["points"]}, doc["stores"][0]["packs"]

    def manifests_read(self):
        return [r.method for r in self.proxy.seen if "manifest.json" in r.target and r.method == "GET"]

    def test_points_go_and_their_packs_after_the_grace_period_by_the_stores_clock(self):
        old, _ = self.backup()
        new, digests = self.backup()
        self.assertEqual(self.prune("-n")[0], {old: "deleted", new: "kept"})
        self.assertEqual(len(self.manifests_read()), 2)
        actions, packs = self.prune()
        self.assertEqual(actions, {old: "deleted", new: "kept"})
        self.assertEqual(self.manifests_read(), [], "they had been read before")
        self.assertEqual((packs["condemned"]["packs"], packs["young"]["packs"] > 0), (0, True))
        self.days = DAYS
        condemned = self.prune()[1]["condemned"]["packs"]
        self.assertGreater(condemned, 0)
        self.days = 0
        self.assertEqual(self.prune()[1]["waiting"]["packs"], condemned)
        self.days = DAYS
        self.assertEqual(self.prune()[1]["removed"]["packs"], condemned)
        self.assertEqual(self.prune()[1]["removed"]["packs"], 0, "their condemnations")
        found = self.machine.judge("vault")
        self.assertEqual((found.points, found.strays), ({new: digests}, set()))
        cache = self.machine.site.state / "stores/vault/manifests"
        self.assertEqual([p.name for p in cache.iterdir()], [new])
        whole = (cache / new).read_bytes()
        (cache / new).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        self.assertEqual(self.prune()[0], {new: "kept"})
        self.assertEqual(len(self.manifests_read()), 1, "a damaged answer is none")
        self.run_ok("verify", "--all", "--read")

    def test_a_point_that_cannot_be_removed_does_not_stop_the_others(self):
        first, _ = self.backup()
        old, kept = self.backup()
        new, newest = self.backup()
        self.locked = f"{old}/manifest.json"
        for deleted in (1, 0):
            r = self.machine.site.run("prune")
            self.assertEqual(r.status, 1, str(r))
            store, = r.json["stores"]
            self.assertIn(old, store["error"])
            self.assertEqual((store["deleted"], store["packs"]["young"]["packs"] > 0), (deleted, True))
        found = self.machine.judge("vault")
        self.assertEqual(found.points, {old: kept, new: newest}, f"{first} was deleted")
        self.locked = None
        self.assertEqual(self.prune()[0], {old: "deleted", new: "kept"})

    def test_a_listing_that_lacks_a_point_removes_nothing_of_it(self):
        old, _ = self.backup()
        new, digests = self.backup()
        for point in (old, new):
            self.hidden, self.days = point, DAYS
            r = self.machine.site.run("prune")
            self.assertEqual(r.status, 1, str(r))
            self.assertRegex(r.json["stores"][0]["error"], f"{point} is there, and the store does not list it")
            self.assertFalse([n for n in self.bucket.names() if "condemned/" in n])
        self.hidden, self.days = None, 0
        self.assertEqual(self.prune()[0], {old: "deleted", new: "kept"})
        found = self.machine.judge("vault")
        self.assertEqual(found.points, {new: digests})
    def test_packs_that_are_half_needed_are_repacked_and_the_trees_read_once_a_day(self):
        first = random.randbytes(2 * MIB)
        self.backup(first)
        new, digests = self.backup(first[:MIB // 2] + random.randbytes(3 * MIB // 2))
        packs = self.prune()[1]
        self.assertEqual((packs["wasted"]["packs"], packs["repacked"]["packs"]), (1, 0), "they are young")
        self.days = DAYS
        packs = self.prune()[1]
        self.assertEqual((packs["wasted"]["packs"], packs["repacked"]["packs"]), (1, 0), "a day has not passed")
        self.assertEqual([r.target for r in self.proxy.seen if "/trees/" in r.target and r.method == "GET" and "prefix" not in r.target], [])
        self.assertEqual(self.prune("-n")[1]["repacked"]["packs"], 1, "asked for")
        (self.machine.site.state / "stores/vault/waste").unlink()
        self.assertEqual(self.prune()[1]["repacked"]["packs"], 1)
        self.assertEqual(self.machine.judge("vault").points, {new: digests})
        self.assertGreaterEqual(self.prune()[1]["removed"]["packs"], 1)
        self.prune()  # the condemnations go with a later one
        found = self.machine.judge("vault")
        self.assertEqual((found.points, found.strays, found.twice), ({new: digests}, set(), []))
        self.run_ok("verify", "--all", "--read")


if __name__ == "__main__":
    runlib.main()
