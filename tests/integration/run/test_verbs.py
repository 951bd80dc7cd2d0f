# SPDX-License-Identifier: Apache-2.0
"""Whole runs that work, and those that are refused: each verb's answer as JSON and as text, each exit status."""

import time

from runlib import RunTest, main

CREATE_KEYS = {"run", "verb", "vm", "snapshot", "started_at", "label", "server", "disks", "grade", "required", "proof",
               "grade_why", "stall_ms", "held_ms", "attempts", "worst_attempt_ms", "position", "position_min",
               "position_max", "timeline", "warnings", "quiesce", "method", "stopped", "sources", "rest_ms",
               "clock", "expires_at", "policy", "datastores"}
EVENTS = ["lock_begin", "locked", "capture_begin", "capture_end", "unlocked"]


class Done(RunTest):
    def test_a_snapshot_under_the_lock_is_grade_b_with_its_position(self):
        doc = self.ok(self.site.run("snapshot", "create", "web", "--label", "before upgrade"))
        self.assertEqual(set(doc), CREATE_KEYS)
        self.assertEqual((doc["grade"], doc["proof"], doc["grade_why"]), ("B", "position", None))
        self.assertEqual((doc["vm"], doc["label"], doc["disks"]), ("web", "before upgrade", 2))
        self.assertEqual(doc["snapshot"], "hf-" + doc["run"])
        self.assertTrue(doc["server"].startswith("MariaDB "))
        self.assertEqual(set(doc["position"]), {"file", "offset", "gtid", "lsn"})
        self.assertEqual([e["event"] for e in doc["timeline"]], EVENTS)
        at = {e["event"]: e["at_ms"] for e in doc["timeline"]}
        self.assertEqual(list(at.values()), sorted(at.values()))
        self.assertAlmostEqual(doc["held_ms"], at["unlocked"] - at["locked"], delta=0.002)
        self.assertAlmostEqual(doc["stall_ms"], at["unlocked"] - at["lock_begin"], delta=0.002)
        self.assertEqual(self.site.domain(), f"vda vda.{doc['snapshot']}.ov vda.img\n"
                                             f"vdb vdb.{doc['snapshot']}.ov vdb.img\n")
        self.assert_known()

    def test_the_position_is_the_servers_own(self):
        s = self.session()
        s.commit()
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        file, offset = s.sql("SHOW MASTER STATUS")[0].split("\t")[:2]
        self.assertEqual((doc["position"]["file"], doc["position"]["offset"]), (file, int(offset)))

    def test_a_replica_s_snapshot_says_where_it_stands_in_its_source_s_binlog(self):
        s = self.session()
        self.addCleanup(s.sql, "RESET SLAVE ALL")
        s.sql("CHANGE MASTER TO master_host = '192.0.2.7', master_user = 'r', master_log_file = 'primary.000007', master_log_pos = 4242")
        source, = self.ok(self.site.run("snapshot", "create", "web"))["sources"]
        self.assertEqual((source["host"], source["file"], source["offset"]), ("192.0.2.7", "primary.000007", 4242))

    def test_list_show_and_status_know_the_snapshot(self):
        doc = self.ok(self.site.run("snapshot", "create", "web", "--label", "a label"))
        rows = self.ok(self.site.run("snapshot", "list"))["snapshots"]
        self.assertEqual([(r["snapshot"], r["grade"], r["label"], r["state"], r["run"], r["foreign"]) for r in rows],
                         [(doc["snapshot"], "B", "a label", "present", doc["run"], False)])
        shown = self.ok(self.site.run("show", doc["snapshot"]))
        self.assertEqual({k: shown[k] for k in CREATE_KEYS}, {**doc, "started_at": shown["started_at"]})
        self.assertEqual(shown["outcome"], "done")
        vm = self.ok(self.site.run("status"))["vms"][0]
        self.assertEqual((vm["vm"], vm["last_run"], vm["outcome"], vm["snapshots"], vm["newest"]),
                         ("web", doc["run"], "done", 1, doc["snapshot"]))

    def test_delete_merges_it_away_and_show_still_tells_of_it(self):
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        gone = self.ok(self.site.run("snapshot", "delete", "web", doc["snapshot"]))
        self.assertEqual(set(gone), {"run", "verb", "vm", "snapshot", "started_at", "took_ms"})
        self.assert_clean()
        self.assertEqual(self.ok(self.site.run("show", doc["run"]))["grade"], "B")
        self.assertEqual(self.ok(self.site.run("status"))["vms"][0]["snapshots"], 0)

    def test_a_snapshot_that_is_half_merged_is_not_present_again(self):
        name = self.ok(self.site.run("snapshot", "create", "web"))["snapshot"]
        e = self.fails(self.site.run("snapshot", "delete", "web", name, DIR_FAIL="snapshot_delete"), 1, "plugin")
        self.assertEqual((e["left"], self.site.snapshots()[0]["state"]), ([], "present"))
        e = self.fails(self.site.run("snapshot", "delete", "web", name, DIR_DELETE_SPOILS=1), 1, "plugin")
        self.assertIn("half merged", e["left"][0])
        self.assertEqual(self.site.snapshots()[0]["state"], "deleting")
        self.fails(self.site.run("snapshot", "delete", "web", name, DIR_FAIL="snapshot_delete"), 1, "plugin")
        self.assertEqual(self.site.snapshots()[0]["state"], "deleting")
        self.ok(self.site.run("snapshot", "delete", "web", name))
        self.assert_clean()

    def test_one_snapshot_out_of_a_chain_can_be_deleted(self):
        names = [self.ok(self.site.run("snapshot", "create", "web"))["snapshot"] for _ in range(3)]
        self.ok(self.site.run("snapshot", "delete", "web", names[1]))
        self.assertEqual({r["snapshot"] for r in self.site.snapshots()}, {names[0], names[2]})
        self.assertEqual(self.site.domain().splitlines()[0],
                         f"vda vda.{names[2]}.ov vda.{names[0]}.ov vda.img")
        self.assert_known()

    def test_text_tells_grade_stall_and_timeline(self):
        r = self.site.run("snapshot", "create", "web", as_json=False)
        self.assertEqual(r.status, 0, str(r))
        self.assertRegex(r.stdout, r"grade +B \(commits blocked and proven, proof by position\)")
        self.assertRegex(r.stdout, r"stall +\d+\.\d{3} ms at the most for writers")
        for event in EVENTS:
            self.assertIn(event, r.stdout)
        name = self.site.snapshots()[0]["snapshot"]
        self.assertIn(name, self.site.run("snapshot", "list", as_json=False).stdout)
        self.assertIn("outcome    done", self.site.run("show", name, as_json=False).stdout)
        self.assertIn("done", self.site.run("status", as_json=False).stdout)
        self.assertIn(f"deleted {name} of web", self.site.run("snapshot", "delete", "web", name, as_json=False).stdout)
        self.assertEqual(self.site.run("recover", as_json=False).stdout, "nothing to recover\n")

    def test_stdout_has_the_document_and_nothing_else(self):
        r = self.site.run("-vv", "snapshot", "create", "web")
        self.ok(r)
        self.assertEqual(r.stdout.count("\n"), 1)

    def test_quiesce_none_never_speaks_of_a_lock_and_brackets_the_position(self):
        self.site.write(quiesce="none")
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual((doc["grade"], doc["required"], doc["proof"], doc["position"]), ("E", "E", "none", None))
        self.assertEqual([e["event"] for e in doc["timeline"]], ["capture_begin", "capture_end"])
        self.assertLessEqual(doc["position_min"]["offset"], doc["position_max"]["offset"])

    def test_a_vm_without_a_database_needs_none(self):
        self.site.write(db=None, db_defaults_file=None, quiesce=None)
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual((doc["grade"], doc["position"], doc["position_min"]), ("E", None, None))

    def test_what_the_hypervisor_warns_of_is_in_the_report(self):
        (self.site.vm / "warn").touch()
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual(doc["warnings"], ["vdz is not captured: it is a teapot"])

    def test_a_relaxed_server_is_durable_for_the_run_and_as_before_after_it(self):
        s = self.relax()
        before = s.sql("SHOW MASTER STATUS")[0].split("\t")[0]
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual((doc["grade"], doc["grade_why"]), ("B", None))
        self.assertEqual([e["event"] for e in doc["timeline"]], EVENTS)
        self.assert_relaxed(s)
        self.assertEqual(doc["position"]["file"], before)
        self.assert_known()

    def test_without_an_agent_a_relaxed_server_gets_a_new_binlog(self):
        s = self.relax()
        before = s.sql("SHOW MASTER STATUS")[0].split("\t")[0]
        (self.site.vm / "agent").unlink()
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual((doc["grade"], doc["grade_why"]), ("B", None))
        self.assertGreater(doc["position"]["file"], before)
        self.assert_relaxed(s)

    def test_a_run_that_fails_under_the_lock_sets_the_variables_back(self):
        s = self.relax()
        self.fails(self.site.run("snapshot", "create", "web", DIR_FAIL="capture_begin"), 1, "plugin")
        self.assert_relaxed(s)
        self.assert_clean()

    def test_where_the_server_cannot_be_hardened_the_guest_syncs_under_the_lock(self):
        self.relax(flush_log=2)
        self.without_super()
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual(doc["grade"], "B")
        self.assertEqual([e["event"] for e in doc["timeline"]][1:4], ["locked", "synced", "capture_begin"])

    def test_check_tells_what_becomes_of_a_relaxed_server(self):
        self.relax(flush_log=2)
        self.assertIn("it is made so for the time of a run", self.durability())
        self.without_super()
        self.assertIn("sync_binlog = 0: the guest will sync under the lock", self.durability())

    def durability(self):
        return next(c["message"] for c in self.ok(self.site.run("check"))["checks"] if c["area"] == "durability")

    def test_check_finds_nothing_wrong_and_changes_nothing(self):
        doc = self.ok(self.site.run("check"))
        self.assertEqual((doc["failed"], doc["warnings"]), (0, 0), doc)
        self.assertLessEqual({"hypervisor", "vm", "disks", "guest", "database", "rights", "blockers", "durability"},
                             {c["area"] for c in doc["checks"]})
        self.assert_clean()
        text = self.site.run("check", as_json=False)
        self.assertEqual(text.status, 0)
        self.assertIn("0 failed, 0 warnings", text.stdout)

    def apps(self, name, **keys):
        """Findings of `check` for an app with these keys: its own, and those of other areas that speak of the same."""
        profile = self.site.dir / f"{name}.conf"
        profile.write_text("\n".join([f"[app {name}]", *(f"{k} = {v}" for k, v in keys.items())]) + "\n")
        profile.chmod(0o600)
        self.site.write(apps=name)
        self.addCleanup(self.site.write, apps=None)
        checks = self.site.run("check", HOLDFAST_APP_DIR=self.site.dir)
        rows = [(c["status"], c["message"]) for c in checks.json["checks"] if c["area"] == "apps"]
        return checks.status, rows, [c["message"] for c in checks.json["checks"] if c["area"] in ("services", "coverage")]

    def test_check_says_that_all_of_an_app_was_found(self):
        self.addCleanup(self.session().sql, "DROP SCHEMA cmdb_data")
        self.session().sql("CREATE SCHEMA cmdb_data")
        status, rows, _ = self.apps("cmdb", schemas="cmdb_data, mysql", files="/srv/cmdb", config="/etc/apache2")
        self.assertEqual(rows, [("ok", "app cmdb: 2 schemas, 2 paths: all found")])
        self.assertEqual(status, 0)

    def test_check_names_what_an_app_lacks_once(self):
        status, rows, others = self.apps("cmdb", schemas="no_such, mysql", files="/srv/cmdb, /absent/upload",
                                         services="apache2, absent")
        self.assertEqual(rows, [("fail", "app cmdb: no unit 'absent.service'"), ("fail", "app cmdb: no schema 'no_such'"),
                                ("fail", "app cmdb: no path '/absent/upload'")])
        self.assertEqual(status, 1)
        self.assertIn("apache2.service rests during the hold", others)
        self.assertNotIn("absent", str(others))


