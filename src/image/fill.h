/* SPDX-License-Identifier: Apache-2.0
 *
 * image/fill.h - a pack being filled in memory, and put: the pack, confirmed, then its index, then known here.
 *
 * For the writer, which sends several at a time, and for the mover. Threads: who fills one has it alone; sending only reads its entries.
 */
#ifndef HF_IMAGE_FILL_H
#define HF_IMAGE_FILL_H

#include "image/image_intern.h"

#define HF_IMAGE_SEEN ((size_t)2 * HF_IMAGE_RECORDS_MAX)

enum hf_image_fill_state { HF_IMAGE_FREE, HF_IMAGE_FILLING, HF_IMAGE_FULL, HF_IMAGE_SENDING };

struct hf_image_fill {
    enum hf_image_fill_state state; /* of its user */
    enum hf_image_kind kind;
    unsigned char id[HF_IMAGE_PACK_ID];
    unsigned char *data; /* NULL: it went with the last pack */
    size_t len, cap;
    struct hf_image_entry *entries; /* HF_IMAGE_RECORDS_MAX of them */
    uint32_t n;
    uint16_t *seen; /* HF_IMAGE_SEEN of them: number of an entry and 1, by its id */
};

void hf_image_fill_free(struct hf_image_fill *f); /* by value: empties it */

/* A new pack of this kind; room: bytes that are asked for at once. */
int hf_image_fill_begin(struct hf_image_fill *f, enum hf_image_kind kind, size_t room,
                        struct hf_err *err) HF_CHECKED;
bool hf_image_fill_has(const struct hf_image_fill *f, const unsigned char id[HF_IMAGE_ID]);
/* Copied. There is room: f->n is below HF_IMAGE_RECORDS_MAX. */
int hf_image_fill_add(struct hf_image_fill *f, const struct hf_image_entry *e, const void *stored,
                      struct hf_err *err) HF_CHECKED;
/* Nothing is added any more. Not of an empty one. */
void hf_image_fill_end(struct hf_image_fill *f);

struct hf_image_filled {
    uint32_t number;       /* of the pack, in the index */
    uint64_t stored_bytes; /* of both objects */
};
int hf_image_fill_send(struct hf_image *im, struct hf_image_fill *f, struct hf_image_filled *out,
                       struct hf_err *err) HF_CHECKED;

#endif
