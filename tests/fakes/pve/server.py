# SPDX-License-Identifier: Apache-2.0
"""server.py - pveproxy in front of the pretended cluster: TLS, HTTP/1.1 as it speaks it, log-in, rights, parameters.

The exact behaviour matters: there is no 404, errors stand in the reason phrase, a 401 comes late and without a body, every
status from 400 on closes the connection, as does idling for 5 s.
"""
import gzip
import itertools
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import schema
from calls import Calls, Whole, method_name
from schema import Refused

GUEST_RIGHTS_8 = re.compile(r"VM\.GuestAgent\.\w+")


class Dropped(Exception):
    """The connection ends here, without an answer."""


def make_certificates(folder):
    """A CA, a server certificate for 127.0.0.1, and both ways to name it: fingerprint and public-key pin."""
    def run(*args, data=None):
        return subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True, input=data).stdout
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out",
        "ca.pem", "-days", "2", "-subj", "/CN=pretended cluster CA")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "pve.key", "-out", "pve.csr",
        "-subj", "/CN=pve1")
    with open(os.path.join(folder, "ext"), "w", encoding="utf-8") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    run("x509", "-req", "-in", "pve.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile",
        "ext", "-out", "pve.pem")
    fingerprint = run("x509", "-in", "pve.pem", "-noout", "-fingerprint", "-sha256").decode().strip().split("=")[1]
    key = run("x509", "-in", "pve.pem", "-noout", "-pubkey")
    digest = run("dgst", "-sha256", "-binary", data=run("pkey", "-pubin", "-outform", "der", data=key))
    return fingerprint, "sha256//" + run("base64", data=digest).decode().strip()


