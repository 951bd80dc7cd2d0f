# SPDX-License-Identifier: Apache-2.0
"""The S3 driver against Swift: each operation, each request's signature, and what a wrong or broken store makes of it."""

import email.utils
import os
import signal
import subprocess
import sys
import time
import unittest

import contract
import s3proxy
import sigv4
import storelib
import swiftlib
from swiftlib import runlib  # noqa: I001  it says where the harness is
import kill_points
import timed

BIG = os.urandom(12 << 20)  # three parts of 5 MiB

SHAPES = {
    ("DELETE", "object", ""), ("DELETE", "object", "uploadId"),
    ("GET", "bucket", "delimiter&encoding-type&list-type&max-keys&prefix&start-after"),
    ("GET", "bucket", "encoding-type&list-type&max-keys&prefix"),
    ("GET", "bucket", "encoding-type&key-marker&prefix&upload-id-marker&uploads"),
    ("GET", "bucket", "encoding-type&prefix&uploads"), ("GET", "bucket", "list-type&max-keys&prefix"),
    ("GET", "object", ""), ("GET", "object", "part-number-marker&uploadId"), ("HEAD", "object", ""),
    ("POST", "object", "uploadId"), ("POST", "object", "uploads"), ("PUT", "object", ""),
    ("PUT", "object", "partNumber&uploadId")}


