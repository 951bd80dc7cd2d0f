# SPDX-License-Identifier: Apache-2.0
"""captures.py - snapshots as captures: begun once, told in time, listed, deleted."""
import threading
import time

import stand_in
from common import NAME, Site


def when(site, what):
    return [e["at"] for e in site.state()["timeline"] if e["what"] == what][0]


def held(here):
    """The requests between hold and release."""
    all_of_them = here.requests()
    at = [i for i, r in enumerate(all_of_them) if r["method"] == "CreateSnapshot_Task"][0]
    out = []
    for r in all_of_them[at:]:
        if r["method"] not in ("CreateSnapshot_Task", "CreateFilter", "WaitForUpdatesEx", "RetrievePropertiesEx"):
            break
        out.append(r)
    return out


def begin_returns_when_the_task_has_ended_and_soon(site):
    site.fault("seconds", "createSnapshot", 1.5, times=-1)
    text = site.captured()
    took = float(text.split("begin ")[1].split()[0])
    assert 1500 <= took < 2600, text  # the simulator tells of changes each 250 ms


def few_requests_are_made_while_it_is_held(site):
    site.fault("seconds", "createSnapshot", 7, times=-1)
    site.captured()
    assert len(held(site)) <= 12, [r["method"] for r in held(site)]


def neither_memory_nor_quiescing_is_asked_for(site):
    site.captured()
    body = site.requests("CreateSnapshot_Task")[0]["body"]
    assert "<memory>false</memory><quiesce>false</quiesce>" in body and f"<name>{NAME}</name>" in body, body


def tools_quiesce_when_asked_to(site):
    site.keys["tools-quiesce"] = "yes"
    site.change(tools="guestToolsNotRunning")
    status, text = site.capture()
    assert status == 1 and "VMware Tools do not run" in text and not site.requests("CreateSnapshot_Task"), text
    site.change(tools="guestToolsRunning")
    site.captured()
    assert "<quiesce>true</quiesce>" in site.requests("CreateSnapshot_Task")[0]["body"]


def a_guest_that_is_frozen_already_is_not_quiesced(site):
    site.keys["tools-quiesce"] = "yes"
    site.change(tools="guestToolsRunning")
    assert "warning: tools-quiesce is left out" in site.captured(env={"HOLDFAST_FROZEN": "1"})
    assert "<quiesce>false</quiesce>" in site.requests("CreateSnapshot_Task")[0]["body"]


def a_quiescing_that_was_left_out_is_a_failure(site):
    site.keys["tools-quiesce"] = "yes"
    site.change(tools="guestToolsRunning")
    site.fault("quiesce-ignored", "createSnapshot")
    status, text = site.capture()
    assert status == 1 and "says it was not" in text, text


def a_task_that_fails_after_200_is_a_failure(site):
    for kind, cls in (("ApplicationQuiesceFault", "unreachable"), ("TooManySnapshotLevels", "conflict"), ("NoDiskSpace", "no-space"),
                      ("RestrictedVersion", "auth"), ("GenericVmConfigFault", "plugin")):
        site.fault("task-fault", "createSnapshot", kind)
        status, text = site.capture()
        assert status == 1 and f"error {cls}" in text and kind in text, (kind, text)
    assert not site.snapshots() and len(site.requests("CreateSnapshot_Task")) == 5


def a_vm_that_another_task_has_is_waited_for_within_the_hold(site):
    site.fault("task-fault", "createSnapshot", "TaskInProgress", times=2)
    site.captured()
    assert site.snapshots() == [NAME] and len(site.requests("CreateSnapshot_Task")) == 3
    names = [r["method"] for r in site.requests()]
    assert names.count("CreateFilter") == 3 and names.count("DestroyPropertyFilter") == 1, names
    assert names.index("DestroyPropertyFilter") > len(names) - names[::-1].index("WaitForUpdatesEx") - 1, names  # after the hold
    site.good("delete", site.vm, NAME)
    site.fault("fault", "CreateSnapshot_Task", "TaskInProgress", times=2)
    site.captured()


