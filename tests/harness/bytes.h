/* SPDX-License-Identifier: Apache-2.0
 *
 * harness/bytes.h - a tar in memory, for hf_tar_source.
 */
#ifndef HF_HARNESS_BYTES_H
#define HF_HARNESS_BYTES_H

#include "files/tar.h"

#include <string.h>

struct bytes {
    const void *data;
    size_t len, at;
};

static inline ssize_t bytes_read(void *ctx, void *buf, size_t size, struct hf_err *err)
{
    struct bytes *b = ctx;
    size_t n = b->len - b->at < size ? b->len - b->at : size;
    (void)err;
    if (n > 0)
        memcpy(buf, (const char *)b->data + b->at, n);
    b->at += n;
    return (ssize_t)n;
}

#endif
