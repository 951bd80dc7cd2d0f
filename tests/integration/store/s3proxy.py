# SPDX-License-Identifier: Apache-2.0
"""Stands between a store's client and Swift, with TLS on both sides: records each request, and breaks what it is told to.

`fault(request)` names what happens to a request, or None. Which request meets what is decided by the seed, the request and how often
it came, not by the order in which parts happen to come.
"""

import contextlib
import random
import socket
import ssl
import threading
import time

STALL_S = 4
# Besides them there is "hang": no answer for as long as the client waits.
FAULTS = ("cut-request", "drop-after-100", "lost-answer", "cut-answer", "stall", "trickle", "500", "503", "500-after", "html-502",
          "wrong-length", "flip", "repeat")


class Request:
    def __init__(self, method, target, headers, body, nth):
        self.method, self.target, self.headers, self.body, self.nth = method, target, headers, body, nth

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name), None)

    @property
    def query(self):
        return self.target.partition("?")[2]

    def __repr__(self):
        return f"{self.method} {self.target} #{self.nth}"


class Answer:
    def __init__(self, status, headers, body, reason="OK"):
        self.status, self.headers, self.body, self.reason = status, headers, body, reason

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name), None)

    def set(self, name, value):
        self.headers = [(k, v) for k, v in self.headers if k.lower() != name.lower()] + [(name, value)]

    def wire(self, with_body=True):
        head = f"HTTP/1.1 {self.status} {self.reason}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self.headers) + "\r\n"
        return head.encode("latin-1") + (self.body if with_body else b"")


def xml_error(status, code, **headers):
    body = f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>{code}</Code><Message>said the proxy</Message></Error>".encode()
    return Answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body))),
                           *((k.replace("_", "-"), v) for k, v in headers.items())], body, "Broken")


def read_head(f):
    """First line and headers, or None at the end."""
    first = f.readline(65536).decode("latin-1").rstrip("\r\n")
    if not first:
        return None
    headers = []
    while line := f.readline(65536).decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return first, headers


def read_body(f, headers, is_answer=False):
    have = {k.lower(): v for k, v in headers}
    if have.get("transfer-encoding") == "chunked":
        body = b""
        while n := int(f.readline(), 16):
            body += f.read(n)
            f.readline()
        f.readline()
        return body
    if "content-length" in have:
        return f.read(int(have["content-length"]))
    return f.read() if is_answer else b""


def chaos(seed, share, kinds=FAULTS):
    """A fault for this share of all requests."""
    def fault(request):
        dice = random.Random(f"{seed}/{request!r}")
        return dice.choice(kinds) if dice.random() < share else None
    return fault


class Proxy:
    """answer(request, answer) may change an answer, or give another; before(request) may give one that Swift never sees."""

    def __init__(self, swift, fault=None, before=None, answer=None, seed=0, certificate="ca-server"):
        self.swift, self.fault, self.before, self.answer = swift, fault, before, answer
        self.dice = random.Random(f"bytes/{seed}")
        self.seen, self.met, self.times, self.lock = [], [], {}, threading.Lock()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(swift.dir / f"{certificate}.crt", swift.dir / f"{certificate}.key")
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        if self.socket.fileno() < 0:
            return
        self.socket.shutdown(socket.SHUT_RDWR)  # else the thread waits on, for the next socket of this number
        self.thread.join()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                conn = self.socket.accept()[0]
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with contextlib.suppress(OSError, ValueError), conn:
            with self.tls.wrap_socket(conn, server_side=True) as tls, tls.makefile("rb") as f:
                while self._one(tls, f):
                    pass

    # ---- one request -----------------------------------------------------------------------

    def _note(self, method, target, headers):
        with self.lock:
            nth = self.times[method, target] = self.times.get((method, target), 0) + 1
            request = Request(method, target, headers, b"", nth)
            self.seen.append(request)
            kind = self.fault(request) if self.fault else None
            if kind:
                self.met.append(kind)
        return request, kind

    def _one(self, tls, f):
        head = read_head(f)
        if not head:
            return False
        method, target, _ = head[0].split(" ")
        request, kind = self._note(method, target, head[1])
        if kind == "cut-request":
            return False
        if kind == "hang":  # until the client gives up
            while f.read(65536):
                pass
            return False
        if request.header("expect"):
            tls.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if kind == "drop-after-100":
            return False
        request.body = read_body(f, head[1])
        answer = self._refusal(kind) or (self.before and self.before(request)) or self._ask(request, kind)
        if self.answer:
            answer = self.answer(request, answer) or answer
        return self._give(tls, request, answer, kind)

    def _refusal(self, kind):
        if kind == "500":
            return xml_error(500, "InternalError")
        if kind == "503":
            return xml_error(503, "SlowDown", Retry_After="1")
        if kind == "html-502":
            body = b"<html><body>Bad gateway"
            return Answer(502, [("Content-Length", str(len(body)))], body, "Bad Gateway")
        return None

    def _ask(self, request, kind):
        answer = self._forward(request)
        if kind == "repeat":
            answer = self._forward(request)
        return xml_error(500, "InternalError") if kind == "500-after" else answer

    def _forward(self, request):
        lines = "".join(f"{k}: {v}\r\n" for k, v in request.headers
                        if k.lower() not in ("expect", "connection", "transfer-encoding"))
        if request.header("transfer-encoding"):
            lines += f"Content-Length: {len(request.body)}\r\n"
        raw = socket.create_connection(("127.0.0.1", self.swift.port), 30)
        with self.swift.tls.wrap_socket(raw, server_hostname="127.0.0.1") as up, up.makefile("rb") as f:
            up.sendall(f"{request.method} {request.target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode("latin-1"))
            up.sendall(request.body)
            first, headers = read_head(f)
            _, status, reason = first.split(" ", 2)
            no_body = request.method == "HEAD" or status in ("204", "304")
            body = b"" if no_body else read_body(f, headers, True)
        headers = [(k, v) for k, v in headers if k.lower() not in ("transfer-encoding", "connection", "content-length") or
                   (no_body and k.lower() == "content-length")]
        if not no_body:
            headers.append(("Content-Length", str(len(body))))
        return Answer(int(status), headers, body, reason)

    # ---- the answer ------------------------------------------------------------------------

    def _give(self, tls, request, answer, kind):
        if kind == "lost-answer":
            return False
        if kind == "wrong-length":
            answer.set("Content-Length", str(max(0, len(answer.body) + self.dice.choice((-3, -1, 1, 7)))))
        data = answer.wire(request.method != "HEAD")
        if kind == "stall":
            time.sleep(STALL_S)
            return False
        if kind == "trickle":
            for i in range(min(len(data), STALL_S * 20)):
                tls.sendall(data[i:i + 1])
                time.sleep(0.05)
            return False
        if kind == "cut-answer":
            tls.sendall(data[:self.dice.randrange(len(data))])
            return False
        if kind == "flip":
            at = self.dice.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << self.dice.randrange(8)]) + data[at + 1:]
        tls.sendall(data)
        return kind not in ("wrong-length", "flip")
