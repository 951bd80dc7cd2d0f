# SPDX-License-Identifier: Apache-2.0
"""quiet.py - the whole program: what goes to the guest's agent while the server's task needs it."""
from common import Site, program

FROZEN = ["freeze = yes", "guest = agent"]


def play_guest(here):
    """Programs of a guest with systemd: each is answered as if it had run. What it was asked: (when, command)."""
    asked, calls = [], here.server.calls

    def run(p, user):
        calls.agent(p)
        asked.append(p["command"])
        here.world.serial += 1
        here.world.processes[str(here.world.serial)] = (0, b"armed\n", b"")
        return {"pid": here.world.serial}
    calls.post_nodes_qemu_agent_exec = run
    return asked


def agent_calls_inside(here):
    """Those between the POST and the end of its task."""
    begun = here.requests("POST", "/snapshot")[0][0]
    ended = [t for t, what, _ in here.world.timeline if what == "task-stopped"][0]
    return [r[2] for r in here.world.requests if begun < r[0] < ended and "/agent/" in r[2]]


def with_dead_men_armed_the_agent_is_left_alone_until_the_task_ended(site):
    asked = play_guest(site)
    site.vm.seconds["disk"] = 1.5
    status, text = program(site, "snapshot", "create", "web01", vm=FROZEN)
    assert status == 0 and any("systemd-run" in c for c in asked), (text, asked)
    assert not agent_calls_inside(site) and not site.vm.frozen, agent_calls_inside(site)


def a_freeze_of_its_own_is_no_warning(site):
    old = Site(new=False)
    old.world.tells_freeze = True  # 9.0.23 to 9.1.9: the task's freeze fails at the frozen guest, with a line
    for here, line in ((site, "already frozen"), (old, "unable to freeze guest fs")):
        play_guest(here)
        status, text = program(here, "snapshot", "create", "web01", vm=FROZEN)
        assert line not in text, text
        assert here is old or status == 0, text  # that one thaws early, which costs the grade
        lines = [x for t in here.world.tasks.values() for x in t.lines]
        assert any(line in x for x in lines), lines
        assert not here.vm.frozen


def check_says_beforehand_that_an_old_server_thaws_whoever_froze(site):
    old = Site(new=False)
    for here, freeze, wanted in ((old, "yes", True), (old, "no", False), (site, "yes", False)):
        play_guest(here)
        _, text = program(here, "check", "web01", vm=[f"freeze = {freeze}", "guest = agent"])
        assert ("freeze = no" in text) == wanted, text


def a_freeze_that_nobody_else_did_is_one(site):
    site.world.faults["freeze-fails"] = True
    status, text = program(site, "snapshot", "create", "web01")
    assert status == 0 and "unable to freeze guest fs" in text, text
