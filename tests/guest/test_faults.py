# SPDX-License-Identifier: Apache-2.0
"""What dies beside holdfast in the middle of a hold, on a real guest: the host, libvirtd, the guest agent, a session, an
ssh connection, the state's file system. The guest is itself again within hold-limit and two seconds, nobody waits for
what does not answer, `recover` ends clean, and no grade is made up.
"""

import contextlib
import json
import signal
import subprocess
import time

from hf import Blocker, Guest, GuestTest, Latency, db_service, lab, main

GRACE_S = 2.0
# Far away: what is back before it was not the dead-men's work.
LONG_S = 200
POWER_LOSS = "hold.before_capture=kill,guardian.before_undo=kill"
AGENT = "$(pidof qemu-ga)"

FREEZE = {"freeze": "yes"}
STOP = {"quiesce": "stop", "services": "apache2, cron"}
SERVICES = {"services": "apache2, cron"}


class FaultTest(GuestTest):
    """One guest for all cases of a class; each leaves it running, thawed and without dead-men."""

    @classmethod
    def setUpClass(cls):
        Latency()
        cls.guest = Guest(db_service(), "apache2", "cron")
        cls.limit_s = cls.guest.hold_limit_s()
        print(f"  the database starts in {cls.guest.slow_s:.1f} s here; hold-limit {cls.limit_s} s", flush=True)

    @classmethod
    def tearDownClass(cls):
        cls.guest.close()

    def setUp(self):
        super().setUp()
        self.run_process = None
        self.addCleanup(self.make_whole)

    def make_whole(self):
        """After a case that failed in the middle: the next one is not to fail by it."""
        if self.run_process and self.run_process.poll() is None:
            self.run_process.send_signal(signal.SIGCONT)
            self.run_process.communicate(timeout=300)
        self.guest.shell.ask(f"kill -CONT {AGENT}", 10)
        lab("virsh", "domfsthaw", self.site.lab["DOMAIN"], check=False)
        self.guest.shell.ask(f"systemctl start {db_service()} apache2 cron", 120)

    # -- runs that stand still, or die --------------------------------------------------------

    def limit(self, seconds, **keys):
        self.site.write(hold_limit=f"{seconds}s", **keys)
        return seconds

    def points(self):
        log = self.site.dir / "points"
        return log.read_text().split() if log.exists() else []

    def start(self, points):
        once = self.site.dir / "once"
        once.mkdir(exist_ok=True)
        self.run_process = self.site.start("snapshot", "create", "db", env={
            "HOLDFAST_POINT": points, "HOLDFAST_POINT_ONCE": str(once),
            "HOLDFAST_POINT_LOG": str(self.site.dir / "points")})
        return self.run_process

    def stall(self, point, seconds):
        """A run that stands still there for so long, from now on."""
        self.start(f"{point}=stall:{int(seconds * 1000)}")
        self.wait_for_point(point, 120)

    @contextlib.contextmanager
    def standing_still(self):
        """The run comes no further than its point, however long this machine takes for what is done meanwhile."""
        self.run_process.send_signal(signal.SIGSTOP)
        self.assertIsNone(self.run_process.poll(), "it came too late")
        try:
            yield
        finally:
            self.run_process.send_signal(signal.SIGCONT)

    def wait_for_point(self, point, within_s):
        deadline = time.monotonic() + within_s
        while point not in self.points():
            self.assertIsNone(self.run_process.poll(), "the run ended before its point")
            self.assertLess(time.monotonic(), deadline, f"the run does not come to {point}")
            time.sleep(0.02)

    def lose_power(self):
        """Coordinator and guardian die in the middle of the hold. The instant of the first death."""
        process = self.start(POWER_LOSS)
        self.assertEqual(process.wait(timeout=180), -signal.SIGKILL)
        died = time.monotonic()
        process.communicate(timeout=30)
        self.assertIn("guardian.before_undo", self.points())
        return died

    def result(self, status, within_s=300):
        """The run's document."""
        out, err = self.run_process.communicate(timeout=within_s)
        self.assertEqual(self.run_process.returncode, status, out + err)
        return json.loads(out)

    # -- what has to be true ------------------------------------------------------------------

    def allowed_s(self, limit_s, starts=False):
        """hold-limit and two seconds; and for what the guest does in this time, what that costs on this machine: a start
        of the database, and three where services are started one after the other while the machine does other things."""
        return limit_s + GRACE_S + self.guest.slow_s * (3 if starts else 1)

    def assert_back(self, what, since, allowed_s):
        """`what(within_s)` comes true by then."""
        self.assertIsNotNone(what(max(0.5, since + allowed_s + 30 - time.monotonic())), f"{what.__name__}: not at all")
        took = time.monotonic() - since
        print(f"    {what.__name__} after {took:.1f} s of {allowed_s:.1f}", flush=True)
        self.assertLess(took, allowed_s, what.__name__)
        return took

    def assert_frozen(self):
        self.assertIsNone(self.guest.writable(1.0), "nothing was frozen, so nothing was tested")

    def assert_down(self, *units):
        for unit in units:
            self.assertEqual(self.guest.shell.ask(f"systemctl is-active {unit}", 20), "inactive")

    def assert_well(self):
        self.assertIsNotNone(self.guest.writable(5 + self.guest.slow_s))
        self.assertIsNotNone(self.guest.running(5 + self.guest.slow_s))
        self.assertIsNotNone(Latency.accepts(5))

    def assert_recovers(self):
        """`recover` ends clean, finds nothing the second time, and nothing is left anywhere."""
        deadline = time.monotonic() + 120
        while any(r["outcome"] == "alive" for r in self.ok(self.site.run("recover"))["runs"]):
            self.assertLess(time.monotonic(), deadline, "the run stays alive")
            time.sleep(0.25)
        self.assertEqual(self.ok(self.site.run("recover"))["runs"], [])
        self.assertEqual(self.guest.dead_men(), "")
        self.assert_well()
        self.site.delete_all()
        self.assert_clean()


