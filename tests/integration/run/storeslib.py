# SPDX-License-Identifier: Apache-2.0
"""A site whose VM has disks worth a backup, and stores that are directories."""

import os

import runlib

MIB = 1 << 20


class StoresTest(runlib.RunTest):
    def setUp(self):
        super().setUp()
        self.disks = {"vda": os.urandom(3 * MIB) + bytes(2 * MIB), "vdb": b"data" * 128}
        for target, content in self.disks.items():
            (self.site.vm / f"{target}.img").write_bytes(content)
        self.stores, self.write = self.site.stores, self.site.write
        self.add_store("vault")

    def add_store(self, name, **keys):
        folder = self.site.dir / name
        folder.mkdir(mode=0o700)
        self.stores[name] = {"url": f"file://{folder}", "off-host": "assume", **keys}
        self.write()
        self.ok(self.site.run("store", "init", name))
        return folder

    def manifests(self, name="vault"):
        return sorted((self.site.dir / name).glob("points/web/*/manifest.json"))
