# SPDX-License-Identifier: Apache-2.0
"""What store.h promises of every store, asked of one whose folder lies on this machine's disk."""

import os
import signal
import time

from storelib import runlib

BIG = os.urandom(11 << 20)


class Ranges:
    """For any case that drives a store."""

    def test_ranges_are_exact_and_an_object_that_ends_before_is_corrupt(self):
        self.ok("put", "x", self.file("in", BIG[:1000]))
        for at, n in ((0, 1), (0, 1000), (999, 1), (17, 500)):
            self.ok("get", "x", at, n, self.dir / "out")
            self.assertEqual((self.dir / "out").read_bytes(), BIG[at:at + n])
        self.assertIn("corrupt: ", self.fails("get", "x", 0, 1001, self.dir / "out"))
        self.assertIn("ends at byte 1000", self.fails("get", "x", 990, 20, self.dir / "out"))
        self.assertIn("truncated", self.fails("get", "x", 5000, 20, self.dir / "out"))


class NoRanges:
    """The same, where there is a proxy that may change what is asked."""

    def test_a_server_that_knows_no_ranges_gives_no_wrong_bytes(self):
        self.ok("put", "x", self.file("in", BIG[:1000]))

        def forget(request):
            request.headers = [h for h in request.headers if h[0].lower() != "range"]
        self.proxy(before=forget)
        self.ok("get", "x", 0, 1000, self.dir / "out")
        self.assertIn("corrupt: ", self.fails("get", "x", 500, 1000, self.dir / "out"))
        self.assertIn("corrupt: ", self.fails("get", "x", 0, 500, self.dir / "out"))


