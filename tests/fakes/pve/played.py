# SPDX-License-Identifier: Apache-2.0
"""played.py - a guest behind the agent of the stand-in's VMs: this machine, with /run in a folder, and two scripts that stand for
systemd-run and systemctl (those of tests/unit/guest/played.h)."""
import os
import signal
import subprocess

from restores import Refused

SYSTEMD_RUN = r"""#!/bin/bash
while case $1 in --unit=*) u=${1#--unit=};; --*) ;; *) false;; esac; do shift; done
for a; do set -- "$@" "${a//\$\$/\$}"; shift; done
mkdir -m 700 "$HFT_RUN/$u" || exit
setsid sh -c 'd=$1; shift; echo $$ >"$d/.pid"; "$@"; trap "" TERM; kill -TERM 0; rm -rf "$d"' sh "$HFT_RUN/$u" "$@" >/dev/null 2>&1 </dev/null &
"""
SYSTEMCTL = r"""#!/bin/bash
[ "$1" = stop ] || exit 0
for d in "$HFT_RUN"/${3%.service}; do
  [ ! -s "$d/.pid" ] || kill -KILL -- "-$(cat "$d/.pid")"; rm -rf "$d"
done
"""


class Guest:
    """Of every VM that runs and whose agent answers. close ends what was started in it."""

    def __init__(self, server, folder):
        self.calls, self.run = server.calls, os.path.join(folder, "run")
        os.makedirs(os.path.join(self.run, "systemd/system"))
        for name, text in (("systemd-run", SYSTEMD_RUN), ("systemctl", SYSTEMCTL)):
            with open(os.path.join(folder, name), "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o700)) as file:
                file.write(text)
        self.env = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "HFT_RUN": self.run}
        read, write = self.calls.get_nodes_qemu_agent_file_read, self.calls.post_nodes_qemu_agent_file_write
        self.calls.post_nodes_qemu_agent_exec = self.exec
        self.calls.get_nodes_qemu_agent_file_read = lambda p, user: read({**p, "file": self.there(p["file"])}, user)
        self.calls.post_nodes_qemu_agent_file_write = lambda p, user: self.write(write, p, user)

    def there(self, text):
        return text.replace("/run/", self.run + "/")

    def write(self, write, p, user):
        try:
            return write({**p, "file": self.there(p["file"])}, user)
        except OSError as error:
            raise Refused(500, f"Agent error: failed to open file '{p['file']}' (mode: 'w'): {error.strerror}") from None

    def exec(self, p, user):
        self.calls.agent(p)
        process = subprocess.Popen([self.there(a) for a in p["command"]], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        out = process.communicate(p.get("input-data", "").encode("latin-1"))
        self.calls.world.processes[str(process.pid)] = (process.returncode, *out)
        return {"pid": process.pid}

    def close(self):
        for unit in os.scandir(self.run):
            try:
                with open(os.path.join(unit.path, ".pid"), encoding="ascii") as file:
                    os.killpg(int(file.read()), signal.SIGKILL)
            except (OSError, ValueError):
                continue
