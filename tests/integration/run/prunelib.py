# SPDX-License-Identifier: Apache-2.0
"""What the tests of `prune` share: machines without a database, backed up on any day, on stores that age when they are told to."""

import datetime
import random
import tempfile
import time
import types
import unittest
from pathlib import Path

import backuplib
import runlib

runlib.need("qemu-nbd", "qemu-nbd")

CHUNK = 256 << 10
CHUNKS = 6
HOUR_S, DAY_S = 3600, 24 * 3600
GRACE_S = 48 * HOUR_S


class Coordinator:
    """One holdfast with a state directory and a machine of its own. Several may share stores."""

    def __init__(self, folder, name="web"):
        server = types.SimpleNamespace(dir=folder, port=1, defaults=folder / "none")
        self.site = runlib.Site(server)
        self.name, self.site.sections = name, {name: {"quiesce": "none", "name": "web"}}
        self.stores, self.write = self.site.stores, self.site.write_all
        self.later = self.site.dir / "later"
        self.blocks = [random.randbytes(CHUNK) for _ in range(CHUNKS)]
        (self.site.vm / "vdb.img").write_bytes(bytes(512))
        self.taken = {}  # point → digests of its disks

    def keep(self, rules, **more):
        section = self.site.sections[self.name]
        section.pop("keep", None)
        section.update({"keep": rules} if rules else {}, **{k.replace("_", "-"): v for k, v in more.items()})
        self.write()

    def change(self, n=1):
        """This many blocks of the disk, by chance."""
        for i in random.sample(range(CHUNKS), n):
            self.blocks[i] = random.randbytes(CHUNK)

    def fill(self):
        content = b"".join(self.blocks)
        (self.site.vm / "vda.img").write_bytes(content)
        return backuplib.digests({"vda": content, "vdb": bytes(512)})

    def environ(self, later_s=None, **env):
        if later_s is None:
            return env
        return {**env, **runlib.later(self.later, later_s)}

    def start(self, *args, later_s=None, **env):
        return self.site.start(*args, **self.environ(later_s, **env))

    def run(self, *args, status=0, later_s=None, **env):
        r = self.start(*args, later_s=later_s, **env).wait()
        assert r.status == status, f"{args}: {r}"
        return r.json

    def start_backup(self, *args, **env):
        """With what its disks are: to be noted when it succeeds."""
        disks = self.fill()
        return self.start("backup", self.name, *args, **env), disks

    def backup(self, *args, at=None, **env):
        """at: when, as a datetime; now if it is not said."""
        disks = self.fill()
        later_s = at.timestamp() - time.time() if at else None
        doc = self.run("backup", self.name, *args, later_s=later_s, **env)
        self.taken[doc["point"]] = disks
        return doc["point"]

    def prune(self, *args, status=0, **env):
        return self.run("prune", *args, status=status, **env)

    def listed(self, store=None):
        """What the catalog knows, on this store if one is named."""
        return {p["point"] for p in self.run("list")["points"] if not store or store in [c["store"] for c in p["copies"]]}


class Store:
    """A directory."""

    identity = None    # file with the key that opens it, where it is encrypted

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700)

    def section(self, **keys):
        return {"url": f"file://{self.folder}", "off-host": "assume", **keys}

    def age(self, seconds, *patterns):
        """All that matches is so much older, by the store's clock."""
        runlib.age(self.folder, seconds, *patterns)

    def names(self, kind):
        return sorted(p.name.partition(".")[0] for p in (self.folder / kind).rglob("*") if p.is_file())

    def judge(self):
        return backuplib.Judge(self.folder, self.identity).look()


class PruneTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="hf-prune-")
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.web = Coordinator(self.dir)
        self.vault = self.add_store("vault")

    def add_store(self, name, **keys):
        store = Store(self.dir / name)
        self.web.stores[name] = store.section(**keys)
        self.web.write()
        self.web.run("store", "init", name)
        return store

    def second(self, name="db"):
        """Another coordinator with another machine, on the same stores."""
        other = Coordinator(self.dir, name)
        other.stores.update(self.web.stores)
        other.keep("last 2")
        return other

    def actions(self, doc, store="vault"):
        return {p["point"]: p["action"] for p in doc["points"] if p["store"] == store}

    def why(self, doc, point, store="vault"):
        return next(p["why"] for p in doc["points"] if p["point"] == point and p["store"] == store)

    def packs(self, doc, store="vault"):
        """But for when the trees were read: that is never the same."""
        packs = next(s["packs"] for s in doc["stores"] if s["name"] == store)
        return {k: v for k, v in packs.items() if k != "trees_read_at"}

    def assert_whole(self, *coordinators):
        """Each point that the catalogs know is on the vault with its disks; `verify --read` agrees."""
        found = self.vault.judge()
        for c in coordinators or (self.web,):
            known = c.listed("vault")
            self.assertEqual(known - set(found.points), set(), "points are lost")
            for point in known:
                self.assertEqual(found.points[point], c.taken[point], point)
            c.run("verify", "--all", "--read", "--store", "vault")
        return found


def day(text, hour=3):
    return datetime.datetime.fromisoformat(text).replace(hour=hour, tzinfo=datetime.timezone.utc)
