# SPDX-License-Identifier: Apache-2.0
"""A point of a real guest as a second machine beside it: it boots, its database recovers, and it holds what was committed before the
instant and nothing of after; nothing leads in or out; the machine it was made from goes on.
"""

import base64
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from hf import is_mysql, lab, main, sql
from backuplib import BOOT_S, BackupTest, runlib

NAME = "hf-test-back"


def setUpModule():
    runlib.need("age", "age", "age-keygen")


def agent(command, **arguments):
    out = lab("virsh", "qemu-agent-command", "--timeout", "5", NAME, json.dumps({"execute": command, "arguments": arguments}))
    return json.loads(out)["return"]


def in_guest(*argv):
    """(status, output) of a program, through the agent."""
    pid = agent("guest-exec", path=argv[0], arg=list(argv[1:]), **{"capture-output": True})["pid"]
    for _ in range(200):
        done = agent("guest-exec-status", pid=pid)
        if done["exited"]:
            return done.get("exitcode"), base64.b64decode(done.get("out-data", "")).decode()
        time.sleep(0.3)
    raise AssertionError(f"{argv} does not end")


class Beside(BackupTest):
    def setUp(self):
        super().setUp()
        # Not below the test's own folder, which only root may enter: the hypervisor's user has to.
        self.out = Path(tempfile.mkdtemp(prefix="hf-back-", dir=os.environ["HOLDFAST_LAB_DIR"]))
        self.addCleanup(shutil.rmtree, self.out, True)
        self.addCleanup(lab, "virsh", "undefine", NAME, check=False)
        self.addCleanup(lab, "virsh", "destroy", NAME, check=False)

    def until(self, what, probe):
        deadline = time.monotonic() + BOOT_S
        while True:
            try:
                return probe()
            except (RuntimeError, AssertionError) as e:
                self.assertLess(time.monotonic(), deadline, f"{what}: {e}")
                time.sleep(1)

    def rows(self):
        client = "mysql" if is_mysql() else "mariadb"
        status, out = in_guest(f"/usr/bin/{client}", "-N", "-e", "SELECT word FROM restored.words ORDER BY word")
        if status != 0:
            raise RuntimeError("the database does not answer yet")
        return out.split()

    def test_a_point_boots_as_a_second_machine_and_holds_what_was_committed(self):
        self.add_path(recipients=self.recipient, identity_file=str(self.identity))
        sql("CREATE DATABASE restored; CREATE TABLE restored.words (word VARCHAR(20)) ENGINE=InnoDB", user="root")
        self.addCleanup(sql, "DROP DATABASE restored", user="root")
        sql("INSERT INTO restored.words VALUES ('before')", user="root")
        point = self.backup()["point"]
        sql("INSERT INTO restored.words VALUES ('after')", user="root")
        began = time.monotonic()
        doc = self.ok(self.site.run("restore", "vm", point, "--name", NAME, "--dir", str(self.out), "--start"))
        told = {(f["kind"], f["about"]) for f in doc["findings"]}
        self.assertLessEqual({("changed", "name"), ("changed", "uuid"), ("changed", "disk vda"), ("left out", "argument")}, told)
        restored = time.monotonic() - began
        self.until("no agent", lambda: agent("guest-ping"))
        self.assertEqual(self.until("no database", self.rows), ["before"])
        print(f"  restored in {restored:.1f} s, database answers after {time.monotonic() - began:.1f} s", flush=True)
        self.assertNotIn("<interface", lab("virsh", "dumpxml", NAME))
        self.assertEqual(lab("virsh", "qemu-monitor-command", NAME, "--hmp", "info network").strip(), "", "something leads out")
        self.assertEqual(sql("SELECT COUNT(*) FROM restored.words", user="root"), ["2"])
        self.assert_clean()


if __name__ == "__main__":
    main()
