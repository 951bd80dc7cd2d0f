/* SPDX-License-Identifier: Apache-2.0
 *
 * image/move.h - records copied from packs that are there into new ones, as they are stored: proven by their ids, not packed again.
 *
 * What is opened is opened in memory; on an encrypted store packs of chunks need an identity (AUTH). A record that is not what its id says is
 * CORRUPT, and copied nowhere.
 * Crash     new packs that nothing names, with or without an index; a prune removes them.
 * Threads   one.
 */
#ifndef HF_IMAGE_MOVE_H
#define HF_IMAGE_MOVE_H

#include "image/image.h"

#define HF_IMAGE_MOVE_PACK ((size_t)16 << 20) /* worth being sent */

struct hf_image_mover;

/* Of records of one kind. */
struct hf_image_mover *hf_image_mover_new(struct hf_image *im, enum hf_image_kind kind,
                                          struct hf_err *err) HF_CHECKED;
/* What was taken and not sent is nowhere. */
void hf_image_mover_free(struct hf_image_mover *m);
HF_DEFINE_AUTO(hf_image_mover, hf_image_mover_free)

/* The index object of a pack, read and checked; *out_entries is to be freed, in the order of their places. NOT_FOUND: it has none. */
int hf_image_mover_entries(struct hf_image_mover *m, const unsigned char id[HF_IMAGE_PACK_ID],
                           struct hf_image_pack *out_pack, struct hf_image_entry **out_entries,
                           struct hf_err *err) HF_CHECKED;
/* Record e of that pack; best asked for in the order of their places. *out_new: the pack it will be in. */
int hf_image_mover_take(struct hf_image_mover *m, const struct hf_image_pack *from,
                        const struct hf_image_entry *e, unsigned char out_new[HF_IMAGE_PACK_ID],
                        struct hf_err *err) HF_CHECKED;
bool hf_image_mover_is_full(const struct hf_image_mover *m);
/* All that was taken is on the store, confirmed, and in an index. */
int hf_image_mover_send(struct hf_image_mover *m, struct hf_err *err) HF_CHECKED;

#endif
