# SPDX-License-Identifier: Apache-2.0
"""world.py - the cluster behind the API: nodes, VMs, tasks and the instants that tests ask for.

The machine is pretended, and nothing is copied: its disks are the number VM.data. All that is done to a machine goes through
few functions of VM (from `freeze` to `switch`), so that a test can put its own in place; real.py does, for a guest of libvirt.
"""
import shutil
import threading
import time

import agent
import backups
import deletions
from agent import AgentError


class Task:
    """One worker: a UPID at once, its work in a thread, a log that grows line by line."""

    def __init__(self, world, node, kind, vmid, user):
        world.serial += 1
        self.world, self.node, self.kind, self.vmid, self.user = world, node, kind, vmid, user
        self.start = int(time.time() + world.skew)
        self.upid = f"UPID:{node}:{0x3A1B2 + world.serial:08X}:{world.serial:08X}:{self.start:08X}:{kind}:{vmid}:{user}:"
        self.lines, self.exit = [], None
        self.began, self.ended = time.monotonic(), None
        self.stop = threading.Event()  # by DELETE of the task
        world.tasks[self.upid] = self

    def log(self, line):
        self.lines.append(line)

    def sleep(self, seconds):
        """Work, which a stop interrupts."""
        if self.stop.wait(seconds):
            raise TaskError("interrupted by signal" if self.kind == "vzdump" else "received interrupt")

    def run(self, work):
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work):
        status = "OK"
        try:
            work(self)
        except TaskError as error:
            status = str(error)
        except SystemExit:  # the worker is dead: what it had begun stays as it is
            self.end("unexpected status")
        if self.exit:
            return
        if self.world.fault("task-killed", self.kind):
            self.end("unexpected status")
            return
        warnings = sum(line.startswith("WARN:") for line in self.lines)
        if status == "OK" and warnings:
            status = f"WARNINGS: {warnings}"
        self.lines.append("TASK " + (status if status == "OK" or warnings else "ERROR: " + status))
        self.end(status)

    def end(self, status):
        self.world.note("task-stopped", self.upid)
        self.ended, self.exit = time.monotonic(), status


class TaskError(Exception):
    pass


