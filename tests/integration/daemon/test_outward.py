# SPDX-License-Identifier: Apache-2.0
"""What holdfastd tells the outside while something is wrong with telling it: a port that is taken, a file that cannot be written."""

import contextlib
import socket
import urllib.request

import daemonlib
import runlib
from daemonlib import DaemonTest


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Metrics(DaemonTest):
    def scrape(self, port):
        """"" while nobody answers."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return answer.read().decode()
        return ""

    def test_a_port_that_is_taken_is_said_once_and_tried_again(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.defaults(metrics_listen=f"127.0.0.1:{port}")
            d = self.start().ready()
            runlib.wait_until(lambda: "cannot listen" in d.log, 10, "it is not said")
        runlib.wait_until(lambda: "holdfast_build_info" in self.scrape(port), 20, f"nobody answers: {d.log}")
        self.assertEqual(d.log.count("cannot listen"), 1, d.log)

    def test_a_file_that_cannot_be_written_keeps_nobody_from_asking_and_is_written_when_it_can(self):
        file, port = self.site.dir / "nowhere/holdfast.prom", free_port()
        self.defaults(metrics_listen=f"127.0.0.1:{port}", metrics_file=file)
        d = self.start().ready()
        runlib.wait_until(lambda: "metrics-file" in d.log, 10, "it is not said")
        self.assertIn("holdfast_build_info", self.scrape(port))
        file.parent.mkdir()
        runlib.wait_until(file.exists, 20, f"it is not written: {d.log}")
        self.assertEqual(d.log.count("metrics-file"), 1, d.log)

    def test_a_catalog_that_cannot_be_read_is_told_by_the_metrics_which_stay_as_they_were(self):
        file, port = self.site.dir / "holdfast.prom", free_port()
        self.defaults(metrics_listen=f"127.0.0.1:{port}", metrics_file=file)
        d = self.start().ready()
        runlib.wait_until(lambda: "\nholdfast_trouble 0\n" in self.scrape(port), 20, f"nobody answers: {d.log}")
        row = 'holdfast_last_success_timestamp_seconds{policy="yearly",vm="web",kind="run"} 0\n'
        self.assertIn(row, self.scrape(port))
        catalog = self.site.state / "catalog.sqlite"
        catalog.rename(self.site.state / "former")
        catalog.mkdir()
        d.reload()
        for read in (lambda: self.scrape(port), file.read_text):
            runlib.wait_until(lambda: "\nholdfast_trouble 1\n" in read(), 20, f"it is not told: {d.log}")
            self.assertIn(row, read())
        catalog.rmdir()
        (self.site.state / "former").rename(catalog)
        for read in (lambda: self.scrape(port), file.read_text):
            runlib.wait_until(lambda: "\nholdfast_trouble 0\n" in read(), 30, f"it does not pass: {d.log}")


class Alarms(DaemonTest):
    def test_a_run_by_hand_that_is_good_ends_the_alarm_and_the_next_failure_is_told_anew(self):
        self.policy(retry="0s")
        with self.site.config.open("a") as f:
            f.write(f"[notify ops]\nwebhook = http://127.0.0.1:{free_port()}/\n")
        away = self.store.with_name("away")

        def fail(d):
            self.store.rename(away)
            self.make_due()
            d.reload()
            runlib.wait_until(lambda: self.duty()["outcome"] == "failed", 30, d.log)
            self.wait_alarms("failed", "missed")
            away.rename(self.store)

        def told():
            return [m["is_recovery"] for m in self.query("SELECT * FROM messages WHERE kind = 'failed' ORDER BY id")]
        self.follow()
        d = self.start().ready()
        fail(d)
        r = self.site.run("backup", "web")
        self.assertEqual((r.status, self.duty()["outcome"]), (0, "failed"))  # it is not the policy's
        r = self.site.run("backup", "web", "--policy", "yearly")
        self.assertEqual(r.status, 0, str(r))
        self.assertEqual(sorted(self.alarms()), ["missed"])
        duty = self.duty()
        self.assertEqual((duty["outcome"], duty["error"], duty["message"], duty["grade"]), ("done", None, None, "E"))
        self.assertEqual(duty["success_us"], self.runs()[-1]["ended_us"])
        d.reload()  # all is judged anew
        self.wait_alarms()
        fail(d)
        self.assertEqual(told(), [0, 1, 0])


if __name__ == "__main__":
    daemonlib.main()
