# SPDX-License-Identifier: Apache-2.0
"""What bash offers: verbs, options and names, by the script that is installed."""

import os
import subprocess

import runlib
from runlib import BUILD, RunTest

SCRIPT = BUILD / "src/completions/holdfast"
ASK = 'source "$1"; shift; COMP_CWORD=$(($# - 1)); COMP_WORDS=("$@"); _holdfast; ((${#COMPREPLY[@]})) && printf "%s\\n" "${COMPREPLY[@]}"; true'


class Completion(RunTest):
    def offered(self, *words, program=runlib.BINARY):
        """For the last of these words; a complaint of bash is a failure."""
        p = subprocess.run(["bash", "--norc", "-uc", ASK, "bash", SCRIPT, program, *words], capture_output=True, text=True, check=True,
                           cwd=self.site.dir, env={**self.site.environ(), "HOLDFAST_CONFIG": str(self.site.config)})
        self.assertEqual(p.stderr, "")
        return p.stdout.splitlines()

    def setUp(self):
        super().setUp()
        self.site.sections["db-1"] = {}
        self.site.stores["vault"] = {"url": f"file://{self.site.dir}"}
        self.site.policies["nightly"] = {"vms": "web", "schedule": "@daily"}
        self.site.write()

    def test_verbs_in_one_word_and_in_two(self):
        self.assertEqual(self.offered("sna"), ["snapshot"])
        self.assertEqual(self.offered("snapshot", ""), ["create", "list", "delete", "rollback"])
        self.assertEqual(self.offered("-v", "--json", "restore", "i"), ["image"])
        verbs = self.offered("")
        self.assertEqual(len(verbs), len(set(verbs)))
        self.assertNotIn("guardian", verbs)
        self.assertNotIn("completion", verbs)

    def test_every_verb_and_option_of_the_help_is_offered(self):
        for verb in self.site.run("help").json["verbs"]:
            words = verb["name"].split()
            self.assertIn(words[0], self.offered(words[0][:2]))
            offered = self.offered(*words, "--")
            for option in verb["options"]:
                self.assertIn("--" + option["name"], offered, verb["name"])
            for option in ("--config", "--json", "--help"):
                self.assertIn(option, offered)

    def test_names_are_those_of_the_configuration(self):
        for words, expected in (
                (("backup", ""), ["web", "db-1"]), (("backup", "d"), ["db-1"]), (("prune", "web", "d"), ["db-1"]),
                (("snapshot", "delete", "w"), ["web"]), (("snapshot", "delete", "web", ""), []),
                (("backup", "web", "--store", ""), ["vault"]), (("backup", "--store", "=", "va"), ["vault"]),
                (("backup", "--store", "="), ["vault"]), (("backup", "web", "-p", ""), ["nightly"]),
                (("backup", "--policy", "nightly", ""), ["web", "db-1"]), (("store", "init", ""), ["vault"]),
                (("verify", "--hypervisor", ""), ["here"]), (("restore", "files", "x", "--to-guest", ""), ["web", "db-1"])):
            self.assertEqual(self.offered(*words), expected, words)

    def test_another_configuration_is_asked_when_it_is_named(self):
        other = self.site.dir / "other.conf"
        other.write_text(self.site.config.read_text().replace("[vm db-1]", "[vm other]"))
        other.chmod(0o600)
        self.assertEqual(self.offered("-c", str(other), "backup", "o"), ["other"])
        self.assertEqual(self.offered("--config", "=", str(other), "backup", "o"), ["other"])
        self.assertEqual(self.offered("-c", "/nonexistent", "backup", ""), [])

    def test_values_of_which_there_are_few_and_files(self):
        self.assertEqual(self.offered("dump", "web", "--compression", ""), ["zstd", "gzip", "none"])
        self.assertEqual(self.offered("backup", "--produce", ""), [])
        self.assertEqual(self.offered("list", "web", "--since", ""), [])
        (self.site.dir / "a file").touch()
        self.assertEqual(self.offered("load", "a"), ["a file"])
        self.assertEqual(self.offered("help", "snap"), ["snapshot"])

    def test_a_name_is_text_whatever_stands_in_it(self):
        evil = self.site.dir / "evil"
        evil.write_text("#!/bin/sh\nprintf '%s\\n' '$(touch stolen)' 'a;touch stolen' '`touch stolen`' '*'\n")
        evil.chmod(0o755)
        self.assertEqual(self.offered("backup", "", program=evil),
                         [r"\$\(touch\ stolen\)", r"a\;touch\ stolen", r"\`touch\ stolen\`", r"\*"])
        self.assertFalse((self.site.dir / "stolen").exists())
        self.assertEqual(self.offered("backup", "$(touch stolen)"), [])
        self.assertFalse(os.path.exists(self.site.dir / "stolen"))


if __name__ == "__main__":
    runlib.main()
