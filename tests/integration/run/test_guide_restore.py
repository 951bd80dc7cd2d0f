# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/guides/restore.md, in its order: before each section that is lost what it is about, after it what came back is compared.

The hypervisor is played (plugin_dir.c), the guest is reached by ssh on this machine, its server is the program's. The store is
encrypted, and its secret key is where the page says, and not before. A new host is a new configuration, state and hypervisor.
"""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import runlib
from runlib import SOURCE, RunTest

sys.path[1:1] = [str(SOURCE / "tests" / d) for d in ("guest", "integration/store", "integration/files")]
os.environ.setdefault("HOLDFAST_BUILD_DIR", str(runlib.BUILD))
import fileslib  # noqa: E402
import swiftlib  # noqa: E402
from guide import Guide, sections  # noqa: E402

runlib.need("qemu-nbd", "qemu-nbd", "qemu-img")
runlib.need("age", "age", "age-keygen")
runlib.need("nbdkit", "nbdkit", "nbdfuse", "fusermount3")
runlib.need("tools", "mariadb", "mkfs.ext4", "mount")

MIB = 1 << 20
PAGE = SOURCE / "docs/guides/restore.md"
POINT = "20261123T030000Z-7f3a9c21"  # of the page
ROWS = ["1\ta pump", "2\ta hose", "3\ta valve"]
SHOP = """DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;
CREATE TABLE shop.orders (id INT PRIMARY KEY, what TEXT); INSERT INTO shop.orders VALUES (1, 'a pump'), (2, 'a hose'), (3, 'a valve');
CREATE TABLE shop.stock (id INT PRIMARY KEY, n INT); INSERT INTO shop.stock VALUES (1, 10), (2, 20)"""
# What the page asks virsh for.
VIRSH = """#!/bin/sh
vm="$VMS/$2"
case $1 in
shutdown|destroy) touch "$vm/off" ;;
domstate) if [ -e "$vm/off" ]; then echo 'shut off'; else echo running; fi ;;
undefine) rm -r "$vm" ;;
*) exit 1 ;;
esac
"""


class RestoreGuide(Guide, RunTest):
    timeout_s = 60

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sshd = fileslib.Sshd()
        cls.addClassCleanup(cls.sshd.close)

    def setUp(self):
        super().setUp()
        self.folder = self.site.dir / "folder"
        self.folder.mkdir()
        self.secret = self.folder / "holdfast.key"
        self.recipient = runlib.make_identity(self.secret)
        self.make_application()
        self.first_host()
        self.point = self.ok(self.site.run("backup", "web01"))["point"]
        self.names |= {POINT: self.point}

    def sql(self, text):
        s = self.session()
        return [row for statement in text.split(";") if statement.strip() for row in s.sql(statement)]

    # -- what is backed up ---------------------------------------------------------------------

    def make_application(self):
        self.sql(SHOP)
        self.addCleanup(self.sql, "DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS holdfast_load; DROP USER IF EXISTS restore")
        self.tree = self.site.dir / "shop"
        (self.tree / "upload").mkdir(parents=True)
        (self.tree / "config.php").write_text("<?php\n")
        (self.tree / "upload/pump.jpg").write_bytes(random.randbytes(MIB))
        inside = self.site.dir / "inside"
        (inside / "reports").mkdir(parents=True)
        (inside / "reports/june.txt").write_text("what june brought\n")
        data = self.site.dir / "vdb.img"
        with data.open("wb") as f:
            f.truncate(8 * MIB)
        subprocess.run([runlib.program("mkfs.ext4"), "-q", "-d", inside, data], check=True)
        self.disks = {"vda": random.randbytes(2 * MIB) + bytes(3 * MIB), "vdb": data.read_bytes()}

    def make_vm(self):
        vm = self.site.make_vm("web01")
        for disk, content in self.disks.items():
            (vm / f"{disk}.img").write_bytes(content)

    # -- hosts ---------------------------------------------------------------------------------

    def first_host(self):
        store = self.store()
        self.at_host()
        self.make_vm()
        ssh = {k: v for k, v in self.sshd.vm_keys().items() if k != "guest"}
        self.conf = {"hypervisor lab": {"plugin": "dir", "root": self.site.vms},
                     "store vault": store | {"recipients": self.recipient},
                     "vm web01": {"hypervisor": "lab", "quiesce": "lock", "files": self.tree, "uncovered": "lower", "require": "E", "dump": "shop",
                                  "db": f"tcp://127.0.0.1:{self.server.port}", "db-defaults-file": self.server.defaults, **ssh}}
        self.write()
        self.ok(self.site.run("store", "init", "vault"))

    def at_host(self):
        """self.site is where we are: its folders are those of the page."""
        self.etc = self.site.dir / "etc"
        self.vm_folder = self.site.dir / "srv"
        self.vm_folder.mkdir()
        self.restored = self.site.dir / "restore"
        port = self.server.port
        self.names = self.store_names() | {
            "/etc/holdfast/new.cnf": self.server.defaults, "-h 10.0.0.5": f"-h 127.0.0.1 -P {port}", "tcp://10.0.0.5:3306": f"tcp://127.0.0.1:{port}",
            "tcp://10.0.0.7:3306": f"tcp://127.0.0.1:{port}", "/etc/holdfast": self.etc, "/var/lib/holdfast": self.site.state,
            "user = holdfast\\npassword = SECRET": "user = root", "qemu:///system": self.site.vms, "plugin = libvirt\nuri": "plugin = dir\nroot",
            "/srv/vm": self.vm_folder, "/run/vdb.sock": self.site.dir / "vdb.sock", "~/": f"{self.folder}/", "/restore/": f"{self.restored}/",
            "/var/www/shop": self.tree, "age1THE-PUBLIC-KEY": self.recipient} | ({POINT: self.point} if hasattr(self, "point") else {})
        self.put_holdfast()
        self.put("virsh", VIRSH.replace("$VMS", str(self.site.vms)))

    def new_host(self):
        self.site = runlib.Site(self.server)
        self.addCleanup(self.site.close)
        shutil.rmtree(self.site.vms)
        self.site.vms.mkdir()
        self.conf = {}
        self.at_host()

    def write(self):
        """The configuration is what the page has, and what makes it a test."""
        lines = ["[defaults]", f"state = {self.site.state}", f"plugin-dir = {runlib.PLUGINS}"]
        for head, keys in self.conf.items():
            lines += [f"[{head}]", *(f"{k} = {v}" for k, v in keys.items()), *(["off-host = assume"] if head.startswith("store") else [])]
        self.site.config.write_text("\n".join(lines) + "\n")
        self.site.config.chmod(0o600)
        self.etc.mkdir(exist_ok=True)

    # -- blocks --------------------------------------------------------------------------------

    def do_ini(self, _, body):
        for section in self.ours(body).strip().split("\n\n"):
            head, *lines = section.splitlines()
            self.conf.setdefault(head.strip("[]"), {}).update(line.split(" = ", 1) for line in lines)
        if "vm web01" in self.conf and "uncovered" not in self.conf["vm web01"]:
            self.conf["vm web01"] |= {"uncovered": "lower", "require": "E", "dump": "shop"}
        self.write()

    def do_sh(self, attributes, body):
        if "by" not in attributes:  # a test on a real guest
            super().do_sh(attributes, body)

    def do_sql(self, _, body):
        self.sql(body.strip())

    # -- the sections: what is lost, and what came back ------------------------------------------

    def assert_rows(self, of="shop"):
        self.assertEqual(self.sql(f"SELECT * FROM {of}.orders ORDER BY id"), ROWS)

    def assert_disks(self, folder, form="qcow2", disks=("vda", "vdb")):
        for disk in disks:
            raw = self.folder / f"{disk}.compared"
            subprocess.run(["qemu-img", "convert", "-f", form, "-O", "raw", folder / f"{disk}.{form}", raw], check=True)
            self.assertTrue(raw.read_bytes() == self.disks[disk], f"{disk} is another one")

    def runs(self, vm, folder):
        """It is the machine whose disks lie there."""
        self.assertFalse((self.site.vms / vm / "off").exists())
        self.assertEqual((self.site.vms / vm / "domain").read_text(), "".join(f"{d} {folder}/{d}.qcow2\n" for d in self.disks))

    def lose_before_anything_else(self):
        self.fails(self.site.run("restore", "image", self.point, "-d", "vda", "-t", str(self.folder / "no")), 1, "auth")

    def back_before_anything_else(self):
        self.assertEqual((self.etc / "vault.age").stat().st_mode & 0o777, 0o600)

    def lose_a_table(self):
        self.sql("DROP TABLE shop.orders; DELETE FROM shop.stock WHERE id = 2; INSERT INTO shop.stock VALUES (3, 30)")
        self.stock = []

    def back_a_table(self):
        self.assert_rows()
        self.assertEqual(self.stock, ["1\t10", "2\t20", "3\t30"])
        self.assertEqual(self.sql("SELECT * FROM shop.stock ORDER BY id"), ["1\t10", "2\t20"])
        self.assertEqual(self.sql("SHOW DATABASES LIKE 'shop%'"), ["shop"])

    def lose_a_folder(self):
        self.photo = (self.tree / "upload/pump.jpg").read_bytes()
        (self.tree / "upload/pump.jpg").write_bytes(b"pay us")
        (self.tree / "upload/young.jpg").write_bytes(b"young")
        (self.tree / "config.php").write_text("mine\n")

    def back_a_folder(self):
        self.assertEqual({p.name: p.read_bytes() for p in (self.tree / "upload").iterdir()}, {"pump.jpg": self.photo, "young.jpg": b"young"})
        self.assertEqual((self.tree / "config.php").read_text(), "mine\n")
        self.assertFalse((self.restored / "look").exists())

    def lose_the_application(self):
        pass

    back_the_application = lose_the_application

    def lose_the_vm(self):
        for disk in self.disks:
            (self.site.vms / f"web01/{disk}.img").write_bytes(b"pay us" * 1000)

    def back_the_vm(self):
        self.runs("web01", self.vm_folder / "web01")
        self.assert_disks(self.vm_folder / "web01")
        self.assertFalse((self.vm_folder / "web01-look").exists() or (self.site.vms / "web01-look").exists())

    def lose_one_disk(self):
        pass

    def back_one_disk(self):
        self.assertEqual((self.restored / "vdb.raw").read_bytes(), self.disks["vdb"])
        self.assertEqual((self.restored / "june.txt").read_text(), "what june brought\n")
        self.assertEqual([p.name for p in (self.restored / "nbd").iterdir()], [])
        runlib.wait_until(lambda: not runlib.processes("nbdkit", self.site.dir), 10, "the server of the disk does not end")

    def lose_the_hypervisor(self):
        self.new_host()

    def back_the_hypervisor(self):
        self.runs("web01", self.vm_folder / "web01")
        self.assert_disks(self.vm_folder / "web01")
        self.assertIn(self.point, [p["point"] for p in self.ok(self.site.run("list", "web01"))["points"]])

    def lose_what_holdfast_knows(self):
        self.known = len(self.ok(self.site.run("list", "web01"))["points"])

    def back_what_holdfast_knows(self):
        self.assertEqual(len(self.ok(self.site.run("list", "web01"))["points"]), self.known + 1)
        self.assertTrue((self.site.state / "stores/vault/metadata.key").exists())

    def lose_everything(self):
        self.new_host()
        self.sql("DROP DATABASE shop")

    def back_everything(self):
        self.assert_rows()
        came = self.restored / "files" / str(self.tree)[1:]
        self.assertEqual((came / "upload/pump.jpg").read_bytes(), self.photo)
        self.assert_disks(self.restored)

    def lose_afterwards(self):
        pass

    def back_afterwards(self):
        self.assertEqual([p.name for p in self.etc.iterdir() if p.suffix in (".age", ".cnf")], [])
        self.assertEqual(self.sql("SELECT COUNT(*) FROM mysql.user WHERE User = 'restore'"), ["0"])
        del self.conf["store vault"]["identity-file"]
        self.write()
        self.fails(self.site.run("restore", "image", self.point, "-d", "vda", "-t", str(self.folder / "no")), 1, "auth")

    # -- in the middle of a section --------------------------------------------------------------

    def seen_list(self):
        self.assertIn(self.point, self.said)

    def seen_rows_put_back(self):
        self.stock = self.sql("SELECT * FROM shop.stock ORDER BY id")
        self.assert_rows(of="shop_look")

    def seen_table(self):
        self.assert_rows()
        self.sql("DELETE FROM shop.orders")

    def seen_look_at_files(self):
        self.assertIn("pump.jpg", self.said)
        self.assertEqual((self.tree / "upload/pump.jpg").read_bytes(), b"pay us")

    def seen_machine_beside(self):
        self.runs("web01-look", self.vm_folder / "web01-look")
        self.assert_disks(self.vm_folder / "web01-look")

    def seen_in_place(self):
        in_place = self.vm_folder / f"web01-{self.point}"
        self.runs("web01", in_place)
        self.assert_disks(in_place)
        self.assertIn(f"former     {self.site.vms}/web01/vda.img", self.said)
        shutil.rmtree(self.site.vms / "web01")  # now it is gone

    SEEN = {"holdfast list": seen_list, "INSERT IGNORE": seen_rows_put_back, "--only shop.orders --replace": seen_table,
            "--to /restore/look": seen_look_at_files, "--network none --start": seen_machine_beside, "--in-place": seen_in_place}

    def after(self, _, body):
        for text, look in self.SEEN.items():
            if text in body:
                look(self)
                self.unseen.discard(text)

    def follow_page(self):
        self.unseen = set(self.SEEN)
        for heading, text in sections(PAGE.read_text()).items():
            name = heading.lower().replace(" ", "_")
            getattr(self, f"lose_{name}")()
            self.do(text)
            getattr(self, f"back_{name}")()
        self.assertEqual(self.unseen, set(), "not on the page")


class FromDirectory(RestoreGuide):
    def store(self):
        self.nas = self.site.dir / "nas"
        self.nas.mkdir(mode=0o700)
        return {"url": f"file://{self.nas}"}

    def store_names(self):
        """As the page says it of a NAS: the url alone."""
        of_s3 = re.search(r"^url = s3.*?(?=^recipients)", PAGE.read_text(), re.M | re.S)[0]
        return {of_s3: f"url = file://{self.nas}\n"}

    def test_every_command_of_the_page_brings_back_what_was_lost(self):
        self.follow_page()

    def test_a_key_that_is_another_one_or_missing_says_where_to_look(self):
        runlib.make_identity(self.folder / "other.key")
        self.conf["store vault"]["identity-file"] = self.folder / "other.key"
        self.write()
        to_db = ("--to-db", f"tcp://127.0.0.1:{self.server.port}", "--defaults-file", str(self.server.defaults), "--replace")
        for what in (("image", "-d", "vda", "--to", str(self.folder / "no")), ("dump", *to_db), ("files", "--to", str(self.folder / "no")),
                     ("vm", "--name", "no", "--dir", str(self.vm_folder))):
            error = self.fails(self.site.run("restore", what[0], self.point, *what[1:]), 1, "auth", "none of the 1 keys")
            self.assertIn("identity-file", error["hint"])
        self.assert_rows()
        self.assertEqual(list(self.vm_folder.glob("no")), [])
        shutil.rmtree(self.site.state)
        del self.conf["store vault"]["identity-file"]
        self.write()
        error = self.fails(self.site.run("restore", "image", self.point, "--to", str(self.folder / "no")), 1, "not-found",
                           "no store that could be asked")
        self.assertIn("set identity-file", error["hint"])


class FromSwift(RestoreGuide):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.swift = swiftlib.Swift()
        cls.addClassCleanup(cls.swift.stop)
        cls.bucket = swiftlib.Bucket(cls.swift, cls.swift.make_bucket("holdfast"), "site1")

    def store(self):
        return self.bucket.section(swiftlib.key_files(self.folder))

    def store_names(self):
        return {"/etc/holdfast/vault-ca.pem": self.swift.ca, "s3.example.org:8443": f"127.0.0.1:{self.swift.port}",
                "eu-central-1": swiftlib.REGION, "ACCESS-KEY": swiftlib.ACCESS_KEY, "SECRET-KEY": swiftlib.SECRET}

    def test_every_command_of_the_page_brings_back_what_was_lost_from_a_bucket(self):
        self.follow_page()


if __name__ == "__main__":
    runlib.main()
