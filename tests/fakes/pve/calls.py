# SPDX-License-Identifier: Apache-2.0
"""calls.py - what each endpoint answers, once transport, rights and parameters were in order."""
import re
import time

import ha
import places
from agent import AgentCalls
from backups import Dump
from restores import Machines
from schema import Refused
from world import Task, TaskError


class Whole(dict):
    """An answer with more than `data` in it."""


class Calls(AgentCalls, Machines):
    def __init__(self, world):
        self.world = world

    def vm(self, p):
        vm = self.world.vms.get(int(p["vmid"]))
        if p["node"] not in ("pve1", "pve2", "localhost"):
            raise Refused(500, f"hostname lookup '{p['node']}' failed - failed to get address info for: {p['node']}: "
                               "Name or service not known")
        if not vm or vm.node != p["node"] or vm.kind != "qemu":
            raise Refused(500, f"Configuration file 'nodes/{p['node']}/qemu-server/{p['vmid']}.conf' does not exist")
        return vm

    def get_version(self, p, user):
        version = self.world.version
        return {"version": version, "release": version[:3], "repoid": "0123456789abcdef"}

    def post_access_ticket(self, p, user):
        world = self.world
        if p["username"] != "holdfast@pve" or p["password"] not in (world.password, world.ticket or world.password):
            raise Refused(401, "authentication failure")
        world.serial += 1
        world.ticket, world.csrf = f"PVE:holdfast@pve:{world.serial:08X}::BASE64+/==", f"{world.serial:08X}:BASE64="
        out = {"username": "holdfast@pve", "ticket": world.ticket, "CSRFPreventionToken": world.csrf, "cap": {}}
        if world.fault("tfa"):
            out["NeedTFA"] = 1
        return out

    def get_access_permissions(self, p, user):
        return {p.get("path", "/"): dict(self.world.rights)}

    def get_cluster_resources(self, p, user):
        out = []
        for vm in self.world.vms.values():
            row = {"id": f"{vm.kind}/{vm.vmid}", "type": vm.kind, "vmid": vm.vmid, "node": vm.node, "status": vm.status,
                   "template": vm.template, "maxcpu": 2, **({"name": vm.name} if vm.name else {})}
            if vm.lock:
                row["lock"] = vm.lock
            if self.world.fault("statistics-lag"):
                row.pop("name", None)
                row["status"] = "unknown"
            out.append(row)
        out = out if "VM.Audit" in self.world.rights else []
        return {"vm": out, "storage": places.rows(self.world)}.get(p.get("type"), out + places.rows(self.world))

    def get_nodes_qemu(self, p, user):
        if self.world.fault("node-away", p["node"]):
            raise Refused(595, "No route to host")
        return [{"vmid": vm.vmid, "name": vm.name, "status": vm.status} for vm in self.world.vms.values()
                if vm.node == p["node"] and vm.kind == "qemu" and "VM.Audit" in self.world.rights]

    def get_nodes_qemu_config(self, p, user):
        vm = self.vm(p)
        out = dict(vm.config, digest="9e1f00")
        for key, value in (("lock", vm.lock), ("parent", vm.parent), ("template", vm.template)):
            if value:
                out[key] = value
        return out

    def get_nodes_qemu_status_current(self, p, user):
        vm = self.vm(p)
        out = {"vmid": str(vm.vmid), "name": vm.name or "", "status": vm.status, "qmpstatus": vm.qmp, "agent": 1, "ha": {"managed": int(vm.is_ha)}}
        if vm.lock:
            out["lock"] = vm.lock
        return out

    def get_nodes_qemu_feature(self, p, user):
        return {"hasFeature": int(self.vm(p).can_snapshot) or "", "nodes": ["pve1"]}

    # ---- snapshots ----
    def get_nodes_qemu_snapshot(self, p, user):
        vm = self.vm(p)
        current = {"name": "current", "running": 1, "digest": "9e1f00", "description": "You are here!"}
        if vm.parent:
            current["parent"] = vm.parent
        end = "" if self.world.is_new else "\n"  # kept line by line
        return [current] + [dict(s, description=s["description"] + end) for s in vm.snapshots.values()]

    def start(self, vm, kind, user, work):
        task = Task(self.world, vm.node, kind, vm.vmid, user)
        task.run(work)
        if self.world.fault("500-after-fork", kind):
            raise Refused(500, "can't lock file '/var/log/pve/tasks/.active.lock' - got timeout")
        return task.upid

    def post_nodes_qemu_snapshot(self, p, user):
        vm = self.vm(p)
        if p["snapname"].lower() in ("current", "pending"):
            raise Refused(500, f"unable to use snapshot name '{p['snapname']}' (reserved name)")
        return self.start(vm, "qmsnapshot", user, lambda t: vm.snapshot(t, p["snapname"], p.get("description", "")))

    def delete_nodes_qemu_snapshot_snapname(self, p, user):
        vm = self.vm(p)
        return self.start(vm, "qmdelsnapshot", user, lambda t: vm.delete(t, p["snapname"], p.get("force") == "1"))

    def post_nodes_qemu_snapshot_snapname_rollback(self, p, user):
        vm = self.vm(p)
        return self.start(vm, "qmrollback", user, lambda t: vm.rollback(t, p["snapname"], p.get("start") == "1"))

    def get_nodes_qemu_snapshot_snapname_config(self, p, user):
        vm = self.vm(p)
        if p["snapname"] not in vm.snapshots:
            raise Refused(500, f"snapshot '{p['snapname']}' does not exist")
        return dict(vm.kept.get(p["snapname"], (0, {}))[1], snaptime=vm.snapshots[p["snapname"]]["snaptime"])

    def put_nodes_qemu_snapshot_snapname_config(self, p, user):
        vm = self.vm(p)
        if p["snapname"] not in vm.snapshots:
            raise Refused(500, f"snapshot '{p['snapname']}' does not exist")
        if vm.lock:
            raise Refused(500, f"VM is locked ({vm.lock})")
        vm.snapshots[p["snapname"]]["description"] = p.get("description", "")
        return None

    def post_nodes_qemu_status_start(self, p, user):
        vm = self.vm(p)
        return ha.power(self, vm, user, True)

    def post_nodes_qemu_status_stop(self, p, user):
        vm = self.vm(p)
        return ha.power(self, vm, user, False)

    def get_storage(self, p, user):
        if "Datastore.Audit" not in self.world.rights:
            return []
        rows = [s.row() for s in self.world.storages.values()]
        rows[0]["type"] = "zfspool" if 100 in self.world.vms and self.world.vms[100].newest_only else rows[0]["type"]
        return rows

    # ---- backups ----
    def post_nodes_vzdump(self, p, user):
        for key in ("job-id", "script", "dumpdir", "tmpdir"):
            if key in p:
                raise Refused(400, "Parameter verification failed.", {key: "Only root may set this option."})
        if {"bwlimit", "ionice", "performance"} & set(p):
            raise Refused(403, "Permission check failed (/, Sys.Modify)")
        for right, path in (("VM.Backup", f"/vms/{p.get('vmid')}"), ("Datastore.AllocateSpace", f"/storage/{p.get('storage')}")):
            if right not in self.world.rights:
                raise Refused(403, f"Permission check failed ({path}, {right})")
        vm = self.world.vms.get(int(p["vmid"]))
        if not vm or vm.node != p["node"]:
            return "OK"  # [!] and nothing happens
        return self.start(vm, "vzdump", user, lambda t: Dump(vm, t, p, TaskError).run())

    def get_nodes_storage(self, p, user):
        places.probe(self.world)
        wanted = set(p.get("content", "").split(",")) - {""}
        return [s.status() for s in self.world.storages.values() if p.get("storage", s.name) == s.name and
                (not wanted or wanted & set(s.content.split(","))) and (p.get("enabled") != "1" or s.enabled)]

    def get_nodes_storage_storage_content(self, p, user):
        storage = self.world.storages.get(p["storage"])
        if not storage:
            raise Refused(500, f"storage '{p['storage']}' does not exist")
        if not storage.active:
            raise Refused(500, f"storage '{p['storage']}' is not online")
        if p.get("content") == "images":
            return self.images(p)
        out = []
        for a in self.world.archives.values():
            if a["storage"] != p["storage"] or p.get("vmid", str(a["vmid"])) != str(a["vmid"]) or "VM.Backup" not in self.world.rights:
                continue
            if a.get("node") not in (None, p["node"]):
                continue  # of a storage of another node
            row = {k: v for k, v in a.items() if k not in ("storage", "node", "protected", "notes", "path")}
            row["notes"] = a["notes"].partition("\n")[0]
            out.append({**row, **({"protected": 1} if a["protected"] else {})})
        return out

    def archive(self, p):
        archive = self.world.archives.get(p["volume"])
        if not archive or archive.get("node") not in (None, p["node"]):
            raise Refused(500, f"volume '{p['volume']}' does not exist")
        return archive

    def get_nodes_storage_storage_content_volume(self, p, user):
        a = self.archive(p)
        return {"format": a["format"], "notes": a["notes"], "path": a.get("path", "/mnt/pve/x"), "size": a["size"], "used": a["size"],
                **({"protected": 1} if a["protected"] else {})}

    def put_nodes_storage_storage_content_volume(self, p, user):
        a = self.archive(p)
        if "protected" in p:
            a["protected"] = p["protected"] == "1"
        a["notes"] = p.get("notes", a["notes"])

    def delete_nodes_storage_storage_content_volume(self, p, user):
        a = self.archive(p)
        if a["protected"]:
            raise Refused(500, f"cannot remove protected archive '{p['volume']}'")
        task = Task(self.world, p["node"], "imgdel", f"{a['vmid']}@{a['storage']}", user)
        task.run(lambda t: self.world.drop_archive(a["volid"]))
        return task.upid

    # ---- tasks ----
    def task(self, p):
        task = self.world.tasks.get(p["upid"])
        if not task:
            raise Refused(400, "Parameter verification failed.", {"upid": "no such task"})
        return task

    def get_nodes_tasks(self, p, user):
        out = []
        for task in reversed(list(self.world.tasks.values())):
            if task.node != p["node"] or (task.user != user and not self.world.foreign_tasks) or ("vmid" in p and str(task.vmid) != p["vmid"]):
                continue
            if p.get("typefilter", task.kind) != task.kind or task.start < int(p.get("since", 0)):
                continue
            if p.get("source", "archive") == "active" and task.exit:
                continue
            out.append({"upid": task.upid, "node": task.node, "type": task.kind, "id": str(task.vmid), "user": "holdfast@pve",
                        "starttime": task.start, "status": task.exit or "RUNNING"})
        return out

    def get_nodes_tasks_status(self, p, user):
        task = self.task(p)
        out = {"upid": task.upid, "node": task.node, "type": task.kind, "id": str(task.vmid), "starttime": task.start,
               "status": "stopped" if task.exit else "running"}
        if task.exit:
            out["exitstatus"] = task.exit
        return out

    def delete_nodes_tasks(self, p, user):
        task = self.task(p)
        task.stop.set()
        for _ in range(100):  # the call blocks meanwhile
            if task.exit:
                break
            time.sleep(0.01)
        return None

    def get_nodes_tasks_log(self, p, user):
        task = self.world.tasks.get(p["upid"])
        lines = list(task.lines) if task else ["unable to open file - No such file or directory"]
        start, limit = int(p.get("start", 0)), int(p.get("limit", 50))
        if not lines:
            return Whole(data=[{"n": 1, "t": "no content"}], total=1)
        part = lines[start:start + limit] if limit else lines[start:]
        if part and task and not task.exit and self.world.fault("half-line"):
            part[-1] = part[-1][:len(part[-1]) // 2]
        return Whole(data=[{"n": start + i + 1, "t": t} for i, t in enumerate(part)], total=len(lines))


def method_name(method, template):
    parts = [re.sub("[^a-z]", "_", part.strip("{}")) for part in template.split("/") if part and part not in
             ("{node}", "{vmid}", "{upid}")]
    return "_".join([method.lower()] + parts)
