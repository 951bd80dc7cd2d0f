# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# What an export leaves for the next one: what it knows, whom it gets in the way of, how it goes.

checkpoints() { V checkpoint-list "$1" --name --topological | tr '\n' ' ' | sed 's/ *$//'; }
# knows NAME PARENT CHANGES: an export called NAME, incremental to PARENT, reads these ranges of vda; its checkpoint goes again.
knows()
{
    local got
    export_begin m "$1" "$2"
    has "$(cat "$dir/out-$1")" "incremental=1"
    got=$(changes "$1" vda backup-vda | tr '\n' ' ')
    export_end "$1"
    d discard m "$1"
    is "$got" "$3" "changes since $2"
}
# theirs_knows CHANGES: the same for somebody else's backup, which is incremental to the checkpoint theirs.
theirs_knows()
{
    local got
    cat >"$dir/theirs.xml" <<-XML
	<domainbackup mode='pull'><incremental>theirs</incremental><server transport='unix' socket='$dir/out-socket'/>
	<disks><disk name='vda' backup='yes' type='file' exportname='vda'><scratch file='$dir/out-scratch'/></disk>
	<disk name='vdb' backup='no'/></disks></domainbackup>
	XML
    V backup-begin m "$dir/theirs.xml"
    got=$(python3 "$here/odd.d/dirty.py" "nbd+unix:///vda?socket=$dir/out-socket" qemu:dirty-bitmap:backup-vda | tr '\n' ' ')
    V domjobabort m
    is "$got" "$1" "changes since theirs"
}
bitmaps() { qemu-img info -U --output=json "$1" | grep -o '"name": "hf-[^"]*"' | cut -d'"' -f4 | sort | tr '\n' ' '; }
# leave NAME: an export and its checkpoint.
leave() { export_begin m "$1" && export_end "$1"; }

it_drops_older_checkpoints_and_the_newest_knows_all_the_same()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    leave hf-1
    io m 0 write -P 0x11 1M 64k
    leave hf-2
    is "$(d checkpoints m | tr '\n' ' ')" "hf-2 hf-1 " "the newest first"
    io m 0 write -P 0x12 2M 64k
    V checkpoint-create-as m theirs --diskspec vda,checkpoint=bitmap --diskspec vdb,checkpoint=no
    io m 0 write -P 0x13 3M 64k
    leave hf-3
    io m 0 write -P 0x14 4M 64k
    is "$(d drop m hf-3 | sort | tr '\n' ' ')" "dropped hf-1 dropped hf-2 " told
    is "$(checkpoints m)" "theirs hf-3" checkpoints
    knows hf-4 hf-3 "4194304+65536 "
    theirs_knows "3145728+65536 4194304+65536 "
    is "$(d drop m hf-3)" "" "told, the second time"
    is "$(d drop m)" "dropped hf-3" told
    is "$(checkpoints m)" theirs checkpoints
    # An incremental backup of somebody else goes on from what it had.
    theirs_knows "3145728+65536 4194304+65536 "
    V checkpoint-delete m theirs
    V destroy m
    is "$(bitmaps "$dir/vda.qcow2")" "" bitmaps
    V undefine m
}

it_drops_checkpoints_of_a_machine_that_is_off()
{
    local point
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    for point in none $(points_in checkpoint_drop.c); do
        leave hf-1
        io m 0 write -P 0x21 1M 64k
        capture m hf-s
        leave hf-2
        io m 0 write -P 0x22 2M 64k
        V destroy m
        has "$(bitmaps "$dir/vda.qcow2")" hf-1
        has "$(bitmaps "$dir/vda.qcow2.hf-s")" "hf-1 hf-2"
        [ $point = none ] || at kill $point d drop m hf-2
        d drop m hf-2
        is "$(checkpoints m)" hf-2 checkpoints
        is "$(bitmaps "$dir/vda.qcow2")" "" "bitmaps below"
        is "$(bitmaps "$dir/vda.qcow2.hf-s")" "hf-2 " bitmaps
        V start --paused m
        knows hf-3 hf-2 "2097152+65536 "
        V destroy m
        [ $point = none ] || at kill $point d drop m
        d drop m
        is "$(checkpoints m)" "" checkpoints
        is "$(bitmaps "$dir/vda.qcow2.hf-s")" "" bitmaps
        V start --paused m
        d delete m hf-s
        is_clean m "vda.qcow2 vdb.raw "
    done
}

# One that a killed run left, beside the one of the point before: the VM need not be started to be rid of it.
it_undoes_a_run_whose_machine_is_off_by_then()
{
    machine m "$(disk vda qcow2)"
    leave hf-1
    io m 0 write -P 0x31 1M 64k
    export_begin m hf-2
    kill -KILL "$exporting"
    io m 0 write -P 0x32 2M 64k
    V destroy m
    d discard m hf-2 "$dir/token-hf-2"
    export_is_gone m "vda.qcow2 " hf-1
    V start --paused m
    knows hf-3 hf-1 "1048576+65536 2097152+65536 "
}

it_takes_and_merges_snapshots_while_checkpoints_exist()
{
    local n
    machine m "$(disk vda qcow2)"
    leave hf-c1
    for n in 1 2 3; do
        capture m "hf-$n"
        io m 0 write -P "0x4$n" "${n}M" 64k
        leave "hf-c2"
        [ "$n" != 2 ] || { V destroy m && V start --paused m; }
        d delete m "hf-$n"
        d drop m hf-c1
    done
    is "$(checkpoints m)" hf-c1 checkpoints
    knows hf-4 hf-c1 "1048576+65536 2097152+65536 3145728+65536 "
    for n in 1 2 3; do
        io m 0 read -P "0x4$n" "${n}M" 64k
    done
    d drop m
    is_clean m "vda.qcow2 "
    V destroy m
    is "$(bitmaps "$dir/vda.qcow2")" "" bitmaps
}

