/* SPDX-License-Identifier: Apache-2.0 */
#include "net/urlcode.h"
#include "store/dav/dav_intern.h"
#include "store/tries.h"

#include <ctype.h>
#include <string.h>

static const struct {
    long least, most;
    enum hf_err_class cls;
    bool is_passing;
    const char *message, *hint;
} statuses[] = {
    {202, 202, HF_E_UNSUPPORTED, false, "the server has taken the request, and not done it yet",
     NULL},
    {207, 207, HF_E_UNREACHABLE, true, "the server has failed at a part of it", NULL},
    {300, 399, HF_E_CONFIG, false, "the server sends us somewhere else",
     "Look at the store's address: redirects are not followed."},
    {401, 401, HF_E_AUTH, false, "the server does not accept the login",
     "Look at user and password-file; Basic is the login that is spoken here."},
    {403, 403, HF_E_AUTH, false, "the server denies it",
     "The account needs the right to list the folder, and to read, write, move and delete in it."},
    {404, 404, HF_E_NOT_FOUND, false, "no such object", NULL},
    {405, 405, HF_E_UNSUPPORTED, false, "the server takes no such request there",
     "Look whether WebDAV is switched on at this address, and writing allowed."},
    {408, 408, HF_E_TIMEOUT, true, "the server waited too long", NULL},
    {409, 409, HF_E_NOT_FOUND, false, "its folder is not there", NULL},
    {411, 411, HF_E_UNSUPPORTED, false, "the server, or a proxy, takes no body of unknown length",
     NULL},
    {412, 412, HF_E_CONFLICT, false, "it exists already", NULL},
    {413, 413, HF_E_NOSPACE, false, "the server, or a proxy, takes no body of this size",
     "Raise its limit (client_max_body_size, LimitRequestBody)."},
    {416, 416, HF_E_CORRUPT, false, "it is shorter than what was asked for: truncated", NULL},
    {423, 423, HF_E_BUSY, true, "somebody has locked it", NULL},
    {425, 425, HF_E_UNREACHABLE, true, "the server cannot serve us now", NULL},
    {429, 429, HF_E_UNREACHABLE, true, "the server asks for a slower pace", NULL},
    {501, 501, HF_E_UNSUPPORTED, false, "the server does not know this request",
     "Look whether WebDAV is switched on at this address."},
    {507, 507, HF_E_NOSPACE, false, "the server is full, or the account's quota is",
     "Raise the quota, delete old points, or take another store."},
    {500, 599, HF_E_UNREACHABLE, true, "the server is in trouble", NULL},
};

int hf_dav_fail(const struct hf_dav *s, const struct hf_http_answer *a, struct hf_err *err)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(statuses); i++) {
        if (a->status < statuses[i].least || a->status > statuses[i].most)
            continue;
        hf_fail(err, statuses[i].cls, "%s (%ld)", statuses[i].message, a->status);
        err->retryable = statuses[i].is_passing;
        if (a->status == 401 && !s->user)
            return hf_hint(err, "Set user and password-file.");
        return statuses[i].hint ? hf_hint(err, "%s", statuses[i].hint) : -1;
    }
    return hf_fail(err, HF_E_UNSUPPORTED, "the server answers %ld", a->status);
}

bool hf_dav_is_done(const char *method, long status)
{
    bool is_partial = status == 207 && strcmp(method, "PROPFIND") != 0;
    return status / 100 == 2 && status != 202 && !is_partial;
}

char *hf_dav_url(const struct hf_dav *s, const char *name, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf url = HF_BUF_INIT;
    hf_buf_str_add(&url, s->origin);
    hf_url_encode(&url, s->root, true);
    hf_buf_str_add(&url, "/");
    hf_url_encode(&url, name, true);
    char *text = hf_buf_steal(&url);
    if (!text)
        hf_fail_nomem(err);
    return text;
}

static int try_once(struct hf_dav *s, const struct hf_dav_request *r,
                    const struct hf_http_request *http, struct hf_http_answer *out,
                    struct hf_err *err)
{
    if (hf_http_run(s->http, http, out, err) < 0)
        return -1;
    if (hf_dav_is_done(r->method, out->status))
        return r->judge ? r->judge(r->ctx, out, err) : 0;
    if (r->is_gone_fine && out->status == 404)
        return 0;
    int rc = r->otherwise ? r->otherwise(r->ctx, out, err) : 0;
    return rc > 0 ? 0 : rc < 0 ? -1 : hf_dav_fail(s, out, err);
}

static int try_all(struct hf_dav *s, const struct hf_dav_request *r, struct hf_http_request *http,
                   struct hf_http_answer *out, struct hf_err *err)
{
    struct hf_tries tries;
    hf_tries_begin(&tries, &s->store, s->clock, http->cancel, r->body_len + r->into_len, r->once);
    for (;;) {
        struct hf_err one = HF_ERR_INIT;
        http->timeout_ms = hf_tries_timeout_ms(&tries);
        if (try_once(s, r, http, out, &one) == 0)
            return 0;
        if (hf_tries_again(&tries, &one, out, err) < 0)
            return -1;
        int rc = r->again ? r->again(r->ctx, err) : 0;
        if (rc != 0)
            return rc > 0 ? 0 : -1;
    }
}

int hf_dav_call(struct hf_dav *s, const struct hf_dav_request *r, struct hf_http_answer *out,
                struct hf_err *err)
{
    const char *headers[HF_ARRAY_SIZE(r->headers) + 1] = {NULL};
    HF_AUTOFREE char *url = hf_dav_url(s, r->name, err);
    if (!url)
        return -1;
    for (size_t i = 0; i < HF_ARRAY_SIZE(r->headers) && r->headers[i]; i++)
        headers[i] = r->headers[i];
    struct hf_http_request http = {
        .method = r->method,
        .url = url,
        .headers = headers,
        .range = r->range,
        .body = r->body,
        .body_len = r->body_len,
        .user = s->user,
        .secret = s->secret,
        .into = r->into,
        .into_len = r->into_len,
        .answer_max = r->answer_max,
        .is_single = r->is_single,
        .cancel = r->cancel ? r->cancel : s->cancel,
    };
    return try_all(s, r, &http, out, err);
}

static int ignore(void *ctx, const struct hf_dav_entry *e, struct hf_err *err)
{
    (void)ctx, (void)e, (void)err;
    return 0;
}

int hf_dav_check_root(struct hf_dav *s, struct hf_err *err)
{
    const struct hf_dav_finder f = {.emit = ignore};
    struct hf_err odd = HF_ERR_INIT;
    if (hf_dav_find(s, "", "0", &f, &odd) == 0)
        return 0;
    if (odd.cls != HF_E_NOT_FOUND) {
        hf_err_copy(err, &odd);
        return -1;
    }
    hf_fail(err, HF_E_UNREACHABLE, "there is no folder '%s' on the server",
            s->root[0] ? s->root : "/");
    return hf_hint(err, "Create it there, or look at the store's address.");
}

int hf_dav_fail_root(struct hf_dav *s, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (hf_dav_check_root(s, &why) < 0)
        hf_err_copy(err, &why);
    return -1;
}
