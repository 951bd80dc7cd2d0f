# SPDX-License-Identifier: Apache-2.0
"""The dump of a point comes back into a server, read from its store while it is loaded."""

import os
import random
import shutil
import signal

import runlib
import s3lib  # noqa: F401  it says where swiftlib is
import s3proxy
import swiftlib
from runlib import RunTest
from storeslib import MIB, StoresTest

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")

MAKE = """CREATE DATABASE shop;
CREATE DATABASE crm;
CREATE TABLE shop.orders (id INT PRIMARY KEY, note TEXT, KEY n (note(20)));
INSERT INTO shop.orders SELECT seq, CONCAT('o''Brien \\\\ ', seq) FROM shop.seq_1_to_900;
CREATE TABLE shop.lines (id INT PRIMARY KEY, o INT, FOREIGN KEY (o) REFERENCES shop.orders (id));
INSERT INTO shop.lines SELECT id, id FROM shop.orders;
CREATE VIEW shop.few AS SELECT id FROM shop.orders WHERE id < 9;
CREATE TABLE crm.big (id INT PRIMARY KEY, b BLOB);
INSERT INTO crm.big SELECT id, CONCAT(RANDOM_BYTES(1024), RANDOM_BYTES(1024), RANDOM_BYTES(1024), RANDOM_BYTES(1024)) FROM shop.orders WHERE id <= 600"""


class RestoreTest(StoresTest):
    """The source is the program's server, the target another one, which each test finds empty."""

    target = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        RestoreTest.target = runlib.Server()
        cls.addClassCleanup(RestoreTest.target.stop)

    def setUp(self):
        super().setUp()
        self.source, self.there = self.session(), runlib.Session(self.target)
        self.addCleanup(self.there.close)
        for s in (self.source, self.there):
            for name in ("shop", "crm", "crm_monday", "holdfast_load"):
                s.sql(f"DROP DATABASE IF EXISTS {name}")
        self.there.sql("DROP DATABASE IF EXISTS t")
        for statement in MAKE.split(";"):
            self.source.sql(statement)

    def backup(self, store="vault"):
        return self.ok(self.site.run("backup", "web", "--store", store, "--produce", "image,dump"))["point"]

    def command(self, point, *more):
        return ("restore", "dump", point, "--to-db", f"tcp://127.0.0.1:{self.target.port}", "--defaults-file",
                str(self.target.defaults), *more)

    def restore(self, point, *more, **env):
        return self.site.run(*self.command(point, *more), **env)

    def objects(self, point, store="vault"):
        return self.site.dir / store / "points/web" / point / "dump"

    def one(self, point, pattern, store="vault"):
        found = sorted(self.objects(point, store).glob(pattern))
        self.assertTrue(found, pattern)
        return found[0]

    def sums(self, session, *tables):
        return [session.sql(f"CHECKSUM TABLE {t}")[0].split("\t")[1] for t in tables]

    def assert_same(self, *tables):
        tables = tables or ("t.pulse", "shop.orders", "shop.lines", "crm.big")
        self.assertEqual(self.sums(self.source, *tables), self.sums(self.there, *tables))
        self.assertEqual(self.schemas() & {"holdfast_load"}, set())

    def schemas(self):
        return set(self.there.sql("SHOW DATABASES")) - {"mysql", "sys", "information_schema", "performance_schema"}

    def assert_nothing_there(self):
        self.assertEqual(self.schemas(), set())


