/* SPDX-License-Identifier: Apache-2.0
 *
 * image/keys.h - what derives from a store's metadata identity: keys of ids and of seals.
 *
 * Without them nobody can tell which known content lies on a store (ids are keyed), nor make an index or a manifest that we take for
 * ours (age proves no sender). docs/format.md, "Keys". Wiped when freed. Threads: any, they do not change.
 */
#ifndef HF_IMAGE_KEYS_H
#define HF_IMAGE_KEYS_H

#include "image/format.h"
#include "io/age.h"

#define HF_IMAGE_KEY 32
#define HF_IMAGE_STORE_ID 32 /* hex digits */

struct hf_image_keys {
    unsigned char chunk_id[HF_IMAGE_KEY];
    unsigned char tree_id[HF_IMAGE_KEY];
    unsigned char index_mac[HF_IMAGE_KEY];
    unsigned char manifest_mac[HF_IMAGE_KEY];
};

/* From key 0 of the identity. CONFIG: store_id is not 32 lower-case hex digits. */
struct hf_image_keys *hf_image_keys_new(const struct hf_age_identities *metadata,
                                        const char *store_id, struct hf_err *err) HF_CHECKED;
void hf_image_keys_free(struct hf_image_keys *k);
HF_DEFINE_AUTO(hf_image_keys, hf_image_keys_free)

void hf_image_id(const unsigned char key[HF_IMAGE_KEY], const void *data, size_t len,
                 unsigned char out[HF_IMAGE_ID]);

#endif
