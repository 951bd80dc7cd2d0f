#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints "PASSED FAILED" of a JUnit file; what was skipped or did not run is named and counts as failed."""

import sys
import xml.etree.ElementTree as ET

passed = failed = 0
for case in ET.parse(sys.argv[1]).getroot().iter("testcase"):
    status = case.get("status", "")
    if status == "run" and case.find("failure") is None and case.find("skipped") is None:
        passed += 1
        continue
    failed += 1
    print(f"not passed: {case.get('name')} ({status})", file=sys.stderr)
print(passed, failed)
