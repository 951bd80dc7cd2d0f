/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"
#include "store/s3/s3_intern.h"
#include "store/tries.h"

#include <string.h>

static void keep_headers(const struct hf_s3_request *r, const char *sha, const char **out)
{
    int n = 0;
    out[n++] = sha;
    if (r->body || strcmp(r->method, "POST") == 0)
        out[n++] = "Content-Type: application/octet-stream";
    for (size_t i = 0; i < HF_ARRAY_SIZE(r->headers) && r->headers[i]; i++)
        out[n++] = r->headers[i];
    out[n] = NULL;
}

/* HEAD has no body to say why: the same as a GET of one byte has. */
static int ask_again(struct hf_s3 *s, const struct hf_http_request *head,
                     struct hf_http_answer *out, struct hf_err *err)
{
    char byte[1];
    struct hf_http_request get = *head;
    get.method = "GET";
    get.range = "0-0";
    get.into = byte;
    get.into_len = sizeof byte;
    if (hf_http_run(s->http, &get, out, err) < 0)
        return -1;
    if (out->status / 100 != 2)
        return 0;
    hf_fail(err, HF_E_UNREACHABLE, "the store contradicts itself");
    err->retryable = true;
    return -1;
}

/* Not what a foreign server says in HTML, and not that the whole bucket is gone. */
static bool is_gone(const struct hf_http_answer *a)
{
    char code[64];
    hf_s3_code(a, code, sizeof code);
    return a->status == 404 && (a->body.len == 0 || (code[0] && strcmp(code, "NoSuchBucket") != 0));
}

static int try_once(struct hf_s3 *s, const struct hf_s3_request *r,
                    const struct hf_http_request *http, struct hf_http_answer *out,
                    struct hf_err *err)
{
    if (hf_http_run(s->http, http, out, err) < 0)
        return -1;
    bool is_head = strcmp(http->method, "HEAD") == 0;
    if (is_head && out->status / 100 == 4 && ask_again(s, http, out, err) < 0)
        return -1;
    if (out->status / 100 == 2)
        return r->judge ? r->judge(r->ctx, out, err) : 0;
    if (r->is_gone_fine && is_gone(out))
        return 0;
    return hf_s3_fail(s, out, err);
}

static int try_all(struct hf_s3 *s, const struct hf_s3_request *r, struct hf_http_request *http,
                   struct hf_http_answer *out, struct hf_err *err)
{
    struct hf_tries tries;
    http->cancel = r->cancel ? r->cancel : s->cancel;
    hf_tries_begin(&tries, &s->store, s->clock, http->cancel, r->body_len + r->into_len, r->once);
    for (;;) {
        struct hf_err one = HF_ERR_INIT;
        http->timeout_ms = hf_tries_timeout_ms(&tries);
        if (try_once(s, r, http, out, &one) == 0)
            return 0;
        if (hf_tries_again(&tries, &one, out, err) < 0)
            return -1;
    }
}

/* Said here, for the store would say that the secret is wrong. */
static int check_plus(const struct hf_s3_request *r, struct hf_err *err)
{
    for (size_t i = 0; i < r->n_params; i++)
        if (strchr(r->params[i].value, '+') && !hf_http_signs_plus(0)) {
            hf_fail(err, HF_E_UNSUPPORTED,
                    "libcurl 8.14 to 8.18 cannot sign the '+' in parameter %s", r->params[i].name);
            return hf_hint(err,
                           "Take another version of libcurl, or a prefix and names without a '+'.");
        }
    return 0;
}

int hf_s3_call(struct hf_s3 *s, const struct hf_s3_request *r, struct hf_http_answer *out,
               struct hf_err *err)
{
    unsigned char sum[HF_S3_SHA256_BYTES];
    char hex[2 * sizeof sum + 1], sha[128];
    const char *headers[HF_ARRAY_SIZE(r->headers) + 3];
    HF_AUTOFREE char *url = hf_s3_url(s, r->name, r->params, r->n_params);
    if (!url)
        return hf_fail_nomem(err);
    if (check_plus(r, err) < 0)
        return -1;
    if (!r->sha256) {
        if (hf_s3_sha256(r->body ? r->body : "", r->body_len, sum, err) < 0)
            return -1;
        hf_hex(sum, sizeof sum, hex);
    }
    /* On each request, body or not: libcurl before 8.0 signs it, but adds none. */
    snprintf(sha, sizeof sha, "x-amz-content-sha256: %s", r->sha256 ? r->sha256 : hex);
    keep_headers(r, sha, headers);
    struct hf_http_request http = {
        .method = r->method,
        .url = url,
        .headers = headers,
        .range = r->range,
        .body = r->body,
        .body_len = r->body_len,
        .sigv4 = s->sigv4,
        .user = s->access_key,
        .secret = s->secret,
        .into = r->into,
        .into_len = r->into_len,
        .answer_max = r->answer_max,
    };
    return try_all(s, r, &http, out, err);
}
