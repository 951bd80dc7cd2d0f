# SPDX-License-Identifier: Apache-2.0
"""program.py - the whole program with this plugin."""
import glob
import json
import os
import signal
import subprocess
import tempfile
import time

from common import BUILD, Site, folder, private


def the_program_goes_from_check_to_delete(site):
    state = os.path.join(folder.name, "state")
    lines = ["[defaults]", f"state = {state}", "[hypervisor pve]", "plugin = proxmox", *[f"{k} = {v}" for k, v in site.keys.items()],
             "[vm web01]", "hypervisor = pve", "name = 100", "db = none", "quiesce = none", "freeze = no", "uncovered = lower"]
    config = private("holdfast.conf", "\n".join(lines) + "\n")

    def say(*args):
        done = subprocess.run([f"{BUILD}/src/holdfast", "-c", config, *args], capture_output=True, timeout=90, check=False,
                              env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins"})
        text = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == 0, (args, done.returncode, text)
        return text
    say("check", "web01")
    say("snapshot", "create", "web01", "--label", "before the upgrade")
    name = next(iter(site.vm.snapshots))
    assert site.vm.snapshots[name]["description"].endswith("label=before the upgrade"), site.vm.snapshots
    assert name in say("snapshot", "list", "web01")
    say("snapshot", "delete", "web01", name)
    assert not site.vm.snapshots
    site.world.rights.pop("VM.Snapshot")
    done = subprocess.run([f"{BUILD}/src/holdfast", "-c", config, "check", "web01"], capture_output=True, timeout=90, check=False,
                          env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins"})
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0 and '--privs "VM.Snapshot"' in text, text


class Program:
    """The program with a store of its own, and a machine that the server backs up."""

    def __init__(self, here, storage="nfs1", **keys):
        self.dir = tempfile.mkdtemp(dir=folder.name)
        store = os.path.join(self.dir, "store")
        os.makedirs(store, mode=0o700)
        lines = ["[defaults]", f"state = {self.dir}/state", "[hypervisor pve]", "plugin = proxmox",
                 *([f"backup-storage = {storage}"] if storage else []), *[f"{k} = {v}" for k, v in here.keys.items()],
                 *[f"{k.replace('_', '-')} = {v}" for k, v in keys.items()],
                 "[store nas]", f"url = file://{store}", "off-host = assume",
                 "[vm web01]", "hypervisor = pve", "name = 100", "db = none", "quiesce = none", "freeze = no", "uncovered = lower", "keep = last 1"]
        self.store, self.config = store, private(os.path.basename(self.dir) + ".conf", "\n".join(lines) + "\n")

    def say(self, *args, status=0, env=None):
        done = subprocess.run([f"{BUILD}/src/holdfast", "-c", self.config, "--json", *args], capture_output=True, timeout=120, check=False,
                              env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins", **(env or {})})
        text = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == status, (args, done.returncode, text)
        return json.loads(done.stdout) if done.stdout else text

    def ready(self):
        self.say("store", "init", "nas")
        return self

    def manifests(self):
        return glob.glob(f"{self.store}/points/*/*/manifest.json")

    def named(self):
        """The archives that points name."""
        found = set()
        for path in self.manifests():
            with open(path, encoding="utf-8") as f:
                found |= {a["ref"] for a in json.load(f)["manifest"]["artifacts"] if a["kind"] == "pushed"}
        return found

    def settled(self):
        """No guardian is at work, and recover finds nothing."""
        deadline = time.monotonic() + 30
        while "alive" in [r["outcome"] for r in self.say("recover", "-n")["runs"]]:
            assert time.monotonic() < deadline, "no end of the undo"
            time.sleep(0.05)
        self.say("recover")
        assert not self.say("recover")["runs"]


def without_a_storage_for_backups_none_is_begun(site):
    here = Program(site, storage=None).ready()
    error = here.say("backup", "web01", status=4)["error"]
    assert error["class"] == "unsupported" and "[hypervisor pve]" in error["hint"], error
    assert not site.requests("POST", "/vzdump") and site.vm.lock is None
    found = [c for c in here.say("check", "web01")["checks"] if c["area"] == "backup"]
    assert [c["status"] for c in found] == ["warn"], found


def check_looks_at_the_way_of_a_backup(site):
    here = Program(site).ready()
    found = [c for c in here.say("check", "web01")["checks"] if c["area"] == "backup"]
    assert [c["status"] for c in found] == ["ok"] and "1 disk itself" in found[0]["message"], found
    kept = site.world.rights.pop("VM.Backup")
    found = [c for c in here.say("check", "web01", status=1)["checks"] if c["area"] == "backup"]
    assert [c["status"] for c in found] == ["fail"] and "VM.Backup on /vms/100" in found[0]["message"], found
    site.world.rights["VM.Backup"] = kept
    site.world.storages["nfs1"].active = 0
    found = [c for c in here.say("check", "web01", status=1)["checks"] if c["area"] == "backup"]
    assert "not active" in found[0]["message"], found


def a_backup_becomes_a_point_that_is_listed_shown_verified_and_pruned(site):
    here = Program(site, storage="pbs1").ready()
    doc = here.say("backup", "web01")
    (ref, archive), = site.world.archives.items()
    image = next(a for a in doc["artifacts"] if a["kind"] == "pushed")
    assert (image["ref"], image["form"], image["place"], image["disks"], image["off_host"]) == (ref, "pbs", "pbs1", ["scsi0"], "proven"), image
    assert doc["protected"] and archive["notes"] == f"holdfast run=hf-{doc['point']}" and archive["protected"]
    assert [p["point"] for p in here.say("list")["points"]] == [doc["point"]]
    for state, check, status in (("ok", "good", 0), ("failed", "bad", 1), (None, "unchecked", 0)):
        archive.pop("verification", None)
        if state:
            archive["verification"] = {"state": state, "upid": "UPID:x"}
        now = next(a["now"] for a in here.say("show", doc["point"])["artifacts"] if a["kind"] == "pushed")
        assert (now["there"], now["check"], now["protected"]) == (True, check, True), now
        copy, = here.say("verify", doc["point"], status=status)["copies"]
        assert copy["good"] == (status == 0), copy
    del site.world.rights["VM.Backup"]
    copy, = here.say("verify", doc["point"], status=1)["copies"]
    assert copy["good"] is None and "VM.Backup" in copy["notes"][0], copy
    site.world.rights["VM.Backup"] = 1
    time.sleep(1.1)  # an archive's name has its second
    second = here.say("backup", "web01")
    backups = here.say("list", "--backups")["backups"]
    assert {b["point"]: b["state"] for b in backups} == {doc["point"]: "point", second["point"]: "point"}, backups
    pruned = here.say("prune")
    assert [(b["ref"], b["action"]) for b in pruned["backups"]] == [(ref, "deleted")], pruned
    assert len(site.world.archives) == 1 and here.named() == set(site.world.archives) and len(here.manifests()) == 1


def a_storage_of_the_node_or_of_the_guest_makes_no_protected_point(site):
    doc = Program(site, storage="local").ready().say("backup", "web01", status=3)
    assert not doc["protected"] and any("does not protect from the loss of the host" in w for w in doc["warnings"]), doc["warnings"]
    site.world.storages["nfs1"].config["server"] = "127.0.0.2"
    assert not Program(site).ready().say("backup", "web01", status=3)["protected"]
    assert Program(site, off_host="assume").ready().say("backup", "web01")["protected"]


def a_backup_that_takes_long_is_waited_for_and_one_that_fails_is_no_point(site):
    site.vm.seconds["copy"] = 4
    here = Program(site).ready()
    assert here.say("backup", "web01")["protected"]
    site.world.faults["copy-fails"] = True
    time.sleep(1.1)
    error = here.say("backup", "web01", status=1)["error"]
    assert error["class"] == "conflict" and "Input/output error" in error["message"], error
    assert len(here.manifests()) == 1 and here.named() == set(site.world.archives)


def interrupted_while_it_copies_the_task_is_stopped(site):
    site.vm.seconds["copy"] = 60
    here = Program(site).ready()
    running = subprocess.Popen([f"{BUILD}/src/holdfast", "-c", here.config, "backup", "web01"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins"})
    try:
        deadline = time.monotonic() + 30
        while not [1 for _, what, _ in site.world.timeline if what == "started"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 1
    finally:
        running.kill()
    assert not site.world.archives and not site.is_at_work() and site.vm.lock is None and not here.manifests()


def killed_at_each_point_no_point_is_without_its_archive(site):
    probe = Program(site).ready()
    log = f"{probe.dir}/points"
    probe.say("backup", "web01", env={"HOLDFAST_POINT_LOG": log})
    with open(log, encoding="utf-8") as f:
        points = [p for p in dict.fromkeys(f.read().split()) if p.startswith(("proxmox.", "backup.", "run.", "point."))]
    decided = points.index("backup.after_export_decided")
    assert "proxmox.after_vzdump" in points and decided > points.index("backup.after_push_end"), points
    for i, point in enumerate(points):
        here = Site()
        program = Program(here).ready()
        assert "-9" in str(program_dies(program, point)), point
        program.settled()
        assert program.named() <= set(here.world.archives), (point, "a point without its archive")
        is_put = i >= points.index("point.after_manifest")
        assert len(here.world.archives) == (1 if i >= decided else 0) and len(program.manifests()) == is_put, (point, here.world.archives)
        assert here.vm.lock is None and not here.vm.frozen and not here.is_at_work(), point
        if i >= decided and not is_put:
            row, = program.say("list", "--backups")["backups"]
            assert row["state"] == "orphan", row
        here.server.close()


def program_dies(program, point):
    done = subprocess.run([f"{BUILD}/src/holdfast", "-c", program.config, "backup", "web01"], capture_output=True, timeout=90, check=False,
                          env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins", "HOLDFAST_POINT": f"{point}=kill",
                               "HOLDFAST_POINT_ONCE": tempfile.mkdtemp(dir=program.dir)})
    return done.returncode