class Operations(contract.Ranges, contract.NoRanges, storelib.Case):
    def test_objects_of_all_sizes_come_back_as_they_were(self):
        for size in (0, 1, 1000, storelib.PART, 2 * storelib.PART, 2 * storelib.PART + 1, len(BIG)):
            for how in ((), ("unknown",)):
                with self.subTest(size=size, how=how):
                    content = BIG[:size]
                    done = self.ok("put", "a/thing", self.file("in", content), "replace", *how)
                    self.assertEqual(done.stdout, self.says(content, "confirmed"))
                    self.assertEqual(self.stored("a/thing"), content)
                    self.assertEqual(self.ok("head", "a/thing").stdout.split()[0], str(size))

    def test_listings_are_in_order_and_skip_what_is_no_name_of_ours(self):
        ours = ["a/b", "a/c+d@e=f~g", "a.x", "a0", "z"]
        foreign = ["pre/fix/.hidden", "pre/fix/with%20blank", "pre/fix/%C3%A4", "pre/fixed", "pre/fix/a//b", "pre/fix/%3Cb%3E%26"]
        for name in ours:
            self.ok("put", name, self.file("in", b"x"))
        for path in foreign:
            self.assertEqual(self.swift.call("PUT", f"/{self.bucket}/{path}", body=b"y")[0], 200)
        def names(*arguments):
            return [line.split()[0] for line in self.ok("list", *arguments).lines]
        self.assertEqual(names(""), sorted(ours))
        self.assertEqual(names("a/"), ["a/b", "a/c+d@e=f~g"])
        self.assertEqual(names("", "after=a/b"), ["a/c+d@e=f~g", "a0", "z"])
        self.assertEqual(names("", "shallow"), ["a.x", "a/", "a0", "z"])
        self.assertEqual(names("", "shallow", "after=a/"), ["a0", "z"])
        self.assertEqual(names("none/"), [])

    def test_long_listings_are_paged_without_a_token(self):
        names = sorted(f"d{i % 7}/n{i:04}" for i in range(1203)) + [f"e/{i:04}" for i in range(3)] + ["e0"]
        self.swift.fill(self.bucket, [f"pre/fix/{name}" for name in names])
        proxy = self.proxy()
        self.assertEqual([line.split()[0] for line in self.ok("list", "").lines], sorted(names))
        self.assertEqual(len(proxy.seen), 2)
        self.assertFalse([r for r in proxy.seen if "token" in r.target or "%2B" in r.target])
        self.shallow_in_small_pages(names)

    def shallow_in_small_pages(self, names):
        """The proxy makes pages of two entries by cutting Swift's answer; each group comes once, and nothing behind it is lost."""
        def cut(request, answer):
            body = answer.body.decode()
            head, *entries = body.replace("</ListBucketResult>", "").replace("<Contents>", "\n<Contents>").replace(
                "<CommonPrefixes>", "\n<CommonPrefixes>").split("\n<C")
            def key(entry):
                return entry.split("Key>" if entry.startswith("ontents") else "Prefix>")[1]
            entries.sort(key=key)
            head = head.replace("<IsTruncated>false", f"<IsTruncated>{'true' if len(entries) > 2 else 'false'}")
            answer.body = (head + "".join("<C" + e for e in entries[:2]) + "</ListBucketResult>").encode()
            answer.set("Content-Length", str(len(answer.body)))

        proxy = self.proxy(answer=cut)
        got = [line.split()[0] for line in self.ok("list", "", "shallow").lines]
        self.assertEqual(got, sorted({n.split("/")[0] + "/" if "/" in n else n for n in names}))
        self.assertGreater(len(proxy.seen), 3)

    def test_what_is_not_there_is_said_and_removed_alike(self):
        self.assertIn("not-found: ", self.fails("head", "none"))
        self.assertIn("no such object", self.fails("get", "none", 0, 1, self.dir / "out"))
        self.ok("put", "x", self.file("in", b"x"))
        for _ in range(2):
            self.ok("remove", "x")
        self.assertIsNone(self.stored("x"))

    def test_now_is_the_time_of_the_store(self):
        self.swift.set_clock(500)
        self.addCleanup(self.swift.set_clock, 0)
        self.assertAlmostEqual(int(self.ok("now").stdout), time.time() + 500, delta=20)

    def test_an_interrupted_upload_is_taken_over_and_others_are_swept(self):
        big = self.file("in", BIG)
        self.assertEqual(self.drive("put", "x", big, "unknown", f"die={11 << 20}").status, 9)
        deadline = time.monotonic() + 10
        while self.uploads() == 0 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(self.uploads(), 1)
        proxy = self.proxy()
        self.assertEqual(self.ok("put", "x", big, "unknown", "resume").stdout, self.says(BIG, "confirmed"))
        self.assertFalse([r for r in proxy.seen if "uploads=" in r.target and r.method == "POST"])
        self.assertEqual(self.stored("x"), BIG)
        self.assertEqual(self.uploads(), 0)

    def test_parts_that_are_there_are_not_sent_again_but_others_are(self):
        path = f"/{self.bucket}/pre/fix/x"
        body = self.swift.call("POST", path, "uploads=")[2].decode()
        upload = body.split("<UploadId>")[1].split("<")[0]
        parts = (BIG[:storelib.PART], os.urandom(storelib.PART))  # the second is another one
        for i, part in enumerate(parts, 1):
            self.assertEqual(self.swift.call("PUT", path, f"partNumber={i}&uploadId={upload}", body=part)[0], 200)
        proxy = self.proxy()
        self.ok("put", "x", self.file("in", BIG), "unknown", "resume")
        sent = sorted(r.query.split("&")[0] for r in proxy.seen if r.method == "PUT")
        self.assertEqual(sent, ["partNumber=2", "partNumber=3"])
        self.assertEqual(self.stored("x"), BIG)

    def test_an_abandoned_put_leaves_nothing(self):
        self.ok("put", "x", self.file("in", BIG), "unknown", f"abandon={11 << 20}")
        self.assertIsNone(self.stored("x"))
        self.assertEqual(self.uploads(), 0)

    def test_a_sweep_removes_old_uploads_below_the_prefix_and_no_objects(self):
        self.ok("put", "keep", self.file("in", b"x"))
        for path in ("pre/fix/a", "pre/fix/b", "elsewhere"):
            self.swift.call("POST", f"/{self.bucket}/{path}", "uploads=")
        self.assertEqual(self.ok("sweep", int(time.time()) - 600).stdout, "0\n")
        self.assertEqual(self.ok("sweep", int(time.time()) + 600).stdout, "2\n")
        self.assertEqual(self.uploads(), 1)
        self.assertEqual(self.stored("keep"), b"x")

    def test_memory_is_bounded_by_the_parts_under_way(self):
        if runlib.SANITIZED:
            self.skipTest("a sanitizer takes memory of its own")
        size = 200 << 20
        with open(self.dir / "long", "wb") as f:
            f.truncate(size)
        command, env = self.command("put", "x", self.dir / "long", "unknown")
        measure = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
                   "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        done = subprocess.run([sys.executable, "-c", measure, *command], env=env, capture_output=True, text=True, check=True)
        self.assertIn(f"{size} ", done.stdout)
        self.assertLess(int(done.stdout.split()[-1]) << 10, 64 << 20, done.stdout)  # KiB: five parts, and the libraries


