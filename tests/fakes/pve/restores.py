# SPDX-License-Identifier: Apache-2.0
"""restores.py - new VMs from backups: /cluster/nextid, the head of a backup, the restore, what is set afterwards, the deletion.

As in qemu-server 9.2.6, API2/Qemu.pm (create_vm, update_vm, destroy_vm) and QemuServer.pm (restore_vma_archive,
restore_update_config_line, check_restore_permissions, destroy_vm): what is no drive may be overridden by the request; `unique`
gives MAC addresses and the UUID anew; a restore that fails leaves an empty VM without a lock ("state is NOT cleaned up"), one that
is killed leaves the lock `create` and its volumes; volumes of the number that lie about become unusedN, and go with the VM.
"""
import re
import time
import uuid

from schema import Refused
from world import TaskError

NODES = ("pve1", "pve2")
DRIVE = re.compile("(ide|scsi|virtio|sata|efidisk|tpmstate|unused)[0-9]+")
RIGHTS = {"name": "Options", "description": "Options", "onboot": "Options", "protection": "Options", "reboot": "Options", "agent": "Options",
          "memory": "Memory", "balloon": "Memory", "smbios1": "HWType", "cores": "CPU", "hostpci": "HWType", "usb": "HWType", "virtiofs": "Disk",
          "net": "Network"}
ROOTS = ("args", "hookscript", "lock", "ivshmem", "parallel", "serial")


def head(config):
    """The configuration as it stands at the head of a backup."""
    def encode(text):
        return re.sub(r"[^ -9;-~]", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), text)
    out = ["#" + encode(line) for line in config.get("description", "").split("\n") if line]
    out += [f"{k}: {v}" for k, v in sorted(config.items()) if k != "description"]
    for key, value in config.items():
        if DRIVE.fullmatch(key) and "media=cdrom" not in value and "backup=0" not in value and value[0] != "/":
            out.append(f"#qmdump#map:{key}:drive-{key}:{value.partition(':')[0]}:raw:")
    return "\n".join(out) + "\n"


def random_mac():
    return "BC:24:11:" + ":".join(f"{b:02X}" for b in uuid.uuid4().bytes[:3])


