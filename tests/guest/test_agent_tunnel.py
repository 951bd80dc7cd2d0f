# SPDX-License-Identifier: Apache-2.0
"""The tunnel to a real guest's database through its agent: bytes, time, locks, and what every death leaves behind."""

import hashlib
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from hf import Latency, build_dir, lab, lab_env, main, sql, tool

RUN = "hf-20261123T030000Z-7f3a9c21"
OTHER = "hf-20261123T030000Z-00000000"
LIFE_MS = 60000
PATIENCE_S = 8  # PATIENCE_MS of guest/tunnel_io.c


def environ():
    return {**os.environ, "HOLDFAST_PLUGIN_DIR": str(build_dir() / "plugins")}


def guest(script):
    """A shell script in the guest, as root; its standard output."""
    return lab("ssh", "bash", "-s", input=script).strip()


def traces():
    """Units, directories and processes of bridges in the guest."""
    return guest("systemctl list-units --all --plain --no-legend 'holdfast-bridge-*'; ls -d /run/holdfast-* 2>/dev/null;"
                 " ps -eo args | grep -E '^(bash|.*/bash) -c.*holdfast-bridge' || true")


def wait_until(what, within_s):
    """Seconds that it took; None: it did not come true."""
    begin = time.monotonic()
    while time.monotonic() < begin + within_s:
        if what():
            return time.monotonic() - begin
        time.sleep(0.2)
    return None


