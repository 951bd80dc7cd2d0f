# SPDX-License-Identifier: Apache-2.0
"""The SFTP driver against OpenSSH: what each store promises, hosts and keys, servers that can do less, full disks, lost connections."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import contract
import remotelib
import sshproxy
from contract import BIG
from swiftlib import runlib  # noqa: I001  it says where the harness is
import kill_points


class Operations(contract.Operations, remotelib.Case):
    make_server = remotelib.Sftp

    def test_free_space_is_that_of_the_server(self):
        v = os.statvfs(self.folder)
        self.assertAlmostEqual(int(self.ok("space").stdout), v.f_bavail * v.f_frsize, delta=4 << 30)

    def test_objects_are_for_their_owner_alone(self):
        self.ok("put", "a/x", self.file("in", b"x"))
        self.assertEqual((self.folder / "a/x").stat().st_mode & 0o7777, 0o600)

    def test_links_in_a_store_are_not_listed(self):
        (self.folder / "link").symlink_to("/etc/hostname")
        (self.folder / "dir").symlink_to("/etc")
        self.assertEqual(self.names(""), [])
        self.assertIn("not a regular file", self.fails("head", "link"))

    def test_a_folder_that_was_moved_away_behind_a_link_is_not_taken_for_removed(self):
        self.ok("put", "points/web1/x", self.file("in", b"x"))
        (self.folder / "points/web1").rename(self.dir / "elsewhere")
        (self.folder / "points/web1").symlink_to(self.dir / "elsewhere")
        for how in ((), ("shallow",)):
            self.assertRegex(self.fails("list", "points/", *how), r"^conflict: .*'points/web1' is a link.*\| Move back")
        for prefix in ("points/web1/", "points/web1/none/"):
            self.assertRegex(self.fails("list", prefix), r"^conflict: .*'points/web1' is a link")
        (self.dir / "elsewhere").rename(self.dir / "not-mounted")
        self.assertRegex(self.fails("list", "points/web1/"), r"^conflict: ")


class Kills(contract.Kills, remotelib.Case):
    make_server = remotelib.Sftp
    area = "store.sftp"
    points = ("before_rename", "after_rename")

    def test_each_point_is_walked_here(self):
        self.assertEqual({f"store.sftp.{p}" for p in (*self.points, "before_remove")}, kill_points.of("integration.store.sftp"))


class Trust(remotelib.Case):
    """Nobody is told anything before his key is known."""

    make_server = remotelib.Sftp

    def setUp(self):
        super().setUp()
        self.put = ("put", "x", self.file("in", b"x"))

    def known(self, text):
        return self.file("known", text.encode())

    def test_an_unknown_host_is_refused_before_the_login(self):
        proxy = sshproxy.Proxy(self.server.port)
        self.addCleanup(proxy.close)
        error = self.fails(*self.put, known_hosts=self.known(""), port=proxy.port)
        self.assertRegex(error, r"^auth: .*the host is unknown: its key SHA256:.*\| Compare on that host itself")
        self.assertEqual(proxy.n, 1)
        self.assertIsNone(self.stored("x"))

    def test_a_host_with_another_key_is_refused_and_so_is_a_revoked_one(self):
        key = self.server.sshd.dir.joinpath("user.pub").read_text()
        self.assertIn("the host's key has changed", self.fails(*self.put, known_hosts=self.known(f"127.0.0.1 {key}")))
        known = self.server.known_hosts.read_text()
        self.assertIn("is revoked", self.fails(*self.put, known_hosts=self.known(f"@revoked * {known.split(' ', 1)[1]}{known}")))
        self.assertIsNone(self.stored("x"))

    def test_without_known_hosts_or_key_nothing_is_tried(self):
        self.assertRegex(self.fails(*self.put, known_hosts="/nonesuch"), "^config: .*host keys: .*ssh-keyscan")
        self.assertRegex(self.fails(*self.put, key_file="/nonesuch"), "^config: |^not-found: ")
        self.assertRegex(self.fails(*self.put, key_file=None), "^config: .*no ssh-agent")
        loose = self.file("loose", self.server.key.read_bytes())
        loose.chmod(0o644)
        self.assertRegex(self.fails(*self.put, key_file=loose), "^config: |^auth: ")

    def test_a_key_that_is_not_accepted_is_named_and_not_tried_for_minutes(self):
        other = self.dir / "other"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
        done = self.drive(*self.put, key_file=other)
        self.assertRegex(done.error, r"^auth: .*does not accept the key.*\| Append the public key")
        self.assertLess(done.took_s, 6)


class EachItsOwn(remotelib.Case):
    """Each test has a server of its own."""

    @classmethod
    def setUpClass(cls):
        cls.server = None

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def with_server(self, program):
        self.server = remotelib.Sftp(program)
        self.addCleanup(self.server.stop)
        super().setUp()


class LesserServers(EachItsOwn):
    """Which lack what OpenSSH has, or may do less."""

    def test_without_fsync_and_posix_rename_objects_are_put_and_replaced_all_the_same(self):
        # It refuses all that is an extension, as a server does that has none of them.
        self.with_server("internal-sftp -P extended,fsync,posix-rename,statvfs")
        self.ok("put", "a/x", self.file("in", BIG), "confirm")
        self.assertIn("conflict: ", self.fails("put", "a/x", self.file("in", b"x")))
        self.ok("put", "a/x", self.file("in", b"new"), "replace")
        self.assertEqual(self.stored("a/x"), b"new")
        self.assertRegex(self.fails("space"), "^(unsupported|auth): ")

    def test_what_counts_as_arrived_is_on_the_disk_with_its_name_and_all_directories_above(self):
        log = Path(tempfile.mkdtemp(prefix="hf-log-")) / "log"
        self.addCleanup(shutil.rmtree, log.parent, True)
        self.with_server(f"/usr/lib/openssh/sftp-server -e -l VERBOSE 2>>{log}")
        self.ok("put", "a/b/x", self.file("in", b"x"))
        self.ok("put", "a/b/x", self.file("in", b"y"), "replace")
        told = re.findall(r'(fsync|rename) .*?"([^"]*?)(?:\.[0-9a-f]+\.tmp)?"', log.read_text())
        at = str(self.folder)
        once = [("fsync", f"{at}/a/b/.x"), ("rename", f"{at}/a/b/.x"), *(("fsync", at + d) for d in ("", "/a", "/a/b"))]
        self.assertEqual(told, 2 * once, log.read_text())

    def test_an_account_that_may_not_delete_adds_objects(self):
        self.with_server("internal-sftp -P remove,rmdir,posix-rename")
        self.ok("put", "a/x", self.file("in", BIG), "confirm")
        self.assertRegex(self.fails("remove", "a/x"), "^auth: .*may not")
        self.assertEqual(self.stored("a/x"), BIG)

    def test_an_account_that_may_not_write_is_told_so(self):
        self.with_server("internal-sftp -R")
        self.assertRegex(self.fails("put", "x", self.file("in", b"x")), "^auth: .*may not")
        self.assertRegex(self.fails("put", "a/x", self.file("in", b"x")), "^auth: .*may not")
        self.assertEqual(self.names(""), [])

    def test_a_server_without_sftp_and_one_that_talks_are_told_apart(self):
        self.with_server(None)
        self.assertRegex(self.fails("now"), r"^unsupported: .*offers no sftp.*\| sshd_config")
        self.with_server("/bin/echo Welcome to this machine of ours")
        self.assertRegex(self.fails("now", retry_ms=60000, stall_ms=20000), r"^corrupt: .*no SFTP server.*\| Look whether the account's shell")


class OddServers(EachItsOwn):
    """Which do what OpenSSH does not, and may."""

    def with_odd(self, kind):
        self.with_server(f"/usr/bin/python3 -B {Path(__file__).parent / 'sftp_odd.py'} {kind}")

    def test_one_that_cannot_open_a_directory_takes_objects_all_the_same(self):
        self.with_odd("blind-dirs")
        self.ok("put", "a/x", self.file("in", BIG), "confirm")

    def test_a_directory_that_cannot_be_synced_where_another_one_was_fails_the_put(self):
        self.with_odd("sync-fails")
        self.assertRegex(self.fails("put", "a/x", self.file("in", b"x")), "^unreachable: .*cannot sync its directory")

    def test_answers_may_come_in_any_order(self):
        self.with_odd("reversed")
        self.ok("put", "a/x", self.file("in", BIG[:3 << 20]), "confirm")
        for i in range(300):
            (self.folder / f"n{i:03}").touch()
        self.assertEqual(len(self.names("")), 301)

    def test_a_listing_that_never_ends_is_no_listing(self):
        for kind in ("empty", "dots"):
            self.with_odd(kind)
            done = self.drive("list", "")
            self.assertRegex(done.error, "^corrupt: .*never ends|^unsupported: .*without what they are")
            self.assertLess(done.took_s, 8)

    def test_names_without_what_they_are_are_no_listing(self):
        self.with_odd("no-types")
        self.ok("put", "a/x", self.file("in", b"x"))
        self.assertRegex(self.fails("list", ""), "^unsupported: .*without what they are")


class FullDisk(remotelib.Case):
    make_server = remotelib.Sftp

    def setUp(self):
        super().setUp()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", self.folder], check=False) if os.geteuid() == 0 else None
        if not os.path.ismount(self.folder):
            runlib.missing("mount", "no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder], check=True)

    def test_a_full_disk_is_no_space_and_leaves_nothing(self):
        done = self.drive("put", "a/x", self.file("in", BIG))
        self.assertRegex(done.error, r"^no-space: .*full.*\| Delete old points")
        self.assertLess(done.took_s, 6)
        self.assertEqual([p for p in self.folder.rglob("*") if p.is_file()], [])
        self.ok("put", "a/y", self.file("in", b"y"))


class Troubles(remotelib.Case):
    make_server = remotelib.Sftp

    def proxy(self, fault=None):
        proxy = sshproxy.Proxy(self.server.port, fault)
        self.addCleanup(proxy.close)
        self.port = proxy.port
        return proxy

    def test_a_lost_connection_costs_only_what_was_not_acknowledged(self):
        proxy = self.proxy(lambda nth: ("cut-up", 9 << 20) if nth == 1 else None)
        self.ok("put", "x", self.file("in", BIG))
        self.assertEqual(self.stored("x"), BIG)
        self.assertEqual((proxy.met, proxy.n), (["cut-up"], 2))
        self.assertEqual(self.hidden(), [])

    def test_sessions_that_are_killed_again_and_again_only_make_it_slower(self):
        with open(self.dir / "long", "wb") as f:
            f.truncate(120 << 20)
        command, env = self.command("put", "x", self.dir / "long", retry_ms=60000, stall_ms=20000)
        run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        kills, killed_at = 0, 0
        while run.poll() is None:
            with contextlib.suppress(OSError):
                size = max((h.stat().st_size for h in self.folder.rglob(".*.tmp")), default=0)
                if size > killed_at + (18 << 20):
                    self.server.signal_sessions(signal.SIGKILL)
                    kills, killed_at = kills + 1, size
            time.sleep(0.01)
        self.assertEqual(run.returncode, 0, run.stdout.read())
        self.assertGreater(kills, 3)
        self.assertEqual((self.folder / "x").stat().st_size, 120 << 20)

    def test_a_server_that_hangs_is_given_up_within_patience(self):
        file = self.file("in", BIG)
        self.assertLess(self.drive("now").took_s, 5)
        proxy = self.proxy(lambda nth: ("stall-down", 1500))
        done = self.drive("put", "x", file, retry_ms=2500, stall_ms=500)
        self.assertRegex(done.error, "^(timeout|unreachable): ")
        self.assertLess(done.took_s, 2.5 + 6)
        self.assertGreater(proxy.n, 1)

    def test_a_server_that_is_gone_is_unreachable_within_patience(self):
        self.port = 1
        done = self.drive("now", retry_ms=1200)
        self.assertRegex(done.error, "^unreachable: .*after [0-9]+ tries: .*cannot connect")
        self.assertLess(done.took_s, 5)

    def test_a_file_that_was_swept_under_a_put_fails_it(self):
        def fault(nth):
            if nth == 1:
                return ("cut-up", 9 << 20)
            for hidden in self.folder.rglob(".*.tmp"):
                hidden.unlink()
            return None
        self.proxy(fault)
        self.assertIn("what was written is not there any more", self.fails("put", "x", self.file("in", BIG)))
        self.assertIsNone(self.stored("x"))

    def test_a_server_that_forgot_what_it_acknowledged_fails_the_put(self):
        def fault(nth):
            if nth == 1:
                return ("cut-up", 9 << 20)
            for hidden in self.folder.rglob(".*.tmp"):
                os.truncate(hidden, 1000)
            return None
        self.proxy(fault)
        self.assertRegex(self.fails("put", "x", self.file("in", BIG)), "^corrupt: .*lost bytes")
        self.assertIsNone(self.stored("x"))

    def test_a_bit_that_flipped_on_the_server_is_found_by_reading_back(self):
        command, env = self.command("put", "x", self.file("in", BIG), "confirm", point="store.sftp.after_rename=stall:1500")
        run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        runlib.wait_until(lambda: (self.folder / "x").exists(), 20, "no object")
        with open(self.folder / "x", "r+b") as f:
            f.seek(5 << 20)
            byte = f.read(1)
            f.seek(5 << 20)
            f.write(bytes([byte[0] ^ 1]))
        self.assertIn("error corrupt: ", run.communicate()[0])


if __name__ == "__main__":
    remotelib.main()
