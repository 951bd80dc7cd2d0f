# SPDX-License-Identifier: Apache-2.0
"""faults_more.py - faults drawn by seed: calls of the guest's agent, and rollbacks without a way back."""
import random
import time

from common import NAME, RUNS, Site, back, folder, private, site_with_a_snapshot
from faults import BACK_SWITCHES

AGENT_SWITCHES = [("drop-before-any", 1), ("drop-after-any", 1), ("595-any-get", 2), ("596-any-get", 2), ("garbage", 1), ("403", 1), ("401", 1),
                  *[(kind, f"POST {what}") for kind in ("drop-before", "drop-after", "596") for what in ("exec", "fsfreeze-freeze", "file-write")],
                  ("agent-error", 1), ("freeze-error", 1), ("freeze-596", 1), ("thaw-error", 1), ("still-running", 3), ("freeze-s", 1.0),
                  ("drop-after", "POST fsfreeze-thaw")]


def faulty_agent(seed):
    """Two faults and one call: done once at the most, and a freeze that failed ends thawed or with words."""
    draw = random.Random(seed)
    site = Site(new=draw.random() < 0.5)
    chosen = draw.sample(AGENT_SWITCHES, 2)
    site.vm.seconds["freeze"] = dict(chosen).get("freeze-s", 0.02)
    count, there = private("count", ""), f"{folder.name}/there"
    verb = draw.choice([["exec", "db1", "/bin/sh", "-c", f"echo x >> {count}"], ["freeze", "db1"], ["thaw", "db1"], ["state", "db1"],
                        ["write", "db1", there, private("from", "inhalt")], ["read", "db1", private("what", "inhalt"), "100", f"{folder.name}/got"]])
    site.vm.frozen = verb[0] == "thaw"
    site.world.faults.update((k, v) for k, v in chosen if k != "freeze-s")
    begun = time.monotonic()
    status, text = site.drive(*verb, limit=6000)
    assert time.monotonic() - begun < 6 + 20, (seed, chosen, verb, text)
    site.world.faults.clear()
    with open(count, encoding="utf-8") as file:
        ran = len(file.readlines())
    assert ran <= 1 and (status or verb[0] != "exec" or ran == 1), (seed, chosen, ran, text)
    if verb[0] == "freeze" and status:
        end = time.monotonic() + 3  # one that was on its way
        while site.vm.frozen and time.monotonic() < end:
            time.sleep(0.05)
        assert not site.vm.frozen or "left: file systems in the guest may be frozen" in text, (seed, chosen, text)
    if verb[0] == "thaw":
        asked = site.requests("POST", "/fsfreeze-thaw")
        assert not site.vm.frozen or "may be frozen" in text or not asked, (seed, chosen, text)
    if verb[0] in ("write", "read") and status == 0:
        with open(there if verb[0] == "write" else f"{folder.name}/got", encoding="utf-8") as file:
            assert file.read() == "inhalt", (seed, chosen)
    site.good("thaw", "db1")
    assert not site.vm.frozen, (seed, chosen)
    site.server.close()


def faults_of_agent_calls_by_seed_do_nothing_twice(site):
    for seed in range(RUNS):
        faulty_agent(seed)


def faulty_final(seed):
    """Faults in a rollback that has no way back, and in its end: it is finished, or the VM runs as it was; a snapshot of others stays."""
    draw = random.Random(seed)
    site = Site(new=draw.random() < 0.5)
    site.vm.snapshots["theirs"] = {"name": "theirs", "snaptime": 1, "vmstate": 0, "description": "by hand"}
    site_with_a_snapshot(site)
    assert site.drive("capture", "db1", NAME[:-1] + "5", f"{folder.name}/undo")[0] == 0
    site.vm.newest_only = True
    switches = [*BACK_SWITCHES, ("drop-after", f"DELETE {NAME[:-1]}5"), ("task-killed", "qmdelsnapshot"), ("500-after-fork", "qmdelsnapshot")]
    chosen = draw.sample(switches, 2)
    site.arm_when(lambda: site.requests("GET", "/storage"), chosen)  # the plan is made
    status, text = back(site, "switch")
    assert status or (site.vm.data, site.vm.status) == (1, "running"), (seed, chosen, text)
    if status == 0:
        site.vm.data = 3  # acknowledged since
    done = status == 0
    site.world.faults.clear()
    site.world.faults.update(draw.sample(switches, draw.choice([0, 1, 2])))
    status, text = site.drive("settle", "db1", f"{folder.name}/back")
    site.world.faults.clear()
    for _ in range(3):  # what a dead task left locked is root's
        site.vm.lock = None if not site.is_at_work() else site.vm.lock
        status, text = site.drive("settle", "db1", f"{folder.name}/back")
        if status == 0 or "error expired" in text:
            break
    assert status == 0 or "error expired" in text, (seed, chosen, text)
    assert site.vm.status == "running", (seed, chosen, text)
    allowed = [3] if done else [1] if status == 0 else [1, 2]  # a task that was killed may have done its work
    assert site.vm.data in allowed, (seed, chosen, done, site.vm.data, text)
    assert {"theirs", NAME} <= set(site.vm.snapshots), (seed, chosen, site.vm.snapshots)
    site.server.close()


def faults_of_final_rollbacks_by_seed_lose_nothing_else(site):
    for seed in range(RUNS // 2):
        faulty_final(seed)
