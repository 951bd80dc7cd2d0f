# SPDX-License-Identifier: Apache-2.0
"""The WebDAV driver against rclone, with TLS: what each store promises, and what wrong, broken and hostile servers make of it."""

import base64
import re

import contract
import davlib
import remotelib
import s3proxy
from contract import BIG
from davlib import Case
from swiftlib import runlib  # noqa: I001  it says where the harness is
import kill_points


def answer(status, body=b"", **headers):
    return s3proxy.Answer(status, [("Content-Length", str(len(body))), *((k.replace("_", "-"), v) for k, v in headers.items())], body)


def entry(path, props="<d:resourcetype/><d:getcontentlength>1</d:getcontentlength>", status="HTTP/1.1 200 OK"):
    return (f"<d:response><d:href>{path}</d:href><d:propstat><d:prop>{props}</d:prop><d:status>{status}</d:status></d:propstat>"
            "</d:response>")


DIR = "<d:resourcetype><d:collection/></d:resourcetype>"


def multistatus(*entries):
    return f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">{"".join(entries)}</d:multistatus>'.encode()


class Operations(contract.Operations, contract.NoRanges, Case):
    has_dirs = False

    def test_requests_are_those_that_each_server_understands(self):
        proxy = self.proxy()
        self.ok("put", "a/b/x", self.file("in", BIG[:1000]))
        self.ok("put", "a/b/long", self.file("in", BIG), "unknown")
        self.ok("put", "a/b/known", self.file("in", BIG))
        self.ok("list", "")
        self.ok("get", "a/b/x", 10, 10, self.dir / "out")
        login = "Basic " + base64.b64encode(f"{remotelib.USER}:{remotelib.PASSWORD}".encode()).decode()
        for r in proxy.seen:
            self.assertEqual(r.header("authorization"), login, r)
            self.assertIsNone(r.header("content-range"), r)
            if r.method == "PROPFIND":
                self.assertIn(r.header("depth"), ("0", "1"), r)
            if r.method == "MOVE":
                self.assertEqual(r.header("overwrite"), "F", r)
                self.assertRegex(r.header("destination"), rf"^https://127\.0\.0\.1:{proxy.port}/store\d+/a/b/[a-z]+$")
            if r.method == "PUT":
                self.assertRegex(r.target, r"/\.[a-z]+\.[0-9a-f]{16}\.tmp$")
        lengths = [r.header("content-length") for r in proxy.seen if r.method == "PUT" and "known" in r.target]
        self.assertEqual(lengths, [str(len(BIG))])


class Apache(contract.Operations, Case):
    """A second opinion: another server, without TLS. Its MOVE looks for the name first and renames then, so of two at once both may
    hear that it was free: the one whose bytes are not there learns it when it reads them back, as every backup does."""

    make_server = davlib.Apache
    told_by = ("confirm",)
    has_dirs = False
    keeps_torn = False


class Kills(contract.Kills, Case):
    area = "store.dav"
    points = ("before_put", "before_move", "after_move")

    def test_each_point_is_walked_here(self):
        self.assertEqual({f"store.dav.{p}" for p in (*self.points, "before_remove")}, kill_points.of("integration.store.dav"))


