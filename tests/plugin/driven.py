# SPDX-License-Identifier: Apache-2.0
"""driven.py - a plugin by itself, one operation at a time, by plugin_drive: what the sites of proxmox.d and vmware.d have in common."""
import os
import subprocess

BUILD = os.environ["HOLDFAST_BUILD_DIR"]
NAME = "hf-20261123T030000Z-7f3a9c21"


class Driven:
    """Its class has `plugin`, its object `keys` (the section's) and `secrets` (which nothing may print)."""

    def command(self, *args):
        keys = [f"{k}={v}" for k, v in self.keys.items()]
        return [f"{BUILD}/tests/plugin/plugin_drive", self.plugin, *keys, "--", *args]

    def drive(self, *args, limit=15000, env=None):
        """(status, what was said): one operation of the plugin."""
        done = subprocess.run(self.command(*args), capture_output=True, timeout=90, check=False,
                              env={**os.environ, "HOLDFAST_DEADLINE_MS": str(limit), "HOLDFAST_RUN_ID": NAME, **(env or {})})
        text = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
        assert not any(secret in text for secret in self.secrets), "a secret was printed"
        return done.returncode, text

    def good(self, *args, **more):
        status, text = self.drive(*args, **more)
        assert status == 0, text
        return text

    def bad(self, cls, *args, **more):
        status, text = self.drive(*args, **more)
        assert status == 1 and f"error {cls}:" in text, f"wanted {cls}: {text}"
        return text
