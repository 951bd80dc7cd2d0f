# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# A machine from a stored definition: what it becomes, what is refused, and that a death anywhere leaves nothing.

# plan PLAN DEFINITION NAME FLAGS DISK…: prints the findings; PLAN.xml and PLAN.token are there after it.
plan()
{
    local plan=$1 definition=$2 name=$3 flags=$4
    shift 4
    d machine-plan "$definition" "$name" "$flags" "$plan" "$@"
}
create() { d machine-create "$1"; }
destroy() { d machine-destroy "$1"; }

# value XPATH XML-FILE
value() { xmllint --xpath "string($1)" "$2" | tr -d '\n'; }

# The definition of a machine that is off, as a point has it, in $dir/old.xml; its disks, copied, in new.*.
old_machine()
{
    define old "$(disk vda qcow2)$(disk vdb raw)${1:-}" "${2:-}"
    d definition old >"$dir/old.xml"
    cp "$dir/vda.qcow2" "$dir/new.vda"
    cp "$dir/vdb.raw" "$dir/new.vdb"
}
new_disks() { echo "vda=qcow2:$dir/new.vda vdb=raw:$dir/new.vdb"; }

# Nothing of a machine "new" is left, and the old one is as it was.
is_gone()
{
    is "$(V list --all --name | tr '\n' ' ' | xargs)" old machines && is "$(d machine-list)" "" "machines of runs" &&
        is "$(find "$dir" -name '*_VARS*')" "" "UEFI variables" &&
        is "$(d definition old | md5sum)" "$(md5sum <"$dir/old.xml")" definition
}

# shellcheck disable=SC2046  # a list of words
it_makes_a_machine_beside_the_one_it_was_made_from()
{
    local out
    old_machine "<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>"
    out=$(plan "$dir/token-p" "$dir/old.xml" new "" $(new_disks))
    has "$out" "changed name: 'new' instead of 'old'"
    has "$out" "changed uuid: "
    has "$out" "changed disk vda: in '$dir/new.vda'"
    has "$out" "changed mac: 52:54:00:"
    virt-xml-validate "$dir/token-p.xml" domain
    is "$(V list --all --name | xargs)" old "machines after the plan"
    create "$dir/token-p"
    create "$dir/token-p" # by the same run again
    is "$(V domstate new)" "shut off" state
    is "$(d machine-list)" "new run=run purpose=restore state=3 transient=0" "machines of runs"
    V dumpxml new --inactive >"$dir/new.xml"
    is "$(value "//disk[target/@dev='vda']/source/@file" "$dir/new.xml")" "$dir/new.vda" source
    lacks "$(cat "$dir/new.xml")" "52:54:00:00:00:01"
    V start --paused old
    d machine-start "$dir/token-p" paused
    d machine-start "$dir/token-p" paused
    is "$(V domstate new)" paused state
    io new 0 read -P 0 0 64k
    destroy "$dir/token-p"
    destroy "$dir/token-p"
    V destroy old
    is_gone
    is "$(files)" "new.vda new.vdb vda.qcow2 vdb.raw " files
}

# shellcheck disable=SC2046
it_gives_a_settled_machine_away()
{
    old_machine
    plan "$dir/token-p" "$dir/old.xml" new "" $(new_disks)
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    d machine-settle "$dir/token-p"
    d machine-settle "$dir/token-p"
    is "$(d machine-list)" "" "machines of runs"
    fails conflict "is settled" destroy "$dir/token-p"
    fails conflict "there is a machine with the UUID" create "$dir/token-p"
    V destroy new
    has "$(V dumpxml new --inactive)" 'state="settled"'
    is "$(V domstate new)" "shut off" state
    # It can be stored and come back again: the mark is that of the run that makes it.
    d definition new >"$dir/settled.xml"
    V undefine new
    HOLDFAST_RUN_ID=two plan "$dir/token-p" "$dir/settled.xml" new "" $(new_disks)
    HOLDFAST_RUN_ID=two create "$dir/token-p"
    is "$(d machine-list)" "new run=two purpose=restore state=3 transient=0" "machines of runs"
    destroy "$dir/token-p"
}

