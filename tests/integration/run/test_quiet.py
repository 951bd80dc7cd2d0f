# SPDX-License-Identifier: Apache-2.0
"""Between lock and unlock the coordinator starts no program, opens no connection, creates no file: seen by strace.

The hold is from the first `BACKUP STAGE BLOCK_COMMIT` that it sends to the `BACKUP STAGE END`. The guardian is a
process of its own and is not judged; the plugin's call is, and the plugin of these tests only renames.
"""

import re

from runlib import RunTest, main, need, program

BEGIN, END = "BACKUP STAGE BLOCK_COMMIT", "BACKUP STAGE END"
FORBIDDEN = re.compile(r"^(execve|execveat|connect|socket|creat|mkdir|mkdirat|mknod|mknodat|fork|vfork)\("
                       r"|^(open|openat|openat2)\(.*O_CREAT|^clone3?\((?!.*CLONE_THREAD)")
TRACED = "execve,execveat,connect,socket,creat,mkdir,mkdirat,mknod,mknodat,fork,vfork,clone,clone3,open,openat," \
         "openat2,sendto,write"


def coordinator_calls(text):
    """Calls of the first process of a trace with -f, its threads included, without the process ids."""
    threads, calls = set(), []
    unfinished = {}
    for line in text.splitlines():
        pid, call = line.split(None, 1)
        threads = threads or {pid}
        if pid not in threads:
            continue
        if call.endswith("<unfinished ...>"):
            unfinished[pid] = call[:-len("<unfinished ...>")].rstrip()
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
        if resumed:
            call = unfinished.pop(pid, "") + resumed.group(1)
        child = re.match(r"clone3?\(.*CLONE_THREAD.*= (\d+)$", call)
        if child:
            threads.add(child.group(1))
        calls.append(call)
    return calls


def is_sent(call, statement):
    return call.startswith(("sendto(", "write(")) and statement in call


def hold_of(calls, first=BEGIN, last=END):
    """Calls from the lock statement to the unlock statement, both left out; None: there is no such hold."""
    begin = next((i for i, c in enumerate(calls) if is_sent(c, first)), None)
    end = next((i for i, c in enumerate(calls) if is_sent(c, last)), None)
    return None if begin is None or end is None or end < begin else calls[begin + 1:end]


def loud(calls):
    return [c for c in calls if FORBIDDEN.search(c)]


class Quiet(RunTest):
    @classmethod
    def setUpClass(cls):
        need("strace", "strace")
        super().setUpClass()

    def trace(self):
        log = self.site.dir / "strace"
        wrap = [program("strace"), "-f", "-s", "4096", "-e", f"trace={TRACED}", "-o", str(log)]
        # A leak checker cannot work below strace.
        self.ok(self.site.run("snapshot", "create", "web", wrap=wrap, ASAN_OPTIONS="detect_leaks=0"))
        return log.read_text()

    def assert_quiet(self):
        calls = coordinator_calls(self.trace())
        self.assertTrue(any(c.startswith("connect(") for c in calls), "the trace shows no connection at all")
        hold = hold_of(calls)
        self.assertIsNotNone(hold, "no hold in the trace:\n" + "\n".join(calls))
        self.assertEqual(loud(hold), [])

    def test_a_hold_is_quiet(self):
        self.assert_quiet()

    def test_the_hold_of_a_server_that_was_made_durable_is_quiet(self):
        self.relax()
        self.assert_quiet()

    def test_a_hold_in_which_the_guest_syncs_is_quiet(self):
        self.relax(flush_log=2)
        self.without_super()
        self.assert_quiet()

    def test_a_noise_in_a_hold_would_be_heard(self):
        """The judge itself: each kind of noise, put into the hold of a real trace."""
        text = self.trace()
        lines = text.splitlines()
        at = next(i for i, line in enumerate(lines) if END in line and "sendto(" in line or END in line)
        pid = lines[0].split()[0]
        for noise in ('execve("/bin/true", ["true"], 0x7ff) = 0', 'connect(9, {sa_family=AF_INET}, 16) = 0',
                      'openat(AT_FDCWD, "/tmp/x", O_WRONLY|O_CREAT, 0600) = 9', 'mkdir("/tmp/x", 0700) = 0',
                      'clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 4242'):
            with self.subTest(noise=noise):
                doctored = "\n".join([*lines[:at], f"{pid} {noise}", *lines[at:]])
                self.assertEqual(loud(hold_of(coordinator_calls(doctored))), [noise])


if __name__ == "__main__":
    main()
