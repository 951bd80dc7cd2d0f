# SPDX-License-Identifier: Apache-2.0
"""backups.py - storages that hold backups, and vzdump: its steps, its log to the letter, what it leaves.

No data are copied of a pretended machine. The instant is VM.instant, right before the QMP command of the backup returns; nothing
stops the machine, so that without a freeze each disk has an instant of its own.
"""
import re
import shlex
import threading
import time
import uuid

from agent import AgentError

VARIABLES = ("cluster", "guestname", "node", "vmid")


class Storage:
    def __init__(self, name, kind, content, **config):
        self.name, self.kind, self.content, self.config = name, kind, content, config
        self.active, self.enabled = 1, 1
        self.total, self.used = 1 << 40, 1 << 38
        self.keep = None  # retention: how many backups of a VM may be there
        self.protected_max = 5  # without Datastore.Allocate

    def row(self):
        return {"storage": self.name, "type": self.kind, "content": self.content, "digest": "00", **self.config}

    def status(self):
        shared = int(self.kind in ("nfs", "cifs", "pbs", "cephfs") or self.config.get("shared", 0))
        room = {"total": self.total, "used": self.used, "avail": self.total - self.used, "used_fraction": 0.25} if self.active else {"total": 0, "used": 0, "avail": 0}
        return {"storage": self.name, "type": self.kind, "content": self.content, "enabled": self.enabled, "active": self.active,
                "shared": shared, **room}


def storages():
    return {s.name: s for s in (
        Storage("local-lvm", "lvmthin", "images"), Storage("local", "dir", "backup,iso", path="/var/lib/vz"),
        Storage("nfs1", "nfs", "backup,images", server="192.0.2.9", export="/backup", path="/mnt/pve/nfs1"),
        Storage("pbs1", "pbs", "backup", server="192.0.2.10", datastore="main", username="holdfast@pbs"))}


def expand_notes(vm, template):
    """As the server does; an unknown variable or escape fails the backup."""
    for part in re.findall(r"\\(.?)", template.replace("\\\\", "")):
        if part != "n":
            return None
    for name in re.findall(r"\{\{([^\s{}]+)\}\}", template):
        if name not in VARIABLES:
            return None
        template = template.replace("{{%s}}" % name, {"guestname": vm.name, "node": vm.node, "vmid": str(vm.vmid)}.get(name, ""))
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], template)


class Job:
    """QEMU's, of a pretended machine: copies nothing."""

    def __init__(self, vm):
        self.vm = vm

    def add(self, disk):
        """From now on the disk is copied as it is at this moment."""

    def copy(self, task):
        """Until all disks are; the task's error."""
        task.sleep(self.vm.seconds["copy"])

    def cancel(self):
        """Whatever there is of it, twice as well."""

    def finish(self, archive):
        """Its files become the archive's."""


