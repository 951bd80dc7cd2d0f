/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"
#include "point/verify_intern.h"

struct lost {
    uint64_t chunks, first; /* first: a number of a chunk */
};

/* A tree that cannot be walked was told of before. */
static int count_lost(struct hf_verify *v, const struct hf_point_artifact *a,
                      struct hf_verified *sum, struct lost *out, struct hf_err *what)
{
    HF_AUTO(hf_image_tree)
    struct hf_image_tree *t = hf_image_tree_open(v->image, a->root, what);
    uint64_t n = t ? hf_image_chunks_n(hf_image_tree_shape(t)) : 0, alike = 0;
    for (uint64_t at = 0; at < n; at += alike) {
        bool is_hole = false;
        struct hf_image_place place;
        if (hf_cancel_check(v->site->cancel, what) < 0 ||
            hf_image_tree_run(t, at, &is_hole, &alike, what) < 0)
            return -1;
        for (uint64_t i = at; !is_hole && i < at + alike; i++) {
            if (hf_image_tree_place(t, i, &is_hole, &place, what) < 0 ||
                hf_verify_pack_read(v, place.pack, sum, what) < 0)
                return -1;
            if (hf_verify_pack_is_bad(v, place.pack) && out->chunks++ == 0)
                out->first = i;
        }
    }
    return t ? 0 : -1;
}

static int verify_disk(struct hf_verify *v, const struct hf_manifest *m,
                       const struct hf_point_artifact *a, struct hf_verified *out,
                       struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct lost lost = {0};
    if (count_lost(v, a, out, &lost, &what) < 0)
        return what.cls == HF_E_CORRUPT ? 0 : hf_verify_judge(v, &m->point, out, &what, err);
    if (lost.chunks == 0)
        return 0;
    hf_fail(&what, HF_E_CORRUPT, "disk '%s': %llu chunk%s in damaged packs, the first at %llu",
            a->name, (unsigned long long)lost.chunks, lost.chunks == 1 ? " lies" : "s lie",
            (unsigned long long)lost.first * v->site->chunk_bytes);
    return hf_verify_judge(v, &m->point, out, &what, err);
}

int hf_verify_disks(struct hf_verify *v, const struct hf_manifest *m, struct hf_verified *out,
                    struct hf_err *err)
{
    for (size_t i = 0; i < m->n_artifacts; i++)
        if (m->artifacts[i].kind == HF_POINT_IMAGE &&
            verify_disk(v, m, &m->artifacts[i], out, err) < 0)
            return -1;
    return 0;
}
