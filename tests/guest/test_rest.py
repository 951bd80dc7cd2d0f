# SPDX-License-Identifier: Apache-2.0
"""Services at rest until dump and files are read (rest-until = files), and what brings them back when that is never."""

import re
import signal
import tempfile
import time
from pathlib import Path

from hf import Guest, GuestTest, Latency, lab, lab_env, main, sql

TREE = "/root/hft-rest"

# Writes two files in lockstep, as often as it can; between them in the archive lies one that takes its time to read.
WRITER = f"""
n=$(cat {TREE}/a)
while :; do n=$((n + 1)); echo $n >{TREE}/a.new; echo $n >{TREE}/b.new; mv {TREE}/a.new {TREE}/a; mv {TREE}/b.new {TREE}/b; done
"""
UNIT = "hft-writer.service"


def guest(script, check=True):
    return lab("ssh", "bash", "-s", input=script, check=check).strip()


class RestCase(GuestTest):
    """A guest with a writer and cron; both have to run when a test is over."""

    keys = {"rest_until": "files", "rest_limit": "60s", "services": f"cron, {UNIT}", "quiesce": "none",
            "files": f"{TREE}/a, {TREE}/big, {TREE}/b"}

    @classmethod
    def setUpClass(cls):
        guest(f"mkdir -p {TREE}; head -c 60M /dev/urandom >{TREE}/big; echo 0 >{TREE}/a; cp {TREE}/a {TREE}/b;"
              f"cat >/run/hft-writer.sh <<'X'\n{WRITER}\nX\n"
              f"printf '[Service]\\nExecStart=/bin/bash /run/hft-writer.sh\\n' >/run/systemd/system/{UNIT}; systemctl daemon-reload")
        sql("DROP TABLE IF EXISTS hf_test.rest; CREATE TABLE hf_test.rest (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO hf_test.rest VALUES (7)")
        cls.addClassCleanup(sql, "DROP TABLE hf_test.rest")
        cls.addClassCleanup(guest, f"systemctl stop {UNIT}; systemctl start cron; rm -rf {TREE} /run/hft-writer.sh"
                            f" /run/systemd/system/{UNIT}; systemctl daemon-reload")

    def setUp(self):
        super().setUp()
        self.site.write(db_defaults_file=lab_env()["HOLDFAST_DUMP_CNF"])
        guest(f"systemctl reset-failed {UNIT} 2>/dev/null; systemctl start cron {UNIT}")
        self.scratch = tempfile.TemporaryDirectory(prefix="hf-rest-")
        self.addCleanup(self.scratch.cleanup)

    def assert_running(self, within_s):
        begin = time.monotonic()
        while guest(f"systemctl is-active cron {UNIT}", check=False) != "active\nactive":
            self.assertLess(time.monotonic() - begin, within_s, "services do not run")
            time.sleep(0.2)
        return time.monotonic() - begin

    def assert_tidy(self):
        self.assertEqual(guest("systemctl list-units --all --plain --no-legend 'holdfast-deadman-*'; ls /run/holdfast 2>/dev/null",
                               check=False), "")
        self.assert_clean()

    def wait_for_rest(self):
        begin = time.monotonic()
        while guest(f"systemctl is-active {UNIT}", check=False) == "active":
            self.assertLess(time.monotonic() - begin, 30, "it does not come to rest")

    def env(self, points, log=None):
        once = tempfile.mkdtemp(dir=self.scratch.name)
        return {"HOLDFAST_POINT": points, "HOLDFAST_POINT_ONCE": once, **({"HOLDFAST_POINT_LOG": log} if log else {})}

    def recover(self, points):
        for _ in range(120):
            if not any(r["outcome"] == "alive" for r in self.ok(self.site.run("recover"))["runs"]):
                break
            time.sleep(0.25)
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [], f"after {points}: recover twice")