class Dump:
    """One job for one VM."""

    def __init__(self, vm, task, p, error):
        self.vm, self.world, self.task, self.p, self.error = vm, vm.world, task, p, error
        self.storage = vm.world.storages.get(p["storage"])
        self.job = None

    def info(self, text):
        self.task.log("INFO: " + text)

    def run(self):
        self.info(f"starting new backup job: vzdump {self.vm.vmid} " + " ".join(
            f"--{k} {shlex.quote(v)}" for k, v in self.p.items() if k not in ("vmid", "node")))
        lock = self.world.dump_locks.setdefault(self.vm.node, threading.Lock())
        if not lock.acquire(blocking=False):
            if self.p.get("lockwait", "180") == "0":
                self.task.log("ERROR: can't acquire lock '/var/run/vzdump.lock' (wait = 0)")
                return self.task.end("unexpected status")
            self.info("trying to get global lock - waiting...")
            while not lock.acquire(timeout=0.05):
                self.task.sleep(0)
        try:
            self.with_lock()
        finally:
            lock.release()
        return None

    def with_lock(self):
        if not self.storage or not self.storage.active:
            raise self.error(f"could not activate storage '{self.p['storage']}': storage '{self.p['storage']}' is not online")
        self.info(f"Starting Backup of VM {self.vm.vmid} (qemu)")
        self.info("Backup started at " + time.strftime("%Y-%m-%d %H:%M:%S"))
        try:
            self.one()
        except self.error as error:
            self.task.log(f"ERROR: Backup of VM {self.vm.vmid} failed - {error}")
            self.info("Failed at " + time.strftime("%Y-%m-%d %H:%M:%S"))
            self.info("Backup job finished with errors")
            raise self.error("interrupted by signal" if self.task.stop.is_set() else "job errors") from None
        self.info("Backup job finished successfully")

    def one(self):
        vm, theirs = self.vm, [a for a in self.world.archives.values() if a["vmid"] == self.vm.vmid and a["storage"] == self.p["storage"]]
        if vm.lock:
            raise self.error(f"VM is locked ({vm.lock})")
        is_kept = self.p.get("protected") == "1" or self.p.get("remove", "1") == "1"
        if self.storage.keep is not None and not is_kept and sum(not a["protected"] for a in theirs) >= self.storage.keep:
            raise self.error(f"There is a max backup limit of {self.storage.keep} enforced by the target storage or the vzdump "
                             "parameters. Either increase the limit or delete old backups.")
        vm.lock = "backup"
        try:
            archive = self.copy()
            self.job.finish(archive)
        finally:
            if self.job:
                self.job.cancel()
            vm.lock = None
        self.keep(archive, theirs)
        self.info(f"Finished Backup of VM {vm.vmid} (00:01:40)")
        self.info("Backup finished at " + time.strftime("%Y-%m-%d %H:%M:%S"))

    def copy(self):
        vm, info = self.vm, self.info
        info(f"status = {vm.status}")
        info(f"VM Name: {vm.name}")
        for disk in vm.disks():
            volume, _, options = vm.config[disk].partition(",")
            info(f"exclude disk '{disk}' '{volume}' (backup=no)" if "backup=0" in options else f"include disk '{disk}' '{volume}' 32G")
        info("backup mode: " + ("snapshot" if vm.status == "running" else "stop"))
        info("ionice priority: 7")
        if vm.snapshots:
            info("snapshots found (not included into backup)")
        archive = self.name()
        if "fleecing" in self.p:
            self.task.sleep(vm.seconds["fleece"])
            for disk in vm.disks():
                info(f"drive-{disk}: attaching fleecing image local-lvm:vm-{vm.vmid}-fleece-0 to QEMU")
        self.begin(archive)
        self.stream()
        return archive

    def name(self):
        now = time.time() + self.world.skew
        if self.storage.kind == "pbs":
            ident = time.strftime(f"vm/{self.vm.vmid}/%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
            self.info(f"creating Proxmox Backup Server archive '{ident}'")
            volid = f"{self.storage.name}:backup/{ident}"
        else:
            ending = {"zstd": ".zst", "gzip": ".gz", "1": ".lzo", "lzo": ".lzo"}.get(self.p.get("compress"), "")
            ident = time.strftime(f"vzdump-qemu-{self.vm.vmid}-%Y_%m_%d-%H_%M_%S.vma", time.localtime(now)) + ending
            self.info(f"creating vzdump archive '{self.storage.config['path']}/dump/{ident}'")
            volid = f"{self.storage.name}:backup/{ident}"
        return {"volid": volid, "content": "backup", "format": "pbs-vm" if self.storage.kind == "pbs" else ident.partition(".")[2],
                "subtype": "qemu", "vmid": self.vm.vmid, "ctime": int(now), "size": 3446789012, "notes": "", "protected": False,
                "storage": self.storage.name, "node": None if self.storage.status()["shared"] else self.vm.node}

    def begin(self, archive):
        """Freeze, the QMP command, thaw; then the line that says that all disks have their instant."""
        vm, froze = self.vm, self.vm.status == "running" and self.freeze()
        if self.world.is_new:
            self.info("starting backup via QMP command")
        if self.storage.kind == "pbs":
            self.task.sleep(vm.seconds["connect"])
        failed, is_still = self.world.fault("qmp-fails"), vm.frozen
        if not failed:
            self.job = vm.back_up(archive)
            for disk in vm.disks():
                self.world.note("disk-instant", disk)
                self.job.add(disk)
                self.task.sleep(0 if is_still else vm.seconds["disk"])
            vm.instant(archive["volid"])
            self.world.vault[archive["volid"]] = (dict(vm.config), vm.data)  # what a restore makes a VM of
        if froze:
            self.info("issuing guest-agent 'fs-thaw' command")  # [!] also when the command failed
            self.agent_does("thaw", vm.thaw, self.world.fault("thaw-fails"))
        if failed:
            self.abort(f"VM {vm.vmid} qmp command 'backup' failed - got timeout")
        self.world.note("before-line", archive["volid"])
        self.task.sleep(self.world.seconds("line"))
        self.info(f"started backup task '{uuid.uuid4()}'")
        self.world.note("started", archive["volid"])
        self.info("resuming VM again")

    def abort(self, text):
        self.task.log("ERROR: " + text)
        self.info("aborting backup job")
        self.info("resuming VM again")
        time.sleep(self.world.seconds("abort"))
        raise self.error(text)

    def freeze(self):
        vm, new = self.vm, self.world.is_new
        words = str(vm.config.get("agent", "0"))
        if words.split(",")[0] not in ("1", "enabled=1"):
            return False
        if re.search("(freeze-fs|freeze-fs-on-backup|guest-fsfreeze)=0", words):
            self.info("skipping guest filesystem freeze - disabled in VM options" if new
                      else "skipping guest-agent 'fs-freeze', disabled in VM options")
            return False
        if not vm.agent_alive:
            self.info("skipping guest filesystem freeze - agent configured but not running?" if new
                      else "skipping guest-agent 'fs-freeze', agent configured but not running?")
            return False
        if vm.frozen and new:
            self.info("skipping guest filesystem freeze - already frozen")
            return False
        self.info("issuing guest-agent 'fs-freeze' command")
        self.agent_does("freeze", vm.freeze, vm.frozen or self.world.fault("freeze-fails"))
        return True

    def agent_does(self, what, work, fails):
        """A failure is a line, and the job goes on."""
        why = "got timeout"
        try:
            if not fails:
                return work()
        except AgentError as error:
            why = str(error)
        if what == "freeze" and not self.world.tells_freeze:
            return None  # [!] the agent's error answer is no error for those servers
        return self.task.log(f"ERROR: VM {self.vm.vmid} qga command 'guest-fsfreeze-{what}' failed - {why}")

    def stream(self):
        self.info("  3% (1.1 GiB of 32.0 GiB) in 3s, read: 375.4 MiB/s, write: 120.0 MiB/s")
        try:
            self.job.copy(self.task)
        except self.error as error:
            self.abort(str(error))
        if self.world.fault("copy-fails"):
            self.abort("job failed with err -5 - Input/output error")
        if self.storage.kind == "pbs":
            self.info("Waiting for server to finish backup validation...")
            self.info("backup was done incrementally, reused 30.80 GiB (96%)")
        self.info("backup is sparse: 20.00 GiB (62%) total zero data")
        self.info("transferred 32.00 GiB in 98 seconds (334.4 MiB/s)")
        if self.storage.kind != "pbs":
            self.info("archive file size: 3.21GB")

    def keep(self, archive, theirs):
        notes = expand_notes(self.vm, self.p.get("notes-template", ""))
        if notes is None:
            raise self.error("unable to add notes - unexpected escape sequence or variable")
        self.world.archives[archive["volid"]] = archive
        if notes:
            self.info("adding notes to backup")
            archive["notes"] = notes
        if self.p.get("protected") == "1":
            self.info("marking backup as protected")
            if sum(bool(a["protected"]) for a in theirs) >= self.storage.protected_max:
                raise self.error("unable to set protected flag - The number of protected backups per guest is limited to "
                                 f"{self.storage.protected_max} on storage '{self.storage.name}'")
            archive["protected"] = True
        if self.p.get("remove", "1") == "1":
            self.info("prune older backups with retention: keep-daily=7")
            for old in theirs:
                if not old["protected"]:
                    self.world.drop_archive(old["volid"])
