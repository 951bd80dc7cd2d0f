# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Machines that are not captured, and why; snapshots that are not deleted.

it_refuses_a_machine_without_a_disk()
{
    machine m ""
    fails unsupported "VM 'm' has no disk to capture" capture m hf-1
    has "$(d find m)" "can=0x0 disks=0 agent=0 uefi=0 cannot=snapshot: there is no disk"
}

it_refuses_disks_that_take_no_overlay()
{
    machine shared "$(disk vda raw '' '<shareable/>')"
    fails unsupported "disk vda: shared with other VMs" capture shared hf-1
    machine passing "$(disk vdb qcow2 '' '<transient/>')" || machine passing "$(disk vdb qcow2 '' '<transient/>')"
    fails unsupported "disk vdb: transient" capture passing hf-1
    define network "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='x'><host name='127.0.0.1' port='1'/></source><target dev='vda' bus='virtio'/></disk>"
    has "$(d disks network)" "refused=its source is neither a file nor a block device"
    qemu-img create -q -f vmdk "$dir/vdc.vmdk" 16M
    define vmdk "$(disk vdc vmdk)"
    has "$(d disks vmdk)" "refused=its format is neither qcow2 nor raw"
    define slice "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='$dir/vda.raw'><slices><slice type='storage' offset='0' size='1048576'/></slices></source><target dev='vda' bus='virtio'/></disk>"
    has "$(d disks slice)" "refused=a slice of a larger file"
    define block "<disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/null'/><target dev='vda' bus='virtio'/></disk>"
    has "$(d disks block)" "refused=a block device: overlays need the key overlay-dir"
}

it_refuses_an_encrypted_disk()
{
    # The old AES format: LUKS has its key derivation timed on the processor, which fails on machines that account
    # no processor time to a thread. Nothing here opens the image; the definition alone says that it is encrypted.
    qemu-img create -q --object secret,id=s,data=pass -f qcow2 -o encrypt.format=aes,encrypt.key-secret=s "$dir/vda.qcow2" 16M
    echo "<secret ephemeral='no' private='yes'><usage type='volume'><volume>$dir/vda.qcow2</volume></usage></secret>" >"$dir/s.xml"
    uuid=$(V secret-define "$dir/s.xml" | sed -n 's/^Secret \([^ ]*\).*/\1/p')
    [ -n "$uuid" ] || uuid=$(V secret-list | awk 'NR == 1 {print $1}')
    define m "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$dir/vda.qcow2'><encryption format='luks'><secret type='passphrase' uuid='$uuid'/></encryption></source><target dev='vda' bus='virtio'/></disk>"
    has "$(d disks m)" "refused=encrypted: an overlay would hold plain text"
    V secret-undefine "$uuid"
}

it_refuses_machines_that_do_not_run_or_leave_no_definition()
{
    define off "$(disk vda qcow2)"
    fails unsupported "VM 'off' is shut off" capture off hf-1
    sed 's/off/gone/' "$dir/off.xml" >"$dir/gone.xml"
    V create --paused "$dir/gone.xml"
    fails unsupported "VM 'gone' is transient" capture gone hf-1
    is "$(files)" "vda.qcow2 " files
}

it_refuses_names_and_files_that_are_taken()
{
    machine m "$(disk vda qcow2)"
    echo precious >"$dir/vda.qcow2.hf-1"
    fails conflict "vda.qcow2.hf-1' exists already" capture m hf-1
    is "$(cat "$dir/vda.qcow2.hf-1")" precious "somebody's file"
    rm "$dir/vda.qcow2.hf-1"
    capture m hf-2
    fails conflict "has a snapshot 'hf-2' already" capture m hf-2
    fails config "no name for a snapshot" capture m ../x
    fails config "no name for a snapshot" capture m "hf 1"
}

it_names_the_job_that_keeps_a_machine_busy()
{
    local from
    SIZE=64M machine m "$(SIZE=64M disk vda qcow2)"
    io m 0 write -P 0x61 0 64M
    d busy m
    V blockcopy m vda "$dir/copy.qcow2" --bandwidth 1 --transient-job
    fails busy "block copy of disk vda" d busy m
    fails busy "block copy of disk vda" capture m hf-1
    V blockjob m vda --abort
    d busy m
    echo "<domainbackup mode='pull'><server transport='unix' socket='$dir/nbd'/></domainbackup>" >"$dir/b.xml"
    V backup-begin m "$dir/b.xml"
    from=$(now_ms)
    fails busy "a job of the kind 'backup' runs" d busy m
    [ $(($(now_ms) - from)) -lt 1000 ]
    fails busy "backup" capture m hf-1
    V domjobabort m
    d busy m
}

it_answers_busy_while_another_call_holds_the_machine()
{
    local from
    machine m "$(disk vda qcow2)"
    echo "<domainbackup mode='pull'><server transport='unix' socket='$dir/nbd'/></domainbackup>" >"$dir/b.xml"
    V backup-begin m "$dir/b.xml"
    # With a backup running this call waits for the domain's lock; so do all that need it.
    V snapshot-create-as m foreign --disk-only --diskspec vda,file="$dir/foreign" &
    sleep 0.5
    from=$(now_ms)
    fails busy "VM 'm' is busy" d busy m
    [ $(($(now_ms) - from)) -lt 1000 ]
    V domjobabort m
    wait || true
}

