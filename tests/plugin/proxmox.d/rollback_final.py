# SPDX-License-Identifier: Apache-2.0
"""rollback_final.py - back to a snapshot where the storage knows one direction only (ZFS, volume chains)."""
from common import NAME, Site, back, folder, program, site_with_a_snapshot


LATER = NAME[:-1] + "5"


def on_zfs(here, younger=0):
    """Of a VM with a snapshot, whose disks stand elsewhere by now."""
    site_with_a_snapshot(here)
    here.vm.newest_only = True
    for i in range(younger):
        assert here.drive("capture", "db1", LATER[:-1] + "56789"[i], f"{folder.name}/undo")[0] == 0
    return here


def it_goes_back_and_says_before_that_there_is_no_way_back(site):
    on_zfs(site)
    status, text = back(site, "plan")
    assert status == 0 and "lost for good" in text and site.vm.status == "running" and not site.requests("POST", "/stop"), text
    status, text = back(site)
    assert status == 0 and site.vm.data == 1 and site.vm.status == "running" and list(site.vm.snapshots) == [NAME], text
    assert not [r for r in site.requests("POST", "/snapshot") if "back-" in r[4]], "nothing can be kept, and a newer one is in the way"


def a_storage_that_chains_volumes_is_one_of_them(site):
    site_with_a_snapshot(site)
    site.world.storages["local-lvm"].config["snapshot-as-volume-chain"] = 1
    status, text = back(site, "plan")
    assert status == 0 and "lost for good" in text, text


def one_disk_of_many_is_enough(site):
    site.vm.config["scsi1"] = "nfs1:100/vm-100-disk-1.qcow2,size=8G"
    site_with_a_snapshot(site)
    site.world.storages["nfs1"].config["snapshot-as-volume-chain"] = "1"
    status, text = back(site, "plan")
    assert status == 0 and "disk scsi1: storage 'nfs1' goes back to its newest" in text, text


def younger_ones_of_ours_are_told_and_go_first(site):
    on_zfs(site, younger=2)
    status, text = back(site)
    assert status == 0 and text.count("younger: ") == 2 and "younger: " + LATER in text, text
    assert list(site.vm.snapshots) == [NAME] and site.vm.data == 1 and site.vm.status == "running"


def a_younger_one_is_known_by_its_line_when_a_clock_was_wrong(site):
    site_with_a_snapshot(site)
    site.vm.newest_only = True
    site.world.skew = -100000
    assert site.drive("capture", "db1", LATER, f"{folder.name}/undo")[0] == 0
    status, text = back(site)
    assert status == 0 and "younger: " + LATER in text and site.vm.data == 1, text


def a_younger_one_of_others_is_not_lost(site):
    on_zfs(site)
    site.vm.snapshots["theirs"] = {"name": "theirs", "snaptime": 1 << 33, "vmstate": 0, "description": "by hand", "parent": NAME}
    status, text = back(site)
    assert status == 1 and "error conflict" in text and "'theirs' is younger" in text, text
    assert "theirs" in site.vm.snapshots and site.vm.status == "running" and not site.requests("POST", "/stop")


def one_made_since_the_plan_stops_it_before_anything_happened(site):
    for words in ("by hand", "holdfast run=hf-another"):
        here = on_zfs(Site())
        post = here.server.calls.get_nodes_tasks

        def look(p, user, here=here, post=post, words=words):  # the plan's last request
            here.vm.snapshots.setdefault("theirs", {"name": "theirs", "snaptime": 1 << 33, "vmstate": 0, "description": words})
            return post(p, user)
        here.server.calls.get_nodes_tasks = look
        status, text = back(here)
        assert status == 1 and "error conflict" in text and here.vm.status == "running" and here.vm.data == 2, text
        assert sorted(here.vm.snapshots) == sorted([NAME, "theirs"]) and not here.requests("POST", "/stop")


def killed_at_each_point_it_is_finished_or_given_up(site):
    for point, status, data in (("before_final_stop", "running", 2), ("after_final_stop", "running", 1), ("after_final_younger", "running", 1),
                                ("after_final_task", "running", 1), ("after_final_mark", "running", 1), ("after_final_start", "running", 1)):
        here = on_zfs(Site(), younger=1)
        died, text = back(here, "switch", env={"HOLDFAST_POINT": f"proxmox.{point}=kill"})
        assert died == -9, (point, died, text)
        if point == "before_final_stop":
            assert "was not stopped, or started" in here.bad("expired", "settle", "db1", f"{folder.name}/back")
        else:
            for _ in range(2):
                here.good("settle", "db1", f"{folder.name}/back")
        assert (here.vm.status, here.vm.data, here.vm.lock) == (status, data, None), (point, here.vm.status, here.vm.data)
        assert len([r for r in here.requests("POST", "/rollback")]) <= 2, point