def an_end_that_is_told_before_its_reason_is_asked_about(site):
    site.fault("shape", "state-first", times=-1)
    site.fault("task-fault", "createSnapshot", "TaskInProgress", times=2)
    site.captured()
    assert site.snapshots() == [NAME] and len(site.requests("CreateSnapshot_Task")) == 3


def a_vm_that_another_task_keeps_is_given_up_in_time(site):
    site.fault("task-fault", "createSnapshot", "TaskInProgress", times=-1)
    start = time.monotonic()
    status, text = site.capture(limit=3000)
    assert status == 1 and ("error busy" in text or "error timeout" in text) and time.monotonic() - start < 8, text


def the_deadline_releases_and_the_task_is_not_stopped(site):
    site.fault("seconds", "createSnapshot", 5, times=-1)
    start = time.monotonic()
    status, text = site.capture(limit=2000)
    assert status == 1 and "error timeout" in text and "runs on" in text and time.monotonic() - start < 4.5, text
    assert site.state()["running"] == 1
    site.good("discard", site.vm, NAME, f"{site.folder}/undo")
    assert not site.snapshots() and site.state()["running"] == 0


def a_server_that_hangs_at_the_deadline_costs_no_more(site):
    site.fault("seconds", "createSnapshot", 8, times=-1)

    def hang():
        while not site.requests("WaitForUpdatesEx"):
            time.sleep(0.01)
        site.fault("slow", "WaitForUpdatesEx", 15, times=-1)
        site.fault("slow", "RetrievePropertiesEx", 15, times=-1)
    threading.Thread(target=hang, daemon=True).start()
    status, text = site.capture(limit=3500)
    assert status == 1 and "error timeout" in text and "did not return in time" not in text and "runs on" in text, text
    site.may_leave = True


def a_task_that_never_ends_does_not_hold_the_undo_for_ever(site):
    site.fault("never", "createSnapshot", times=-1)
    status, text = site.capture(limit=2500)
    assert status == 1 and "error timeout" in text, text
    text = site.bad("timeout", "discard", site.vm, NAME, limit=4000)
    assert "runs on" in text
    site.fault("never", "createSnapshot", times=0)
    site.good("discard", site.vm, NAME)
    assert not site.snapshots()


def a_lost_answer_begins_no_second_snapshot(site):
    for kind in ("drop-after", "slow-after"):
        site.fault("seconds", "createSnapshot", 0.4, times=-1)
        site.fault(kind, "CreateSnapshot_Task", 0 if kind == "drop-after" else 0.1)
        site.captured()
        assert len(site.snapshots()) == 1, site.state()
        site.good("delete", site.vm, NAME)
    assert len(site.requests("CreateSnapshot_Task")) == 2


def an_answer_that_says_nothing_begins_no_second_snapshot(site):
    site.fault("seconds", "createSnapshot", 0.3, times=-1)
    site.fault("http", "CreateSnapshot_Task", 502)
    status, text = site.capture()
    assert status == 1 and "error unreachable" in text and len(site.requests("CreateSnapshot_Task")) == 1, text


def a_session_that_is_lost_at_the_request_is_another_try(site):
    site.fault("expire", "CreateSnapshot_Task")
    site.captured()
    assert site.snapshots() == [NAME] and len(site.requests("CreateSnapshot_Task")) == 2
    names = [r["method"] for r in site.requests()]
    assert names.index("DestroyPropertyFilter") - names.index("CreateSnapshot_Task") <= 12, names


def a_session_that_is_lost_while_the_task_runs_is_renewed(site):
    site.fault("seconds", "createSnapshot", 1.5, times=-1)
    site.fault("expire", "WaitForUpdatesEx")
    site.captured()
    assert site.snapshots() == [NAME] and len(site.requests("CreateSnapshot_Task")) == 1


def a_server_that_is_restarted_while_the_task_runs_costs_time_only(site):
    site.fault("seconds", "createSnapshot", 2.5, times=-1)

    def restart():
        while not site.requests("WaitForUpdatesEx"):
            time.sleep(0.01)
        site.fault("html", "away", times=3)
        site.server.say("restart", value="0.8")
    threading.Thread(target=restart, daemon=True).start()
    site.captured()
    assert site.snapshots() == [NAME] and len(site.requests("CreateSnapshot_Task")) == 1
    assert site.log()["sessions"] == 0


