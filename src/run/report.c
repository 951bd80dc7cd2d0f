/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"

#include <stdio.h>
#include <string.h>

struct json_object *hf_report_ms(double ms)
{
    char text[32];
    snprintf(text, sizeof text, "%.3f", ms);
    return json_object_new_double_s(ms, text);
}

struct json_object *hf_report_position(const struct hf_db_position *p)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_string(o, "file", p->file) < 0 ||
        hf_json_add_int(o, "offset", (int64_t)p->offset) < 0 ||
        hf_json_add_string(o, "gtid", p->gtid) < 0)
        return NULL;
    if ((p->has_lsn ? hf_json_add_int(o, "lsn", (int64_t)p->lsn)
                    : hf_json_add_string(o, "lsn", NULL)) < 0)
        return NULL;
    return HF_STEAL(o);
}

static int add_position(struct json_object *doc, const char *key, bool has,
                        const struct hf_db_position *p)
{
    if (!has || !p->has_binlog)
        return hf_json_add_string(doc, key, NULL);
    return hf_json_add(doc, key, hf_report_position(p));
}

static struct json_object *timeline(const struct hf_timeline *t)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < t->n; i++) {
        struct json_object *e = hf_json_append_object(list);
        double at_ms = (double)(t->items[i].at_us - t->start_us) / 1000.0;
        if (!e || hf_json_add(e, "at_ms", hf_report_ms(at_ms)) < 0 ||
            hf_json_add_string(e, "event", t->items[i].event) < 0)
            return NULL;
    }
    return HF_STEAL(list);
}

static int add_time(struct json_object *doc, const char *key, int64_t wall_us)
{
    char text[HF_TIME_MAX];
    hf_time_rfc3339(wall_us, text);
    return hf_json_add_string(doc, key, text);
}

static int add_run(struct json_object *doc, const struct hf_run *run, const char *snapshot)
{
    return hf_json_add_string(doc, "run", run->id) | hf_json_add_string(doc, "verb", run->verb) |
           hf_json_add_string(doc, "vm", run->vm->label) |
           hf_json_add_string(doc, "snapshot", snapshot) |
           add_time(doc, "started_at", run->started_wall_us);
}

static int add_proof(struct json_object *doc, const struct hf_report_snapshot *in)
{
    const struct hf_hold_result *r = in->result;
    return hf_json_add_string(doc, "grade", hf_grade_name(r->grade)) |
           hf_json_add_string(doc, "required", hf_grade_name(hf_run_required(in->run))) |
           hf_json_add_string(doc, "proof", r->proof) |
           hf_json_add_string(doc, "grade_why", r->why[0] ? r->why : NULL) |
           hf_json_add(doc, "stall_ms", hf_report_ms(r->stall_ms)) |
           hf_json_add(doc, "held_ms", hf_report_ms(r->held_ms)) |
           hf_json_add(doc, "rest_ms", hf_report_ms(r->rest_ms)) |
           hf_json_add_int(doc, "attempts", r->attempts) |
           hf_json_add(doc, "worst_attempt_ms", hf_report_ms(r->worst_attempt_ms)) |
           add_position(doc, "position", r->has_position, &r->position) |
           add_position(doc, "position_min", r->has_bracket, &r->min) |
           add_position(doc, "position_max", r->has_bracket, &r->max);
}

static int append_source(struct json_object *list, const struct hf_db_source *s)
{
    struct json_object *o = hf_json_append_object(list);
    return !o || hf_json_add_string(o, "channel", s->channel) < 0 ||
                   hf_json_add_string(o, "host", s->host) < 0 ||
                   hf_json_add_int(o, "port", s->port) < 0 ||
                   hf_json_add_string(o, "file", s->file) < 0 ||
                   hf_json_add_int(o, "offset", (int64_t)s->offset) < 0 ||
                   hf_json_add_string(o, "gtid", s->gtid) < 0
               ? -1
               : 0;
}

/* Where a replica stands in its sources' binlogs; none: []. */
static int add_sources(struct json_object *doc, const struct hf_db_sources *sources)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && sources && i < sources->n; i++)
        if (append_source(list, &sources->items[i]) < 0)
            return -1;
    return hf_json_add(doc, "sources", HF_STEAL(list));
}

