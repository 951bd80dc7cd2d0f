# SPDX-License-Identifier: Apache-2.0
"""guest.py - programs and files in the guest, by VMware Tools."""
import glob
import os
import shutil
import subprocess
import threading
import time

from common import NAME, private


def leftovers(here):
    """The folders in the guest, which is this machine: of other groups beside this one there are others."""
    return glob.glob(f"/tmp/holdfast-{here.server.process.pid}-*")


def runs(here, *args):
    here.with_guest()
    return here.good("exec", here.vm, *args)


def programs_run_and_tell(site):
    before = leftovers(site)
    text = runs(site, "/bin/sh", "-c", "echo \"$0 it's\"; echo problem >&2; exit 3", "a b;$(id)`id`\"'\\")
    assert "exit=3" in text and "a b;$(id)`id`\"'\\ it's" in text and "problem" in text, text
    assert leftovers(site) == before, "a folder is left in the guest"


def a_zero_that_is_left_out_is_a_zero(site):
    assert "exit=0" in runs(site, "/bin/true")


def a_signal_is_told(site):
    text = runs(site, "/bin/sh", "-c", "kill -9 $$")
    assert "exit=-1" in text and "exit=0" not in text, text


def input_goes_in_and_its_folder_is_taken_away(site):
    site.with_guest()
    before = leftovers(site)
    text = site.good("input", site.vm, private("input", "one\ntwo\n"), "/usr/bin/wc", "-l")
    assert "exit=0" in text and "2" in text, text
    assert leftovers(site) == before


def programs_of(site):
    """The requests of each program: it begins with the look for the VM."""
    out = []
    for r in site.requests():
        if r["method"] == "FindAllByUuid":
            out.append([])
        if out:
            out[-1].append(r["method"])
    return out


def the_second_program_needs_few_requests(site):
    site.with_guest()
    before = leftovers(site)
    text = site.good("exec", site.vm, "/bin/true", env={"HOLDFAST_TIMES": "2"})
    assert text.count("exit=0") == 2 and leftovers(site) == before, text
    second = programs_of(site)[1]
    assert second.count("ListProcessesInGuest") <= 3 and [m for m in second if m != "ListProcessesInGuest"] == [
        "FindAllByUuid", "StartProgramInGuest", "InitiateFileTransferFromGuest", "DeleteDirectoryInGuest", "Logout"], second


def each_program_has_its_own_output(site):
    site.with_guest()
    count = f"{site.folder}/count"
    text = site.good("exec", site.vm, "/bin/sh", "-c", f"echo x >>{count}; n=$(wc -l <{count}); [ $n = 2 ] || echo run $n; exit $n",
                     env={"HOLDFAST_TIMES": "3"})
    told = [line.split(" in ")[0] for line in text.splitlines() if line.startswith("exit=")]
    assert told == [f"exit={n} signal=0 truncated=0 out={size} err=0" for n, size in ((1, 6), (2, 0), (3, 6))], text
    os.unlink(count)


def what_is_too_much_is_cut_of_each_stream_by_itself(site):
    site.with_guest()
    for stream, sizes in ((1, "out=65536 err=3"), (2, "out=3 err=65536")):
        text = site.good("exec", site.vm, "/bin/sh", "-c", f"head -c 70000 /dev/zero >&{stream}; echo ab >&{3 - stream}")
        assert f"truncated=1 {sizes}" in text, text[:200]
    assert "truncated=0 out=65536 err=65536" in site.good("exec", site.vm, "/bin/sh", "-c", "head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2")


def a_folder_that_was_swept_is_made_again(site):
    site.with_guest()
    before, count = leftovers(site), f"{site.folder}/count"

    def sweep():
        while not site.requests("InitiateFileTransferFromGuest"):
            time.sleep(0.02)
        time.sleep(0.3)
        for one in set(leftovers(site)) - set(before):
            shutil.rmtree(one)
    other = threading.Thread(target=sweep)
    other.start()
    text = site.good("exec", site.vm, "/bin/sh", "-c", f"echo x >>{count}; wc -l <{count}; exit 126", env={"HOLDFAST_TIMES": "2"})
    other.join()
    assert text.count("exit=126") == 2 and "\n2\n" in text and len(site.requests("CreateTemporaryDirectoryInGuest")) == 2, text
    os.unlink(count)


