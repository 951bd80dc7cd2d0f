/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_policies.h"

#include "base/civil.h"
#include "catalog/alarm.h"
#include "catalog/vmlock.h"
#include "cli/report_text.h"
#include "cli/status_forgotten.h"
#include "run/report.h"

#include <string.h>

#define SECOND_US 1000000

struct adding {
    const struct hf_owed *owed;
    struct json_object *rows;
};

static int add_verdict(struct json_object *o, const struct adding *a,
                       const struct hf_owed_duty *item, const struct hf_plan_row *row)
{
    HF_AUTO(hf_buf) struct hf_buf say = HF_BUF_INIT;
    const struct hf_owed_verdict v = hf_owed_judge(a->owed, item, row, &say);
    return hf_json_add_string(o, "state", v.state) |
           hf_json_add_string(o, "level", hf_owed_level_name(v.level)) |
           hf_json_add_string(o, "message", say.len ? hf_buf_str(&say) : NULL);
}

static int add_last(struct json_object *o, const struct hf_owed_duty *item)
{
    const struct hf_duty *d = &item->d;
    return hf_owed_add_time(o, "last_due_at", d->attempts ? d->served_s : HF_NO_TIME) |
           hf_json_add_int(o, "attempts", d->attempts) |
           hf_json_add_time(o, "began_at", d->began_us) |
           hf_json_add_time(o, "ended_at", d->ended_us) |
           hf_json_add_bool(o, "by_holdfastd", !item->is_by_others) |
           hf_json_add_string(o, "outcome", d->outcome) | hf_json_add_string(o, "run", d->run_id) |
           hf_json_add_string(o, "error", d->error) |
           hf_json_add_string(o, "error_message", d->message);
}

static int add_success(struct json_object *o, const struct hf_duty *d)
{
    bool has_any = d->success_us != 0;
    return hf_json_add_time(o, "success_at", d->success_us) |
           hf_json_add_string(o, "grade", has_any ? d->grade : NULL) |
           (has_any && d->stall_ms >= 0 ? hf_json_add(o, "stall_ms", hf_report_ms(d->stall_ms))
                                        : hf_json_add_string(o, "stall_ms", NULL)) |
           (has_any ? hf_json_add_int(o, "duration_ms", d->duration_ms)
                    : hf_json_add_string(o, "duration_ms", NULL)) |
           (has_any ? hf_json_add_bool(o, "protected", d->is_protected)
                    : hf_json_add_string(o, "protected", NULL));
}

static int add_row(void *ctx, const struct hf_plan_row *row, struct hf_err *err)
{
    struct adding *a = ctx;
    const struct hf_owed_duty *item =
        hf_owed_find(a->owed, row->policy->label, row->vm->label, row->kind);
    struct json_object *o = item ? hf_json_append_object(a->rows) : NULL;
    if (!o || hf_json_add_string(o, "policy", row->policy->label) < 0 ||
        hf_json_add_string(o, "vm", row->vm->label) < 0 ||
        hf_json_add_string(o, "kind", row->kind) < 0 || add_verdict(o, a, item, row) ||
        hf_json_add_bool(o, "followed", item->is_followed) < 0 ||
        hf_json_add_bool(o, "running", item->is_running) < 0 ||
        hf_json_add_bool(o, "overdue", row->is_overdue) < 0 ||
        hf_json_add_bool(o, "has_missed", row->has_missed) < 0 ||
        hf_owed_add_time(o, "next_due_at", row->due_s) < 0 ||
        hf_owed_add_time(o, "next_start_at", row->start_s) < 0 || add_last(o, item) ||
        add_success(o, &item->d))
        return hf_fail_nomem(err);
    return 0;
}

/* ---- alarms ----------------------------------------------------------------------------- */

/* Of something that is no longer configured: only holdfastd can take it back. */
static bool is_about_nobody(const struct hf_owed *o, const struct hf_alarm *a)
{
    const struct hf_owed_duty *item = hf_owed_find(o, a->policy, a->vm, HF_DUTY_RUN);
    return *a->policy && *a->vm && !(item && item->is_configured);
}

/* What the rows say themselves, and later than whoever raised it, adds nothing to them. */
static enum hf_owed_level level_of(const struct hf_owed *o, const struct hf_alarm *a)
{
    static const char *const known[] = {"failed", "degraded", "drill-failed", "drill-overdue"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(known); i++)
        if (strcmp(a->kind, known[i]) == 0)
            return HF_OWED_OK;
    return is_about_nobody(o, a) ? HF_OWED_OK : HF_OWED_WARNING;
}

struct alarms {
    const struct hf_owed *owed;
    struct json_object *list;
};

static int add_alarm(void *ctx, const struct hf_alarm *a, struct hf_err *err)
{
    struct alarms *l = ctx;
    struct json_object *o = hf_json_append_object(l->list);
    if (!o || hf_json_add_string(o, "kind", a->kind) < 0 ||
        hf_json_add_string(o, "policy", *a->policy ? a->policy : NULL) < 0 ||
        hf_json_add_string(o, "vm", *a->vm ? a->vm : NULL) < 0 ||
        hf_json_add_time(o, "since", a->since_us) < 0 ||
        hf_json_add_string(o, "message", a->text) < 0 ||
        hf_json_add_bool(o, "configured", !is_about_nobody(l->owed, a)) < 0 ||
        hf_json_add_string(o, "level", hf_owed_level_name(level_of(l->owed, a))) < 0)
        return hf_fail_nomem(err);
    return 0;
}

/* ---- all -------------------------------------------------------------------------------- */

/* Where one has worked for what is configured, is one there? null: nobody expects it. */
static int add_daemon(const struct hf_config *config, const struct hf_owed *owed,
                      struct json_object *doc, struct hf_err *err)
{
    int rc;
    if (!owed->has_followed || hf_config_policy_count(config) == 0) {
        rc = hf_json_add_string(doc, "holdfastd_runs", NULL);
    } else {
        const int runs =
            hf_vmlock_is_taken(hf_config_get_defaults(config)->state, HF_DUTY_LOCK, err);
        if (runs < 0)
            return -1;
        rc = hf_json_add_bool(doc, "holdfastd_runs", runs);
    }
    return rc < 0 ? hf_fail_nomem(err) : 0;
}

bool hf_status_policies_lack_daemon(struct json_object *doc)
{
    const char *runs = hf_cli_text(doc, "holdfastd_runs");
    return runs && strcmp(runs, "false") == 0;
}

int hf_status_policies_add(const struct hf_config *config, struct hf_catalog *catalog,
                           int64_t now_us, struct json_object *doc, struct hf_err *err)
{
    HF_AUTO(hf_owed) struct hf_owed owed = {0};
    const int64_t now_s = hf_div_floor(now_us, SECOND_US);
    struct adding a = {.owed = &owed, .rows = hf_json_add_array(doc, "policies")};
    struct alarms alarms = {.owed = &owed, .list = hf_json_add_array(doc, "alarms")};
    if (!a.rows || !alarms.list)
        return hf_fail_nomem(err);
    if (hf_owed_open(&owed, config, catalog, now_s, err) < 0)
        return -1;
    if (hf_plan_rows(owed.plan, now_s, add_row, &a, err) < 0)
        return -1;
    if (hf_status_forgotten_add(config, &owed, doc, err) < 0 ||
        add_daemon(config, &owed, doc, err) < 0)
        return -1;
    return hf_alarms(catalog, add_alarm, &alarms, err);
}