# shellcheck disable=SC2046
it_runs_a_transient_machine_that_nothing_leads_to()
{
    local xml
    old_machine "<interface type='user'/><graphics type='vnc' port='5999'/><channel type='unix'><target type='virtio'
        name='org.qemu.guest_agent.0'/></channel><serial type='file'><source path='$dir/out-console'/></serial>
        <filesystem><source dir='/srv'/><target dir='srv'/></filesystem>" \
        "<boot dev='hd'/>"
    plan "$dir/token-p" "$dir/old.xml" new isolated,transient $(new_disks) >"$dir/out-plan"
    has "$(cat "$dir/out-plan")" "left-out interface 52:54:00:"
    has "$(cat "$dir/out-plan")" "left-out filesystem: the host's folder '/srv', shared as 'srv'"
    virt-xml-validate "$dir/token-p.xml" domain
    MACHINE_MEMORY=24 plan "$dir/token-p" "$dir/old.xml" new isolated,transient $(new_disks) >"$dir/out-plan"
    has "$(cat "$dir/out-plan")" "changed memory: 24 MiB instead of 32 MiB"
    create "$dir/token-p"
    create "$dir/token-p"
    is "$(V domstate new)" paused state
    is "$(d machine-list)" "new run=run purpose=drill state=2 transient=1" "machines of runs"
    xml=$(V dumpxml new)
    for word in '<interface' '<graphics' '<filesystem' '<hostdev' out-console; do lacks "$xml" "$word"; done
    has "$xml" "<on_reboot>destroy</on_reboot>"
    has "$xml" "org.qemu.guest_agent.0"
    # The guest's own way out, as QEMU has it.
    lacks "$(qmp --hmp new info network)" user
    fails unsupported "nobody's to keep" d machine-settle "$dir/token-p"
    d machine-start "$dir/token-p"
    d machine-start "$dir/token-p"
    is "$(V domstate new)" running state
    destroy "$dir/token-p"
    is_gone
}

it_boots_from_an_nbd_server_and_reads_it()
{
    define old "$(disk vda raw)"
    d definition old >"$dir/old.xml"
    qemu-img create -q -f raw "$dir/image" 16M
    qemu-io -f raw -c "write -P 0x5a 0 64k" "$dir/image" >/dev/null
    qemu-nbd -r -t -f raw -x vda -k "$dir/out.sock" "$dir/image" &
    local server=$!
    until [ -S "$dir/out.sock" ]; do sleep 0.1; done
    plan "$dir/token-p" "$dir/old.xml" new isolated,transient "vda=nbd:$dir/out.sock" ||
        { kill "$server"; return 1; }
    # The server is for reading; where the guest writes is its business: cow of nbdkit, say.
    sed -i "s|<target dev=.vda.|<readonly/>&|" "$dir/token-p.xml"
    create "$dir/token-p" || { kill "$server"; return 1; }
    io new 0 read -P 0x5a 0 64k || { kill "$server"; return 1; }
    destroy "$dir/token-p"
    kill "$server"
}

