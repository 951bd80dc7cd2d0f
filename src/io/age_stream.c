/* SPDX-License-Identifier: Apache-2.0 */
#include "io/age_stream.h"

#include <sodium.h>
#include <string.h>

void hf_age_payload_key(const unsigned char file_key[HF_AGE_FILE_KEY],
                        const unsigned char nonce[HF_AGE_NONCE], unsigned char out[32])
{
    hf_age_hkdf(file_key, HF_AGE_FILE_KEY, nonce, HF_AGE_NONCE, "payload", out);
}

static void make_nonce(uint64_t number, bool is_last, unsigned char nonce[12])
{
    memset(nonce, 0, 12);
    for (unsigned i = 0; i < 8; i++)
        nonce[10 - i] = (unsigned char)(number >> 8 * i);
    nonce[11] = is_last;
}

void hf_age_chunk_seal(const unsigned char key[32], uint64_t number, bool is_last,
                       const void *plain, size_t len, unsigned char *out)
{
    unsigned char nonce[12];
    make_nonce(number, is_last, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, NULL, 0, NULL, nonce, key);
}

int hf_age_chunk_open(const unsigned char key[32], uint64_t number, bool is_last,
                      const unsigned char *sealed, size_t len, unsigned char *out)
{
    unsigned char nonce[12];
    make_nonce(number, is_last, nonce);
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, len, NULL, 0, nonce,
                                                     key);
}

uint64_t hf_age_file_size(size_t n_recipients, uint64_t plain_bytes)
{
    /* Introduction, two lines per recipient, the MAC's line. */
    uint64_t header = 22 + (uint64_t)n_recipients * (54 + 44) + 48;
    uint64_t chunks = plain_bytes ? (plain_bytes - 1) / HF_AGE_CHUNK + 1 : 1;
    return header + HF_AGE_NONCE + plain_bytes + chunks * HF_AGE_TAG;
}
