# SPDX-License-Identifier: Apache-2.0
"""The state directory is gone: with the metadata identity back, the next backup sends almost nothing, and what lay there counts."""

import shutil
import subprocess

import backuplib
import runlib
from backuplib import MIB
from storeslib import StoresTest

runlib.need("qemu-nbd", "qemu-nbd")
runlib.need("age", "age", "age-keygen")

ALMOST_NOTHING = 64 << 10  # of 5 MiB: a manifest, a definition, no chunk

# As docs/runbook.md has it, word by word: STATE, NAME, holdfast.json and the secret of a recipient.
RECIPE = """
install -d -m 700 "$STATE/stores/$NAME"
(umask 077 && python3 -c 'import json, sys; print(json.load(sys.stdin)["metadata_identity_age"])' <holdfast.json |
    base64 -d | age -d -i recipient.key >"$STATE/stores/$NAME/metadata.key")
"""


class StateLost(StoresTest):
    def lose_state(self):
        shutil.rmtree(self.site.state)

    def judge(self, name, identity=None):
        found = backuplib.Judge(self.site.dir / name, identity).look()
        self.assertEqual(set(map(str, found.points.values())), {str(backuplib.digests(self.disks))})
        self.assertEqual((found.twice, found.strays), ([], set()))
        return found

    def backup(self, name):
        doc = self.ok(self.site.run("backup", "web", "--store", name))
        return doc["stores"][0]["bytes"]

    def goes_on(self, name, identity=None):
        """The first run sends the tip of nothing, and its point is as whole as the one of before."""
        self.assertLess(self.backup(name), ALMOST_NOTHING)
        self.assertEqual(len(self.judge(name, identity).points), 2)

    def encrypted(self):
        """A store that one recipient can read, and this host can not; a backup on it."""
        self.identity = self.site.dir / "recipient.key"
        self.safe = self.add_store("safe", recipients=runlib.make_identity(self.identity))
        self.assertGreater(self.backup("safe"), 3 * MIB)
        self.lose_state()

    def test_a_plain_store_has_all_that_is_needed(self):
        self.assertGreater(self.backup("vault"), 3 * MIB)
        self.lose_state()
        self.goes_on("vault")

    def test_an_encrypted_store_is_not_written_to_without_the_identity_and_what_to_do_is_said(self):
        self.encrypted()
        before = sorted(p.name for p in self.safe.rglob("*"))
        error = self.fails(self.site.run("backup", "web", "--store", "safe"), 1, "auth", "metadata identity")
        self.assertIn("metadata.key", error["hint"])
        self.assertIn("identity-file", error["hint"])
        self.assertEqual(sorted(p.name for p in self.safe.rglob("*")), before)

    def restore_by_hand(self):
        (self.site.dir / "holdfast.json").write_bytes((self.safe / "holdfast.json").read_bytes())
        subprocess.run(["sh", "-ec", RECIPE], cwd=self.site.dir, check=True,
                       env=self.site.environ(STATE=self.site.state, NAME="safe"))

    def test_the_identity_comes_back_with_age_and_the_key_of_a_recipient_alone(self):
        self.encrypted()
        self.restore_by_hand()
        self.goes_on("safe", self.identity)
        self.assertIn(RECIPE.strip(), (runlib.SOURCE / "docs/runbook.md").read_text())

    def test_or_by_naming_that_key_for_one_run(self):
        self.encrypted()
        self.stores["safe"]["identity-file"] = self.identity
        self.write()
        self.goes_on("safe", self.identity)
        del self.stores["safe"]["identity-file"]
        self.write()
        self.assertLess(self.backup("safe"), ALMOST_NOTHING)
        self.assertEqual(len(self.judge("safe", self.identity).points), 3)

    def test_the_identity_of_another_store_is_refused(self):
        self.encrypted()
        self.restore_by_hand()
        key = self.site.state / "stores/safe/metadata.key"
        runlib.make_identity(self.site.dir / "other")
        key.write_bytes((self.site.dir / "other").read_bytes())
        self.fails(self.site.run("backup", "web", "--store", "safe"), 1, "conflict", "metadata identity")
        self.assertEqual(len(self.judge("safe", self.identity).points), 1)


if __name__ == "__main__":
    runlib.main()
