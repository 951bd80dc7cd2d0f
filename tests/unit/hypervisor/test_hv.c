/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "harness/hf_test.h"
#include "hypervisor/hv.h"

#include <string.h>

/* The fake that plays any part: what it gets, and where it notes its calls. */
struct stage {
    struct hf_cancel *cancel;
    struct hf_log *log;
    const char *trace;
    _Atomic uint64_t progress;
};

static struct stage stage; /* cmocka's cases run one after the other */

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx, (void)total;
    stage.progress = done;
}

static int64_t now_ms(void)
{
    return hf_clock_mono_ms(hf_clock_system());
}

static struct hf_hv_call in_ms(int64_t ms)
{
    return (struct hf_hv_call){.deadline_ms = now_ms() + ms, .run_id = "run-1"};
}

static struct hf_hv *open_role(void **state, const char *role, const char *wait_ms,
                               int64_t timeout_ms, struct hf_err *err)
{
    static char dir[4096];
    const char *build = getenv("HOLDFAST_BUILD_DIR");
    snprintf(dir, sizeof dir, "%s/tests/plugin/fake", build ? build : ".");
    stage.trace = hf_test_path(state, "trace");
    stage.progress = 0;
    const struct hf_kv kv[] = {{"role", role}, {"trace", stage.trace}, {"wait", wait_ms}};
    struct hf_hv_opts opts = {.plugin_dir = dir,
                              .plugin = "actor",
                              .kv = kv,
                              .n_kv = wait_ms ? 3 : 2,
                              .cancel = stage.cancel,
                              .log = stage.log,
                              .progress = note_progress,
                              .open_timeout_ms = timeout_ms};
    return hf_hv_open(&opts, err);
}

static struct hf_hv *must_open(void **state, const char *role, const char *wait_ms)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = open_role(state, role, wait_ms, 0, &err);
    assert_hf_got(hv, &err);
    return hv;
}

/* All lines of the trace so far, "a b c". */
static const char *traced(void)
{
    static char text[1024];
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *lines = hf_path_read(stage.trace, sizeof text - 1, NULL, &err);
    snprintf(text, sizeof text, "%s", lines ? lines : "");
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = p[1] ? ' ' : '\0';
    return text;
}

static void plan(struct hf_hv *hv, struct hf_hv_capture **cap, int64_t ms, int expected,
                 struct hf_err *err)
{
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan p = {0};
    struct hf_capture_request req = {
        .struct_size = sizeof req, .kind = HF_CAPTURE_SNAPSHOT, .vm_id = "1", .name = "hf-x"};
    struct hf_hv_call call = in_ms(ms);
    assert_int_equal(hf_hv_capture_plan(hv, &call, &req, cap, &p, err), expected);
    if (expected == 0) {
        assert_string_equal(p.undo_token, "hf-x");
        assert_int_equal(p.n_disks, 2);
        assert_int_equal(p.warnings.n, 1);
        assert_string_equal(p.warnings.items[0], "only two disks");
    }
}

static void results_outlive_the_next_call(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "good", NULL);
    struct hf_hv_call call = in_ms(5000);
    HF_AUTO(hf_vm_copy) struct hf_vm_copy a = {0}, b = {0};
    HF_AUTO(hf_probe_copy) struct hf_probe_copy p = {0};
    assert_hf_ok(hf_hv_vm_find(hv, &call, "1", &a, &err), &err);
    assert_hf_ok(hf_hv_vm_find(hv, &call, "one", &b, &err), &err);
    assert_string_equal(a.id, "id-1");
    assert_string_equal(b.id, "id-one");
    assert_int_equal(a.n_disks, 2);
    assert_hf_ok(hf_hv_probe(hv, &call, &p, &err), &err);
    assert_string_equal(p.product, "Actor 1");
    assert_string_equal(traced(), "open run-1 run-1");
}

