# SPDX-License-Identifier: Apache-2.0
"""What the tests of stores stand on: one Swift per program, a bucket and a folder per test, the driver program."""

import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import s3proxy
import swiftlib
from swiftlib import runlib

DRIVE = runlib.BUILD / "tests/integration/store/store_drive"
PART = 5 << 20


def sample(small, soak):
    """How many runs: what ./check has time for, or those of a soak (HOLDFAST_SAMPLE=0)."""
    given = os.environ.get("HOLDFAST_SAMPLE")
    return small if given is None or int(given) else soak


class Done:
    def __init__(self, status, stdout, took_s):
        self.status, self.stdout, self.took_s = status, stdout, took_s
        self.error = stdout.removeprefix("error ").strip() if status == 1 else ""
        self.lines = stdout.splitlines()

    def __str__(self):
        return f"status {self.status} after {self.took_s:.1f} s: {self.stdout}"


class Driver(unittest.TestCase):
    """The driver program, by a command that the kind of store makes; the password is in nothing that it says."""

    maxDiff = 4000
    password = None

    def file(self, name, content):
        path = self.dir / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def drive(self, *arguments, **options):
        command, env = self.command(*arguments, **options)
        begin = time.monotonic()
        done = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
                              preexec_fn=runlib.die_with_parent)
        self.assertNotIn(self.password, done.stdout + done.stderr)
        self.assertIn(done.returncode, (0, 1, 9, -9), done.stdout + done.stderr)
        return Done(done.returncode, done.stdout, time.monotonic() - begin)

    def ok(self, *arguments, **options):
        done = self.drive(*arguments, **options)
        self.assertEqual(done.status, 0, done)
        return done

    def fails(self, *arguments, **options):
        done = self.drive(*arguments, **options)
        self.assertEqual(done.status, 1, done)
        return done.error

    def says(self, content, word):
        return f"{len(content)} {hashlib.sha256(content).hexdigest()} {word}\n"


class Case(Driver):
    """Each test has a bucket of its own; what it does to Swift it undoes."""

    password = swiftlib.SECRET
    swift = None
    n_buckets = 0

    @classmethod
    def setUpClass(cls):
        if not Case.swift:
            Case.swift = swiftlib.Swift()
            atexit.register(Case.swift.stop)

    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="test-", dir=self.swift.dir))
        self.addCleanup(shutil.rmtree, self.dir, True)
        Case.n_buckets += 1
        self.bucket = self.swift.make_bucket(f"bucket-{os.getpid()}-{self.n_buckets}")
        self.secret = self.file("secret", swiftlib.SECRET.encode() + b"\n")
        self.port = self.swift.port

    def proxy(self, **how):
        """From now on the driver talks to it."""
        proxy = s3proxy.Proxy(self.swift, **how)
        self.addCleanup(proxy.close)
        self.port = proxy.port
        return proxy

    def command(self, *arguments, port=None, prefix="pre/fix", **options):
        """Command and environment; the options of store_drive.c, as retry_ms=…"""
        given = {"region": swiftlib.REGION, "access_key": swiftlib.ACCESS_KEY, "secret_file": self.secret, "ca": self.swift.ca,
                 "part_bytes": PART, "retry_ms": 8000, "stall_ms": 2000} | options
        env = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
        env |= {f"HOLDFAST_{'' if k in ('cancel_ms', 'point') else 'S3_'}{k.upper()}": str(v) for k, v in given.items()}
        url = f"s3+https://127.0.0.1:{port or self.port}/{self.bucket}/{prefix}"
        return [DRIVE, url, *map(str, arguments)], env

    def stored(self, name, prefix="pre/fix"):
        """The object as Swift has it, past driver and proxy; None: not there."""
        return swiftlib.Bucket(self.swift, self.bucket, prefix).get(name)

    def uploads(self):
        return swiftlib.Bucket(self.swift, self.bucket).uploads()
