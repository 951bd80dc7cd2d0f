# SPDX-License-Identifier: Apache-2.0
"""faults.py - several things go wrong at once, drawn by seed: whatever is said, nothing is made twice, nothing of others is
touched, and the undo leaves nothing."""
import random
import time

import captures
from common import NAME, RUNS, Site, folder

READS = ["RetrievePropertiesEx", "FindAllByUuid", "HasPrivilegeOnEntities", "CreateContainerView"]
CHANGES = ["CreateSnapshot_Task", "RemoveSnapshot_Task", "RevertToSnapshot_Task", "PowerOffVM_Task", "PowerOnVM_Task", "RenameSnapshot"]
OTHERS = ["CreateFilter", "WaitForUpdatesEx", "DestroyPropertyFilter", "Login", "Logout", "DestroyView"]
TASKS = ["createSnapshot", "removeSnapshot", "revertToSnapshot", "powerOff", "powerOn"]


def draw(rng):
    """One fault: what the stand-in is told."""
    kind = rng.choice(["drop-before", "drop-after", "http", "expire", "hostile", "slow", "task-fault", "fault", "seconds", "leaves-deltas", "restart"])
    method = rng.choice(rng.choice([READS, CHANGES, CHANGES, OTHERS]))
    if kind in ("task-fault", "seconds"):
        return {"kind": kind, "about": rng.choice(TASKS), "value": "TaskInProgress" if kind == "task-fault" else "0.7", "times": rng.choice([1, 2, 9])}
    if kind == "leaves-deltas":
        return {"kind": kind, "about": "removeSnapshot"}
    value = {"http": "503", "hostile": rng.choice(["cut", "empty", "html", "other"]), "slow": "0.6", "restart": "0.6",
             "fault": rng.choice(["TaskInProgress", "HostCommunication", "NotAuthenticated"])}.get(kind, "")
    return {"kind": kind, "about": method, "value": value, "times": rng.choice([1, 1, 2, 5]), "skip": rng.choice([0, 0, 1, 3, 8])}


def site_with_faults(rng, before):
    here = Site()
    captures.foreign(here, "somebody's", "by hand")
    before(here)
    faults = [draw(rng) for _ in range(rng.choice([1, 2, 3]))]
    for f in faults:
        here.fault(**f)
    return here, faults


def calm_and_discard(here, context):
    here.server.say("calm")
    while here.state()["running"]:  # a task that a restarted vCenter forgot is not seen by another process: docs, Limits
        time.sleep(0.05)
    status, text = here.drive("discard", here.state()["uuid"], NAME, limit=30000)
    assert status == 0, (context, text)
    state = here.state()
    assert here.snapshots() == ["somebody's"] and not state["running"] and state["power"] == "poweredOn", (context, state)
    assert not here.log()["violations"], (context, here.log()["violations"])
    here.server.close()


def captures_with_faults_leave_nothing(site):
    ends = set()
    for seed in range(RUNS):
        here, faults = site_with_faults(random.Random(seed), lambda here: None)
        status, text = here.capture(limit=8000)
        made = here.snapshots().count(NAME)
        ends.add((status, made))
        assert status in (0, 1) and made <= 1 and (status == 1 or made == 1), (seed, faults, text, here.state())
        assert len(here.requests("CreateSnapshot_Task")) <= 30, (seed, faults)
        calm_and_discard(here, (seed, faults, text))
    assert RUNS < 20 or {(0, 1), (1, 0)} <= ends, f"the faults are too weak, or too strong: {ends}"


def prepared(here):
    here.captured()
    here.change(data=2)


def rollbacks_with_faults_end_in_one_state_or_the_other(site):
    for seed in range(RUNS // 2):
        here, faults = site_with_faults(random.Random(1000 + seed), prepared)
        planned = f"{folder.name}/back-{seed}"
        status, text = here.drive("rollback", here.vm, NAME, planned, "switch", limit=15000)
        here.server.say("calm")
        while here.state()["running"]:
            time.sleep(0.05)
        context = (seed, faults, text)
        uuid = here.state()["uuid"]
        if status == 0:
            here.good("settle", uuid, planned, limit=30000)
            assert here.state()["data"] == 1, (context, here.state())
        else:
            try:
                open(planned, encoding="utf-8").close()
                here.good("undo", uuid, planned, limit=30000)
            except FileNotFoundError:
                pass  # refused before anything was changed
            assert here.state()["data"] == 2, (context, here.state())
        assert sorted(here.snapshots()) == sorted([NAME, "somebody's"]), (context, here.state())
        calm_and_discard(here, context)
