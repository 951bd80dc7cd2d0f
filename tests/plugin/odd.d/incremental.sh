# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Whole incremental backups: each point is what its own job exports, whatever became of the machine since the last one.

hf() { is_wanted && "$build/src/holdfast" -q -c "$dir/conf" "$@"; }

site()
{
    mkdir -m 700 "$dir/store"
    cat >"$dir/conf" <<-CONF
	[defaults]
	state = $dir/state
	plugin-dir = $HOLDFAST_PLUGIN_DIR
	[hypervisor here]
	plugin = libvirt
	uri = $URI
	[vm m]
	hypervisor = here
	${1:-}
	[store s]
	url = file://$dir/store
	off-host = assume
	CONF
    chmod 600 "$dir/conf"
    hf store init s
}

# qdisk TARGET: qcow2, and what the guest discards is gone.
qdisk() { disk "$1" qcow2 | sed "s/type='qcow2'/type='qcow2' discard='unmap'/"; }

# takes PATTERN-OF-FLAGS: a backup. All disks are read whole from its job while it waits, and the guest goes on writing; the point must be equal.
takes()
{
    local pid target
    rm -f "$dir/out-visits"
    HOLDFAST_POINT=backup.before_disks=stall:400 HOLDFAST_POINT_LOG="$dir/out-visits" \
        "$build/src/holdfast" -q -c "$dir/conf" --json backup m >"$dir/out-report" 2>"$dir/out-log" &
    pid=$!
    wait_for_line backup.before_disks "$dir/out-visits" "$pid" || { cat "$dir/out-report" "$dir/out-log"; return 1; }
    kill -STOP "$pid"
    for target in $targets; do
        io m 0 write -P $((RANDOM % 255 + 1)) $((RANDOM % 200 * 64))k 64k
        qemu-img convert -f raw -O raw "nbd+unix:///$target?socket=$(echo "$dir"/hf-*.export/nbd)" "$dir/out-$target"
    done
    kill -CONT "$pid"
    wait "$pid" || { cat "$dir/out-report" "$dir/out-log"; return 1; }
    python3 "$here/odd.d/point.py" "$dir/out-report" "$dir/store" "$dir" >"$dir/out-told"
    # shellcheck disable=SC2254  # a pattern
    case $(head -1 "$dir/out-told") in
    $1) ;;
    *) is "$(head -1 "$dir/out-told")" "$1" "after $step: incremental" ;;
    esac
}

# ---- what happens between two -----------------------------------------------------------------

