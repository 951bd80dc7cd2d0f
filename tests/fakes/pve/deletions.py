# SPDX-License-Identifier: Apache-2.0
"""deletions.py - a snapshot whose part on a storage is gone, or cannot be deleted."""

TEXTS = {"lvm": "lvremove snapshot 'pve/snap_vm-{vm}-disk-0_{name}' error:   Failed to find logical volume \"pve/snap_vm-{vm}-disk-0_{name}\"",
         "qcow2": "VM {vm} qmp command 'blockdev-snapshot-delete-internal-sync' failed - Snapshot with id 'null' and name '{name}' does not exist "
                  "on device 'drive-scsi0'",
         "busy": "zfs error: cannot destroy snapshot rpool/data/vm-{vm}-disk-0@{name}: dataset is busy"}


def check_parts(vm, task, name, force, error):
    """[!] Without force the task ends here: its lock stays, and the entry, marked for deletion. With it the entry goes, whatever
    the storage still holds."""
    kind = vm.world.faults.get("part-gone")
    if not kind:
        return
    text = TEXTS[kind].format(vm=vm.vmid, name=name)
    if not force:
        raise error(text)
    task.log(text)
    vm.world.note("forgotten", (name, kind))
