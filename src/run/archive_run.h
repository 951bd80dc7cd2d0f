/* SPDX-License-Identifier: Apache-2.0
 *
 * run/archive_run.h - `holdfast archive VM`: the paths of `files` out of the guest as a tar, with a listing; with its databases,
 * the application whole.
 *
 *     DIR/files.tar.zst     what the guest's tar wrote (.gz or plain as asked); ordinary tar reads it
 *     DIR/files.jsonl.zst   a line per entry, in the tar's order, with the SHA-256 of each file (files/entry.h)
 *     DIR/files.json        what it is: paths, when they were read, counts, warnings, SHA-256 of the tar
 *     DIR/dump              with_dump: a directory as `holdfast dump` makes it, read before the files
 *     DIR/INCOMPLETE        until all of that is whole and on disk
 *
 * Way        ssh where the VM has it, else the guest's agent (guest/stream.h). The stream is read as a tar while it passes:
 *            what is none, or has no end, fails the archive. Memory does not grow with the tree.
 * Rest       with rest-until = files the VM's services rest until the last byte is read (run/at_rest.h), and it is a run: it
 *            takes the VM's lock, and is recorded.
 * Crash      the directory says INCOMPLETE; tar ends by itself, by ssh with the session and through the agent after
 *            HF_STREAM_LIFE_MS. What rests is started by the guardian. Without rest nothing is journalled.
 */
#ifndef HF_RUN_ARCHIVE_RUN_H
#define HF_RUN_ARCHIVE_RUN_H

#include "files/folder.h"
#include "io/pack.h"
#include "run/dump_run.h"

struct hf_run_archive {
    const char *vm;
    const char *dir;
    enum hf_io_packing packing; /* of the dump, too */
    bool with_dump;
    void (*dump_progress)(void *ctx, const struct hf_dump_progress *p); /* may be NULL */
    void (*progress)(void *ctx, uint64_t entries, uint64_t tar_bytes);  /* may be NULL */
    void *progress_ctx;
};

/* *out (to be put): the document of `archive --json`, which is that of files.json with the directory. */
int hf_run_archive(const struct hf_env *env, const struct hf_run_archive *req,
                   struct json_object **out, struct hf_err *err) HF_CHECKED;

#endif
