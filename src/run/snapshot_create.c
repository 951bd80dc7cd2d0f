/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/point.h"
#include "hold/hold.h"
#include "run/effects.h"
#include "run/report.h"
#include "run/run.h"
#include "run/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define QUERY_MS 5000
#define PREPARE_MS 60000
#define SETTLE_MS 60000
#define PRESYNC_MS 60000
#define COME_HOME_MS 60000
#define BREATH_MS 100
/* The server ends the lock's session this long after hold-limit at the latest (wait_timeout,
 * db/lock.h). */
#define SESSION_SLACK_MS 15000

/* More than a lock ever sets (db/lock.h, harden). */
#define VARIABLES_MAX 4

/* Everything of one `snapshot create`, open at the same time. */
struct creation {
    struct hf_run *run;
    const struct hf_snapshot_create *req;
    char name[HF_ID_MAX + 8]; /* hf-RUN */
    struct hf_db_lock *lock;
    struct hf_db_conn *observer;
    struct hf_hv_capture *capture;
    struct hf_hv_capture_plan plan;
    struct hf_strv warnings;
    char server[64];   /* of the lock's plan */
    uint64_t lock_seq; /* open journal entries, 0: none */
    uint64_t variable_seqs[VARIABLES_MAX];
    size_t n_variables;
    struct hf_hold_result result;
};

static void creation_close(struct creation *c)
{
    hf_hv_capture_free(c->capture);
    hf_hv_capture_plan_free(&c->plan);
    hf_db_lock_free(c->lock);
    hf_db_close(c->observer);
    hf_strv_free(&c->warnings);
    hf_hold_result_free(&c->result);
}
HF_DEFINE_AUTO_VALUE(creation, creation_close)

static int warn(struct creation *c, const char *text, struct hf_err *err)
{
    hf_log(c->run->env->log, HF_LOG_WARN, "snapshot", "%s", text);
    return hf_strv_add(&c->warnings, text) < 0 ? hf_fail_nomem(err) : 0;
}

static int warn_all(struct creation *c, const struct hf_strv *texts, struct hf_err *err)
{
    for (size_t i = 0; i < texts->n; i++)
        if (warn(c, texts->items[i], err) < 0)
            return -1;
    return 0;
}

/* ---- before the hold -------------------------------------------------------------------- */

static int journal_variable(void *ctx, const char *name, const char *old_value,
                            const char *new_value, struct hf_err *err)
{
    struct creation *c = ctx;
    if (c->n_variables == VARIABLES_MAX)
        return hf_fail(err, HF_E_INTERNAL, "more than %d variables in one run", VARIABLES_MAX);
    return hf_effect_db_variable(c->run->journal, name, old_value, new_value,
                                 &c->variable_seqs[c->n_variables++], err);
}

static int prepare_lock(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    const struct hf_config_vm *vm = run->vm;
    struct hf_db_target target = hf_env_db_target(vm);
    struct hf_db_lock_opts opts = {
        .target = &target,
        .run_id = run->id,
        .stall_budget_ms = vm->stall_budget,
        .quiesce_timeout_ms = vm->quiesce_timeout,
        .hold_limit_ms = vm->hold_limit,
        .clock = run->env->clock,
        .cancel = run->env->cancel,
        .log = run->env->log,
        .on_variable = journal_variable,
        .on_variable_ctx = c,
    };
    int64_t dead_at_us =
        run->started_wall_us +
        (vm->quiesce_timeout + vm->hold_limit + SESSION_SLACK_MS + PREPARE_MS) * 1000;
    if (hf_effect_db_lock(run->journal, dead_at_us, &c->lock_seq, err) < 0)
        return -1;
    HF_POINT("run.before_sessions");
    c->lock = hf_db_lock_prepare(&opts, err);
    if (c->lock)
        snprintf(c->server, sizeof c->server, "%s", hf_db_lock_get_plan(c->lock)->server);
    return c->lock ? warn_all(c, &hf_db_lock_get_plan(c->lock)->warnings, err) : -1;
}

/* For quiesce = none the position is a courtesy: without it the snapshot is as good as promised. */
static void open_observer(struct creation *c)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = hf_env_db_target(c->run->vm);
    target.connect_timeout_s = 5;
    if (c->run->vm->db.kind == HF_DB_NONE)
        return;
    c->observer = hf_db_open(&target, &err);
    if (!c->observer)
        hf_log(c->run->env->log, HF_LOG_WARN, "snapshot", "position will not be recorded: %s",
               err.message);
}

static int prepare_database(struct creation *c, struct hf_err *err)
{
    if (c->run->vm->quiesce != HF_QUIESCE_NONE)
        return prepare_lock(c, err);
    open_observer(c);
    return 0;
}

