/* SPDX-License-Identifier: Apache-2.0
 *
 * A Galera node against a scripted server: out of its cluster's flow control for the run, and back.
 */
#include "db/lock.h"
#include "unit/db/script.h"

#define RUN_ID "20261123T030000Z-7f3a9c21"

static const struct hf_db_target target = {.socket = "/scripted/sock"};

static int journal_call(void *ctx, const char *name, const char *old_value, const char *new_value,
                        struct hf_err *err)
{
    (void)ctx, (void)err;
    hf_buf_printf(&script.log, "journal:%s %s %s\n", name, old_value, new_value);
    return 0;
}

static struct hf_db_lock *prepare(struct hf_err *err)
{
    struct hf_db_lock_opts o = {.target = &target,
                                .run_id = RUN_ID,
                                .stall_budget_ms = 40,
                                .quiesce_timeout_ms = 250,
                                .hold_limit_ms = 5000,
                                .on_variable = journal_call};
    return hf_db_lock_prepare(&o, err);
}

static struct hf_db_lock *prepare_node(void)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_lock *lock = prepare(&err);
    assert_hf_got(lock, &err);
    assert_true(hf_db_lock_get_plan(lock)->is_galera);
    return lock;
}

static void begin_node(void)
{
    script_begin("10.11.19-MariaDB-0+deb12u1");
    script.is_galera = true;
}

static void hold(struct hf_db_lock *lock, struct hf_err *err)
{
    struct hf_db_lock_timing t;
    assert_hf_ok(hf_db_lock_harden(lock, err), err);
    assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, err), err);
}

static void a_node_is_desynced_before_the_lock_and_put_back_when_it_has_caught_up(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    begin_node();
    script.sync_binlog = "0";
    script_add((struct rule){
        .piece = "wsrep_local_recv_queue", .rows = "wsrep_local_recv_queue|17", .times = 2});
    script_add(
        (struct rule){.piece = "wsrep_local_recv_queue", .rows = "wsrep_local_recv_queue|0"});
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_node();
    assert_true(hf_db_lock_get_plan(lock)->desyncs);
    assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 0);
    hold(lock, &err);
    assert_string_equal(script.desync, "1");
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_hf_ok(hf_db_lock_verify(lock, &err), &err);
    assert_string_equal(script.desync, "0");
    /* What makes commits slow goes first, for nobody has to catch up for that. */
    ASSERT_SAID("journal:wsrep_desync OFF ON\n1:SET GLOBAL wsrep_desync = ON\n",
                "1:BACKUP STAGE START", "; BACKUP STAGE END\n", "2:SET GLOBAL sync_binlog = 0\n",
                "wsrep_local_recv_queue", "wsrep_local_recv_queue", "wsrep_local_recv_queue",
                "2:SET GLOBAL wsrep_desync = OFF\n");
    assert_int_equal(script_count("wsrep_local_recv_queue"), 3);
}