def anew(key, value):
    """A line of the backup's configuration, made unique."""
    if re.fullmatch("net[0-9]+", key):
        return re.sub(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", random_mac(), value)
    if key == "smbios1":
        return re.sub("uuid=[^,]*", f"uuid={uuid.uuid4()}", value)
    return str(uuid.uuid4()) if key == "vmgenid" and value != "0" else value


class Restore:
    """One job: from a backup into a VM that is there, empty and locked."""

    def __init__(self, vm, task, p, config, data):
        self.vm, self.world, self.task, self.p = vm, vm.world, task, p
        self.config, self.data, self.volumes = config, data, []

    def run(self):
        try:
            self.restore()
        except TaskError:
            self.vm.wipe()
            for volume in self.volumes:
                self.world.volumes.pop(volume, None)
            self.vm.lock = None
            self.task.log(f"error before or during data restore, some or all disks were not completely restored. VM {self.vm.vmid} "
                          "state is NOT cleaned up.")
            raise

    def restore(self):
        self.task.log(f"restore vma archive: zstd -q -d -c /mnt/pve/x/{self.p['archive'].rpartition('/')[2]} | vma extract -v -r x.fifo - x")
        for key in self.config:
            if re.fullmatch("(usb|hostpci)[0-9]+", key) and "mapping=" not in self.config[key] and "spice" not in self.config[key]:
                raise TaskError(f"only root can set '{key}' config for " + ("real devices" if key[0] == "u" else "non-mapped devices"))
        for key, value in self.config.items():  # check_restore_permissions, at once
            if re.fullmatch("net[0-9]+", key) and "bridge=" in value and "SDN.Use" not in self.world.rights:
                raise TaskError("Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)")
        drives = self.allocate()
        self.vm.fill(self.task, self.world.archives.get(self.p["archive"]))
        if self.world.fault("restore-full"):
            self.task.log("vma: restore failed - write failed: No space left on device")
            raise TaskError("command 'set -o pipefail && zstd -q -d -c x | vma extract -v -r x.fifo - x' failed: exit code 133")
        if self.world.fault("restore-times-out"):
            raise TaskError("got timeout preparing VMA restore")
        if self.world.fault("restore-damaged"):
            self.task.log("/*stdin*\\ : Decoding error (36) : Restored data doesn't match checksum")
            raise TaskError("command 'set -o pipefail && zstd -q -d -c x | vma extract -v -r x.fifo - x' failed: exit code 1")
        if self.world.fault("restore-killed"):
            self.task.end("unexpected status")
            raise SystemExit
        self.write(drives)

    def allocate(self):
        drives = {}
        for key, value in self.config.items():
            if not DRIVE.fullmatch(key) or "media=cdrom" in value or "backup=0" in value:
                continue
            name = self.p.get("storage", value.partition(":")[0])
            storage = self.world.storages.get(name)
            if not storage or not storage.active:
                raise TaskError(f"storage '{name}' does not exist" if not storage else f"storage '{name}' is not online")
            if "images" not in storage.content.split(","):
                raise TaskError(f"Content type 'images' is not available on storage '{name}'")
            n = 0
            while (name, f"vm-{self.vm.vmid}-disk-{n}") in self.world.volumes:
                n += 1
            volume = (name, f"vm-{self.vm.vmid}-disk-{n}")
            self.world.volumes[volume] = self.vm.vmid
            self.volumes.append(volume)
            self.task.log(f"new volume ID is '{volume[0]}:{volume[1]}'")
            drives[key] = f"{volume[0]}:{volume[1]}" + value[len(value.partition(",")[0]):]
        return drives

    def write(self, drives):
        vm, lines = self.vm, {}
        for key, value in self.config.items():
            if key in ("lock", "parent") or key.startswith("unused") or (DRIVE.fullmatch(key) and "backup=0" in value):
                continue
            lines[key] = drives.get(key) or (anew(key, value) if self.p.get("unique") == "1" else value)
        if not self.world.fault("override-ignored"):
            lines.update(self.override())
        vm.config, vm.data = lines, self.data
        vm.name = lines.get("name")
        used = {v.partition(",")[0] for v in lines.values()}
        lying = [f"{s}:{v}" for (s, v), owner in self.world.volumes.items() if owner == vm.vmid and f"{s}:{v}" not in used]
        for i, volume in enumerate(lying):
            vm.config[f"unused{i}"] = volume
        vm.template = int(lines.pop("template", 0))
        vm.lock = None

    def override(self):
        out = {k: v for k, v in self.p.items() if k not in ("node", "vmid", "archive", "storage", "unique", "force", "start", "bwlimit", "pool")}
        for key, value in out.items():
            if re.fullmatch("net[0-9]+", key) and not re.search("([0-9A-F]{2}:){5}", value):
                model, comma, rest = value.partition(",")
                out[key] = f"{model}={random_mac()}{comma}{rest}"
        return out


class Machines:
    """Endpoints; Calls has them."""

    def is_taken(self, vmid):
        return int(vmid) in self.world.vms

    def get_cluster_nextid(self, p, user):
        if "vmid" in p:
            if self.is_taken(p["vmid"]):
                raise Refused(400, "Parameter verification failed.", {"vmid": f"VM {p['vmid']} already exists"})
            return p["vmid"]
        free = next(i for i in range(100, 1000) if not self.is_taken(i))
        return str(free) if self.world.is_new else free

    def get_nodes(self, p, user):
        away = self.world.faults.get("node-away")
        return [{"node": n, "type": "node", "id": f"node/{n}", "status": "offline" if n == away else "online"} for n in reversed(NODES)]

    def get_nodes_vzdump_extractconfig(self, p, user):
        archive = self.world.archives.get(p["volume"])
        self.need("VM.Backup", f"/vms/{archive['vmid'] if archive else 0}")
        if not archive or self.world.fault("head-unreadable"):
            raise Refused(500, "command 'zstd -q -d -c x | vma config -' failed: exit code 1")
        return self.world.faults.get("head") or head(self.world.vault[p["volume"]][0])

    def need(self, right, path):
        if right not in self.world.rights:
            raise Refused(403, f"Permission check failed ({path}, {right})")

    def check_keys(self, vmid, keys):
        for key in keys:
            kind = re.sub("[0-9]+$", "", key) if key != "smbios1" else key
            if kind in ROOTS:
                raise Refused(500, f"only root can set '{key}' config")
            if kind == "ide":
                self.need("VM.Config.CDROM", f"/vms/{vmid}")
            elif kind in RIGHTS:
                self.need("VM.Config." + RIGHTS[kind], f"/vms/{vmid}")

    def post_nodes_qemu(self, p, user):
        world, vmid = self.world, int(p["vmid"])
        if "archive" not in p:
            raise Refused(501, "Method 'POST /nodes/x/qemu' without archive not implemented")
        if "storage" in p:
            self.need("Datastore.AllocateSpace", f"/storage/{p['storage']}")
        self.need("VM.Allocate", f"/vms/{vmid}")
        if p.get("start") == "1":
            self.need("VM.PowerMgmt", f"/vms/{vmid}")
        for key in p:
            if DRIVE.fullmatch(key):
                raise Refused(400, "Parameter verification failed.", {key: "option conflicts with option 'archive'"})
        archive = world.archives.get(p["archive"])
        self.need("VM.Backup", f"/vms/{archive['vmid'] if archive else 0}")
        if not archive:
            raise Refused(500, f"unable to parse volume ID '{p['archive']}'")
        self.check_keys(vmid, set(p) - {"node", "vmid", "archive", "storage", "unique", "force", "start", "bwlimit", "pool"})
        if world.fault("vmid-taken"):
            world.add(vmid, "theirs", "pve2").status = "stopped"
        if world.fault("vmid-restored"):  # by another of our runs, right before
            self.restore({**p, "description": "holdfast machine run=20250101T000000Z-00000000 purpose=restore links=up", "name": "theirs"}, user)
        if self.is_taken(vmid):
            if p.get("force") == "1":
                world.note("forced", vmid)
            raise Refused(500, f"unable to restore VM {vmid} - VM {vmid} already exists on node '{world.vms[vmid].node}'")
        return self.restore(p, user)

    def restore(self, p, user):
        world, vmid = self.world, int(p["vmid"])
        config, data = world.vault[p["archive"]]
        vm = world.vms[vmid] = world.new_vm(world, vmid, None, p["node"])
        vm.config, vm.lock, vm.data = {}, "create", None
        vm.switch(False)
        vm.seconds["copy"] = world.restore_seconds
        return self.start(vm, "qmrestore", user, lambda t: Restore(vm, t, p, {k: str(v) for k, v in config.items()}, data).run())

    def put_nodes_qemu_config(self, p, user):
        vm = self.vm(p)
        gone = [k for k in p.get("delete", "").split(",") if k]
        settings = {k: v for k, v in p.items() if k not in ("node", "vmid", "delete", "digest")}
        self.check_keys(vm.vmid, list(settings) + gone)
        if vm.lock:
            raise Refused(500, f"VM is locked ({vm.lock})")
        for key in gone:
            if key.startswith("unused"):
                self.world.volumes.pop(tuple(vm.config.get(key, ":").split(":", 1)), None)  # [!] the volume goes
            vm.config.pop(key, None)
        vm.config.update(settings)
        vm.name = vm.config.get("name")
        self.world.note("config", (vm.vmid, dict(settings), gone))
        return None

    def delete_nodes_qemu(self, p, user):
        vm = self.vm(p)
        self.check_deletion(vm)
        return self.start(vm, "qmdestroy", user, lambda t: self.destroy(vm, t, p))

    @staticmethod
    def check_deletion(vm):
        if vm.config.get("protection") == "1":
            raise Refused(500, f"can't remove VM {vm.vmid} - protection mode enabled")
        if vm.status == "running":
            raise Refused(500, f"VM {vm.vmid} is running - destroy failed")

    def destroy(self, vm, task, p):
        if vm.lock:
            raise TaskError(f"VM is locked ({vm.lock})")
        time.sleep(vm.seconds["delete"])
        if self.world.fault("destroy-fails"):
            raise TaskError("lvremove 'pve/vm-disk-0' error: Logical volume in use")
        mine = {v.partition(",")[0] for k, v in vm.config.items() if DRIVE.fullmatch(k)}
        for storage, volume in list(self.world.volumes):
            is_lying = p.get("destroy-unreferenced-disks") == "1" and self.world.volumes[storage, volume] == vm.vmid
            if f"{storage}:{volume}" in mine or is_lying:
                del self.world.volumes[storage, volume]
        vm.wipe()
        del self.world.vms[vm.vmid]
        self.world.note("destroyed", vm.vmid)

    def images(self, p):
        """content=images of a storage."""
        return [{"volid": f"{s}:{v}", "content": "images", "format": "raw", "vmid": owner, "size": 1 << 30}
                for (s, v), owner in self.world.volumes.items() if s == p["storage"] and p.get("vmid", str(owner)) == str(owner)]