class Server:
    """One pveproxy on a port of 127.0.0.1. Several may stand before one world."""

    def __init__(self, world, folder):
        self.world, self.calls = world, Calls(world)
        self.stalls = None  # "METHOD end-of-path" that this one takes and never answers
        self.left = {}  # how many requests a connection is good for: 100
        self.numbers = itertools.count()  # of connections: an object's id() is used again
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(os.path.join(folder, "pve.pem"), os.path.join(folder, "pve.key"))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def close(self):
        """When nobody is about to accept any more: the next socket may get the same number, and its first client this world."""
        if self.socket.fileno() < 0:
            return
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.socket.close()

    def accept(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            plain.settimeout(self.world.idle)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.context.wrap_socket(plain, server_side=True) as conn, conn.makefile("rb") as lines:
                conn.number = next(self.numbers)
                try:
                    while self.request(conn, lines):
                        pass
                finally:
                    self.left.pop(conn, None)
        except (OSError, Dropped, ValueError):
            plain.close()

    def request(self, conn, lines):
        first = lines.readline(8192).decode("latin-1").split()
        if len(first) != 3:
            return False
        headers = {}
        for line in iter(lambda: lines.readline(8192), b"\r\n"):
            if not line or len(headers) > 63:
                return False
            key, _, value = line.decode("latin-1").partition(":")
            headers[key.strip().lower()] = value.strip()
        if "expect" in headers:
            time.sleep(1)  # a 100 Continue never comes: the client waits in vain
            self.world.note("expect", first[1])
        if "transfer-encoding" in headers:
            self.send_error(conn, Refused(501, "chunked transfer encoding not supported"))
            return False
        length = int(headers.get("content-length", 0))
        if length > self.world.body_max:
            self.send_error(conn, Refused(501, "for data too large"))
            return False
        body = lines.read(length)
        self.left[conn] = self.left.get(conn, 100) - 1
        return self.answer(conn, first[0], first[1], headers, body) and self.left[conn] > 0

    def answer(self, conn, method, target, headers, body):
        path = target.partition("?")[0]
        self.world.requests.append((time.monotonic(), method, path, target, body.decode(), conn.number))
        try:
            data = self.handle(method, target, headers, body.decode())
            data = data if isinstance(data, Whole) else {"data": data}
        except Refused as error:
            self.send_error(conn, error)
            return False
        if self.world.fault("drop-after", f"{method} {path.rpartition('/')[2]}") or self.world.fault("drop-after-any"):
            raise Dropped
        if self.world.fault("garbage"):
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"data\": ")
            return True
        text = json.dumps(data, ensure_ascii=False).encode()
        more = b"" if self.left[conn] else b"Connection: close\r\n"
        if "gzip" in headers.get("accept-encoding", "") and len(text) > 1024:
            text, more = gzip.compress(text), more + b"Content-Encoding: gzip\r\n"
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n%sContent-Length: %d\r\n\r\n%s"
                     % (more, len(text), text))
        return True

    def send_error(self, conn, error):
        text = error.text.replace("\n", " ")
        body = b""
        if error.status == 401 and error.errors is None:
            time.sleep(self.world.delay_401)
        if error.status < 590 and not (error.status == 401 and "ticket" not in text):
            answer = {"data": None, "message": text + "\n"} if self.world.is_new else {"data": None}
            if error.errors:
                answer["errors"] = error.errors
            body = json.dumps(answer).encode()
        conn.sendall(f"HTTP/1.1 {error.status} {text}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    def handle(self, method, target, headers, body):
        path, _, query = target.partition("?")
        if method not in ("GET", "POST", "PUT", "DELETE"):
            raise Refused(501, f"method '{method}' not available")
        if method in ("GET", "DELETE") and body:
            raise Refused(501, f"Unexpected content for method '{method}'")
        if not path.startswith("/api2/json/"):
            raise Refused(501, f"no such file '{path}'")
        if body and headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
            raise Refused(506, "unsupported content type")
        if self.world.fault("drop-before", f"{method} {path.rpartition('/')[2]}") or self.world.fault("drop-before-any"):
            raise Dropped
        if self.stalls == f"{method} {path.rpartition('/')[2]}":
            time.sleep(60)
            raise Dropped
        for status in (595, 596):
            if self.world.fault(str(status), f"{method} {path.rpartition('/')[2]}") or (
                    method == "GET" and self.world.fault(f"{status}-any-get")):
                raise Refused(status, "No route to host" if status == 595 else "Connection timed out")
        path = "/" + "/".join(urllib.parse.unquote(p) for p in path[len("/api2/json/"):].split("/"))
        user = self.log_in(method, path, headers)
        template, endpoint, in_path = schema.find(method, path)
        given = {**schema.decode(body), **schema.decode(query)}
        parameters = schema.check(endpoint["parameters"], in_path, given)
        self.check_rights(endpoint.get("permissions") or {}, parameters)
        name = method_name(method, template)
        if not hasattr(self.calls, name):
            raise Refused(501, f"Method '{method} {path}' not implemented")
        return getattr(self.calls, name)(parameters, user)

    def log_in(self, method, path, headers):
        world = self.world
        if path == "/access/ticket":
            if "authorization" in headers:
                raise Refused(403, "Permission check failed (URI '/access/ticket' not available with API token, need proper ticket.")
            return None
        if "authorization" in headers:
            if world.fault("401") or not re.fullmatch(
                    "PVEAPIToken[= ]" + re.escape(f"{world.token}={world.secret}"), headers["authorization"]):
                raise Refused(401, "Authentication failed!" if world.is_new else "invalid token value!")
            return world.token
        cookie = re.search("PVEAuthCookie=([^;]*)", headers.get("cookie", ""))
        if not cookie:
            raise Refused(401, "No ticket")
        if not world.ticket or urllib.parse.unquote(cookie[1]) != world.ticket:
            raise Refused(401, "Authentication failed!")
        if method != "GET" and headers.get("csrfpreventiontoken") != world.csrf:
            raise Refused(401, "Permission denied - invalid csrf token")
        return "holdfast@pve"

    def check_rights(self, permissions, parameters):
        check = permissions.get("check")
        if not check or check[0] != "perm":
            return
        if self.world.fault("403"):  # a right that this worker has not heard of yet
            raise Refused(403, f"Permission check failed ({check[1]}, {'|'.join(check[2])})")
        wanted = check[2]
        if not self.world.is_new:
            wanted = ["VM.Monitor" if GUEST_RIGHTS_8.fullmatch(w) else w for w in wanted]
        has = [w in self.world.rights for w in wanted]
        if not (any(has) if "any" in check[3:] else all(has)):
            path = check[1].replace("{vmid}", str(parameters.get("vmid")))
            raise Refused(403, f"Permission check failed ({path}, {'|'.join(dict.fromkeys(wanted))})")
