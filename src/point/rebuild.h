/* SPDX-License-Identifier: Apache-2.0
 *
 * point/rebuild.h - the catalog's rows from a manifest, and from all manifests of a store.
 */
#ifndef HF_POINT_REBUILD_H
#define HF_POINT_REBUILD_H

#include "catalog/catalog.h"
#include "point/points.h"

/* Their texts lie in m and s. grade: 2 characters that live as long. */
void hf_point_row(const struct hf_manifest *m, char grade[2], struct hf_catalog_point *out);
/* Not protected: whoever has proven it says so. */
void hf_point_copy_row(const struct hf_site *s, const struct hf_manifest *m,
                       struct hf_catalog_copy *out);

struct hf_rebuilt {
    uint64_t points, unfinished, damaged;
    struct hf_err first_damage;
};
/* Reads all manifests first, then writes the rows in one transaction. A damaged manifest is counted; what the catalog knows of that point is
 * forgotten with it: it cannot be restored from there. */
int hf_points_rebuild(struct hf_site *s, struct hf_catalog *c, struct hf_rebuilt *out,
                      struct hf_err *err) HF_CHECKED;

#endif