class Power(FaultTest):
    """The host loses power: nobody but the guest's own dead-men is left."""

    def test_frozen_filesystems_are_thawed_by_the_guest_itself(self):
        limit_s = self.limit(self.limit_s, **FREEZE)
        died = self.lose_power()
        self.assert_frozen()
        self.assert_back(self.guest.writable, died, self.allowed_s(limit_s))
        self.assert_back(Latency.accepts, died, self.allowed_s(limit_s))
        self.assert_recovers()

    def test_a_stopped_database_and_its_services_are_started_by_the_guest_itself(self):
        limit_s = self.limit(self.limit_s, **STOP)
        died = self.lose_power()
        self.assert_down(db_service(), "apache2", "cron")
        self.assert_back(Latency.accepts, died, self.allowed_s(limit_s, starts=True))
        self.assert_back(self.guest.running, died, self.allowed_s(limit_s, starts=True))
        self.assert_recovers()

    def test_services_beside_a_lock_are_started_by_the_guest_itself(self):
        limit_s = self.limit(self.limit_s, **SERVICES)
        died = self.lose_power()
        self.assert_back(Latency.accepts, died, GRACE_S)
        self.assert_down("apache2", "cron")
        self.assert_back(self.guest.running, died, self.allowed_s(limit_s, starts=True))
        self.assert_recovers()

    def test_recover_long_before_the_dead_men_lets_go_of_everything(self):
        self.limit(LONG_S, **FREEZE, **SERVICES)
        died = self.lose_power()
        self.assert_frozen()
        self.ok(self.site.run("recover"))
        self.assert_well()
        self.assertLess(time.monotonic() - died, LONG_S / 2)
        self.assert_recovers()


