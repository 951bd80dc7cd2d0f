/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "point/manifest_intern.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)1 << 20) /* a set of GTIDs can be long */
#define MS_MAX                                                                                     \
    1e10 /* a third of a year; what is larger would not be written again as it was read */
#define BYTES_MAX (INT64_C(1) << 53) /* what every reader of JSON keeps exactly */

/* ---- single values ---------------------------------------------------------------------- */

/* key NULL in *out: absent or null. */
int hf_manifest_copy_opt(struct json_object *o, const char *key, char **out, struct hf_err *err)
{
    const char *text = NULL;
    if (hf_json_opt_string(o, key, &text, err) < 0)
        return -1;
    if (!text)
        return 0;
    if (strlen(text) > TEXT_MAX)
        return hf_fail(err, HF_E_CORRUPT, "'%s' has %zu bytes", key, strlen(text));
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

int hf_manifest_copy(struct json_object *o, const char *key, char **out, struct hf_err *err)
{
    const char *ignored = NULL;
    return hf_json_get_string(o, key, &ignored, err) < 0 ? -1
                                                         : hf_manifest_copy_opt(o, key, out, err);
}

static int get_count(struct json_object *o, const char *key, uint64_t *out, struct hf_err *err)
{
    int64_t n = 0;
    if (hf_json_get_int(o, key, &n, err) < 0)
        return -1;
    if (n < 0 || n > BYTES_MAX)
        return hf_fail(err, HF_E_CORRUPT, "'%s' is %lld", key, (long long)n);
    *out = (uint64_t)n;
    return 0;
}

static int opt_count(struct json_object *o, const char *key, uint64_t *out, struct hf_err *err)
{
    return json_object_object_get_ex(o, key, NULL) ? get_count(o, key, out, err) : 0;
}

static int get_ms(struct json_object *o, const char *key, double *out, struct hf_err *err)
{
    struct json_object *v = NULL;
    json_object_object_get_ex(o, key, &v);
    if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is no number", key);
    *out = json_object_get_double(v);
    return *out >= 0 && *out <= MS_MAX ? 0 : hf_fail(err, HF_E_CORRUPT, "'%s' is no duration", key);
}

int hf_manifest_opt_time(struct json_object *o, const char *key, int64_t *out, struct hf_err *err)
{
    const char *text = NULL;
    if (hf_json_opt_string(o, key, &text, err) < 0)
        return -1;
    return !text || hf_time_parse(text, out) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "'%s' is no time", key);
}

static int opt_grade(struct json_object *o, const char *key, char *out, struct hf_err *err)
{
    const char *text = NULL;
    if (hf_json_opt_string(o, key, &text, err) < 0)
        return -1;
    if (!text)
        return 0;
    if (text[0] < 'A' || text[0] > 'E' || text[1])
        return hf_fail(err, HF_E_CORRUPT, "'%s' is no grade", key);
    *out = text[0];
    return 0;
}

/* len bytes as hex digits */
static int get_hex(struct json_object *o, const char *key, void *out, size_t len,
                   struct hf_err *err)
{
    const char *text = NULL;
    if (hf_json_get_string(o, key, &text, err) < 0)
        return -1;
    return strlen(text) == 2 * len && hf_unhex(text, out, len) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "'%s' is not %zu hex digits", key, 2 * len);
}

/* ---- how -------------------------------------------------------------------------------- */

static int opt_position(struct json_object *o, const char *key, bool *out_has,
                        struct hf_db_position *out, struct hf_err *err)
{
    struct json_object *p = NULL;
    int64_t lsn = -1;
    json_object_object_get_ex(o, key, &p);
    if (!p)
        return 0;
    if (hf_manifest_copy(p, "file", &out->file, err) < 0 ||
        get_count(p, "offset", &out->offset, err) < 0 ||
        hf_manifest_copy(p, "gtid", &out->gtid, err) < 0 ||
        hf_json_opt_int(p, "lsn", &lsn, err) < 0)
        return hf_wrap(err, "'%s'", key);
    out->has_lsn = lsn >= 0;
    out->lsn = lsn >= 0 ? (uint64_t)lsn : 0;
    *out_has = out->has_binlog = true;
    return 0;
}

static int read_positions(struct json_object *o, struct hf_manifest *m, struct hf_err *err)
{
    bool has_min = false, has_max = false;
    if (opt_position(o, "position", &m->has_position, &m->position, err) < 0 ||
        opt_position(o, "position_min", &has_min, &m->min, err) < 0 ||
        opt_position(o, "position_max", &has_max, &m->max, err) < 0)
        return -1;
    if (has_min != has_max)
        return hf_fail(err, HF_E_CORRUPT, "a bracket has only one end");
    m->has_bracket = has_min;
    return 0;
}

