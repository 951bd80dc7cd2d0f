# SPDX-License-Identifier: Apache-2.0
"""vms.py - VMs found, and what may be done with them."""
from common import NAME, Site
from world import Task


def a_vm_without_a_name_is_found_by_number(site):
    site.world.faults["statistics-lag"] = True
    site.good("find", "100")
    site.good("find", "db1")  # its node knows the name at once
    site.world.add(101, "db1", "pve2")
    assert "100, 101" in site.bad("conflict", "find", "db1")
    site.world.vms[1000] = site.world.vms.pop(101)
    site.world.vms[1000].vmid = 1000
    assert "100, 1000" in site.bad("conflict", "find", "db1")
    del site.world.vms[1000]
    site.world.faults["node-away"] = "pve1"
    assert "use the number" in site.bad("not-found", "find", "db1")
    site.good("find", "100")


def a_name_that_two_have_is_refused(site):
    site.world.add(101, "db1", "pve2")
    assert "100, 101" in site.bad("conflict", "find", "db1")


def a_container_is_no_vm(site):
    site.vm.kind = "lxc"
    assert "is a container" in site.bad("unsupported", "find", "db1")


def a_vm_that_migrates_is_found_again(site):
    post = site.server.calls.post_nodes_qemu_snapshot

    def post_too_late(p, user):  # it moved between the plan and the hold
        if site.vm.node == "pve1" and p["node"] == "pve1":
            site.vm.node = "pve2"
        return post(p, user)
    site.server.calls.post_nodes_qemu_snapshot = post_too_late
    status, text = site.capture()
    assert status == 0 and NAME in site.vm.snapshots, text
    assert [r[2].split("/")[4] for r in site.requests("POST", "/snapshot")] == ["pve1", "pve2"], "the task was asked of its node"


def a_vm_that_is_hidden_says_what_right_may_be_missing(site):
    site.world.rights.pop("VM.Audit")
    assert "VM.Audit" in site.bad("not-found", "find", "db1")


def a_missing_right_is_named_with_its_command(site):
    site.world.rights.pop("VM.Snapshot")
    status, text = site.capture()
    assert status == 1 and "error auth" in text and '--privs "VM.Snapshot"' in text, text


def rights_for_the_agent_are_those_of_the_version(site):
    for right in [r for r in site.world.rights if "GuestAgent" in r]:
        site.world.rights.pop(right)
    status, text = site.capture()
    assert status == 0 and "--privs VM.GuestAgent.Audit" in text and "VM.GuestAgent.Unrestricted" in text, text
    assert "VM.Monitor" not in text, text
    assert "the right VM.GuestAgent.Audit on /vms/100 is missing" in site.good("find", "db1")
    old = Site(new=False)
    old.world.rights.pop("VM.Monitor")
    status, text = old.capture()
    assert status == 0 and text.count("--privs VM.Monitor") == 1 and "GuestAgent" not in text, text
    assert "the right VM.Monitor on /vms/100 is missing" in old.good("find", "db1")
    whole = Site(new=False)
    status, text = whole.capture()
    assert status == 0 and "is missing" not in text + whole.good("find", "db1"), text
    some = Site()
    some.world.rights.pop("VM.GuestAgent.Unrestricted")
    assert "VM.GuestAgent.Unrestricted on /vms/100 is missing" in some.good("find", "db1")


def unrestricted_is_enough_for_the_agent(site):
    for right in [r for r in site.world.rights if "GuestAgent" in r and "Unrestricted" not in r]:
        site.world.rights.pop(right)
    status, text = site.capture()
    assert status == 0 and "is missing" not in text, text
    site.good("freeze", "db1")
    site.good("thaw", "db1")


def a_container_by_number_or_name_says_what_it_is(site):
    ct = site.world.add(101, "web", "pve1")
    ct.kind = "lxc"
    for what in ("101", "web"):
        assert f"'{what}' is a container" in site.bad("unsupported", "find", what)
    site.world.add(102, "web", "pve1")
    assert "102" in site.good("find", "web"), "a VM of that name is it"
    assert "101" not in site.good("list")


def a_name_is_warned_of_while_a_node_tells_none(site):
    other = site.world.add(101, "db1", "pve2")
    resources = site.server.calls.get_cluster_resources

    def lagging(p, user):  # pve2 is away
        return [{k: v for k, v in r.items() if k != "name" or r.get("node") != "pve2"} for r in resources(p, user)]
    site.server.calls.get_cluster_resources = lagging
    site.world.faults["node-away"] = "pve2"
    assert "the number 100 is sure" in site.good("find", "db1")
    assert "is sure" not in site.good("find", "100")
    site.world.faults.clear()  # it answers: then it is known
    assert "100, 101" in site.bad("conflict", "find", "db1")
    other.name = "db2"
    assert "is sure" not in site.good("find", "db1")


def an_open_console_is_nobody_at_work(site):
    for kind in ("vncproxy", "spiceproxy"):
        Task(site.world, "pve1", kind, 100, site.world.token)
    site.good("busy", "100")
    Task(site.world, "pve1", "qmigrate", 100, site.world.token)
    Task(site.world, "pve1", "vncproxy", 100, site.world.token)
    assert "qmigrate" in site.bad("busy", "busy", "100")


def booleans_are_whatever_perl_makes_of_them(site):
    for value, good in (("1", True), (1, True), (True, True), ("0", False), (0, False), ("", False), (None, False)):
        site.server.calls.get_nodes_qemu_feature = lambda p, user, value=value: {"hasFeature": value}
        assert ("cannot=a disk" not in site.good("find", "db1")) == good, value
        assert good or "has no snapshots" in site.capture()[1], value