class Daemon(FaultTest):
    """libvirtd is killed in the middle of a hold."""

    def make_whole(self):
        if subprocess.run([*self.virsh("list")], capture_output=True, check=False, timeout=30).returncode != 0:
            lab("daemon", "start")
        super().make_whole()

    def virsh(self, *args):
        return ["virsh", "-q", "-c", self.site.lab["URI"], *args]

    def kill_at(self, point, seconds):
        self.stall(point, seconds)
        lab("daemon", "kill")
        return time.monotonic()

    def test_a_frozen_guest_is_thawed_and_unlocked_without_it(self):
        limit_s = self.limit(self.limit_s, **FREEZE)
        began = self.kill_at("hold.before_capture", 1)
        self.assert_back(self.guest.writable, began, self.allowed_s(limit_s))
        self.assert_back(Latency.accepts, began, self.allowed_s(limit_s))
        self.assertIn("may be frozen", str(self.result(1)["error"]["left"]))
        lab("daemon", "start")
        self.assert_recovers()

    def test_a_daemon_that_comes_back_while_the_guest_is_to_be_thawed_thaws_it(self):
        self.limit(LONG_S, **FREEZE)
        began = self.kill_at("hold.after_capture", 1)
        self.wait_for_point("hold.before_thaw", 60)
        time.sleep(2)
        self.assert_frozen()
        lab("daemon", "start")
        self.assert_back(self.guest.writable, began, LONG_S / 4)
        self.assertIsNotNone(Latency.accepts(GRACE_S))
        self.run_process.communicate(timeout=120)
        self.assert_recovers()

    def test_a_stopped_database_comes_back_without_it(self):
        limit_s = self.limit(self.limit_s, **STOP)
        began = self.kill_at("hold.before_capture", 1)
        self.assert_back(Latency.accepts, began, self.allowed_s(limit_s, starts=True))
        self.assert_back(self.guest.running, began, self.allowed_s(limit_s, starts=True))
        self.assertTrue(self.result(1)["error"]["left"])
        lab("daemon", "start")
        self.assert_recovers()


class Agent(FaultTest):
    """The guest agent falls silent, or is restarted."""

    def mute_at(self, point, seconds):
        self.stall(point, seconds)
        self.guest.shell.ask(f"kill -STOP {AGENT}", 10)
        return time.monotonic()

    def assert_recover_is_bounded(self, within_s):
        """While the agent is silent it says what is left, and does not wait for ever."""
        begin = time.monotonic()
        r = self.site.run("recover")
        took = time.monotonic() - begin
        print(f"    recover gave up after {took:.1f} s", flush=True)
        self.assertEqual(r.status, 1, r.stdout + r.stderr)
        self.assertLess(took, within_s)
        self.assertTrue(r.error["left"], r.stdout)

    def test_a_frozen_guest_whose_agent_is_silent_is_thawed_and_unlocked(self):
        limit_s = self.limit(self.limit_s, **FREEZE)
        began = self.mute_at("hold.after_capture", 1)
        self.assert_back(self.guest.writable, began, self.allowed_s(limit_s))
        self.assert_back(Latency.accepts, began, self.allowed_s(limit_s))
        self.assertIn("may be frozen", str(self.result(1)["error"]["left"]))
        self.assertLess(time.monotonic() - began, limit_s + 60)
        self.assert_recover_is_bounded(45)
        self.guest.shell.ask(f"kill -CONT {AGENT}", 10)
        self.assert_recovers()

    def test_a_stopped_database_whose_agent_is_silent_comes_back(self):
        limit_s = self.limit(self.limit_s, **STOP, start_timeout="20s")
        began = self.mute_at("hold.after_capture", 1)
        self.assert_back(Latency.accepts, began, self.allowed_s(limit_s, starts=True))
        self.assert_back(self.guest.running, began, self.allowed_s(limit_s, starts=True))
        self.assertTrue(self.result(1)["error"]["left"])
        self.assertLess(time.monotonic() - began, limit_s + 120)
        self.assert_recover_is_bounded(60)
        self.guest.shell.ask(f"kill -CONT {AGENT}", 10)
        self.assert_recovers()

    def test_an_agent_that_is_restarted_while_frozen_thaws_all_the_same(self):
        self.limit(LONG_S, **FREEZE)
        self.stall("hold.after_capture", 2)
        with self.standing_still():  # while frozen the agent ignores a SIGTERM
            self.assertEqual(self.guest.shell.ask(f"old={AGENT}; kill -9 $old; until new={AGENT} && [ $new != $old ]; do "
                                                  "sleep 0.1; done; echo yes", 60), "yes")
        self.assertEqual(self.result(0)["grade"], "B")
        self.assert_recovers()

    def test_an_agent_that_is_restarted_while_the_database_is_stopped_costs_nothing(self):
        self.limit(LONG_S, **STOP)
        self.stall("hold.after_capture", 2)
        with self.standing_still():
            self.assertEqual(self.guest.shell.ask("systemctl restart qemu-guest-agent && echo yes", 60), "yes")
        self.assertEqual(self.result(0)["grade"], "A")
        self.assert_recovers()