def a_task_that_is_forgotten_is_looked_for_in_the_tree(site):
    site.fault("seconds", "createSnapshot", 2.2, times=-1)

    def forget():
        while not site.requests("CreateFilter"):
            time.sleep(0.01)
        site.server.say("forget-tasks")
    threading.Thread(target=forget, daemon=True).start()
    site.captured()
    assert len(site.requests("CreateSnapshot_Task")) == 1 and site.snapshots() == [NAME]


def a_question_without_an_answer_does_not_use_up_the_hold(site):
    def hang(here):
        while not here.requests("CreateFilter"):
            time.sleep(0.005)
        here.fault("slow", "RetrievePropertiesEx", 40)
    for asked in (False, True):
        here = Site()
        here.fault("seconds", "createSnapshot", 1.5, times=-1)
        here.fault("fault" if asked else "slow", "CreateFilter", "MethodNotFound" if asked else 40)
        other = threading.Thread(target=hang, args=(here,))
        if asked:
            other.start()
        status, text = here.capture(limit=25000)
        assert status == 0 and float(text.split("begin ")[1].split()[0]) < 9000, (asked, text)
        if asked:
            other.join()
        here.server.close()


def a_log_in_without_an_answer_does_not_use_up_the_hold(site):
    site.fault("expire", "CreateSnapshot_Task")
    site.fault("slow", "Login", 40, skip=1)
    status, text = site.capture(limit=25000)
    assert status == 1 and "error unreachable" in text and "log-in" in text and len(site.requests("CreateSnapshot_Task")) == 1, text
    site.may_leave = True


def without_a_filter_the_task_is_polled(site):
    site.fault("fault", "CreateFilter", "MethodNotFound")
    site.fault("seconds", "createSnapshot", 0.5, times=-1)
    site.captured()
    assert not site.requests("WaitForUpdatesEx")


def a_server_that_does_not_wait_is_not_asked_without_a_pause(site):
    site.fault("hostile", "WaitForUpdatesEx", "no-news", times=-1)
    site.fault("seconds", "createSnapshot", 1)
    site.captured()
    assert len(site.requests("WaitForUpdatesEx")) <= 25, len(site.requests("WaitForUpdatesEx"))


def the_filter_is_given_back_after_the_hold(site):
    site.captured()
    names = [r["method"] for r in site.requests()]
    assert names.count("DestroyPropertyFilter") == 1
    assert names.index("DestroyPropertyFilter") > names.index("WaitForUpdatesEx")


def a_full_chain_is_refused_before_anything_is_held(site):
    site.keys["chain-max"] = "1"
    site.captured()
    status, text = site.drive("capture", site.vm, NAME + "b", f"{site.folder}/undo2")
    assert status == 1 and "error conflict" in text and "chain-max is 1" in text, text
    assert site.snapshots() == [NAME]


def disks_that_need_consolidation_are_refused(site):
    site.change(consolidation=True)
    status, text = site.capture()
    assert status == 1 and "need consolidation" in text and not site.requests("CreateSnapshot_Task"), text


def a_name_that_is_taken_is_refused(site):
    site.captured()
    status, text = site.capture()
    assert status == 1 and "error conflict" in text and len(site.snapshots()) == 1, text


def names_that_vsphere_would_write_otherwise_are_refused(site):
    for name in ("a%b", "a/b", "", "x" * 65, "\u00e4"):
        site.bad("config", "capture", site.vm, name, f"{site.folder}/undo")
    assert not site.requests("CreateSnapshot_Task")


def a_vm_that_is_away_or_a_template_is_refused(site):
    for what, words in (({"connection": "disconnected"}, "is disconnected"), ({"template": True, "connection": "connected"}, "is a template")):
        site.change(**what)
        status, text = site.capture()
        assert status == 1 and words in text and not site.requests("CreateSnapshot_Task"), text