static void a_capture_goes_through_its_steps_in_order(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "good", NULL);
    struct hf_hv_capture *cap = NULL;
    struct hf_hv_call call = in_ms(5000);
    plan(hv, &cap, 5000, 0, &err);
    assert_hf_ok(hf_hv_capture_prepare(cap, &call, &err), &err);
    assert_hf_ok(hf_hv_capture_begin(cap, &call, &err), &err);
    assert_hf_ok(hf_hv_capture_settle(cap, &call, &err), &err);
    hf_hv_capture_free(cap);
    assert_hf_ok(hf_hv_vm_busy(hv, &call, "1", &err), &err);
    hf_hv_close(hv);
    assert_string_equal(traced(), "open plan prepare hf-x settle free vm_busy close");
}

static struct hf_hv_capture *plan_export(struct hf_hv *hv, struct hf_hv_capture_plan *p,
                                         struct hf_err *err)
{
    struct hf_hv_capture *cap = NULL;
    struct hf_hv_call call = in_ms(5000);
    struct hf_capture_request req = {.struct_size = sizeof req,
                                     .kind = HF_CAPTURE_EXPORT,
                                     .vm_id = "1",
                                     .name = "hf-x",
                                     .parent = "hf-w",
                                     .checkpoint = HF_CHECKPOINT_ALWAYS};
    assert_hf_ok(hf_hv_capture_plan(hv, &call, &req, &cap, p, err), err);
    return cap;
}

static void an_export_is_read_watched_and_ended(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "good", NULL);
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan p = {0};
    HF_AUTO(hf_export_copy) struct hf_export_copy e = {0};
    struct hf_export_state now = {0};
    struct hf_hv_call call = in_ms(5000);
    struct hf_hv_capture *cap = plan_export(hv, &p, &err);
    assert_true(p.leaves_checkpoint && p.is_incremental);
    assert_hf_ok(hf_hv_capture_begin(cap, &call, &err), &err);
    assert_hf_ok(hf_hv_export_disk(cap, &call, "vda", &e, &err), &err);
    assert_hf_ok(hf_hv_export_watch(cap, &call, &now, &err), &err);
    assert_hf_ok(hf_hv_export_end(cap, &call, &err), &err);
    hf_hv_capture_free(cap);
    hf_hv_close(hv);
    assert_string_equal(e.uri, "nbd+unix:///vda?socket=/s");
    assert_string_equal(e.allocation_ctx, "base:allocation");
    assert_null(e.dirty_ctx);
    assert_string_equal(e.compare_why, "its bitmap is lost");
    assert_int_equal(e.size_bytes, 5);
    assert_int_equal(now.scratch_room_bytes, 2);
    assert_string_equal(traced(), "open plan_export hf-x export_disk export_watch export_end free close");
}

static void an_export_that_lies_nowhere_is_nonsense(void **state)
{
    static const char *const roles[] = {"exports_nowhere", "exports_formless"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(roles); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, roles[i], NULL);
        HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan p = {0};
        HF_AUTO(hf_export_copy) struct hf_export_copy e = {0};
        HF_AUTO(hf_hv_capture) struct hf_hv_capture *cap = plan_export(hv, &p, &err);
        struct hf_hv_call call = in_ms(5000);
        assert_int_equal(hf_hv_export_disk(cap, &call, "vda", &e, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, "nonsense");
        assert_null(e.uri);
    }
}

static void a_full_scratch_space_comes_through(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "scratch_full", NULL);
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan p = {0};
    HF_AUTO(hf_hv_capture) struct hf_hv_capture *cap = plan_export(hv, &p, &err);
    struct hf_export_state now = {0};
    struct hf_hv_call call = in_ms(5000);
    assert_int_equal(hf_hv_export_watch(cap, &call, &now, &err), -1);
    assert_hf_err(&err, HF_E_NOSPACE, "scratch");
}

