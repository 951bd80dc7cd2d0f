/* SPDX-License-Identifier: Apache-2.0
 *
 * vmdk.h - a streamOptimized VMDK, decoded while it comes: what an export of vSphere sends for a disk.
 *
 * The stream is header, descriptor, then markers, each padded to a sector: a grain with its place on the disk and its data by
 * zlib, or a piece of metadata (grain tables, directory, footer), and one that says that this is the end. From the public
 * specification "Virtual Disk Format 1.1"; what other sparse VMDKs may be (not compressed, without markers) is refused.
 *
 * Nothing is believed: a grain lies on the disk, behind the last one, and has exactly its size; its checksum is zlib's; tables,
 * directory and footer that come behind the grains list just those that came, where they came (vmdk_tables.h); without its end a stream
 * is cut. Memory: a MiB of grains as they are, and one packed.
 */
#ifndef HF_VMWARE_VMDK_H
#define HF_VMWARE_VMDK_H

#include "api/holdfast/plugin.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct vmw_vmdk;

/* Extents go to emit in ascending order, holes among them, all of the disk. NULL: no memory. */
struct vmw_vmdk *vmw_vmdk_new(hf_extent_cb emit, void *ctx);
void vmw_vmdk_free(struct vmw_vmdk *v);
HF_DEFINE_AUTO(vmw_vmdk, vmw_vmdk_free)

/* Pieces of any size. CORRUPT, UNSUPPORTED: and nothing more is taken. emit's error is passed on. */
int vmw_vmdk_write(struct vmw_vmdk *v, const void *data, size_t len, struct hf_err *err) HF_CHECKED;
/* After the last piece: CORRUPT unless the end came. The rest of the disk is told as a hole. */
int vmw_vmdk_finish(struct vmw_vmdk *v, struct hf_err *err) HF_CHECKED;
/* Bytes of the disk; 0: the header has not come yet. */
uint64_t vmw_vmdk_capacity(const struct vmw_vmdk *v);
/* Of the disk as far as it was told: two streams that told the same have the same. What is told just now counts already. */
uint64_t vmw_vmdk_digest(const struct vmw_vmdk *v);

#endif
