#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""swift_serve DIR PROGRAM…: OpenStack Swift from the configuration in DIR, until standard input ends; then DIR is gone too.

The servers read /etc/swift unless told otherwise before their modules are loaded, hence this program; one load and four
forks are also four times faster than four programs. PROGRAM… is run beside them (memcached). DIR/clock, when there, holds
seconds by which the proxy's clock is off.
"""

import ctypes
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def bend_clock(folder):
    """The proxy's idea of the time: it judges signatures by it, and puts it into `Date`."""
    straight = time.time

    def bent():
        try:
            return straight() + float((folder / "clock").read_text())
        except (OSError, ValueError):
            return straight()

    time.time = bent


def serve(folder, kind):
    die_with_parent()
    from swift.common.wsgi import run_wsgi
    more = {}
    if kind == "object":
        import swift.obj.server
        more["global_conf_callback"] = swift.obj.server.global_conf_callback
    if kind == "proxy":
        bend_clock(folder)
    os._exit(run_wsgi(str(folder / f"{kind}.conf"), f"{kind}-server", verbose=True, **more) or 0)


def start(folder, command):
    """Process ids."""
    from swift.common.utils import set_swift_dir
    set_swift_dir(str(folder))
    import swift.account.server  # noqa: F401
    import swift.container.server  # noqa: F401
    import swift.obj.server  # noqa: F401
    import swift.proxy.server  # noqa: F401
    pids = {}
    for kind in ("account", "container", "object", "proxy"):
        pids[kind] = os.fork()
        if not pids[kind]:
            serve(folder, kind)
    pids["cache"] = os.fork()
    if not pids["cache"]:
        die_with_parent()
        os.execv(command[0], command)
    return pids


def main():
    folder = Path(sys.argv[1])
    life = os.dup(0)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    pids = start(folder, sys.argv[2:])
    for kind, pid in pids.items():
        (folder / f"{kind}.pid").write_text(str(pid))
    while os.read(life, 1):
        pass
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    shutil.rmtree(folder, ignore_errors=True)


main()
