# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# A machine of a definition that vSphere's plugin wrote: libvirt takes it and QEMU starts it, with each device there is.

# vsphere FIRMWARE [SECURE [KEY=VALUE…]]: a definition with a controller of each kind in $kinds, a disk on each, and a card of each in
# $nics.
vsphere()
{
    python3 - "$@" <<-'PY'
	import json, os, sys
	firmware, secure = sys.argv[1], sys.argv[2:3] == ["secure"]
	kinds, nics = os.environ.get("kinds", "pvscsi").split(), os.environ.get("nics", "").split()
	doc = {"format": "holdfast-machine", "version": 1, "name": "of vsphere", "guest": "debian11_64Guest", "hardware": "vmx-19",
	       "firmware": firmware, "secure_boot": secure, "cpus": 2, "cores_per_socket": 2, "memory_mib": 64, "annotation": "",
	       "bios_uuid": "564d1234-5678-9abc-def0-123456789abc",
	       "controllers": [{"key": 1000 + i, "kind": k, "bus": i} for i, k in enumerate(kinds)],
	       "disks": [{"target": f"scsi{i}:0", "controller": 1000 + i, "unit": 0, "captured": True} for i in range(len(kinds))],
	       "nics": [{"kind": k, "network": "VM Network", "mac": f"00:50:56:00:00:{i:02x}", "connected": True} for i, k in enumerate(nics)]}
	for pair in sys.argv[3:]:
	    key, value = pair.split("=", 1)
	    doc[key] = json.loads(value)
	print(json.dumps(doc, ensure_ascii=False))
	PY
}

# N images, each with bytes of its own, as disks of the request.
vsphere_disks()
{
    local i
    for ((i = 0; i < $1; i++)); do
        qemu-img create -q -f qcow2 "$dir/scsi$i:0.qcow2" 16M
        qemu-io -f qcow2 -c "write -P $((0x41 + i)) 0 64k" "$dir/scsi$i:0.qcow2" >/dev/null
        echo "scsi$i:0=qcow2:$dir/scsi$i:0.qcow2"
    done
}

