/* SPDX-License-Identifier: Apache-2.0 */
#include "net/urlcode.h"
#include "store/address.h"
#include "store/s3/s3_intern.h"

#include <string.h>

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
        hf_url_encode(&url, s->prefix, true);
        hf_url_encode(&url, name, true);
    }
    if (n > 0) {
        memcpy(sorted, params, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_name);
    }
    for (size_t i = 0; i < n; i++) {
        hf_buf_str_add(&url, i ? "&" : "?");
        hf_url_encode(&url, sorted[i].name, false);
        hf_buf_str_add(&url, "=");
        hf_url_encode(&url, sorted[i].value, false);
    }
    return hf_buf_steal(&url);
}

/* ---- the store's address ---------------------------------------------------------------- */

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
    if (!hf_store_host_is_valid(at))
        return hf_fail(err, HF_E_CONFIG, "this is no HOST[:PORT]; keys are options of their own");
    if (!is_bucket(s->bucket))
        return hf_fail(err, HF_E_CONFIG, "'%.80s' is no name of a bucket", s->bucket);
    s->origin = hf_asprintf("%s://%s", scheme, at);
    return s->origin ? set_prefix(s, *end ? end + 1 : end, err) : hf_fail_nomem(err);
}