class Restore(RestoreTest):
    def with_key(self):
        """A store that is encrypted, and a host that can only write to it; then() gives it the key."""
        identity = self.site.dir / "identity"
        self.add_store("safe", recipients=runlib.make_identity(identity))
        return lambda: (self.stores["safe"].update({"identity-file": identity}), self.write())

    def test_all_of_it_comes_back_and_is_compared(self):
        point = self.backup()
        doc = self.ok(self.restore(point))
        self.assert_same()
        self.assertEqual((doc["point"], doc["store"], doc["point_vm"]), (point, "vault", "web"))
        self.assertEqual((doc["differences"], doc["compared"]["checksums"]), ([], doc["tables"]))
        self.assertNotIn("dir", doc)
        self.assertEqual(len(self.there.sql("SELECT * FROM shop.few")), 8)
        text = self.restore(point[:16], "--replace", "--only", "crm")
        self.ok(text)

    def test_dropped_tables_come_back_into_the_server_they_were_dropped_from(self):
        point = self.backup()
        before = self.sums(self.source, "shop.orders", "shop.lines")
        self.source.sql("DROP DATABASE shop")
        r = self.site.run("restore", "dump", point, "--to-db", f"tcp://127.0.0.1:{RunTest.server.port}",
                          "--defaults-file", str(RunTest.server.defaults), "--only", "shop")
        self.ok(r)
        self.assertEqual(self.sums(self.source, "shop.orders", "shop.lines"), before)

    def test_of_an_encrypted_store_with_the_key_and_nothing_decrypted_is_written_here(self):
        with_key = self.with_key()
        point = self.backup("safe")
        with_key()
        before = {p: p.stat().st_mtime_ns for p in self.site.dir.rglob("*") if p.is_file() and "safe/" not in str(p)}
        self.ok(self.restore(point))
        self.assert_same()
        new = [p for p in self.site.dir.rglob("*") if p.is_file() and p not in before and "safe/" not in str(p)]
        self.assertEqual([p for p in new if p.stat().st_size > 64 << 10], [])

    def test_without_the_key_nothing_is_changed_and_the_hint_says_where_it_goes(self):
        self.with_key()
        point = self.backup("safe")
        error = self.fails(self.restore(point), 1, "auth", "encrypted")
        self.assertIn("identity-file", error["hint"])
        self.assert_nothing_there()

    def test_with_another_key_nothing_is_changed(self):
        self.with_key()
        point = self.backup("safe")
        other = self.site.dir / "other"
        runlib.make_identity(other)
        self.stores["safe"]["identity-file"] = other
        self.write()
        self.fails(self.restore(point), 1, "auth")
        self.assert_nothing_there()

    def test_of_one_table_little_more_than_its_own_bytes_is_fetched(self):
        point = self.backup()
        doc = self.ok(self.restore(point, "--only", "shop.orders"))
        wanted = sum(p.stat().st_size for p in self.objects(point).glob("shop.orders*"))
        big = sum(p.stat().st_size for p in self.objects(point).glob("crm.big*"))
        self.assertGreater(big, 2 * MIB)
        self.assertLess(doc["fetched_bytes"], 2 * wanted + MIB // 2)  # far below the 8 MiB that are allowed
        self.assert_same("shop.orders")
        self.assertEqual(self.there.sql("SHOW TABLES IN shop"), ["orders"])
        doc = self.ok(self.restore(point, "--only", "crm.big"))
        self.assertLess(doc["fetched_bytes"], big + MIB // 2)

    def test_under_another_name_and_over_what_is_there(self):
        point = self.backup()
        self.ok(self.restore(point, "--only", "crm", "--as", "crm=crm_monday"))
        self.assertEqual(self.sums(self.there, "crm_monday.big"), self.sums(self.source, "crm.big"))
        self.there.sql("DELETE FROM crm_monday.big")
        error = self.fails(self.restore(point, "--only", "crm", "--as", "crm=crm_monday"), 1, "conflict", "big")
        self.assertTrue(error["hint"])
        self.ok(self.restore(point, "--only", "crm", "--as", "crm=crm_monday", "--replace"))
        self.assertEqual(self.sums(self.there, "crm_monday.big"), self.sums(self.source, "crm.big"))

    def test_a_point_without_a_dump_says_so(self):
        doc = self.ok(self.site.run("backup", "web", "--produce", "image"))
        self.fails(self.restore(doc["point"]), 1, "not-found", "has no dump")
        self.fails(self.restore("20991231T000000Z"), 1, "not-found", "20991231T000000Z")

    # -- damage --------------------------------------------------------------------------------

    def refused(self, point, name, *more):
        """Named before anything is changed."""
        self.there.sql("CREATE DATABASE shop")
        self.there.sql("CREATE TABLE shop.orders (mine INT)")
        error = self.fails(self.restore(point, "--replace", *more), 1, "corrupt", name)
        self.assertEqual(self.there.sql("SHOW COLUMNS FROM shop.orders")[0].split("\t")[0], "mine")
        self.assertEqual(self.schemas(), {"shop"})
        return error

    def test_an_object_that_is_missing_is_named_before_anything_is_dropped(self):
        point = self.backup()
        self.one(point, "shop.lines.0*").unlink()
        self.refused(point, "shop.lines.0")

    def test_an_object_that_was_cut_is_named_before_anything_is_dropped(self):
        point = self.backup()
        path = self.one(point, "crm.big.0*")
        os.truncate(path, path.stat().st_size - 1)
        self.refused(point, "crm.big.0")

    def test_a_list_of_the_dump_that_was_changed_is_not_believed(self):
        point = self.backup()
        path = self.objects(point) / "holdfast.json"
        text = path.read_text()
        path.write_text(text.replace('"rows":900', '"rows":901', 1) if '"rows":900' in text else text.replace("9", "8", 1))
        self.refused(point, "dump/holdfast.json")

    def flipped(self, point, store, pattern):
        path = self.one(point, pattern, store)
        data = bytearray(path.read_bytes())
        data[len(data) * 2 // 3] ^= 0x10
        path.write_bytes(data)

    def test_a_flipped_bit_fails_the_load_which_names_the_object_and_never_looks_whole(self):
        with_key = self.with_key()
        points = {"vault": self.backup(), "safe": self.backup("safe")}
        with_key()
        for store, pattern in (("vault", "crm.big.0*"), ("safe", "crm.big.0*"), ("vault", "shop.orders-schema*")):
            with self.subTest(store=store, pattern=pattern):
                for name in self.schemas():
                    self.there.sql(f"DROP DATABASE {name}")
                point = points[store]
                kept = self.one(point, pattern, store).read_bytes()
                self.flipped(point, store, pattern)
                error = self.fails(self.restore(point), 1, "corrupt", pattern.split("*")[0])
                self.assertIn("--resume", str(error["left"]))
                self.assertIn("holdfast_load", self.schemas())
                if "big" in pattern:
                    self.assertEqual(self.there.sql("SELECT COUNT(*) FROM crm.big"), ["0"])
                self.one(point, pattern, store).write_bytes(kept)
                doc = self.ok(self.restore(point, "--resume"))
                self.assertTrue(doc["resumed"])
                self.assert_same()

    # -- interrupted ---------------------------------------------------------------------------

    def begun(self, point):
        """A restore that stands before it commits the first file of rows."""
        env = self.site.points("load.before_commit=stall:1500")
        running = self.site.start(*self.command(point, "-j", "1"), **env)
        self.site.wait_for_point("load.before_commit")
        return running

    def test_a_store_that_is_lost_in_the_middle_is_named_and_the_load_goes_on_from_another(self):
        self.add_store("other")
        point = self.ok(self.site.run("backup", "web", "--produce", "image,dump"))["point"]
        running = self.begun(point)
        shutil.rmtree(self.site.dir / "vault")
        error = self.fails(running.wait(), 1, "unreachable")
        self.assertIn("vault", error["message"])
        self.assertIn("--resume", str(error["left"]))
        self.fails(self.restore(point, "--store", "other"), 1, "conflict")
        doc = self.ok(self.restore(point, "--resume"))
        self.assertEqual((doc["store"], doc["resumed"]), ("other", True))
        self.assert_same()

    def test_interrupted_it_says_what_is_there_and_goes_on(self):
        point = self.backup()
        running = self.begun(point)
        running.signal(signal.SIGINT)
        error = self.fails(running.wait(), 1, "cancelled")
        self.assertIn("--resume", str(error["left"]))
        self.ok(self.restore(point, "--resume"))
        self.assert_same()

    def test_killed_it_goes_on(self):
        point = self.backup()
        running = self.begun(point)
        running.signal(signal.SIGKILL)
        running.wait()
        self.ok(self.restore(point, "--resume"))
        self.assert_same()


class FromSwift(RestoreTest):
    """The same from a bucket, through a proxy that keeps a log of what goes by."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.swift = swiftlib.Swift()
        cls.addClassCleanup(cls.swift.stop)

    def setUp(self):
        super().setUp()
        self.bucket = swiftlib.Bucket(self.swift, self.swift.make_bucket(f"restore-{os.getpid()}-{random.randrange(1 << 30)}"),
                                      "site")
        files = swiftlib.key_files(self.site.dir)
        identity = self.site.dir / "identity"
        recipient = runlib.make_identity(identity)
        self.stores["cloud"] = {**self.bucket.section(files), "off-host": "assume", "recipients": recipient,
                                "patience": "3s"}
        self.write()
        self.ok(self.site.run("store", "init", "cloud"))
        self.point = self.backup("cloud")
        self.stores["cloud"]["identity-file"] = identity
        self.seen, self.fault = [], None
        proxy = s3proxy.Proxy(self.swift, fault=self.look)
        self.addCleanup(proxy.close)
        self.stores["cloud"]["url"] = self.bucket.url(proxy.port)
        self.write()

    def look(self, request):
        self.seen.append(request)
        return self.fault(request) if self.fault else None

    def test_encrypted_it_comes_back_in_few_requests(self):
        self.ok(self.restore(self.point))
        self.assert_same()
        self.assertLess(len(self.seen), 90)

    def test_a_bucket_that_is_lost_in_the_middle_is_named_and_the_load_goes_on(self):
        self.fault = lambda request: "503" if "crm.big.0" in str(vars(request)) else None
        error = self.fails(self.restore(self.point, "-j", "1"), 1, "unreachable")
        self.assertIn("crm.big.0", error["message"])
        self.assertIn("--resume", str(error["left"]))
        self.fault = None
        self.ok(self.restore(self.point, "--resume"))
        self.assert_same()


if __name__ == "__main__":
    runlib.main()
