# SPDX-License-Identifier: Apache-2.0
"""Points as people and programs look at them: list, show, store list, catalog rebuild, check and status."""

import shutil
import socket
import time

import runlib
from storeslib import MIB, StoresTest

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")


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
        artifacts = self.ok(self.site.run("show", first))["artifacts"]
        self.assertEqual(rows[1]["bytes"], sum(a["bytes"] for a in artifacts))
        self.assertGreater(rows[1]["bytes"], 5 * MIB)
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

    def test_a_store_that_is_another_one_does_not_hide_the_point_of_the_next(self):
        other = self.add_store("other")
        point = self.backup("--store", "other")
        self.lose_catalog()
        for text in ((other / "holdfast.json").read_text(), "{}"):
            (self.site.dir / "vault/holdfast.json").write_text(text)
            self.assertEqual(self.ok(self.site.run("show", point))["read_from"], "other")

    def test_a_lost_catalog_is_rebuilt_from_the_stores_and_says_what_it_found(self):
        first, second = self.backup(), self.backup()
        before = self.listed()
        self.lose_catalog()
        self.assertEqual(self.listed(), [])
        store, = self.ok(self.site.run("catalog", "rebuild"))["stores"]
        self.assertEqual((store["points"], set(store["new"]), store["gone"], store["error"]),
                         (2, {f"web/{second}", f"web/{first}"}, [], None))
        rows = self.listed()
        for now, then in zip(rows, before, strict=True):
            self.assertEqual([now[k] for k in ("point", "taken_at", "grade", "stall_ms")],
                             [then[k] for k in ("point", "taken_at", "grade", "stall_ms")])
            self.assertFalse(now["protected"], "nobody has proven it")
        self.assertIn("vault (not proven to be protected)", self.site.run("list", as_json=False).stdout)
        store, = self.ok(self.site.run("catalog", "rebuild"))["stores"]
        self.assertEqual((store["points"], store["new"], store["gone"]), (2, [], []))
        self.assertEqual(self.listed(), rows)

    def test_a_rebuild_that_is_killed_changes_nothing(self):
        self.backup()
        before = self.listed()
        shutil.rmtree(self.manifests()[0].parent)
        self.site.run("catalog", "rebuild", **self.site.points("catalog.before_points_rebuild=kill"))
        self.assertEqual(self.site.visited(), ["catalog.before_points_rebuild"])
        self.assertEqual(self.listed(), before)
        self.ok(self.site.run("catalog", "rebuild"))
        self.assertEqual(self.listed(), [])

    def test_a_rebuild_names_what_is_gone_and_what_is_damaged_and_keeps_what_it_knew_of_the_rest(self):
        other = self.add_store("other")
        first, second, third = self.backup(), self.backup(), self.backup()
        paths = {p.parent.name: p for p in self.manifests()}
        shutil.rmtree(paths[first].parent)
        paths[second].write_text("{}")
        other.rename(self.site.dir / "away")
        vault, away = self.ok(self.site.run("catalog", "rebuild"), 1)["stores"]
        self.assertEqual((vault["points"], vault["new"], set(vault["gone"]), vault["damaged"]),
                         (1, [], {f"web/{second}", f"web/{first}"}, 1))
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

    def test_status_has_the_last_point_and_names_what_is_only_assumed_for_ever(self):
        self.assertIn("web: no recovery point\n", self.site.run("status", as_json=False).stdout)
        self.backup()
        last = self.backup()
        shutil.rmtree(self.site.dir / "vault")  # no store is asked
        doc = self.ok(self.site.run("status"))
        row = doc["vms"][0]
        self.assertEqual((row["points"], row["last_point"]["point"], row["last_point"]["protected"]), (2, last, True))
        self.assertEqual(doc["stores"], [{"name": "vault", "off_host": "assume", "recipients": 0}])
        text = self.site.run("status", as_json=False).stdout
        self.assertRegex(text, r"\nweb: last of 2 recovery points \S+, protected: on vault \(assumed off the host\)\n")
        self.assertIn("\nstore vault: off-host = assume: ", text)
        self.stores["vault"]["off-host"] = "verify"
        self.write()
        self.assertNotIn("off-host = assume", self.site.run("status", as_json=False).stdout)

    def store_findings(self, status):
        checks = self.ok(self.site.run("check"), status)["checks"]
        return [(c["status"], c["message"], c["hint"]) for c in checks if c["area"] == "store"]

    def test_check_finds_nothing_wrong_with_a_store_that_works(self):
        ready, assumed = self.store_findings(0)
        self.assertEqual(ready[0], "ok")
        self.assertIn("vault: ready, not encrypted", ready[1])
        self.assertEqual(assumed[0], "warn")
        self.assertIn("vault: only assumed to be off the host: ", assumed[1])
        self.write(stores="vault")
        self.add_store("unused")
        self.assertEqual(len(self.store_findings(0)), 2, "a store that the VM does not use is none of its business")

    def test_check_finds_a_store_that_a_backup_would_refuse(self):
        self.stores["vault"]["off-host"] = "verify"
        self.write()
        status, message, hint = self.store_findings(1)[1]
        self.assertEqual(status, "fail")
        self.assertIn("vault: not proven to be off the host", message)
        self.assertIn("off-host = assume", hint)

    def test_check_finds_a_store_that_is_not_ready_not_there_or_another_one(self):
        (self.site.dir / "vault/holdfast.json").rename(self.site.dir / "aside")
        status, message, hint = self.store_findings(1)[0]
        self.assertEqual((status, "store init vault" in hint), ("fail", True))
        self.assertEqual(message.count("vault'"), 1, message)
        shutil.rmtree(self.site.dir / "vault")
        self.assertEqual(self.store_findings(1)[0][0], "fail")
        (self.site.dir / "vault").mkdir(mode=0o700)
        shutil.rmtree(self.site.state / "stores")
        self.ok(self.site.run("store", "init", "vault"))
        (self.site.dir / "aside").replace(self.site.dir / "vault/holdfast.json")
        status, message, _ = self.store_findings(1)[0]
        self.assertEqual(status, "fail")
        self.assertIn("when this host first saw it", message)

    def key(self, name):
        path = self.site.dir / name
        return path, runlib.make_identity(path)

    def test_check_finds_keys_that_do_not_fit(self):
        (_, public), (other_file, other) = self.key("one"), self.key("two")
        self.stores.pop("vault")
        self.add_store("safe", recipients=public)
        self.assertIn(("ok", "safe: ready, encrypted to 1 key", None), self.store_findings(0))
        self.stores["safe"]["identity-file"] = other_file
        self.write()
        self.assertIn("safe: no key in identity-file is one of its recipients", [m for _, m, _ in self.store_findings(0)])
        self.stores["safe"]["recipients"] = f"{public}, {other}"
        self.write()
        self.assertIn("safe: its recipients are not those it was made for", [m for _, m, _ in self.store_findings(0)])
        shutil.rmtree(self.site.state / "stores")
        status, message, hint = self.store_findings(1)[0]
        self.assertEqual(status, "fail")
        self.assertIn("metadata identity", message)

    def test_a_store_that_does_not_answer_costs_check_and_store_list_seconds(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for name in ("access", "secret"):
                path = self.site.dir / name
                path.write_text("x\n")
                path.chmod(0o600)
            self.stores["vault"] = {"url": f"s3+http://127.0.0.1:{silent.getsockname()[1]}/bucket", "off-host": "assume",
                                    "access-key-file": self.site.dir / "access",
                                    "secret-key-file": self.site.dir / "secret"}
            self.write()
            begin = time.monotonic()
            self.assertEqual(self.store_findings(1)[0][0], "fail")
            row, = self.ok(self.site.run("store", "list"))["stores"]
            self.assertEqual((row["reachable"], row["ready"]), (False, False))
            self.assertLess(time.monotonic() - begin, 50)
            begin = time.monotonic()
            self.ok(self.site.run("status"))
            self.assertLess(time.monotonic() - begin, 10)


if __name__ == "__main__":
    runlib.main()
