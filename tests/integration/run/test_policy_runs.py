# SPDX-License-Identifier: Apache-2.0
"""backup and snapshot create as runs of a policy: what it says holds, what is asked for wins, one VM after the other."""

import datetime
import signal
import time

import runlib
from storeslib import StoresTest

runlib.need("qemu-nbd", "qemu-nbd")

NIGHTLY = {"vms": "web, app*", "schedule": "0 2 * * *"}


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class OfPolicy(StoresTest):
    def policy(self, name="nightly", **keys):
        self.site.policies[name] = {**NIGHTLY, **{k.replace("_", "-"): v for k, v in keys.items()}}
        self.site.write()

    def backup(self, *args, **env):
        return self.site.run("backup", *args, "--policy", "nightly", **env)

    def mount_of(self, path):
        while not path.is_mount():
            path = path.parent
        return str(path)


class OneVm(OfPolicy):
    def test_stores_products_and_grade_are_the_policys_and_the_report_says_whose_run_it_is(self):
        self.add_store("other")
        self.policy(stores="other", produce="image", require="C")
        doc = self.ok(self.backup("web"))
        self.assertEqual((doc["policy"], doc["required"], doc["grade"]), ("nightly", "C", "B"))
        self.assertEqual([s["name"] for s in doc["stores"]], ["other"])
        self.assertEqual({a["kind"] for a in doc["artifacts"]}, {"image", "vm"})
        self.assertEqual(doc["datastores"], [self.mount_of(self.site.vm)])
        self.assertEqual(self.manifests(), [])
        shown = self.ok(self.site.run("show", doc["run"]))
        self.assertEqual((shown["policy"], shown["datastores"]), ("nightly", doc["datastores"]))
        self.assertIn("policy     nightly\n", self.site.run("show", doc["run"], as_json=False).stdout)

    def test_what_is_asked_for_wins(self):
        self.add_store("other")
        self.policy(stores="other", produce="image")
        doc = self.ok(self.backup("web", "--store", "vault", "--produce", "image,dump"))
        self.assertEqual([s["name"] for s in doc["stores"]], ["vault"])
        self.assertEqual({a["kind"] for a in doc["artifacts"]}, {"image", "dump", "vm"})

    def test_without_keys_of_its_own_it_is_as_the_vm_has_it(self):
        self.policy()
        doc = self.ok(self.backup("web"))
        self.assertEqual((doc["policy"], doc["required"]), ("nightly", "B"))
        self.assertEqual({a["kind"] for a in doc["artifacts"]}, {"image", "dump", "vm"})

    def test_below_the_grade_of_the_policy_it_is_no_success(self):
        self.policy(require="A")
        doc = self.ok(self.backup("web"), status=3)
        self.assertEqual((doc["grade"], doc["required"]), ("B", "A"))

    def test_a_run_without_policy_says_so(self):
        self.policy(require="A")
        self.assertIsNone(self.ok(self.site.run("backup", "web"))["policy"])

    def test_one_that_failed_is_in_the_catalog_with_its_policy(self):
        self.policy()
        self.fails(self.backup("web", DIR_FAIL="capture_begin"), 1, "plugin")
        last = self.ok(self.site.run("status"))["vms"][0]["last_run"]
        self.assertEqual(self.ok(self.site.run("show", last))["policy"], "nightly")

    def test_a_snapshot_is_kept_as_the_policy_says_unless_something_else_is_asked_for(self):
        self.policy("hourly", produce="snapshot", snapshot_keep="2h", require="C")
        self.site.write(snapshot_keep="90m")
        for args, kept_s in ((("--policy", "hourly"), 7200), (("--policy", "hourly", "--keep", "3h"), 10800), ((), 5400)):
            doc = self.ok(self.site.run("snapshot", "create", "web", *args))
            self.assertAlmostEqual(when(doc["expires_at"]) - when(doc["started_at"]), kept_s, delta=20)
            self.assertEqual((doc["policy"], doc["required"]), ("hourly", "C") if args else (None, "B"))
            self.assertEqual(doc["datastores"], [self.mount_of(self.site.vm)])

    def test_what_cannot_be_meant_is_refused_with_the_way_out(self):
        self.policy()
        self.policy("hourly", produce="snapshot", vms="web")
        self.site.make_vm("db")
        self.site.sections["db"] = {}
        self.site.write()
        for args, piece, hint in (
                (("backup", "db", "--policy", "nightly"), "does not select vm db", "its key vms"),
                (("backup", "web", "--policy", "hourly"), "produce = snapshot", "snapshot create web --policy hourly"),
                (("backup", "--policy", "hourly"), "produce = snapshot", "snapshot create VM --policy hourly"),
                (("snapshot", "create", "web", "--policy", "nightly"), "no snapshots", "backup web --policy nightly"),
                (("snapshot", "create", "db", "--policy", "hourly"), "does not select vm db", "its key vms"),
                (("backup", "web", "--policy", "nightli"), "nightli", "nightly"),
                (("backup", "wbe", "--policy", "nightly"), "wbe", "web"),
                (("backup", "--policy", "nightly", "--store", "valt"), "valt", "vault"),
                (("backup",), "lacks an argument", "--policy")):
            e = self.fails(self.site.run(*args), 2, "config", piece)
            self.assertIn(hint, e["hint"])
        self.assertEqual(self.manifests(), [])
        self.assert_clean()

    def test_a_policy_that_selects_nobody_is_no_success(self):
        self.policy(vms="nobody*")
        self.fails(self.backup(), 2, "config", "selects no VM")


