/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sink.h"

#include <openssl/evp.h>
#include <stdio.h>

struct hash {
    struct hf_io_sink sink, *next;
    EVP_MD_CTX *ctx;
    uint64_t bytes;
    struct hf_io_digest *out;
};

static int fail_digest(struct hf_err *err)
{
    return hf_fail(err, HF_E_INTERNAL, "the SHA-256 of libcrypto does not work");
}

static int hash_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct hash *h = (struct hash *)s;
    h->bytes += len;
    if (EVP_DigestUpdate(h->ctx, data, len) != 1)
        return fail_digest(err);
    return hf_io_write(h->next, data, len, err);
}

static int hash_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct hash *h = (struct hash *)s;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(h->ctx, digest, &len) != 1)
        return fail_digest(err);
    for (unsigned i = 0; i < len && 2 * i + 2 < HF_IO_SHA256_HEX; i++)
        snprintf(h->out->sha256 + 2 * i, 3, "%02x", digest[i]);
    h->out->bytes = h->bytes;
    return hf_io_finish(h->next, err);
}

static void hash_close(struct hf_io_sink *s)
{
    struct hash *h = (struct hash *)s;
    hf_io_close(h->next);
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

static const struct hf_io_sink_ops hash_ops = {hash_write, hash_finish, hash_close};

struct hf_io_sink *hf_io_hash_new(struct hf_io_sink *next, struct hf_io_digest *out,
                                  struct hf_err *err)
{
    struct hash *h = calloc(1, sizeof *h);
    if (!h) {
        hf_io_close(next);
        hf_fail_nomem(err);
        return NULL;
    }
    h->sink.ops = &hash_ops;
    h->next = next;
    h->out = out;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        fail_digest(err);
        hash_close(&h->sink);
        return NULL;
    }
    return &h->sink;
}
