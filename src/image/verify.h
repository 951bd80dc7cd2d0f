/* SPDX-License-Identifier: Apache-2.0
 *
 * image/verify.h - is a pack what its index says?
 *
 * Both read the whole pack. Errors: CORRUPT, pack or index missing or damaged, with the object's name; AUTH: hf_image_verify_content
 * of a pack of chunks without the identity. Threads: any.
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

#endif
