# SPDX-License-Identifier: Apache-2.0
"""vzdump_undo.py - what is left of a backup by the server is taken away again, and nothing else."""
import time

from common import NAME, Site, dump, dump_key, posts


def undo(site, token=True):
    return site.good("discard", "100", NAME, *([f"{site.folder}/undo"] if token else []))


def the_deadline_lets_go_and_the_undo_stops_the_task(site):
    site.vm.seconds["freeze"] = 3
    status, text = dump(site, limit=1500)
    assert status == 1 and "error timeout" in text and "runs on" in text and site.is_at_work(), text
    undo(site)
    assert not site.is_at_work() and not site.world.archives and site.vm.lock is None and not site.vm.frozen


def a_copy_that_goes_on_is_stopped(site):
    for token in (True, False):
        here = Site()
        here.vm.seconds["copy"] = 30
        status, text = dump(here, env={"HOLDFAST_POINT": "proxmox.after_vzdump=kill"})
        assert status == -9 and here.is_at_work(), text
        undo(here, token)
        assert not here.is_at_work() and not here.world.archives and here.vm.lock is None


def a_whole_archive_is_deleted_though_it_is_protected(site):
    for token in (True, False):
        for storage in ("nfs1", "pbs1"):
            here = Site()
            status, text = dump(here, storage=storage)
            assert status == 0, text
            undo(here, token)
            assert not here.world.archives
            undo(here, token)  # nothing there: success


def an_archive_without_notes_is_known_by_the_log(site):
    status, text = dump(site)
    next(iter(site.world.archives.values()))["notes"] = ""  # it was killed before it wrote them
    undo(site)
    assert status == 0 and not site.world.archives, text


def those_of_others_and_of_other_runs_stay(site):
    assert dump(site, name="hf-20261122T030000Z-00000001")[0] == 0
    for notes in ("nightly", f"holdfast run={NAME}0", f"of {NAME}", f"x holdfast run={NAME}"):
        volid = f"nfs1:backup/vzdump-qemu-100-2026_01_01-00_00_0{len(site.world.archives)}.vma.zst"
        site.world.archives[volid] = {**next(iter(site.world.archives.values())), "volid": volid, "notes": notes, "protected": False}
    theirs = sorted(site.world.archives)
    time.sleep(1.1)  # the names of archives have seconds
    assert dump(site)[0] == 0 and len(site.world.archives) == len(theirs) + 1
    undo(site)
    assert sorted(site.world.archives) == theirs
    undo(site, token=False)
    assert sorted(site.world.archives) == theirs


def an_archive_of_another_run_is_not_deleted_for_what_a_log_says(site):
    status, text = dump(site)
    next(iter(site.world.archives.values()))["notes"] = "holdfast run=another"
    undo(site)
    assert status == 0 and len(site.world.archives) == 1, text


def a_task_that_was_there_before_is_not_stopped(site):
    site.vm.seconds["copy"] = 60
    assert dump(site, name="hf-20261122T030000Z-00000001", env={"HOLDFAST_POINT": "proxmox.after_vzdump=kill"})[0] == -9
    status, text = dump(site)
    assert status == 1 and "error busy" in text, text
    undo(site, token=False)
    assert site.is_at_work() and not [r for r in site.world.requests if r[1] == "DELETE"]


def a_snapshot_is_not_touched_by_the_undo_of_a_backup(site):
    assert site.capture()[0] == 0 and dump(site)[0] == 0
    undo(site)
    assert list(site.vm.snapshots) == [NAME] and not site.world.archives


def a_storage_that_is_away_is_told_with_what_is_left(site):
    status, text = dump(site)
    site.world.storages["nfs1"].active = 0
    status, text = site.drive("discard", "100", NAME, f"{site.folder}/undo")
    assert status == 1 and "left: " in text and next(iter(site.world.archives)) in text, text
    site.world.storages["nfs1"].active = 1
    undo(site)
    assert not site.world.archives


def a_plan_alone_leaves_nothing_and_its_undo_finds_nothing(site):
    dump_key(site)
    status, text = dump(site, env={"HOLDFAST_POINT": "proxmox.before_vzdump=error"})
    assert status == 1 and not posts(site), text
    undo(site)


def the_undo_does_without_the_machine(site):
    assert dump(site)[0] == 0
    site.vm.node = "pve2"  # it moved: task and storage are asked where they were
    undo(site)
    assert not site.world.archives


def a_token_that_is_none_is_refused(site):
    dump_key(site)
    for text in ("proxmox vzdump 1 100", "proxmox vzdump 1 100 pve1/x nfs1 -", "proxmox vzdump 1 x pve1 nfs1 -", "proxmox vzdump 1 100 pve1 a/b -"):
        with open(f"{site.folder}/undo", "w", encoding="utf-8") as file:
            file.write(text)
        site.bad("corrupt", "discard", "100", NAME, f"{site.folder}/undo")
