# SPDX-License-Identifier: Apache-2.0
"""transport.py - TLS, dialects, sessions, and servers that answer nonsense."""
import threading
import time

from common import NAME, PIN, THUMBPRINT, private


# ---- TLS: before any credential

def nobody_is_told_the_password_before_the_certificate_was_judged(site):
    wrong = ":".join(["00"] * 32)
    for keys, hint in (({"ca-file": None}, "Name the CA"), ({"ca-file": None, "thumbprint": wrong}, "another SHA-256 fingerprint"),
                       ({"pin": "sha256//" + "A" * 43 + "="}, "another key than the pinned one")):
        saved = dict(site.keys)
        site.keys = {k: v for k, v in {**site.keys, **keys}.items() if v}
        text = site.bad("auth", "probe")
        assert hint in text, text
        site.keys = saved
    assert not site.requests(), site.requests()


def a_thumbprint_or_a_pin_will_do(site):
    saved = dict(site.keys)
    del site.keys["ca-file"]
    site.keys["thumbprint"] = THUMBPRINT
    site.good("probe")
    site.keys = {**saved, "pin": PIN}
    site.good("probe")


def a_sha1_thumbprint_is_refused_with_the_way_to_a_better_one(site):
    del site.keys["ca-file"]
    site.keys["thumbprint"] = ":".join(["00"] * 20)
    assert "-fingerprint -sha256" in site.bad("config", "probe")


def an_address_that_is_none_is_refused(site):
    for uri in ("http://host", "https://a/b?c", "https://user@host", "https://[::1", "https://h:port", "https://"):
        site.keys["uri"] = uri
        site.bad("config", "probe")


# ---- dialects

def the_newest_common_dialect_is_spoken(site):
    for offered, spoken in (("6.5", "6.5"), ("9.1.0.0</version><version>8.0.2.0</version><version>8.0.1.0", "8.0.1.0"), ("7.0.3.0</version><version>7.0", "7.0")):
        site.server.say("versions", value='<namespaces version="1.0"><namespace><name>urn:other</name><version>8.0.1.0</version></namespace>'
                        f"<namespace><name>urn:vim25</name><priorVersions><version>{offered}</version></priorVersions></namespace></namespaces>")
        site.good("probe")
        assert site.requests("Login")[-1]["action"] == f'"urn:vim25/{spoken}"', site.requests("Login")[-1]


def a_server_without_a_common_dialect_is_refused(site):
    site.server.say("versions", value='<namespaces version="1.0"><namespace><name>urn:vim25</name><version>4.0</version></namespace></namespaces>')
    site.bad("unsupported", "probe")
    assert not site.requests("Login")


# ---- sessions

def a_wrong_password_is_one_log_in(site):
    site.keys["password-file"] = private("wrong", "nope")
    assert "InvalidLogin" in site.bad("auth", "probe") and len(site.requests("Login")) == 1


def no_redirect_is_followed(site):
    for method in ("Login", "CurrentTime"):
        site.fault("http", method, 302, times=-1)
        site.bad("unreachable", "probe")
        site.fault("http", method, times=0)
    assert not site.requests("elsewhere")


def a_lost_session_is_renewed_and_the_question_asked_again(site):
    site.fault("expire", "CurrentTime")
    site.good("probe")
    assert len(site.requests("Login")) == 2 and len(site.requests("CurrentTime")) == 2


def a_cookie_of_a_balancer_before_it_is_not_taken_for_the_session(site):
    site.fault("shape", "cookies", times=-1)
    site.good("probe")


def a_log_in_again_carries_no_cookie(site):
    site.fault("fault", "CurrentTime", "NotAuthenticated")
    site.good("probe")  # with the cookie of a session that lives the server would say InvalidLogin
    assert len(site.requests("Login")) == 2
    site.may_leave = True


def a_server_that_loses_each_session_ends_in_an_error(site):
    site.fault("expire", "CurrentTime", times=-1)
    site.bad("auth", "probe")
    assert len(site.requests("Login")) == 2


def the_session_is_ended_after_errors_too(site):
    site.bad("not-found", "find", "nobody")
    site.bad("not-found", "delete", site.vm, NAME)
    assert site.log()["sessions"] == 0 and len(site.requests("Logout")) == 2


