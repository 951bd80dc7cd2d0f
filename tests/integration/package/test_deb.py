# SPDX-License-Identifier: Apache-2.0
"""The Debian package: its files, paths, maintainer scripts and units, as the tools of Debian and systemd judge them."""

import os
import re
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
sys.path[1:1] = [str(SOURCE / "tests/harness"), str(SOURCE / "tests/integration/run")]
import debian  # noqa: E402
import runlib  # noqa: E402
import timed  # noqa: E402

UNITS = ("holdfastd.service", "holdfast-prune.service", "holdfast-prune.timer")
EXPOSURE_MAX = 30  # tenths of systemd-analyze's figure; packaging/hardening.conf says what makes it up


def run(*command, **kw):
    return subprocess.run([str(c) for c in command], check=False, capture_output=True, text=True, **kw)


def control(field):
    return run("dpkg-deb", "-f", Package.deb, field).stdout.strip()


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Package.deb = debian.build()
        folder = tempfile.TemporaryDirectory(prefix="hf-deb-")
        cls.addClassCleanup(folder.cleanup)
        cls.root = Path(folder.name) / "root"
        subprocess.run(["dpkg-deb", "-R", cls.deb, cls.root], check=True)
        cls.units = cls.root / "usr/lib/systemd/system"

    def ok(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_lintian_finds_nothing_but_what_is_overridden_for_a_reason(self):
        said = run("lintian", "--allow-root", "--display-info", "--show-overrides", "--suppress-tags",
                   "package-supports-alternative-init-but-no-init.d-script", self.deb)
        found = [line for line in said.stdout.splitlines() if not line.startswith("N:")]
        overrides = (self.root / "usr/share/lintian/overrides/holdfast").read_text().splitlines()
        self.assertEqual(len(found), len([o for o in overrides if not o.startswith("#")]), said.stdout + said.stderr)
        self.assertEqual([line for line in found if not line.startswith("O:")], [])

    def test_everything_lies_where_debian_wants_it_and_nothing_else(self):
        tops = {p.relative_to(self.root).parts[:2] for p in self.root.rglob("*") if len(p.relative_to(self.root).parts) > 1}
        self.assertEqual({t for t in tops if t[0] != "DEBIAN"},
                         {("etc", "holdfast"), ("usr", "bin"), ("usr", "include"), ("usr", "lib"), ("usr", "share")})
        self.assertEqual(stat.S_IMODE((self.root / "etc/holdfast").stat().st_mode), 0o750)
        self.assertEqual(list((self.root / "etc/holdfast").iterdir()), [])
        self.assertFalse((self.root / "DEBIAN/conffiles").exists(), "the configuration is the administrator's")

    def test_the_program_looks_where_the_package_put_things(self):
        # As it would be asked after the installation: by its own sample.
        sample = self.ok(run(self.root / "usr/bin/holdfast", "sample-config"))
        for key, piece in (("plugin-dir", "holdfast-libvirt.so"), ("plugin-dir", "holdfast-nbdkit-plugin.so"), ("app-dir", "cmdb.conf")):
            folder = re.search(rf"^;{key} = (/\S+)$", sample, re.M)[1]
            self.assertTrue((self.root / folder.lstrip("/") / piece).is_file(), f"{folder}/{piece}")
        self.assertEqual((self.root / "usr/share/doc/holdfast/examples/holdfast.conf").read_text(), sample)

    def test_no_kill_point_and_no_path_of_the_builder_is_in_a_program(self):
        for binary in (*(self.root / "usr/bin").iterdir(), *self.root.rglob("*.so")):
            content = binary.read_bytes()
            self.assertNotIn(b"HOLDFAST_POINT", content, binary)
            self.assertNotIn(str(SOURCE).encode(), content, binary)

    def test_each_program_and_verb_has_its_page(self):
        pages = {p.name for p in (self.root / "usr/share/man").rglob("*.gz")}
        for binary in (self.root / "usr/bin").iterdir():
            self.assertTrue(pages & {f"{binary.name}.1.gz", f"{binary.name}.8.gz"}, binary)
        self.assertIn("holdfast.conf.5.gz", pages)
        for unit in UNITS:
            for page, section in re.findall(r"man:(\S+)\((\d)\)", (self.units / unit).read_text()):
                self.assertIn(f"{page}.{section}.gz", pages, unit)

    def test_what_is_run_as_a_program_is_depended_on(self):
        depends = control("Depends")
        for name in ("nbdkit", "qemu-utils", "tzdata", "libvirt0", "libssh2-1", "libcurl4 (>= 7.88)"):
            self.assertRegex(depends, rf"(^|, ){re.escape(name)}", depends)

    def test_the_scripts_are_in_order(self):
        for name in ("postinst", "prerm", "postrm"):
            self.ok(run("shellcheck", "--shell=sh", self.root / "DEBIAN" / name))

    def test_systemd_reads_the_units_without_complaint(self):
        # It looks for what they start; the rest of the machine is this one's.
        said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(self.units / u for u in UNITS))
        ours = [line for line in said.stderr.splitlines() if "holdfast" in line and "is not executable" not in line]
        self.assertEqual(ours, [], said.stderr)

    def test_the_units_are_hardened(self):
        for unit in UNITS[:2]:
            said = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", self.units / unit)
            print(said.stdout.splitlines()[-1] if said.stdout else said.stderr)
            self.ok(said)


