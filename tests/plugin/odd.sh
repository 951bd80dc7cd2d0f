# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# What tests/plugin/odd stands on: a libvirtd of its own, machines without an operating system, and
# words to look at them. The machines are started paused, so that they cost nothing; what a guest
# would write is written through its virtual disk with QEMU's qemu-io.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${HOLDFAST_BUILD_DIR:-$root/build/dev}
drive=$build/tests/plugin/plugin_drive
export HOLDFAST_PLUGIN_DIR=${HOLDFAST_PLUGIN_DIR:-$build/plugins}

LAB=$(mktemp -d "${TMPDIR:-/tmp}/hf-odd-XXXXXX")
IMAGE=${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast}/odd # its directory holds libvirt's cache
URI="qemu+unix:///system?socket=$LAB/run/libvirt-sock"
# shellcheck source=/dev/null
. "$root/tests/lab/lib/common.sh"
# shellcheck source=/dev/null
. "$root/tests/lab/lib/daemon.sh"

# A case outlives a script that was killed; it must not start machines behind the back of who cleans up.
is_wanted() { kill -0 $$ 2>/dev/null || exit 1; }
V() { is_wanted && virsh -q -c "$URI" "$@"; }
qmp() { V qemu-monitor-command "$@"; }
# One operation of the plugin; extra KEY=VALUE in $KEYS.
# $HOLDFAST_WRAP goes in front, e.g. "valgrind -q".
# shellcheck disable=SC2086  # both are lists of words
d() { is_wanted && ${HOLDFAST_WRAP:-} "$drive" libvirt uri="$URI" ${KEYS:+$KEYS} -- "$@"; }

# The same for "&": $! is the program itself, and a signal reaches it.
# shellcheck disable=SC2086  # a list of words
d_exec() { exec "$drive" libvirt uri="$URI" ${KEYS:+$KEYS} -- "$@"; }

# points_in PATTERN…: the kill points in these files of the plugin, as the source has them, so that a new one is walked at once.
# shellcheck disable=SC2048,SC2086  # patterns
points_in() { (cd "$root/plugins/libvirt" && grep -ohE '"libvirt\.[a-z_]*"' $*) | tr -d '"'; }

end_odd()
{
    local pids
    mapfile -t pids < <(lab_pids "$LAB" qemu-system-x86 libvirtd plugin_drive)
    stop_pids "${pids[@]}"
    rm -rf "$LAB"
    rm -f "$RECORDS/$(lab_id "$LAB")"
}

daemon_pid() { lab_pids "$LAB" libvirtd; }
restart_daemon()
{
    local pids
    mapfile -t pids < <(daemon_pid)
    stop_pids "${pids[@]}"
    start_daemon
}

# ---- machines ------------------------------------------------------------------------------

# disk TARGET FORMAT [EXTRA-ATTRIBUTES [EXTRA-ELEMENTS]]: makes $dir/TARGET.FORMAT, prints its XML.
disk()
{
    local file=$dir/$1.$2 size=${SIZE:-16M}
    [ -e "$file" ] || qemu-img create -q -f "$2" "$file" "$size"
    echo "<disk type='file' device='disk' ${3:-}><driver name='qemu' type='$2'/>" \
        "<source file='$file'/><target dev='$1' bus='virtio'/>${4:-}</disk>"
}

# define NAME DISKS-XML [OS-XML]; machine: the same, and starts it paused.
define()
{
    cat >"$dir/$1.xml" <<-XML
	<domain type='qemu'>
	  <name>$1</name>
	  <memory unit='MiB'>32</memory>
	  <os><type arch='x86_64' machine='q35'>hvm</type>${3:-}</os>
	  <features><acpi/></features>
	  <devices>
	    $2
	    <controller type='usb' model='none'/><memballoon model='none'/>
	  </devices>
	</domain>
	XML
    V define "$dir/$1.xml"
}
machine() { define "$@" && V start --paused "$1"; }

# mismatches VM: how often its QEMU found other bytes than were expected. It tells its log, not who asked.
mismatches() { grep -c 'Pattern verification failed' "$LAB/log/qemu/$1.log" || true; }

# qemu_io VM DEVICE COMMAND…: fails where the bytes are others, too.
qemu_io()
{
    local vm=$1 device=$2 out before
    shift 2
    before=$(mismatches "$vm")
    out=$(qmp --hmp "$vm" "qemu-io -d $device \"$*\"")
    case $out in
    *rror* | *ailed*) echo "$out"; return 1 ;;
    esac
    [ "$(mismatches "$vm")" = "$before" ] || { echo "  $vm: $*: other bytes"; return 1; }
}

# io VM TARGET-NUMBER COMMAND…: as the guest would do it, e.g. io m 0 write -P 0x11 0 64k
io() { qemu_io "$1" "/machine/peripheral/virtio-disk$2/virtio-backend" "${@:3}"; }

# ---- looking -------------------------------------------------------------------------------

# layers VM TARGET [--inactive]: the chain's file names, active one first.
layers()
{
    V dumpxml "$1" ${3:+$3} | python3 -c '
import sys, xml.etree.ElementTree as E, os
for disk in E.fromstring(sys.stdin.read()).iter("disk"):
    if disk.find("target").get("dev") == sys.argv[1]:
        names = []
        while disk is not None and disk.find("source") is not None:
            names.append(os.path.basename(disk.find("source").get("file") or "?"))
            disk = disk.find("backingStore")
        print(" ".join(names))' "$2"
}

files() { (cd "$dir" && find . -type f ! -name '*.xml' ! -name 'token*' ! -name 'out*' | sed 's|^\./||' | sort | tr '\n' ' '); }

is() # ACTUAL EXPECTED WHAT
{
    [ "$1" = "$2" ] && return 0
    echo "  $3: expected '$2', got '$1'"
    return 1
}

has() # TEXT PIECE
{
    case $1 in
    *"$2"*) return 0 ;;
    esac
    echo "  expected '$2' in: $1"
    return 1
}

lacks() # TEXT PIECE
{
    case $1 in
    *"$2"*) echo "  did not expect '$2' in: $1"; return 1 ;;
    esac
}

ends_badly() # PID of a child
{
    if wait "$1"; then
        echo "  process $1 was expected to fail"
        return 1
    fi
}

# fails CLASS PIECE COMMAND…: the plugin refuses with this class, and PIECE stands in what it says.
fails()
{
    local class=$1 piece=$2 out
    shift 2
    if out=$("$@" 2>&1); then
        echo "  expected a failure ($class): $*: $out"
        return 1
    fi
    has "$out" "error $class:" && has "$out" "$piece"
}

# capture VM NAME [STEP]
capture() { d capture "$1" "$2" "$dir/token-$2" "odd" ${3:+$3}; }

# Nothing of ours is left: chains, files and definition are those of before.
is_clean() # VM FILES
{
    is "$(files)" "$2" files && is "$(V snapshot-list "$1" --name | tr -d '\n')" "" snapshots &&
        lacks "$(V dumpxml "$1" --inactive)" .hf- && lacks "$(V dumpxml "$1")" .hf-
}