def missing_privileges_are_named_before_anything_is_held(site):
    site.server.say("deny", value="VirtualMachine.State.CreateSnapshot")
    site.server.say("deny", value="VirtualMachine.State.RemoveSnapshot")
    status, text = site.capture()
    assert status == 1 and "error auth" in text and "VirtualMachine.State.CreateSnapshot, VirtualMachine.State.RemoveSnapshot" in text, text


def a_privilege_that_only_a_rollback_needs_is_a_warning(site):
    site.server.say("deny", value="VirtualMachine.Interact.PowerOff")
    assert "warning: the privilege VirtualMachine.Interact.PowerOff" in site.captured()


def a_permission_that_the_server_misses_is_named(site):
    site.fault("fault", "CreateSnapshot_Task", "NoPermission")
    status, text = site.capture()
    assert status == 1 and "error auth" in text and "VirtualMachine.State.CreateSnapshot" in text, text


def independent_disks_are_a_warning(site):
    site.change(disk_mode="independent_nonpersistent")
    text = site.captured()
    assert "warning: disk scsi0:0 is not captured" in text and "disks 0" in text, text


def the_label_is_in_the_description(site):
    site.captured("before <the> \"upgrade\" & after")
    assert site.state()["snapshots"][0]["description"] == f"holdfast run={NAME} label=before <the> \"upgrade\" & after"


def what_xml_has_not_is_replaced_in_a_label(site):
    site.captured("a\x01b\uffffc\ufffed")
    assert site.state()["snapshots"][0]["description"] == f"holdfast run={NAME} label=a?b?c?d"


# ---- list and delete

def the_list_has_the_tree(site):
    site.captured()
    status, text = site.drive("capture", site.vm, NAME + "b", f"{site.folder}/undo2")
    assert status == 0, text
    lines = site.good("snapshots", site.vm).splitlines()
    assert lines[0].startswith(f"{NAME} ours=1 current=0 memory=0 parent=- ") and f"parent={NAME} " in lines[1], lines


def children_stay_when_their_parent_goes(site):
    site.captured()
    status, text = site.drive("capture", site.vm, NAME + "b", f"{site.folder}/undo2")
    assert status == 0, text
    site.good("delete", site.vm, NAME)
    assert site.snapshots() == [NAME + "b"]
    body = site.requests("RemoveSnapshot_Task")[0]["body"]
    assert "<removeChildren>false</removeChildren><consolidate>true</consolidate>" in body


def foreign(site, name=NAME, description="by hand", memory="false"):
    cookie, before = stand_in.log_in(site), len(site.snapshots())
    stand_in.post(site, "CreateSnapshot_Task", f'<_this type="VirtualMachine">{site.state()["moid"]}</_this><name>{name}</name>'
                  f"<description>{description}</description><memory>{memory}</memory><quiesce>false</quiesce>", cookie=cookie)
    while len(site.snapshots()) == before:
        time.sleep(0.02)
    site.may_leave = True


def what_others_made_is_not_deleted(site):
    foreign(site)
    site.bad("conflict", "delete", site.vm, NAME)
    site.bad("conflict", "discard", site.vm, NAME)
    assert site.snapshots() == [NAME] and "ours=0" in site.good("snapshots", site.vm)


def one_with_memory_is_seen_and_never_rolled_back_to(site):
    foreign(site, description=f"holdfast run={NAME}", memory="true")
    assert " memory=1 " in site.good("snapshots", site.vm)
    site.bad("unsupported", "rollback", site.vm, NAME, f"{site.folder}/back")


def of_two_with_one_name_ours_goes(site):
    site.captured()
    foreign(site)
    assert sorted(site.snapshots()) == [NAME, NAME]
    site.good("delete", site.vm, NAME)
    assert [s["description"] for s in site.state()["snapshots"]] == ["by hand"]


def a_deletion_that_leaves_deltas_is_mended(site):
    site.captured()
    site.fault("leaves-deltas", "removeSnapshot")
    site.good("delete", site.vm, NAME)
    assert site.requests("ConsolidateVMDisks_Task")


