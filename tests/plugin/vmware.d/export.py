# SPDX-License-Identifier: Apache-2.0
"""export.py - a snapshot's disks as a stream: whole and equal, or an error; a lease is never left, nor lost without a word."""
import http.server
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time

from common import NAME, Site, folder, make_certificates, private

MIB = 1 << 20
GRAIN = 64 << 10


def image(name, seed, mib=12, tail=1536):
    """A raw disk: noise, text, zeros, zeros within a grain, and an end that fills no grain."""
    draw = random.Random(seed)
    path = os.path.join(folder.name, name)
    with open(path, "wb") as f:
        f.truncate(mib * MIB + tail)
        for at in range(0, mib * MIB, MIB):
            kind = draw.randrange(4)
            f.seek(at)
            if kind == 0:
                f.write(draw.randbytes(MIB))
            elif kind == 1:
                f.write(b"SELECT * FROM t WHERE id = 42;\n" * 20000)
            elif kind == 2:
                f.write(draw.randbytes(700))
        f.seek(mib * MIB)
        f.write(draw.randbytes(tail))
    return path


def changed(name, source, at, data):
    path = os.path.join(folder.name, name)
    subprocess.run(["cp", "--sparse=always", source, path], check=True)
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)
    return path


def same(a, b):
    return subprocess.run(["cmp", a, b], check=False).returncode == 0


def out(target="scsi0:0"):
    return os.path.join(folder.name, "out", target)


def words(here):
    os.makedirs(os.path.join(folder.name, "out"), exist_ok=True)
    return ["export", here.vm, NAME, f"{folder.name}/undo", private("end", "x")]


def export(here, limit=60000, **env):
    return here.drive(*words(here), limit=limit, env={"HOLDFAST_STREAM_TO": f"{folder.name}/out", **env})


def exported(here, **more):
    status, text = export(here, **more)
    assert status == 0, text
    return text


def failed(here, cls, **more):
    status, text = export(here, **more)
    assert status == 1 and f"error {cls}:" in text, f"wanted {cls}: {text}"
    here.good("discard", here.vm, NAME)
    assert not here.snapshots(), here.state()
    return text


def start(here, **env):
    """The export, under way in a process of its own."""
    return subprocess.Popen(here.command(*words(here)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "HOLDFAST_DEADLINE_MS": "60000", "HOLDFAST_RUN_ID": NAME, "HOLDFAST_STREAM_TO": f"{folder.name}/out", **env})


def until(what, limit=20):
    end = time.monotonic() + limit
    while not what():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.02)


def with_disk(here, name="one.raw", seed=1, **more):
    path = image(name, seed, **more)
    here.disk(path)
    return path


# ---- whole and equal ------------------------------------------------------------------------------------------------------


# What stands behind a VM in the guest tests (tests/fakes/vcenter/machine.py), with disks that lie there.
HELPER = """import json, sys
print(json.dumps({"name": "behind", "bytes": [int(n) for n in sys.argv[1].split(",")]}), flush=True)
kept = []
for line in sys.stdin:
    asked, result = json.loads(line), None
    if asked["op"] == "keep":
        kept.append(asked["name"])
        result = {"at_ns": 1, "ran_ns": 2, "frozen": False}
    elif asked["op"] == "drop":
        kept.remove(asked["name"])
    elif asked["op"] == "disk" and asked["name"] in kept:
        result = sys.argv[2 + asked["disk"]]
    print(json.dumps({"id": asked["id"], "result": result}), flush=True)
"""


def the_disks_of_a_guest_that_stands_behind_the_vm_come_by_a_lease_too(site):
    disks = [image("behind-0.raw", 21), image("behind-1.raw", 22, tail=0)]
    sizes = ",".join(str(os.path.getsize(path)) for path in disks)
    here = Site(more=["-real", site.vm, sys.executable, private("helper.py", HELPER), sizes, *disks])
    here.vm = "behind"
    try:
        exported(here)
        assert same(disks[0], out()) and same(disks[1], out("scsi0:1")) and here.leases() == ["completed"] and not here.snapshots()
        here.captured()
        snapshot, = (s["id"] for s in here.state()["snapshots"])
        assert [here.server.say("snapshot-disk", vm=here.vm, value=snapshot, key=key)["path"] for key in (2000, 2001)] == disks
        here.judge()
    finally:
        here.server.close()


def two_disks_come_whole_and_nothing_is_left(site):
    one, two = with_disk(site), image("two.raw", 2, tail=0)
    packed = os.path.join(folder.name, "two.qcow2")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", two, packed], check=True)
    site.disk(packed, 1)
    text = exported(site)
    assert "disks 2 checkpoint=0 incremental=0" in text and f"export scsi0:0 - - - {os.path.getsize(one)}" in text, text
    assert same(one, out()) and same(two, out("scsi0:1"))
    assert site.leases() == ["completed"] and not site.snapshots() and len(site.requests("RemoveSnapshot_Task")) == 1
    assert not os.path.getsize(out("scsi0:1")) % 512 and len(site.requests("nfc")) == 2


