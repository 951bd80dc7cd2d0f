/* SPDX-License-Identifier: Apache-2.0
 *
 * files/tar.h - a tar stream as its entries, through libarchive.
 *
 * Input      the stream is the guest's: hostile. Only tar is read (no other format, no compression), names and sizes are
 *            bounded; what is no whole tar is CORRUPT: cut short, bytes behind its end.
 */
#ifndef HF_FILES_TAR_H
#define HF_FILES_TAR_H

#include "base/cancel.h"
#include "files/entry.h"
#include "io/sink.h"

#include <archive.h>
#include <archive_entry.h>

/* Bytes by and by: how many (0: the end), or -1. */
struct hf_tar_source {
    ssize_t (*read)(void *ctx, void *buf, size_t size, struct hf_err *err);
    void *ctx;
};

struct hf_tar;

/* Borrows all. cancel may be NULL. */
struct hf_tar *hf_tar_open(const struct hf_tar_source *source, const struct hf_cancel *cancel,
                           struct hf_err *err) HF_CHECKED;
void hf_tar_close(struct hf_tar *t);
HF_DEFINE_AUTO(hf_tar, hf_tar_close)

/* 1: *out (freed before, empty at first) has all but the digest, its place from where the stream began, *raw (may be NULL) is libarchive's own, good until the
 * next call; 0: that was all, and the stream was read to its end. */
int hf_tar_next(struct hf_tar *t, struct hf_entry *out, struct archive_entry **raw,
                struct hf_err *err) HF_CHECKED;
/* Data of a file at its offset, in order; what is between is a hole. -1 ends it. */
typedef int hf_tar_take(void *ctx, const struct hf_entry *e, const void *data, size_t len,
                        uint64_t offset, struct hf_err *err);
struct hf_tar_taker {
    hf_tar_take *take;
    void *ctx;
};
/* The content of the entry at hand: to `to` (may be NULL), its digest into e. A file only. */
int hf_tar_content(struct hf_tar *t, struct hf_entry *e, const struct hf_tar_taker *to,
                   struct hf_err *err) HF_CHECKED;

struct hf_tar_totals {
    uint64_t entries, by_type[HF_ENTRY_TYPES], content_bytes, tar_bytes;
};
struct hf_tar_totals hf_tar_totals(const struct hf_tar *t);

#endif
