/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/definition.h"

#include "point/part.h"

#include <string.h>

#define DEFINITION_MAX ((uint64_t)16 << 20)

static int keep_name(void *ctx, const char *name, struct hf_err *err)
{
    char **out = ctx;
    free(*out);
    *out = strdup(name);
    return *out ? 0 : hf_fail_nomem(err);
}

static int read_all(struct hf_io_files *part, struct hf_buf *out, struct hf_err *err)
{
    HF_AUTOFREE char *name = NULL;
    if (hf_io_files_list(part, keep_name, &name, err) != 0)
        return -1;
    if (!name)
        return hf_fail(err, HF_E_CORRUPT, "it is not on the store");
    HF_AUTO(hf_io_source) struct hf_io_source *s = hf_io_files_open(part, name, true, err);
    if (!s)
        return -1;
    if (s->size > DEFINITION_MAX)
        return hf_fail(err, HF_E_CORRUPT, "it is larger than any definition");
    HF_AUTOFREE char *text = malloc((size_t)s->size + 1);
    if (!text)
        return hf_fail_nomem(err);
    if (hf_io_read_at(s, 0, text, (size_t)s->size, err) < 0)
        return -1;
    hf_buf_add(out, text, (size_t)s->size);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_restore_definition(struct hf_open_point *p, struct hf_buf *out, struct hf_err *err)
{
    const struct hf_manifest *m = &p->manifest;
    const struct hf_point_artifact *a = hf_manifest_find(m, HF_POINT_DEFINITION);
    if (!a || a->n_objects != 1)
        return hf_fail(err, HF_E_NOT_FOUND, "%s has no definition of its machine", m->point.id);
    HF_AUTO(hf_io_files) struct hf_io_files *part = hf_point_part(p->at.site, m, a, err);
    if (part && read_all(part, out, err) == 0)
        return 0;
    if (err->cls == HF_E_NOT_FOUND) /* the manifest says that it has one */
        err->cls = HF_E_CORRUPT;
    return hf_wrap(err, "the definition in %s", m->point.id);
}
