# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Exports: what is in them, and what is left of them, however they end.

# export_begin VM NAME [PARENT]: runs one in the background until export_end; its process is $exporting.
export_begin()
{
    rm -f "$dir/out-end-$2" "$dir/out-$2"
    d_exec export "$1" "$2" "$dir/token-$2" "$dir/out-end-$2" ${3:+"$3"} >"$dir/out-$2" 2>&1 &
    exporting=$!
    wait_for_line exported "$dir/out-$2" "$exporting"
}

# export_end NAME: the good end.
export_end()
{
    touch "$dir/out-end-$1"
    wait "$exporting" || { cat "$dir/out-$1"; return 1; }
}

wait_for_line() # LINE FILE PID
{
    local _
    for _ in $(seq 600); do
        grep -qx "$1" "$2" 2>/dev/null && return 0
        kill -0 "$3" 2>/dev/null || break
        sleep 0.05
    done
    echo "  no line '$1'"
    cat "$2"
    return 1
}

# uri NAME TARGET
uri() { awk -v t="$2" '$1 == "export" && $2 == t { print $3 }' "$dir/out-$1"; }
# changes NAME TARGET BITMAP: the ranges that it calls dirty.
changes() { python3 "$here/odd.d/dirty.py" "$(uri "$1" "$2")" "qemu:dirty-bitmap:$3"; }
# read_export NAME TARGET FILE
read_export() { qemu-img convert -f raw -O raw "$(uri "$1" "$2")" "$3"; }

no_job() { V domjobinfo "$1" | grep -q 'Job type: *None' || { echo "  a job runs"; return 1; }; }
# export_is_gone VM FILES [CHECKPOINTS]: no job, no qemu-nbd, no file, no checkpoint.
export_is_gone()
{
    [ "$(V domstate "$1" | head -1)" = "shut off" ] || no_job "$1"
    is "$(files)" "$2" files
    is "$(V checkpoint-list "$1" --name | tr -d '\n')" "${3:-}" checkpoints
    is "$(lab_pids "$dir" qemu-nbd)" "" "qemu-nbd"
    is "$(find "$dir" -name '*.export*')" "" directories
}

it_exports_the_instant_of_two_disks()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    io m 0 write -P 0x11 0 128k
    io m 1 write -P 0x12 1M 128k
    io m 0 flush
    qemu-img convert -U -O raw "$dir/vda.qcow2" "$dir/out-vda"
    cp "$dir/vdb.raw" "$dir/out-vdb"
    export_begin m hf-1
    has "$(cat "$dir/out-hf-1")" "disks 2 checkpoint=1 incremental=0"
    is "$(stat -c %a "$dir/hf-1.export")" 700 "mode of its directory"
    # What the guest writes from now on is not in it.
    io m 0 write -P 0x22 64k 1M
    io m 1 write -P 0x23 1M 64k
    read_export hf-1 vda "$dir/out-a"
    read_export hf-1 vdb "$dir/out-b"
    cmp "$dir/out-a" "$dir/out-vda"
    cmp "$dir/out-b" "$dir/out-vdb"
    has "$(qemu-img map --output=json -f raw "$(uri hf-1 vda)")" '"zero": true'
    fails busy "a job of the kind 'backup' runs" d busy m
    fails busy "a job of the kind 'backup' runs" capture m hf-2
    fails busy "a job of the kind 'backup' runs" d export m hf-2 "$dir/token-hf-2" "$dir/out-end-never"
    export_end hf-1
    export_is_gone m "vda.qcow2 vdb.raw " hf-1
    io m 0 read -P 0x22 64k 1M
    # The next one reads what changed, of the disk that can tell.
    export_begin m hf-2 hf-1
    has "$(cat "$dir/out-hf-2")" "disks 2 checkpoint=1 incremental=1"
    has "$(grep '^export vda' "$dir/out-hf-2")" "qemu:dirty-bitmap:backup-vda"
    has "$(grep '^export vdb' "$dir/out-hf-2")" "base:allocation - 16777216"
    has "$(changes hf-2 vda backup-vda)" "65536+1048576"
    export_end hf-2
    d discard m hf-1
    d discard m hf-2 "$dir/token-hf-2"
    export_is_gone m "vda.qcow2 vdb.raw "
}