def output_that_is_not_whole_is_none(site):
    site.with_guest()
    site.fault("slow", "InitiateFileTransferFromGuest", 1)
    text = site.bad("corrupt", "exec", site.vm, "/bin/sh", "-c",
                    "d=$(readlink /proc/$PPID/cwd); (sleep 0.4; truncate -s 4 $d/o.1) >/dev/null 2>&1 & echo 12345678")
    assert "not whole" in text, text


def is_running(words):
    return subprocess.run(["pgrep", "-f", words], capture_output=True, check=False).returncode == 0


def a_program_that_takes_too_long_is_ended(site):
    site.with_guest()
    start, before, length = time.monotonic(), leftovers(site), f"20.{os.getpid()}"
    text = site.bad("timeout", "exec", site.vm, "/bin/sleep", length, limit=4000)
    assert "may still run in the guest" not in text and time.monotonic() - start < 10, text
    assert not is_running(f"sleep {length}"), "the shell was ended, the program was not"
    assert leftovers(site) == before, "its folder is left"


def one_that_cannot_be_ended_is_said_to_run(site):
    site.with_guest()
    site.fault("fault", "TerminateProcessInGuest", "GuestOperationsUnavailable", times=-1)
    text = site.bad("timeout", "exec", site.vm, "/bin/sleep", "7", limit=3000)
    assert "may still run in the guest" in text, text


def a_lost_answer_starts_no_second_program(site):
    site.with_guest()
    mark = f"{site.folder}/started"
    site.fault("drop-after", "StartProgramInGuest")
    site.fault("slow", "DeleteDirectoryInGuest", 1)  # the program begins in that folder, sooner or later
    text = site.bad("unreachable", "exec", site.vm, "/bin/sh", "-c", f"echo x >>{mark}")
    time.sleep(0.5)
    assert "may run in the guest" in text and len(site.requests("StartProgramInGuest")) == 1
    with open(mark, encoding="utf-8") as file:
        assert file.read() == "x\n"


def files_go_both_ways_byte_for_byte(site):
    site.with_guest()
    data = bytes(range(256)) * 3000
    path = f"{site.folder}/there"
    with open(f"{site.folder}/here", "wb") as file:
        file.write(data)
    site.good("write", site.vm, path, f"{site.folder}/here")
    site.good("read", site.vm, path, "1000000", f"{site.folder}/again")
    with open(f"{site.folder}/again", "rb") as file:
        assert file.read() == data
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert "<permissions>384</permissions>" in site.requests("InitiateFileTransferToGuest")[0]["body"]


def no_cookie_goes_with_a_transfer(site):
    site.with_guest()  # the stand-in answers 403 to one that has one
    site.good("read", site.vm, "/etc/passwd", "1000000", f"{site.folder}/passwd")


def a_file_that_is_not_there_is_not_found(site):
    site.with_guest()
    site.bad("not-found", "read", site.vm, "/tmp/holdfast-nothing-here", "100", f"{site.folder}/x")


def a_wrong_guest_password_is_told_as_such(site):
    site.with_guest()
    site.keys["guest-password-file"] = private("guest-wrong", "nope")
    assert "guest-password-file" in site.bad("auth", "ping", site.vm)


def without_tools_or_an_account_there_is_no_channel(site):
    site.bad("config", "ping", site.vm)
    site.with_guest()
    site.change(tools="guestToolsNotRunning")
    assert "GuestOperationsUnavailable" in site.bad("unreachable", "ping", site.vm)
    assert "VMware Tools do not run" in site.good("find", site.vm)
    site.change(power="poweredOff")
    site.bad("conflict", "ping", site.vm)


def tools_that_are_not_ready_yet_are_no_channel(site):
    site.with_guest()
    site.change(guest_ready=False)
    text = site.good("find", site.vm)
    assert "agent=0" in text and "not ready for programs and files" in text, text
    site.change(guest_ready=True)
    assert "agent=1" in site.good("find", site.vm)


def a_missing_privilege_of_the_guest_operations_is_named(site):
    site.with_guest()
    site.server.say("deny", value="VirtualMachine.GuestOperations.Execute")
    assert "privilege VirtualMachine.GuestOperations.Execute" in site.good("find", site.vm)
    assert "warning: the privilege VirtualMachine.GuestOperations.Execute" in site.captured()


def a_channel_that_works_is_seen(site):
    site.with_guest()
    site.good("ping", site.vm)
    assert "agent=1" in site.good("find", site.vm)
