# SPDX-License-Identifier: Apache-2.0
"""aftermath.py - what a snapshot task says of freeze and thaw, and what it left frozen."""
import os
import signal
import subprocess
import threading
import time

from common import NAME, Site
from server import Dropped, Refused


def a_freeze_that_failed_is_warned_of(site):
    site.world.faults["freeze-fails"] = True
    status, text = site.capture()
    assert status == 0 and "unable to freeze guest fs" in text, text


def a_guest_that_the_task_left_frozen_is_thawed(site):
    site.world.faults["thaw-fails"] = True
    status, text = site.capture()
    assert status == 0 and not site.vm.frozen and "left the guest frozen" in text, text


def a_guest_that_the_task_left_frozen_is_thawed_whoever_is_in_a_hurry(site):
    site.world.faults["thaw-fails"] = True
    thaw, refused = site.server.calls.post_nodes_qemu_agent_fsfreeze_thaw, []

    def refuse(p, user):
        if refused:
            return thaw(p, user)
        refused.append(p)
        run.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        raise Refused(500, "VM 100 qga command 'guest-fsfreeze-thaw' failed - got timeout")
    site.server.calls.post_nodes_qemu_agent_fsfreeze_thaw = refuse
    with subprocess.Popen(site.command("capture", "db1", NAME, f"{site.folder}/undo"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "HOLDFAST_DEADLINE_MS": "15000"}) as run:
        text = run.communicate(timeout=60)[0].decode()
    assert refused and not site.vm.frozen, text


def a_guest_that_a_failed_task_left_frozen_is_thawed_by_the_undo(site):
    site.world.faults.update({"disk-fails": True})
    site.vm.thaw = lambda: None  # as the task's thaw: no effect, and a line
    take = site.vm.take

    def fail(task, name):
        try:
            take(task, name)
        except Exception:
            task.log("guest-fsfreeze-thaw problems - VM 100 qga command 'guest-fsfreeze-thaw' failed - got timeout")
            raise
        finally:
            del site.vm.thaw
    site.vm.take = fail
    status, text = site.capture()
    assert status == 1 and site.vm.frozen, text
    assert "left the guest frozen" in site.good("discard", "100", NAME)
    assert not site.vm.frozen


def a_freeze_that_failed_without_a_word_is_found_out(site):
    old = Site(new=False)  # version 8 prints no line when the agent answers with an error
    take = old.vm.take

    def take_frozen(task, name):
        take(task, name)
        old.vm.frozen = True
    old.world.faults["freeze-fails"] = True
    old.vm.take = take_frozen
    status, text = old.capture()
    assert status == 0 and not old.vm.frozen and "left the guest frozen" in text, text


def a_guest_that_somebody_froze_is_no_business_of_the_undo(site):
    status, text = site.capture()
    assert status == 0, text
    site.vm.frozen = True
    site.good("discard", "100", NAME)
    assert site.vm.frozen


def a_line_far_down_the_log_is_read(site):
    take = site.vm.take

    def chatter(task, name):
        for i in range(1200):
            task.log(f"tool output {i}")
        site.world.faults["thaw-fails"] = True
        take(task, name)
    site.vm.take = chatter
    status, text = site.capture()
    assert status == 0 and "guest-fsfreeze-thaw problems" in text and not site.vm.frozen, text


def a_foreign_snapshot_task_is_not_taken_for_ours(site):
    post = site.server.calls.post_nodes_qemu_snapshot

    def lose(p, user):  # ours never begins, somebody else's does
        post({**p, "snapname": "theirs", "description": "by hand"}, "root@pam")
        raise Dropped
    site.server.calls.post_nodes_qemu_snapshot = lose
    site.world.foreign_tasks = True
    status, text = site.capture()
    assert status == 1 and "perhaps snapshot" in text and "was found" not in text, text


def a_task_that_ended_well_is_believed_when_its_snapshot_is_there(site):
    for spoil in (lambda vm: vm.snapshots.pop(NAME), lambda vm: vm.snapshots[NAME].update(snapstate="prepare"),
                  lambda vm: vm.snapshots[NAME].update(description="by hand")):
        here = Site()
        take = here.vm.snapshot
        here.vm.snapshot = lambda task, name, words, vm=here.vm, take=take, spoil=spoil: (take(task, name, words), spoil(vm))
        status, text = here.capture()
        assert status == 1 and "error conflict" in text, text


def a_clock_that_is_wrong_changes_nothing(site):
    site.world.skew = -100000
    site.world.faults["drop-after"] = "POST snapshot"
    status, text = site.capture()
    assert status == 0 and len(site.requests("POST", "/snapshot")) == 1, text


def nothing_but_its_task_is_asked_for_inside_the_hold(site):
    site.vm.seconds["disk"] = 0.5
    status, text = site.capture()
    post = site.requests("POST", "/snapshot")[0][0]
    stopped = [t for t, what, _ in site.world.timeline if what == "task-stopped"][0]
    inside = [r[2] for r in site.world.requests if post < r[0] < stopped]
    assert status == 0 and inside and all("/tasks/UPID" in p for p in inside), (inside, text)


def the_lock_of_a_snapshot_that_just_ended_is_waited_for(site):
    site.vm.lock = "snapshot-delete"
    threading.Timer(1, lambda: setattr(site.vm, "lock", None)).start()
    status, text = site.capture()
    assert status == 0, text


def a_guest_that_was_frozen_before_is_left_to_whoever_froze_it(site):
    site.good("freeze", "db1")
    status, text = site.capture()
    assert status == 0 and site.vm.frozen and "already frozen" in text, text
    old = Site(new=False)  # there the task itself thaws, after the instant
    old.good("freeze", "db1")
    status, text = old.capture()
    assert status == 0 and not old.vm.frozen, text
