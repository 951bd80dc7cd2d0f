/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup_intern.h"
#include "run/point_doc.h"

/* What is on a store of the run was confirmed (image/writer.h, point/site.h), and stores that are neither proven nor assumed to
 * be off the host were dropped at the beginning. */
bool backup_is_protected(const struct backup_store *s)
{
    return s->has_point;
}

/* As on the first store that has the point: roots depend on the store's key. */
static int add_artifacts(const struct backup *b, struct json_object *doc, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    const struct hf_manifest *m = NULL;
    for (size_t i = 0; !m && i < b->n_stores; i++)
        if (b->stores[i].has_point)
            m = &b->stores[i].manifest;
    for (size_t i = 0; list && m && i < m->n_artifacts; i++)
        if (hf_point_doc_artifact(list, &m->artifacts[i], err) < 0)
            return -1;
    return list && hf_json_add(doc, "artifacts", HF_STEAL(list)) == 0 ? 0 : hf_fail_nomem(err);
}

static int append_store(struct json_object *list, const struct backup_store *s)
{
    bool is_proven = s->off_host.is == HF_OFFHOST_PROVEN;
    struct json_object *o = hf_json_append_object(list);
    return !o || hf_json_add_string(o, "name", s->config->label) < 0 ||
                   hf_json_add_int(o, "objects", (int64_t)s->objects) < 0 ||
                   hf_json_add_int(o, "bytes", (int64_t)s->bytes) < 0 ||
                   hf_json_add_bool(o, "read_back", s->has_point) < 0 ||
                   hf_json_add_bool(o, "protected", backup_is_protected(s)) < 0 ||
                   hf_json_add_string(o, "off_host",
                                      is_proven                                   ? "proven"
                                      : s->config->off_host == HF_OFF_HOST_ASSUME ? "assumed"
                                                                                  : NULL) < 0 ||
                   hf_json_add_string(o, "error",
                                      backup_store_is_in(s) ? NULL : s->failed.message) < 0
               ? -1
               : 0;
}

static int add_stores(const struct backup *b, struct json_object *doc)
{
    bool is_protected = false;
    HF_AUTOJSON struct json_object *list = json_object_new_array();
    for (size_t i = 0; list && i < b->n_stores; i++) {
        is_protected = is_protected || backup_is_protected(&b->stores[i]);
        if (append_store(list, &b->stores[i]) < 0)
            return -1;
    }
    return list && hf_json_add_bool(doc, "protected", is_protected) == 0
               ? hf_json_add(doc, "stores", HF_STEAL(list))
               : -1;
}

struct json_object *backup_report(const struct backup *b, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = creation_report(b->creation, err);
    if (!doc)
        return NULL;
    if (hf_json_add_string(doc, "point", b->run->id) < 0 ||
        hf_json_add_string(doc, "checkpoint", backup_checkpoint(b)) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (add_artifacts(b, doc, err) < 0)
        return NULL;
    if (add_stores(b, doc) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}
