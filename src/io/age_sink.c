/* SPDX-License-Identifier: Apache-2.0 */
#include "io/age.h"
#include "io/age_stream.h"

#include <sodium.h>
#include <string.h>

struct age {
    struct hf_io_sink sink, *next;
    unsigned char key[32];
    uint64_t number; /* of the chunk in `plain` */
    size_t have;
    unsigned char plain[HF_AGE_CHUNK], sealed[HF_AGE_SEALED_CHUNK];
};

static int seal(struct age *a, const void *plain, size_t len, bool is_last, struct hf_err *err)
{
    if (hf_age_chunk_seal(a->key, a->number++, is_last, plain, len, a->sealed, err) < 0)
        return -1;
    return hf_io_write(a->next, a->sealed, len + HF_AGE_TAG, err);
}

static int flush(struct age *a, bool is_last, struct hf_err *err)
{
    size_t len = a->have;
    a->have = 0;
    return seal(a, a->plain, len, is_last, err);
}

/* A full chunk waits for one more byte: it may be the last. */
static int age_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct age *a = (struct age *)s;
    for (const char *p = data; len > 0;) {
        if (a->have == HF_AGE_CHUNK && flush(a, false, err) < 0)
            return -1;
        for (; a->have == 0 && len > HF_AGE_CHUNK; p += HF_AGE_CHUNK, len -= HF_AGE_CHUNK)
            if (seal(a, p, HF_AGE_CHUNK, false, err) < 0)
                return -1;
        size_t n = HF_AGE_CHUNK - a->have < len ? HF_AGE_CHUNK - a->have : len;
        memcpy(a->plain + a->have, p, n);
        a->have += n;
        p += n;
        len -= n;
    }
    return 0;
}

static int age_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct age *a = (struct age *)s;
    return flush(a, true, err) < 0 ? -1 : hf_io_finish(a->next, err);
}

static void age_close(struct hf_io_sink *s)
{
    struct age *a = (struct age *)s;
    hf_io_close(a->next);
    hf_wipe(a, sizeof *a);
    free(a);
}

static const struct hf_io_sink_ops age_ops = {age_write, age_finish, age_close};

static int begin(struct age *a, const struct hf_age_recipients *to, struct hf_err *err)
{
    unsigned char file_key[HF_AGE_FILE_KEY], nonce[HF_AGE_NONCE];
    HF_AUTO(hf_buf) struct hf_buf header = HF_BUF_INIT;
    if (sodium_init() < 0)
        return hf_fail(err, HF_E_INTERNAL, "libsodium does not start");
    if (to->n == 0)
        return hf_fail(err, HF_E_CONFIG, "no recipient to encrypt to");
    randombytes_buf(file_key, sizeof file_key);
    randombytes_buf(nonce, sizeof nonce);
    hf_age_payload_key(file_key, nonce, a->key);
    int rc = hf_age_header_write(to, file_key, &header, err);
    hf_wipe(file_key, sizeof file_key);
    if (rc < 0)
        return -1;
    hf_buf_add(&header, nonce, sizeof nonce);
    if (!hf_buf_ok(&header))
        return hf_fail_nomem(err);
    return hf_io_write(a->next, header.data, header.len, err);
}

struct hf_io_sink *hf_age_sink_new(const struct hf_age_recipients *to, struct hf_io_sink *next,
                                   struct hf_err *err)
{
    struct age *a = calloc(1, sizeof *a);
    if (!a) {
        hf_io_close(next);
        hf_fail_nomem(err);
        return NULL;
    }
    a->sink.ops = &age_ops;
    a->next = next;
    if (begin(a, to, err) < 0) {
        age_close(&a->sink);
        return NULL;
    }
    return &a->sink;
}
