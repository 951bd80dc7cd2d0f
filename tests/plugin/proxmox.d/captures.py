# SPDX-License-Identifier: Apache-2.0
"""captures.py - snapshots as captures: begun once, told in time, listed, deleted."""
import threading
import time

from common import NAME, dump
from server import Dropped
from world import Task


def begin_returns_with_the_first_look_after_the_task_stopped(site):
    instant = site.vm.instant
    looks = []

    def stand_still(name):  # as long as it takes until somebody has looked so often
        instant(name)
        while len(looks) < 8:
            looks[:] = [r for r in site.world.requests if r[2].endswith("/status") and "/tasks/" in r[2]]
            time.sleep(0.01)
    site.vm.instant = stand_still
    status, text = site.capture(limit=60000)  # how soon: tests/bench/proxmox
    assert status == 0, text
    stopped = [t for t, what, _ in site.world.timeline if what == "task-stopped"][0]
    after = [r[2] for r in site.world.requests if r[0] > stopped]
    assert len([p for p in after if p.endswith("/status") and "/tasks/" in p]) == 1, after


def a_lock_is_seen_before_anything_is_held(site):
    site.vm.lock = "backup"
    site.vm.config["lock"] = "backup"
    status, text = site.capture()
    assert status == 1 and "error busy" in text and "locked (backup)" in text, text
    assert not site.requests("POST", "/snapshot") and site.vm.lock == "backup"


def a_task_that_fails_after_200_is_a_failure(site):
    site.vm.can_snapshot = False
    site.server.calls.get_nodes_qemu_feature = lambda p, user: {"hasFeature": 1}
    status, text = site.capture()
    assert status == 1 and "error unsupported" in text and "feature is not available" in text, text


def a_warning_is_no_failure(site):
    take = site.vm.take
    site.vm.take = lambda task, name: (task.log("WARN: something"), take(task, name))
    status, text = site.capture()
    assert status == 0 and NAME in site.vm.snapshots, text


def an_unclear_500_begins_no_second_snapshot(site):
    site.world.faults["500-after-fork"] = "qmsnapshot"
    status, text = site.capture()
    assert status == 0 and len(site.requests("POST", "/snapshot")) == 1 and list(site.vm.snapshots) == [NAME], text


def a_lost_answer_begins_no_second_snapshot(site):
    site.world.faults["drop-after"] = "POST snapshot"
    status, text = site.capture()
    assert status == 0 and len(site.requests("POST", "/snapshot")) == 1, text


def a_596_of_the_post_begins_no_second_snapshot(site):
    site.world.faults["596"] = "POST snapshot"
    status, text = site.capture()
    assert status == 1 and len(site.requests("POST", "/snapshot")) == 1, text


def the_deadline_releases_and_the_task_is_not_stopped(site):
    site.vm.seconds["disk"] = 6
    status, text = site.capture(limit=1500)
    assert status == 1 and "error timeout" in text and site.is_at_work(), text
    assert not [r for r in site.world.requests if r[1] == "DELETE" and "/tasks/" in r[2]]
    site.good("discard", "100", NAME)
    assert not site.vm.snapshots and site.vm.lock is None


def a_failure_is_told_at_the_clean_up_line(site):
    site.world.faults.update({"disk-fails": True, "cleanup-seconds": 8})
    status, text = site.capture()
    assert status == 1 and site.is_at_work(), text


def a_killed_task_is_a_failure(site):
    site.world.faults["task-killed"] = "qmsnapshot"
    status, text = site.capture()
    assert status == 1 and "unexpected status" in text, text


def an_api_that_is_away_while_the_task_runs_is_waited_for(site):
    site.vm.seconds["disk"] = 1
    def away():
        while not site.requests("POST", "/snapshot"):
            time.sleep(0.002)
        site.world.faults["drop-before-any"] = 6
    threading.Thread(target=away, daemon=True).start()
    status, text = site.capture()
    assert status == 0, text


def an_idle_connection_is_not_used_for_the_post(site):
    status, text = site.capture(env={"HOLDFAST_POINT": "proxmox.before_snapshot=stall:4300"})
    assert status == 0, text
    at = [i for i, r in enumerate(site.world.requests) if r[1] == "POST" and r[2].endswith("/snapshot")][0]
    assert site.world.requests[at][5] != site.world.requests[at - 1][5], "a connection that was idle for 4 s"


def a_warm_connection_is_used_for_the_post(site):
    status, text = site.capture()
    at = [i for i, r in enumerate(site.world.requests) if r[1] == "POST" and r[2].endswith("/snapshot")][0]
    assert status == 0 and site.world.requests[at][5] == site.world.requests[at - 1][5], text


def a_purged_task_is_an_error_and_no_success(site):
    def purge():
        while not site.world.tasks:
            time.sleep(0.002)
        site.world.tasks.clear()
    site.vm.seconds["disk"] = 0.5
    threading.Thread(target=purge, daemon=True).start()
    status, text = site.capture()
    assert status == 1 and "no such task" in text, text


def no_agent_call_while_the_task_freezes(site):
    site.vm.seconds["freeze"] = 0.5
    status, text = site.capture()
    post = site.requests("POST", "/snapshot")[0][0]
    stopped = [t for t, what, _ in site.world.timeline if what == "task-stopped"][0]
    calls = [t for t, what, _ in site.world.timeline if what == "agent" and post < t < stopped]
    assert status == 0 and not calls, text


def no_memory_is_asked_for(site):
    site.capture()
    assert "vmstate" not in site.requests("POST", "/snapshot")[0][4]


def no_content_does_not_move_the_cursor(site):
    site.world.faults.update({"disk-fails": True, "cleanup-seconds": 8})
    site.vm.seconds["freeze"] = 0.6  # the log stays empty so long
    status, text = site.capture()
    assert status == 1 and "cleaned up" in text and site.is_at_work(), text


