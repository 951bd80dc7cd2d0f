/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sha256.h"

#include "base/hex.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct hf_sha256 {
    EVP_MD_CTX *ctx;
};

static int fail(struct hf_err *err)
{
    return hf_fail(err, HF_E_INTERNAL, "the SHA-256 of libcrypto does not work");
}

void hf_sha256_free(struct hf_sha256 *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->ctx);
    free(s);
}

struct hf_sha256 *hf_sha256_new(struct hf_err *err)
{
    HF_AUTO(hf_sha256) struct hf_sha256 *s = calloc(1, sizeof *s);
    if (!s || !(s->ctx = EVP_MD_CTX_new())) {
        hf_fail_nomem(err);
        return NULL;
    }
    return hf_sha256_begin(s, err) == 0 ? HF_STEAL(s) : NULL;
}

int hf_sha256_begin(struct hf_sha256 *s, struct hf_err *err)
{
    return EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1 ? 0 : fail(err);
}

int hf_sha256_add(struct hf_sha256 *s, const void *data, size_t len, struct hf_err *err)
{
    return EVP_DigestUpdate(s->ctx, data, len) == 1 ? 0 : fail(err);
}

int hf_sha256_end(struct hf_sha256 *s, char out[HF_SHA256_HEX], struct hf_err *err)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(s->ctx, sum, NULL) != 1)
        return fail(err);
    hf_hex(sum, (HF_SHA256_HEX - 1) / 2, out);
    return 0;
}