it_gives_a_qemu_without_rights_the_sockets_that_are_ours_alone()
{
    local socket=$dir/sockets/vda
    server='' # for the trap, too
    define old "$(disk vda raw)"
    d definition old >"$dir/old.xml"
    qemu-img create -q -f raw "$dir/image" 16M
    plan "$dir/token-p" "$dir/old.xml" new transient "vda=nbd:$socket"
    plan "$dir/token-q" "$dir/old.xml" file transient "vda=nbd:$dir/image"
    # Its parents are for passing through; the socket's own folder, too.
    chmod 711 "$LAB" "$LAB"/{lib,run} "$dir"
    mkdir -m 711 "$dir/sockets"
    trap 'kill $server 2>/dev/null; QEMU_USER=; chmod 700 "$LAB"; restart_daemon' EXIT
    export QEMU_USER=+65534 HOLDFAST_DEADLINE_MS=180000 # what QEMU can do is found out anew for this user, which takes its time
    restart_daemon
    (umask 077 && exec qemu-nbd -t -f raw -x vda -k "$socket" "$dir/image") &
    server=$!
    until [ -S "$socket" ]; do sleep 0.1; done
    is "$(stat -c '%a %u' "$socket")" "700 0" "the socket"
    create "$dir/token-p"
    is "$(stat -c '%a %u %g' "$socket")" "700 65534 65534" "the socket of the machine"
    io new 0 write -P 0x5b 0 64k
    destroy "$dir/token-p"
    # What others can connect to is somebody else's business, and a file is no socket.
    chown 0:0 "$socket"
    chmod 777 "$socket"
    create "$dir/token-p"
    is "$(stat -c '%a %u' "$socket")" "777 0" "the open socket"
    destroy "$dir/token-p"
    fails corrupt "is no socket" create "$dir/token-q"
    is_gone
}

it_has_uefi_variables_of_its_own()
{
    local out loader="<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    define old "$(disk vda qcow2)" "$loader<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>$dir/old_VARS.fd</nvram>"
    V start --paused old
    echo mine >>"$dir/old_VARS.fd"
    d definition old >"$dir/old.xml"
    cp "$dir/vda.qcow2" "$dir/new.vda"
    fails unsupported "needs a directory for its UEFI variables" \
        plan "$dir/token-p" "$dir/old.xml" new transient "vda=qcow2:$dir/new.vda"
    for flags in "" transient; do
        out=$(MACHINE_DIR=$dir plan "$dir/token-p" "$dir/old.xml" new "$flags" "vda=qcow2:$dir/new.vda")
        has "$out" "changed nvram: new UEFI variables"
        has "$out" "uefi=1"
        create "$dir/token-p"
        d machine-start "$dir/token-p" paused
        is "$(stat -c %s "$dir/new_VARS.hf-run.fd")" "$(stat -c %s /usr/share/OVMF/OVMF_VARS_4M.fd)" "size of the variables"
        destroy "$dir/token-p"
        is "$(find "$dir" -name '*_VARS*')" "$dir/old_VARS.fd" "UEFI variables"
    done
    # A firmware of another distribution.
    sed 's,/usr/share/OVMF/OVMF_\(CODE\|VARS\),/usr/share/edk2/\1,' "$dir/old.xml" >"$dir/far.xml"
    out=$(MACHINE_DIR=$dir plan "$dir/token-p" "$dir/far.xml" new "" "vda=qcow2:$dir/new.vda")
    has "$out" "changed firmware: '/usr/share/edk2/CODE_4M.fd' is not here: libvirt chooses"
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    destroy "$dir/token-p"
    # Without a directory libvirt names the file, and takes it away.
    plan "$dir/token-p" "$dir/old.xml" new "" "vda=qcow2:$dir/new.vda"
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    [ -e "$LAB/lib/qemu/nvram/new_VARS.fd" ]
    destroy "$dir/token-p"
    [ ! -e "$LAB/lib/qemu/nvram/new_VARS.fd" ]
}

