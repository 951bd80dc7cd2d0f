# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# From the frozen data disk of a snapshot to a running server: a server of the host on the files
# of a private copy, the host's own mariadbd or the MySQL guest's mysqld. Much faster than a boot,
# and the same steps as after a power cut: the file system's journal first, then InnoDB's log,
# then the binlog's word on prepared transactions.

# The label of the file system on a raw image, empty when there is none.
fs_label() { e2label "$1" 2>/dev/null || true; }

# copy_disk IMAGE RAW: force-share (-U), because a running QEMU has the chain open.
copy_disk() { qemu-img convert -U -O raw "$1" "$2"; }

# The options that decide about recovery have to be the guest's; all others aim at speed, for
# nobody needs this copy after the test. Each function sets the caller's array "command".

mariadb_command()
{
    command=(mariadbd --no-defaults --ignore-db-dirs=lost+found --innodb-log-file-size=48M
        --innodb-flush-method=fsync --debug-no-sync)
}

# MySQL has nothing that leaves out every sync; nosync does so for InnoDB, which is most of them.
# Its doublewrite buffer stays, for a torn page is repaired from it.
mysql_command()
{
    local server
    server=$(mysql_server)
    command=("$server/mysqld" --library-path "$server/lib" "$server/mysqld.bin" --no-defaults
        --basedir="$server" --plugin-dir="$server/plugin" --lc-messages-dir="$server/share"
        --character-sets-dir="$server/share/charsets" --mysqlx=OFF --secure-file-priv=NULL
        --innodb-redo-log-capacity=64M --innodb-flush-method=nosync --sync-binlog=0
        --innodb-validate-tablespace-paths=OFF --performance-schema=OFF --auto-generate-certs=OFF)
}

# The server that a guest of this lab came with.
mysql_server()
{
    local file image
    enter_lab
    for file in "$LAB"/guests/*/image; do
        image=$(cat "$file")
        [ -d "$image/server" ] || continue
        echo "$image/server"
        return
    done
    die "no guest of this lab has a MySQL server for its host"
}

start_recovered_server()
{
    local out=$1 flavour=mariadb command=() binlog=--skip-log-bin pid
    [ ! -e "$out/data/mysql.ibd" ] || flavour=mysql
    [ ! -e "$out/data/binlog.index" ] || binlog=--log-bin=binlog
    "${flavour}_command"
    mkdir -p "$out/tmp"
    setsid "${command[@]}" --user=root --datadir="$out/data" --tmpdir="$out/tmp" \
        --socket="$out/sock" --pid-file="$out/server.pid" --skip-networking --server-id=1 "$binlog" \
        --innodb-buffer-pool-size=128M --innodb-fast-shutdown=2 \
        --innodb-buffer-pool-load-at-startup=OFF </dev/null >"$out/server.log" 2>&1 &
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
    mapfile -t pids < <(lab_pids "$(realpath -m "$1")" mariadbd mysqld)
    [ "${#pids[@]}" -eq 0 ] || kill -9 "${pids[@]}"
    rm -rf "$1/data" "$1/tmp"
}
