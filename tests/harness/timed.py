# SPDX-License-Identifier: Apache-2.0
"""How long each test took, beside its outcome: where a check's minutes go stands in its log."""

import time
import unittest


class Result(unittest.TextTestResult):
    def startTest(self, test):  # noqa: N802  unittest's name
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):  # noqa: N802
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.began:.1f} s")
        self.stream.flush()


class Runner(unittest.TextTestRunner):
    resultclass = Result
