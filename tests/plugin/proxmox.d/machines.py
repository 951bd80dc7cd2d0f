# SPDX-License-Identifier: Apache-2.0
"""machines.py - new VMs from backups: one case per trap."""
import re
import threading
import time

from common import RUN, Machine, Site, folder, private


def made(site, flags="-", **more):
    m = Machine(site, **more)
    m.good("plan", flags)
    m.good("create")
    return m


# ---- what is made ----

def it_is_restored_marked_started_and_settled(site):
    m = made(site)
    vm = m.vm
    assert vm.data == 7 and vm.status == "stopped" and vm.config["name"] == "shop2", vm.config
    first, *rest = vm.config["description"].split("\n")
    assert first == f"holdfast machine run={RUN} purpose=restore links=up" and rest == ["the shop's database", "50% of it: é"], vm.config
    assert RUN in m.site.good("machine-list"), "a dead run's would not be found"
    m.good("start")
    m.good("start")
    assert vm.status == "running"
    for _ in range(2):
        m.good("settle")
    assert vm.config["description"] == f"restored by holdfast run={RUN}\nthe shop's database\n50% of it: é"
    assert RUN not in m.site.good("machine-list")
    assert "settled" in m.bad("conflict", "destroy") and vm.status == "running"


def a_backup_server_s_archive_does_as_well(site):
    assert made(site, storage="pbs1").vm.data == 7


def the_vm_itself_may_be_gone(site):
    m = Machine(site)
    del site.world.vms[100]
    m.good("plan")
    m.good("create")
    assert m.vm.data == 7 and m.vm.node == "pve1"


def the_request_says_what_may_never_be_said(site):
    m = made(site)
    (_, _, _, _, body, _), = m.posts()
    keys = {part.partition("=")[0] for part in body.split("&")}
    assert "unique" in keys and not keys & {"force", "start", "live-restore", "ha-managed", "skiplock", "scsi0"}, body
    assert not [r for r in site.world.requests if "skiplock" in r[3] + r[4] or "destroy-unreferenced-disks=1" in r[3] + r[4]]


def it_neither_starts_with_the_node_nor_resists_deletion(site):
    m = made(site)
    assert m.vm.config["onboot"] == "0" and m.vm.config["protection"] == "0"
    text = m.good("plan", "-", "shop3")
    assert "changed onboot" in text and "changed protection" in text, text


def its_addresses_and_its_uuid_are_new(site):
    m = made(site)
    text = str(m.vm.config)
    assert "BC:24:11:00:00:0" not in text and "11111111-2222" not in text and "9f1f2c7e" not in text, text


def they_are_kept_when_asked_for(site):
    m = Machine(site)
    del site.world.vms[100]
    m.good("plan", "keep-mac,keep-uuid")
    m.good("create")
    assert m.vm.config["net0"].startswith("virtio=BC:24:11:00:00:01,bridge=vmbr0") and "11111111-2222" in m.vm.config["smbios1"]


def a_uuid_that_the_old_vm_has_is_not_kept(site):
    Machine(site).bad("conflict", "plan", "keep-uuid")


# ---- links ----

def links_are_down_from_the_first_moment(site):
    """Not by a change afterwards: between the two anybody may start it, and so may the node."""
    for flags in ("no-network", "isolated"):
        here = Site()
        m = made(here, flags)
        assert all("link_down=1" in m.vm.config[n] and "BC:24:11:00:00" not in m.vm.config[n] for n in ("net0", "net1")), m.vm.config
        assert not [d for _, what, d in here.world.timeline if what == "config" and "net0" in d[1]], "cut only later"
        m.good("start")
        (_, config), = [d for _, what, d in here.world.timeline if what == "started-vm"]
        assert "link_down=1" in config["net0"] and "link_down=1" in config["net1"], config
        here.server.close()


def links_that_somebody_put_up_are_down_again_before_the_start(site):
    m = made(site, "isolated")
    m.vm.config["net1"] = m.vm.config["net1"].replace("link_down=1", "link_down=0")
    m.good("start")
    (_, config), = [d for _, what, d in site.world.timeline if what == "started-vm"]
    assert "link_down=1" in config["net1"] and "link_down=0" not in config["net1"], config


def a_server_that_passes_over_what_is_asked_for_makes_no_machine(site):
    m = Machine(site)
    m.good("plan", "isolated")
    site.world.faults["override-ignored"] = True
    m.bad("conflict", "create")
    assert m.vm.status == "stopped"
    number = m.vm.vmid
    text = m.bad("conflict", "destroy")
    assert m.vm.vmid == number and f"qm destroy {number}" in text and "without the mark" in text, text
    del site.world.vms[number]
    m.good("destroy")


