/* SPDX-License-Identifier: Apache-2.0
 *
 * image/ids.h - the ids of several chunks at once.
 *
 * The same as hf_image_id (image/keys.h) of each: BLAKE2b of RFC 7693, keyed, 32 bytes; but HF_IMAGE_IDS of them side by side, one per
 * lane of the processor's vectors, which costs little more than one alone. Nothing we know of does that for BLAKE2b: libsodium and
 * OpenSSL take one message at a time, and hashing is most of what a backup of known chunks does. Only what is public goes
 * into branches and addresses: lengths. Threads: any.
 */
#ifndef HF_IMAGE_IDS_H
#define HF_IMAGE_IDS_H

#include "image/keys.h"

#define HF_IMAGE_IDS 8

/* All of the same length, not 0. n: 1..HF_IMAGE_IDS; few cost as much as many, so one or two are left to libsodium. */
void hf_image_ids(const unsigned char key[HF_IMAGE_KEY], const void *const data[HF_IMAGE_IDS],
                  size_t n, size_t len, unsigned char out[HF_IMAGE_IDS][HF_IMAGE_ID]);

#endif
