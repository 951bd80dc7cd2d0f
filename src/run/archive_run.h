/* SPDX-License-Identifier: Apache-2.0
 *
 * run/archive_run.h - `holdfast archive VM`: the paths of `files` out of the guest as a tar, with a listing.
 *
 *     DIR/files.tar.zst     what the guest's tar wrote (.gz or plain as asked); ordinary tar reads it
 *     DIR/files.jsonl.zst   a line per entry, in the tar's order, with the SHA-256 of each file (files/entry.h)
 *     DIR/files.json        what it is: paths, when they were read, counts, warnings, SHA-256 of the tar
 *     DIR/INCOMPLETE        until all of that is whole and on disk
 *
 * Way        ssh where the VM has it, else the guest's agent (guest/stream.h). The stream is read as a tar while it passes:
 *            what is none, or has no end, fails the archive. Memory does not grow with the tree.
 * Crash      nothing is journalled: tar ends by itself, by ssh with the session and through the agent after
 *            HF_STREAM_LIFE_MS, and the directory says INCOMPLETE.
 */
#ifndef HF_RUN_ARCHIVE_RUN_H
#define HF_RUN_ARCHIVE_RUN_H

#include "files/folder.h"
#include "io/pack.h"
#include "net/json.h"
#include "run/env.h"

struct hf_run_archive {
    const char *vm;
    const char *dir;
    enum hf_io_packing packing;
    void (*progress)(void *ctx, uint64_t entries, uint64_t tar_bytes); /* may be NULL */
    void *progress_ctx;
};

/* *out (to be put): the document of `archive --json`, which is that of files.json with the directory. */
int hf_run_archive(const struct hf_env *env, const struct hf_run_archive *req,
                   struct json_object **out, struct hf_err *err) HF_CHECKED;

#endif
