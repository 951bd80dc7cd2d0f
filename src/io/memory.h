/* SPDX-License-Identifier: Apache-2.0
 *
 * io/memory.h - a sink into a buffer, for what is small: manifests, indexes, trees.
 */
#ifndef HF_IO_MEMORY_H
#define HF_IO_MEMORY_H

#include "base/buf.h"
#include "io/sink.h"

/* Appends to out (borrowed, bounded by HF_BUF_MAX). Abandoned: what was written stays in it. */
struct hf_io_sink *hf_io_memory_new(struct hf_buf *out, struct hf_err *err) HF_CHECKED;

#endif
