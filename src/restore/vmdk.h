/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/vmdk.h - a disk as a streamOptimized VMDK, written from its front to its end: what vSphere's imports take.
 *
 * From the public specification "Virtual Disk Format 1.1": a header, a descriptor, then the grains (64 KiB each, by zlib) in the disk's
 * order, behind each 512 of them their table, at the end directory, footer and a marker of the end. A grain of zeros, and a hole, is not
 * in it. The same disk with the same id gives the same bytes.
 *
 * Crash     the header counts on the footer, which comes last: what is cut anywhere is refused by whoever opens it.
 * Memory    2 MiB of grains, packed; 4 bytes per 32 MiB of the disk.
 * Errors    UNSUPPORTED: it would be larger than 2 TiB, where its 32-bit places end, or has no byte; NOSPACE. After an error nothing more is to be put.
 * Threads   one at a time; the packing is done by several inside.
 */
#ifndef HF_RESTORE_VMDK_H
#define HF_RESTORE_VMDK_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define HF_VMDK_GRAIN ((size_t)64 << 10)
#define HF_VMDK_ID 16

struct hf_vmdk;

/* Into the file behind fd, borrowed and empty. id: of the content; it becomes the VMDK's. NULL: see err. */
struct hf_vmdk *hf_vmdk_new(int fd, uint64_t disk_bytes, const unsigned char id[HF_VMDK_ID],
                            struct hf_err *err) HF_CHECKED;
void hf_vmdk_free(struct hf_vmdk *v);
HF_DEFINE_AUTO(hf_vmdk, hf_vmdk_free)

/* Whole grains, or to the end of the disk; behind what was put before. *out_written: bytes of the disk that are in the file for it. */
int hf_vmdk_put(struct hf_vmdk *v, uint64_t at, const void *data, size_t len, uint64_t *out_written,
                struct hf_err *err) HF_CHECKED;
/* All that was not put is zeros. Not synced. */
int hf_vmdk_finish(struct hf_vmdk *v, struct hf_err *err) HF_CHECKED;

#endif
