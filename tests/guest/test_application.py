# SPDX-License-Identifier: Apache-2.0
"""A real web application whole: backed up while users click, and brought back on an empty machine.

The walk-through of docs/guides/application.md is run as it stands there; the judge is that of webapp.py. The control: the same
backup without rest has files and rows of different moments.
"""

import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

import webapp
from guide import Guide
from hf import LAB, SOURCE, GuestTest, lab, lab_env, main

GUIDE = SOURCE / "docs/guides/application.md"
UPLOADS = webapp.UPLOADS[1:] + "/"


def packed(path):
    return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout.decode()


def files_in(archive):
    """Uploads in the archive, below UPLOADS."""
    entries = map(json.loads, packed(archive / "files.jsonl.zst").splitlines())
    return {e["name"][len(UPLOADS):] for e in entries if e["type"] == "file" and e["name"].startswith(UPLOADS)}


def rows_in(archive):
    """What the dump's rows say of them."""
    found = set()
    for part in (archive / "dump").glob(f"{webapp.SCHEMA}.wp_postmeta.*.sql.zst"):
        found |= set(re.findall(r"'_wp_attached_file','([^']+)'", packed(part)))
    return found


class Application(Guide, GuestTest):
    keys = {"services": None}
    timeout_s = 400

    @classmethod
    def setUpClass(cls):
        webapp.install()

    def setUp(self):
        super().setUp()
        self.scratch = tempfile.TemporaryDirectory(prefix="hf-app-")
        self.addCleanup(self.scratch.cleanup)
        self.backup = Path(self.scratch.name) / "backup"

    # -- the guide -----------------------------------------------------------------------------

    def empty_machine(self):
        env = lab("add", "--flavour", "wordpress", "site2")
        self.addCleanup(lab, "virsh", "destroy", "site2", check=False)
        self.assertIn("site2", env)
        self.assertFalse(webapp.installed("site2"))

    def rename(self, guest, theirs):
        env = lab_env(guest)
        self.names |= {f"[vm {theirs}]": f"[vm {theirs}]\nname = {env['DOMAIN']}",
                       f"root@{theirs}\n": f"root@127.0.0.1:{env['SSH_PORT']}\n",
                       f"/etc/holdfast/{theirs}.key": env["SSH_KEY"],
                       f"tcp://{theirs}:3306": f"tcp://127.0.0.1:{env['DB_PORT']}",
                       f"/etc/holdfast/{theirs}.cnf": env["HOLDFAST_DUMP_CNF"]}
        return env["SSH_KNOWN_HOSTS"]

    def do_ini(self, _, body):
        self.site.config.write_text(self.site.config.read_text() + self.ours(body))

    def do_sh(self, attributes, body):
        if "holdfast archive" in body:
            self.clicks.wait_for(post=2, upload=2, within_s=240)
            self.before_ns = time.time_ns()
        super().do_sh(attributes, body)

    def test_the_guide_does_what_it_says(self):
        self.empty_machine()
        self.names = {}
        known2 = self.rename("site2", "blog2")
        known = self.rename(None, "blog")
        # The longer name first.
        self.names |= {"/etc/holdfast/known_hosts2": known2, "/etc/holdfast/known_hosts": known,
                       "/srv/backup": self.backup}
        first = self.site.lab["DOMAIN"]
        with tempfile.TemporaryDirectory(prefix="hf-guide-") as name, webapp.Clicks(users=3, seconds=1500) as self.clicks:
            self.folder = Path(name)
            self.put("ssh", f'#!/bin/sh\ncase $1 in blog) g={first} ;; blog2) g=site2 ;; esac\nshift\n'
                     f'PATH=${{PATH#*:}} exec "{LAB}" ssh -d "$g" "$@"\n')
            self.follow(GUIDE, name)
        made = self.backup / "blog-monday"
        self.assertEqual(rows_in(made), files_in(made))
        verdict = webapp.judge("site2")
        print(f"  {verdict}; users did {self.clicks.done}, and met {self.clicks.errors.total()} errors", flush=True)
        self.assertTrue(verdict.equal, verdict)
        self.assertEqual(self.clicks.missing(verdict, self.before_ns), [])
        self.assertEqual(self.clicks.wrong, [])
        # The first one goes on as if nothing had been.
        mine = webapp.judge(sample=2)
        self.assertTrue(mine.equal, mine)
        self.assertEqual(self.clicks.missing(mine), [])

    # -- the control ---------------------------------------------------------------------------

    def test_without_rest_rows_and_files_are_of_different_moments(self):
        self.site.write(db_defaults_file=lab_env()["HOLDFAST_DUMP_CNF"], files=f"/usr/share/wordpress, {webapp.UPLOADS}")
        with webapp.Clicks(users=3, seconds=600) as clicks:
            for attempt in range(5):
                clicks.wait_for(upload=1, within_s=120)
                made = self.backup / str(attempt)
                doc = self.ok(self.site.run("archive", "db", "--with-dump", "--to", str(made)))
                self.assertEqual(doc["stopped"], [])
                extra = files_in(made) - rows_in(made)
                print(f"  {len(extra)} files without their row, {doc['changed']} changed, in {doc['duration_ms']} ms", flush=True)
                if extra:
                    return
        self.fail("the control shows nothing: every file had its row")


if __name__ == "__main__":
    main(flavour="wordpress")