def an_empty_disk_and_one_of_zeros_alone_come_whole(site):
    path = os.path.join(folder.name, "zeros.raw")
    with open(path, "wb") as f:
        f.write(bytes(3 * MIB + 512))
    site.disk(path)
    exported(site)
    assert same(path, out())


def what_comes_is_the_instant_of_the_snapshot_and_not_what_the_vm_has_since(site):
    then, since = with_disk(site), image("since.raw", 3)
    site.fault("seconds", "lease", 1.5, times=-1)
    child = start(site)
    until(site.snapshots)
    site.disk(since)
    text = child.communicate(timeout=60)[0].decode()
    assert child.returncode == 0 and same(then, out()) and not same(since, out()), text


def a_host_alone_sends_its_own_disks_to_its_own_session(site):
    host = Site(esx=True)
    try:
        path = with_disk(host)
        exported(host)
        assert same(path, out()) and host.leases() == ["completed"]
        host.judge()
    finally:
        host.server.close()


def disks_that_a_snapshot_leaves_out_are_told_and_not_read(site):
    path = with_disk(site)
    site.disk(image("left-out.raw", 4), 1, mode="independent_persistent")
    text = exported(site)
    assert "warning: disk scsi0:1 is not captured: its mode is independent_persistent" in text and "disks 1 " in text, text
    assert same(path, out()) and len(site.requests("nfc")) == 1


# ---- the lease --------------------------------------------------------------------------------------------------------------


def a_reader_that_is_slow_does_not_lose_the_lease(site):
    path = with_disk(site)
    site.fault("lease-timeout", value=2, times=-1)
    begun = time.monotonic()
    exported(site, HOLDFAST_SLOW_MS="1000")
    lasted = time.monotonic() - begun
    percents = site.log()["leases"][0]["percents"]
    assert same(path, out()) and site.leases() == ["completed"] and lasted > 5, (lasted, site.leases())
    assert len(percents) >= int(lasted) // 2 and percents[-1] > percents[0] >= 0, percents


def one_piece_that_takes_longer_than_the_lease_does_not_lose_it(site):
    path = with_disk(site, mib=0)
    site.fault("lease-timeout", value=2, times=-1)
    exported(site, HOLDFAST_SLOW_MS="5000")
    assert same(path, out()) and site.leases() == ["completed"], site.leases()


def a_lease_that_is_lost_is_found_out_and_another_asked_for(site):
    path = with_disk(site)
    site.fault("slow", "nfc", 0.05, times=-1)
    child = start(site)
    until(lambda: site.requests("nfc"))
    site.fault("lease-expires")
    text = child.communicate(timeout=60)[0].decode()
    assert child.returncode == 0 and same(path, out()), text
    assert site.leases() == ["expired", "completed"], site.leases()


def a_lease_whose_progress_is_not_answered_for_is_lost(site):
    """… and its stream, which still flows, is not believed."""
    with_disk(site)
    site.fault("lease-timeout", value=1, times=-1)
    site.fault("http", "HttpNfcLeaseProgress", 503, times=-1)
    site.fault("slow", "nfc", 0.2, times=-1)
    text = failed(site, "unreachable")
    assert "the lease of the export is lost" in text and "" not in site.leases(), (text, site.leases())


def a_lease_that_ends_before_it_is_ready_says_why(site):
    with_disk(site)
    site.fault("lease-error", value="InvalidPowerState", times=-1)
    text = failed(site, "conflict")
    assert "the lease ended with: InvalidPowerState" in text and not site.requests("nfc"), text


def a_lease_that_never_gets_ready_costs_the_deadline_and_is_given_back(site):
    with_disk(site)
    site.fault("never", "lease", times=-1)
    failed(site, "timeout", limit=3000)
    assert site.leases() == ["aborted"], site.leases()


def a_lost_answer_leaves_no_lease_to_others(site):
    """Nobody can end it: it is waited for."""
    path = with_disk(site)
    site.fault("lease-timeout", value=4, times=-1)
    site.fault("drop-after", "ExportSnapshot")
    exported(site)
    assert same(path, out()) and site.leases() == ["expired", "completed"], site.leases()


def a_session_that_idled_during_a_long_dump_is_renewed(site):
    path = with_disk(site)
    site.fault("expire", "ExportSnapshot")
    exported(site)
    assert same(path, out()) and site.leases() == ["completed"]