# shellcheck disable=SC2046
it_refuses_what_is_taken()
{
    old_machine
    fails conflict "there is a machine 'old' already" plan "$dir/token-p" "$dir/old.xml" old "" $(new_disks)
    fails conflict "has the UUID" plan "$dir/token-p" "$dir/old.xml" new keep-uuid $(new_disks)
    fails conflict "'$dir/vdb.raw' is a disk of the machine 'old'" \
        plan "$dir/token-p" "$dir/old.xml" new "" "vda=qcow2:$dir/new.vda" "vdb=raw:$dir/vdb.raw"
    fails conflict "the definition has no disk 'vdz'" plan "$dir/token-p" "$dir/old.xml" new "" "vdz=raw:$dir/new.vda"
    fails config "'a/b' is no name of a machine" plan "$dir/token-p" "$dir/old.xml" a/b "" $(new_disks)
    # … and when it was taken between plan and create.
    plan "$dir/token-p" "$dir/old.xml" new "" $(new_disks)
    sed 's|<name>old|<name>new|; /<uuid>/d' "$dir/old.xml" >"$dir/theirs.xml"
    V define "$dir/theirs.xml"
    fails conflict "there is a machine 'new' already" create "$dir/token-p"
    destroy "$dir/token-p" # nothing of this run
    is "$(V list --all --name | sort | xargs)" "new old" machines
    V undefine new
    # A plan's definition goes with its own token alone.
    plan "$dir/token-p" "$dir/old.xml" new "" $(new_disks)
    sed -i 's|<name>new|<name>other|' "$dir/token-p.xml"
    fails corrupt "was not planned with this token" create "$dir/token-p"
    sed -i 's|"name":"new"|"name":"../new"|' "$dir/token-p.token"
    fails corrupt "undo token" destroy "$dir/token-p"
    is_gone
}

# shellcheck disable=SC2046
it_names_what_this_host_does_not_have()
{
    local out
    old_machine
    change() { sed "$1" "$dir/old.xml" >"$dir/far.xml"; }
    change "s|machine='pc-q35-[0-9.]*'|machine='pc-q35-99.9'|"
    fails unsupported "pc-q35-99.9" plan "$dir/token-p" "$dir/far.xml" new "" $(new_disks)
    change "s|<os>|<os><kernel>/nowhere/vmlinuz</kernel>|"
    fails unsupported "boots the host's '/nowhere/vmlinuz'" plan "$dir/token-p" "$dir/far.xml" new "" $(new_disks)
    [ -e /dev/kvm ] || {
        change "s|<domain type='qemu'|<domain type='kvm'|"
        fails unsupported "kvm" plan "$dir/token-p" "$dir/far.xml" new "" $(new_disks)
    }
    change "s|<devices>|<devices><interface type='network'><source network='nope'/></interface>\
<interface type='bridge'><source bridge='br-nope'/></interface><interface type='direct'><source dev='eth-nope'/></interface>\
<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x65' slot='0x00' function='0x0'/></source></hostdev>|
        s|<emulator>.*</emulator>|<emulator>/opt/qemu</emulator>|"
    out=$(plan "$dir/token-p" "$dir/far.xml" new "" $(new_disks))
    has "$out" "the network 'nope' is not here: its link is down"
    has "$out" "the bridge 'br-nope' is not here: its link is down"
    has "$out" "the device 'eth-nope' is not here: its link is down"
    has "$out" "left-out hostdev: PCI device 0x0000:0x65:0x00.0x0 of the host"
    has "$out" "changed emulator: '/opt/qemu' is not libvirt's here"
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    has "$(V domif-getlink new "$(V domiflist new | awk '/user/ { print $5; exit }')")" down
    destroy "$dir/token-p"
    # What libvirt itself would say at the start is said before anything was made.
    change "s|<vcpu placement='static'>1|<vcpu placement='static'>4000|"
    fails unsupported "libvirt would not start it" plan "$dir/token-p" "$dir/far.xml" new "" $(new_disks)
    is_gone
}

