# SPDX-License-Identifier: Apache-2.0
"""Whole backups to Swift that lose one of two stores, or die in the middle of an upload."""

import datetime
import os
import random
import re
import shutil
import time
import unittest

import runlib
import s3lib  # noqa: I001  it says where the others are
import s3proxy
import swiftlib
from backuplib import MIB

runlib.need("qemu-nbd", "qemu-nbd")

PATIENCE_S = 4
SLACK_S = 12  # for two stores at once on a busy machine
BIG = 40 * MIB  # several packs


class SwiftCase(unittest.TestCase):
    swift = None
    n = 0

    @classmethod
    def setUpClass(cls):
        if not SwiftCase.swift:
            SwiftCase.swift = swiftlib.Swift()
            unittest.addModuleCleanup(SwiftCase.swift.stop)

    def setUp(self):
        SwiftCase.n += 1
        self.machine = s3lib.Machine(self.swift, self.swift.make_bucket(f"whole-{os.getpid()}-{self.n}"))
        self.site = self.machine.site
        self.addCleanup(self.site.close)
        self.fill()

    def fill(self, size=BIG):
        self.digests = self.machine.disks({"vda": random.randbytes(size), "vdb": bytes(512)})

    def proxy(self, store, **how):
        """From now on the store is behind it."""
        proxy = s3proxy.Proxy(self.swift, **how)
        self.addCleanup(proxy.close)
        self.machine.at(store, proxy.port)
        return proxy

    def backup(self, *args, status=0, **env):
        begin = time.monotonic()
        r = self.site.run("backup", "web", *args, **env)
        self.took_s = time.monotonic() - begin
        self.assertEqual(r.status, status, str(r))
        self.assertTrue(self.machine.at_rest(), str(r))
        return r.json


class TwoStores(SwiftCase):
    """One of two dies at some request: the other counts, and is not kept waiting."""

    def setUp(self):
        super().setUp()
        self.machine.add_store("dying", "dying", patience=f"{PATIENCE_S}s")
        self.machine.add_store("vault", "vault")

    def dies(self, at, how):
        """A proxy whose store is dead from its request number `at` on."""
        seen = []

        def fault(request):
            seen.append(request)
            return how if len(seen) > at else None
        return self.proxy("dying", fault=fault)

    def counts_alone(self, doc):
        self.assertEqual({s["name"]: s["protected"] for s in doc["stores"]}, {"dying": False, "vault": True})
        error = next(s["error"] for s in doc["stores"] if s["name"] == "dying")
        self.assertIn("dying", error)
        found = self.machine.judge("vault")
        self.assertEqual(found.points, {doc["point"]: self.digests})
        self.assertEqual((found.strays, found.twice), (set(), []))
        self.assertEqual(self.machine.judge("dying").points, {})

    def test_the_other_counts_whenever_and_however_it_dies(self):
        self.backup("--store", "vault")
        alone_s = self.took_s
        for at, how in ((0, "cut-request"), (5, "503"), (8, "cut-request"), (6, "hang"), (11, "500")):
            with self.subTest(at=at, how=how):
                self.setUp()
                self.dies(at, how)
                self.counts_alone(self.backup(status=3))
                self.assertLess(self.took_s, 2 * alone_s + PATIENCE_S + SLACK_S)

    def test_it_may_be_gone_before_the_run_begins(self):
        self.dies(0, None).close()
        self.counts_alone(self.backup(status=3))
        self.assertLess(self.took_s, PATIENCE_S + SLACK_S)

    def test_when_both_die_the_run_has_failed_and_names_one(self):
        self.dies(6, "cut-request")
        self.machine.stores["vault"]["patience"] = f"{PATIENCE_S}s"
        self.machine.at("vault", self.machine.swift.ports["cache"])  # which talks no TLS
        error = self.backup(status=1)["error"]
        self.assertRegex(error["message"], "vault|dying")

    def test_no_store_is_asked_for_anything_while_the_machine_is_held(self):
        proxy = self.proxy("dying")
        running = self.site.start("backup", "web", **self.site.points("hold.before_capture=stall:2500"))
        self.site.wait_for_point("hold.before_capture")
        before = len(proxy.seen)
        self.assertGreater(before, 0)
        time.sleep(2)
        self.assertEqual(len(proxy.seen), before)
        r = running.wait()
        self.assertEqual(r.status, 0, str(r))
        self.assertGreater(len(proxy.seen), before)


