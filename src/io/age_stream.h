/* SPDX-License-Identifier: Apache-2.0
 *
 * io/age_stream.h - the payload of an age file: chunks of 64 KiB, each sealed for itself, the last one marked.
 *
 * The nonce is the chunk's number and the mark, so none can be left out, moved, repeated, or cut off behind.
 */
#ifndef HF_IO_AGE_STREAM_H
#define HF_IO_AGE_STREAM_H

#include "io/age.h"
#include "io/age_header.h"

#include <stdbool.h>

#define HF_AGE_TAG 16
#define HF_AGE_SEALED_CHUNK (HF_AGE_CHUNK + HF_AGE_TAG)

void hf_age_payload_key(const unsigned char file_key[HF_AGE_FILE_KEY],
                        const unsigned char nonce[HF_AGE_NONCE], unsigned char out[32]);
/* out: len + HF_AGE_TAG bytes. */
int hf_age_chunk_seal(const unsigned char key[32], uint64_t number, bool is_last, const void *plain,
                      size_t len, unsigned char *out, struct hf_err *err) HF_CHECKED;
/* out: len - HF_AGE_TAG bytes; -1: not what was sealed. */
int hf_age_chunk_open(const unsigned char key[32], uint64_t number, bool is_last,
                      const unsigned char *sealed, size_t len, unsigned char *out) HF_CHECKED;

#endif
