# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Back to a snapshot: what comes back, what is refused, and that a death anywhere leaves one of the two states.

# back VM NAME [STEP]
back() { d rollback "$1" "$2" "$dir/token-back" ${3:+"$3"}; }

# Both disks of m hold this pattern.
holds() # PATTERN
{
    io m 0 read -P "$1" 0 64k
    io m 1 read -P "$1" 0 64k
}
writes() # PATTERN
{
    io m 0 write -P "$1" 0 64k
    io m 1 write -P "$1" 0 64k
    io m 0 flush
    io m 1 flush
}
clean_images() { for file in "$dir"/vd*; do case $file in *.raw) ;; *) qemu-img check -q -U "$file" ;; esac; done; }

two_disks() { machine m "$(disk vda qcow2)$(disk vdb raw)"; }

it_goes_back_again_and_again_and_leaves_the_chain_as_before()
{
    two_disks
    writes 0x01
    capture m hf-1
    writes 0x02
    back m hf-1
    holds 0x01
    is "$(V domstate m)" paused state
    is "$(files)" "vda.qcow2 vda.qcow2.hf-run.hf-1 vdb.raw vdb.raw.hf-run.hf-1 " files
    is "$(layers m vda)" "vda.qcow2.hf-run.hf-1 vda.qcow2" chain
    is "$(V snapshot-list m --name | tr -d '\n')" hf-1 snapshots
    is "$(V snapshot-current m --name)" hf-1 current
    writes 0x03
    HOLDFAST_RUN_ID=two back m hf-1
    holds 0x01
    writes 0x04
    clean_images
    d delete m hf-1
    holds 0x04
    is_clean m "vda.qcow2 vdb.raw "
}

it_goes_back_past_younger_snapshots_and_forgets_them()
{
    two_disks
    writes 0x01
    capture m hf-1
    writes 0x02
    capture m hf-2
    writes 0x03
    capture m hf-3
    has "$(HOLDFAST_RUN_ID=20261123T030000Z-7f3a9c21 back m hf-2)" "younger: hf-3"
    holds 0x02
    is "$(V snapshot-list m --name | tr '\n' ' ' | xargs)" "hf-1 hf-2" snapshots
    capture m hf-4
    # Names do not grow with each rollback below.
    is "$(layers m vdb)" "vdb.raw.hf-4 vdb.raw.hf-20261123T030000Z-7f3a9c21.hf-2 vdb.raw.hf-1 vdb.raw" chain
    back m hf-1
    holds 0x01
    is "$(files)" "vda.qcow2 vda.qcow2.hf-run.hf-1 vdb.raw vdb.raw.hf-run.hf-1 " files
    d delete m hf-1
    is_clean m "vda.qcow2 vdb.raw "
}

it_keeps_what_was_left_when_asked()
{
    local out
    two_disks
    writes 0x01
    capture m hf-1
    writes 0x02
    out=$(back m hf-1 keep)
    has "$out" "kept: $dir/vda.qcow2.hf-1"
    has "$out" "kept: $dir/vdb.raw.hf-1"
    holds 0x01
    lacks "$(qemu-io -U -r -f qcow2 -c "read -P 0x02 0 64k" "$dir/vda.qcow2.hf-1")" "verification failed"
    lacks "$(qemu-io -U -r -f qcow2 -c "read -P 0x02 0 64k" "$dir/vdb.raw.hf-1")" "verification failed"
}

it_rolls_back_a_machine_that_is_off_and_leaves_it_off()
{
    two_disks
    writes 0x01
    capture m hf-1
    writes 0x02
    V destroy m
    back m hf-1
    is "$(V domstate m)" "shut off" state
    lacks "$(V dumpxml m)" "backingStore"
    V start --paused m
    holds 0x01
    d delete m hf-1
    is_clean m "vda.qcow2 vdb.raw "
}

it_leaves_a_disk_alone_that_was_added_since()
{
    machine m "$(disk vda qcow2)"
    capture m hf-1
    qemu-img create -q -f qcow2 "$dir/vdb.qcow2" 16M
    V attach-disk m "$dir/vdb.qcow2" vdb --subdriver qcow2 --persistent
    io m 0 write -P 0x02 0 64k
    io m 1 write -P 0x05 0 64k
    has "$(back m hf-1)" "warning: disk vdb is not in the snapshot: it stays as it is"
    io m 0 read -P 0x00 0 64k
    io m 1 read -P 0x05 0 64k
    # … and not when a younger snapshot would have to be taken from it.
    capture m hf-2
    fails conflict "disk vdb was added after 'hf-1', and 'hf-2' has a layer on it" back m hf-1
    V destroy m
    V detach-disk m vda --config
    fails conflict "disk vda of the snapshot is no disk of 'm' any more" back m hf-1
}

