/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/id.h"
#include "base/point.h"
#include "base/units.h"
#include "db/ping.h"
#include "run/effects.h"
#include "run/report.h"
#include "run/run.h"
#include "run/snapshot.h"
#include "run/way.h"

#include <string.h>

#define PLAN_MS (60 * 1000)
/* QEMU may be hard to stop (15 s), and libvirt slow to start it on a busy host. */
#define SWITCH_MS (3 * 60 * 1000)
#define SETTLE_MS (5 * 60 * 1000)
/* A guest that boots, checks its filesystems and recovers its database. */
#define BOOT_MS (10 * 60 * 1000)
#define TRY_MS 15000
#define PAUSE_MS 200

struct rollback {
    struct hf_run *run;
    const struct hf_snapshot_rollback *req;
    struct hf_hv_rollback_plan plan;
    struct hf_strv kept;
    struct hf_timeline timeline;
    bool is_begun; /* the VM may have been stopped */
    bool has_db;   /* is waited for */
    bool is_decided;
};

static void rollback_drop(struct rollback *r)
{
    hf_hv_rollback_plan_free(&r->plan);
    hf_strv_free(&r->kept);
}
HF_DEFINE_AUTO_VALUE(rollback, rollback_drop)

static void mark(struct rollback *r, const char *event)
{
    const struct hf_clock *clock = r->run->env->clock;
    hf_timeline_mark_at(&r->timeline, event, hf_clock_mono_us(clock));
    hf_log(r->run->env->log, HF_LOG_INFO, "rollback", "%s", event);
}

static int plan(struct hf_hv *hv, const struct hf_env *env, const char *run_id, const char *vm_id,
                const struct hf_snapshot_rollback *req, struct hf_hv_rollback_plan *out,
                struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(env, run_id, PLAN_MS);
    if (hf_hv_vm_busy(hv, &call, vm_id, err) < 0 ||
        hf_hv_rollback_plan(hv, &call, vm_id, req->name, out, err) < 0)
        return hf_wrap(err, "vm %s", req->vm);
    if (!req->keep_current || !out->is_final)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "vm %s: its hypervisor drops the state that a rollback leaves",
            req->vm);
    return hf_hint(err, "Copy the disks first, and roll back without --keep-current.");
}

/* ---- the new state comes up -------------------------------------------------------------- */

/* Not there yet, as opposed to: there, and wrong. */
static bool may_come(const struct hf_err *err)
{
    return err->cls == HF_E_UNREACHABLE || err->cls == HF_E_TIMEOUT || err->cls == HF_E_BUSY ||
           err->cls == HF_E_PLUGIN;
}

static int try_db(struct rollback *r, int64_t deadline_ms, struct hf_err *err)
{
    const struct hf_run *run = r->run;
    HF_AUTO(hf_way) struct hf_way way = {0};
    if (hf_way_open(&way, run->env, run->vm, run->found.id, run->id, HF_WAY_DB, err) < 0)
        return -1;
    struct hf_db_target target = hf_way_db_target(&way);
    int64_t until_ms = hf_clock_mono_ms(run->env->clock) + TRY_MS;
    if (!way.tunnel ||
        until_ms > deadline_ms) /* a tunnel may have died with the guest's boot: a new one */
        until_ms = deadline_ms;
    return hf_db_ping_until(&target, until_ms, run->env->clock, run->env->cancel, err);
}

/* A server that refuses our account answers, too. */
static int wait_for_db(struct rollback *r, struct hf_err *err)
{
    const struct hf_clock *clock = r->run->env->clock;
    int64_t deadline_ms = hf_clock_mono_ms(clock) + BOOT_MS;
    for (;;) {
        struct hf_err why = HF_ERR_INIT;
        if (try_db(r, deadline_ms, &why) == 0 || why.cls == HF_E_AUTH)
            return 0;
        if (r->run->env->cancel && hf_cancel_check(r->run->env->cancel, err) < 0)
            return -1;
        if (may_come(&why) && !hf_clock_is_past(clock, deadline_ms)) {
            hf_clock_sleep_ms(clock, PAUSE_MS);
            continue;
        }
        hf_err_copy(err, &why);
        return hf_wrap(err, "the database did not come up in the state of the snapshot");
    }
}