static void older_checkpoints_are_dropped_and_told(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "good", NULL);
    HF_AUTO(hf_strv) struct hf_strv dropped = HF_STRV_INIT;
    struct hf_hv_call call = in_ms(5000);
    assert_hf_ok(hf_hv_checkpoint_drop(hv, &call, "1", "hf-new", &dropped, &err), &err);
    hf_hv_close(hv);
    assert_int_equal(dropped.n, 1);
    assert_string_equal(dropped.items[0], "hf-old");
    assert_string_equal(traced(), "open hf-new close");
}

static void the_checkpoints_are_told_in_their_order(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "good", NULL);
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    struct hf_hv_call call = in_ms(5000);
    assert_hf_ok(hf_hv_checkpoint_list(hv, &call, "1", &names, &err), &err);
    assert_int_equal(names.n, 2);
    assert_string_equal(names.items[0], "hf-new");
    assert_string_equal(names.items[1], "hf-old");
}

static void a_checkpoint_that_stays_is_an_error(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "keeps_checkpoints", NULL);
    HF_AUTO(hf_strv) struct hf_strv dropped = HF_STRV_INIT;
    struct hf_hv_call call = in_ms(5000);
    assert_int_equal(hf_hv_checkpoint_drop(hv, &call, "1", NULL, &dropped, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "it stays");
    assert_int_equal(dropped.n, 0);
}

static void a_hanging_begin_costs_the_deadline_and_no_more(void **state)
{
    struct hf_err err = HF_ERR_INIT, late = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "hangs_in_begin", "1500");
    struct hf_hv_capture *cap = NULL;
    plan(hv, &cap, 5000, 0, &err);
    struct hf_hv_call call = in_ms(50);
    int64_t from = now_ms();
    assert_int_equal(hf_hv_capture_begin(cap, &call, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "capture_begin did not return in time");
    assert_in_range(now_ms() - from, 45, 1200);
    assert_true(hf_hv_is_stuck(hv));
    call = in_ms(5000);
    assert_int_equal(hf_hv_vm_busy(hv, &call, "1", &err), -1);
    assert_hf_err(&err, HF_E_BUSY, "has not come back from capture_begin");
    hf_hv_capture_free(cap); /* the call keeps what it works with */
    assert_string_equal(traced(), "open plan");
    assert_hf_ok(hf_hv_wait_home(hv, now_ms() + 5000, &late, &err), &err);
    assert_int_equal(late.cls, HF_E_NONE);
    assert_false(hf_hv_is_stuck(hv));
    assert_hf_ok(hf_hv_vm_busy(hv, &call, "1", &err), &err);
    hf_hv_close(hv);
    assert_string_equal(traced(), "open plan hf-x free vm_busy close");
}

static void the_outcome_of_a_late_call_is_told(void **state)
{
    struct hf_err err = HF_ERR_INIT, late = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "fails_late_in_begin", "200");
    HF_AUTO(hf_hv_capture) struct hf_hv_capture *cap = NULL;
    plan(hv, &cap, 5000, 0, &err);
    struct hf_hv_call call = in_ms(20);
    assert_int_equal(hf_hv_capture_begin(cap, &call, &err), -1);
    assert_int_equal(hf_hv_wait_home(hv, now_ms() + 10, &late, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "capture_begin is still away");
    assert_hf_ok(hf_hv_wait_home(hv, now_ms() + 5000, &late, &err), &err);
    assert_hf_err(&late, HF_E_NOSPACE, "disk full");
}

static void a_plan_that_comes_late_is_freed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "hangs_in_plan", "150");
    struct hf_hv_capture *cap = NULL;
    plan(hv, &cap, 20, -1, &err);
    assert_hf_err(&err, HF_E_TIMEOUT, "capture_plan");
    hf_hv_close(hv);
    assert_string_equal(traced(), "open plan free close");
}

