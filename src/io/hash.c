/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sink.h"

#include <stdlib.h>

struct hash {
    struct hf_io_sink sink, *next;
    struct hf_sha256 *sha;
    uint64_t bytes;
    struct hf_io_digest *out;
};

static int hash_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct hash *h = (struct hash *)s;
    h->bytes += len;
    if (hf_sha256_add(h->sha, data, len, err) < 0)
        return -1;
    return hf_io_write(h->next, data, len, err);
}

static int hash_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct hash *h = (struct hash *)s;
    if (hf_sha256_end(h->sha, h->out->sha256, err) < 0)
        return -1;
    h->out->bytes = h->bytes;
    return hf_io_finish(h->next, err);
}

static void hash_close(struct hf_io_sink *s)
{
    struct hash *h = (struct hash *)s;
    hf_io_close(h->next);
    hf_sha256_free(h->sha);
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
    h->sha = hf_sha256_new(err);
    if (!h->sha) {
        hash_close(&h->sink);
        return NULL;
    }
    return &h->sink;
}
