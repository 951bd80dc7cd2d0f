# SPDX-License-Identifier: Apache-2.0
"""common.py - a pretended vCenter with the plugin before it, for the tests of this folder."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, "..", "..", "fakes", "pve"), os.path.join(HERE, "..")]
from driven import BUILD, NAME, Driven  # noqa: E402
from server import make_certificates  # noqa: E402

RUNS = int(os.environ.get("HOLDFAST_TEST_RUNS", "20"))  # of faults drawn by seed
VCENTER = os.path.join(BUILD, "tests", "fakes", "vcenter")
PASSWORD, GUEST_PASSWORD = "pass<word>&1", "guest-secret"
VM, TWIN = "DC0_H0_VM0", "DC0_H0_VM1"
folder = tempfile.TemporaryDirectory(prefix="holdfast-vmw-")
THUMBPRINT, PIN = make_certificates(folder.name)


def need():
    if os.path.exists(VCENTER):
        return
    print("SKIP govmomi: the stand-in was not built (golang-go, golang-github-vmware-govmomi-dev)")
    sys.exit(1 if "govmomi" in os.environ.get("HOLDFAST_TEST_REQUIRE", "").split(",") else 77)


def private(name, text):
    path = os.path.join(folder.name, name)
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(text)
    return path


class Server:
    """The stand-in, which takes commands and tells what it saw."""

    def __init__(self, esx, *more):
        self.process = subprocess.Popen(
            [VCENTER, "-cert", f"{folder.name}/pve.pem", "-key", f"{folder.name}/pve.key", "-password-file",
             private("password", PASSWORD)] + (["-esx"] if esx else []) + list(more), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = self.read()["port"]

    def read(self):
        return json.loads(self.process.stdout.readline())

    def say(self, op, **more):
        self.process.stdin.write((json.dumps({"op": op, **more}) + "\n").encode())
        self.process.stdin.flush()
        answer = self.read()
        assert "error" not in answer, answer
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Site(Driven):
    """A vCenter, or with esx a host, and the plugin before it."""

    plugin, secrets = "vmware", (PASSWORD, GUEST_PASSWORD)

    def __init__(self, esx=False, more=()):
        self.server = Server(esx, *more)
        self.vm = "ha-host_VM0" if esx else VM
        self.folder = folder.name
        self.may_violate = self.may_leave = False
        self.keys = {"uri": f"https://127.0.0.1:{self.server.port}", "user": "holdfast@vsphere.local",
                     "password-file": f"{folder.name}/password", "ca-file": f"{folder.name}/ca.pem"}

    # ---- the stand-in

    def fault(self, kind, about="*", value="", times=1, skip=0):
        self.server.say("fault", kind=kind, about=about, value=str(value), times=times, skip=skip)

    def change(self, vm=None, **what):
        self.server.say("change", vm=vm or self.vm, set={k.replace("_", "-"): v for k, v in what.items()})

    def state(self, vm=None):
        return self.server.say("vm", vm=vm or self.vm)

    def log(self):
        return self.server.say("log")

    def requests(self, method=None):
        return [r for r in self.log()["requests"] or [] if method in (None, r["method"])]

    @contextlib.contextmanager
    def restarted_at(self, method, away_s):
        """Meanwhile the server is restarted, and away for so long, as soon as it is asked for that."""
        def restart():
            end = time.monotonic() + 30
            while time.monotonic() < end and not self.requests(method):
                time.sleep(0.01)
            self.server.say("restart", value=str(away_s))
        other = threading.Thread(target=restart)
        other.start()
        yield
        other.join()

    def wait_until_idle(self):
        """Until no task of the VM runs."""
        while self.state()["running"]:
            time.sleep(0.05)

    def disk(self, path, n=0, vm=None, mode=""):
        """The n-th disk of the VM is this file from now on; nobody writes to it."""
        self.server.say("disk", vm=vm or self.vm, times=n, value=str(path), kind=mode)

    def leases(self):
        """How each lease ended, the oldest first; "": it is there."""
        return [one["end"] for one in self.log()["leases"]]

    def snapshots(self, vm=None):
        return [s["name"] for s in self.state(vm)["snapshots"]]

    def judge(self):
        """What no answer shows."""
        log = self.log()
        assert self.may_violate or not log["violations"], log["violations"]
        assert self.may_leave or not log["sessions"], f"{log['sessions']} sessions are left"
        assert self.may_leave or "" not in [one["end"] for one in log["leases"]], log["leases"]

    # ---- the plugin

    def with_guest(self):
        self.change(tools="guestToolsRunning")
        self.keys.update({"guest-user": "root", "guest-password-file": private("guest-password", GUEST_PASSWORD)})

    def capture(self, *more, **env):
        return self.drive("capture", self.vm, NAME, f"{folder.name}/undo", *more, **env)

    def captured(self, *more, **env):
        status, text = self.capture(*more, **env)
        assert status == 0, text
        return text


def back(site, *upto, **more):
    return site.drive("rollback", site.vm, NAME, f"{folder.name}/back", *upto, **more)
