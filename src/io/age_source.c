/* SPDX-License-Identifier: Apache-2.0 */
#include "io/age.h"
#include "io/age_stream.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NO_CHUNK UINT64_MAX

struct age_source {
    struct hf_io_source source, *file;
    unsigned char key[32];
    uint64_t payload_at; /* of the first chunk in the file */
    uint64_t chunks;
    uint64_t number; /* of the chunk in `plain`, or NO_CHUNK */
    unsigned char sealed[HF_AGE_SEALED_CHUNK], plain[HF_AGE_CHUNK];
};

static size_t sealed_len(const struct age_source *a, uint64_t number)
{
    uint64_t payload = a->file->size - a->payload_at;
    return number + 1 < a->chunks ? HF_AGE_SEALED_CHUNK
                                  : (size_t)(payload - number * HF_AGE_SEALED_CHUNK);
}

static int load(struct age_source *a, uint64_t number, struct hf_err *err)
{
    size_t len = sealed_len(a, number);
    if (a->number == number)
        return 0;
    a->number = NO_CHUNK;
    if (hf_io_read_at(a->file, a->payload_at + number * HF_AGE_SEALED_CHUNK, a->sealed, len, err) <
        0)
        return -1;
    bool is_last = number + 1 == a->chunks;
    if (hf_age_chunk_open(a->key, number, is_last, a->sealed, len, a->plain) < 0)
        return hf_fail(err, HF_E_CORRUPT, "encrypted chunk %llu of %llu is damaged%s",
                       (unsigned long long)number + 1, (unsigned long long)a->chunks,
                       is_last ? ", or the file is truncated" : "");
    a->number = number;
    return 0;
}

static int age_read_at(struct hf_io_source *s, uint64_t at, void *buf, size_t len,
                       struct hf_err *err)
{
    struct age_source *a = (struct age_source *)s;
    for (char *p = buf; len > 0;) {
        if (load(a, at / HF_AGE_CHUNK, err) < 0)
            return -1;
        size_t from = (size_t)(at % HF_AGE_CHUNK);
        size_t n = HF_AGE_CHUNK - from < len ? HF_AGE_CHUNK - from : len;
        memcpy(p, a->plain + from, n);
        p += n;
        at += n;
        len -= n;
    }
    return 0;
}

static void age_close(struct hf_io_source *s)
{
    struct age_source *a = (struct age_source *)s;
    hf_io_source_close(a->file);
    hf_wipe(a, sizeof *a);
    free(a);
}

static const struct hf_io_source_ops age_ops = {age_read_at, age_close};

static int fail_truncated(struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "the encrypted file is truncated");
}

/* The header's text, parsed, and the key of the payload. */
static int open_header(struct age_source *a, const struct hf_age_identities *ids,
                       struct hf_age_header *h, struct hf_err *err)
{
    size_t len = a->file->size < HF_AGE_HEADER_MAX ? (size_t)a->file->size : HF_AGE_HEADER_MAX;
    HF_AUTOFREE char *text = malloc(len + 1);
    unsigned char file_key[HF_AGE_FILE_KEY], nonce[HF_AGE_NONCE];
    if (!text)
        return hf_fail_nomem(err);
    if (hf_io_read_at(a->file, 0, text, len, err) < 0 ||
        hf_age_header_parse(text, len, h, err) < 0 ||
        hf_age_header_open(h, text, ids, file_key, err) < 0)
        return -1;
    a->payload_at = h->len + sizeof nonce;
    int rc = a->file->size < a->payload_at
                 ? fail_truncated(err)
                 : hf_io_read_at(a->file, h->len, nonce, sizeof nonce, err);
    if (rc == 0)
        hf_age_payload_key(file_key, nonce, a->key);
    hf_wipe(file_key, sizeof file_key);
    return rc;
}

/* How many chunks. */
static int measure_payload(struct age_source *a, struct hf_err *err)
{
    uint64_t payload = a->file->size - a->payload_at;
    a->chunks = payload / HF_AGE_SEALED_CHUNK + (payload % HF_AGE_SEALED_CHUNK ? 1 : 0);
    size_t last = a->chunks ? sealed_len(a, a->chunks - 1) : 0;
    /* Only a file of nothing has an empty chunk. */
    if (last < HF_AGE_TAG || (last == HF_AGE_TAG && a->chunks > 1))
        return fail_truncated(err);
    a->source.size = payload - a->chunks * HF_AGE_TAG;
    return 0;
}

static int open_known(struct age_source *a, const struct hf_age_identities *ids,
                      struct hf_age_key *key, struct hf_err *err)
{
    HF_AUTOFREE struct hf_age_header *h = malloc(sizeof *h);
    if (!h)
        return hf_fail_nomem(err);
    if (key->payload_at) {
        a->payload_at = key->payload_at;
        memcpy(a->key, key->key, sizeof a->key);
    } else if (open_header(a, ids, h, err) < 0) {
        return -1;
    }
    if (a->file->size < a->payload_at)
        return fail_truncated(err);
    key->payload_at = a->payload_at;
    memcpy(key->key, a->key, sizeof a->key);
    return measure_payload(a, err);
}

struct hf_io_source *hf_age_source_known(struct hf_io_source *file,
                                         const struct hf_age_identities *ids,
                                         struct hf_age_key *key, struct hf_err *err)
{
    struct age_source *a = calloc(1, sizeof *a);
    if (!a) {
        hf_io_source_close(file);
        hf_fail_nomem(err);
        return NULL;
    }
    a->source.ops = &age_ops;
    a->file = file;
    a->number = NO_CHUNK;
    if (open_known(a, ids, key, err) < 0) {
        age_close(&a->source);
        return NULL;
    }
    return &a->source;
}

/* And is its last chunk the last? */
struct hf_io_source *hf_age_source_new(struct hf_io_source *file,
                                       const struct hf_age_identities *ids, struct hf_err *err)
{
    struct hf_age_key key = {0};
    struct hf_io_source *s = hf_age_source_known(file, ids, &key, err);
    struct age_source *a = (struct age_source *)s;
    hf_wipe(&key, sizeof key);
    if (!s || load(a, a->chunks - 1, err) == 0)
        return s;
    age_close(s);
    return NULL;
}

int hf_age_fail_keyless(struct hf_err *err)
{
    hf_fail(err, HF_E_AUTH, "the backed-up data is encrypted, and no key for it is at hand");
    return hf_hint(err, "Set identity-file in the section of the store.");
}