it_reads_everything_when_the_parent_is_gone()
{
    machine m "$(disk vda qcow2)"
    export_begin m hf-2 hf-1
    has "$(grep '^export vda' "$dir/out-hf-2")" "the checkpoint is gone"
    has "$(cat "$dir/out-hf-2")" "incremental=0"
    export_end hf-2
    d discard m hf-2
    export_is_gone m "vda.qcow2 "
}

it_knows_what_changed_across_a_snapshot_and_its_deletion()
{
    machine m "$(disk vda qcow2)"
    export_begin m hf-1
    export_end hf-1
    io m 0 write -P 0x31 2M 64k
    lacks "$(capture m hf-s)" "of another backup"
    io m 0 write -P 0x32 4M 64k
    d delete m hf-s
    io m 0 write -P 0x33 6M 64k
    knows hf-2 hf-1 "2097152+65536 4194304+65536 6291456+65536 "
    d discard m hf-1
    export_is_gone m "vda.qcow2 "
}

it_ends_an_export_that_was_killed()
{
    local token
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    for token in "$dir/token-hf-1" ""; do
        export_begin m hf-1
        kill -KILL "$exporting"
        ends_badly "$exporting"
        fails busy "a job of the kind 'backup' runs" d busy m
        d discard m hf-1 ${token:+"$token"}
        export_is_gone m "vda.qcow2 vdb.raw "
        d discard m hf-1 ${token:+"$token"}
        io m 0 write -P 0x31 0 64k
    done
}

it_undoes_an_export_wherever_it_dies()
{
    local point action token
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    touch "$dir/out-end"
    for point in $(points_in 'export*.c'); do
        for action in kill error; do
            for token in "$dir/token-hf-1" ""; do
                case $point in
                libvirt.*qemu_nbd* | libvirt.before_resume | libvirt.after_export_retire) continue ;;
                esac
                echo "$point $action $token"
                at "$action" "$point" d export m hf-1 "$dir/token-hf-1" "$dir/out-end"
                d discard m hf-1 ${token:+"$token"}
                export_is_gone m "vda.qcow2 vdb.raw "
            done
        done
    done
    # The undo itself dies.
    for point in libvirt.after_export_retire libvirt.before_backup_abort libvirt.after_backup_abort \
        libvirt.before_export_remove libvirt.before_checkpoint_delete; do
        for action in kill error; do
            echo "undo: $point $action"
            at kill libvirt.after_backup d export m hf-1 "$dir/token-hf-1" "$dir/out-end"
            at "$action" "$point" d discard m hf-1 "$dir/token-hf-1"
            d discard m hf-1 "$dir/token-hf-1"
            export_is_gone m "vda.qcow2 vdb.raw "
        done
    done
}

it_begins_nothing_after_it_was_undone()
{
    machine m "$(disk vda qcow2)"
    HOLDFAST_POINT=libvirt.before_backup=stall:3000 d export m hf-1 "$dir/token-hf-1" "$dir/out-end-never" >"$dir/out" 2>&1 &
    local pid=$!
    sleep 1.5
    d discard m hf-1 "$dir/token-hf-1"
    ends_badly $pid
    export_is_gone m "vda.qcow2 "
}

it_survives_a_restart_of_libvirtd()
{
    machine m "$(disk vda qcow2)"
    io m 0 write -P 0x41 0 64k
    export_begin m hf-1
    restart_daemon
    sleep 0.3
    read_export hf-1 vda "$dir/out-a"
    export_end hf-1
    qemu-io -r -f raw -c 'read -P 0x41 0 64k' "$dir/out-a" | has "$(cat)" "read 65536"
    export_is_gone m "vda.qcow2 " hf-1
    export_begin m hf-2
    kill -KILL "$exporting"
    restart_daemon
    d discard m hf-2 "$dir/token-hf-2"
    d discard m hf-1
    export_is_gone m "vda.qcow2 "
}