it_refuses_with_nothing_changed()
{
    two_disks
    capture m hf-1
    fails not-found "no snapshot 'hf-9'" back m hf-9
    V snapshot-create-as m theirs --disk-only
    fails unsupported "'theirs' was not made by holdfast" back m theirs
    fails conflict "snapshot 'theirs', which holdfast did not make, depends on 'hf-1'" back m hf-1
    V blockcommit m vda --active --pivot --top vda --base "$dir/vda.qcow2.hf-1" --wait >/dev/null
    V blockcommit m vdb --active --pivot --top vdb --base "$dir/vdb.raw.hf-1" --wait >/dev/null
    V snapshot-delete m theirs --metadata
    rm -f "$dir"/*.theirs
    # A layer without any metadata.
    V snapshot-create-as m bare --disk-only --no-metadata
    fails conflict "which holdfast did not make, lies on the snapshot" back m hf-1
    V blockcommit m vda --active --pivot --top vda --base "$dir/vda.qcow2.hf-1" --wait >/dev/null
    V blockcommit m vdb --active --pivot --top vdb --base "$dir/vdb.raw.hf-1" --wait >/dev/null
    rm -f "$dir"/*.bare
    V checkpoint-create-as m cp1 --diskspec vdb,checkpoint=no
    fails conflict "checkpoint 'cp1' of another backup program" back m hf-1
    V checkpoint-delete m cp1
    is "$(V snapshot-list m --name | tr -d '\n')" hf-1 snapshots
    is "$(files)" "vda.qcow2 vda.qcow2.hf-1 vdb.raw vdb.raw.hf-1 " files
    is "$(V domstate m)" paused state
    V destroy m
    qemu-img snapshot -c inside "$dir/vda.qcow2.hf-1"
    fails conflict "holds internal snapshots, which the rollback would lose" back m hf-1
    qemu-img snapshot -d inside "$dir/vda.qcow2.hf-1"
    V start m
    V managedsave m
    fails conflict "is suspended to disk" back m hf-1
    V managedsave-remove m
    back m hf-1
}

it_waits_for_no_job_of_somebody_else_in_a_rollback()
{
    two_disks
    capture m hf-1
    io m 0 write -P 0x01 0 8M
    V blockcopy m vda "$dir/copy.qcow2" --transient-job --bandwidth 1
    fails busy "VM 'm' is busy" back m hf-1
    V blockjob m vda --abort
}

it_drops_our_checkpoints_and_their_bitmaps()
{
    machine m "$(disk vda qcow2)"
    cat >"$dir/cp.xml" <<-XML
	<domaincheckpoint><name>hf-cp</name><description>holdfast run=x</description></domaincheckpoint>
	XML
    V checkpoint-create m "$dir/cp.xml"
    capture m hf-1
    has "$(back m hf-1)" "warning: 1 checkpoint is dropped: the next backup compares"
    is "$(V checkpoint-list m --name | tr -d '\n')" "" checkpoints
    lacks "$(qemu-img info -U "$dir/vda.qcow2")" hf-cp
    d delete m hf-1
    is_clean m "vda.qcow2 "
}

it_starts_the_old_state_again_when_the_new_one_does_not_start()
{
    two_disks
    writes 0x01
    capture m hf-1
    writes 0x02
    HOLDFAST_POINT=libvirt.before_start=stall:3000 back m hf-1 >"$dir/out" 2>&1 &
    until V dumpxml m --inactive | grep -q hf-run; do sleep 0.1; done
    rm "$dir/vda.qcow2.hf-run.hf-1"
    ends_badly $!
    has "$(cat "$dir/out")" "start of the VM"
    d undo m "$dir/token-back"
    is "$(V domstate m)" paused state
    holds 0x02
    d delete m hf-1
    is_clean m "vda.qcow2 vdb.raw "
}

# Killed or failing at each point of the switch: undone. Of the settling: finished. Twice each.
it_leaves_one_of_the_two_states_wherever_it_dies()
{
    local point action n=0
    two_disks
    for point in $(points_in image.c rollback.c); do
        case $point in *redefine) continue ;; esac
        for action in kill error; do
            # There a mere error is none.
            [ "$point.$action" != libvirt.after_overlay_reserve.error ] || continue
            n=$((n + 1))
            writes "$n"
            capture m hf-1
            writes 0xf0
            echo "$point $action"
            at "$action" "$point" back m hf-1
            d undo m "$dir/token-back"
            is "$(V domstate m)" paused state
            holds 0xf0
            d undo m "$dir/token-back"
            is "$(files)" "vda.qcow2 vda.qcow2.hf-1 vdb.raw vdb.raw.hf-1 " files
            d delete m hf-1
            is_clean m "vda.qcow2 vdb.raw "
        done
    done
}

it_finishes_a_rollback_that_was_decided_wherever_it_dies()
{
    local point n=0
    two_disks
    for point in libvirt.before_redefine libvirt.after_redefine libvirt.before_metadata libvirt.after_metadata \
        libvirt.before_unlink libvirt.after_unlink; do
        n=$((n + 1))
        writes "$n"
        capture m hf-1
        capture m hf-2
        writes 0xf0
        echo "$point"
        back m hf-1 switch
        at kill "$point" d settle m "$dir/token-back"
        d settle m "$dir/token-back"
        d settle m "$dir/token-back"
        fails conflict "is settled: no way back" d undo m "$dir/token-back"
        holds "$n"
        is "$(V snapshot-list m --name | tr -d '\n')" hf-1 snapshots
        is "$(files)" "vda.qcow2 vda.qcow2.hf-run.hf-1 vdb.raw vdb.raw.hf-run.hf-1 " files
        d delete m hf-1
        is_clean m "vda.qcow2 vdb.raw "
    done
}

# The guardian begins while the dead caller's start may still be at work in libvirtd, and an undo may be killed, too.
it_undoes_an_undo_that_was_killed()
{
    local point
    two_disks
    for point in libvirt.before_destroy libvirt.after_define libvirt.before_start libvirt.before_unlink; do
        capture m hf-1
        writes 0xf0
        back m hf-1 switch
        at kill "$point" d undo m "$dir/token-back"
        d undo m "$dir/token-back"
        is "$(V domstate m)" paused state
        holds 0xf0
        d delete m hf-1
        is_clean m "vda.qcow2 vdb.raw "
    done
}