class Again(SwiftCase):
    """What a run asks the store for when it is not the first."""

    def asked_for_indexes(self, proxy):
        return [r.method for r in proxy.seen if "/index/" in r.target.partition("?")[0] and r.method != "PUT"]

    def test_the_indexes_of_the_last_run_are_not_read_back(self):
        self.machine.add_store("vault", "vault")
        self.backup()
        self.fill(MIB)
        proxy = self.proxy("vault")
        doc = self.backup()
        self.assertGreater(doc["stores"][0]["bytes"], MIB)
        self.backup()
        self.assertEqual(self.asked_for_indexes(proxy), [])

    def test_an_index_that_this_host_does_not_know_is_one_request(self):
        self.machine.add_store("vault", "vault")
        self.backup()
        shutil.rmtree(self.site.state)
        proxy = self.proxy("vault")
        indexes = sum(name.startswith("index/") for name in self.machine.buckets["vault"].names())
        self.backup()
        self.assertEqual(self.asked_for_indexes(proxy), ["GET"] * indexes)


class Deaths(SwiftCase):
    """Killed in the middle of an upload."""

    POINTS = ("store.s3.before_put", "store.s3.after_put", "image.before_pack", "image.before_index", "point.before_manifest")

    def setUp(self):
        super().setUp()
        self.machine.add_store("vault", "vault")
        self.bucket = self.machine.buckets["vault"]

    def die(self, point):
        r = self.site.run("backup", "web", **self.site.points(f"{point}=kill"))
        self.assertEqual(r.status, -9, str(r))
        runlib.wait_until(self.machine.at_rest, 10, "no end of the undo")

    def test_killed_in_an_upload_it_leaves_no_point_and_the_next_run_goes_on_from_there(self):
        for point in self.POINTS:
            with self.subTest(point=point):
                self.die(point)
                self.assertEqual(self.machine.judge("vault").points, {})
        doc = self.backup()
        self.assertLess(doc["stores"][0]["bytes"], BIG, "what had arrived was sent again")
        found = self.machine.judge("vault")
        self.assertEqual(found.points, {doc["point"]: self.digests})
        self.assertEqual(found.twice, [])

    def test_uploads_that_nobody_finishes_are_gone_after_two_days_and_not_before(self):
        left = 3
        for n in range(left):    # as large dumps and archives leave them: those go in parts
            self.bucket.begin_upload(f"points/web/20261101T030000Z-{n:08x}/dump/t.big.00000.sql.zst")
        self.assertEqual(self.bucket.uploads(), left)
        self.fill(MIB)
        self.backup()
        self.assertEqual(self.bucket.uploads(), left)

        def age(request, answer):
            if "uploads=" in request.query and request.method == "GET":
                old = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=49)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
                answer.body = re.sub(rb"<Initiated>[^<]*", b"<Initiated>" + old.encode(), answer.body)
                answer.set("Content-Length", str(len(answer.body)))
        self.proxy("vault", answer=age)
        self.backup()
        self.assertEqual(self.bucket.uploads(), 0)
        self.assertEqual(len(self.machine.judge("vault").points), 2)

    def test_an_index_that_is_read_wrong_once_is_read_again_and_what_it_names_is_not_sent_again(self):
        self.fill(2 * MIB)
        self.backup()
        shutil.rmtree(self.site.state)

        def lies(request):
            return "wrong-length" if "/index/" in request.target and request.nth == 1 else None
        proxy = self.proxy("vault", fault=lies)
        doc = self.backup()
        self.assertIn("wrong-length", proxy.met)
        self.assertLess(doc["stores"][0]["bytes"], 64 << 10)
        self.assertNotIn("damaged", str(doc["warnings"]))
        self.assertEqual(self.machine.judge("vault").twice, [])


if __name__ == "__main__":
    runlib.main()
