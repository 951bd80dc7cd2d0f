# SPDX-License-Identifier: Apache-2.0
"""machine_faults.py - new VMs from backups, killed at each point and under faults drawn by seed: nothing is left, or it is named, and
whose it is not is never touched."""
import os
import random
import subprocess

from common import HERE, RUNS, Machine, Site, folder

POINTS = {p for p in subprocess.run([os.path.join(HERE, "..", "..", "meta", "points")], capture_output=True, check=True).stdout.decode().split()
          if p.startswith(("proxmox.before_restore", "proxmox.after_restore", "proxmox.before_machine", "proxmox.after_machine"))}


def killed_at_each_point_nothing_is_left(site):
    """… by the token; and, where the VM has its mark by then, by what the list tells alone."""
    seen, log = set(), f"{folder.name}/machine-points"
    for point in sorted(POINTS):
        here = Site()
        m = Machine(here)
        m.good("plan", "isolated")
        for verb in ("create", "start", "destroy"):
            if point.endswith("restore_stop"):
                here.world.restore_seconds = 30
                m.bad("timeout", "create", limit=700)
                verb = "destroy"
            open(log, "w", encoding="utf-8").close()
            status, text = m.step(verb, env={"HOLDFAST_POINT": f"{point}=kill", "HOLDFAST_POINT_LOG": log})
            if status == -9:
                seen.add(point)
                break
            assert status == 0, (point, verb, text)
        here.good("machine-list", folder.name)
        m.good("destroy")
        m.assert_gone()
        here.server.close()
    assert seen == POINTS, f"no walk visits {POINTS - seen}"


def killed_it_is_made_by_the_same_run_once_more(site):
    for point in sorted(p for p in POINTS if "restore" in p and not p.endswith("_stop")):
        here = Site()
        m = Machine(here)
        m.good("plan", "isolated")
        status, text = m.step("create", env={"HOLDFAST_POINT": f"{point}=kill"})
        assert status == -9, (point, text)
        m.good("create")
        m.good("start")
        assert len(m.posts()) == 1 and m.vm.data == 7 and "link_down=1" in m.vm.config["net0"], point
        here.server.close()


SWITCHES = [("drop-before-any", 1), ("drop-after-any", 1), ("595-any-get", 2), ("596-any-get", 2), ("garbage", 1), ("start-fails", 1),
            ("restore-full", 1), ("vmid-taken", 1), ("override-ignored", True), ("destroy-fails", 1),
            *[(kind, f"{what}") for kind in ("drop-before", "drop-after", "596") for what in ("POST qemu", "PUT config", "POST start", "POST stop")],
            *[(kind, what) for kind in ("500-after-fork", "task-killed") for what in ("qmrestore", "qmstart", "qmstop", "qmdestroy")]]


def faulty_machine(seed):
    draw = random.Random(seed)
    site = Site(new=draw.random() < 0.5)
    m = Machine(site, storage=draw.choice(["nfs1", "pbs1"]))
    site.world.restore_seconds = draw.choice([0.05, 0.4])
    m.good("plan", draw.choice(["isolated", "no-network"]))
    chosen = draw.sample(SWITCHES, 2)
    wait_for = draw.choice([None, "/qemu", "/status", "/config"])
    seen = len(site.world.requests)
    site.arm_when(lambda: not wait_for or [r for r in site.world.requests[seen:] if r[2].endswith(wait_for)], chosen, within_s=2)
    made, text = m.step("create", limit=6000)
    started, more = m.step("start", limit=6000) if made == 0 else (1, "")
    assert len(m.posts()) <= 1, (seed, chosen)
    for _, what, detail in list(site.world.timeline):
        assert what != "started-vm" or all("link_down=1" in v for k, v in detail[1].items() if k.startswith("net")), (seed, chosen, detail)
    if started == 0:
        assert m.vm.status == "running" and m.vm.data == 7, (seed, chosen, more)
    m.step("destroy")
    site.world.faults.clear()
    if m.step("destroy")[0] != 0:  # one that the server made without its mark is named, and somebody deletes it
        text = m.bad("conflict", "destroy")
        assert ("override-ignored", True) in chosen and f"qm destroy {m.vm.vmid}" in text and m.vm.status == "stopped", (seed, chosen, text)
        del site.world.vms[m.vm.vmid]
        m.good("destroy")
    theirs = [vm for vm in site.world.vms.values() if vm.name == "theirs"]
    assert set(site.world.vms) <= {100, *(vm.vmid for vm in theirs)}, (seed, chosen, site.world.vms)
    assert site.world.vms[100].data == 8 and len(site.world.archives) == 1
    site.server.close()


def faults_of_machines_by_seed_leave_nothing_behind(site):
    for seed in range(RUNS // 3):
        faulty_machine(seed)