/* ---- the run ------------------------------------------------------------------------------ */

static int switch_over(struct rollback *r, struct hf_err *err)
{
    struct hf_run *run = r->run;
    if (hf_effect_rollback(run->journal, run->found.id, r->req->name, r->plan.undo_token, err) < 0)
        return -1;
    r->is_begun = true;
    HF_POINT("rollback.before_switch");
    mark(r, "switch_begin");
    struct hf_hv_call call = hf_env_call(run->env, run->id, SWITCH_MS);
    if (hf_hv_rollback_switch(run->hv, &call, run->found.id, r->plan.undo_token, err) < 0)
        return -1;
    mark(r, "switched");
    HF_POINT("rollback.after_switch");
    r->has_db = r->plan.was_running && run->vm->db.kind != HF_DB_NONE;
    if (!r->has_db)
        return 0;
    if (wait_for_db(r, err) < 0)
        return -1;
    mark(r, "db_accepts");
    return 0;
}

static int decide(struct rollback *r, struct hf_err *err)
{
    struct hf_run *run = r->run;
    HF_POINT("rollback.before_decision");
    if (hf_effect_rollback_decided(run->journal, run->found.id, r->req->name, r->plan.undo_token,
                                   r->req->keep_current, &r->plan.younger, err) < 0)
        return -1;
    r->is_decided = true;
    HF_POINT("rollback.after_decision");
    return 0;
}

static int settle(struct rollback *r, struct hf_err *err)
{
    struct hf_run *run = r->run;
    struct hf_err ignored = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(run->env, run->id, SETTLE_MS);
    if (hf_hv_rollback_settle(run->hv, &call, run->found.id, r->plan.undo_token,
                              r->req->keep_current, &r->kept, err) < 0)
        return -1;
    mark(r, "settled");
    HF_POINT("rollback.after_settle");
    for (size_t i = 0; i < r->plan.younger.n; i++)
        if (hf_catalog_snapshot_set_state(run->catalog, run->found.id, r->plan.younger.items[i],
                                          "deleted", &ignored) < 0 &&
            ignored.cls != HF_E_NOT_FOUND)
            hf_log_err(run->env->log, HF_LOG_WARN, "rollback", &ignored);
    return 0;
}

/* Of files, which the hypervisor knows nothing of; it looks after a snapshot itself. */
static int warn_of_kept(struct rollback *r, struct hf_err *err)
{
    size_t i = 0;
    while (i < r->kept.n && r->kept.items[i][0] != '/')
        i++;
    if (i == r->kept.n)
        return 0;
    char *line = hf_asprintf(
        "the kept files stand on the layers below snapshot %s: deleting it, or an older "
        "one, spoils them (a copy by qemu-img convert does not depend on it)",
        r->req->name);
    return line && hf_strv_take(&r->plan.warnings, line) == 0 ? 0 : hf_fail_nomem(err);
}

/* Its base holds part of what was written since. */
static int check_whole(struct rollback *r, struct hf_err *err)
{
    if (!hf_run_is_half_deleted(r->run, r->req->name))
        return 0;
    hf_fail(err, HF_E_CONFLICT, "snapshot %s of %s is half deleted, and no way back any more",
            r->req->name, r->req->vm);
    return hf_hint(err, "Finish its deletion: holdfast snapshot delete %s %s.", r->req->vm,
                   r->req->name);
}

static int roll_back(struct rollback *r, struct hf_err *err)
{
    struct hf_run *run = r->run;
    if (check_whole(r, err) < 0 ||
        plan(run->hv, run->env, run->id, run->found.id, r->req, &r->plan, err) < 0 ||
        hf_run_wait_guardian(run, err) < 0)
        return -1;
    if (r->plan.is_final && decide(r, err) < 0)
        return -1;
    if (switch_over(r, err) < 0)
        return -1;
    if (!r->is_decided && decide(r, err) < 0)
        return -1;
    return settle(r, err) < 0 ? -1 : warn_of_kept(r, err);
}

