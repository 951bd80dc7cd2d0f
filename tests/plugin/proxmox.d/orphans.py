# SPDX-License-Identifier: Apache-2.0
"""orphans.py - snapshots whose part on a storage is gone: the remedy is named, and nothing is forgotten in silence."""
import time

from common import NAME, folder, site_with_a_snapshot


def one_whose_part_is_gone_is_named_with_its_remedy(site):
    for kind in ("lvm", "qcow2", "busy"):
        site_with_a_snapshot(site)
        site.world.faults["part-gone"] = kind
        begun = time.monotonic()
        status, text = site.drive("delete", "db1", NAME, limit=60000)
        assert status == 1 and "half deleted" in text and f"qm unlock 100; qm delsnapshot 100 {NAME} --force" in text, text
        assert time.monotonic() - begun < 30, "what does not come right is not tried until the deadline"
        assert NAME in site.vm.snapshots and not [x for _, x, _ in site.world.timeline if x == "forgotten"], "force=1 is not ours to send"
        assert site.vm.lock == "snapshot-delete", "nor is its lock ours to remove"
        assert "qm unlock 100" in site.bad("busy", "discard", "100", NAME, f"{folder.name}/undo", limit=60000)
        site.vm.lock = None  # the administrator's turn
        site.vm.snapshots.clear()
        site.world.faults.clear()


def one_that_comes_right_is_gone(site):
    site_with_a_snapshot(site)
    site.world.faults["part-gone"] = "busy"
    site.bad("plugin", "delete", "db1", NAME)
    site.world.faults.clear()
    site.vm.lock = None
    site.good("delete", "db1", NAME)
    assert not site.vm.snapshots
