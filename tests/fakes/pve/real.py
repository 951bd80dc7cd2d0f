# SPDX-License-Identifier: Apache-2.0
"""real.py - a VM of the stand-in that is a real guest of libvirt: what the API does to it happens.

Snapshots are those of qcow2 inside QEMU, as Proxmox VE makes them on a directory: the processors stop, each disk gets one, the
processors run. The agent is that of the guest. A backup is a copy-before-write job of QEMU per disk; an archive is a folder with
one qcow2 per disk and the VM's settings. What only a console shows (names, sizes in the logs) stays invented.

One such VM per guest; whoever binds it removes what an earlier one that was killed left: snapshots, jobs, a pause, a freeze.
"""
import base64
import ctypes
import json
import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import backups
from agent import AgentError, widen
from world import VM, TaskError

STORAGE = "guests"  # where its disks are
CHUNK = 256 << 10  # of a file that is read through the agent
TRANSFER_S = 5  # the default limit of the server for one command to the agent
FREEZE_S = 600


STATES = {1: "running", 3: "paused", 5: "shut off"}


def library(name, **functions):
    """One of libvirt's, with what its functions return."""
    lib = ctypes.CDLL(name)
    for function, returned in functions.items():
        getattr(lib, function).restype = returned
    return lib


# By its libraries: to start a virsh takes ten times as long as what it is asked, while a guest stands still.
LIBC = ctypes.CDLL(None)
VIRT = library("libvirt.so.0", virConnectOpen=ctypes.c_void_p, virDomainLookupByName=ctypes.c_void_p, virDomainGetXMLDesc=ctypes.c_void_p,
               virGetLastErrorMessage=ctypes.c_char_p)
QEMU = library("libvirt-qemu.so.0", virDomainQemuAgentCommand=ctypes.c_void_p)
QUIET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: None)
VIRT.virSetErrorFunc(None, QUIET)


def checked(is_good):
    if not is_good:
        raise TaskError(VIRT.virGetLastErrorMessage().decode())


def taken(text):
    """A string that libvirt gave away."""
    checked(text)
    try:
        return ctypes.string_at(text).decode()
    finally:
        LIBC.free(ctypes.c_void_p(text))


class Domain:
    """A guest of libvirt."""

    def __init__(self, uri, name):
        self.name = name
        self.connection = ctypes.c_void_p(VIRT.virConnectOpen(uri.encode()))
        checked(self.connection)
        self.it = ctypes.c_void_p(VIRT.virDomainLookupByName(self.connection, name.encode()))
        checked(self.it)

    def close(self):
        VIRT.virDomainFree(self.it)
        VIRT.virConnectClose(self.connection)

    def do(self, what):
        """Suspend, Resume, Create (which starts it) or Destroy."""
        checked(VIRT[f"virDomain{what}"](self.it) == 0)

    def state(self):
        state, reason = ctypes.c_int(), ctypes.c_int()
        checked(VIRT.virDomainGetState(self.it, ctypes.byref(state), ctypes.byref(reason), 0) == 0)
        return STATES.get(state.value, str(state.value))

    def qmp(self, command, **arguments):
        words, out = json.dumps({"execute": command, "arguments": arguments}), ctypes.c_void_p()
        checked(QEMU.virDomainQemuMonitorCommand(self.it, words.encode(), ctypes.byref(out), 0) == 0)
        answer = json.loads(taken(out.value))
        if "error" in answer:
            raise TaskError(answer["error"]["desc"])
        return answer["return"]

    def agent(self, command, limit, **arguments):
        """What the agent returns; AgentError: in its words, or those of libvirt where it gives none."""
        words = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
        try:
            return json.loads(taken(QEMU.virDomainQemuAgentCommand(self.it, words.encode(), limit, 0)))["return"]
        except TaskError as error:
            text = str(error)
            raise AgentError(text.partition(f"agent command '{command}': ")[2] or text) from None

    def disks(self):
        """(name for the API, file, serial) of each disk, in the order of the definition."""
        devices = ElementTree.fromstring(taken(VIRT.virDomainGetXMLDesc(self.it, 0))).find("devices")
        found = [d for d in devices.findall("disk") if d.get("device") == "disk"]
        return [(f"virtio{i}", d.find("source").get("file"), d.findtext("serial")) for i, d in enumerate(found)]

    def nodes(self):
        """QEMU's names of the disks, by file."""
        inserted = [block["inserted"] for block in self.qmp("query-block") if "inserted" in block]
        return {i["image"]["filename"]: i["node-name"] for i in inserted}


