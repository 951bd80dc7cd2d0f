# SPDX-License-Identifier: Apache-2.0
"""What tests of archives stand on: an sshd of their own on this machine in a guest's place, an awkward tree, its description."""

import hashlib
import io
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "harness"))
BUILD = Path(os.environ["HOLDFAST_BUILD_DIR"])
HOLDFAST = BUILD / "src/holdfast"


def need(name, what):
    """Ends the process: fails where `name` is required, else skips."""
    if name in os.environ.get("HOLDFAST_TEST_REQUIRE", "").split(","):
        sys.exit(f"FAIL {name}: {what}")
    print(f"SKIP {name}: {what}")
    sys.exit(77)


class Sshd:
    """Logins as root with a key of its own, until closed or this process dies. config: further lines of sshd_config."""

    def __init__(self, *config):
        if os.geteuid() != 0 or not Path("/usr/sbin/sshd").exists():
            need("sshd", "needs sshd and root")
        self.tmp = tempfile.TemporaryDirectory(prefix="hf-sshd-")
        self.dir = Path(self.tmp.name)
        Path("/run/sshd").mkdir(exist_ok=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.dir / key], check=True)
        shutil.copy(self.dir / "user.pub", self.dir / "authorized_keys")
        host = " ".join((self.dir / "host.pub").read_text().split()[:2])
        (self.dir / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host}\n")
        (self.dir / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.dir}/host\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.dir}/authorized_keys\nStrictModes no\nPermitRootLogin yes\n" +
            "".join(f"{line}\n" for line in config))
        # Ends with this process, however it ends.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "/usr/sbin/sshd", "-D", "-f", self.dir / "config"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("sshd does not listen")

    def vm_keys(self):
        user = pwd.getpwuid(0).pw_name
        return {"guest": "ssh", "ssh": f"{user}@127.0.0.1:{self.port}", "ssh-key": self.dir / "user",
                "ssh-known-hosts": self.dir / "known_hosts"}

    def ssh(self):
        """The command line of an ordinary ssh to it."""
        return ["ssh", "-F", "none", "-p", str(self.port), "-i", str(self.dir / "user"), "-o",
                f"UserKnownHostsFile={self.dir}/known_hosts", "-o", "LogLevel=ERROR", "root@127.0.0.1"]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.tmp.cleanup()


