# SPDX-License-Identifier: Apache-2.0
"""net/http against a small server that does what it is told, byte by byte."""

import base64
import contextlib
import hashlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path

import swiftlib
from swiftlib import runlib  # noqa: I001  it says where the harness is
import timed

DRIVE = runlib.BUILD / "tests/integration/store/http_drive"
HEAD_MAX = 64 << 10
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """script(connection, number of the connection, first request's head) for each; heads are kept."""

    def __init__(self, script, tls=None):
        self.script, self.tls, self.heads, self.n = script, tls, [], 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.socket.getsockname()[1]}/x"
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                conn = self.socket.accept()[0]
                self.n += 1
                threading.Thread(target=self._serve, args=(conn, self.n), daemon=True).start()

    def _serve(self, conn, n):
        with contextlib.suppress(OSError), conn:
            conn.settimeout(30)
            with self.tls.wrap_socket(conn, server_side=True) if self.tls else conn as c:
                while head := self.read_head(c):
                    self.heads.append(head)
                    if self.script(self, c, n) == "close":
                        return

    @staticmethod
    def read_head(c):
        """Up to the empty line; nothing for a peer that has gone, or that sends no head."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            more = c.recv(1)
            if not more or len(data) > HEAD_MAX:
                return b""
            data += more
        return data

    def hang(self, *_):
        self.closing.wait(20)

    def close(self):
        self.closing.set()
        self.socket.shutdown(socket.SHUT_RDWR)  # else the thread waits on, for the next socket of this number
        self.thread.join()
        self.socket.close()


class Http(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        runlib.need("openssl", "openssl")
        cls.dir = Path(tempfile.mkdtemp(prefix="hf-http-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        for name in ("ca", "other"):
            swiftlib.make_ca(cls.dir, name)
        cls.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.tls.load_cert_chain(cls.dir / "ca-server.crt", cls.dir / "ca-server.key")

    def serve(self, script, tls=None):
        """script: a function of (server, connection, number), or the bytes of each answer."""
        def send(server, c, n):
            c.sendall(script)
        server = Server(script if callable(script) else send, tls)
        self.addCleanup(server.close)
        return server

    def drive(self, *arguments, env=None):
        begin = time.monotonic()
        done = subprocess.run([DRIVE, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=env,
                              preexec_fn=runlib.die_with_parent)
        self.took_s = time.monotonic() - begin
        self.assertEqual(done.stderr, "")
        return done.stdout

    # ---- answers ---------------------------------------------------------------------------

    def test_a_status_is_an_answer(self):
        for status in (200, 204, 301, 404, 500, 503):
            body = b"" if status == 204 else b"Content-Length: 2\r\n\r\nhi"
            server = self.serve(b"HTTP/1.1 %d Thus\r\n" % status + (body or b"\r\n"))
            self.assertEqual(self.drive(server.url), f"{status} {2 if body else 0} 0\n")

    def test_no_redirect_is_followed(self):
        target = self.serve(OK)
        server = self.serve(b"HTTP/1.1 307 Away\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % target.url.encode())
        self.assertEqual(self.drive(server.url), "307 0 0\n")
        self.assertEqual(target.n, 0)

    def test_no_proxy_of_the_environment_is_used(self):
        server, other = self.serve(OK), self.serve(OK)
        self.assertEqual(self.drive(server.url, env={"http_proxy": other.url, "ALL_PROXY": other.url}), "200 2 0\n")
        self.assertEqual((server.n, other.n), (1, 0))

    def test_a_body_beyond_its_bound_is_corrupt(self):
        server = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001)
        self.assertEqual(self.drive("max=1001", server.url), "200 1001 0\n")
        self.assertIn("error corrupt: the server answers more than was asked for", self.drive("max=1000", server.url))
        self.assertEqual(self.drive("into=1001", server.url), "200 0 1001\n")
        self.assertIn("error corrupt: ", self.drive("into=1000", server.url))

    def test_a_body_without_an_end_is_cut_at_its_bound(self):
        def endless(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                c.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        self.assertIn("error corrupt: ", self.drive(self.serve(endless).url))

    def test_an_error_s_body_does_not_go_where_the_object_goes(self):
        server = self.serve(b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nerror")
        self.assertEqual(self.drive("into=100", server.url), "404 5 0\n")

    def test_headers_beyond_their_bound_are_corrupt(self):
        for lines in (b"X: " + b"y" * 40000 + b"\r\n", b"X: y\r\n" * 9000):
            self.assertIn("error corrupt: ", self.drive(self.serve(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n").url))

        def endless(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                c.sendall(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 100)
        self.assertIn("error corrupt: ", self.drive(self.serve(endless).url))

    def test_a_100_continue_is_no_answer(self):
        length = 2000000

        def take_all(server, c, n):
            c.sendall(b"HTTP/1.1 100 Continue\r\nX-Not: this\r\n\r\n")
            left = length
            while left and (got := c.recv(left)):
                left -= len(got)
            c.sendall(OK)
        self.assertEqual(self.drive(f"body={length}", self.serve(take_all).url).split()[0], "200")

    # ---- a body in pieces ------------------------------------------------------------------

    BODY = bytes(range(251)) * 4001

    @staticmethod
    def taken(body):
        """How http_drive tells what it took."""
        total = 0
        for byte in body:
            total = (total * 31 + byte) % (1 << 64)
        return f"{len(body)} {total:x} "

    def test_a_body_comes_whole_and_in_order_however_it_is_sent(self):
        def chunked(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(self.BODY), 70001):
                piece = self.BODY[at:at + 70001]
                c.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
            c.sendall(b"0\r\n\r\n")

        def unmeasured(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + self.BODY)
            return "close"
        measured = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY) + self.BODY
        for script in (measured, chunked, unmeasured):
            self.assertEqual(self.drive("take=2000000", self.serve(script).url), self.taken(self.BODY) + "200 0 0\n")
        self.assertEqual(self.drive("take=5", self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").url), "0 0 200 0 0\n")

    def test_a_body_that_is_cut_is_no_whole_one(self):
        def measured(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(self.BODY) + 1) + self.BODY)
            return "close"

        def chunked(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(self.BODY) + 1) + self.BODY)
            return "close"
        for script in (measured, chunked):
            server = self.serve(script)
            self.assertIn(self.taken(self.BODY) + "error unreachable retryable: ", self.drive("take=2000000", server.url))
            self.assertEqual(server.n, 1, "nothing is asked again behind the back of who took pieces")

    def test_a_body_beyond_the_bound_of_its_pieces_is_corrupt(self):
        server = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY) + self.BODY)
        self.assertEqual(self.drive(f"take={len(self.BODY)}", server.url), self.taken(self.BODY) + "200 0 0\n")
        self.assertIn("error corrupt: the server answers more than was asked for", self.drive(f"take={len(self.BODY) - 1}", server.url))

    def test_what_is_no_2xx_is_told_and_no_piece_of_it_is_taken(self):
        for status in (302, 404, 500, 503):
            server = self.serve(b"HTTP/1.1 %d No\r\nContent-Length: 5\r\n\r\nwrong" % status)
            self.assertEqual(self.drive("take=100", server.url), f"0 0 {status} 5 0\n")
        server = self.serve(b"HTTP/1.1 503 No\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000)
        self.assertIn("0 0 error corrupt: ", self.drive("take=100000", server.url))

    def test_a_body_that_stands_still_or_drips_ends_by_the_time_limit(self):
        def stands(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + self.BODY)
            server.hang()

        def drips(server, c, n):
            stands_until = time.monotonic() + 20
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n")
            while time.monotonic() < stands_until:
                c.sendall(b"x")
                time.sleep(0.05)

        def says_nothing(server, c, n):
            server.hang()
        for script in (stands, drips, says_nothing):
            self.assertIn("error timeout retryable: ", self.drive("take=3000000", "timeout=700", self.serve(script).url))
            self.assertGreater(self.took_s, 0.6)
            self.assertLess(self.took_s, 8)

    def test_who_takes_slowly_is_waited_for_and_not_taken_for_a_slow_server(self):
        """… and the server is held back meanwhile: no more of it is in memory than in the sockets."""
        sent = []

        def script(server, c, n):
            c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(400):
                    c.sendall(b"y" * 100000)
                    sent.append(100000)
            return "close"
        out = self.drive("take=50000000", "timeout=500", "piece=1200", "refuse=50000", self.serve(script).url)
        self.assertIn("error no-space: no more", out)
        self.assertGreater(int(out.split()[0]), 16000)  # it went on behind a piece that took longer than the limit
        self.assertLess(sum(sent), 20000000)

    def test_the_error_of_who_takes_is_the_error(self):
        server = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY) + self.BODY)
        self.assertIn("0 0 error no-space: no more", self.drive("take=2000000", "refuse=0", server.url))

    def test_a_cancel_ends_a_body_that_comes_in_pieces(self):
        def trickles(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n")
            while not server.closing.wait(0.02):
                c.sendall(b"z" * 3000)
        self.assertIn("error cancelled: ", self.drive("take=2000000000", "cancel=600", self.serve(trickles).url))
        self.assertLess(self.took_s, 6)

    def test_pieces_come_over_tls_from_the_right_server_only(self):
        server = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY) + self.BODY, self.tls)
        self.assertEqual(self.drive("take=2000000", f"ca={self.dir}/ca.crt", server.url), self.taken(self.BODY) + "200 0 0\n")
        self.assertIn("0 0 error auth: ", self.drive("take=2000000", f"ca={self.dir}/other.crt", server.url))

    # ---- time ------------------------------------------------------------------------------

    def test_an_answer_that_stands_still_is_a_timeout(self):
        server = self.serve(Server.hang)
        self.assertIn("error timeout retryable: ", self.drive("stall=1000", server.url))
        self.assertLess(self.took_s, 4)

    def test_a_trickle_is_standing_still(self):
        def trickle(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not server.closing.wait(0.1):
                c.sendall(b"x")
        self.assertIn("error timeout retryable: ", self.drive("stall=2000", self.serve(trickle).url))
        self.assertLess(self.took_s, 6)

    def test_all_of_a_request_has_an_end(self):
        def steady(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
            while not server.closing.wait(0.05):
                c.sendall(b"x" * 1000)
        self.assertIn("error timeout retryable: ", self.drive("timeout=1500", "max=10000000", self.serve(steady).url))
        self.assertLess(self.took_s, 4)

    def test_a_connection_that_nobody_takes_is_a_timeout_or_unreachable(self):
        closed = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        closed.close()
        self.assertIn("error unreachable retryable: ", self.drive(url))

    def test_a_cancel_ends_a_request_within_half_a_second(self):
        for script in (Server.hang, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"):
            self.assertIn("error cancelled: ", self.drive("cancel=500", self.serve(script).url))
            self.assertLess(self.took_s, 0.5 + 0.5 + 0.3)
        tls = self.serve(Server.hang)  # speaks no TLS: the handshake hangs
        self.assertIn("error cancelled: ", self.drive("cancel=500", tls.url.replace("http:", "https:")))
        self.assertLess(self.took_s, 0.5 + 0.5 + 0.3)

    # ---- connections -----------------------------------------------------------------------

    def test_a_connection_is_kept(self):
        server = self.serve(OK)
        self.assertEqual(self.drive(server.url, server.url, server.url), "200 2 0\n" * 3)
        self.assertEqual(server.n, 1)

    def test_a_kept_connection_that_died_is_replaced_once_and_silently(self):
        def die_in_second(server, c, n):
            if n == 1 and len(server.heads) == 2:
                return "close"  # the request came, no byte of an answer
            c.sendall(OK)
            return None
        for more in ((), ("method=POST",)):
            server = self.serve(die_in_second)
            self.assertEqual(self.drive(*more, server.url, server.url), "200 2 0\n" * 2)
            self.assertEqual(server.n, 2)

        def close_idle(server, c, n):
            c.sendall(OK)
            return "close"
        server = self.serve(close_idle)
        self.assertEqual(self.drive("pause=200", server.url, server.url), "200 2 0\n" * 2)

    def test_a_new_connection_that_dies_is_unreachable(self):
        server = self.serve(lambda server, c, n: "close")
        self.assertIn("error unreachable retryable: ", self.drive(server.url))
        self.assertEqual(server.n, 1)

    def test_an_answer_that_is_cut_is_unreachable(self):
        def cut(server, c, n):
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return "close"
        self.assertIn("error unreachable retryable: ", self.drive(self.serve(cut).url))

    def test_an_answer_that_libcurl_dislikes_is_corrupt(self):
        for head in (b"Content-Length: -1", b"Content-Length: 2x", b"Transfer-Encoding: odd", b"Transfer-Encoding: chunked"):
            with self.subTest(head=head):
                said = self.drive(self.serve(lambda server, c, n, head=head:
                                             c.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nzz\r\n") or "close").url)
                self.assertNotIn("internal", said)

    def test_what_is_no_http_is_no_answer(self):
        for what in (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", b"HTTP/5.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\0TTP/1.1 200 OK\r\n\r\n"):
            with self.subTest(what=what):
                self.assertRegex(self.drive(self.serve(what).url), "^error corrupt retryable: ")

    # ---- trust -----------------------------------------------------------------------------

    def pin(self, name):
        der = subprocess.run(["openssl", "pkey", "-in", self.dir / f"{name}-server.key", "-pubout", "-outform", "der"], check=True,
                             capture_output=True).stdout
        return "pin=sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()

    def test_only_the_given_authority_and_key_are_trusted(self):
        server = self.serve(OK, self.tls)
        for trust in ((f"ca={self.dir}/ca.crt",), (self.pin("ca"),), (f"ca={self.dir}/ca.crt", self.pin("ca"))):
            self.assertEqual(self.drive(*trust, server.url), "200 2 0\n", trust)
        heads = len(server.heads)
        for trust in ((), (f"ca={self.dir}/other.crt",), (f"ca={self.dir}/other.crt", self.pin("ca")), (self.pin("other"),),
                      (f"ca={self.dir}/ca.crt", self.pin("other"))):
            self.assertRegex(self.drive(*trust, server.url), r"^error auth: .*\| (Name the CA|The server has another key)", trust)
        self.assertEqual(len(server.heads), heads)
        self.assertIn("error config", self.drive(f"ca={self.dir}/none.crt", server.url))

    def test_a_name_that_is_not_the_certificate_s_is_refused(self):
        server = self.serve(OK, self.tls)
        self.assertIn("error auth: ", self.drive(f"ca={self.dir}/ca.crt", server.url.replace("127.0.0.1", "localhost")))

    def test_an_old_tls_is_refused(self):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        old.load_cert_chain(self.dir / "ca-server.crt", self.dir / "ca-server.key")
        warnings.simplefilter("ignore", DeprecationWarning)
        self.addCleanup(warnings.resetwarnings)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        self.assertIn("error unreachable", self.drive(f"ca={self.dir}/ca.crt", self.serve(OK, old).url))

    def test_a_secret_signs_and_is_in_no_message_and_no_request(self):
        secret = "Correct-Horse/Battery+Staple"
        server = self.serve(OK)
        hung = self.serve(Server.hang)
        said = self.drive(f"secret={secret}", server.url, "stall=1000", hung.url, "http://127.0.0.1:1/")
        self.assertIn("200 2 0\n", said)
        self.assertIn("error timeout", said)
        self.assertNotIn("Horse", said)
        sent = b"".join(server.heads + hung.heads)
        self.assertIn(b"AWS4-HMAC-SHA256 Credential=key/", sent)
        for form in (secret.encode(), base64.b64encode(f"key:{secret}".encode())):
            self.assertNotIn(form, sent)


if __name__ == "__main__":
    timed.main()
