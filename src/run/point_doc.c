/* SPDX-License-Identifier: Apache-2.0 */
#include "run/point_doc.h"

#include "run/report.h"

#include <string.h>

/* What lies there is not read: no digest. */
static int add_pushed(struct json_object *o, const struct hf_point_pushed *p)
{
    return hf_json_add_string(o, "ref", p->ref) < 0 || hf_json_add_string(o, "form", p->form) < 0 ||
                   hf_json_add_string(o, "place", p->place) < 0 ||
                   hf_json_add(o, "disks", hf_json_strings(&p->disks)) < 0 ||
                   hf_json_add_string(o, "off_host", hf_point_off_host_name(p->off_host)) < 0 ||
                   hf_json_add_string(o, "off_host_why", p->off_host_why) < 0
               ? -1
               : 0;
}

static int add_artifact(struct json_object *list, const struct hf_point_artifact *a,
                        struct hf_err *err)
{
    char digest[HF_SHA256_HEX];
    const bool is_pushed = a->kind == HF_POINT_PUSHED;
    struct json_object *o = hf_json_append_object(list);
    if (!is_pushed && hf_manifest_digest(a, digest, err) < 0)
        return -1;
    if (!o || hf_json_add_string(o, "kind", hf_point_kind_name(a->kind)) < 0 ||
        hf_json_add_string(o, "name", a->name) < 0 ||
        hf_json_add_int(o, "bytes", (int64_t)a->bytes) < 0 ||
        hf_json_add_int(o, "stored_bytes", (int64_t)a->stored_bytes) < 0 ||
        hf_json_add_bool(o, "incremental", a->is_incremental) < 0 ||
        hf_json_add_string(o, "incremental_why", a->incremental_why) < 0 ||
        hf_json_add_string(o, "digest", is_pushed ? NULL : digest) < 0 ||
        (is_pushed && add_pushed(o, &a->pushed) < 0) ||
        (a->kind == HF_POINT_IMAGE && hf_json_add_int(o, "read_bytes", (int64_t)a->read_bytes) < 0))
        return hf_fail_nomem(err);
    return 0;
}

int hf_point_doc_artifacts(struct json_object *doc, const struct hf_manifest *m, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < m->n_artifacts; i++)
        if (add_artifact(list, &m->artifacts[i], err) < 0)
            return -1;
    return list && hf_json_add(doc, "artifacts", HF_STEAL(list)) == 0 ? 0 : hf_fail_nomem(err);
}

/* ---- what the catalog knows ------------------------------------------------------------- */

struct copying {
    struct json_object *list;
    bool is_protected;
};

static int add_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    struct copying *c = ctx;
    struct json_object *o = hf_json_append_object(c->list);
    bool is_protected = k->is_protected && !k->is_damaged;
    c->is_protected = c->is_protected || is_protected;
    if (!o || hf_json_add_string(o, "store", k->store) < 0 ||
        hf_json_add_string(o, "store_id", k->store_id) < 0 ||
        hf_json_add_int(o, "objects", (int64_t)k->objects) < 0 ||
        hf_json_add_int(o, "bytes", (int64_t)k->bytes) < 0 ||
        hf_json_add_bool(o, "protected", is_protected) < 0 ||
        hf_json_add_string(o, "off_host", k->off_host) < 0 ||
        hf_json_add_time(o, "verified_at", k->verified_us) < 0 ||
        hf_json_add_bool(o, "damaged", k->is_damaged) < 0)
        return hf_fail_nomem(err);
    return 0;
}

