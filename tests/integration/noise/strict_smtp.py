# SPDX-License-Identifier: Apache-2.0
"""A mail server that refuses what real ones refuse: commands out of turn, bare line ends, lines that are too long, 8-bit bytes that
were not announced, a header that is none. It keeps what it has taken over."""

import base64
import re
import socket
import ssl
import threading

ADDRESS = re.compile(rb"^(MAIL FROM|RCPT TO):<([^<>\s]+@[^<>\s]+)>( [A-Z0-9=]+)*$", re.I)


class Refused(Exception):
    pass


class Smtp:
    """tls: a server context; implicit: from the first byte on, else STARTTLS is offered. password: AUTH PLAIN is wanted, under TLS.
    answers: lines to say instead, by command ("RCPT", "DATA", "."), each a list that is used up. hang: a command that is never answered."""

    def __init__(self, tls=None, implicit=False, password=None, answers=None, hang=None):
        self.tls, self.implicit, self.password, self.hang = tls, implicit, password, hang
        self.answers = answers or {}
        self.mails, self.commands, self.lock = [], [], threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _accept(self):
        while True:
            try:
                conn = self.socket.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            conn.settimeout(60)
            if self.implicit:
                conn = self.tls.wrap_socket(conn, server_side=True)
            self._talk(conn)
        except (OSError, ssl.SSLError, EOFError, Refused):
            pass
        finally:
            conn.close()

    @staticmethod
    def _line(stream):
        line = stream.readline(1001)
        if not line:
            raise EOFError
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise Refused(line)
        return line[:-2]

    def _talk(self, conn):
        stream, secure = conn.makefile("rb"), self.implicit
        state = {"ehlo": False, "auth": not self.password, "from": None, "to": []}
        conn.sendall(b"220 strict\r\n")
        while True:
            line = self._line(stream)
            verb = line.split(b" ")[0].split(b":")[0].upper().decode("ascii")
            self.commands.append(line)
            if verb == self.hang:
                threading.Event().wait(60)
            if self.answers.get(verb):
                conn.sendall(self.answers[verb].pop(0) + b"\r\n")
                continue
            if verb == "EHLO":
                state["ehlo"] = True
                more = b"250-STARTTLS\r\n" if self.tls and not secure else b""
                more += b"250-AUTH PLAIN\r\n" if self.password and secure else b""
                conn.sendall(b"250-strict\r\n" + more + b"250 SIZE 100000\r\n")
            elif verb == "STARTTLS" and self.tls and not secure:
                conn.sendall(b"220 go on\r\n")
                conn = self.tls.wrap_socket(conn, server_side=True)
                stream, secure, state["ehlo"] = conn.makefile("rb"), True, False
            elif verb == "AUTH" and self.password and secure:
                state["auth"] = self._login(conn, stream, line)
            elif verb == "MAIL" and state["ehlo"] and state["auth"] and ADDRESS.match(line):
                state["from"] = ADDRESS.match(line)[2].decode()
                conn.sendall(b"250 ok\r\n")
            elif verb == "RCPT" and state["from"] and ADDRESS.match(line):
                state["to"].append(ADDRESS.match(line)[2].decode())
                conn.sendall(b"250 ok\r\n")
            elif verb == "DATA" and state["to"]:
                conn.sendall(b"354 go on\r\n")
                self._data(conn, stream, state)
            elif verb == "QUIT":
                conn.sendall(b"221 bye\r\n")
                return
            elif verb == "RSET":
                conn.sendall(b"250 ok\r\n")
            else:
                conn.sendall(b"503 not now\r\n")

    def _login(self, conn, stream, line):
        word = line.split(b" ", 2)
        if len(word) < 3:
            conn.sendall(b"334 \r\n")
            word = [b"", b"", self._line(stream)]
        good = base64.b64decode(word[2]) == b"\0holdfast\0" + self.password
        conn.sendall(b"235 ok\r\n" if good else b"535 no\r\n")
        return good

    def _data(self, conn, stream, state):
        lines = []
        while (line := self._line(stream)) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        head = lines[:lines.index(b"")] if b"" in lines else lines
        for line in head:
            if not re.match(rb"^([!-9;-~]+: |[ \t])[ -~]+$", line):
                conn.sendall(b"550 that is no header\r\n")
                raise Refused(line)
        if any(max(line, default=0) > 126 for line in lines):
            conn.sendall(b"550 8-bit bytes\r\n")
            raise Refused
        if self.answers.get("."):
            conn.sendall(self.answers["."].pop(0) + b"\r\n")
            return
        with self.lock:
            self.mails.append((state["from"], state["to"], b"\r\n".join(lines)))
        conn.sendall(b"250 taken\r\n")
        state.update({"from": None, "to": []})
