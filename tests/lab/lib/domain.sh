# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Domains of the lab: their disks, definition and start, and what there is to know about each of
# them in $LAB/guests/NAME/ (ports, known_hosts, my.cnf files, env).

# disk_xml FILE FORMAT TARGET [MORE-ATTRIBUTES [SERIAL]]
disk_xml()
{
    echo "<disk type='file' device='disk' ${4:-}><driver name='qemu' type='$2'/>" \
        "<source file='$1'/><target dev='$3' bus='virtio'/>${5:+<serial>$5</serial>}</disk>"
}

# The disks of "up --extra": what a coordinator has to leave out or treat differently.
extra_disks_xml()
{
    disk_xml "$1/vdc.raw" raw vdc
    disk_xml "$1/vdd.qcow2" qcow2 vdd "snapshot='no'"
    echo "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>" \
        "<source file='$1/cd.iso'/><target dev='sda' bus='sata'/><readonly/></disk>"
}

# domain_xml NAME DISKS-XML CONSOLE-FILE DB-PORT SSH-PORT HTTP-PORT
#
# type qemu: hardware virtualisation is not to be relied on. restrict=on: the guest reaches nothing
# and nobody; only the forwarded ports on the loopback address lead in. The address of the
# network card is fixed, because libvirt does not know of it and would give the slot away.
# no_timer_check: the kernel counts ten ticks while it boots, and panics when an emulated processor that had to wait missed them.
domain_xml()
{
    cat <<-EOF
	<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
	  <name>$1</name>
	  <memory unit='MiB'>${HOLDFAST_LAB_MEMORY:-1024}</memory>
	  <vcpu>${HOLDFAST_LAB_VCPUS:-2}</vcpu>
	  <os>
	    <type arch='x86_64' machine='pc'>hvm</type>
	    <kernel>$IMAGE/vmlinuz</kernel>
	    <initrd>$IMAGE/initrd</initrd>
	    <cmdline>root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off no5lvl nokaslr audit=0 module_blacklist=kvm,kvm_amd,kvm_intel,powernow_k8,pcspkr random.trust_cpu=on no_timer_check systemd.show_status=0</cmdline>
	  </os>
	  <features><acpi/><apic/></features>
	  <cpu mode='maximum'/>
	  <clock offset='utc'/>
	  <on_reboot>restart</on_reboot>
	  <on_crash>preserve</on_crash>
	  <devices>
	    $2
	    <controller type='usb' model='none'/>
	    <memballoon model='none'/>
	    <serial type='file'><source path='$3'/></serial>
	    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
	  </devices>
	  <qemu:commandline>
	    <qemu:arg value='-netdev'/>
	    <qemu:arg value='user,id=lab,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:$4-:3306,hostfwd=tcp:127.0.0.1:$5-:22,hostfwd=tcp:127.0.0.1:$6-:80'/>
	    <qemu:arg value='-device'/>
	    <qemu:arg value='virtio-net-pci,netdev=lab,addr=0x10,romfile='/>
	  </qemu:commandline>
	</domain>
	EOF
}

# start_domain NAME DISKS-XML: defines and starts; sets DB_PORT, SSH_PORT and HTTP_PORT.
start_domain()
{
    local name=$1 disks=$2 dir=$LAB/guests/$1 try
    mkdir -p "$dir"
    for try in 1 2 3 4 5; do
        DB_PORT=$(free_port)
        SSH_PORT=$(free_port)
        HTTP_PORT=$(free_port)
        domain_xml "$name" "$disks" "$dir/console.log" "$DB_PORT" "$SSH_PORT" "$HTTP_PORT" \
            >"$dir/domain.xml"
        virsh_lab define "$dir/domain.xml" >&2
        if virsh_lab start "$name" 2>"$dir/start.err" >&2; then
            return 0
        fi
        grep -q 'Could not set up host forwarding' "$dir/start.err" || break
        say "port taken meanwhile, trying others ($try)"
    done
    cat "$dir/start.err" >&2
    die "domain $name does not start"
}

# write_option_file FILE USER PASSWORD
write_option_file()
{
    (umask 077; cat >"$1" <<-EOF
	[client]
	host = 127.0.0.1
	port = $DB_PORT
	user = $2
	password = $3
	EOF
    )
}

# write_guest_files NAME FLAVOUR: everything a client needs, below guests/NAME; env is for ". env" in
# a shell.
write_guest_files()
{
    local name=$1 dir=$LAB/guests/$1
    # shellcheck source=/dev/null
    . "$IMAGE/passwords"
    write_option_file "$dir/holdfast.cnf" holdfast "$HOLDFAST_PASSWORD"
    write_option_file "$dir/holdfast_min.cnf" holdfast_min "$HOLDFAST_MIN_PASSWORD"
    write_option_file "$dir/holdfast_dump.cnf" holdfast_dump "$HOLDFAST_DUMP_PASSWORD"
    write_option_file "$dir/writer.cnf" writer "$WRITER_PASSWORD"
    echo "[127.0.0.1]:$SSH_PORT $(cut -d' ' -f1,2 "$IMAGE/host_key.pub")" >"$dir/known_hosts"
    cat >"$dir/env" <<-EOF
	export HOLDFAST_LAB_DIR='$LAB'
	export HOLDFAST_LAB_GUEST='$name'
	export FLAVOUR=$2
	export DB_SERVICE=$(server_of "$2")
	export URI='$URI'
	export DOMAIN='$name'
	export DB_HOST=127.0.0.1
	export DB_PORT=$DB_PORT
	export SSH_PORT=$SSH_PORT
	export HTTP_PORT=$HTTP_PORT
	export SSH_KEY='$IMAGE/ssh_key'
	export SSH_KNOWN_HOSTS='$dir/known_hosts'
	export CA_FILE='$IMAGE/ca.pem'
	export WRONG_CA_FILE='$IMAGE/wrong-ca.pem'
	export HOLDFAST_CNF='$dir/holdfast.cnf'
	export HOLDFAST_MIN_CNF='$dir/holdfast_min.cnf'
	export HOLDFAST_DUMP_CNF='$dir/holdfast_dump.cnf'
	export WRITER_CNF='$dir/writer.cnf'
	export CONSOLE='$dir/console.log'
	EOF
}

db_answers() { mariadb --defaults-file="$LAB/guests/$1/writer.cnf" --connect-timeout=2 -e 'SELECT 1'; }
agent_answers() { virsh_lab qemu-agent-command --timeout 2 "$1" '{"execute":"guest-ping"}'; }

wait_for_guest()
{
    local name=$1 limit=${HOLDFAST_LAB_BOOT_TIMEOUT:-420}
    wait_for "$limit" db_answers "$name" ||
        { tail -5 "$LAB/guests/$name/console.log" >&2; die "no answer from the database of $name"; }
    wait_for "$limit" agent_answers "$name" || die "no answer from the agent of $name"
}

# The use of a guest is over when its daemon is gone, too: then its QEMU is found by its files.
destroy_domains()
{
    local name
    for name in $(timeout 10 virsh -q -c "$URI" list --name 2>/dev/null || true); do
        timeout 20 virsh -q -c "$URI" destroy "$name" >/dev/null 2>&1 || true
    done
    # shellcheck disable=SC2046
    stop_pids $(lab_pids "$LAB" qemu-system-x86)
}
