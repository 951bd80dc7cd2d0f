/* SPDX-License-Identifier: Apache-2.0
 *
 * files/folder.h - reading an archive's directory, or what else plays one (io/files.h): its tar, its listing, and what files.json says of both.
 *
 * Input      all three may be damaged or tampered with: each is bounded. A listing's lines come one by one.
 */
#ifndef HF_FILES_FOLDER_H
#define HF_FILES_FOLDER_H

#include "files/entry.h"
#include "io/files.h"

#define HF_ARCHIVE_TAR "files.tar"
#define HF_ARCHIVE_LISTING "files.jsonl"
#define HF_ARCHIVE_ABOUT "files.json"
#define HF_ARCHIVE_DUMP "dump" /* a directory */

struct hf_archive_about {
    char tar_sha256[HF_SHA256_HEX], listing_sha256[HF_SHA256_HEX];
    uint64_t tar_bytes; /* 0: not told */
};
int hf_archive_about(struct hf_io_files *f, struct hf_archive_about *out, struct hf_err *err)
    HF_CHECKED;

/* HF_ARCHIVE_TAR or HF_ARCHIVE_LISTING, packed however it is; with its digest. NOT_FOUND. */
struct hf_io_read *hf_archive_open(struct hf_io_files *f, const char *name, struct hf_err *err)
    HF_CHECKED;
/* After its end: CORRUPT unless it is the one that files.json says. */
int hf_archive_check(struct hf_io_read *r, const char *name, const char *sha256, struct hf_err *err)
    HF_CHECKED;

/* HF_ARCHIVE_TAR's content, for who reads it here and there. 1: *out; 0: the way it is packed, it can be read from its beginning only; -1. */
int hf_archive_open_tar_at(struct hf_io_files *f, struct hf_io_source **out, struct hf_err *err)
    HF_CHECKED;

/* A listing's file as it lies there, up to HF_LISTING_KEPT_MAX: one that is read again is not fetched again, and is the same. */
#define HF_LISTING_KEPT_MAX ((uint64_t)256 << 20)
struct hf_listing_kept {
    char *path, *data; /* path NULL: not yet */
    size_t len;
};
void hf_listing_kept_free(struct hf_listing_kept *k);

struct hf_listing {
    struct hf_io_read *r; /* owned */
    struct hf_buf text;
    size_t at;
    bool is_at_end;
};
#define HF_LISTING_INIT                                                                            \
    {                                                                                              \
        0                                                                                          \
    }
/* kept: filled by the first one, outlives all. */
int hf_listing_open(struct hf_listing *l, struct hf_io_files *f, struct hf_listing_kept *kept,
                    struct hf_err *err) HF_CHECKED;
/* 1: *out (freed before); 0: no more; -1. */
int hf_listing_next(struct hf_listing *l, struct hf_entry *out, struct hf_err *err) HF_CHECKED;
void hf_listing_close(struct hf_listing *l);
HF_DEFINE_AUTO_VALUE(hf_listing, hf_listing_close)

#endif