# Each disk of the machine "new", in the order of their names, has the bytes of the image that was said.
reads_its_disks()
{
    local i=0 alias
    for alias in $(V dumpxml new | python3 -c '
import sys, xml.etree.ElementTree as E
disks = E.fromstring(sys.stdin.read()).iter("disk")
print(*(d.find("alias").get("name") for d in sorted(disks, key=lambda d: int(d.find("boot").get("order")))))'); do
        qemu_io new "/machine/peripheral/$alias" read -P $((0x41 + i)) 0 64k
        i=$((i + 1))
    done
    is "$i" "$1" disks
}

# shellcheck disable=SC2046
it_starts_a_machine_of_vsphere_with_each_controller_and_card()
{
    local out
    kinds="pvscsi lsilogic lsisas buslogic ide ahci nvme" nics="vmxnet3 vmxnet2 e1000 e1000e pcnet32 other" vsphere bios >"$dir/vs.json"
    out=$(plan "$dir/token-p" "$dir/vs.json" new "" $(vsphere_disks 7))
    has "$out" "changed machine: a 'pc' of libvirt's type 'qemu' with BIOS"
    has "$out" "changed disk scsi0:0: is 'sda' here, on vmpvscsi"
    has "$out" "changed disk sda: in '$dir/scsi0:0.qcow2'"
    has "$out" "changed controller buslogic 3: QEMU has none: 'lsilogic' instead"
    has "$out" "changed name: 'new' instead of 'of vsphere'"
    has "$out" "cut-off interface 00:50:56:00:00:00: the network 'VM Network' is not here"
    virt-xml-validate "$dir/token-p.xml" domain
    create "$dir/token-p"
    is "$(d machine-list)" "new run=run purpose=restore state=3 transient=0" "machines of runs"
    d machine-start "$dir/token-p" paused
    reads_its_disks 7
    destroy "$dir/token-p"
    destroy "$dir/token-p"
    is "$(V list --all --name | xargs)$(d machine-list)" "" machines
}

# By BIOS, which has a driver for each of them: what it started from is written to the end.
it_boots_a_machine_of_vsphere_by_each_controller()
{
    local kind alias _
    for kind in pvscsi lsilogic lsisas buslogic ide ahci nvme; do
        rm -f "$dir/scsi0:0.qcow2"
        writer "$dir/scsi0:0.qcow2"
        kinds=$kind vsphere bios >"$dir/vs.json"
        plan "$dir/token-p" "$dir/vs.json" new isolated,transient "scsi0:0=qcow2:$dir/scsi0:0.qcow2" >/dev/null
        create "$dir/token-p"
        alias=$(V dumpxml new >"$dir/new.xml" && value "//disk/alias/@name" "$dir/new.xml")
        d machine-start "$dir/token-p"
        for _ in $(seq 900); do
            ! qemu_io new "/machine/peripheral/$alias" read -P 0 14M 1M >/dev/null || break
            sleep 0.1
        done
        qemu_io new "/machine/peripheral/$alias" read -P 0 14M 1M || { echo "  $kind does not boot"; return 1; }
        destroy "$dir/token-p"
    done
}

# shellcheck disable=SC2046
it_settles_a_machine_of_vsphere_which_is_one_of_libvirts_then()
{
    vsphere bios >"$dir/vs.json"
    plan "$dir/token-p" "$dir/vs.json" new keep-uuid,keep-mac $(vsphere_disks 1)
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    d machine-settle "$dir/token-p"
    is "$(d machine-list)" "" "machines of runs"
    fails conflict "is settled" destroy "$dir/token-p"
    is "$(V domuuid new | xargs)" 564d1234-5678-9abc-def0-123456789abc UUID
    has "$(V dumpxml new --inactive)" 'state="settled"'
    V destroy new
    d definition new >"$dir/again.xml"
    V undefine new
    HOLDFAST_RUN_ID=two plan "$dir/token-p" "$dir/again.xml" new "" "sda=qcow2:$dir/scsi0:0.qcow2"
    HOLDFAST_RUN_ID=two create "$dir/token-p"
    HOLDFAST_RUN_ID=two destroy "$dir/token-p"
}

# shellcheck disable=SC2046
it_starts_a_machine_of_vsphere_with_uefi_and_takes_its_variables_away()
{
    local out secure
    for secure in "" secure; do
        kinds="pvscsi ide ahci" nics=vmxnet3 vsphere efi $secure >"$dir/vs.json"
        out=$(MACHINE_DIR=$dir plan "$dir/token-p" "$dir/vs.json" new isolated,transient $(vsphere_disks 3))
        has "$out" "uefi=1"
        has "$out" "changed controller pvscsi 0: common UEFI for QEMU reads no disk on it: 'sata' instead"
        has "$out" "left-out interface 00:50:56:00:00:00: nothing leads in or out"
        lacks "$out" graphics
        virt-xml-validate "$dir/token-p.xml" domain
        MACHINE_DIR=$dir create "$dir/token-p"
        is "$(V domstate new)" paused state
        lacks "$(qmp --hmp new info network)" user
        reads_its_disks 3
        # The vendors' keys, without which everything boots, are in this template of Debian's.
        is "$(V dumpxml new | grep -c '_VARS_4M.ms.fd')" "$([ -z "$secure" ] && echo 0 || echo 1)" "secure boot"
        destroy "$dir/token-p"
        is "$(find "$dir" -name '*_VARS*')" "" "UEFI variables"
    done
}

# Bounds are those of the definition's reader, or libvirt's.
it_refuses_a_machine_of_vsphere_that_nobody_can_make()
{
    local one many i
    one=$(vsphere_disks 1)
    vsphere bios "" 'cpus=4096' 'cores_per_socket=1' >"$dir/vs.json"
    fails unsupported "libvirt would not start it" plan "$dir/token-p" "$dir/vs.json" new "" "$one"
    vsphere bios "" 'cpus="4"' >"$dir/vs.json"
    fails corrupt cpus plan "$dir/token-p" "$dir/vs.json" new "" "$one"
    vsphere bios "" 'version=2' >"$dir/vs.json"
    fails unsupported "version 2" plan "$dir/token-p" "$dir/vs.json" new "" "$one"
    vsphere bios "" 'disks=[]' >"$dir/vs.json"
    fails conflict "no disk 'scsi0:0'" plan "$dir/token-p" "$dir/vs.json" new "" "$one"
    vsphere bios >"$dir/out.json"
    head -c 200 "$dir/out.json" >"$dir/vs.json"
    fails corrupt "not well-formed" plan "$dir/token-p" "$dir/vs.json" new "" "$one"
    vsphere bios >"$dir/vs.json"
    fails unsupported "takes no machine's place" plan "$dir/token-p" "$dir/vs.json" new replace "$one"
    fails conflict "no disk 'sda'" plan "$dir/token-p" "$dir/vs.json" new "" "sda=qcow2:$dir/scsi0:0.qcow2"
    nics=$(for ((i = 0; i < 64; i++)); do echo vmxnet3; done | xargs) vsphere bios >"$dir/vs.json"
    plan "$dir/token-p" "$dir/vs.json" new "" "$one" >/dev/null
    many=$(printf '{"kind":"e1000","network":"n","connected":true},%.0s' {1..65})
    vsphere bios "" "nics=[${many%,}]" >"$dir/vs.json"
    fails corrupt nics plan "$dir/token-p" "$dir/vs.json" new "" "$one"
    is "$(V list --all --name | xargs)" "" machines
}

# shellcheck disable=SC2046
it_takes_the_words_of_a_vsphere_definition_for_words()
{
    local evil="\"'/><devices><hostdev/></devices><!--\\u0001\\uffff&#x41;]]>\""
    nics=vmxnet3 vsphere bios "" "name=$evil" "guest=$evil" "annotation=$evil" \
        "nics=[{\"kind\":$evil,\"network\":$evil,\"mac\":$evil,\"connected\":true}]" >"$dir/vs.json"
    plan "$dir/token-p" "$dir/vs.json" new "" $(vsphere_disks 1)
    virt-xml-validate "$dir/token-p.xml" domain
    is "$(value "count(//hostdev)+count(//interface)" "$dir/token-p.xml")" 1 "devices of the network and of the host"
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    destroy "$dir/token-p"
}
