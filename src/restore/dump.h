/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/dump.h - `restore dump`: the dump of a point, or schemas and tables of it, from its store into a server.
 *
 * The load is db/load/load.h, with all it promises; what is different is where the dump lies (point/part.h). Fetched are the manifest,
 * holdfast.json and the objects that the selection needs. Missing objects, and those of another size, are named before the server is asked;
 * other damage while loading, by the digest, and then the rows of that object are not there.
 * --resume   by what the dump is, not by where it lies: what was begun from one store goes on from another, or from a directory.
 * Crash      as of a load. Nothing of the dump is written to this host.
 */
#ifndef HF_RESTORE_DUMP_H
#define HF_RESTORE_DUMP_H

#include "run/load_run.h"

struct hf_restore_dump {
    const char *point, *store; /* store NULL: the first that can be read */
    struct hf_run_load load;   /* opts.dir, files are filled in here */
};

/* *out: as of hf_run_load, with those of hf_restore_part_document; 1 as there. */
int hf_restore_dump(const struct hf_env *env, struct hf_restore_dump *req, struct json_object **out,
                    struct hf_err *err) HF_CHECKED;

#endif
