# SPDX-License-Identifier: Apache-2.0
"""agent.py - the guest agent: what of it answers (pretended here; real.py has a real one), and the endpoints before it.

One client at a time; a ping before each call; text byte by byte; the end of a program is told once.
"""
import base64
import contextlib
import json
import subprocess
import threading

from schema import Refused

MOUNTINFO = ("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:5 / /proc rw - proc proc rw\n"
             "24 22 0:40 / /mnt/nfs rw - nfs server:/x rw\n")
FSINFO = [{"mountpoint": "/", "type": "ext4", "name": "sda1", "disk": [
    {"serial": "0QEMU_QEMU_HARDDISK_drive-scsi0", "bus-type": "scsi", "bus": 0, "target": 0, "unit": 0, "dev": "/dev/sda1",
     "pci-controller": {"domain": 0, "bus": 9, "slot": 1, "function": 0}}]}]
READ_MAX = 16 << 20


class AgentError(Exception):
    """The agent's own refusal, in its words."""


def widen(data):
    """[!] Each byte becomes a code point: UTF-8 of the guest arrives double-encoded."""
    return data.decode("latin-1")


def narrow(text):
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise Refused(500, "Wide character in subroutine entry") from None


class Pretended:
    """The agent of a VM that is not there: its programs and files are those of the test's machine."""

    def __init__(self, vm):
        self.vm, self.world = vm, vm.world

    def ask(self, command):
        """One without parameters."""
        if command == "get-fsinfo":
            self.refuse_frozen()
        return {"ping": {}, "info": {"version": "8.2.0", "supported_commands": []}, "get-fsinfo": json.loads(json.dumps(FSINFO)),
                "fsfreeze-status": "frozen" if self.vm.frozen else "thawed"}[command]

    def refuse_frozen(self):
        if self.vm.frozen:
            raise AgentError("Command guest-exec has been disabled: the command is not allowed")

    def exec(self, argv, data):
        self.refuse_frozen()
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out = process.communicate(data)
        self.world.processes[str(process.pid)] = (process.returncode, *out)
        return process.pid

    def exec_status(self, pid):
        """None while it runs, else what the server makes of the agent's answer."""
        self.refuse_frozen()
        if pid not in self.world.processes:
            raise AgentError("Invalid parameter 'pid'")
        code, out, err = self.world.processes.pop(pid)  # [!] told once
        return {"exitcode": code, **({"out-data": widen(out)} if out else {}), **({"err-data": widen(err)} if err else {})}

    def read(self, path):
        self.refuse_frozen()
        if path == "/proc/self/mountinfo":
            return MOUNTINFO.encode()
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise AgentError(f"failed to open file '{path}' (mode: 'r'): {error.strerror}") from None

    def write(self, path, data):
        self.refuse_frozen()
        with open(path, "wb") as file:
            file.write(data)


class AgentCalls:
    """The endpoints below …/agent/."""

    @contextlib.contextmanager
    def agent_of(self, p):
        """The VM, and its agent for this one caller; what the agent refuses is a 500 with its words."""
        vm = self.vm(p)
        if not vm.agent_lock.acquire(timeout=vm.agent_patience):
            raise Refused(500, "QEMU guest agent is not running")  # its ping got no answer
        try:
            yield self.agent(p)
        except AgentError as error:
            raise Refused(500, f"Agent error: {error}") from None
        finally:
            vm.agent_lock.release()

    def agent(self, p):
        """The VM, if its agent answers a ping."""
        vm = self.vm(p)
        if vm.config.get("agent", "0")[:1] == "0":
            raise Refused(500, "No QEMU guest agent configured")
        if vm.status != "running":
            raise Refused(500, f"VM {vm.vmid} is not running")
        if not vm.agent_alive:
            raise Refused(500, "QEMU guest agent is not running")
        self.world.note("agent", vm.qmp)
        return vm

    def plain(self, p, work):
        """[!] One without parameters: the agent's error stands inside a 200."""
        with self.agent_of(p) as vm:
            try:
                return {"result": work(vm)}
            except AgentError as error:
                return {"result": {"error": {"class": "GenericError", "desc": str(error)}}}

    def post_nodes_qemu_agent_ping(self, p, user):
        return self.plain(p, lambda vm: vm.agent.ask("ping"))

    def get_nodes_qemu_agent_info(self, p, user):
        return self.plain(p, lambda vm: vm.agent.ask("info"))

    def get_nodes_qemu_agent_get_fsinfo(self, p, user):
        return self.plain(p, lambda vm: vm.agent.ask("get-fsinfo"))

    def post_nodes_qemu_agent_fsfreeze_status(self, p, user):
        if self.world.fault("agent-error"):
            return {"result": {"error": {"class": "GenericError", "desc": "internal trouble"}}}
        return self.plain(p, lambda vm: vm.agent.ask("fsfreeze-status"))

    def post_nodes_qemu_agent_fsfreeze_freeze(self, p, user):
        with self.agent_of(p) as vm:
            if vm.frozen or self.world.fault("freeze-error"):
                return {"result": {"error": {"class": "GenericError", "desc": "failed to freeze /: Device or resource busy"}}}
        answer = []
        frozen = threading.Thread(target=self.freeze, args=(p, answer), daemon=True)
        frozen.start()
        frozen.join(self.world.inner_timeout)
        if frozen.is_alive() or self.world.fault("freeze-596"):
            raise Refused(596, "Connection timed out")  # [!] and the freeze goes on
        if isinstance(answer[0], Refused):
            raise answer[0]
        return answer[0]

    def freeze(self, p, answer):
        try:
            answer.append(self.plain(p, lambda vm: vm.freeze()))
        except Refused as error:
            answer.append(error)

    def post_nodes_qemu_agent_fsfreeze_thaw(self, p, user):
        if self.world.fault("thaw-error"):
            return {"result": {"error": {"class": "GenericError", "desc": "thaw refused"}}}
        return self.plain(p, lambda vm: vm.thaw())

    def post_nodes_qemu_agent_exec(self, p, user):
        data = narrow(p.get("input-data", ""))
        with self.agent_of(p) as vm:
            return {"pid": vm.agent.exec(p["command"], data)}

    def get_nodes_qemu_agent_exec_status(self, p, user):
        with self.agent_of(p) as vm:
            if self.world.fault("still-running"):
                return {"exited": 0}
            done = vm.agent.exec_status(p["pid"])
            return {"exited": 0} if done is None else {"exited": 1, **done}

    def get_nodes_qemu_agent_file_read(self, p, user):
        with self.agent_of(p) as vm:
            data = vm.agent.read(p["file"])
        return {"content": widen(data[:READ_MAX]), "bytes-read": len(data), **({"truncated": 1} if len(data) > READ_MAX else {})}

    def post_nodes_qemu_agent_file_write(self, p, user):
        data = base64.b64decode(p["content"]) if p.get("encode") == "0" else narrow(p["content"])
        with self.agent_of(p) as vm:
            vm.agent.write(p["file"], data)
