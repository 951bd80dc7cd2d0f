/* SPDX-License-Identifier: Apache-2.0 */
#include "io/age_header.h"

#include <sodium.h>
#include <string.h>

#define INTRO "age-encryption.org/v1\n"
#define COLUMNS 64
#define B64 sodium_base64_VARIANT_ORIGINAL_NO_PADDING
#define B64_32 43 /* characters for 32 bytes */

void hf_age_hkdf(const void *ikm, size_t ikm_len, const void *salt, size_t salt_len,
                 const char *info, unsigned char out[32])
{
    unsigned char prk[32];
    static const unsigned char one = 1;
    crypto_auth_hmacsha256_state st;
    crypto_auth_hmacsha256_init(&st, salt, salt_len);
    crypto_auth_hmacsha256_update(&st, ikm, ikm_len);
    crypto_auth_hmacsha256_final(&st, prk);
    crypto_auth_hmacsha256_init(&st, prk, sizeof prk);
    crypto_auth_hmacsha256_update(&st, (const unsigned char *)info, strlen(info));
    crypto_auth_hmacsha256_update(&st, &one, 1);
    crypto_auth_hmacsha256_final(&st, out);
    hf_wipe(prk, sizeof prk);
    hf_wipe(&st, sizeof st);
}

/* ---- reading ---------------------------------------------------------------------------- */

struct text {
    const char *at, *end;
};

static int fail_header(const char *why, struct hf_err *err)
{
    return hf_fail(err, HF_E_CORRUPT, "its age header is damaged: %s", why);
}

/* The next line without its end. */
static int next_line(struct text *t, struct text *line, struct hf_err *err)
{
    const char *newline = memchr(t->at, '\n', (size_t)(t->end - t->at));
    if (!newline)
        return fail_header("it does not end", err);
    *line = (struct text){t->at, newline};
    t->at = newline + 1;
    return 0;
}

static size_t left(const struct text *t)
{
    return (size_t)(t->end - t->at);
}

/* Exactly 32 bytes in the one way they can be written. */
static int parse_32(const struct text *t, unsigned char out[32])
{
    size_t n = 0;
    return left(t) == B64_32 &&
                   sodium_base642bin(out, 32, t->at, left(t), NULL, &n, NULL, B64) == 0 && n == 32
               ? 0
               : -1;
}

static bool starts_with(const struct text *t, const char *s)
{
    return left(t) >= strlen(s) && memcmp(t->at, s, strlen(s)) == 0;
}

/* "-> TYPE ARGUMENT…": at least one, none empty, of visible ASCII. */
static int check_arguments(const struct text *line, struct hf_err *err)
{
    const char *word = line->at + 3;
    for (const char *p = word; p <= line->end; p++) {
        if (p == line->end || *p == ' ') {
            if (p == word)
                return fail_header("an empty word in a stanza", err);
            word = p + 1;
        } else if (*p < 33 || *p > 126) {
            return fail_header("an odd character in a stanza", err);
        }
    }
    return 0;
}

/* Full lines of base64, and a last one that is shorter; the last is *body when it is the only one. */
static int parse_body(struct text *t, struct text *body, size_t *lines, struct hf_err *err)
{
    unsigned char raw[COLUMNS];
    *lines = 0;
    do {
        size_t n = 0;
        if (next_line(t, body, err) < 0)
            return -1;
        if (left(body) > COLUMNS ||
            sodium_base642bin(raw, sizeof raw, body->at, left(body), NULL, &n, NULL, B64) != 0)
            return fail_header("the body of a stanza is no base64", err);
        ++*lines;
    } while (left(body) == COLUMNS);
    return 0;
}

static int parse_stanza(struct text *t, struct hf_age_header *out, struct hf_err *err)
{
    static const char kind[] = "-> X25519 ";
    struct text line = {0}, body = {0};
    size_t lines = 0;
    if (next_line(t, &line, err) < 0 || check_arguments(&line, err) < 0 ||
        parse_body(t, &body, &lines, err) < 0)
        return -1;
    if (!starts_with(&line, kind))
        return 0;
    if (out->n == HF_AGE_STANZAS_MAX)
        return fail_header("too many recipients", err);
    struct hf_age_stanza *s = &out->stanza[out->n];
    line.at += strlen(kind);
    if (parse_32(&line, s->share) < 0 || lines != 1 || parse_32(&body, s->wrapped) < 0)
        return fail_header("a stanza for X25519 has another form", err);
    out->n++;
    return 0;
}

int hf_age_header_parse(const char *data, size_t len, struct hf_age_header *out, struct hf_err *err)
{
    struct text t = {data, data + (len < HF_AGE_HEADER_MAX ? len : HF_AGE_HEADER_MAX)};
    struct text line = {0};
    out->n = 0;
    if (!starts_with(&t, INTRO))
        return hf_fail(err, HF_E_CORRUPT, "it is not a file in the age format");
    t.at += strlen(INTRO);
    size_t stanzas = 0;
    for (; starts_with(&t, "-> "); stanzas++)
        if (parse_stanza(&t, out, err) < 0)
            return -1;
    if (stanzas == 0)
        return fail_header("no recipient", err);
    if (!starts_with(&t, "--- "))
        return fail_header(left(&t) < 4 ? "it does not end" : "neither stanza nor end", err);
    out->maced_len = (size_t)(t.at - data) + 3;
    if (next_line(&t, &line, err) < 0)
        return -1;
    line.at += 4;
    if (parse_32(&line, out->mac) < 0)
        return fail_header("its MAC has another form", err);
    out->len = (size_t)(t.at - data);
    return 0;
}

