/* SPDX-License-Identifier: Apache-2.0 */
#include "io/age_stream.h"

#include <openssl/evp.h>
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

/* libcrypto's is several times as fast as libsodium's, and all that leaves the host goes through it. */
int hf_age_chunk_seal(const unsigned char key[32], uint64_t number, bool is_last, const void *plain,
                      size_t len, unsigned char *out, struct hf_err *err)
{
    unsigned char nonce[12];
    int n = 0, rest = 0;
    make_nonce(number, is_last, nonce);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool is_sealed = c && len <= HF_AGE_CHUNK &&
                     EVP_EncryptInit_ex(c, EVP_chacha20_poly1305(), NULL, key, nonce) == 1 &&
                     EVP_EncryptUpdate(c, out, &n, plain, (int)len) == 1 &&
                     EVP_EncryptFinal_ex(c, out + n, &rest) == 1 &&
                     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, HF_AGE_TAG, out + len) == 1;
    EVP_CIPHER_CTX_free(c); /* wipes the key */
    return is_sealed ? 0 : hf_fail(err, HF_E_INTERNAL, "the encryption of libcrypto does not work");
}

int hf_age_chunk_open(const unsigned char key[32], uint64_t number, bool is_last,
                      const unsigned char *sealed, size_t len, unsigned char *out)
{
    unsigned char nonce[12], tag[HF_AGE_TAG];
    int n = 0, rest = 0;
    if (len < HF_AGE_TAG || len > HF_AGE_SEALED_CHUNK)
        return -1;
    make_nonce(number, is_last, nonce);
    memcpy(tag, sealed + len - HF_AGE_TAG, HF_AGE_TAG);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool is_true = c && EVP_DecryptInit_ex(c, EVP_chacha20_poly1305(), NULL, key, nonce) == 1 &&
                   EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, HF_AGE_TAG, tag) == 1 &&
                   EVP_DecryptUpdate(c, out, &n, sealed, (int)(len - HF_AGE_TAG)) == 1 &&
                   EVP_DecryptFinal_ex(c, out + n, &rest) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!is_true)
        hf_wipe(out, len - HF_AGE_TAG); /* decrypted before it was proved */
    return is_true ? 0 : -1;
}

uint64_t hf_age_file_size(size_t n_recipients, uint64_t plain_bytes)
{
    /* Introduction, two lines per recipient, the MAC's line. */
    uint64_t header = 22 + (uint64_t)n_recipients * (54 + 44) + 48;
    uint64_t chunks = plain_bytes ? (plain_bytes - 1) / HF_AGE_CHUNK + 1 : 1;
    return header + HF_AGE_NONCE + plain_bytes + chunks * HF_AGE_TAG;
}