# libvirt gives a kernel to QEMU's user: by its place and mode it is one, or the origin boots it today.
# shellcheck disable=SC2046
it_boots_no_file_that_is_no_kernel()
{
    local out file
    mkdir "$dir/boot" "$dir/lib"
    file=$dir/lib/precious
    echo secret >"$file"
    ln -s "$file" "$dir/boot/link"
    echo kernel | tee "$dir/boot/kernel" "$dir/boot/setuid" >"$dir/boot/program"
    chmod 644 "$file" "$dir/boot/kernel"
    chmod 4644 "$dir/boot/setuid"
    chmod 755 "$dir/boot/program"
    export MACHINE_DIR=$dir/boot
    old_machine
    boot() { sed "s|<os>|<os><$1>$2</$1>|" "$dir/old.xml" >"$dir/far.xml"; plan "$dir/token-p" "$dir/far.xml" new "" $(new_disks); }
    fails unsupported "boots the host's '$file'" boot kernel "$file"
    fails unsupported "boots the host's '$file'" boot initrd "$file"
    for out in link setuid program ../lib/precious; do
        fails unsupported "boots the host's '$dir/boot/$out'" boot dtb "$dir/boot/$out"
    done
    has "$(boot kernel "$dir/boot/kernel")" "planned "
    sed "s|<os>|<os><kernel>$file</kernel>|" "$dir/old.xml" >"$dir/origin.xml"
    V define "$dir/origin.xml"
    has "$(boot kernel "$file")" "planned "
    is "$(stat -c %u "$file")" 0 "owner of a file of the host"
}

# The fixture of plugin.machine, which has everything of its host, on this one.
it_makes_a_machine_from_a_definition_of_another_host()
{
    local flags
    define old "$(disk vda qcow2)"
    d definition old >"$dir/old.xml"
    SIZE=1M disk new qcow2 >"$dir/new.xml"
    SIZE=1M disk data raw >"$dir/new.xml"
    for flags in "" no-network arguments keep-mac isolated,transient; do
        echo "flags: $flags"
        MACHINE_DIR=$dir MACHINE_MEMORY=64 plan "$dir/token-p" "$root/tests/plugin/definitions/everything.xml" new "$flags" \
            "vda=qcow2:$dir/new.qcow2" "vdb=raw:$dir/data.raw" >"$dir/out-plan" ||
            { cat "$dir/out-plan"; return 1; }
        virt-xml-validate "$dir/token-p.xml" domain
        create "$dir/token-p"
        has "$(V dumpxml new)" libosinfo
        destroy "$dir/token-p"
        is_gone
    done
}

# shellcheck disable=SC2046
it_takes_the_place_of_a_machine_and_gives_it_back()
{
    old_machine
    plan "$dir/token-p" "$dir/old.xml" old replace $(new_disks)
    create "$dir/token-p"
    create "$dir/token-p"
    is "$(layers old vda)" new.vda chain
    d machine-start "$dir/token-p" paused
    destroy "$dir/token-p"
    destroy "$dir/token-p"
    is "$(layers old vda)" vda.qcow2 chain
    is_gone
    fails not-found "there is no machine 'none' to replace" plan "$dir/token-p" "$dir/old.xml" none replace $(new_disks)
    sed 's|<uuid>........|<uuid>00000000|' "$dir/old.xml" >"$dir/far.xml"
    fails conflict "is another one than in the point" plan "$dir/token-p" "$dir/far.xml" old replace $(new_disks)
    plan "$dir/token-p" "$dir/old.xml" old replace $(new_disks)
    V start --paused old
    fails busy "is not shut off" plan "$dir/token-p" "$dir/old.xml" old replace $(new_disks)
    fails conflict "changed since it was planned" create "$dir/token-p"
    V destroy old
    create "$dir/token-p"
    d machine-settle "$dir/token-p"
    is "$(layers old vda)" new.vda chain
    fails conflict "is settled" destroy "$dir/token-p"
}

# The definition without its mark, in $dir/bare.xml.
bare() { V dumpxml "$1" --inactive | python3 -c 'import re, sys; print(re.sub("(?s)<metadata>.*</metadata>", "", sys.stdin.read()))' >"$dir/bare.xml"; }

