/* SPDX-License-Identifier: Apache-2.0
 *
 * io/read.h - the content of a file, or of what else is a source, by and by, unpacked: gzip, zstd, or plain.
 *
 * What it is follows from its first bytes; a name that ends in .gz or .zst and a content that is neither is CORRUPT. A
 * packed file that ends in the middle is CORRUPT, never a short success. Memory: a window of at most 128 MiB for zstd, else some 100 KiB. Threads: one at a time per reader.
 */
#ifndef HF_IO_READ_H
#define HF_IO_READ_H

#include "base/cleanup.h"
#include "base/err.h"
#include "io/sha256.h"
#include "io/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_io_read;

/* Owns the source, also when it fails; path: its name and for messages, copied. with_digest: SHA-256 of the content. */
struct hf_io_read *hf_io_read_new(struct hf_io_source *source, const char *path, bool with_digest,
                                  struct hf_err *err) HF_CHECKED;
void hf_io_read_close(struct hf_io_read *r);
HF_DEFINE_AUTO(hf_io_read, hf_io_read_close)

/* At least one byte and at most len; *out_n 0: the end. */
int hf_io_read_some(struct hf_io_read *r, void *buf, size_t len, size_t *out_n, struct hf_err *err)
    HF_CHECKED;

uint64_t hf_io_read_stored(const struct hf_io_read *r);  /* of the file, so far */
uint64_t hf_io_read_content(const struct hf_io_read *r); /* unpacked, so far */

/* Of what was read so far, lower case; once. */
int hf_io_read_sha256(struct hf_io_read *r, char out[HF_SHA256_HEX], struct hf_err *err) HF_CHECKED;

#endif
