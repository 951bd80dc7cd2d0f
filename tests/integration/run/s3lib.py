# SPDX-License-Identifier: Apache-2.0
"""Whole backups to Swift: a machine of directories without a database, its stores buckets, with or without a proxy in between."""

import re
import sys
import tempfile
import types
import xml.etree.ElementTree as ET
from pathlib import Path

import backuplib
import runlib

sys.path.insert(0, str(runlib.SOURCE / "tests/integration/store"))
import sigv4  # noqa: E402
import swiftlib  # noqa: E402

XMLNS = re.compile(rb' xmlns="[^"]*"')


class Bucket:
    """One prefix of a bucket, copied to a directory for the judge: objects never change, so each is fetched once."""

    def __init__(self, swift, bucket, prefix, copy):
        self.swift, self.bucket, self.prefix, self.copy = swift, bucket, prefix, copy

    def names(self):
        names, after = [], ""
        while True:
            start = f"&start-after={sigv4.canonical_path(after).replace('/', '%2F')}" if after else ""
            query = f"list-type=2&max-keys=1000&prefix={self.prefix.replace('/', '%2F')}%2F{start}"
            status, _, body = self.swift.call("GET", f"/{self.bucket}", query)
            assert status == 200, body
            page = ET.fromstring(XMLNS.sub(b"", body))
            keys = [k.text for k in page.iterfind("Contents/Key")]
            names += [k[len(self.prefix) + 1:] for k in keys]
            if page.findtext("IsTruncated") != "true":
                return names
            after = keys[-1]

    def fetch(self):
        names = set(self.names())
        for path in [p for p in self.copy.rglob("*") if p.is_file()]:
            if str(path.relative_to(self.copy)) not in names:
                path.unlink()
        for name in names:
            path = self.copy / name
            if path.exists():
                continue
            status, _, body = self.swift.call("GET", sigv4.canonical_path(f"/{self.bucket}/{self.prefix}/{name}"))
            assert status == 200, f"{name}: {status}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        return self.copy

    def begin_upload(self, name):
        status, _, body = self.swift.call("POST", f"/{self.bucket}/{self.prefix}/{name}", "uploads=")
        assert status == 200, body

    def uploads(self):
        query = f"prefix={self.prefix.replace('/', '%2F')}%2F&uploads="
        return self.swift.call("GET", f"/{self.bucket}", query)[2].count(b"<Upload>")


class Machine:
    """A site with stores in Swift. Nothing holds it: what is tried here comes after the instant."""

    def __init__(self, swift, bucket):
        self.swift, self.bucket = swift, bucket
        server = types.SimpleNamespace(dir=swift.dir, port=1, defaults=swift.dir / "none")
        self.site = runlib.Site(server)
        self.site.sections["web"] = {"quiesce": "none"}
        self.secret, self.key = self.site.dir / "secret", self.site.dir / "key"
        for path, text in ((self.secret, swiftlib.SECRET), (self.key, swiftlib.ACCESS_KEY)):
            path.write_text(text + "\n")
            path.chmod(0o600)
        self.stores, self.write, self.buckets = self.site.stores, self.site.write, {}

    def add_store(self, name, prefix, **keys):
        """Made ready past any proxy."""
        self.stores[name] = {"access-key-file": self.key, "secret-key-file": self.secret, "region": swiftlib.REGION,
                             "ca-file": self.swift.ca, "off-host": "assume", **keys}
        self.at(name, self.swift.port, prefix)
        copy = Path(tempfile.mkdtemp(prefix="copy-", dir=self.site.dir))
        self.buckets[name] = Bucket(self.swift, self.bucket, prefix, copy)
        r = self.site.run("store", "init", name)
        assert r.status == 0, str(r)

    def at(self, name, port, prefix=None):
        """From now on the store is behind this port."""
        prefix = prefix or self.buckets[name].prefix
        self.stores[name]["url"] = f"s3+https://127.0.0.1:{port}/{self.bucket}/{prefix}"
        self.write()

    def disks(self, contents):
        for target, content in contents.items():
            (self.site.vm / f"{target}.img").write_bytes(content)
        return backuplib.digests(contents)

    def judge(self, name, identity=None):
        return backuplib.Judge(self.buckets[name].fetch(), identity).look()

    def at_rest(self):
        """Nothing of a run is left with the VM."""
        return self.site.journals() == [] and self.site.strangers() == []
