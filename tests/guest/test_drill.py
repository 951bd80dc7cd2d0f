# SPDX-License-Identifier: Apache-2.0
"""`verify --drill` of a real guest: a point under write load passes, again and again, and leaves nothing; a changed row, a damaged
table, a lost pack and a wrong recorded position each fail with their reason.

What is wrong is made wrong on the disk of the machine that is drilled, before it boots, or on the store: never in what the drill
compares with.
"""

import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from hf import SOURCE, is_mysql, lab, lab_env, main, same_with_either_server, sql
from backuplib import UNDO_WITHIN_S, BackupTest

sys.path.insert(0, str(SOURCE / "tests/integration/run"))
import kill_points  # noqa: E402
import reader  # noqa: E402
import runlib  # noqa: E402

# Drills in a row: 20 in a soak.
SAMPLE = int(os.environ.get("HOLDFAST_SAMPLE", "0"))
ROUNDS = int(os.environ.get("HOLDFAST_ROUNDS", "3" if SAMPLE else "20"))
DRILL_S = 1200
PAGE = 16384
SECTOR = 4096
WHOLE = "the row that stays whole"
CHANGED = "the row that is changed"
BROKEN = "the table that is damaged"


def setUpModule():
    runlib.need("nbdkit", "nbdkit", "qemu-io")


# ---- InnoDB pages -----------------------------------------------------------------------------------------------------------------
#
# MariaDB (full_crc32): the last four bytes are CRC-32C of the rest. MySQL (crc32): the first four, and the first four of the last eight,
# are CRC-32C of bytes 4 to 25, XOR that of 38 to the last eight.


