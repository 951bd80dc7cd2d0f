# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of disks share: a disk, paused machines that have it, and programs measured beside each other."""

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("HOLDFAST_BUILD_DIR", str(ROOT / "build/release"))
BUILD = Path(os.environ["HOLDFAST_BUILD_DIR"])
MIB = 1 << 20
MACHINES = """
set -euo pipefail
. "$1/tests/plugin/odd.sh"
# Their disks lie elsewhere: end_odd does not find them.
names=("${@:3}")
trap 'for name in "${names[@]}"; do V destroy $name >/dev/null 2>&1 || true; done; end_odd' EXIT
: >"$LAB/$MARK"
record_lab "$LAB" $$
start_daemon
dir=$2
for name in "${names[@]}"; do
    machine $name "<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>
        <source file='$dir/$name.qcow2'/><target dev='vda' bus='virtio'/></disk>"
done
echo "$URI"
daemon_pid
while read -r line; do eval "$line" >&2; echo done; done
"""


# ---- the disk ------------------------------------------------------------------------------


def database_pages(dice, n):
    """Pages as a database fills them: text and numbers, a quarter of each page empty."""
    for _ in range(n):
        rows = "".join(f"{dice.random():.17f}-{dice.getrandbits(40):x}|customer {dice.randrange(9999)}|" for _ in range(220))
        yield rows.encode()[:12288].ljust(16384, b"\0")


def make_disk(folder, mib):
    """Half programs, three eighths database, an eighth random; then as much hole."""
    tree, raw = folder / "tree", folder / "full.raw"
    tree.mkdir()
    room = mib * MIB // 2
    for path in sorted(Path("/usr").glob("lib/x86_64-linux-gnu/*")) + sorted(Path("/usr/bin").glob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > room - 32 * MIB:
            continue
        shutil.copyfile(path, tree / path.name)
        room -= path.stat().st_size
    with raw.open("wb") as f:
        f.truncate(2 * mib * MIB)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, raw, f"{mib // 2}M"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    shutil.rmtree(tree)
    dice = random.Random(1)
    with raw.open("r+b") as f:
        f.truncate(2 * mib * MIB)
        f.seek(mib // 2 * MIB)
        for page in database_pages(dice, mib * 3 // 8 * MIB // 16384):
            f.write(page)
        for _ in range(mib // 8):
            f.write(dice.randbytes(MIB))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, folder / "full.qcow2"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "sparse.qcow2", "1T"], check=True)
    subprocess.run(["qemu-io", "-c", "write -q 0 4M", "-c", "write -q 400G 4M", "-c", "write -q 1000G 64k", folder / "sparse.qcow2"],
                   check=True)


class Machines:
    """They are paused, each with one disk FOLDER/NAME.qcow2, in a libvirtd of their own."""

    def __init__(self, folder, names=("full", "sparse")):
        self.process = subprocess.Popen(["bash", "-c", MACHINES, "bench", ROOT, folder, *names], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.uri, self.daemon = (self.process.stdout.readline().strip() for _ in range(2))
        if not self.daemon:
            sys.exit("no libvirtd")

    def write(self, at_mib, mib, pattern):
        """As the guest would."""
        print(f"io full 0 write -P {pattern} {at_mib}M {mib}M", file=self.process.stdin, flush=True)
        self.process.stdout.readline()

    def write_file(self, name, at, path, count):
        """The same, with the content of a file."""
        print(f"io {name} 0 write -s {path} {at} {count}", file=self.process.stdin, flush=True)
        self.process.stdout.readline()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def watch_memory(pid):
    """Peak of a process until it has ended. Not what wait4 tells: that has the peak of this program in it."""
    peak, state = 0, "R"
    while state != "Z":
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        peak = max(peak, int(fields.get("VmHWM", "0").split()[0]) * 1024)
        state = fields["State"].split()[0]
        time.sleep(0.01)
    return peak


# ---- who takes part ------------------------------------------------------------------------


class Bench:
    names = ("full", "sparse")

    def __init__(self, args, folder):
        self.args, self.folder, self.n = args, folder, 0
        self.seconds, self.cpu, self.peak = {}, {}, {}
        self.make_disks()
        subprocess.run(["age-keygen", "-o", folder / "identity"], check=True, stderr=subprocess.DEVNULL)
        self.recipient = subprocess.run(["age-keygen", "-y", folder / "identity"], check=True, capture_output=True,
                                        text=True).stdout.strip()
        self.machines = Machines(folder, self.names)

    def make_disks(self):
        make_disk(self.folder, self.args.mib)

    def new(self, name):
        self.n += 1
        out = self.folder / f"{name}{self.n}"
        out.mkdir(mode=0o700)
        return out

    def measure(self, name, command, **env):
        os.sync()
        begin = time.monotonic()
        with tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=err, env={**os.environ, **env})
            peak = watch_memory(process.pid)
            _, status, used = os.wait4(process.pid, 0)
            seconds, cpu = time.monotonic() - begin, used.ru_utime + used.ru_stime
            process.returncode = os.waitstatus_to_exitcode(status)
            err.seek(0)
            if process.returncode:
                sys.exit(f"{name}: status {process.returncode}: {err.read()}")
        self.seconds.setdefault(name, []).append(seconds)
        self.cpu.setdefault(name, []).append(cpu)
        self.peak[name] = max(self.peak.get(name, 0), peak)
        print(f"{name:22} {seconds:7.2f} s  {cpu:7.2f} s of processors  {peak / MIB:6.0f} MiB of memory", flush=True)

    def site(self, url, keys="", encrypted=True):
        """A configuration with a fresh state and a fresh store."""
        folder = self.new("site")
        conf = folder / "conf"
        conf.write_text(f"[defaults]\nstate = {folder}/state\nplugin-dir = {BUILD}/plugins\n[hypervisor here]\nplugin = libvirt\n"
                        f"uri = {self.machines.uri}\n" + "".join(f"[vm {n}]\nhypervisor = here\n" for n in self.names) +
                        f"[store s]\nurl = {url}\noff-host = assume\n" +
                        (f"recipients = {self.recipient}\n" if encrypted else "") + keys)
        conf.chmod(0o600)
        subprocess.run([BUILD / "src/holdfast", "-q", "-c", conf, "store", "init", "s"], check=True, stdout=subprocess.DEVNULL)
        return conf

    def virtnbd(self, program, *args):
        """To its libvirtd by the usual name: with a socket in the address it wants a password."""
        return ["nsenter", "-t", self.machines.daemon, "-m", program, "-n", "-f", self.folder / "nbd", *args]

    def holdfast(self, name, conf, vm="full"):
        self.measure(name, [BUILD / "src/holdfast", "-q", "-c", conf, "backup", vm])

    def ratio(self, slow, fast, wanted):
        if slow in self.seconds:
            time_ratio, cpu_ratio = (statistics.median(a / b for a, b in zip(v[slow], v[fast])) for v in (self.seconds, self.cpu))
            print(f"==> {slow} / {fast}: {time_ratio:.2f} in time, {cpu_ratio:.2f} in processor time (wanted {wanted})", flush=True)
