# SPDX-License-Identifier: Apache-2.0
"""export_program.py - the whole program with this plugin: disks to a store, and back equal."""
import html
import json
import os
import re
import shutil
import signal
import subprocess
import time

from common import BUILD, PIN, THUMBPRINT, folder, private
from export import MIB, changed, image, same, until


class Program:
    """The program with a store; its VM web01 is the stand-in's, with two disks."""

    def __init__(self, site, **vm):
        self.site, base = site, os.path.join(folder.name, f"program-{site.server.port}")
        self.state, self.store, self.out = f"{base}/state", f"{base}/store", f"{base}/out"
        for path in (self.state, self.store, self.out):
            os.makedirs(path, exist_ok=True)
        keys = {"hypervisor": "vc", "name": site.vm, "db": "none", "quiesce": "none", "freeze": "no", "uncovered": "lower", **vm}
        lines = ["[defaults]", f"state = {self.state}", "[hypervisor vc]", "plugin = vmware", *[f"{k} = {v}" for k, v in site.keys.items()],
                 "[store nas]", f"url = file://{self.store}", "off-host = assume", "[vm web01]", *[f"{k} = {v}" for k, v in keys.items()]]
        self.config = private(f"program-{site.server.port}.conf", "\n".join(lines) + "\n")
        self.env = {**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins"}
        self.disks = [image("boot.raw", 11, mib=24, tail=512), image("data.raw", 12, mib=16, tail=0)]
        for n, path in enumerate(self.disks):
            site.disk(path, n)
        if not os.listdir(self.store):
            self.good("store", "init", "nas")

    def command(self, *args):
        return [f"{BUILD}/src/holdfast", "-c", self.config, "--json", *args]

    def run(self, *args, env=None, limit=120):
        done = subprocess.run(self.command(*args), capture_output=True, timeout=limit, check=False, env={**self.env, **(env or {})})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def good(self, *args, **more):
        code, out, err = self.run(*args, **more)
        assert code == 0, (args, code, out, err)
        return json.loads(out) if out.strip() else None

    def checks(self, area):
        _, out, _ = self.run("check", "web01")
        return [c for c in json.loads(out)["checks"] if c["area"] == area]

    def failed(self, cls, *args, **more):
        code, out, err = self.run(*args, **more)
        error = json.loads(out)["error"]
        assert code != 0 and error["class"] == cls, (args, code, out, err)
        return error

    def start(self, *args, env=None):
        return subprocess.Popen(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**self.env, **(env or {})})

    def journals(self):
        path = os.path.join(self.state, "journal")
        return os.listdir(path) if os.path.isdir(path) else []

    def stored(self):
        return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(self.store) for name in names)

    def is_whole(self, point):
        """The point's disks, restored, are the files."""
        for target, path in zip(("scsi0:0", "scsi0:1"), self.disks):
            to = os.path.join(self.out, f"{point}-{target}.raw")
            self.good("restore", "image", point, "--disk", target, "--to", to)
            assert same(path, to), (point, target)
        return True

    def package(self, point, name):
        """The folder of the point's OVF package, as made with no server to ask."""
        asked = len(self.site.requests())
        doc = self.good("restore", "vm", point, "--name", name, "--dir", self.out, "--ovf")
        assert doc["ovf"] == os.path.join(self.out, name, f"{name}.ovf") and len(self.site.requests()) == asked, doc
        return doc

    def is_clean(self):
        assert not self.site.snapshots() and not self.journals(), (self.site.state(), self.journals())
        assert "" not in self.site.leases() and not self.site.state()["running"], self.site.leases()
        return True


def a_backup_comes_back_equal_and_leaves_nothing(site):
    p = Program(site)
    doc = p.good("backup", "web01")
    assert p.is_whole(doc["point"]) and p.is_clean() and site.leases() == ["completed"], doc
    assert p.good("verify", doc["point"]) is not None
    listed = json.dumps(p.good("list", "--backups"))
    assert doc["point"] in listed, listed


def check_plans_the_way_that_a_backup_takes(site):
    p = Program(site)

    def told(area):
        _, out, _ = p.run("check", "web01")
        return [(c["status"], c["message"], c["hint"]) for c in json.loads(out)["checks"] if c["area"] == area and (area == "backup" or c["status"] != "ok")]
    assert told("backup")[0][:2] == ("ok", "the hypervisor would send 2 disks, each whole")
    site.server.say("deny", value="VApp.Export")
    (status, text, _), = told("backup")
    assert status == "fail" and f"VM '{site.vm}': privileges on the VM are missing: VApp.Export" in text and not told("disks"), text
    for one in ("State.CreateSnapshot", "State.RevertToSnapshot"):
        site.server.say("deny", value=f"VirtualMachine.{one}")
    (_, text, hint), = told("disks")
    assert "CreateSnapshot" in text and hint.endswith("other verbs: VirtualMachine.State.RevertToSnapshot"), (text, hint)
    (_, text, _), = told("backup")
    assert "State.CreateSnapshot, VApp.Export" in text, text
    assert not site.requests("CreateSnapshot_Task")


