/* SPDX-License-Identifier: Apache-2.0
 *
 * point/prune_intern.h - the parts of a prune.
 *
 * prune.c         beginning and end, points as others see them
 * prune_view.c    what there is: packs, and which of them each point needs
 * prune_read.c    manifests, many at a time
 * prune_point.c   one point removed, by this prune or in place of one that died
 * prune_pack.c    one pack: its age, condemned, removed
 * prune_packs.c   what nothing needs
 * prune_waste.c   what of the packs that are named is needed by trees
 * prune_repack.c  packs of which half is not needed (repack_intern.h)
 */
#ifndef HF_POINT_PRUNE_INTERN_H
#define HF_POINT_PRUNE_INTERN_H

#include "catalog/journal.h"
#include "catalog/vmlock.h"
#include "image/alive.h"
#include "point/moved.h"
#include "point/need.h"
#include "point/prune.h"

#include <pthread.h>

#define HF_PRUNE_THREADS 15 /* beside the caller: requests under way at once */

/* ---- what there is ---------------------------------------------------------------------- */

enum hf_prune_part {
    HF_PRUNE_INDEX = 1,
    HF_PRUNE_DATA = 2,
    HF_PRUNE_TREE = 4,
    HF_PRUNE_CONDEMNED = 8,
    HF_PRUNE_MOVED = 16 /* objects moved/ID/… */
};

struct hf_prune_pack {
    unsigned char id[HF_IMAGE_PACK_ID];
    unsigned parts;   /* enum hf_prune_part: what there is of it */
    bool is_named;    /* by a manifest, or stands for one that is; once that was asked */
    uint64_t bytes;   /* of its objects */
    uint64_t content; /* of them: of the pack itself */
    int64_t newest_s; /* of them, by the store's clock; 0: it does not tell */
    int64_t condemned_s;
};

/* Found out in this order: the store's time, condemnations, what was moved, packs, every manifest. So a pack that is acted upon is one that no manifest named
 * when all of them were read, after it had been condemned for the grace period. */
struct hf_prune_view {
    struct hf_clock_mark since;  /* before anything of it was found out */
    struct hf_prune_pack *packs; /* by id */
    size_t n_packs, cap;
    struct hf_prune_points points; /* items[i].needs: a bit per pack */
    struct hf_points names;        /* of its items, sorted */
    struct hf_moved moved;
    unsigned char (
        *roots)[HF_IMAGE_ID]; /* of all points that stay; once it was asked which packs are named */
    size_t n_roots, cap_roots;
    bool has_rootless; /* one of them names packs, and has no disk */
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

/* NULL: it is not there. */
struct hf_prune_pack *hf_prune_find(const struct hf_prune_view *v,
                                    const unsigned char id[HF_IMAGE_PACK_ID]);

/* Sets is_named, and roots. The points of the view count, unless they are deleted, and what has come since: those are read now. One that somebody else has
 * removed in between counts too: that keeps a pack for longer. */
int hf_prune_mark(struct hf_prune *p, struct hf_prune_view *v, struct hf_prune_read *out,
                  struct hf_err *err) HF_CHECKED;

/* prune_read.c. Of each manifest that is there, by any thread, several at a time. */
typedef int (*hf_prune_take)(void *ctx, const struct hf_need *n, struct hf_err *err);
/* All points but those that are known (or NULL) or deleted. */
int hf_prune_read(struct hf_prune *p, const struct hf_points *known, hf_prune_take take, void *ctx,
                  struct hf_prune_read *out, struct hf_err *err) HF_CHECKED;

/* ---- prune_pack.c: one pack ------------------------------------------------------------- */

/* The last request that was begun in time has ended, too. */
#define HF_PRUNE_SETTLED_S (HF_PRUNE_HURRY_MS / 1000 * 3 / 2)

/* Of the store's time and this host's. */
int64_t hf_prune_earlier_s(const struct hf_prune *p, const struct hf_prune_view *v);
int64_t hf_prune_later_s(const struct hf_prune *p, const struct hf_prune_view *v);

/* There is more of it than words. */
bool hf_prune_is_there(const struct hf_prune_pack *pack);
/* A backup may be writing it, and need it: nothing of it is condemned. */
bool hf_prune_is_young(const struct hf_prune *p, const struct hf_prune_view *v,
                       const struct hf_prune_pack *pack);
/* Condemned for as long as the grace period is. */
bool hf_prune_is_due(const struct hf_prune *p, const struct hf_prune_view *v,
                     const struct hf_prune_pack *pack);
void hf_prune_count(struct hf_prune_sum *s, const struct hf_prune_pack *pack);

/* Dry: nothing. CONFLICT: the store's clock is far behind. */
int hf_prune_condemn(struct hf_prune *p, const struct hf_prune_view *v,
                     const struct hf_prune_pack *pack, struct hf_err *err) HF_CHECKED;
int hf_prune_lift(struct hf_prune *p, const struct hf_prune_pack *pack, struct hf_err *err)
    HF_CHECKED;
/* Not its condemnation. */
int hf_prune_remove_pack(struct hf_prune *p, const struct hf_prune_pack *pack, struct hf_err *err)
    HF_CHECKED;

/* prune_waste.c */
struct hf_prune_waste {
    struct hf_image *image;
    struct hf_image_alive *alive; /* NULL: a tree cannot be read */
    uint64_t *worth; /* of packs by their numbers; 0: what lies there may go, or is not whole */
    struct hf_image_alive_sum *sums; /* by the same */
    uint32_t n;
    struct hf_err damage;
};
void hf_prune_waste_free(struct hf_prune_waste *w); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_prune_waste, hf_prune_waste_free)
/* Every tree is read. out is empty before, and to be freed in any case. */
int hf_prune_waste(struct hf_prune *p, const struct hf_prune_view *v, struct hf_prune_waste *out,
                   struct hf_err *err) HF_CHECKED;

/* What was found last time on this host, if nothing has changed since; over the network (and not dry) also if that was less than a day ago. */
bool hf_prune_waste_recall(struct hf_prune *p, const struct hf_prune_view *v,
                           struct hf_prune_repacked *out);
void hf_prune_waste_note(struct hf_prune *p, const struct hf_prune_view *v,
                         const struct hf_prune_repacked *found);

/* prune_repack.c. Once act on what nothing names; packs are counted in out. */
int hf_prune_repack(struct hf_prune *p, struct hf_prune_view *v, struct hf_pruned *out,
                    struct hf_err *err) HF_CHECKED;

/* prune_point.c */
int hf_prune_finish_dead(struct hf_prune *p, struct hf_err *err) HF_CHECKED;
/* All objects below points/VM/POINT/. */
int hf_prune_clear(struct hf_prune *p, const struct hf_point_name *n, struct hf_err *err)
    HF_CHECKED;

#endif
