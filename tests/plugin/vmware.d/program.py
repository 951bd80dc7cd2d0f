# SPDX-License-Identifier: Apache-2.0
"""program.py - the whole program with this plugin."""
import os
import subprocess
import time

from common import BUILD, Site, folder, private


def program(here, *vm):
    """How the program is run, with a configuration for the site; vm: lines of its VM, else it has no database."""
    state = os.path.join(folder.name, f"state-{here.server.port}")
    lines = ["[defaults]", f"state = {state}", "[hypervisor vc]", "plugin = vmware", *[f"{k} = {v}" for k, v in here.keys.items()],
             "[vm web01]", "hypervisor = vc", f"name = /DC0/vm/{here.vm}",
             *(vm or ["db = none", "quiesce = none", "freeze = no", "uncovered = lower"])]
    config = private("holdfast.conf", "\n".join(lines) + "\n")

    def run(*args, point=""):
        done = subprocess.run([f"{BUILD}/src/holdfast", "-c", config, *args], capture_output=True, timeout=120, check=False,
                              env={**os.environ, "HOLDFAST_PLUGIN_DIR": f"{BUILD}/plugins", "HOLDFAST_POINT": point})
        return done.returncode, done.stdout.decode() + done.stderr.decode()
    return run


def a_snapshot_that_begins_after_its_answer_was_lost_is_taken_away_too(site):
    run = program(site)
    site.fault("late", "CreateSnapshot_Task", 3)
    status, text = run("snapshot", "create", "web01")
    assert status != 0 and len(site.requests("CreateSnapshot_Task")) == 1, text
    assert len(site.requests("RemoveSnapshot_Task")) == 1 and not site.snapshots(), (text, site.state())


def one_that_the_host_ends_when_its_vcenter_gave_it_up_is_taken_away_too(site):
    for kind in ("HostCommunication", "Timedout", "RequestCanceled"):
        here = Site()
        here.fault("lost-sight", "createSnapshot", kind)
        status, text = program(here)("snapshot", "create", "web01")
        assert status != 0 and len(here.requests("RemoveSnapshot_Task")) == 1 and not here.snapshots(), (kind, text, here.state())
        here.judge()
        here.server.close()


def one_that_was_made_beyond_the_hold_by_a_task_that_was_forgotten_is_taken_away_too(site):
    """The vCenter is restarted inside the hold, and back when the undo looks: it knows no task, and the host still works on it."""
    run = program(site, "db = none", "quiesce = none", "freeze = no", "uncovered = lower", "hold-limit = 2s")
    site.fault("seconds", "createSnapshot", 5, times=-1)
    with site.restarted_at("WaitForUpdatesEx", 1.9):
        status, text = run("snapshot", "create", "web01")
    site.wait_until_idle()
    assert status != 0 and not site.snapshots(), (text, site.state())


def one_that_comes_into_the_tree_after_its_task_was_told_as_done_is_taken_away_too(site):
    site.fault("early", "createSnapshot", 2)
    status, text = program(site)("snapshot", "create", "web01")
    time.sleep(2.5)
    assert status != 0 and "is not there" in text and not site.snapshots(), (text, site.state())


def a_deletion_that_died_is_not_done_because_its_vm_is_not_found_now(site):
    run = program(site)
    assert run("snapshot", "create", "web01")[0] == 0
    assert run("snapshot", "delete", "web01", site.snapshots()[0], point="vmware.before_delete=kill")[0] == -9
    uuid = site.state()["uuid"]
    site.change(instance_uuid="")  # a host that was started, and reads its VMs one after the other
    status, text = run("recover")
    assert status != 0 and "already deleted" not in text and "tells no instance UUID" in text, (status, text)
    site.change(instance_uuid=uuid)
    status, text = run("recover")
    assert status == 0 and not site.snapshots(), (status, text)
    site.may_leave = True


def the_program_goes_from_check_to_delete(site):
    run = program(site)

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


def a_freeze_is_refused_by_words_that_fit_vsphere(site):
    site.with_guest()
    run = program(site, "db = none", "quiesce = none", "freeze = yes", "uncovered = lower")
    for verb, wanted in ((("check", "web01"), 1), (("snapshot", "create", "web01"), 4)):
        status, text = run(*verb)
        assert status == wanted and "freeze = yes, and plugin 'vmware' cannot freeze a guest" in text, (verb, status, text)
        assert "hint: Set 'freeze = no'" in text and "qemu-guest-agent" not in text and "guest_mounts" not in text, text
    assert not site.requests("CreateSnapshot_Task")


def the_state_that_a_rollback_keeps_is_a_snapshot_and_told_as_one(site):
    run = program(site)
    assert run("snapshot", "create", "web01")[0] == 0
    name, = site.snapshots()
    status, text = run("snapshot", "rollback", "web01", name, "--yes", "--keep-current")
    assert status == 0 and "snapshot 'back-" in text and "qemu-img" not in text and "files" not in text, text
    assert len(site.snapshots()) == 2, site.snapshots()


def of_a_vm_that_is_off_it_is_said_that_no_database_can_answer(site):
    site.change(power="poweredOff")
    lines = ("db = tcp://127.0.0.1:9", f"db-defaults-file = {private('db.cnf', '[client]')}", "uncovered = lower")
    status, text = program(site, *lines)("snapshot", "create", "web01")
    assert status == 1 and "hint: The VM is off. Start it; or take its disks as they are, with quiesce = none in [vm web01]" in text, (status, text)
    status, text = program(site, *lines, "quiesce = none")("snapshot", "create", "web01")
    assert status == 0 and "grade      E" in text, (status, text)