class Refused(RunTest):
    """Nothing was held, nothing is left."""

    def refused(self, status, error_class, piece="", *args, **env):
        pulse = self.session()
        error = self.fails(self.site.run(*(args or ("snapshot", "create", "web")), **env), status, error_class, piece)
        self.assertLess(pulse.commit(), 1.0)
        self.assertEqual(error["left"], [])
        self.assert_clean()
        return error

    def test_an_unknown_vm_is_status_2(self):
        self.refused(2, "config", "wbe", "snapshot", "create", "wbe")

    def test_a_vm_that_the_hypervisor_does_not_know_is_status_1(self):
        self.site.write(name="gone")
        self.assertEqual(self.site.run("snapshot", "create", "web").status, 1)
        self.fails(self.site.run("snapshot", "create", "web"), 1, "not-found", "gone")
        self.assertEqual(self.site.journals(), [])

    def test_a_running_job_is_status_4_in_under_a_second(self):
        (self.site.vm / "job").write_text("nightly backup of somebody else")
        begin = time.monotonic()
        r = self.site.run("snapshot", "create", "web")
        took = time.monotonic() - begin
        self.fails(r, 4, "busy", "nightly backup of somebody else")
        self.assertLess(took, 3.0 if "asan" in str(r) else 1.0)
        self.assertNotIn("capture_begin", (self.site.vms / "calls").read_text())
        (self.site.vm / "job").unlink()
        self.assert_clean()

    def test_a_grade_that_is_known_to_be_out_of_reach_is_status_4_before_any_hold(self):
        self.relax(flush_log=1)
        self.without_super()
        (self.site.vm / "agent").unlink()
        self.refused(4, "unsupported", "grade B is out of reach")

    def test_with_less_required_the_same_snapshot_is_taken_and_says_why(self):
        self.relax(flush_log=1)
        self.without_super()
        (self.site.vm / "agent").unlink()
        self.site.write(require="E")
        doc = self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual((doc["grade"], doc["required"]), ("E", "E"))
        self.assertIn("sync_binlog", doc["grade_why"])
        self.assertIsNone(doc["position"])

    def test_who_blocks_the_lock_is_named_and_nothing_is_held(self):
        blocker = self.session()
        blocker.sql("CREATE TABLE IF NOT EXISTS t.plain (i INT) ENGINE=MyISAM")
        blocker.send("INSERT INTO t.plain SELECT SLEEP(60);\n")
        self.addCleanup(self.session().sql, "DROP TABLE t.plain")
        self.addCleanup(self.session().sql, f"KILL {blocker.id}")
        time.sleep(0.2)
        self.site.write(stall_budget="100ms", quiesce_timeout="500ms")
        self.refused(1, "timeout", "t.plain")

    def test_a_server_that_is_away_is_status_1_and_says_so(self):
        self.site.write(db="tcp://127.0.0.1:1")
        self.refused(1, "unreachable", "127.0.0.1:1")

    def test_a_missing_right_is_status_1_with_the_grant(self):
        s = self.session()
        s.sql("CREATE USER IF NOT EXISTS poor@'127.0.0.1'")
        self.addCleanup(s.sql, "DROP USER poor@'127.0.0.1'")
        cnf = self.site.dir / "poor.cnf"
        cnf.write_text("[client]\nuser = poor\n")
        cnf.chmod(0o600)
        self.site.write(db_defaults_file=cnf)
        error = self.refused(1, "auth")
        self.assertIn("GRANT", error["hint"])
        checks = self.site.run("check")
        self.assertEqual(checks.status, 1)
        self.assertIn("GRANT", str(checks.json))

    def test_a_run_that_could_not_begin_is_known_to_whoever_watches(self):
        self.site.run("snapshot", "create", "web", DIR_FAIL="open")
        self.assertEqual(self.site.run("status", "--check", as_json=False).status, 2)
        self.ok(self.site.run("snapshot", "create", "web"))
        self.assertEqual(self.site.run("status", "--check", as_json=False).status, 0)

    def test_a_hypervisor_that_is_away_is_status_1(self):
        self.fails(self.site.run("snapshot", "create", "web", DIR_FAIL="open"), 1, "unreachable", "told to fail")

    def test_no_plugin_of_that_name_says_which_there_are(self):
        self.site.config.write_text(self.site.config.read_text().replace("plugin = dir", "plugin = dri"))
        error = self.fails(self.site.run("snapshot", "create", "web"), 1, "not-found", "dri")
        self.assertIn("dir", error["hint"])

    def test_a_snapshot_that_is_not_there_cannot_be_deleted(self):
        self.refused(1, "not-found", "hf-nothing", "snapshot", "delete", "web", "hf-nothing")

    def test_a_foreign_snapshot_is_listed_and_never_touched(self):
        (self.site.vm / "theirs.snap").write_text("foreign\n")
        rows = self.site.snapshots()
        self.assertEqual([(r["snapshot"], r["foreign"]) for r in rows], [("theirs", True)])
        self.refused(4, "unsupported", "not made by holdfast", "snapshot", "delete", "web", "theirs")
        self.assertTrue((self.site.vm / "theirs.snap").exists())

    def test_each_call_to_the_hypervisor_may_fail_and_nothing_is_left(self):
        for op in ("vm_find", "vm_busy", "capture_plan", "capture_prepare", "capture_begin", "capture_begin_after",
                   "capture_settle"):
            with self.subTest(op=op):
                self.refused(1, "plugin", "told to fail", DIR_FAIL=op)

    def test_a_snapshot_that_cannot_be_discarded_is_left_by_name_and_recovered_later(self):
        """The run fails at settle, and a foreign job comes before the undo."""
        p = self.site.start("snapshot", "create", "web", DIR_FAIL="capture_settle",
                            **self.site.points("run.before_undo=stall:400"))
        self.site.wait_for_point("run.before_undo")
        (self.site.vm / "job").write_text("somebody's job")
        error = self.fails(p.wait(), 1, "plugin", "then: VM 'web' has a running job")
        self.assertEqual(len(error["left"]), 1)
        self.assertIn("snapshot hf-", error["left"][0])
        self.assertIn("holdfast recover", error["hint"])
        self.assertEqual(len(self.site.journals()), 1)
        self.fails(self.site.run("recover"), 4, "busy", "somebody's job")
        (self.site.vm / "job").unlink()
        self.assertEqual([x["outcome"] for x in self.recover()], ["undone"])
        self.assert_clean()

    def test_a_deletion_that_fails_leaves_the_snapshot_present(self):
        name = self.ok(self.site.run("snapshot", "create", "web"))["snapshot"]
        self.fails(self.site.run("snapshot", "delete", "web", name, DIR_FAIL="snapshot_delete"), 1, "plugin")
        self.assert_known()
        self.assertEqual([r["snapshot"] for r in self.site.snapshots()], [name])


