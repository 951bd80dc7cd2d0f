# SPDX-License-Identifier: Apache-2.0
"""rollbacks.py - back to a snapshot, and back from there."""
from common import NAME, Site, back, folder, site_with_a_snapshot


def it_goes_back_and_the_way_back_is_gone_when_settled(site):
    site_with_a_snapshot(site)
    status, text = back(site)
    assert status == 0 and site.vm.data == 1 and site.vm.status == "running", text
    assert list(site.vm.snapshots) == [NAME], site.vm.snapshots


def nothing_is_written_between_what_is_kept_and_the_way_back(site):
    site_with_a_snapshot(site)
    instant = site.vm.instant
    state = []
    site.vm.instant = lambda name: (state.append(site.vm.status), instant(name))
    status, text = back(site, "switch")
    assert status == 0 and state == ["stopped"], (state, text)


def undone_it_has_what_was_left(site):
    site_with_a_snapshot(site)
    status, text = back(site, "switch")
    assert status == 0 and site.vm.data == 1, text
    site.vm.data = 3  # written in the state that is given up
    for _ in range(2):
        site.good("undo", "db1", f"{folder.name}/back")
        assert site.vm.data == 2 and site.vm.status == "running" and list(site.vm.snapshots) == [NAME], site.vm.snapshots


def what_is_settled_is_not_undone(site):
    for here in (site, Site(new=False)):
        site_with_a_snapshot(here)
        status, text = back(here)
        here.bad("conflict", "undo", "db1", f"{folder.name}/back")
        assert status == 0 and here.vm.data == 1, text
        words = here.good("snapshots", "db1")
        assert "settled" not in words, words


def an_undo_that_died_does_not_go_back_another_time(site):
    site_with_a_snapshot(site)
    status, text = back(site, "switch")
    died, text = site.drive("undo", "db1", f"{folder.name}/back", env={"HOLDFAST_POINT": "proxmox.after_undo_start=kill"})
    assert died == -9 and site.vm.status == "running", text
    site.vm.data = 4  # acknowledged since
    site.good("undo", "db1", f"{folder.name}/back")
    assert site.vm.data == 4 and list(site.vm.snapshots) == [NAME], site.vm.snapshots


def what_was_left_is_kept_when_asked(site):
    site_with_a_snapshot(site)
    status, text = back(site, "keep")
    assert status == 0 and len(site.vm.snapshots) == 2 and "kept: snapshot 'back-" in text, text
    assert all(len(name) <= 40 for name in site.vm.snapshots)


def a_vm_that_is_off_stays_off(site):
    site_with_a_snapshot(site)
    site.vm.status = site.vm.qmp = "stopped"
    status, text = back(site)
    assert status == 0 and site.vm.data == 1 and site.vm.status == "stopped", text


def a_storage_that_is_hidden_is_seen_late_and_undone(site):
    site_with_a_snapshot(site)
    site.vm.newest_only = True  # goes to its newest only
    site.world.rights.pop("Datastore.Audit")
    status, text = back(site)
    assert status == 1 and "newest snapshot only" in text, text
    site.good("undo", "db1", f"{folder.name}/back")
    assert site.vm.data == 2 and site.vm.status == "running" and list(site.vm.snapshots) == [NAME], site.vm.snapshots


def what_goes_with_the_rollback_is_told(site):
    site_with_a_snapshot(site)
    site.vm.config.update({"scsi1": "local-lvm:vm-100-disk-1,size=1G", "memory": "4096"})
    status, text = back(site, "plan")
    assert status == 0 and "disk scsi1 is not in the snapshot" in text and "go back as well: memory" in text, text


def a_foreign_snapshot_is_no_place_to_go_back_to(site):
    site.vm.snapshots["theirs"] = {"name": "theirs", "snaptime": 1, "vmstate": 0, "description": "by hand"}
    site.bad("unsupported", "rollback", "db1", "theirs", f"{folder.name}/back")
    site.bad("not-found", "rollback", "db1", "nothere", f"{folder.name}/back")
    site_with_a_snapshot(site)
    site.vm.snapshots[NAME]["snapstate"] = "prepare"
    site.bad("conflict", "rollback", "db1", NAME, f"{folder.name}/back")
    del site.vm.snapshots[NAME]["snapstate"]
    site.vm.snapshots[NAME]["vmstate"] = 1  # with memory: none of ours has that
    site.bad("unsupported", "rollback", "db1", NAME, f"{folder.name}/back")
    site.vm.snapshots[NAME]["vmstate"] = 0
    site.world.rights.pop("VM.PowerMgmt")
    assert "VM.PowerMgmt" in site.bad("auth", "rollback", "db1", NAME, f"{folder.name}/back")


