# SPDX-License-Identifier: Apache-2.0
"""rollbacks.py - back to a snapshot, and from there again."""
import threading
import time

from common import NAME, Site, back

BACK = f"back-{NAME}"


def site_with_a_snapshot(site):
    site.captured()
    site.change(data=2)
    return site


def undo(here):
    here.good("undo", here.vm, f"{here.folder}/back")


def goes_back_and_runs(site):
    site_with_a_snapshot(site)
    status, text = back(site)
    assert status == 0, text
    state = site.state()
    assert (state["data"], state["power"], site.snapshots()) == (1, "poweredOn", [NAME]), state


def the_state_that_is_left_is_kept_before_anything_is_lost(site):
    site_with_a_snapshot(site)
    status, text = back(site, "switch")
    kept = {s["name"]: s["data"] for s in site.state()["snapshots"]}
    assert status == 0 and kept == {NAME: 1, BACK: 2}, (text, kept)
    names = [r["method"] for r in site.requests()]
    steps = [n for n in names if n in ("PowerOffVM_Task", "CreateSnapshot_Task", "RevertToSnapshot_Task", "PowerOnVM_Task")]
    assert steps == ["CreateSnapshot_Task", "PowerOffVM_Task", "CreateSnapshot_Task", "RevertToSnapshot_Task", "PowerOnVM_Task"], steps


def a_vm_that_is_off_stays_off(site):
    site_with_a_snapshot(site)
    site.change(power="poweredOff")
    status, text = back(site)
    assert status == 0 and site.state()["power"] == "poweredOff" and site.state()["data"] == 1, text
    assert not site.requests("PowerOnVM_Task")


def kept_where_it_is_to_be_kept(site):
    site_with_a_snapshot(site)
    status, text = back(site, "keep")
    assert status == 0 and f"kept: snapshot '{BACK}'" in text and BACK in site.snapshots(), text
    site.good("delete", site.vm, BACK)


def undone_it_is_as_it_was(site):
    site_with_a_snapshot(site)
    assert back(site, "switch")[0] == 0
    undo(site)
    state = site.state()
    assert (state["data"], state["power"], site.snapshots()) == (2, "poweredOn", [NAME]), state


def a_second_undo_does_not_go_back_again(site):
    site_with_a_snapshot(site)
    assert back(site, "switch")[0] == 0
    died, _ = site.drive("undo", site.vm, f"{site.folder}/back", env={"HOLDFAST_POINT": "vmware.after_undo_start=kill"})
    assert died == -9
    site.change(data=3)  # what the guest wrote since
    undo(site)
    assert site.state()["data"] == 3 and site.snapshots() == [NAME]
    undo(site)
    site.may_leave = True


def what_is_settled_is_not_undone(site):
    site_with_a_snapshot(site)
    assert back(site)[0] == 0
    assert "is settled" in site.bad("conflict", "undo", site.vm, f"{site.folder}/back")
    site.good("settle", site.vm, f"{site.folder}/back")
    assert site.state()["data"] == 1
    assert "settled" not in site.good("snapshots", site.vm)


def only_snapshots_of_ours(site):
    import captures
    captures.foreign(site)
    status, text = back(site)
    assert status == 1 and "error unsupported" in text and site.state()["power"] == "poweredOn", text
    site.bad("not-found", "rollback", site.vm, "nothing", f"{site.folder}/back")


def missing_privileges_are_named_before_it_is_stopped(site):
    site_with_a_snapshot(site)
    site.server.say("deny", value="VirtualMachine.Interact.PowerOff")
    status, text = back(site)
    assert status == 1 and "VirtualMachine.Interact.PowerOff" in text and not site.requests("PowerOffVM_Task"), text


def lost_answers_repeat_no_step_that_was_done(site):
    for method in ("PowerOffVM_Task", "CreateSnapshot_Task", "RevertToSnapshot_Task", "PowerOnVM_Task"):
        site_with_a_snapshot(site)
        site.fault("drop-after", method)
        status, text = back(site)
        state = site.state()
        assert status == 0 and (state["data"], state["power"]) == (1, "poweredOn") and site.snapshots() == [NAME], (method, text, state)
        site.good("delete", site.vm, NAME)
        site.change(data=1)


def a_failed_revert_leaves_the_way_back(site):
    site_with_a_snapshot(site)
    site.fault("task-fault", "revertToSnapshot", "GenericVmConfigFault")
    status, text = back(site)
    assert status == 1 and "GenericVmConfigFault" in text, text
    undo(site)
    state = site.state()
    assert (state["data"], state["power"], site.snapshots()) == (2, "poweredOn", [NAME]), state


def a_vm_that_is_suspended_is_refused(site):
    site_with_a_snapshot(site)
    site.change(power="suspended")
    status, text = back(site)
    assert status == 1 and "neither runs nor is it off" in text and not site.requests("PowerOffVM_Task"), text


def killed(site, point, *words):
    died, text = site.drive(*words, env={"HOLDFAST_POINT": f"vmware.{point}=kill"})
    assert died == -9, (point, text)


def somebody_works(site, data):
    """He finds the VM off, starts it, and writes."""
    site.change(power="poweredOn", data=data)
    site.may_leave = True


def what_was_written_before_anything_was_rolled_back_stays(site):
    site_with_a_snapshot(site)
    killed(site, "after_rollback_keep", "rollback", site.vm, NAME, f"{site.folder}/back", "switch")
    somebody_works(site, 3)
    undo(site)
    state = site.state()
    assert (state["data"], state["power"], site.snapshots()) == (3, "poweredOn", [NAME]), state
    assert not site.requests("RevertToSnapshot_Task")