def check_tells_of_a_pin_or_thumbprint_that_no_host_has(site):
    saved = dict(site.keys)
    del site.keys["ca-file"]
    for keys in ({"thumbprint": THUMBPRINT}, {"pin": PIN}, {"pin": PIN, "ca-file": saved["ca-file"]}):
        site.keys = {k: v for k, v in {**saved, "ca-file": None, **keys}.items() if v}
        told = [(c["status"], c["message"]) for c in Program(site).checks("backup")]
        key = "pin" if "pin" in keys else "thumbprint"
        assert any(s == "warn" and m.startswith(f"{key} is that of the vCenter") and "ca-file" in m for s, m in told), told
    site.keys = saved
    assert [c["status"] for c in Program(site).checks("backup")] == ["ok"]


def what_both_plans_say_is_told_once(site):
    site.server.say("deny", value="VirtualMachine.State.CreateSnapshot")
    _, out, _ = Program(site).run("check", "web01")
    said = [c["message"] for c in json.loads(out)["checks"]]
    assert sum("CreateSnapshot" in m for m in said) == 1, said


def a_backup_comes_back_as_an_ovf_package_with_the_disks_in_their_places(site):
    site.change(cpus=6, memory=4096, annotation="for <you> & me")
    p = Program(site)
    doc = p.package(p.good("backup", "web01")["point"], "again")
    assert {f["kind"] for f in doc["findings"]} == {"changed"}, doc
    at = os.path.dirname(doc["ovf"])
    assert sorted(os.listdir(at)) == ["again-disk1.vmdk", "again-disk2.vmdk", "again.mf", "again.ovf"], os.listdir(at)
    for n, path in enumerate(p.disks, 1):
        raw = os.path.join(at, f"{n}.raw")
        subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", os.path.join(at, f"again-disk{n}.vmdk"), raw], check=True)
        assert same(path, raw), path
    with open(doc["ovf"], encoding="utf-8") as f:
        text = f.read()
    sizes = re.findall(r'<Disk [^>]*ovf:capacity="(\d+)"', text)
    assert sizes == [str(os.path.getsize(path)) for path in p.disks], text
    disks = [i for i in re.findall(r"<Item.*?</Item>", text, re.S) if "ovf:/disk/" in i]
    assert [re.search(r"AddressOnParent>(\d+)<.*/(vmdisk\d)<", i, re.S).groups() for i in disks] == [("0", "vmdisk1"), ("1", "vmdisk2")], text
    assert all(part in html.unescape(text) for part in (">VirtualSCSI<", "VirtualQuantity>6<", "VirtualQuantity>4096<", ">for <you> & me<")), text
    assert p.is_clean()


def where_no_machine_can_be_made_it_is_said_where_one_can(site):
    p = Program(site)
    point = p.good("backup", "web01")["point"]
    for more in ((), ("--hypervisor", "vc")):
        error = p.failed("unsupported", "restore", "vm", point, "--name", "n", "--dir", p.out, *more)
        assert error["message"] == "plugin 'vmware' makes no machines of stored points", error
        assert error["hint"].startswith("A host of libvirt makes a machine of it: say which with --hypervisor"), error


def the_second_backup_sends_what_is_new_alone(site):
    p = Program(site)
    first = p.good("backup", "web01")
    all_of_it = p.stored()
    again = p.good("backup", "web01")
    unchanged = p.stored() - all_of_it
    p.disks[0] = changed("boot-2.raw", p.disks[0], 5 * MIB + 4096, os.urandom(9000))
    site.disk(p.disks[0])
    third = p.good("backup", "web01")
    grown = p.stored() - all_of_it - unchanged
    assert all_of_it > 3 * MIB and unchanged < 100000 and 9000 < grown < 700000, (all_of_it, unchanged, grown)
    assert p.is_whole(third["point"]) and first["point"] != again["point"] and p.is_clean()


def a_host_by_itself_is_backed_up_as_well(site):
    from common import Site
    host = Site(esx=True)
    try:
        p = Program(host)
        assert p.is_whole(p.good("backup", "web01")["point"]) and p.is_clean()
        host.judge()
    finally:
        host.server.close()


def a_store_that_is_slower_than_the_lease_lasts_does_not_lose_it(site):
    p = Program(site)
    site.fault("lease-timeout", value=3, times=-1)
    site.fault("seconds", "removeSnapshot", 2, times=-1)
    doc = p.good("backup", "web01", env={"HOLDFAST_POINT": "backup.before_export_end=stall:6000"})
    assert p.is_whole(doc["point"]) and p.is_clean() and site.leases() == ["completed"], site.leases()


