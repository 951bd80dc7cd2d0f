/* SPDX-License-Identifier: Apache-2.0
 *
 * io/sink.h - where bytes are written to: filters in a row, a file at the end.
 *
 * A filter owns the sink behind it. `finish` writes what is still inside, ends the format (a checksum, a trailer) and
 * finishes the sink behind it; after it nothing may be written. `close` frees the whole row; without a finish before it that
 * means: abandon, and the file is gone. Errors name the file once. Threads: one at a time per row (io/aside.h
 * puts the rest of a row into another one).
 *
 *     hash → pack → file        digest of the content, compressed, under a temporary name until finished
 */
#ifndef HF_IO_SINK_H
#define HF_IO_SINK_H

#include "base/cleanup.h"
#include "base/err.h"
#include "io/sha256.h"

#include <stddef.h>
#include <stdint.h>

struct hf_io_sink;

struct hf_io_sink_ops {
    int (*write)(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err);
    int (*finish)(struct hf_io_sink *s, struct hf_err *err);
    void (*close)(struct hf_io_sink *s);
};

/* The head of each kind's own struct. */
struct hf_io_sink {
    const struct hf_io_sink_ops *ops;
};

static inline int hf_io_write(struct hf_io_sink *s, const void *data, size_t len,
                              struct hf_err *err)
{
    return s->ops->write(s, data, len, err);
}

static inline int hf_io_finish(struct hf_io_sink *s, struct hf_err *err)
{
    return s->ops->finish(s, err);
}

static inline void hf_io_close(struct hf_io_sink *s)
{
    if (s)
        s->ops->close(s);
}
HF_DEFINE_AUTO(hf_io_sink, hf_io_close)

/* A new file in the directory behind dir_fd (borrowed), mode 0600, called NAME.part until finish has renamed it. dir is for
 * messages; both texts are copied. A NAME that is there already: CONFLICT. *out_stored (may be NULL) is kept up to date
 * with what was written. Not synced: who needs that syncs the directory's file system once, when all is written. */
struct hf_io_sink *hf_io_file_new(int dir_fd, const char *dir, const char *name,
                                  uint64_t *out_stored, struct hf_err *err) HF_CHECKED;

struct hf_io_digest {
    uint64_t bytes;
    char sha256[HF_SHA256_HEX]; /* lower case */
};
/* Passes on what it digests; *out is filled by finish, before next is finished, so that what lies behind can use it. Owns next, also
 * when it fails. */
struct hf_io_sink *hf_io_hash_new(struct hf_io_sink *next, struct hf_io_digest *out,
                                  struct hf_err *err) HF_CHECKED;

#endif
