#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dirty.py URI CONTEXT: the extents that the context calls dirty, as OFFSET+LENGTH, one line each."""
import json
import subprocess
import sys

uri, context = sys.argv[1:]
listing = subprocess.run(["nbdinfo", "--json", "--map=" + context, uri], check=True, capture_output=True).stdout
for e in json.loads(listing):
    if e["type"] & 1:
        print("%d+%d" % (e["offset"], e["length"]))
