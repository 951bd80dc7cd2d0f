/* SPDX-License-Identifier: Apache-2.0
 *
 * run/prune_known.h - what the catalog knows of a VM's points on one store: found good since, or damaged.
 */
#ifndef HF_RUN_PRUNE_KNOWN_H
#define HF_RUN_PRUNE_KNOWN_H

#include "base/id.h"
#include "catalog/catalog.h"

struct hf_prune_known {
    char id[HF_ID_MAX];
    bool is_verified; /* read and found good, or the last drill of this copy has passed */
    bool is_damaged;
    bool is_drilled; /* however that ended */
};
struct hf_prune_known_list {
    struct hf_prune_known *items; /* by id */
    size_t n;
};
void hf_prune_known_free(struct hf_prune_known_list *l); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_prune_known_list, hf_prune_known_free)

/* out is empty before, and to be freed in any case. */
int hf_prune_known_load(struct hf_catalog *c, const char *vm, const char *store_id,
                        struct hf_prune_known_list *out, struct hf_err *err) HF_CHECKED;
/* NULL: the catalog knows no such copy. */
const struct hf_prune_known *hf_prune_known_find(const struct hf_prune_known_list *l,
                                                 const char *id);

#endif