/* With a lock planned, what is known to cost the grade is refused before anything is held. */
static int check_grade(struct creation *c, bool has_guest, const struct hf_err *guest_err,
                       struct hf_err *err)
{
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(c->lock);
    const enum hf_grade required = c->run->vm->require;
    if (hf_grade_meets(HF_GRADE_E, required))
        return 0;
    if (plan->needs_sync && !has_guest) {
        hf_fail(err, HF_E_UNSUPPORTED,
                "grade %s is out of reach: %s, and nothing can sync the guest (%s)",
                hf_grade_name(required), plan->needs_sync_why, guest_err->message);
        return hf_hint(err, "Install and start qemu-guest-agent in the guest, or make the server "
                            "durable at commit, "
                            "or accept less with `require = E`.");
    }
    if (plan->lacks_variable_right) {
        hf_fail(err, HF_E_AUTH,
                "grade %s is out of reach: the redo log is not written at commit, and the right to "
                "settle it is missing",
                hf_grade_name(required));
        return hf_hint(err, "`holdfast check %s` prints the GRANT.", c->run->vm->label);
    }
    return 0;
}

/* Writes the guest's dirty pages now, so that little is left to write under the lock. */
static int presync(struct creation *c, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(c->run->env, c->run->id, PRESYNC_MS);
    return hf_hold_sync_guest(c->run->hv, &call, c->run->found.id, err);
}

static int check_guest(struct creation *c, bool *out_has_guest, struct hf_err *err)
{
    struct hf_err guest_err = HF_ERR_INIT;
    *out_has_guest = false;
    if (c->run->vm->guest == HF_GUEST_NONE)
        hf_fail(&guest_err, HF_E_UNSUPPORTED, "guest = none");
    else if (presync(c, &guest_err) == 0)
        *out_has_guest = true;
    else
        hf_log(c->run->env->log, HF_LOG_WARN, "snapshot", "guest agent: %s", guest_err.message);
    return c->lock ? check_grade(c, *out_has_guest, &guest_err, err) : 0;
}

static int check_busy(struct creation *c, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(c->run->env, c->run->id, QUERY_MS);
    return hf_hv_vm_busy(c->run->hv, &call, c->run->found.id, err);
}

static int plan_capture(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    struct hf_capture_request req = {
        .struct_size = sizeof req,
        .kind = HF_CAPTURE_SNAPSHOT,
        .vm_id = run->found.id,
        .name = c->name,
        .label = c->req->label,
    };
    struct hf_hv_call call = hf_env_call(run->env, run->id, PREPARE_MS);
    snprintf(c->name, sizeof c->name, "hf-%s", run->id);
    if (hf_hv_capture_plan(run->hv, &call, &req, &c->capture, &c->plan, err) < 0)
        return -1;
    return warn_all(c, &c->plan.warnings, err);
}

static int prepare_capture(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    if (hf_effect_snapshot(run->journal, run->found.id, c->name, c->plan.undo_token, err) < 0)
        return -1;
    HF_POINT("run.before_prepare");
    struct hf_hv_call call = hf_env_call(run->env, run->id, PREPARE_MS);
    if (hf_hv_capture_prepare(c->capture, &call, err) < 0)
        return -1;
    HF_POINT("run.after_prepare");
    return 0;
}

/* The last thing before the hold: a hardened server syncs each commit from here on. What was committed before goes down
 * by a sync in the guest, else by a new binlog. That sync serves a durable server too: the first commits after the
 * snapshot go to new overlays, and find little else to write. */
static int calm(struct creation *c, bool has_guest, struct hf_err *err)
{
    struct hf_err guest_err = HF_ERR_INIT;
    if (!c->lock)
        return 0;
    HF_POINT("run.before_harden");
    if (hf_db_lock_harden(c->lock, err) < 0)
        return -1;
    if (has_guest && presync(c, &guest_err) == 0)
        return 0;
    return hf_db_lock_flush_binlog(c->lock, err);
}

/* ---- the hold --------------------------------------------------------------------------- */

/* A capture call that was still away at the deadline is waited for, so that the undo finds what it
 * did. */
static void wait_home(struct creation *c)
{
    struct hf_err late = HF_ERR_INIT, err = HF_ERR_INIT;
    if (!c->result.capture_unknown)
        return;
    hf_log(c->run->env->log, HF_LOG_WARN, "snapshot",
           "waiting for the late answer of the hypervisor");
    struct hf_hv_call call = hf_env_call(c->run->env, NULL, COME_HOME_MS);
    if (hf_hv_wait_home(c->run->hv, call.deadline_ms, &late, &err) < 0)
        hf_log_err(c->run->env->log, HF_LOG_WARN, "snapshot", &err);
}

static void close_entry(struct creation *c, uint64_t *seq)
{
    struct hf_err err = HF_ERR_INIT;
    if (*seq && hf_journal_undone(c->run->journal, *seq, &err) < 0)
        hf_log_err(c->run->env->log, HF_LOG_WARN, "snapshot", &err);
    *seq = 0;
}

/* The session goes with everything it held; then its journal entry is closed. */
static void close_lock(struct creation *c)
{
    hf_db_lock_free(HF_STEAL(c->lock));
    close_entry(c, &c->lock_seq);
}