it_says_when_the_machine_or_the_job_went_away()
{
    machine m "$(disk vda qcow2)"
    export_begin m hf-1
    V domjobabort m
    ends_badly "$exporting"
    has "$(cat "$dir/out-hf-1")" "error conflict: the backup job 'hf-1' has ended before its time"
    d discard m hf-1 "$dir/token-hf-1"
    export_begin m hf-2
    V destroy m
    ends_badly "$exporting"
    has "$(cat "$dir/out-hf-2")" "error conflict: the backup job 'hf-2' has ended before its time"
    d discard m hf-2 "$dir/token-hf-2"
    export_is_gone m "vda.qcow2 "
    lacks "$(qemu-img info "$dir/vda.qcow2")" "name: hf-2"
}

# A scratch directory of 8 MB. Who mounts later is not seen by the daemon, nor by its machines.
small_scratch()
{
    mkdir "$dir/scratch"
    mount -t tmpfs -o size=8m none "$dir/scratch"
    # shellcheck disable=SC2064  # the directory of now
    trap "umount -l '$dir/scratch'" EXIT
    restart_daemon
    KEYS=scratch-dir=$dir/scratch
}

it_gives_up_before_the_scratch_space_is_full()
{
    local n
    small_scratch
    machine m "$(disk vda qcow2)"
    io m 0 write -P 0x51 0 16M
    export_begin m hf-1
    for n in 0 1 2 3 4 5 6; do
        io m 0 write -P 0x52 "${n}M" 1M
        sleep 0.3
    done
    ends_badly "$exporting"
    has "$(cat "$dir/out-hf-1")" "error no-space: the scratch files in '$dir/scratch/hf-1.export' have taken"
    no_job m
    d discard m hf-1 "$dir/token-hf-1"
    is "$(ls "$dir/scratch")" "" "scratch files"
    export_is_gone m "vda.qcow2 "
}

# writer FILE: the disk (qcow2) of a machine that overwrites 14 MiB of it as fast as it can.
writer()
{
    as --32 -o "$dir/out.o" "$here/odd.d/writer.s"
    ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$dir/out.bin" "$dir/out.o"
    python3 -c 'import sys; b = open(sys.argv[1], "rb").read(); open(sys.argv[2], "wb").write(b + b"Q" * (16777216 - len(b)))' \
        "$dir/out.bin" "$dir/out.raw"
    qemu-img convert -O qcow2 "$dir/out.raw" "$1"
}

# writing_machine: one that is about to, once it is resumed.
writing_machine()
{
    writer "$dir/vda.qcow2"
    machine m "$(disk vda qcow2)"
}

wait_for_state() # STATE-AND-REASON
{
    local _
    for _ in $(seq 600); do
        [ "$(V domstate m --reason)" != "$1" ] || return 0
        sleep 0.05
    done
    echo "  state: $(V domstate m --reason), not $1"
    return 1
}

wrote_all()
{
    local _
    for _ in $(seq 200); do
        io m 0 read -P 0 14M 1M >/dev/null && return 0
        sleep 0.1
    done
    echo "  the guest did not go on writing"
    return 1
}

it_lets_a_guest_that_fills_the_scratch_space_go_on()
{
    local from
    small_scratch
    writing_machine
    export_begin m hf-1
    kill -STOP "$exporting" # else it would have been given up before
    V resume m
    wait_for_state "paused (I/O error)"
    from=$(now_ms)
    kill -CONT "$exporting"
    ends_badly "$exporting"
    has "$(cat "$dir/out-hf-1")" "error no-space: the scratch files in '$dir/scratch/hf-1.export' have taken"
    has "$(cat "$dir/out-hf-1")" ", and an I/O error paused the VM"
    is "$(V domstate m)" running state
    [ $(($(now_ms) - from)) -lt 2000 ]
    wrote_all
    no_job m
    d discard m hf-1 "$dir/token-hf-1"
    is "$(ls "$dir/scratch")" "" "scratch files"
    export_is_gone m "vda.qcow2 "
}

