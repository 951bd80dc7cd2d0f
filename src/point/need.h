/* SPDX-License-Identifier: Apache-2.0
 *
 * point/need.h - what a prune wants to know of a point: when it was taken, which packs it needs, and the roots of its disks. From its manifest, or from this host's copy
 * of that answer.
 *
 * Cache     STATE/stores/NAME/manifests/POINT, 0600, of stores that are asked over the network: a manifest may have megabytes, and does not
 *           change. Used only as long as the store's own manifest has the size and the time that it had when it was read, which one small
 *           request tells; sealed with a key that the store does not know; a damaged, foreign or missing one counts as none. Whoever loses
 *           it reads the manifests again.
 * Errors    those of hf_point_read. A cache that cannot be written is none. Threads: any.
 */
#ifndef HF_POINT_NEED_H
#define HF_POINT_NEED_H

#include "point/points.h"

struct hf_need {
    struct hf_point_name name;
    int64_t taken_us;
    uint64_t objects, bytes; /* of its own folder */
    unsigned char (*packs)[HF_IMAGE_PACK_ID];
    size_t n_packs;
    unsigned char (*roots)[HF_IMAGE_ID]; /* of its disks */
    size_t n_roots;
};
void hf_need_free(struct hf_need *n); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_need, hf_need_free)

/* out is empty before, and to be freed in any case. */
int hf_need_read(struct hf_site *s, const struct hf_point_name *name, struct hf_need *out,
                 struct hf_err *err) HF_CHECKED;
/* Answers about points that are not among these (sorted) are of no use any more. */
void hf_need_forget(struct hf_site *s, const struct hf_points *there);

#endif