# QEMU stores a bitmap when it ends in order: one that was killed before leaves a checkpoint with nothing behind it.
it_drops_a_checkpoint_whose_bitmap_is_lost()
{
    machine m "$(disk vda qcow2)"
    leave hf-1
    kill -KILL "$(lab_pids "$dir" qemu-system-x86)"
    wait_for_state "shut off (crashed)"
    is "$(bitmaps "$dir/vda.qcow2")" "" bitmaps
    V start --paused m
    leave hf-2
    is "$(d drop m hf-2)" "dropped hf-1" told
    is "$(checkpoints m)" hf-2 checkpoints
    # Stored once, and then "in use" for ever.
    V destroy m
    V start --paused m
    kill -KILL "$(lab_pids "$dir" qemu-system-x86)"
    wait_for_state "shut off (crashed)"
    V start --paused m
    is "$(d drop m)" "dropped hf-2" told
    V destroy m
    is "$(bitmaps "$dir/vda.qcow2")" "" bitmaps
    V undefine m
}

it_drops_a_checkpoint_of_a_disk_that_was_replaced()
{
    machine m "$(disk vda qcow2)$(disk vdb qcow2)"
    leave hf-1
    V destroy m
    rm "$dir/vda.qcow2"
    qemu-img create -q -f qcow2 "$dir/vda.qcow2" 16M
    V start --paused m
    # What is left of it is good for no increment of the new disk.
    export_begin m hf-2 hf-1
    has "$(cat "$dir/out-hf-2")" "incremental=1"
    has "$(grep '^export vda' "$dir/out-hf-2")" "base:allocation - 16777216"
    has "$(grep '^export vdb' "$dir/out-hf-2")" "qemu:dirty-bitmap:backup-vdb"
    export_end hf-2
    is "$(d drop m hf-2)" "dropped hf-1" told
    is "$(checkpoints m)" hf-2 checkpoints
    d drop m
    V destroy m
    V undefine m
}

it_names_a_checkpoint_that_it_cannot_drop()
{
    machine m "$(SIZE=64M disk vda qcow2)"
    leave hf-1
    io m 0 write -P 0x51 0 64M
    V blockcopy m vda "$dir/copy.qcow2" --bandwidth 1 --transient-job
    if out=$(HOLDFAST_DEADLINE_MS=8000 d drop m 2>&1); then
        is "$out" "dropped hf-1" told
    else
        has "$out" "left: checkpoint 'hf-1' of 'm'"
        has "$out" "hint: "
    fi
    V blockjob m vda --abort
    d drop m
    is "$(checkpoints m)" "" checkpoints
}

# With the checkpoint libvirt fails, and leaves the VM shut off (9.0), with what it had on disk.
it_lets_a_user_revert_to_an_internal_snapshot_made_after_a_checkpoint()
{
    machine m "$(disk vda qcow2)"
    io m 0 write -P 0x61 0 64k
    leave hf-1
    V snapshot-create-as m own
    io m 0 write -P 0x62 0 64k
    if V snapshot-revert m own; then
        echo "  libvirt can do it now: docs/plugins/libvirt.md says otherwise"
        return 1
    fi
    [ "$(V domstate m)" = paused ] || V start --paused m
    io m 0 read -P 0x62 0 64k
    leave hf-2
    has "$(cat "$dir/out-hf-2")" "checkpoint=0"
    # What a backup that left none does once its point counts.
    d drop m
    V snapshot-revert m own
    is "$(V domstate m)" paused state
    io m 0 read -P 0x61 0 64k
}

it_keeps_no_bitmap_in_what_a_rollback_gave_up_and_got_back()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    leave hf-c1
    capture m hf-1
    io m 0 write -P 0x71 0 64k
    leave hf-c2
    HOLDFAST_RUN_ID=run d rollback m hf-1 "$dir/token-back" switch
    is "$(checkpoints m)" "" checkpoints
    d undo m "$dir/token-back"
    io m 0 read -P 0x71 0 64k
    V destroy m
    is "$(bitmaps "$dir/vda.qcow2")$(bitmaps "$dir/vda.qcow2.hf-1")" "" bitmaps
}

# A raw disk has its bitmap in its overlay, and loses it with that. libvirt then deletes the checkpoint of no disk at all; but what the other one has
# would cost with each of its writes, and, once QEMU was killed, keep it from being resized.
it_leaves_no_bitmap_of_a_checkpoint_that_some_disks_lost()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)$(disk vdc qcow2)"
    leave hf-0
    capture m hf-s
    leave hf-1
    d delete m hf-s
    V destroy m
    V start --paused m
    kill -KILL "$(lab_pids "$dir" qemu-system-x86)"
    wait_for_state "shut off (crashed)"
    has "$(bitmaps "$dir/vda.qcow2")" "hf-1"
    V start --paused m
    leave hf-2
    is "$(d drop m hf-2 | sort | tr '\n' ' ')" "dropped hf-0 dropped hf-1 " told
    is "$(checkpoints m)" hf-2 checkpoints
    io m 0 write -P 0x51 1M 64k
    knows hf-3 hf-2 "1048576+65536 "
    V blockresize m vda 20M
    is "$(d drop m)" "dropped hf-2" told
    V destroy m
    is "$(bitmaps "$dir/vda.qcow2")$(bitmaps "$dir/vdc.qcow2")" "" bitmaps
}
