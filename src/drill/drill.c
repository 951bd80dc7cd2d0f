/* SPDX-License-Identifier: Apache-2.0 */
#include "drill/drill.h"

#include "base/point.h"
#include "drill/drill_intern.h"
#include "run/effects.h"

#include <stdlib.h>

#define WHY_MAX 1024

static void drill_close(struct drill *d)
{
    drill_close_db(d);
    hf_way_close(&d->way);
    drill_end_serving(d);
    hf_run_close(&d->run);
    hf_hv_machine_plan_free(&d->plan);
    hf_drill_checks_free(&d->checks);
    hf_strv_free(&d->schemas);
    hf_strv_free(&d->tables);
    hf_strv_free(&d->types);
    hf_strv_free(&d->warnings);
    free(d->probes);
    free(d->name);
    free(d->dir);
    hf_buf_free(&d->definition);
    hf_open_point_close(&d->point);
}
HF_DEFINE_AUTO_VALUE(drill, drill_close)

bool drill_has_failed(const struct drill *d)
{
    for (size_t i = 0; i < d->checks.n; i++)
        if (d->checks.items[i].result == HF_DRILL_FAILED)
            return true;
    return false;
}

static int open_point(struct drill *d, struct hf_err *err)
{
    const struct hf_point_wish wish = {
        .text = d->req->point, .store = d->req->store, .to_read = true, .area = "drill"};
    if (hf_point_open(d->env, &wish, &d->point, err) < 0)
        return -1;
    d->m = &d->point.manifest;
    return drill_prepare(d, err);
}

/* The dump before CHECK TABLE, which ends the transaction that sees one moment. */
static int compare(struct drill *d, struct hf_err *err)
{
    if (drill_compare_position(d, err) < 0 || drill_list_tables(d, err) < 0 ||
        drill_compare_dump(d, err) < 0 || drill_check_tables(d, err) < 0)
        return -1;
    drill_close_db(d);
    drill_wake(d);
    return drill_probe(d, err);
}

/* 0 also where the point does not come up: the checks say so. */
static int boot_and_compare(struct drill *d, struct hf_err *err)
{
    if (drill_plan(d, err) < 0 || (!drill_has_failed(d) && drill_boot(d, err) < 0))
        return -1;
    if (!drill_has_failed(d) && drill_await_db(d, err) < 0)
        return -1;
    if (d->is_up && compare(d, err) < 0)
        return -1;
    d->compared_ms = hf_clock_mono_ms(d->env->clock);
    if (d->is_up && drill_note_disks(d, err) < 0)
        return -1;
    return hf_drill_checks_ok(&d->checks) ? 0 : hf_fail_nomem(err);
}

/* The machine first: what leads into it then ends at once, and nobody waits for its disks. */
static int take_down(struct drill *d, struct hf_err *err)
{
    HF_AUTO(hf_undo)
    struct hf_undo undo = {
        .env = d->env, .vm = d->run.vm, .vm_id = d->run.found.id, .hv = d->run.hv};
    drill_close_db(d);
    hf_way_close(&d->way);
    if (HF_POINT_ERR("drill.before_end", err) < 0 ||
        hf_undo_journal(&undo, d->run.journal, err) < 0)
        return -1;
    drill_end_serving(d);
    return 0;
}

static int conclude(struct drill *d, struct json_object **out, bool *out_passed, struct hf_err *err)
{
    char why[WHY_MAX];
    bool passed = hf_drill_judge(&d->checks, why, sizeof why);
    HF_AUTOJSON struct json_object *doc = drill_report(d, passed, why, err);
    if (!doc || drill_record(d, passed, why, doc, err) < 0)
        return -1;
    hf_run_commit(&d->run);
    hf_log(d->env->log, passed ? HF_LOG_INFO : HF_LOG_ERROR, "drill", "%s/%s: %s%s", d->m->point.vm,
           d->m->point.id, passed ? "passed" : "FAILED: ", why);
    *out_passed = passed;
    *out = HF_STEAL(doc);
    return 0;
}

int hf_drill_run(const struct hf_env *env, const struct hf_drill *req, struct json_object **out,
                 bool *out_passed, struct hf_err *err)
{
    HF_AUTO(drill)
    struct drill d = {.env = env, .req = req, .begun_ms = hf_clock_mono_ms(env->clock)};
    if (open_point(&d, err) < 0 ||
        hf_run_begin_apart(&d.run, env, HF_VERB_DRILL, d.vm.label, drill_host(&d), err) < 0)
        return -1;
    if (boot_and_compare(&d, err) < 0 || take_down(&d, err) < 0 ||
        conclude(&d, out, out_passed, err) < 0) {
        drill_close_db(&d);
        return hf_run_fail(&d.run, err);
    }
    return 0;
}
