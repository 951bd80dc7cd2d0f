# SPDX-License-Identifier: Apache-2.0
"""common.py - a pretended cluster with the plugin before it, for the tests of this folder."""
import os
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "fakes", "pve"), os.path.join(HERE, "..")]
from driven import BUILD, NAME, Driven  # noqa: E402
from server import Server, make_certificates  # noqa: E402
from world import World  # noqa: E402

RUNS = int(os.environ.get("HOLDFAST_TEST_RUNS", "40"))  # of faults drawn by seed
folder = tempfile.TemporaryDirectory(prefix="holdfast-pve-")
FINGERPRINT, PIN = make_certificates(folder.name)


def private(name, text):
    path = os.path.join(folder.name, name)
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(text)
    return path


class Site(Driven):
    """A cluster, its API, and the plugin before it."""

    plugin = "proxmox"

    def __init__(self, new=True):
        self.world = World(new)
        self.server = Server(self.world, folder.name)
        self.vm = self.world.vms[100]
        self.folder = folder.name
        self.token = private("token", f"{self.world.token}={self.world.secret}\n")
        self.keys = {"uri": f"https://127.0.0.1:{self.server.port}", "token-file": self.token, "ca-file": f"{folder.name}/ca.pem"}

    @property
    def secrets(self):
        return (self.world.secret,)

    def capture(self, **more):
        return self.drive("capture", "db1", NAME, f"{folder.name}/undo", **more)

    def arm_when(self, has_come, faults, within_s=5):
        """Beside the test: those switches are set once has_come() is true, and after within_s in any case."""
        def wait():
            end = time.monotonic() + within_s
            while time.monotonic() < end and not has_come():
                time.sleep(0.002)
            self.world.faults.update(faults)
        threading.Thread(target=wait, daemon=True).start()

    def is_at_work(self):
        """A task has not ended yet: whoever said so did not wait for it."""
        return any(not task.exit for task in self.world.tasks.values())

    def requests(self, method, end):
        return [r for r in self.world.requests if r[1] == method and r[2].endswith(end)]


def program(site, *args, vm=(), db=(), defaults=(), env=None):
    """(status, what was said): the whole program, of the VM 'web01' with these lines more; db: with a database, else none."""
    lines = ["[defaults]", *(defaults or [f"state = {tempfile.mkdtemp(dir=folder.name)}"]), "[hypervisor pve]", "plugin = proxmox",
             *[f"{k} = {v}" for k, v in site.keys.items()],
             "[vm web01]", "hypervisor = pve", "name = 100", *(db or ["db = none", "quiesce = none", "uncovered = lower", *(vm or ["freeze = no"])])]
    done = subprocess.run([f"{BUILD}/src/holdfast", "-c", private("holdfast.conf", "\n".join(lines) + "\n"), *args], capture_output=True,
                          timeout=90, check=False, env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins", **(env or {})})
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def dump_key(site, storage="nfs1", fleecing=None):
    for key, value in (("backup-storage", storage), ("fleecing-storage", fleecing)):
        if value:
            site.keys[key] = value


def dump(site, storage="nfs1", what="db1", name=NAME, ends=True, **more):
    """A backup by the server; ends False: it is watched until it fails."""
    dump_key(site, storage)
    end = private("end", "") if ends else f"{folder.name}/never"
    return site.drive("export", what, name, f"{folder.name}/undo", end, **more)


def posts(site):
    return site.requests("POST", "/vzdump")


def back(site, *upto, **more):
    return site.drive("rollback", "db1", NAME, f"{folder.name}/back", *upto, **more)


def site_with_a_snapshot(site):
    status, text = site.capture()
    assert status == 0, text
    site.vm.data = 2
    return site


RUN = "20261123T030000Z-7f3a9c21"
SOURCE_CONFIG = {"net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=7", "net1": "e1000=BC:24:11:00:00:02,bridge=vmbr1",
                 "smbios1": "uuid=11111111-2222-4333-8444-555555555555", "vmgenid": "9f1f2c7e-0000-4000-8000-000000000001", "onboot": "1",
                 "protection": "1", "description": "the shop's database\n50% of it: é", "memory": "2048"}


class Machine:
    """A VM from a backup: its steps, and what is left."""

    def __init__(self, site, storage="nfs1", config=None, data=7):
        self.site, self.plan = site, f"{folder.name}/machine"
        site.vm.config.update(SOURCE_CONFIG if config is None else config)
        site.vm.data = data
        status, text = dump(site, storage)
        assert status == 0, text
        self.ref, = site.world.archives
        site.vm.data = data + 1
        for end in ("token", "xml"):
            private(f"machine.{end}", "")

    def step(self, verb, *args, **more):
        more["env"] = {"HOLDFAST_RUN_ID": RUN, **more.get("env", {})}
        return self.site.drive(f"machine-{verb}", self.plan, *args, **more)

    def planned(self, flags="-", name="shop2", *storage, **more):
        more["env"] = {"HOLDFAST_RUN_ID": RUN, **more.get("env", {})}
        return self.site.drive("machine-pushed", self.ref, "100", name, flags, self.plan, *storage, **more)

    def good(self, verb, *args, **more):
        status, text = self.planned(*args, **more) if verb == "plan" else self.step(verb, *args, **more)
        assert status == 0, text
        return text

    def bad(self, cls, verb, *args, **more):
        status, text = self.planned(*args, **more) if verb == "plan" else self.step(verb, *args, **more)
        assert status == 1 and f"error {cls}:" in text, f"wanted {cls}: {text}"
        return text

    @property
    def vm(self):
        """The new one."""
        found, = [vm for i, vm in self.site.world.vms.items() if i != 100]
        return found

    def posts(self):
        return self.site.requests("POST", "/qemu")

    def assert_gone(self):
        world = self.site.world
        assert set(world.vms) <= {100}, world.vms
        assert set(world.volumes.values()) <= {100}, world.volumes
        assert world.archives, "the backup itself stays"