class Troubles(Case):
    """Each has an error that says what it is and what to do."""

    def setUp(self):
        super().setUp()
        self.put = ("put", "x", self.file("in", b"x"))

    def test_a_wrong_authority_is_refused_before_the_login(self):
        self.assertRegex(self.fails(*self.put, ca=self.server.dir / "other.crt"), r"^auth: .*certificate.*\| Name the CA")
        self.assertIsNone(self.stored("x"))

    def test_a_pinned_key_alone_decides(self):
        ok, wrong = ("sha256//" + base64.b64encode(digest).decode() for digest in (self.pin(), bytes(32)))
        self.ok("now", ca=None, pin=ok)
        self.assertIn("auth: ", self.fails("now", ca=None, pin=wrong))

    def pin(self):
        done = runlib.subprocess.run(
            "openssl x509 -in ca-server.crt -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary",
            shell=True, cwd=self.server.dir, capture_output=True, check=True)
        return done.stdout

    def test_a_wrong_password_is_named_and_not_repeated(self):
        wrong = self.file("wrong", b"not-the-secret\n")
        for verb in (self.put, ("head", "x"), ("get", "x", 0, 1, self.dir / "o"), ("list", ""), ("now",), ("remove", "x"), ("sweep", 1),
                     ("put", "y", self.file("long", BIG), "unknown")):
            done = self.drive(*verb, secret_file=wrong)
            self.assertRegex(done.error, r"^auth: .*does not accept the login \(401\).*\| Look at user and password-file", verb)
            self.assertNotIn("not-the-secret", done.stdout)
            self.assertLess(done.took_s, 4)
        self.assertRegex(self.fails("now", user=None, secret_file=None), r"^auth: .*\| Set user and password-file")

    def test_what_a_server_answers_has_a_meaning(self):
        for status, error in ((507, "^no-space: .*full.*Raise the quota"), (413, "^no-space: .*this size.*client_max_body_size"),
                              (403, "^auth: .*denies"), (405, "^unsupported: .*WebDAV is switched on"), (302, "^config: .*redirects"),
                              (501, "^unsupported: ")):
            with self.subTest(status=status):
                proxy = self.proxy(before=lambda r, s=status: answer(s) if r.method == "PUT" else None)
                self.assertRegex(self.fails(*self.put), error)
                self.assertEqual(len([r for r in proxy.seen if r.method == "PUT"]), 1)
        self.assertEqual(self.hidden(), [])

    def test_a_promise_or_a_list_of_failures_is_no_success(self):
        self.ok("put", "gone", self.file("in", b"x"))
        for status in (202, 207):
            for method in ("PUT", "MOVE", "DELETE"):
                with self.subTest(status=status, method=method):
                    self.proxy(before=lambda r, s=status, m=method: answer(s) if r.method == m else None)
                    todo = ("remove", "gone") if method == "DELETE" else self.put
                    self.assertRegex(self.fails(*todo, retry_ms=400), rf"\({status}\)")
        self.proxy(before=lambda r: answer(202) if r.method == "PUT" else None)
        self.assertIn("(202)", self.fails("put", "x", self.file("long", BIG), "unknown"))
        self.assertIsNone(self.stored("x"))

    def test_a_long_body_that_is_refused_ends_soon_and_says_why(self):
        def full(request):
            return answer(507) if request.method == "PUT" else None
        self.proxy(before=full)
        done = self.drive("put", "x", self.file("long", BIG), "unknown")
        self.assertRegex(done.error, "^no-space: ")
        self.assertLess(done.took_s, 5)

    def test_a_length_that_is_not_what_was_sent_fails_the_put(self):
        def short(request, given):
            if request.method == "PROPFIND" and ".tmp" in request.target:
                given.body = re.sub(rb"(getcontentlength>)\d+", rb"\g<1>7", given.body)
                given.set("Content-Length", str(len(given.body)))
        proxy = self.proxy(answer=short)
        for how in ((), ("unknown",)):
            error = self.fails("put", "x", self.file("in", BIG[:2 << 20] if how else b"xyz"), *how, retry_ms=30000)
            self.assertRegex(error, "^corrupt: .*7 bytes there instead of")
        self.assertFalse([r for r in proxy.seen if r.method == "MOVE"])
        self.assertIsNone(self.stored("x"))

    def test_a_move_whose_answer_was_lost_counts(self):
        self.proxy(fault=lambda r: "lost-answer" if r.method == "MOVE" and r.nth == 1 else None)
        self.ok(*self.put)
        self.assertEqual(self.stored("x"), b"x")

    def test_a_replacement_whose_answer_was_lost_or_that_was_repeated_loses_nothing(self):
        for n, fault in enumerate(("lost-answer", "500-after", "repeat")):
            with self.subTest(fault=fault):
                self.port = self.server.port
                self.ok("put", f"a/x{n}", self.file("in", b"old"))
                self.proxy(fault=lambda r, f=fault: f if r.method == "MOVE" and r.nth == 1 else None)
                self.ok("put", f"a/x{n}", self.file("in", b"newer"), "replace", "confirm")
                self.assertEqual(self.stored(f"a/x{n}"), b"newer")
        self.assertEqual(self.hidden(), [])

    def test_a_long_pause_that_the_server_wants_is_not_begun(self):
        self.proxy(before=lambda r: answer(503, Retry_After="600"))
        done = self.drive("now", retry_ms=5000)
        self.assertRegex(done.error, "^unreachable: .*503")
        self.assertLess(done.took_s, 4)

    def test_a_server_that_takes_nothing_any_more_is_given_up(self):
        def hang(request):
            return "hang" if request.method == "PUT" else None
        self.proxy(fault=hang)
        done = self.drive("put", "x", self.file("long", BIG), "unknown", stall_ms=1000, retry_ms=1500)
        self.assertRegex(done.error, "^timeout: ")
        self.assertLess(done.took_s, 8)
        self.assertIsNone(self.stored("x"))


