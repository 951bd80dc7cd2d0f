/* SPDX-License-Identifier: Apache-2.0
 *
 * What the catalog's runs and drills tell of a duty that has not been told of them.
 */
#include "cli/owed.h"
#include "cli/report_text.h"
#include "run/run.h"

#include <string.h>

#define LOOK_BACK 16 /* runs of the VM: other policies' may be newer */

struct looking {
    struct hf_owed *o;
    struct hf_owed_duty *item;
    const char *verb;
    int64_t after_us; /* what is older is known */
    bool is_over;
};

static int take_success(struct looking *l, const struct hf_catalog_run *r,
                        struct json_object *report, struct hf_err *err)
{
    struct json_object *stall = NULL;
    struct hf_duty *d = &l->item->d;
    d->success_us = r->ended_us;
    d->duration_ms = (r->ended_us - r->started_us) / 1000;
    d->is_protected = hf_cli_number(report, "protected");
    d->stall_ms =
        json_object_object_get_ex(report, "stall_ms", &stall) ? json_object_get_double(stall) : -1;
    return hf_owed_keep(l->o, hf_cli_text(report, "grade"), &d->grade, err);
}

static int take_error(struct looking *l, const struct hf_catalog_run *r, struct json_object *report,
                      struct hf_err *err)
{
    struct json_object *error = NULL;
    struct hf_duty *d = &l->item->d;
    bool is_undone = strcmp(r->outcome, "undone") == 0;
    d->error = d->message = NULL;
    if (report && json_object_object_get_ex(report, "error", &error) && error)
        return hf_owed_keep(l->o, hf_cli_text(error, "message"), &d->message, err) < 0
                   ? -1
                   : hf_owed_keep(l->o, hf_cli_text(error, "class"), &d->error, err);
    d->message = is_undone ? "it died, and what it had done was undone" : NULL;
    return 0;
}

static int take_run(struct looking *l, const struct hf_catalog_run *r, struct json_object *report,
                    struct hf_err *err)
{
    struct hf_duty *d = &l->item->d;
    const int64_t started_s = r->started_us / 1000000;
    bool is_done = strcmp(r->outcome, "done") == 0;
    d->began_us = r->started_us;
    d->ended_us = r->ended_us;
    d->attempts = d->served_s < started_s || d->attempts == 0 ? 1 : d->attempts;
    /* What nobody follows was not served at all before it. */
    d->served_s = d->served_s < started_s || !l->item->is_followed ? started_s : d->served_s;
    d->outcome = is_done ? "done" : strcmp(r->outcome, "degraded") == 0 ? "degraded" : "failed";
    l->item->is_by_others = true;
    if (hf_owed_keep(l->o, r->id, &d->run_id, err) < 0 || take_error(l, r, report, err) < 0)
        return -1;
    return is_done ? take_success(l, r, report, err) : 0;
}

/* Is it of the policy? One that was undone has no report: it is the one whose end nobody wrote down. */
static bool is_of_duty(const struct looking *l, struct json_object *report)
{
    const struct hf_duty *d = &l->item->d;
    const char *policy = report ? hf_cli_text(report, "policy") : NULL;
    return report ? policy && strcmp(policy, d->policy) == 0 : d->began_us != 0 && d->ended_us == 0;
}

/* Newest first. */
static int look_at_run(void *ctx, const struct hf_catalog_run *r, struct hf_err *err)
{
    struct looking *l = ctx;
    struct hf_err none = HF_ERR_INIT; /* a report that is no JSON tells nothing */
    l->is_over = l->is_over || r->started_us <= l->after_us;
    if (l->is_over || !r->outcome || strcmp(r->verb, l->verb) != 0)
        return 0;
    HF_AUTOJSON struct json_object *report =
        r->report ? hf_json_parse(r->report, strlen(r->report), &none) : NULL;
    if (!is_of_duty(l, report))
        return 0;
    l->is_over = true;
    return take_run(l, r, report, err);
}

static int look_at_drill(void *ctx, const struct hf_catalog_drill *drill, struct hf_err *err)
{
    struct looking *l = ctx;
    struct hf_duty *d = &l->item->d;
    const int64_t ended_us = drill->started_us + drill->duration_ms * 1000;
    if (drill->started_us <= l->after_us)
        return 0;
    d->began_us = drill->started_us;
    d->ended_us = ended_us;
    d->attempts = 1;
    if (d->served_s < ended_us / 1000000 || !l->item->is_followed)
        d->served_s = ended_us / 1000000;
    d->outcome = drill->has_passed ? "done" : "failed";
    d->success_us = drill->has_passed ? ended_us : d->success_us;
    d->error = NULL;
    l->item->is_by_others = true;
    return hf_owed_keep(l->o, drill->run_id, &d->run_id, err) < 0
               ? -1
               : hf_owed_keep(l->o, drill->why, &d->message, err);
}

int hf_owed_learn(struct hf_owed *o, struct hf_owed_duty *item, bool makes_snapshots,
                  struct hf_catalog *catalog, struct hf_err *err)
{
    const struct hf_duty *d = &item->d;
    struct looking l = {.o = o,
                        .item = item,
                        .verb = makes_snapshots ? "snapshot create" : "backup",
                        .after_us = d->ended_us ? d->ended_us : d->began_us};
    if (strcmp(d->kind, HF_DUTY_DRILL) == 0)
        return hf_catalog_drills(catalog, NULL, d->vm, 1, look_at_drill, &l, err);
    /* Mostly the newest one is known already. */
    if (hf_catalog_runs(catalog, d->vm, 1, look_at_run, &l, err) < 0)
        return -1;
    return l.is_over ? 0 : hf_catalog_runs(catalog, d->vm, LOOK_BACK, look_at_run, &l, err);
}