static int read_timeline(struct json_object *o, struct hf_manifest *m, struct hf_err *err)
{
    struct json_object *list = NULL;
    const char *event = NULL;
    double at_ms = 0;
    if (hf_json_get_array(o, "timeline", &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *e = json_object_array_get_idx(list, i);
        if (hf_json_get_string(e, "event", &event, err) < 0 ||
            get_ms(e, "at_ms", &at_ms, err) < 0 || hf_manifest_add_event(m, at_ms, event, err) < 0)
            return hf_wrap(err, "'timeline'");
    }
    return 0;
}

/* Empty would be no name, and longer than any name that a hypervisor is given. */
static int read_checkpoint(struct json_object *o, struct hf_manifest *m, struct hf_err *err)
{
    if (hf_manifest_copy_opt(o, "checkpoint", &m->checkpoint, err) < 0)
        return -1;
    return !m->checkpoint || (*m->checkpoint && strlen(m->checkpoint) <= HF_MANIFEST_CHECKPOINT_MAX)
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "'checkpoint' is no name");
}

static int read_how(struct json_object *o, struct hf_manifest *m, struct hf_err *err)
{
    if (opt_grade(o, "grade", &m->grade, err) < 0 ||
        opt_grade(o, "required", &m->required, err) < 0 ||
        hf_manifest_copy(o, "proof", &m->proof, err) < 0 ||
        hf_manifest_copy_opt(o, "grade_why", &m->grade_why, err) < 0 ||
        hf_manifest_copy_opt(o, "server", &m->server, err) < 0 || read_checkpoint(o, m, err) < 0 ||
        get_ms(o, "stall_ms", &m->stall_ms, err) < 0 || get_ms(o, "held_ms", &m->held_ms, err) < 0)
        return -1;
    if (!m->grade)
        return hf_fail(err, HF_E_CORRUPT, "'grade' is missing");
    return read_positions(o, m, err) < 0 ? -1 : read_timeline(o, m, err);
}

/* ---- artifacts -------------------------------------------------------------------------- */

static int read_object(struct json_object *e, struct hf_point_artifact *a, bool is_encrypted,
                       struct hf_err *err)
{
    struct hf_point_object is = {0};
    const char *name = NULL;
    unsigned char sha[32];
    if (hf_json_get_string(e, "name", &name, err) < 0 ||
        get_count(e, "bytes", &is.bytes, err) < 0 ||
        get_count(e, "stored_bytes", &is.stored_bytes, err) < 0 ||
        get_hex(e, "sha256", sha, sizeof sha, err) < 0)
        return -1;
    if (!hf_point_object_is_valid(a->kind, name, is_encrypted))
        return hf_fail(err, HF_E_CORRUPT, "'%.100s' cannot be an object of it", name);
    if (a->n_objects && strcmp(a->objects[a->n_objects - 1].name, name) >= 0)
        return hf_fail(err, HF_E_CORRUPT, "'%.100s' stands twice, or not in order", name);
    is.name = (char *)name;
    hf_hex(sha, sizeof sha, is.sha256);
    return hf_manifest_add_object(a, &is, err);
}

static int read_objects(struct json_object *o, struct hf_point_artifact *a, bool is_encrypted,
                        size_t *left, struct hf_err *err)
{
    struct json_object *list = NULL;
    if (hf_json_get_array(o, "objects", &list, err) < 0)
        return -1;
    size_t n = json_object_array_length(list);
    if (n > *left)
        return hf_fail(err, HF_E_CORRUPT, "more than %u objects", HF_MANIFEST_OBJECTS_MAX);
    *left -= n;
    for (size_t i = 0; i < n; i++)
        if (read_object(json_object_array_get_idx(list, i), a, is_encrypted, err) < 0)
            return -1;
    return 0;
}

static int read_image(struct json_object *o, struct hf_point_artifact *a, struct hf_err *err)
{
    const char *parent = NULL;
    if (get_hex(o, "root", a->root, sizeof a->root, err) < 0 ||
        hf_json_get_bool(o, "incremental", &a->is_incremental, err) < 0 ||
        hf_json_opt_string(o, "parent", &parent, err) < 0 ||
        hf_manifest_copy_opt(o, "incremental_why", &a->incremental_why, err) < 0 ||
        opt_count(o, "read_bytes", &a->read_bytes, err) < 0)
        return -1;
    if (parent && !hf_id_is_valid(parent))
        return hf_fail(err, HF_E_CORRUPT, "'parent' is no point");
    if (parent)
        memcpy(a->parent, parent, strlen(parent) + 1);
    return 0;
}

