# SPDX-License-Identifier: Apache-2.0
"""stand_in.py - the stand-in refuses what a real server refuses: each check of it can fail."""
import http.client
import ssl
import urllib.parse

from common import PASSWORD

HEAD = ('<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>')
THIS = '<_this type="VirtualMachine">vm-1</_this>'
CREATE = f"{THIS}<name>n</name><description>d</description><memory>false</memory><quiesce>false</quiesce>"


def post(site, method, inside, action="urn:vim25/6.5", kind="text/xml; charset=utf-8", space="urn:vim25", cookie=None):
    context = ssl.create_default_context(cafile=f"{site.folder}/ca.pem")
    conn = http.client.HTTPSConnection("127.0.0.1", urllib.parse.urlsplit(site.keys["uri"]).port, context=context, timeout=20)
    headers = {"SOAPAction": f'"{action}"', "Content-Type": kind}
    if cookie:
        headers["Cookie"] = cookie
    conn.request("POST", "/sdk", f'{HEAD}<{method} xmlns="{space}">{inside}</{method}></soapenv:Body></soapenv:Envelope>', headers)
    answer = conn.getresponse()
    answer.text, answer.cookie = answer.read().decode(), answer.headers.get("Set-Cookie", "").partition(";")[0]
    conn.close()
    return answer


def log_in(here):
    password = PASSWORD.replace("&", "&amp;").replace("<", "&lt;")
    return post(here, "Login", '<_this type="SessionManager">SessionManager</_this><userName>holdfast@vsphere.local</userName>'
                f"<password>{password}</password>").cookie


def judged(site, what, *args, **more):
    before = len(site.log()["violations"] or [])
    answer = post(site, *args, **more)
    after = site.log()["violations"] or []
    assert answer.status == 500 and len(after) == before + 1 and what in after[-1], (what, answer.status, answer.text, after)


def wrong_requests_are_refused(site):
    site.may_violate = True
    judged(site, "SOAPAction", "CurrentTime", THIS, action="")
    judged(site, "SOAPAction", "CurrentTime", THIS, action="urn:vim25")
    judged(site, "Unsupported version", "CurrentTime", THIS, action="urn:vim25/9.9")
    judged(site, "content type", "CurrentTime", THIS, kind="application/xml")
    judged(site, "urn:vim25", "CurrentTime", THIS, space="urn:other")
    judged(site, "no method", "NoSuchThing", THIS)


def wrong_arguments_are_refused(site):
    site.may_violate = True
    judged(site, "out of order", "CreateSnapshot_Task", f"{THIS}<description>d</description><name>n</name><memory>false</memory>"
           "<quiesce>false</quiesce>")
    judged(site, "out of order", "CreateSnapshot_Task", CREATE.replace("<memory>false</memory>", ""))
    judged(site, "unknown", "CreateSnapshot_Task", CREATE + "<extra/>")
    judged(site, "twice", "CreateSnapshot_Task", CREATE.replace("<name>n</name>", "<name>n</name><name>m</name>"))
    judged(site, "no reference", "CurrentTime", "<_this>ServiceInstance</_this>")
    judged(site, "abstract", "StartProgramInGuest", THIS + '<vm type="VirtualMachine">vm-1</vm><auth><interactiveSession>false'
           '</interactiveSession><username>u</username><password>p</password></auth><spec><programPath>p</programPath>'
           "<arguments/></spec>")


def who_is_not_logged_in_reads_nothing(site):
    inside = ('<_this type="PropertyCollector">propertyCollector</_this><specSet><propSet><type>Folder</type><pathSet>name</pathSet>'
              '</propSet><objectSet><obj type="Folder">group-d1</obj></objectSet></specSet><options/>')
    assert "NotAuthenticated" in post(site, "RetrievePropertiesEx", inside).text
    cookie = log_in(site)
    assert "Datacenters" in post(site, "RetrievePropertiesEx", inside, cookie=cookie).text
    post(site, "Logout", '<_this type="SessionManager">SessionManager</_this>', cookie=cookie)
    site.may_violate = True
    assert "NotAuthenticated" in post(site, "RetrievePropertiesEx", inside, cookie=cookie).text
    assert "after the logout" in site.log()["violations"][-1]


def a_second_log_in_on_a_live_session_looks_like_a_wrong_password(site):
    cookie = log_in(site)
    again = post(site, "Login", '<_this type="SessionManager">SessionManager</_this><userName>holdfast@vsphere.local</userName>'
                 "<password>x</password>", cookie=cookie)
    assert "InvalidLogin" in again.text
    site.may_leave = True
