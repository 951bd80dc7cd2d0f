# SPDX-License-Identifier: Apache-2.0
"""Snapshots that expire, and limits, on a real guest: what is deleted, what is left alone, what is refused."""

import time
from pathlib import Path

from hf import GuestTest, lab, main


class Expiry(GuestTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.merge_foreign)

    def create(self, *args):
        return self.ok(self.site.run("snapshot", "create", "db", *args))["snapshot"]

    def row(self):
        return self.ok(self.site.run("status"))["vms"][0]

    def foreign(self):
        """An overlay of somebody else on each disk, with metadata."""
        specs = [s for t, path in self.site.layers().items() for s in ("--diskspec", f"{t},file={path}.theirs")]
        lab("virsh", "snapshot-create-as", self.lab_domain(), "theirs", "--disk-only", "--atomic", *specs)

    def lab_domain(self):
        return self.site.lab["DOMAIN"]

    def merge_foreign(self):
        """Whatever a test left on the disks goes, so that the next one finds the chain as it was."""
        for target, path in self.site.layers().items():
            if path.endswith(".theirs"):
                lab("virsh", "blockcommit", self.lab_domain(), target, "--active", "--pivot", "--wait", "--shallow")
                Path(path).unlink()
        lab("virsh", "snapshot-delete", self.lab_domain(), "theirs", "--metadata", check=False)
        self.site.delete_all()

    def test_a_snapshot_goes_when_its_time_is_over(self):
        kept, name = self.create("--keep", "1h"), self.create("--keep", "2s")
        rows = {r["snapshot"]: r for r in self.ok(self.site.run("snapshot", "list", "db"))["snapshots"]}
        self.assertTrue(rows[name]["expires_at"])
        time.sleep(2.5)
        row = self.row()
        self.assertEqual((row["overdue"], row["hypervisor_error"], row["limits"]), ([name], None, []))
        self.assertEqual((row["snapshots"], row["chain"]), (2, 3))
        self.assertGreater(row["store_free_bytes"], 0)
        layers = self.site.layers()
        dry = self.ok(self.site.run("prune", "--dry-run"))
        self.assertEqual([r["snapshot"] for r in dry["pruned"]], [name])
        self.assertEqual(self.site.layers(), layers)
        doc = self.ok(self.site.run("prune"))
        self.assertEqual([r["snapshot"] for r in doc["pruned"]], [name])
        self.assertEqual(self.site.snapshots(), [kept])
        self.site.delete_all()
        self.assertEqual(self.site.layers(), self.before)
        self.assert_clean()

    def test_what_lies_below_a_foreign_snapshot_stays_and_is_told(self):
        name = self.create("--keep", "1s")
        self.foreign()
        time.sleep(1.5)
        layers = self.site.layers()
        r = self.site.run("prune", "db")
        self.assertEqual(r.status, 1, r.stdout + r.stderr)
        self.assertEqual([(f["snapshot"], f["vm"]) for f in r.json["failed"]], [(name, "db")])
        self.assertEqual({k["snapshot"]: k["why"] for k in r.json["kept"]}, {"theirs": "foreign"})
        self.assertEqual(self.site.layers(), layers)
        self.assertIn(name, self.site.snapshots())

    def test_without_room_nothing_is_held(self):
        self.site.write(min_free="99%")
        r = self.site.run("snapshot", "create", "db")
        self.assertEqual((r.status, r.error["class"]), (1, "no-space"), r.stdout)
        self.assertEqual([x["limit"] for x in self.row()["limits"]], ["min-free"])
        self.assertEqual(self.site.layers(), self.before)
        self.assert_clean()


if __name__ == "__main__":
    main()
