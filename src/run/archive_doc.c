/* SPDX-License-Identifier: Apache-2.0 */
#include "run/archiving.h"

#include <string.h>

static int add_times(const struct archiving *x, struct json_object *doc)
{
    char from[HF_TIME_MAX], until[HF_TIME_MAX];
    hf_time_rfc3339(x->from_us, from);
    hf_time_rfc3339(x->until_us, until);
    return hf_json_add_string(doc, "read_from", from) < 0 ||
                   hf_json_add_string(doc, "read_until", until) < 0 ||
                   hf_json_add_int(doc, "duration_ms", (x->until_us - x->from_us) / 1000) < 0
               ? -1
               : 0;
}

static int add_sums(const struct archiving *x, struct json_object *doc)
{
    struct json_object *types = json_object_new_object();
    if (!types || hf_json_add(doc, "types", types) < 0)
        return -1;
    for (int i = 0; i < HF_ENTRY_TYPES; i++)
        if (hf_json_add_int(types, hf_entry_type_name((enum hf_entry_type)i),
                            (int64_t)x->totals.by_type[i]) < 0)
            return -1;
    for (int i = 0; i < HF_SAID_OTHER; i++)
        if (hf_json_add_int(doc, hf_said_name((enum hf_said_kind)i), (int64_t)x->said.n[i]) < 0)
            return -1;
    return hf_json_add_int(doc, "entries", (int64_t)x->totals.entries) < 0 ||
                   hf_json_add_int(doc, "bytes", (int64_t)x->totals.content_bytes) < 0 ||
                   hf_json_add_int(doc, "tar_bytes", (int64_t)x->totals.tar_bytes) < 0 ||
                   hf_json_add_int(doc, "stored_bytes",
                                   (int64_t)(x->tar_stored + x->listing_stored)) < 0 ||
                   hf_json_add_string(doc, "tar_sha256", x->tar_digest.sha256) < 0 ||
                   hf_json_add_string(doc, "listing_sha256", x->listing_digest.sha256) < 0
               ? -1
               : 0;
}

int archiving_make_document(const struct archiving *x, struct json_object **out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_int(doc, "format", 1) < 0 ||
        hf_json_add_string(doc, "run", x->id) < 0 ||
        hf_json_add_string(doc, "vm", x->vm->label) < 0 ||
        hf_json_add(doc, "paths", hf_json_strings(&x->vm->files)) < 0 ||
        hf_json_add(doc, "exclude", hf_json_strings(&x->vm->exclude)) < 0 ||
        hf_json_add_string(doc, "compression", hf_io_packing_name(x->req->packing)) < 0 ||
        add_times(x, doc) < 0 || add_sums(x, doc) < 0 ||
        hf_json_add(doc, "stopped", hf_json_strings(&x->rest.stopped)) < 0 ||
        hf_json_add_int(doc, "rest_ms", (int64_t)(x->rest.rest_ms + 0.5)) < 0 ||
        hf_json_add(doc, "dump", json_object_get(x->dump)) < 0 ||
        hf_json_add(doc, "warnings", hf_json_strings(&x->warnings)) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

int archiving_write_about(struct archiving *x, struct json_object *doc, struct hf_err *err)
{
    const char *text = json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE);
    HF_AUTO(hf_io_sink)
    struct hf_io_sink *s = x->place.open(x->place.ctx, HF_ARCHIVE_ABOUT, NULL, err);
    return s && hf_io_write(s, text, strlen(text), err) == 0 && hf_io_write(s, "\n", 1, err) == 0
               ? hf_io_finish(s, err)
               : -1;
}
