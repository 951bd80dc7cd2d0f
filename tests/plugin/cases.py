# SPDX-License-Identifier: Apache-2.0
"""cases.py - runs the cases of a folder of groups, each with a site of its own before it: tests/plugin/proxmox, vmware."""
import fnmatch
import glob
import importlib
import os
import signal
import sys
import traceback
import types


def cases_of(group):
    module = importlib.import_module(group)
    return [(n, f) for n, f in vars(module).items() if isinstance(f, types.FunctionType) and f.__module__ == group and
            f.__code__.co_varnames[:1] == ("site",) and f.__code__.co_argcount == 1 and
            fnmatch.fnmatch(n, os.environ.get("HOLDFAST_TEST", "*"))]


def run(folder, new_site, end_site):
    """The groups of the command line, or all. 0: none failed, and there was one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's & has what it starts ignore: cases interrupt
    groups = sys.argv[1:] or sorted(os.path.basename(p)[:-3] for p in glob.glob(os.path.join(folder, "*.py"))
                                    if not p.endswith("common.py"))
    tests = [case for group in groups for case in cases_of(group)]
    failed = 0
    for name, test in tests:
        site = new_site()
        try:
            test(site)
            end_site(site)
            print(f"ok      {name}", flush=True)
        except Exception:  # whatever it was: the others run all the same
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        site.server.close()
    print(f"{failed} of {len(tests)} failed")
    return 1 if failed or not tests else 0
