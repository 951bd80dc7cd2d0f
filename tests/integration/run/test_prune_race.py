# SPDX-License-Identifier: Apache-2.0
"""Two coordinators back up and prune on one store at the same time, in interleavings by chance, some of them killed: whatever happens no
point is lost, and none has lost anything. 200 of them, or HOLDFAST_SAMPLE; HOLDFAST_SEED repeats a row of them."""

import os
import random

import prunelib
import runlib
from prunelib import CHUNK, CHUNKS, GRACE_S, HOUR_S, PruneTest  # noqa: I001  it says where the others are
import kill_points

ROUNDS = int(os.environ.get("HOLDFAST_SAMPLE", 200))
POOL = 2 * CHUNKS
KEEP = 1
POINTS = {
    "prune": sorted(kill_points.of("integration.run.prune_kill") | kill_points.of("integration.run.prune_repack")) + ["store.path.before_remove", "store.path.before_rename"],
    "backup": ["backup.before_disks", "backup.before_export_end", "backup.before_definition", "backup.before_commit", "image.before_pack",
               "image.before_index", "point.before_manifest", "point.after_manifest", "store.path.before_rename"],
}


class Race(PruneTest):
    def setUp(self):
        super().setUp()
        self.db = self.second()
        self.both = (self.web, self.db)
        for mine, theirs in (self.both, self.both[::-1]):
            mine.keep(f"last {KEEP}")
            mine.site.sections[theirs.name] = {"quiesce": "none", "name": "nothing", "keep": f"last {KEEP}"}
            mine.write()
        # What one of them has deleted from its disk the other may write again: so packs are wanted that are about to go.
        self.pool = [random.randbytes(CHUNK) for _ in range(POOL)]
        self.repacked = False
        self.order = {c.name: [] for c in self.both}  # its points, as they were taken
        self.tried = {c.name: [] for c in self.both}  # what its disks were at each backup

    def change_disks(self):
        for c in self.both:
            for i in self.random.sample(range(CHUNKS), self.random.randrange(1, 4)):
                c.blocks[i] = self.random.choice(self.pool)
        if self.random.random() < 0.3:
            self.pool[self.random.randrange(POOL)] = random.randbytes(CHUNK)

    def deed(self, verb):
        """Where it waits and for how long, and perhaps where it dies."""
        waits = self.random.sample(POINTS[verb], self.random.randrange(4))
        spec = [f"{p}=stall:{self.random.randrange(20, 250)}" for p in waits]
        if self.random.random() < 0.2:
            dies = self.random.choice([p for p in POINTS[verb] if p not in waits])
            spec.append(f"{dies}=kill")
        self.deeds.append(f"{verb} {','.join(spec)}")
        return ",".join(spec)

    def start(self, c, verb):
        env = c.site.points(self.deed(verb))
        if verb == "prune":
            return c.start("prune", "--store", "vault", **env), None
        running, disks = c.start_backup(**env)
        self.tried[c.name].append(disks)
        return running, disks

    def end(self, c, verb, running, disks):
        r = running.wait()
        is_dead = r.status == -9
        if verb == "backup" and not is_dead:
            if r.status:    # packs were condemned in that very moment; the guardian of the last one has not let go yet
                self.assertIn(r.error["class"], ("conflict", "busy"), str(r))
            else:
                c.taken[r.json["point"]] = disks
                self.order[c.name].append(r.json["point"])
        if verb == "prune" and not is_dead and r.status != 0:
            self.assertIn("another prune", str(r))
        return is_dead

    def recover(self, c):
        """Its guardian has ended, or whatever it left is undone now."""
        runlib.wait_until(lambda: c.run("recover")["runs"] == [] and not c.site.journals(), 60, f"no end of the undo: {self.deeds}")

    def play(self):
        self.deeds = []
        verbs = [(c, v) for c in self.both for v in ("backup", "prune") if self.random.random() < 0.85]
        self.random.shuffle(verbs)
        self.change_disks()
        started = [(c, v, *self.start(c, v)) for c, v in verbs]
        dead = [self.end(*s) for s in started]
        for (c, verb, *_), is_dead in zip(started, dead, strict=True):
            if is_dead and verb == "backup":
                self.recover(c)

    def judge(self):
        """Each point that is there is whole, and the newest of each machine is there."""
        found = self.vault.judge()
        for c in self.both:
            mine = {p.name for p in (self.vault.folder / "points" / c.name).glob("*")} & set(found.points)
            for point in mine:    # one that is not known was made by a backup that died then
                self.assertIn(found.points[point], [c.taken[point]] if point in c.taken else self.tried[c.name], f"{point}: {self.deeds}")
            for newest in self.order[c.name][-1:]:
                self.assertTrue(mine and max(mine) >= newest[:16], f"{newest} of {c.name} is lost: {self.deeds}")
        return found

    def pass_time(self):
        """Nobody is at work: so nobody is in the half hour that he has."""
        self.vault.age(GRACE_S + 10, "packs/*/*", "trees/*/*", "index/*")
        self.vault.age(self.random.choice((0, HOUR_S, GRACE_S + 10, GRACE_S + 10)), "condemned/*")
        self.repacked |= bool(list(self.vault.folder.glob("moved/*/*")))

    def test_nothing_is_lost_whatever_meets_whatever(self):
        seed = runlib.seed(unset=200)
        for n in range(ROUNDS):
            with self.subTest(seed=seed, round=n):
                self.random = random.Random(f"{seed}.{n}")
                self.play()
                self.judge()
                self.pass_time()
        for c in self.both:
            c.run("catalog", "rebuild")
            c.run("verify", "--all", "--read")
        self.assertTrue(self.vault.judge().points or ROUNDS < 4)
        self.assertTrue(self.repacked or ROUNDS < 20, "no pack was ever half needed")


if __name__ == "__main__":
    runlib.main()
