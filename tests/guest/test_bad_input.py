# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear error with a hint, the right exit status, nothing changed."""

import os
import subprocess
import time
from pathlib import Path

from hf import GuestTest, build_dir, lab, main, sql


class BadInput(GuestTest):
    def tidy(self):
        """Back to a configuration that works, whatever the test made of it."""
        self.site.keys = dict(self.good)
        self.site.write()
        super().tidy()

    def setUp(self):
        super().setUp()
        self.good = dict(self.site.keys)

    def refused(self, status, needle, hint=None, args=("snapshot", "create", "db"), **kw):
        result = self.site.run(*args, **kw)
        self.assertEqual(result.status, status, result.stdout + result.stderr)
        error = result.error
        self.assertIn(needle, error["message"])
        if hint:
            self.assertIn(hint, error["hint"])
        self.assertEqual(error["left"], [])
        self.assertNotIn("Traceback", result.stderr)
        self.assertEqual(self.site.layers(), self.before)
        self.assertEqual(self.site.overlays_on_disk(), [])
        self.assertEqual(self.site.journals(), [])
        return error

    def test_mistyped_key_names_the_nearest(self):
        self.site.write(stal_budget="2s")
        self.refused(2, "stal-budget", "stall-budget")

    def test_wrong_type_says_what_is_expected(self):
        self.site.write(stall_budget="soon")
        self.refused(2, "stall-budget")

    def test_duration_without_unit_is_refused(self):
        self.site.write(hold_limit="30")
        self.refused(2, "hold-limit")

    def test_unknown_vm_is_usage(self):
        self.refused(2, "web99", args=("snapshot", "create", "web99"))

    def test_unknown_verb_is_usage(self):
        self.refused(2, "snapshoot", args=("snapshoot",))

    def test_world_readable_password_file(self):
        path = self.site.dir / "open.cnf"
        path.write_text(Path(self.site.lab["HOLDFAST_CNF"]).read_text())
        path.chmod(0o644)
        self.site.write(db_defaults_file=str(path))
        self.refused(2, "open.cnf", "chmod")

    def test_wrong_password_is_not_shown(self):
        path = self.site.dir / "wrong.cnf"
        path.write_text("[client]\nuser = holdfast\npassword = s3cretmarker\n")
        path.chmod(0o600)
        self.site.write(db_defaults_file=str(path))
        result = self.site.run("-v", "-v", "snapshot", "create", "db")
        self.assertEqual(result.status, 1, result.stderr)
        self.assertEqual(result.error["class"], "auth")
        self.assertNotIn("s3cretmarker", result.stdout + result.stderr)
        self.assert_clean()

    def test_missing_privilege_is_printed_as_grant_that_works(self):
        user = "'hf_weak'@'%'"
        sql(f"CREATE OR REPLACE USER {user} IDENTIFIED BY 'weak'", user="root")
        self.addCleanup(sql, f"DROP USER IF EXISTS {user}", user="root")
        path = self.site.dir / "weak.cnf"
        path.write_text("[client]\nuser = hf_weak\npassword = weak\n")
        path.chmod(0o600)
        self.site.write(db_defaults_file=str(path))
        error = self.refused(1, "", "GRANT")
        self.assertEqual(error["class"], "auth")
        result = self.site.run("check", "db")
        self.assertEqual(result.status, 1)
        grants = [c["message"] for c in result.json["checks"] if c["area"] == "rights" and c["status"] == "fail"]
        self.assertTrue(grants and all(g.startswith("GRANT ") for g in grants), result.stdout)
        for grant in grants:
            sql(grant, user="root")
        self.assertEqual(self.site.run("check", "db").status, 0, self.site.run("check", "db").stdout)
        self.assertEqual(self.ok(self.site.run("snapshot", "create", "db"))["grade"], "B")

    def test_vm_not_found_on_the_hypervisor(self):
        self.site.write(name="no-such-machine")
        self.refused(1, "no-such-machine")

    def test_ambiguous_name(self):
        """A domain that is called like the other's UUID: neither is guessed."""
        uuid = lab("virsh", "domuuid", self.site.lab["DOMAIN"]).strip()
        xml = (f"<domain type='qemu'><name>{uuid}</name><memory unit='MiB'>64</memory>"
               "<os><type arch='x86_64'>hvm</type></os></domain>")
        path = self.site.dir / "twin.xml"
        path.write_text(xml)
        lab("virsh", "define", str(path))
        twin = lab("virsh", "list", "--uuid", "--inactive").split()
        self.addCleanup(lambda: [lab("virsh", "undefine", u, check=False) for u in twin])
        self.site.write(name=uuid)
        self.refused(1, "", args=("snapshot", "create", "db"))

    def test_two_runs_on_one_vm(self):
        first = self.site.start("snapshot", "create", "db", env={"HOLDFAST_POINT": "run.before_prepare=stall:4000"})
        deadline = time.monotonic() + 10
        while not self.site.journals() and time.monotonic() < deadline:
            time.sleep(0.02)
        run = self.site.journals()[0].split(".")[0]
        second = self.site.run("snapshot", "create", "db")
        self.assertEqual(second.status, 4, second.stdout + second.stderr)
        self.assertIn(run, second.error["message"])
        out, err = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0, out + err)

    def test_foreign_job_is_refused_before_the_hold(self):
        """A block job of somebody else: status 4 in under a second, nothing held."""
        domain = self.site.lab["DOMAIN"]
        target = self.site.dir / "copy.qcow2"
        lab("virsh", "blockcopy", domain, "vda", str(target), "--bandwidth", "1", "--transient-job")
        self.addCleanup(lab, "virsh", "blockjob", domain, "vda", "--abort", check=False)
        begin = time.monotonic()
        result = self.site.run("snapshot", "create", "db")
        took = time.monotonic() - begin
        self.assertEqual(result.status, 4, result.stdout + result.stderr)
        self.assertIn("vda", result.error["message"])
        self.assertLess(took, 1.5)
        self.assertEqual(self.site.journals(), [])

    def test_plugin_of_another_abi(self):
        other = next(build_dir().glob("tests/plugin/**/holdfast-*major*.so"))
        folder = self.site.dir / "plugins"
        folder.mkdir()
        os.symlink(other, folder / "holdfast-libvirt.so")
        env = {**self.site.environ(), "HOLDFAST_PLUGIN_DIR": str(folder)}
        p = subprocess.run(self.site.command("snapshot", "create", "db"), capture_output=True, text=True, env=env,
                           timeout=30, check=False)
        self.assertEqual(p.returncode, 1, p.stdout + p.stderr)
        self.assertIn("ABI", p.stdout)

    def test_no_database_there(self):
        self.site.write(db="tcp://127.0.0.1:1")
        error = self.refused(1, "127.0.0.1:1")
        self.assertEqual(error["class"], "unreachable")

    def test_lock_without_database_is_configuration(self):
        self.site.write(db=None)
        self.refused(2, "quiesce")


if __name__ == "__main__":
    main()
