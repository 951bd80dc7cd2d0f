#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/guides/dump.md, in its order, on real servers; with -v as second argument its output is shown."""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "load"))
import dumplib  # noqa: E402
import loadlib  # noqa: E402
import runlib  # noqa: E402
from dumplib import sql  # noqa: E402

GUIDE = runlib.SOURCE / "docs/guides/dump.md"
# Before the section of this name the target is made empty.
EMPTY = ("Restore with holdfast", "Restore with the plain client", "Restore with myloader")


def sections():
    """(title, [command text])"""
    for part in re.split(r"^## ", GUIDE.read_text(), flags=re.M)[1:]:
        yield part.split("\n", 1)[0], re.findall(r"^```sh\n(.*?)^```$", part, re.M | re.S)


class Guide(loadlib.LoadTest):
    @classmethod
    def setUpClass(cls):
        runlib.need("mydumper", "mydumper", "myloader")
        runlib.need("tools", "zstdcat", "zcat", "sha256sum")
        cls.server = dumplib.start()
        cls.target = dumplib.start("--log-bin-trust-function-creators=1")
        sql(cls.server, "SET GLOBAL log_bin_trust_function_creators = 1")
        sql(cls.server, loadlib.SHOP)

    def shell(self, text):
        """The guide's names for this machine's; `mariadb` is the target's client, by a function."""
        t = self.target
        for guide, here in (("/srv/dumps", str(self.folder)), ("tcp://10.0.0.7:3306", f"tcp://127.0.0.1:{t.port}"),
                            ("-h 10.0.0.7 -P 3306", f"-h 127.0.0.1 -P {t.port}"), ("/etc/holdfast/new.cnf", str(t.defaults)),
                            ("-h 10.0.0.5 -P 3306", f"-h 127.0.0.1 -P {self.server.port}"), ("web01 ", "v ")):
            text = text.replace(guide, here)
        client = " ".join(dumplib.client(t))
        head = f"set -eo pipefail; mariadb() {{ {client} \"$@\"; }}; holdfast() {{ {runlib.BINARY} -c {self.config()} \"$@\"; }}\n"
        done = subprocess.run(["bash", "-c", head + text], capture_output=True, text=True, cwd=self.folder)
        if os.environ.get("HOLDFAST_SHOW"):
            print(f"$ {text}{done.stdout}{done.stderr}", flush=True)
        self.assertEqual(0, done.returncode, text + done.stdout + done.stderr)
        return done

    def test_every_command_does_what_the_guide_says(self):
        ran = 0
        for title, commands in sections():
            if title in EMPTY:
                self.clean()
            for text in commands:
                # Debian's mydumper does not dump every server.
                if "mydumper -h" in text and not dumplib.IS_MARIADB:
                    continue
                self.shell(text)
                ran += 1
            if title in EMPTY:
                with self.subTest(title):
                    sql(self.target, "DROP DATABASE IF EXISTS crm_monday")
                    self.assert_same()
        self.assertGreaterEqual(ran, 8)


if __name__ == "__main__":
    dumplib.main()