def what_was_written_since_is_not_taken_back_by_a_late_finish(site):
    for stops in (False, True):
        here = on_zfs(Site())
        died, _ = back(here, "switch", env={"HOLDFAST_POINT": "proxmox.after_final_stop=kill"})
        assert died == -9 and here.vm.status == "stopped"
        here.world.foreign_tasks = True
        here.server.calls.start(here.vm, "qmstart", "root@pam", lambda t, vm=here.vm: vm.power(t, True))
        while here.is_at_work():
            pass
        here.vm.data = 7
        if stops:  # and off again: its start is in the list
            here.vm.power(None, False)
        assert "left as it is" in here.bad("expired", "settle", "db1", f"{folder.name}/back")
        assert here.vm.data == 7 and here.vm.status == ("stopped" if stops else "running") and not here.requests("POST", "/rollback")


def a_storage_that_refuses_all_the_same_leaves_the_vm_running(site):
    on_zfs(site, younger=1)
    refuse = site.vm.rollback

    def hidden(task, name, start):  # of a replication: no snapshot of the VM
        from world import TaskError
        raise TaskError("can't rollback, 'x' is not most recent snapshot on 'local-zfs:vm-100-disk-0'")
    site.vm.rollback = hidden
    status, text = back(site, "switch")
    assert status == 1 and "newest snapshot only" in text and site.vm.status == "stopped", text
    text = site.bad("plugin", "settle", "db1", f"{folder.name}/back")
    assert "started again, not known to have gone back (gone for it: " + LATER in text and site.vm.status == "running" and site.vm.data == 2, text
    site.bad("expired", "settle", "db1", f"{folder.name}/back")
    site.vm.rollback = refuse


def the_undo_starts_it_and_does_not_say_that_all_is_as_before(site):
    on_zfs(site, younger=1)
    back(site, "switch", env={"HOLDFAST_POINT": "proxmox.after_final_stop=kill"})
    site.good("undo", "db1", f"{folder.name}/back")  # nothing was lost yet
    assert site.vm.status == "running" and site.vm.data == 2 and len(site.vm.snapshots) == 2
    here = on_zfs(Site(), younger=1)
    back(here, "switch", env={"HOLDFAST_POINT": "proxmox.after_final_task=kill"})
    for _ in range(2):
        text = here.bad("conflict", "undo", "db1", f"{folder.name}/back")
        assert "keeps no way back" in text and LATER in text and here.vm.status == "running", text
    done = on_zfs(Site())
    assert back(done, "switch")[0] == 0
    assert "is settled" in done.bad("conflict", "undo", "db1", f"{folder.name}/back")


def lost_answers_do_nothing_twice(site):
    for lost in ("POST stop", "POST rollback", "POST start", "PUT config", f"DELETE {LATER}"):
        here = on_zfs(Site(), younger=1)
        here.world.faults["drop-after"] = lost
        status, text = back(here)
        if status:  # the mark: not to be had in two ways, so it is finished
            here.good("settle", "db1", f"{folder.name}/back")
        assert here.vm.data == 1 and list(here.vm.snapshots) == [NAME] and here.vm.status == "running", (lost, text)


def the_whole_program_tells_it_and_does_it(site):
    state = [f"state = {folder.name}/final"]
    status, text = program(site, "snapshot", "create", "web01", defaults=state)
    assert status == 0, text
    name = next(iter(site.vm.snapshots))
    site.vm.data, site.vm.newest_only = 2, True
    status, text = program(site, "snapshot", "rollback", "web01", name, "--yes", "--keep-current", defaults=state)
    assert status != 0 and "drops the state" in text and site.vm.data == 2, text
    status, text = program(site, "snapshot", "rollback", "web01", name, "--yes", defaults=state)
    assert status == 0 and "lost for good" in text and site.vm.data == 1 and site.vm.status == "running", text
    for point, data in (("before_final_stop", 3), ("after_final_younger", 1), ("after_final_mark", 1)):
        site.vm.data = 3
        died, text = program(site, "snapshot", "rollback", "web01", name, "--yes", defaults=state,
                             env={"HOLDFAST_POINT": f"proxmox.{point}=kill"})
        assert died in (-9, 137), (died, text)
        status, text = program(site, "recover", defaults=state)  # its guardian may have been quicker
        assert status == 0 and (site.vm.data, site.vm.status, site.vm.lock) == (data, "running", None), (point, status, text)
        status, text = program(site, "recover", defaults=state)
        assert status == 0 and "nothing to recover" in text, text
