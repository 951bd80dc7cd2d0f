# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/guides/stores.md, keys.md and policies.md, in its order: a NAS that is a directory, a bucket of OpenStack Swift, servers of
sftp and WebDAV.

All of it is this machine, so each store of the guides gets `off-host = assume`, but the one whose refusal is shown.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import runlib
from runlib import SOURCE, RunTest

sys.path[1:1] = [str(SOURCE / "tests/guest"), str(SOURCE / "tests/integration/store")]
os.environ.setdefault("HOLDFAST_BUILD_DIR", str(runlib.BUILD))
import remotelib  # noqa: E402
import swiftlib  # noqa: E402
from guide import Guide  # noqa: E402

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")
runlib.need("tools", "zstd", "jq", "openssl", "mariadb")

MIB = 1 << 20
POINT = "20261123T030000Z-7f3a9c21"  # of the guides
COMMENT = re.compile(r"\s+;.*")
MAKES_A_POINT = re.compile(r"^point +web01/(\S+)$", re.M)
READER = SOURCE / "tests/interop/reader.py"


class GuideTest(Guide, RunTest):
    def setUp(self):
        super().setUp()
        scratch = tempfile.TemporaryDirectory(prefix="hf-guide-", dir=self.site.dir)
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.disk = os.urandom(2 * MIB) + bytes(3 * MIB)
        (self.site.make_vm("web01") / "vda.img").write_bytes(self.disk)
        self.site.sections["web01"] = dict(self.site.sections["web"])
        self.site.write()
        self.make_shop()
        self.put("mount", '#!/bin/sh\n[ -d "$1" ]\n')
        server = RunTest.server
        self.second = runlib.make_identity(self.folder / "second.key")
        self.names = {
            "/etc/holdfast/new.cnf": server.defaults, "-h 10.0.0.7": f"--no-defaults -h 127.0.0.1 -P {server.port} -u root",
            "tcp://10.0.0.7:3306": f"tcp://127.0.0.1:{server.port}", "/mnt/nas": self.folder / "nas",
            "/var/lib/holdfast": self.site.state, "/var/backups/holdfast": self.folder / "here", "~/": f"{self.folder}/",
            "/restore": self.folder / "restore", "tests/interop/reader.py": READER, "age1THE-SECOND-KEY": self.second}

    def make_shop(self):
        s = self.session()
        s.sql("DROP DATABASE IF EXISTS shop_look")
        s.sql("CREATE OR REPLACE DATABASE shop")
        s.sql("CREATE TABLE shop.orders (id INT PRIMARY KEY, what TEXT)")
        s.sql("INSERT INTO shop.orders VALUES (1, 'a pump'), (2, 'a hose')")

    def rows(self, schema):
        return self.session().sql(f"SELECT what FROM {schema}.orders ORDER BY id")

    # -- configuration -------------------------------------------------------------------------

    def do_ini(self, _, body):
        """A section of a store as it stands now, or a key more of the VM."""
        head, rest = self.ours(body).split("\n", 1)
        kind, name = head.strip("[]").split()
        keys = dict(COMMENT.sub("", line).split(" = ", 1) for line in rest.splitlines())
        if kind == "policy":
            self.site.policies[name] = keys
        elif kind == "store":
            self.site.stores[name] = keys | ({} if name == "here" else {"off-host": "assume"})
        else:
            self.site.sections[name] |= keys
        self.site.write_all()

    @staticmethod
    def do_json(_, body):
        json.loads(body)

    # -- commands ------------------------------------------------------------------------------

    def after(self, _, body):
        made = MAKES_A_POINT.search(self.said)
        if made:
            self.names[POINT] = made[1]
        if "age-keygen -o holdfast.key" in body:
            self.names["age1THE-PUBLIC-KEY"] = runlib.recipient_of(self.folder / "holdfast.key")
        if "ssh-keygen -q" in body:
            with (self.sftp.sshd.dir / "authorized_keys").open("a") as f:
                f.write((self.folder / "etc/box.key.pub").read_text())
        if "openssl s_client" in body:
            self.names["THE-LINE-ABOVE"] = self.said.strip()
        if "--store here" in body:
            self.assertIn("it is not off the host", self.complained)

    def rebuilt(self, doc, store, key):
        """The disk as the reader makes it, or None."""
        root = next(a["digest"] for a in doc["artifacts"] if a["name"] == "vda")
        out = self.folder / "rebuilt"
        done = subprocess.run([sys.executable, READER, store, root, out, key], check=False, capture_output=True)
        return out.read_bytes() if done.returncode == 0 else None