it_resumes_a_guest_when_its_killed_export_is_undone()
{
    small_scratch
    writing_machine
    export_begin m hf-1
    kill -KILL "$exporting"
    V resume m
    wait_for_state "paused (I/O error)"
    at kill libvirt.before_resume d discard m hf-1 "$dir/token-hf-1"
    is "$(V domstate m)" paused state
    d discard m hf-1 "$dir/token-hf-1"
    is "$(V domstate m)" running state
    wrote_all
    is "$(ls "$dir/scratch")" "" "scratch files"
    export_is_gone m "vda.qcow2 "
}

it_watches_a_guest_that_writes_as_fast_as_it_can()
{
    small_scratch
    writing_machine
    export_begin m hf-1
    V resume m
    ends_badly "$exporting"
    has "$(cat "$dir/out-hf-1")" "error no-space:"
    wait_for_state "running (unpaused)"
    wrote_all
    d discard m hf-1 "$dir/token-hf-1"
    export_is_gone m "vda.qcow2 "
}

it_exports_a_machine_that_is_off()
{
    local token
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    io m 0 write -P 0x61 0 64k
    io m 1 write -P 0x62 0 64k
    V destroy m
    export_begin m hf-1
    has "$(cat "$dir/out-hf-1")" "disks 2 checkpoint=0 incremental=0"
    read_export hf-1 vda "$dir/out-a"
    read_export hf-1 vdb "$dir/out-b"
    cmp "$dir/out-b" "$dir/vdb.raw"
    qemu-img convert -O raw "$dir/vda.qcow2" "$dir/out-vda"
    cmp "$dir/out-a" "$dir/out-vda"
    export_end hf-1
    export_is_gone m "vda.qcow2 vdb.raw "
    for token in "$dir/token-hf-2" ""; do
        export_begin m hf-2
        kill -KILL "$exporting"
        ends_badly "$exporting"
        d discard m hf-2 ${token:+"$token"}
        export_is_gone m "vda.qcow2 vdb.raw "
    done
    for point in libvirt.after_qemu_nbd libvirt.before_qemu_nbd_end; do
        touch "$dir/out-end"
        at kill $point d export m hf-3 "$dir/token-hf-3" "$dir/out-end"
        d discard m hf-3 "$dir/token-hf-3"
        export_is_gone m "vda.qcow2 vdb.raw "
    done
}

it_reads_changes_of_a_machine_that_is_off()
{
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    export_begin m hf-1
    export_end hf-1
    io m 0 write -P 0x61 5M 64k
    V destroy m
    export_begin m hf-2 hf-1
    has "$(cat "$dir/out-hf-2")" "disks 2 checkpoint=0 incremental=1"
    has "$(grep '^export vdb' "$dir/out-hf-2")" "base:allocation - 16777216"
    is "$(changes hf-2 vda hf-1)" "5242880+65536" changes
    export_end hf-2
    # A QEMU that was killed leaves a bitmap that nobody may believe.
    V start --paused m
    kill -KILL "$(lab_pids "$dir" qemu-system-x86)"
    wait_for_state "shut off (crashed)"
    export_begin m hf-3 hf-1
    has "$(grep '^export vda' "$dir/out-hf-3")" "its bitmap is lost or inconsistent"
    has "$(grep '^export vdb' "$dir/out-hf-3")" "no room for a bitmap"
    has "$(cat "$dir/out-hf-3")" "incremental=0"
    export_end hf-3
    d discard m hf-1
    lacks "$(qemu-img info "$dir/vda.qcow2")" "name: hf-1"
    export_is_gone m "vda.qcow2 vdb.raw "
}

it_does_not_keep_a_machine_from_starting_and_voids_what_it_read()
{
    machine m "$(disk vda qcow2)"
    V destroy m
    export_begin m hf-1
    V start --paused m
    ends_badly "$exporting"
    has "$(cat "$dir/out-hf-1")" "error conflict:"
    d discard m hf-1 "$dir/token-hf-1"
    export_is_gone m "vda.qcow2 "
    # Also when it is off again by then.
    V destroy m
    export_begin m hf-2
    kill -STOP "$exporting"
    V start --paused m
    io m 0 write -P 0x63 0 64k
    V destroy m
    kill -CONT "$exporting"
    touch "$dir/out-end-hf-2"
    ends_badly "$exporting"
    has "$(cat "$dir/out-hf-2")" "was changed while it was read"
    d discard m hf-2 "$dir/token-hf-2"
    export_is_gone m "vda.qcow2 "
}

