/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3/s3_intern.h"

#include <ctype.h>
#include <string.h>

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~", c));
}

/* Once, upper-case hex, and nothing that needs it not: libcurl signs it as it stands, the store as it should be. */
static void encode(struct hf_buf *out, const char *text, bool is_path)
{
    for (; *text; text++) {
        if (is_plain(*text) || (is_path && *text == '/'))
            hf_buf_add(out, text, 1);
        else
            hf_buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct hf_s3_param *)a)->name, ((const struct hf_s3_param *)b)->name);
}

char *hf_s3_url(const struct hf_s3 *s, const char *name, const struct hf_s3_param *params, size_t n)
{
    struct hf_s3_param sorted[HF_S3_PARAMS_MAX];
    HF_AUTO(hf_buf) struct hf_buf url = HF_BUF_INIT;
    if (n > HF_S3_PARAMS_MAX)
        return NULL;
    hf_buf_printf(&url, "%s/%s", s->origin, s->bucket);
    if (name) {
        hf_buf_str_add(&url, "/");
        encode(&url, s->prefix, true);
        encode(&url, name, true);
    }
    if (n > 0) {
        memcpy(sorted, params, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_name);
    }
    for (size_t i = 0; i < n; i++) {
        hf_buf_str_add(&url, i ? "&" : "?");
        encode(&url, sorted[i].name, false);
        hf_buf_str_add(&url, "=");
        encode(&url, sorted[i].value, false);
    }
    return hf_buf_steal(&url);
}

static int digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10
                                        : -1;
}

int hf_s3_url_decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        char c = *p == '+' ? ' ' : *p;
        if (c == '%') {
            int high = digit(p[1]), low = high < 0 ? -1 : digit(p[2]);
            if (low < 0 || (high == 0 && low == 0))
                return -1;
            c = (char)(high << 4 | low);
            p += 2;
        }
        *to++ = c;
    }
    *to = '\0';
    return 0;
}

/* ---- the store's address ---------------------------------------------------------------- */

static bool is_host(const char *host)
{
    size_t len = strcspn(host, ":");
    const char *port = host + len;
    if (host[0] == '[') { /* IPv6 */
        len = strspn(host + 1, "0123456789abcdefABCDEF:.") + 1;
        if (host[len] != ']')
            return false;
        port = host + len + 1;
    } else if (len == 0 ||
               strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
                   len) {
        return false;
    }
    size_t digits = *port == ':' ? strspn(port + 1, "0123456789") : 0;
    return !*port || (digits > 0 && digits < 6 && !port[1 + digits]);
}

static bool is_bucket(const char *b)
{
    size_t len = strlen(b);
    return len >= 3 && len <= 63 && b[0] != '.' && b[0] != '-' && !strstr(b, "..") &&
           strspn(b, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

static int set_prefix(struct hf_s3 *s, const char *prefix, struct hf_err *err)
{
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/')
        len--;
    HF_AUTOFREE char *bare = strndup(prefix, len);
    if (!bare)
        return hf_fail_nomem(err);
    if (len > HF_STORE_PART_MAX / 2 || (len > 0 && !hf_store_name_is_valid(bare)))
        return hf_fail(err, HF_E_CONFIG,
                       "'%.100s' is no prefix: letters, digits and '._~@=+-', 100 bytes", bare);
    s->prefix = hf_asprintf("%s%s", bare, len ? "/" : "");
    return s->prefix ? 0 : hf_fail_nomem(err);
}

int hf_s3_url_parse(struct hf_s3 *s, const char *url, struct hf_err *err)
{
    const char *scheme = strncmp(url, "s3+https://", 11) == 0 ? "https" : "http";
    const char *host = strstr(url, "://");
    const char *slash = host ? strchr(host + 3, '/') : NULL;
    const char *end = slash ? strchrnul(slash + 1, '/') : NULL;
    if (!slash)
        return hf_fail(err, HF_E_CONFIG,
                       "a store's address is s3+https://HOST[:PORT]/BUCKET[/PREFIX]");
    HF_AUTOFREE char *at = strndup(host + 3, (size_t)(slash - host) - 3);
    s->bucket = strndup(slash + 1, (size_t)(end - slash) - 1);
    if (!at || !s->bucket)
        return hf_fail_nomem(err);
    if (!is_host(at))
        return hf_fail(err, HF_E_CONFIG, "this is no HOST[:PORT]; keys are options of their own");
    if (!is_bucket(s->bucket))
        return hf_fail(err, HF_E_CONFIG, "'%.80s' is no name of a bucket", s->bucket);
    s->origin = hf_asprintf("%s://%s", scheme, at);
    return s->origin ? set_prefix(s, *end ? end + 1 : end, err) : hf_fail_nomem(err);
}
