# SPDX-License-Identifier: Apache-2.0
"""vms.py - finding VMs, and what is told of them and their disks."""
import time

import stand_in
from common import NAME, TWIN, Site


def found_by_path_name_and_uuid(site):
    state = site.state()
    for what in (site.vm, f"/DC0/vm/{site.vm}", f"DC0/vm/{site.vm}", state["uuid"], state["uuid"].upper()):
        assert site.good("find", what).startswith(state["uuid"]), what


def the_bios_uuid_is_none_of_its_names(site):
    site.bad("not-found", "find", site.state()["bios"])


def a_name_that_two_have_is_refused_and_both_are_named(site):
    site.change(TWIN, name=site.vm)
    text = site.bad("conflict", "find", site.vm)
    assert site.state(site.vm)["uuid"] in text and "instance UUID" in text


def an_instance_uuid_that_two_have_is_refused(site):
    state = site.state()
    site.change(TWIN, instance_uuid=state["uuid"])  # a copy of its files, registered on the same host
    for what in ("busy", "find"):
        text = site.bad("conflict", what, state["uuid"])
        assert state["moid"] in text and site.state(TWIN)["moid"] in text, text
    site.bad("conflict", "discard", state["uuid"], NAME)
    assert "several VMs have" in site.capture()[1]
    assert not site.requests("CreateSnapshot_Task")


def escapes_in_names_are_those_of_vsphere(site):
    site.change(name="a%2fb%25c")
    for what in ("a/b%c", "a%2fb%25c"):
        assert " a%2fb%25c " in site.good("find", what), what


def one_that_tells_no_uuid_is_found_by_what_it_is_listed_by(site):
    moid = site.state()["moid"]
    site.bad("not-found", "find", moid)
    site.change(instance_uuid="")
    assert any(line.startswith(f"{moid} ") for line in site.good("list").splitlines())
    for what in (moid, site.vm):
        assert "tells no instance UUID" in site.bad("unreachable", "find", what)


def every_page_is_read(site):
    for size in (1, 3):
        site.fault("page", "*", size, times=-1)
        assert len(site.good("list").splitlines()) == 4
        site.good("find", "DC0_C0_RP0_VM1")
    assert site.requests("ContinueRetrievePropertiesEx")
    assert all("<maxObjects>" in r["body"] for r in site.requests("RetrievePropertiesEx") if "ContainerView" in r["body"])


def a_view_is_given_back(site):
    site.good("list")
    assert len(site.requests("CreateContainerView")) == len(site.requests("DestroyView")) == 1


def a_host_has_its_own_names_for_everything(site):
    host = Site(esx=True)
    host.good("find", f"ha-datacenter/vm/{host.vm}")
    assert {r["this"] for r in host.requests("Login")} == {"ha-sessionmgr"}
    host.judge()
    host.server.close()


def what_a_vm_cannot_do_is_said(site):
    site.change(template=True)
    assert "cannot=VM 'DC0_H0_VM0' is a template" in site.good("find", site.vm)
    site.change(template=False, connection="inaccessible")
    assert "is inaccessible" in site.good("find", site.vm)
    assert "vCenter does not reach it" in site.good("list")


def independent_disks_are_left_out_and_said_to_be(site):
    site.change(disk_mode="independent_persistent")
    assert "skipped=its mode is independent_persistent" in site.good("disks", site.vm)
    assert "disks=0" in site.good("find", site.vm)


def a_raw_device_in_physical_mode_is_left_out(site):
    site.change(device="rdm-physical")
    assert "skipped=a raw device in physical mode" in site.good("disks", site.vm)
    site.captured()


def devices_that_forbid_a_snapshot_are_found_before(site):
    for device, words in (("passthrough", "PCI passthrough"), ("multi-writer", "multi-writer")):
        here = Site()
        here.change(device=device)
        status, text = here.capture()
        assert status == 1 and "error unsupported" in text and words in text, text
        assert not here.requests("CreateSnapshot_Task")
        assert words in here.good("find", here.vm)
        here.judge()
        here.server.close()


def a_task_of_anybody_makes_it_busy(site):
    site.fault("seconds", "powerOff", 3, times=-1)
    site.good("busy", site.vm)
    cookie = stand_in.log_in(site)
    stand_in.post(site, "PowerOffVM_Task", f'<_this type="VirtualMachine">{site.state()["moid"]}</_this>', cookie=cookie)
    site.may_leave = True
    assert "VirtualMachine.powerOff works on the VM" in site.bad("busy", "busy", site.vm)
    status, text = site.capture()
    assert status == 1 and "error busy" in text and not site.requests("CreateSnapshot_Task"), text


def one_task_among_many_is_found_by_two_questions(site):
    for n in range(40):
        site.server.say("snapshot", vm=site.vm, value=f"n{n}")
        while site.state()["running"]:
            time.sleep(0.005)
    site.fault("seconds", "createSnapshot", 5, times=-1)
    site.server.say("snapshot", vm=site.vm, value="last")
    assert "VirtualMachine.createSnapshot works on the VM" in site.bad("busy", "busy", site.vm)
    asked = [r["method"] for r in site.requests()]
    assert asked[-3:] == ["FindAllByUuid", "RetrievePropertiesEx", "Logout"], asked


def a_task_that_is_hidden_may_be_at_work(site):
    site.server.say("snapshot", vm=site.vm, value="x")
    site.fault("missing", "NoPermission", "info.state", times=-1)
    assert "System.Read" in site.bad("auth", "busy", site.vm)


def the_room_on_the_datastore_is_told(site):
    site.change(free=1 << 30)
    assert "has 1024 MiB left" in site.captured()
    site.change(free=0)
    site.good("delete", site.vm, NAME)
    status, text = site.capture()
    assert status == 1 and "error no-space" in text, text
