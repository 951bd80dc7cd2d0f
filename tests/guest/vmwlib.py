# SPDX-License-Identifier: Apache-2.0
"""The guest of the lab behind the stand-in of vSphere (tests/fakes/vcenter): the same tests as with libvirt, through its API."""

import contextlib
import json
import os
import subprocess
import sys
import time

from hf import SOURCE, lab, lab_env

sys.path.append(str(SOURCE / "tests/plugin/vmware.d"))
import common  # noqa: E402

common.need()  # as it is imported: a test that cannot run is said to be skipped, or to fail, before it begins
DATA_DISK = 2001  # its key in the VM
FOREIGN = "theirs"  # the name of a snapshot that is not ours


BOOT_FOLDER = "/boot/extlinux"


@contextlib.contextmanager
def boots_by_itself():
    """The lab gives its guests a kernel; here the first disk has a boot loader, as that of any guest of vSphere, for a while."""
    lab("ssh", f"""set -e
        mkdir -p {BOOT_FOLDER}
        extlinux --install {BOOT_FOLDER}
        printf '%s\\n' 'DEFAULT linux' 'LABEL linux' "LINUX /boot/vmlinuz-$(uname -r)" "INITRD /boot/initrd.img-$(uname -r)" \\
            "APPEND $(sed s,root=/dev/vda,root=LABEL=hf-root, /proc/cmdline)" >{BOOT_FOLDER}/extlinux.conf
        sync""")
    try:
        yield
    finally:
        lab("ssh", f"chattr -i {BOOT_FOLDER}/ldlinux.sys; rm -r {BOOT_FOLDER}; sync")


class OnVmware:
    """Before the class of a test: its site speaks with a vCenter, one of whose VMs is the guest."""

    channel = "agent"  # into the guest: guest operations, or ssh

    def setUp(self):
        self.domain = lab_env()["DOMAIN"]
        self.server = self.serve()
        self.addCleanup(lambda: self.server.close())  # the one that is there then
        super().setUp()
        self.site.plugin_keys = self.keys_of_api()
        self.site.write(guest=self.channel)

    @staticmethod
    def serve():
        """Not before an earlier one, and the helper of one that was killed, have let the guest go."""
        env = lab_env()
        helper = [sys.executable, str(SOURCE / "tests/fakes/vcenter/machine.py"), env["URI"], env["DOMAIN"]]
        return common.Server(False, "-real", common.VM, *helper, f"{env['HOLDFAST_LAB_DIR']}/vcenter")

    def keys_of_api(self):
        return {"plugin": "vmware", "uri": f"https://127.0.0.1:{self.server.port}", "user": "holdfast@vsphere.local",
                "password-file": f"{common.folder.name}/password", "ca-file": f"{common.folder.name}/ca.pem", "guest-user": "root",
                "guest-password-file": common.private("guest-password", common.GUEST_PASSWORD)}

    # ---- the stand-in

    def fault(self, kind, about, value="", times=-1):
        self.server.say("fault", kind=kind, about=about, value=str(value), times=times)

    def state(self):
        return self.server.say("vm", vm=self.domain)

    def tree(self):
        return [s["name"] for s in self.state()["snapshots"]]

    def count(self, method):
        return sum(r["method"] == method for r in self.server.say("log")["requests"] or [])

    def wait_for_call(self, method, before=0, within_s=60):
        """Until the API was called by more than so many of such; when."""
        deadline = time.monotonic() + within_s
        while self.count(method) <= before:
            self.assertLess(time.monotonic(), deadline, f"no {method}")
            time.sleep(0.02)
        return time.monotonic()

    def wait_for_tasks(self, within_s=60):
        deadline = time.monotonic() + within_s
        while self.state()["running"]:
            self.assertLess(time.monotonic(), deadline, "a task of the server does not end")
            time.sleep(0.05)

    def when(self, what):
        """The instants, in ns since 1970, of what happened to the VM."""
        return [e["ns"] for e in self.state()["timeline"] or [] if e["what"] == what]

    def make_foreign(self):
        """A snapshot by somebody else."""
        self.server.say("snapshot", vm=self.domain, value=FOREIGN)
        self.wait_for_tasks()
        self.assertEqual(self.tree(), [FOREIGN])

    # ---- the guest's disks

    def disk_at(self, name, key):
        """A file with the disk as the snapshot of that name has it."""
        snapshot, = (s["id"] for s in self.state()["snapshots"] if s["name"] == name)
        return self.server.say("snapshot-disk", vm=self.domain, value=snapshot, key=key)["path"]

    def kept_in_disks(self):
        """How many snapshots each disk holds."""
        info = ["qemu-img", "info", "-U", "--output=json"]
        return [len(json.loads(subprocess.run([*info, path], check=True, capture_output=True, timeout=60).stdout).get("snapshots", []))
                for path in self.site.layers().values()]

    def judge(self, report, frozen, *events):
        """The data disk as the snapshot of that name has it."""
        return super().judge(report, self.disk_at(report["snapshot"], DATA_DISK), *events)

    def assert_clean(self, foreign=()):
        super().assert_clean()
        self.wait_for_tasks()
        self.assertEqual((self.tree(), self.kept_in_disks()), (list(foreign), [len(foreign)] * 2))
        self.assertEqual((lab("virsh", "domstate", self.domain).strip(), self.state()["power"]), ("running", "poweredOn"))
        self.assertEqual(os.listdir(f"{lab_env()['HOLDFAST_LAB_DIR']}/vcenter"), [])
        self.assertIsNone(self.server.say("log")["violations"])
