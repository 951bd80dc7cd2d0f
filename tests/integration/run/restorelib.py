# SPDX-License-Identifier: Apache-2.0
"""What the tests of restored disks share: a machine with a disk, its point on a store, and the disk compared with what came back."""

import os
import random
import shutil
import subprocess
import tempfile
import types
import unittest
from pathlib import Path

import runlib

MIB = 1 << 20
FORMATS = ("raw", "qcow2")  # of which a part is gone on with
ALL_FORMATS = (*FORMATS, "vmdk")


class Folder:
    """A directory that goes with this program, however that goes, and with it what is mounted below, and devices that lie in it."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="hf-restore-"))
        inside, self.life = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:  # not in the process tree that a test runner kills as a whole
                os.close(self.life)
                while os.read(inside, 1):
                    pass
                self._remove()
            os._exit(0)
        os.close(inside)
        os.wait()

    def _remove(self):
        for line in Path("/proc/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{self.path}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)
        for loop in Path("/sys/block").glob("loop*/loop/backing_file"):
            if loop.read_text().startswith(f"{self.path}/"):
                subprocess.run([runlib.program("losetup"), "-d", f"/dev/{loop.parts[3]}"], check=False)
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self):
        os.close(self.life)
        runlib.wait_until(lambda: not self.path.exists(), 20, "the folder does not go")


def contents(mib):
    """Of a disk: data, zeros in it, a hole, data."""
    random.seed(runlib.seed(unset=1))
    data = bytearray(random.randbytes(mib * MIB))
    data[MIB:MIB + 300000] = bytes(300000)
    return bytes(data) + bytes(8 * MIB) + random.randbytes(70000 // 512 * 512)


class Case(unittest.TestCase):
    """A machine without a database: what is tried here comes long after the instant."""

    folder = None

    @classmethod
    def setUpClass(cls):
        if not Case.folder:
            Case.folder = Folder()
            unittest.addModuleCleanup(Case.folder.close)

    def setUp(self):
        self.site = runlib.Site(types.SimpleNamespace(dir=self.folder.path, port=1, defaults="none"))
        self.site.sections["web"] = {"quiesce": "none"}
        self.addCleanup(self.site.close)
        self.disk = self.site.vm / "vda.img"
        self.out = self.site.dir / "out"
        self.out.mkdir()

    def add_store(self, name="vault", **keys):
        folder = self.site.dir / name
        folder.mkdir(mode=0o700)
        self.add_section(name, url=f"file://{folder}", **keys)
        return folder

    def add_section(self, name, **keys):
        self.site.stores[name] = {"off-host": "assume", **keys}
        self.site.write()
        self.ok(self.site.run("store", "init", name))

    def encrypt(self):
        """The keys of a section for a store that this host can read."""
        identity = self.site.dir / "identity"
        return {"recipients": runlib.make_identity(identity), "identity-file": identity}

    def backup(self, mib=3, store="vault"):
        self.disk.write_bytes(contents(mib))
        self.point = self.ok(self.site.run("backup", "web", "--store", store))["point"]
        return self.point

    def args(self, file, form="raw", *more):
        return ("restore", "image", self.point, "--disk", "vda", "--to", str(file), "--format", form, *more)

    def restore(self, file, form="raw", *more, **env):
        return self.site.run(*self.args(file, form, *more), TMPDIR=self.site.dir, **env)

    def ok(self, r, status=0):
        self.assertEqual(r.status, status, str(r))
        return r.json

    def fails(self, r, error_class, piece="", status=1):
        self.assertEqual(r.status, status, str(r))
        self.assertEqual(r.error["class"], error_class, str(r))
        self.assertIn(piece, r.error["message"])
        return r.error

    def assert_equal(self, file, form="raw"):
        r = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", form, self.disk, file], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        if form != "raw":
            r = subprocess.run(["qemu-img", "check", "-q", "-f", form, file], capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assert_alone(file)

    def assert_alone(self, file):
        """Nothing is beside it, and nobody at work."""
        self.assertEqual([p.name for p in file.parent.iterdir()], [file.name])
        self.assert_no_qemu(file.parent)

    def assert_no_qemu(self, folder):
        runlib.wait_until(lambda: not runlib.processes("qemu-nbd", folder), 5, "qemu-nbd does not end")

    def slow(self, ms):
        """Environment: each write takes so long, not only the first."""
        env = self.site.points(f"restore.image.before_write=stall:{ms}")
        del env["HOLDFAST_POINT_ONCE"]
        return env

    def part(self, file):
        return file.with_name(file.name + ".holdfast-part")