class Site:
    """A configuration with one VM, whose guest is the sshd."""

    def __init__(self, folder, sshd, **keys):
        self.config = Path(folder) / "holdfast.conf"
        keys = {**sshd.vm_keys(), "hypervisor": "lab", "quiesce": "none", **keys}
        lines = ["[defaults]", f"state = {folder}/state", "[hypervisor lab]", "plugin = libvirt", "[vm web]"]
        self.config.write_text("\n".join(lines + [f"{k} = {v}" for k, v in keys.items()]) + "\n")
        self.config.chmod(0o600)

    def command(self, *args):
        return [str(HOLDFAST), "-c", str(self.config), "--json", *map(str, args)]

    def run(self, *args, **env):
        p = subprocess.run(self.command(*args), capture_output=True, text=True, check=False, timeout=300,
                           env={**os.environ, **env})
        p.doc = json.loads(p.stdout) if p.stdout else None
        return p

    def run_measured(self, *args):
        """The same, and the most memory it had, in KiB. (What wait4 says has ours in it, from before the exec.)"""
        most = 0
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
            child = subprocess.Popen(self.command(*args), stdout=out, stderr=said)
            while child.poll() is None:
                status = Path(f"/proc/{child.pid}/status").read_text()
                most = max([most] + [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")])
                time.sleep(0.01)
            out.seek(0), said.seek(0)
            p = subprocess.CompletedProcess(child.args, child.returncode, out.read(), said.read())
        p.doc = json.loads(p.stdout) if p.stdout else None
        return p, most


def awkward_tree(root):
    """Every kind of entry, and names that programs get wrong."""
    root.mkdir()
    for name in (b"plain", b"-rf", b"--checkpoint-action=exec=false", b"new\nline", b"quote'\"$x`y`\\z", "ü€😀".encode(),
                 b"\xff\xfe no utf-8", b" blank ", b"#hash", b"*?[a]"):
        Path(os.fsdecode(os.path.join(os.fsencode(root), name))).write_bytes(name * 100)
    deep = root
    for _ in range(12):
        deep = deep / ("long-" * 20)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"deep")
    (root / "empty").touch()
    (root / "big").write_bytes(os.urandom(3 << 20))
    with open(root / "sparse", "wb") as f:
        f.truncate(64 << 20)
        f.seek(10 << 20)
        f.write(b"island" * 1000)
    (root / "all-hole").touch()
    os.truncate(root / "all-hole", 5 << 20)
    os.link(root / "plain", root / "hard")
    os.symlink("plain", root / "soft")
    os.symlink("nowhere", root / "dangling")
    os.mkfifo(root / "fifo")
    modes = root / "modes"
    modes.mkdir(mode=0o700)
    for mode in (0o000, 0o444, 0o640, 0o777):
        (modes / f"{mode:o}").write_text("x")
        (modes / f"{mode:o}").chmod(mode)
    os.chown(modes / "640", 12345, 54321)
    os.setxattr(root / "plain", "user.note", b"\x00binary\xff")
    os.setxattr(root / "big", "trusted.note", b"t")
    acl = bytes.fromhex("02000000" "01000600ffffffff" "0200040039300000" "04000400ffffffff" "10000400ffffffff" "20000000ffffffff")
    os.setxattr(root / "empty", "system.posix_acl_access", acl)
    os.setxattr(modes, "system.posix_acl_default", acl)
    os.utime(root / "plain", ns=(10**18, 10**18 + 123456789))
    os.utime(modes, ns=(10**18, 10**18 + 987654321))


def describe(root):
    """All that a restore has to bring back: by name relative to root."""
    found, inodes = {}, {}
    base = os.fsencode(root)
    paths = [base] + [os.path.join(d, n) for d, dirs, files in os.walk(base) for n in dirs + files]
    for path in paths:
        st = os.lstat(path)
        kind = stat.S_IFMT(st.st_mode)
        attrs = {} if kind == stat.S_IFLNK else {a: os.getxattr(path, a) for a in os.listxattr(path)}
        content = None
        if kind == stat.S_IFREG:
            with open(path, "rb") as f:
                content = hashlib.file_digest(f, "sha256").hexdigest()
        elif kind == stat.S_IFLNK:
            content = os.readlink(path)
        same = inodes.setdefault(st.st_ino, []) if kind == stat.S_IFREG else []
        same.append(os.path.relpath(path, base))
        size = 0 if kind == stat.S_IFDIR else st.st_size    # of a folder: how it has grown
        found[os.path.relpath(path, base)] = [st.st_mode, st.st_uid, st.st_gid, size, st.st_mtime_ns, attrs, content,
                                              st.st_rdev, same]
    for entry in found.values():
        entry[8] = sorted(entry[8])
    return found


def forged_member(name, kind, content):
    """For forge: a file with its content, or a symlink or hardlink with where it leads."""
    m = tarfile.TarInfo(name)
    m.type = {"file": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}[kind]
    m.linkname = "" if kind == "file" else content
    data = content if kind == "file" else b""
    e = {"name": name, "type": kind, "size": len(data), "mode": "0644", "uid": 0, "gid": 0, "mtime": "0.000000000"}
    e |= {"sha256": hashlib.sha256(data).hexdigest()} if kind == "file" else {"link": content}
    return m, data, e


def forge(folder, members):
    """An archive whose tar, listing and digests somebody has made up."""
    raw, listing = io.BytesIO(), b""
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for m, data, e in members:
            m.size = len(data)
            tar.addfile(m, io.BytesIO(data))
            listing += json.dumps(e).encode() + b"\n"
    folder.mkdir()
    (folder / "files.tar").write_bytes(raw.getvalue())
    (folder / "files.jsonl").write_bytes(listing)
    (folder / "files.json").write_text(json.dumps({"tar_sha256": hashlib.sha256(raw.getvalue()).hexdigest(),
                                                   "listing_sha256": hashlib.sha256(listing).hexdigest()}))