class Connections(FaultTest):
    """The database's session, or the ssh connection, is cut in the middle."""

    def kill_holder(self):
        client = self.site.lab["FLAVOUR"]
        run = self.site.journals()[0].split(".")[0]
        said = self.guest.shell.ask(f"id=$({client} -BN -e \"SELECT IS_USED_LOCK('holdfast.{run}')\") && "
                                    f"{client} -e \"KILL $id\" && echo yes", 40)
        self.assertEqual(said, "yes")

    def cut_ssh(self):
        """Every ssh session in the guest but those that lead to our own shell."""
        said = self.guest.shell.ask(
            'mine=" $(systemctl show -p MainPID --value ssh) "; p=$$; '
            'while [ "$p" -gt 1 ]; do mine="$mine $p "; p=$(ps -o ppid= -p "$p" | tr -d " "); done; '
            'for p in $(pgrep sshd); do case "$mine" in *" $p "*) ;; *) kill -9 "$p";; esac; done; echo yes', 40)
        self.assertEqual(said, "yes")

    def by_ssh(self, **keys):
        env = self.site.lab
        self.site.write(guest="ssh", ssh=f"root@127.0.0.1:{env['SSH_PORT']}", ssh_key=env["SSH_KEY"],
                        ssh_known_hosts=env["SSH_KNOWN_HOSTS"], **keys)

    def test_a_lock_whose_session_was_killed_is_grade_e_and_no_success(self):
        self.limit(LONG_S, **SERVICES)
        self.stall("hold.after_capture", 2)
        with self.standing_still():
            self.kill_holder()
            self.assertIsNotNone(Latency.accepts(GRACE_S + 1), "the server keeps a lock without its session")
        doc = self.result(3)
        self.assertEqual((doc["grade"], doc["proof"], doc["position"]), ("E", "none", None))
        self.assertIn("gone", doc["grade_why"])
        self.assert_recovers()

    def test_a_frozen_guest_whose_lock_was_killed_is_thawed(self):
        self.limit(LONG_S, **FREEZE)
        self.stall("hold.before_freeze", 2)
        with self.standing_still():
            self.kill_holder()
        doc = self.result(3)
        self.assertEqual(doc["grade"], "E")
        self.assert_recovers()

    def test_an_ssh_connection_that_was_cut_is_made_again(self):
        self.by_ssh()
        self.limit(LONG_S, **STOP)
        self.stall("hold.after_capture", 2)
        with self.standing_still():
            self.cut_ssh()
        self.assertEqual(self.result(0)["grade"], "A")
        self.assert_recovers()

    def test_a_lock_through_an_ssh_connection_that_was_cut_is_grade_e(self):
        self.by_ssh()
        self.limit(LONG_S, db="ssh")
        self.stall("hold.after_capture", 2)
        with self.standing_still():
            self.cut_ssh()
            self.assertIsNotNone(Latency.accepts(GRACE_S + 1))
        doc = self.result(3)
        self.assertEqual((doc["grade"], doc["proof"]), ("E", "none"))
        self.assert_recovers()