/* None: []. */
static int add_strings(struct json_object *doc, const char *key, const struct hf_strv *list)
{
    return hf_json_add(doc, key, list ? hf_json_strings(list) : json_object_new_array());
}

int hf_report_policy(struct json_object *doc, const struct hf_run *run)
{
    return hf_json_add_string(doc, "policy", run->env->policy ? run->env->policy->label : NULL);
}

struct json_object *hf_report_snapshot(const struct hf_report_snapshot *in, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || add_run(doc, in->run, in->snapshot) || hf_report_policy(doc, in->run) < 0 ||
        hf_json_add_string(doc, "label", in->label) < 0 ||
        hf_json_add_string(doc, "server", in->server) < 0 ||
        hf_json_add_string(doc, "quiesce", hf_quiesce_name(in->run->vm->quiesce)) < 0 ||
        hf_json_add_string(doc, "method", in->method) < 0 || add_strings(doc, "stopped", in->stopped) < 0 ||
        add_sources(doc, in->sources) < 0 || hf_json_add_int(doc, "disks", in->n_disks) < 0 ||
        add_strings(doc, "datastores", in->datastores) < 0 ||
        add_proof(doc, in) || hf_json_add(doc, "timeline", timeline(&in->result->timeline)) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(in->warnings)) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}

struct json_object *hf_report_deletion(const struct hf_run *run, const char *snapshot,
                                       struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    double took_ms = (double)(hf_clock_mono_us(run->env->clock) - run->started_us) / 1000.0;
    if (!doc || add_run(doc, run, snapshot) ||
        hf_json_add(doc, "took_ms", hf_report_ms(took_ms)) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}

static int add_span(struct json_object *doc, const char *key, bool has, const struct hf_timeline *t,
                    int64_t from_us, const char *to)
{
    double ms = (double)(hf_timeline_at(t, to) - from_us) / 1000.0;
    return has ? hf_json_add(doc, key, hf_report_ms(ms)) : hf_json_add_string(doc, key, NULL);
}

struct json_object *hf_report_rollback(const struct hf_report_rollback *in, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    const struct hf_timeline *t = in->timeline;
    if (!doc || add_run(doc, in->run, in->snapshot) ||
        hf_json_add(doc, "kept", hf_json_strings(in->kept)) < 0 ||
        hf_json_add(doc, "younger", hf_json_strings(in->younger)) < 0 ||
        add_span(doc, "off_ms", true, t, hf_timeline_at(t, "switch_begin"), "switched") < 0 ||
        add_span(doc, "boot_ms", in->has_db, t, hf_timeline_at(t, "switched"), "db_accepts") < 0 ||
        add_span(doc, "db_ms", in->has_db, t, t->start_us, "db_accepts") < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(in->warnings)) < 0 ||
        hf_json_add(doc, "timeline", timeline(t)) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}

/* ---- errors ----------------------------------------------------------------------------- */

/* The items of err->left; hf_left joins them with "; ". */
static int split_left(const struct hf_err *err, struct hf_strv *out)
{
    const char *at = err->left;
    while (*at) {
        const char *end = strstr(at, "; ");
        size_t len = end ? (size_t)(end - at) : strlen(at);
        if (hf_strv_take(out, strndup(at, len)) != 0)
            return -1;
        at += len + (end ? 2 : 0);
    }
    return 0;
}

struct json_object *hf_report_error(const struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv items = HF_STRV_INIT;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    HF_AUTOJSON struct json_object *error = json_object_new_object();
    HF_AUTOJSON struct json_object *left =
        split_left(err, &items) == 0 ? hf_json_strings(&items) : NULL;
    if (!doc || !error || !left ||
        hf_json_add_string(error, "class", hf_err_class_name(err->cls)) != 0 ||
        hf_json_add_string(error, "message", err->message) != 0 ||
        hf_json_add_string(error, "hint", *err->hint ? err->hint : NULL) != 0 ||
        hf_json_add(error, "left", HF_STEAL(left)) != 0 ||
        hf_json_add(doc, "error", HF_STEAL(error)) != 0)
        return NULL;
    return HF_STEAL(doc);
}
