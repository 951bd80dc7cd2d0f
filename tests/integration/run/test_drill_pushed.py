# SPDX-License-Identifier: Apache-2.0
"""`verify --drill` of points whose disks the hypervisor keeps: the Proxmox VE plugin before its stand-in, whose restored VMs have a
guest that is this machine with a real MariaDB. So the way in is the true one: systemd unit, files and programs through the agent, the
database's protocol in pieces. What a restored disk holds is not shown here: the database is the one that was backed up, which loses
its power when the new VM starts, and recovers."""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

import runlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "fakes", "pve")]
sys.dont_write_bytecode = True
from played import Guest  # noqa: E402
from server import Server, make_certificates  # noqa: E402
from world import VM, World  # noqa: E402

KILLED = ("drill.before_journal", "drill.after_journal", "drill.before_create", "drill.after_create", "drill.before_start",
          "drill.after_start", "drill.before_end", "proxmox.after_restore_post", "proxmox.after_restore_task")


class PushedDrill(unittest.TestCase):
    server = None

    @classmethod
    def setUpClass(cls):
        PushedDrill.server = runlib.Server()
        unittest.addModuleCleanup(PushedDrill.server.stop)
        session = runlib.Session(PushedDrill.server)
        session.sql("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, note TEXT) ENGINE=InnoDB; "
                    "INSERT INTO shop.orders VALUES (1, 'one'), (2, 'two')")
        session.close()

    def setUp(self):
        power = VM.power

        def start(vm, task, on):
            power(vm, task, on)
            if on and vm.vmid != 100:
                self.server.lose_power()
        patched = mock.patch.object(VM, "power", start)
        patched.start()
        self.addCleanup(patched.stop)
        self.dir = tempfile.mkdtemp(prefix="hf-pushed-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        make_certificates(self.dir)
        self.world = World()
        self.api = Server(self.world, self.dir)
        self.addCleanup(self.api.close)
        self.guest = Guest(self.api, self.dir)
        self.addCleanup(self.guest.close)
        self.world.vms[100].config["net0"] = "virtio=BC:24:11:00:00:01,bridge=vmbr0"
        self.site = runlib.Site(self.server)
        self.addCleanup(self.site.close)
        self.write()
        self.ok(self.run_it("store", "init", "nas"))

    def write(self, **more):
        token, store, state = (os.path.join(self.dir, n) for n in ("token", "store", "state"))
        os.makedirs(store, exist_ok=True)
        with open(token, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(f"{self.world.token}={self.world.secret}\n")
        vm = {"hypervisor": "pve", "name": "100", "db": f"tcp://127.0.0.1:{self.server.port}", "db-defaults-file": self.server.defaults,
              "quiesce": "lock", "freeze": "no", "uncovered": "lower", "dump": "all", "drill-timeout": "20s",
              "drill-db": f"agent://127.0.0.1:{self.server.port}", **more}
        lines = ["[defaults]", f"state = {state}", f"plugin-dir = {runlib.BUILD}/plugins", "[hypervisor pve]", "plugin = proxmox",
                 "off-host = assume", "backup-storage = nfs1", f"uri = https://127.0.0.1:{self.api.port}", f"token-file = {token}",
                 f"ca-file = {self.dir}/ca.pem", "[store nas]", f"url = file://{store}", "off-host = assume", "[vm web]",
                 *[f"{k} = {v}" for k, v in vm.items()]]
        self.site.config.write_text("\n".join(lines) + "\n")

    def run_it(self, *args, **env):
        return self.site.run(*args, **env)

    def ok(self, r, status=0):
        self.assertEqual(r.status, status, str(r))
        return r.json

    def backup(self):
        self.server.wait()
        return self.ok(self.run_it("backup", "web"))["point"]

    def machines(self):
        return [vm for i, vm in self.world.vms.items() if i != 100]

    def left(self):
        """What a drill could leave: VMs, their volumes, journals, what leads into the guest."""
        journals = os.path.join(self.dir, "state", "journal")
        return [*self.machines(), *(v for v in self.world.volumes.items() if v[1] != 100),
                *(os.listdir(journals) if os.path.isdir(journals) else []),
                *(u.name for u in os.scandir(self.guest.run) if u.name.startswith("holdfast"))]

    def assert_nothing_left(self):
        """… in the end: of one that was killed its guardian takes it away."""
        runlib.wait_until(lambda: not self.left(), 20, f"{self.left()} is still there, and should not be")
        self.assertEqual(len(self.world.archives), 1)

    def check(self, doc, name):
        found, = [c for c in doc["checks"] if c["name"] == name]
        return found["result"], found["why"] or ""

    def test_a_point_that_is_good_passes_and_nothing_of_it_is_left(self):
        self.world.faults["agent-slow-seconds"] = 1  # it boots
        point = self.backup()
        doc = self.ok(self.run_it("verify", point, "--drill"))
        self.assertTrue(doc["passed"], json.dumps(doc))
        for name in ("boot", "database", "position"):
            self.assertEqual(self.check(doc, name)[0], "ok", json.dumps(doc))
        self.assertIn("ok", {c["result"] for c in doc["checks"] if c["name"].startswith("check")} | {c["result"] for c in doc["checks"] if "dump" in c["name"]},
                      json.dumps(doc))
        (vmid, config), = [d for _, what, d in self.world.timeline if what == "started-vm"]
        self.assertIn("link_down=1", config["net0"])
        self.assertEqual(config["onboot"], "0")
        self.assertGreater(vmid, 900000000)
        self.assert_nothing_left()
        self.assertTrue(self.ok(self.run_it("list"))["points"][0]["last_drill"])

    def test_a_database_that_is_another_fails(self):
        point = self.backup()
        session = runlib.Session(self.server)
        session.sql("INSERT INTO shop.orders VALUES (3, 'three')")
        session.close()
        doc = self.ok(self.run_it("verify", point, "--drill"), 1)
        self.assertFalse(doc["passed"])
        self.assertEqual(self.check(doc, "position")[0], "failed", json.dumps(doc))
        self.assert_nothing_left()

    def test_a_backup_that_is_gone_or_damaged_fails(self):
        point = self.backup()
        kept = dict(self.world.archives)
        ref, = kept
        self.world.archives[ref] = {**kept[ref], "verification": {"state": "failed"}}
        doc = self.ok(self.run_it("verify", point, "--drill"), 1)
        self.assertIn("damaged", self.check(doc, "boot")[1])
        for spoilt, words in (({"notes": "taken over by hand"}, "is not this point's"), ({"size": 17}, "has 17 bytes, and had")):
            self.world.archives[ref] = {**kept[ref], **spoilt}
            doc = self.ok(self.run_it("verify", point, "--drill"), 1)
            self.assertEqual(self.check(doc, "boot")[0], "failed")
            self.assertIn(words, self.check(doc, "boot")[1])
        self.world.archives[ref] = kept[ref]
        self.world.faults["restore-damaged"] = 1
        doc = self.ok(self.run_it("verify", point, "--drill"), 1)
        self.assertIn("checksum", self.check(doc, "boot")[1])
        self.assert_nothing_left()
        self.ok(self.run_it("verify", point, "--read"))
        self.assertTrue(self.ok(self.run_it("show", point))["copies"][0]["damaged"], "what a drill found, only a drill can take back")
        self.world.archives.clear()
        doc = self.ok(self.run_it("verify", point, "--drill"), 1)
        self.assertEqual(self.check(doc, "boot")[0], "failed")

    def test_what_is_wrong_with_the_host_is_no_drill(self):
        point = self.backup()
        for fault in ("restore-full", "start-fails"):
            self.world.faults[fault] = 1
            r = self.run_it("verify", point, "--drill")
            self.assertEqual((r.status, "error" in r.json), (1, True), str(r))
            self.assert_nothing_left()

    def test_killed_at_each_step_recover_takes_it_away(self):
        point = self.backup()
        for name in KILLED:
            with self.subTest(point=name):
                r = self.run_it("verify", point, "--drill", **self.site.points(f"{name}=kill"))
                self.assertEqual(r.status, -signal.SIGKILL, str(r))
                self.assert_nothing_left()
                self.ok(self.run_it("recover"))

    def test_killed_with_its_guardian_recover_takes_it_away(self):
        point = self.backup()
        for name in KILLED[1:]:
            with self.subTest(point=name):
                r = self.run_it("verify", point, "--drill", **self.site.points(f"{name}=kill,guardian.before_undo=kill"))
                self.assertEqual(r.status, -signal.SIGKILL, str(r))
                runlib.wait_until(lambda: self.run_it("recover").status == 0, 15, "recover does not come to it")
                self.assert_nothing_left()

    def test_interrupted_nothing_is_left(self):
        point = self.backup()
        self.world.restore_seconds = 30
        drill = self.site.start("verify", point, "--drill")
        end = time.monotonic() + 20
        while not self.machines() and time.monotonic() < end:
            time.sleep(0.05)
        threading.Timer(0.3, drill.signal, (signal.SIGINT,)).start()
        r = drill.wait()
        self.assertEqual((r.error["class"], r.error["left"]), ("cancelled", []), str(r))
        self.assert_nothing_left()


if __name__ == "__main__":
    runlib.main()