def a_log_out_that_did_not_arrive_is_sent_again(site):
    for kind in ("drop-before", "drop-after", "http"):
        site.fault(kind, "Logout", 503)
        site.good("probe")
        assert site.log()["sessions"] == 0, kind


def a_log_out_that_hangs_costs_seconds(site):
    site.fault("slow", "Logout", 8)
    start = time.monotonic()
    site.good("probe")
    assert time.monotonic() - start < 7
    site.may_leave = True


def a_server_that_comes_back_is_waited_for_by_a_question(site):
    site.server.say("restart", value="60")
    site.bad("unreachable", "probe")
    site.server.say("restart", value="0")
    site.fault("http", "CurrentTime", 503, times=2)
    site.good("probe")
    site.fault("drop-before", "CurrentTime", times=2)
    site.good("probe")


def no_call_that_changes_something_is_sent_twice(site):
    site.captured()
    site.fault("drop-before", "RemoveSnapshot_Task")
    site.good("delete", site.vm, NAME)
    assert len(site.requests("RemoveSnapshot_Task")) == 2, "looked at, and asked again"
    looks = [r["method"] for r in site.requests()]
    at = [i for i, m in enumerate(looks) if m == "RemoveSnapshot_Task"]
    assert "RetrievePropertiesEx" in looks[at[0]:at[1]]


# ---- answers

def hostile_answers_are_errors_in_bounded_time(site):
    for kind in ("entities", "external", "depth", "depth-small", "size", "cut", "html", "empty", "no-body", "other"):
        site.fault("hostile", "CurrentTime", kind, times=-1)
        start = time.monotonic()
        text = site.bad("corrupt", "probe")
        assert "root:" not in text and time.monotonic() - start < 12, (kind, text)
    site.fault("hostile", "CurrentTime", times=0)
    for kind in ("entities", "size", "cut", "html"):
        site.fault("hostile", "versions", kind)
        site.bad("corrupt", "probe")


def what_is_no_vcenter_is_told_as_that(site):
    for kind, about, value, cls in (("hostile", "versions", "html", "corrupt"), ("hostile", "RetrieveServiceContent", "html", "corrupt"),
                                    ("http", "RetrieveServiceContent", 404, "unreachable"), ("http", "Login", 503, "unreachable")):
        site.fault(kind, about, value, times=-1)
        text = site.bad(cls, "probe")
        assert "is uri right, is the server still starting" in text, (kind, about, text)
        site.server.say("calm")


def the_shape_of_an_answer_does_not_matter(site):
    site.captured()
    plain = [site.good(*verb) for verb in (("find", site.vm), ("disks", site.vm), ("snapshots", site.vm))]
    for shape in ("xsi-first", "xsi-last"):
        site.fault("shape", shape, times=-1)
        assert [site.good(*verb) for verb in (("find", site.vm), ("disks", site.vm), ("snapshots", site.vm))] == plain, shape
        site.fault("shape", shape, times=0)


def an_unset_property_may_be_nil(site):
    site.fault("shape", "nil", "snapshot", times=-1)
    assert site.good("snapshots", site.vm) == ""
    site.fault("shape", "nil", "runtime.question", times=-1)
    site.captured()


def a_property_that_is_hidden_is_not_taken_for_unset(site):
    site.captured()
    site.fault("missing", "NoPermission", "snapshot", times=-1)
    text = site.bad("auth", "snapshots", site.vm)
    assert "property snapshot" in text and "System.Read" in text, text
    site.bad("auth", "discard", site.vm, NAME)
    site.fault("missing", "NoPermission", times=0)
    site.fault("missing", "InvalidProperty", "config.firmware", times=-1)
    site.good("find", site.vm)


def cancelled_or_late_a_request_ends(site):
    site.fault("slow", "CurrentTime", 20)
    start = time.monotonic()
    site.bad("timeout", "probe", limit=800)
    assert time.monotonic() - start < 6


def passwords_are_in_no_output_and_users_are_told_of_their_domain(site):
    site.keys["user"] = "holdfast"
    text = site.bad("auth", "probe")
    assert "vsphere.local" in text and "on an ESXi host by itself it has none" in text, text


def a_vcenter_that_is_started_again_while_we_work_is_no_end(site):
    def restart():
        while not site.requests("CreateContainerView"):
            time.sleep(0.005)
        site.server.say("expire")
    other = threading.Thread(target=restart)
    other.start()
    site.good("list")
    other.join()