it_never_touches_snapshots_of_others()
{
    machine m "$(disk vda qcow2)"
    V snapshot-create-as m theirs --disk-only --diskspec vda,file="$dir/theirs"
    has "$(d snapshots m)" "theirs ours=0 current=1 memory=0"
    fails unsupported "snapshot 'theirs' was not made by holdfast" d delete m theirs
    fails conflict "snapshot 'theirs' was not made by holdfast" d discard m theirs
    # Ours on top of theirs comes and goes.
    capture m hf-1
    is "$(layers m vda)" "theirs.hf-1 theirs vda.qcow2" chain
    d delete m hf-1
    is "$(layers m vda)" "theirs vda.qcow2" chain
    is "$(V snapshot-list m --name | tr -d '\n')" theirs snapshots
}

it_refuses_to_pull_a_layer_from_under_somebody()
{
    machine m "$(disk vda qcow2)$(disk vdb qcow2)"
    capture m hf-1
    V snapshot-create-as m theirs --disk-only --diskspec vda,file="$dir/theirs-a" --diskspec vdb,file="$dir/theirs-b"
    fails conflict "snapshot 'theirs', which holdfast did not make, depends on 'hf-1'" d delete m hf-1
    fails conflict "Delete 'theirs' first" d discard m hf-1 "$dir/token-hf-1"
    # The same without metadata: only the chain tells.
    V snapshot-delete m theirs --metadata
    fails conflict "layer '$dir/theirs-a', which holdfast did not make" d delete m hf-1
    is "$(layers m vda)" "theirs-a vda.qcow2.hf-1 vda.qcow2" chain
}

it_loses_no_internal_snapshot()
{
    machine m "$(disk vda qcow2)"
    V snapshot-create-as m before
    has "$(d snapshots m)" "before ours=0 current=1 memory=1"
    has "$(d disks m)" "flags=0x8"
    has "$(capture m hf-1)" "disk vda holds internal snapshots"
    d delete m hf-1
    has "$(qemu-img snapshot -U -l "$dir/vda.qcow2")" before
    capture m hf-2
    # Inside our layer, and unknown to libvirt.
    qmp m --hmp "savevm inside" || true
    has "$(qemu-img snapshot -U -l "$dir/vda.qcow2.hf-2")" inside
    fails conflict "vda.qcow2.hf-2' holds internal snapshots, which the merge would lose" d delete m hf-2
    fails conflict "Delete them first" d discard m hf-2
    qmp m --hmp "delvm inside"
    d delete m hf-2
    has "$(qemu-img snapshot -U -l "$dir/vda.qcow2")" before
}

it_finds_machines_by_name_and_uuid()
{
    define one "$(disk vda qcow2)"
    uuid=$(V domuuid one)
    has "$(d find one)" "$uuid one state=3"
    has "$(d find "$uuid")" "$uuid one state=3"
    fails not-found "no VM 'two'" d find two
    define "$uuid" "$(disk vdb qcow2)"
    fails conflict "is the name of one VM and the UUID of another" d find "$uuid"
    is "$(d list | wc -l)" 2 "machines listed"
    has "$(d definition one)" "<name>one</name>"
}

it_is_quiet_and_says_where_nobody_answers()
{
    fails unreachable "connect to 'qemu+unix:///system?socket=$dir/nobody'" "$drive" libvirt "uri=qemu+unix:///system?socket=$dir/nobody" -- probe
    fails unsupported "is not on this host" "$drive" libvirt uri=qemu+ssh://root@far/system -- probe
    fails unsupported "is not on this host" "$drive" libvirt uri=qemu+tcp:///system -- probe
    fails unsupported "speaks with QEMU only" "$drive" libvirt uri=lxc:///system -- probe
    fails config "is no libvirt URI" "$drive" libvirt uri=local -- probe
    fails config "overlay-dir '/nowhere': No such file" "$drive" libvirt uri=test:///default overlay-dir=/nowhere -- probe
    is "$("$drive" libvirt uri=qemu:///embed -- probe 2>&1 >/dev/null)" "" "stderr"
}

it_tells_libvirts_reason()
{
    machine m "$(disk vda qcow2)"
    fails conflict "guest agent: Requested operation is not valid: domain is not running" d ping m
    V resume m
    fails unsupported "guest agent: argument unsupported: QEMU guest agent is not configured" d ping m
    lacks "$(d ping m)" "no reason"
    lacks "$(d exec m true)" "no reason"
    # The file is there in prepare and gone in begin: QEMU's words reach the operator.
    HOLDFAST_POINT=libvirt.before_snapshot=stall:1000 capture m hf-1 >"$dir/out" &
    local pid=$!
    sleep 0.6
    rm "$dir/vda.qcow2.hf-1"
    ends_badly "$pid"
    has "$(cat "$dir/out")" "snapshot 'hf-1': "
    has "$(cat "$dir/out")" "vda.qcow2.hf-1"
}

# With another definition for the next start the overlay, and what the guest wrote to it, would be forgotten there.
it_refuses_a_disk_that_the_definition_names_otherwise()
{
    machine m "$(disk vda qcow2)$(disk vdb qcow2)"
    ln -s vda.qcow2 "$dir/link.qcow2"
    sed 's/vda\.qcow2/link.qcow2/' "$dir/m.xml" >"$dir/edited.xml"
    sed -i "s|<name>m</name>|&<uuid>$(V domuuid m | head -1)</uuid>|" "$dir/edited.xml"
    V define "$dir/edited.xml"
    fails unsupported "disk vda" capture m hf-1
    is "$(files)" "vda.qcow2 vdb.qcow2 " files
}

it_refuses_a_disk_that_was_plugged_in_for_this_run_only()
{
    machine m "$(disk vda qcow2)"
    disk vdc raw >"$dir/vdc.xml"
    V attach-device m "$dir/vdc.xml" --live
    fails unsupported "disk vdc" capture m hf-1
    is "$(files)" "vda.qcow2 vdc.raw " files
}