def so_it_does_when_somebody_made_a_snapshot_since(site):
    site_with_a_snapshot(site)
    killed(site, "after_rollback_keep", "rollback", site.vm, NAME, f"{site.folder}/back", "switch")
    somebody_works(site, 3)
    site.server.say("snapshot", vm=site.vm, value="somebody's")
    while site.state()["running"]:
        time.sleep(0.02)
    undo(site)
    assert site.state()["data"] == 3 and site.snapshots() == [NAME, "somebody's"], site.state()


def an_undo_that_died_behind_its_way_back_does_not_go_another_time(site):
    site_with_a_snapshot(site)
    assert back(site, "switch")[0] == 0
    killed(site, "after_undo_task", "undo", site.vm, f"{site.folder}/back")
    assert site.state()["data"] == 2
    somebody_works(site, 3)
    undo(site)
    state = site.state()
    assert (state["data"], state["power"], site.snapshots()) == (3, "poweredOn", [NAME]), state


def a_vm_that_somebody_starts_in_between_is_not_rolled_back(site):
    site_with_a_snapshot(site)
    site.fault("slow", "RetrievePropertiesEx", 0.3, times=-1)

    def start():
        while BACK not in site.snapshots():
            time.sleep(0.01)
        site.change(power="poweredOn", data=3)
    other = threading.Thread(target=start)
    other.start()
    status, text = back(site, "switch", limit=40000)
    other.join()
    assert status == 1 and "was started by somebody else" in text and site.state()["data"] == 3, text
    site.fault("slow", "RetrievePropertiesEx", times=0)
    undo(site)
    state = site.state()
    assert (state["data"], state["power"], site.snapshots()) == (3, "poweredOn", [NAME]), state


def each_state(site):
    return site.state()["data"], site.state()["power"], site.snapshots(), site.state()["running"]


def a_step_that_begins_late_is_not_asked_for_again(site):
    for method in ("PowerOffVM_Task", "CreateSnapshot_Task", "RevertToSnapshot_Task"):
        here = site_with_a_snapshot(Site())
        asked = len(here.requests(method))
        here.fault("late", method, 1.6)
        status, text = back(here)
        time.sleep(2)
        assert status == 0 and each_state(here) == (1, "poweredOn", [NAME], 0), (method, text, here.state())
        assert len(here.requests(method)) == asked + 1, method
        here.judge()
        here.server.close()


def a_step_that_begins_after_the_undo_was_asked_for_loses_nothing(site):
    for method in ("CreateSnapshot_Task", "RevertToSnapshot_Task"):
        here = site_with_a_snapshot(Site())
        here.fault("late", method, 4)
        status, text = back(here, "or-undo", limit=3000)
        time.sleep(2)
        assert status == 1 and each_state(here) == (2, "poweredOn", [NAME], 0), (method, text, here.state())
        here.judge()
        here.server.close()


def a_long_label_is_cut_behind_a_whole_character(site):
    for more in ("", "x"):
        here = Site()
        here.captured(more + "\u00fc" * 300)
        assert back(here)[0] == 0
        words = here.state()["snapshots"][0]["description"].splitlines()[0]
        assert words.startswith(f"holdfast run={NAME} label={more}\u00fc") and set(words[-9:]) == {"\u00fc"}, words
        here.server.close()


def a_server_that_is_restarted_meanwhile_leaves_no_vm_off(site):
    for method in ("PowerOffVM_Task", "RevertToSnapshot_Task", "PowerOnVM_Task"):
        here = site_with_a_snapshot(Site())
        here.fault("restart", method, 4)
        status, text = back(here, limit=30000)
        assert status == 0 and each_state(here) == (1, "poweredOn", [NAME], 0), (method, text, here.state())
        here.judge()
        here.server.close()


def a_power_task_that_runs_on_is_waited_for_by_the_undo(site):
    """The switch was given up, or died, while the VM was being powered off or on: a VM that still runs is not one that is left alone."""
    for method, seconds, limit in (("powerOff", 3, 2000), ("powerOn", 4, 3000)):
        here = site_with_a_snapshot(Site())
        here.fault("seconds", method, seconds, times=-1)
        status, text = back(here, "switch", limit=limit)
        assert status == 1 and "runs on" in text, (method, text)
        undo(here)
        time.sleep(seconds)
        assert each_state(here) == (2, "poweredOn", [NAME], 0), (method, here.state())
        here.judge()
        here.server.close()


def a_step_that_was_given_up_and_is_forgotten_by_a_restarted_server_is_in_doubt(site):
    site_with_a_snapshot(site)
    site.fault("seconds", "powerOff", 5, times=-1)
    with site.restarted_at("PowerOffVM_Task", 2.4):
        status, text = back(site, "or-undo", limit=2500)
    site.wait_until_idle()
    assert status == 1 and each_state(site) == (2, "poweredOn", [NAME], 0), (text, site.state())


def a_log_in_that_fails_while_a_server_comes_up_leaves_no_vm_off(site):
    for method in ("PowerOffVM_Task", "RevertToSnapshot_Task"):
        here = site_with_a_snapshot(Site())
        here.fault("restart", method, 1)
        here.fault("http", "Login", 503, times=6, skip=1)
        status, text = back(here, "or-undo", limit=30000)
        assert status == 0 and each_state(here) == (1, "poweredOn", [NAME], 0), (method, text, here.state())
        here.judge()
        here.server.close()


def an_undo_waits_for_a_server_that_is_away_when_it_begins(site):
    site_with_a_snapshot(site)
    with site.restarted_at("PowerOffVM_Task", 7):
        status, text = back(site, "or-undo", limit=2500)
    assert status == 1 and each_state(site) == (2, "poweredOn", [NAME], 0), (text, site.state())