def a_missing_privilege_is_named_before_anything_is_made(site):
    site.server.say("deny", value="VApp.Export")
    assert "VApp.Export" in site.bad("auth", *words(site)) and not site.requests("CreateSnapshot_Task")
    site.captured()  # snapshots do not need it


def a_disk_of_an_unknown_name_is_no_disk_of_ours(site):
    with_disk(site)
    for key in ("ParaVirtualSCSIController0:7", "disk:0", "Strange0:0", "ParaVirtualSCSIController0", "x" * 300 + "0:0"):
        site.fault("nfc-key", value=key, times=-1)
        assert "no disk scsi0:0" in failed(site, "conflict"), key
    assert not site.requests("nfc")


def two_disks_at_one_place_are_not_both_there(site):
    """… of one size, so that nothing else would show it."""
    with_disk(site)
    site.disk(image("other.raw", 9), 1)
    site.fault("nfc-same", times=-1)
    assert "at one place" in failed(site, "corrupt") and not site.requests("nfc")


# ---- the stream ----------------------------------------------------------------------------------------------------------------


def a_stream_that_breaks_off_is_asked_for_again_and_told_once(site):
    path = with_disk(site)
    for kind, value in (("cut", 200000), ("cut", 10), ("short", 3 * MIB), ("short", 100), ("flip", 2 * MIB), ("http", 503), ("http", 404)):
        site.fault(kind, "nfc", value)
        before = len(site.leases())
        exported(site)
        assert same(path, out()), (kind, value)
        assert site.leases()[before:] == ["aborted", "completed"], (kind, value, site.leases())


def one_that_breaks_off_each_time_is_an_error_and_leaves_nothing(site):
    with_disk(site)
    for kind, value, cls in (("cut", MIB, "unreachable"), ("short", MIB, "corrupt"), ("flip", 2 * MIB, "corrupt"), ("http", 503, "unreachable")):
        site.fault(kind, "nfc", value, times=-1)
        before = len(site.requests("nfc"))
        text = failed(site, cls)
        assert len(site.requests("nfc")) - before == 3 and "disk scsi0:0 of snapshot" in text, (kind, text)
        site.fault(kind, "nfc", times=0)
    assert set(site.leases()) == {"aborted"}, site.leases()


def a_grain_that_was_lost_once_is_no_hole_after_the_second_try(site):
    """What was told of the first stream cannot be taken back."""
    with_disk(site)
    for lost, more in ((0, ()), (3, ()), (3, (("cut", 3 * MIB),)), (0, (("short", 3 * MIB),))):
        for kind, value in (("lose", lost), *more):
            site.fault(kind, "nfc", value)
        before = len(site.requests("nfc"))
        text = failed(site, "corrupt")
        assert "other data than before" in text and len(site.requests("nfc")) - before == 2, (lost, more, text)


def a_grain_that_is_lost_each_time_is_missed(site):
    with_disk(site)
    site.fault("lose", "nfc", 2, times=-1)
    text = failed(site, "corrupt")
    assert "of them came" in text, text


def what_an_error_page_says_is_told_and_no_redirect_followed(site):
    with_disk(site)
    for status, cls in ((401, "auth"), (403, "auth"), (302, "plugin"), (400, "plugin")):
        site.fault("http", "nfc", status)
        before = len(site.requests("nfc"))
        text = failed(site, cls)
        assert f"status {status}: " in text and "no such luck" in text and len(site.requests("nfc")) == before + 1, text
    assert not site.requests("elsewhere")


def a_disk_of_another_size_is_not_taken_for_ours(site):
    """… also one of which every grain is as it was."""
    for n, tail in enumerate((1536, 0)):
        with_disk(site, name=f"sized-{n}.raw", tail=tail)
        site.fault("wrong-capacity", "nfc")
        text = failed(site, "conflict")
        assert "and the snapshot has" in text and len(site.requests("nfc")) == n + 1, text


def a_host_that_nobody_finds_is_named(site):
    with_disk(site)
    site.fault("nfc-host", value="no-such-host.invalid", times=-1)
    text = failed(site, "unreachable")
    assert "no-such-host.invalid" in text and "hint: It comes from the VM's host itself" in text, text


class Other(http.server.BaseHTTPRequestHandler):
    heads = []

    def do_GET(self):
        self.heads.append(str(self.headers))

    def log_message(self, *_):
        pass


def a_host_of_another_ca_gets_no_request(site):
    strange = os.path.join(folder.name, "strange")
    os.makedirs(strange, exist_ok=True)
    make_certificates(strange)
    server = http.server.HTTPServer(("127.0.0.1", 0), Other)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{strange}/pve.pem", f"{strange}/pve.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with_disk(site)
        site.fault("nfc-host", value=f"127.0.0.1:{server.server_port}", times=-1)
        text = failed(site, "auth")
        assert "trust both by ca-file" in text and not Other.heads, (text, Other.heads)
    finally:
        server.shutdown()
        server.server_close()


