/* SPDX-License-Identifier: Apache-2.0
 *
 * files/some.h - entries of a tar whose places are known, one here, one there; what is between them is not read.
 *
 * Reads      from where an entry begins to where it ends and no byte beyond, one libarchive for entries that follow each other.
 * Input      places and bytes may be anybody's: what does not lie in the tar, or is no entry that begins and ends there, is CORRUPT.
 *            Whether it is the entry that was meant has to be compared by the caller.
 */
#ifndef HF_FILES_SOME_H
#define HF_FILES_SOME_H

#include "files/tar.h"
#include "io/source.h"

struct hf_some;

/* Owns the source, also when it fails; borrows cancel, which may be NULL. */
struct hf_some *hf_some_open(struct hf_io_source *tar, const struct hf_cancel *cancel,
                             struct hf_err *err) HF_CHECKED;
void hf_some_close(struct hf_some *s);
HF_DEFINE_AUTO(hf_some, hf_some_close)

/* The entry that lies from `at` to `end`, as hf_tar_next; NULL: a failure. What is returned is borrowed, for its content, until the next call. */
struct hf_tar *hf_some_next(struct hf_some *s, uint64_t at, uint64_t end, struct hf_entry *out,
                            struct archive_entry **raw, struct hf_err *err) HF_CHECKED;

#endif
