/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/run/world.h"

#define KILL "kill " RUN "\n"
#define SET "set innodb_flush_log_at_trx_commit=0/1\n"

static struct hf_err err;
static struct hf_undo undo;

/* A journal with nothing in it. */
static struct hf_journal *begin(void **state)
{
    fresh(state);
    err = (struct hf_err)HF_ERR_INIT;
    undo = (struct hf_undo){.env = &world.env, .vm = the_vm()};
    return new_journal(RUN, "snapshot create", KEY);
}

static int undo_all(struct hf_journal *j)
{
    return hf_undo_journal(&undo, j, &err);
}

static void end(struct hf_journal *j)
{
    hf_undo_close(&undo);
    hf_journal_close(j);
    hf_config_free(world.config);
    world.config = NULL;
}

static unsigned open_entries(const struct hf_journal *j)
{
    unsigned n = 0;
    for (size_t i = 0; i < hf_journal_count(j); i++)
        n += !hf_journal_at(j, i)->is_undone;
    return n;
}

/* ---- order ------------------------------------------------------------------------------ */

static void sessions_go_first_then_variables_then_snapshots(void **state)
{
    struct hf_journal *j = begin(state);
    add_lock(j, 0);
    add_variable(j);
    add_snapshot(j, "hf-a");
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, KILL SET "discard vm-7 hf-a token\n");
    assert_int_equal(open_entries(j), 0);
    end(j);
}

static void within_one_urgency_the_last_effect_goes_first(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    add_deletion(j, "hf-b");
    add_snapshot(j, "hf-c");
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace,
                        "discard vm-7 hf-c token\ndelete vm-7 hf-b\ndiscard vm-7 hf-a token\n");
    end(j);
}

static void what_is_undone_already_is_left_alone(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    add_snapshot(j, "hf-b");
    assert_hf_ok(hf_journal_undone(j, hf_journal_at(j, 0)->seq, &err), &err);
    assert_hf_ok(undo_all(j), &err);
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, "discard vm-7 hf-b token\n");
    end(j);
}

static void one_that_fails_does_not_keep_the_others_and_stays_open(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    add_lock(j, 0);
    world.kill_fails = HF_E_AUTH;
    assert_int_equal(undo_all(j), -1);
    assert_hf_err(&err, HF_E_AUTH, "kill failed");
    assert_contains(err.left, "the database lock of run " RUN);
    assert_string_equal(world.trace, KILL "discard vm-7 hf-a token\n");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

static void all_that_is_left_is_named(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    add_variable(j);
    world.restore_fails = HF_E_AUTH;
    world.discard_fails = HF_E_BUSY;
    assert_int_equal(undo_all(j), -1);
    assert_hf_err(&err, HF_E_AUTH, "restore failed; then: discard failed");
    assert_string_equal(err.left, "server variable innodb_flush_log_at_trx_commit may still be 1; "
                                  "it was 0; snapshot hf-a of db, or its overlay files");
    end(j);
}

static void an_export_is_ended_after_the_holds(void **state)
{
    struct hf_journal *j = begin(state);
    add_export(j, "hf-a");
    add_lock(j, 0);
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, KILL "discard vm-7 hf-a token\n");
    assert_string_equal(undo.actions.items[1], "nothing is left of export hf-a");
    assert_int_equal(open_entries(j), 0);
    end(j);
}

/* A manifest may name it: whoever deleted it would delete the point. */
static void an_export_that_was_decided_on_is_left_alone_and_named(void **state)
{
    struct hf_journal *j = begin(state);
    add_export(j, "hf-a");
    assert_hf_ok(hf_effect_export_decided(j, "vm-7", "hf-a", "token", "nfs1:backup/a.vma", &err),
                 &err);
    assert_true(hf_undo_is_void(j, HF_EFFECT_EXPORT));
    assert_false(hf_undo_is_void(j, HF_EFFECT_SNAPSHOT));
    assert_false(hf_undo_rolls_forward(j));
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, "");
    assert_int_equal(undo.actions.n, 1);
    assert_contains(undo.actions.items[0], "backup nfs1:backup/a.vma of run " RUN " stays");
    assert_int_equal(open_entries(j), 0);
    end(j);
}