class Kills(storelib.Case):
    """Killed or failing at each of its points, the driver leaves an object that is whole, or none."""

    POINTS = ("before_put", "after_put", "before_upload", "after_upload", "before_part", "before_complete", "after_complete")
    REMOVING = ("before_remove", "before_abort")

    def test_each_point_is_walked_here(self):
        self.assertEqual({f"store.s3.{p}" for p in (*self.POINTS, *self.REMOVING)}, kill_points.of("integration.store.s3"))

    def put_at(self, point, action):
        content = BIG[:1000] if point.endswith("put") else BIG
        name = f"{action}-{point}"
        done = self.drive("put", name, self.file("in", content), "unknown", point=f"store.s3.{point}={action}")
        there = self.stored(name)
        self.assertTrue(there is None or there == content)
        self.assertEqual(there is not None, point.startswith("after_") and point != "after_upload" or done.status == 0)
        return done

    def test_a_put_that_is_killed_is_there_or_not_and_a_sweep_removes_the_rest(self):
        for point in self.POINTS:
            with self.subTest(point=point):
                self.assertEqual(self.put_at(point, "kill").status, -9)
        self.ok("sweep", 1 << 33)
        self.assertEqual(self.uploads(), 0)

    def test_a_put_that_fails_leaves_no_upload(self):
        for point in self.POINTS:
            if point.startswith("before_"):
                with self.subTest(point=point):
                    self.assertEqual(self.put_at(point, "error").status, 1)
        self.assertEqual(self.uploads(), 0)

    def test_a_remove_or_sweep_that_is_killed_can_be_done_again(self):
        self.ok("put", "x", self.file("in", b"x"))
        self.swift.call("POST", f"/{self.bucket}/pre/fix/old", "uploads=")
        for verb, point in zip((("remove", "x"), ("sweep", 1 << 33)), self.REMOVING):
            self.assertEqual(self.drive(*verb, point=f"store.s3.{point}=kill").status, -9)
            self.ok(*verb)
        self.assertIsNone(self.stored("x"))
        self.assertEqual(self.uploads(), 0)


class Signatures(storelib.Case):
    def test_each_shape_of_request_has_the_signature_that_another_hand_computes(self):
        def more(request, answer):  # the list of uploads goes on, with nothing
            if "uploads=" in request.target and "key-marker" not in request.target and b"<Upload>" in answer.body:
                answer.body = answer.body.replace(b"<IsTruncated>false", b"<IsTruncated>true")
                answer.set("Content-Length", str(len(answer.body)))

        proxy = self.proxy(answer=more)
        big, small = self.file("big", BIG), self.file("small", BIG[:1000])
        for name in ("a/b", "a/c+d@e=f~g_h-i.j", "x"):
            self.ok("put", name, small)
            self.ok("head", name)
            self.ok("get", name, 3, 5, self.dir / "out")
            self.ok("put", name, big, "replace")
            self.ok("list", "a/", "shallow", f"after={name}")
        self.drive("put", "y=z", big, "unknown", f"die={11 << 20}")
        self.ok("put", "y=z", big, "unknown", "resume")
        self.ok("put", "y=z", big, "unknown", "replace", f"abandon={11 << 20}")
        self.ok("list", "")
        self.ok("now")
        self.drive("head", "none")
        self.ok("remove", "a/b")
        self.swift.call("POST", f"/{self.bucket}/pre/fix/old", "uploads=")
        self.ok("sweep", int(time.time()) + 600)
        shapes = set()
        for r in proxy.seen:
            if r.method == "PUT" and "/y%3Dz?" in r.target and len(r.body) < int(r.header("content-length") or 0):
                continue  # the process died in it
            self.assertIsNone(sigv4.check(r.method, r.target, r.headers, r.body, swiftlib.REGION, swiftlib.ACCESS_KEY,
                                          swiftlib.SECRET), r)
            self.check_headers(r)
            shapes.add((r.method, "object" if r.target.count("/") > 2 else "bucket",
                        "&".join(p.split("=")[0] for p in r.query.split("&"))))
        self.assertEqual(shapes, SHAPES)

    def check_headers(self, r):
        """What some libcurl signs wrongly: empty ones, and one that continues another's name."""
        names = [k.lower() for k, _ in r.headers]
        self.assertTrue(all(v for _, v in r.headers), r.headers)
        for a in names:
            self.assertFalse([b for b in names if b.startswith(a) and b != a and b[len(a)] in "-0123456789"], names)
        self.assertNotIn("date", names)

    def test_the_second_opinion_sees_a_wrong_signature(self):
        proxy = self.proxy()
        self.ok("list", "")
        r = proxy.seen[0]
        def judge(**other):
            q = {"method": r.method, "target": r.target, "sent": r.headers, "body": r.body, "region": swiftlib.REGION,
                 "access_key": swiftlib.ACCESS_KEY, "secret": swiftlib.SECRET} | other
            return sigv4.check(**q)
        self.assertIsNone(judge())
        self.assertIsNotNone(judge(secret="x"))
        self.assertIsNotNone(judge(method="PUT"))
        self.assertIsNotNone(judge(body=b"x"))
        self.assertIsNotNone(judge(target=r.target.replace("max-keys", "Max-keys")))
        self.assertIsNotNone(judge(sent=[h for h in r.headers if h[0].lower() != "x-amz-content-sha256"]))


