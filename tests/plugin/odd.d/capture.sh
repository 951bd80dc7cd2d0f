# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Captures that work, and what is in them.

it_holds_the_instant_and_gives_everything_back()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    chmod 0640 "$dir/vda.qcow2"
    chown 65534:65534 "$dir/vda.qcow2"
    io m 0 write -P 0x11 0 128k
    io m 1 write -P 0x11 0 128k
    has "$(capture m hf-1)" "disks 2"
    is "$(layers m vda)" "vda.qcow2.hf-1 vda.qcow2" "chain of vda"
    is "$(layers m vdb)" "vdb.raw.hf-1 vdb.raw" "chain of vdb"
    is "$(stat -c '%a %u' "$dir/vda.qcow2.hf-1")" "640 65534" "owner and mode of the overlay"
    io m 0 write -P 0x22 64k 64k
    io m 1 write -P 0x22 64k 64k
    # The base is what the disk was at that instant.
    qemu-io -U -r -f qcow2 -c 'read -P 0x11 0 128k' "$dir/vda.qcow2" | has "$(cat)" "read 131072"
    has "$(d snapshots m)" "hf-1 ours=1 current=1 memory=0 parent=- bytes=some description=holdfast run=hf-1 label=odd"
    d delete m hf-1
    is_clean m "vda.qcow2 vdb.raw "
    io m 0 read -P 0x11 0 64k
    io m 0 read -P 0x22 64k 64k
    io m 1 read -P 0x22 64k 64k
    V destroy m
    V start --paused m
    io m 0 read -P 0x22 64k 64k
}

it_survives_restarts_of_libvirtd_and_of_the_machine()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    capture m hf-1
    io m 1 write -P 0x33 0 64k
    restart_daemon
    is "$(layers m vda)" "vda.qcow2.hf-1 vda.qcow2" "chain after a restart of libvirtd"
    V destroy m
    V start --paused m
    is "$(layers m vdb)" "vdb.raw.hf-1 vdb.raw" "chain after a restart of the machine"
    has "$(qemu-img info -U "$dir/vdb.raw.hf-1")" "backing file format: raw"
    io m 1 read -P 0x33 0 64k
    d delete m hf-1
    is_clean m "vda.qcow2 vdb.raw "
    io m 1 read -P 0x33 0 64k
}

it_captures_a_running_machine()
{
    machine m "$(disk vda raw)"
    V resume m
    capture m hf-1
    d delete m hf-1
    is "$(V domstate m | head -1)" running state
    is_clean m "vda.raw "
}

it_deletes_several_in_any_order()
{
    local order n
    machine m "$(disk vda qcow2)"
    for order in "1 2 3" "3 2 1" "2 1 3" "2 3 1" "1 3 2" "3 1 2"; do
        for n in 1 2 3; do
            capture m "hf-$n"
            io m 0 write -P "0x4$n" "$((n * 64))k" 64k
        done
        is "$(layers m vda)" "vda.qcow2.hf-3 vda.qcow2.hf-2 vda.qcow2.hf-1 vda.qcow2" chain
        for n in $order; do
            d delete m "hf-$n"
        done
        for n in 1 2 3; do
            io m 0 read -P "0x4$n" "$((n * 64))k" 64k
        done
        is_clean m "vda.qcow2 "
        V destroy m
        V start --paused m
        io m 0 read -P 0x42 128k 64k
    done
}

it_leaves_out_what_cannot_change_or_must_not()
{
    local cd="<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='$dir/cd.iso'/><target dev='sda' bus='sata'/><readonly/></disk>"
    local empty="<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>"
    truncate -s 1M "$dir/cd.iso"
    machine m "$(disk vda qcow2)$(disk vdb raw "snapshot='no'")$(disk vdc raw '' '<readonly/>')$cd$empty"
    out=$(d disks m)
    has "$out" "vda $dir/vda.qcow2 qcow2 depth=1 flags=0x0 size=16777216 address=pci:"
    has "$out" "skipped=snapshot=no: not part of the capture"
    has "$out" "skipped=read-only"
    has "$out" "sda $dir/cd.iso raw"
    has "$out" "sdb - - depth=0"
    out=$(capture m hf-1)
    has "$out" "disks 1"
    has "$out" "warning: disk vdb is left out: snapshot=no"
    is "$(layers m vdb)" vdb.raw "chain of vdb"
    is "$(layers m sda)" cd.iso "chain of sda"
    d delete m hf-1
    is_clean m "cd.iso vda.qcow2 vdb.raw vdc.raw "
}

it_puts_overlays_where_it_is_told()
{
    mkdir "$dir/overlays"
    machine m "$(disk vda qcow2)"
    KEYS=overlay-dir=$dir/overlays/ capture m hf-1
    is "$(layers m vda)" "$(V domuuid m)-vda.hf-1 vda.qcow2" chain
    KEYS=overlay-dir=$dir/overlays capture m hf-2
    KEYS=overlay-dir=$dir/overlays d delete m hf-1
    d delete m hf-2
    is_clean m "vda.qcow2 "
}

it_says_that_nvram_is_not_in_it()
{
    local code=/usr/share/OVMF/OVMF_CODE_4M.fd
    [ -e "$code" ] || return 0
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$dir/vars.fd"
    machine m "$(disk vda qcow2)" "<loader readonly='yes' type='pflash'>$code</loader><nvram>$dir/vars.fd</nvram>"
    has "$(d find m)" "uefi=1"
    has "$(capture m hf-1)" "warning: UEFI variables (NVRAM) are not part of the snapshot"
    d delete m hf-1
    is_clean m "vars.fd vda.qcow2 "
}

it_keeps_checkpoints_of_others_alive()
{
    machine m "$(disk vda qcow2)"
    echo "<domaincheckpoint><name>nightly.0</name><disks><disk name='vda' checkpoint='bitmap'/></disks></domaincheckpoint>" >"$dir/c.xml"
    V checkpoint-create m "$dir/c.xml"
    io m 0 write -P 0x51 0 64k
    has "$(capture m hf-1)" "1 checkpoint of another backup exists ('nightly.0'"
    io m 0 write -P 0x52 1M 64k
    d delete m hf-1
    io m 0 write -P 0x53 2M 64k
    echo "<domainbackup mode='pull'><incremental>nightly.0</incremental><server transport='unix' socket='$dir/nbd'/><disks><disk name='vda' type='file'><scratch file='$dir/scratch'/></disk></disks></domainbackup>" >"$dir/b.xml"
    V backup-begin m "$dir/b.xml"
    # qemu-img shows what is dirty as if it were a hole (x-dirty-bitmap).
    dirty=$(qemu-img map --output=json --image-opts \
        "driver=nbd,export=vda,server.type=unix,server.path=$dir/nbd,x-dirty-bitmap=qemu:dirty-bitmap:backup-vda" |
        python3 -c 'import json, sys
for e in json.load(sys.stdin):
    if not e["data"]: print("%d+%d" % (e["start"], e["length"]), end=" ")')
    V domjobabort m
    is "$dirty" "0+65536 1048576+65536 2097152+65536 " "dirty areas"
}
