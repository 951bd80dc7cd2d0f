/* SPDX-License-Identifier: Apache-2.0
 *
 * image/writer.h - the content of one disk, to the store: in chunks, each only once, with the tree last.
 *
 * Promise   when finish returns 0, everything that the root needs is on the store and confirmed: packs, then their indexes, at the very
 *           end the root. A chunk that lies on the store in a pack that is not condemned is not sent again; zeros and holes cost nothing.
 * Memory    at most 12 packs of pack_bytes (16 MiB) being filled or sent, 2 × workers + 8 chunks, 4 MiB per worker and 40 bytes per
 *           64 MiB of the disk (with chunks of 256 KiB): 33 MB were measured for 1 TB in a directory, 265 MB to a far store. Segments whose chunks
 *           were not all told take 8 KiB each: who tells them in ascending order has one or two of them.
 * Waiting   a write waits while the queues are full. Errors of the threads come out of the next call.
 * Crash     what was sent stays, without a root; the next run uses it.
 * Threads   one caller. Several writers may share one hf_image; what they find in each other's unfinished packs is sent twice.
 *
 * Before the manifest: hf_image_refresh_condemned, and the manifest within half an hour of it (point/prune.h); when
 * hf_image_chunks_is_condemned says so of one of the packs, the disk is written again, by the ids of the tree just written: what is condemned
 * now is NOT_FOUND there, and has to be read once more.
 *
 * The disk is told in ascending extents (write, write_hole; what is left out is a hole), or chunk by chunk in any order (write_chunk,
 * write_id, and holes for what is left out), each once. Not both; among extents write_same stands for one that is a whole chunk.
 */
#ifndef HF_IMAGE_WRITER_H
#define HF_IMAGE_WRITER_H

#include "image/image.h"

struct hf_image_writer;

struct hf_image_writer_opts {
    uint64_t disk_bytes;
    int level;         /* of zstd; 0: 1 */
    unsigned workers;  /* 0: one per processor, 4 at most */
    size_t pack_bytes; /* 0: 16 MiB; 64 MiB at most */
};

struct hf_image_written {
    unsigned char root[HF_IMAGE_ID];
    uint64_t chunks;       /* of the disk */
    uint64_t holes;        /* of them: zero, or told to be */
    uint64_t known;        /* of them: lay on the store already, or earlier on the disk */
    uint64_t fresh;        /* of them: sent */
    uint64_t stored_bytes; /* of all objects that were sent */
    uint32_t objects;
    /* The packs that the root needs, of both kinds: what the manifest has to name. */
    unsigned char (*packs)[HF_IMAGE_PACK_ID];
    size_t packs_n;
};
void hf_image_written_free(struct hf_image_written *w);
HF_DEFINE_AUTO_VALUE(hf_image_written, hf_image_written_free)

/* UNSUPPORTED: the disk is larger than the format allows. */
struct hf_image_writer *hf_image_write_begin(struct hf_image *im,
                                             const struct hf_image_writer_opts *opts,
                                             struct hf_err *err) HF_CHECKED;
/* Without a finish: abandoned. */
void hf_image_write_close(struct hf_image_writer *w);
HF_DEFINE_AUTO(hf_image_writer, hf_image_write_close)

/* Copied. */
int hf_image_write(struct hf_image_writer *w, uint64_t at, const void *data, size_t len,
                   struct hf_err *err) HF_CHECKED;
int hf_image_write_hole(struct hf_image_writer *w, uint64_t at, uint64_t len, struct hf_err *err)
    HF_CHECKED;

/* data: a whole chunk (the last one: what is left of the disk), copied. */
int hf_image_write_chunk(struct hf_image_writer *w, uint64_t n, const void *data,
                         struct hf_err *err) HF_CHECKED;
/* As another tree has it. NOT_FOUND: it is not on the store, or condemned: then the chunk has to be read and written. */
int hf_image_write_id(struct hf_image_writer *w, uint64_t n, const unsigned char id[HF_IMAGE_ID],
                      struct hf_err *err) HF_CHECKED;

/* Among extents: the next is chunk n, and it is as another tree has it. NOT_FOUND as above. */
int hf_image_write_same(struct hf_image_writer *w, uint64_t n, const unsigned char id[HF_IMAGE_ID],
                        struct hf_err *err) HF_CHECKED;

/* *out is to be freed. Nothing but close afterwards. */
int hf_image_write_finish(struct hf_image_writer *w, struct hf_image_written *out,
                          struct hf_err *err) HF_CHECKED;

#endif
