/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/creation.h"
#include "run/expiry.h"
#include "run/snapshot.h"

/* As asked for, else as the policy says, else the VM. 0: never */
static int64_t expires_us(const struct creation *c)
{
    const struct hf_config_policy *policy = c->run->env->policy;
    int64_t keep_ms = c->req->keep_ms ? c->req->keep_ms : policy ? policy->snapshot_keep : 0;
    if (!keep_ms)
        keep_ms = c->run->vm->snapshot_keep;
    return keep_ms ? creation_taken_wall_us(c) + keep_ms * 1000 : 0;
}

/* When it ends, and the clock that nobody sets, by which that is checked (run/expiry.h). */
static int add_expiry(const struct creation *c, struct json_object *doc, struct hf_err *err)
{
    struct hf_expiry_now now = hf_expiry_now(c->run->env->clock);
    char at[HF_TIME_MAX];
    HF_AUTOJSON struct json_object *clock = json_object_new_object();
    hf_time_rfc3339(expires_us(c), at);
    if (!clock || hf_json_add_string(clock, "boot", now.boot_id) < 0 ||
        hf_json_add_int(clock, "up_ms", creation_taken_us(c) / 1000) < 0 ||
        hf_json_add_string(doc, "expires_at", expires_us(c) ? at : NULL) < 0 ||
        hf_json_add(doc, "clock", HF_STEAL(clock)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int commit(struct creation *c, const char *report, bool degraded, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    const char *outcome = degraded ? "degraded" : "done";
    struct hf_catalog_run row = hf_run_row(run, outcome, report);
    struct hf_catalog_snapshot snap = {
        .name = c->name,
        .run_id = run->id,
        .vm = run->vm->label,
        .hypervisor = run->hypervisor->label,
        .vm_id = run->found.id,
        .label = c->req->label,
        .grade = hf_grade_name(c->result.grade),
        .state = "present",
        .taken_us = creation_taken_wall_us(c),
        .expires_us = expires_us(c),
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

static int report_and_commit(struct creation *c, struct json_object **out_report,
                             bool *out_degraded, struct hf_err *err)
{
    *out_degraded = !hf_grade_meets(c->result.grade, hf_run_required(c->run));
    HF_AUTOJSON struct json_object *doc = creation_report(c, err);
    if (!doc || add_expiry(c, doc, err) < 0 ||
        commit(c, json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN), *out_degraded, err) <
            0)
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
    HF_AUTO(creation)
    struct creation c = {
        .run = &run,
        .kind = HF_CAPTURE_SNAPSHOT,
        .label = req->label,
        .req = req,
        .guest_err = HF_ERR_INIT,
    };
    if (creation_prepare(&c, err) == 0 && creation_take(&c, err) == 0 &&
        creation_settle(&c, err) == 0 && report_and_commit(&c, out_report, out_degraded, err) == 0)
        return 0;
    /* Sessions first: what is still held goes before anything slow is undone. */
    creation_close_lock(&c);
    return hf_run_fail(&run, err);
}