class Confirmation(storelib.Case):
    """An upload counts as arrived when the store's answer has its checksum, and not otherwise."""

    def opaque(self, request, answer):
        if request.method in ("PUT", "POST", "HEAD") and answer.header("etag"):
            answer.set("ETag", '"0123456789abcdef0123456789abcdef"')
        if b"<ETag>" in answer.body and request.method == "POST":
            answer.body = answer.body.replace(b"<ETag>", b"<ETag>0")
            answer.set("Content-Length", str(len(answer.body)))

    def test_an_etag_that_is_no_md5_confirms_nothing_and_reading_back_does(self):
        self.proxy(answer=self.opaque)
        small = BIG[:1000]
        self.assertEqual(self.ok("put", "x", self.file("in", small)).stdout, self.says(small, "unconfirmed"))
        self.assertEqual(self.ok("put", "x", self.file("in", small), "replace", "confirm").stdout, self.says(small, "confirmed"))

    def test_an_upload_in_parts_with_another_etag_is_not_confirmed(self):
        def other(request, answer):
            if request.method == "POST" and b"CompleteMultipartUploadResult" in answer.body:
                answer.body = answer.body.replace(b"-3", b"-4")
        self.proxy(answer=other)
        self.assertEqual(self.ok("put", "x", self.file("in", BIG)).stdout, self.says(BIG, "unconfirmed"))

    def test_a_checksum_that_only_the_put_has_confirms_nothing(self):
        def echo(request, answer):
            self.opaque(request, answer)
            if request.method == "PUT":
                answer.set("x-amz-checksum-sha256", request.header("x-amz-checksum-sha256"))
        self.proxy(answer=echo)
        self.assertIn("unconfirmed", self.ok("put", "x", self.file("in", b"x")).stdout)

    def test_a_checksum_that_the_store_gives_back_later_confirms(self):
        kept = {}
        def keep(request, answer):
            self.opaque(request, answer)
            if request.method == "PUT":
                kept["sum"] = request.header("x-amz-checksum-sha256")
            if request.method == "HEAD" and request.header("x-amz-checksum-mode") == "ENABLED":
                answer.set("x-amz-checksum-sha256", kept["sum"])
        self.proxy(answer=keep)
        self.assertIn(" confirmed", self.ok("put", "x", self.file("in", b"x")).stdout)

    def test_a_bit_that_flipped_in_the_store_is_found_by_reading_back(self):
        def flip(request):
            if request.method == "HEAD" and request.nth == 1:  # the put is done, the reading back is not
                data = self.swift.data_files()[-1]
                content = bytearray(data.read_bytes())
                content[777] ^= 1
                data.write_bytes(content)
        self.proxy(answer=self.opaque, before=flip)
        self.assertIn("corrupt: ", self.fails("put", "x", self.file("in", BIG[:100000]), "confirm"))


