/* SPDX-License-Identifier: Apache-2.0
 *
 * restore/disk_target.h - what a restored disk is written to, as one table of operations: a raw file or device, or qcow2. And VMDK.
 *
 * put       bytes at a place, by several workers at once. Nothing is put where zeros are wanted: it reads as zeros to begin with.
 * sync      all that was put before is there for good, also after a loss of power. One caller, beside puts.
 * finish    after the last put: synced, and nobody holds the file any more. close without it leaves what there is.
 *
 * Errors    NOSPACE: the file system is full; CANCELLED; TIMEOUT, UNREACHABLE, PLUGIN of qemu-nbd.
 */
#ifndef HF_RESTORE_DISK_TARGET_H
#define HF_RESTORE_DISK_TARGET_H

#include "base/cancel.h"
#include "base/clock.h"
#include "image/image.h"

#include <stddef.h>
#include <stdint.h>

struct hf_disk_target;

struct hf_disk_target_ops {
    int (*put)(struct hf_disk_target *t, unsigned worker, uint64_t at, const void *data, size_t len,
               struct hf_err *err);
    int (*sync)(struct hf_disk_target *t, struct hf_err *err);
    int (*finish)(struct hf_disk_target *t, struct hf_err *err);
    void (*close)(struct hf_disk_target *t);
};

/* The head of each kind's own struct. */
struct hf_disk_target {
    const struct hf_disk_target_ops *ops;
};

static inline void hf_disk_target_close(struct hf_disk_target *t)
{
    if (t)
        t->ops->close(t);
}
HF_DEFINE_AUTO(hf_disk_target, hf_disk_target_close)

/* Into the file behind fd, borrowed, which has its size. */
struct hf_disk_target *hf_disk_raw(int fd, struct hf_err *err) HF_CHECKED;

struct hf_disk_qcow2_opts {
    const char *path; /* absolute */
    uint64_t disk_bytes;
    unsigned workers;
    const struct hf_clock *clock;
    const struct hf_cancel *cancel; /* or NULL */
};
/* Makes the image: an existing file's content is gone. */
int hf_disk_qcow2_create(const struct hf_disk_qcow2_opts *opts, struct hf_err *err) HF_CHECKED;
/* Is what lies there an image that may be gone on with? What a killed qemu-nbd has allocated and not used is given back. CORRUPT: not.
 * Any other error says nothing of it. */
int hf_disk_qcow2_check(const struct hf_disk_qcow2_opts *opts, struct hf_err *err) HF_CHECKED;
/* By a qemu-nbd of its own, with a connection for each worker, on a socket that nobody else can reach. It ends with us, however we do. */
struct hf_disk_target *hf_disk_qcow2(const struct hf_disk_qcow2_opts *opts, struct hf_err *err)
    HF_CHECKED;

/* A VMDK is no such target: its grains have to lie in the disk's order, so it is written from front to end in one go. */
struct hf_disk_vmdk {
    struct hf_image *image;
    const unsigned char *root;
    int fd;                                                     /* of an empty file */
    const struct hf_cancel *cancel;                             /* or NULL */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* or NULL */
    void *progress_ctx;
};
/* Synced when it is 0. *out_read, *out_written: bytes of the disk that came, and that are in the file for it; also when it fails. */
int hf_disk_vmdk_write(const struct hf_disk_vmdk *w, uint64_t *out_read, uint64_t *out_written,
                       struct hf_err *err) HF_CHECKED;

#endif
