/* SPDX-License-Identifier: Apache-2.0
 *
 * run/point_open.h - a point by name, on the first store that has it and can be asked: its site and its manifest, to be read from.
 *
 * Which     the stores of the configuration in turn, or one of them alone. One that cannot be asked, is another store or damaged, has a damaged
 *           manifest of the point, or (to_read) has data that this host has no key for, is logged and passed over: the next may do.
 * Errors    NOT_FOUND: none that could be asked has it. CONFLICT: several points begin so. CORRUPT, AUTH: the copies that there are
 *           are damaged, or cannot be read here. CONFIG: no such store, or none at all.
 * Waiting   as run/store_site.h says. A crash leaves nothing. Threads: one opens.
 */
#ifndef HF_RUN_POINT_OPEN_H
#define HF_RUN_POINT_OPEN_H

#include "image/image.h"
#include "point/manifest.h"
#include "run/point_reading.h"
#include "run/store_site.h"

struct hf_point_wish {
    const char *text;  /* an id, its beginning (point/points.h), or VM/ID */
    const char *store; /* only this one; NULL: any */
    bool to_read;      /* its disks, dump and files, too: an encrypted store needs identity-file */
    const char *area;  /* of what is logged: "show" */
};

struct hf_open_point {
    const struct hf_config_store *config; /* where it is read from; borrowed of env */
    struct hf_store_site at;
    struct hf_manifest manifest;
    struct hf_point_reading *reading; /* to_read: until it is closed no prune of this host takes it */
};
void hf_open_point_close(struct hf_open_point *p); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_open_point, hf_open_point_close)

/* out is empty before, and to be closed in any case. */
int hf_point_open(const struct hf_env *env, const struct hf_point_wish *wish,
                  struct hf_open_point *out, struct hf_err *err) HF_CHECKED;
/* The chunks of its store, as they are now; indexes that are damaged are logged. To be closed before the point. */
struct hf_image *hf_open_point_image(const struct hf_env *env, const struct hf_open_point *p,
                                     const char *area, struct hf_err *err) HF_CHECKED;
/* Of a failure to read what is in it: AUTH gets the hint where the key is set. Returns -1. */
int hf_open_point_fail(const struct hf_open_point *p, struct hf_err *err);

#endif