class VM:
    status = qmp = "running"
    frozen = False
    agent_alive = True

    def __init__(self, world, vmid, name, node):
        self.world, self.vmid, self.name, self.node = world, vmid, name, node
        self.kind, self.lock, self.template = "qemu", None, 0
        self.config = {"name": name, "agent": "1", "memory": "2048", "cores": 2, "scsihw": "virtio-scsi-single",
                       "scsi0": f"local-lvm:vm-{vmid}-disk-0,size=32G,iothread=1", "ide2": "none,media=cdrom"}
        self.snapshots, self.parent = {}, None
        self.can_snapshot = True
        self.is_ha = False
        self.newest_only = False  # ZFS and volume chains
        self.data, self.kept = 1, {}  # what stands on the disks, and that with the settings in each snapshot
        self.seconds = {"freeze": 0.02, "disk": 0.02, "thaw": 0.01, "delete": 0.02, "connect": 0.02, "fleece": 0.02, "copy": 0.1, "ha": 0.7}
        self.agent_lock = threading.Lock()  # one client at a time; the others give up after so long
        self.agent_patience = 0.3
        self.agent = agent.Pretended(self)

    def disks(self):
        return [k for k, v in self.config.items() if k[:4] in ("scsi", "virt", "sata") and k[-1].isdigit() and "cdrom" not in str(v)]

    # What a real machine replaces: guest, processors, disks, power.
    def freeze(self):
        """How many file systems are frozen now; AgentError."""
        time.sleep(self.seconds["freeze"])
        self.frozen = True
        return 2

    def thaw(self):
        time.sleep(self.seconds["thaw"])
        self.frozen = False
        return 2

    def stop_processors(self):
        self.qmp = "save-vm"

    def resume_processors(self):
        self.qmp = "running"

    def instant(self, name):
        self.world.note("instant", name)
        self.kept[name] = (self.data, dict(self.config))

    def keep_disk(self, disk, name):
        time.sleep(self.seconds["disk"])

    def drop_disks(self, name):
        """Those that are kept under the name, as many as there are."""
        time.sleep(self.seconds["delete"])

    def back_up(self, archive):
        """A job that has no disk yet."""
        return backups.Job(self)

    def put_back(self, name):
        """The disks, of a machine that was killed before."""
        time.sleep(self.seconds["delete"])
        self.data = self.kept[name][0]

    def switch(self, on):
        self.status = self.qmp = "running" if on else "stopped"
        self.frozen = False

    def fill(self, task, archive):
        """New disks, of a backup; the error of the task."""
        task.sleep(self.seconds["copy"])

    def wipe(self):
        """The machine goes with its disks."""

    # ---- the sequence of a snapshot ----
    def snapshot(self, task, name, description):
        if self.lock:
            raise TaskError(f"VM is locked ({self.lock})")
        if name in self.snapshots:
            raise TaskError(f"snapshot name '{name}' already used")
        if not self.can_snapshot:
            raise TaskError("snapshot feature is not available")
        self.lock = "snapshot"
        self.snapshots[name] = {"name": name, "snaptime": int(time.time() + self.world.skew), "vmstate": 0, "description": description,
                                "snapstate": "prepare"}
        if self.parent:
            self.snapshots[name]["parent"] = self.parent
        try:
            self.take(task, name)
        except TaskError:
            task.log("snapshot create failed: starting cleanup")
            time.sleep(self.world.seconds("cleanup"))
            self.drop_disks(name)
            del self.snapshots[name]
            self.lock = None
            raise
        self.snapshots[name].pop("snapstate")
        self.parent, self.lock = name, None

    def take(self, task, name):
        runs = self.status == "running"
        froze = runs and self.freeze_for(task)
        if self.world.fault("die-in-snapshot"):
            raise SystemExit  # the worker is gone: its lock and its half snapshot stay
        if runs:
            self.stop_processors()
        try:
            self.instant(name)
            self.keep_disks(task, name)
        except Exception:  # but not a SystemExit: a worker that is gone lets nothing go
            self.let_go(task, runs, froze)
            raise
        self.let_go(task, runs, froze)
        if self.world.seconds("savevm-end"):
            task.log("waiting for QEMU to finish the 'savevm-end' command...")
            time.sleep(self.world.seconds("savevm-end"))

    def let_go(self, task, runs, froze):
        if runs:
            self.resume_processors()
        self.thaw_for(task, froze)

    def keep_disks(self, task, name):
        for disk in self.disks():
            task.log(f"snapshotting 'drive-{disk}' ({self.config[disk].split(',')[0]})")
            self.keep_disk(disk, name)
            if self.world.fault("disk-fails"):
                raise TaskError("lvcreate snapshot 'pve/snap_vm' error:   No space left on device")

    def thaw_for(self, task, froze):
        why = "got timeout"
        try:
            if not froze or not self.world.fault("thaw-fails"):
                return self.thaw() if froze else None
        except AgentError as error:
            why = str(error)
        return task.log("guest-fsfreeze-thaw problems - VM %d qga command 'guest-fsfreeze-thaw' failed - %s" % (self.vmid, why))

    def freeze_for(self, task):
        if self.config.get("agent", "0").split(",")[0] not in ("1", "enabled=1"):
            return False
        is_free = self.agent_lock.acquire(timeout=self.agent_patience)
        try:
            return self.freeze_through(task, is_free and self.agent_alive)
        finally:
            if is_free:
                self.agent_lock.release()

    def freeze_through(self, task, has_answer):
        new = self.world.is_new
        if not has_answer:
            task.log("skipping guest filesystem freeze - agent configured but not running?" if new
                     else "QEMU Guest Agent is not running - VM %d qga command 'guest-ping' failed - got timeout" % self.vmid)
            return False
        if self.frozen and new:
            task.log("skipping guest filesystem freeze - already frozen")
            return False
        why = "got timeout"
        try:
            if not self.frozen and not self.world.fault("freeze-fails"):
                self.freeze()
                return True
        except AgentError as error:
            why = str(error)
        if self.world.tells_freeze:
            task.log("unable to freeze guest fs - VM %d qga command 'guest-fsfreeze-freeze' failed - %s" % (self.vmid, why))
        return True

    # ---- back to one ----
    def rollback(self, task, name, start):
        if self.lock:
            raise TaskError(f"VM is locked ({self.lock})")
        if name not in self.snapshots:
            raise TaskError(f"snapshot '{name}' does not exist")
        if self.newest_only and name != list(self.snapshots)[-1]:
            raise TaskError(f"can't rollback, '{name}' is not most recent snapshot on 'local-zfs:vm-{self.vmid}-disk-0'")
        self.lock = "rollback"
        self.switch(False)  # killed, not shut down
        if self.world.fault("die-in-rollback"):
            raise SystemExit
        self.put_back(name)
        self.config = dict(self.kept[name][1])
        self.parent, self.lock = name, None
        self.world.note("rolled-back", name)
        if start:
            self.power(task, True)

    def power(self, task, on):
        if self.lock:
            raise TaskError(f"VM is locked ({self.lock})")
        if on and self.status == "running":
            raise TaskError(f"VM {self.vmid} already running")
        if on and self.world.fault("start-fails"):
            raise TaskError("start failed: QEMU exited with code 1")
        time.sleep(self.seconds["delete"])
        self.switch(on)
        self.world.note("power", (on, self.data))
        if on:
            self.world.note("started-vm", (self.vmid, dict(self.config)))
        if on and self.world.seconds("agent-slow"):
            self.agent_alive = False
            threading.Timer(self.world.seconds("agent-slow"), setattr, (self, "agent_alive", True)).start()

    def delete(self, task, name, force=False):
        if self.lock:
            raise TaskError(f"VM is locked ({self.lock})")
        if name not in self.snapshots:
            raise TaskError(f"snapshot '{name}' does not exist")
        if self.world.fault("replicating"):
            raise TaskError("Failed to obtain guest migration lock - replication running?")
        if self.world.fault("needed-by-replication"):
            raise TaskError(f"snapshot '{name}' needed by replication job '{self.vmid}-0' - run replication first")
        self.lock = "snapshot-delete"
        self.snapshots[name]["snapstate"] = "delete"
        self.drop_disks(name)
        deletions.check_parts(self, task, name, force, TaskError)
        gone = self.snapshots.pop(name)
        for other in self.snapshots.values():
            if other.get("parent") == name:
                other.pop("parent")
                if "parent" in gone:
                    other["parent"] = gone["parent"]
        if self.parent == name:
            self.parent = gone.get("parent")
        self.lock = None


