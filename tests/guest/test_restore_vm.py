# SPDX-License-Identifier: Apache-2.0
"""A point of a real guest as a second machine beside it, restored or at once from the store: it boots, its database recovers, and it
holds what was committed before the instant and nothing of after; nothing leads in or out; the machine it was made from goes on. And in
that machine's place.
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from hf import is_mysql, lab, main, sql
from backuplib import BOOT_S, BackupTest, runlib

NAME = "hf-test-back"
INSTANT_MAX = 1.5  # a boot from the store, of one from local disks


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


class RestoreVm(BackupTest):
    def setUp(self):
        super().setUp()
        # Not below the test's own folder, which only root may enter: the hypervisor's user has to.
        self.out = Path(tempfile.mkdtemp(prefix="hf-back-", dir=os.environ["HOLDFAST_LAB_DIR"]))
        self.addCleanup(shutil.rmtree, self.out, True)
        self.add_path(recipients=self.recipient, identity_file=str(self.identity))

    def write_and_back_up(self):
        """The point between two commits."""
        sql("CREATE DATABASE restored; CREATE TABLE restored.words (word VARCHAR(20)) ENGINE=InnoDB", user="root")
        self.addCleanup(sql, "DROP DATABASE IF EXISTS restored", user="root")
        sql("INSERT INTO restored.words VALUES ('before')", user="root")
        point = self.backup()["point"]
        sql("INSERT INTO restored.words VALUES ('after')", user="root")
        return point

    def until(self, what, probe):
        deadline = time.monotonic() + BOOT_S
        while True:
            try:
                return probe()
            except (RuntimeError, AssertionError) as e:
                self.assertLess(time.monotonic(), deadline, f"{what}: {e}")
                time.sleep(0.2)


class Beside(RestoreVm):
    def setUp(self):
        super().setUp()
        self.addCleanup(lab, "virsh", "undefine", NAME, check=False)
        self.addCleanup(lab, "virsh", "destroy", NAME, check=False)

    def rows(self):
        client = "mysql" if is_mysql() else "mariadb"
        status, out = in_guest(f"/usr/bin/{client}", "-N", "-e", "SELECT word FROM restored.words ORDER BY word")
        if status != 0:
            raise RuntimeError("the database does not answer yet")
        return out.split()

    def assert_back(self):
        """It answers, and is alone."""
        self.until("no agent", lambda: agent("guest-ping"))
        self.assertEqual(self.until("no database", self.rows), ["before"])
        answered = time.monotonic()
        self.assertNotIn("<interface", lab("virsh", "dumpxml", NAME))
        self.assertEqual(lab("virsh", "qemu-monitor-command", NAME, "--hmp", "info network").strip(), "", "something leads out")
        return answered

    def instant(self, point):
        """It runs; dies with us."""
        command = self.site.command("restore", "vm", point, "--name", NAME, "--instant", "--network", "none")
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.site.environ(),
                             preexec_fn=runlib.die_with_parent)
        self.addCleanup(p.kill)
        if not select.select([p.stdout], [], [], 60)[0]:
            p.kill()
        line = p.stdout.readline()
        self.assertIn('"instant":true', line.replace(" ", ""), "" if line else p.communicate()[1])
        return p, json.loads(line)

    def test_a_point_boots_as_a_second_machine_and_at_once_from_the_store(self):
        point = self.write_and_back_up()
        began = time.monotonic()
        doc = self.ok(self.site.run("restore", "vm", point, "--name", NAME, "--dir", str(self.out), "--start"))
        told = {(f["kind"], f["about"]) for f in doc["findings"]}
        self.assertLessEqual({("changed", "name"), ("changed", "uuid"), ("changed", "disk vda"), ("left out", "argument")}, told)
        restored = time.monotonic() - began
        local = self.assert_back() - began - restored
        lab("virsh", "destroy", NAME)
        lab("virsh", "undefine", NAME)
        began = time.monotonic()
        p, doc = self.instant(point)
        ran = time.monotonic() - began
        served = self.assert_back() - began
        print(f"  restored in {restored:.1f} s; database answers {local:.1f} s after the start from local disks, {served:.1f} s after the "
              f"command from the store ({ran:.1f} s of it until it boots): {served / local:.2f} x (aim {INSTANT_MAX} x)", flush=True)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        self.assertEqual((p.returncode, out), (0, ""), err)
        self.assertNotIn(NAME, lab("virsh", "list", "--all", "--name"))
        self.assertFalse(Path(doc["dir"]).exists())
        self.assertEqual(runlib.processes("nbdkit", doc["dir"]), [])
        self.assertEqual(sql("SELECT COUNT(*) FROM restored.words", user="root"), ["2"])
        self.assert_clean()


class InPlace(RestoreVm):
    def bring_back(self, definition):
        if self.site.layers() != self.before:
            lab("virsh", "destroy", self.domain, check=False)
            lab("virsh", "define", "/dev/stdin", input=definition)
        self.switch_on()

    def test_the_machine_gets_its_disks_of_then_and_keeps_those_it_had(self):
        former = lab("virsh", "dumpxml", "--inactive", "--security-info", self.domain)
        point = self.write_and_back_up()
        self.addCleanup(self.bring_back, former)
        lab("ssh", "sync")  # the server's binlog waits for nobody, and what is not in it is rolled back
        lab("virsh", "destroy", self.domain)
        doc = self.ok(self.site.run("restore", "vm", point, "--in-place", "--dir", str(self.out), "--boot-timeout", f"{BOOT_S}s",
                                    timeout=BOOT_S + 120))
        self.assertEqual(sorted(doc["former_disks"]), sorted(self.before.values()))
        self.assertEqual([f for f in doc["former_disks"] if not Path(f).exists()], [])
        self.assertEqual(sorted(self.site.layers().values()), sorted(str(p) for p in (self.out / f"{self.domain}-{point}").iterdir()))
        answer = self.until("no database", lambda: sql("SELECT word FROM restored.words", user="root"))
        self.assertEqual(answer, ["before"])
        self.bring_back(former)
        self.assertEqual(sql("SELECT word FROM restored.words ORDER BY word", user="root"), ["after", "before"])
        self.assert_clean()


if __name__ == "__main__":
    main()