def deltas_that_stay_are_an_error(site):
    site.captured()
    site.fault("leaves-deltas", "removeSnapshot")
    site.fault("no-consolidation", "*", times=-1)
    assert "left: disks of VM" in site.bad("plugin", "delete", site.vm, NAME)
    site.fault("no-consolidation", "*", times=0)
    site.good("discard", site.vm, NAME)
    assert len(site.requests("ConsolidateVMDisks_Task")) == 2


def a_deletion_may_take_its_time_and_its_answer_may_be_lost(site):
    site.captured()
    site.fault("seconds", "removeSnapshot", 2, times=-1)
    site.fault("drop-after", "RemoveSnapshot_Task")
    site.good("delete", site.vm, NAME)
    assert not site.snapshots() and len(site.requests("RemoveSnapshot_Task")) == 1


def a_deletion_that_met_another_task_comes_back(site):
    site.captured()
    site.fault("task-fault", "removeSnapshot", "TaskInProgress", times=2)
    site.good("delete", site.vm, NAME)
    assert not site.snapshots()


def a_snapshot_that_went_meanwhile_is_deleted(site):
    site.captured()
    site.fault("fault", "RemoveSnapshot_Task", "ManagedObjectNotFound")
    site.good("delete", site.vm, NAME)
    assert not site.snapshots()


def where_disks_cannot_be_consolidated_that_is_said(site):
    site.captured()
    site.fault("leaves-deltas", "removeSnapshot")
    site.fault("fault", "ConsolidateVMDisks_Task", "MethodNotFound")
    assert "left: disks of VM" in site.bad("unsupported", "delete", site.vm, NAME)


def a_snapshot_that_is_gone_is_not_found(site):
    site.bad("not-found", "delete", site.vm, NAME)
    site.good("discard", site.vm, NAME)
    site.good("discard", "00000000-0000-4000-8000-000000000000", NAME)


# ---- whether the VM is there

def a_vm_that_is_hidden_is_not_taken_for_gone(site):
    site.captured()
    state = site.state()
    site.fault("hidden", state["moid"], times=-1)
    text = site.bad("auth", "discard", state["uuid"], NAME, f"{site.folder}/undo")
    assert f"left: perhaps snapshot '{NAME}' of VM {state['uuid']}" in text and "System.View" in text and site.snapshots() == [NAME], text
    site.fault("hidden", state["moid"], times=0)
    site.good("discard", state["uuid"], NAME, f"{site.folder}/undo")
    assert not site.snapshots()


def one_whose_settings_are_not_read_yet_is_not_taken_for_gone(site):
    site.captured()
    state = site.state()
    site.change(instance_uuid="")  # a host that was started, and reads its VMs one after the other
    text = site.bad("unreachable", "discard", state["uuid"], NAME, f"{site.folder}/undo")
    assert f"left: perhaps snapshot '{NAME}'" in text, text
    site.change(instance_uuid=state["uuid"])
    site.good("discard", state["uuid"], NAME, f"{site.folder}/undo")
    assert not site.snapshots()


def one_that_is_gone_has_nothing_to_undo(site):
    site.captured()
    uuid = site.state()["uuid"]
    site.server.say("unregister", vm=site.vm)
    assert "is gone" in site.good("discard", uuid, NAME, f"{site.folder}/undo")


def another_that_has_its_reference_now_is_not_it(site):
    site.captured()
    uuid = site.state()["uuid"]
    site.good("delete", site.vm, NAME)
    foreign(site)
    site.change(instance_uuid="00000000-0000-4000-8000-000000000001")
    assert "is gone" in site.good("discard", uuid, NAME, f"{site.folder}/undo")
    assert site.snapshots() == [NAME]


def one_that_was_given_another_uuid_is_still_it(site):
    """By vCenter, which gives each once, or by an administrator: the snapshot of this run stands in its tree."""
    site.captured()
    uuid = site.state()["uuid"]
    site.change(instance_uuid="00000000-0000-4000-8000-000000000001")
    text = site.good("discard", uuid, NAME, f"{site.folder}/undo")
    assert not site.snapshots(), (text, site.state())
