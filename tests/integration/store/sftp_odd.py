# SPDX-License-Identifier: Apache-2.0
"""sftp_odd KIND: a subsystem for sshd that is odd in one way. Stands between its client and OpenSSH's sftp-server.

blind-dirs   opens no directories as files          sync-fails   syncs the first directory, and fails at all others
reversed     answers what lies there in reverse     no-types     lists modes without saying what a thing is
empty        lists nothing, for ever                dots         lists "." for ever
"""

import os
import select
import struct
import subprocess
import sys
from pathlib import Path

SERVER = "/usr/lib/openssh/sftp-server"
OPEN, READDIR, STATUS, NAME, EXTENDED = 3, 12, 101, 104, 200
FOR_READ, FAILURE, HAS_MODE = 1, 4, 4


def text(packet, at):
    n = struct.unpack_from(">I", packet, at)[0]
    return packet[at + 4:at + 4 + n], at + 4 + n


def answer(request, kind, rest):
    return bytes([kind]) + request[1:5] + rest


def failure(request):
    return answer(request, STATUS, struct.pack(">III", FAILURE, 0, 0))


class Odd:
    def __init__(self, kind):
        self.kind, self.n_syncs = kind, 0

    def instead(self, request):
        """An answer that the server is not asked for, or None."""
        if self.kind == "blind-dirs" and request[0] == OPEN:
            path, at = text(request, 5)
            if struct.unpack_from(">I", request, at)[0] == FOR_READ and os.path.isdir(path):
                return failure(request)
        if self.kind == "sync-fails" and request[0] == EXTENDED and text(request, 5)[0] == b"fsync@openssh.com":
            self.n_syncs += 1  # the first one is the file's
            return failure(request) if self.n_syncs > 2 else None
        if request[0] == READDIR and self.kind in ("empty", "dots"):
            entry = struct.pack(">I1sI1sI", 1, b".", 1, b".", 0)
            return answer(request, NAME, struct.pack(">I", 0) if self.kind == "empty" else struct.pack(">I", 1) + entry)
        return None

    def changed(self, packet):
        if self.kind != "no-types" or packet[0] != NAME:
            return packet
        data, at = bytearray(packet), 9
        for _ in range(struct.unpack_from(">I", packet, 5)[0]):
            at = text(packet, text(packet, at)[1])[1]
            flags = struct.unpack_from(">I", packet, at)[0]
            mode_at = at + 4 + 8 * (flags & 1) + 4 * (flags & 2)
            struct.pack_into(">I", data, mode_at, struct.unpack_from(">I", packet, mode_at)[0] & 0o7777)
            at = mode_at + 4 + (flags & 8)
        return bytes(data)


class Packets:
    def __init__(self, fd):
        self.fd, self.buffer = fd, b""

    def more(self):
        """All that are whole by now; None at the end."""
        data = os.read(self.fd, 1 << 18)
        if not data:
            return None
        self.buffer += data
        found = []
        while len(self.buffer) >= 4 and len(self.buffer) >= 4 + (n := struct.unpack(">I", self.buffer[:4])[0]):
            found.append(self.buffer[4:4 + n])
            self.buffer = self.buffer[4 + n:]
        return found


def send(fd, packet):
    data = struct.pack(">I", len(packet)) + packet
    while data:
        data = data[os.write(fd, data):]


def main():
    odd = Odd(sys.argv[1])
    server = subprocess.Popen([Path(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    up, down, held = Packets(0), Packets(server.stdout.fileno()), []
    while True:
        ready = select.select([up.fd, down.fd], [], [], 0.05 if held else None)[0]
        if not ready:  # no more comes: what was held back goes, the last one first
            for packet in reversed(held):
                send(1, packet)
            held = []
        for side in (up, down):
            packets = side.more() if side.fd in ready else []
            if packets is None:
                return
            for packet in packets:
                if side is down and odd.kind == "reversed":
                    held.append(packet)
                elif side is down:
                    send(1, odd.changed(packet))
                else:
                    given = odd.instead(packet)
                    send(1 if given else server.stdin.fileno(), given or packet)


main()
