/* SPDX-License-Identifier: Apache-2.0
 *
 * vmdk_tables.h - do the tables of a streamOptimized VMDK fit the grains that came?
 *
 * A grain's own checksum says nothing of one that is not there, and that would be a hole. Behind the grains a stream says in tables where each
 * of them lies in it, in a directory where each table does, in a footer where the directory does. All of that has to be as it came: what was
 * lost, added or moved anywhere shows. What lies where is not kept, but added up, each place with its own weight: some bytes for any disk.
 */
#ifndef HF_VMWARE_VMDK_TABLES_H
#define HF_VMWARE_VMDK_TABLES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMW_SECTOR 512u

struct vmw_places { /* how many, and their sum */
    uint64_t n, sum;
};

struct vmw_vmdk_tables {
    uint64_t tables_max; /* of the disk */
    struct vmw_places grains, listed;
    struct vmw_places tables, used, directory; /* used: tables with a grain */
    uint64_t table_at, directory_at;           /* sectors of the stream; 0: there was none yet */
    uint64_t entry;                            /* of the table or directory that comes */
    bool is_used, has_footer, is_odd;
};

/* Where things lie is told in sectors of the stream. grain: its number on the disk. */
void vmw_tables_grain(struct vmw_vmdk_tables *t, uint64_t at, uint64_t grain, uint64_t entries);
void vmw_tables_begin_table(struct vmw_vmdk_tables *t, uint64_t at);
void vmw_tables_begin_directory(struct vmw_vmdk_tables *t, uint64_t at);
/* A sector of what was begun. */
void vmw_tables_table(struct vmw_vmdk_tables *t, const unsigned char sector[VMW_SECTOR]);
void vmw_tables_directory(struct vmw_vmdk_tables *t, const unsigned char sector[VMW_SECTOR]);
/* is_as_header: it says the same of the disk. */
void vmw_tables_footer(struct vmw_vmdk_tables *t, bool is_as_header, uint64_t directory_at);
/* CORRUPT: something is missing, or elsewhere. */
int vmw_tables_check(struct vmw_vmdk_tables *t, struct hf_err *err) HF_CHECKED;

#endif