class Network(FaultTest):
    """The guest's network cable is pulled: no session ends, none answers. Looked at from inside the guest."""

    PULSE = "/run/hf-pulse"

    def make_whole(self):
        self.plug("on")
        super().make_whole()
        self.guest.shell.ask(f"rm -f {self.PULSE}", 60)

    def plug(self, state):
        lab("virsh", "qemu-monitor-command", self.site.lab["DOMAIN"], "--hmp", f"set_link lab {state}")
        if state == "on":
            self.guest.log_in_again()

    def start_pulse(self, seconds):
        """Commits inside the guest, one after the other; a line with the time of the start, and of each."""
        client = self.site.lab["FLAVOUR"]
        self.guest.shell.ask(
            f"end=$(($(date +%s) + {seconds})); (date +%s.%N; while [ $(date +%s) -lt $end ]; do {client} -e "
            f"'INSERT INTO hf_test.pulse VALUES ()' && date +%s.%N; done) >{self.PULSE} & echo", 20)

    def longest_gap(self):
        times = [float(t) for t in self.guest.shell.ask(f"cat {self.PULSE}", 60).split()]
        self.assertGreater(len(times), 2)
        return max(b - a for a, b in zip(times, times[1:]))

    def test_a_lock_that_cannot_be_taken_back_ends_by_itself(self):
        limit_s = self.limit(self.limit_s, **SERVICES)
        self.stall("hold.after_capture", 5)
        self.start_pulse(limit_s + 40)
        self.plug("off")
        time.sleep(limit_s + GRACE_S + 3 * self.guest.slow_s)
        self.plug("on")
        gap = self.longest_gap()
        print(f"    the longest gap between commits was {gap:.1f} s, hold-limit {limit_s} s", flush=True)
        self.assertGreater(gap, limit_s / 2, "nobody waited, so nothing was tested")
        self.assertLess(gap, self.allowed_s(limit_s))
        self.assertEqual(self.result(3)["grade"], "E")
        self.assert_recovers()