some_writes()
{
    local n
    for n in 1 2 3; do
        io m 0 write -P $((RANDOM % 255 + 1)) $((RANDOM % 250 * 64))k $((RANDOM % 5 * 4 + 4))k
        io m 1 write -P $((RANDOM % 255 + 1)) $((RANDOM % 250 * 64))k 4k
    done
}
step_write() { some_writes; }
step_discard() { io m 0 discard $((RANDOM % 250 * 64))k 128k && io m 0 write -z $((RANDOM % 250 * 64))k 64k; }
step_snapshot() { capture m "hf-s$taken" && snapshots+=("hf-s$taken") && some_writes; }
step_commit()
{
    [ ${#snapshots[@]} -gt 0 ] || step_snapshot
    d delete m "${snapshots[-1]}"
    unset 'snapshots[-1]'
}
step_grow()
{
    size=$((size + 3))
    V blockresize m vda ${size}M
    # Some of it is written to, and some never.
    io m 0 write -P 0x77 $((size - 1))M 64k
}
step_restart() { V destroy m && V start --paused m; }
step_libvirtd() { restart_daemon; }
step_kill()
{
    kill -KILL "$(lab_pids "$dir" qemu-system-x86)"
    wait_for_state "shut off (crashed)"
    V start --paused m
    some_writes
}
step_rollback()
{
    [ ${#snapshots[@]} -gt 0 ] || step_snapshot
    HOLDFAST_RUN_ID=r$taken d rollback m "${snapshots[-1]}" "$dir/token-back"
    some_writes
}

# A known order, in which each follows something else; with HOLDFAST_SAMPLE=0, the soak, two hundred at random.
steps_to_take()
{
    local all=(write discard snapshot commit grow restart kill rollback libvirtd write) n
    [ "${HOLDFAST_SAMPLE:-1}" = 0 ] || { echo "write discard snapshot write commit grow restart kill rollback write libvirtd"; return; }
    for n in $(seq 200); do echo "${all[RANDOM % ${#all[@]}]}"; done
}

it_takes_points_that_are_what_their_jobs_export()
{
    local step=nothing taken=0 size=16 targets="vda vdb vdc"
    local -a snapshots=()
    RANDOM=${HOLDFAST_SEED:-20261123}
    machine m "$(qdisk vda)$(qdisk vdb)$(disk vdc raw)"
    site
    some_writes
    io m 2 write -P 0x10 0 64k
    takes "vda=- vdb=- vdc=-"
    for step in $(steps_to_take); do
        taken=$((taken + 1))
        "step_$step"
        io m 2 write -P $((taken % 255 + 1)) $((RANDOM % 16))M 64k
        case $step in
        kill | rollback)
            takes "vda=- vdb=- vdc=-"
            has "$(cat "$dir/out-told")" "disk vda is read whole and compared"
            ;;
        *) takes "vda=+ vdb=+ vdc=?" ;; # as long as it has an overlay, that has a bitmap
        esac
        is "$(V checkpoint-list m --name | wc -w)" 1 checkpoints
    done
    hf verify --all
}

it_does_not_believe_a_bitmap_of_another_disk()
{
    local step="two disks that changed places" targets="vda vdb"
    machine m "$(qdisk vda)$(qdisk vdb)"
    site
    io m 0 write -P 0x11 0 1M
    io m 1 write -P 0x22 0 1M
    takes "vda=- vdb=-"
    V destroy m
    mv "$dir/vda.qcow2" "$dir/out-x"
    mv "$dir/vdb.qcow2" "$dir/vda.qcow2"
    mv "$dir/out-x" "$dir/vdb.qcow2"
    V start --paused m
    # Each has the bitmap of the other, under the name that is looked for, in a file that is called as before.
    takes "vda=- vdb=-"
    has "$(cat "$dir/out-told")" "disk vda is read whole and compared: it lies in another file"
    takes "vda=+ vdb=+"
}

# The copy is in the file of before, and its bitmap is whole and has the name that is looked for: it is the one of the other disk. They differ at
# one place, where nobody would look.
it_does_not_believe_a_copied_bitmap()
{
    local targets="vda vdb" n
    machine m "$(qdisk vda)$(qdisk vdb)"
    site
    for n in 0 1; do
        io m $n write -P 0x11 0 8M
        io m $n write -P 0x2$n 2M 4k
        io m $n flush
    done
    told "vda=- vdb=-"
    V destroy m
    cp "$dir/vda.qcow2" "$dir/vdb.qcow2"
    V start --paused m
    told "vda=+ vdb=-"
    has "$(cat "$dir/out-told")" "disk vdb is read whole and compared: what its bitmap calls unchanged is not what point"
    told "vda=+ vdb=+"
}

# Cut in the middle of a chunk, whose other half reads as zeros since then: no bitmap tells of that.
it_does_not_believe_a_disk_that_was_cut()
{
    local targets="vda" cut
    machine m "$(qdisk vda)"
    site
    io m 0 write -P 0x11 0 15M
    for cut in 15500K 15552K 15616K; do
        io m 0 write -P 0x12 15M 1M
        io m 0 flush
        told "vda=[-+]"
        V blockresize m vda $cut
        V blockresize m vda 16M
        told "vda=[-+]"
    done
}

# told FLAGS: a backup of disks that nobody writes to; the point is what lies in the files.
told()
{
    local target
    hf --json backup m >"$dir/out-report" 2>"$dir/out-log" || { cat "$dir/out-report" "$dir/out-log"; return 1; }
    for target in $targets; do
        qemu-img convert -U -O raw "$dir/$target.qcow2" "$dir/out-$target"
    done
    python3 "$here/odd.d/point.py" "$dir/out-report" "$dir/store" "$dir" >"$dir/out-told"
    # shellcheck disable=SC2254  # a pattern
    case $(head -1 "$dir/out-told") in
    $1) ;;
    *) is "$(head -1 "$dir/out-told")" "$1" incremental ;;
    esac
}