def a_backup_needs_the_room_that_a_snapshot_needs(site):
    """Its own is one, and grows while the disks are read; a full datastore pauses all of its VMs."""
    p = Program(site)
    site.change(free=4096 * MIB)
    error = p.failed("no-space", "backup", "web01")
    assert "vm web01: no snapshot for a backup: 4.0 GiB of" in error["message"] and "min-free = 10%" in error["message"], error
    assert error["hint"].startswith("Make room there") and not site.requests("CreateSnapshot_Task") and p.is_clean(), error
    p = Program(site, **{"min-free": "2G"})
    assert p.is_whole(p.good("backup", "web01")["point"])


def what_breaks_off_once_costs_no_point(site):
    p = Program(site)
    for kind, about, value in (("cut", "nfc", MIB), ("short", "nfc", 2 * MIB), ("http", "nfc", 503), ("expire", "ExportSnapshot", ""),
                               ("task-fault", "removeSnapshot", "TaskInProgress")):
        site.fault(kind, about, value)
        doc = p.good("backup", "web01")
        assert p.is_whole(doc["point"]) and p.is_clean(), kind


def what_breaks_off_always_makes_no_point_and_leaves_nothing(site):
    p = Program(site)
    for kind, about, value, cls in (("cut", "nfc", MIB, "unreachable"), ("short", "nfc", MIB, "corrupt"), ("wrong-capacity", "nfc", "", "conflict"),
                                    ("lease-error", "*", "SystemError", "plugin"), ("nfc-host", "*", "no-such-host.invalid", "unreachable")):
        site.fault(kind, about, value, times=-1)
        error = p.failed(cls, "backup", "web01")
        assert "disk scsi0:0" in error["message"] and not error.get("left"), (kind, error)
        assert p.is_clean(), kind
        site.server.say("calm")
    assert "point" not in json.dumps(p.good("list", "--backups").get("backups", [])), p.good("list", "--backups")
    assert p.is_whole(p.good("backup", "web01")["point"])


def a_disk_that_is_not_in_the_snapshot_is_told_with_the_point(site):
    p = Program(site)
    site.disk(p.disks[1], 1, mode="independent_persistent")
    doc = p.good("backup", "web01")
    assert any("scsi0:1 is not captured" in w for w in doc["warnings"]), doc
    assert [a for a in json.dumps(doc).split('"') if a.startswith("scsi0:")].count("scsi0:1") == 0, doc
    package = p.package(doc["point"], "less")
    assert [f["about"] for f in package["findings"] if f["kind"] == "left out"] == ["scsi0:1"] and len(package["disks"]) == 1, package


def a_disk_that_came_or_went_between_plan_and_snapshot_makes_no_point(site):
    """Nobody decided about it."""
    p = Program(site)
    for n, mode in ((2, ""), (1, "independent_persistent")):
        child = p.start("backup", "web01", env={"HOLDFAST_POINT": "vmware.before_snapshot=stall:3000"})
        until(lambda: p.journals(), 30)
        time.sleep(1)
        site.disk(image(f"late-{n}.raw", 30 + n), n, mode=mode)
        out, err = child.communicate(timeout=120)
        error = json.loads(out)["error"]
        assert child.returncode != 0 and error["class"] == "conflict" and "disks" in error["message"], (n, out, err)
        assert p.is_clean(), n


def under_way(p, site, *args):
    """A backup that reads the first disk, slowly."""
    site.fault("slow", "nfc", 0.1, times=-1)
    child = p.start("backup", "web01", *args)
    until(lambda: site.requests("nfc"), 30)
    time.sleep(0.3)
    return child


def killed_while_it_reads_nothing_is_left_after_a_recover(site):
    p = Program(site)
    site.may_leave = True
    site.fault("lease-timeout", value=2, times=-1)
    child = under_way(p, site)
    child.kill()
    child.communicate()
    site.server.say("calm")
    p.run("recover")  # the guardian may have done it already
    until(lambda: not site.snapshots() and not p.journals(), 60)
    assert p.is_clean() and site.leases() == ["expired"], site.leases()
    assert p.is_whole(p.good("backup", "web01")["point"]) and p.is_clean()


def interrupted_it_gives_all_back_at_once(site):
    p = Program(site)
    child = under_way(p, site)
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    error = json.loads(child.communicate(timeout=60)[0])["error"]
    assert error["class"] == "cancelled" and not error.get("left") and time.monotonic() - begun < 20, error
    assert p.is_clean() and site.leases() == ["aborted"], site.leases()


def a_store_that_is_lost_while_it_reads_ends_the_export(site):
    p = Program(site)
    child = under_way(p, site)
    shutil.rmtree(p.store)
    with open(p.store, "w", encoding="utf-8"):
        pass
    out, err = child.communicate(timeout=60)
    assert child.returncode != 0, (out, err)
    assert p.is_clean() and site.leases() == ["aborted"], (site.leases(), out)


def a_store_that_fails_between_two_disks_gives_the_lease_back_before_the_snapshot_goes(site):
    p = Program(site)
    begun = time.monotonic()
    error = p.failed("internal", "backup", "web01", env={"HOLDFAST_POINT": "image.before_root=error"})
    assert p.is_clean() and site.leases() == ["aborted"] and time.monotonic() - begun < 30, (site.leases(), error)
