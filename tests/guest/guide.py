# SPDX-License-Identifier: Apache-2.0
"""A guide of docs/guides, run as it stands there.

Each fenced block is handed to do_LANGUAGE: ini, sql, sh. One with file=NAME is a file of the administrator's; status=N and
output="TEXT" say what a command has to end with and to say. Names and paths of the guide stand for those of the lab (`names`).
"""

import os
import re
import shlex
import subprocess
from pathlib import Path

from hf import build_dir


ENDS_WHAT_RUNS = "trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n"  # else who reads its output waits for that, too


def blocks(text):
    """The fenced blocks: (language, attributes, lines)."""
    for head, body in re.findall(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.M | re.S):
        language, *attributes = shlex.split(head)
        yield language, dict(a.split("=", 1) for a in attributes), body


def sections(text):
    """What stands under each heading of the second level: {heading: text}, in order."""
    return dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))


class Guide:
    """For a TestCase with a site: self.names, and what is not the same in all guides, are the heir's."""

    names = {}
    timeout_s = 150

    def follow(self, path, folder):
        self.folder = Path(folder)
        self.put_holdfast()
        self.do(Path(path).read_text())

    def put_holdfast(self):
        self.put("holdfast", f'#!/bin/sh\nexec "{build_dir()}/src/holdfast" -c "{self.site.config}" "$@"\n')

    def do(self, text):
        for language, attributes, body in blocks(text):
            getattr(self, f"do_{language}")(attributes, body)

    def put(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)

    def ours(self, text):
        for theirs, mine in self.names.items():
            text = text.replace(theirs, str(mine))
        return text

    def do_sh(self, attributes, body):
        if "file" in attributes:
            self.put(attributes["file"], body)
            return
        p = subprocess.run(["bash", "-ec", ENDS_WHAT_RUNS + self.ours(body)], cwd=self.folder, capture_output=True, text=True, check=False,
                           timeout=self.timeout_s, env=self.site.environ(PATH=f"{self.folder}:{os.environ['PATH']}"))
        self.assertEqual(p.returncode, int(attributes.get("status", 0)), f"{body}\n{p.stdout}{p.stderr}")
        self.said, self.complained = p.stdout, p.stderr
        self.assertIn(attributes.get("output", ""), p.stdout)
        self.after(attributes, body)

    def after(self, attributes, body):
        """Once a command has ended as it should."""
