# SPDX-License-Identifier: Apache-2.0
"""vzdump.py - backups by the server: what is asked for, when the database is let go, what counts as a backup."""
import re
import threading
import time

from common import NAME, Site, dump, dump_key, posts
from server import Refused
from world import Task

NOT_YET = {"HOLDFAST_POINT": "proxmox.after_vzdump=kill"}  # dies where begin returns


def a_backup_is_begun_followed_and_confirmed(site):
    status, text = dump(site)
    volid, archive = next(iter(site.world.archives.items()))
    body = posts(site)[0][4]
    assert status == 0 and f"export scsi0 {volid} " in text and volid.startswith("nfs1:backup/vzdump-qemu-100-"), text
    for wanted in ("mode=snapshot", "lockwait=0", "remove=0", "protected=1", "storage=nfs1"):
        assert wanted in body.split("&"), body
    assert "fleecing" not in body and "stop" not in body and archive["protected"]
    assert archive["notes"] == f"holdfast run={NAME}" and len(posts(site)) == 1


def a_backup_server_names_it_otherwise(site):
    status, text = dump(site, storage="pbs1")
    assert status == 0 and re.search(r"export scsi0 pbs1:backup/vm/100/\d{4}-\d\d-\d\dT", text), text


def version_8_says_it_in_its_words(site):
    for storage in ("nfs1", "pbs1"):
        old = Site(new=False)
        status, text = dump(old, storage=storage)
        assert status == 0 and len(old.world.archives) == 1, text


def begin_returns_at_the_line_and_neither_at_the_thaw_nor_at_the_end(site):
    site.world.faults["line-seconds"] = 0.7
    site.vm.seconds["copy"] = 20
    status, text = dump(site, env=NOT_YET)
    assert status == -9 and site.is_at_work(), text
    assert [what for _, what, _ in site.world.timeline if what == "started"], "let go before the line"


def without_an_agent_it_is_the_same_line(site):
    site.vm.config["agent"] = "0"
    status, text = dump(site)
    assert status == 0 and not [x for t in site.world.tasks.values() for x in t.lines if "fs-thaw" in x], text


def a_job_that_fails_after_the_thaw_line_is_no_instant(site):
    site.world.faults.update({"qmp-fails": True, "abort-seconds": 8})
    status, text = dump(site, env=NOT_YET)
    lines = [x for t in site.world.tasks.values() for x in t.lines]
    assert any("fs-thaw" in x for x in lines)
    assert status == 1 and "qmp command 'backup' failed" in text and site.is_at_work(), text


def words_in_names_and_notes_are_not_the_line(site):
    words = "INFO: started backup task 'x'"
    site.vm.name = "started backup task 'x'"
    site.world.faults["line-seconds"] = 0.7
    status, text = dump(site, what="100", env={**NOT_YET, "HOLDFAST_LABEL": words})
    assert status == -9 and [what for _, what, _ in site.world.timeline if what == "started"], text


def half_a_line_is_read_again(site):
    site.vm.config["agent"] = "0"
    site.world.is_new = False  # the name of the archive is the last line for a while
    site.vm.seconds["disk"] = 1
    site.world.faults["half-line"] = 3
    status, text = dump(site)
    volid = next(iter(site.world.archives))
    assert status == 0 and f"export scsi0 {volid} " in text, text


def notes_are_a_template_and_the_label_is_none(site):
    label = "50% \\q {{nowhere}} {{guestname}} \u00e4=;&"
    status, text = dump(site, env={"HOLDFAST_LABEL": label})
    notes = next(iter(site.world.archives.values()))["notes"]
    assert status == 0 and notes == f"holdfast run={NAME} label=" + label.replace("{{", "{ {"), (notes, text)


def a_long_label_is_cut(site):
    status, text = dump(site, env={"HOLDFAST_LABEL": "\u00e4\\" * 900})
    assert status == 0 and next(iter(site.world.archives.values()))["notes"].startswith(f"holdfast run={NAME} label="), text


def fleecing_is_asked_for_when_it_is_configured(site):
    dump_key(site, fleecing="local-lvm")
    status, text = dump(site)
    assert status == 0 and "fleecing=enabled%3D1%2Cstorage%3Dlocal-lvm" in posts(site)[0][4], text
    assert any("attaching fleecing image" in x for t in site.world.tasks.values() for x in t.lines)
    old = Site(new=False)
    old.world.version = "8.1.11"  # its server knows no such parameter
    dump_key(old, fleecing="local-lvm")
    status, text = dump(old)
    assert status == 1 and "8.2" in text and not posts(old), text


