/* SPDX-License-Identifier: Apache-2.0
 *
 * point/prune.h - points removed from a store, and then what no point needs any more.
 *
 * A point    goes manifest first: without it the point does not exist. Then its own objects. Before the manifest there is a journal entry
 *            (STATE/stores/NAME/journal), and whoever begins the next prune of this store here finishes what a dead one began.
 * Packs      What no manifest names is condemned, and removed when it has been condemned for the grace period by the store's clock and no
 *            manifest names it then: index, pack, and by a later prune the condemnation, for listings may be behind. One that is named again
 *            is reprieved. What is younger than the grace period is left alone: a backup may be writing it. On a store without a single
 *            point nothing is condemned or removed. If a single manifest cannot be read nothing is condemned or removed; if one is listed,
 *            and not to be had, that is CORRUPT or NOT_FOUND.
 * Clocks     What is to be old is so by the store's clock and by this host's. A store's clock that is far behind is CONFLICT where something is
 *            to be condemned: that would be due too early once it is set.
 *
 * Repacking  A pack that a manifest names may have records that no tree needs any more. Packs that are at least half so have what is needed copied into
 *            new packs; moved/OLD/NEW (point/moved.h) says where to; then the old one is condemned. It is removed when it has been for the grace
 *            period, and everything in it that any tree needs then lies in packs that are not condemned, and to which such objects
 *            pointed before: who had looked before it was condemned may have made a point of a record that nobody needed. What is in none is copied
 *            then, and the condemnation begun anew. Which trees need what is always read from the trees; no decision to remove rests
 *            on moved/ objects. All that there is to know stands on the store: no journal is needed, and any prune goes on with what another began.
 *            Without an identity packs of chunks on an encrypted store are only looked at, and removed when they need nothing more.
 *
 * Others     are never waited for, and no lock on the store is relied upon. A writer looks at the list of condemned packs and puts its
 *            manifest within HF_PRUNE_HURRY_MS, or takes the manifest back. So whoever looks later than that after a condemnation sees every
 *            manifest that was made without knowing of it; and the grace period is at least four times as long. A condemnation may be
 *            lifted only while nobody can be about to act on it: while it is young, that is. An old one is made young first, and lifted
 *            by a later prune. What was found out about packs is acted upon within HF_PRUNE_HURRY_MS, then it is found out anew; TIMEOUT:
 *            finding it out takes as long.
 *            On this host one prune per store at a time (BUSY), so that journals have one writer.
 *
 * Crash      at any instant: points are there or not; objects without a manifest and packs that nothing names are removed by the next prune.
 * Errors     those of the store. What cannot be read of a point is no failure: it is counted, and kept. Threads: one caller.
 */
#ifndef HF_POINT_PRUNE_H
#define HF_POINT_PRUNE_H

#include "point/points.h"

#define HF_PRUNE_HURRY_MS (INT64_C(30) * 60 * 1000)
#define HF_PRUNE_ABANDONED_S (INT64_C(14) * 24 * 3600) /* no backup takes so long */
#define HF_PRUNE_DEAD_PUT_S                                                                        \
    (INT64_C(48) * 3600) /* no put takes so long: what is older belongs to nobody */

struct hf_prune;

struct hf_prune_opts {
    struct hf_site *site; /* borrowed, as all here */
    const char *run_id;
    int64_t grace_s;
    bool is_dry;  /* nothing is changed, here or there, but caches of this host */
    bool repacks; /* records are copied; else it is only said what that would give */
    /* The point is no more: before its journal entry is closed, also when a dead prune is finished. */
    int (*forget)(void *ctx, const struct hf_point_name *point, struct hf_err *err);
    void *ctx;
};

/* Finishes what a dead prune left. BUSY: another one is at work on this store. */
struct hf_prune *hf_prune_begin(const struct hf_prune_opts *opts, struct hf_err *err) HF_CHECKED;
/* The journal ends, unless something in it is open. */
void hf_prune_end(struct hf_prune *p);
HF_DEFINE_AUTO(hf_prune, hf_prune_end)

/* ---- points ----------------------------------------------------------------------------- */

struct hf_prune_point {
    struct hf_point_name name;
    int64_t taken_us;
    uint64_t objects, bytes; /* of its own folder */
    /* of this module */
    unsigned char *needs;
    unsigned char (*roots)[HF_IMAGE_ID];
    size_t n_roots;
};

struct hf_prune_points {
    struct hf_prune_point *items; /* newest first, by when they were taken */
    size_t n;
    struct hf_point_name *unreadable; /* their manifests: is what they need known? no */
    size_t unreadable_n;
    struct hf_err first_damage;
    int64_t now_s; /* by the store's clock, before anything was listed */
};
/* Read once; valid until the end. */
int hf_prune_points(struct hf_prune *p, const struct hf_prune_points **out, struct hf_err *err)
    HF_CHECKED;
/* One of them. After a failure its packs count as needed, and others may be tried. */
int hf_prune_delete(struct hf_prune *p, const struct hf_prune_point *point, struct hf_err *err)
    HF_CHECKED;

/* ---- what nothing needs ----------------------------------------------------------------- */

struct hf_prune_sum {
    uint64_t packs, bytes; /* with their indexes */
};
enum hf_prune_why {
    HF_PRUNE_WHY_NOT,        /* nothing is left */
    HF_PRUNE_WHY_OFF,        /* repacking is not wanted */
    HF_PRUNE_WHY_KEYLESS,    /* the key that opens them is not on this host */
    HF_PRUNE_WHY_LATER,      /* so much at once is enough */
    HF_PRUNE_WHY_DAMAGED,    /* packs that cannot be read */
    HF_PRUNE_WHY_UNREADABLE, /* a manifest or a tree: nobody knows what is needed */
};
struct hf_prune_repacked {
    bool is_known;    /* wasted and left are, as the trees said then: */
    int64_t looked_s; /* by the store's clock */
    struct hf_prune_sum
        wasted; /* packs that points need, with records that none needs; the bytes of those */
    struct hf_prune_sum done; /* of which what is needed was moved; condemned now */
    uint64_t moved_bytes;     /* copied for that */
    struct hf_prune_sum left; /* at least half wasted, and as they were */
    enum hf_prune_why why;    /* of what is left, or not known: the first that applied */
    struct hf_err damage;     /* the first, where that is the reason */
};

struct hf_pruned {
    uint64_t abandoned;            /* folders of backups that ended without a manifest, removed */
    struct hf_prune_sum used;      /* named by a manifest */
    struct hf_prune_sum young;     /* by none, and not old enough to be condemned */
    struct hf_prune_sum condemned; /* now */
    struct hf_prune_sum waiting;   /* condemned before, not for long enough */
    struct hf_prune_sum removed;
    uint64_t reprieved;
    struct hf_prune_repacked repacked;
    bool is_refused; /* some manifest cannot be read: no pack was condemned or removed */
};
/* Once the points are deleted. Dry: as if those of hf_prune_delete were. */
int hf_prune_rest(struct hf_prune *p, struct hf_pruned *out, struct hf_err *err) HF_CHECKED;

#endif
