# SPDX-License-Identifier: Apache-2.0
"""program.py - the whole program with this plugin."""
import os
import subprocess

from common import BUILD, folder, private


def the_program_goes_from_check_to_delete(site):
    lines = ["[defaults]", f"state = {os.path.join(folder.name, 'state')}", "[hypervisor vc]", "plugin = vmware",
             *[f"{k} = {v}" for k, v in site.keys.items()], "[vm web01]", "hypervisor = vc", f"name = /DC0/vm/{site.vm}", "db = none",
             "quiesce = none", "freeze = no", "uncovered = lower"]
    config = private("holdfast.conf", "\n".join(lines) + "\n")

    def run(*args):
        done = subprocess.run([f"{BUILD}/src/holdfast", "-c", config, *args], capture_output=True, timeout=90, check=False,
                              env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins"})
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def say(*args):
        status, text = run(*args)
        assert status == 0, (args, status, text)
        return text
    say("check", "web01")
    say("snapshot", "create", "web01", "--label", "before the upgrade")
    name = site.snapshots()[0]
    assert site.state()["snapshots"][0]["description"].endswith("label=before the upgrade"), site.state()
    assert name in say("snapshot", "list", "web01")
    say("snapshot", "delete", "web01", name)
    assert not site.snapshots()
    site.server.say("deny", value="VirtualMachine.State.CreateSnapshot")
    status, text = run("check", "web01")
    assert status != 0 and "VirtualMachine.State.CreateSnapshot" in text, text