class FullState(FaultTest):
    """The state directory is a small file system, which fills up in the middle."""

    def setUp(self):
        super().setUp()
        self.site.state.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", self.site.state], check=True)
        # Last of all: what a test left is recovered from its journal.
        self._cleanups.insert(1, (subprocess.run, (["umount", "-l", self.site.state],), {"check": False}))

    def fill(self):
        with open(self.site.state / "filler", "ab", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(b"\0" * 4096):
                pass

    def relieve(self):
        (self.site.state / "filler").unlink(missing_ok=True)

    def test_everything_is_let_go_though_nothing_can_be_written_down(self):
        for keys in ({**FREEZE, **SERVICES}, {**STOP, "freeze": None}):
            with self.subTest(keys=keys):
                self.limit(LONG_S, **keys)
                self.stall("hold.after_capture", 2)
                self.fill()
                self.addCleanup(self.relieve)
                self.run_process.wait(300)
                self.assert_well()
                doc = self.result(1)
                self.assertIn(doc["error"]["class"], ("no-space", "internal"), doc)
                self.relieve()
                self.assert_recovers()
                (self.site.dir / "points").unlink()


class Stalled(FaultTest):
    """The coordinator stands still beyond hold-limit: the dead-men do their work, and the hold proves nothing."""

    def test_a_dead_man_that_thawed_voids_the_grade(self):
        limit_s = self.limit(self.limit_s, quiesce="none", require="D", **FREEZE)
        self.stall("hold.after_capture", limit_s + 5)
        began = time.monotonic()
        self.assert_frozen()
        self.assert_back(self.guest.writable, began, self.allowed_s(limit_s))
        doc = self.result(3)
        self.assertEqual((doc["grade"], doc["proof"]), ("E", "none"))
        self.assertIn("fired", doc["grade_why"])
        self.assert_recovers()

    def test_a_dead_man_that_started_the_database_voids_the_grade(self):
        limit_s = self.limit(self.limit_s, **STOP)
        self.stall("hold.after_capture", limit_s + 3 * self.guest.slow_s + 5)
        began = time.monotonic()
        self.assert_back(Latency.accepts, began, self.allowed_s(limit_s, starts=True))
        doc = self.result(3)
        self.assertEqual((doc["grade"], doc["proof"]), ("E", "none"))
        self.assertIn("did not stay", doc["grade_why"])
        self.assert_recovers()

    def test_a_dead_man_that_started_services_beside_a_lock_voids_the_grade(self):
        limit_s = self.limit(self.limit_s, **SERVICES)
        # The limit counts from when the services came to rest; the lock's session lives for it after the lock.
        self.stall("hold.after_capture", limit_s + 0.3)
        began = time.monotonic()
        self.assert_back(self.guest.running, began, self.allowed_s(limit_s, starts=True))
        doc = self.result(3)
        self.assertEqual(doc["grade"], "E")
        self.assertIn("fired", doc["grade_why"])
        self.assert_recovers()

    def test_past_the_limit_nothing_is_captured(self):
        limit_s = self.limit(self.limit_s, **FREEZE)
        self.stall("hold.before_capture", limit_s + 3)
        self.assertIn("hold-limit passed", self.result(1)["error"]["message"])
        self.assert_recovers()


class Release(FaultTest):
    """`holdfast release` at three in the morning: no catalog, no journal, and the dead-men are far away."""

    def release(self):
        """From an empty state directory; the dead run's own comes back afterwards."""
        kept = self.site.dir / "kept"
        self.site.state.rename(kept)
        try:
            begin = time.monotonic()
            r = self.site.run("release", "db")
            print(f"    release took {time.monotonic() - begin:.1f} s", flush=True)
        finally:
            subprocess.run(["rm", "-rf", self.site.state], check=True)
            kept.rename(self.site.state)
        return self.ok(r)["did"]

    def test_a_frozen_and_locked_guest_with_stopped_services(self):
        self.limit(LONG_S, **FREEZE, **SERVICES)
        lock = Blocker("", user="holdfast")
        self.addCleanup(lock.stop)
        died = self.lose_power()
        self.assert_frozen()
        did = self.release()
        self.assertIn("filesystems are thawed", did)
        self.assertTrue(any("session of holdfast ended" in d for d in did), did)
        self.assertIn("apache2.service runs", did)
        self.assertEqual(self.guest.dead_men(), "")
        self.assert_well()
        self.assertLess(time.monotonic() - died, LONG_S / 2)
        self.assert_recovers()

    def test_a_lock_that_outlived_its_run(self):
        self.limit(LONG_S)
        lock = Blocker("FLUSH TABLES WITH READ LOCK;", user="holdfast")
        self.addCleanup(lock.stop)
        self.assertIsNone(Latency.commit(2))
        self.site.state.mkdir(mode=0o700, exist_ok=True)
        self.release()
        self.assertIsNotNone(Latency.commit(GRACE_S))

    def test_a_stopped_guest(self):
        self.limit(LONG_S, **STOP)
        died = self.lose_power()
        self.assert_down(db_service(), "apache2", "cron")
        did = self.release()
        self.assertEqual([d for d in did if d.endswith("runs")],
                         [f"{u}.service runs" for u in (db_service(), "cron", "apache2")])
        self.assertEqual(self.guest.dead_men(), "")
        self.assert_well()
        self.assertLess(time.monotonic() - died, LONG_S / 2)
        self.assert_recovers()


if __name__ == "__main__":
    main()