class Rest(RestCase):
    def setUp(self):
        super().setUp()
        self.dir = Path(self.scratch.name) / "archive"
        self.command = ["archive", "db", "--to", str(self.dir)]

    def pair(self):
        """What the archive has of the two files that are written in lockstep."""
        target = Path(self.scratch.name) / "back"
        self.ok(self.site.run("restore", "files", str(self.dir), "--to", str(target)))
        return [int((target / TREE[1:] / name).read_text()) for name in "ab"]

    # -- what it is for ------------------------------------------------------------------------

    def test_all_of_it_is_of_one_moment(self):
        doc = self.ok(self.site.run(*self.command, "--with-dump"))
        self.assert_running(1)
        self.assertEqual(set(doc["stopped"]), {"cron.service", UNIT})
        self.assertGreater(doc["rest_ms"], 100)
        self.assertEqual((doc["changed"], doc["vanished"], doc["warnings"]), (0, 0, []))
        self.assertGreater(doc["dump"]["rows"], 0)
        self.assertFalse(list(self.dir.rglob("INCOMPLETE")))
        a, b = self.pair()
        self.assertIn(a - b, (0, 1))    # the writer may be stopped between the two
        self.assertGreater(b, 0)
        self.assertGreaterEqual(int(guest(f"cat {TREE}/a")), a)
        self.assert_tidy()
        shown = self.site.run("show", doc["run"], as_json=False)
        self.assertEqual(shown.status, 0)
        self.assertIn("cron.service", shown.stdout)

    def test_without_rest_it_is_not(self):
        """The control: the same, and the second file is ahead of the first."""
        self.site.write(rest_until=None)
        doc = self.ok(self.site.run(*self.command))
        self.assertEqual((doc["stopped"], doc["rest_ms"], doc["dump"]), ([], 0, None))
        a, b = self.pair()
        self.assertGreater(b, a)

    # -- when it does not go well --------------------------------------------------------------

    def fails(self, cls, piece, **env):
        result = self.site.run(*self.command, env=env)
        self.assertEqual(result.status, 1, result.stdout + result.stderr)
        self.assertEqual(result.error["class"], cls, result.error)
        self.assertIn(piece, result.error["message"])
        self.assertIn(str(self.dir), str(result.error["left"]))
        self.assertTrue((self.dir / "INCOMPLETE").exists())
        refused = self.site.run("restore", "files", str(self.dir), "--to", self.scratch.name + "/x")
        self.assertEqual(refused.status, 1)
        return result.error

    def test_past_the_limit_the_services_go_on_and_the_archive_is_none(self):
        self.site.write(rest_limit="2s")
        self.fails("timeout", "the services had to go on")
        self.assert_running(1)
        self.assert_tidy()

    def test_a_service_that_somebody_starts_meanwhile_voids_it(self):
        guest("(while ! pgrep -f 'tar --create' >/dev/null; do sleep 0.1; done;"
              f" systemctl start {UNIT}) >/dev/null 2>&1 </dev/null &")
        self.fails("conflict", "did not stay at rest")
        self.assert_running(1)
        self.assert_tidy()

    def test_a_lost_connection_starts_them(self):
        guest("(while ! pgrep -f 'tar --create' >/dev/null; do sleep 0.1; done; sleep 1;"
              " kill -KILL $(ps -o ppid= -p $(pgrep -f 'tar --create' | head -1))) >/dev/null 2>&1 </dev/null &")
        error = self.fails("unreachable", "ssh")
        self.assert_running(1)
        self.assert_tidy()
        self.assertEqual(guest("pgrep -f 'tar --create'", check=False), "", error)

    def test_ctrl_c_starts_them(self):
        process = self.site.start(*self.command)
        self.wait_for_rest()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assert_running(1)
        self.assert_tidy()

    def test_what_was_not_running_stays_so(self):
        guest(f"systemctl stop {UNIT}")
        doc = self.ok(self.site.run(*self.command))
        self.assertEqual(doc["stopped"], ["cron.service"])
        self.assertIn(f"{UNIT} did not run, and stays as it is", doc["warnings"])
        self.assertNotEqual(guest(f"systemctl is-active {UNIT}", check=False), "active")

    def test_without_services_it_is_refused(self):
        self.site.write(services=None)
        result = self.site.run(*self.command)
        self.assertEqual(result.status, 2, result.stdout)
        self.assertIn("services = ", result.error["hint"])
        self.assertFalse(self.dir.exists())

    def test_a_directory_that_is_in_use_is_refused_before_anything_stops(self):
        self.dir.mkdir()
        (self.dir / "theirs").touch()
        before = guest(f"systemctl show -p InvocationID cron {UNIT}")
        result = self.site.run(*self.command)
        self.assertEqual((result.status, result.error["class"]), (1, "conflict"), result.stdout)
        self.assertEqual(guest(f"systemctl show -p InvocationID cron {UNIT}"), before)
        self.assertFalse((self.site.state / "catalog.sqlite").exists() and self.ok(self.site.run("status"))["vms"][0].get("outcome"))

    # -- death ---------------------------------------------------------------------------------

    def die(self, points):
        self.dir = Path(tempfile.mkdtemp(dir=self.scratch.name)) / "archive"
        process = self.site.start("archive", "db", "--to", str(self.dir), env=self.env(points))
        self.assertEqual(process.wait(timeout=120), -signal.SIGKILL, f"{points} did not kill the coordinator")
        return process

    def test_killed_at_every_point_the_guardian_starts_them(self):
        guest(f"head -c 100k /dev/urandom >{TREE}/small")
        self.site.write(files=f"{TREE}/small")
        log = Path(self.scratch.name) / "points"
        self.ok(self.site.run(*self.command, env=self.env("", str(log))))
        points = [p for p in dict.fromkeys(log.read_text().split()) if re.match(r"(hold|archive|stream)\.", p)]
        self.assertIn("hold.after_services_stop", points)
        for point in points:
            with self.subTest(point=point):
                process = self.die(f"{point}=kill")
                took = self.assert_running(10)
                process.communicate(timeout=60)
                whole = self.dir.exists() and not (self.dir / "INCOMPLETE").exists() and any(self.dir.iterdir())
                self.assertFalse(whole, "a half archive passes for a whole one")
                self.recover(point)
                self.assert_tidy()
                print(f"  {point:30} services run after {took:4.1f} s", flush=True)

    def test_with_the_host_gone_the_guest_does_it_itself(self):
        Latency()
        g = Guest("cron", UNIT)
        self.addCleanup(g.close)
        limit_s = g.hold_limit_s()
        self.site.write(rest_limit=f"{limit_s}s")
        process = self.die("stream.after_start=kill,guardian.before_undo=kill")
        process.communicate(timeout=60)
        took = g.running(limit_s + 2 + 3 * g.slow_s)
        self.assertIsNotNone(took, "services do not run")
        print(f"  limit {limit_s} s: services run after {took:.1f} s", flush=True)
        self.recover("power loss")
        self.assert_tidy()


if __name__ == "__main__":
    main()