it_leaves_the_internal_snapshots_of_others_alone()
{
    machine m "$(disk vda qcow2)"
    V snapshot-create-as m own
    export_begin m hf-1
    has "$(cat "$dir/out-hf-1")" "warning: VM 'm' has internal snapshots"
    has "$(cat "$dir/out-hf-1")" "checkpoint=0"
    export_end hf-1
    V snapshot-revert m own
    HOLDFAST_CHECKPOINT=always export_begin m hf-2
    has "$(cat "$dir/out-hf-2")" "checkpoint=1"
    export_end hf-2
    d discard m hf-2 "$dir/token-hf-2"
    V snapshot-delete m own
    export_is_gone m "vda.qcow2 "
}

it_exports_odd_machines_and_refuses_others()
{
    local cd="<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='$dir/cd.iso'/><target dev='sda' bus='sata'/><readonly/></disk>"
    local empty="<disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>"
    truncate -s 1M "$dir/cd.iso"
    machine m "$(disk vda raw)$(disk vdb raw "snapshot='no'")$(disk vdc raw '' '<readonly/>')$cd$empty"
    export_begin m hf-1
    # Raw disks alone have nowhere to keep a bitmap.
    has "$(cat "$dir/out-hf-1")" "disks 1 checkpoint=0"
    has "$(cat "$dir/out-hf-1")" "warning: disk vdb is left out: snapshot=no"
    export_end hf-1
    export_is_gone m "cd.iso vda.raw vdb.raw vdc.raw "
    machine none ""
    fails unsupported "VM 'none' has no disk to capture" d export none hf-1 "$dir/token" "$dir/out-end-never"
    machine shared "$(disk vdd raw '' '<shareable/>')"
    fails unsupported "disk vdd: shared" d export shared hf-1 "$dir/token" "$dir/out-end-never"
    fails config "no name" d export m ../x "$dir/token" "$dir/out-end-never"
    mkdir "$dir/hf-2.export"
    fails conflict "hf-2.export' exists already" d export m hf-2 "$dir/token" "$dir/out-end-never"
    rmdir "$dir/hf-2.export"
    qemu-img create -q -f qcow2 -o compat=0.10 "$dir/vde.qcow2" 16M
    machine old "$(disk vde qcow2)"
    export_begin old hf-3
    has "$(cat "$dir/out-hf-3")" "disks 1 checkpoint=0"
    export_end hf-3
}

it_keeps_a_checkpoint_of_somebody_else()
{
    machine m "$(disk vda qcow2)"
    V checkpoint-create-as m hf-1
    fails conflict "has a checkpoint 'hf-1' already" d export m hf-1 "$dir/token" "$dir/out-end-never"
    fails conflict "checkpoint 'hf-1' was not made by holdfast" d discard m hf-1
    export_begin m hf-2
    export_end hf-2
    d discard m hf-2
    export_is_gone m "vda.qcow2 " hf-1
}

it_exports_from_a_qemu_without_rights()
{
    chmod 711 "$LAB" "$LAB"/{lib,run} "$dir"
    trap 'QEMU_USER=; chmod 700 "$LAB"; restart_daemon' EXIT
    export QEMU_USER=+65534
    restart_daemon
    machine m "$(disk vda qcow2)$(disk vdb raw)"
    io m 0 write -P 0x71 0 64k
    export_begin m hf-1
    is "$(stat -c '%a %u' "$dir/hf-1.export")" "700 65534" "owner and mode of its directory"
    io m 0 write -P 0x72 0 64k
    read_export hf-1 vda "$dir/out-a"
    qemu-io -r -f raw -c 'read -P 0x71 0 64k' "$dir/out-a" | has "$(cat)" "read 65536"
    export_end hf-1
    export_begin m hf-2 hf-1
    kill -KILL "$exporting"
    d discard m hf-2 "$dir/token-hf-2"
    d discard m hf-1
    export_is_gone m "vda.qcow2 vdb.raw "
    V destroy m
    export_begin m hf-3
    export_end hf-3
    export_is_gone m "vda.qcow2 vdb.raw "
}
