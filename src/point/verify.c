/* SPDX-License-Identifier: Apache-2.0 */
#include "point/verify_intern.h"

#include <stdlib.h>
#include <string.h>

struct hf_verify *hf_verify_begin(struct hf_site *site, struct hf_image *image,
                                  const struct hf_verify_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_verify) struct hf_verify *v = calloc(1, sizeof *v);
    if (!v) {
        hf_fail_nomem(err);
        return NULL;
    }
    v->site = site;
    v->image = image;
    v->opts = *opts;
    v->unmarked = (struct hf_err)HF_ERR_INIT;
    if (opts->depth == HF_VERIFY_CONTENT && site->is_encrypted && !site->identities) {
        hf_age_fail_keyless(err);
        hf_hint(err,
                "Set identity-file in the section of the store; digests are compared without.");
        hf_wrap(err, "store '%s'", site->name);
        return NULL;
    }
    return hf_verify_packs_begin(v, err) < 0 ? NULL : HF_STEAL(v);
}

void hf_verify_end(struct hf_verify *v)
{
    if (!v)
        return;
    free(v->packs);
    free(v->marks);
    hf_moved_free(&v->moved);
    free(v);
}

const struct hf_err *hf_verify_unmarked(const struct hf_verify *v)
{
    return v->unmarked.cls == HF_E_NONE ? NULL : &v->unmarked;
}

int hf_verify_judge(const struct hf_verify *v, const struct hf_point_name *n,
                    struct hf_verified *out, struct hf_err *what, struct hf_err *err)
{
    if (what->cls != HF_E_CORRUPT && what->cls != HF_E_NOT_FOUND && what->cls != HF_E_UNSUPPORTED) {
        hf_err_copy(err, what);
        return -1;
    }
    out->complaints++;
    if (v->opts.complain)
        v->opts.complain(v->opts.ctx, n, what);
    return 0;
}

/* ---- objects of the point's own folder -------------------------------------------------- */

/* Of one artifact; both lists are in the order of names, so each is gone through once. */
struct comparing {
    const struct hf_verify *v;
    const struct hf_manifest *m;
    const struct hf_point_artifact *a;
    struct hf_verified *out;
    size_t prefix; /* bytes of "points/VM/POINT/" */
    size_t next;   /* of a's objects: the first that was not seen yet */
};

static int is_missing(struct comparing *c, const char *name, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    hf_fail(&what, HF_E_NOT_FOUND, "%s is missing", name);
    return hf_verify_judge(c->v, &c->m->point, c->out, &what, err);
}

static int look(struct comparing *c, const struct hf_point_object *want,
                const struct hf_store_object *is, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    c->out->objects++;
    if (is->bytes == want->stored_bytes)
        return 0;
    hf_fail(&what, HF_E_CORRUPT, "%s has %llu bytes instead of %llu", want->name,
            (unsigned long long)is->bytes, (unsigned long long)want->stored_bytes);
    return hf_verify_judge(c->v, &c->m->point, c->out, &what, err);
}

static int compare_object(void *ctx, const struct hf_store_object *o, struct hf_err *err)
{
    struct comparing *c = ctx;
    while (c->next < c->a->n_objects) {
        const struct hf_point_object *want = &c->a->objects[c->next];
        int order = strcmp(want->name, o->name + c->prefix);
        if (order > 0)
            return 0; /* something else lies there, too */
        c->next++;
        if (order == 0)
            return look(c, want, o, err);
        if (is_missing(c, want->name, err) < 0)
            return -1;
    }
    return 0;
}

static int verify_there(struct comparing *c, struct hf_err *err)
{
    char point[HF_POINT_NAME_MAX], folder[HF_POINT_NAME_MAX];
    if (hf_point_prefix(&c->m->point, point, err) < 0)
        return -1;
    c->prefix = strlen(point);
    int len = snprintf(folder, sizeof folder, "%s%s/", point, hf_point_kind_name(c->a->kind));
    if (len >= (int)sizeof folder)
        return hf_fail(err, HF_E_INTERNAL, "the name of a folder is too long");
    const struct hf_store_list what = {.prefix = folder};
    if (hf_store_list(c->v->site->store, &what, compare_object, c, err))
        return -1;
    for (; c->next < c->a->n_objects; c->next++)
        if (is_missing(c, c->a->objects[c->next].name, err) < 0)
            return -1;
    return 0;
}

static int read_object(struct comparing *c, const struct hf_point_object *want, struct hf_err *err)
{
    char name[HF_POINT_NAME_MAX];
    struct hf_err what = HF_ERR_INIT;
    struct hf_store_receipt receipt = {.digest.bytes = want->stored_bytes};
    memcpy(receipt.digest.sha256, want->sha256, sizeof receipt.digest.sha256);
    if (hf_point_object_at(&c->m->point, want->name, name, err) < 0)
        return -1;
    if (hf_store_confirm(c->v->site->store, name, &receipt, &what) < 0)
        return hf_verify_judge(c->v, &c->m->point, c->out, &what, err);
    c->out->objects++;
    c->out->bytes_read += want->stored_bytes;
    return 0;
}

static int verify_objects(struct hf_verify *v, const struct hf_manifest *m,
                          const struct hf_point_artifact *a, struct hf_verified *out,
                          struct hf_err *err)
{
    struct comparing c = {.v = v, .m = m, .a = a, .out = out};
    if (v->opts.depth == HF_VERIFY_THERE)
        return verify_there(&c, err);
    for (size_t i = 0; i < a->n_objects; i++)
        if (hf_cancel_check(v->site->cancel, err) < 0 || read_object(&c, &a->objects[i], err) < 0)
            return -1;
    return 0;
}

/* ---- the whole -------------------------------------------------------------------------- */

static int verify_parts(struct hf_verify *v, const struct hf_manifest *m, struct hf_verified *out,
                        struct hf_err *err)
{
    for (size_t i = 0; i < m->n_artifacts; i++) {
        const struct hf_point_artifact *a = &m->artifacts[i];
        int rc = 0;
        out->has_pushed = out->has_pushed || a->kind == HF_POINT_PUSHED;
        if (a->kind == HF_POINT_IMAGE)
            rc = hf_verify_tree(v, m, a, out, err);
        else if (hf_point_kind_has_objects(a->kind)) /* else it does not lie here */
            rc = verify_objects(v, m, a, out, err);
        if (rc < 0)
            return -1;
    }
    uint64_t before = out->complaints;
    if (hf_verify_packs(v, m, out, err) < 0)
        return -1;
    return out->complaints > before || v->has_gone ? hf_verify_disks(v, m, out, err) : 0;
}

int hf_verify_point(struct hf_verify *v, const struct hf_point_name *n, struct hf_verified *out,
                    struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    *out = (struct hf_verified){0};
    if (hf_point_read(v->site, n, &m, &what) == 0) {
        out->objects++;
        return verify_parts(v, &m, out, err);
    }
    return hf_verify_judge(v, n, out, &what, err);
}
