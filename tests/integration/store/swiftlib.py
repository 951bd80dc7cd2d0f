# SPDX-License-Identifier: Apache-2.0
"""A real S3 server for the tests: OpenStack Swift with its S3 API, on 127.0.0.1 over TLS, one per test program.

It checks signatures, hashes and clocks with code of its own. All it has lies below `dir`. It goes with the test program,
however that goes: swift_serve hears of it by a pipe.
"""

import contextlib
import http.client
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "run"))
import runlib  # noqa: E402
import sigv4  # noqa: E402

START_WITHIN_S = 60
PYTHON = "/usr/bin/python3"  # the one that Debian's Swift is installed for
REGION = "eu-test-1"
ACCESS_KEY = "hf:backup"  # a colon in it: not every client gets that right
SECRET = "s3cret/with+odd=chars"
XMLNS = re.compile(rb' xmlns="[^"]*"')

PIPELINE = ("catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk s3api tempauth copy "
            "container-quotas slo dlo versioned_writes symlink proxy-logging proxy-server")
PROXY = """
[pipeline:main]
pipeline = {pipeline}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
location = {region}
max_upload_part_num = 10000
min_segment_size = 5242880
allowable_clock_skew = {skew}
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{cache}
[filter:tempauth]
use = egg:swift#tempauth
user_hf_backup = {secret} .admin
"""
PLAIN = ("catch_errors", "gatekeeper", "healthcheck", "proxy-logging", "listing_formats", "bulk", "copy", "container-quotas",
         "dlo", "symlink")


