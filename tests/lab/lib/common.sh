# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What all parts of the lab share: messages, the record of a lab, and finding its processes.
#
# A lab is a directory ($LAB). A one-line record of it ($RECORDS/<id>: owner pid, the owner's start
# time, directory) is written before anything is started, so that "lab reap" finds labs whose owner
# was killed. Nothing else is remembered: which processes belong to a lab is read from /proc, because
# a list of pids kept in a file is wrong after the first crash.

RECORDS=${XDG_RUNTIME_DIR:-/run}/holdfast-lab
# shellcheck disable=SC2034  # used by lab
MARK=.holdfast-lab   # a file in each lab's directory

say() { echo "lab: $*" >&2; }
die() { say "$*"; exit 1; }

now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo "${t::-3}"; }

# Seconds with two decimals since a now_ms value.
since() { local d=$(($(now_ms) - $1)); printf '%d.%02d s' $((d / 1000)) $((d % 1000 / 10)); }

# wait_for SECONDS COMMAND…: polls, because nothing in a booting guest reports to us.
wait_for()
{
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# Field 22 of stat, counted from behind the command name, which may contain anything.
start_time()
{
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086  # splitting is the point
    set -- ${stat##*) }
    echo "${20}"
}

lab_id() { echo -n "$1" | sha256sum | cut -c 1-12; }

# record_lab DIR OWNER: owner 0 is a lab for use by hand, which only "down" and "reap --all" end.
record_lab()
{
    local start=0
    [ "$2" -eq 0 ] || start=$(start_time "$2") || die "owner $2 is not running"
    mkdir -p "$RECORDS"
    echo "$2 $start $1" >"$RECORDS/$(lab_id "$1")"
}

# Pids of this lab's processes named $2…: only programs that the lab itself starts, and only those
# whose command line names a file below the lab's directory.
lab_pids()
{
    local dir=$1 proc comm name
    shift
    for proc in /proc/[0-9]*; do
        comm=$(cat "$proc/comm" 2>/dev/null) || continue
        for name in "$@"; do
            [ "$comm" = "$name" ] || continue
            if tr '\0' '\n' <"$proc/cmdline" 2>/dev/null | grep -qF "$dir/"; then
                echo "${proc#/proc/}"
            fi
        done
    done
}

# stop_pids PID…: asks, waits a little, insists. Only ever called with the result of lab_pids.
stop_pids()
{
    local pid
    [ $# -gt 0 ] || return 0
    kill "$@" 2>/dev/null || true
    for pid in "$@"; do
        wait_for 5 eval "! kill -0 $pid" || kill -9 "$pid" 2>/dev/null || true
    done
}

# A port that nobody listens on right now, below the range the kernel hands out by itself. Somebody
# may take it before QEMU does: starting the domain is retried with others.
free_port()
{
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}
