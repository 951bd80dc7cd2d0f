# SPDX-License-Identifier: Apache-2.0
"""conformance.py - what plugin.h promises, before a vCenter and before a host."""
import subprocess

from common import BUILD, Site


def conform(site, wrong):
    site.with_guest()
    keys = [f"{k}={v}" for k, v in site.keys.items()]
    done = subprocess.run([f"{BUILD}/tests/plugin/plugin_conformance", "vmware", wrong, *keys, "--", site.vm],
                          capture_output=True, timeout=200, check=False)
    text = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, text
    assert not site.snapshots(), site.state()


def the_suite_is_green_before_a_vcenter(site):
    conform(site, "uri=https://127.0.0.1:1")


def the_suite_is_green_before_a_host(site):
    host = Site(esx=True)
    conform(host, "password-file=/nowhere")
    host.judge()
    host.server.close()