def a_vzdump_of_others_is_seen_before_anything_is_held(site):
    site.world.foreign_tasks = True
    Task(site.world, "pve1", "vzdump", "", "root@pam")  # of several guests
    status, text = dump(site)
    assert status == 1 and "error busy" in text and "another vzdump" in text and not posts(site), text


def one_that_cannot_be_seen_is_not_waited_for(site):
    lock = threading.Lock()
    site.world.dump_locks["pve1"] = lock
    with lock:
        status, text = dump(site)
        assert status == 1 and "error busy" in text and "acquire lock" in text and not site.is_at_work(), text


def a_200_without_a_task_is_a_failure(site):
    post = site.server.calls.post_nodes_vzdump

    def move_and_post(p, user):
        site.vm.node = "pve2"
        return post(p, user)
    site.server.calls.post_nodes_vzdump = move_and_post
    status, text = dump(site)
    assert status == 1 and "began no task" in text and "'OK'" in text, text


def several_disks_without_a_freeze_are_refused(site):
    for config in ({"agent": "0"}, {"agent": "1,freeze-fs=0"}, {"agent": "enabled=1,freeze-fs-on-backup=0"}, {"agent": "1"}):
        here = Site()
        here.vm.config.update(config, scsi1="local-lvm:vm-100-disk-1,size=8G")
        here.vm.agent_alive = config["agent"] != "1"
        status, text = dump(here)
        assert status == 1 and "error unsupported" in text and "2 disks" in text and not posts(here), (config, text)


def variables_of_uefi_are_no_second_disk(site):
    site.vm.config.update(agent="0", efidisk0="local-lvm:vm-100-disk-9,size=4M")
    status, text = dump(site)
    assert status == 0, text


def several_disks_are_believed_when_the_freeze_was_good(site):
    site.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
    status, text = dump(site)
    assert status == 0 and "export scsi1 nfs1:backup/" in text, text
    bad = Site()
    bad.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
    bad.world.faults["freeze-fails"] = True
    status, text = dump(bad)
    assert status == 1 and "error conflict" in text and "not of one instant" in text, text


def a_freeze_that_may_fail_without_a_word_is_not_relied_on(site):
    for version in ("8.4.14", "9.0.11"):
        here = Site(new=version[0] == "9")
        here.world.version, here.world.tells_freeze = version, False
        here.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
        here.world.faults["freeze-fails"] = True
        status, text = dump(here)
        assert status == 1 and "error unsupported" in text and "freeze = yes" in text and not posts(here), text
        del here.vm.config["scsi1"]
        status, text = dump(here)
        assert status == 0, text
    here = Site(new=False)
    here.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
    here.good("freeze", "db1")  # by holdfast: until the task thaws, behind the instant
    status, text = dump(here, env={"HOLDFAST_FROZEN": "1"})
    assert status == 0, text


def a_vm_that_was_started_meanwhile_needs_a_freeze_as_well(site):
    site.vm.config.update(agent="0", scsi1="local-lvm:vm-100-disk-1,size=8G")
    site.vm.status = site.vm.qmp = "stopped"
    status, text = dump(site)
    assert status == 0, text
    post = site.server.calls.post_nodes_vzdump

    def begin(p, user):
        site.vm.status = site.vm.qmp = "running"
        return post(p, user)
    site.server.calls.post_nodes_vzdump = begin
    site.vm.status = site.vm.qmp = "stopped"
    status, text = dump(site, name=NAME[:-1] + "2")
    assert status == 1 and "error conflict" in text and "not of one instant" in text, text


def a_disk_that_is_left_out_meanwhile_is_missed(site):
    post = site.server.calls.post_nodes_vzdump

    def begin(p, user):
        site.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G,backup=0"
        return post(p, user)
    site.server.calls.post_nodes_vzdump = begin
    status, text = dump(site)
    assert status == 1 and "error conflict" in text and "scsi1" in text, text


def a_refusal_that_passes_does_not_end_the_wait(site):
    look, n = site.server.calls.get_nodes_tasks_status, []

    def refuse(p, user):
        n.append(p)
        if 3 < len(n) < 7:
            raise Refused(500, "unable to load access control list: Connection refused")
        return look(p, user)
    site.vm.seconds["copy"] = 2
    site.server.calls.get_nodes_tasks_status = refuse
    status, text = dump(site)
    assert status == 0 and len(n) > 7, text


def a_freeze_that_was_skipped_is_no_freeze(site):
    site.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
    post = site.server.calls.post_nodes_vzdump

    def die(p, user):
        site.vm.agent_alive = False
        return post(p, user)
    site.server.calls.post_nodes_vzdump = die
    status, text = dump(site)
    assert status == 1 and "not of one instant" in text, text


