/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "point/manifest_intern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *ms(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.3f", value);
    return json_object_new_double_s(value, text);
}

static int add_grade(struct json_object *o, const char *key, char grade)
{
    const char text[2] = {grade, '\0'};
    return hf_json_add_string(o, key, grade ? text : NULL);
}

static int add_id(struct json_object *o, const char *key, const unsigned char *id, size_t len)
{
    char hex[HF_IMAGE_ID_HEX];
    hf_hex(id, len, hex);
    return hf_json_add_string(o, key, hex);
}

static int add_position(struct json_object *o, const char *key, bool has,
                        const struct hf_db_position *p)
{
    HF_AUTOJSON struct json_object *at = json_object_new_object();
    if (!has)
        return hf_json_add_string(o, key, NULL);
    if (!at || hf_json_add_string(at, "file", p->file) < 0 ||
        hf_json_add_int(at, "offset", (int64_t)p->offset) < 0 ||
        hf_json_add_string(at, "gtid", p->gtid) < 0 ||
        (p->has_lsn ? hf_json_add_int(at, "lsn", (int64_t)p->lsn)
                    : hf_json_add_string(at, "lsn", NULL)) < 0)
        return -1;
    return hf_json_add(o, key, HF_STEAL(at));
}

static int add_timeline(struct json_object *o, const struct hf_manifest *m)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < m->n_events; i++) {
        struct json_object *e = hf_json_append_object(list);
        if (!e || hf_json_add(e, "at_ms", ms(m->events[i].at_ms)) < 0 ||
            hf_json_add_string(e, "event", m->events[i].event) < 0)
            return -1;
    }
    return list ? hf_json_add(o, "timeline", HF_STEAL(list)) : -1;
}

/* ---- artifacts -------------------------------------------------------------------------- */

static int add_objects(struct json_object *o, const struct hf_point_artifact *a)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < a->n_objects; i++) {
        const struct hf_point_object *is = &a->objects[i];
        struct json_object *e = hf_json_append_object(list);
        if (!e || hf_json_add_string(e, "name", is->name) < 0 ||
            hf_json_add_int(e, "bytes", (int64_t)is->bytes) < 0 ||
            hf_json_add_int(e, "stored_bytes", (int64_t)is->stored_bytes) < 0 ||
            hf_json_add_string(e, "sha256", is->sha256) < 0)
            return -1;
    }
    return list ? hf_json_add(o, "objects", HF_STEAL(list)) : -1;
}

static int add_image(struct json_object *o, const struct hf_point_artifact *a)
{
    return add_id(o, "root", a->root, sizeof a->root) < 0 ||
                   hf_json_add_bool(o, "incremental", a->is_incremental) < 0 ||
                   hf_json_add_string(o, "incremental_why", a->incremental_why) < 0 ||
                   hf_json_add_string(o, "parent", a->parent[0] ? a->parent : NULL) < 0 ||
                   hf_json_add_int(o, "read_bytes", (int64_t)a->read_bytes) < 0
               ? -1
               : 0;
}

static int add_read(struct json_object *o, const struct hf_point_artifact *a)
{
    if (a->kind == HF_POINT_DUMP && add_position(o, "position", a->has_position, &a->position) < 0)
        return -1;
    if (a->kind == HF_POINT_FILES && (hf_json_add_time(o, "read_from", a->read_from_us) < 0 ||
                                      hf_json_add_time(o, "read_to", a->read_to_us) < 0))
        return -1;
    return add_objects(o, a);
}

static int append_artifact(struct json_object *list, const struct hf_point_artifact *a)
{
    struct json_object *o = hf_json_append_object(list);
    if (!o || hf_json_add_string(o, "kind", hf_point_kind_name(a->kind)) < 0 ||
        hf_json_add_string(o, "name", a->name) < 0 ||
        hf_json_add_int(o, "bytes", (int64_t)a->bytes) < 0 ||
        hf_json_add_int(o, "stored_bytes", (int64_t)a->stored_bytes) < 0)
        return -1;
    if (a->kind == HF_POINT_IMAGE)
        return add_image(o, a);
    return a->kind == HF_POINT_PUSHED ? hf_manifest_add_pushed(o, a) : add_read(o, a);
}

static int add_artifacts(struct json_object *o, const struct hf_manifest *m)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < m->n_artifacts; i++)
        if (append_artifact(list, &m->artifacts[i]) < 0)
            return -1;
    return list ? hf_json_add(o, "artifacts", HF_STEAL(list)) : -1;
}

