# SPDX-License-Identifier: Apache-2.0
"""faults.py - faults drawn by seed."""
import random
import time

from common import NAME, RUNS, Site, back, dump, folder, posts, site_with_a_snapshot


SWITCHES = [("drop-before-any", 2), ("drop-after-any", 1), ("drop-before", "POST snapshot"), ("drop-after", "POST snapshot"),
            ("500-after-fork", "qmsnapshot"), ("596", "POST snapshot"), ("595-any-get", 2), ("596-any-get", 2),
            ("task-killed", "qmsnapshot"), ("freeze-fails", 1), ("thaw-fails", 1), ("disk-fails", 1), ("garbage", 1),
            ("500-after-fork", "qmdelsnapshot"), ("drop-after", f"DELETE {NAME}")]


def faulty_run(seed):
    """Two faults, one capture, the undo: in time, nothing of others touched, no good word for a snapshot that is not there."""
    draw = random.Random(seed)
    site = Site(new=draw.random() < 0.5)
    site.vm.snapshots["theirs"] = {"name": "theirs", "snaptime": 1, "vmstate": 0, "description": "by hand"}
    site.vm.seconds["disk"] = draw.choice([0.02, 0.3])
    chosen = draw.sample(SWITCHES, 2)
    wait_for = draw.choice([None, "/status/current", "/feature", "/snapshot"])
    site.arm_when(lambda: not wait_for or [r for r in site.world.requests if r[2].endswith(wait_for)], chosen)
    begun = time.monotonic()
    status, text = site.capture(limit=4000)
    took = time.monotonic() - begun
    assert took < 3 * 4.5, (seed, chosen, took, text)
    if status == 0:
        assert NAME in site.vm.snapshots and "snapstate" not in site.vm.snapshots[NAME], (seed, chosen, text)
    assert len(site.requests("POST", "/snapshot")) <= 1, (seed, chosen)
    site.world.faults.clear()
    site.good("discard", "100", NAME)
    assert list(site.vm.snapshots) == ["theirs"] and site.vm.lock is None, (seed, chosen, site.vm.snapshots)
    site.good("thaw", "100")
    assert not site.vm.frozen and not [r for r in site.world.requests if r[1] == "DELETE" and "/tasks/" in r[2]]
    site.server.close()


def faults_by_seed_leave_nothing_behind(site):
    for seed in range(RUNS):
        faulty_run(seed)


BACK_SWITCHES = [("drop-before-any", 1), ("drop-after-any", 1), ("595-any-get", 2), ("596-any-get", 2), ("garbage", 1), ("start-fails", 1),
                 *[(kind, f"POST {what}") for kind in ("drop-before", "drop-after", "596") for what in ("stop", "snapshot", "rollback", "start")],
                 *[(kind, what) for kind in ("500-after-fork", "task-killed") for what in ("qmstop", "qmsnapshot", "qmrollback", "qmstart")],
                 ("drop-after", "PUT config"), ("disk-fails", 1)]


def faulty_rollback(seed):
    """Two faults, a rollback, perhaps some in its undo as well; then an undo without: every byte of before, nothing else."""
    draw = random.Random(seed)
    site = Site(new=draw.random() < 0.5)
    site.vm.snapshots["theirs"] = {"name": "theirs", "snaptime": 1, "vmstate": 0, "description": "by hand"}
    site_with_a_snapshot(site)
    chosen = draw.sample(BACK_SWITCHES, 2)
    site.arm_when(lambda: site.requests("GET", "/storage"), chosen)  # the plan is made
    status, text = back(site, "switch")
    if status == 0:
        assert site.vm.data == 1 and site.vm.status == "running", (seed, chosen, text)
        site.vm.data = 3
    assert len(site.requests("POST", "/rollback")) <= 1, (seed, chosen)
    site.world.faults.clear()
    site.world.faults.update(draw.sample(BACK_SWITCHES, draw.choice([0, 1, 2])))
    site.drive("undo", "db1", f"{folder.name}/back")
    site.world.faults.clear()
    site.good("undo", "db1", f"{folder.name}/back")
    assert site.vm.data == 2 and site.vm.status == "running", (seed, chosen, site.vm.data, site.vm.status)
    assert sorted(site.vm.snapshots) == sorted(["theirs", NAME]) and site.vm.lock is None, (seed, chosen, site.vm.snapshots)
    site.server.close()


def faults_of_rollbacks_by_seed_lose_nothing(site):
    for seed in range(RUNS // 2):
        faulty_rollback(seed)


DUMP_SWITCHES = [("drop-before-any", 2), ("drop-after-any", 1), ("595-any-get", 2), ("596-any-get", 2), ("garbage", 1), ("half-line", 3),
                 *[(kind, "POST vzdump") for kind in ("drop-before", "drop-after", "596")], ("500-after-fork", "vzdump"),
                 ("task-killed", "vzdump"), ("freeze-fails", 1), ("thaw-fails", 1), ("qmp-fails", 1), ("copy-fails", 1), ("line-seconds", 0.4)]


def faulty_dump(seed):
    """Two faults, one backup, the undo: no second one, no good word for one whose instant was not seen, nothing of others touched."""
    draw = random.Random(seed)
    site = Site(new=draw.random() < 0.5)
    storage = draw.choice(["nfs1", "pbs1"])
    if draw.random() < 0.5:
        site.vm.config["scsi1"] = "local-lvm:vm-100-disk-1,size=8G"
    theirs = {"volid": f"{storage}:backup/theirs", "content": "backup", "format": "vma.zst", "subtype": "qemu", "vmid": 100, "ctime": 1,
              "size": 5, "notes": "nightly", "protected": False, "storage": storage}
    site.world.archives[theirs["volid"]] = theirs
    chosen = draw.sample(DUMP_SWITCHES, 2)
    wait_for = draw.choice([None, "/status/current", "/content", "/vzdump", "/log"])
    site.arm_when(lambda: not wait_for or [r for r in site.world.requests if r[2].endswith(wait_for)], chosen)
    status, text = dump(site, storage=storage, limit=6000)
    assert len(posts(site)) <= 1, (seed, chosen)
    if status == 0:
        told = text.split("export scsi0 ")[1].split()[0]
        assert told in site.world.archives and [what for _, what, _ in site.world.timeline if what == "started"], (seed, chosen, text)
        assert "scsi1" not in site.vm.config or not [x for t in site.world.tasks.values() for x in t.lines if "fsfreeze-freeze' failed" in x]
    site.world.faults.clear()
    site.good("discard", "100", NAME, f"{folder.name}/undo")
    assert list(site.world.archives) == [theirs["volid"]] and site.vm.lock is None and not site.is_at_work(), (seed, chosen)
    site.good("thaw", "100")
    site.server.close()


def faults_of_backups_by_seed_leave_nothing_behind(site):
    for seed in range(RUNS // 2):
        faulty_dump(seed)