def a_guest_that_was_frozen_before_has_one_instant_and_stays_frozen(site):
    site.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
    site.good("freeze", "db1")
    status, text = dump(site)
    assert status == 0 and site.vm.frozen, text


def a_disk_that_the_server_leaves_out_is_refused(site):
    site.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G,backup=0"
    status, text = dump(site)
    assert status == 1 and "backup=0" in text and not posts(site), text


def older_backups_of_others_stay_and_the_retention_does_not_count(site):
    old = {"volid": "nfs1:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst", "content": "backup", "format": "vma.zst", "subtype": "qemu",
           "vmid": 100, "ctime": 1, "size": 5, "notes": "nightly", "protected": False, "storage": "nfs1"}
    site.world.archives[old["volid"]] = old
    site.world.storages["nfs1"].keep = 1
    status, text = dump(site)
    assert status == 0 and len(site.world.archives) == 2 and old["volid"] in site.world.archives, text


def the_limit_of_protected_ones_is_seen_before_anything_is_copied(site):
    site.world.storages["nfs1"].protected_max = 2
    site.world.storages["nfs1"].config["max-protected-backups"] = 2
    for i in range(2):
        volid = f"nfs1:backup/vzdump-qemu-100-2026_01_0{i + 1}-00_00_00.vma.zst"
        site.world.archives[volid] = {"volid": volid, "content": "backup", "format": "vma.zst", "subtype": "qemu", "vmid": 100, "ctime": 1,
                                      "size": 5, "notes": "", "protected": True, "storage": "nfs1"}
    status, text = dump(site)
    assert status == 1 and "error no-space" in text and "max-protected-backups" in text and not posts(site), text


def a_limit_that_is_met_at_the_end_is_a_failure(site):
    site.world.storages["nfs1"].protected_max = 0  # and is not told
    status, text = dump(site)
    assert status == 1 and "error conflict" in text and "number of protected backups" in text, text
    site.good("discard", "100", NAME, f"{site.folder}/undo")
    assert not site.world.archives


def a_storage_that_is_away_or_of_no_use_is_refused(site):
    site.world.storages["nfs1"].active = 0
    status, text = dump(site)
    assert status == 1 and "error unreachable" in text and "not active" in text and not posts(site), text
    status, text = dump(site, storage="local-lvm")
    assert status == 1 and "error not-found" in text and "'local-lvm' for backups" in text, text
    status, text = dump(site, storage="no/where")
    assert status == 1 and "error config" in text, text


def a_storage_of_the_node_is_warned_of(site):
    status, text = dump(site, storage="local")
    assert status == 0 and "does not protect from the loss of the node" in text, text
    site.world.storages["local"].config["shared"] = 1
    assert "what is mounted there is not told" in dump(site, storage="local", name=NAME + "-2")[1]
    assert "does not protect" not in dump(site, name=NAME + "-3")[1]
    site.world.storages["nfs1"].config["server"] = "127.0.0.1"
    assert "does not protect" in dump(site, name=NAME + "-4")[1]


def a_copy_that_fails_is_told_with_its_reason(site):
    for end in (True, False):  # by export_end, by export_watch
        here = Site()
        here.world.faults["copy-fails"] = True
        here.vm.seconds["copy"] = 1.5
        status, text = dump(here, ends=end)
        assert status == 1 and "error conflict" in text and "Input/output error" in text and "job errors" not in text, text


def the_progress_of_the_copy_is_told(site):
    site.vm.seconds["copy"] = 1.5
    status, text = dump(site, env={"HOLDFAST_PROGRESS": "1"})
    assert status == 0 and f"progress {(32 << 30) // 100 * 3} of {32 << 30}\n" in text, text


def a_lock_that_came_in_between_is_the_reason(site):
    post = site.server.calls.post_nodes_vzdump

    def lock_and_post(p, user):
        site.vm.lock = "snapshot"
        return post(p, user)
    site.server.calls.post_nodes_vzdump = lock_and_post
    status, text = dump(site)
    assert status == 1 and "error busy" in text and "VM is locked (snapshot)" in text and site.vm.lock == "snapshot", text


def a_killed_task_is_a_failure(site):
    site.world.faults["task-killed"] = "vzdump"
    status, text = dump(site)
    assert status == 1 and "unexpected status" in text, text