static void an_open_that_hangs_is_abandoned(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    int64_t from = now_ms();
    assert_null(open_role(state, "hangs_in_open", "3500", 50, &err));
    assert_hf_err(&err, HF_E_TIMEOUT, "open did not return in time");
    assert_in_range(now_ms() - from, 2000, 3300); /* two seconds of patience at close */
    usleep(1900000);
    assert_string_equal(traced(), "open close"); /* what came late was closed all the same */
}

static void a_close_that_hangs_does_not_hang_us(void **state)
{
    struct hf_hv *hv = must_open(state, "hangs_in_close", "3500");
    int64_t from = now_ms();
    hf_hv_close(hv);
    assert_in_range(now_ms() - from, 2000, 3300);
    usleep(1800000);
}

static void a_call_behind_a_hanging_free_never_begins(void **state)
{
    struct hf_err err = HF_ERR_INIT, late = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "hangs_in_free", "300");
    struct hf_hv_capture *cap = NULL;
    plan(hv, &cap, 5000, 0, &err);
    hf_hv_capture_free(cap);
    struct hf_hv_call call = in_ms(50);
    assert_int_equal(hf_hv_vm_busy(hv, &call, "1", &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "vm_busy");
    assert_hf_ok(hf_hv_wait_home(hv, now_ms() + 5000, &late, &err), &err);
    assert_hf_err(&late, HF_E_TIMEOUT, "vm_busy was not begun");
    hf_hv_close(hv);
    assert_string_equal(traced(), "open plan free close");
}

static void a_deadline_in_the_past_begins_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "good", NULL);
    struct hf_hv_call call = in_ms(-1);
    assert_int_equal(hf_hv_vm_busy(hv, &call, "1", &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "had passed before it began");
    assert_string_equal(traced(), "open");
}

static void cancelling_ends_work_but_not_the_undoing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    stage.cancel = hf_cancel_new(&err);
    struct hf_hv *hv = must_open(state, "good", "60");
    struct hf_hv_call call = in_ms(5000);
    assert_hf_ok(hf_hv_snapshot_delete(hv, &call, "1", "hf-x", &err), &err);
    assert_true(stage.progress > 0);
    hf_cancel_set(stage.cancel);
    assert_int_equal(hf_hv_snapshot_delete(hv, &call, "1", "hf-x", &err), -1);
    assert_hf_err(&err, HF_E_CANCELLED, "cancelled");
    assert_hf_ok(hf_hv_capture_discard(hv, &call, "1", "hf-x", "token", &err), &err);
    hf_hv_close(hv);
    hf_cancel_free(stage.cancel);
    stage.cancel = NULL;
    assert_string_equal(traced(), "open delete delete cancelled token close");
}

static void a_rollback_is_planned_switched_settled_and_undone(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "final", NULL);
    struct hf_hv_call call = in_ms(5000);
    HF_AUTO(hf_hv_rollback_plan) struct hf_hv_rollback_plan plan = {0};
    HF_AUTO(hf_strv) struct hf_strv kept = HF_STRV_INIT;
    assert_hf_ok(hf_hv_rollback_plan(hv, &call, "1", "hf-x", &plan, &err), &err);
    assert_string_equal(plan.undo_token, "back");
    assert_string_equal(plan.younger.items[0], "hf-younger");
    assert_string_equal(plan.warnings.items[0], "run-1");
    assert_true(plan.is_final && plan.was_active && plan.was_running && plan.n_disks == 2);
    assert_hf_ok(hf_hv_rollback_switch(hv, &call, "1", plan.undo_token, &err), &err);
    assert_hf_ok(hf_hv_rollback_settle(hv, &call, "1", plan.undo_token, true, &kept, &err), &err);
    assert_string_equal(kept.items[0], "/d/old");
    assert_hf_ok(hf_hv_rollback_undo(hv, &call, "1", plan.undo_token, &err), &err);
    hf_hv_close(hv);
    assert_string_equal(traced(), "open back settle, keep undo close");
}

