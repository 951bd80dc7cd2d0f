/* SPDX-License-Identifier: Apache-2.0
 *
 * io/pack.h - compression as a sink.
 *
 * A packer holds the compressor's memory (some MiB) and is used for one file after the other: to make it anew for each of
 * thousands of small files costs more than to compress them. One row of sinks at a time per packer; it outlives them.
 */
#ifndef HF_IO_PACK_H
#define HF_IO_PACK_H

#include "io/sink.h"

enum hf_io_packing { HF_IO_ZSTD, HF_IO_GZIP, HF_IO_PLAIN };

struct hf_io_packer;

/* level 0: the usual one of a dump (zstd 1, gzip 6). */
struct hf_io_packer *hf_io_packer_new(enum hf_io_packing how, int level, struct hf_err *err)
    HF_CHECKED;
void hf_io_packer_free(struct hf_io_packer *p);
HF_DEFINE_AUTO(hf_io_packer, hf_io_packer_free)

/* ".zst", ".gz", "" */
const char *hf_io_packing_suffix(enum hf_io_packing how);
/* "zstd", "gzip", "none" */
const char *hf_io_packing_name(enum hf_io_packing how);
/* CONFIG: no such name. */
int hf_io_packing_parse(const char *name, enum hf_io_packing *out, struct hf_err *err) HF_CHECKED;

/* Compresses into next, which it owns, also when it fails. PLAIN: next itself. */
struct hf_io_sink *hf_io_pack_new(struct hf_io_packer *p, struct hf_io_sink *next,
                                  struct hf_err *err) HF_CHECKED;
/* The same; zstd as frames with their table (io/frames.h), so that it can be read from its middle. */
struct hf_io_sink *hf_io_pack_frames_new(struct hf_io_packer *p, struct hf_io_sink *next,
                                         struct hf_err *err) HF_CHECKED;

#endif
