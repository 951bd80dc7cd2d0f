/* SPDX-License-Identifier: Apache-2.0
 *
 * image/image.h - the disks on one store: its keys, its index of chunks, its packs. The writer, the reader and the verification stand on it.
 *
 * docs/format.md says what lies on the store. Packs of chunks are encrypted to the recipients; packs of trees and indexes also to the
 * metadata identity. Without recipients nothing is encrypted.
 *
 * Crash: what is on the store but in no manifest is found again by the next run and used, or pruned.
 * Threads: any, but hf_image_refresh is alone (no writer or reader is open).
 */
#ifndef HF_IMAGE_IMAGE_H
#define HF_IMAGE_IMAGE_H

#include "base/cancel.h"
#include "image/chunks.h"
#include "image/keys.h"
#include "store/store.h"

struct hf_image;

struct hf_image_opts {
    struct hf_store *store; /* borrowed, as all here but the texts */
    const char *dir;        /* of this store alone, on this host: the index of chunks */
    const char *store_id;   /* 32 hex digits, as holdfast.json has it */
    uint32_t chunk_bytes;   /* as holdfast.json has it */
    const struct hf_age_identities *metadata;
    const struct hf_age_recipients *recipients; /* NULL or none: plain */
    const struct hf_age_identities *identities; /* NULL: chunks cannot be read */
    const struct hf_cancel *cancel;             /* or NULL */
};

/* The index is what this host knew; hf_image_refresh brings it up to date. */
struct hf_image *hf_image_open(const struct hf_image_opts *opts, struct hf_err *err) HF_CHECKED;
void hf_image_close(struct hf_image *im);
HF_DEFINE_AUTO(hf_image, hf_image_close)

struct hf_image_refreshed {
    uint32_t packs, added, gone;
    uint32_t damaged; /* index objects that were passed over: their chunks count as not there */
    struct hf_err first_damage; /* names the first of them */
};

/* Lists the index objects, the condemned and the damaged packs, reads what is new, eight at a time. To be called when a run begins. */
int hf_image_refresh(struct hf_image *im, struct hf_image_refreshed *out, struct hf_err *err)
    HF_CHECKED;
/* Only the condemned and damaged packs: just before a manifest. with_gone: for who has looked last a long time ago. What has been removed since then
 * counts as condemned, too. */
int hf_image_refresh_condemned(struct hf_image *im, bool with_gone, struct hf_err *err) HF_CHECKED;

/* What is wrong with a pack: its object (or it is missing); or that is what its index says, and its content is not: no digest tells. */
enum hf_image_damage { HF_IMAGE_UNDAMAGED, HF_IMAGE_DAMAGED_OBJECT, HF_IMAGE_DAMAGED_CONTENT };

/* Marks it on the store: from then on nobody takes from it what a new point needs, this image at once, others from their next refresh on. What can
 * only be read there is read there still. Done by whatever reads a record that is not what its id says, if the pack says so again; that it cannot be
 * marked is no failure of the reading. Threads: any. */
int hf_image_mark_damaged(struct hf_image *im, const unsigned char id[HF_IMAGE_PACK_ID],
                          enum hf_image_damage what, struct hf_err *err) HF_CHECKED;

const struct hf_image_keys *hf_image_keys(const struct hf_image *im);
struct hf_image_chunks *hf_image_chunks(struct hf_image *im);

#endif
