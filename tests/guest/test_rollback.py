# SPDX-License-Identifier: Apache-2.0
"""Back to a snapshot on a real guest: commits of before are there, those of after are gone; whatever dies on the way leaves
one of the two states, and it boots. What is refused, and each step's own deaths: tests/plugin/odd.d/rollback.sh.

HOLDFAST_CYCLES: of snapshot, rollback, delete under load (default 1). With HOLDFAST_SAMPLE two deaths are drawn.
"""

import contextlib
import os
import random
import select
import signal
import sqlite3
import subprocess
import tempfile
import time
from datetime import datetime

from hf import Latency, LoadedTest, lab, main, sql  # noqa: I001  it says where the others are
import kill_points

CYCLES = int(os.environ.get("HOLDFAST_CYCLES", "1"))
BOOT_S = 180

# Where the coordinator dies, and the state that must be there afterwards.
DEATHS = {
    "rollback.before_switch": "old",
    "libvirt.after_destroy": "old",
    "libvirt.after_define": "old",
    "libvirt.after_start": "old",
    "rollback.after_switch": "old",
    "rollback.before_decision": "old",
    "rollback.after_decision": "new",
    "libvirt.after_redefine": "new",
    "rollback.after_settle": "new",
}


class Back(LoadedTest):
    """What goes back, and what has to be true then, whatever hypervisor does it."""

    def setUp(self):
        super().setUp()
        self.domain = self.site.lab["DOMAIN"]
        Latency()
        self.addCleanup(self.revive)

    def tidy(self):
        self.revive()
        super().tidy()

    def revive(self):
        """The guest is up and answers, whatever a test did."""
        if lab("virsh", "domstate", self.domain).strip() == "shut off":
            lab("virsh", "start", self.domain)
        self.assertIsNotNone(Latency.accepts(BOOT_S), "the guest does not come back")

    def create(self):
        return self.ok(self.site.run("snapshot", "create", "db"))

    def back(self, name, *options, status=0):
        return self.ok(self.site.run("snapshot", "rollback", "db", name, "--yes", *options, timeout=400), status)

    @staticmethod
    def mark(word):
        sql(f"CREATE TABLE IF NOT EXISTS hf_test.{word} (id INT)", user="root")

    @staticmethod
    def marks():
        return {t for t in sql("SHOW TABLES IN hf_test", user="root") if t.startswith("mark")}

    def assert_holds_what_was_committed_before(self, report):
        """Set inclusion per transaction, as the guest's own server answers now."""
        at = next(e["at_ms"] for e in report["timeline"] if e["event"] == "locked")
        locked_ns = datetime.fromisoformat(report["started_at"]).timestamp() * 1e9 + at * 1e6
        there = {int(t) for t in sql("SELECT txn FROM hf_test.w_innodb UNION SELECT txn FROM hf_test.w_innodb2")}
        before, after = set(), set()
        for line in self.writer.log.read_text().splitlines():
            word = line.split()
            if word[0] == "A" and int(word[8]) < locked_ns:
                before.add(int(word[1]))
            if word[0] == "S" and int(word[6]) > locked_ns + 1e6:
                after.add(int(word[1]))
        self.assertGreater(len(before), 100)
        self.assertGreater(len(after), 10)
        self.assertEqual(before - there, set(), "commits of before the snapshot are missing")
        self.assertEqual(after & there, set(), "commits of after the snapshot are there")

    def die(self, name, point):
        """The coordinator, in a rollback; then until nothing more is to be undone."""
        with tempfile.TemporaryDirectory() as once:
            process = self.site.start("snapshot", "rollback", "db", name, "--yes",
                                      env={"HOLDFAST_POINT": f"{point}=kill", "HOLDFAST_POINT_ONCE": once})
            self.assertEqual(process.wait(timeout=300), -signal.SIGKILL, point)
            process.communicate(timeout=120)
        for _ in range(240):
            runs = self.ok(self.site.run("recover"))["runs"]
            if not any(r["outcome"] == "alive" for r in runs):
                break
            time.sleep(0.25)
        self.assertEqual(self.site.journals(), [], point)


