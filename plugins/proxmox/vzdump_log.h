/* SPDX-License-Identifier: Apache-2.0
 *
 * vzdump_log.h - what the log of a vzdump task says, line by line.
 *
 * Only what stands right behind "INFO: " or "ERROR: " counts: names and notes are quoted in other lines, and may hold any
 * words. Lines may come twice, and at first half.
 */
#ifndef HF_PROXMOX_VZDUMP_LOG_H
#define HF_PROXMOX_VZDUMP_LOG_H

#include "api/holdfast/error.h"

#include <stdbool.h>
#include <stdint.h>

struct pve_dump_log {
    bool has_instant;  /* all disks have theirs: the database may go */
    bool has_failed;   /* nothing that counts will come of it */
    bool has_frozen;   /* a freeze was issued, or somebody had frozen the guest before */
    bool is_thawing;   /* that it held is over */
    bool is_unfrozen;  /* an error followed the freeze, before the thaw and the instant */
    bool is_by_others; /* somebody else had frozen the guest */
    bool is_running;   /* the VM, when the job began */
    char left_out[16]; /* a disk that has backup=0, or "" */
    bool has_reason;   /* reason is that of the job's end */
    char reason[HF_ERR_MESSAGE_MAX];
    char archive[256]; /* its name: the file's, or "vm/100/2026-…Z" on a backup server; "" */
    bool is_on_server; /* … the latter */
    uint64_t done_bytes, all_bytes; /* of the copy, as it said last; 0, 0: nothing yet */
};

/* ctx: a struct pve_dump_log. Never ends a list. */
int pve_dump_line(void *ctx, const char *line);

#endif