class Alerts(unittest.TestCase):
    """The rules for Prometheus, and what the guide says of them."""

    rules = SOURCE / "packaging/prometheus/holdfast.rules.yml"

    def promtool(self, *files):
        """`promtool test rules` on alerts.yml beside these rules."""
        with tempfile.TemporaryDirectory(prefix="hf-alerts-") as folder:
            for name, text in files:
                (Path(folder) / name).write_text(text)
            done = run("promtool", "test", "rules", "alerts.yml", cwd=folder)
            return done.returncode, done.stdout + done.stderr

    def test_each_alert_is_on_when_it_has_to_be_and_never_else(self):
        series = (Path(__file__).parent / "alerts.yml").read_text()
        rules = self.rules.read_text()
        status, said = self.promtool(("alerts.yml", series), (self.rules.name, rules))
        self.assertEqual(status, 0, said)
        for right, wrong in (("> 3600", "> 36000"), ("== 0 or", "== 2 or"), ("> 50 * 3600", "> 60 * 3600"), ("for: 26h", "for: 1h"),
                             ("drill-failed|", ""), ("degraded|", ""), ("for: 5m", "for: 1m"), ("trouble == 1", "trouble == 2")):
            with self.subTest(wrong=wrong):
                self.assertEqual(rules.count(right), 1)
                self.assertNotEqual(self.promtool(("alerts.yml", series), (self.rules.name, rules.replace(right, wrong)))[0], 0)

    def test_the_guide_names_each_of_them(self):
        guide = (SOURCE / "docs/guides/monitoring.md").read_text()
        alerts = re.findall(r"- alert: (\w+)", self.rules.read_text())
        self.assertEqual(re.findall(r"^\| `(Holdfast\w+)` \|", guide, re.M), alerts)

    def test_prometheus_takes_the_configuration_of_the_guide(self):
        guide = (SOURCE / "docs/guides/monitoring.md").read_text()
        config = re.search(r"^```yaml\n(.*?)^```$", guide, re.M | re.S)[1]
        with tempfile.TemporaryDirectory(prefix="hf-alerts-") as folder:
            file = Path(folder) / "prometheus.yml"
            file.write_text(config.replace("/etc/prometheus/rules/holdfast.rules.yml", str(self.rules)))
            done = run("promtool", "check", "config", file)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("7 rules found", done.stdout)


if __name__ == "__main__":
    if reason := debian.why_not():
        runlib.missing("release", reason)
    runlib.need("lintian", "lintian", "shellcheck")
    runlib.need("promtool", "promtool")
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    timed.main()
