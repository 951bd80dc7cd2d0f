# SPDX-License-Identifier: Apache-2.0
"""kill.py - SIGKILL at each point: the undo finds what was left."""
import os
import subprocess

from common import HERE, NAME, Site, back, folder, private

WALKS = {"capture": ["capture", "VM", NAME, f"{folder.name}/undo"], "delete": ["delete", "VM", NAME],
         "rollback": ["rollback", "VM", NAME, f"{folder.name}/back", "switch"], "undo": ["undo", "VM", f"{folder.name}/back"],
         "settle": ["settle", "VM", f"{folder.name}/back"], "exec": ["exec", "VM", "/bin/true"],
         "write": ["write", "VM", f"{folder.name}/w", private("w-from", "x")],
         "export": ["export", "VM", NAME, f"{folder.name}/undo", private("end", "x")]}
os.environ["HOLDFAST_STREAM_TO"] = folder.name


def site_for(verb):
    here = Site()
    here.with_guest()
    here.may_leave = True  # who is killed logs nobody out: the server's idle time does
    here.fault("lease-timeout", value=1, times=-1)  # … and its lease ends by itself
    if verb in ("delete", "rollback", "undo", "settle"):
        here.captured()
        here.change(data=2)
    if verb in ("undo", "settle"):
        assert back(here, "switch")[0] == 0
    return here


def visited(verb, command):
    log = f"{folder.name}/points"
    here = site_for(verb)
    open(log, "w", encoding="utf-8").close()
    here.good(*command, env={"HOLDFAST_POINT_LOG": log})
    here.server.close()
    with open(log, encoding="utf-8") as file:
        return list(dict.fromkeys(file.read().split()))


def judge(here, verb, point):
    if verb in ("rollback", "undo"):
        here.good("undo", here.vm, f"{folder.name}/back")
        assert here.state()["data"] == 2 and here.state()["power"] == "poweredOn", (point, here.state())
    if verb == "settle":
        here.good("settle", here.vm, f"{folder.name}/back")
        assert here.state()["data"] == 1 and here.snapshots() == [NAME], (point, here.state())
    here.good("discard", here.vm, NAME)
    assert not here.snapshots() and not here.state()["running"], (point, here.state())


def killed_at_each_point_the_undo_finds_it(site):
    left = {p for p in subprocess.run([os.path.join(HERE, "..", "..", "meta", "points")], capture_output=True, check=True)
            .stdout.decode().split() if p.startswith("vmware.")}
    for verb, words in WALKS.items():
        command = [site.vm if w == "VM" else w for w in words]
        for point in [p for p in visited(verb, command) if p in left]:
            here = site_for(verb)
            died, text = here.drive(*command, env={"HOLDFAST_POINT": f"{point}=kill"})
            assert died == -9, (point, died, text)
            judge(here, verb, point)
            here.judge()
            here.server.close()
            left.discard(point)
    assert not left, f"no walk visits {left}"
