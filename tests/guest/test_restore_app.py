# SPDX-License-Identifier: Apache-2.0
"""An application comes back from a store into its machine: rows and files, its services at rest meanwhile, whatever dies."""

import signal
import sys
import tempfile
from pathlib import Path

from hf import SOURCE, main, sql
from test_rest import TREE, UNIT, RestCase, guest

sys.path.insert(0, str(SOURCE / "tests/harness"))
import kill_points  # noqa: E402

GUIDE = SOURCE / "docs/guides/restore.md"

SETUP = """DROP DATABASE IF EXISTS hf_app; CREATE DATABASE hf_app;
CREATE TABLE hf_app.post (id INT PRIMARY KEY, t TEXT); INSERT INTO hf_app.post VALUES (1, 'one'), (2, 'two');
CREATE OR REPLACE USER hf_restore IDENTIFIED BY 'for-tonight'; GRANT ALL ON *.* TO hf_restore WITH GRANT OPTION;
GRANT PROXY ON ''@'%' TO hf_restore WITH GRANT OPTION"""


class RestoreApp(RestCase):
    keys = {**RestCase.keys, "files": f"{TREE}/conf, {TREE}/uploads", "dump": "hf_app", "services": f"cron, {UNIT}"}

    point = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        kept = tempfile.TemporaryDirectory(prefix="hf-app-")
        cls.addClassCleanup(kept.cleanup)
        cls.vault = Path(kept.name) / "vault"
        cls.vault.mkdir(mode=0o700)

    def setUp(self):
        super().setUp()
        sql(SETUP, user="root")
        self.addCleanup(sql, "DROP DATABASE IF EXISTS hf_app; DROP DATABASE IF EXISTS holdfast_load; DROP USER IF EXISTS hf_restore",
                        user="root")
        guest(f"rm -rf {TREE}/conf {TREE}/uploads; mkdir {TREE}/uploads; echo 'a = 1' >{TREE}/conf; echo one >{TREE}/uploads/1")
        self.cnf = Path(self.scratch.name) / "restore.cnf"
        self.cnf.write_text("[client]\nuser = hf_restore\npassword = for-tonight\n")
        self.cnf.chmod(0o600)
        self.site.stores["vault"] = {"url": f"file://{self.vault}", "off-host": "assume"}
        self.site.write()
        if not RestoreApp.point:  # one for all: a backup of the guest's disks takes its time
            self.ok(self.site.run("store", "init", "vault"))
            RestoreApp.point = self.ok(self.site.run("backup", "db", timeout=600))["point"]

    def lose(self):
        """Rows and files as nobody wants them."""
        sql("DROP TABLE IF EXISTS hf_app.post", user="root")
        guest(f"rm -rf {TREE}/uploads; echo broken >{TREE}/conf")

    def command(self, *more):
        return ("restore", "app", self.point, "--to", "db", "--defaults-file", str(self.cnf), *more)

    def command_of_the_guide(self):
        """`restore app` as docs/guides/restore.md has it."""
        line = next(x for x in GUIDE.read_text().splitlines() if x.startswith("holdfast restore app "))
        names = {"20261123T030000Z-7f3a9c21": self.point, "web01": "db", "/etc/holdfast/restore.cnf": str(self.cnf)}
        return [names.get(word, word) for word in line.split()[1:]]

    def assert_back(self):
        self.assertEqual(sql("SELECT * FROM hf_app.post ORDER BY id", user="root"), ["1\tone", "2\ttwo"])
        self.assertEqual(guest(f"cat {TREE}/conf {TREE}/uploads/1"), "a = 1\none")

    def test_it_comes_back_and_its_services_rested(self):
        self.lose()
        self.assertEqual(self.command_of_the_guide(), list(self.command("--replace")))
        doc = self.ok(self.site.run(*self.command("--replace"), timeout=300))
        self.assert_running(1)
        self.assert_back()
        self.assertEqual(set(doc["stopped"]), {"cron.service", UNIT})
        self.assertGreater(doc["rest_ms"], 0)
        self.assertEqual((doc["dump"]["point"], doc["files"]["point"], doc["files"]["vm"]), (self.point, self.point, "db"))
        self.assertEqual((doc["dump"]["differences"], doc["files"]["refused"]), ([], []))
        self.assertEqual(self.ok(self.site.run("show", doc["run"]))["outcome"], "done")
        self.assert_tidy()
        print(f"  services at rest {doc['rest_ms']} ms", flush=True)

    def test_what_is_there_is_refused_without_replace_and_services_run_again(self):
        guest(f"echo mine >{TREE}/conf")
        result = self.site.run(*self.command(), timeout=300)
        self.assertEqual((result.status, result.error["class"]), (1, "conflict"), result.stdout + result.stderr)
        self.assertIn("post", result.error["message"])
        self.assert_running(1)
        self.assertEqual(guest(f"cat {TREE}/conf"), "mine")
        self.assert_tidy()

    def test_a_part_that_is_missing_on_the_store_is_named_and_nothing_was_stopped(self):
        since = guest(f"systemctl show -p ActiveEnterTimestampMonotonic --value {UNIT}")
        tar = next(self.vault.glob("points/db/*/files/files.tar*"))
        away = tar.rename(self.vault / "away")
        self.addCleanup(away.rename, tar)
        result = self.site.run(*self.command("--replace"), timeout=300)
        self.assertEqual((result.status, result.error["class"]), (1, "corrupt"), result.stdout + result.stderr)
        self.assertIn("files.tar", result.error["message"])
        self.assertEqual(guest(f"systemctl show -p ActiveEnterTimestampMonotonic --value {UNIT}"), since)

    def test_files_that_cannot_be_restored_fail_it_and_say_that_the_rows_are(self):
        self.lose()
        guest(f"rm {TREE}/conf; mkdir {TREE}/conf")
        result = self.site.run(*self.command("--replace"), timeout=300)
        self.assertEqual((result.status, result.error["class"]), (1, "conflict"), result.stdout + result.stderr)
        self.assertIn("rows of vm db are restored", str(result.error["left"]))
        self.assert_running(1)
        guest(f"rmdir {TREE}/conf")
        self.ok(self.site.run(*self.command("--replace"), timeout=300))
        self.assert_back()
        self.assert_tidy()

    def test_killed_anywhere_the_guardian_starts_the_services_and_the_same_again_completes_it(self):
        points = sorted(kill_points.of("guest.restore_app"))
        self.assertEqual(len(points), 2)
        for point in (*points, "load.before_commit", "restore.before_sync"):
            with self.subTest(point=point):
                self.lose()
                process = self.site.start(*self.command("--replace"), env=self.env(f"{point}=kill"))
                self.assertEqual(process.wait(timeout=300), -signal.SIGKILL, f"{point} did not kill the coordinator")
                took = self.assert_running(10)
                process.communicate(timeout=60)
                self.recover(point)
                self.ok(self.site.run(*self.command("--replace", *(["--resume"] if point.startswith("load.") else [])), timeout=300))
                self.assert_back()
                self.assert_tidy()
                print(f"  {point:30} services run after {took:4.1f} s", flush=True)


if __name__ == "__main__":
    main()
