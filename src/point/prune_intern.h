/* SPDX-License-Identifier: Apache-2.0
 *
 * point/prune_intern.h - the parts of a prune.
 *
 * prune.c         beginning and end, points as others see them
 * prune_view.c    what there is: packs, and which of them each point needs
 * prune_read.c    manifests, many at a time
 * prune_point.c   one point removed, by this prune or in place of one that died
 * prune_packs.c   what nothing needs
 */
#ifndef HF_POINT_PRUNE_INTERN_H
#define HF_POINT_PRUNE_INTERN_H

#include "catalog/journal.h"
#include "catalog/vmlock.h"
#include "point/need.h"
#include "point/prune.h"

#include <pthread.h>

#define HF_PRUNE_THREADS 15 /* beside the caller: requests under way at once */

/* ---- what there is ---------------------------------------------------------------------- */

enum hf_prune_part {
    HF_PRUNE_INDEX = 1,
    HF_PRUNE_DATA = 2,
    HF_PRUNE_TREE = 4,
    HF_PRUNE_CONDEMNED = 8
};

struct hf_prune_pack {
    unsigned char id[HF_IMAGE_PACK_ID];
    unsigned parts;   /* enum hf_prune_part: what there is of it */
    bool is_named;    /* by a manifest; once that was asked */
    uint64_t bytes;   /* of its objects */
    int64_t newest_s; /* of them, by the store's clock; 0: it does not tell */
    int64_t condemned_s;
};

/* Found out in this order: the store's time, packs and condemnations, every manifest. So a pack that is acted upon is one that no manifest named
 * when all of them were read, after it had been condemned for the grace period. */
struct hf_prune_view {
    struct hf_clock_mark since;  /* before anything of it was found out */
    struct hf_prune_pack *packs; /* by id */
    size_t n_packs, cap;
    struct hf_prune_points points; /* items[i].needs: a bit per pack */
    struct hf_points names;        /* of its items, sorted */
};
void hf_prune_view_free(struct hf_prune_view *v); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_prune_view, hf_prune_view_free)

struct hf_prune {
    struct hf_prune_opts opts;
    struct hf_site *site;
    struct hf_vmlock *lock;     /* NULL: dry */
    struct hf_journal *journal; /* NULL: nothing was begun yet */
    struct hf_prune_view view;
    bool has_view;
    struct hf_points deleted; /* that this one has deleted, or would; sorted once all are */
};

/* out is empty before. */
int hf_prune_look(struct hf_prune *p, struct hf_prune_view *out, struct hf_err *err) HF_CHECKED;

struct hf_prune_read {
    struct hf_point_name *unreadable, *bare; /* bare: no manifest. To be freed */
    size_t unreadable_n, bare_n;
    struct hf_err first_damage;
};
void hf_prune_read_free(struct hf_prune_read *r); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_prune_read, hf_prune_read_free)

/* Sets is_named. The points of the view count, unless they are deleted, and what has come since: those are read now. One that somebody else has
 * removed in between counts too: that keeps a pack for longer. */
int hf_prune_mark(struct hf_prune *p, struct hf_prune_view *v, struct hf_prune_read *out,
                  struct hf_err *err) HF_CHECKED;

/* prune_read.c. Of each manifest that is there, by any thread, several at a time. */
typedef int (*hf_prune_take)(void *ctx, const struct hf_need *n, struct hf_err *err);
/* All points but those that are known (or NULL) or deleted. */
int hf_prune_read(struct hf_prune *p, const struct hf_points *known, hf_prune_take take, void *ctx,
                  struct hf_prune_read *out, struct hf_err *err) HF_CHECKED;
/* sorted as hf_point_name_compare does */
bool hf_prune_has(const struct hf_points *sorted, const struct hf_point_name *n);

/* prune_point.c */
int hf_prune_finish_dead(struct hf_prune *p, struct hf_err *err) HF_CHECKED;
/* All objects below points/VM/POINT/. */
int hf_prune_clear(struct hf_prune *p, const struct hf_point_name *n, struct hf_err *err)
    HF_CHECKED;

#endif
