# SPDX-License-Identifier: Apache-2.0
"""Archives of a real guest's files through its agent, against those through ssh, and what a death in the middle leaves there."""

import json
import signal
import subprocess
import time

from hf import GuestTest, lab, main  # noqa: I001  it says where the others are
import kill_points

# That the program in the guest is not heard of any more (HF_STREAM_LIFE_MS), and what an emulated guest takes to end it.
LIFE_S = 60 + 30
BIG_MIB = 40
NO_SSH = {"ssh": None, "ssh_key": None, "ssh_known_hosts": None}
# Names that no configuration can hold are below the one that is named in it.
TREE = r"""
set -e; rm -rf /root/hf-archive; mkdir -p '/root/hf-archive/$HOME ${x}/sub'; cd '/root/hf-archive/$HOME ${x}'
for name in plain -rf --checkpoint-action=exec=false "$(printf 'new\nline')" "$(printf '\377 no utf-8')" ' blank ' '$(id)'; do
    printf %s "$name" >"./$name"
done
head -c 3000000 /dev/urandom >big; truncate -s 20M hole; printf x >>hole; : >empty
ln plain hard; ln -s plain soft; ln -s nowhere dangling; mkfifo fifo; mkdir -m 700 modes; chmod 4711 big
chown 12345:54321 sub; touch -d 2001-02-03T04:05:06.789 plain
for i in $(seq 300); do echo "$i" >"sub/file-$i"; done
"""


def guest(script, check=True):
    """A shell script in the guest, as root; its standard output."""
    return lab("ssh", "bash", "-s", input=script, check=check).strip()


def traces():
    """Units, directories and processes of streams in the guest."""
    return guest("systemctl list-units --all --plain --no-legend 'holdfast-stream-*'; ls -d /run/holdfast-stream-* 2>/dev/null;"
                 " ps -eo args | grep -E '^(env LC_ALL=C )?tar --create|bash -c.*[h]oldfast-stream' || true")


def wait_until(what, within_s):
    """Seconds that it took; None: it did not come true."""
    begin = time.monotonic()
    while time.monotonic() < begin + within_s:
        if what():
            return time.monotonic() - begin
        time.sleep(0.2)
    return None


class Archive(GuestTest):
    keys = {"files": "/root/hf-archive"}

    def setUp(self):
        super().setUp()
        self.addCleanup(guest, "systemctl stop 'holdfast-stream-*'; rm -rf /root/hf-archive")

    def archive(self, name, status=0):
        result = self.site.run("archive", "db", "--to", str(self.site.dir / name), timeout=600)
        return self.ok(result, status)

    def listing(self, name):
        out = subprocess.run(["zstd", "-dcq", self.site.dir / name / "files.jsonl.zst"], check=True, capture_output=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def big(self, mib=BIG_MIB):
        guest(f"mkdir -p /root/hf-archive; head -c {mib}M /dev/urandom >/root/hf-archive/big")

    def half_way(self):
        """An archive through the agent, in its middle."""
        self.big()
        self.site.write(**NO_SSH)
        process = self.site.start("archive", "db", "--to", str(self.site.dir / "out"))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        part = self.site.dir / "out/files.tar.zst.part"
        self.assertIsNotNone(wait_until(lambda: part.exists() and part.stat().st_size > 4 << 20, 60), "no byte came")
        self.assertIsNone(process.poll())
        self.assertIn("tar --create", traces())
        return process

    def test_agent_and_ssh_bring_the_same_home(self):
        guest(TREE)
        self.site.write(files="/root/hf-archive/$HOME ${x}, /root/hf-no-such", unreadable="warn")
        by_ssh = self.archive("ssh")
        self.site.write(**NO_SSH)
        by_agent = self.archive("agent")
        self.assertEqual(self.listing("ssh"), self.listing("agent"))
        self.assertGreater(by_agent["entries"], 300)
        for key in ("entries", "types", "bytes", "tar_bytes", "unreadable", "changed", "warnings"):
            self.assertEqual(by_ssh[key], by_agent[key], key)
        self.assertEqual(by_agent["unreadable"], 1)
        self.assertEqual(traces(), "")

    def test_what_tar_refuses_is_told(self):
        guest(TREE)
        self.site.write(files="/root/hf-no-such", unreadable="fail", **NO_SSH)
        error = self.archive("out", status=1)["error"]
        self.assertIn("not readable", error["message"])
        self.assertIn("hf-no-such", error["message"])
        self.assertEqual(traces(), "")

    def test_without_a_way_into_the_guest_it_is_refused(self):
        self.site.write(guest="none", **NO_SSH)
        self.assertEqual(self.archive("out", status=2)["error"]["class"], "config")
        self.site.write(guest="agent")

    def test_how_fast_it_is(self):
        mib = 32
        self.big(mib)
        took = {}
        for way in ("ssh", "agent"):
            if way == "agent":
                self.site.write(**NO_SSH)
            begin = time.monotonic()
            self.archive(way)
            took[way] = mib / (time.monotonic() - begin)
        self.assertEqual(self.listing("ssh"), self.listing("agent"))
        print(f"through the agent {took['agent']:.1f} MiB/s, through ssh {took['ssh']:.1f} MiB/s")
        self.assertGreater(took["agent"], min(1, took["ssh"] / 5))  # beside others either is slow

    def die_at(self, point):
        process = self.site.start("archive", "db", "--to", str(self.site.dir / point), env={"HOLDFAST_POINT": f"{point}=kill"})
        process.communicate(timeout=120)
        self.assertEqual(process.returncode, -signal.SIGKILL, point)
        self.assertTrue((self.site.dir / point / "INCOMPLETE").exists())

    def test_a_killed_holdfast_leaves_nothing_in_the_guest_after_the_time_out(self):
        """At each of its points that this way alone visits, and in the middle of the stream."""
        guest("mkdir -p /root/hf-archive")
        self.site.write(**NO_SSH)
        for point in sorted(kill_points.of("guest.archive")):
            self.die_at(point)
        process = self.half_way()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertNotEqual(traces(), "", "it did not outlive us: this test shows nothing")
        took = wait_until(lambda: traces() == "", LIFE_S)
        self.assertIsNotNone(took, traces())
        print(f"gone after {took:.0f} s")
        self.assertTrue((self.site.dir / "out/INCOMPLETE").exists())

    def test_an_interrupted_holdfast_takes_all_of_it_along(self):
        process = self.half_way()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 1)
        self.assertEqual(traces(), "")

    def test_a_guest_without_room_for_a_piece_ends_it_and_no_archive_is_whole(self):
        self.big()
        self.site.write(**NO_SSH)
        self.addCleanup(guest, "rm -f /run/hf-filler")
        guest("fallocate -l $(( $(df --output=avail -B1 /run | tail -1) - 2500000 )) /run/hf-filler")
        error = self.archive("out", status=1)["error"]
        self.assertIn("is gone before its end", error["message"])
        self.assertIn("room in /run", error["hint"])
        self.assertTrue((self.site.dir / "out/INCOMPLETE").exists())
        guest("rm /run/hf-filler")
        self.assertEqual(traces(), "")

    def test_an_agent_that_is_restarted_in_the_middle_loses_no_byte(self):
        process = self.half_way()
        guest("systemctl restart qemu-guest-agent")
        self.assertEqual(process.wait(300), 0, process.stdout.read())
        digest = guest("sha256sum /root/hf-archive/big").split()[0]
        self.assertEqual([e["sha256"] for e in self.listing("out") if e["type"] == "file"], [digest])


if __name__ == "__main__":
    main()