class Operations(Ranges):
    """For a remotelib.Case. has_dirs: empty directories go with what lay in them. told_by: by what the second of two that put the same
    name is told, besides the server's answer."""

    has_dirs = True
    told_by = ()
    keeps_torn = True  # the server, what a broken connection left
    part = 1 << 20

    def test_objects_of_all_sizes_come_back_as_they_were(self):
        cases = [(size, ()) for size in (0, 1, self.part, 2 * self.part, 2 * self.part + 1)]
        for size, how in (*cases, *((size, ("unknown",)) for size in (0, self.part, len(BIG)))):
            with self.subTest(size=size, how=how):
                content = BIG[:size]
                done = self.ok("put", "a/thing", self.file("in", content), "replace", *how)
                self.assertEqual(done.stdout, self.says(content, "unconfirmed"))
                self.assertEqual(self.stored("a/thing"), content)
        self.assertEqual(self.ok("head", "a/thing").stdout.split()[0], str(len(BIG)))
        self.assertEqual(self.hidden(), [])

    def test_what_was_put_is_confirmed_by_reading_it_back_and_not_otherwise(self):
        self.assertEqual(self.ok("put", "x", self.file("in", BIG), "confirm").stdout, self.says(BIG, "confirmed"))

    def test_a_name_that_is_there_is_left_alone_unless_it_is_to_be_replaced(self):
        self.ok("put", "a/x", self.file("in", b"first"))
        self.assertRegex(self.fails("put", "a/x", self.file("in", b"second")), "^conflict: .*a/x: .*it exists already")
        self.assertEqual(self.stored("a/x"), b"first")
        self.ok("put", "a/x", self.file("in", b"third"), "replace")
        self.assertEqual(self.stored("a/x"), b"third")
        self.assertEqual(self.hidden(), [])

    def test_of_two_that_put_the_same_name_at_once_one_is_told(self):
        for n in range(3):
            runs = []
            for content in (b"one", b"two"):
                command, env = self.command("put", f"a/n{n}", self.file(f"in{len(runs)}", content), *self.told_by)
                runs.append((content, runlib.subprocess.Popen(command, env=env, stdout=runlib.subprocess.PIPE, text=True)))
            done = [(content, run.communicate()[0], run.returncode) for content, run in runs]
            winners = [content for content, _, status in done if status == 0]
            self.assertEqual(len(winners), 1, done)
            self.assertEqual(self.stored(f"a/n{n}"), winners[0])
        self.assertEqual(self.hidden(), [])

    def test_long_ranges_come_whole(self):
        self.ok("put", "x", self.file("in", BIG))
        for at, n in ((0, len(BIG)), (1234567, 9 << 20), ((10 << 20) - 1, 2)):
            self.ok("get", "x", at, n, self.dir / "out")
            self.assertTrue((self.dir / "out").read_bytes() == BIG[at:at + n])
        self.assertIn(f"ends at byte {len(BIG)}", self.fails("get", "x", 5 << 20, 8 << 20, self.dir / "out"))

    def test_listings_are_in_order_and_skip_what_is_no_name_of_ours(self):
        ours = ["a/b", "a/c+d@e=f~g", "a.x", "a0", "z"]
        for name in ours:
            self.ok("put", name, self.file("in", b"x"))
        for foreign in (".hidden", "with blank", "ä", "a/<b>&", "a/50%25", ".dir/x"):
            (self.folder / foreign).parent.mkdir(exist_ok=True)
            (self.folder / foreign).write_bytes(b"y")
        self.changed_behind()
        self.assertEqual(self.names(""), sorted(ours))
        self.assertEqual(self.names("a/"), ["a/b", "a/c+d@e=f~g"])
        self.assertEqual(self.names("", "after=a/b"), ["a/c+d@e=f~g", "a0", "z"])
        self.assertEqual(self.names("", "shallow"), ["a.x", "a/", "a0", "z"])
        self.assertEqual(self.names("", "shallow", "after=a/"), ["a0", "z"])
        self.assertEqual(self.names("none/"), [])
        line = next(line for line in self.ok("list", "").lines if line.startswith("z "))
        self.assertEqual(line.split()[1], "1")
        self.assertAlmostEqual(int(line.split()[2]), time.time(), delta=120)

    def test_long_listings_are_whole(self):
        names = sorted(f"d{i % 3}/{'n' * 150}{i:04}" for i in range(1200))
        for name in names:
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).touch()
        self.changed_behind()
        self.assertEqual(self.names(""), names)

    def test_what_is_not_there_is_said_and_removed_alike(self):
        self.assertIn("not-found: ", self.fails("head", "none"))
        self.assertIn("no such object", self.fails("get", "no/ne", 0, 1, self.dir / "out"))
        self.ok("put", "x", self.file("in", b"x"))
        for _ in range(2):
            self.ok("remove", "x")
        self.assertIsNone(self.stored("x"))

    def test_a_directory_is_never_removed_for_an_object(self):
        self.ok("put", "a/b/x", self.file("in", b"x"))
        self.fails("remove", "a")
        self.fails("remove", "a/b")
        self.assertEqual(self.stored("a/b/x"), b"x")

    def test_empty_directories_go_with_what_lay_in_them(self):
        for name in ("a/b/x", "a/b/y", "a/z"):
            self.ok("put", name, self.file("in", b"x"))
        self.ok("remove", "a/b/x")
        self.ok("remove", "a/b/y")
        self.assertEqual((self.folder / "a/b").exists(), not self.has_dirs)
        self.ok("remove", "a/z")
        self.assertEqual((self.folder / "a").exists(), not self.has_dirs)
        self.assertEqual(self.names(""), [])
        self.ok("put", "a/b/x", self.file("in", b"x"))
        self.assertTrue(self.folder.exists())

    def test_a_store_that_is_not_there_is_no_missing_object(self):
        missing = self.server.root / "nowhere"
        for verb in (("head", "x"), ("get", "x", 0, 1, self.dir / "out"), ("list", ""), ("put", "x", self.file("in", b"x")),
                     ("put", "a/b/x", self.file("in", BIG), "unknown"), ("remove", "x"), ("now",), ("sweep", 5)):
            self.assertRegex(self.fails(*verb, folder=missing), r"^unreachable: .*there is no (directory|folder) '.*nowhere'.*\| Create",
                             verb)
        self.assertFalse(missing.exists())

    def test_now_is_the_time_of_the_server(self):
        self.assertAlmostEqual(int(self.ok("now").stdout), time.time(), delta=20)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_an_abandoned_put_leaves_nothing(self):
        for how in ((), ("unknown",)):
            self.ok("put", "a/x", self.file("in", BIG), f"abandon={9 << 20}", *how)
            self.assertIsNone(self.stored("a/x"))
            self.assertEqual(self.hidden(), [])

    def test_a_cancelled_put_ends_at_once_and_leaves_no_object(self):
        with open(self.dir / "long", "wb") as f:
            f.truncate(900 << 20)
        done = self.drive("put", "x", self.dir / "long", cancel_ms=700, stall_ms=60000)
        self.assertIn("error cancelled", done.stdout)
        self.assertLess(done.took_s, 0.7 + 4)
        self.assertIsNone(self.stored("x"))

    def test_a_put_that_died_leaves_what_a_sweep_removes_once_it_is_old(self):
        self.ok("put", "keep/x", self.file("in", b"x"))
        self.assertEqual(self.drive("put", "a/x", self.file("in", BIG), f"die={10 << 20}").status, 9)
        runlib.wait_until(lambda: len(self.hidden()) == self.keeps_torn, 10, "no hidden file")
        self.assertIsNone(self.stored("a/x"))
        self.assertEqual(self.names(""), ["keep/x"])
        self.ok("sweep", int(time.time()) - 600)
        self.assertEqual(len(self.hidden()), self.keeps_torn)
        removed = int(self.ok("sweep", int(time.time()) + 600).stdout)
        self.assertEqual(removed, self.has_dirs + self.keeps_torn)
        self.assertEqual(self.hidden(), [])
        self.assertEqual(self.stored("keep/x"), b"x")

    def test_a_sweep_leaves_objects_and_what_is_somebody_elses(self):
        self.ok("put", "a.tmp", self.file("in", b"x"))
        (self.folder / ".other").write_bytes(b"y")
        (self.folder / ".tmp").write_bytes(b"y")
        (self.folder / ".x.tmp").mkdir()
        self.changed_behind()
        self.ok("sweep", int(time.time()) + 600)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), [".other", ".tmp", ".x.tmp", "a.tmp"])

    def test_memory_is_bounded_however_long_an_object_is(self):
        if runlib.SANITIZED:
            self.skipTest("a sanitizer takes memory of its own")
        size = 150 << 20
        with open(self.dir / "long", "wb") as f:
            f.truncate(size)
        command, env = self.command("put", "x", self.dir / "long", "unknown")
        measure = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
                   "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        done = runlib.subprocess.run(["python3", "-c", measure, *command], env=env, capture_output=True, text=True, check=True)
        self.assertIn(f"{size} ", done.stdout)
        self.assertLess(int(done.stdout.split()[-1]) << 10, 64 << 20, done.stdout)


