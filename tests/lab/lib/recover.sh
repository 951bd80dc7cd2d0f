# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# From the frozen data disk of a snapshot to a running server: the host's own mariadbd on the files
# of a private copy. Much faster than a boot, and the same steps as after a power cut: the file
# system's journal first, then InnoDB's log, then the binlog's word on prepared transactions.

# The label of the file system on a raw image, empty when there is none.
fs_label() { e2label "$1" 2>/dev/null || true; }

# copy_disk IMAGE RAW: force-share (-U), because a running QEMU has the chain open.
copy_disk() { qemu-img convert -U -O raw "$1" "$2"; }

# The options that decide about recovery have to be the guest's; all others aim at speed, for
# nobody needs this copy after the test.
start_recovered_server()
{
    local out=$1 binlog=() pid
    [ ! -e "$out/data/binlog.index" ] || binlog=(--log-bin=binlog)
    mkdir -p "$out/tmp"
    setsid mariadbd --no-defaults --user=root --datadir="$out/data" --tmpdir="$out/tmp" \
        --socket="$out/sock" --pid-file="$out/mariadbd.pid" --skip-networking \
        --ignore-db-dirs=lost+found --server-id=1 "${binlog[@]}" \
        --innodb-log-file-size=48M --innodb-buffer-pool-size=128M --innodb-fast-shutdown=2 \
        --innodb-buffer-pool-load-at-startup=OFF --innodb-flush-method=fsync --debug-no-sync \
        </dev/null >"$out/server.log" 2>&1 &
    pid=$!
    if ! wait_for 60 server_answers_or_died "$out/sock" "$pid" || ! kill -0 "$pid" 2>/dev/null; then
        tail -20 "$out/server.log" >&2
        die "the server does not come up on the copy"
    fi
}

# A server that refuses its files is gone at once; nobody should wait a minute for it.
server_answers_or_died()
{
    mariadb --no-defaults -S "$1" -e 'SELECT 1' || ! kill -0 "$2"
}

# recover_copy OUTDIR DISK…: the data disk is recognised by its label, others are passed over.
recover_copy()
{
    local out=$1 disk started rc=0
    shift
    [ ! -e "$out/data" ] || die "$out/data exists already"
    mkdir -p "$out"
    out=$(cd "$out" && pwd)
    started=$(now_ms)
    for disk; do
        copy_disk "$disk" "$out/disk.raw"
        [ "$(fs_label "$out/disk.raw")" != hf-data ] || break
        rm "$out/disk.raw"
    done
    [ -e "$out/disk.raw" ] || die "no file system labelled hf-data on: $*"
    # 1 means "errors corrected"; replaying a journal alone is 0.
    e2fsck -fy "$out/disk.raw" >"$out/e2fsck.log" 2>&1 || rc=$?
    [ "$rc" -le 1 ] || { cat "$out/e2fsck.log" >&2; die "e2fsck: status $rc"; }
    mkdir "$out/data"
    debugfs -R "rdump / $out/data" "$out/disk.raw" 2>"$out/debugfs.log" >&2
    rm "$out/disk.raw"
    chown -R root: "$out/data"
    # A guest with an absolute log_bin has absolute names in here.
    [ ! -e "$out/data/binlog.index" ] || sed -i 's|^.*/|./|' "$out/data/binlog.index"
    start_recovered_server "$out"
    say "recovered in $(since "$started")"
    echo "$out/sock"
}

# Killed, not asked: an orderly shutdown takes two seconds, and its files go anyway.
recover_stop()
{
    local pids
    mapfile -t pids < <(lab_pids "$(realpath -m "$1")" mariadbd)
    [ "${#pids[@]}" -eq 0 ] || kill -9 "${pids[@]}"
    rm -rf "$1/data" "$1/tmp"
}
