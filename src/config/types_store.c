/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def for stores: where one is, how its server is known, to whom what it keeps is encrypted.
 */
#include "config/schema.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PIN_HEAD "sha256//"
#define PIN_BASE64 44 /* of 32 bytes, the last of them '=' */
#define RECIPIENT_HEAD "age1"
#define RECIPIENT_CHARS 58 /* behind it */

/* ---- url --------------------------------------------------------------------------------- */

/* "/BUCKET[/PREFIX]" of characters that need no quoting, no part empty or beginning with '.'. */
static bool bucket_is_valid(const char *s)
{
    for (; *s; s++) {
        bool begins_part = *s == '/';
        if (!isalnum((unsigned char)*s) && !strchr("/._~@=+-", *s))
            return false;
        if (begins_part && !isalnum((unsigned char)s[1]) && (!s[1] || strchr("/.", s[1])))
            return false;
    }
    return true;
}

static int file_check(const char *rest, const char *url, struct hf_err *err)
{
    return rest[0] == '/' ? 0 : hf_fail(err, HF_E_CONFIG, "'%s' has no absolute path", url);
}

/* "/" and parts of characters that need no quoting, none of them empty, ".", ".." or "~" (which elsewhere is the home). */
static bool dir_is_valid(const char *s)
{
    for (; *s; s += strcspn(s, "/")) {
        size_t len = strcspn(++s, "/");
        bool is_last = !s[len];
        if ((len == 0 && !is_last) || (len == 1 && (*s == '.' || *s == '~')) ||
            (len == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        for (size_t i = 0; i < len; i++)
            if (!isalnum((unsigned char)s[i]) && !strchr("._~@=+-", s[i]))
                return false;
    }
    return true;
}

/* What stands behind HOST[:PORT]. */
struct place {
    bool (*is_valid)(const char *path);
    const char *what, *rule;
};

static int place_check(const char *rest, const char *url, const struct place *p, struct hf_err *err)
{
    size_t len = strcspn(rest, "/");
    unsigned port = 0;
    HF_AUTOFREE char *host = NULL;
    HF_AUTOFREE char *endpoint = strndup(rest, len);
    if (!endpoint)
        return hf_fail_nomem(err);
    if (hf_config_endpoint_parse(endpoint, url, &host, &port, err) != 0)
        return -1;
    if (rest[len] != '/')
        return hf_fail(err, HF_E_CONFIG, "'%s' names no %s", url, p->what);
    return p->is_valid(rest + len) ? 0 : hf_fail(err, HF_E_CONFIG, "'%s': not %s", url, p->rule);
}

static int s3_check(const char *rest, const char *url, struct hf_err *err)
{
    static const struct place bucket = {bucket_is_valid, "bucket",
                                        "the name of a bucket, or of a prefix"};
    return place_check(rest, url, &bucket, err);
}

static int server_check(const char *rest, const char *url, struct hf_err *err)
{
    static const struct place dir = {dir_is_valid, "directory", "a directory from the root on"};
    return place_check(rest, url, &dir, err);
}

static int sftp_check(const char *rest, const char *url, struct hf_err *err)
{
    size_t len = strcspn(rest, "/@");
    if (len == 0 || rest[len] != '@' || rest[0] == '-' ||
        strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-") != len)
        return hf_fail(err, HF_E_CONFIG, "'%s' names no user", url);
    return server_check(rest + len + 1, url, err);
}

static const struct {
    const char *head;
    int (*check)(const char *rest, const char *url, struct hf_err *err);
} schemes[] = {{"file://", file_check}, {"s3+https://", s3_check}, {"s3+http://", s3_check},
               {"sftp://", sftp_check}, {"davs://", server_check}, {"dav://", server_check}};

static int store_url_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    for (size_t i = 0; i < HF_ARRAY_SIZE(schemes); i++) {
        size_t len = strlen(schemes[i].head);
        if (strncmp(text, schemes[i].head, len) != 0)
            continue;
        if (schemes[i].check(text + len, text, err) != 0)
            return -1;
        *out = strdup(text);
        return *out ? 0 : hf_fail_nomem(err);
    }
    return hf_fail(err, HF_E_CONFIG, "'%s' is not accepted by this version", text);
}

/* ---- pin --------------------------------------------------------------------------------- */

static int pin_parse(const char *text, void *field, struct hf_err *err)
{
    static const char *const base64 =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char **out = field;
    const char *digest = text + strlen(PIN_HEAD);
    if (strncmp(text, PIN_HEAD, strlen(PIN_HEAD)) != 0 || strlen(digest) != PIN_BASE64 ||
        strspn(digest, base64) != PIN_BASE64 - 1 || digest[PIN_BASE64 - 1] != '=')
        return hf_fail(err, HF_E_CONFIG, "'%s' is not the digest of a key", text);
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

/* ---- recipients -------------------------------------------------------------------------- */

static bool recipient_is_valid(const char *s)
{
    static const char *const digits = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t head = strlen(RECIPIENT_HEAD);
    return strncmp(s, RECIPIENT_HEAD, head) == 0 && strlen(s + head) == RECIPIENT_CHARS &&
           strspn(s + head, digits) == RECIPIENT_CHARS;
}

/* A secret key in the wrong place is not repeated in a message. */
static int recipients_parse(const char *text, void *field, struct hf_err *err)
{
    if (strcasestr(text, "AGE-SECRET-KEY"))
        return hf_fail(err, HF_E_CONFIG, "a secret key stands where public keys belong");
    return hf_config_names_parse(text, recipient_is_valid, "a public key of age", field, err);
}

const struct hf_type hf_type_STORE_URL = {
    .name = "url",
    .expects = "s3+https://HOST[:PORT]/BUCKET[/PREFIX], sftp://USER@HOST[:PORT]/DIR, "
               "davs://HOST[:PORT]/DIR, s3+http://…, dav://… or file:///DIR",
    .parse = store_url_parse,
    .clear = hf_config_text_clear};
const struct hf_type hf_type_PIN = {
    .name = "pin",
    .expects = "sha256// and the SHA-256 of the server's public key in base64, 44 characters",
    .parse = pin_parse,
    .clear = hf_config_text_clear};
const struct hf_type hf_type_RECIPIENTS = {
    .name = "keys",
    .expects = "public keys of age, separated by commas: age1 and 58 more characters each",
    .parse = recipients_parse,
    .clear = hf_config_list_clear};
