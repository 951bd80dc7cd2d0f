/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/part.h"

#include <string.h>

void hf_restore_part_close(struct hf_restore_part *p)
{
    hf_io_files_close(p->files);
    hf_open_point_close(&p->point);
    *p = (struct hf_restore_part){0};
}

static int fail_none(const struct hf_restore_wish *wish, const struct hf_manifest *m,
                     struct hf_err *err)
{
    const char *kind = hf_point_kind_name(wish->kind);
    if (wish->name)
        return hf_fail(err, HF_E_NOT_FOUND, "point %s has no %s called '%.60s'", m->point.id, kind,
                       wish->name);
    hf_fail(err, HF_E_NOT_FOUND, "point %s has no %s", m->point.id, kind);
    return hf_hint(err, "`holdfast show %s` says what it has.", m->point.id);
}

static int find_artifact(const struct hf_restore_wish *wish, struct hf_restore_part *out,
                         struct hf_err *err)
{
    const struct hf_manifest *m = &out->point.manifest;
    for (size_t i = 0; i < m->n_artifacts; i++) {
        const struct hf_point_artifact *a = &m->artifacts[i];
        if (a->kind != wish->kind || (wish->name && strcmp(a->name, wish->name) != 0))
            continue;
        if (out->artifact)
            return hf_fail(err, HF_E_CONFLICT, "point %s has several: '%s' and '%s'", m->point.id,
                           out->artifact->name, a->name);
        out->artifact = a;
    }
    return out->artifact ? 0 : fail_none(wish, m, err);
}

int hf_restore_part_open(const struct hf_env *env, const struct hf_restore_wish *wish,
                         struct hf_restore_part *out, struct hf_err *err)
{
    const struct hf_point_wish point = {
        .text = wish->point, .store = wish->store, .to_read = true, .area = "restore"};
    if (hf_point_open(env, &point, &out->point, err) < 0 || find_artifact(wish, out, err) < 0)
        return -1;
    out->files = hf_point_part(out->point.at.site, &out->point.manifest, out->artifact, err);
    if (out->files)
        return 0;
    hf_open_point_fail(&out->point, err);
    hf_store_site_name(out->point.config, err);
    return -1;
}

int hf_restore_part_document(const struct hf_restore_part *p, struct json_object *doc)
{
    char taken[HF_TIME_MAX];
    hf_time_rfc3339(p->point.manifest.taken_us, taken);
    return hf_json_add_string(doc, "point", p->point.manifest.point.id) < 0 ||
                   hf_json_add_string(doc, "point_vm", p->point.manifest.point.vm) < 0 ||
                   hf_json_add_string(doc, "taken_at", taken) < 0 ||
                   hf_json_add_string(doc, "store", p->point.config->label) < 0 ||
                   hf_json_add_int(doc, "fetched_bytes",
                                   (int64_t)hf_store_fetched(p->point.at.store)) < 0
               ? -1
               : 0;
}
