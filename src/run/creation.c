/* SPDX-License-Identifier: Apache-2.0 */
#include "run/creation.h"

#include "base/point.h"
#include "run/effects.h"
#include "run/report.h"
#include "run/usage.h"

#include <stdio.h>

#define QUERY_MS 5000
#define PREPARE_MS 60000
#define SETTLE_MS 60000
#define COME_HOME_MS 60000
#define BREATH_MS 100

void creation_close(struct creation *c)
{
    hf_hv_capture_free(c->capture);
    hf_hv_capture_plan_free(&c->plan);
    hf_db_lock_free(c->lock);
    hf_db_sources_free(&c->sources);
    hf_db_close(c->observer);
    hf_services_free(c->services);
    hf_services_free(c->db_services);
    hf_strv_free(&c->to_start);

    hf_way_close(&c->way);
    hf_strv_free(&c->mounts);
    hf_strv_free(&c->datastores);
    hf_strv_free(&c->warnings);
    hf_hold_result_free(&c->result);
}

const char *creation_area(const struct creation *c)
{
    return c->kind == HF_CAPTURE_EXPORT ? "backup" : "snapshot";
}

int creation_warn(struct creation *c, const char *text, struct hf_err *err)
{
    hf_log(c->run->env->log, HF_LOG_WARN, creation_area(c), "%s", text);
    return hf_strv_add(&c->warnings, text) < 0 ? hf_fail_nomem(err) : 0;
}

int creation_warn_all(struct creation *c, const struct hf_strv *texts, struct hf_err *err)
{
    for (size_t i = 0; i < texts->n; i++)
        if (creation_warn(c, texts->items[i], err) < 0)
            return -1;
    return 0;
}

/* ---- before the hold -------------------------------------------------------------------- */

static int check_busy(struct creation *c, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(c->run->env, c->run->id, QUERY_MS);
    return hf_hv_vm_busy(c->run->hv, &call, c->run->found.id, err);
}

/* Of a snapshot, a backup's too: one that would fill the filesystem, or make the chain too long, is not begun. */
static int check_limits(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    HF_AUTO(hf_usage) struct hf_usage usage = {0};
    bool is_backup = c->kind == HF_CAPTURE_EXPORT;
    if (is_backup && !hf_usage_has_backup(&run->found))
        return 0;
    struct hf_hv_call call = hf_env_call(run->env, run->id, PREPARE_MS);
    if (hf_usage_take(run->hv, &call, run->vm, run->found.id, &usage, err) < 0)
        return -1;
    if (is_backup)
        return hf_usage_refuse_backup(&usage, run->vm, err);
    if (hf_strv_add_all(&c->datastores, &usage.datastores) < 0)
        return hf_fail_nomem(err);
    return hf_usage_refuse(&usage, run->vm, err);
}

static int plan_capture(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    struct hf_capture_request req = {
        .struct_size = sizeof req,
        .kind = c->kind,
        .vm_id = run->found.id,
        .name = c->name,
        .label = c->label,
        .parent = c->parent,
        .checkpoint = run->vm->checkpoint, /* of an export */
        .is_frozen = hf_way_freezes(run->vm),
    };
    struct hf_hv_call call = hf_env_call(run->env, run->id, PREPARE_MS);
    snprintf(c->name, sizeof c->name, "hf-%s", run->id);
    if (hf_hv_capture_plan(run->hv, &call, &req, &c->capture, &c->plan, err) < 0)
        return -1;
    return creation_warn_all(c, &c->plan.warnings, err);
}

static int journal_capture(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    return c->kind == HF_CAPTURE_EXPORT
               ? hf_effect_export(run->journal, run->found.id, c->name, c->plan.undo_token, err)
               : hf_effect_snapshot(run->journal, run->found.id, c->name, c->plan.undo_token, err);
}

static int prepare_capture(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    if (journal_capture(c, err) < 0)
        return -1;
    HF_POINT("run.before_prepare");
    struct hf_hv_call call = hf_env_call(run->env, run->id, PREPARE_MS);
    if (hf_hv_capture_prepare(c->capture, &call, err) < 0)
        return -1;
    HF_POINT("run.after_prepare");
    return 0;
}

/* ---- the hold --------------------------------------------------------------------------- */

void creation_wait_home(const struct creation *c)
{
    struct hf_err late = HF_ERR_INIT, err = HF_ERR_INIT;
    if (!hf_hv_is_stuck(c->run->hv))
        return;
    hf_log(c->run->env->log, HF_LOG_WARN, creation_area(c),
           "waiting for the late answer of the hypervisor");
    struct hf_hv_call call = hf_env_call(c->run->env, NULL, COME_HOME_MS);
    if (hf_hv_wait_home(c->run->hv, call.deadline_ms, &late, &err) < 0)
        hf_log_err(c->run->env->log, HF_LOG_WARN, creation_area(c), &err);
}

