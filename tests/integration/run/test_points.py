# SPDX-License-Identifier: Apache-2.0
"""Points as people and programs look at them: list, show, store list, catalog rebuild, check and status."""

import os
import shutil
import subprocess
import time

import runlib
from storeslib import MIB, StoresTest

runlib.need("qemu-nbd", "qemu-nbd")


class Points(StoresTest):
    def backup(self, *args):
        return self.ok(self.site.run("backup", "web", *args))["point"]

    def listed(self, *args):
        return self.ok(self.site.run("list", *args))["points"]

    def test_the_list_has_the_newest_first_and_where_its_copies_are(self):
        self.assertEqual(self.listed(), [])
        first = self.backup()
        self.add_store("other")
        second = self.backup()
        rows = self.listed("web")
        self.assertEqual([r["point"] for r in rows], [second, first])
        self.assertEqual([c["store"] for c in rows[0]["copies"]], ["other", "vault"])
        copy, = rows[1]["copies"]
        self.assertEqual((rows[1]["grade"], rows[1]["protected"], rows[1]["vm"]), ("B", True, "web"))
        self.assertEqual(rows[1]["bytes"], 5 * MIB + 512 + len(self.site.domain()))
        self.assertEqual((copy["protected"], copy["off_host"], copy["damaged"], copy["verified_at"]),
                         (True, "assumed", False, None))
        self.assertGreater(copy["bytes"], 3 * MIB)
        self.assertEqual(self.listed("nobody"), [])
        text = self.site.run("list", as_json=False).stdout.splitlines()
        self.assertIn("vault (assumed off the host)", text[2])

    def test_the_list_can_be_limited_to_what_is_new(self):
        self.backup()
        self.assertEqual(len(self.listed("--since", "1h")), 1)
        time.sleep(1.1)
        self.assertEqual(self.listed("--since", "1s"), [])

    def test_the_list_tells_what_verify_found(self):
        point = self.backup()
        self.ok(self.site.run("verify", point))
        self.assertIsNone(self.listed()[0]["copies"][0]["verified_at"], "that all is there is no verification")
        self.ok(self.site.run("verify", point, "--read"))
        self.assertIsNotNone(self.listed()[0]["copies"][0]["verified_at"])
        pack = next(p for p in (self.site.dir / "vault/packs").rglob("*") if p.is_file())
        content = pack.read_bytes()
        pack.unlink()
        self.ok(self.site.run("verify", point), 1)
        row, = self.listed()
        self.assertEqual((row["protected"], row["copies"][0]["damaged"]), (False, True))
        self.assertIn("vault (DAMAGED)", self.site.run("list", as_json=False).stdout)
        pack.write_bytes(content)
        self.ok(self.site.run("verify", point, "--read"))
        self.assertTrue(self.listed()[0]["protected"])


if __name__ == "__main__":
    runlib.main()