def a_start_that_fails_can_be_undone(site):
    site_with_a_snapshot(site)
    site.world.faults["start-fails"] = 1
    status, text = back(site)
    assert status == 1 and "QEMU exited" in text, text
    site.good("undo", "db1", f"{folder.name}/back")
    assert site.vm.data == 2 and site.vm.status == "running" and list(site.vm.snapshots) == [NAME]


def lost_answers_do_nothing_twice(site):
    for lost in ("POST stop", "POST snapshot", "POST rollback", "POST start"):
        here = site_with_a_snapshot(Site())
        here.world.faults["drop-after"] = lost
        status, text = back(here)
        assert status == 0 and here.vm.data == 1 and list(here.vm.snapshots) == [NAME], (lost, text)
        assert len(here.requests("POST", "/rollback")) == 1, lost


def a_vm_under_high_availability_is_waited_for_until_it_is_off(site):
    instant, states = site.vm.instant, []
    site_with_a_snapshot(site)
    site.vm.is_ha = True
    site.vm.instant = lambda name: (states.append(site.vm.status), instant(name))
    status, text = back(site)
    assert status == 0 and site.vm.data == 1 and site.vm.status == "running" and states == ["stopped"], (states, text)
    for lost in ("POST stop", "POST start"):
        here = site_with_a_snapshot(Site())
        here.vm.is_ha = True
        here.world.faults["drop-after"] = lost
        status, text = back(here)
        assert status == 0 and here.vm.data == 1 and here.vm.status == "running", (lost, text)


def what_was_written_before_anything_was_rolled_back_is_not_undone(site):
    site_with_a_snapshot(site)
    died, text = back(site, "switch", env={"HOLDFAST_POINT": "proxmox.after_rollback_keep=kill"})
    assert died == -9 and site.vm.status == "stopped" and site.vm.data == 2, text
    site.vm.switch(True)  # by somebody who found it off in the night
    site.vm.data = 5  # acknowledged since
    site.good("undo", "db1", f"{folder.name}/back")
    assert site.vm.data == 5 and site.vm.status == "running" and list(site.vm.snapshots) == [NAME], site.vm.snapshots
    assert not site.requests("POST", "/rollback") and not site.requests("POST", "/stop")[1:]


def a_rollback_that_died_half_way_is_undone(site):
    site_with_a_snapshot(site)
    site.world.faults["die-in-rollback"] = 1  # disks of two states, and the VM says still that it descends from what was left
    status, text = back(site, "switch")
    assert status == 1, text
    site.vm.lock = None  # by root
    site.vm.data = 1
    site.good("undo", "db1", f"{folder.name}/back")
    assert site.vm.data == 2 and site.vm.status == "running" and list(site.vm.snapshots) == [NAME], site.vm.snapshots


def an_undo_that_died_before_it_said_so_does_not_go_back_another_time(site):
    site_with_a_snapshot(site)
    status, text = back(site, "switch")
    died, text = site.drive("undo", "db1", f"{folder.name}/back", env={"HOLDFAST_POINT": "proxmox.after_undo_task=kill"})
    assert status == 0 and died == -9 and site.vm.data == 2 and site.vm.status == "stopped", text
    site.vm.switch(True)
    site.vm.data = 6
    site.good("undo", "db1", f"{folder.name}/back")
    assert site.vm.data == 6 and list(site.vm.snapshots) == [NAME], site.vm.snapshots


def words_that_are_long_are_cut_at_a_whole_character(site):
    status, text = site.drive("capture", "db1", NAME, f"{folder.name}/undo", "ü" * 400)
    assert status == 0, text
    site.vm.data = 2
    status, text = back(site)
    words = site.vm.snapshots[NAME]["description"]
    assert status == 0 and words.startswith(f"holdfast run={NAME} label=ü") and "\ufffd" not in words, (words, text)


def a_way_back_that_is_somebody_else_s_is_not_taken(site):
    site_with_a_snapshot(site)
    status, text = back(site, "switch")
    kept, = [name for name in site.vm.snapshots if name.startswith("back-")]
    site.vm.snapshots[kept]["description"] = "by hand"
    site.bad("conflict", "undo", "db1", f"{folder.name}/back")
    assert status == 0 and site.vm.data == 1 and kept in site.vm.snapshots, text
