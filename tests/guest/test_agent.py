# SPDX-License-Identifier: Apache-2.0
"""The guest agent, through the libvirt plugin: files, freeze and thaw, mounts; an agent that dies, that others
use, that lies."""

import os
import subprocess
import threading
import time

from hf import SOURCE, GuestTest, Latency, build_dir, lab, main

# What holdfast may take in the worst case; an idle plugin_drive has a tenth. Sanitizers multiply it.
MEMORY_MAX_KIB = 150 * 1024 if build_dir().name != "asan" else 1 << 30


class Driven:
    """One operation of the plugin in a process of its own, with the time of its first word."""

    def __init__(self, process):
        self.begin = time.monotonic()
        self.process = process

    def finish(self, timeout_s=60):
        killer = threading.Timer(timeout_s, self.process.kill)
        killer.start()
        first = self.process.stdout.readline()
        self.took_s = time.monotonic() - self.begin
        self.out = first + self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        killer.cancel()
        self.process.stdout.close()
        self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
        self.memory_kib = usage.ru_maxrss
        return self


class Agent(GuestTest):
    def setUp(self):
        super().setUp()
        Latency()
        self.is_hostile = False
        self.addCleanup(self.agent_back)
        self.local = self.site.dir / "local"
        self.back = self.site.dir / "back"

    def agent_back(self):
        if self.is_hostile:
            self.close_channel()
            lab("ssh", "systemctl start qemu-guest-agent")
            self.is_hostile = False
            self.wait_for_agent()
        self.works("thaw", deadline_s=30)

    def wait_for_agent(self):
        deadline = time.monotonic() + 60
        while self.drive("ping", deadline_s=10).status != 0:
            self.assertLess(time.monotonic(), deadline, "the agent does not come back")
            time.sleep(0.2)

    def start(self, verb, *args, deadline_s=20):
        env = self.site.environ(HOLDFAST_DEADLINE_MS=str(int(deadline_s * 1000)))
        command = [build_dir() / "tests/plugin/plugin_drive", "libvirt", f"uri={self.site.lab['URI']}", "--", verb,
                   self.site.lab["DOMAIN"], *args]
        return Driven(subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True, env=env))

    def drive(self, verb, *args, **kw):
        return self.start(verb, *args, **kw).finish()

    def works(self, verb, *args, **kw):
        d = self.drive(verb, *args, **kw)
        self.assertEqual(d.status, 0, d.out)
        return d.out

    def fails(self, cls, piece, verb, *args, **kw):
        d = self.drive(verb, *args, **kw)
        self.assertEqual(d.status, 1, d.out)
        self.assertTrue(d.out.startswith(f"error {cls}:"), d.out)
        self.assertIn(piece, d.out)
        return d

    # -- files ---------------------------------------------------------------------------------

    def test_a_file_with_zeros_comes_back_as_it_was_written(self):
        self.local.write_bytes((b"\0" * 1000 + os.urandom(1000)) * 154)
        self.works("write", "/root/hf-agent", self.local)
        self.assertEqual(self.works("read", "/root/hf-agent", 400_000, self.back), "read 308000\n")
        self.assertEqual(self.local.read_bytes(), self.back.read_bytes())
        self.assertIn("308000", lab("ssh", "stat -c %s /root/hf-agent"))
        # A limit that just fits, and one that does not.
        self.works("read", "/root/hf-agent", 308_000, self.back)
        self.fails("corrupt", "longer than 307999 bytes", "read", "/root/hf-agent", 307_999, self.back)
        self.local.write_bytes(b"")
        self.works("write", "/root/hf-agent", self.local)
        self.assertEqual(self.works("read", "/root/hf-agent", 100, self.back), "read 0\n")

    def test_the_mode_of_a_written_file_is_what_the_header_says(self):
        self.local.write_text("secret")
        lab("ssh", "install -m 600 /dev/null /root/hf-agent; rm -f /root/hf-agent2")
        self.works("write", "/root/hf-agent", self.local)
        self.works("write", "/root/hf-agent2", self.local)
        modes = lab("ssh", "stat -c %a /root/hf-agent /root/hf-agent2; rm /root/hf-agent2").split()
        self.assertEqual(modes, ["600", "666"])

    def test_reading_ends_where_there_is_nothing_now_or_never_an_end(self):
        lab("ssh", "rm -rf /root/hf-fifo; mkdir /root/hf-fifo; mkfifo /root/hf-fifo/quiet /root/hf-fifo/open;"
            "(sleep 60 >/root/hf-fifo/open) >/dev/null 2>&1 </dev/null &")
        self.assertEqual(self.works("read", "/root/hf-fifo/quiet", 100, self.back), "read 0\n")
        self.assertEqual(self.works("read", "/root/hf-fifo/open", 100, self.back), "read 0\n")
        self.fails("corrupt", "longer than 500000 bytes", "read", "/dev/zero", 500_000, self.back)

    def test_what_goes_wrong_with_a_file_is_told(self):
        self.local.write_bytes(b"x" * 200_000)
        self.fails("not-found", "/nowhere", "read", "/nowhere", 100, self.back)
        self.fails("plugin", "Is a directory", "read", "/root", 100, self.back)
        d = self.fails("no-space", "/dev/full", "write", "/dev/full", self.local)
        self.assertIn("left: '/dev/full' in the guest may be incomplete", d.out)

    def test_a_program_reads_its_input(self):
        self.local.write_text("words\n")
        self.assertEqual(self.works("input", self.local, "/bin/cat"), "exit=0\nwords\n")

    # -- freeze and thaw --------------------------------------------------------------------------

    def test_frozen_means_that_no_commit_comes_through(self):
        self.assertEqual(self.works("state"), "thawed\n")
        self.assertEqual(self.works("freeze"), "frozen 2\n")
        self.assertEqual(self.works("state"), "frozen\n")
        self.assertIsNone(Latency.commit(timeout_s=2))
        self.fails("busy", "frozen already", "freeze")
        self.fails("conflict", "a thaw makes it work again", "exec", "/bin/true")
        self.works("thaw")
        self.assertEqual(self.works("state"), "thawed\n")
        self.assertIsNotNone(Latency.commit(timeout_s=10))
        self.works("thaw")

    def test_after_a_thaw_behind_its_back_the_agent_works_again_with_a_thaw(self):
        undo = "sleep 4; fsfreeze -u /var/lib/mysql; fsfreeze -u /"
        lab("ssh", f"sh -c '{undo}' >/dev/null 2>&1 </dev/null &")
        self.works("freeze")
        waited = Latency.commit(timeout_s=20)
        self.assertIsNotNone(waited)
        time.sleep(2)
        self.assertEqual(self.works("state"), "frozen\n")
        self.fails("conflict", "frozen state", "exec", "/bin/true")
        self.works("thaw")
        self.works("exec", "/bin/true")

    # -- mounts ------------------------------------------------------------------------------------

    def mounts(self):
        rows = [line.split() for line in self.works("mounts").splitlines()]
        return {(row[0], row[1]): row[3] for row in rows}

    def test_each_mount_is_told_with_its_disk(self):
        lab("ssh", "mount -t tmpfs none /srv && mkdir /srv/sub && mount --bind /var/lib/mysql /srv/sub")
        self.addCleanup(lab, "ssh", "umount -R /srv", check=False)
        found = self.mounts()
        self.assertEqual(found["/", "ext4"], "vda")
        self.assertEqual(found["/var/lib/mysql", "ext4"], "vdb")
        self.assertEqual(found["/srv", "tmpfs"], "-")
        self.assertEqual(found["/srv/sub", "ext4"], "vdb")
        # What lies below a mount over it is reached by no path.
        lab("ssh", "mount -t tmpfs none /srv")
        found = self.mounts()
        self.assertNotIn(("/srv/sub", "ext4"), found)
        self.assertEqual(found["/srv", "tmpfs"], "-")

    # -- others, and the end of the agent ------------------------------------------------------------

    def test_an_agent_killed_in_the_middle_of_a_program(self):
        running = self.start("exec", "/bin/sleep", "60", deadline_s=20)
        time.sleep(1.5)
        lab("ssh", "pkill -KILL -x qemu-ga")
        d = running.finish()
        self.assertEqual(d.status, 1, d.out)
        self.assertLess(d.took_s, 15, d.out)
        self.assertIn("'/bin/sleep' may still run in the guest (pid", d.out)
        print(f"  {d.out.splitlines()[0]}", flush=True)
        self.wait_for_agent()
        self.works("exec", "/bin/true")

    def test_another_client_on_the_channel(self):
        halt, count = threading.Event(), [0, 0]

        def client():
            while not halt.is_set():
                out = lab("virsh", "qemu-agent-command", self.site.lab["DOMAIN"], '{"execute":"guest-get-osinfo"}',
                          check=False)
                count["Debian" not in out] += 1

        threads = [threading.Thread(target=client, daemon=True) for _ in range(2)]
        for t in threads:
            t.start()
        self.local.write_bytes(os.urandom(200_000))
        try:
            for _ in range(8):
                self.works("write", "/root/hf-agent", self.local)
                self.works("read", "/root/hf-agent", 300_000, self.back)
                self.assertEqual(self.local.read_bytes(), self.back.read_bytes())
                self.assertIn("exit=0", self.works("exec", "/bin/echo", "mine"))
                self.works("freeze")
                self.works("thaw")
                self.mounts()
        finally:
            halt.set()
            for t in threads:
                t.join(30)
        print(f"  beside {count[0]} commands of others ({count[1]} refused, frozen)", flush=True)
        self.assertGreater(count[0], 5)

    def test_the_contract_of_plugins(self):
        """tests/plugin/conformance.c, on a VM with a guest: freeze, files and mounts, a capture, and a rollback, after which it
        boots."""
        uri = self.site.lab["URI"]
        command = [build_dir() / "tests/plugin/plugin_conformance", "libvirt", "uri=qemu+unix:///system?socket=/no",
                   f"uri={uri}", "--", self.site.lab["DOMAIN"]]
        p = subprocess.run(command, capture_output=True, text=True, timeout=300, env=self.site.environ(), check=False)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        self.assertIn("guest_mounts knows the disk of /", p.stdout)
        self.assertIsNotNone(Latency.accepts(180), "the guest does not come back")
        self.wait_for_agent()

    # -- an agent that lies ------------------------------------------------------------------------------

    def become_hostile(self, how):
        self.is_hostile = True
        script = (SOURCE / "tests/guest/hostile_agent.pl").read_text()
        self.close_channel()
        lab("ssh", f"cat >/root/hostile.pl; systemctl reset-failed hf-hostile 2>/dev/null;"
            f"systemd-run -q --unit=hf-hostile perl /root/hostile.pl {how}", input=script)
        self.wait_for_channel(1)

    def close_channel(self):
        """QEMU tells of one change of the port a second, the last: what closes and opens within one is not seen, and a
        channel that libvirt gave up for an error stays given up."""
        lab("ssh", "systemctl stop qemu-guest-agent hf-hostile 2>/dev/null; true")
        self.wait_for_channel(0)

    def wait_for_channel(self, is_open):
        deadline = time.monotonic() + 20
        while f"agent={is_open}" not in self.works("find"):
            self.assertLess(time.monotonic(), deadline, f"the channel does not come to {is_open}")
            time.sleep(0.2)

    def judge(self, how, *verbs, deadline_s=3):
        """Every operation ends with a clear error, in time and without eating memory."""
        self.local.write_text("x")
        args = {"exec": ["/bin/true"], "read": ["/etc/hostname", 100, self.back],
                "write": ["/root/hf-agent", self.local]}
        for verb in verbs:
            # What is no JSON or too long makes libvirt drop the channel until the agent opens it again.
            if verb == verbs[0] or how in ("invalid", "endless"):
                self.become_hostile(how)
            with self.subTest(how=how, verb=verb):
                d = self.drive(verb, *args.get(verb, []), deadline_s=deadline_s)
                print(f"  {how:8} {verb:7} {d.took_s:5.2f} s {d.memory_kib // 1024:4} MiB  {d.out[:110].strip()}",
                      flush=True)
                self.assertLess(d.took_s, deadline_s + 1)
                self.assertLess(d.memory_kib, MEMORY_MAX_KIB)
                self.assertEqual(d.status, 1, d.out)
                self.assertRegex(d.out, r"^error [a-z-]+: \S")
        self.agent_back()
        self.works("exec", "/bin/true")

    def test_an_agent_that_never_answers(self):
        self.judge("mute", "state", "exec", "read", "freeze")

    def test_an_agent_that_answers_with_5_MB(self):
        self.judge("long", "exec", "mounts")

    def test_an_agent_that_answers_with_wrong_types(self):
        self.judge("types", "state", "exec", "read", "write", "mounts", "freeze")

    def test_an_agent_that_answers_with_broken_JSON(self):
        self.judge("invalid", "ping", "write", "freeze")

    def test_an_agent_that_never_ends_its_line(self):
        self.judge("endless", "exec", "mounts")

    def test_a_freeze_of_unclear_end_says_what_may_be_left(self):
        self.become_hostile("half")
        d = self.drive("freeze", deadline_s=6)
        self.assertEqual(d.status, 1, d.out)
        self.assertLess(d.took_s, 7)
        self.assertIn("left: file systems in the guest may be frozen", d.out)


if __name__ == "__main__":
    main()
