/* SPDX-License-Identifier: Apache-2.0 */
#include "drill/drill_intern.h"

static int64_t recovery_ms(const struct drill *d)
{
    return d->is_up ? d->recovered_ms - d->started_ms : -1;
}

static int64_t duration_ms(const struct drill *d)
{
    return hf_clock_mono_ms(d->env->clock) - d->begun_ms;
}

/* null where it was not come to. */
static int add_span(struct json_object *o, const char *key, int64_t from_ms, int64_t to_ms)
{
    return from_ms && to_ms ? hf_json_add_int(o, key, to_ms - from_ms)
                            : hf_json_add_string(o, key, NULL);
}

static int add_phases(struct json_object *doc, const struct drill *d)
{
    struct json_object *o = json_object_new_object();
    if (hf_json_add(doc, "phases", o) < 0)
        return -1;
    return add_span(o, "prepare_ms", d->begun_ms, d->started_ms) |
           add_span(o, "agent_ms", d->started_ms, d->agent_ms) |
           add_span(o, "database_ms", d->agent_ms, d->is_up ? d->recovered_ms : 0) |
           add_span(o, "compare_ms", d->is_up ? d->recovered_ms : 0, d->compared_ms) |
           add_span(o, "end_ms", d->compared_ms, hf_clock_mono_ms(d->env->clock));
}

static int add_facts(struct json_object *doc, const struct drill *d, bool passed, const char *why)
{
    return hf_json_add_string(doc, "run", d->run.id) |
           hf_json_add_string(doc, "point", d->m->point.id) |
           hf_json_add_string(doc, "vm", d->m->point.vm) |
           hf_json_add_string(doc, "store", d->point.config->label) |
           hf_json_add_bool(doc, "passed", passed) |
           hf_json_add_string(doc, "why", passed ? NULL : why) |
           (recovery_ms(d) < 0 ? hf_json_add_string(doc, "recovery_ms", NULL)
                               : hf_json_add_int(doc, "recovery_ms", recovery_ms(d))) |
           hf_json_add_int(doc, "duration_ms", duration_ms(d)) |
           hf_json_add(doc, "checks", hf_drill_checks_json(&d->checks)) | add_phases(doc, d) |
           hf_json_add(doc, "warnings", hf_json_strings(&d->warnings));
}

struct json_object *drill_report(const struct drill *d, bool passed, const char *why,
                                 struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (doc && add_facts(doc, d, passed, why) == 0)
        return HF_STEAL(doc);
    hf_fail_nomem(err);
    return NULL;
}

int drill_record(struct drill *d, bool passed, const char *why, struct json_object *doc,
                 struct hf_err *err)
{
    const struct hf_catalog_drill row = {
        .run_id = d->run.id,
        .point_id = d->m->point.id,
        .vm = d->m->point.vm,
        .store_id = d->m->store,
        .store = d->point.config->label,
        .has_passed = passed,
        .found_damage = d->found_damage,
        .recovery_ms = recovery_ms(d),
        .duration_ms = duration_ms(d),
        .started_us = d->run.started_wall_us,
        .why = passed ? NULL : why,
    };
    const struct hf_catalog_run run =
        hf_run_row(&d->run, passed ? "done" : "failed",
                   json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN));
    return hf_catalog_drill_commit(d->run.catalog, &row, &run, err);
}
