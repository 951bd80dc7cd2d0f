# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Whatever dies, whenever: a discard or another delete finishes it, and doing so twice changes nothing.

delete_points() { points_in job.c chain.c remove.c; }

# at ACTION POINT COMMAND…: the command dies (or fails) there.
at()
{
    local action=$1 point=$2
    shift 2
    HOLDFAST_POINT_LOG=$dir/visited.log HOLDFAST_POINT=$point=$action "$@" >/dev/null 2>&1 || true
    grep -qx "$point" "$dir/visited.log" || { echo "  $point was not visited"; return 1; }
    rm "$dir/visited.log"
}

it_discards_whatever_a_killed_capture_left()
{
    local point action token
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    io m 0 write -P 0x71 0 64k
    for point in $(points_in image.c capture.c); do
        for action in kill error; do
            for token in "$dir/token-hf-1" ""; do
                echo "$point $action $token"
                at "$action" "$point" capture m hf-1
                d discard m hf-1 ${token:+"$token"}
                is_clean m "vda.qcow2 vdb.raw "
                d discard m hf-1 ${token:+"$token"}
                io m 0 read -P 0x71 0 64k
            done
        done
    done
}

it_finishes_whatever_a_killed_delete_left()
{
    local point action n=0
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    for point in $(delete_points); do
        for action in kill error; do
            n=$((n + 1))
            echo "$point $action"
            capture m hf-1
            io m 0 write -P "$n" 0 64k
            at "$action" "$point" d delete m hf-1
            if [ "$point" = libvirt.after_metadata ]; then
                fails not-found "no snapshot 'hf-1'" d delete m hf-1
            else
                d delete m hf-1
            fi
            is_clean m "vda.qcow2 vdb.raw "
            io m 0 read -P "$n" 0 64k
        done
    done
}

it_discards_whatever_a_killed_delete_left()
{
    local point token
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    for point in $(delete_points); do
        for token in "$dir/token-hf-2" ""; do
            echo "$point $token"
            capture m hf-1
            capture m hf-2
            capture m hf-3
            # A middle layer is merged without a pivot.
            [[ $point == *pivot ]] || at kill "$point" d delete m hf-2
            d discard m hf-2 ${token:+"$token"}
            d discard m hf-2 ${token:+"$token"}
            is "$(layers m vda)" "vda.qcow2.hf-3 vda.qcow2.hf-1 vda.qcow2" chain
            at kill "$point" d delete m hf-3 # the active one
            d discard m hf-3
            d discard m hf-1
            is_clean m "vda.qcow2 vdb.raw "
        done
    done
}

it_goes_on_after_a_restart_of_libvirtd_in_mid_merge()
{
    machine m "$(disk vda qcow2)"
    for point in libvirt.after_commit_start libvirt.before_pivot libvirt.after_pivot; do
        capture m hf-1
        at kill "$point" d delete m hf-1
        restart_daemon
        d discard m hf-1 "$dir/token-hf-1"
        is_clean m "vda.qcow2 "
    done
}

it_reconnects_by_itself()
{
    machine m "$(disk vda qcow2)"
    # The connection of this process breaks between begin and settle.
    HOLDFAST_POINT=libvirt.after_snapshot=stall:4000 capture m hf-1 >"$dir/out" &
    local pid=$!
    sleep 1.5
    restart_daemon
    wait "$pid"
    d delete m hf-1
}

it_loses_nothing_when_the_machine_died_meanwhile()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    capture m hf-1
    io m 0 write -P 0x72 0 64k
    V destroy m
    fails unsupported "VM 'm' is not running" d delete m hf-1
    fails unsupported "disk vda of 'm' still writes to '$dir/vda.qcow2.hf-1'" d discard m hf-1 "$dir/token-hf-1"
    is "$(files)" "vda.qcow2 vda.qcow2.hf-1 vdb.raw vdb.raw.hf-1 " files
    V start --paused m
    d discard m hf-1 "$dir/token-hf-1"
    is_clean m "vda.qcow2 vdb.raw "
    io m 0 read -P 0x72 0 64k
}