def free_ports(n):
    """Below those that the kernel gives to whoever asks for any: between here and the server's own bind nobody takes them."""
    ports = []
    while len(ports) < n:
        port = random.randrange(20000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            ports += [] if port in ports else [port]
    return ports


def make_ca(folder, name):
    """NAME.crt and NAME.key: an authority; NAME-server.crt, .key: a server of 127.0.0.1 that it signed."""
    def openssl(*arguments):
        subprocess.run([runlib.program("openssl"), *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    openssl("req", "-x509", *key, f"{name}.key", "-out", f"{name}.crt", "-days", "3650", "-subj", f"/CN=test {name}")
    openssl("req", "-new", *key, f"{name}-server.key", "-out", f"{name}.csr", "-subj", "/CN=127.0.0.1")
    (folder / f"{name}.ext").write_text("subjectAltName = IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{name}.crt", "-CAkey", f"{name}.key", "-CAcreateserial",
            "-days", "3650", "-extfile", f"{name}.ext", "-out", f"{name}-server.crt")


def home():
    """A new directory on a file system with the user's attributes, which a tmpfs may lack."""
    for parent in (None, runlib.BUILD):
        folder = Path(tempfile.mkdtemp(prefix="hf-swift-", dir=parent))
        try:
            os.setxattr(folder, "user.holdfast", b"1")
            return folder
        except OSError:
            folder.rmdir()
    runlib.missing("swift", "no file system with extended attributes")


def key_files(folder):
    """The keys of a store in files in that folder, called as in its section."""
    files = {"access-key-file": folder / "access", "secret-key-file": folder / "secret"}
    for path, text in zip(files.values(), (ACCESS_KEY, SECRET)):
        path.touch(mode=0o600)
        path.write_text(text + "\n")
    return files


class Swift:
    def __init__(self, skew_s=900):
        """skew_s: by how much a request may be dated off its clock."""
        runlib.need("swift", "swift-ring-builder", "swift-object-server", "swift-proxy-server", "memcached", "openssl")
        self.dir = home()
        self.ports = dict(zip(("account", "container", "object", "proxy", "cache"), free_ports(5)))
        self.port = self.ports["proxy"]
        self.skew_s = skew_s
        make_ca(self.dir, "ca")
        make_ca(self.dir, "other")
        self.ca = self.dir / "ca.crt"
        self.tls = ssl.create_default_context(cafile=self.ca)
        self._configure()
        self._start()
        self._wait()

    # ---- start -----------------------------------------------------------------------------

    def _configure(self):
        (self.dir / "data/d1").mkdir(parents=True)
        (self.dir / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = holdfast\n[storage-policy:0]\nname = one\ndefault = yes\n"
            "[swift-constraints]\nmax_file_size = 5368709122\n")
        for kind in ("account", "container", "object"):
            self._ring(kind)
            self._conf(kind, f"[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n"
                             "container_update_timeout = 60\n")
        filters = "".join(f"[filter:{f}]\nuse = egg:swift#{f.replace('-', '_')}\n" for f in PLAIN)
        proxy = PROXY.format(pipeline=PIPELINE, region=REGION, cache=self.ports["cache"], secret=SECRET, skew=self.skew_s)
        self._conf("proxy", proxy + filters,
                   f"cert_file = {self.dir}/ca-server.crt\nkey_file = {self.dir}/ca-server.key\n")

    def _ring(self, kind):
        for command in (("create", "4", "1", "1"), ("add", f"r1z1-127.0.0.1:{self.ports[kind]}/d1", "1"), ("rebalance",)):
            done = subprocess.run([runlib.program("swift-ring-builder"), f"{kind}.builder", *command], cwd=self.dir,
                                  capture_output=True, text=True)
            if done.returncode not in (0, 1):  # 1 is a warning
                sys.exit(f"FAIL fixture: swift-ring-builder {command[0]}: {done.stdout}{done.stderr}")

    def _conf(self, kind, rest, more=""):
        (self.dir / f"{kind}.conf").write_text(
            f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {self.ports[kind]}\nswift_dir = {self.dir}\n"
            f"devices = {self.dir}/data\nmount_check = false\ndisable_fallocate = true\nworkers = 0\nuser = root\n"
            f"log_level = WARNING\nbind_timeout = 3\n{more}{rest}")

    def _start(self):
        user = ["-u", "root"] if os.geteuid() == 0 else []
        command = [PYTHON, str(HERE / "swift_serve.py"), str(self.dir), runlib.program("memcached"), "-l", "127.0.0.1",
                   "-p", str(self.ports["cache"]), "-U", "0", "-m", "16", *user]
        inside, self.life = os.pipe()
        log = os.open(self.dir / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fork() == 0:  # twice: not in the process tree that a test runner kills as a whole
            os.setsid()
            if os.fork() == 0:
                os.dup2(inside, 0)
                os.dup2(log, 1)
                os.dup2(log, 2)
                os.execv(command[0], command)
            os._exit(0)
        os.close(inside)
        os.close(log)
        os.wait()

    def _answers(self):
        for kind in ("account", "container", "object"):
            with socket.create_connection(("127.0.0.1", self.ports[kind]), 5):
                pass
        return self.call("GET", "/")[0] == 200

    def _has_died(self):
        """A server that could not bind; swift_serve has not buried it."""
        pids = [file.read_text() for file in self.dir.glob("*.pid")]
        stats = [Path(f"/proc/{pid}/stat") for pid in pids if pid]
        return any(not s.exists() or ") Z " in s.read_text() for s in stats)

    def _wait(self):
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline and not self._has_died():
            try:
                if self._answers():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        log = (self.dir / "log").read_text()[-4000:]
        self.stop()
        sys.exit(f"FAIL fixture: Swift does not answer:\n{log}")

    # ---- use -------------------------------------------------------------------------------

    def call(self, method, path, query="", body=b"", headers=(), sign=True):
        """Status, headers, body. path and query are sent as they are."""
        conn = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=60)
        send = dict(headers)
        if sign:
            send |= sigv4.headers(method, path, query, {"host": f"127.0.0.1:{self.port}"}, body, REGION, ACCESS_KEY, SECRET)
        try:
            conn.request(method, path + ("?" + query if query else ""), body or None, send)
            answer = conn.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            conn.close()

    def fill(self, bucket, paths):
        """An object of one byte at each; over one connection."""
        conn = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=60)
        for path in paths:
            send = sigv4.headers("PUT", f"/{bucket}/{path}", "", {"host": f"127.0.0.1:{self.port}"}, b"x", REGION, ACCESS_KEY, SECRET)
            conn.request("PUT", f"/{bucket}/{path}", b"x", send)
            answer = conn.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
        conn.close()

    def make_bucket(self, name):
        status, _, body = self.call("PUT", f"/{name}")
        assert status in (200, 409), body
        return name

    def limit_bucket(self, name, n_bytes):
        """No more than so many bytes go in; by Swift's own API, as S3 has no such thing."""
        _, headers, _ = self.call("GET", "/auth/v1.0", sign=False,
                                  headers={"X-Storage-User": ACCESS_KEY, "X-Storage-Pass": SECRET})
        status, _, body = self.call("POST", f"/v1/AUTH_hf/{name}", sign=False, headers={
            "X-Auth-Token": headers["X-Auth-Token"], "X-Container-Meta-Quota-Bytes": str(n_bytes), "Content-Length": "0"})
        assert status // 100 == 2, body

    def set_clock(self, off_s):
        """The proxy's: what is put gets that time."""
        new = self.dir / "clock.new"
        new.write_text(str(off_s))
        new.rename(self.dir / "clock")

    def data_files(self):
        return sorted((self.dir / "data/d1/objects").glob("*/*/*/*.data"), key=lambda p: p.stat().st_mtime)

    def send_signal(self, kind, number):
        os.kill(int((self.dir / f"{kind}.pid").read_text()), number)

    def stop(self):
        os.close(self.life)
        deadline = time.monotonic() + 20
        while self.dir.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.rmtree(self.dir, ignore_errors=True)


class Bucket:
    """What lies in a bucket, below a prefix or all of it, as it is there: past driver and proxy."""

    def __init__(self, swift, name, prefix=""):
        self.swift, self.name, self.below = swift, name, f"{prefix}/" if prefix else ""

    def section(self, files):
        """Of a store in it, with the files of `key_files`."""
        return {"url": self.url(self.swift.port), "region": REGION, "ca-file": self.swift.ca, **files}

    def url(self, port):
        return f"s3+https://127.0.0.1:{port}/{self.name}/{self.below}".rstrip("/")

    def _query(self):
        return f"prefix={self.below.replace('/', '%2F')}"

    def names(self):
        return list(self.sizes())

    def sizes(self):
        """Name → bytes."""
        sizes, after = {}, ""
        while True:
            start = f"&start-after={sigv4.canonical_path(after).replace('/', '%2F')}" if after else ""
            status, _, body = self.swift.call("GET", f"/{self.name}", f"list-type=2&max-keys=1000&{self._query()}{start}")
            assert status == 200, body
            page = ET.fromstring(XMLNS.sub(b"", body))
            found = {c.findtext("Key"): int(c.findtext("Size")) for c in page.iterfind("Contents")}
            sizes |= {k[len(self.below):]: n for k, n in found.items()}
            if page.findtext("IsTruncated") != "true":
                return sizes
            after = max(found)

    def get(self, name):
        """The object; None: not there."""
        status, _, body = self.swift.call("GET", sigv4.canonical_path(f"/{self.name}/{self.below}{name}"))
        assert status in (200, 404), f"{name}: {status}"
        return body if status == 200 else None

    def fetch(self, copy):
        """All of it in that directory: objects never change, so each is fetched once."""
        names = set(self.names())
        for path in [p for p in copy.rglob("*") if p.is_file()]:
            if str(path.relative_to(copy)) not in names:
                path.unlink()
        for name in names:
            path = copy / name
            if path.exists():
                continue
            body = self.get(name)
            assert body is not None, f"{name} is listed and not there"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        return copy

    def begin_upload(self, name):
        status, _, body = self.swift.call("POST", f"/{self.name}/{self.below}{name}", "uploads=")
        assert status == 200, body

    def uploads(self):
        return self.swift.call("GET", f"/{self.name}", f"{self._query()}&uploads=")[2].count(b"<Upload>")
