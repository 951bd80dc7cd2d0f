/* SPDX-License-Identifier: Apache-2.0
 *
 * What recover decides, from journal, catalog and lock.
 */
#include "base/path.h"
#include "unit/run/world.h"

#include <sqlite3.h>

#define OTHER_RUN "20261123T040000Z-00000002"
#define OTHER_KEY "prod.vm-7"

static struct hf_err err;

static struct hf_journal *begin(void **state)
{
    fresh(state);
    err = (struct hf_err)HF_ERR_INIT;
    return new_journal(RUN, "snapshot create", KEY);
}

static void end(struct hf_journal *j)
{
    hf_journal_close(j);
    hf_config_free(world.config);
    world.config = NULL;
}

static struct hf_catalog *catalog(void)
{
    struct hf_catalog *c = hf_catalog_open(hf_env_state(&world.env), world.env.clock, &err);
    assert_hf_got(c, &err);
    return c;
}

/* The catalog knows the run: as begun (NULL), or with this outcome. */
static void record(const char *outcome)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = catalog();
    struct hf_catalog_run row = {.id = RUN, .verb = "snapshot create", .vm = "db", .vm_id = "vm-7"};
    assert_hf_ok(hf_catalog_run_begin(c, &row, &err), &err);
    row.outcome = outcome;
    if (outcome)
        assert_hf_ok(hf_catalog_run_end(c, &row, &err), &err);
}

static int keep_outcome(void *ctx, const struct hf_catalog_run *r, struct hf_err *e)
{
    (void)e;
    *(char **)ctx = r->outcome ? strdup(r->outcome) : NULL;
    return 0;
}

static void assert_recorded(const char *outcome)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = catalog();
    HF_AUTOFREE char *got = NULL;
    assert_hf_ok(hf_catalog_find_run(c, RUN, keep_outcome, &got, &err), &err);
    assert_string_equal(got ? got : "(none)", outcome);
}

/* hf_recover_all, and what it reported: "RUN outcome" per line. */
static char reported[512];

static int note(void *ctx, const struct hf_recovered *r, struct hf_err *e)
{
    (void)ctx, (void)e;
    size_t used = strlen(reported);
    snprintf(reported + used, sizeof reported - used, "%s %s\n", r->run_id, r->outcome);
    return 0;
}

static int recover(bool dry_run)
{
    reported[0] = '\0';
    return hf_recover_all(&world.env, dry_run, note, NULL, &err);
}

/* ---- one dead run ----------------------------------------------------------------------- */

static void a_run_that_the_catalog_does_not_count_is_undone(void **state)
{
    struct hf_journal *j = begin(state);
    record(NULL);
    add_snapshot(j, "hf-" RUN);
    add_lock(j, 0);
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " undone\n");
    assert_string_equal(world.trace, "kill " RUN "\ndiscard vm-7 hf-" RUN " token\n");
    assert_recorded("undone");
    assert_false(has_journal(RUN));
    end(j);
}

static void assert_only_finished(void **state, const char *outcome)
{
    struct hf_journal *j = begin(state);
    record(outcome);
    add_snapshot(j, "hf-a");
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " finished\n");
    assert_string_equal(world.trace, "");
    assert_recorded(outcome);
    assert_false(has_journal(RUN));
    end(j);
}

static void a_run_that_counts_only_gets_its_end(void **state)
{
    assert_only_finished(state, "done");
}

static void a_run_below_its_grade_counts_as_well(void **state)
{
    assert_only_finished(state, "degraded");
}

static void the_holds_of_a_run_that_counts_are_undone_all_the_same(void **state)
{
    struct hf_journal *j = begin(state);
    record("done");
    add_snapshot(j, "hf-a");
    add_variable(j);
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " finished\n");
    assert_string_equal(world.trace, "set innodb_flush_log_at_trx_commit=0/1\n");
    assert_recorded("done");
    end(j);
}

static void a_run_that_failed_but_did_not_undo_everything_is_undone(void **state)
{
    struct hf_journal *j = begin(state);
    record("failed");
    add_snapshot(j, "hf-a");
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " undone\n");
    assert_string_equal(world.trace, "discard vm-7 hf-a token\n");
    end(j);
}

static void a_run_that_the_catalog_has_never_seen_is_undone_and_then_known(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    assert_hf_ok(recover(false), &err);
    assert_string_equal(world.trace, "discard vm-7 hf-a token\n");
    assert_recorded("undone");
    end(j);
}

static void a_damaged_catalog_counts_as_lost_and_keeps_nothing_from_being_undone(void **state)
{
    struct hf_journal *j = begin(state);
    record("done");
    HF_AUTOFREE char *path = hf_path_join(hf_env_state(&world.env), "catalog.sqlite");
    assert_hf_ok(hf_path_write(path, "this is no database, it is a sentence", 37, 0600, &err),
                 &err);
    add_snapshot(j, "hf-a");
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " undone\n");
    assert_contains(hf_test_logged(state), "going on without the catalog");
    end(j);
}