it_cleans_up_prepared_files_of_a_machine_that_is_off()
{
    machine m "$(disk vda qcow2)"
    capture m hf-1 prepare
    is "$(files)" "vda.qcow2 vda.qcow2.hf-1 " files
    V destroy m
    d discard m hf-1 "$dir/token-hf-1"
    is "$(files)" "vda.qcow2 " files
}

it_keeps_the_files_of_a_machine_that_is_gone()
{
    machine m "$(disk vda qcow2)"
    capture m hf-1
    uuid=$(V domuuid m)
    V destroy m
    V undefine m --snapshots-metadata
    fails not-found "left: file '$dir/vda.qcow2.hf-1'" d discard "$uuid" hf-1 "$dir/token-hf-1"
    rm "$dir/vda.qcow2.hf-1"
    d discard "$uuid" hf-1 "$dir/token-hf-1"
    d discard "$uuid" hf-1
}

it_plans_without_effect()
{
    machine m "$(disk vda qcow2)"
    before=$(V dumpxml m)
    capture m hf-1 plan
    is "$(V dumpxml m)" "$before" definition
    is_clean m "vda.qcow2 "
}

it_fails_a_begin_that_comes_after_its_undo()
{
    machine m "$(disk vda qcow2)"
    HOLDFAST_POINT=libvirt.before_snapshot=stall:1500 capture m hf-1 >"$dir/out" 2>&1 &
    local pid=$!
    sleep 0.7
    d discard m hf-1 "$dir/token-hf-1"
    ends_badly "$pid"
    is_clean m "vda.qcow2 "
}

it_notices_a_layer_that_slipped_in_between()
{
    machine m "$(disk vda qcow2)"
    HOLDFAST_POINT=libvirt.before_snapshot=stall:1500 capture m hf-1 >"$dir/out" 2>&1 &
    local pid=$!
    sleep 0.7
    V snapshot-create-as m theirs --disk-only --diskspec vda,file="$dir/theirs"
    ends_badly "$pid"
    has "$(cat "$dir/out")" "disk vda of 'm' changed since it was planned"
    d discard m hf-1 "$dir/token-hf-1"
    is "$(layers m vda)" "theirs vda.qcow2" chain
}

# A merge that takes a minute: begun by hand, with a brake, as a deletion that died would leave it.
slow_merge()
{
    machine m "$(SIZE=64M disk vda qcow2)"
    capture m hf-1
    io m 0 write -P 0x73 0 64M
    V blockcommit m vda --active --bandwidth 1
}

it_stops_a_merge_when_asked_and_says_what_that_means()
{
    slow_merge
    d_exec delete m hf-1 >"$dir/out" &
    local pid=$!
    sleep 0.5
    kill -TERM "$pid"
    ends_badly "$pid"
    has "$(cat "$dir/out")" "error cancelled"
    has "$(cat "$dir/out")" "left: snapshot 'hf-1' of 'm' is half merged"
    d busy m
    is "$(layers m vda)" "vda.qcow2.hf-1 vda.qcow2" chain
    io m 0 read -P 0x73 0 64M
    d delete m hf-1
    io m 0 read -P 0x73 0 64M
    is_clean m "vda.qcow2 "
}

it_keeps_a_deadline_in_a_merge()
{
    local from
    slow_merge
    from=$(now_ms)
    HOLDFAST_DEADLINE_MS=700 fails timeout "half merged" d delete m hf-1
    [ $(($(now_ms) - from)) -lt 1500 ]
    d busy m
    d discard m hf-1
    is_clean m "vda.qcow2 "
    io m 0 read -P 0x73 0 64M
}

it_waits_for_no_job_of_somebody_else()
{
    machine m "$(SIZE=64M disk vda qcow2)"
    io m 0 write -P 0x75 0 64M
    capture m hf-1
    V blockcopy m vda "$dir/copy.qcow2" --bandwidth 1 --transient-job
    fails busy "disk vda is busy: block copy into $dir/copy.qcow2" d delete m hf-1
    V blockjob m vda --abort
    d delete m hf-1
    is_clean m "copy.qcow2 vda.qcow2 "
}
