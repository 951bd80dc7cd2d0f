# SPDX-License-Identifier: Apache-2.0
"""What tests of backups of a real guest share: stores, disks rebuilt of them, and what a backup leaves behind.

One OpenStack Swift per test program, over TLS; beside it stores in directories. What is on them is read by
tests/interop/reader.py, which knows docs/format.md and nothing of holdfast.
"""

import json
import mmap
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hf import SOURCE, Latency, LoadedTest, answers, lab, lab_env

for folder in ("tests/integration/store", "tests/interop"):
    sys.path.insert(0, str(SOURCE / folder))
import reader  # noqa: E402
import swiftlib  # noqa: E402
from swiftlib import runlib  # noqa: E402

MIB = 1 << 20
UNDO_WITHIN_S = 30
BOOT_S = 240


def is_equal(a, b, form="raw"):
    """Whether two disks have the same content, byte for byte; b is of that format, and may be an NBD address."""
    p = subprocess.run(["qemu-img", "compare", "-U", "-f", "raw", "-F", form, a, b], capture_output=True, text=True, check=False)
    assert p.returncode in (0, 1), p.stderr
    return p.returncode == 0


def contains(folder, needle):
    """Whether some file below holds these bytes."""
    for path in Path(folder).rglob("*"):
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if content.find(needle) >= 0:
                    return True
    return False


class BackupTest(LoadedTest):
    """A site with one Swift (cls.swift, started by the heir's module) and stores of its own."""

    swift = None
    n_buckets = 0

    def setUp(self):
        super().setUp()
        self.identity = self.site.dir / "identity"
        self.recipient = runlib.make_identity(self.identity)
        self.domain = self.site.lab["DOMAIN"]
        self.buckets = {}
        self.site.write(db_defaults_file=lab_env()["HOLDFAST_DUMP_CNF"])
        Latency()
        self.key_files = swiftlib.key_files(self.site.dir)

    def tidy(self):
        super().tidy()
        for name in self.checkpoints():
            lab("virsh", "checkpoint-delete", self.domain, name)

    # -- stores -------------------------------------------------------------------------------

    def add_swift(self, name="vault", **keys):
        BackupTest.n_buckets += 1
        self.buckets[name] = swiftlib.Bucket(self.swift, self.swift.make_bucket(f"guest{BackupTest.n_buckets}"))
        self.add_store(name, **self.buckets[name].section(self.key_files), **keys)

    def add_path(self, name="shelf", **keys):
        (self.site.dir / name).mkdir(mode=0o700)
        self.add_store(name, url=f"file://{self.site.dir / name}", **keys)

    def add_store(self, name, **keys):
        """Both are on this machine, and the test says so."""
        self.site.stores[name] = {"off-host": "assume", **{k.replace("_", "-"): v for k, v in keys.items()}}
        self.site.write()
        self.ok(self.site.run("store", "init", name))

    def folder_of(self, name):
        """The store as a directory."""
        if name in self.buckets:
            return self.buckets[name].fetch(self.site.dir / f"{name}.copy")
        return self.site.dir / name

    def read_store(self, name):
        identity = self.identity if "recipients" in self.site.stores[name] else None
        return reader.Store(self.folder_of(name), identity, tempfile.mkdtemp(dir=self.scratch.name))

    @staticmethod
    def manifest(doc, store):
        return json.loads(store.get(f"points/db/{doc['point']}/manifest.json", store.metadata_file)[1])["manifest"]

    def points_on(self, name):
        folder = self.folder_of(name) / "points/db"
        return {p.parent.name for p in folder.glob("*/manifest.json*")} if folder.is_dir() else set()

    def rebuilt(self, doc, name, target):
        """The disk as the reader makes it of the store."""
        store = self.read_store(name)
        root, = (a["root"] for a in self.manifest(doc, store)["artifacts"] if (a["kind"], a["name"]) == ("image", target))
        path = Path(self.scratch.name) / f"{name}.{target}"
        store.read_indexes()
        with path.open("wb") as out:
            reader.rebuild(store, root, out)
        return path

    # -- runs ---------------------------------------------------------------------------------

    def backup(self, *args, status=0, **env):
        return self.ok(self.site.run("backup", "db", *args, env=env), status)

    def start(self, *args, points="", **env):
        """One with these points armed, and a log of those it comes by."""
        once = tempfile.mkdtemp(dir=self.scratch.name)
        self.log = Path(once) / "points"
        return self.site.start("backup", "db", *args, env={"HOLDFAST_POINT": points, "HOLDFAST_POINT_ONCE": once,
                                                           "HOLDFAST_POINT_LOG": str(self.log), **env})

    def document(self, process, status=0):
        out, err = process.communicate(timeout=180)
        self.assertEqual(process.returncode, status, out + err)
        return json.loads(out)

    @staticmethod
    def tell(doc, seconds):
        sent = ", ".join(f"{s['name']} {s['bytes'] / MIB:.1f} MiB in {s['objects']} objects" for s in doc["stores"])
        print(f"  stall {doc['stall_ms']:.1f} ms, {seconds:.1f} s, {sent}", flush=True)

    def visited(self):
        return list(dict.fromkeys(self.log.read_text().split())) if self.log.exists() else []

    def wait_for_point(self, process, point, within_s=120):
        deadline = time.monotonic() + within_s
        while point not in self.visited():
            self.assertIsNone(process.poll(), f"the run ended before {point}")
            self.assertLess(time.monotonic(), deadline, f"the run does not come to {point}")
            time.sleep(0.02)

    # -- the machine --------------------------------------------------------------------------

    def switch_off(self):
        lab("virsh", "destroy", self.domain)
        self.addCleanup(self.switch_on)

    def switch_on(self):
        """Whoever started it: it answers when this is through."""
        if lab("virsh", "domstate", self.domain).strip() == "shut off":
            lab("virsh", "start", self.domain)
        deadline = time.monotonic() + BOOT_S
        while not answers(5):  # a connection made while it boots is accepted, and silent for ever
            self.assertLess(time.monotonic(), deadline, "the guest does not come up")
            time.sleep(0.5)

    # -- what is left -------------------------------------------------------------------------

    def disks_folder(self):
        return Path(self.before["vda"]).parent

    def export_uri(self, target, base=None):
        """Of the export that runs now."""
        socket, = (base or self.disks_folder()).glob("*.export/nbd")
        return f"nbd+unix:///{target}?socket={socket}"

    def checkpoints(self):
        return set(lab("virsh", "checkpoint-list", self.domain, "--name").split())

    def assert_no_trace(self, *stores):
        """No job, scratch file, process or staging; a checkpoint only of a point that is on a store."""
        self.assert_clean()
        self.assertIn("None", lab("virsh", "domjobinfo", self.domain, check=False) or "None")
        self.assertNotIn("backup", lab("virsh", "domblkinfo", self.domain, "--all"))
        for folder in {self.disks_folder(), Path(lab_env()["HOLDFAST_LAB_DIR"]) / "small"}:
            self.assertEqual(sorted(p.name for p in folder.glob("*.export*")), [])
        self.assertEqual(self.qemu_nbds(), [])
        known = {f"hf-{p}" for name in stores or self.site.stores for p in self.points_on(name)}
        self.assertLessEqual(self.checkpoints(), known)
        self.assertEqual(sorted(p.name for p in self.site.state.rglob("*") if p.suffix in (".tmp", ".part", ".pack")), [])

    def qemu_nbds(self):
        """Process ids of those that read the guest's disks."""
        return runlib.processes("qemu-nbd", self.disks_folder())