# ---- who dies -------------------------------------------------------------------------------------------------------------------


def killed_while_it_reads_the_lease_ends_by_itself_and_the_undo_deletes_the_snapshot(site):
    with_disk(site)
    site.may_leave = True
    site.fault("lease-timeout", value=2, times=-1)
    child = start(site, HOLDFAST_SLOW_MS="1000")
    until(lambda: site.requests("nfc"))
    child.kill()
    child.communicate()
    site.good("discard", site.vm, NAME, f"{folder.name}/undo")
    assert site.leases() == ["expired"] and not site.snapshots() and not site.state()["running"], (site.leases(), site.state())


def interrupted_it_gives_the_lease_back_at_once(site):
    with_disk(site)
    child = start(site, HOLDFAST_SLOW_MS="500")
    until(lambda: site.requests("nfc"))
    begun = time.monotonic()
    child.send_signal(signal.SIGTERM)
    text = child.communicate(timeout=30)[0].decode()
    assert time.monotonic() - begun < 8 and "error cancelled" in text, text
    assert site.leases() == ["aborted"], site.leases()
    site.good("discard", site.vm, NAME)
    assert not site.snapshots()


def so_it_does_where_a_first_word_is_lost(site):
    """Nor does its session stay."""
    with_disk(site)
    child = start(site, HOLDFAST_SLOW_MS="500")
    until(lambda: site.requests("nfc"))
    site.fault("http", "HttpNfcLeaseAbort", 503)
    site.fault("http", "Logout", 503)
    child.send_signal(signal.SIGTERM)
    text = child.communicate(timeout=30)[0].decode()
    assert "error cancelled" in text and site.leases() == ["aborted"] and site.log()["sessions"] == 0, (text, site.log()["sessions"])
    site.good("discard", site.vm, NAME)


def a_capture_that_is_forgotten_gives_its_lease_back(site):
    """… between two disks, say, when nothing is read."""
    with_disk(site)
    child = subprocess.Popen(site.command(*words(site)[:-1], "/nowhere"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env={**os.environ, "HOLDFAST_DEADLINE_MS": "3000", "HOLDFAST_RUN_ID": NAME, "HOLDFAST_STREAM_TO": "-"})
    while child.stdout.readline().decode().strip() not in ("exported", ""):
        pass
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=30)
    assert site.leases() == ["aborted"], site.leases()
    site.good("discard", site.vm, NAME)


def a_snapshot_that_is_not_deleted_is_an_error_that_names_it(site):
    with_disk(site)
    site.fault("task-fault", "removeSnapshot", "FileFault")
    status, text = export(site)
    assert status == 1 and f"delete snapshot '{NAME}'" in text and site.leases() == ["completed"], text
    site.good("discard", site.vm, NAME)
    assert not site.snapshots()


def seeds_of_what_may_befall(site):
    """Whatever it is: the disk is equal, or there is an error; and the undo leaves nothing."""
    path = with_disk(site, mib=6)
    size = 4 * MIB
    for seed in range(int(os.environ.get("HOLDFAST_TEST_RUNS", "20"))):
        draw = random.Random(seed)
        site.server.say("calm")
        site.fault("lease-timeout", value=draw.choice((1, 2)), times=-1)
        for _ in range(draw.randrange(1, 4)):
            kind, about, value = draw.choice((
                ("cut", "nfc", draw.randrange(size)), ("short", "nfc", draw.randrange(size)), ("flip", "nfc", draw.randrange(size)),
                ("http", "nfc", draw.choice((403, 404, 500, 503))), ("wrong-capacity", "nfc", ""), ("lease-expires", "*", ""),
                ("drop-after", "ExportSnapshot", ""), ("drop-before", "ExportSnapshot", ""), ("expire", "HttpNfcLeaseProgress", ""),
                ("lease-error", "*", "SystemError"), ("drop-after", "HttpNfcLeaseComplete", ""), ("slow", "nfc", 0.02), ("lose", "nfc", draw.randrange(4)),
                ("http", "RetrievePropertiesEx", 503), ("task-fault", "removeSnapshot", "TaskInProgress")))
            site.fault(kind, about, value, times=draw.choice((1, 1, 2)), skip=draw.randrange(2))
        status, text = export(site, HOLDFAST_SLOW_MS=str(draw.choice((0, 0, 100))))
        assert status == 1 and "error " in text or status == 0 and same(path, out()), (seed, status, text)
        site.server.say("calm")
        site.good("discard", site.vm, NAME, limit=20000)
        assert not site.snapshots() and not site.state()["running"], (seed, text, site.state())
    assert json.dumps(site.leases()).count('""') == 0, site.leases()