/* A schema of a newer version: the file is fine, and this program must not guess what it says. */
static void a_catalog_that_cannot_be_asked_decides_nothing_but_holds_are_let_go(void **state)
{
    struct hf_journal *j = begin(state);
    record("done");
    HF_AUTOFREE char *path = hf_path_join(hf_env_state(&world.env), "catalog.sqlite");
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    add_snapshot(j, "hf-a");
    add_lock(j, 0);
    assert_int_equal(recover(false), -1);
    assert_string_equal(reported, RUN " failed\n");
    assert_string_equal(world.trace, "kill " RUN "\n");
    assert_contains(err.left, "what run " RUN " of db did");
    assert_true(has_journal(RUN));
    end(j);
}

static void a_journal_that_has_its_end_is_only_removed(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    assert_hf_ok(hf_journal_end(j, "done", &err), &err);
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " finished\n");
    assert_string_equal(world.trace, "");
    assert_false(has_journal(RUN));
    end(j);
}

static int keep_state(void *ctx, const struct hf_catalog_snapshot *s, struct hf_err *e)
{
    (void)e;
    snprintf(ctx, 16, "%s", s->state);
    return 0;
}

static void a_deletion_is_finished_and_its_run_done(void **state)
{
    struct hf_journal *j = begin(state);
    HF_AUTO(hf_catalog) struct hf_catalog *c = catalog();
    struct hf_catalog_run row = {.id = OTHER_RUN, .vm = "db", .vm_id = "vm-7", .outcome = "done"};
    struct hf_catalog_snapshot snap = {.name = "hf-a",
                                       .run_id = OTHER_RUN,
                                       .vm = "db",
                                       .hypervisor = "lab",
                                       .vm_id = "vm-7",
                                       .grade = "B",
                                       .state = "present"};
    assert_hf_ok(hf_catalog_run_begin(c, &row, &err), &err);
    assert_hf_ok(hf_catalog_snapshot_commit(c, &snap, &row, &err), &err);
    record(NULL);
    add_deletion(j, "hf-a");
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " finished\n");
    assert_string_equal(world.trace, "delete vm-7 hf-a\n");
    assert_recorded("done");
    char state_now[16] = "";
    assert_hf_ok(hf_catalog_snapshots(c, "db", true, keep_state, state_now, &err), &err);
    assert_string_equal(state_now, "deleted");
    end(j);
}

static void what_cannot_be_undone_stays_and_is_done_the_next_time(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    world.discard_fails = HF_E_UNREACHABLE;
    assert_int_equal(recover(false), -1);
    assert_string_equal(reported, RUN " failed\n");
    assert_contains(err.left, "snapshot hf-a of db");
    assert_true(has_journal(RUN));
    world.discard_fails = HF_E_NONE;
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " undone\n");
    end(j);
}

static void the_second_recover_finds_nothing(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    assert_hf_ok(recover(false), &err);
    world.trace[0] = '\0';
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, "");
    assert_string_equal(world.trace, "");
    end(j);
}

static void a_dry_run_tells_and_changes_nothing(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    add_lock(j, 0);
    assert_hf_ok(recover(true), &err);
    assert_string_equal(reported, RUN " would undo\n");
    assert_string_equal(world.trace, "");
    assert_true(has_journal(RUN));
    assert_hf_ok(hf_journal_end(j, "done", &err), &err);
    assert_hf_ok(recover(true), &err);
    assert_string_equal(reported, RUN " would finish\n");
    assert_true(has_journal(RUN));
    end(j);
}

/* ---- who is alive, and who it belongs to ------------------------------------------------ */

static void a_run_whose_lock_is_held_is_alive_and_left_alone(void **state)
{
    struct hf_journal *j = begin(state);
    HF_AUTO(hf_vmlock)
    struct hf_vmlock *lock = hf_vmlock_take(hf_env_state(&world.env), KEY, RUN, &err);
    assert_hf_got(lock, &err);
    add_snapshot(j, "hf-a");
    assert_hf_ok(recover(false), &err);
    assert_string_equal(reported, RUN " alive\n");
    assert_string_equal(world.trace, "");
    assert_true(has_journal(RUN));
    end(j);
}

static void a_vm_that_is_gone_from_the_configuration_is_asked_back(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    read_config(state, "other");
    assert_int_equal(recover(false), -1);
    assert_hf_err(&err, HF_E_CONFIG, "db");
    assert_true(has_journal(RUN));
    end(j);
}

static void the_next_run_on_the_vm_undoes_it_also_under_a_new_name(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    read_config(state, "renamed");
    assert_hf_ok(hf_recover_vm(&world.env, the_vm(), KEY, &err), &err);
    assert_string_equal(world.trace, "discard vm-7 hf-a token\n");
    assert_false(has_journal(RUN));
    end(j);
}

