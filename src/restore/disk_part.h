/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/disk_part.h - the file that a disk is restored into, until it is whole, and the record of how far it has come.
 *
 *     FILE                     the name that it gets at the end, when all of it is there and synced
 *     FILE.holdfast-part       until then (0600, locked by who restores)
 *     FILE.holdfast-part.json  restore/disk_record.h
 *
 * Promise   the record never says of a chunk that it is there before it is on the disk for good, and goes before what it spoke of: it
 *           is replaced by an empty one, durably, before the part is emptied. A part is gone on with when its record is of the same
 *           root, format and size, and of this very file; else it is begun anew.
 *           Once a sync has failed nothing is recorded any more: what was written since the last record is written again.
 * Crash     anywhere: FILE is what it was, or whole. Killed between the renaming and the end, the next call finds FILE to be what the
 *           record calls whole, unchanged since, and only removes the record.
 * Errors    CONFLICT: FILE exists, is something else than a file, or not the file any more that was to be replaced. BUSY: somebody else
 *           restores it, or a program (QEMU) holds a lock on FILE, at the start or right before the renaming. Threads: one at a time.
 */
#ifndef HF_RESTORE_DISK_PART_H
#define HF_RESTORE_DISK_PART_H

#include "restore/disk_record.h"

#include <sys/stat.h>

enum hf_disk_part_mode {
    HF_DISK_PART_NEW,       /* FILE must not be there */
    HF_DISK_PART_OVERWRITE, /* FILE is replaced, or is a device */
    /* FILE is ours, and may be put to use and be taken back: its record stays beside it for as long, and FILE is taken for whole only while it
     * is exactly as it was restored. Whatever else is there under its name is removed. */
    HF_DISK_PART_PROVISIONAL
};

struct hf_disk_part {
    char *file, *path, *record_path, *dir; /* absolute */
    int fd;                                /* of the part, or of a device */
    struct hf_disk_record record;          /* as it lies on the disk */
    bool is_device;                        /* written in place; has no record */
    bool is_resumed;                       /* something of it was there */
    bool is_finished;                      /* FILE is there: a run before had died right after */
    bool replaces;                         /* FILE exists, and may be replaced: this one */
    struct stat replaced;
    /* A sync has failed: what that lost no later one tells of, so nothing is recorded any more. */
    bool is_lossy;
    bool is_provisional;
};

void hf_disk_part_close(struct hf_disk_part *p); /* by value: empties it; nothing is removed */
HF_DEFINE_AUTO_VALUE(hf_disk_part, hf_disk_part_close)

/* Looks at FILE, opens or makes the part, takes up the record or begins a new one. want: which disk it is; its texts are copied.
 * `out` is empty before, and to be closed in any case. */
int hf_disk_part_open(const char *file, const struct hf_disk_record *want,
                      enum hf_disk_part_mode mode, struct hf_disk_part *out, struct hf_err *err)
    HF_CHECKED;
/* What was taken up is of no use: nothing of it counts any more. */
int hf_disk_part_restart(struct hf_disk_part *p, struct hf_err *err) HF_CHECKED;
/* These are on the disk for good. The set is exchanged with the record's own, unless this fails. */
int hf_disk_part_record(struct hf_disk_part *p, struct hf_chunk_set *durable, struct hf_err *err)
    HF_CHECKED;
/* All of it is there and synced: it becomes FILE. Only the record may be left when this fails. */
int hf_disk_part_finish(struct hf_disk_part *p, struct hf_err *err) HF_CHECKED;
/* Gives it up: the part and its record go. */
void hf_disk_part_remove(struct hf_disk_part *p);

#endif
