# SPDX-License-Identifier: Apache-2.0
"""pushed.py - what lies on a storage after vzdump: told, found again wherever it lies, and deleted only when it is the run's."""
import subprocess

from common import BUILD, NAME, Site, dump, dump_key

FOREIGN = "nfs1:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst"


def archive(volid, notes="", **more):
    return {"volid": volid, "content": "backup", "format": "vma.zst", "subtype": "qemu", "vmid": 100, "ctime": 1767225600, "size": 5,
            "notes": notes, "protected": False, "storage": volid.partition(":")[0], **more}


def with_a_backup(here, **more):
    status, text = dump(here, **more)
    assert status == 0, text
    return next(iter(here.world.archives)), text


def line_of(text, ref):
    found = [x for x in text.splitlines() if x.startswith(f"pushed {ref} ")]
    assert len(found) == 1, text
    return found[0]


def the_end_tells_what_lies_there(site):
    ref, text = with_a_backup(site)
    line = line_of(text, ref)
    taken = site.world.archives[ref]["ctime"]
    for word in ("form=vma", "place=nfs1", "server=192.0.2.9", "where=elsewhere", "check=unchecked", "ours=1", "protected=1", f"run={NAME}",
                 "bytes=3446789012", f"taken={taken}", "why=it is on 192.0.2.9, if that is another machine"):
        assert word in line, (word, line)


def the_same_is_found_later_and_listed_among_those_of_others(site):
    ref, text = with_a_backup(site)
    site.world.archives[FOREIGN] = archive(FOREIGN, "nightly\x1b[31m\nsecond line")
    assert line_of(site.good("pushed", "100", ref), ref) == line_of(text, ref)
    listed = site.good("pushed", "100")
    assert line_of(listed, ref) == line_of(text, ref)
    assert "ours=0 protected=0 run=- bytes=5 taken=1767225600" in line_of(listed, FOREIGN), listed
    assert "notes=nightly [31m" in listed and "\x1b" not in listed and "second" not in listed, listed


def where_it_lies_and_what_was_verified_is_told(site):
    ref, _ = with_a_backup(site, storage="pbs1")
    for state, word in (("ok", "good"), ("failed", "bad"), ("none", "unchecked")):
        site.world.archives[ref]["verification"] = {"state": state, "upid": "UPID:x"}
        line = line_of(site.good("pushed", "100", ref), ref)
        assert f"check={word} " in line and "form=pbs place=pbs1 server=192.0.2.10 where=elsewhere" in line, line
    here = Site()
    ref, text = with_a_backup(here, storage="local")
    assert "server=- where=here" in line_of(text, ref), text
    here.world.storages["local"].config["shared"] = 1
    assert "where=unknown" in here.good("pushed", "100", ref)


def one_of_another_storage_than_the_configured_one_is_found(site):
    ref, _ = with_a_backup(site)
    dump_key(site, storage="pbs1")
    assert not site.good("pushed", "100")
    assert f"run={NAME}" in line_of(site.good("pushed", "100", ref), ref)
    site.good("pushed-delete", "100", ref, NAME)
    assert not site.world.archives


def it_outlives_its_machine_and_its_move(site):
    ref, _ = with_a_backup(site, storage="local")
    site.vm.node = "pve2"  # what lies on a folder of pve1 does not move along
    assert f"run={NAME}" in line_of(site.good("pushed", "100", ref), ref)
    del site.world.vms[100]
    assert f"run={NAME}" in line_of(site.good("pushed", "100"), ref)
    site.good("pushed-delete", "100", ref, NAME)
    assert not site.world.archives


def only_the_runs_own_is_deleted_and_only_once(site):
    ref, _ = with_a_backup(site)
    site.bad("conflict", "pushed-delete", "100", ref, "hf-another")
    site.bad("conflict", "pushed-delete", "100", ref, NAME[:-1])
    site.world.archives[ref]["notes"] = "by hand"
    assert "by hand" in site.bad("conflict", "pushed-delete", "100", ref, NAME)
    assert ref in site.world.archives
    site.world.archives[ref]["notes"] = f"holdfast run={NAME} label=x"
    site.good("pushed-delete", "100", ref, NAME)
    assert not site.world.archives
    site.good("pushed-delete", "100", ref, NAME)
    site.bad("not-found", "pushed", "100", ref)


