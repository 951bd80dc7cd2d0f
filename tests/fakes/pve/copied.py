# SPDX-License-Identifier: Apache-2.0
"""copied.py - archives of a real guest as files, and the VM that a restore makes of one: a guest of its own, on copies of the disks.

Its definition is that of the machine that was backed up, with the memory and the network card of the VM's settings: with link_down
the card has no carrier, from the guest's first instruction on. No port leads to it: its agent is the way in.
"""
import json
import os
import shutil
import xml.etree.ElementTree as ElementTree
import zlib

from domains import Domain, GuestVM
from world import TaskError

PIECE = 4 << 20
PREFIX = "pve-"  # of what libvirt calls them
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
ElementTree.register_namespace("qemu", QEMU)


def disks_in(archive):
    """The disks that an archive holds, by name: what a restore makes a VM of."""
    return {e.name.removesuffix(".qcow2"): e.path for e in os.scandir(archive["path"]) if e.name.endswith(".qcow2")}


def pieces(path):
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            yield piece


def checksum(path):
    total = 0
    for piece in pieces(path):
        total = zlib.crc32(piece, total)
    return total


def seal(folder):
    """The checksums of an archive, without which a restore takes nothing of it."""
    with open(os.path.join(folder, "sums.json"), "w", encoding="utf-8") as file:
        json.dump({name: checksum(path) for name, path in disks_in({"path": folder}).items()}, file)


def name_of(vmid):
    return f"{PREFIX}{vmid}"


class CopiedVM(GuestVM):
    """folder: QEMU reads and writes below it."""

    def __init__(self, world, vmid, name, node, uri, folder):
        super().__init__(world, vmid, name, node)
        self.uri, self.folder = uri, os.path.join(folder, f"vm-{vmid}")
        self.seconds = dict.fromkeys(self.seconds, 0)

    # ---- its disks ----
    def fill(self, task, archive):
        super().fill(task, archive)
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(archive["path"], "sums.json"), encoding="utf-8") as file:
            sums = json.load(file)
        for name, path in disks_in(archive).items():
            self.copy(task, path, os.path.join(self.folder, f"{name}.qcow2"), sums[name])
        shutil.copy(os.path.join(archive["path"], "domain.xml"), self.folder)

    @staticmethod
    def copy(task, source, target, checked):
        total = 0
        with open(target, "wb") as file:
            for piece in pieces(source):
                task.sleep(0)
                total = zlib.crc32(piece, total)
                file.write(piece)
        if total != checked:
            task.log("/*stdin*\\ : Decoding error (36) : Restored data doesn't match checksum")
            raise TaskError("command 'set -o pipefail && zstd -q -d -c x | vma extract -v -r x.fifo - x' failed: exit code 1")

    def wipe(self):
        self.forget()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- its machine ----
    def switch(self, on):
        if on:
            self.forget()
            self.has(Domain(self.uri, name_of(self.vmid), self.definition()))
            self.domain.start(self.set_link)
        elif self.status == "running":
            self.domain.do("Destroy")
        self.qmp = "running" if on else "stopped"

    def forget(self):
        """Its libvirt's. The connection stays: another thread may be asking."""
        if self.status == "running":
            self.domain.do("Destroy")
        if self.domain:
            self.domain.do("Undefine")
        self.domain = None

    def set_link(self, domain):
        if "link_down=1" in self.config.get("net0", ""):
            domain.qmp("set_link", name="net0", up=False)

    def definition(self):
        root = ElementTree.parse(os.path.join(self.folder, "domain.xml")).getroot()
        root.remove(root.find("uuid"))
        root.find("name").text = name_of(self.vmid)
        for key in ("memory", "currentMemory"):
            root.find(key).text, root.find(key).attrib["unit"] = self.config["memory"], "MiB"
        devices = root.find("devices")
        for i, disk in enumerate(d for d in devices.findall("disk") if d.get("device") == "disk"):
            disk.find("source").set("file", os.path.join(self.folder, f"virtio{i}.qcow2"))
        for kind in ("serial", "console"):
            devices.find(f"{kind}/source").set("path", os.path.join(self.folder, "console.log"))
        root.remove(root.find(f"{{{QEMU}}}commandline"))
        self.add_card(ElementTree.SubElement(root, f"{{{QEMU}}}commandline"))
        return ElementTree.tostring(root, encoding="unicode")

    def add_card(self, line):
        """libvirt knows nothing of it, as of the original's."""
        if "net0" not in self.config:
            return
        mac = self.config["net0"].partition("=")[2].partition(",")[0]
        for word in ("-netdev", "user,id=lab,restrict=on,ipv6=off", "-device",
                     f"virtio-net-pci,id=net0,netdev=lab,mac={mac},addr=0x10,romfile="):
            ElementTree.SubElement(line, f"{{{QEMU}}}arg", value=word)


def sweep_copies(uri, folder):
    """Those of a test that was killed."""
    for entry in os.scandir(folder):
        if not entry.name.startswith("vm-"):
            continue
        try:
            domain = Domain(uri, name_of(entry.name.removeprefix("vm-")))
        except TaskError:
            domain = None
        if domain and domain.state() != "shut off":
            domain.do("Destroy")
        if domain:
            domain.do("Undefine")
            domain.close()
        shutil.rmtree(entry.path, ignore_errors=True)
