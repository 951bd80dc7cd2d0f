# SPDX-License-Identifier: Apache-2.0
"""Stands between a store's client and sshd, and breaks connections as it is told to.

`fault(nth)` gives what happens to the nth connection: None, or (kind, bytes): what happens after so many bytes of that direction.
"""

import contextlib
import random
import socket
import struct
import threading
import time

# "-up": on the way to the server; "-down": back. stall: nothing comes through any more; trickle: a byte now and then; reset: so
# much is under way that there is no room for more, and then the connection is gone, without a goodbye.
FAULTS = ("refuse", "cut-up", "cut-down", "stall-up", "stall-down", "flip-up", "flip-down", "trickle-down", "reset-up")
PIECE = 16384
STALL_S = 3
RESET_S = 0.5


def chaos(seed, share, most):
    """A fault for this share of all connections, somewhere within their first `most` bytes."""
    def fault(nth):
        dice = random.Random(f"{seed}/{nth}")
        return (dice.choice(FAULTS), dice.randrange(most)) if dice.random() < share else None
    return fault


class Proxy:
    def __init__(self, port, fault=None):
        self.up_port, self.fault = port, fault or (lambda nth: None)
        self.passed = {"up": 0, "down": 0}  # bytes of all connections that nothing has happened to
        self.n, self.met, self.open, self.ended, self.lock = 0, [], set(), set(), threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        if self.socket.fileno() < 0:
            return
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def cut(self):
        """All connections that are open now."""
        with self.lock:
            for s in self.open:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                conn = self.socket.accept()[0]
                self.n += 1
                kind, after = self.fault(self.n) or ("", 0)
                if kind == "refuse":
                    self._note(kind)
                    conn.close()
                    continue
                up = socket.create_connection(("127.0.0.1", self.up_port), 30)
                up.settimeout(None)
                with self.lock:
                    self.open |= {conn, up}
                for name, a, b in (("up", conn, up), ("down", up, conn)):
                    mine = kind.removesuffix(f"-{name}") if kind.endswith(f"-{name}") else None
                    threading.Thread(target=self._pass, args=(a, b, name, mine, after, kind), daemon=True).start()

    def _note(self, kind):
        with self.lock:
            self.met.append(kind)

    def _close(self, s):
        """By the second of the two that pass its bytes."""
        with self.lock:
            if s in self.ended:
                s.close()
            self.ended.add(s)

    def _end(self, *sockets):
        for s in sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def _pass(self, a, b, way, kind, after, name):
        seen = 0
        if kind == "reset":
            a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with contextlib.suppress(OSError):
            while data := a.recv(PIECE):
                if kind and seen + len(data) > after:
                    self._note(name)
                    at = max(0, after - seen)
                    data, kind = self._break(kind, data, at, a, b)
                    if data is None:
                        break
                seen += len(data)
                b.sendall(data)
                if not name:
                    with self.lock:
                        self.passed[way] += len(data)
        self._end(a, b)
        for s in (a, b):
            self._close(s)
        with self.lock:
            self.open -= {a, b}

    def _break(self, kind, data, at, a, b):
        if kind == "flip":
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:], None
        b.sendall(data[:at])
        if kind == "reset":
            time.sleep(RESET_S)
            a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            a.close()
        if kind == "stall":
            time.sleep(STALL_S)
        if kind == "trickle":
            for i in range(at, min(len(data), at + STALL_S * 10)):
                b.sendall(data[i:i + 1])
                time.sleep(0.1)
        return None, None