# Its point leaves no checkpoint, and the one of the point before goes on knowing what changed since that.
it_takes_increments_of_a_machine_that_is_off()
{
    local targets="vda vdb"
    machine m "$(qdisk vda)$(qdisk vdb)"
    site
    io m 0 write -P 0x11 0 1M
    io m 0 flush
    told "vda=- vdb=-"
    io m 0 write -P 0x22 2M 64k
    V destroy m
    told "vda=+ vdb=+"
    V start --paused m
    io m 1 write -P 0x33 3M 64k
    io m 1 flush
    told "vda=+ vdb=+"
    # Killed: what it knew is gone, whether it runs or not.
    kill -KILL "$(lab_pids "$dir" qemu-system-x86)"
    wait_for_state "shut off (crashed)"
    told "vda=- vdb=-"
    has "$(cat "$dir/out-told")" "disk vda is read whole and compared: its bitmap is lost or inconsistent"
}

it_leaves_a_users_revert_working_after_a_backup()
{
    local targets="vda"
    machine m "$(qdisk vda)"
    site
    io m 0 write -P 0x61 0 64k
    io m 0 flush
    told "vda=-"
    V snapshot-create-as m own
    io m 0 write -P 0x62 0 64k
    io m 0 flush
    told "vda=+"
    has "$(cat "$dir/out-told")" "has internal snapshots"
    V snapshot-revert m own
    is "$(V domstate m)" paused state
    io m 0 read -P 0x61 0 64k
    told "vda=-"
    V snapshot-delete m own
    told "vda=-"
    told "vda=+"
}

# Defined anew, under the same name and with the same disks: what libvirt knew of its checkpoints is gone, their bitmaps are not.
it_compares_what_was_defined_anew()
{
    local targets="vda"
    machine m "$(qdisk vda)"
    site
    io m 0 write -P 0x71 0 64k
    io m 0 flush
    told "vda=-"
    V dumpxml m >"$dir/anew.xml"
    V destroy m
    V undefine m --checkpoints-metadata
    V define "$dir/anew.xml"
    V start --paused m
    io m 0 write -P 0x72 1M 64k
    io m 0 flush
    told "vda=-"
    has "$(cat "$dir/out-told")" "the hypervisor has lost checkpoint hf-"
    told "vda=+"
    # A copy of the disk from before, put in its place.
    V destroy m
    cp "$dir/vda.qcow2" "$dir/out-copy"
    V start --paused m
    io m 0 write -P 0x73 2M 64k
    io m 0 flush
    told "vda=+"
    V destroy m
    cp "$dir/out-copy" "$dir/vda.qcow2"
    V start --paused m
    told "vda=-"
    V destroy m
    rm "$dir/vda.qcow2"
    mv "$dir/out-copy" "$dir/vda.qcow2"
    V start --paused m
    told "vda=-"
}

# The layer below has a whole bitmap, and the overlay, where the guest wrote, none: QEMU died before it could store it.
it_does_not_believe_a_layer_below()
{
    local targets="vda"
    machine m "$(qdisk vda)"
    site
    io m 0 write -P 0x81 0 64k
    io m 0 flush
    told "vda=-"
    capture m hf-s
    io m 0 write -P 0x82 1M 64k
    io m 0 flush
    kill -KILL "$(lab_pids "$dir" qemu-system-x86)"
    wait_for_state "shut off (crashed)"
    has "$(qemu-img info "$dir/vda.qcow2")" "name: hf-"
    V start --paused m
    qemu-img convert -U -O raw "$dir/vda.qcow2.hf-s" "$dir/out-vda"
    hf --json backup m >"$dir/out-report" 2>"$dir/out-log"
    python3 "$here/odd.d/point.py" "$dir/out-report" "$dir/store" "$dir" >"$dir/out-told"
    is "$(head -1 "$dir/out-told")" "vda=-" incremental
    has "$(cat "$dir/out-told")" "its bitmap is lost or inconsistent"
}
