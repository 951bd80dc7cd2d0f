# SPDX-License-Identifier: Apache-2.0
"""Whole backups to Swift: a machine of directories without a database, its stores buckets, with or without a proxy in between."""

import sys
import types

import backuplib
import runlib

sys.path.insert(0, str(runlib.SOURCE / "tests/integration/store"))
import swiftlib  # noqa: E402


class Machine:
    """A site with stores in Swift. Nothing holds it: what is tried here comes after the instant."""

    def __init__(self, swift, bucket):
        self.swift, self.bucket = swift, bucket
        server = types.SimpleNamespace(dir=swift.dir, port=1, defaults=swift.dir / "none")
        self.site = runlib.Site(server)
        self.site.sections["web"] = {"quiesce": "none"}
        self.files = swiftlib.key_files(self.site.dir)
        self.stores, self.write, self.buckets = self.site.stores, self.site.write, {}

    def add_store(self, name, prefix, **keys):
        """Made ready past any proxy."""
        self.buckets[name] = swiftlib.Bucket(self.swift, self.bucket, prefix)
        self.stores[name] = {**self.buckets[name].section(self.files), "off-host": "assume", **keys}
        self.write()
        r = self.site.run("store", "init", name)
        assert r.status == 0, str(r)

    def at(self, name, port):
        """From now on the store is behind this port."""
        self.stores[name]["url"] = self.buckets[name].url(port)
        self.write()

    def disks(self, contents):
        for target, content in contents.items():
            (self.site.vm / f"{target}.img").write_bytes(content)
        return backuplib.digests(contents)

    def judge(self, name, identity=None):
        return backuplib.Judge(self.buckets[name].fetch(self.site.dir / f"{name}.copy"), identity).look()

    def at_rest(self):
        """Nothing of a run is left with the VM."""
        return self.site.journals() == [] and self.site.strangers() == []
