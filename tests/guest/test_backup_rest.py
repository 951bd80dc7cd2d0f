# SPDX-License-Identifier: Apache-2.0
"""A backup with rest-until = files: disks, dump and files of one moment, and what brings the services back when it fails."""

import io
import signal
import subprocess
import tarfile
from pathlib import Path

from hf import main
from test_rest import TREE, UNIT, RestCase, guest


class BackupAtRest(RestCase):
    keys = {**RestCase.keys, "quiesce": "lock"}

    def setUp(self):
        super().setUp()
        self.vault = Path(self.scratch.name) / "vault"
        self.vault.mkdir(mode=0o700)
        self.site.stores["vault"] = {"url": f"file://{self.vault}", "off-host": "assume"}
        self.site.write()
        self.ok(self.site.run("store", "init", "vault"))

    def small(self):
        guest(f"head -c 100k /dev/urandom >{TREE}/small")
        self.site.write(files=f"{TREE}/small")

    def points(self):
        return sorted(self.vault.glob("points/db/*/manifest.json"))

    def pair(self, doc):
        """What the point has of the two files that are written in lockstep."""
        tar = self.vault / "points/db" / doc["point"] / "files/files.tar.zst"
        plain = subprocess.run(["zstd", "-dc", tar], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(plain)) as t:
            return [int(t.extractfile(f"{TREE[1:]}/{name}").read()) for name in "ab"]

    def test_dump_and_files_are_of_one_moment(self):
        doc = self.ok(self.site.run("backup", "db", timeout=600))
        self.assert_running(1)
        self.assertEqual(set(doc["stopped"]), {"cron.service", UNIT})
        self.assertEqual((doc["grade"], doc["protected"]), ("B", True))
        events = [e["event"] for e in doc["timeline"]]
        self.assertLess(events.index("capture_end"), events.index("readers_begun"))
        self.assertGreater(doc["rest_ms"], doc["stall_ms"])
        self.assertEqual({a["kind"] for a in doc["artifacts"]}, {"image", "dump", "files", "vm"})
        a, b = self.pair(doc)
        self.assertIn(a - b, (0, 1))    # the writer may be stopped between the two
        self.assertGreater(b, 0)
        self.assert_tidy()
        print(f"  stall {doc['stall_ms']:.0f} ms, services at rest {doc['rest_ms']:.0f} ms", flush=True)

    def test_a_stopped_database_is_up_again_for_the_dump(self):
        self.small()
        self.site.write(quiesce="stop", db_service="mariadb", services=UNIT)
        doc = self.ok(self.site.run("backup", "db", timeout=600))
        self.assertEqual(doc["grade"], "A")
        self.assertEqual(set(doc["stopped"]), {"mariadb.service", UNIT})
        self.assertIn("dump", {a["kind"] for a in doc["artifacts"]})
        self.assert_tidy()

    def test_past_the_limit_the_services_go_on_and_there_is_no_point(self):
        self.site.write(rest_limit="2s")
        result = self.site.run("backup", "db", timeout=600)
        self.assertEqual((result.status, result.error["class"]), (1, "timeout"), result.stdout + result.stderr)
        self.assert_running(1)
        self.assertEqual(self.points(), [])
        self.assert_tidy()

    def test_killed_while_it_reads_the_guardian_starts_them(self):
        self.small()
        for point in ("backup.before_dump", "stream.after_start", "backup.before_disks"):
            with self.subTest(point=point):
                process = self.site.start("backup", "db", env=self.env(f"{point}=kill"))
                self.assertEqual(process.wait(timeout=300), -signal.SIGKILL, f"{point} did not kill the coordinator")
                took = self.assert_running(10)
                process.communicate(timeout=60)
                self.recover(point)
                self.assertEqual(self.points(), [])
                self.assert_tidy()
                print(f"  {point:30} services run after {took:4.1f} s", flush=True)


if __name__ == "__main__":
    main()
