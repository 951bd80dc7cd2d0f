# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A libvirtd of the lab's own. Run by root it knows only the system's directories, and
# unix_sock_dir moves no more than the socket, so it gets a mount namespace in which these
# directories are the lab's. Neither side sees the other: a libvirtd of the machine may run beside
# it. A restarted daemon gets a new namespace with the same view, and finds its guests again.
#
# QEMU runs in that namespace, too: a file system mounted on the host later is not visible there.

# system directory -> directory below $LAB
DAEMON_DIRS=(/etc/libvirt=etc /run/libvirt=run /var/lib/libvirt=lib /var/log/libvirt=log)

write_daemon_config()
{
    local QEMU_USER=${QEMU_USER:-}
    mkdir -p "$LAB"/{etc,run,lib,log}
    # No polkit, no TCP, and a log that says what a failed test will ask.
    cat >"$LAB/etc/libvirtd.conf" <<-EOF
	auth_unix_ro = "none"
	auth_unix_rw = "none"
	unix_sock_rw_perms = "0700"
	log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
	EOF
    # QEMU_USER: somebody without rights, whom libvirt gives the disks' files, as distributions set it up.
    # Without systemd there are no cgroups to delegate; log files are written without virtlogd.
    cat >"$LAB/etc/qemu.conf" <<-EOF
	user = "${QEMU_USER:-root}"
	group = "${QEMU_USER:-root}"
	dynamic_ownership = $((${#QEMU_USER} > 0))
	remember_owner = 0
	security_driver = "none"
	namespaces = [ ]
	cgroup_controllers = [ ]
	stdio_handler = "file"
	EOF
}

# Probing QEMU's capabilities costs seconds; libvirt checks by itself whether what it kept is still
# valid, so all labs share it.
capabilities_cache() { echo "$(dirname "$IMAGE")/libvirt-capabilities-emulated"; }

REAPER=$(dirname "${BASH_SOURCE[0]}")/reaper

start_daemon()
{
    local capabilities
    write_daemon_config
    capabilities=$(capabilities_cache)
    mkdir -p "$capabilities" /var/cache/libvirt
    # setsid: a Ctrl-C at the terminal must not end what a later "down" ends in order.
    # shellcheck disable=SC2016  # expanded inside the namespace
    LAB=$LAB setsid "$REAPER" --all unshare --mount --propagation private bash -euc '
        mount --bind "$1" /var/cache/libvirt
        shift
        for pair; do
            mkdir -p "${pair%=*}"
            mount --bind "$LAB/${pair#*=}" "${pair%=*}"
        done
        # Hardware virtualisation is not to be relied on, and libvirt would choose it where it may. Of root it believes a
        # file alone that cannot be written.
        if [ -e /dev/kvm ]; then
            : >"$LAB/no-kvm"
            mount --bind "$LAB/no-kvm" /dev/kvm
            mount -o remount,bind,ro /dev/kvm
        fi
        exec libvirtd -f "$LAB/etc/libvirtd.conf" -p "$LAB/libvirtd.pid"
    ' lab-libvirtd "$capabilities" "${DAEMON_DIRS[@]}" \
        </dev/null >>"$LAB/log/libvirtd.out" 2>&1 &
    wait_for 20 virsh_lab uri || die "libvirtd does not answer, see $LAB/log"
}

virsh_lab() { virsh -q -c "$URI" "$@"; }
