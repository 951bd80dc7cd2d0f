# SPDX-License-Identifier: Apache-2.0
"""domains.py - guests of libvirt behind VMs of the stand-in: what libvirt and QEMU are asked, the agent, and the VM that has one."""
import base64
import ctypes
import json
import subprocess
import time
import xml.etree.ElementTree as ElementTree

from agent import AgentError, widen
from world import VM, TaskError

CHUNK = 256 << 10  # of a file that is read through the agent
TRANSFER_S = 5  # the default limit of the server for one command to the agent
FREEZE_S = 600
START_PAUSED = 1
DEFINITION = 1 | 2  # with what is secret, of a machine that is off
STATES = {1: "running", 3: "paused", 5: "shut off"}


def library(name, **functions):
    """One of libvirt's, with what its functions return."""
    lib = ctypes.CDLL(name)
    for function, returned in functions.items():
        getattr(lib, function).restype = returned
    return lib


# By its libraries: to start a virsh takes ten times as long as what it is asked, while a guest stands still.
LIBC = ctypes.CDLL(None)
VIRT = library("libvirt.so.0", virConnectOpen=ctypes.c_void_p, virDomainLookupByName=ctypes.c_void_p, virDomainDefineXML=ctypes.c_void_p,
               virDomainGetXMLDesc=ctypes.c_void_p, virGetLastErrorMessage=ctypes.c_char_p)
QEMU = library("libvirt-qemu.so.0", virDomainQemuAgentCommand=ctypes.c_void_p)
QUIET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: None)
VIRT.virSetErrorFunc(None, QUIET)


def checked(is_good):
    if not is_good:
        raise TaskError(VIRT.virGetLastErrorMessage().decode())


def taken(text):
    """A string that libvirt gave away."""
    checked(text)
    try:
        return ctypes.string_at(text).decode()
    finally:
        LIBC.free(ctypes.c_void_p(text))


class Domain:
    """A guest of libvirt."""

    def __init__(self, uri, name, definition=None):
        """definition: of one that is not there yet."""
        self.name = name
        self.connection = ctypes.c_void_p(VIRT.virConnectOpen(uri.encode()))
        checked(self.connection)
        make, word = (VIRT.virDomainDefineXML, definition) if definition else (VIRT.virDomainLookupByName, name)
        self.it = ctypes.c_void_p(make(self.connection, word.encode()))
        checked(self.it)

    def close(self):
        VIRT.virDomainFree(self.it)
        VIRT.virConnectClose(self.connection)

    def do(self, what):
        """Suspend, Resume, Create (which starts it), Destroy or Undefine."""
        checked(VIRT[f"virDomain{what}"](self.it) == 0)

    def drop_checkpoints(self):
        """With their bitmaps, which libvirt keeps in the disks. It has to run."""
        found = ctypes.POINTER(ctypes.c_void_p)()
        n = VIRT.virDomainListAllCheckpoints(self.it, ctypes.byref(found), 0)
        checked(n >= 0)
        for checkpoint in [ctypes.c_void_p(found[i]) for i in range(n)]:
            checked(VIRT.virDomainCheckpointDelete(checkpoint, 0) == 0)
            VIRT.virDomainCheckpointFree(checkpoint)
        LIBC.free(found)

    def drop_bitmaps(self):
        """Also those of checkpoints that libvirt knows nothing of any more. It has to run."""
        for node in self.qmp("query-named-block-nodes", flat=True):
            for bitmap in node.get("dirty-bitmaps", []):
                self.qmp("block-dirty-bitmap-remove", node=node["node-name"], name=bitmap["name"])

    def start(self, prepare):
        """What `prepare` does to QEMU is done before the guest's first instruction."""
        checked(VIRT.virDomainCreateWithFlags(self.it, START_PAUSED) == 0)
        prepare(self)
        self.do("Resume")

    def definition(self):
        """Of its next start, complete."""
        return taken(VIRT.virDomainGetXMLDesc(self.it, DEFINITION))

    def state(self):
        state, reason = ctypes.c_int(), ctypes.c_int()
        checked(VIRT.virDomainGetState(self.it, ctypes.byref(state), ctypes.byref(reason), 0) == 0)
        return STATES.get(state.value, str(state.value))

    def qmp(self, command, **arguments):
        words, out = json.dumps({"execute": command, "arguments": arguments}), ctypes.c_void_p()
        checked(QEMU.virDomainQemuMonitorCommand(self.it, words.encode(), ctypes.byref(out), 0) == 0)
        answer = json.loads(taken(out.value))
        if "error" in answer:
            raise TaskError(answer["error"]["desc"])
        return answer["return"]

    def agent(self, command, limit, **arguments):
        """What the agent returns; AgentError: in its words, or those of libvirt where it gives none."""
        words = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
        try:
            return json.loads(taken(QEMU.virDomainQemuAgentCommand(self.it, words.encode(), limit, 0)))["return"]
        except TaskError as error:
            text = str(error)
            raise AgentError(text.partition(f"agent command '{command}': ")[2] or text) from None

    def disks(self):
        """(name for the API, file, serial) of each disk, in the order of the definition."""
        devices = ElementTree.fromstring(taken(VIRT.virDomainGetXMLDesc(self.it, 0))).find("devices")
        found = [d for d in devices.findall("disk") if d.get("device") == "disk"]
        return [(f"virtio{i}", d.find("source").get("file"), d.findtext("serial")) for i, d in enumerate(found)]

    def nodes(self):
        """QEMU's names of the disks, by file."""
        inserted = [block["inserted"] for block in self.qmp("query-block") if "inserted" in block]
        return {i["image"]["filename"]: i["node-name"] for i in inserted}


