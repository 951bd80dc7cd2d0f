/* SPDX-License-Identifier: Apache-2.0
 *
 * point/verify.h - is a point on the store what it was when it was made?
 *
 *     always     the manifest's seal and place; each object of the point is there with its size; each pack it needs has a sealed index and
 *                is there with its size; the tree of each disk is whole, and each of its chunks lies somewhere
 *     READ       beside that each object and pack is read, and has the digest that manifest or index say. Needs no key of the data
 *     CONTENT    beside that each record of each pack is unpacked and is what its id says. Needs the key of the data, or a plain store
 *
 * Which disks a damaged pack costs what, and from which offset on, is told behind it. A pack that is found damaged, or missing, is marked on
 * the store (docs/format.md), so that the next backup sends what lies there again; one that is marked is bad until it was read and found good.
 *
 * A pack that several points need is read once per verification. Memory: that of the manifest, one byte per pack, windows of 4 MiB.
 * Objects and packs are read past this host's caches where the store allows. Threads: one at a time; no writer or reader of the image beside begin.
 *
 * Errors: what is wrong with the point is told to `complain` (CORRUPT, NOT_FOUND or UNSUPPORTED, the object named) and counted, and is no failure of
 * the call. That is what keeps one from looking: UNREACHABLE, TIMEOUT, CANCELLED, AUTH of the store.
 */
#ifndef HF_POINT_VERIFY_H
#define HF_POINT_VERIFY_H

#include "point/points.h"

enum hf_verify_depth { HF_VERIFY_THERE, HF_VERIFY_READ, HF_VERIFY_CONTENT };

typedef void (*hf_verify_complain)(void *ctx, const struct hf_point_name *point,
                                   const struct hf_err *what);

struct hf_verify_opts {
    enum hf_verify_depth depth;
    hf_verify_complain complain; /* or NULL */
    void *ctx;
    void (*progress)(void *ctx, uint64_t done,
                     uint64_t total); /* bytes of a point's packs; or NULL */
    void *progress_ctx;
};

struct hf_verified {
    uint64_t objects, packs; /* looked at */
    uint64_t
        bytes_read; /* of objects and packs; a pack that was read for another point does not count again */
    uint64_t complaints; /* 0: the point is good */
    bool has_pushed;     /* its disks lie in a backup of its hypervisor, which was not looked at */
};

struct hf_verify;

/* Reads the indexes that are new and lists the packs. */
struct hf_verify *hf_verify_begin(struct hf_site *site, struct hf_image *image,
                                  const struct hf_verify_opts *opts, struct hf_err *err) HF_CHECKED;
void hf_verify_end(struct hf_verify *v);
HF_DEFINE_AUTO(hf_verify, hf_verify_end)

/* Why a mark could not be set or taken away; NULL: each could. */
const struct hf_err *hf_verify_unmarked(const struct hf_verify *v);

int hf_verify_point(struct hf_verify *v, const struct hf_point_name *n, struct hf_verified *out,
                    struct hf_err *err) HF_CHECKED;

#endif