/* The picture is taken and nobody waits any more. A variable that the lock's own sessions could not
 * set back is tried from a new one; if that fails too, its entry stays open for recover. */
static int let_go(struct creation *c, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    HF_AUTO(hf_undo) struct hf_undo undo = {.env = c->run->env, .vm = c->run->vm};
    close_lock(c);
    for (size_t i = 0; !c->result.is_unrestored && i < c->n_variables; i++)
        close_entry(c, &c->variable_seqs[i]);
    if (c->result.is_unrestored && hf_undo_holds(&undo, c->run->journal, &second) < 0)
        return warn(c, second.left[0] ? second.left : second.message, err);
    return 0;
}

static int hold(struct creation *c, bool has_guest, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    struct hf_hold_plan plan = {
        .lock = c->lock,
        .observer = c->observer,
        .hv = run->hv,
        .capture = c->capture,
        .vm_id = run->found.id,
        .run_id = run->id,
        .sync_guest = c->lock && hf_db_lock_get_plan(c->lock)->needs_sync && has_guest,
        .required = run->vm->require,
        .hold_limit_ms = run->vm->hold_limit,
        .clock = run->env->clock,
        .cancel = run->env->cancel,
        .log = run->env->log,
    };
    c->result.timeline.start_us = run->started_us;
    c->result.timeline.start_wall_us = run->started_wall_us;
    int result = hf_hold_run(&plan, &c->result, err);
    /* Writers work off what waited, on a disk and processors that we may share with them. */
    if (result == 0)
        hf_clock_sleep_ms(run->env->clock, BREATH_MS);
    wait_home(c);
    return result;
}

/* ---- after the hold --------------------------------------------------------------------- */

static int settle(struct creation *c, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(c->run->env, c->run->id, SETTLE_MS);
    return hf_hv_capture_settle(c->capture, &call, err);
}

static int commit(struct creation *c, const char *report, bool degraded, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    const char *outcome = degraded ? "degraded" : "done";
    struct hf_catalog_run row = hf_run_row(run, outcome, report);
    int64_t begin_us = hf_timeline_at(&c->result.timeline, "capture_begin");
    struct hf_catalog_snapshot snap = {
        .name = c->name,
        .run_id = run->id,
        .vm = run->vm->label,
        .hypervisor = run->hypervisor->label,
        .vm_id = run->found.id,
        .label = c->req->label,
        .grade = hf_grade_name(c->result.grade),
        .state = "present",
        .taken_us = run->started_wall_us + (begin_us - run->started_us),
        .stall_ms = c->result.stall_ms,
        .report = report,
    };
    HF_POINT("run.before_commit");
    if (hf_catalog_snapshot_commit(run->catalog, &snap, &row, err) < 0)
        return -1;
    HF_POINT("run.after_commit");
    hf_run_commit(c->run);
    return 0;
}

static int take(struct creation *c, struct hf_err *err)
{
    bool has_guest = false;
    if (check_busy(c, err) < 0 || plan_capture(c, err) < 0 || prepare_database(c, err) < 0 ||
        check_guest(c, &has_guest, err) < 0 || prepare_capture(c, err) < 0 ||
        hf_run_wait_guardian(c->run, err) < 0 || hf_cancel_check(c->run->env->cancel, err) < 0 ||
        check_busy(c, err) < 0 || calm(c, has_guest, err) < 0)
        return -1;
    if (hold(c, has_guest, err) < 0 || let_go(c, err) < 0)
        return -1;
    return settle(c, err);
}

static int report_and_commit(struct creation *c, struct json_object **out_report,
                             bool *out_degraded, struct hf_err *err)
{
    const struct hf_config_vm *vm = c->run->vm;
    *out_degraded = !hf_grade_meets(c->result.grade, vm->require);
    struct hf_report_snapshot in = {
        .run = c->run,
        .snapshot = c->name,
        .label = c->req->label,
        .n_disks = c->plan.n_disks,
        .result = &c->result,
        .warnings = &c->warnings,
        .server = c->server[0] ? c->server : NULL,
    };
    HF_AUTOJSON struct json_object *doc = hf_report_snapshot(&in, err);
    if (!doc || commit(c, json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN),
                       *out_degraded, err) < 0)
        return -1;
    *out_report = HF_STEAL(doc);
    return 0;
}

int hf_run_snapshot_create(const struct hf_env *env, const struct hf_snapshot_create *req,
                           struct json_object **out_report, bool *out_degraded, struct hf_err *err)
{
    HF_AUTO(hf_run) struct hf_run run = {0};
    if (hf_run_begin(&run, env, "snapshot create", req->vm, err) < 0)
        return -1;
    HF_AUTO(creation) struct creation c = {.run = &run, .req = req};
    if (take(&c, err) == 0 && report_and_commit(&c, out_report, out_degraded, err) == 0)
        return 0;
    /* Sessions first: what is still held goes before anything slow is undone. */
    close_lock(&c);
    return hf_run_fail(&run, err);
}
