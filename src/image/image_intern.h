/* SPDX-License-Identifier: Apache-2.0
 *
 * image/image_intern.h - objects in and out of the store, for the files of this folder.
 */
#ifndef HF_IMAGE_IMAGE_INTERN_H
#define HF_IMAGE_IMAGE_INTERN_H

#include "image/image.h"

struct hf_image {
    struct hf_store *store;
    uint32_t chunk_bytes;
    bool is_encrypted;
    struct hf_age_recipients to_data, to_meta;
    const struct hf_age_identities *metadata, *identities;
    const struct hf_cancel *cancel;
    struct hf_image_keys *keys;
    struct hf_image_chunks *chunks;
    struct hf_image_pack_keys *pack_keys;
};

/* Keys of packs that were opened lately, for all threads: opened again, none of them asks the store. Wiped when freed. */
struct hf_image_pack_keys *hf_image_pack_keys_new(struct hf_err *err) HF_CHECKED;
void hf_image_pack_keys_free(struct hf_image_pack_keys *k);
/* False: not known, and *out is empty. */
bool hf_image_pack_keys_get(struct hf_image_pack_keys *k, const unsigned char id[HF_IMAGE_PACK_ID],
                            struct hf_age_key *out);
void hf_image_pack_keys_put(struct hf_image_pack_keys *k, const unsigned char id[HF_IMAGE_PACK_ID],
                            const struct hf_age_key *key);

/* Encrypted where it has to be, put, confirmed. */
int hf_image_put(struct hf_image *im, const char *name, const struct hf_age_recipients *to,
                 const void *data, size_t len, struct hf_store_receipt *out, struct hf_err *err)
    HF_CHECKED;
/* The same; *data is freed, and NULL, from when the store has a copy of its own: while it travels there is one of it. */
int hf_image_put_releasing(struct hf_image *im, const char *name,
                           const struct hf_age_recipients *to, unsigned char **data, size_t len,
                           struct hf_store_receipt *out, struct hf_err *err) HF_CHECKED;

/* Owns file, also when it fails. A plain store: file itself. AUTH with a hint: the key of the data is not at hand. */
struct hf_io_source *hf_image_decrypt(struct hf_image *im, enum hf_image_kind kind,
                                      struct hf_io_source *file, struct hf_err *err) HF_CHECKED;

/* The same for a pack whose length the index says; key as in hf_age_source_known. */
struct hf_io_source *hf_image_decrypt_pack(struct hf_image *im, enum hf_image_kind kind,
                                           struct hf_io_source *file, struct hf_age_key *key,
                                           struct hf_err *err) HF_CHECKED;

/* The index object of a pack, read and checked; *out_entries is to be freed. bytes: its size, where a listing said so, or
 * HF_STORE_UNKNOWN. CORRUPT also: that of another pack. */
int hf_image_index_get(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                       uint64_t bytes, struct hf_image_pack *out_pack,
                       struct hf_image_entry **out_entries, struct hf_err *err) HF_CHECKED;

/* A record's content, after its head was found to be that of `want`. stored: its bytes. out: want->plain bytes. key: of its kind.
 * CORRUPT: does not unpack, or is not what its id says. */
int hf_image_record_open(const unsigned char *head, const void *stored,
                         const struct hf_image_entry *want, const unsigned char key[HF_IMAGE_KEY],
                         void *out, struct hf_err *err) HF_CHECKED;
/* Its two halves, for who makes the ids of several contents at once (image/ids.h): nothing of it may be used before both. */
int hf_image_record_unpack(const unsigned char *head, const void *stored,
                           const struct hf_image_entry *want, void *out, struct hf_err *err)
    HF_CHECKED;
int hf_image_record_prove(const unsigned char id[HF_IMAGE_ID], const struct hf_image_entry *want,
                          struct hf_err *err) HF_CHECKED;

#endif
