# SPDX-License-Identifier: Apache-2.0
"""transport.py - what goes over the wire, and to whom."""
import os
import subprocess
import time

from common import BUILD, FINGERPRINT, NAME, PIN, Site, folder, private
from server import Dropped, Refused, Server


def the_conformance_suite_passes(site):
    done = subprocess.run([f"{BUILD}/tests/plugin/plugin_conformance", "proxmox", "uri=https://127.0.0.1:1",
                           *[f"{k}={v}" for k, v in site.keys.items()], "--", "db1"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def the_conformance_suite_passes_with_version_8(site=None):
    the_conformance_suite_passes(Site(new=False))


def a_pin_and_a_fingerprint_each_prove_the_server(site):
    del site.keys["ca-file"]
    for key, value in (("pin", PIN), ("pin", f"sha256//{'A' * 43}=, {PIN}"), ("fingerprint", FINGERPRINT), ("fingerprint", FINGERPRINT.replace(":", "").lower())):
        site.keys[key] = value
        assert "Proxmox VE 9.1.2" in site.good("probe")
        del site.keys[key]


def a_wrong_server_never_sees_the_token(site):
    del site.keys["ca-file"]
    other = ("AA" if FINGERPRINT[:2] != "AA" else "BB") + FINGERPRINT[2:]
    for key, value in (("pin", "sha256//" + "A" * 43 + "="), ("fingerprint", other), (None, None)):
        keys = dict(site.keys)
        if key:
            site.keys[key] = value
        site.bad("auth", "probe")
        site.keys = keys
    assert not site.world.requests, "a request reached a server that is not trusted"


def another_host_is_asked_when_one_is_not_there(site):
    site.keys["uri"] = f"https://127.0.0.1:1, https://127.0.0.1:{site.server.port}"
    site.good("probe")


def a_host_that_answers_no_more_does_not_use_up_the_hold(site):
    other = Server(site.world, folder.name)
    site.keys["uri"] += f",https://127.0.0.1:{other.port}"
    site.server.stalls = "GET status"
    status, text = site.capture()
    other.close()
    assert status == 0, text


def a_connection_that_is_dead_without_a_word_is_replaced(site):
    handle, stalled = site.server.handle, []

    def stall_once(method, target, headers, body):
        if target.endswith("/status") and not stalled:
            stalled.append(target)
            time.sleep(30)
        return handle(method, target, headers, body)
    site.server.handle = stall_once
    status, text = site.capture()
    assert status == 0 and stalled, text


def a_log_in_that_answers_by_halves_is_an_error(site):
    site_key(site)
    status, text = site.capture()
    assert status == 0, text
    calls, log_in = site.server.calls, site.server.calls.post_access_ticket
    find = calls.get_cluster_resources

    def run_out(p, user):
        site.world.ticket, calls.get_cluster_resources = "another", find
        calls.post_access_ticket = lambda p, user: {k: v for k, v in log_in(p, user).items() if k != "CSRFPreventionToken"}
        return find(p, user)
    calls.get_cluster_resources = run_out
    status, text = site.drive("discard", "100", NAME, f"{folder.name}/undo")
    assert status == 1 and "error " in text, (status, text)


def no_wait_for_100_continue(site):
    path = private("big", "x" * 40000)
    site.good("write", "db1", f"{folder.name}/written", path)
    assert not [t for t in site.world.timeline if t[1] == "expect"]


def a_kept_connection_that_dies_sends_a_post_once(site):
    site.world.faults["drop-before"] = "POST snapshot"
    status, text = site.capture()
    assert status == 1 and "left: " in text, text
    assert len(site.requests("POST", "/snapshot")) == 1


def parameters_of_get_and_delete_stand_in_the_query(site):
    status, text = site.capture()
    assert status == 0, text
    site.good("delete", "db1", NAME)
    site.good("read", "db1", "/proc/self/mountinfo", "1000", f"{folder.name}/mounts")
    assert all(not r[4] for r in site.world.requests if r[1] in ("GET", "DELETE"))


def values_are_encoded_whole(site):
    env = {"HOLDFAST_RUN_ID": "a=b;c&d e"}
    status, text = site.capture(env=env)
    assert status == 0, text
    assert site.vm.snapshots[NAME]["description"].startswith("holdfast run=a=b;c&d e"), site.vm.snapshots


def a_late_401_is_a_refusal_and_no_timeout(site):
    site.world.delay_401 = 3
    site.world.secret = "another"
    assert "auth" in site.bad("auth", "probe")


def site_key(here):
    del here.keys["token-file"]
    here.keys.update({"user": "holdfast@pve", "password-file": private("password", here.world.password + "\n")})


def a_ticket_is_used_with_its_csrf_token(site):
    site_key(site)
    status, text = site.capture()
    assert status == 0, text


def a_ticket_that_ran_out_is_bought_again(site):
    del site.keys["token-file"]
    site.keys.update({"user": "holdfast@pve", "password-file": private("password", site.world.password + "\n")})
    config = site.server.calls.get_nodes_qemu_config

    def run_out(p, user):
        site.world.ticket, site.server.calls.get_nodes_qemu_config = "another", config
        return config(p, user)
    site.server.calls.get_nodes_qemu_config = run_out
    status, text = site.capture()
    assert status == 0 and len(site.requests("POST", "/access/ticket")) == 2, text


def a_second_factor_is_refused(site):
    del site.keys["token-file"]
    site.keys.update({"user": "holdfast@pve", "password-file": private("password", site.world.password + "\n")})
    site.world.faults["tfa"] = True
    assert "API token" in site.bad("auth", "probe")


def the_reason_phrase_is_read_where_the_body_has_no_message(site):
    old = Site(new=False)
    old.world.rights.pop("VM.Monitor")
    assert "VM.Monitor" in old.bad("auth", "ping", "db1")


def gets_are_repeated_after_59x(site):
    site.world.faults["595-any-get"] = 2
    site.good("probe")
    site.world.faults["596-any-get"] = 2
    site.good("probe")


def a_new_token_may_take_some_seconds_to_arrive(site):
    site.world.faults["401"] = 1
    begun = time.monotonic()
    site.good("probe")
    assert time.monotonic() - begun >= 2


def a_pin_that_is_none_is_a_mistake_of_the_configuration(site):
    for pin in ("sha256//AAAA", PIN + ";" + PIN, PIN[:-1] + ";", ","):
        site.keys["pin"] = pin
        site.bad("config", "probe")


def plain_http_is_a_mistake_of_the_configuration(site):
    site.keys["uri"] = f"http://127.0.0.1:{site.server.port}"
    site.bad("config", "probe")


def a_token_is_named_and_its_secret_stands_alone_in_the_file(site):
    site.keys.update({"token-id": site.world.token, "token-file": private("secret", site.world.secret + "\n")})
    site.good("probe")
    site.keys["token-file"] = site.token  # the whole one is good as well
    site.good("probe")
    site.keys["token-id"] = "other@pve!run"
    site.bad("config", "probe")
    site.keys = {**site.keys, "token-file": private("secret", site.world.secret + "\n")}
    del site.keys["token-id"]
    site.bad("config", "probe")


def a_larger_request_than_the_server_takes_is_not_sent(site):
    old = Site(new=False)
    old.world.version, old.world.body_max = "8.2.4", 64 << 10
    for data in (b"\xff" * 100000, os.urandom(100000)):  # the first one is nothing but '/' in base64
        with open(f"{folder.name}/source", "wb") as file:
            file.write(data)
        old.good("write", "db1", f"{folder.name}/there", f"{folder.name}/source")
        with open(f"{folder.name}/there", "rb") as file:
            assert file.read() == data
    assert max(len(r[4]) for r in old.world.requests) <= 64 << 10


def a_connection_is_given_up_after_100_requests(site):
    site.world.faults["still-running"] = 110
    site.good("exec", "db1", "/bin/true", limit=60000)
    used = [r[5] for r in site.world.requests]
    assert max(used.count(c) for c in set(used)) == 100, "the stand-in closes after 100"


def a_first_403_is_asked_once_more(site):
    site.world.faults["403"] = 1  # the right was given some seconds ago
    site.good("find", "db1")
    site.world.faults["403"] = 2
    assert "Permission check failed" in site.bad("auth", "find", "db1")


def a_kept_connection_that_dies_under_a_post_is_said_so(site):
    def die(p, user):
        raise Dropped
    site.server.calls.post_nodes_qemu_snapshot = die
    status, text = site.capture()
    assert status == 1 and "error unreachable" in text and "before the answer came" in text and "perhaps snapshot" in text, text


def inside_the_hold_no_403_is_waited_for(site):
    post = site.server.calls.post_nodes_qemu_snapshot
    refused = []

    def refuse(p, user):
        refused.append(p)
        raise Refused(403, "Permission check failed (/vms/100, VM.Snapshot)")
    site.server.calls.post_nodes_qemu_snapshot = refuse
    status, text = site.capture()
    assert status == 1 and "error auth" in text and len(refused) == 1, text
    site.server.calls.post_nodes_qemu_snapshot = post