# Definition and process are judged each by itself: another may define or start it in between.
# shellcheck disable=SC2046
it_takes_the_former_machine_for_no_other_one()
{
    old_machine
    plan "$dir/token-p" "$dir/old.xml" old replace $(new_disks)
    create "$dir/token-p"
    V dumpxml old --inactive >"$dir/ours.xml"
    bare old
    V define "$dir/bare.xml"
    fails conflict "is neither the restored one nor the one that was there before" destroy "$dir/token-p"
    is "$(layers old vda)" new.vda chain
    # Edited by its owner: the former one still.
    sed 's|<memory |<title>edited</title>&|' "$dir/old.xml" >"$dir/edited.xml"
    V define "$dir/edited.xml"
    destroy "$dir/token-p"
    has "$(V dumpxml old)" edited
    # Started as it was, and ours defined over it.
    V define "$dir/old.xml"
    V start --paused old
    V define "$dir/ours.xml"
    is "$(layers old vda)" vda.qcow2 "chain of the process"
    is "$(layers old vda --inactive)" new.vda "chain of the definition"
    fails conflict "was started as it was before" d machine-start "$dir/token-p"
    destroy "$dir/token-p"
    is "$(V domstate old)" paused state
    is "$(layers old vda --inactive)" vda.qcow2 "chain of the definition"
    # … and defined anew over ours, which runs.
    V destroy old
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    V define "$dir/old.xml"
    destroy "$dir/token-p"
    is_gone
    is "$(V domstate old)" "shut off" state
}

it_leaves_another_machine_with_its_uuid_alone()
{
    define old "$(disk vda qcow2)" "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
    d definition old >"$dir/old.xml"
    cp "$dir/vda.qcow2" "$dir/new.vda"
    MACHINE_DIR=$dir plan "$dir/token-p" "$dir/old.xml" new "" "vda=qcow2:$dir/new.vda"
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    bare new
    V destroy new
    V undefine new --keep-nvram
    sed "s|<name>new|<name>theirs|; s|new_VARS.hf-run|theirs|" "$dir/bare.xml" >"$dir/theirs.xml"
    V define "$dir/theirs.xml"
    [ -e "$dir/new_VARS.hf-run.fd" ]
    destroy "$dir/token-p"
    destroy "$dir/token-p"
    is "$(V list --all --name | sort | xargs)" "old theirs" machines
    V undefine theirs --nvram
    is_gone
}

# What is saved of a machine's memory is of the disks that it had.
it_starts_from_no_saved_memory()
{
    define old "$(disk vda qcow2)"
    d definition old >"$dir/old.xml"
    cp "$dir/vda.qcow2" "$dir/new.vda"
    plan "$dir/token-p" "$dir/old.xml" old replace "vda=qcow2:$dir/new.vda"
    V start --paused old
    V managedsave old
    fails conflict "is suspended to disk" create "$dir/token-p"
    V managedsave-remove old
    V snapshot-create-as old theirs
    fails conflict "has snapshots" create "$dir/token-p"
    V snapshot-delete old theirs
    create "$dir/token-p"
    V start --paused old
    V managedsave old
    dd if=/dev/urandom of="$LAB/lib/qemu/save/old.save" bs=64k count=1 conv=notrunc status=none
    d machine-start "$dir/token-p" paused
    destroy "$dir/token-p"
    is_gone
}

