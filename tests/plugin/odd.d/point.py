#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""point.py REPORT STORE DIR: each disk of this backup, rebuilt from the store, is what lies in DIR/out-TARGET. One line: "vda=+ vdb=-", + where it
is incremental, and then its warnings."""
import filecmp
import json
import subprocess
import sys
from pathlib import Path

reader = Path(__file__).resolve().parents[2] / "interop/reader.py"
doc, store, folder = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], Path(sys.argv[3])
told = []
for a in doc["artifacts"]:
    if a["kind"] != "image":
        continue
    subprocess.run([sys.executable, reader, store, a["digest"], folder / "out-rebuilt"], check=True)
    if not filecmp.cmp(folder / "out-rebuilt", folder / f"out-{a['name']}", shallow=False):
        sys.exit(f"disk {a['name']} of the point is not what the job exported")
    if a["incremental"] and a["read_bytes"] >= a["bytes"]:
        sys.exit(f"disk {a['name']} is called incremental, and was read whole")
    told.append(f"{a['name']}={'+' if a['incremental'] else '-'}")
print(" ".join(told))
print("\n".join(doc["warnings"]))