class Together(RunTest):
    def test_two_runs_at_once_are_status_4_and_the_first_is_undisturbed(self):
        first = self.site.start("snapshot", "create", "web", **self.site.points("hold.after_lock=stall:1200"))
        self.site.wait_for_point("hold.after_lock")
        for args in (("snapshot", "create", "web"), ("snapshot", "delete", "web", "hf-x")):
            error = self.fails(self.site.run(*args), 4, "busy")
            self.assertIn(self.site.journals()[0], error["message"])
        runs = self.ok(self.site.run("recover"))["runs"]
        self.assertEqual([r["outcome"] for r in runs], ["alive"])
        self.assertEqual(self.ok(first.wait())["grade"], "B")
        self.assert_known()

    def test_vms_are_held_independently(self):
        self.site.make_vm("other")
        self.site.sections["other"] = {"db": "none"}
        self.site.write()
        first = self.site.start("snapshot", "create", "web", **self.site.points("run.after_journal=stall:800"))
        self.site.wait_for_point("run.after_journal")
        self.assertEqual(self.ok(self.site.run("snapshot", "create", "other"))["vm"], "other")
        self.ok(first.wait())

    def test_many_runs_on_many_vms_at_once_all_end_well(self):
        """They list and open each other's journals while those end."""
        names = [f"vm{i}" for i in range(6)]
        for name in names:
            self.site.make_vm(name)
            self.site.sections[name] = {"db": "none"}
        self.site.write()
        for _ in range(3):
            running = [self.site.start("snapshot", "create", n) for n in names]
            for p in running:
                self.ok(p.wait())
        self.assertEqual(self.site.journals(), [])


if __name__ == "__main__":
    main()
