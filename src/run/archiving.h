/* SPDX-License-Identifier: Apache-2.0
 *
 * run/archiving.h - the parts of one archive, for `archive` and for `backup`, whose archive is a part of a point. For src/run only.
 *
 * archive_run.c     the archive as a whole: what is asked for, in which order, at rest or not
 * archive_stream.c  the guest's tar, read, listed and judged
 * archive_doc.c     its document, and files.json
 */
#ifndef HF_RUN_ARCHIVING_H
#define HF_RUN_ARCHIVING_H

#include "base/id.h"
#include "files/said.h"
#include "files/tar.h"
#include "guest/stream.h"
#include "io/folder.h"
#include "run/archive_run.h"
#include "run/at_rest.h"
#include "run/way.h"

struct archiving {
    const struct hf_env *env; /* while services rest, it ends with the time that they have */
    const struct hf_run_archive *req;
    const struct hf_config_vm *vm;
    char id[HF_ID_MAX];
    struct hf_io_folder folder;
    struct hf_io_place place; /* the folder, or the point that it is a part of */
    struct hf_strv argv, warnings;
    struct hf_said said;
    struct hf_way way; /* for the agent */
    struct hf_stream *stream;
    struct hf_io_packer *packers[2]; /* of tar and listing, which are written side by side */
    struct hf_io_sink *tar, *listing;
    struct hf_io_digest tar_digest, listing_digest;
    uint64_t tar_stored, listing_stored;
    struct hf_tar_totals totals;
    int64_t from_us, until_us;
    struct hf_at_rest rest;
    struct json_object *dump; /* its document; NULL: none was asked for */
};

void archiving_close(struct archiving *x);
HF_DEFINE_AUTO_VALUE(archiving, archiving_close)

/* Can what is wished for be had? With env, req, vm and id set; place before the next. */
int archiving_prepare(struct archiving *x, struct hf_err *err);
/* The files, whole: -1 also when what tar said makes them none. */
int archiving_read_files(struct archiving *x, struct hf_err *err);

/* Ends tar and listing, and writes files.json, which *out is (to be put). */
int archiving_finish(struct archiving *x, struct json_object **out, struct hf_err *err);

int archiving_make_document(const struct archiving *x, struct json_object **out,
                            struct hf_err *err);
int archiving_write_about(struct archiving *x, struct json_object *doc, struct hf_err *err);

#endif
