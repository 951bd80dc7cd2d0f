/* SPDX-License-Identifier: Apache-2.0
 *
 * io/files.h - files that are read by name: those of a directory, or of what else plays one, a part of a point on a store.
 *
 * The counterpart of io/place.h. Names are single parts, without '/'. What is behind a name may be anybody's: nothing is followed out of
 * the place, and no content is proven but as `whole` says.
 * Threads    any, several files at once; each source is one caller's. Sources outlive nothing: they are closed before the place.
 */
#ifndef HF_IO_FILES_H
#define HF_IO_FILES_H

#include "io/read.h"
#include "io/source.h"

enum hf_io_seen {
    HF_IO_SEEN_NONE,  /* there is nothing of that name */
    HF_IO_SEEN_OTHER, /* it is no file */
    HF_IO_SEEN_TORN,  /* not of the size that the place itself knows it should have */
    HF_IO_SEEN_FILE,
};

/* Nonzero ends it and is returned. */
typedef int (*hf_io_files_emit)(void *ctx, const char *name, struct hf_err *err);

struct hf_io_files;

struct hf_io_files_ops {
    int (*look)(struct hf_io_files *f, const char *name, enum hf_io_seen *out, uint64_t *out_bytes,
                struct hf_err *err);
    int (*list)(struct hf_io_files *f, hf_io_files_emit emit, void *ctx, struct hf_err *err);
    struct hf_io_source *(*open)(struct hf_io_files *f, const char *name, bool whole,
                                 struct hf_err *err);
    void (*close)(struct hf_io_files *f);
};

/* The head of each kind's own struct. */
struct hf_io_files {
    const struct hf_io_files_ops *ops;
    char *label; /* for messages: the directory's path */
};

static inline void hf_io_files_close(struct hf_io_files *f)
{
    if (f)
        f->ops->close(f);
}
HF_DEFINE_AUTO(hf_io_files, hf_io_files_close)

/* A directory. */
struct hf_io_files *hf_io_files_dir(const char *path, struct hf_err *err) HF_CHECKED;

/* *out_bytes: of the content, packed as it is; 0 where it is none or torn. That it could not be looked at is an error, never NONE. */
int hf_io_files_look(struct hf_io_files *f, const char *name, enum hf_io_seen *out,
                     uint64_t *out_bytes, struct hf_err *err) HF_CHECKED;
/* All names, in any order, but those that begin with a dot; an error after some of them is one. */
int hf_io_files_list(struct hf_io_files *f, hf_io_files_emit emit, void *ctx, struct hf_err *err)
    HF_CHECKED;
/* whole: a small one that says what the others are; a place that can prove it does so before it gives a byte. */
struct hf_io_source *hf_io_files_open(struct hf_io_files *f, const char *name, bool whole,
                                      struct hf_err *err) HF_CHECKED;
/* The same by way of a reader (io/read.h). */
struct hf_io_read *hf_io_files_read(struct hf_io_files *f, const char *name, bool whole,
                                    bool with_digest, struct hf_err *err) HF_CHECKED;

#endif
