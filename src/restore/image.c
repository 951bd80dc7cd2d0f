/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/image.h"

#include "base/buf.h"

#include <string.h>

/* ---- which disk ------------------------------------------------------------------------- */

int hf_restore_check_images(const struct hf_manifest *m, struct hf_err *err)
{
    const struct hf_point_artifact *a = hf_manifest_find(m, HF_POINT_PUSHED);
    if (!a)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED,
            "the disks of %s lie in backup %s, which only its hypervisor reads", m->point.id,
            a->pushed.ref);
    return hf_hint(
        err,
        "`holdfast restore vm %s/%s` makes a machine of it; what is wanted is taken from that.",
        m->point.vm, m->point.id);
}

static int fail_disks(const struct hf_manifest *m, const char *disk, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE)
            hf_buf_printf(&names, "%s%s", names.len ? ", " : "", m->artifacts[i].name);
    if (names.len == 0)
        return hf_fail(err, HF_E_CONFIG, "%s has no disks", m->point.id);
    if (disk)
        hf_fail(err, HF_E_CONFIG, "%s has no disk '%.60s', but %s", m->point.id, disk,
                hf_buf_str(&names));
    else
        hf_fail(err, HF_E_CONFIG, "%s has several disks: %s", m->point.id, hf_buf_str(&names));
    return hf_hint(err, "Say which with --disk.");
}

const struct hf_point_artifact *hf_restore_find_disk(const struct hf_manifest *m, const char *disk,
                                                     struct hf_err *err)
{
    const struct hf_point_artifact *found = NULL;
    size_t n = 0;
    if (hf_restore_check_images(m, err) < 0)
        return NULL;
    for (size_t i = 0; i < m->n_artifacts; i++) {
        const struct hf_point_artifact *a = &m->artifacts[i];
        if (a->kind != HF_POINT_IMAGE || (disk && strcmp(a->name, disk) != 0))
            continue;
        found = a;
        n++;
    }
    if (n == 1)
        return found;
    fail_disks(m, disk, err);
    return NULL;
}

/* ---- restore ---------------------------------------------------------------------------- */

struct restore {
    const struct hf_env *env;
    const struct hf_restore_image *req;
    struct hf_open_point point;
    const struct hf_point_artifact *disk;
    struct hf_restored_disk done;
    int64_t began_ms;
};

static void restore_close(struct restore *r)
{
    hf_open_point_close(&r->point);
}
HF_DEFINE_AUTO_VALUE(restore, restore_close)

static int find(struct restore *r, struct hf_err *err)
{
    const struct hf_point_wish wish = {
        .text = r->req->point, .store = r->req->store, .to_read = true, .area = "restore"};
    if (hf_point_open(r->env, &wish, &r->point, err) < 0)
        return -1;
    r->disk = hf_restore_find_disk(&r->point.manifest, r->req->disk, err);
    return r->disk ? 0 : -1;
}

static int restore_disk(struct restore *r, struct hf_err *err)
{
    HF_AUTO(hf_image)
    struct hf_image *image = hf_open_point_image(r->env, &r->point, "restore", err);
    if (!image)
        return -1;
    HF_AUTOFREE char *point =
        hf_asprintf("%s/%s", r->point.manifest.point.vm, r->point.manifest.point.id);
    if (!point)
        return hf_fail_nomem(err);
    const struct hf_restore_disk what = {.image = image,
                                         .root = r->disk->root,
                                         .point = point,
                                         .disk = r->disk->name,
                                         .file = r->req->file,
                                         .format = r->req->format,
                                         .overwrite = r->req->overwrite,
                                         .clock = r->env->clock,
                                         .log = r->env->log,
                                         .cancel = r->env->cancel,
                                         .progress = r->env->progress,
                                         .progress_ctx = r->env->progress_ctx};
    return hf_restore_disk(&what, &r->done, err);
}

static int make_document(const struct restore *r, struct json_object **out, struct hf_err *err)
{
    const struct hf_manifest *m = &r->point.manifest;
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (!doc || hf_json_add_string(doc, "point", m->point.id) < 0 ||
        hf_json_add_string(doc, "vm", m->point.vm) < 0 ||
        hf_json_add_string(doc, "disk", r->disk->name) < 0 ||
        hf_json_add_string(doc, "store", r->point.config->label) < 0 ||
        hf_json_add_string(doc, "file", r->req->file) < 0 ||
        hf_json_add_string(doc, "format", hf_disk_formats[r->req->format]) < 0 ||
        hf_json_add_int(doc, "bytes", (int64_t)r->done.bytes) < 0 ||
        hf_json_add_int(doc, "written", (int64_t)r->done.written) < 0 ||
        hf_json_add_int(doc, "fetched", (int64_t)r->done.fetched) < 0 ||
        hf_json_add_int(doc, "duration_ms", hf_clock_mono_ms(r->env->clock) - r->began_ms) < 0 ||
        hf_json_add_bool(doc, "resumed", r->done.is_resumed) < 0)
        return hf_fail_nomem(err);
    *out = HF_STEAL(doc);
    return 0;
}

int hf_restore_image(const struct hf_env *env, const struct hf_restore_image *req,
                     struct json_object **out, struct hf_err *err)
{
    HF_AUTO(restore)
    struct restore r = {.env = env, .req = req, .began_ms = hf_clock_mono_ms(env->clock)};
    if (find(&r, err) < 0)
        return -1;
    if (restore_disk(&r, err) < 0) {
        hf_open_point_fail(&r.point, err);
        return hf_wrap(err, "disk %s of %s", r.disk->name, r.point.manifest.point.id);
    }
    return make_document(&r, out, err);
}