def qemu_img(*args):
    done = subprocess.run(["qemu-img", *args], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise TaskError(done.stderr.strip())
    return done.stdout


def image(path):
    return json.loads(qemu_img("info", "-U", "--output=json", path))


class Agent:
    """The agent of the guest itself. Frozen, it refuses by itself what it refuses then."""

    def __init__(self, domain):
        self.domain = domain

    def ask(self, command):
        return self.domain.agent("guest-" + command, TRANSFER_S)

    def exec(self, argv, data):
        with_input = {"input-data": base64.b64encode(data).decode()} if data else {}
        return self.domain.agent("guest-exec", TRANSFER_S, path=argv[0], arg=argv[1:], **{"capture-output": True, **with_input})["pid"]

    def exec_status(self, pid):
        said = self.domain.agent("guest-exec-status", TRANSFER_S, pid=int(pid))
        if not said["exited"]:
            return None
        out = {key: said[key] for key in ("exitcode", "signal") if key in said}
        for key in ("out-data", "err-data"):
            if key in said:
                out[key] = widen(base64.b64decode(said[key]))
        return {**out, **{key: 1 for key in ("out-truncated", "err-truncated") if said.get(key)}}

    def read(self, path):
        handle = self.domain.agent("guest-file-open", TRANSFER_S, path=path, mode="r")
        data = b""
        try:
            while True:
                said = self.domain.agent("guest-file-read", TRANSFER_S, handle=handle, count=CHUNK)
                data += base64.b64decode(said["buf-b64"])
                if said["eof"] or not said["count"]:
                    return data
        finally:
            self.domain.agent("guest-file-close", TRANSFER_S, handle=handle)

    def write(self, path, data):
        handle = self.domain.agent("guest-file-open", TRANSFER_S, path=path, mode="wb")
        try:
            self.domain.agent("guest-file-write", TRANSFER_S, handle=handle, **{"buf-b64": base64.b64encode(data).decode()})
        finally:
            self.domain.agent("guest-file-close", TRANSFER_S, handle=handle)


class GuestVM(VM):
    """`domain` is None while there is none: of a VM that was never started."""

    domain = None

    def has(self, domain):
        """From now on that one."""
        self.domain, self.agent, self.agent_patience = domain, Agent(domain), 3.0

    @property
    def status(self):
        return "running" if self.domain and self.domain.state() != "shut off" else "stopped"

    @property
    def agent_alive(self):
        try:
            return self.domain.agent("guest-ping", 3) == {}
        except AgentError:
            return False

    @property
    def frozen(self):
        try:
            return self.status == "running" and self.agent.ask("fsfreeze-status") == "frozen"
        except AgentError:
            return False

    def freeze(self):
        time.sleep(self.seconds["freeze"])
        return self.domain.agent("guest-fsfreeze-freeze", FREEZE_S)

    def thaw(self):
        time.sleep(self.seconds["thaw"])
        return self.domain.agent("guest-fsfreeze-thaw", 180)
