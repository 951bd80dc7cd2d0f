# SPDX-License-Identifier: Apache-2.0
"""program.py - the whole program with this plugin."""
import os
import subprocess

from common import BUILD, folder, private


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


def a_backup_of_the_server_is_no_point_yet_and_none_is_begun(site):
    store = os.path.join(folder.name, "store")
    os.makedirs(store, exist_ok=True)
    lines = ["[defaults]", f"state = {os.path.join(folder.name, 'state2')}", "[hypervisor pve]", "plugin = proxmox", "backup-storage = nfs1",
             *[f"{k} = {v}" for k, v in site.keys.items()], "[store nas]", f"url = file://{store}", "off-host = assume",
             "[vm web01]", "hypervisor = pve", "name = 100", "db = none", "quiesce = none", "freeze = no", "uncovered = lower"]
    config = private("holdfast2.conf", "\n".join(lines) + "\n")
    done = subprocess.run([f"{BUILD}/src/holdfast", "-c", config, "backup", "web01"], capture_output=True, timeout=90, check=False,
                          env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins"})
    text = (done.stdout + done.stderr).decode()
    assert done.returncode != 0 and "makes no recovery points" in text, text
    assert not site.requests("POST", "/vzdump") and site.vm.lock is None