def a_deletion_that_was_cut_short_is_finished(site):
    ref, _ = with_a_backup(site)
    status, text = site.drive("pushed-delete", "100", ref, NAME, env={"HOLDFAST_POINT": "proxmox.before_pushed_delete=kill"})
    assert status == -9 and ref in site.world.archives, text
    site.world.archives[ref]["protected"] = False  # … as if it had died between the two requests
    site.good("pushed-delete", "100", ref, NAME)
    assert not site.world.archives


def what_cannot_be_seen_is_not_gone(site):
    ref, _ = with_a_backup(site)
    site.world.storages["nfs1"].active = 0
    for args in (("pushed", "100"), ("pushed", "100", ref), ("pushed-delete", "100", ref, NAME)):
        site.bad("unreachable", *args)
    site.world.storages["nfs1"].active = 1
    for right in ("VM.Backup", "VM.Audit"):
        kept = site.world.rights.pop(right)
        for args in (("pushed", "100"), ("pushed", "100", ref), ("pushed-delete", "100", ref, NAME)):
            assert right in site.bad("auth", *args)
        site.world.rights[right] = kept
    kept = site.world.rights.pop("Datastore.Audit")
    site.bad("unreachable", "pushed", "100", ref)
    site.world.rights["Datastore.Audit"] = kept
    site.bad("unreachable", "pushed", "100", "gone1:backup/x.vma")  # nobody knows such a storage
    assert ref in site.world.archives


def a_node_that_is_away_may_have_it(site):
    ref, _ = with_a_backup(site, storage="local")
    site.world.faults["node-away"] = "pve1"
    site.bad("unreachable", "pushed", "100", ref)
    site.bad("unreachable", "pushed-delete", "100", ref, NAME)
    assert ref in site.world.archives


def names_that_are_none_are_refused(site):
    dump_key(site)
    for ref in ("", "nfs1", "nfs1:", ":backup/x", "no/where:backup/x", "nfs1" * 200 + ":x"):
        site.bad("config", "pushed", "100", ref)
        site.bad("config", "pushed-delete", "100", ref, NAME)
    site.bad("not-found", "pushed", "../100", FOREIGN)
    assert not site.requests("DELETE", "")


def without_a_storage_there_is_nothing_to_list(site):
    assert not site.good("pushed", "100")


def the_conformance_suite_passes_with_a_storage_for_backups(site):
    for here, storage in ((site, "nfs1"), (Site(new=False), "pbs1")):
        dump_key(here, storage=storage)
        done = subprocess.run([f"{BUILD}/tests/plugin/plugin_conformance", "proxmox", "uri=https://127.0.0.1:1",
                               *[f"{k}={v}" for k, v in here.keys.items()], "--", "db1"], capture_output=True, check=False)
        assert done.returncode == 0 and "pushed_find of what is gone" in done.stdout.decode(), done.stdout.decode()
        assert not here.world.archives


def those_of_another_vm_are_not_told_whatever_the_server_filters(site):
    ref, _ = with_a_backup(site)
    theirs = "nfs1:backup/vzdump-qemu-101-2026_01_01-00_00_00.vma.zst"
    site.world.archives[theirs] = archive(theirs, f"holdfast run={NAME}", vmid=101)
    look = site.server.calls.get_nodes_storage_storage_content
    site.server.calls.get_nodes_storage_storage_content = lambda p, user: look({k: v for k, v in p.items() if k != "vmid"}, user)
    assert theirs not in site.good("pushed", "100")
    site.good("discard", "100", NAME, f"{site.folder}/undo")
    assert list(site.world.archives) == [theirs] and ref != theirs
