/* SPDX-License-Identifier: Apache-2.0
 *
 * point/points.h - the points of a store, from its listing and their manifests; and a point made: its manifest put last.
 *
 * Listings are shallow: one request per VM and thousand points, whatever lies in them. A folder without a manifest is no point: it is being
 * written, or was left by a run that died. What is named otherwise is passed over.
 *
 * Errors: those of the store; CORRUPT: a manifest that is none of this store and place, or more points than the limit. Threads: one per call.
 */
#ifndef HF_POINT_POINTS_H
#define HF_POINT_POINTS_H

#include "point/manifest.h"
#include "point/site.h"

#define HF_POINTS_MAX ((size_t)1 << 18)

struct hf_points_filter {
    const char *vm;   /* label; NULL: all */
    int64_t since_us; /* wall, by the time in the point's id; 0: all */
};

/* Folders with a point's name: points, and what has no manifest. */
struct hf_points {
    struct hf_point_name *items; /* newest first */
    size_t n;
};
void hf_points_free(struct hf_points *p); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_points, hf_points_free)
int hf_points_add(struct hf_points *p, const struct hf_point_name *n, struct hf_err *err)
    HF_CHECKED;
void hf_points_sort(struct hf_points *p); /* as hf_point_name_compare does */
/* Of sorted ones. */
bool hf_points_has(const struct hf_points *sorted, const struct hf_point_name *n);
/* out is empty before, and to be freed in any case. */
int hf_points_list(struct hf_site *s, const struct hf_points_filter *filter, struct hf_points *out,
                   struct hf_err *err) HF_CHECKED;
/* The one whose id begins with this (8 characters at least; a whole one may have a VM in front: "web01/ID"). NOT_FOUND; CONFLICT: several. */
int hf_points_find(struct hf_site *s, const char *text, struct hf_point_name *out,
                   struct hf_err *err) HF_CHECKED;

/* The manifest, its seal, and that it is of this store and this place. NOT_FOUND: no point (yet). out is empty before, and to be
 * freed in any case. */
int hf_point_read(struct hf_site *s, const struct hf_point_name *n, struct hf_manifest *out,
                  struct hf_err *err) HF_CHECKED;

/* A folder whose manifest cannot be had. */
struct hf_point_rest {
    uint64_t objects, bytes;
    bool has_manifest; /* it is listed: it came just now, or it is there and was not given */
    int64_t age_s; /* since its newest object, by the store's clock; -1: the store does not tell */
};
int hf_point_rest(struct hf_site *s, const struct hf_point_name *n, struct hf_point_rest *out,
                  struct hf_err *err) HF_CHECKED;

struct hf_point_found {
    struct hf_point_name name;
    const struct hf_manifest *manifest; /* NULL: there is none, or it cannot be used */
    const struct hf_err *damage;        /* NULL, or why not */
    struct hf_point_rest rest;          /* where there is none */
};
/* Nonzero ends it and is returned. */
typedef int (*hf_point_emit)(void *ctx, const struct hf_point_found *f, struct hf_err *err);
/* Lists and reads, newest first. A damaged manifest does not end it; a point that vanishes meanwhile is passed over. */
int hf_points_each(struct hf_site *s, const struct hf_points_filter *filter, hf_point_emit emit,
                   void *ctx, struct hf_err *err) HF_CHECKED;

/* The point comes into being: m->point says where (m->store is set); confirmed by the store's answer or by being read back. CONFLICT: it has a manifest already. A failure
 * may leave it there, whole (the store did not answer). */
int hf_point_commit(struct hf_site *s, struct hf_manifest *m, struct hf_err *err) HF_CHECKED;
/* The other way round: its manifest is gone, and with it the point; its objects stay. Without a manifest: nothing. */
int hf_point_withdraw(struct hf_site *s, const struct hf_point_name *n, struct hf_err *err)
    HF_CHECKED;

#endif
