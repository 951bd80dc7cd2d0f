# SPDX-License-Identifier: Apache-2.0
"""kill.py - SIGKILL at each point: the undo finds what was left."""
import os
import subprocess

from common import HERE, NAME, Site, back, dump, dump_key, folder, private


DUMP_POINTS = ["proxmox.before_vzdump", "proxmox.after_vzdump", "proxmox.before_archive_delete", "proxmox.before_pushed_delete"]


FINAL_POINTS = ["proxmox." + p for p in ("before_final_stop", "after_final_stop", "after_final_younger", "after_final_task", "after_final_mark",
                                        "after_final_start")]  # rollback_final.py kills at them


MACHINE_POINTS = tuple(f"proxmox.{when}_{what}" for when in ("before", "after") for what in ("restore", "machine"))  # machine_faults.py


def a_backup_killed_at_each_point_is_taken_away(site):
    for point in DUMP_POINTS:
        here = Site()
        undo = ["discard", "100", NAME, f"{folder.name}/undo"]
        dump_key(here)
        if point.endswith("delete"):
            assert dump(here)[0] == 0
            if "pushed" in point:
                undo = ["pushed-delete", "100", next(iter(here.world.archives)), NAME]
            died, text = here.drive(*undo, env={"HOLDFAST_POINT": f"{point}=kill"})
        else:
            here.vm.seconds["copy"] = 10
            died, text = dump(here, env={"HOLDFAST_POINT": f"{point}=kill"})
        assert died == -9, (point, died, text)
        here.good(*undo)
        assert not here.world.archives and not here.is_at_work() and here.vm.lock is None and not here.vm.frozen, point


def killed_at_each_point_the_undo_finds_it(site):
    log = f"{folder.name}/points"
    walks = {"capture": ["capture", "db1", NAME, f"{folder.name}/undo"], "freeze": ["freeze", "db1"], "thaw": ["thaw", "db1"],
             "exec": ["exec", "db1", "/bin/true"], "delete": ["delete", "db1", NAME],
             "rollback": ["rollback", "db1", NAME, f"{folder.name}/back", "switch"], "undo": ["undo", "db1", f"{folder.name}/back"],
             "settle": ["settle", "db1", f"{folder.name}/back"], "write": ["write", "db1", f"{folder.name}/w", private("w-from", "x")]}
    left = {p for p in subprocess.run([os.path.join(HERE, "..", "..", "meta", "points")], capture_output=True, check=True)
            .stdout.decode().split() if p.startswith("proxmox.")} - set(DUMP_POINTS) - set(FINAL_POINTS)
    left = {p for p in left if not p.startswith(MACHINE_POINTS)}
    for verb, command in walks.items():
        probe = Site()
        if verb in ("delete", "rollback", "undo", "settle"):
            assert probe.capture()[0] == 0
        if verb in ("undo", "settle"):
            assert back(probe, "switch")[0] == 0
        open(log, "w", encoding="utf-8").close()
        probe.good(*command, env={"HOLDFAST_POINT_LOG": log})
        with open(log, encoding="utf-8") as file:
            points = [p for p in dict.fromkeys(file.read().split()) if p in left]
        for point in points:
            here = Site()
            if verb in ("delete", "rollback", "undo", "settle"):
                here.capture()
                here.vm.data = 2
            if verb in ("undo", "settle"):
                assert back(here, "switch")[0] == 0
            died, text = here.drive(*command, env={"HOLDFAST_POINT": f"{point}=kill"})
            assert died == -9, (point, died, text)
            if verb in ("rollback", "undo"):
                here.good("undo", "100", f"{folder.name}/back")
                assert here.vm.data == 2 and here.vm.status == "running", point
            if verb == "settle":
                here.good("settle", "100", f"{folder.name}/back")
                assert here.vm.data == 1 and list(here.vm.snapshots) == [NAME], point
            here.good("discard", "100", NAME)
            here.good("thaw", "100")
            assert not here.vm.snapshots and here.vm.lock is None and not here.vm.frozen, (point, here.vm.snapshots)
            left.discard(point)
    assert not left, f"no walk visits {left}"
