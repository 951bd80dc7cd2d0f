# SPDX-License-Identifier: Apache-2.0
"""A stored disk as NBD: what is read is the disk, what is written is nowhere afterwards, and whoever dies leaves nothing running."""

import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import types
import unittest
from pathlib import Path

import runlib
import s3lib  # noqa: I001  it says where the others are
import kill_points
import s3proxy
import swiftlib
from backuplib import MIB

runlib.need("nbdkit", "nbdkit", "nbdcopy", "nbdinfo", "qemu-io")
runlib.need("age", "age-keygen")

RNG = random.Random(runlib.seed())
# Data, a hole, the same data again, and an end in the middle of a chunk.
SOLID = RNG.randbytes(9 * MIB + 300_000)
DISK = SOLID + bytes(6 * MIB) + SOLID[:2 * MIB] + RNG.randbytes(123_424)
DISKS = {"vda": DISK, "vdb": RNG.randbytes(1 * MIB)}


def tree_hash(folder):
    """Of all names and contents."""
    h = hashlib.sha256()
    for p in sorted(folder.rglob("*")):
        h.update(str(p.relative_to(folder)).encode())
        h.update(p.read_bytes() if p.is_file() else b"/")
    return h.hexdigest()


class Served:
    """`holdfast serve`, once it answers."""

    n = 0

    def __init__(self, site, *args, **env):
        Served.n += 1
        self.socket = site.dir / f"s{Served.n}.sock"
        self.log = site.dir / f"s{Served.n}.log"
        self.process = subprocess.Popen(
            site.command("serve", *args, "--socket", self.socket), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.log.open("w"), env=site.environ(**env), preexec_fn=runlib.die_with_parent)
        line = self.process.stdout.readline()
        if not line.startswith(b"{") or b'"uri"' not in line:
            self.process.wait(30)
            raise AssertionError(f"{line} {self.process.stdout.read()} {self.log.read_text()}")
        self.doc = json.loads(line)
        self.uri = self.doc["uri"]

    def nbdkit(self):
        return runlib.processes("nbdkit", self.socket)

    def copy(self, to):
        subprocess.run(["nbdcopy", self.uri, to], check=True)
        return to.read_bytes()

    def io(self, *commands, good=True, options=("-r",)):
        words = [w for c in commands for w in ("-c", c)]
        r = subprocess.run(["qemu-io", "-f", "raw", *options, *words, self.uri], capture_output=True, text=True, timeout=60)
        said = r.stdout + r.stderr
        is_good = r.returncode == 0 and "failed" not in said
        assert is_good == good, said
        return said

    def logs(self, text):
        """A read is answered before its line has come from nbdkit to the program that logs it. Returns the log."""
        runlib.wait_until(lambda: text in self.log.read_text(), 10, f"its log does not say: {text}")
        return self.log.read_text()

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(20)
        self.process.stdout.close()
        return self.process.returncode