def make_crc32c():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)

    def crc32c(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
        return crc ^ 0xFFFFFFFF
    return crc32c


crc32c = make_crc32c()


def resealed(page):
    if not is_mysql():
        return page[:-4] + crc32c(page[:-4]).to_bytes(4, "big")
    seal = (crc32c(page[4:26]) ^ crc32c(page[38:-8])).to_bytes(4, "big")
    return seal + page[4:-8] + seal + page[-4:]


def pages_with(disk, text):
    """(offset on the disk, the page) of each whole page that has this text: in its table, and in the doublewrite buffer."""
    found = {}
    with disk.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        at = m.find(text)
        while at >= 0:
            for start in range(at // SECTOR * SECTOR, max(-1, at - PAGE), -SECTOR):
                page = m[start:start + PAGE]
                if start not in found and page == resealed(page):
                    found[start] = page
            at = m.find(text, at + 1)
    return sorted(found.items())


# ---- the tests ----------------------------------------------------------------------------------------------------------------


class Drill(BackupTest):
    where = ()  # words that name another host

    def setUp(self):
        super().setUp()
        self.add_path()
        self.site.write(probe="unit " + lab_env()["DB_SERVICE"], drill_timeout="10m")
        self.addCleanup(self.assert_nothing_left)
        if is_mysql():  # its position is told without these, but not which binlog files there are
            rights = "REPLICATION CLIENT, REPLICATION SLAVE ON *.*"
            sql(f"GRANT {rights} TO holdfast_dump", user="root")
            self.addCleanup(sql, f"REVOKE {rights} FROM holdfast_dump", "root")

    # -- runs ---------------------------------------------------------------------------------

    def begin(self, point, points="", **env):
        once = Path(self.scratch.name) / f"once-{time.monotonic_ns()}"
        once.mkdir()
        self.log = once / "points"
        process = self.site.start("verify", point, "--drill", *self.where, env={"HOLDFAST_POINT": points, "HOLDFAST_POINT_ONCE": str(once),
                                                                   "HOLDFAST_POINT_LOG": str(self.log), **env})
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        """One that the test did not come to the end of, before its state goes."""
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=UNDO_WITHIN_S)

    def end(self, process, status=0):
        out, err = process.communicate(timeout=DRILL_S)
        self.assertEqual(process.returncode, status, out + err)
        return json.loads(out)

    def drill(self, point, status=0):
        doc = self.end(self.begin(point), status)
        self.tell(doc)
        return doc

    @staticmethod
    def tell(doc, seconds=None):
        spans = ", ".join(f"{k[:-3]} {v / 1000:.1f}" for k, v in doc["phases"].items() if v is not None)
        print(f"  {'passed' if doc['passed'] else 'failed'} in {doc['duration_ms'] / 1000:.1f} s, "
              f"recovery {(doc['recovery_ms'] or 0) / 1000:.1f} s ({spans})", flush=True)

    @staticmethod
    def results(doc):
        return {c["name"]: c["result"] for c in doc["checks"]}

    @staticmethod
    def why(doc, name):
        return next(c["why"] for c in doc["checks"] if c["name"] == name)

    # -- what is left -------------------------------------------------------------------------

    def left(self):
        machines = [d for d in lab("virsh", "list", "--all", "--name").split() if d.startswith("holdfast-drill")]
        return [*machines, *(p.name for p in runlib.drill_folders(self.site.state)),
                *(p.name for p in (self.site.state / "sockets").glob("*")), *self.site.journals(),
                *runlib.processes("nbdkit", self.site.dir)]

    def assert_nothing_left(self):
        runlib.wait_until(lambda: not self.left(), UNDO_WITHIN_S, f"{self.left()} is still there, and should not be")

    # -- the point -----------------------------------------------------------------------------

    def reseal(self, point, change):
        """The manifest with another content and the right seal, by what docs/manifest.md says of it."""
        file = self.site.dir / f"shelf/points/db/{point}/manifest.json"
        store = self.read_store("shelf")
        doc = json.loads(file.read_text())["manifest"]
        change(doc)
        inner = json.dumps(doc, separators=(",", ":"))
        file.chmod(0o600)
        file.write_text(f'{{"mac":"{reader.keyed(store.manifest_key, inner.encode()).hex()}","manifest":{inner}}}\n')

    # -- the disk before it boots -------------------------------------------------------------

    def restored(self, point, target="vdb"):
        file = Path(self.scratch.name) / f"{target}.raw"
        self.ok(self.site.run("restore", "image", point, "--disk", target, "--to", str(file)))
        return file

    def drill_with(self, point, writes, target="vdb", status=1):
        """Each (offset, bytes) is written to the served disk of the machine, which is in memory, ahead of its boot."""
        process = self.begin(point, points="drill.before_create=stall:6000")
        self.wait_for_point(process, "drill.before_create")
        folder, = runlib.drill_folders(self.site.state)
        for offset, data in writes:
            piece = Path(self.scratch.name) / "piece"
            piece.write_bytes(data)
            r = subprocess.run(["qemu-io", "-f", "raw", "-c", f"write -s {piece} {offset} {len(data)}",
                                f"nbd+unix:///?socket={folder}/{target}"], capture_output=True, text=True, check=False)
            self.assertIn(f"wrote {len(data)}", r.stdout + r.stderr)
        doc = self.end(process, status)
        self.tell(doc)
        return doc


class Passes(Drill):
    def test_a_point_taken_under_load_passes_again_and_again_and_leaves_nothing(self):
        """… encrypted: what holds the key drills it, and what it decrypts is in memory."""
        self.add_path("safe", recipients=self.recipient, identity_file=str(self.identity))
        if is_mysql():  # GTIDs that no binlog has any more, only the server's own table
            sql("INSERT INTO hf_test.pulse VALUES ()")
            lab("binlog", "off")
            lab("binlog", "on")
        self.load("--threads", "2")
        doc = self.backup("--store", "safe")
        recovery = []
        for i in range(ROUNDS):
            with self.subTest(round=i):
                if i % 5 == 4:
                    doc = self.backup("--store", "safe")
                self.writer.wait_for_commits(20)  # what is drilled is not what runs
                with self.writer_at_rest():
                    drill = self.drill(doc["point"])
                self.assert_nothing_left()
                results = self.results(drill)
                self.assertEqual({k: results[k] for k in ("boot", "database", "position", "tables", "rows", "content", "check-table")},
                                 dict.fromkeys(("boot", "database", "position", "tables", "rows", "content", "check-table"), "ok"))
                self.assertIn("ok", [v for k, v in results.items() if k.startswith("probe ")])
                at = next(c for c in drill["checks"] if c["name"] == "position")
                self.assertEqual(at["expected"], at["found"])
                self.assertTrue(at["found"].startswith(f"{doc['position']['file']}:{doc['position']['offset']}, GTID "), at)
                recovery.append(drill["recovery_ms"] / 1000)
        print(f"  {ROUNDS} drills, recovery {min(recovery):.1f} to {max(recovery):.1f} s", flush=True)
        self.assertLessEqual(kill_points.of("guest.drill"), set(self.visited()))
        row = next(p for p in self.ok(self.site.run("list"))["points"] if p["point"] == doc["point"])
        self.assertTrue(row["last_drill"]["passed"])
        self.assertGreater(self.writer.commits(), 200)

    def test_a_drill_killed_in_the_middle_leaves_nothing_and_the_vm_runs_on(self):
        point = self.backup()["point"]
        names = sorted(kill_points.of("guest.drill"))
        late = random.Random(runlib.seed()).choice(names)
        for name in ("drill.after_start", late):
            with self.subTest(point=name):
                process = self.begin(point, points=f"{name}=kill")
                process.communicate(timeout=DRILL_S)
                self.assertEqual(process.returncode, -signal.SIGKILL)
                self.assert_nothing_left()
                self.assertEqual(lab("virsh", "domstate", self.domain).strip(), "running")
        self.assertEqual(self.ok(self.site.run("show", point))["drills"], [])


@same_with_either_server
class Fails(Drill):
    """Each fault with its reason."""

    def make_rows(self):
        """Two tables whose pages are on the disk, not only in the log."""
        sql("CREATE TABLE hf_test.kept (id INT PRIMARY KEY, t VARCHAR(100)) ENGINE=InnoDB;"
            "CREATE TABLE hf_test.hurt (id INT PRIMARY KEY, t VARCHAR(100)) ENGINE=InnoDB;"
            f"INSERT INTO hf_test.kept VALUES (1, '{WHOLE}'), (2, '{CHANGED}');"
            f"INSERT INTO hf_test.hurt VALUES (1, '{BROKEN}')", user="root")
        self.addCleanup(sql, "DROP TABLE IF EXISTS hf_test.kept, hf_test.hurt", "root")
        sql("FLUSH TABLES hf_test.kept, hf_test.hurt FOR EXPORT; UNLOCK TABLES", user="root")
        # So that recovery finds nothing in the log that it would write over them. (MySQL: of a page newer than the log it takes none.)
        sql("SET GLOBAL innodb_log_checkpoint_now = ON", user="root", check=False)

    def test_a_changed_row_and_a_damaged_table_are_found(self):
        self.make_rows()
        point = self.backup()["point"]
        disk = self.restored(point)
        kept, hurt = pages_with(disk, CHANGED.encode()), pages_with(disk, BROKEN.encode())
        self.assertTrue(kept and hurt, "the pages are not on the disk")
        other = CHANGED.replace("changed", "CHANGED").encode()
        writes = [(at, resealed(page.replace(CHANGED.encode(), other))) for at, page in kept]
        writes += [(at, page[:100] + bytes(len(page) - 200) + page[-100:]) for at, page in hurt]
        doc = self.drill_with(point, writes)
        self.assertEqual(self.results(doc)["position"], "ok")
        self.assertEqual(self.results(doc)["content"], "failed", doc)
        self.assertIn("hf_test.hurt", self.why(doc, "content"))
        if not is_mysql():  # whose server ends over a page like that, so that nothing else can be asked
            self.assertRegex(self.why(doc, "content"), r"hf_test\.kept: [0-9a-f]{16}, the dump has [0-9a-f]{16}")
            self.assertEqual(self.results(doc)["check-table"], "failed", doc)
            self.assertIn("hf_test.hurt", self.why(doc, "check-table"))
            self.assertNotIn("hf_test.kept", self.why(doc, "check-table"))
        self.assertIn("content", doc["why"])
        self.assertEqual(self.ok(self.site.run("status"))["vms"][0]["last_drill"]["passed"], False)

    def test_a_wrong_recorded_position_is_found(self):
        point = self.backup()["point"]
        self.reseal(point, lambda m: m["position"].update(offset=m["position"]["offset"] - 1))
        doc = self.end(self.begin(point), 1)
        self.tell(doc)
        self.assertEqual(self.results(doc)["position"], "failed")
        self.assertIn("another binlog position than was recorded", doc["why"])
        at = next(c for c in doc["checks"] if c["name"] == "position")
        self.assertNotEqual(at["expected"], at["found"])
        self.assertEqual(self.results(doc)["check-table"], "ok")

    def test_packs_that_are_lost_while_it_boots_are_found_and_mark_the_copy_damaged(self):
        point = self.backup()["point"]
        process = self.begin(point, points="drill.after_create=stall:3000")
        self.wait_for_point(process, "drill.after_create")
        shutil.rmtree(self.site.dir / "shelf/packs")
        doc = self.end(process, 1)
        self.tell(doc)
        self.assertEqual(self.results(doc)["boot"], "ok")
        self.assertRegex(doc["why"], r"disks: disk vd[ab] cannot be read: .*packs/")
        copy, = self.ok(self.site.run("show", point))["copies"]
        self.assertEqual((copy["damaged"], copy["verified_at"]), (True, None))


if __name__ == "__main__":
    main()