class Driven:
    """A tunnel_drive that says "ready" and obeys lines."""

    def __init__(self, *args):
        self.process = subprocess.Popen([str(a) for a in (tool("tunnel_drive"), *args)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environ())
        self.first = self.process.stdout.readline().strip()

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def value(self, line):
        """What is said after "ok MS "."""
        said = self(line).split(" ", 2)
        assert said[0] == "ok", said
        return said[2]

    def close(self):
        """What it says at last."""
        said = ""
        if not self.process.stdin.closed:
            self.process.stdin.close()
            said = self.process.stdout.read()
        self.process.wait(60)
        self.process.stdout.close()
        return said

    def kill(self):
        self.process.kill()
        self.process.wait()


class TunnelTest(unittest.TestCase):
    def setUp(self):
        self.lab = lab_env()
        self.tmp = tempfile.TemporaryDirectory(prefix="hf-test-")
        self.addCleanup(self.tmp.cleanup)
        self.socket = Path(self.tmp.name) / "db"
        self.addCleanup(self.tidy)

    def tidy(self):
        """systemctl returns before the agent has opened its channel, and libvirt refuses calls until then."""
        guest("systemctl stop 'holdfast-bridge-*'; systemctl start qemu-guest-agent mariadb")
        self.assertIsNotNone(wait_until(self.agent_answers, 20), "the agent does not come back")

    def agent_answers(self):
        return "return" in lab("virsh", "qemu-agent-command", self.lab["DOMAIN"], '{"execute": "guest-ping"}', check=False)

    def driven(self, *args):
        d = Driven(*args)
        self.addCleanup(d.close)
        return d

    def tunnel(self, run=RUN, life_ms=LIFE_MS, port=3306, expect="ready"):
        t = self.driven("open", self.lab["URI"], self.lab["DOMAIN"], self.socket, run, life_ms, port)
        self.assertEqual(t.first[:len(expect)], expect, t.first)
        return t

    def db(self, cnf="HOLDFAST_CNF"):
        d = self.driven("db", self.socket, self.lab[cnf])
        self.assertTrue(d.first.startswith("ready"), d.first)
        return d

    def end(self, run=RUN):
        """hf_tunnel_agent_end from a process of its own: how long it took."""
        begin = time.monotonic()
        p = subprocess.run([tool("tunnel_drive"), "end", self.lab["URI"], self.lab["DOMAIN"], run], env=environ(),
                           capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(p.returncode, 0, p.stdout)
        return time.monotonic() - begin

    def assert_nothing_left(self):
        self.assertIsNotNone(wait_until(lambda: traces() == "", 10), traces())


class Bytes(TunnelTest):
    def test_sessions_open_ask_and_close_and_nothing_is_left(self):
        t = self.tunnel()
        sessions = [self.db() for _ in range(3)]
        ids = [s.value("value SELECT CONNECTION_ID()") for s in sessions]
        self.assertEqual(len(set(ids)), 3)
        for turn in range(5):
            for s, session in zip(sessions, ids):
                self.assertEqual(s.value(f"value SELECT CONNECTION_ID() + {turn}"), str(int(session) + turn))
        p50, p95, most = (int(us) / 1000 for us in sessions[0]("bench 40").split()[1:])
        print(f"  SELECT 1: p50 {p50:.1f} ms, p95 {p95:.1f} ms, most {most:.1f} ms; {sessions[0].first} ms", flush=True)
        for s in sessions:
            s.close()
        said = t.close()
        self.assertTrue(said.startswith("closed"), said)
        self.assertNotIn("error", said)
        self.assert_nothing_left()

    def test_large_results_and_statements_go_through_whole(self):
        self.tunnel()
        sql("CREATE TABLE IF NOT EXISTS hf_test.blob_ (b LONGBLOB)")
        self.addCleanup(sql, "DROP TABLE IF EXISTS hf_test.blob_")
        writer = self.db("WRITER_CNF")
        begin = time.monotonic()
        down = writer.value("value SELECT REPEAT('0123456789abcdef', 131072)")
        self.assertEqual(down, "0123456789abcdef" * 131072)
        print(f"  2 MiB out: {time.monotonic() - begin:.1f} s", flush=True)
        up = "".join(hashlib.sha256(str(i).encode()).hexdigest() for i in range(16384))
        begin = time.monotonic()
        writer.value(f"exec INSERT INTO hf_test.blob_ VALUES ('{up}')")
        print(f"  1 MiB in: {time.monotonic() - begin:.1f} s", flush=True)
        self.assertEqual(sql("SELECT SHA1(b) FROM hf_test.blob_"), [hashlib.sha1(up.encode()).hexdigest()])

    def test_who_waits_costs_next_to_nothing(self):
        t = self.tunnel()
        self.db()
        time.sleep(2)
        before = float(t("cpu").split()[1])
        time.sleep(5)
        used = float(t("cpu").split()[1]) - before
        guest_s = guest("ps -o times= -p $(pgrep -f -d, 'bash -c .*holdfast-bridge') | awk '{s += $1} END {print s}'")
        print(f"  5 s of waiting: {used * 1000:.0f} ms of processor here; bridge since its start {guest_s} s", flush=True)
        self.assertLess(used, 0.5)

    def test_a_port_that_nobody_listens_on_is_told_before_anything_starts(self):
        t = self.tunnel(port=3399, expect="error unreachable: nobody listens")
        t.close()
        self.assert_nothing_left()


class Locks(TunnelTest):
    def setUp(self):
        super().setUp()
        Latency()

    def lock(self):
        db = self.db()
        db.value("exec FLUSH TABLES WITH READ LOCK")
        self.assertFalse(self.is_writable(1))
        return db

    @staticmethod
    def is_writable(timeout_s):
        out = sql(f"SET STATEMENT max_statement_time={timeout_s} FOR INSERT INTO hf_test.pulse VALUES (); SELECT 'yes'",
                  check=False)
        return out == ["yes"]

    def test_the_lock_of_a_killed_process_is_gone_when_its_run_is_ended(self):
        t = self.tunnel()
        db = self.lock()
        t.kill()
        db.kill()
        self.end(OTHER)
        self.assertFalse(self.is_writable(1))
        took = self.end()
        self.assertTrue(self.is_writable(5))
        print(f"  ended in {took:.2f} s", flush=True)
        self.assertLess(took, 10)  # under 2 where nothing else runs
        self.assert_nothing_left()
        self.end()

    def test_the_lock_of_a_killed_process_goes_by_itself_after_its_lifetime(self):
        life_s = 12
        t = self.tunnel(life_ms=life_s * 1000)
        db = self.lock()
        begin = time.monotonic()
        self.assertFalse(self.is_writable(1))
        look_s = time.monotonic() - begin  # what a look costs here
        begin = time.monotonic()
        t.kill()
        db.kill()
        self.assertFalse(self.is_writable(1))
        self.assertIsNotNone(wait_until(lambda: self.is_writable(1), 4 * life_s))
        took = time.monotonic() - begin
        print(f"  lock gone after {took:.1f} s, lifetime {life_s} s", flush=True)
        self.assertGreater(took, life_s / 2)
        self.assertLess(took, life_s + 4 + 2 * look_s)  # within 1 s where nothing else runs
        self.assert_nothing_left()

    def test_a_lock_outlives_its_lifetime_while_somebody_is_there(self):
        self.tunnel(life_ms=5000)
        db = self.lock()
        time.sleep(12)
        self.assertFalse(self.is_writable(1))
        db.value("exec UNLOCK TABLES")
        self.assertTrue(self.is_writable(5))

    def test_a_frozen_guest_costs_no_session(self):
        self.tunnel()
        db = self.lock()
        lab("virsh", "domfsfreeze", self.lab["DOMAIN"])
        time.sleep(3)
        lab("virsh", "domfsthaw", self.lab["DOMAIN"])
        db.value("exec UNLOCK TABLES")
        self.assertTrue(self.is_writable(5))


class Faults(TunnelTest):
    def assert_answers_or_is_lost(self, db, within_s):
        begin = time.monotonic()
        said = db("value SELECT 41 + 1")
        took = time.monotonic() - begin
        print(f"  {said[:60]} after {took:.1f} s", flush=True)
        self.assertTrue(said.endswith(" 42") or said.startswith("error unreachable"), said)
        self.assertLess(took, within_s)
        return said

    def test_libvirtd_is_restarted_in_the_middle(self):
        t = self.tunnel()
        db = self.db()
        lab("daemon", "kill")
        db.send("value SELECT SLEEP(0.1)")
        time.sleep(1)
        lab("daemon", "start")
        said = db.process.stdout.readline().strip()
        print(f"  across the restart: {said[:60]}", flush=True)
        self.assert_answers_or_is_lost(db, 40)
        db.close()
        self.driven("db", self.socket, self.lab["HOLDFAST_CNF"]).close()
        t.close()
        self.end()
        self.assert_nothing_left()

    def test_an_agent_that_is_restarted_costs_a_pause(self):
        """A guest that is busy may need longer for it than a tunnel waits: then the session is lost, and it is restarted again."""
        for _ in range(4):
            t, db = self.tunnel(), self.db()
            begin = time.monotonic()
            guest("systemctl restart qemu-guest-agent")
            if self.assert_answers_or_is_lost(db, 40).endswith(" 42"):
                return
            self.assertIsNotNone(wait_until(self.agent_answers, 20), "the agent does not come back")
            self.assertGreater(time.monotonic() - begin, PATIENCE_S, "lost, and the agent was back in time")
            db.close()
            t.close()
            self.end()
        self.fail("the agent is never back in time")

    def test_an_agent_that_is_gone_loses_the_session_soon(self):
        self.tunnel()
        db = self.db()
        guest("systemctl stop qemu-guest-agent")
        self.assertTrue(self.assert_answers_or_is_lost(db, 40).startswith("error unreachable"))

    def test_a_bridge_that_dies_loses_its_session_at_once(self):
        self.tunnel()
        db = self.db()
        other = self.db()
        name = guest("systemctl list-units --plain --no-legend 'holdfast-bridge-*' | sort | head -1 | cut -d' ' -f1")
        guest(f"systemctl kill -s KILL {name}")
        self.assertTrue(self.assert_answers_or_is_lost(db, 15).startswith("error unreachable"))
        self.assertTrue(self.assert_answers_or_is_lost(other, 15).endswith(" 42"))

    def test_a_session_that_is_killed_by_the_server_hears_of_it(self):
        self.tunnel()
        db = self.db()
        sql(f"KILL {db.value('value SELECT CONNECTION_ID()')}", user="root")
        time.sleep(1)
        self.assertTrue(self.assert_answers_or_is_lost(db, 15).startswith("error"))


if __name__ == "__main__":
    main()