class ServeTest(unittest.TestCase):
    def setUp(self):
        if runlib.SANITIZED:
            self.skipTest("nbdkit is not built with a sanitizer, and cannot load what is")
        self.top = Path(os.environ.get("TMPDIR", "/tmp")) / f"hf-serve-{os.getpid()}"
        self.top.mkdir(mode=0o700, exist_ok=True)
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.site = runlib.Site(types.SimpleNamespace(dir=self.top, port=1, defaults=self.top / "none"))
        self.site.sections["web"] = {"quiesce": "none"}
        for target, content in DISKS.items():
            (self.site.vm / f"{target}.img").write_bytes(content)

    def add_store(self, name="vault", **keys):
        folder = self.site.dir / name
        folder.mkdir(mode=0o700)
        self.site.stores[name] = {"url": f"file://{folder}", "off-host": "assume", **keys}
        self.site.write()
        self.ok(self.site.run("store", "init", name))
        return folder

    def encrypted(self):
        key = self.site.dir / "key"
        return {"recipients": runlib.make_identity(key), "identity-file": key}

    def ok(self, r, status=0):
        self.assertEqual(r.status, status, str(r))
        return r.json

    def backup(self):
        return self.ok(self.site.run("backup", "web"))["point"]

    def serve(self, point, *args, **env):
        s = Served(self.site, point, "--disk", "vda", *args, **env)
        self.addCleanup(s.end, signal.SIGKILL)
        return s

    def refused(self, status, error_class, piece, *args):
        r = self.site.run("serve", *args)
        self.assertEqual(r.status, status, str(r))
        self.assertEqual(r.error["class"], error_class, str(r))
        self.assertIn(piece, r.error["message"])
        self.assertEqual(runlib.processes("nbdkit", args[-1]), [])
        return r.error

    # ---- reading ---------------------------------------------------------------------------

    def read_at_random(self, served, wrong, seed):
        """qemu-io compares nothing it cannot be told, so its dump is read: a few bytes at each place."""
        rng = random.Random(seed)
        places = [(rng.randrange(len(DISK) - 70_000), rng.choice((16, 512, 4096))) for _ in range(24)]
        said = served.io(*[f"read -v {at} {n}" for at, n in places])
        got = {}
        for line in said.splitlines():
            words = line.split()
            if words and words[0].endswith(":"):
                with contextlib.suppress(ValueError):
                    got[int(words[0][:-1], 16)] = bytes(int(w, 16) for w in words[1:17] if len(w) == 2)
        for at, n in places:
            if any(got.get(at + i, b"")[:n - i] != DISK[at + i:at + min(i + 16, n)] for i in range(0, n, 16)):
                wrong.append((at, n))

    def compare(self, served):
        self.assertEqual(served.copy(self.site.dir / "copy") == DISK, True, "the copy is another disk")
        wrong = []
        threads = [threading.Thread(target=self.read_at_random, args=(served, wrong, RNG.random())) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_what_is_read_is_the_disk_from_plain_and_encrypted_stores(self):
        self.add_store("plain")
        self.add_store("sealed", **self.encrypted())
        point = self.backup()
        for store in ("plain", "sealed"):
            served = self.serve(point, "--store", store)
            self.assertEqual({k: served.doc[k] for k in ("point", "vm", "disk", "store", "bytes")},
                             {"point": point, "vm": "web", "disk": "vda", "store": store, "bytes": len(DISK)})
            self.compare(served)
            self.assertEqual(served.end(), 0)
            self.assertFalse(served.socket.exists())
            self.assertEqual(served.nbdkit(), [])

    def test_holes_are_told_and_nobody_can_write(self):
        self.add_store()
        served = self.serve(self.backup())
        rows = json.loads(subprocess.run(["nbdinfo", "--json", "--map", served.uri], check=True, capture_output=True).stdout)
        holes = [(r["offset"], r["length"]) for r in rows if r["type"] == 3]
        chunk = 262144
        first = -(-len(SOLID) // chunk) * chunk
        self.assertEqual(holes, [(first, (len(SOLID) + 6 * MIB) // chunk * chunk - first)])
        info = json.loads(subprocess.run(["nbdinfo", "--json", served.uri], check=True, capture_output=True).stdout)
        e, = info["exports"]
        self.assertEqual((e["is_read_only"], e["can_multi_conn"], e["is_rotational"], e["can_cache"], e["block_size_minimum"],
                          e["block_size_preferred"]), (True, True, False, True, 1, chunk))
        self.assertEqual(served.socket.stat().st_mode & 0o777, 0o600)
        served.end()

    def test_from_swift_and_when_it_is_lost_it_is_an_io_error_that_names_it(self):
        swift = swiftlib.Swift()
        self.addCleanup(swift.stop)
        machine = s3lib.Machine(swift, swift.make_bucket(f"serve-{os.getpid()}"))
        self.addCleanup(machine.site.close)
        machine.disks(DISKS)
        machine.add_store("vault", "vault", patience="2s")
        self.site = machine.site
        point, dead = self.backup(), []
        proxy = s3proxy.Proxy(swift, fault=lambda _: dead[-1] if dead else None)
        self.addCleanup(proxy.close)
        machine.at("vault", proxy.port)
        served, late = self.serve(point), self.serve(point)
        self.compare(served)
        late.io("read -v 0 16")
        dead.append("hang")
        self.dies_while_it_opens(point)
        dead.append("cut-request")
        begin = time.monotonic()
        self.assertIn("Input/output error", late.io(f"read {5 * MIB} 4096", good=False))
        self.refused(1, "not-found", "could be asked", point, "--disk", "vda", "--socket", self.site.dir / "n")
        self.assertLess(time.monotonic() - begin, 30)
        late.logs("store 'vault'")
        self.compare(served)  # all of it was in the cache

    def dies_while_it_opens(self, point):
        sock = self.site.dir / "opening"
        run = self.site.start("serve", point, "--disk", "vda", "--socket", sock)
        runlib.wait_until(sock.exists, 10, "no nbdkit")
        run.signal(signal.SIGKILL)
        runlib.wait_until(lambda: runlib.processes("nbdkit", sock) == [], 2.5, "nbdkit is still there")
        run.wait()

    # ---- writing ---------------------------------------------------------------------------

    def test_what_is_written_is_seen_and_never_reaches_the_store(self):
        vault = self.add_store()
        point = self.backup()
        before = tree_hash(vault)
        served = self.serve(point, "--writable")
        served.io("write -P 0xaa 1000000 300000", "write -P 0xbb 11000000 4096", options=())
        served.io("read -P 0xaa 1000000 300000", "read -P 0xbb 11000000 4096")
        copy = served.copy(self.site.dir / "copy")
        changed = bytearray(DISK)
        changed[1000000:1300000] = b"\xaa" * 300000
        changed[11000000:11004096] = b"\xbb" * 4096
        self.assertEqual(copy == changed, True, "another disk")
        self.assertIn("/dev/shm", " ".join(os.readlink(f"/proc/{served.nbdkit()[0]}/fd/{fd}") for fd in
                                           os.listdir(f"/proc/{served.nbdkit()[0]}/fd")))
        other = self.serve(point)
        self.assertEqual(other.copy(self.site.dir / "copy2") == DISK, True, "the writes came through")
        for s in (served, other):
            self.assertEqual(s.end(signal.SIGINT), 0)
        self.assertEqual(tree_hash(vault), before)

    # ---- what goes wrong -------------------------------------------------------------------

    def test_what_cannot_be_had_is_an_io_error_and_comes_when_it_can_be_had_again(self):
        vault = self.add_store()
        served = self.serve(self.backup())
        served.io("read -v 0 16")
        (vault / "packs").rename(vault / "away")
        self.assertIn("Input/output error", served.io(f"read {5 * MIB} 4096", good=False))
        served.logs("store 'vault'")
        (vault / "away").rename(vault / "packs")
        served.io(f"read {5 * MIB} 4096")
        self.assertEqual(served.end(), 0)

    def test_a_missing_pack_is_an_io_error_that_names_it_and_the_rest_is_served(self):
        vault = self.add_store()
        served = self.serve(self.backup())
        packs = sorted((vault / "packs").rglob("*"), key=lambda p: -p.stat().st_size if p.is_file() else 1)
        for p in packs:
            if p.is_file():
                p.unlink()
        said = served.io("read 0 512", good=False)
        self.assertIn("Input/output error", said)
        log = served.logs("store 'vault': disk 'vda': the disk at 0: pack ")
        self.assertTrue(any(p.name.split(".")[0] in log for p in packs), log)
        served.io(f"read -P 0 {10 * MIB} 4096")  # a hole needs no pack
        served.end()

    def test_who_does_not_take_its_log_holds_no_reader_up(self):
        vault = self.add_store()
        served = self.serve(self.backup())
        served.io("read -v 0 16")
        (vault / "packs").rename(vault / "away")
        os.kill(served.process.pid, signal.SIGSTOP)
        try:
            # More lines than a socket holds; each read waits until its own is said.
            said = served.io(*[f"read {5 * MIB} 512"] * 600, good=False)
            self.assertEqual(said.count("Input/output error"), 600)
        finally:
            os.kill(served.process.pid, signal.SIGCONT)
        (vault / "away").rename(vault / "packs")
        served.io(f"read {5 * MIB} 4096")
        self.assertEqual(served.end(), 0)

    def test_a_point_a_disk_or_a_key_that_is_not_there_is_refused(self):
        self.add_store(**self.encrypted())
        point = self.backup()
        sock = self.site.dir / "no.sock"
        self.assertIn("vda, vdb", self.refused(1, "not-found", "no disk 'vdz'", point, "--disk", "vdz", "--socket", sock)["hint"])
        self.refused(2, "config", "which one", point, "--socket", sock)
        self.refused(1, "not-found", "no store", "20990101T000000Z-00000000", "--socket", sock)
        self.refused(2, "config", "--socket", point)
        del self.site.stores["vault"]["identity-file"]
        self.site.write()
        self.refused(1, "auth", "no key", point, "--disk", "vda", "--socket", sock)
        self.assertFalse(sock.exists())

    def test_a_socket_in_use_or_open_to_others_is_refused_and_a_left_over_is_replaced(self):
        self.add_store()
        point = self.backup()
        served = self.serve(point)
        with self.assertRaises(AssertionError) as e:
            Served.n -= 1
            self.serve(point)
        self.assertIn('"busy"', str(e.exception))
        served.io("read -v 0 16")
        served.end()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(served.socket))
        Served.n -= 1
        self.serve(point).end()
        (self.site.dir / "file").write_text("mine")
        self.refused(1, "conflict", "no socket", point, "--disk", "vda", "--socket", self.site.dir / "file")
        self.assertEqual((self.site.dir / "file").read_text(), "mine")
        wide = self.site.dir / "wide"
        wide.mkdir()
        wide.chmod(0o777)
        self.refused(2, "config", "others can write", point, "--disk", "vda", "--socket", wide / "s")
        self.refused(2, "config", "cannot be a socket", point, "--disk", "vda", "--socket", self.site.dir / ("n" * 120))

    def test_nobody_is_kept_from_serving_by_who_locks_the_folder_but_by_who_serves_at_the_same_name(self):
        self.add_store()
        point = self.backup()
        folder = os.open(self.site.dir, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        served = self.serve(point)
        self.assertEqual(list(self.site.dir.glob("*.lock")), [])
        served.end()
        sock, lock = self.site.dir / "x.sock", self.site.dir / "x.sock.lock"
        other = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(os.close, other)
        fcntl.flock(other, fcntl.LOCK_EX)
        self.refused(4, "busy", "is being started", point, "--disk", "vda", "--socket", sock)
        self.assertTrue(lock.exists())
        lock.write_text("mine")
        self.refused(1, "conflict", "not ours", point, "--disk", "vda", "--socket", sock)
        self.assertEqual(lock.read_text(), "mine")

    # ---- life ------------------------------------------------------------------------------

    def test_killed_it_leaves_nothing_running_even_while_somebody_reads_and_the_socket_blocks_nobody(self):
        self.add_store()
        point = self.backup()
        for args in ((), ("--writable",)):
            served = self.serve(point, *args)
            reader = subprocess.Popen(["qemu-io", "-f", "raw", "-r", served.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            reader.stdin.write(b"read -v 0 16\n")
            reader.stdin.flush()
            reader.stdout.readline()
            self.assertEqual(len(served.nbdkit()), 1)
            served.end(signal.SIGKILL)
            runlib.wait_until(lambda s=served: s.nbdkit() == [], 2.5, "nbdkit is still there")
            reader.communicate(timeout=20)
            Served.n -= 1
            again = self.serve(point)
            again.io("read -v 0 16")
            self.assertEqual(again.end(), 0)

    def test_it_dies_at_every_point_and_leaves_nothing(self):
        self.add_store()
        point = self.backup()
        wanted, seen = kill_points.of("integration.run.serve"), set()
        for name in sorted(wanted):
            for how in ("kill", "error"):
                sock = self.site.dir / "p.sock"
                run = self.site.start("serve", point, "--disk", "vda", "--socket", sock, **self.site.points(f"{name}={how}"))
                if name == "serve.before_end":
                    runlib.wait_until(sock.exists, 20, "no socket")
                    time.sleep(0.5)
                    run.signal(signal.SIGTERM)
                r = run.wait()
                self.assertEqual(r.status == 0, (name, how) == ("serve.before_end", "error"), str(r))
                runlib.wait_until(lambda: runlib.processes("nbdkit", self.site.dir) == [], 2.5, "nbdkit is still there")
                seen |= set(self.site.visited())
        self.assertEqual(seen & wanted, wanted)
        self.serve(point).end()
        again = self.site.start("serve", point, "--disk", "vda", "--socket", sock)  # where each of them died
        runlib.wait_until(sock.exists, 20, "no socket")
        again.signal(signal.SIGTERM)
        again.wait()
        self.assertEqual(list(self.site.dir.glob("*.sock*")), [])

    def test_a_server_that_is_killed_ends_the_serving(self):
        self.add_store()
        served = self.serve(self.backup())
        os.kill(int(served.nbdkit()[0]), signal.SIGKILL)
        self.assertEqual(served.process.wait(10), 1)
        self.assertIn("nbdkit has ended", served.log.read_text())
        self.assertFalse(served.socket.exists())

    def test_no_secret_is_in_arguments_or_environment(self):
        self.add_store(**self.encrypted())
        served = self.serve(self.backup())
        secrets = [line for line in (self.site.dir / "key").read_text().splitlines() if line.startswith("AGE-SECRET")]
        secrets += (self.site.state / "stores/vault/metadata.key").read_text().split()
        self.assertEqual(len(secrets), 2)
        for pid in (str(served.process.pid), *served.nbdkit()):
            for what in ("cmdline", "environ"):
                text = Path(f"/proc/{pid}/{what}").read_bytes()
                for secret in secrets:
                    self.assertNotIn(secret.encode(), text)
        served.end()


runlib.main()
