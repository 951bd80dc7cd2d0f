# SPDX-License-Identifier: Apache-2.0
"""Whole runs to servers of sftp and WebDAV: backup, verification and restore; deaths in the middle of it; a server that goes away."""

import hashlib
import signal
import sys
import unittest

import backuplib
import runlib
from restorelib import MIB, Case, contents

sys.path.insert(0, str(runlib.SOURCE / "tests/integration/store"))
import remotelib  # noqa: E402
import s3proxy  # noqa: E402
import sshproxy  # noqa: E402
import timed  # noqa: E402

runlib.need("qemu-nbd", "qemu-nbd", "qemu-img")
runlib.need("age", "age", "age-keygen")

PATIENCE_S = 3


class Runs:
    """The same for each kind of server."""

    server = None
    deaths = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.make_server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        super().setUp()
        self.there = self.server.new_folder()
        self.section = {"url": self.server.url(self.there), "patience": f"{PATIENCE_S}s", **self.server.section()}

    def judge(self, identity=None):
        return backuplib.Judge(self.there, identity).look()

    def at(self, url):
        self.site.stores["far"]["url"] = url
        self.site.write()

    def test_a_point_is_made_verified_listed_and_comes_back_equal(self):
        keys = self.encrypt()
        self.add_section("far", **self.section, **keys)
        self.backup(20, "far")
        found = self.judge(keys["identity-file"])
        self.assertEqual(found.points[self.point]["vda"], hashlib.sha256(self.disk.read_bytes()).hexdigest())
        self.assertEqual(list(found.points), [self.point])
        self.assertEqual((found.strays, found.twice), (set(), []))
        self.ok(self.site.run("verify", self.point, "--read"))
        self.ok(self.site.run("verify", self.point, "--content"))
        store = self.ok(self.site.run("store", "list"))["stores"][0]
        self.assertEqual((store["name"], store["url"]), ("far", self.section["url"]))
        self.ok(self.restore(self.out / "disk"))
        self.assert_equal(self.out / "disk")

    def test_what_was_damaged_there_is_named(self):
        self.add_section("far", **self.section)
        self.backup(3, "far")
        pack = max(self.there.glob("packs/*/*"), key=lambda p: p.stat().st_size)
        with open(pack, "r+b") as f:
            f.seek(1000)
            byte = f.read(1)
            f.seek(1000)
            f.write(bytes([byte[0] ^ 1]))
        r = self.site.run("verify", self.point, "--read")
        self.assertEqual(r.status, 1, str(r))
        self.assertIn(pack.name, str(r))

    def test_killed_in_an_upload_it_leaves_no_point_and_the_next_run_goes_on_from_there(self):
        self.add_section("far", **self.section)
        self.disk.write_bytes(contents(40))
        for point in self.deaths:
            with self.subTest(point=point):
                r = self.site.run("backup", "web", **self.site.points(f"{point}=kill"))
                self.assertEqual(r.status, -signal.SIGKILL, str(r))
                self.site.wait_for_undo(10)
                self.assertEqual(self.site.strangers(), [])
                self.assertEqual(list(self.there.glob("points/*/*/manifest.json")), [])
        doc = self.ok(self.site.run("backup", "web"))
        self.assertLess(doc["stores"][0]["bytes"], 40 * MIB, "what had arrived was sent again")
        for hidden in self.there.rglob(".*.tmp"):  # the sweep's, once they are old
            hidden.unlink()
        found = self.judge()
        self.assertEqual((list(found.points), found.twice), ([doc["point"]], []))

    def test_a_server_that_goes_away_costs_its_store_and_not_the_run(self):
        self.add_section("far", **self.section)
        self.add_store("vault")
        self.disk.write_bytes(contents(40))
        with self.dying() as proxy:
            self.at(self.server.url(self.there, proxy.port))
            doc = self.ok(self.site.run("backup", "web"), 3)
        self.assertEqual({s["name"]: s["protected"] for s in doc["stores"]}, {"far": False, "vault": True})
        self.assertEqual(list(self.there.glob("points/*/*/manifest.json")), [])
        self.at(self.section["url"])
        self.assertEqual([s["protected"] for s in self.ok(self.site.run("backup", "web"))["stores"]], [True, True])


class Sftp(Runs, Case):
    make_server = remotelib.Sftp
    deaths = ("store.sftp.before_rename", "store.sftp.after_rename")

    def dying(self):
        """Each connection breaks after 3 MiB, and after the fourth there is none."""
        return sshproxy.Proxy(self.server.port, lambda nth: ("refuse", 0) if nth > 4 else ("cut-up", 3 * MIB))


class Dav(Runs, Case):
    make_server = remotelib.Dav
    deaths = ("store.dav.before_move", "store.dav.after_move")

    def dying(self):
        """Dead from its request number 9 on."""
        seen = []

        def fault(request):
            seen.append(request)
            return "cut-request" if len(seen) > 9 else None
        return s3proxy.Proxy(self.server, fault=fault)


if __name__ == "__main__":
    timed.main()