static void a_rollbacks_plan_without_a_way_back_or_without_an_end_is_nonsense(void **state)
{
    static const char *const cases[][2] = {{"tokenless", "without a way back"},
                                           {"endless", "nonsense"}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(cases); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, cases[i][0], NULL);
        struct hf_hv_call call = in_ms(5000);
        HF_AUTO(hf_hv_rollback_plan) struct hf_hv_rollback_plan plan = {0};
        assert_int_equal(hf_hv_rollback_plan(hv, &call, "1", "hf-x", &plan, &err), -1);
        assert_hf_err(&err, HF_E_PLUGIN, cases[i][1]);
    }
}

static void a_late_call_is_told_to_stop(void **state)
{
    struct hf_err err = HF_ERR_INIT, late = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "good", "5000");
    struct hf_hv_call call = in_ms(30);
    assert_int_equal(hf_hv_capture_discard(hv, &call, "1", "hf-x", NULL, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "capture_discard");
    assert_hf_ok(hf_hv_wait_home(hv, now_ms() + 2000, &late, &err), &err);
    assert_hf_err(&late, HF_E_CANCELLED, "cancelled");
}

static void find_fails(void **state, const char *role, enum hf_err_class cls, const char *piece)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, role, NULL);
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_hv_call call = in_ms(5000);
    assert_int_equal(hf_hv_vm_find(hv, &call, "1", &vm, &err), -1);
    assert_hf_err(&err, cls, piece);
}

static void nonsense_is_the_plugins_fault(void **state)
{
    find_fails(state, "fails_silently", HF_E_PLUGIN, "vm_find failed without a reason");
    find_fails(state, "raves", HF_E_PLUGIN, "vm_find failed without a reason");
    find_fails(state, "nameless", HF_E_PLUGIN, "nonsense: a VM without id");
    find_fails(state, "stateless", HF_E_PLUGIN, "nonsense: an unknown state of a VM");
}

static void only_0_and_minus_1_are_results(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "returns_seven", NULL);
    struct hf_hv_call call = in_ms(5000);
    assert_int_equal(hf_hv_vm_busy(hv, &call, "1", &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "vm_busy returned 7");
}

static void an_error_of_the_plugin_comes_through(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "busy", NULL);
    struct hf_hv_call call = in_ms(5000);
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    assert_int_equal(hf_hv_vm_busy(hv, &call, "1", &err), -1);
    assert_hf_err(&err, HF_E_BUSY, "backup of vda");
    assert_int_equal(hf_hv_vm_find(hv, &call, "nobody", &vm, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "no such VM");
}

static void an_open_that_fails_says_why(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(open_role(state, "fails_open", NULL, 0, &err));
    assert_hf_err(&err, HF_E_AUTH, "wrong token");
    assert_null(open_role(state, "opens_nothing", NULL, 0, &err));
    assert_hf_err(&err, HF_E_PLUGIN, "opened nothing");
}

static void a_plan_without_a_way_back_is_refused(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv *hv = must_open(state, "tokenless", NULL);
    struct hf_hv_capture *cap = NULL;
    plan(hv, &cap, 5000, -1, &err);
    assert_hf_err(&err, HF_E_PLUGIN, "without a way back");
    hf_hv_close(hv);
    assert_string_equal(traced(), "open plan free close");
}

static void structs_of_an_older_plugin_end_where_they_end(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "small_structs", NULL);
    HF_AUTO(hf_disk_list) struct hf_disk_list l = {0};
    struct hf_hv_call call = in_ms(5000);
    assert_hf_ok(hf_hv_vm_disks(hv, &call, "1", &l, &err), &err);
    assert_int_equal(l.n, 5);
    assert_string_equal(l.items[4].format, "raw");
    assert_null(l.items[4].serial);
    assert_null(l.items[4].refused);
}