class Rollback(Back):
    def assert_images_are_sound(self):
        for path in self.site.layers().values():
            subprocess.run(["qemu-img", "check", "-q", "-U", path], check=True, timeout=60)

    def plain_boot_ms(self):
        lab("virsh", "destroy", self.domain)
        lab("virsh", "start", self.domain)
        return Latency.accepts(BOOT_S) * 1000

    def answer(self, name, typed):
        """To the question on a terminal; None: a ^C instead. Status, and what stood there."""
        ours, theirs = os.openpty()
        process = subprocess.Popen(self.site.command("snapshot", "rollback", "db", name, as_json=False), stdin=theirs,
                                   stdout=theirs, stderr=theirs, env=self.site.environ())
        os.close(theirs)
        said = ""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while select.select([ours], [], [], 60)[0]:
                said += os.read(ours, 65536).decode()
                if not said.endswith("Type yes: "):
                    continue
                if typed:
                    os.write(ours, typed.encode())
                else:
                    process.send_signal(signal.SIGINT)
        os.close(ours)
        return process.wait(timeout=60), said

    # -- the cases -----------------------------------------------------------------------------

    def test_what_was_written_since_is_gone_and_all_before_is_there(self):
        self.load("--threads", "2")
        report = self.create()
        self.writer.wait_for_commits(50)
        self.writer.stop()
        self.mark("mark_since")
        asked = self.site.run("snapshot", "rollback", "db", report["snapshot"])
        self.assertEqual((asked.status, asked.error["class"]), (2, "config"))
        for answer in ("no\n", None):
            status, said = self.answer(report["snapshot"], answer)
            self.assertNotEqual(status, 0, said)
            self.assertIn("nothing was changed", said)
            self.assertEqual(self.marks(), {"mark_since"})
        done = self.back(report["snapshot"], "--keep-current")
        self.assert_holds_what_was_committed_before(report)
        self.assertEqual(self.marks(), set())
        kept = done["kept"]
        self.assertEqual(len(kept), 2)
        with self.recovered(next(p for p in kept if "vdb" in p)) as socket:
            rows = subprocess.run(["mariadb", "-S", socket, "-u", "root", "-BNe", "SHOW TABLES IN hf_test"], check=True,
                                  capture_output=True, text=True, timeout=60).stdout
        self.assertIn("mark_since", rows.split(), "the kept state has lost what was written")
        again = self.back(report["snapshot"])
        self.assertEqual(again["kept"], [])
        self.assert_holds_what_was_committed_before(report)
        boot_ms = self.plain_boot_ms()
        print(f"  database after {done['db_ms']:.0f} and {again['db_ms']:.0f} ms, off {again['off_ms']:.0f} ms; a plain boot "
              f"takes {boot_ms:.0f} ms", flush=True)
        self.assertLessEqual(min(done["db_ms"], again["db_ms"]), boot_ms + 5000 + 0.5 * boot_ms)
        self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
        self.assertEqual(self.marks(), set())
        for path in kept:
            os.unlink(path)
        self.assert_images_are_sound()
        self.assert_clean()

    def test_an_older_snapshot_takes_the_younger_with_it_and_a_machine_that_is_off_stays_off(self):
        self.mark("mark_one")
        first = self.create()["snapshot"]
        self.mark("mark_two")
        second = self.create()["snapshot"]
        self.mark("mark_three")
        lab("virsh", "destroy", self.domain)
        done = self.back(first)
        self.assertEqual((done["younger"], done["boot_ms"], done["db_ms"]), ([second], None, None))
        self.assertEqual(lab("virsh", "domstate", self.domain).strip(), "shut off")
        self.assertEqual(self.site.snapshots(), [first])
        self.revive()
        self.assertEqual(self.marks(), {"mark_one"})
        sql("DROP TABLE hf_test.mark_one", user="root")
        self.ok(self.site.run("snapshot", "delete", "db", first))
        self.assert_images_are_sound()
        self.assert_clean()

    def test_what_is_no_way_back_or_is_followed_by_somebody_elses_work_is_refused(self):
        name = self.create()["snapshot"]
        before = self.site.layers()
        lab("virsh", "checkpoint-create-as", self.domain, "theirs")
        self.addCleanup(lab, "virsh", "checkpoint-delete", self.domain, "theirs", check=False)
        refused = self.back(name, status=1)
        self.assertIn("checkpoint 'theirs'", refused["error"]["message"])
        lab("virsh", "checkpoint-delete", self.domain, "theirs")
        self.set_state(name, "deleting")
        self.assertIn("half deleted", self.back(name, status=1)["error"]["message"])
        self.set_state(name, "present")
        self.assertEqual(self.site.layers(), before)
        self.assertEqual(lab("virsh", "domstate", self.domain).strip(), "running")
        self.ok(self.site.run("snapshot", "delete", "db", name))
        self.assert_clean()

    def set_state(self, name, state):
        with sqlite3.connect(self.site.state / "catalog.sqlite") as catalog:
            catalog.execute("UPDATE snapshots SET state = ? WHERE name = ?", (state, name))

    def test_interrupted_before_the_database_answers_it_goes_back(self):
        name = self.create()["snapshot"]
        self.mark("mark_kept")
        before = self.site.layers()
        process = self.site.start("snapshot", "rollback", "db", name, "--yes")
        while before == self.site.layers():
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, out)
        self.assertIn("state of before", out)
        self.assertEqual(self.site.layers(), before)
        self.revive()
        self.assertEqual(self.marks(), {"mark_kept"})
        sql("DROP TABLE hf_test.mark_kept", user="root")
        self.ok(self.site.run("snapshot", "delete", "db", name))
        self.assert_clean()

    def test_a_death_leaves_a_machine_that_boots_in_one_of_the_two_states(self):
        name = self.create()["snapshot"]
        self.assertEqual(kill_points.of("guest.rollback") - set(DEATHS), set(), "points that nobody visits")
        points = list(DEATHS)
        if int(os.environ.get("HOLDFAST_SAMPLE", "0")):
            seed = int(os.environ.get("HOLDFAST_SAMPLE_SEED") or time.time())
            points = random.Random(seed).sample(points, 2)
            print(f"{points}, HOLDFAST_SAMPLE_SEED={seed}", flush=True)
        for point in points:
            with self.subTest(point=point):
                self.mark("mark_old")
                time.sleep(1)
                sql("FLUSH TABLES", user="root")
                lab("ssh", "sync")
                self.die(name, point)
                self.assertEqual(lab("virsh", "domstate", self.domain).strip(), "running", point)
                self.assertIsNotNone(Latency.accepts(BOOT_S), f"after {point}: the guest does not boot")
                state = "old" if "mark_old" in self.marks() else "new"
                self.assertEqual(state, DEATHS[point], point)
                self.assertEqual(self.site.snapshots(), [name])
                self.assertEqual(len(self.site.overlays_on_disk()), 2, point)
                print(f"  {point:26} the {state} state", flush=True)
        sql("DROP TABLE IF EXISTS hf_test.mark_old", user="root")
        self.ok(self.site.run("snapshot", "delete", "db", name))
        self.assert_images_are_sound()
        self.assert_clean()

    def test_cycles_under_load_leave_nothing(self):
        self.load("--threads", "2")
        for _ in range(CYCLES):
            report = self.create()
            self.writer.wait_for_commits(50)
            self.back(report["snapshot"])
            self.writer.wait_for_commits(50, within_s=BOOT_S)
            self.ok(self.site.run("snapshot", "delete", "db", report["snapshot"]))
            self.assert_images_are_sound()
            self.assert_clean()


if __name__ == "__main__":
    main()