it_keeps_the_uefi_variables_of_the_machine_that_it_replaces()
{
    local vars=$dir/vars.fd before
    scribble() { printf '%s' "$1" | dd of="$vars" bs=1 seek=4096 conv=notrunc status=none; }
    define old "$(disk vda qcow2)" "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>\
<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>$vars</nvram>"
    d definition old >"$dir/old.xml"
    cp "$dir/vda.qcow2" "$dir/new.vda"
    V start --paused old
    V destroy old
    scribble former
    chmod 640 "$vars"
    before=$(md5sum <"$vars")
    plan "$dir/token-p" "$dir/old.xml" old replace "vda=qcow2:$dir/new.vda"
    create "$dir/token-p"
    is "$(ls "$dir"/vars*)" "$vars" "variables before the first start"
    d machine-start "$dir/token-p" paused
    is "$(md5sum <"$vars.hf-run")" "$before" "copy of the variables"
    scribble restored
    d machine-start "$dir/token-p" paused
    V destroy old
    d machine-start "$dir/token-p" paused
    is "$(md5sum <"$vars.hf-run")" "$before" "copy of the variables after another start"
    destroy "$dir/token-p"
    is "$(md5sum <"$vars")" "$before" variables
    is "$(stat -c %a "$vars")" 640 "mode of the variables"
    is "$(ls "$dir"/vars*)" "$vars" "variables after the undo"
    is_gone
    # Settled: the restored guest's are the machine's.
    plan "$dir/token-p" "$dir/old.xml" old replace "vda=qcow2:$dir/new.vda"
    create "$dir/token-p"
    d machine-start "$dir/token-p" paused
    scribble restored
    at kill libvirt.after_machine_settle d machine-settle "$dir/token-p"
    [ -e "$vars.hf-run" ]
    d machine-settle "$dir/token-p"
    is "$(ls "$dir"/vars*)" "$vars" "variables of the settled machine"
    is "$(dd if="$vars" bs=1 skip=4096 count=8 status=none)" restored variables
}

# Killed or failing at each point: taken away, by its plan's token, or by the one that the machine itself holds.
it_leaves_nothing_wherever_a_machine_dies()
{
    local point action kind flags token vars
    define old "$(disk vda qcow2)" "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>\
<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>$LAB/old.fd</nvram>"
    d definition old >"$dir/old.xml"
    cp "$dir/vda.qcow2" "$dir/new.vda"
    V start --paused old
    V destroy old
    vars=$(md5sum <"$LAB/old.fd")
    export MACHINE_DIR=$dir
    for kind in "" transient replace; do
        for point in $(points_in machine_make.c machine_vars.c); do
            case $kind.$point in
            # Steps that this kind does not take.
            transient.*settle | transient.*undefine | replace.*undefine | .*back | transient.*back | .*vars | transient.*vars) continue ;;
            esac
            for action in kill error; do
                # An error is handled by the same lines for each kind.
                [ "$action" = kill ] || [ -z "$kind" ] || [[ $point == *_vars* ]] || continue
                echo "$kind $point $action"
                if [ "$kind" = replace ]; then name=old; else name=new; fi
                plan "$dir/token-p" "$dir/old.xml" "$name" "$kind" "vda=qcow2:$dir/new.vda" >/dev/null
                case $point in
                *machine) at "$action" "$point" create "$dir/token-p" ;;
                *machine_start | *machine_vars) create "$dir/token-p"; at "$action" "$point" d machine-start "$dir/token-p" ;;
                *settle) create "$dir/token-p"; at "$action" "$point" d machine-settle "$dir/token-p" ;;
                *) create "$dir/token-p"; d machine-start "$dir/token-p" paused
                    [ "$kind" != replace ] || echo restored | dd of="$LAB/old.fd" conv=notrunc status=none
                    at "$action" "$point" destroy "$dir/token-p" ;;
                esac
                if [ "$point" = libvirt.after_machine_settle ]; then
                    fails conflict "is settled" destroy "$dir/token-p"
                    if [ "$name" = old ]; then V define "$dir/old.xml"; else V undefine new; fi
                    is "$(ls "$LAB"/old.fd*)" "$LAB/old.fd" "UEFI variables"
                    continue
                fi
                # What a dead run left tells by itself how it goes.
                mkdir -p "$dir/token-of"
                rm -f "$dir"/token-of/*
                d machine-list "$dir/token-of"
                for token in "$dir"/token-of/*.token; do
                    [ -e "$token" ] && destroy "${token%.token}"
                done
                destroy "$dir/token-p"
                destroy "$dir/token-p"
                is_gone
                is "$(md5sum <"$LAB/old.fd")" "$vars" "UEFI variables of the former machine"
                is "$(ls "$LAB"/old.fd*)" "$LAB/old.fd" "UEFI variables"
            done
        done
    done
}