/* Two servers in one guest have a section each. What the one run changed is set back on its own server. */
static void the_next_run_undoes_it_with_the_database_of_the_dead_one(void **state)
{
    struct hf_journal *j = begin(state);
    add_variable(j);
    HF_AUTOFREE char *text =
        hf_asprintf("[defaults]\nstate = %s\n[hypervisor lab]\nplugin = dir\n"
                    "[vm second]\nhypervisor = lab\nname = db\ndb = tcp://127.0.0.1:2\n"
                    "[vm db]\nhypervisor = lab\ndb = tcp://127.0.0.1:1\n",
                    hf_test_path(state, "state"));
    hf_config_free(world.config);
    world.config = hf_config_parse(text, strlen(text), "test.conf", &err);
    assert_hf_got(world.config, &err);
    world.env.config = world.config;
    assert_hf_ok(
        hf_recover_vm(&world.env, hf_config_find_vm(world.config, "second", &err), KEY, &err),
        &err);
    assert_string_equal(world.trace, "set innodb_flush_log_at_trx_commit=0/1\n");
    assert_int_equal(world.db_port, 1);
    end(j);
}

/* Proxmox and others number their VMs from 100: two hypervisors have the same ids. */
static void a_vm_of_the_same_id_on_another_hypervisor_is_another_vm(void **state)
{
    struct hf_journal *j = begin(state);
    struct hf_journal *other = new_journal(OTHER_RUN, "snapshot create", OTHER_KEY);
    add_snapshot(other, "hf-b");
    add_snapshot(j, "hf-a");
    assert_hf_ok(hf_recover_vm(&world.env, the_vm(), KEY, &err), &err);
    assert_string_equal(world.trace, "discard vm-7 hf-a token\n");
    assert_true(has_journal(OTHER_RUN));
    hf_journal_close(other);
    end(j);
}

static void damage(const char *run_id)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/journal/%s.jsonl", hf_env_state(&world.env), run_id);
    assert_hf_ok(hf_path_write(path, "{\"seq\":\n{}\n", 11, 0600, &err), &err);
}

static void a_journal_that_nobody_can_read_stops_no_run_and_is_logged(void **state)
{
    struct hf_journal *j = begin(state);
    struct hf_journal *other = new_journal(OTHER_RUN, "snapshot create", KEY);
    add_snapshot(j, "hf-a");
    damage(OTHER_RUN);
    assert_hf_ok(hf_recover_vm(&world.env, the_vm(), KEY, &err), &err);
    assert_string_equal(world.trace, "discard vm-7 hf-a token\n");
    assert_contains(hf_test_logged(state), OTHER_RUN);
    hf_journal_close(other);
    end(j);
}

static void recover_names_it_undoes_the_others_and_fails(void **state)
{
    struct hf_journal *j = begin(state);
    struct hf_journal *other = new_journal(OTHER_RUN, "snapshot create", KEY);
    add_snapshot(other, "hf-b");
    damage(RUN);
    assert_int_equal(recover(false), -1);
    assert_string_equal(reported, RUN " failed\n" OTHER_RUN " undone\n");
    assert_hf_err(&err, HF_E_CORRUPT, RUN);
    assert_string_equal(world.trace, "discard vm-7 hf-b token\n");
    hf_journal_close(other);
    end(j);
}

static void a_run_that_ended_while_we_looked_is_nothing(void **state)
{
    struct hf_journal *j = begin(state);
    const char *outcome = "?";
    HF_AUTO(hf_undo) struct hf_undo undo = {.env = &world.env};
    assert_hf_ok(hf_journal_end(j, "done", &err), &err);
    assert_hf_ok(hf_journal_finish(j, &err), &err);
    assert_hf_ok(hf_recover_run(&undo, RUN, &outcome, &err), &err);
    assert_null(outcome);
    end(j);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_run_that_the_catalog_does_not_count_is_undone),
        HF_TEST(a_run_that_counts_only_gets_its_end),
        HF_TEST(a_run_below_its_grade_counts_as_well),
        HF_TEST(the_holds_of_a_run_that_counts_are_undone_all_the_same),
        HF_TEST(a_run_that_failed_but_did_not_undo_everything_is_undone),
        HF_TEST(a_run_that_the_catalog_has_never_seen_is_undone_and_then_known),
        HF_TEST(a_damaged_catalog_counts_as_lost_and_keeps_nothing_from_being_undone),
        HF_TEST(a_catalog_that_cannot_be_asked_decides_nothing_but_holds_are_let_go),
        HF_TEST(a_journal_that_has_its_end_is_only_removed),
        HF_TEST(a_deletion_is_finished_and_its_run_done),
        HF_TEST(what_cannot_be_undone_stays_and_is_done_the_next_time),
        HF_TEST(the_second_recover_finds_nothing),
        HF_TEST(a_dry_run_tells_and_changes_nothing),
        HF_TEST(a_run_whose_lock_is_held_is_alive_and_left_alone),
        HF_TEST(a_vm_that_is_gone_from_the_configuration_is_asked_back),
        HF_TEST(the_next_run_on_the_vm_undoes_it_also_under_a_new_name),
        HF_TEST(the_next_run_undoes_it_with_the_database_of_the_dead_one),
        HF_TEST(a_vm_of_the_same_id_on_another_hypervisor_is_another_vm),
        HF_TEST(a_journal_that_nobody_can_read_stops_no_run_and_is_logged),
        HF_TEST(recover_names_it_undoes_the_others_and_fails),
        HF_TEST(a_run_that_ended_while_we_looked_is_nothing),
    };
    return HF_RUN_TESTS("run.recover", tests);
}
