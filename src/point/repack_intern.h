/* SPDX-License-Identifier: Apache-2.0
 *
 * point/repack_intern.h - one pack at a time: where is what any tree needs of it?
 *
 * Packs of which half is not needed any more: what is needed is copied into new ones, said, and then the old ones are condemned; and removed, once
 * they have been for long enough, and when what is needed of them is found elsewhere, all of it.
 *
 * One and the same look is made before a pack is condemned and before it is removed. What is nowhere else is copied, a place that nothing points
 * to yet gets its moved/OLD/NEW; and if either had to be done, the condemnation begins anew. So one that goes has stood for the whole
 * grace period with all it needs elsewhere, and said where: who reads has had time to see it.
 *
 * repack_look.c    the look, and what it leads to
 * prune_repack.c   which packs
 */
#ifndef HF_POINT_REPACK_INTERN_H
#define HF_POINT_REPACK_INTERN_H

#include "image/move.h"
#include "point/prune_intern.h"

struct repack_target {
    unsigned char id[HF_IMAGE_PACK_ID];
};

/* One whose content will be elsewhere, all of it, with the next pack that is sent. */
struct repack_pending {
    const struct hf_prune_pack *old;
    struct repack_target *targets;
    size_t n;
};

/* Of one kind of packs. */
struct repacking {
    struct hf_prune *prune;
    const struct hf_prune_view *view;
    struct hf_prune_waste *waste;
    struct hf_pruned *out;
    enum hf_image_kind kind;
    struct hf_image_mover *mover;
    struct repack_pending *pending;
    size_t n_pending;
    bool has_more; /* is to be done by the next run */
};
void hf_repacking_end(struct repacking *r); /* by value: what was not said is not */

struct repack_look {
    struct repack_target *targets; /* to be freed */
    size_t n, cap;
    bool is_settled;       /* nothing had to be copied, and all of it was said */
    enum hf_prune_why why; /* something is nowhere else, and cannot be copied */
};

/* Why records cannot be copied; NOT: they can. */
enum hf_prune_why hf_repack_why_not(const struct hf_prune *p, enum hf_image_kind kind);
/* Copies (dry: counts) what is nowhere else, if it can be. CORRUPT, AUTH; NOT_FOUND: no index, or no pack. *l is to be freed in any case. */
int hf_repack_look(struct repacking *r, const struct hf_prune_pack *old, struct repack_look *l,
                   struct hf_err *err) HF_CHECKED;
/* To be said, and condemned, when what was copied is there: at once if that is a whole pack. Takes l's targets. */
int hf_repack_later(struct repacking *r, const struct hf_prune_pack *old, struct repack_look *l,
                    struct hf_err *err) HF_CHECKED;
/* Now. */
int hf_repack_flush(struct repacking *r, struct hf_err *err) HF_CHECKED;

#endif