def half_a_line_is_read_again(site):
    site.world.faults["half-line"] = 1
    site.vm.freeze_for = lambda task: task.log("snapshot create failed: starting cleanup") or time.sleep(8)
    status, text = site.capture()
    assert status == 1 and "cleaned up" in text and site.is_at_work(), text


def a_worker_that_died_is_left_with_its_remedy(site):
    site.world.faults["die-in-snapshot"] = True
    take = site.vm.snapshot

    def die(task, name, description):
        try:
            take(task, name, description)
        except SystemExit:
            task.end("unexpected status")
            site.vm.config["lock"] = "snapshot"
            raise
    site.vm.snapshot = die
    status, text = site.capture()
    assert status == 1, text
    text = site.bad("busy", "discard", "100", NAME)
    assert "qm unlock 100" in text and "left: " in text and site.vm.lock == "snapshot", text
    assert not site.vm.frozen, "whatever else is left, the guest runs"


def a_worker_that_died_with_the_vm_paused_is_left_with_its_remedy(site):
    instant = site.vm.instant

    def die(name):
        instant(name)
        raise SystemExit
    site.vm.instant = die
    status, text = site.capture()
    assert status == 1 and site.vm.qmp == "save-vm", text
    text = site.bad("busy", "discard", "100", NAME)
    assert "qm resume 100; qm guest cmd 100 fsfreeze-thaw" in text and "paused" in text and "half made" in text, text


def a_foreign_snapshot_is_not_deleted(site):
    site.vm.snapshots["theirs"] = {"name": "theirs", "snaptime": 1, "vmstate": 0, "description": "by hand"}
    site.bad("conflict", "delete", "db1", "theirs")
    site.bad("conflict", "discard", "100", "theirs")
    assert "theirs" in site.vm.snapshots


def current_is_no_snapshot(site):
    site.capture()
    text = site.good("snapshots", "db1")
    assert len(text.splitlines()) == 1 and "ours=1 current=1" in text, text


def a_lock_that_lingers_is_waited_for(site):
    site.capture()
    site.vm.lock = "snapshot"
    threading.Timer(1, lambda: setattr(site.vm, "lock", None)).start()
    site.good("delete", "db1", NAME)
    assert not site.vm.snapshots


def a_task_of_another_time_is_not_taken_for_a_lost_one(site):
    old = Task(site.world, "pve2", "qmsnapshot", 100, site.world.token)  # from when the VM was there
    old.lines.append("TASK OK")
    old.end("OK")
    post = site.server.calls.post_nodes_qemu_snapshot

    def lose(p, user):
        site.vm.node = "pve2"  # it moved since it was looked at
        if p["node"] == "pve2":
            threading.Timer(0.2, post, (p, user)).start()
            raise Dropped
        return post(p, user)
    site.vm.seconds["disk"] = 0.5
    site.server.calls.post_nodes_qemu_snapshot = lose
    status, text = site.capture()
    assert status == 1 and "perhaps snapshot" in text, text


def a_replication_is_waited_for_by_a_deletion(site):
    status, text = site.capture()
    assert status == 0, text
    site.world.faults.update({"replicating": 2, "needed-by-replication": 1})
    site.good("delete", "db1", NAME)
    assert not site.vm.snapshots
    status, text = site.capture()
    site.world.faults["needed-by-replication"] = True  # until its next turn
    text = site.drive("delete", "db1", NAME, limit=8000)[1]
    assert "needed by replication" in text and "--force" not in text and NAME in site.vm.snapshots, text


def a_vm_that_is_hidden_is_not_taken_for_gone(site):
    status, text = site.capture()
    assert status == 0, text
    audit = site.world.rights.pop("VM.Audit")
    text = site.bad("auth", "discard", "100", NAME, f"{site.folder}/undo")
    assert f"left: perhaps snapshot '{NAME}'" in text and NAME in site.vm.snapshots, text
    site.world.rights["VM.Audit"] = audit
    del site.world.vms[100]
    site.good("discard", "100", NAME, f"{site.folder}/undo")


def neither_an_older_task_nor_another_s_is_taken_for_a_lost_one(site):
    status, text = site.capture()
    assert status == 0, text
    site.good("delete", "db1", NAME)
    site.world.foreign_tasks = True

    def lose(p, user):
        theirs = Task(site.world, "pve1", "qmsnapshot", 100, "root@pam")
        theirs.lines.append("TASK OK")
        theirs.end("OK")
        raise Dropped
    site.server.calls.post_nodes_qemu_snapshot = lose
    status, text = site.capture()
    assert status == 1 and "perhaps snapshot" in text and "its task was found" not in text, text


def a_template_is_no_vm_to_capture(site):
    site.vm.template, site.vm.status, site.vm.qmp = 1, "stopped", "stopped"
    for status, text in (site.capture(), dump(site)):
        assert status == 1 and "error unsupported" in text and "template" in text, text
    assert not site.world.tasks


def an_unfinished_one_is_no_good_one_of_ours(site):
    status, text = site.capture()
    assert status == 0 and "ours=1" in site.good("snapshots", "db1"), text
    for state in ("prepare", "delete"):
        site.vm.snapshots[NAME]["snapstate"] = state
        assert "ours=0" in site.good("snapshots", "db1"), state


def a_disk_that_is_passed_through_is_refused(site):
    site.vm.config["scsi1"] = "/dev/disk/by-id/wwn-0x5000,size=8G"
    for status, text in (site.capture(), dump(site)):
        assert status == 1 and "error unsupported" in text and "passed through" in text, text
    assert not site.world.tasks
