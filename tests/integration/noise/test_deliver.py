# SPDX-License-Identifier: Apache-2.0
"""What of an alarm reaches people: webhooks and mail, with servers that are away, wrong, slow or refuse."""

import contextlib
import email
import email.policy
import json
import os
import signal
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "harness"))
import timed  # noqa: E402
from strict_smtp import Smtp  # noqa: E402

DRIVE = Path(os.environ["HOLDFAST_BUILD_DIR"]) / "tests/integration/noise/noise_drive"
PASSWORD = "sesame-4711"


def certificate(folder, name, san="IP:127.0.0.1"):
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                    "-out", cert, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}"], check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


class Hook:
    """answers: statuses, used up one by one; then 204. None: nothing is answered."""

    def __init__(self, answers=(), tls=None):
        hook = self
        self.answers, self.got, self.refuse, self.says = list(answers), [], None, b""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.answers.pop(0) if hook.answers else 422 if hook.refuse and hook.refuse in body else 204
                hook.got.append((status, dict(self.headers), body))
                if status is None:
                    threading.Event().wait(60)
                self.send_response(status)
                self.send_header("Content-Length", str(len(hook.says)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(hook.says)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def letters(self):
        return [json.loads(body) for status, _, body in self.got if status and 200 <= status < 300]

    def taken(self):
        """Each message, also of several in one letter."""
        return [m for letter in self.letters() for m in letter.get("messages", [letter])]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.state = self.dir / "state"
        self.log = ""

    def secret(self, name, text):
        path = self.dir / name
        path.touch(0o600)
        path.write_text(text + "\n")
        return path

    def configure(self, **sections):
        text = "".join(f"[notify {name}]\n{keys}\n" for name, keys in sections.items())
        self.config = self.dir / "holdfast.conf"
        self.config.write_text(text)

    def change(self, verb, kind="failed", policy="nightly", vm="web01", text="no space left", target="ops"):
        subprocess.run([DRIVE, verb, self.state, kind, policy, vm, text, target], check=True)

    def waiting(self):
        run = subprocess.run([DRIVE, "messages", self.state], check=True, capture_output=True, text=True)
        return run.stdout.splitlines()

    def sql(self, *statements):
        with contextlib.closing(sqlite3.connect(self.state / "catalog.sqlite", timeout=20)) as db, db:
            for statement in statements:
                db.execute(statement)

    def storm(self, n, target="ops"):
        """As many VMs fail as one store that is away can make."""
        self.change("raise", vm="vm00000", target=target)
        self.sql("WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < %d - 1) INSERT INTO messages (target, "
                 "is_recovery, kind, policy, vm, since_us, text, at_us, tries, next_us) SELECT target, 0, kind, policy, "
                 "printf('vm%%05d', i.n), since_us, text, at_us, 0, 0 FROM messages, i WHERE vm = 'vm00000'" % n)

    def begin(self, scale=1):
        self.errors = open(self.dir / "log", "w+")
        self.addCleanup(self.errors.close)
        self.daemon = subprocess.Popen([DRIVE, "deliver", self.state, self.config, str(scale)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.addCleanup(self.kill)

    def kill(self):
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.daemon.stdin.close()
        self.daemon.stdout.close()

    def end(self, within_ms=1000):
        self.daemon.stdin.close()
        said = self.daemon.stdout.read()
        self.assertEqual(self.daemon.wait(15), 0)
        self.assertLess(int(said.split()[1]), within_ms)
        self.errors.seek(0)
        self.log = self.errors.read()
        self.assertNotIn(PASSWORD, self.log)

    def until(self, judge, seconds=20):
        end = time.monotonic() + seconds
        while not judge():
            self.assertLess(time.monotonic(), end, "it did not come to that")
            time.sleep(0.05)

    def serve(self, server):
        self.addCleanup(server.close)
        return server


class Webhook(Case):
    def test_tells_of_an_alarm_and_of_its_end(self):
        hook = self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/hook\ntoken-file = {self.secret('t', PASSWORD)}")
        self.change("raise", text="no \x01space\r\nleft \xe4")
        self.change("clear", text="done again")
        self.begin()
        self.until(lambda: len(hook.got) == 2)
        self.until(lambda: not self.waiting())
        self.end()
        first, second = hook.taken()
        self.assertEqual({k: v for k, v in first.items() if k != "id"},
                         {"kind": "failed", "policy": "nightly", "vm": "web01", "since": "2026-11-23T03:00:00.000Z",
                          "text": "no  space  left \xe4", "recovery": False, "host": "h\xf6st"})
        self.assertEqual((second["recovery"], second["text"], second["since"]), (True, "done again", first["since"]))
        headers = hook.got[0][1]
        self.assertEqual(headers["Authorization"], f"Bearer {PASSWORD}")
        self.assertEqual(headers["Content-Type"], "application/json")

    def test_what_is_refused_or_fails_is_tried_again_until_it_is_taken(self):
        hook = self.serve(Hook([500, 404, 302, 429]))
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/hook")
        self.change("raise")
        self.begin(scale=600)
        self.until(lambda: hook.taken(), 30)
        self.end()
        self.assertEqual([status for status, _, _ in hook.got], [500, 404, 302, 429, 204])
        self.assertEqual(len({json.loads(body)["id"] for _, _, body in hook.got}), 1)
        self.assertEqual(self.log.count("cannot be told"), 1)
        self.assertIn("ops can be told again", self.log)

    def test_one_that_took_it_and_talks_without_end_is_not_told_again(self):
        hook = self.serve(Hook([200]))
        hook.says = b"x" * (1 << 20)
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/")
        self.change("raise")
        self.begin(scale=600)
        self.until(lambda: not self.waiting())
        self.end()
        self.assertEqual(len(hook.got), 1)

    def test_one_that_is_away_holds_up_nobody_else(self):
        hook = self.serve(Hook())
        with socket.create_server(("127.0.0.1", 0)) as s:
            closed = s.getsockname()[1]
        self.configure(ops=f"webhook = http://127.0.0.1:{closed}/", other=f"webhook = http://127.0.0.1:{hook.port}/")
        for vm in "abcdefgh":
            self.change("raise", vm=vm)
        self.change("raise", target="other")
        self.begin()
        self.until(lambda: hook.taken(), 5)
        self.end()
        self.assertEqual(len(self.waiting()), 8)
        self.assertEqual(sum(line.endswith(" 1") for line in self.waiting()), 1)

    def test_a_server_that_hangs_is_left_and_nothing_is_lost(self):
        hook = self.serve(Hook([None]))
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/")
        self.change("raise")
        self.begin()
        self.until(lambda: hook.got)
        self.end()
        self.assertEqual(self.waiting(), ["ops failed web01 0"])
        self.begin()
        self.until(lambda: hook.taken())
        self.until(lambda: not self.waiting())
        self.end()

    def test_killed_at_any_moment_every_message_arrives(self):
        hook = self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/")
        names = [f"vm{i}" for i in range(12)]
        for vm in names:
            self.change("raise", vm=vm)
        for i in range(8):
            self.begin()
            time.sleep(0.01 * i)
            self.kill()
        self.begin()
        self.until(lambda: not self.waiting())
        self.end()
        self.assertEqual({doc["vm"] for doc in hook.taken()}, set(names))

    def test_of_a_storm_a_few_letters_tell(self):
        hook, other = self.serve(Hook()), self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/", other=f"webhook = http://127.0.0.1:{other.port}/")
        self.storm(3000)
        self.change("raise", vm="db1", target="other", kind="missed")
        self.begin()
        self.until(lambda: not self.waiting())
        self.end()
        letters = hook.letters()
        self.assertLess(len(letters), 10)
        self.assertEqual({m["vm"] for m in hook.taken()}, {f"vm{i:05}" for i in range(3000)})
        self.assertEqual((letters[0]["kind"], letters[0]["text"], letters[0]["recovery"]), ("several", "failed of 512", False))
        self.assertEqual({"policy", "host", "since", "id", "vm", "messages"} - set(letters[0]), set())
        self.assertEqual([m["vm"] for m in other.letters()], ["db1"])

    def test_who_was_told_often_is_told_of_more_at_a_time(self):
        hook = self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/")
        self.begin(scale=100)  # five minutes in three seconds
        for i in range(40):
            self.change("raise", vm=f"vm{i}")
            time.sleep(0.05)
        self.until(lambda: not self.waiting())
        self.end()
        self.assertEqual([m["vm"] for m in hook.taken()], [f"vm{i}" for i in range(40)])
        self.assertIn(len(hook.letters()), range(11, 15))

    def test_a_storm_that_is_refused_comes_whole_and_without_what_the_server_does_not_take(self):
        hook = self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/")
        self.storm(100)
        hook.refuse = b"vm00007"
        self.begin(scale=20000)
        self.until(lambda: len({m["vm"] for m in hook.taken()}) == 99, 40)
        self.end()

    def test_what_was_delivered_and_cannot_be_taken_out_is_not_sent_again(self):
        hook = self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/")
        self.change("raise")
        self.sql("CREATE TRIGGER full BEFORE DELETE ON messages BEGIN SELECT RAISE(ABORT, 'no room'); END")
        self.begin(scale=600)
        self.until(lambda: hook.got)
        time.sleep(1)
        self.assertEqual(len(hook.got), 1)
        self.sql("DROP TRIGGER full")
        self.until(lambda: not self.waiting())
        self.end()
        self.assertEqual(len(hook.got), 1)

    def test_a_catalog_that_was_lost_and_made_anew_is_read(self):
        hook = self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/")
        self.change("raise")
        self.begin(scale=600)
        self.until(lambda: not self.waiting())
        shutil.rmtree(self.state)
        self.change("raise", vm="web02")
        self.until(lambda: [m["vm"] for m in hook.taken()] == ["web01", "web02"], 5)
        self.end()

    def test_trouble_that_cannot_be_written_down_is_told_when_it_lasts_and_when_it_is_over(self):
        hook, other = self.serve(Hook([500])), self.serve(Hook())
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/", other=f"webhook = http://127.0.0.1:{other.port}/\non = failed")
        (self.state / "catalog.sqlite").mkdir(parents=True)

        def say(text):
            self.daemon.stdin.write(text + "\n")
            self.daemon.stdin.flush()
            time.sleep(0.2)  # one line at a time
        self.begin(scale=60)
        say("no room")
        say("")
        time.sleep(1.5)  # more than the minute
        self.assertEqual(hook.got, [])
        for _ in range(2):
            say("no room: it is\x01full")
        self.until(lambda: hook.taken())
        time.sleep(1.5)
        say("")
        self.until(lambda: len(hook.taken()) == 2)
        time.sleep(0.5)
        self.end()
        on, over = hook.taken()
        self.assertEqual((on["kind"], on["text"], on["recovery"], on["id"], on["vm"]), ("daemon", "no room: it is full", False, 0, ""))
        self.assertEqual((over["kind"], over["recovery"], over["since"]), ("daemon", True, on["since"]))
        self.assertEqual(other.got, [])

    def test_trust_by_ca_alone(self):
        good, context = certificate(self.dir, "good")
        wrong, _ = certificate(self.dir, "wrong")
        hook = self.serve(Hook(tls=context))
        url = f"webhook = https://127.0.0.1:{hook.port}/"
        self.configure(ops=f"{url}\nca-file = {wrong}", system=url)
        self.change("raise")
        self.change("raise", target="system")
        self.begin()
        self.until(lambda: all(line.endswith(" 1") for line in self.waiting()))
        self.end()
        self.assertEqual(hook.got, [])
        self.assertIn("certificate", self.log)
        self.configure(ops=f"{url}\nca-file = {good}")
        self.begin(scale=600)
        self.until(lambda: hook.taken())
        self.end()

    def test_given_up_after_three_days_and_said(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            closed = s.getsockname()[1]
        self.configure(ops=f"webhook = http://127.0.0.1:{closed}/")
        self.change("raise")
        self.change("raise", vm="web02", target="gone")
        self.begin(scale=36000) # ten hours a second
        self.until(lambda: not self.waiting(), 40)
        self.end()
        self.assertIn("ops is not told of 'failed' of nightly web01: ", self.log)
        self.assertIn("gone is not told of 'failed' of nightly web02: there is no such section", self.log)

    def test_secrets_that_others_can_read_are_not_sent(self):
        hook = self.serve(Hook())
        token = self.secret("t", PASSWORD)
        token.chmod(0o644)
        self.configure(ops=f"webhook = http://127.0.0.1:{hook.port}/\ntoken-file = {token}")
        self.change("raise")
        self.begin()
        self.until(lambda: self.waiting() == ["ops failed web01 1"])
        self.end()
        self.assertEqual(hook.got, [])
        self.assertIn(str(token), self.log)

    def test_it_sleeps_when_there_is_nothing_to_tell(self):
        self.configure(ops="webhook = http://127.0.0.1:1/")
        self.change("raise", target="gone")
        self.begin()
        self.until(lambda: not self.waiting())
        time.sleep(0.5)

        def switches():
            return sum(int(line.split()[1]) for task in Path(f"/proc/{self.daemon.pid}/task").iterdir()
                       for line in (task / "status").read_text().splitlines() if line.startswith("voluntary"))
        before = switches()
        time.sleep(2)
        self.assertEqual(switches(), before)
        self.end()


class Mail(Case):
    TO = "mail-to = ops@example.org, oncall@example.org\nmail-from = holdfast@example.org\n"

    def send(self, server, keys="", scheme="smtp", **alarm):
        self.serve(server)
        self.configure(ops=f"{self.TO}smtp = {scheme}://127.0.0.1:{server.port}\n{keys}")
        self.change("raise", **alarm)
        self.begin(scale=600)

    def test_tells_of_an_alarm(self):
        server = Smtp()
        self.send(server)
        self.until(lambda: server.mails)
        self.until(lambda: not self.waiting())
        self.end()
        sender, to, text = server.mails[0]
        self.assertEqual((sender, to), ("holdfast@example.org", ["ops@example.org", "oncall@example.org"]))
        mail = email.message_from_bytes(text, policy=email.policy.default)
        self.assertEqual(mail.defects, [])
        self.assertEqual(mail["Subject"], "[holdfast h\xf6st] failed: nightly/web01")
        self.assertEqual(mail["To"], "ops@example.org, oncall@example.org")
        self.assertIsNotNone(mail["Date"].datetime)
        self.assertRegex(mail["Message-ID"], r"^<holdfast\.\d+\.\d+@example\.org>$")
        self.assertIn("no space left\n", mail.get_content())
        self.assertIn("host    h\xf6st\n", mail.get_content())

    def test_texts_make_neither_headers_nor_commands(self):
        server = Smtp()
        evil = "x\r\n.\r\nMAIL FROM:<evil@example.org>\r\nBcc: evil@example.org\n\n\x01\x7f\u20ac" + "y" * 3000
        self.send(server, text=evil, vm="a\r\nBcc: evil@example.org", policy="\u20ac" * 100)
        self.until(lambda: server.mails)
        self.end()
        mail = email.message_from_bytes(server.mails[0][2], policy=email.policy.default)
        self.assertEqual(mail.defects, [])
        self.assertIsNone(mail["Bcc"])
        self.assertEqual(mail["Subject"], f"[holdfast h\xf6st] failed: {chr(0x20ac) * 100}/a  Bcc: evil@example.org")
        self.assertEqual(len([c for c in server.commands if c.startswith(b"MAIL")]), 1)
        self.assertIn("y" * 3000, mail.get_content())

    def test_refused_for_now_it_comes_later_once(self):
        server = Smtp(answers={"RCPT": [b"451 greylisted"], ".": [b"452 no room"], "MAIL": [b"421 too busy"]})
        self.send(server)
        self.until(lambda: server.mails, 40)
        self.until(lambda: not self.waiting())
        self.end()
        self.assertEqual(len(server.mails), 1)
        self.assertIn("can be told again", self.log)

    def test_a_recipient_that_is_refused_for_good_costs_the_others_nothing(self):
        class OneIsGone(Smtp):
            def _line(self, stream):
                line = Smtp._line(stream)
                if line.startswith(b"RCPT TO:<oncall@"):
                    self.answers["RCPT"] = [b"550 no such user"]
                return line
        server = OneIsGone()
        self.send(server)
        self.until(lambda: server.mails, 40)
        self.until(lambda: not self.waiting())
        self.end()
        self.assertEqual(server.mails[0][1], ["ops@example.org"])

    def test_a_server_that_hangs_is_left(self):
        server = Smtp(hang="DATA")
        self.send(server)
        self.until(lambda: any(c.startswith(b"DATA") for c in server.commands))
        self.end()
        self.assertEqual(self.waiting(), ["ops failed web01 0"])

    def test_login_under_tls_of_either_kind(self):
        cert, context = certificate(self.dir, "good")
        password = self.secret("p", PASSWORD)
        server = self.serve(Smtp(tls=context, implicit=True, password=PASSWORD.encode()))
        self.configure(ops=f"{self.TO}smtp = smtps://127.0.0.1:{server.port}\nsmtp-user = holdfast\n"
                           f"smtp-password-file = {password}\nca-file = {cert}")
        self.change("raise")
        self.begin()
        self.until(lambda: server.mails)
        self.end()

    def test_a_wrong_authority_or_password_gets_no_mail(self):
        _, context = certificate(self.dir, "good")
        wrong, _ = certificate(self.dir, "wrong")
        password = self.secret("p", PASSWORD)
        server = Smtp(tls=context, implicit=True, password=b"another")
        self.send(server, f"smtp-user = holdfast\nsmtp-password-file = {password}\nca-file = {wrong}", scheme="smtps")
        self.until(lambda: self.waiting()[0].split()[-1] == "1")
        self.end()
        self.assertEqual(server.commands, [])
        self.assertIn("certificate", self.log)
        self.configure(ops=f"{self.TO}smtp = smtps://127.0.0.1:{server.port}\nsmtp-user = holdfast\n"
                           f"smtp-password-file = {password}\nca-file = {self.dir / 'good.pem'}")
        self.begin(scale=600)
        self.until(lambda: any(c.startswith(b"AUTH") for c in server.commands))
        self.until(lambda: int(self.waiting()[0].split()[-1]) > 1)
        self.end()
        self.assertEqual(server.mails, [])


    def test_of_a_storm_one_mail_tells(self):
        server = self.serve(Smtp())
        self.configure(ops=f"{self.TO}smtp = smtp://127.0.0.1:{server.port}\n")
        self.storm(300)
        self.begin()
        self.until(lambda: not self.waiting())
        self.end()
        self.assertEqual(len(server.mails), 1)
        mail = email.message_from_bytes(server.mails[0][2], policy=email.policy.default)
        self.assertEqual(mail.defects, [])
        self.assertEqual(mail["Subject"], "[holdfast h\xf6st] failed of 300")
        lines = mail.get_content().splitlines()
        self.assertEqual(lines[299], "failed: nightly/vm00299, since 2026-11-23T03:00:00Z: no space left")


class StartTls(Case):
    """To another host than this one mail goes with STARTTLS or not at all."""

    def address(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.connect(("192.0.2.1", 9))
            except OSError:
                self.skipTest("this machine has no address but its own")
            return s.getsockname()[0]

    def send(self, tls, ca):
        address = self.address()
        server = self.serve(Smtp(tls=tls))
        server.socket.close()
        server.socket = socket.create_server((address, 0))
        server.port = server.socket.getsockname()[1]
        threading.Thread(target=server._accept, daemon=True).start()
        self.configure(ops=f"{Mail.TO}smtp = smtp://{address}:{server.port}\nca-file = {ca}")
        self.change("raise")
        self.begin()
        return server

    def test_with_a_server_that_has_it(self):
        cert, context = certificate(self.dir, "good", f"IP:{self.address()}")
        server = self.send(context, cert)
        self.until(lambda: server.mails)
        self.end()
        self.assertIn(b"STARTTLS", server.commands)

    def test_without_it_nothing_is_sent(self):
        cert, _ = certificate(self.dir, "good")
        server = self.send(None, cert)
        self.until(lambda: self.waiting() == ["ops failed web01 1"])
        self.end()
        self.assertFalse([c for c in server.commands if c.startswith(b"MAIL")])


if __name__ == "__main__":
    timed.main()