/* The picture is taken and nobody waits any more. What could not be set back or disarmed is tried once more by its
 * journal entry; if that fails too, the entry stays open for recover. */
static int let_go(struct creation *c, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    HF_AUTO(hf_undo)
    struct hf_undo undo = {.env = c->run->env, .vm = c->run->vm, .vm_id = c->run->found.id};
    creation_close_lock(c);
    if (c->result.has_open_ends) {
        if (hf_undo_holds(&undo, c->run->journal, &second) < 0)
            return creation_warn(c, second.left[0] ? second.left : second.message, err);
        return 0;
    }
    for (size_t i = 0; i < c->n_variables; i++)
        creation_close_entry(c, &c->variable_seqs[i]);
    creation_close_entry(c, &c->rest_seq);
    creation_close_entry(c, &c->freeze_seq);
    hf_db_close(HF_STEAL(c->observer));
    hf_way_close_db(&c->way);
    creation_close_entry(c, &c->bridge_seq);

    return 0;
}

/* Does anything but the lock's own means have to bring committed data to the disks? */
static bool needs_sync(const struct creation *c)
{
    if (!c->has_guest || c->freeze.hv)
        return false;
    return c->db_services || (c->lock && hf_db_lock_get_plan(c->lock)->needs_sync);
}

static int hold(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    struct hf_hold_plan plan = {
        .rest = c->services || c->db_services ? &c->rest : NULL,
        .lock = c->lock,
        .told = c->told,
        .readers = c->readers.begin && c->lock ? &c->readers : NULL,
        .freeze = c->freeze.hv ? &c->freeze : NULL,
        .observer = c->observer,
        .guest = c->way.guest,
        .tunnel = c->way.tunnel,
        .hv = run->hv,
        .capture = c->capture,
        .vm_id = run->found.id,
        .run_id = run->id,
        .sync_guest = needs_sync(c),
        .lowered_why = c->lowered_why[0] ? c->lowered_why : NULL,
        .required = hf_run_required(run),
        .hold_limit_ms = run->vm->hold_limit,
        .clock = run->env->clock,
        .cancel = run->env->cancel,
        .log = run->env->log,
    };
    c->result.timeline.start_us = run->started_us;
    c->result.timeline.start_wall_us = run->started_wall_us;
    int result = hf_hold_run(&plan, &c->result, err);
    /* Writers work off what waited, on a disk and processors that we may share with them. With nothing held none did. */
    if (result == 0 && (plan.rest || plan.lock || plan.freeze))
        hf_clock_sleep_ms(run->env->clock, BREATH_MS);
    creation_wait_home(c);
    return result;
}

/* ---- after the hold --------------------------------------------------------------------- */

int creation_settle(struct creation *c, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(c->run->env, c->run->id, SETTLE_MS);
    return hf_hv_capture_settle(c->capture, &call, err);
}

int creation_prepare(struct creation *c, struct hf_err *err)
{
    if (check_busy(c, err) < 0 || check_limits(c, err) < 0 || plan_capture(c, err) < 0 ||
        creation_open_ways(c, err) < 0 || creation_prepare_db(c, err) < 0 ||
        creation_prepare_guest(c, err) < 0 || creation_check_grade(c, err) < 0 ||
        (c->look && c->look(c->look_ctx, err) < 0) || prepare_capture(c, err) < 0)
        return -1;
    if (hf_run_wait_guardian(c->run, err) < 0 || hf_cancel_check(c->run->env->cancel, err) < 0)
        return -1;
    return check_busy(c, err);
}

int creation_take(struct creation *c, struct hf_err *err)
{
    if (creation_calm_db(c, err) < 0 || creation_journal_guest(c, err) < 0 || hold(c, err) < 0)
        return -1;
    return let_go(c, err);
}

int64_t creation_taken_us(const struct creation *c)
{
    return hf_timeline_at(&c->result.timeline, "capture_begin");
}

int64_t creation_taken_wall_us(const struct creation *c)
{
    return c->run->started_wall_us + (creation_taken_us(c) - c->run->started_us);
}

struct json_object *creation_report(const struct creation *c, struct hf_err *err)
{
    const struct hf_report_snapshot in = {
        .run = c->run,
        .snapshot = c->kind == HF_CAPTURE_SNAPSHOT ? c->name : NULL,
        .label = c->label,
        .n_disks = c->plan.n_disks,
        .result = &c->result,
        .warnings = &c->warnings,
        .server = c->server[0] ? c->server : NULL,
        .method = c->method[0] ? c->method : NULL,
        .stopped = &c->to_start,
        .datastores = &c->datastores,
        .sources = &c->sources,
    };
    return hf_report_snapshot(&in, err);
}
