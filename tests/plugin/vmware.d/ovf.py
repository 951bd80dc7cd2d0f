# SPDX-License-Identifier: Apache-2.0
"""ovf.py - the definition of a VM, and the envelope made of it: govmomi reads it, and its simulator makes the same machine of it."""
import html
import json
import re
import subprocess

import stand_in
from common import BUILD, Site


def definition(site, vm=None):
    return json.loads(site.good("definition", vm or site.vm))


def envelope(text, *more):
    done = subprocess.run([f"{BUILD}/tests/plugin/ovf_of", "again", *more], input=json.dumps(text), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(site, cookie, kind, ref, path):
    answer = stand_in.post(
        site, "RetrievePropertiesEx", '<_this type="PropertyCollector">propertyCollector</_this><specSet>'
        f'<propSet><type>{kind}</type><pathSet>{path}</pathSet></propSet><objectSet><obj type="{kind}">{ref}</obj></objectSet></specSet><options/>',
        cookie=cookie)
    assert answer.status == 200, answer.text
    return answer.text


def imported(site, text):
    """What the simulator would make of this envelope."""
    cookie = stand_in.log_in(site)
    site.may_leave = True
    moid = site.state()["moid"]
    pool = re.search(r"<val[^>]*>(resgroup-[^<]+)<", read(site, cookie, "VirtualMachine", moid, "resourcePool")).group(1)
    store = re.search(r'"Datastore"[^>]*>([^<]+)<', read(site, cookie, "VirtualMachine", moid, "datastore")).group(1)
    answer = stand_in.post(
        site, "CreateImportSpec", f'<_this type="OvfManager">OvfManager</_this><ovfDescriptor>{html.escape(text)}</ovfDescriptor>'
        f'<resourcePool type="ResourcePool">{pool}</resourcePool><datastore type="Datastore">{store}</datastore><cisp '
        'xsi:type="OvfCreateImportSpecParams"><locale/><deploymentOption/><entityName>again</entityName></cisp>', cookie=cookie)
    assert answer.status == 200 and "<error" not in answer.text and "<warning" not in answer.text, answer.text
    return answer.text


def told(text, element):
    return re.findall(rf"<(?:\w+:)?{element}(?: [^>]*)?>([^<]*)</", text)


def the_definition_says_what_it_takes_to_make_it_again(site):
    site.change(annotation="for <you> & me", cpus=6, cores=3, memory=4096)
    d = definition(site)
    assert (d["format"], d["version"], d["name"], d["guest"], d["firmware"], d["secure_boot"]) == (
        "holdfast-machine", 1, site.vm, "otherGuest", "bios", False), d
    assert (d["cpus"], d["cores_per_socket"], d["memory_mib"], d["annotation"]) == (6, 3, 4096, "for <you> & me"), d
    assert [c["kind"] for c in d["controllers"]] == ["ide", "ide", "pvscsi"], d
    disk, = d["disks"]
    assert disk["target"] == "scsi0:0" and disk["captured"] and disk["bytes"] > 0, d
    assert {c["key"]: c["kind"] for c in d["controllers"]}[disk["controller"]] == "pvscsi", d
    nic, = d["nics"]
    assert (nic["kind"], nic["connected"]) == ("e1000", True) and re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", nic["mac"]), d
    assert nic["network"] == "DC0_DVPG0", "a port group is told by its name"


def firmware_and_secure_boot_are_told(site):
    site.change(firmware="efi", secure_boot=True)
    d = definition(site)
    assert (d["firmware"], d["secure_boot"]) == ("efi", True), d
    text = envelope(d)
    assert 'vmw:key="firmware" vmw:value="efi"' in text and "efiSecureBootEnabled" in text, text


def what_programs_keep_in_a_vms_settings_stays_there(site):
    secret = "hunter2-secret"
    site.change(secret=secret)
    cookie = stand_in.log_in(site)
    for path in ("config.extraConfig", "config.vAppConfig"):
        assert secret in read(site, cookie, "VirtualMachine", site.state()["moid"], path), "the test sets none"
    site.may_leave = True
    text = site.good("definition", site.vm)
    assert secret not in text and "guestinfo" not in text, text
    allowed = {"format", "version", "name", "guest", "hardware", "firmware", "secure_boot", "cpus", "cores_per_socket", "memory_mib",
               "annotation", "instance_uuid", "bios_uuid", "file", "controllers", "disks", "nics"}
    assert set(json.loads(text)) == allowed, set(json.loads(text)) ^ allowed


def a_long_note_is_cut_between_characters(site):
    site.change(annotation="x" + "ü" * 20000)
    d = definition(site)
    assert d["annotation"] == "x" + "ü" * ((16000 - 1) // 2), len(d["annotation"])
    envelope(d)


def a_disk_that_snapshots_leave_out_is_said_to_be(site):
    site.change(disk_mode="independent_persistent")
    disk, = definition(site)["disks"]
    assert disk["captured"] is False


def the_simulator_makes_the_same_machine_of_the_envelope(site):
    site.change(cpus=6, memory=4096)
    text = imported(site, envelope(definition(site)))
    spec = text[text.index("<importSpec"):]
    assert (told(spec, "numCPUs"), told(spec, "memoryMB"), told(spec, "guestId")) == (["6"], ["4096"], ["otherGuest"]), text
    assert told(spec, "version")[0] == "vmx-13", text
    assert told(spec, "capacityInKB") == ["1024"], text
    assert "ParaVirtualSCSIController" in spec and "VirtualE1000" in spec, text
    assert (told(text, "path"), told(text, "size")) == (["disk1.vmdk"], ["4096"]), text


def names_that_are_made_to_break_out_arrive_as_names(site):
    evil = 'n"><Item>&<![CDATA[x]]>'
    d = definition(site)
    d["nics"][0]["network"], d["annotation"], d["guest"] = evil, evil, evil
    text = imported(site, envelope(d))
    assert html.unescape(told(text, "guestId")[0]) == evil, text


def a_host_has_one_too(site):
    host = Site(esx=True)
    d = definition(host)
    assert d["disks"] and d["nics"][0]["network"] == "VM Network", d
    envelope(d, "keep-mac")
    host.judge()
    host.server.close()