static void lists_are_bounded_and_their_items_checked(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_hv_call call = in_ms(20000);
    HF_AUTO(hf_disk_list) struct hf_disk_list l = {0};
    struct hf_hv *hv = must_open(state, "endless", NULL);
    assert_int_equal(hf_hv_vm_disks(hv, &call, "1", &l, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "a list without end");
    hf_hv_close(hv);
    hv = must_open(state, "sizeless", NULL);
    assert_int_equal(hf_hv_vm_disks(hv, &call, "1", &l, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "a struct of impossible size");
    hf_hv_close(hv);
    assert_int_equal(l.n, 0);
}

static void output_of_the_guest_is_bounded(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_hv) struct hf_hv *hv = must_open(state, "chatty", NULL);
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct hf_hv_call call = in_ms(5000);
    const char *const argv[] = {"sync", "-f", NULL};
    assert_hf_ok(hf_hv_guest_exec(hv, &call, "1", argv, NULL, 0, &r, &err), &err);
    assert_int_equal(r.exit_code, 3);
    assert_int_equal(r.out.len, 65536);
    assert_true(r.truncated);
    assert_string_equal(hf_buf_str(&r.err), "sync-f");
}

static void lines_of_the_plugin_stay_single_lines(void **state)
{
    stage.log = hf_test_log(state, NULL);
    hf_hv_close(must_open(state, "good", NULL));
    stage.log = NULL;
    assert_contains(hf_test_logged(state), "opened with a line break");
}

static void a_wrong_configuration_opens_nothing(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    assert_null(open_role(state, "good", "soon", 0, &err));
    assert_hf_err(&err, HF_E_CONFIG, "wants a number");
    assert_string_equal(traced(), "");
}

static void opening_and_closing_can_be_repeated(void **state)
{
    for (int i = 0; i < 20; i++)
        hf_hv_close(must_open(state, "good", NULL));
    hf_hv_close(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(results_outlive_the_next_call),
        HF_TEST(a_capture_goes_through_its_steps_in_order),
        HF_TEST(an_export_is_read_watched_and_ended),
        HF_TEST(an_export_that_lies_nowhere_is_nonsense),
        HF_TEST(a_full_scratch_space_comes_through),
        HF_TEST(older_checkpoints_are_dropped_and_told),
        HF_TEST(the_checkpoints_are_told_in_their_order),
        HF_TEST(a_checkpoint_that_stays_is_an_error),
        HF_TEST(a_hanging_begin_costs_the_deadline_and_no_more),
        HF_TEST(the_outcome_of_a_late_call_is_told),
        HF_TEST(a_plan_that_comes_late_is_freed),
        HF_TEST(an_open_that_hangs_is_abandoned),
        HF_TEST(a_close_that_hangs_does_not_hang_us),
        HF_TEST(a_call_behind_a_hanging_free_never_begins),
        HF_TEST(a_deadline_in_the_past_begins_nothing),
        HF_TEST(cancelling_ends_work_but_not_the_undoing),
        HF_TEST(a_rollback_is_planned_switched_settled_and_undone),
        HF_TEST(a_rollbacks_plan_without_a_way_back_or_without_an_end_is_nonsense),
        HF_TEST(a_late_call_is_told_to_stop),
        HF_TEST(nonsense_is_the_plugins_fault),
        HF_TEST(only_0_and_minus_1_are_results),
        HF_TEST(an_error_of_the_plugin_comes_through),
        HF_TEST(an_open_that_fails_says_why),
        HF_TEST(a_plan_without_a_way_back_is_refused),
        HF_TEST(structs_of_an_older_plugin_end_where_they_end),
        HF_TEST(lists_are_bounded_and_their_items_checked),
        HF_TEST(output_of_the_guest_is_bounded),
        HF_TEST(lines_of_the_plugin_stay_single_lines),
        HF_TEST(a_wrong_configuration_opens_nothing),
        HF_TEST(opening_and_closing_can_be_repeated),
    };
    return HF_RUN_TESTS("hypervisor.hv", tests);
}
