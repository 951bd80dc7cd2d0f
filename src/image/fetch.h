/* SPDX-License-Identifier: Apache-2.0
 *
 * image/fetch.h - records out of packs: their ranges asked for together where they lie together, decrypted, unpacked, proven by their ids.
 *
 * Memory: the largest range (8 MiB, or one record), and some 200 KiB for each of 8 packs that stay open. A pack is opened with one
 * request, and with none where any fetcher of the image has opened it lately. Threads: one at a time per fetcher; each thread has its own.
 */
#ifndef HF_IMAGE_FETCH_H
#define HF_IMAGE_FETCH_H

#include "image/image.h"

struct hf_image_fetch;

struct hf_image_fetch *hf_image_fetch_new(struct hf_image *im, struct hf_err *err) HF_CHECKED;
void hf_image_fetch_free(struct hf_image_fetch *f);
HF_DEFINE_AUTO(hf_image_fetch, hf_image_fetch_free)

struct hf_image_want {
    struct hf_image_place place;
    void *out;        /* place.entry.plain bytes */
    uint64_t disk_at; /* for messages; UINT64_MAX: no place on the disk */
};

/* All of them, in an order of its own (they are sorted). CORRUPT names pack and place of the first that cannot be had. */
int hf_image_fetch(struct hf_image_fetch *f, struct hf_image_want *wants, size_t n,
                   struct hf_err *err) HF_CHECKED;

#endif