/* hf_run_fail goes back to the old state, or, once decided, tries to finish. */
static int give_up(struct rollback *r, struct hf_err *err)
{
    hf_wrap(err, "rollback to %s", r->req->name);
    hf_run_fail(r->run, err);
    if (r->is_begun && !r->is_decided && !err->left[0])
        hf_hint(err, "%s has the state of before the rollback again%s.", r->req->vm,
                r->plan.was_active ? ", and was started" : "");
    return -1;
}

int hf_run_snapshot_rollback(const struct hf_env *env, const struct hf_snapshot_rollback *req,
                             struct json_object **out_report, struct hf_err *err)
{
    HF_AUTO(hf_run) struct hf_run run = {0};
    HF_AUTO(rollback) struct rollback r = {.run = &run, .req = req};
    if (hf_run_begin(&run, env, HF_VERB_ROLLBACK, req->vm, err) < 0)
        return -1;
    r.timeline.start_us = run.started_us;
    r.timeline.start_wall_us = run.started_wall_us;
    if (roll_back(&r, err) < 0)
        return give_up(&r, err);
    struct hf_report_rollback in = {.run = &run,
                                    .snapshot = req->name,
                                    .kept = &r.kept,
                                    .younger = &r.plan.younger,
                                    .warnings = &r.plan.warnings,
                                    .has_db = r.has_db,
                                    .timeline = &r.timeline};
    HF_AUTOJSON struct json_object *doc = hf_report_rollback(&in, err);
    if (!doc)
        return -1;
    hf_run_end(&run, "done", doc, "The rollback is done");
    *out_report = HF_STEAL(doc);
    return 0;
}

/* ---- preview ------------------------------------------------------------------------------ */

static struct json_object *preview(const struct hf_snapshot_rollback *req,
                                   const struct hf_hv_rollback_plan *p, struct hf_err *err)
{
    char taken[HF_TIME_MAX];
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    hf_time_rfc3339(p->taken_at_s * 1000000, taken);
    if (!doc || hf_json_add_string(doc, "vm", req->vm) < 0 ||
        hf_json_add_string(doc, "snapshot", req->name) < 0 ||
        hf_json_add_string(doc, "taken_at", p->taken_at_s ? taken : NULL) < 0 ||
        hf_json_add_int(doc, "discarded_bytes", (int64_t)p->discarded_bytes) < 0 ||
        hf_json_add(doc, "younger", hf_json_strings(&p->younger)) < 0 ||
        hf_json_add_bool(doc, "running", p->was_running) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&p->warnings)) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}

int hf_run_snapshot_rollback_preview(const struct hf_env *env,
                                     const struct hf_snapshot_rollback *req,
                                     struct json_object **out_doc, struct hf_err *err)
{
    char id[HF_ID_MAX];
    HF_AUTO(hf_vm_copy) struct hf_vm_copy found = {0};
    HF_AUTO(hf_hv_rollback_plan) struct hf_hv_rollback_plan p = {0};
    const struct hf_config_vm *vm = hf_config_find_vm(env->config, req->vm, err);
    const struct hf_config_hypervisor *h =
        vm ? hf_config_find_hypervisor(env->config, vm->hypervisor, err) : NULL;
    HF_AUTO(hf_hv) struct hf_hv *hv = h ? hf_env_open_hv(env, h, err) : NULL;
    struct hf_hv_call call = hf_env_call(env, NULL, PLAN_MS);
    if (!hv || hf_id_new(env->clock, id, err) < 0 ||
        hf_hv_vm_find(hv, &call, vm->name, &found, err) < 0 ||
        plan(hv, env, id, found.id, req, &p, err) < 0)
        return -1;
    *out_doc = preview(req, &p, err);
    return *out_doc ? 0 : -1;
}
