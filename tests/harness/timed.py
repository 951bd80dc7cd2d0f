# SPDX-License-Identifier: Apache-2.0
"""How long each test took, beside its outcome: where a check's minutes go stands in its log. Tests that were all skipped fail."""

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

    def wasSuccessful(self):  # noqa: N802
        return super().wasSuccessful() and len(self.skipped) < self.testsRun

    def printErrors(self):  # noqa: N802
        super().printErrors()
        if super().wasSuccessful() and not self.wasSuccessful():
            self.stream.writeln("No test was run: all were skipped, or none was chosen.")


class Runner(unittest.TextTestRunner):
    resultclass = Result


def main(**kw):
    """The end of each test program."""
    unittest.main(verbosity=2, testRunner=Runner, **kw)