def links_are_up_where_a_network_is_wanted(site):
    assert "link_down" not in made(site).vm.config["net0"]


# ---- the foreign text ----

def what_reaches_into_the_node_is_not_in_an_isolated_one(site):
    m = made(site, "isolated", config={"usb0": "mapping=stick", "hostpci0": "mapping=gpu,pcie=1", "usb1": "spice", "virtiofs0": "share",
                                       "serial0": "socket", "ide2": "nfs1:iso/x.iso,media=cdrom", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"})
    assert not [k for k in m.vm.config if re.match("usb|hostpci|virtiofs", k)], m.vm.config
    assert m.vm.config["ide2"] == "none,media=cdrom" and m.vm.config["serial0"] == "socket" and m.vm.config["reboot"] == "0"


def what_a_token_cannot_take_out_is_refused(site):
    for config, flags in (({"args": "-device vfio-pci,host=01:00.0"}, "-"), ({"args": "-S"}, "isolated,arguments"),
                          ({"hostpci0": "0000:01:00.0"}, "-"), ({"usb0": "host=1234:5678"}, "-"), ({"serial0": "/dev/ttyS0"}, "isolated"),
                          ({"hookscript": "local:snippets/x.sh"}, "isolated"), ({"template": "1"}, "-")):
        here = Site()
        m = Machine(here)
        here.world.vault[m.ref][0].update(config)
        text = m.bad("unsupported", "plan", flags)
        assert f"refused {list(config)[0]}" in text and not m.posts(), (config, text)
        here.server.close()


def what_reaches_into_the_node_is_told_else(site):
    text = Machine(site, config={"args": "-S", "hookscript": "local:snippets/x.sh", "hostpci0": "mapping=gpu", "serial0": "/dev/ttyS0",
                                 "virtiofs0": "share"}).good("plan", "arguments")
    for word in ("args", "hookscript", "hostpci0", "serial0", "virtiofs0"):
        assert f"warning {word}" in text, (word, text)


def a_cd_that_is_not_here_is_taken_out(site):
    """Else the VM does not start: its image is not found."""
    m = made(site, config={"ide2": "elsewhere:iso/x.iso,media=cdrom", "ide0": "local-lvm:cloudinit,media=cdrom"})
    assert m.vm.config["ide2"] == "none,media=cdrom" and m.vm.config["ide0"] == "local-lvm:cloudinit,media=cdrom", m.vm.config


def disks_that_the_backup_does_not_hold_are_told(site):
    m = Machine(site)
    site.world.vault[m.ref][0]["scsi3"] = "local-lvm:vm-100-disk-3,backup=0,size=1G"
    assert "left-out disk scsi3" in m.good("plan")


def a_head_that_is_none_is_refused(site):
    m = Machine(site)
    for head, cls in (("no configuration at all", "corrupt"), ("name: a\x01b\n", "corrupt"), ("x" * 300000, "corrupt"), ("name: x\n", "unsupported"),
                      ("", "corrupt"), ("name: x\n#qmdump#map:scsi0:drive\n", "corrupt"), ("a: 1\n" * 3000, "corrupt"),
                      ("scsi0: x:y,size=1G\n#qmdump#map:scsi0:drive-scsi0:../../x:raw:\n", "config")):
        site.world.faults["head"] = head or "\n"
        m.bad(cls, "plan")
    site.world.faults.pop("head")
    site.world.faults["head-unreadable"] = 1
    m.bad("plugin", "plan")
    assert not m.posts()


def a_snapshot_s_section_is_not_the_vm(site):
    m = Machine(site)
    site.world.faults["head"] = "scsi0: local-lvm:d,size=1G\n#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:\n[old]\nargs: -S\n"
    assert "args" not in m.good("plan")


# ---- before anything happens ----

def each_right_that_is_missing_is_named(site):
    m = Machine(site)
    for right in ("VM.Allocate", "VM.Config.Options", "VM.Config.Network", "VM.PowerMgmt", "VM.Backup", "Datastore.AllocateSpace"):
        site.world.rights.pop(right)
        assert right in m.bad("auth", "plan", "isolated"), right
        site.world.rights[right] = 1
    assert not m.posts()


def the_agent_s_rights_are_asked_for_by_version(site):
    for here, right in ((site, "VM.GuestAgent.Unrestricted"), (Site(new=False), "VM.Monitor")):
        m = Machine(here)
        here.world.rights.pop(right)
        assert right in m.good("plan", "isolated")


def a_storage_that_will_not_do_is_seen_before(site):
    m = Machine(site)
    lvm = site.world.storages["local-lvm"]
    m.bad("not-found", "plan", "-", "shop2", "nowhere")
    m.bad("config", "plan", "-", "shop2", "local")
    m.bad("config", "plan", "-", "shop2", "-x")
    lvm.active = 0
    m.bad("unreachable", "plan")
    lvm.active, lvm.used = 1, lvm.total - (1 << 20)
    m.bad("no-space", "plan")
    lvm.used = lvm.total - (8 << 30)  # thin: what is not written costs nothing
    assert "warning storage local-lvm" in m.good("plan")
    lvm.kind = "lvm"
    m.bad("no-space", "plan")
    m.good("plan", "-", "shop2", "nfs1")
    m.good("create")
    assert m.vm.config["scsi0"].startswith("nfs1:"), m.vm.config


def a_backup_that_is_gone_is_not_found(site):
    m = Machine(site)
    site.world.archives.clear()
    m.bad("not-found", "plan")


def a_damaged_one_is_told(site):
    m = Machine(site, storage="pbs1")
    site.world.archives[m.ref]["verification"] = {"state": "failed"}
    assert "warning backup" in m.good("plan")


def a_name_that_is_taken_or_none_is_refused(site):
    m = Machine(site)
    m.bad("conflict", "plan", "-", "db1")
    for name in ("a_b", "-a", "a.", "a..b"):
        m.bad("config", "plan", "-", name)


def what_proxmox_cannot_promise_is_refused(site):
    m = Machine(site)
    for flag in ("transient", "replace"):
        m.bad("unsupported", "plan", flag)
    xml = private("machine-xml", "<domain/>")
    site.bad("unsupported", "machine-plan", xml, "n", "-", m.plan)
    m.good("plan")
    m.good("create")
    m.bad("unsupported", "start", "paused")


def what_is_no_token_is_refused(site):
    m = Machine(site)
    m.good("plan")
    private("machine.token", '{"v":1,"op":"machine","vm":"100","node":"../x","run":"r","purpose":"p","before":""}')
    for verb in ("create", "start", "settle", "destroy"):
        m.bad("corrupt", verb)


def memory_can_be_less(site):
    m = Machine(site)
    text = m.good("plan", env={"MACHINE_MEMORY": "1024"})
    assert "memory=1073741824" in text and "changed memory" in text, text
    m.good("create")
    assert m.vm.config["memory"] == "1024"


# ---- numbers ----

def a_number_with_volumes_of_somebody_is_not_taken(site):
    """[!] The server would hang them on the new VM, and delete them with it."""
    site.world.volumes["nfs1", "vm-101-disk-0"] = 101
    m = made(site)
    assert m.vm.vmid == 102
    m.good("destroy")
    assert ("nfs1", "vm-101-disk-0") in site.world.volumes


def a_volume_that_came_later_is_not_deleted_with_it(site):
    m = Machine(site)
    m.good("plan")
    site.world.volumes["nfs1", "vm-101-disk-0"] = 101
    status, text = m.step("create")
    assert status == 0 and site.world.vms[101].config["unused0"] == "nfs1:vm-101-disk-0", text
    assert "unused0" in m.bad("conflict", "destroy")
    assert ("nfs1", "vm-101-disk-0") in site.world.volumes


def a_number_that_is_taken_in_between_is_another_s(site):
    m = Machine(site)
    m.good("plan")
    site.world.faults["vmid-taken"] = 1
    m.bad("conflict", "create")
    theirs = site.world.vms[101]
    assert theirs.name == "theirs" and not [d for _, what, d in site.world.timeline if what == "forced"]
    m.good("destroy")
    assert site.world.vms[101] is theirs and theirs.name == "theirs"
    m.bad("conflict", "start")
    m.bad("conflict", "settle")


def a_number_that_another_run_has_now_is_not_touched(site):
    m = made(site)
    m.vm.config["description"] = m.vm.config["description"].replace(RUN, "20261123T040000Z-00000000")
    m.good("destroy")
    assert m.vm.data == 7


def drills_at_the_same_time_have_numbers_of_their_own(site):
    m = Machine(site)
    one = re.search("planned ([0-9]+)", m.good("plan", "isolated")).group(1)
    other = re.search("planned ([0-9]+)", m.good("plan", "isolated", "shop3", env={"HOLDFAST_RUN_ID": "20261123T030000Z-11111111"})).group(1)
    assert one != other and int(one) >= 900000000 and int(other) >= 900000000


# ---- the copy ----

def a_copy_that_takes_long_is_waited_for_again(site):
    m = Machine(site)
    m.good("plan")
    site.world.restore_seconds = 2.5
    assert "left: task UPID" in m.bad("timeout", "create", limit=1200)
    m.good("create")
    assert len(m.posts()) == 1 and m.vm.data == 7


def an_api_that_is_away_is_no_slow_copy(site):
    """… for which the host would wait for days."""
    m = Machine(site)
    m.good("plan")
    site.world.restore_seconds = 30
    threading.Timer(0.7, site.world.faults.update, ({"595-any-get": True},)).start()
    assert "left: task UPID" in m.bad("unreachable", "create", limit=2500)


def an_answer_that_is_lost_restores_nothing_twice(site):
    for fault, what in (("drop-after", "POST qemu"), ("596", "POST qemu"), ("500-after-fork", "qmrestore")):
        here = Site()
        m = Machine(here)
        m.good("plan")
        here.world.faults[fault] = what
        status, text = m.step("create")
        if fault == "596":  # it never came in
            assert status == 1, text
            here.world.faults.clear()
            m.good("create")
        else:
            assert status == 0, text
        assert m.vm.data == 7 and len([t for t in here.world.tasks.values() if t.kind == "qmrestore"]) == 1, fault
        here.server.close()


def created_twice_it_is_made_once(site):
    m = made(site)
    m.good("create")
    assert len(m.posts()) == 1


def its_task_is_forgotten_and_it_is_known_all_the_same(site):
    m = made(site)
    site.world.tasks.clear()
    m.good("create")
    m.good("start")
    m.good("destroy")
    m.assert_gone()


def why_a_copy_failed_is_told(site):
    m = Machine(site)
    m.good("plan")
    site.world.faults["restore-full"] = 1
    assert "No space left" in m.bad("no-space", "create")
    assert m.vm.config == {} and m.vm.lock is None  # [!] the server leaves it
    m.good("destroy")
    m.assert_gone()


def a_copy_that_failed_does_not_go_on(site):
    """[!] Whatever its last words are: time-outs and storages that are away would have the host ask for ever."""
    for fault, word in (({}, "is not online"), ({"restore-times-out": 1}, "got timeout")):
        here = Site()
        m = Machine(here)
        m.good("plan")
        here.world.faults.update(fault)
        here.world.storages["local-lvm"].active = int(bool(fault))
        assert word in m.bad("plugin", "create")
        here.server.close()


def a_number_that_another_run_restores_to_is_no_task_to_stop(site):
    """… which the server tells by "already exists", and the task list as the restore that was looked for."""
    m = Machine(site)
    m.good("plan")
    site.world.restore_seconds = 3
    site.world.faults["vmid-restored"] = 1
    text = m.bad("conflict", "create")
    assert "not of this run" in text, text
    m.good("destroy")
    assert m.vm.config["name"] == "theirs" and not [r for r in site.world.requests if r[1] == "DELETE"], m.vm.config


def a_backup_that_cannot_be_read_is_damaged(site):
    m = Machine(site)
    m.good("plan")
    site.world.faults["restore-damaged"] = 1
    assert "checksum" in m.bad("corrupt", "create")


# ---- the way back ----

def destroyed_it_is_gone_with_its_disks(site):
    for flags in ("-", "isolated"):
        here = Site()
        m = made(here, flags)
        m.good("start")
        for _ in range(2):
            m.good("destroy")
        m.assert_gone()
        (request,) = [r for r in here.world.requests if r[1] == "DELETE" and "/qemu/" in r[2]]
        assert "purge" not in request[3], "the number may be one that the backup jobs of others name"
        assert "destroy-unreferenced-disks" not in request[3], request
        here.server.close()


def nothing_there_is_nothing_to_destroy(site):
    m = Machine(site)
    m.good("plan")
    m.good("destroy")
    m.assert_gone()


def a_copy_under_way_is_stopped(site):
    m = Machine(site)
    m.good("plan", "isolated")
    site.world.restore_seconds = 30
    m.bad("timeout", "create", limit=800)
    begun = time.monotonic()
    m.good("destroy")
    assert time.monotonic() - begun < 10
    m.assert_gone()


def one_that_may_be_another_run_s_is_waited_for(site):
    """Two runs may have been told the same number: what copies to it is stopped by the one that began it, in the process that did."""
    m = Machine(site)
    m.good("plan")
    site.world.restore_seconds = 3
    m.bad("timeout", "create", limit=800)
    text = m.bad("timeout", "destroy", limit=800)
    assert "left: task UPID" in text and "runs on" in text, text
    assert not [r for r in site.world.requests if r[1] == "DELETE" and "/tasks/" in r[2]], "stopped"
    m.good("destroy")
    m.assert_gone()


def two_runs_with_one_number_do_not_undo_each_other(site):
    m = Machine(site)
    other = {"env": {"HOLDFAST_RUN_ID": "20261123T030000Z-22222222"}}
    m.good("plan")
    first, m.plan = m.plan, m.plan + "-other"
    m.good("plan", "-", "shop3", **other)
    m.plan, second = first, m.plan
    site.world.restore_seconds = 6
    m.bad("timeout", "create", limit=800)
    m.plan = second
    m.bad("timeout", "create", limit=800, **other)
    m.bad("timeout", "destroy", limit=500, **other)
    m.plan = first
    m.good("create")
    m.plan = second
    m.bad("conflict", "create", **other)
    m.good("destroy", **other)
    assert m.vm.config["name"] == "shop2" and m.vm.data == 7


def a_right_that_only_the_task_finds_missing_is_one(site):
    m = Machine(site)
    m.good("plan")
    site.world.rights.pop("SDN.Use")
    assert "SDN.Use" in m.bad("auth", "create")


def a_lock_that_a_dead_restore_left_is_named_and_never_removed(site):
    m = Machine(site)
    m.good("plan")
    site.world.faults["restore-killed"] = 1
    m.bad("plugin", "create")
    text = m.bad("conflict", "destroy")
    assert "qm unlock 101" in text and "left: VM 101, locked (create)" in text, text
    assert m.vm.lock == "create" and not [r for r in site.world.requests if "skiplock" in r[3] + r[4]]


def an_empty_vm_of_somebody_else_is_not_deleted(site):
    """Only what a restore of ours that failed has left."""
    m = Machine(site)
    m.good("plan")
    theirs = site.world.add(101, "x", "pve1")
    theirs.config, theirs.status, theirs.qmp = {}, "stopped", "stopped"
    m.good("destroy")
    assert site.world.vms[101] is theirs


def a_vm_that_was_made_after_our_restore_failed_is_not_deleted(site):
    m = Machine(site)
    m.good("plan")
    site.world.faults["restore-full"] = 1
    m.bad("no-space", "create")
    del site.world.vms[101]
    theirs = site.world.add(101, "theirs", "pve1")
    theirs.status = theirs.qmp = "stopped"
    m.good("destroy")
    assert site.world.vms[101] is theirs


def a_lost_answer_to_the_deletion_deletes_once(site):
    for fault, what in (("drop-after", "DELETE 101"), ("500-after-fork", "qmdestroy"), ("drop-after", "POST stop")):
        here = Site()
        m = made(here)
        m.good("start")
        here.world.faults[fault] = what
        m.good("destroy")
        m.assert_gone()
        here.server.close()


def a_deletion_that_fails_says_what_is_left(site):
    m = made(site)
    site.world.faults["destroy-fails"] = 1
    assert "left: VM 101" in m.bad("plugin", "destroy")
    m.good("destroy")
    m.assert_gone()


def what_dead_runs_left_can_be_destroyed_from_the_list_alone(site):
    made(site, "isolated")
    site.good("machine-list", folder.name)
    site.good("machine-destroy", f"{folder.name}/shop2")
    Machine.assert_gone(type("Left", (), {"site": site})())


def an_agent_that_comes_late_is_waited_for_by_whoever_asks(site):
    site.world.faults["agent-slow-seconds"] = 4
    m = made(site, "isolated")
    m.good("start")
    ident = str(m.vm.vmid)
    assert site.drive("ping", ident)[0] == 1
    while not m.vm.agent_alive:
        time.sleep(0.1)
    site.good("ping", ident)


def a_start_that_fails_is_told_and_undone(site):
    m = made(site)
    site.world.faults["start-fails"] = 1
    assert "QEMU exited" in m.bad("plugin", "start")
    m.good("destroy")
    m.assert_gone()


def a_cancelled_copy_goes_on_until_it_is_destroyed(site):
    import signal
    import subprocess
    m = Machine(site)
    m.good("plan", "isolated")
    site.world.restore_seconds = 30
    child = subprocess.Popen(site.command("machine-create", m.plan), stdout=subprocess.PIPE)
    threading.Timer(1, child.send_signal, (signal.SIGINT,)).start()
    out = child.communicate(timeout=30)[0].decode()
    assert "error cancelled" in out and "left: task UPID" in out, out
    m.good("destroy")
    m.assert_gone()
