# SPDX-License-Identifier: Apache-2.0
"""guest.py - the guest's agent through the API."""
import re
import threading
import time

from common import Site, back, folder, private
from server import Dropped, Server


def bytes_of_the_guest_come_back_as_they_were(site):
    data = bytes(range(256)) * 300 + "äöü€".encode()
    source, there, back = (f"{folder.name}/{n}" for n in ("source", "there", "back"))
    with open(source, "wb") as file:
        file.write(data)
    site.good("write", "db1", there, source)
    site.good("read", "db1", there, "1000000", back)
    for path in (there, back):
        with open(path, "rb") as file:
            assert file.read() == data, path
    assert "äöü€" in site.good("exec", "db1", "/bin/echo", "äöü€")
    text = site.good("input", "db1", private("in", "grüße\n"), "/bin/cat")
    assert "grüße" in text, text


def a_character_that_is_no_byte_is_refused(site):
    site.server.calls.get_nodes_qemu_agent_file_read = lambda p, user: {"content": "a\u20acbc", "bytes-read": 4}
    site.bad("corrupt", "read", "db1", "/etc/x", "100", f"{folder.name}/back")


def arguments_are_not_split(site):
    assert "out=8" in site.good("exec", "db1", "/bin/echo", "a b,c;d")


def an_exit_status_is_read_once(site):
    site.world.faults["still-running"] = 3
    assert "exit=3" in site.good("exec", "db1", "/bin/sh", "-c", "exit 3")
    site.world.faults["drop-after"] = "GET exec-status"
    site.world.requests.clear()
    status, text = site.drive("exec", "db1", "/bin/true")
    assert status == 1 and "left: " in text and "told once" in text, text


def an_error_inside_a_200_is_an_error(site):
    site.world.faults["freeze-error"] = True
    site.bad("plugin", "freeze", "db1")
    site.world.faults = {"agent-error": True}
    site.bad("plugin", "state", "db1")


def a_freeze_whose_answer_is_lost_ends_thawed(site):
    site.world.faults["freeze-596"] = True
    site.bad("unreachable", "freeze", "db1")
    assert not site.vm.frozen


def a_freeze_that_takes_long_ends_thawed(site):
    site.vm.seconds["freeze"] = 3  # 596 after 0.2 s, and the agent answers nobody until it is done
    site.bad("unreachable", "freeze", "db1")
    assert not site.vm.frozen


def a_freeze_that_never_returns_is_left_with_words(site):
    site.vm.seconds["freeze"] = 60
    begun = time.monotonic()
    status, text = site.drive("freeze", "db1", limit=4000)  # by the plugin, or the host, where it is some milliseconds late
    assert status == 1 and ("error unreachable:" in text or "error timeout:" in text), text
    assert "left: file systems in the guest may be frozen" in text and time.monotonic() - begun < 30, text


def an_agent_that_serves_another_is_waited_for_by_a_thaw(site):
    site.good("freeze", "db1")
    site.vm.agent_lock.acquire()
    threading.Timer(1.5, site.vm.agent_lock.release).start()
    site.good("thaw", "db1")
    assert not site.vm.frozen


def a_frozen_guest_is_not_frozen_again(site):
    site.good("freeze", "db1")
    site.bad("busy", "freeze", "db1")
    assert site.vm.frozen
    site.bad("conflict", "exec", "db1", "/bin/true")
    site.good("thaw", "db1")
    assert not site.vm.frozen


def mounts_know_their_disk_and_the_network(site):
    text = site.good("mounts", "db1")
    assert "/ ext4 /dev/sda1 scsi0" in text and re.search("/mnt/nfs nfs .* -", text), text


def a_freeze_that_comes_late_is_thawed_as_well(site):
    freeze = site.server.calls.post_nodes_qemu_agent_fsfreeze_freeze

    def lose(p, user):
        threading.Timer(0.15, freeze, (p, user)).start()
        raise Dropped
    site.server.calls.post_nodes_qemu_agent_fsfreeze_freeze = lose
    site.bad("unreachable", "freeze", "db1")
    time.sleep(0.5)
    assert not site.vm.frozen


def a_host_that_answers_no_more_keeps_no_guest_frozen(site):
    for stalled in ("fsfreeze-status", "fsfreeze-thaw"):
        here = Site()
        other = Server(here.world, folder.name)
        here.keys["uri"] += f",https://127.0.0.1:{other.port}"
        here.good("freeze", "db1")
        here.server.stalls = f"POST {stalled}"
        here.good("thaw", "db1", limit=40000)
        assert not here.vm.frozen
        other.close()


def a_thaw_is_believed_when_the_guest_says_so(site):
    site.good("freeze", "db1")
    thaw, thaws = site.vm.thaw, []

    def first_in_vain():
        thaws.append(1)
        return thaw() if len(thaws) > 1 else 2
    site.vm.thaw = first_in_vain
    site.good("thaw", "db1")
    assert not site.vm.frozen and len(thaws) == 2


def a_number_may_come_as_text(site):
    run = site.server.calls.post_nodes_qemu_agent_exec
    site.server.calls.post_nodes_qemu_agent_exec = lambda p, user: {"pid": str(run(p, user)["pid"])}
    site.good("exec", "db1", "/bin/true")
