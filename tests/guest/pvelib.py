# SPDX-License-Identifier: Apache-2.0
"""The guest of the lab behind the stand-in of Proxmox VE (tests/fakes/pve): the same tests as with libvirt, through its API."""

import os
import sys
import tempfile
import time
from pathlib import Path

from hf import SOURCE, compare, lab_env

sys.path.insert(0, str(SOURCE / "tests/fakes/pve"))
import copied  # noqa: E402
import real  # noqa: E402
from server import Server, make_certificates  # noqa: E402
from world import World  # noqa: E402

DATA_DISK = "virtio1"
UNDO_WITHIN_S = 60
OF_OTHERS = {"nfs1": "nfs1:backup/vzdump-qemu-{}-2026_01_01-00_00_00.vma.zst", "pbs1": "pbs1:backup/vm/{}/2026-01-01T00:00:00Z"}


class OnProxmox:
    """Before the class of a test: its site speaks with Proxmox VE, whose VM 100 is the guest."""

    is_new = True  # 9.1, else 8.4
    has_tunnel = False  # to the database through the agent: a look for answers that is under way comes home, also after the POST

    def setUp(self):
        env = lab_env()
        self.world = World(self.is_new)
        self.vm = real.bind(self.world, env["URI"], env["DOMAIN"], f"{env['HOLDFAST_LAB_DIR']}/pve")
        self.addCleanup(self.vm.close)
        self.api_dir = tempfile.TemporaryDirectory(prefix="hf-pve-")
        self.addCleanup(self.api_dir.cleanup)
        make_certificates(self.api_dir.name)
        self.server = Server(self.world, self.api_dir.name)
        self.addCleanup(self.server.close)
        super().setUp()
        self.site.plugin_keys = self.keys_of_api()
        self.site.write()

    def keys_of_api(self):
        token = Path(self.api_dir.name) / "token"
        token.touch(mode=0o600)
        token.write_text(f"{self.world.token}={self.world.secret}\n")
        return {"plugin": "proxmox", "uri": f"https://127.0.0.1:{self.server.port}", "token-file": token,
                "ca-file": f"{self.api_dir.name}/ca.pem"}

    def judge(self, report, frozen, *events):
        """The data disk as the snapshot of that name has it."""
        path = os.path.join(self.scratch.name, "frozen.raw")
        return super().judge(report, self.vm.disk_at(report["snapshot"], DATA_DISK, path), *events)

    def assert_clean(self):
        super().assert_clean()
        self.wait_for_tasks()
        self.assertEqual((self.vm.lock, self.vm.frozen, self.vm.domain.state()), (None, False, "running"))
        self.assertEqual((self.vm.snapshots, self.vm.kept_names()), ({}, {name: [] for name in self.vm.files}))

        self.assertEqual(self.agent_calls_in_snapshots(), [], "the server would have found its agent busy, and left out its freeze")

    def agent_calls_in_snapshots(self):
        """Calls of ours to the agent that came while a snapshot was made; a thaw is none when the moment had passed, at hold-limit."""
        tasks = [t for t in self.world.tasks.values() if t.kind == "qmsnapshot"]
        moments = [at for at, what, _ in self.world.timeline if what == "instant"]
        def is_amid(task, at, path):
            if self.has_tunnel and path.endswith("/file-read"):
                return False
            end = next((m for m in moments if m > task.began), task.ended) if "/fsfreeze-" in path else task.ended
            return task.began < at < end
        return [path for at, _, path, *_ in self.world.requests if "/agent/" in path and any(is_amid(t, at, path) for t in tasks)]

    def wait_for_tasks(self, within_s=30):
        deadline = time.monotonic() + within_s
        while any(not task.exit for task in self.world.tasks.values()):
            self.assertLess(time.monotonic(), deadline, "a task of the server does not end")
            time.sleep(0.05)

    def wait_for_post(self, end, within_s=60):
        """Until the API took a POST to such a path; when."""
        deadline = time.monotonic() + within_s
        while not any(method == "POST" and path.endswith(end) for _, method, path, *_ in self.world.requests):
            self.assertLess(time.monotonic(), deadline, f"no POST …{end}")
            time.sleep(0.02)
        return time.monotonic()

    def at_ns(self, what, detail=None):
        """When the stand-in noted it last, in the clock of the writer's log."""
        at = [t for t, w, d in self.world.timeline if w == what and detail in (None, d)][-1]
        return time.time_ns() - int((time.monotonic() - at) * 1e9)


class OnBackups(OnProxmox):
    """… and its backups go to `storage`."""

    storage = "nfs1"

    def keys_of_api(self):
        return {**super().keys_of_api(), "backup-storage": self.storage}

    def jobs(self):
        """Those of QEMU that copy for a backup."""
        return real.Job(self.vm, None).jobs()

    def judge_archive(self, archive, locked, locked_by, ended):
        """It has all that was committed when the database was held, which was between these two instants, nothing that was sent until
        the jobs had begun, and nothing of the time until it was copied, which has to be missed."""
        disks = copied.disks_in(archive)
        self.assertEqual(set(disks), set(self.vm.files))
        with self.recovered(disks[DATA_DISK]) as socket:
            status, findings = compare(self.writer.log, socket, locked, locked_by, (locked_by, self.at_ns("instant", archive["volid"])))
            self.assertEqual(status, 0, findings)
            status, findings = compare(self.writer.log, socket, ended, ended)
            self.assertEqual(status, 1, f"what was committed during the copy is missed by nobody: {findings}")


class AmongOthers(OnBackups):
    """… where backups of others lie, of this VM and of another; the program's runs."""

    def setUp(self):
        super().setUp()
        self.theirs = {vmid: OF_OTHERS[self.storage].format(vmid) for vmid in (100, 101)}
        for vmid, volid in self.theirs.items():
            self.world.archives[volid] = {"volid": volid, "content": "backup", "format": "vma.zst", "subtype": "qemu", "vmid": vmid, "size": 5,
                                          "ctime": 1767225600, "notes": "nightly", "protected": False, "storage": self.storage}

    def ours(self):
        return {volid: a for volid, a in self.world.archives.items() if volid not in self.theirs.values()}

    @staticmethod
    def pushed(doc):
        """That artifact of a point."""
        found, = (a for a in doc["artifacts"] if a["kind"] == "pushed")
        return found

    def archive_of(self, doc):
        return self.world.archives[self.pushed(doc)["ref"]]

    def states(self):
        """What `list --backups` says of each."""
        return {b["ref"]: (b["state"], b["point"]) for b in self.ok(self.site.run("list", "--backups"))["backups"]}

    def recover(self, point):
        """After a death there: until the guardian has ended; then there is nothing left to do."""
        deadline = time.monotonic() + UNDO_WITHIN_S
        while any(r["outcome"] == "alive" for r in self.ok(self.site.run("recover"))["runs"]):
            self.assertLess(time.monotonic(), deadline, f"after {point}: the run stays alive")
            time.sleep(0.25)
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [], f"after {point}: recover twice")

    def assert_at_rest(self):
        self.assert_clean()
        self.assertEqual((self.jobs(), self.vm.lock, self.vm.frozen), ({}, None, False))
        self.assertLessEqual(set(self.theirs.values()), set(self.world.archives))