class Kills:
    """Killed or failing at each of its points, the driver leaves an object that is whole, or none."""

    area = None
    points = ()  # of a put, in order; behind the first that begins with after_ it is there

    def test_a_put_that_is_killed_is_there_whole_or_not_at_all_and_a_sweep_removes_the_rest(self):
        for point in self.points:
            for action in ("kill", "error"):
                if action == "error" and point.startswith("after_"):
                    continue  # there nothing can fail
                with self.subTest(point=point, action=action):
                    name = f"{action}/{point}"
                    done = self.drive("put", name, self.file("in", BIG), point=f"{self.area}.{point}={action}")
                    self.assertEqual(done.status, -signal.SIGKILL if action == "kill" else 1, done)
                    there = self.stored(name)
                    self.assertTrue(there is None or there == BIG)
                    self.assertEqual(there is not None, point.startswith("after_"))
        self.assertEqual([h for h in self.hidden() if h.startswith("error")], [])
        self.ok("sweep", 1 << 33)
        self.assertEqual(self.hidden(), [])

    def test_a_removal_that_is_killed_removes_nothing_else(self):
        self.ok("put", "x", self.file("in", b"x"))
        self.assertEqual(self.drive("remove", "x", point=f"{self.area}.before_remove=kill").status, -signal.SIGKILL)
        self.assertEqual(self.stored("x"), b"x")
        self.ok("remove", "x")
