/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/disk.h - one disk of a point, from its root on a store to a file of this host.
 *
 * Promise   FILE has the disk, each chunk proven, synced; or it is what it was before (not there, mostly). Sparse: holes, and zeros of
 *           64 KiB, are not written. What was interrupted is gone on with when called again for the same root, format and file
 *           (restore/disk_part.h); of another one, and a VMDK always, it begins anew.
 *           A block device is written in place, zeroed first, and there is nothing to go on with.
 * Errors    CORRUPT with place and pack; AUTH: no key, or another; NOSPACE, CANCELLED, and those of the store: `left` names the part and how
 *           much it has, the hint how to go on. What was of no use is removed. CONFLICT, BUSY: FILE (restore/disk_part.h).
 * Memory    image/rebuild.h's, and a bit per chunk, three times.
 * Crash     restore/disk_part.h. A qemu-nbd ends with us. Threads: one caller.
 */
#ifndef HF_RESTORE_DISK_H
#define HF_RESTORE_DISK_H

#include "base/log.h"
#include "image/image.h"
#include "restore/disk_record.h"

struct hf_restore_disk {
    struct hf_image *image; /* refreshed; borrowed, as all here */
    const unsigned char *root;
    const char *point, *disk; /* for people */
    const char *file;
    enum hf_disk_format format;
    bool overwrite;      /* replace FILE; write to a device */
    bool is_provisional; /* FILE is nobody's yet: see HF_DISK_PART_PROVISIONAL */
    const struct hf_clock *clock;
    struct hf_log *log;                                         /* or NULL */
    const struct hf_cancel *cancel;                             /* or NULL */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* or NULL */
    void *progress_ctx;
};

struct hf_restored_disk {
    uint64_t bytes;   /* of the disk */
    uint64_t written; /* now, to FILE */
    uint64_t fetched; /* now, from packs */
    bool is_resumed;  /* a part of it was there already */
};

int hf_restore_disk(const struct hf_restore_disk *what, struct hf_restored_disk *out,
                    struct hf_err *err) HF_CHECKED;

#endif