class Troubles(storelib.Case):
    """Each has an error that says what it is and what to do."""

    def test_a_wrong_authority_is_refused_before_anything_is_sent(self):
        error = self.fails("put", "x", self.file("in", b"x"), ca=self.swift.dir / "other.crt")
        self.assertRegex(error, r"^auth: .*certificate.*\| Name the CA")
        self.assertIsNone(self.stored("x"))

    def test_a_wrong_secret_is_named(self):
        secret = self.file("other", b"not-the-secret\n")
        for verb in (("put", "x", self.file("in", b"x")), ("head", "x"), ("list", ""), ("now",)):
            error = self.fails(*verb, secret_file=secret)
            self.assertRegex(error, r"^auth: .*wrong secret or access key.*\| Look whether")
            self.assertNotIn("not-the-secret", error)

    def test_a_wrong_region_is_told_the_right_one(self):
        self.assertRegex(self.fails("now", region="us-east-1"), rf"^config: .*region.*'{swiftlib.REGION}'")

    def test_a_clock_that_is_off_is_told_by_how_much(self):
        self.addCleanup(self.swift.set_clock, 0)
        for off, word in ((5000, "behind"), (-5000, "ahead of")):
            self.swift.set_clock(off)
            for verb in (("put", "x", self.file("in", b"x")), ("head", "x"), ("now",)):
                self.assertRegex(self.fails(*verb), rf"^auth: .*clock of this host is (4999|500[01]) s {word} that of the store \| Set")

    def test_a_full_bucket_is_no_space_and_not_retried(self):
        self.swift.limit_bucket(self.bucket, 1000)
        proxy = self.proxy()
        self.assertRegex(self.fails("put", "x", self.file("in", BIG[:5000])), r"^no-space: .*full.*\| Raise")
        self.assertEqual(len(proxy.seen), 1)
        self.ok("put", "y", self.file("in", BIG[:500]))

    def test_a_vanished_bucket_is_told_from_a_missing_object(self):
        self.bucket = "nowhere-to-be-found"
        for verb in (("head", "x"), ("get", "x", 0, 1, self.dir / "out"), ("list", ""), ("put", "x", self.file("in", b"x")),
                     ("put", "x", self.file("in", BIG)), ("remove", "x"), ("now",), ("sweep", 5)):
            self.assertRegex(self.fails(*verb), r"^not-found: .*the bucket is not there.*\| It was deleted", verb)

    def test_a_server_that_is_no_store_is_shown(self):
        page = b"<html><head><title>Welcome to nginx!</title>"
        def web(request):
            return s3proxy.Answer(200, [("Content-Length", str(len(page)))], page)
        self.proxy(before=web)
        self.assertRegex(self.fails("list", ""), r"^corrupt: .*no answer of an S3 store: '<html><head>.*\| A proxy")
        def gone(request):
            return s3proxy.Answer(404, [("Content-Length", str(len(page)))], page)
        self.proxy(before=gone)
        self.assertRegex(self.fails("remove", "x"), r"404: <html>.*\| A proxy")

    def test_a_redirect_is_not_followed(self):
        def away(request):
            return s3proxy.Answer(307, [("Location", f"https://127.0.0.1:{self.swift.port}/"), ("Content-Length", "0")], b"")
        proxy = self.proxy(before=away)
        self.assertRegex(self.fails("now"), r"^config: .*307.*\| Look at the store's address and region")
        self.assertEqual(len(proxy.seen), 1)

    def test_entities_of_a_hostile_answer_are_not_expanded(self):
        bomb = (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/hostname'><!ENTITY b '&a;&a;'>]>"
                b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>pre/fix/&b;</Key></Contents></ListBucketResult>")
        self.proxy(before=lambda r: s3proxy.Answer(200, [("Content-Length", str(len(bomb)))], bomb))
        self.assertIn("no answer of an S3 store", self.fails("list", ""))

    def test_texts_of_the_store_are_made_printable(self):
        def loud(request):
            body = b"<Error><Code>Odd\x7f</Code><Message>a&#27;[31m\xc3\xa4</Message></Error>".replace(b"&#27;", b"&#9;")
            return s3proxy.Answer(400, [("Content-Length", str(len(body)))], body)
        self.proxy(before=loud)
        error = self.fails("now")
        self.assertTrue(error.isprintable(), repr(error))
        self.assertIn("a?[31m??", error)

    def test_a_listing_that_never_ends_is_ended(self):
        def endless(request):
            body = (b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>pre/fix/a</Key><Size>1</Size></Contents>"
                    b"</ListBucketResult>")
            return s3proxy.Answer(200, [("Content-Length", str(len(body)))], body)
        self.proxy(before=endless)
        self.assertIn("does not come to an end", self.fails("list", ""))


class Retries(storelib.Case):
    def test_an_error_in_a_200_of_complete_is_an_error(self):
        def once(request):
            if request.method == "POST" and "uploadId" in request.target and request.nth == 1:
                answer = s3proxy.xml_error(200, "InternalError")
                answer.body = b"  \n " + answer.body
                answer.set("Content-Length", str(len(answer.body)))
                return answer
            return None
        self.proxy(before=once)
        self.assertIn(" confirmed", self.ok("put", "x", self.file("in", BIG)).stdout)
        self.assertEqual(self.stored("x"), BIG)

        def always(request):
            return s3proxy.xml_error(200, "AccessDenied") if request.method == "POST" and "uploadId" in request.target else None
        self.proxy(before=always)
        self.assertIn("auth: ", self.fails("put", "y", self.file("in", BIG)))
        self.assertIsNone(self.stored("y"))
        self.assertEqual(self.uploads(), 0)

    def test_a_complete_whose_answer_was_lost_counts(self):
        def forget(request, answer):
            if request.method == "POST" and "uploadId" in request.target and request.nth == 1:
                return s3proxy.xml_error(500, "InternalError")
            if request.method == "POST" and "uploadId" in request.target:
                return s3proxy.xml_error(404, "NoSuchUpload")
            return None
        self.proxy(answer=forget)
        self.assertIn(" confirmed", self.ok("put", "x", self.file("in", BIG)).stdout)

    def test_an_upload_that_somebody_swept_has_failed(self):
        def swept(request):
            return s3proxy.xml_error(404, "NoSuchUpload") if request.method == "POST" and "uploadId" in request.target else None
        self.proxy(before=swept)
        self.assertIn("not there any more", self.fails("put", "x", self.file("in", BIG)))
        self.assertIsNone(self.stored("x"))

    def test_pauses_grow_and_end_with_the_deadline(self):
        times = []
        def busy(request):
            times.append(time.monotonic())
            return s3proxy.xml_error(503, "SlowDown")
        self.proxy(before=busy)
        error = self.fails("now", retry_ms=6000)
        self.assertRegex(error, r"^unreachable: .*after \d+ tries.*slower pace")
        pauses = [b - a for a, b in zip(times, times[1:])]
        self.assertGreater(len(pauses), 3)
        self.assertLess(len(pauses), 10)
        self.assertGreater(pauses[-1], 2 * pauses[0])
        self.assertLess(times[-1] - times[0], 6.5)

    def test_the_store_says_when_to_come_back(self):
        times = []
        for after in ("3", None):
            def busy(request):
                times.append(time.monotonic())
                if request.nth > 1:
                    return None
                now = time.time()
                return s3proxy.xml_error(503, "SlowDown", Retry_After=after or email.utils.formatdate(now + 3, usegmt=True),
                                         Date=email.utils.formatdate(now, usegmt=True))
            times.clear()
            self.proxy(before=busy)
            self.ok("now")
            self.assertGreater(times[1] - times[0], 2.9)

    def test_a_long_pause_that_the_store_wants_is_not_begun(self):
        self.proxy(before=lambda r: s3proxy.xml_error(503, "SlowDown", Retry_After="600"))
        done = self.drive("now", retry_ms=5000)
        self.assertEqual(done.status, 1)
        self.assertLess(done.took_s, 4)

    def test_a_cancel_ends_a_hanging_request_and_a_pause_within_half_a_second(self):
        self.swift.send_signal("object", signal.SIGSTOP)
        self.addCleanup(self.swift.send_signal, "object", signal.SIGCONT)
        done = self.drive("put", "x", self.file("in", b"x"), cancel_ms=700, stall_ms=60000)
        self.assertIn("error cancelled", done.stdout)
        self.assertLess(done.took_s, 0.7 + 0.5 + 0.5)
        self.swift.send_signal("object", signal.SIGCONT)
        self.proxy(before=lambda r: s3proxy.xml_error(503, "SlowDown", Retry_After="5"))
        done = self.drive("put", "x", self.file("in", b"x"), cancel_ms=700)
        self.assertIn("error cancelled", done.stdout)
        self.assertLess(done.took_s, 0.7 + 0.5 + 0.5)

    def test_a_failed_part_ends_the_put_and_the_others_soon(self):
        def one(request):
            if request.target.find("partNumber=1&") > 0:
                return s3proxy.xml_error(403, "AccessDenied")
            if "partNumber=" in request.target:
                time.sleep(2)
            return None
        self.proxy(before=one)
        done = self.drive("put", "x", self.file("in", BIG + BIG + BIG), "unknown")
        self.assertIn("error auth", done.stdout)
        self.assertIn("part 1", done.stdout)
        self.assertLess(done.took_s, 5)
        self.assertEqual(self.uploads(), 0)

    def test_parts_are_under_way_together(self):
        def slow(request):
            if "partNumber=" in request.target:
                time.sleep(1)
        self.proxy(before=slow)
        done = self.ok("put", "x", self.file("in", BIG + BIG))  # five parts, four at a time
        self.assertLess(done.took_s, 4.5)


if __name__ == "__main__":
    timed.main()