int hf_point_doc_copies(struct json_object *doc, struct hf_catalog *c, const char *point_id,
                        struct hf_err *err)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    struct copying k = {.list = list};
    if (!list)
        return hf_fail_nomem(err);
    if (hf_catalog_copies(c, point_id, add_copy, &k, err) < 0)
        return -1;
    if (hf_json_add_bool(doc, "protected", k.is_protected) < 0 ||
        hf_json_add(doc, "copies", HF_STEAL(list)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

int hf_point_doc_row(struct json_object *list, struct hf_catalog *c,
                     const struct hf_catalog_point *p, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(list);
    if (!row || hf_json_add_string(row, "point", p->id) < 0 ||
        hf_json_add_string(row, "vm", p->vm) < 0 ||
        hf_json_add_time(row, "taken_at", p->taken_us) < 0 ||
        hf_json_add_string(row, "grade", p->grade) < 0 ||
        hf_json_add(row, "stall_ms", hf_report_ms(p->stall_ms)) < 0 ||
        (p->bytes ? hf_json_add_int(row, "bytes", (int64_t)p->bytes)
                  : hf_json_add_string(row, "bytes", NULL)) < 0)
        return hf_fail_nomem(err);
    return hf_point_doc_copies(row, c, p->id, err) < 0
               ? -1
               : hf_point_doc_last_drill(row, c, p->id, NULL, err);
}

/* ---- drills ----------------------------------------------------------------------------- */

static int add_drill(void *ctx, const struct hf_catalog_drill *d, struct hf_err *err)
{
    struct json_object *o = hf_json_append_object(ctx);
    if (!o || hf_json_add_string(o, "run", d->run_id) < 0 ||
        hf_json_add_string(o, "point", d->point_id) < 0 ||
        hf_json_add_string(o, "store", d->store) < 0 ||
        hf_json_add_time(o, "at", d->started_us) < 0 ||
        hf_json_add_bool(o, "passed", d->has_passed) < 0 ||
        (d->recovery_ms < 0 ? hf_json_add_string(o, "recovery_ms", NULL)
                            : hf_json_add_int(o, "recovery_ms", d->recovery_ms)) < 0 ||
        hf_json_add_int(o, "duration_ms", d->duration_ms) < 0 ||
        hf_json_add_string(o, "why", d->why) < 0)
        return hf_fail_nomem(err);
    return 0;
}

int hf_point_doc_drills(struct json_object *doc, struct hf_catalog *c, const char *point_id,
                        struct hf_err *err)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    if (!list)
        return hf_fail_nomem(err);
    if (hf_catalog_drills(c, point_id, NULL, HF_POINT_DRILLS, add_drill, list, err) < 0)
        return -1;
    return hf_json_add(doc, "drills", HF_STEAL(list)) < 0 ? hf_fail_nomem(err) : 0;
}

int hf_point_doc_last_drill(struct json_object *doc, struct hf_catalog *c, const char *point_id,
                            const char *vm, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    if (!list)
        return hf_fail_nomem(err);
    if (hf_catalog_drills(c, point_id, vm, 1, add_drill, list, err) < 0)
        return -1;
    struct json_object *last =
        json_object_array_length(list) ? json_object_get(json_object_array_get_idx(list, 0)) : NULL;
    int rc =
        last ? hf_json_add(doc, "last_drill", last) : hf_json_add_string(doc, "last_drill", NULL);
    return rc < 0 ? hf_fail_nomem(err) : 0;
}

/* ---- what the manifest says ------------------------------------------------------------- */

static int add_grade(struct json_object *o, const char *key, char grade)
{
    const char text[2] = {grade, '\0'};
    return hf_json_add_string(o, key, grade ? text : NULL);
}

static int add_position(struct json_object *o, const char *key, bool has,
                        const struct hf_db_position *p)
{
    return has ? hf_json_add(o, key, hf_report_position(p)) : hf_json_add_string(o, key, NULL);
}

static int add_events(struct json_object *doc, const struct hf_manifest *m)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < m->n_events; i++) {
        struct json_object *e = hf_json_append_object(list);
        if (!e || hf_json_add(e, "at_ms", hf_report_ms(m->events[i].at_ms)) < 0 ||
            hf_json_add_string(e, "event", m->events[i].event) < 0)
            return -1;
    }
    return list ? hf_json_add(doc, "timeline", HF_STEAL(list)) : -1;
}

static int add_how(struct json_object *doc, const struct hf_manifest *m)
{
    return hf_json_add_string(doc, "server", m->server) | add_grade(doc, "grade", m->grade) |
           add_grade(doc, "required", m->required) | hf_json_add_string(doc, "proof", m->proof) |
           hf_json_add_string(doc, "grade_why", m->grade_why) |
           hf_json_add(doc, "stall_ms", hf_report_ms(m->stall_ms)) |
           hf_json_add(doc, "held_ms", hf_report_ms(m->held_ms)) |
           add_position(doc, "position", m->has_position, &m->position) |
           add_position(doc, "position_min", m->has_bracket, &m->min) |
           add_position(doc, "position_max", m->has_bracket, &m->max);
}

struct json_object *hf_point_doc_manifest(const struct hf_manifest *m, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_string(doc, "point", m->point.id) < 0 ||
        hf_json_add_string(doc, "vm", m->point.vm) < 0 ||
        hf_json_add_string(doc, "hypervisor", m->hypervisor) < 0 ||
        hf_json_add_string(doc, "vm_id", m->vm_id) < 0 ||
        hf_json_add_string(doc, "holdfast", m->holdfast) < 0 ||
        hf_json_add_time(doc, "taken_at", m->taken_us) < 0 || add_how(doc, m) ||
        add_events(doc, m) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return hf_point_doc_artifacts(doc, m, err) < 0 ? NULL : HF_STEAL(doc);
}
