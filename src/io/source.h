/* SPDX-License-Identifier: Apache-2.0
 *
 * io/source.h - where bytes are read from, at any place: a file, memory, an object on a store, or what decrypts one.
 *
 * The counterpart of io/sink.h. The size is known when the source is open and does not change. A read gives exactly what was
 * asked for, or fails; what ends before its size says is CORRUPT. Threads: one at a time per source.
 */
#ifndef HF_IO_SOURCE_H
#define HF_IO_SOURCE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct hf_io_source;

struct hf_io_source_ops {
    int (*read_at)(struct hf_io_source *s, uint64_t at, void *buf, size_t len, struct hf_err *err);
    void (*close)(struct hf_io_source *s);
};

/* The head of each kind's own struct. */
struct hf_io_source {
    const struct hf_io_source_ops *ops;
    uint64_t size;
};

/* CORRUPT: a piece of it lies beyond the end. */
int hf_io_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len, struct hf_err *err)
    HF_CHECKED;

static inline void hf_io_source_close(struct hf_io_source *s)
{
    if (s)
        s->ops->close(s);
}
HF_DEFINE_AUTO(hf_io_source, hf_io_source_close)

/* A regular file; path is copied, for messages. */
struct hf_io_source *hf_io_source_file(const char *path, struct hf_err *err) HF_CHECKED;

/* NAME in the directory behind dir_fd (borrowed), no link as the last part of the name; path is copied, for messages. */
struct hf_io_source *hf_io_source_at(int dir_fd, const char *name, const char *path,
                                     struct hf_err *err) HF_CHECKED;

/* Memory, borrowed: it outlives the source. */
struct hf_io_source *hf_io_source_memory(const void *data, size_t len, struct hf_err *err)
    HF_CHECKED;

#endif