static void a_node_that_does_not_tell_its_queue_is_put_back_at_once(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    begin_node();
    script_add((struct rule){.piece = "wsrep_local_recv_queue", .code = 1047});
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_node();
    hold(lock, &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_string_equal(script.desync, "0");
}

static void a_desync_that_stays_is_named(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    begin_node();
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_node();
    hold(lock, &err);
    script_add((struct rule){.piece = "SET GLOBAL wsrep_desync = OFF", .code = 1227});
    assert_int_equal(hf_db_lock_release(lock, &err), -1);
    assert_string_equal(err.left, "wsrep_desync of database /scripted/sock is ON, was OFF");
    assert_true(hf_db_lock_released_us(lock) > 0);
}

static void a_node_that_somebody_has_desynced_stays_so(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    begin_node();
    script.desync = "1";
    script.node =
        "wsrep_ready|ON\nwsrep_cluster_status|Primary\nwsrep_local_state_comment|Donor/Desynced";
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_node();
    assert_false(hf_db_lock_get_plan(lock)->desyncs);
    hold(lock, &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_int_equal(script_count("SET GLOBAL"), 0);
    assert_int_equal(script_count("journal:"), 0);
    assert_string_equal(script.desync, "1");
}

static void without_the_right_the_cluster_may_wait_and_that_is_told(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    begin_node();
    script.grants = "GRANT RELOAD, PROCESS, BINLOG MONITOR, SELECT ON *.* TO `hf`@`localhost`";
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare_node();
    assert_false(hf_db_lock_get_plan(lock)->desyncs);
    assert_int_equal(hf_db_lock_get_plan(lock)->warnings.n, 2);
    assert_contains(hf_db_lock_get_plan(lock)->warnings.items[0], "the account lacks SUPER");
    assert_contains(hf_db_lock_get_plan(lock)->warnings.items[1], "flow control");
    hold(lock, &err);
    assert_int_equal(script_count("SET GLOBAL"), 0);
}

static void a_node_out_of_step_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *node, *why;
    } cases[] = {
        {"wsrep_ready|OFF\nwsrep_cluster_status|non-Primary\nwsrep_local_state_comment|Initialized",
         "Initialized, not in the primary component, wsrep_ready = OFF"},
        {"wsrep_ready|ON\nwsrep_cluster_status|Primary\nwsrep_local_state_comment|Joined",
         "Joined, wsrep_ready = ON"},
        {"wsrep_ready|ON\nwsrep_cluster_status|Primary\nwsrep_local_state_comment|Donor/Desynced",
         "Donor/Desynced"},
        {"wsrep_ready|ON\nwsrep_cluster_status|non-Primary\nwsrep_local_state_comment|Synced",
         "Synced, not in the primary component"},
        {"", "no state"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        begin_node();
        script.node = cases[i].node;
        assert_null(prepare(&err));
        assert_hf_err(&err, HF_E_BUSY, "is a Galera node that is not in step with its cluster");
        assert_contains(err.message, cases[i].why);
        assert_true(err.retryable);
    }
}

/* To whatever uses a table; SHOW and SELECT without one are answered. */
static void a_node_that_answers_unknown_command_is_busy(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    begin_node();
    script_add((struct rule){.piece = "VERSION()", .code = 1047});
    assert_null(prepare(&err));
    assert_int_equal(err.cls, HF_E_BUSY);
    assert_contains(err.hint, "wsrep_cluster_status");
}

/* BLOCK_DDL pauses the provider: on a node each writer waits from there on. */
static void on_a_node_the_stall_begins_at_block_ddl(void **state)
{
    (void)state;
    for (int is_galera = 0; is_galera < 2; is_galera++) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_db_lock_timing t;
        begin_node();
        script.is_galera = is_galera;
        script_add((struct rule){.piece = "BLOCK_DDL", .delay_ms = 30});
        HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&err);
        assert_hf_got(lock, &err);
        assert_hf_ok(hf_db_lock_acquire(lock, HF_NO_DEADLINE, &t, &err), &err);
        if (is_galera)
            assert_true(t.held_us - t.begin_us >= 30000);
        else
            assert_true(t.held_us - t.begin_us < 30000);
    }
}

static void wsrep_on_without_a_provider_is_no_galera(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    script_begin(
        "10.11.19-MariaDB-0+deb12u1"); /* its settings say wsrep_on = ON, and no provider */
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = prepare(&err);
    assert_hf_got(lock, &err);
    assert_false(hf_db_lock_get_plan(lock)->is_galera || hf_db_lock_get_plan(lock)->desyncs);
    hold(lock, &err);
    assert_hf_ok(hf_db_lock_release(lock, &err), &err);
    assert_int_equal(script_count("SET GLOBAL"), 0);
    assert_int_equal(script_count("wsrep_local_recv_queue"), 0);
}

static void a_dead_runs_desync_is_ended_unless_somebody_else_was_first(void **state)
{
    (void)state;
    static const struct {
        const char *now, *old_value, *then;
        enum hf_err_class cls;
    } cases[] = {
        {"1", "OFF", "0", HF_E_NONE},  {"0", "OFF", "0", HF_E_NONE},
        {"1", "0", "1", HF_E_CORRUPT}, {"1", "OFF; DROP DATABASE shop", "1", HF_E_CORRUPT},
        {"1", "", "1", HF_E_CORRUPT},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        begin_node();
        script.desync = cases[i].now;
        HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(&target, &err);
        int rc = hf_db_variable_restore(c, "wsrep_desync", cases[i].old_value, "ON", &err);
        assert_int_equal(rc, cases[i].cls ? -1 : 0);
        assert_int_equal(err.cls, cases[i].cls);
        assert_string_equal(script.desync, cases[i].then);
        assert_int_equal(script_count("SET GLOBAL"), cases[i].now[0] == '1' && !cases[i].cls);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_node_is_desynced_before_the_lock_and_put_back_when_it_has_caught_up),
        HF_TEST(a_node_that_does_not_tell_its_queue_is_put_back_at_once),
        HF_TEST(a_desync_that_stays_is_named),
        HF_TEST(a_node_that_somebody_has_desynced_stays_so),
        HF_TEST(without_the_right_the_cluster_may_wait_and_that_is_told),
        HF_TEST(a_node_out_of_step_is_refused),
        HF_TEST(a_node_that_answers_unknown_command_is_busy),
        HF_TEST(on_a_node_the_stall_begins_at_block_ddl),
        HF_TEST(wsrep_on_without_a_provider_is_no_galera),
        HF_TEST(a_dead_runs_desync_is_ended_unless_somebody_else_was_first),
    };
    return HF_RUN_TESTS("db.galera", tests);
}
