/* SPDX-License-Identifier: Apache-2.0
 *
 * io/age_header.h - the text at the head of an age file: who can open it. Reading trusts nothing and is bounded.
 *
 *     age-encryption.org/v1
 *     -> X25519 SHARE            one stanza per recipient; other kinds are skipped, but must be well formed
 *     WRAPPED FILE KEY
 *     --- MAC
 */
#ifndef HF_IO_AGE_HEADER_H
#define HF_IO_AGE_HEADER_H

#include "base/buf.h"
#include "io/age.h"

#define HF_AGE_HEADER_MAX ((size_t)64 << 10)
#define HF_AGE_STANZAS_MAX 256
#define HF_AGE_FILE_KEY 16
#define HF_AGE_WRAPPED (HF_AGE_FILE_KEY + 16)
#define HF_AGE_MAC 32
#define HF_AGE_NONCE 16

struct hf_age_stanza {
    unsigned char share[HF_AGE_KEY], wrapped[HF_AGE_WRAPPED];
};

struct hf_age_header {
    size_t n;
    struct hf_age_stanza stanza[HF_AGE_STANZAS_MAX]; /* those of X25519 */
    unsigned char mac[HF_AGE_MAC];
    size_t maced_len; /* bytes that the MAC covers: to the end of "---" */
    size_t len;       /* of the whole header */
};

/* data may go on behind the header. CORRUPT: no age file, malformed, cut, too long. Only syntax: the MAC is not checked. */
int hf_age_header_parse(const char *data, size_t len, struct hf_age_header *out, struct hf_err *err)
    HF_CHECKED;

/* A header for these recipients, its MAC by the file key. */
int hf_age_header_write(const struct hf_age_recipients *to,
                        const unsigned char file_key[HF_AGE_FILE_KEY], struct hf_buf *out,
                        struct hf_err *err) HF_CHECKED;

/* The file key, found with one of the identities and the header's MAC checked by it. text: the header as it was parsed. AUTH: none fits. */
int hf_age_header_open(const struct hf_age_header *h, const char *text,
                       const struct hf_age_identities *ids, unsigned char out[HF_AGE_FILE_KEY],
                       struct hf_err *err) HF_CHECKED;

/* RFC 5869, one block of output. */
void hf_age_hkdf(const void *ikm, size_t ikm_len, const void *salt, size_t salt_len,
                 const char *info, unsigned char out[32]);

#endif
