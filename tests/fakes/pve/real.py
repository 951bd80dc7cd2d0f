# SPDX-License-Identifier: Apache-2.0
"""real.py - a VM of the stand-in that is a real guest of libvirt: what the API does to it happens.

Snapshots are those of qcow2 inside QEMU, as Proxmox VE makes them on a directory: the processors stop, each disk gets one, the
processors run. The agent is that of the guest. A backup is a copy-before-write job of QEMU per disk; an archive is a folder with
one qcow2 per disk, their checksums and the VM's settings; a VM that is restored of one is a guest of its own (copied.py). What
only a console shows (names, sizes in the logs) stays invented.

One such VM per guest; whoever binds it removes what an earlier one that was killed left: snapshots, jobs, a pause, a freeze, copies, archives;
and checkpoints of libvirt, whosoever.
"""
import json
import os
import shutil
import time

import backups
from copied import CopiedVM, seal, sweep_copies
from domains import Domain, GuestVM, image, qemu_img
from world import TaskError

STORAGE = "guests"  # where its disks are
NIC = "virtio=52:54:00:12:34:56,bridge=vmbr0"


class RealVM(GuestVM):
    """folder: for the archives of backups; QEMU writes there."""

    def __init__(self, world, vmid, node, domain, folder):
        super().__init__(world, vmid, domain.name, node)
        self.has(domain)
        self.folder = folder
        self.files = {name: path for name, path, _ in domain.disks()}
        self.config = {"name": domain.name, "agent": "1", "memory": "1024", "cores": 2, "ide2": "none,media=cdrom", "net0": NIC, **self.drives()}
        self.seconds = dict.fromkeys(self.seconds, 0)  # it takes what it takes; a test may add to that
        self.can_snapshot = all(image(path)["format"] == "qcow2" for path in self.files.values())
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
    def kept_names(self):
        """What is inside the disks: for each of them the names of its snapshots."""
        return {name: [s["name"] for s in image(path).get("snapshots", [])] for name, path in self.files.items()}

    # ---- what is done to it ----
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
        for volid in list(self.world.archives):
            self.world.drop_archive(volid)
        for vm in self.world.vms.values():
            vm.wipe()
        self.sweep()
        self.domain.close()

    def sweep(self):
        state = self.domain.state()
        if state == "shut off":
            self.domain.do("Create")
        elif state == "paused":
            self.domain.do("Resume")
        self.domain.drop_checkpoints()  # of tests of the other hypervisor: qcow2 goes back to no snapshot while it has bitmaps
        self.domain.drop_bitmaps()
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
        with open(os.path.join(self.path + ".dat", "domain.xml"), "w", encoding="utf-8") as file:
            file.write(self.domain.definition())
        seal(self.path + ".dat")
        os.rename(self.path + ".dat", self.path)
        archive["path"] = self.path
        archive["size"] = sum(entry.stat().st_size for entry in os.scandir(self.path))


def bind(world, uri, name, folder, vmid=100):
    """Makes that VM of the cluster a guest of libvirt."""
    os.makedirs(folder, exist_ok=True)
    world.storages[STORAGE] = backups.Storage(STORAGE, "dir", "images", path=folder)
    world.inner_timeout = 30.0
    sweep_copies(uri, folder)
    world.new_vm = lambda *vm: CopiedVM(*vm, uri, folder)
    world.vms[vmid] = RealVM(world, vmid, "pve1", Domain(uri, name), folder)
    for left in os.scandir(folder):  # QEMU has let go of it
        shutil.rmtree(left.path)
    return world.vms[vmid]
