# SPDX-License-Identifier: Apache-2.0
"""places.py - where disks lie: the cluster's statistics of storages, which nobody has to ask a storage for, and the nodes' own
look at them, which waits for every one of them."""
import time

from schema import Refused


def is_shared(storage):
    return int(storage.kind in ("nfs", "cifs", "pbs", "cephfs", "rbd") or storage.config.get("shared", 0))


def rows(world):
    """One row per storage and node, as /cluster/resources tells it. A node that says nothing now has no figures."""
    if "Datastore.Audit" not in world.rights:
        return []
    out = []
    for node in ("pve1", "pve2"):
        for s in world.storages.values():
            row = {"id": f"storage/{node}/{s.name}", "type": "storage", "storage": s.name, "node": node, "plugintype": s.kind,
                   "status": "unknown", "shared": is_shared(s), "content": s.content}
            if s.active and not world.fault("statistics-lag") and not world.fault("node-away", node):
                row.update(status="available", maxdisk=s.total, disk=s.used)
            out.append(row)
    return out


def probe(world):
    """[!] All storages of the node are looked at whichever was asked for: a dead server of one delays the answer."""
    if world.fault("dead-nfs"):
        time.sleep(world.inner_timeout)
        raise Refused(596, "Connection timed out")