/* ---- wrapping the file key -------------------------------------------------------------- */

/* The key that wraps the file key, from the shared secret; -1: a point of low order. */
static int wrap_key(const unsigned char mine[HF_AGE_KEY], const unsigned char other[HF_AGE_KEY],
                    const unsigned char share[HF_AGE_KEY],
                    const unsigned char recipient[HF_AGE_KEY], unsigned char out[32])
{
    unsigned char shared[32], salt[64];
    memcpy(salt, share, 32);
    memcpy(salt + 32, recipient, 32);
    int rc = crypto_scalarmult_curve25519(shared, mine, other);
    hf_age_hkdf(shared, sizeof shared, salt, sizeof salt, "age-encryption.org/v1/X25519", out);
    hf_wipe(shared, sizeof shared);
    return rc;
}

static const unsigned char no_nonce[12];

static int wrap(const unsigned char recipient[HF_AGE_KEY],
                const unsigned char file_key[HF_AGE_FILE_KEY], struct hf_age_stanza *out)
{
    unsigned char secret[32], key[32];
    randombytes_buf(secret, sizeof secret);
    int rc = crypto_scalarmult_curve25519_base(out->share, secret) == 0 &&
                     wrap_key(secret, recipient, out->share, recipient, key) == 0
                 ? 0
                 : -1;
    crypto_aead_chacha20poly1305_ietf_encrypt(out->wrapped, NULL, file_key, HF_AGE_FILE_KEY, NULL,
                                              0, NULL, no_nonce, key);
    hf_wipe(secret, sizeof secret);
    hf_wipe(key, sizeof key);
    return rc;
}

static int unwrap(const struct hf_age_stanza *s, const unsigned char identity[HF_AGE_KEY],
                  unsigned char out[HF_AGE_FILE_KEY])
{
    unsigned char recipient[32], key[32];
    int rc = crypto_scalarmult_curve25519_base(recipient, identity) == 0 &&
                     wrap_key(identity, s->share, s->share, recipient, key) == 0 &&
                     crypto_aead_chacha20poly1305_ietf_decrypt(
                         out, NULL, NULL, s->wrapped, HF_AGE_WRAPPED, NULL, 0, no_nonce, key) == 0
                 ? 0
                 : -1;
    hf_wipe(key, sizeof key);
    return rc;
}

static void mac_of(const unsigned char file_key[HF_AGE_FILE_KEY], const char *text, size_t len,
                   unsigned char out[HF_AGE_MAC])
{
    unsigned char key[32];
    hf_age_hkdf(file_key, HF_AGE_FILE_KEY, "", 0, "header", key);
    crypto_auth_hmacsha256(out, (const unsigned char *)text, len, key);
    hf_wipe(key, sizeof key);
}

static void add_32(struct hf_buf *out, const unsigned char data[32])
{
    char text[B64_32 + 1];
    hf_buf_str_add(out, sodium_bin2base64(text, sizeof text, data, 32, B64));
}

int hf_age_header_write(const struct hf_age_recipients *to,
                        const unsigned char file_key[HF_AGE_FILE_KEY], struct hf_buf *out,
                        struct hf_err *err)
{
    struct hf_age_stanza s;
    unsigned char mac[HF_AGE_MAC];
    hf_buf_str_add(out, INTRO);
    for (size_t i = 0; i < to->n; i++) {
        if (wrap(to->key[i], file_key, &s) < 0)
            return hf_fail(err, HF_E_CONFIG, "recipient %zu is no usable key", i + 1);
        hf_buf_str_add(out, "-> X25519 ");
        add_32(out, s.share);
        hf_buf_str_add(out, "\n");
        add_32(out, s.wrapped);
        hf_buf_str_add(out, "\n");
    }
    hf_buf_str_add(out, "---");
    if (!hf_buf_ok(out))
        return hf_fail_nomem(err);
    mac_of(file_key, out->data, out->len, mac);
    hf_buf_str_add(out, " ");
    add_32(out, mac);
    hf_buf_str_add(out, "\n");
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int hf_age_header_open(const struct hf_age_header *h, const char *text,
                       const struct hf_age_identities *ids, unsigned char out[HF_AGE_FILE_KEY],
                       struct hf_err *err)
{
    unsigned char mac[HF_AGE_MAC];
    for (size_t i = 0; i < h->n; i++)
        for (size_t k = 0; k < hf_age_identities_n(ids); k++) {
            if (unwrap(&h->stanza[i], hf_age_identities_reveal(ids, k), out) < 0)
                continue;
            mac_of(out, text, h->maced_len, mac);
            return sodium_memcmp(mac, h->mac, sizeof mac) == 0
                       ? 0
                       : fail_header("its MAC is wrong", err);
        }
    hf_fail(err, HF_E_AUTH, "none of the %zu keys at hand opens it (it has %zu recipients)",
            hf_age_identities_n(ids), h->n);
    return hf_hint(err, "Is identity-file another key than one of those it was encrypted to?");
}
