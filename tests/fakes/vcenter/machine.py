# SPDX-License-Identifier: Apache-2.0
"""machine.py URI DOMAIN FOLDER: the guest of libvirt that is the VM of the stand-in (real.go starts this, and ends it by the end
of its input).

What is done to disks, processors and power is that of the stand-in of Proxmox VE (tests/fakes/pve/real.py): a snapshot of the VM
is one of qcow2 in each disk, made while the processors stand still, so it holds the disks only, and any of them can be gone back
to or taken away. First a line that tells of the disks, then for each line of input one of output, in any order:
{"id": 1, "op": "keep", …} is answered by {"id": 1, "result": …} or {"id": 1, "error": "…"}.

Whoever is killed in the midst of it: the end of the input is waited out by what is under way, then the guest runs, thawed, with
no snapshot.
"""
import base64
import contextlib
import fcntl
import json
import os
import shlex
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pve"))
import domains  # noqa: E402
import real  # noqa: E402
from agent import AgentError  # noqa: E402
from world import TaskError, World  # noqa: E402

PING_S = 3
WORD_S = 30  # of a program that this starts for itself


class Machine:
    def __init__(self, uri, domain, folder):
        self.folder = folder
        self.vm = real.bind(World(True), uri, domain, folder)
        self.files = list(self.vm.files.values())

    def describe(self):
        return {"name": self.vm.name, "bytes": [real.image(path)["virtual-size"] for path in self.files]}

    # ---- disks and power
    def keep(self, name, stun, quiesce):
        """All disks, in one instant. stun: so many seconds the guest stands still beyond what it has to. quiesce: its file systems
        are frozen around that, as by VMware Tools."""
        is_on = self.vm.status == "running"
        if is_on and quiesce:
            self.vm.freeze()
        try:
            return {**self.stopped(name, stun, is_on), "frozen": is_on and quiesce}
        finally:
            if is_on and quiesce:
                self.vm.thaw()

    def stopped(self, name, stun, is_on):
        try:
            if is_on:
                self.vm.stop_processors()
            for disk in self.vm.files:
                self.vm.keep_disk(disk, name)
            at_ns = time.time_ns()
            time.sleep(stun)
        except TaskError:
            self.vm.drop_disks(name)
            raise
        finally:
            if is_on:
                self.vm.resume_processors()
        return {"at_ns": at_ns, "ran_ns": time.time_ns()}

    def drop(self, name):
        self.vm.drop_disks(name)
        for disk in range(len(self.files)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path_of(name, disk))

    def put_back(self, name):
        self.power(False)
        self.vm.put_back(name)

    def power(self, on):
        if (self.vm.status == "running") != on:
            self.vm.switch(on)

    def path_of(self, name, disk):
        return os.path.join(self.folder, f"{name}-{disk}.raw")

    def disk(self, name, disk):
        """A file with that disk as the snapshot has it (raw). It stays until the snapshot goes."""
        path = self.path_of(name, disk)
        if not os.path.exists(path):
            self.vm.disk_at(name, list(self.vm.files)[disk], path)
        return path

    # ---- the guest's operating system, by its agent
    def alive(self):
        return self.vm.domain.agent("guest-ping", PING_S) == {}

    def start(self, words):
        return self.vm.agent.exec(["/bin/bash", "-c", words], b"")

    def poll(self, pid):
        """None while it runs, then its status as a shell tells it; told once."""
        said = self.vm.agent.exec_status(pid)
        return said and said.get("exitcode", 128 + said.get("signal", 0))

    def word(self, *argv):
        """What a short program of the guest prints."""
        pid, deadline = self.vm.agent.exec(argv, b""), time.monotonic() + WORD_S
        while not (said := self.vm.agent.exec_status(pid)):
            if time.monotonic() > deadline:
                raise AgentError(f"{argv[0]} does not end")
            time.sleep(0.02)
        if said.get("exitcode"):
            raise AgentError(said.get("err-data", argv[0]))
        return said.get("out-data", "").strip()

    def kill(self, pid):
        """As VMware Tools do it: this one process, politely first; what it started lives on."""
        self.word("/bin/sh", "-c", f"kill {int(pid)}; (sleep 5; kill -9 {int(pid)}) >/dev/null 2>&1 &")

    def opened(self, path, mode):
        return self.vm.domain.agent("guest-file-open", domains.TRANSFER_S, path=path, mode=mode)

    def size(self, path):
        handle = self.opened(path, "r")
        try:
            return self.vm.domain.agent("guest-file-seek", domains.TRANSFER_S, handle=handle, offset=0, whence="end")["position"]
        finally:
            self.vm.domain.agent("guest-file-close", domains.TRANSFER_S, handle=handle)

    def read(self, path):
        return base64.b64encode(self.vm.agent.read(path)).decode()

    def takes(self, path):
        folder = shlex.quote(os.path.dirname(path))
        self.word("/bin/sh", "-c", f"[ -d {folder} ] || {{ echo No such file >&2; exit 1; }}")

    def write(self, path, data):
        self.word("/bin/sh", "-c", f"umask 077; rm -f {shlex.quote(path)}; : >{shlex.quote(path)}")
        if data:
            self.vm.agent.write(path, base64.b64decode(data))

    def make_dir(self, prefix, suffix):
        return self.word("/bin/mktemp", "-d", f"--suffix={suffix}", f"/tmp/{prefix}XXXXXXXX")

    def remove_dir(self, path):
        self.word("/bin/rm", "-rf", path)

    def close(self):
        for name in os.listdir(self.folder):
            if name.endswith(".raw"):
                os.unlink(os.path.join(self.folder, name))
        self.vm.close()


OPS = ("keep", "drop", "put_back", "power", "disk", "alive", "start", "poll", "kill", "size", "read", "takes", "write",
       "make_dir", "remove_dir")
told = threading.Lock()


def tell(line):
    with told, contextlib.suppress(BrokenPipeError):
        print(json.dumps(line), flush=True)


def serve(machine, line):
    said = json.loads(line)
    number, op = said.pop("id"), said.pop("op")
    try:
        assert op in OPS, op
        tell({"id": number, "result": getattr(machine, op)(**said)})
    except (AgentError, TaskError, OSError) as error:
        tell({"id": number, "error": str(error)})


def main(uri, domain, folder):
    os.makedirs(folder, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # all that lies in it is swept
    fcntl.flock(lock, fcntl.LOCK_EX)  # one that was left alone may still tidy up
    machine = Machine(uri, domain, folder)
    try:
        tell(machine.describe())
        works = []
        for line in sys.stdin:
            works.append(threading.Thread(target=serve, args=(machine, line)))
            works[-1].start()
        for work in works:
            work.join()
    finally:
        machine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
