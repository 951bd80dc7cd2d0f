/* SPDX-License-Identifier: Apache-2.0
 *
 * point/part.h - a point's dump or files, read by name as if they lay in a directory (io/files.h).
 *
 * Names      those that were put, "shop.orders.00000.sql.zst": without the folder and ".age". Of what lies there only the manifest's objects are
 *            seen.
 * Before     opening lists the folder, a request per thousand objects, and reads nothing: an object that is missing, or of another size
 *            than the manifest says, is seen by look.
 * Proof      an object of 1 MiB at most, and any that is asked for as a whole, comes in one request and is compared with the manifest's digest before
 *            a byte of it is given. Of a larger one who reads it has to compare the content with what a whole one says of it; where it is
 *            encrypted, nothing is given that was changed.
 * Memory     4 MiB per source, which is read ahead in one request; of objects asked for as a whole all; and the last 8 small ones, since who
 *            reads one twice shall not fetch it twice.
 * Errors     AUTH with a hint: the key of the data is not on this host. CORRUPT, NOT_FOUND: of an object, which is named with its store.
 * Threads    any; a source is one caller's.
 */
#ifndef HF_POINT_PART_H
#define HF_POINT_PART_H

#include "io/files.h"
#include "point/manifest.h"
#include "point/site.h"

/* Borrows all; a is one of m's that has objects. */
struct hf_io_files *hf_point_part(struct hf_site *site, const struct hf_manifest *m,
                                  const struct hf_point_artifact *a, struct hf_err *err) HF_CHECKED;
/* Of one that hf_point_part made. CORRUPT: objects are missing or of another size; some are named. */
int hf_point_part_check(const struct hf_io_files *part, struct hf_err *err) HF_CHECKED;

#endif