static int read_artifact(struct json_object *o, struct hf_manifest *m, bool is_encrypted,
                         size_t *left, struct hf_err *err)
{
    const char *kind_text = NULL, *name = NULL;
    enum hf_point_kind kind = HF_POINT_IMAGE;
    if (hf_json_get_string(o, "kind", &kind_text, err) < 0 ||
        hf_json_get_string(o, "name", &name, err) < 0)
        return -1;
    if (hf_point_kind_parse(kind_text, &kind) < 0 || !*name || strlen(name) > HF_STORE_PART_MAX)
        return hf_fail(err, HF_E_CORRUPT, "'%.40s' '%.40s' is no artifact", kind_text, name);
    /* A disk's name becomes a file's. */
    if (kind == HF_POINT_IMAGE && (strchr(name, '/') || *name == '.'))
        return hf_fail(err, HF_E_CORRUPT, "'%.40s' is no disk", name);
    struct hf_point_artifact *a = hf_manifest_add_artifact(m, kind, name, err);
    if (!a || get_count(o, "bytes", &a->bytes, err) < 0 ||
        get_count(o, "stored_bytes", &a->stored_bytes, err) < 0 ||
        hf_manifest_opt_time(o, "read_from", &a->read_from_us, err) < 0 ||
        hf_manifest_opt_time(o, "read_to", &a->read_to_us, err) < 0 ||
        (kind == HF_POINT_DUMP &&
         opt_position(o, "position", &a->has_position, &a->position, err) < 0))
        return -1;
    if (kind == HF_POINT_IMAGE)
        return read_image(o, a, err);
    return kind == HF_POINT_PUSHED ? hf_manifest_read_pushed(o, a, err)
                                   : read_objects(o, a, is_encrypted, left, err);
}

/* Two of one kind and name would be one to who restores. */
static int check_names(const struct hf_manifest *m, struct hf_err *err)
{
    for (size_t i = 0; i < m->n_artifacts; i++)
        for (size_t j = 0; j < i; j++)
            if (m->artifacts[i].kind == m->artifacts[j].kind &&
                strcmp(m->artifacts[i].name, m->artifacts[j].name) == 0)
                return hf_fail(err, HF_E_CORRUPT, "'%.40s' stands twice", m->artifacts[i].name);
    return 0;
}

static int read_artifacts(struct json_object *o, struct hf_manifest *m, bool is_encrypted,
                          struct hf_err *err)
{
    struct json_object *list = NULL;
    size_t left = HF_MANIFEST_OBJECTS_MAX;
    if (hf_json_get_array(o, "artifacts", &list, err) < 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (read_artifact(json_object_array_get_idx(list, i), m, is_encrypted, &left, err) < 0)
            return hf_wrap(err, "artifact %zu", i);
    return check_names(m, err);
}

static int read_packs(struct json_object *o, struct hf_manifest *m, struct hf_err *err)
{
    const char *text = NULL;
    bool is_cut = false;
    HF_AUTO(hf_buf) struct hf_buf raw = HF_BUF_INIT;
    if (hf_json_get_string(o, "packs", &text, err) < 0)
        return -1;
    if (hf_base64_decode(&raw, text, HF_MANIFEST_PACKS_MAX * HF_IMAGE_PACK_ID, &is_cut) < 0 ||
        is_cut || raw.len % HF_IMAGE_PACK_ID != 0)
        return hf_fail(err, HF_E_CORRUPT, "'packs' is no list of packs");
    if (!hf_buf_ok(&raw))
        return hf_fail_nomem(err);
    for (size_t at = HF_IMAGE_PACK_ID; at < raw.len; at += HF_IMAGE_PACK_ID)
        if (memcmp(raw.data + at - HF_IMAGE_PACK_ID, raw.data + at, HF_IMAGE_PACK_ID) >= 0)
            return hf_fail(err, HF_E_CORRUPT, "'packs' is not in order");
    return hf_manifest_add_packs(m, (const unsigned char(*)[HF_IMAGE_PACK_ID])raw.data,
                                 raw.len / HF_IMAGE_PACK_ID, err);
}

/* ---- the whole -------------------------------------------------------------------------- */

static int read_format(struct json_object *o, int64_t *out, struct hf_err *err)
{
    if (hf_json_get_int(o, "format", out, err) < 0)
        return -1;
    if (*out == HF_MANIFEST_FORMAT || *out == HF_MANIFEST_FORMAT_PUSHED)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "the manifest has format %lld, this program knows %d and %d",
            (long long)*out, HF_MANIFEST_FORMAT, HF_MANIFEST_FORMAT_PUSHED);
    return hf_hint(err, "A newer holdfast wrote it; use that one.");
}

