# SPDX-License-Identifier: Apache-2.0
"""The kill points of the source, and which test walks which: each belongs to exactly one, which fails when it visits less.

A new point is walked by the first test below whose pattern it matches; guest.kill has all that match none. What a unit test walks
stands there by name: meta.walks.
"""

import re
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]

WALKS = (
    # After many of these deaths a guest boots, or a server is loaded: each kind by itself.
    ("guest.maintain", r"maintain\."),
    ("guest.rollback", r"rollback\."),
    ("plugin.odd.rollback", r"libvirt\.(before|after)_(destroy|define|start|redefine|resume)$"),
    ("plugin.odd.checkpoint", r"libvirt\.(before|after)_checkpoint_.*$"),
    ("plugin.odd.machine", r"libvirt\.(before|after)_machine.*$"),
    ("guest.backup", r"libvirt\.(before|after)_(backup|backup_abort|export_(dir|retire|remove)|qemu_nbd(_end)?)$"),
    ("integration.load.resume", r"load\."),
    ("integration.dump.failures", r"dump\."),
    ("integration.run.restore_image", r"restore\.image\."),
    ("integration.run.restore_vm", r"restore\.vm\."),
    ("integration.run.restore_ovf", r"restore\.ovf\."),
    ("integration.run.restore_instant", r"instant\."),
    ("integration.files.into_guest", r"(restore|feed)\."),
    ("guest.restore_app", r"app\."),
    ("guest.archive", r"stream\.(before|after)_unit_start$"),
    ("integration.files.archive", r"(archive|stream|io)\."),
    ("unit.store.path_kill", r"store\.path\.before_remove$"),
    ("unit.catalog.points_kill", r"catalog\.before_(copy_forget|points_rebuild)$"),
    ("integration.store.s3", r"store\.s3\."),
    ("integration.store.sftp", r"store\.sftp\."),
    ("integration.store.dav", r"store\.dav\."),
    ("integration.run.checkpoint", r"backup\.(before|after)_checkpoint_drop$"),
    ("integration.run.backup_parts", r"backup\.before_files$|hold\.before_readers$"),
    ("integration.run.pushed", r"backup\.(before|after)_(push_end|export_decided)$|prune\.(before|after)_pushed_delete$"),
    ("integration.run.backup_kill", r"(backup|image|point|site|store)\.|catalog\.(before|after)_point_commit$"),
    ("integration.run.prune_kill", r"prune\."),
    ("integration.run.prune_repack", r"repack\."),
    ("integration.run.serve", r"serve\."),
    ("guest.drill", r"drill\.before_(position|content|check_table|probes)$|catalog\.before_drill_commit$"),
    ("integration.run.drill", r"drill\."),
    ("plugin.proxmox.rollback_final", r"proxmox\.(before|after)_final_"),
    ("plugin.proxmox.machine_faults", r"proxmox\.(before|after)_(restore|machine)"),
    ("plugin.proxmox.kill", r"proxmox\."),
    ("plugin.vmware.kill", r"vmware\."),
    ("integration.daemon.kill", r"daemon\.|catalog\.before_duty_(begin|end)$"),
    ("guest.kill", r""),
)


def in_source(macro=r"HF_POINT(?:_ERR)?"):
    """All names, of src and plugins."""
    found = set()
    for folder in ("src", "plugins"):
        for path in (SOURCE / folder).rglob("*.c"):
            found |= set(re.findall(macro + r'\(\s*"([^"]+)"', path.read_text()))
    return found


def walker(point):
    """The test that has to visit it."""
    return next(test for test, pattern in WALKS if re.match(pattern, point))


def of(test, macro=r"HF_POINT(?:_ERR)?"):
    """Those that this test has to visit."""
    assert test in dict(WALKS), test
    return {p for p in in_source(macro) if walker(p) == test}