class Hostile(Case):
    """Listings of whoever answers at that address."""

    def lists(self, body, status=207):
        self.proxy(before=lambda r: answer(status, body) if r.method == "PROPFIND" else None)

    def own(self, *more):
        return multistatus(entry(f"/{self.folder.name}/", DIR), *more)

    def test_prefixes_paths_and_properties_are_free(self):
        at = f"/{self.folder.name}"
        body = (f'<x:multistatus xmlns:x="DAV:" xmlns="urn:else"><x:response><x:href>https://elsewhere:1{at}</x:href>'
                '<x:propstat><x:prop><x:resourcetype><x:collection/></x:resourcetype></x:prop><x:status>HTTP/2 200</x:status>'
                f'</x:propstat></x:response><response><href>{at}/foreign</href></response>'
                f'<x:response><x:href> {at}/%61%2Db </x:href><x:propstat><x:prop><x:getcontentlength>7</x:getcontentlength>'
                '<getcontentlength>8</getcontentlength><x:resourcetype/></x:prop><x:status>HTTP/1.1 200 OK</x:status></x:propstat>'
                '<x:propstat><x:prop><x:getcontentlength>9</x:getcontentlength></x:prop><x:status>HTTP/1.1 404 Not Found</x:status>'
                '</x:propstat></x:response></x:multistatus>').encode()
        self.lists(body)
        self.assertEqual([line.split()[:2] for line in self.ok("list", "", "shallow").lines], [["a-b", "7"]])

    def test_strange_names_are_not_there(self):
        at = f"/{self.folder.name}"
        odd = (f"{at}/../x", f"{at}/a/b", f"{at}/a%2Fb", f"{at}//", f"{at}/.x", f"{at}/a%20b", f"{at}/%c3")
        self.lists(self.own(*(entry(path) for path in odd), entry(f"{at}/good"), entry(f"{at}/good")))
        self.assertEqual(self.names(""), ["good"])

    def test_half_a_listing_is_none(self):
        at = f"/{self.folder.name}"
        more = f"<d:response><d:href>{at}/</d:href><d:status>HTTP/1.1 507 Insufficient Storage</d:status></d:response>"
        for left_out, error in ((more, r"^corrupt: .*does not tell .*\(507\).*not whole"),
                                (entry(f"{at}/x", status="HTTP/1.1 403 Forbidden"), r"^auth: .*does not tell what '.*/x' is \(403\)"),
                                (entry(f"{at}/x", "<d:resourcetype/>"), "^unsupported: .*without what they are"),
                                (entry("/etc/passwd"), "^corrupt: .*another folder"), (entry(f"{at}x/y"), "^corrupt: .*another folder")):
            with self.subTest(left_out=left_out):
                self.lists(self.own(entry(f"{at}/good"), left_out))
                self.assertRegex(self.fails("list", "", retry_ms=400), error)

    def test_what_is_no_listing_is_shown(self):
        for body in (b"<html>Welcome</html>", b"", multistatus("<d:response/>").replace(b"</d:multistatus>", b"")):
            self.lists(body)
            self.assertRegex(self.fails("list", "", retry_ms=400), "^corrupt: .*(no answer of a WebDAV server|makes no sense)", body)
        for bad in (entry("no/path"), entry(f"/{self.folder.name}/x", "<d:getcontentlength>-1</d:getcontentlength>")):
            self.lists(self.own(bad))
            self.assertRegex(self.fails("list", "", retry_ms=400), "^corrupt: .*makes no sense", bad)

    def test_a_listing_of_another_folder_is_no_empty_store(self):
        self.lists(multistatus(entry("/elsewhere/", DIR), entry("/elsewhere/x")))
        self.assertRegex(self.fails("list", ""), r"^corrupt: .*another folder.*\| A proxy that changes paths")

    def test_entities_are_not_expanded(self):
        bomb = (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/hostname'><!ENTITY b '&a;&a;'>]>" +
                self.own(entry("/&b;")).partition(b"?>")[2])
        self.lists(bomb)
        self.assertIn("no answer of a WebDAV server", self.fails("list", "", retry_ms=400))
        self.lists(bomb.decode().replace("'1.0'?>", "'1.0' encoding='UTF-16'?>").encode("utf-16"))
        self.assertIn("no answer of a WebDAV server", self.fails("list", "", retry_ms=400))

    def test_a_long_listing_is_read_in_bounded_memory(self):
        if runlib.SANITIZED:
            self.skipTest("a sanitizer takes memory of its own")
        names = [f"{'n' * 180}{i:06}" for i in range(40000)]
        self.lists(self.own(*(entry(f"/{self.folder.name}/{name}") for name in names)))
        self.assertEqual(self.names(""), names)

    def test_a_deep_answer_and_an_endless_text_are_refused(self):
        self.lists(self.own("<d:response>" * 300 + "</d:response>" * 300))
        self.fails("list", "", retry_ms=400)
        self.lists(self.own(entry("/" + "a" * 100000)))
        self.assertIn("corrupt: ", self.fails("list", "", retry_ms=400))


if __name__ == "__main__":
    remotelib.main()