class Stores(GuideTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.swift = swiftlib.Swift()
        cls.addClassCleanup(cls.swift.stop)
        cls.swift.make_bucket("holdfast")
        cls.sftp, cls.dav = remotelib.Sftp(), remotelib.Dav()
        cls.addClassCleanup(cls.sftp.stop)
        cls.addClassCleanup(cls.dav.stop)

    def test_every_command_of_the_guide_for_stores_does_what_it_says(self):
        self.names = {
            "sftp://backup@box.example.org/srv/holdfast": self.sftp.url(self.sftp.new_folder()),
            "box.example.org": f"-p {self.sftp.port} 127.0.0.1", "davs://dav.example.org/holdfast": self.dav.url(self.dav.new_folder()),
            "/etc/holdfast/cloud-ca.pem": self.dav.ca, "user = backup": f"user = {remotelib.USER}", "THE-PASSWORD": remotelib.PASSWORD,
            "/etc/holdfast/vault-ca.pem": self.swift.ca, "s3.example.org:8443": f"127.0.0.1:{self.swift.port}",
            "eu-central-1": swiftlib.REGION, "ACCESS-KEY": swiftlib.ACCESS_KEY, "SECRET-KEY": swiftlib.SECRET,
            "age1THE-PUBLIC-KEY": runlib.make_identity(self.folder / "holdfast.key")} | self.names | {"/etc/holdfast": self.folder / "etc"}
        self.follow(SOURCE / "docs/guides/stores.md", self.folder)
        self.assertIn(self.names[POINT], self.said)
        self.assertEqual({p.name for p in (self.folder / "nas/holdfast").iterdir()},
                         {"holdfast.json", "points", "packs", "trees", "index"})
        for name in ("vault2", "box", "cloud"):
            doc = self.ok(self.site.run("backup", "web01", "--store", name))
            self.assertTrue(doc["protected"])


class Keys(GuideTest):
    def test_every_command_of_the_guide_for_keys_does_what_it_says(self):
        (self.folder / "etc").mkdir()
        (self.folder / "nas/holdfast").mkdir(parents=True)
        self.names |= {"/etc/holdfast": self.folder / "etc"}
        self.follow(SOURCE / "docs/guides/keys.md", self.folder)
        self.assertEqual(self.rows("shop_look"), ["a pump", "a hose"])
        self.assertEqual(self.rows("shop"), ["a pump", "a hose"])
        self.assertEqual((self.folder / "restore/vda.img").read_bytes(), self.disk)

    def test_a_recipient_who_comes_later_opens_the_new_dump_and_no_disk_that_was_there(self):
        first = runlib.make_identity(self.folder / "first.key")
        store = self.folder / "store"
        store.mkdir()

        def use(recipients):
            self.site.stores["nas"] = {"url": f"file://{store}", "off-host": "assume", "recipients": recipients}
            self.site.write()

        use(first)
        self.ok(self.site.run("store", "init", "nas"))
        self.ok(self.site.run("backup", "web01"))
        use(f"{first}, {self.second}")
        doc = self.ok(self.site.run("backup", "web01"))
        table = store / "points/web01" / doc["point"] / "dump/shop.orders.00000.sql.zst.age"
        for key, opens_disk in (("first.key", True), ("second.key", False)):
            subprocess.run(["age", "-d", "-o", os.devnull, "-i", self.folder / key, table], check=True)
            self.assertEqual(self.rebuilt(doc, store, self.folder / key) == self.disk, opens_disk)


class Policies(GuideTest):
    """web01 and db01 are taken care of, web90 is not."""

    def setUp(self):
        super().setUp()
        del self.site.sections["web"]
        for name in ("db01", "web90"):
            self.site.make_vm(name)
            self.site.sections[name] = dict(self.site.sections["web01"])
        self.site.sections["web01"]["tags"] = "gold"
        nas = self.folder / "nas"
        nas.mkdir(mode=0o700)
        self.site.stores["nas"] = {"url": f"file://{nas}", "off-host": "assume"}
        self.site.write_all()
        self.ok(self.site.run("store", "init", "nas"))

    def test_every_command_of_the_guide_for_policies_does_what_it_says(self):
        self.follow(SOURCE / "docs/guides/policies.md", self.folder)
        self.assertIn("keep", self.said)
        runs = [(r["vm"], r["state"]) for r in self.ok(self.site.run("status"))["policies"] if r["kind"] == "run"]
        self.assertEqual(runs, [("web01", "done"), ("db01", "done"), ("web01", "done")])


if __name__ == "__main__":
    runlib.main()