def qemu_img(*args):
    done = subprocess.run(["qemu-img", *args], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise TaskError(done.stderr.strip())
    return done.stdout


def image(path):
    return json.loads(qemu_img("info", "-U", "--output=json", path))


class Agent:
    """The agent of the guest itself. Frozen, it refuses by itself what it refuses then."""

    def __init__(self, domain):
        self.domain = domain

    def ask(self, command):
        return self.domain.agent("guest-" + command, TRANSFER_S)

    def exec(self, argv, data):
        with_input = {"input-data": base64.b64encode(data).decode()} if data else {}
        return self.domain.agent("guest-exec", TRANSFER_S, path=argv[0], arg=argv[1:], **{"capture-output": True, **with_input})["pid"]

    def exec_status(self, pid):
        said = self.domain.agent("guest-exec-status", TRANSFER_S, pid=int(pid))
        if not said["exited"]:
            return None
        out = {key: said[key] for key in ("exitcode", "signal") if key in said}
        for key in ("out-data", "err-data"):
            if key in said:
                out[key] = widen(base64.b64decode(said[key]))
        return {**out, **{key: 1 for key in ("out-truncated", "err-truncated") if said.get(key)}}

    def read(self, path):
        handle = self.domain.agent("guest-file-open", TRANSFER_S, path=path, mode="r")
        data = b""
        try:
            while True:
                said = self.domain.agent("guest-file-read", TRANSFER_S, handle=handle, count=CHUNK)
                data += base64.b64decode(said["buf-b64"])
                if said["eof"] or not said["count"]:
                    return data
        finally:
            self.domain.agent("guest-file-close", TRANSFER_S, handle=handle)

    def write(self, path, data):
        handle = self.domain.agent("guest-file-open", TRANSFER_S, path=path, mode="wb")
        try:
            self.domain.agent("guest-file-write", TRANSFER_S, handle=handle, **{"buf-b64": base64.b64encode(data).decode()})
        finally:
            self.domain.agent("guest-file-close", TRANSFER_S, handle=handle)


class RealVM(VM):
    """folder: for the archives of backups; QEMU writes there."""

    def __init__(self, world, vmid, node, domain, folder):
        super().__init__(world, vmid, domain.name, node)
        self.domain, self.folder = domain, folder
        self.files = {name: path for name, path, _ in domain.disks()}
        self.config = {"name": domain.name, "agent": "1", "memory": "1024", "cores": 2, "ide2": "none,media=cdrom", **self.drives()}
        self.seconds = dict.fromkeys(self.seconds, 0)  # it takes what it takes; a test may add to that
        self.can_snapshot = all(image(path)["format"] == "qcow2" for path in self.files.values())
        self.agent_patience = 3.0
        self.agent = Agent(domain)
        self.nodes = None  # while the processors are stopped: QEMU's names of the disks
        self.bytes_per_s = 0  # of each disk that a backup copies; 0: as fast as it goes
        self.sweep()

    def drives(self):
        out = {}
        for name, path, serial in self.domain.disks():
            size, form = (image(path)[key] for key in ("virtual-size", "format"))
            words = f"{size >> 30}G" if size % (1 << 30) == 0 else f"{size >> 10}K"
            number = name.removeprefix("virtio")
            out[name] = f"{STORAGE}:{self.vmid}/vm-{self.vmid}-disk-{number}.{form}{',serial=' + serial if serial else ''},size={words}"
        return out

    # ---- what is seen of it ----
    @property
    def status(self):
        return "stopped" if self.domain.state() == "shut off" else "running"

    @property
    def agent_alive(self):
        try:
            return self.domain.agent("guest-ping", 3) == {}
        except AgentError:
            return False

    @property
    def frozen(self):
        try:
            return self.status == "running" and self.agent.ask("fsfreeze-status") == "frozen"
        except AgentError:
            return False

    def kept_names(self):
        """What is inside the disks: for each of them the names of its snapshots."""
        return {name: [s["name"] for s in image(path).get("snapshots", [])] for name, path in self.files.items()}

    # ---- what is done to it ----
    def freeze(self):
        time.sleep(self.seconds["freeze"])
        return self.domain.agent("guest-fsfreeze-freeze", FREEZE_S)

    def thaw(self):
        time.sleep(self.seconds["thaw"])
        return self.domain.agent("guest-fsfreeze-thaw", 180)

    def stop_processors(self):
        self.qmp, self.nodes = "save-vm", self.domain.nodes()  # before: the guest stands still for no more than it has to
        self.domain.do("Suspend")

    def resume_processors(self):
        self.domain.do("Resume")
        self.qmp, self.nodes = "running", None
        self.world.note("resumed", self.vmid)

    def keep_disk(self, disk, name):
        path = self.files[disk]
        if self.nodes:
            self.domain.qmp("blockdev-snapshot-internal-sync", device=self.nodes[path], name=name)
        else:
            qemu_img("snapshot", "-c", name, path)
        time.sleep(self.seconds["disk"])

    def drop_disks(self, name):
        time.sleep(self.seconds["delete"])
        nodes = self.domain.nodes() if self.status == "running" else None
        for disk, names in self.kept_names().items():
            path = self.files[disk]
            if name not in names:
                continue
            if nodes:
                self.domain.qmp("blockdev-snapshot-delete-internal-sync", device=nodes[path], name=name)
            else:
                qemu_img("snapshot", "-d", name, path)

    def put_back(self, name):
        for path in self.files.values():
            qemu_img("snapshot", "-a", name, path)

    def switch(self, on):
        if on or self.status == "running":
            self.domain.do("Create" if on else "Destroy")
        self.qmp = "running" if on else "stopped"

    def back_up(self, archive):
        return Job(self, archive)

    # ---- what comes out of it ----
    def disk_at(self, name, disk, path):
        """A disk as the snapshot has it, at `path` (raw); the VM may run."""
        qemu_img("convert", "-U", "-O", "raw", "-l", f"snapshot.name={name}", self.files[disk], path)
        return path

    def close(self):
        """The last: what is left is removed."""
        self.sweep()
        self.domain.close()

    def sweep(self):
        state = self.domain.state()
        if state == "shut off":
            self.domain.do("Create")
        elif state == "paused":
            self.domain.do("Resume")
        if self.frozen:
            self.thaw()
        Job(self, None).cancel()
        for name in sorted({n for names in self.kept_names().values() for n in names}):
            self.drop_disks(name)


class Job(backups.Job):
    """One job of QEMU per disk: what the guest overwrites from now on is copied to the archive before."""

    def __init__(self, vm, archive):
        super().__init__(vm)
        self.domain = vm.domain
        self.path = os.path.join(vm.folder, archive["volid"].replace("/", "_").replace(":", "_")) if archive else None

    def add(self, disk):
        path = os.path.join(self.path + ".dat", f"{disk}.qcow2")
        source = self.vm.files[disk]
        os.makedirs(os.path.dirname(path), exist_ok=True)
        qemu_img("create", "-q", "-f", "qcow2", path, str(image(source)["virtual-size"]))
        self.domain.qmp("blockdev-add", **{"driver": "qcow2", "node-name": f"pve-{disk}", "file": {"driver": "file", "filename": path}})
        self.domain.qmp("blockdev-backup", **{"job-id": f"pve-{disk}", "device": self.domain.nodes()[source], "target": f"pve-{disk}",
                                              "sync": "full", "speed": self.vm.bytes_per_s, "auto-dismiss": False})

    def jobs(self):
        """Those of backups, by name."""
        return {j["id"]: j for j in self.domain.qmp("query-jobs") if j["id"].startswith("pve-")}

    def copy(self, task):
        task.sleep(self.vm.seconds["copy"])
        while True:
            jobs = self.jobs()
            failed = [j["error"] for j in jobs.values() if "error" in j]
            if failed or len(jobs) < len(self.vm.files):
                raise TaskError(f"job failed with err -5 - {failed or 'a job is gone'}")
            if all(j["status"] == "concluded" for j in jobs.values()):
                return
            task.sleep(0.1)

    def close(self):
        """Ends the jobs and gives their files free."""
        for name, job in self.jobs().items():
            if job["status"] != "concluded":
                self.domain.qmp("job-cancel", id=name)
        while any(job["status"] != "concluded" for job in self.jobs().values()):
            time.sleep(0.05)
        for name in self.jobs():
            self.domain.qmp("job-dismiss", id=name)
        for node in self.domain.qmp("query-named-block-nodes", flat=True):
            if node["node-name"].startswith("pve-"):
                self.domain.qmp("blockdev-del", **{"node-name": node["node-name"]})

    def cancel(self):
        self.close()
        if self.path:
            shutil.rmtree(self.path + ".dat", ignore_errors=True)

    def finish(self, archive):
        self.close()
        with open(os.path.join(self.path + ".dat", "qemu-server.conf"), "w", encoding="utf-8") as file:
            file.writelines(f"{k}: {v}\n" for k, v in self.vm.config.items())
        os.rename(self.path + ".dat", self.path)
        archive["path"] = self.path
        archive["size"] = sum(entry.stat().st_size for entry in os.scandir(self.path))


def disks_in(archive):
    """The disks that an archive holds, by name: what a restore makes a VM of."""
    return {e.name.removesuffix(".qcow2"): e.path for e in os.scandir(archive["path"]) if e.name.endswith(".qcow2")}


def bind(world, uri, name, folder, vmid=100):
    """Makes that VM of the cluster a guest of libvirt."""
    os.makedirs(folder, exist_ok=True)
    world.storages[STORAGE] = backups.Storage(STORAGE, "dir", "images", path=folder)
    world.inner_timeout = 30.0
    world.vms[vmid] = RealVM(world, vmid, "pve1", Domain(uri, name), folder)
    return world.vms[vmid]