static void an_export_that_cannot_be_ended_is_named(void **state)
{
    struct hf_journal *j = begin(state);
    add_export(j, "hf-a");
    world.discard_fails = HF_E_BUSY;
    assert_int_equal(undo_all(j), -1);
    assert_string_equal(err.left, "backup job hf-a of db, or its scratch files");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

static void what_the_plugin_says_is_left_is_not_said_twice(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    world.discard_fails = HF_E_BUSY;
    world.discard_left = "overlay vda.hf-a.qcow2";
    assert_int_equal(undo_all(j), -1);
    assert_string_equal(err.left, "overlay vda.hf-a.qcow2");
    end(j);
}

static void a_kind_of_a_newer_version_is_refused_after_all_that_is_known_was_undone(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    assert_hf_ok(hf_journal_intent(j, "quantum-freeze", NULL, NULL, &err), &err);
    add_lock(j, 0);
    assert_int_equal(undo_all(j), -1);
    assert_hf_err(&err, HF_E_UNSUPPORTED, "holds an effect 'quantum-freeze' of a newer version");
    assert_string_equal(world.trace, KILL "discard vm-7 hf-a token\n");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

static void an_entry_without_its_data_is_an_error_and_asks_nobody(void **state)
{
    struct hf_journal *j = begin(state);
    assert_hf_ok(hf_journal_intent(j, HF_EFFECT_SNAPSHOT, NULL, NULL, &err), &err);
    assert_int_equal(undo_all(j), -1);
    assert_string_equal(world.trace, "");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

/* ---- holds alone ------------------------------------------------------------------------ */

static void undoing_holds_leaves_snapshots_where_they_are(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    add_variable(j);
    add_lock(j, 0);
    assert_true(hf_undo_is_holding(j));
    assert_hf_ok(hf_undo_holds(&undo, j, &err), &err);
    assert_string_equal(world.trace, KILL SET);
    assert_false(hf_undo_is_holding(j));
    assert_int_equal(open_entries(j), 1);
    end(j);
}

static void a_deletion_rolls_forward(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    assert_false(hf_undo_rolls_forward(j));
    add_deletion(j, "hf-a");
    assert_true(hf_undo_rolls_forward(j));
    end(j);
}

static void a_rollback_rolls_forward_once_it_is_decided(void **state)
{
    struct hf_journal *j = begin(state);
    add_rollback(j, false, "hf-2");
    assert_false(hf_undo_rolls_forward(j));
    add_rollback(j, true, "hf-2");
    assert_true(hf_undo_rolls_forward(j));
    end(j);
}

/* ---- dry run ---------------------------------------------------------------------------- */

static void a_dry_run_says_what_it_would_do_in_order_and_does_nothing(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    add_lock(j, 0);
    undo.dry_run = true;
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, "");
    assert_int_equal(world.db_opens + world.hv_opens, 0);
    assert_int_equal(open_entries(j), 2);
    assert_int_equal(undo.actions.n, 2);
    assert_string_equal(undo.actions.items[0], "kill the database session of run " RUN);
    assert_string_equal(undo.actions.items[1], "remove the snapshot of run " RUN);
    end(j);
}

/* ---- connections ------------------------------------------------------------------------ */

static void a_session_that_was_lost_meanwhile_is_replaced_once(void **state)
{
    struct hf_journal *j = begin(state);
    add_lock(j, 0);
    undo.db = (struct hf_db_conn *)(void *)&a_database;
    world.kill_lost = 1;
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, KILL KILL);
    assert_int_equal(world.db_opens, 1);
    end(j);
}

static void a_refusal_is_no_lost_session_and_is_not_tried_again(void **state)
{
    struct hf_journal *j = begin(state);
    add_lock(j, 0);
    undo.db = (struct hf_db_conn *)(void *)&a_database;
    world.kill_fails = HF_E_AUTH;
    assert_int_equal(undo_all(j), -1);
    assert_string_equal(world.trace, KILL);
    assert_int_equal(world.db_opens, 0);
    end(j);
}

static void a_server_that_is_away_has_dropped_the_session_by_its_timeout(void **state)
{
    struct hf_journal *j = begin(state);
    add_lock(j, hf_clock_wall_us(world.env.clock) - 1);
    world.db_open_fails = HF_E_UNREACHABLE;
    assert_hf_ok(undo_all(j), &err);
    assert_contains(undo.actions.items[0], "by its wait_timeout");
    assert_int_equal(open_entries(j), 0);
    end(j);
}

static void before_that_the_lock_may_be_there_and_is_named(void **state)
{
    struct hf_journal *j = begin(state);
    add_lock(j, hf_clock_wall_us(world.env.clock) + 1000);
    world.db_open_fails = HF_E_UNREACHABLE;
    assert_int_equal(undo_all(j), -1);
    assert_contains(err.left, "the database lock of run " RUN ", until the server's wait_timeout");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

static void a_hypervisor_that_is_still_away_with_a_call_is_waited_for(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    undo.hv = (struct hf_hv *)(void *)&a_hypervisor;
    world.is_stuck = true;
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, "wait\ndiscard vm-7 hf-a token\n");
    end(j);
}

static void one_that_does_not_come_back_leaves_the_snapshot_named(void **state)
{
    struct hf_journal *j = begin(state);
    add_snapshot(j, "hf-a");
    undo.hv = (struct hf_hv *)(void *)&a_hypervisor;
    world.is_stuck = world.stays_stuck = true;
    assert_int_equal(undo_all(j), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "still away");
    assert_contains(err.hint, "holdfast recover");
    assert_string_equal(err.left, "snapshot hf-a of db, or its overlay files");
    assert_string_equal(world.trace, "wait\n");
    end(j);
}

/* ---- the machine is off ----------------------------------------------------------------- */

static void add_rest(struct hf_journal *j)
{
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    assert_int_equal(hf_strv_add(&units, "mariadb.service"), 0);
    assert_hf_ok(hf_effect_rest(j, &units, &units, NULL, &err), &err);
}

static void in_a_machine_that_is_off_nothing_is_left_at_rest(void **state)
{
    struct hf_journal *j = begin(state);
    add_rest(j);
    undo.vm_id = "vm-7";
    world.vm_state = HF_VM_OFF;
    world.exec_fails = HF_E_UNREACHABLE;
    assert_hf_ok(undo_all(j), &err);
    assert_contains(undo.actions.items[0], "a machine that is off");
    assert_int_equal(open_entries(j), 0);
    end(j);
}

static void while_it_runs_and_does_not_answer_the_entry_stays_open(void **state)
{
    struct hf_journal *j = begin(state);
    add_rest(j);
    undo.vm_id = "vm-7";
    world.vm_state = HF_VM_RUNNING;
    world.exec_fails = HF_E_UNREACHABLE;
    assert_int_equal(undo_all(j), -1);
    assert_contains(err.left, "mariadb.service");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

static void a_way_into_the_guest_that_was_taken_from_the_configuration_is_asked_for(void **state)
{
    struct hf_journal *j = begin(state);
    add_rest(j);
    read_config_with(state, "db", "guest = none\n");
    undo.vm = the_vm();
    undo.vm_id = "vm-7";
    world.vm_state = HF_VM_RUNNING;
    assert_int_equal(undo_all(j), -1);
    assert_hf_err(&err, HF_E_CONFIG, "no way into its guest");
    assert_contains(err.hint, "guest");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

/* ---- deletion --------------------------------------------------------------------------- */

static void a_deletion_that_was_complete_is_complete(void **state)
{
    struct hf_journal *j = begin(state);
    add_deletion(j, "hf-a");
    world.delete_fails = HF_E_NOT_FOUND;
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(undo.actions.items[0], "already deleted: snapshot hf-a");
    end(j);
}

static void a_deletion_that_fails_again_is_half_done_and_named(void **state)
{
    struct hf_journal *j = begin(state);
    add_deletion(j, "hf-a");
    world.delete_fails = HF_E_BUSY;
    assert_int_equal(undo_all(j), -1);
    assert_string_equal(err.left, "snapshot hf-a of db, half deleted");
    end(j);
}

/* ---- rollback --------------------------------------------------------------------------- */

static void a_rollback_that_was_not_decided_goes_back(void **state)
{
    struct hf_journal *j = begin(state);
    add_rollback(j, false, "hf-2");
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, "back vm-7 token\n");
    assert_string_equal(undo.actions.items[0], "the VM has the state of before the rollback: db");
    end(j);
}

static void a_decided_rollback_is_finished_and_never_undone(void **state)
{
    struct hf_journal *j = begin(state);
    add_rollback(j, true, "hf-2");
    world.rollback_fails = HF_E_NOSPACE;
    assert_int_equal(undo_all(j), -1);
    assert_string_equal(err.left, "what db was before it was rolled back to hf-1");
    world.rollback_fails = HF_E_NONE;
    err = (struct hf_err)HF_ERR_INIT;
    assert_hf_ok(undo_all(j), &err);
    assert_string_equal(world.trace, "settle vm-7 token 1\nsettle vm-7 token 1\n");
    assert_string_equal(undo.actions.items[0], "kept the state that was left: /d/a.hf-1");
    assert_int_equal(open_entries(j), 0);
    end(j);
}

static void a_decided_rollback_that_is_too_late_is_given_up_and_told(void **state)
{
    struct hf_journal *j = begin(state);
    add_rollback(j, true, "hf-2");
    world.rollback_fails = HF_E_EXPIRED;
    assert_hf_ok(undo_all(j), &err);
    assert_non_null(strstr(undo.actions.items[0], "gave up the rollback to hf-1: "));
    assert_int_equal(open_entries(j), 0);
    end(j);
}

static void a_rollback_that_cannot_be_undone_is_half_done_and_named(void **state)
{
    struct hf_journal *j = begin(state);
    add_rollback(j, false, "hf-2");
    world.rollback_fails = HF_E_BUSY;
    assert_int_equal(undo_all(j), -1);
    assert_string_equal(err.left, "db, half rolled back to hf-1");
    assert_int_equal(open_entries(j), 1);
    end(j);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(sessions_go_first_then_variables_then_snapshots),
        HF_TEST(within_one_urgency_the_last_effect_goes_first),
        HF_TEST(what_is_undone_already_is_left_alone),
        HF_TEST(one_that_fails_does_not_keep_the_others_and_stays_open),
        HF_TEST(all_that_is_left_is_named),
        HF_TEST(an_export_is_ended_after_the_holds),
        HF_TEST(an_export_that_was_decided_on_is_left_alone_and_named),
        HF_TEST(an_export_that_cannot_be_ended_is_named),
        HF_TEST(what_the_plugin_says_is_left_is_not_said_twice),
        HF_TEST(a_kind_of_a_newer_version_is_refused_after_all_that_is_known_was_undone),
        HF_TEST(an_entry_without_its_data_is_an_error_and_asks_nobody),
        HF_TEST(undoing_holds_leaves_snapshots_where_they_are),
        HF_TEST(a_deletion_rolls_forward),
        HF_TEST(a_dry_run_says_what_it_would_do_in_order_and_does_nothing),
        HF_TEST(a_session_that_was_lost_meanwhile_is_replaced_once),
        HF_TEST(a_refusal_is_no_lost_session_and_is_not_tried_again),
        HF_TEST(a_server_that_is_away_has_dropped_the_session_by_its_timeout),
        HF_TEST(before_that_the_lock_may_be_there_and_is_named),
        HF_TEST(a_hypervisor_that_is_still_away_with_a_call_is_waited_for),
        HF_TEST(one_that_does_not_come_back_leaves_the_snapshot_named),
        HF_TEST(in_a_machine_that_is_off_nothing_is_left_at_rest),
        HF_TEST(while_it_runs_and_does_not_answer_the_entry_stays_open),
        HF_TEST(a_way_into_the_guest_that_was_taken_from_the_configuration_is_asked_for),
        HF_TEST(a_deletion_that_was_complete_is_complete),
        HF_TEST(a_deletion_that_fails_again_is_half_done_and_named),
        HF_TEST(a_rollback_rolls_forward_once_it_is_decided),
        HF_TEST(a_rollback_that_was_not_decided_goes_back),
        HF_TEST(a_decided_rollback_is_finished_and_never_undone),
        HF_TEST(a_decided_rollback_that_is_too_late_is_given_up_and_told),
        HF_TEST(a_rollback_that_cannot_be_undone_is_half_done_and_named),
    };
    return HF_RUN_TESTS("run.effects", tests);
}