static int read_point(struct json_object *o, struct hf_manifest *m, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    const char *vm = NULL, *id = NULL;
    unsigned char store[HF_IMAGE_STORE_ID / 2];
    if (get_hex(o, "store", store, sizeof store, err) < 0 ||
        hf_json_get_string(o, "vm", &vm, err) < 0 || hf_json_get_string(o, "point", &id, err) < 0)
        return -1;
    hf_hex(store, sizeof store, m->store);
    return hf_point_name_set(&m->point, vm, id, &why) == 0
               ? 0
               : hf_fail(err, HF_E_CORRUPT, "%s", why.message);
}

static int read_which(struct json_object *o, struct hf_manifest *m, struct hf_err *err)
{
    const char *ignored = NULL;
    return read_point(o, m, err) < 0 ||
                   hf_manifest_copy(o, "hypervisor", &m->hypervisor, err) < 0 ||
                   hf_manifest_copy(o, "vm_id", &m->vm_id, err) < 0 ||
                   hf_manifest_copy(o, "holdfast", &m->holdfast, err) < 0 ||
                   hf_json_get_string(o, "taken_at", &ignored, err) < 0 ||
                   hf_manifest_opt_time(o, "taken_at", &m->taken_us, err) < 0
               ? -1
               : get_count(o, "fencing_token", &m->fencing_token, err);
}

int hf_manifest_parse(const char *text, size_t len, bool is_encrypted, struct hf_manifest *out,
                      struct hf_err *err)
{
    int64_t format = 0;
    HF_AUTOJSON struct json_object *o = hf_json_parse(text, len, err);
    if (!o || read_format(o, &format, err) < 0 || read_which(o, out, err) < 0 ||
        read_how(o, out, err) < 0 || read_artifacts(o, out, is_encrypted, err) < 0 ||
        hf_manifest_check_pushed(out, format, err) < 0)
        return -1;
    return read_packs(o, out, err);
}

/* The inner object within; false: not of that form. */
static bool cut(const char *text, size_t len, unsigned char out_mac[HF_IMAGE_ID],
                const char **out_inner, size_t *out_len)
{
    char hex[HF_IMAGE_ID_HEX];
    const size_t head = strlen(HF_MANIFEST_HEAD), middle = strlen(HF_MANIFEST_MIDDLE);
    const size_t tail = strlen(HF_MANIFEST_TAIL), mac = sizeof hex - 1;
    if (len < head + mac + middle + tail || memcmp(text, HF_MANIFEST_HEAD, head) != 0 ||
        memcmp(text + head + mac, HF_MANIFEST_MIDDLE, middle) != 0 ||
        memcmp(text + len - tail, HF_MANIFEST_TAIL, tail) != 0)
        return false;
    memcpy(hex, text + head, mac);
    hex[mac] = '\0';
    *out_inner = text + head + mac + middle;
    *out_len = len - head - mac - middle - tail;
    return hf_unhex(hex, out_mac, HF_IMAGE_ID) == 0;
}

int hf_manifest_read(const char *text, size_t len, const struct hf_image_keys *keys,
                     bool is_encrypted, struct hf_manifest *out, struct hf_err *err)
{
    unsigned char told[HF_IMAGE_ID], is[HF_IMAGE_ID];
    const char *inner = NULL;
    size_t inner_len = 0;
    if (len > HF_MANIFEST_MAX)
        return hf_fail(err, HF_E_CORRUPT, "it has %zu bytes", len);
    if (!cut(text, len, told, &inner, &inner_len))
        return hf_fail(err, HF_E_CORRUPT, "it is no manifest");
    hf_image_id(keys->manifest_mac, inner, inner_len, is);
    if (sodium_memcmp(told, is, sizeof is) != 0)
        return hf_fail(err, HF_E_CORRUPT,
                       "it was not written by a holder of the store's key, or "
                       "was changed since");
    return hf_manifest_parse(inner, inner_len, is_encrypted, out, err);
}
