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

    def lose_catalog(self):
        for path in self.site.state.glob("catalog.sqlite*"):
            path.unlink()

    def test_a_point_is_shown_whole_from_the_catalog(self):
        point = self.backup()
        doc = self.ok(self.site.run("show", f"web/{point}"))
        self.assertEqual((doc["point"], doc["outcome"], doc["protected"]), (point, "done", True))
        self.assertEqual([c["store"] for c in doc["copies"]], ["vault"])
        text = self.site.run("show", point[:20], as_json=False).stdout
        for piece in (f"point      web/{point}\n", "image      vda: 5.0 MiB", "copy       vault: assumed off the host, ",
                      "position   ", "timeline   ", "grade      B (commits blocked and proven, proof by position)"):
            self.assertIn(piece, text)

    def test_a_point_that_the_catalog_does_not_know_is_shown_from_its_manifest(self):
        point = self.backup()
        known = self.ok(self.site.run("show", point))
        self.lose_catalog()
        self.add_store("other")
        doc = self.ok(self.site.run("show", point))
        self.assertEqual((doc["read_from"], doc["copies"], doc["protected"]), ("vault", [], False))
        for key in ("vm", "grade", "required", "proof", "stall_ms", "held_ms", "position", "timeline", "artifacts",
                    "server"):
            self.assertEqual(doc[key], known[key], key)
        self.assertIn("from       the manifest on store vault", self.site.run("show", point, as_json=False).stdout)
        self.fails(self.site.run("show", "20990101T000000Z-00000000"), 1, "not-found")

    def test_a_lost_catalog_is_rebuilt_from_the_stores_and_says_what_it_found(self):
        first, second = self.backup(), self.backup()
        before = self.listed()
        self.lose_catalog()
        self.assertEqual(self.listed(), [])
        store, = self.ok(self.site.run("catalog", "rebuild"))["stores"]
        self.assertEqual((store["points"], store["new"], store["gone"], store["error"]),
                         (2, [f"web/{second}", f"web/{first}"], [], None))
        rows = self.listed()
        for now, then in zip(rows, before, strict=True):
            self.assertEqual([now[k] for k in ("point", "taken_at", "grade", "stall_ms")],
                             [then[k] for k in ("point", "taken_at", "grade", "stall_ms")])
            self.assertFalse(now["protected"], "nobody has proven it")
        self.assertIn("vault (not proven to be protected)", self.site.run("list", as_json=False).stdout)
        store, = self.ok(self.site.run("catalog", "rebuild"))["stores"]
        self.assertEqual((store["points"], store["new"], store["gone"]), (2, [], []))
        self.assertEqual(self.listed(), rows)

    def test_a_rebuild_names_what_is_gone_and_what_is_damaged_and_keeps_what_it_knew_of_the_rest(self):
        other = self.add_store("other")
        first, second, third = self.backup(), self.backup(), self.backup()
        paths = {p.parent.name: p for p in self.manifests()}
        shutil.rmtree(paths[first].parent)
        paths[second].write_text("{}")
        other.rename(self.site.dir / "away")
        vault, away = self.ok(self.site.run("catalog", "rebuild"), 1)["stores"]
        self.assertEqual((vault["points"], vault["new"], vault["gone"], vault["damaged"]),
                         (1, [], [f"web/{second}", f"web/{first}"], 1))
        self.assertIn(f"points/web/{second}/manifest.json", vault["damage"])
        self.assertIn("other", away["error"])
        rows = {r["point"]: [c["store"] for c in r["copies"]] for r in self.listed()}
        self.assertEqual(rows, {first: ["other"], second: ["other"], third: ["other", "vault"]})
        self.assertTrue(self.listed()[0]["protected"])
        text = self.site.run("catalog", "rebuild", "--store", "vault", as_json=False).stdout
        self.assertIn("vault: points 1, damaged 1, without a manifest 0\n", text)

    def test_stores_are_listed_as_they_can_be_opened(self):
        self.backup()
        self.add_store("away").rename(self.site.dir / "elsewhere")
        self.add_store("raw")
        (self.site.dir / "raw" / "holdfast.json").unlink()
        self.stores["vault"]["off-host"] = "verify"
        self.write()
        rows = {r["name"]: r for r in self.ok(self.site.run("store", "list"))["stores"]}
        vault, away, raw = rows["vault"], rows["away"], rows["raw"]
        self.assertEqual((vault["reachable"], vault["ready"], vault["points"], vault["recipients"], vault["error"]),
                         (True, True, 1, 0, None))
        self.assertEqual((vault["off_host"], vault["off_host_setting"]), ("refused", "verify"))
        self.assertGreater(vault["bytes"], 3 * MIB)
        self.assertGreater(vault["free_bytes"], 0)
        self.assertEqual((away["reachable"], away["ready"], away["off_host"], away["id"]), (False, False, "assumed", None))
        self.assertEqual((raw["reachable"], raw["ready"]), (True, False))
        self.assertIn("store init raw", raw["hint"])
        text = self.site.run("store", "list", as_json=False).stdout
        self.assertRegex(text, r"\nvault +ready +refused +plain +1 ")
        self.assertRegex(text, r"\naway +NOT REACHED +assumed ")
        self.assertIn("\nvault: not proven to be off the host: ", text)


if __name__ == "__main__":
    runlib.main()