class AllVms(OfPolicy):
    """app1, app2 and web, in this order; app2 cannot be found."""

    def setUp(self):
        super().setUp()
        for name in ("app2", "app1"):
            self.site.make_vm(name)
            self.site.sections[name] = {}
        self.policy()

    def lose(self, name):
        (self.site.vms / name).rename(self.site.dir / name)

    def outcomes(self, doc):
        return [(r["vm"], r["error"]["class"] if "error" in r else "done") for r in doc["runs"]]

    def test_each_vm_has_a_run_of_its_own_by_name(self):
        doc = self.ok(self.backup())
        self.assertEqual(doc["policy"], "nightly")
        self.assertEqual(self.outcomes(doc), [("app1", "done"), ("app2", "done"), ("web", "done")])
        self.assertEqual(len({r["run"] for r in doc["runs"]}), 3)
        self.assertEqual({r["policy"] for r in doc["runs"]}, {"nightly"})

    def test_one_that_fails_stops_no_other_and_makes_the_whole_a_failure(self):
        self.lose("app2")
        doc = self.ok(self.backup(), status=1)
        self.assertEqual(self.outcomes(doc), [("app1", "done"), ("app2", "not-found"), ("web", "done")])
        self.assertEqual(len(self.manifests()), 1)

    def test_the_worst_of_them_is_the_exit_status(self):
        self.site.sections["web"]["require"] = "A"
        self.site.write()
        self.assertEqual(self.outcomes(self.ok(self.backup(), status=3)), [("app1", "done"), ("app2", "done"), ("web", "done")])
        busy = self.site.start("backup", "app1", **self.site.points("backup.before_disks=stall:5000"))
        self.site.wait_for_point("backup.before_disks")
        self.assertEqual(self.outcomes(self.ok(self.backup(), status=4)), [("app1", "busy"), ("app2", "done"), ("web", "done")])
        self.lose("app2")
        self.assertEqual(self.outcomes(self.ok(self.backup(), status=1))[1], ("app2", "not-found"))
        busy.signal(signal.SIGKILL)
        busy.wait()

    def test_text_tells_of_each_and_ends_with_the_sum(self):
        self.lose("app2")
        r = self.site.run("backup", "--policy", "nightly", as_json=False)
        self.assertEqual(r.status, 1, str(r))
        self.assertEqual(r.stdout.count("policy     nightly\n"), 3)
        self.assertRegex(r.stdout, r"vm +app2\npolicy +nightly\nerror +.*app2")
        self.assertTrue(r.stdout.endswith("\npolicy nightly: 3 VMs: 2 done, 0 degraded, 0 busy, 1 failed\n"), r.stdout)
        self.assertIn("nightly: app1 (1 of 3)", r.stderr)
        self.assertIn("nightly: web (3 of 3)", r.stderr)

    def test_interrupted_it_undoes_the_run_and_begins_no_other(self):
        running = self.site.start("backup", "--policy", "nightly", **self.site.points("backup.before_disks=stall:3000"))
        self.site.wait_for_point("backup.before_disks")
        running.signal(signal.SIGINT)
        begin = time.monotonic()
        doc = self.ok(running.wait(), status=1)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertEqual(self.outcomes(doc), [(vm, "cancelled") for vm in ("app1", "app2", "web")])
        self.assertEqual([v["last_run"] is None for v in self.ok(self.site.run("status"))["vms"] if v["vm"] != "app1"], [True, True])
        self.assert_clean()


if __name__ == "__main__":
    runlib.main()
