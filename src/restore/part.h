/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/part.h - the dump, or an archive, of a point, opened to be read by name.
 *
 * Errors    as run/point_open.h; NOT_FOUND: the point has none; CONFLICT: it has several, and none was named.
 * Nothing of it is written to this host, decrypted or not. A crash leaves nothing. Threads: one opens.
 */
#ifndef HF_RESTORE_PART_H
#define HF_RESTORE_PART_H

#include "net/json.h"
#include "point/part.h"
#include "run/point_open.h"

struct hf_restore_part {
    struct hf_open_point point;
    const struct hf_point_artifact *artifact;
    struct hf_io_files *files;
};
void hf_restore_part_close(struct hf_restore_part *p); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_restore_part, hf_restore_part_close)

struct hf_restore_wish {
    const char *point, *store; /* store NULL: any */
    enum hf_point_kind kind;
    const char *name; /* of the artifact; NULL: the only one */
};

/* out is empty before, and to be closed in any case. */
int hf_restore_part_open(const struct hf_env *env, const struct hf_restore_wish *wish,
                         struct hf_restore_part *out, struct hf_err *err) HF_CHECKED;

/* Adds {"point","point_vm","store","taken_at","fetched_bytes"}. -1: no memory. */
int hf_restore_part_document(const struct hf_restore_part *p, struct json_object *doc);

#endif
