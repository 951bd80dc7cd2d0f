# SPDX-License-Identifier: Apache-2.0
"""The guest's databases and accounts into an empty server on this host, and back: nothing is different there."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from hf import GuestTest, build_dir, is_mysql, lab, lab_env, main, sql

FLAVOUR = "mysql" if os.environ.get("HOLDFAST_LAB_DIR") and is_mysql() else "mariadb"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration/load"))
sys.argv.insert(1, FLAVOUR)
import loadlib  # noqa: E402
from loadlib import dumplib  # noqa: E402

# What is in every server, and belongs to it: who comes from here, and the root that each server has its own way for.
OWN = re.compile(r"root|mysql\.|mariadb\.sys|PROXY")


class GuestsDatabases(GuestTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="hf-dump-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.target = dumplib.start()
        self.addCleanup(self.target.stop)
        self.drop()
        self.addCleanup(self.drop)
        lab("sql", "-u", "root", input=loadlib.SHOP + "CREATE USER clerk@'10.%' IDENTIFIED BY 'x'; GRANT SELECT ON shop.* TO clerk@'10.%';")
        sql("GRANT ALL ON *.* TO holdfast WITH GRANT OPTION", user="root")

    def drop(self):
        sql("SET foreign_key_checks = 0; DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS crm; DROP USER IF EXISTS clerk@'10.%'",
            user="root")

    def dump(self, name, config=None):
        command = [str(build_dir() / "src/holdfast"), "-c", str(config or self.site.config), "--json", "dump", "db" if not config else "v",
                   "--to", str(self.folder / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return dumplib.Dump(self.folder / name)

    def load(self, dump, port, defaults, *options):
        command = [str(build_dir() / "src/holdfast"), "--json", "load", str(dump.dir), "--to-db", f"tcp://127.0.0.1:{port}",
                   "--defaults-file", str(defaults), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def target_config(self):
        path = self.folder / "target.conf"
        path.write_text(f"[defaults]\nstate = {self.folder}/state\n[hypervisor none]\nplugin = libvirt\nuri = test:///default\n"
                        f"[vm v]\nhypervisor = none\ndb = tcp://127.0.0.1:{self.target.port}\n"
                        f"db-defaults-file = {self.target.defaults}\n")
        return path

    @staticmethod
    def accounts(dump):
        return sorted(line for line in (dump.dir / "holdfast-users.sql.txt").read_text().splitlines()
                      if line.startswith(("CREATE USER", "GRANT")) and not OWN.search(line))

    def test_everything_goes_to_an_empty_server_and_back(self):
        one = self.dump("guest")
        self.load(one, self.target.port, self.target.defaults, "--users")
        two = self.dump("target", self.target_config())
        self.assertEqual(two.checksums(), one.checksums())
        self.assertEqual(self.accounts(two), self.accounts(one))
        self.assertTrue(any("clerk" in line for line in self.accounts(one)))
        self.load(two, lab_env()["DB_PORT"], lab_env()["HOLDFAST_CNF"], "--replace", "--only", "shop,crm")
        self.assertEqual(self.dump("again").checksums(), one.checksums())
        sql("UPDATE shop.customer SET born = NULL WHERE id = 7", user="root")  # and a difference would be seen
        self.assertNotEqual(self.dump("changed").checksums(), one.checksums())


if __name__ == "__main__":
    main()