/* One text: as a list of texts they would take longer to read than all the rest. */
static int add_packs(struct json_object *o, const struct hf_manifest *m)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_base64_encode(&text, m->packs, m->n_packs * sizeof *m->packs);
    return hf_buf_ok(&text) ? hf_json_add_string(o, "packs", hf_buf_str(&text)) : -1;
}

/* ---- the whole -------------------------------------------------------------------------- */

static int add_which(struct json_object *o, const struct hf_manifest *m)
{
    const bool is_pushed = hf_manifest_find(m, HF_POINT_PUSHED);
    return hf_json_add_int(o, "format",
                           is_pushed ? HF_MANIFEST_FORMAT_PUSHED : HF_MANIFEST_FORMAT) < 0 ||
                   hf_json_add_string(o, "store", m->store) < 0 ||
                   hf_json_add_string(o, "point", m->point.id) < 0 ||
                   hf_json_add_string(o, "vm", m->point.vm) < 0 ||
                   hf_json_add_string(o, "hypervisor", m->hypervisor) < 0 ||
                   hf_json_add_string(o, "vm_id", m->vm_id) < 0 ||
                   hf_json_add_string(o, "holdfast", m->holdfast) < 0 ||
                   hf_json_add_time(o, "taken_at", m->taken_us) < 0 ||
                   hf_json_add_int(o, "fencing_token", (int64_t)m->fencing_token) < 0
               ? -1
               : 0;
}

static int add_how(struct json_object *o, const struct hf_manifest *m)
{
    return add_grade(o, "grade", m->grade) < 0 || add_grade(o, "required", m->required) < 0 ||
                   hf_json_add_string(o, "proof", m->proof) < 0 ||
                   hf_json_add_string(o, "grade_why", m->grade_why) < 0 ||
                   hf_json_add_string(o, "server", m->server) < 0 ||
                   hf_json_add_string(o, "checkpoint", m->checkpoint) < 0 ||
                   hf_json_add(o, "stall_ms", ms(m->stall_ms)) < 0 ||
                   hf_json_add(o, "held_ms", ms(m->held_ms)) < 0 ||
                   add_position(o, "position", m->has_position, &m->position) < 0 ||
                   add_position(o, "position_min", m->has_bracket, &m->min) < 0 ||
                   add_position(o, "position_max", m->has_bracket, &m->max) < 0
               ? -1
               : add_timeline(o, m);
}

static int compare_packs(const void *a, const void *b)
{
    return memcmp(a, b, HF_IMAGE_PACK_ID);
}

static int compare_objects(const void *a, const void *b)
{
    const struct hf_point_object *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void sort(struct hf_manifest *m)
{
    size_t kept = 0;
    if (m->n_packs)
        qsort(m->packs, m->n_packs, sizeof *m->packs, compare_packs);
    for (size_t i = 0; i < m->n_packs; i++)
        if (kept == 0 || compare_packs(m->packs[kept - 1], m->packs[i]) != 0)
            memmove(m->packs[kept++], m->packs[i], HF_IMAGE_PACK_ID);
    m->n_packs = kept;
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].n_objects)
            qsort(m->artifacts[i].objects, m->artifacts[i].n_objects,
                  sizeof *m->artifacts[i].objects, compare_objects);
}

/* What cannot be read back must not become a point. */
static int check(const char *inner, bool is_encrypted, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest back = {0};
    return hf_manifest_parse(inner, strlen(inner), is_encrypted, &back, &why) == 0
               ? 0
               : hf_fail(err, HF_E_INTERNAL, "the manifest would not be read back: %s",
                         why.message);
}

int hf_manifest_write(struct hf_manifest *m, const struct hf_image_keys *keys, bool is_encrypted,
                      struct hf_buf *out, struct hf_err *err)
{
    unsigned char mac[HF_IMAGE_ID];
    char hex[HF_IMAGE_ID_HEX];
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    sort(m);
    if (!o || add_which(o, m) < 0 || add_how(o, m) < 0 || add_artifacts(o, m) < 0 ||
        add_packs(o, m) < 0)
        return hf_fail_nomem(err);
    const char *inner =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!inner)
        return hf_fail_nomem(err);
    if (check(inner, is_encrypted, err) < 0)
        return -1;
    hf_image_id(keys->manifest_mac, inner, strlen(inner), mac);
    hf_hex(mac, sizeof mac, hex);
    hf_buf_str_add(out, HF_MANIFEST_HEAD);
    hf_buf_str_add(out, hex);
    hf_buf_str_add(out, HF_MANIFEST_MIDDLE);
    hf_buf_str_add(out, inner);
    hf_buf_str_add(out, HF_MANIFEST_TAIL);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}
