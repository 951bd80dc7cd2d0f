# SPDX-License-Identifier: Apache-2.0
"""The metrics' endpoint against requests that are malformed, endless or slow: others are answered, and it does not grow."""

import contextlib
import gzip
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "harness"))
import timed  # noqa: E402

DRIVE = Path(os.environ["HOLDFAST_BUILD_DIR"]) / "tests/integration/noise/noise_drive"
SANITIZED = b"__asan_init" in DRIVE.read_bytes() if DRIVE.exists() else False
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STAY = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
SIZE = 100_000


class Case(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([DRIVE, "serve", "127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, bufsize=1)
        self.addCleanup(self.end)
        self.port = int(self.server.stdout.readline())
        self.open = []

    def end(self):
        for s in self.open:
            s.close()
        with contextlib.suppress(BrokenPipeError):
            self.server.stdin.close()
        self.assertEqual(self.server.wait(10), 0)
        self.server.stdout.close()
        self.server.stderr.close()

    def put(self, size=SIZE):
        print(size, file=self.server.stdin, flush=True)
        self.assertEqual(self.server.stdout.readline(), "put\n")

    def connect(self, source="127.0.0.1"):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(source, 0))
        self.open.append(s)
        return s

    def ask(self, request, source="127.0.0.1"):
        """All that comes back until the server hangs up, or has said what it had to."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(source, 0)) as s:
            with contextlib.suppress(OSError):  # it may have hung up already
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while part := s.recv(65536):
                    answer += part
            return answer

    def status(self, request):
        answer = self.ask(request)
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None

    def assert_answers(self, source="127.0.0.9"):
        began = time.monotonic()
        answer = self.ask(GET, source)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer[:100])
        self.assertEqual(len(answer.split(b"\r\n\r\n", 1)[1]), SIZE)
        self.assertLess(time.monotonic() - began, 1)

    def memory_kib(self):
        text = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0])

    def assert_not_grown(self, before_kib):
        if not SANITIZED:  # it keeps what was freed for a while
            self.assertLess(self.memory_kib() - before_kib, 2048)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))


class Http(Case):
    def test_answers_what_there_is_and_nothing_else(self):
        self.assertEqual(self.status(GET), 503)
        self.put()
        self.assert_answers()
        answer = self.ask(GET)
        self.assertIn(b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", answer)
        head = self.ask(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertIn(b"Content-Length: %d\r\n" % SIZE, head)
        self.assertEqual(head.split(b"\r\n\r\n", 1)[1], b"")
        self.assertTrue(self.ask(b"GET /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nok\n"))
        for path in (b"/", b"/metrics/", b"/Metrics", b"//metrics", b"/metrics/../healthz", b"/etc/passwd"):
            self.assertEqual(self.status(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 404, path)
        for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"get"):
            request = method + b" /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            answer = self.ask(request)
            self.assertEqual(int(answer.split()[1]), 405, method)
            self.assertIn(b"Allow: GET, HEAD\r\n", answer)

    def test_a_document_is_whole_while_it_is_replaced(self):
        self.put(5_000_000)
        s = self.connect()
        s.sendall(GET)
        got = s.recv(1000)
        self.put(SIZE)
        while len(got.split(b"\r\n\r\n", 1)[-1]) < 5_000_000:
            part = s.recv(1 << 20)
            self.assertTrue(part)
            got += part
        self.assert_answers()

    def test_who_takes_gzip_gets_it_and_nobody_else(self):
        size = 5_000_000
        self.put(size)
        request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: %s\r\n\r\n"
        plain = self.ask(GET).split(b"\r\n\r\n", 1)[1]
        self.assertEqual(len(plain), size)
        for encodings in (b"gzip", b"deflate, GZIP;q=0.5", b"br,gzip ;q=1.0, identity", b"gzip;q=0.001"):
            header, body = self.ask(request % encodings).split(b"\r\n\r\n", 1)
            self.assertIn(b"Content-Encoding: gzip\r\n", header + b"\r\n", encodings)
            self.assertLess(len(body), size / 50)
            self.assertEqual(gzip.decompress(body), plain)
        for encodings in (b"", b"br", b"gzip;q=0", b"gzip; q=0.000", b"gzip;q=0, br;q=1", b"xgzip", b"gzipx", b"*"):
            header, body = self.ask(request % encodings).split(b"\r\n\r\n", 1)
            self.assertNotIn(b"Content-Encoding", header, encodings)
            self.assertEqual(body, plain)

    def test_a_large_document_is_kept_small(self):
        self.put(1000)
        before = self.memory_kib()
        for _ in range(5):
            self.put(20_000_000)
        self.assertEqual(len(self.ask(GET).split(b"\r\n\r\n", 1)[1]), 20_000_000)
        self.assertLess(self.memory_kib() - before, 4096)

    def test_malformed_requests(self):
        self.put()
        bad = [b"\r\n\r\n", b"\0" * 500 + b"\r\n\r\n", b"GET\r\n\r\n", b"GET /metrics\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n",
               b"GET /metrics HTTP/1.1\r\nHost x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(300),
               b"GET http://evil/metrics HTTP/1.1\r\n: \r\n\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
               b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
               b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
               b"GET /%00%ff%zz?%=&&& HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
        for request in bad:
            self.ask(request)
            self.assert_answers()

    def test_a_huge_url_and_endless_headers_are_cut_off(self):
        self.put()
        self.assertIn(self.status(b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"), (413, 414, 431, None))
        s = self.connect()
        sent = 0
        with contextlib.suppress(ConnectionError):
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
            while sent < 50_000_000:
                s.sendall(b"X: " + b"y" * 997)
                s.sendall(b"\r\n")
                sent += 1002
        self.assertLess(sent, 20_000_000) # what the sockets' buffers take
        self.assert_answers()

    def test_a_body_is_not_waited_for(self):
        self.put()
        s = self.connect()
        began = time.monotonic()
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := s.recv(65536):
                got += part
        self.assertIn(b"HTTP/1.1 200 ", got[:20])
        self.assertLess(time.monotonic() - began, 7)

    def test_pipelined_requests_are_answered_in_turn(self):
        self.put()
        s = self.connect()
        s.sendall(STAY * 50)
        answers = 0
        tail = b""
        while answers < 50:
            part = s.recv(65536)
            self.assertTrue(part, f"hung up on after {answers} answers")
            answers += (tail + part).count(b"HTTP/1.1 200 ")
            tail = part[-12:]  # one byte less than what is counted

    def test_who_hung_up_is_gone_at_once(self):
        """Also where the end came with the request."""
        self.put()
        s = self.connect()
        os.kill(self.server.pid, signal.SIGSTOP)
        s.sendall(STAY)
        s.shutdown(socket.SHUT_WR)
        os.kill(self.server.pid, signal.SIGCONT)
        began = time.monotonic()
        while s.recv(65536):
            pass
        self.assertLess(time.monotonic() - began, 2)

    def test_slow_clients_keep_nobody_out(self):
        self.put()
        before = self.memory_kib()
        slow = []
        for i in range(40):
            with contextlib.suppress(ConnectionError):
                s = self.connect(f"127.0.0.{10 + i % 8}")
                s.sendall(b"GET /metrics HTTP/1.1\r\n")
                slow.append(s)
        for _ in range(7):
            for s in slow: # a byte a second
                with contextlib.suppress(OSError):
                    s.sendall(b"a")
            self.assert_answers()
            self.assert_answers("127.0.0.10") # one of theirs
            time.sleep(1)
        self.assert_not_grown(before)

    def test_who_does_not_read_is_hung_up_on(self):
        self.put(20_000_000)
        s = self.connect()
        s.sendall(GET)
        time.sleep(8)
        got = 0
        with contextlib.suppress(ConnectionError):
            while part := s.recv(1 << 20):
                got += len(part)
        self.assertLess(got, 20_000_000)

    def test_a_thousand_connections(self):
        self.put()
        self.assert_answers()
        before, fds = self.memory_kib(), self.descriptors()
        for i in range(1000):
            with contextlib.suppress(ConnectionError, TimeoutError):
                s = socket.socket()
                s.setblocking(False)
                s.bind((f"127.0.{i % 50}.77", 0))
                with contextlib.suppress(BlockingIOError):
                    s.connect(("127.0.0.1", self.port))
                self.open.append(s)
            if i % 250 == 249:
                time.sleep(0.3)
                self.assert_answers()
        self.assertLess(self.descriptors() - fds, 40)
        for s in self.open:
            s.close()
        self.open = []
        time.sleep(1)
        self.assert_answers()
        self.assert_not_grown(before)
        self.assertLessEqual(self.descriptors(), fds + 2)

    def test_it_sleeps_when_nobody_asks(self):
        self.put()
        self.assert_answers()
        time.sleep(6)

        def switches():
            return sum(int(line.split()[1]) for task in Path(f"/proc/{self.server.pid}/task").iterdir()
                       for line in (task / "status").read_text().splitlines() if line.startswith("voluntary"))
        before = switches()
        time.sleep(3)
        self.assertLessEqual(switches() - before, 1)


class Address(unittest.TestCase):
    def test_another_address_than_loopback_is_said(self):
        for address, said in (("0.0.0.0", True), ("127.0.0.1", False), ("::1", False)):
            run = subprocess.run([DRIVE, "serve", address], input="", capture_output=True, text=True, timeout=10)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual("whoever reaches that address" in run.stderr, said, address)

    def test_a_port_that_is_taken_says_so(self):
        run = subprocess.run([DRIVE, "serve", "192.0.2.1"], input="", capture_output=True, text=True, timeout=10)
        self.assertEqual(run.returncode, 1)
        self.assertIn("metrics-listen: cannot listen at 192.0.2.1", run.stderr)


if __name__ == "__main__":
    timed.main()
