/* SPDX-License-Identifier: Apache-2.0
 *
 * point/prune_intern.h - the parts of a prune.
 */
#ifndef HF_POINT_PRUNE_INTERN_H
#define HF_POINT_PRUNE_INTERN_H

#include "catalog/journal.h"
#include "catalog/vmlock.h"
#include "point/prune.h"

#include <pthread.h>

#define HF_PRUNE_THREADS 15 /* beside the caller: requests under way at once */

struct hf_prune {
    struct hf_prune_opts opts;
    struct hf_site *site;
    struct hf_vmlock *lock;        /* NULL: dry */
    struct hf_journal *journal;    /* NULL: nothing was begun yet */
    struct hf_prune_points points; /* items NULL: not read */
    bool has_points;
    struct hf_points deleted; /* that this one has deleted, or would */
};

/* prune_read.c. Of each manifest that is there, by any thread, several at a time. */
typedef int (*hf_prune_take)(void *ctx, const struct hf_manifest *m, struct hf_err *err);
struct hf_prune_read {
    struct hf_point_name *unreadable, *bare; /* bare: no manifest. To be freed */
    size_t unreadable_n, bare_n;
    struct hf_err first_damage;
};
void hf_prune_read_free(struct hf_prune_read *r); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_prune_read, hf_prune_read_free)
/* All points but those of p->deleted. */
int hf_prune_read(struct hf_prune *p, hf_prune_take take, void *ctx, struct hf_prune_read *out,
                  struct hf_err *err) HF_CHECKED;

/* prune_point.c */
int hf_prune_finish_dead(struct hf_prune *p, struct hf_err *err) HF_CHECKED;
/* All objects below points/VM/POINT/. */
int hf_prune_clear(struct hf_prune *p, const struct hf_point_name *n, struct hf_err *err)
    HF_CHECKED;

#endif