class World:
    def __init__(self, new=True):
        self.is_new = new  # texts and rights of 9.1, else of 8.4
        self.tells_freeze = new  # that one failed: since qemu-server 9.0.23
        self.vms, self.tasks, self.serial = {}, {}, 0
        self.faults, self.requests, self.timeline = {}, [], []
        self.mutex = threading.Lock()
        self.rights = dict.fromkeys(["VM.Audit", "VM.Snapshot", "VM.Snapshot.Rollback", "VM.PowerMgmt", "VM.Backup", "VM.Allocate", "VM.Config.Options", "SDN.Use",
                                     "VM.Config.Network", "VM.Config.CDROM", "VM.Config.HWType", "VM.Config.Memory", "VM.Config.Disk",
                                     "Datastore.Audit", "Datastore.AllocateSpace"] + (
            ["VM.GuestAgent.Audit", "VM.GuestAgent.FileSystemMgmt", "VM.GuestAgent.FileRead", "VM.GuestAgent.FileWrite",
             "VM.GuestAgent.Unrestricted"] if new else ["VM.Monitor"]), 1)
        self.token, self.secret = "holdfast@pve!run", "8f1c2d3e-0000-4000-8000-1234567890ab"
        self.password, self.ticket, self.csrf = "geheim%&=", None, None
        self.delay_401, self.idle = 0.1, 5.0
        self.version, self.body_max = "9.1.2" if new else "8.4.14", 512 << 10
        self.inner_timeout = 0.2  # 30 s at Proxmox VE: the hop to the daemon, then 596
        self.foreign_tasks = False  # are seen (Sys.Audit on the node)
        self.skew = 0  # of the nodes' clock, in seconds
        self.processes = {}
        self.storages, self.archives, self.dump_locks = backups.storages(), {}, {}
        self.vault, self.volumes, self.restore_seconds = {}, {("local-lvm", "vm-100-disk-0"): 100}, 0.05  # restores.py
        self.new_vm = VM  # what a restore makes
        self.add(100, "db1", "pve1")

    def add(self, vmid, name, node):
        self.vms[vmid] = VM(self, vmid, name, node)
        return self.vms[vmid]

    def drop_archive(self, volid):
        archive = self.archives.pop(volid, {})
        if "path" in archive:
            shutil.rmtree(archive["path"], ignore_errors=True)

    def note(self, what, detail):
        self.timeline.append((time.monotonic(), what, detail))

    def seconds(self, name):
        return self.faults.get(name + "-seconds", 0)

    def fault(self, name, of=None):
        """Whether the switch acts now: a number counts down, True stays, text names what it acts on."""
        with self.mutex:
            value = self.faults.get(name)
            if isinstance(value, str):
                return value == of
            if value is True or not value:
                return bool(value)
            self.faults[name] = value - 1
            return True
