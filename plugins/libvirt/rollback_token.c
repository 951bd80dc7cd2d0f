/* SPDX-License-Identifier: Apache-2.0
 *
 * The token of a rollback:
 *
 *   {"v":1,"op":"rollback","vm":UUID,"name":SNAPSHOT,"run":RUN,"was_active":true,"was_running":true,"younger":[NAME…],
 *    "disks":[{"target":"vda","from":PATH,"to":PATH,"base":PATH,"format":"qcow2","size_bytes":N,"gone":[PATH…]}]}
 */
#include "base/buf.h"
#include "chain.h"
#include "net/json.h"
#include "rollback.h"

#include <string.h>

void lv_rollback_free(struct lv_rollback *rb)
{
    for (size_t i = 0; i < rb->n; i++) {
        struct lv_rollback_disk *d = &rb->disks[i];
        free(d->target);
        free(d->from);
        free(d->to);
        free(d->base.path);
        free(d->base.format);
        hf_strv_free(&d->gone);
    }
    free(rb->disks);
    hf_strv_free(&rb->younger);
    free(rb->uuid);
    free(rb->name);
    free(rb->run);
    *rb = (struct lv_rollback){0};
}

const char *lv_rollback_maker(const struct lv_rollback *rb, const char *path)
{
    if (lv_overlay_is_of(path, rb->name))
        return rb->name;
    for (size_t i = 0; i < rb->younger.n; i++)
        if (lv_overlay_is_of(path, rb->younger.items[i]))
            return rb->younger.items[i];
    return NULL;
}

static int add_disk(struct json_object *list, const struct lv_rollback_disk *d)
{
    struct json_object *o = hf_json_append_object(list);
    if (!o)
        return -1;
    return hf_json_add_string(o, "target", d->target) | hf_json_add_string(o, "from", d->from) |
           hf_json_add_string(o, "to", d->to) | hf_json_add_string(o, "base", d->base.path) |
           hf_json_add_string(o, "format", d->base.format) |
           hf_json_add_int(o, "size_bytes", (int64_t)d->size_bytes) |
           hf_json_add(o, "gone", hf_json_strings(&d->gone));
}

char *lv_rollback_write(const struct lv_rollback *rb, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    int bad =
        !o || !list ||
        (hf_json_add_int(o, "v", 1) | hf_json_add_string(o, "op", "rollback") |
         hf_json_add_string(o, "vm", rb->uuid) | hf_json_add_string(o, "name", rb->name) |
         hf_json_add_string(o, "run", rb->run) | hf_json_add_bool(o, "was_active", rb->was_active) |
         hf_json_add_bool(o, "was_running", rb->was_running) |
         hf_json_add(o, "younger", hf_json_strings(&rb->younger)) |
         hf_json_add(o, "disks", json_object_get(list)));
    for (size_t i = 0; !bad && i < rb->n; i++)
        bad = add_disk(list, &rb->disks[i]);
    const char *text = bad ? NULL
                           : json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE);
    char *copy = text ? strdup(text) : NULL;
    if (!copy)
        hf_fail_nomem(err);
    return copy;
}

/* The token comes from a file: what it names must look like what we make. */
static int check_disk(const struct lv_rollback *rb, const struct lv_rollback_disk *d,
                      struct hf_err *err)
{
    HF_AUTOFREE char *suffix = hf_asprintf("%s.%s", rb->run, rb->name);
    if (!suffix)
        return hf_fail_nomem(err);
    if (!lv_overlay_is_of(d->to, suffix))
        return hf_fail(err, HF_E_CORRUPT, "'%s' is no overlay of this rollback", d->to);
    if (!d->gone.n || strcmp(d->gone.items[0], d->from) != 0)
        return hf_fail(err, HF_E_CORRUPT, "disk %s gives up another layer than its own", d->target);
    for (size_t i = 0; i < d->gone.n; i++)
        if (!lv_rollback_maker(rb, d->gone.items[i]) || strcmp(d->gone.items[i], d->to) == 0 ||
            strcmp(d->gone.items[i], d->base.path) == 0)
            return hf_fail(err, HF_E_CORRUPT, "'%s' is no overlay of these snapshots",
                           d->gone.items[i]);
    return 0;
}

static int read_disk(struct json_object *o, struct lv_rollback *rb, struct hf_err *err)
{
    const char *target, *from, *to, *base, *format;
    int64_t size;
    struct lv_rollback_disk *d = &rb->disks[rb->n++];
    if (hf_json_get_string(o, "target", &target, err) != 0 ||
        hf_json_get_string(o, "from", &from, err) != 0 ||
        hf_json_get_string(o, "to", &to, err) != 0 ||
        hf_json_get_string(o, "base", &base, err) != 0 ||
        hf_json_get_string(o, "format", &format, err) != 0 ||
        hf_json_get_int(o, "size_bytes", &size, err) != 0 ||
        hf_json_get_strings(o, "gone", &d->gone, err) != 0)
        return -1;
    d->target = strdup(target);
    d->from = strdup(from);
    d->to = strdup(to);
    d->base = (struct lv_layer){.path = strdup(base), .format = strdup(format), .index = -1};
    d->size_bytes = (uint64_t)size;
    if (!d->target || !d->from || !d->to || !d->base.path || !d->base.format)
        return hf_fail_nomem(err);
    return check_disk(rb, d, err);
}

static int read_head(struct json_object *o, const char *vm_id, struct lv_rollback *rb,
                     struct hf_err *err)
{
    int64_t version;
    const char *op, *uuid, *name, *run;
    if (hf_json_get_int(o, "v", &version, err) != 0 || hf_json_get_string(o, "op", &op, err) != 0 ||
        hf_json_get_string(o, "vm", &uuid, err) != 0 ||
        hf_json_get_string(o, "name", &name, err) != 0 ||
        hf_json_get_string(o, "run", &run, err) != 0 ||
        hf_json_get_bool(o, "was_active", &rb->was_active, err) != 0 ||
        hf_json_get_bool(o, "was_running", &rb->was_running, err) != 0 ||
        hf_json_get_strings(o, "younger", &rb->younger, err) != 0)
        return -1;
    if (version != 1 || strcmp(op, "rollback") != 0 || strcmp(uuid, vm_id) != 0 || !*name || !*run)
        return hf_fail(err, HF_E_CORRUPT, "it is not of a rollback of this VM");
    rb->uuid = strdup(uuid);
    rb->name = strdup(name);
    rb->run = strdup(run);
    return rb->uuid && rb->name && rb->run ? 0 : hf_fail_nomem(err);
}

int lv_rollback_read(const char *token, const char *vm_id, struct lv_rollback *out,
                     struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hf_json_parse(token, strlen(token), err);
    struct json_object *list;
    if (!o || read_head(o, vm_id, out, err) != 0 || hf_json_get_array(o, "disks", &list, err) != 0)
        return hf_wrap(err, "undo token");
    out->disks = calloc(json_object_array_length(list) + 1, sizeof *out->disks);
    if (!out->disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (read_disk(json_object_array_get_idx(list, i), out, err) != 0)
            return hf_wrap(err, "undo token");
    return out->n ? 0 : hf_fail(err, HF_E_CORRUPT, "undo token: it names no disk");
}
