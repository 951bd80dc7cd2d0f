/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "io/age.h"
#include "io/bech32.h"

#include <sodium.h>
#include <string.h>

#define FILE_MAX ((size_t)64 << 10)
#define RECIPIENT "age"
#define IDENTITY "age-secret-key-"

struct hf_age_identities {
    size_t n;
    unsigned char key[HF_AGE_IDENTITIES_MAX][HF_AGE_KEY];
};

int hf_age_recipients_add(struct hf_age_recipients *r, const char *text, struct hf_err *err)
{
    unsigned char key[HF_AGE_KEY];
    if (strncmp(text, "AGE-SECRET-KEY-", 15) == 0) {
        hf_fail(err, HF_E_CONFIG, "a secret key stands where a recipient is wanted");
        return hf_hint(err, "Print its recipient with: age-keygen -y FILE");
    }
    if (hf_bech32_decode(RECIPIENT, false, text, strlen(text), key) < 0)
        return hf_fail(err, HF_E_CONFIG, "'%.80s' is not an age recipient (age1…)", text);
    for (size_t i = 0; i < r->n; i++)
        if (memcmp(r->key[i], key, sizeof key) == 0)
            return 0;
    if (r->n == HF_AGE_RECIPIENTS_MAX)
        return hf_fail(err, HF_E_CONFIG, "more than %d recipients", HF_AGE_RECIPIENTS_MAX);
    memcpy(r->key[r->n++], key, sizeof key);
    return 0;
}

static struct hf_age_identities *identities_new(struct hf_err *err)
{
    struct hf_age_identities *ids = sodium_init() >= 0 ? calloc(1, sizeof *ids) : NULL;
    if (!ids)
        hf_fail_nomem(err);
    return ids;
}

struct hf_age_identities *hf_age_identities_generate(struct hf_err *err)
{
    struct hf_age_identities *ids = identities_new(err);
    if (ids)
        randombytes_buf(ids->key[ids->n++], HF_AGE_KEY);
    return ids;
}

void hf_age_identities_free(struct hf_age_identities *ids)
{
    if (!ids)
        return;
    hf_wipe(ids, sizeof *ids);
    free(ids);
}

/* ---- an identity file ------------------------------------------------------------------- */

/* What was read of it; wiped with the scope. */
struct raw {
    size_t len;
    char text[FILE_MAX + 1];
};

static void raw_free(struct raw *r)
{
    hf_wipe(r, sizeof *r);
    free(r);
}
HF_DEFINE_AUTO(raw, raw_free)

static struct raw *read_raw(const char *path, struct hf_err *err)
{
    HF_AUTOFD int fd = hf_path_open_private(path, err);
    if (fd < 0)
        return NULL;
    HF_AUTO(raw) struct raw *r = calloc(1, sizeof *r);
    if (!r) {
        hf_fail_nomem(err);
        return NULL;
    }
    for (ssize_t n = 1; n != 0 && r->len<sizeof r->text; r->len += n> 0 ? (size_t)n : 0) {
        n = read(fd, r->text + r->len, sizeof r->text - r->len);
        if (n < 0 && errno != EINTR) {
            hf_fail_sys(err, errno, "read failed");
            return NULL;
        }
    }
    if (r->len <= FILE_MAX)
        return HF_STEAL(r);
    hf_fail(err, HF_E_CONFIG, "longer than %zu bytes: no file of keys", FILE_MAX);
    return NULL;
}

/* number: for the message, which never quotes the line. */
static int add_line(struct hf_age_identities *ids, const char *line, size_t len, unsigned number,
                    struct hf_err *err)
{
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
        len--;
    if (len == 0 || line[0] == '#')
        return 0;
    if (ids->n == HF_AGE_IDENTITIES_MAX)
        return hf_fail(err, HF_E_CONFIG, "more than %d keys", HF_AGE_IDENTITIES_MAX);
    if (hf_bech32_decode(IDENTITY, true, line, len, ids->key[ids->n]) < 0)
        return hf_fail(err, HF_E_CONFIG, "line %u is not an age key (AGE-SECRET-KEY-1…)", number);
    ids->n++;
    return 0;
}

static int add_lines(struct hf_age_identities *ids, const struct raw *r, struct hf_err *err)
{
    const char *end = r->text + r->len;
    unsigned number = 1;
    for (const char *line = r->text; line < end; number++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *stop = newline ? newline : end;
        if (add_line(ids, line, (size_t)(stop - line), number, err) < 0)
            return -1;
        line = newline ? newline + 1 : end;
    }
    return ids->n ? 0 : hf_fail(err, HF_E_CONFIG, "no key in it");
}

struct hf_age_identities *hf_age_identities_read(const char *path, struct hf_err *err)
{
    HF_AUTO(raw) struct raw *r = read_raw(path, err);
    HF_AUTO(hf_age_identities) struct hf_age_identities *ids = r ? identities_new(err) : NULL;
    if (!ids || add_lines(ids, r, err) < 0) {
        hf_wrap(err, "key file '%s'", path);
        return NULL;
    }
    return HF_STEAL(ids);
}

/* ---- what they are asked for ------------------------------------------------------------ */

size_t hf_age_identities_n(const struct hf_age_identities *ids)
{
    return ids->n;
}

int hf_age_identities_join(struct hf_age_identities *ids, const struct hf_age_identities *more,
                           struct hf_err *err)
{
    if (more->n > HF_AGE_IDENTITIES_MAX - ids->n)
        return hf_fail(err, HF_E_CONFIG, "more than %d keys", HF_AGE_IDENTITIES_MAX);
    memcpy(ids->key[ids->n], more->key, more->n * HF_AGE_KEY);
    ids->n += more->n;
    return 0;
}

void hf_age_identities_recipient(const struct hf_age_identities *ids, size_t i,
                                 char out[HF_AGE_TEXT_MAX])
{
    unsigned char key[HF_AGE_KEY] = {0};
    (void)crypto_scalarmult_curve25519_base(key, ids->key[i]);
    hf_bech32_encode(RECIPIENT, false, key, out);
}

struct hf_secret *hf_age_identities_text(const struct hf_age_identities *ids, size_t i)
{
    char text[HF_AGE_TEXT_MAX];
    hf_bech32_encode(IDENTITY, true, ids->key[i], text);
    struct hf_secret *s = hf_secret_new(text, strlen(text));
    hf_wipe(text, sizeof text);
    return s;
}

const unsigned char *hf_age_identities_reveal(const struct hf_age_identities *ids, size_t i)
{
    return ids->key[i];
}
