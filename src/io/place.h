/* SPDX-License-Identifier: Apache-2.0
 *
 * io/place.h - where files are written to by name: a directory (io/folder.h), or what else plays one, a point on stores.
 *
 * Promise    a file appears whole or not at all: its sink's finish makes it, close without finish abandons it. A name that
 *            is there already: CONFLICT.
 * Threads    any, several files at once.
 */
#ifndef HF_IO_PLACE_H
#define HF_IO_PLACE_H

#include "io/sink.h"

struct hf_io_place {
    /* The sink to be written to. *out_stored (may be NULL) is the size that it has there, right after finish at the latest. */
    struct hf_io_sink *(*open)(void *ctx, const char *name, uint64_t *out_stored,
                               struct hf_err *err);
    void *ctx; /* borrowed */
};

#endif
