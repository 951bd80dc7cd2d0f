/* SPDX-License-Identifier: Apache-2.0
 *
 * image/verify.h - is a pack what its index says, and is everything there that a disk needs?
 *
 * The first two read the whole pack. Errors: CORRUPT, pack or index missing or damaged, with the object's name; AUTH:
 * hf_image_verify_content of a pack of chunks without the identity. Threads: any.
 */
#ifndef HF_IMAGE_VERIFY_H
#define HF_IMAGE_VERIFY_H

#include "image/image.h"

/* The object's length and SHA-256: needs no secret but the metadata identity. Read past this host's caches. */
int hf_image_verify_stored(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                           struct hf_err *err) HF_CHECKED;
/* Every record: unpacks, and is what its id says; nothing between them; the index names them all. */
int hf_image_verify_content(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                            struct hf_err *err) HF_CHECKED;

/* What a disk needs. */
struct hf_image_needs {
    unsigned char (*packs)[HF_IMAGE_PACK_ID]; /* of both kinds */
    size_t packs_n;
    uint64_t chunks, holes;
};
void hf_image_needs_free(struct hf_image_needs *n);
HF_DEFINE_AUTO_VALUE(hf_image_needs, hf_image_needs_free)

/* Walks the tree and looks for every chunk in the index: with the metadata identity alone. CORRUPT names the place on the disk of
 * what is nowhere. *out is to be freed. */
int hf_image_verify_tree(struct hf_image *im, const unsigned char root[HF_IMAGE_ID],
                         struct hf_image_needs *out, struct hf_err *err) HF_CHECKED;

#endif
