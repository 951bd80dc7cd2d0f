/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image_intern.h"
#include "image/tree.h"
#include "image/verify.h"

#include <stdlib.h>

struct walk {
    struct hf_image *im;
    struct hf_image_tree *tree;
    struct hf_image_needs needs;
    unsigned char *seen; /* a byte per number of a pack */
    uint32_t seen_n;
};

void hf_image_needs_free(struct hf_image_needs *n)
{
    free(n->packs);
    n->packs = NULL;
    n->packs_n = 0;
}

static void free_walk(struct walk *w)
{
    hf_image_tree_close(w->tree);
    hf_image_needs_free(&w->needs);
    free(w->seen);
}

/* A pack that came while we walk has a higher number, and nobody needs it for what was there before. */
static int note_pack(struct walk *w, uint32_t number, struct hf_err *err)
{
    struct hf_image_pack p;
    if (number >= w->seen_n || w->seen[number])
        return 0;
    if (!hf_image_chunks_pack(w->im->chunks, number, &p))
        return hf_fail(err, HF_E_CORRUPT, "a pack is gone while the disk is verified");
    w->seen[number] = 1;
    memcpy(w->needs.packs[w->needs.packs_n++], p.id, sizeof p.id);
    return 0;
}

static int note_part(struct walk *w, const unsigned char *id, struct hf_err *err)
{
    struct hf_image_place place;
    if (!hf_image_chunks_find(w->im->chunks, HF_IMAGE_TREE, id, false, &place))
        return hf_fail(err, HF_E_CORRUPT, "a part of the tree is in no pack of the store");
    return note_pack(w, place.pack, err);
}

static int walk_segment(struct walk *w, uint64_t segment, struct hf_err *err)
{
    const struct hf_image_shape *shape = hf_image_tree_shape(w->tree);
    uint64_t first = segment * HF_IMAGE_SEGMENT_CHUNKS;
    uint32_t len = hf_image_segment_len(shape, segment);
    const unsigned char *id = hf_image_tree_segment(w->tree, segment);
    if (hf_image_is_hole(id)) {
        w->needs.holes += len;
        return 0;
    }
    if (hf_cancel_check(w->im->cancel, err) < 0)
        return -1;
    for (uint32_t i = 0; i < len; i++) {
        struct hf_image_place place;
        bool is_hole = false;
        if (hf_image_tree_place(w->tree, first + i, &is_hole, &place, err) < 0 ||
            (!is_hole && note_pack(w, place.pack, err) < 0))
            return -1;
        w->needs.holes += is_hole;
    }
    return note_part(w, id, err);
}

static int walk(struct walk *w, const unsigned char *root, struct hf_err *err)
{
    w->seen_n = hf_image_chunks_packs_n(w->im->chunks);
    w->seen = calloc((size_t)w->seen_n + 1, 1);
    w->needs.packs = calloc((size_t)w->seen_n + 1, HF_IMAGE_PACK_ID);
    if (!w->seen || !w->needs.packs)
        return hf_fail_nomem(err);
    w->tree = hf_image_tree_open(w->im, root, err);
    if (!w->tree || note_part(w, root, err) < 0)
        return -1;
    w->needs.chunks = hf_image_chunks_n(hf_image_tree_shape(w->tree));
    for (uint64_t i = 0; i < hf_image_segments_n(hf_image_tree_shape(w->tree)); i++)
        if (walk_segment(w, i, err) < 0)
            return -1;
    return 0;
}

int hf_image_verify_tree(struct hf_image *im, const unsigned char root[HF_IMAGE_ID],
                         struct hf_image_needs *out, struct hf_err *err)
{
    __attribute__((cleanup(free_walk))) struct walk w = {.im = im};
    if (walk(&w, root, err) < 0)
        return -1;
    *out = w.needs;
    w.needs.packs = NULL;
    return 0;
}
