# SPDX-License-Identifier: Apache-2.0
"""datastores.py - where disks lie and what is free there, and that nobody waits for a storage that is dead."""
import re

from common import NAME, program


def told(here):
    """{target: (store, free, of)}"""
    text = here.good("disks", "db1")
    return {m[1]: (m[2], int(m[3]), int(m[4])) for m in re.finditer(r"^(\S+) .* store=(.*) free=(\d+) of=(\d+)$", text, re.M)}


def a_disk_tells_its_storage_and_what_is_free_there(site):
    site.vm.config["scsi1"] = "nfs1:100/vm-100-disk-1.qcow2,size=8G"
    site.world.storages["local-lvm"].used = (1 << 40) - 5
    assert told(site) == {"scsi0": ("local-lvm on pve1", 5, 1 << 40), "scsi1": ("nfs1", 3 << 38, 1 << 40), "ide2": ("-", 0, 0)}
    site.vm.node = "pve2"
    assert told(site)["scsi0"][0] == "local-lvm on pve2", "each node has one of that name"


def no_storage_is_asked_for_it_so_a_dead_one_stalls_nobody(site):
    site.world.faults["dead-nfs"] = True
    assert told(site)["scsi0"][1] == 3 << 38
    assert not site.requests("GET", "/storage")


def what_is_not_told_is_not_known_and_no_error(site):
    site.world.storages["local-lvm"].active = 0
    assert told(site)["scsi0"] == ("local-lvm on pve1", 0, 0)
    site.world.storages["local-lvm"].active = 1
    site.world.faults["statistics-lag"] = True
    assert told(site)["scsi0"] == ("local-lvm on pve1", 0, 0)
    del site.world.faults["statistics-lag"]
    site.world.rights.pop("Datastore.Audit")
    assert told(site)["scsi0"] == ("local-lvm", 0, 0)


def statistics_that_do_not_come_leave_the_disks_told(site):
    answer = site.server.calls.get_cluster_resources
    site.server.calls.get_cluster_resources = lambda p, user: {"odd": 1} if p.get("type") == "storage" else answer(p, user)
    assert told(site)["scsi0"] == ("local-lvm", 0, 0)


def a_storage_with_too_little_room_takes_no_snapshot(site):
    site.world.storages["local-lvm"].used = (1 << 40) - (1 << 30)
    status, text = program(site, "snapshot", "create", "web01", vm=["freeze = no", "min-free = 10%"])
    assert status != 0 and "min-free = 10%" in text and "local-lvm on pve1" in text and not site.vm.snapshots, text
    status, text = program(site, "check", "web01", vm=["freeze = no", "min-free = 10%"])
    assert "min-free = 10%" in text, text


def nothing_of_storages_is_asked_inside_the_hold(site):
    status, text = program(site, "snapshot", "create", "web01")
    begun = site.requests("POST", "/snapshot")[0][0]
    ended = [t for t, what, _ in site.world.timeline if what == "task-stopped"][0]
    asked = [(r[0], r[3]) for r in site.world.requests if "storage" in r[3]]
    assert status == 0 and asked and all(t < begun or t > ended for t, _ in asked), (asked, text)
    assert not [r for r in site.world.requests if r[2].endswith("/storage")], NAME


def figures_of_a_storage_that_its_node_does_not_see_are_none(site):
    answer = site.server.calls.get_cluster_resources
    site.server.calls.get_cluster_resources = lambda p, user: [dict(r, status="unknown") for r in answer(p, user)]
    assert told(site)["scsi0"] == ("local-lvm on pve1", 0, 0)
