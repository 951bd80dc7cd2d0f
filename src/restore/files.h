/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/files.h - `restore files`: an archive's directory, or the archive of a point on its store, into a folder or a guest.
 *
 * Which      what is restored is a directory when an archive lies in it (files.json, or INCOMPLETE); else a point, when it can be one's name: eight
 *            digits at its beginning, or behind the VM's name and '/'; else a directory, which is no archive and said to be none.
 * From a point   the listing first, then the tar, as streams (point/part.h): nothing is written to this host but what is restored. With paths
 *            only what they name is fetched of the tar (files/plan.h). A missing or cut object is named before
 *            anything is written.
 * Failure    as files/unpack.h and run/restore_run.h. A crash leaves what was restored so far.
 */
#ifndef HF_RESTORE_FILES_H
#define HF_RESTORE_FILES_H

#include "net/json.h"
#include "run/restore_run.h"

struct hf_restore_files {
    const char *from;            /* POINT or DIR */
    bool is_point;               /* it is one, whatever lies here by that name */
    const char *store, *archive; /* of a point; or NULL */
    const char *vm;              /* whose guest it goes into; NULL: a folder of this host */
    struct hf_unpack what;       /* dir, files and stops_early are filled in here */
    void (*progress)(void *ctx, uint64_t entries, uint64_t tar_bytes); /* into a guest; or NULL */
    void *progress_ctx;
};

bool hf_restore_files_is_point(const char *from);

/* *doc is to be put: {"dir","vm","target","entries","bytes","n_refused","refused","warnings"}; of a point those of hf_restore_part_document
 * instead of "dir", and "archive". "vm" only with one. CONFIG: store or archive of a directory. */
int hf_restore_files(const struct hf_env *env, const struct hf_restore_files *req,
                     struct hf_unpacked *out, struct json_object **doc, struct hf_err *err)
    HF_CHECKED;

#endif
