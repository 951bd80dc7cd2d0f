/* SPDX-License-Identifier: Apache-2.0
 *
 * run/known_points.h - points by name: of the catalog, and which of them it says lie on a store.
 */
#ifndef HF_RUN_KNOWN_POINTS_H
#define HF_RUN_KNOWN_POINTS_H

#include "catalog/catalog.h"
#include "point/points.h"

#define HF_KNOWN_POINT_MIN 8 /* characters of an id, as of a store (point/points.h) */

/* The one whose id begins with this, or VM/ID. 1, and *out; 0: the catalog knows none; -1: CONFLICT, several. */
int hf_known_point_find(struct hf_catalog *c, const char *text, struct hf_point_name *out,
                        struct hf_err *err) HF_CHECKED;

/* Those with a copy on this store, as hf_point_name_compare sorts them. out is empty before, and to be freed in any case. */
int hf_known_points_on(struct hf_catalog *c, const char *store_id, struct hf_points *out,
                       struct hf_err *err) HF_CHECKED;

#endif
