# SPDX-License-Identifier: Apache-2.0
"""`restore image` from Swift, and with a store that is lost on the way."""

import os
import unittest

import runlib
import s3lib  # noqa: I001, F401  it says where the others are
import s3proxy
import swiftlib
from restorelib import ALL_FORMATS, FORMATS, MIB, Case

runlib.need("qemu-nbd", "qemu-nbd", "qemu-img")
runlib.need("age", "age", "age-keygen")

PATIENCE_S = 3


class FromSwift(Case):
    swift = None
    n = 0

    def setUp(self):
        super().setUp()
        if not FromSwift.swift:
            FromSwift.swift = swiftlib.Swift()
            unittest.addModuleCleanup(FromSwift.swift.stop)
        FromSwift.n += 1
        self.bucket = swiftlib.Bucket(self.swift, self.swift.make_bucket(f"image-{os.getpid()}-{self.n}"), "here")
        self.section = {**self.bucket.section(swiftlib.key_files(self.site.dir)), "patience": f"{PATIENCE_S}s"}

    def at(self, url):
        self.site.stores["far"]["url"] = url
        self.site.write()

    def test_a_disk_comes_back_equal_encrypted_raw_and_qcow2(self):
        self.add_section("far", **self.section, **self.encrypt())
        self.backup(store="far")
        for form in ALL_FORMATS:
            self.ok(self.restore(self.out / "x", form))
            self.assert_equal(self.out / "x", form)
            (self.out / "x").unlink()

    def dies_after(self, packs):
        """A proxy whose store is dead after so many answers with a piece of a pack."""
        seen = []

        def fault(request):
            if request.method == "GET" and "/packs/" in request.target:
                seen.append(request)
            return "cut-request" if len(seen) > packs else None
        proxy = s3proxy.Proxy(self.swift, fault=fault)
        self.addCleanup(proxy.close)
        self.at(self.bucket.url(proxy.port))

    def test_a_store_that_is_lost_on_the_way_is_said_and_once_it_is_back_the_restore_goes_on(self):
        self.add_section("far", **self.section)
        self.backup(48, "far")
        for form in FORMATS:
            with self.subTest(form=form):
                file = self.out / form
                self.dies_after(6)
                error = self.fails(self.restore(file, form), "unreachable")
                self.assertIn(str(self.part(file)), str(error["left"]))
                self.assertIn("The same command goes on", error["hint"])
                self.assertFalse(file.exists())
                self.assert_no_qemu(self.out)
                self.at(self.section["url"])
                doc = self.ok(self.restore(file, form))
                self.assertTrue(doc["resumed"])
                self.assertLess(doc["fetched"], 48 * MIB)
                self.assert_equal(file, form)
                file.unlink()


if __name__ == "__main__":
    runlib.main()
