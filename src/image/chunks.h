/* SPDX-License-Identifier: Apache-2.0
 *
 * image/chunks.h - what lies where on a store: the index of all packs, as a sorted file on this host.
 *
 * Promise   a record that was added is found, until its pack is gone. The file is a cache: whoever loses it reads the index objects
 *           again. It holds ids, which say nothing without the key, and no content.
 * Memory    the file is mapped and searched by interpolation (ids are uniform); what is new lives in a table of at most 24 MiB, then
 *           in sorted files without a name, then in the file. Of each pack 80 bytes are in memory.
 * Crash     the file is replaced as a whole; a damaged one counts as lost. Two processes: the last one's file stays, and what is not in
 *           it is read again.
 * Threads   find and add: any. live and save: none beside them.
 */
#ifndef HF_IMAGE_CHUNKS_H
#define HF_IMAGE_CHUNKS_H

#include "base/cleanup.h"
#include "image/format.h"

#define HF_IMAGE_NO_PACK UINT32_MAX

struct hf_image_chunks;

struct hf_image_place {
    uint32_t pack; /* its number, which stays while this is open */
    struct hf_image_entry entry;
};

/* The file chunks in dir, which is made (0700). */
struct hf_image_chunks *hf_image_chunks_open(const char *dir, struct hf_err *err) HF_CHECKED;
void hf_image_chunks_close(struct hf_image_chunks *c);
HF_DEFINE_AUTO(hf_image_chunks, hf_image_chunks_close)

/* Entries sorted by id or not; a pack that is known already is not added again. */
int hf_image_chunks_add(struct hf_image_chunks *c, const struct hf_image_pack *pack,
                        const struct hf_image_entry *entries, uint32_t *out_number,
                        struct hf_err *err) HF_CHECKED;

/* One with this id, of such a pack: in one that is not condemned, and in a condemned one only when there is no other and to_reuse is
 * false. */
bool hf_image_chunks_find(struct hf_image_chunks *c, enum hf_image_kind kind,
                          const unsigned char id[HF_IMAGE_ID], bool to_reuse,
                          struct hf_image_place *out);

uint32_t hf_image_chunks_packs_n(struct hf_image_chunks *c); /* numbers are below it */
/* False: the number is free. */
bool hf_image_chunks_pack(struct hf_image_chunks *c, uint32_t number, struct hf_image_pack *out);
uint32_t hf_image_chunks_pack_find(struct hf_image_chunks *c,
                                   const unsigned char id[HF_IMAGE_PACK_ID]);

/* A pack, as a listing of the store names it. */
struct hf_image_listed {
    unsigned char id[HF_IMAGE_PACK_ID];
    uint64_t bytes; /* of the object that was listed */
};

/* Packs that are not among these (sorted) are gone; their numbers are given again after the next save. */
void hf_image_chunks_live(struct hf_image_chunks *c, const struct hf_image_listed *there, size_t n);
/* Not to be reused (or again), until this says otherwise. A pack that is not known: nothing. */
void hf_image_chunks_condemn(struct hf_image_chunks *c, const unsigned char id[HF_IMAGE_PACK_ID],
                             bool is_condemned);
bool hf_image_chunks_is_condemned(struct hf_image_chunks *c,
                                  const unsigned char id[HF_IMAGE_PACK_ID]);
/* What is new goes into the file, what is gone out of it, durably; without change: nothing. */
int hf_image_chunks_save(struct hf_image_chunks *c, struct hf_err *err) HF_CHECKED;

#endif