def a_task_that_ended_well_is_believed_when_its_archive_is_listed(site):
    for spoil in (lambda a: a.clear(), lambda a: next(iter(a.values())).update(notes="by hand"), lambda a: next(iter(a.values())).update(size=0),
                  lambda a: next(iter(a.values())).update(notes="holdfast run=another")):
        here = Site()
        listed = here.server.calls.get_nodes_storage_storage_content

        def spoiled(p, user, here=here, spoil=spoil, listed=listed):
            if here.world.archives:
                spoil(here.world.archives)
            return listed(p, user)
        here.server.calls.get_nodes_storage_storage_content = spoiled
        status, text = dump(here)
        assert status == 1 and "error conflict" in text and "ended well" in text, text


def warnings_are_no_failure(site):
    site.vm.instant = lambda name: next(iter(site.world.tasks.values())).log("WARN: something")
    status, text = dump(site)
    assert status == 0, text


def an_unclear_answer_begins_no_second_backup(site):
    for switch, value in (("500-after-fork", "vzdump"), ("drop-after", "POST vzdump"), ("596", "POST vzdump")):
        here = Site()
        here.world.faults[switch] = value
        status, text = dump(here)
        assert status == (1 if switch == "596" else 0) and len(posts(here)) == 1, (switch, text)


def nothing_but_its_task_is_asked_for_inside_the_hold(site):
    site.vm.seconds["freeze"] = 0.5
    status, text = dump(site)
    post = posts(site)[0][0]
    started = [t for t, what, _ in site.world.timeline if what == "started"][0]
    inside = [r[2] for r in site.world.requests if post < r[0] < started]
    calls = [t for t, what, _ in site.world.timeline if what == "agent" and post < t < started]
    assert status == 0 and inside and all("/tasks/UPID" in p for p in inside) and not calls, (inside, text)


def a_warm_connection_is_used_for_the_post_and_an_idle_one_is_not(site):
    for env, is_same in ({}, True), ({"HOLDFAST_POINT": "proxmox.before_vzdump=stall:4300"}, False):
        here = Site()
        status, text = dump(here, env=env)
        at = here.world.requests.index(posts(here)[0])
        assert status == 0 and (here.world.requests[at][5] == here.world.requests[at - 1][5]) == is_same, text


def a_guest_that_the_task_left_frozen_is_thawed(site):
    site.world.faults["thaw-fails"] = True
    status, text = dump(site)
    assert status == 0 and not site.vm.frozen and "left the guest frozen" in text, text


def an_api_that_is_away_while_it_copies_is_waited_for(site):
    site.vm.seconds["copy"] = 1

    def away():
        while not [what for _, what, _ in site.world.timeline if what == "started"]:
            time.sleep(0.002)
        time.sleep(0.3)
        site.world.faults["drop-before-any"] = 6
    threading.Thread(target=away, daemon=True).start()
    status, text = dump(site)
    assert status == 0, text


def an_api_that_is_away_at_the_deadline_is_away_and_a_slow_copy_is_slow(site):
    site.vm.seconds["copy"] = 30
    status, text = dump(site, limit=4000)
    assert status == 1 and "error timeout" in text and "runs on" in text, text
    here = Site()
    here.vm.seconds["copy"] = 30

    def away():
        while not [what for _, what, _ in here.world.timeline if what == "started"]:
            time.sleep(0.002)
        time.sleep(1)
        here.world.faults["drop-before-any"] = 1000
    threading.Thread(target=away, daemon=True).start()
    status, text = dump(here, limit=4000)
    assert status == 1 and "error unreachable" in text and "runs on" in text, text


def a_right_that_is_missing_is_named_before_anything_is_held(site):
    for right, where in (("VM.Backup", "/vms/100"), ("Datastore.AllocateSpace", "/storage/nfs1")):
        here = Site()
        del here.world.rights[right]
        status, text = dump(here)
        assert status == 1 and "error auth" in text and f"{right} on {where}" in text and not posts(here), text


def what_it_can_depends_on_the_storage_that_is_configured(site):
    bit = 1 << 5

    def can():
        return int(re.search(r"can=0x([0-9a-f]+)", site.good("find", "db1"))[1], 16) & bit
    assert not can()
    assert "backup-storage" in dump(site, storage=None)[1]
    dump_key(site)
    assert can()


def a_machine_that_is_off_is_backed_up_as_well(site):
    site.vm.status = site.vm.qmp = "stopped"
    site.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
    status, text = dump(site)
    assert status == 0 and len(site.world.archives) == 1, text


def a_vm_that_moved_since_the_plan_is_seen_before_anything_is_held(site):
    plan = site.server.calls.get_nodes_tasks

    def move(p, user):  # the plan's last request
        site.vm.node = "pve2"
        return plan(p, user)
    site.server.calls.get_nodes_tasks = move
    status, text = dump(site)
    assert status == 1 and "moved from node pve1 to pve2" in text and not posts(site), text
