/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup_intern.h"
#include "run/point_doc.h"

/* What is on a store of the run was confirmed (image/writer.h, point/site.h), and stores that are neither proven nor assumed to
 * be off the host were dropped at the beginning. Disks that lie with the hypervisor protect where that is off the host. */
bool backup_is_protected(const struct backup *b, const struct backup_store *s)
{
    return s->has_point && !(b->pushed.ref && b->pushed_off_host == HF_POINT_NOT_OFF_HOST);
}

static int append_store(struct json_object *list, const struct backup *b,
                        const struct backup_store *s)
{
    /* "refused" is no word for one that was never judged, or that is out for it. */
    bool is_accepted =
        s->off_host.is == HF_OFFHOST_PROVEN || s->config->off_host == HF_OFF_HOST_ASSUME;
    struct json_object *o = hf_json_append_object(list);
    return !o || hf_json_add_string(o, "name", s->config->label) < 0 ||
                   hf_json_add_int(o, "objects", (int64_t)s->objects) < 0 ||
                   hf_json_add_int(o, "bytes", (int64_t)s->bytes) < 0 ||
                   hf_json_add_bool(o, "read_back", s->has_point) < 0 ||
                   hf_json_add_bool(o, "protected", backup_is_protected(b, s)) < 0 ||
                   hf_json_add_string(o, "off_host",
                                      is_accepted ? hf_off_host_word(s->config, &s->off_host)
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
        is_protected = is_protected || backup_is_protected(b, &b->stores[i]);
        if (append_store(list, b, &b->stores[i]) < 0)
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
    /* Roots depend on the store's key. */
    if (hf_point_doc_artifacts(doc, backup_manifest(b), err) < 0)
        return NULL;
    if (add_stores(b, doc) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}
