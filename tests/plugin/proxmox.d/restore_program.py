# SPDX-License-Identifier: Apache-2.0
"""restore_program.py - the whole program with this plugin: a point whose disks the server keeps, restored as a new VM."""
import json
import os
import shutil
import signal
import subprocess
import threading
import time

from common import BUILD, Site, dump_key, folder, private


class Program:
    """The program with a store and the VM web01, which is VM 100 of the stand-in."""

    def __init__(self, site, **vm):
        self.site, self.state, store = site, os.path.join(folder.name, "program-state"), os.path.join(folder.name, "program-store")
        for path in (self.state, store):
            shutil.rmtree(path, True)
            os.makedirs(path)
        dump_key(site)
        keys = {"hypervisor": "pve", "name": "100", "db": "none", "quiesce": "none", "freeze": "no", "uncovered": "lower", **vm}
        lines = ["[defaults]", f"state = {self.state}", "[hypervisor pve]", "plugin = proxmox", "off-host = assume",
                 *[f"{k} = {v}" for k, v in site.keys.items()], "[store nas]", f"url = file://{store}", "off-host = assume",
                 "[vm web01]", *[f"{k} = {v}" for k, v in keys.items()]]
        self.config = private("program.conf", "\n".join(lines) + "\n")
        self.good("store", "init", "nas")

    def run(self, *args, env=None, limit=120):
        done = subprocess.run([f"{BUILD}/src/holdfast", "-c", self.config, "--json", *args], capture_output=True, timeout=limit, check=False,
                              env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins", **(env or {})})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def good(self, *args, status=0, **more):
        code, out, err = self.run(*args, **more)
        assert code == status, (args, code, out, err)
        return json.loads(out) if out else None

    def bad(self, status, cls, *args, **more):
        code, out, err = self.run(*args, **more)
        error = json.loads(out)["error"]
        assert (code, error["class"]) == (status, cls), (args, code, out, err)
        return error

    def journals(self):
        path = os.path.join(self.state, "journal")
        return os.listdir(path) if os.path.isdir(path) else []


def backed_up(here, **vm):
    here.vm.config["net0"] = "virtio=BC:24:11:00:00:01,bridge=vmbr0"
    here.vm.data = 7
    p = Program(here, **vm)
    p.point = p.good("backup", "web01")["point"]
    here.vm.data = 8
    return p


def new_vms(here):
    return [vm for i, vm in here.world.vms.items() if i != 100]


def a_point_becomes_a_vm(site):
    p = backed_up(site)
    plan = p.good("restore", "vm", p.point, "--name", "shop2", "--dry-run")
    assert plan["dry_run"] and not new_vms(site) and not p.journals(), plan
    doc = p.good("restore", "vm", p.point, "--name", "shop2", "--start", "--network", "none")
    vm, = new_vms(site)
    assert vm.data == 7 and vm.status == "running" and "link_down=1" in vm.config["net0"], vm.config
    assert doc["id"] == str(vm.vmid) and doc["started"] and doc["backup"] in site.world.archives and doc["disks"] == [] and doc["dir"] == "", doc
    assert any(f["kind"] == "cut off" and f["about"] == "interface net0" for f in doc["findings"]), doc
    assert vm.config["description"].startswith("restored by holdfast run=") and not p.journals()


def where_its_disks_come_to_lie_can_be_said(site):
    p = backed_up(site)
    p.good("restore", "vm", p.point, "-n", "shop2", "--storage", "nfs1")
    vm, = new_vms(site)
    assert vm.config["scsi0"].startswith("nfs1:") and vm.status == "stopped"


def options_without_a_meaning_are_refused_before_anything_happens(site):
    p = backed_up(site)
    for args, cls, status in ((["--dir", folder.name], "config", 2), (["--format", "raw"], "config", 2),
                              (["--in-place"], "unsupported", 4), (["--instant"], "unsupported", 4)):
        error = p.bad(status, cls, "restore", "vm", p.point, "-n", "shop2", *args)
        assert "backup of its hypervisor" in error["message"], error
    p.bad(1, "conflict", "restore", "vm", p.point, "-n", "db1")
    assert not site.requests("POST", "/qemu") and not p.journals()


def a_backup_that_is_gone_or_another_s_is_no_vm(site):
    p = backed_up(site)
    archive = next(iter(site.world.archives.values()))
    archive["notes"] = "holdfast run=hf-20250101T000000Z-00000000"
    p.bad(1, "conflict", "restore", "vm", p.point, "-n", "shop2")
    site.world.archives.clear()
    p.bad(1, "not-found", "restore", "vm", p.point, "-n", "shop2")
    assert not site.requests("POST", "/qemu") and not p.journals()


def a_restore_that_fails_leaves_nothing(site):
    p = backed_up(site)
    site.world.faults["restore-full"] = 1
    p.bad(1, "no-space", "restore", "vm", p.point, "-n", "shop2")
    site.world.faults["start-fails"] = 1
    p.bad(1, "plugin", "restore", "vm", p.point, "-n", "shop2", "--start")
    assert not new_vms(site) and not p.journals(), new_vms(site)


def a_server_that_does_not_answer_is_asked_again(site):
    p = backed_up(site)
    site.world.faults["596"] = "POST qemu"
    threading.Timer(2, site.world.faults.clear).start()
    p.good("restore", "vm", p.point, "-n", "shop2")
    vm, = new_vms(site)
    assert vm.data == 7 and len([t for t in site.world.tasks.values() if t.kind == "qmrestore"]) == 1


def interrupt(p):
    """What it says when it is interrupted once it waits for the copy, and how long that took."""
    child = subprocess.Popen([f"{BUILD}/src/holdfast", "-c", p.config, "--json", "restore", "vm", p.point, "-n", "shop2"], stdout=subprocess.PIPE,
                             env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins"})
    end = time.monotonic() + 20
    while not [r for r in p.site.world.requests if "qmrestore" in r[2] and r[2].endswith("/status")] and time.monotonic() < end:
        time.sleep(0.05)
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    return json.loads(child.communicate(timeout=60)[0])["error"], time.monotonic() - begun


def interrupted_the_copy_ends_at_once(site):
    """… for who began it knows whose it is."""
    p = backed_up(site)
    site.world.restore_seconds = 60
    error, took = interrupt(p)
    assert error["class"] == "cancelled" and not error["left"] and took < 20, (error, took)
    assert not new_vms(site) and not p.journals() and set(site.world.volumes.values()) == {100}


def interrupted_it_does_not_end_another_run_s_copy(site):
    """… to the same number, which it was told too, and took for its own when it looked for the answer."""
    p = backed_up(site)
    site.world.restore_seconds = 6
    site.world.faults["vmid-restored"] = 1
    error, _ = interrupt(p)
    assert error["class"] == "cancelled", error
    vm, = new_vms(site)
    assert vm.config["name"] == "theirs" and vm.data == 7 and not p.journals(), vm.config


POINTS = ("restore.vm.after_create", "restore.vm.after_start", "restore.vm.after_decision", "restore.vm.after_settle", "proxmox.before_restore",
          "proxmox.after_restore_post", "proxmox.after_restore_task", "proxmox.before_restore_config", "proxmox.before_machine_start")


def killed_anywhere_it_is_there_or_not_at_all(site):
    for point in POINTS:
        here = Site()
        p = backed_up(here)
        code, out, err = p.run("restore", "vm", p.point, "-n", "shop2", "--start", env={"HOLDFAST_POINT": f"{point}=kill"})
        assert code == -9, (point, code, out, err)
        p.good("recover")
        stays = "decision" in point or "settle" in point
        assert len(new_vms(here)) == stays and not p.journals(), (point, new_vms(here))
        assert not stays or new_vms(here)[0].config["description"].startswith("restored by"), point
        assert {v for v in here.world.volumes.values()} == {100, *(vm.vmid for vm in new_vms(here))}, point
        here.server.close()
