/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_intern.h"

#include <string.h>

#define ANSWER_MAX ((size_t)64 << 10)
#define BUFFER_BYTES (512L << 10)
#define EXPECT_MS 300L
#define SLOW_BYTES_S 1024L /* slower is standing still */

/* ---- what comes in ---------------------------------------------------------------------- */

static size_t too_long(struct hf_http_transfer *t)
{
    t->is_too_long = true;
    return 0;
}

size_t hf_http_take_body(char *data, size_t one, size_t n, void *transfer)
{
    struct hf_http_transfer *t = transfer;
    long status = 0;
    n *= one;
    curl_easy_getinfo(t->h.easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->req->into && status / 100 == 2) {
        if (n > t->req->into_len - t->answer->into_have)
            return too_long(t);
        memcpy((char *)t->req->into + t->answer->into_have, data, n);
        t->answer->into_have += n;
        return n;
    }
    size_t max = t->req->answer_max ? t->req->answer_max : ANSWER_MAX;
    if (n > max - t->answer->body.len)
        return too_long(t);
    hf_buf_add(&t->answer->body, data, n);
    return hf_buf_ok(&t->answer->body) ? n : 0;
}

/* The header of the last answer counts: a 100 Continue, or one that libcurl tried again, came before. */
static size_t take_header(char *data, size_t one, size_t n, void *ctx)
{
    struct hf_http_transfer *t = ctx;
    struct hf_buf *all = &t->answer->headers;
    size_t len = n *= one;
    if (len > 5 && strncmp(data, "HTTP/", 5) == 0) {
        hf_buf_clear(all);
        hf_buf_clear(&t->answer->body);
        t->answer->into_have = 0;
    }
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    if (len > HF_HTTP_HEADERS_MAX - all->len || memchr(data, '\0', len))
        return too_long(t);
    hf_buf_add(all, data, len);
    hf_buf_str_add(all, "\n");
    return hf_buf_ok(all) ? n : 0;
}

/* ---- what goes out ---------------------------------------------------------------------- */

static size_t give_body(char *to, size_t one, size_t n, void *ctx)
{
    struct hf_http_transfer *t = ctx;
    size_t left = t->req->body_len - t->body_at, len = one * n < left ? one * n : left;
    memcpy(to, (const char *)t->req->body + t->body_at, len);
    t->body_at += len;
    return len;
}

/* libcurl sends a request anew when a kept connection dies before the answer: it cannot where it has no way back to the
 * body's begin. Nothing else stops it, so what has no body gets a connection of its own. */
static int refuse_to_rewind(void *ctx, curl_off_t offset, int origin)
{
    (void)ctx, (void)offset, (void)origin;
    return CURL_SEEKFUNC_FAIL;
}

static void set_once(struct hf_http_transfer *t)
{
    CURL *e = t->h.easy;
    if (!t->req->is_once)
        return;
    if (!t->req->body_len) {
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        return;
    }
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(e, CURLOPT_READDATA, t);
    curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, refuse_to_rewind);
}

static void set_method(CURL *e, const struct hf_http_request *req)
{
    if (strcmp(req->method, "HEAD") == 0) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
        return;
    }
    if (req->body || strcmp(req->method, "PUT") == 0 || strcmp(req->method, "POST") == 0) {
        /* From memory, so libcurl can send it again by itself when a kept connection turns out to be dead. */
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body ? req->body : "");
    }
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method);
    if (req->range)
        curl_easy_setopt(e, CURLOPT_RANGE, req->range);
}

static void set_bounds(CURL *e, const struct hf_http *h, const struct hf_http_request *req)
{
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* cancelled, it does not wait for a name server */
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not by a detour of the environment */
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(req->connect_ms ? req->connect_ms : h->connect_ms));
    if (h->idle_max_s)
        curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)h->idle_max_s);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)((h->stall_ms + 999) / 1000));
    curl_easy_setopt(e, CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_MS);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, req->is_single ? 1L : 0L);
    if (h->bytes_s) {
        curl_easy_setopt(e, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)h->bytes_s);
        curl_easy_setopt(e, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)h->bytes_s);
    }
}

/* Called when the connection stands, TLS included, and before the first byte of the request. */
static int note_sent(void *ctx, char *ip, char *local, int port, int local_port)
{
    struct hf_http_transfer *t = ctx;
    (void)ip, (void)local, (void)port, (void)local_port;
    t->answer->was_sent = true;
    return CURL_PREREQFUNC_OK;
}

static void set_callbacks(struct hf_http_transfer *t)
{
    CURL *e = t->h.easy;
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, hf_http_take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, note_sent);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->text);
}

static int set_signature(CURL *e, const struct hf_http_request *req, struct hf_err *err)
{
    if (!req->secret)
        return 0;
    /* Not USERPWD: that splits an access key at its first colon. */
    if ((req->sigv4 && curl_easy_setopt(e, CURLOPT_AWS_SIGV4, req->sigv4) != CURLE_OK) ||
        curl_easy_setopt(e, CURLOPT_USERNAME, req->user) != CURLE_OK ||
        curl_easy_setopt(e, CURLOPT_PASSWORD, hf_secret_reveal(req->secret)) != CURLE_OK)
        return hf_fail(err, HF_E_UNSUPPORTED, "this libcurl cannot sign requests");
    return 0;
}

/* ---- how it ended ----------------------------------------------------------------------- */

static const struct {
    CURLcode rc;
    enum hf_err_class cls;
    bool retryable;
} endings[] = {
    {CURLE_COULDNT_RESOLVE_HOST, HF_E_UNREACHABLE, true},
    {CURLE_COULDNT_CONNECT, HF_E_UNREACHABLE, true},
    {CURLE_OPERATION_TIMEDOUT, HF_E_TIMEOUT, true},
    {CURLE_SSL_CONNECT_ERROR, HF_E_UNREACHABLE, true},
    {CURLE_GOT_NOTHING, HF_E_UNREACHABLE, true},
    {CURLE_SEND_ERROR, HF_E_UNREACHABLE, true},
    {CURLE_RECV_ERROR, HF_E_UNREACHABLE, true},
    {CURLE_SEND_FAIL_REWIND, HF_E_UNREACHABLE, false}, /* is_once: it would have been sent anew */
    {CURLE_PARTIAL_FILE, HF_E_UNREACHABLE, true},
    {CURLE_HTTP2, HF_E_UNREACHABLE, true},
    {CURLE_HTTP2_STREAM, HF_E_UNREACHABLE, true},
    {CURLE_WEIRD_SERVER_REPLY, HF_E_CORRUPT, true},
    {CURLE_UNSUPPORTED_PROTOCOL, HF_E_CORRUPT, true}, /* the answer's: ours were checked */
    {CURLE_PEER_FAILED_VERIFICATION, HF_E_AUTH, false},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, HF_E_AUTH, false},
    {CURLE_SSL_CACERT_BADFILE, HF_E_CONFIG, false},
    {CURLE_URL_MALFORMAT, HF_E_CONFIG, false},
    {CURLE_OUT_OF_MEMORY, HF_E_INTERNAL, false},
};

static int fail_transfer(const struct hf_http_transfer *t, CURLcode rc, struct hf_err *err)
{
    if (t->is_too_long)
        return hf_fail(err, HF_E_CORRUPT, "the server answers more than was asked for");
    bool retryable = t->answer->headers.len > 0; /* then it is the answer that libcurl dislikes */
    enum hf_err_class cls = retryable ? HF_E_CORRUPT : HF_E_INTERNAL;
    for (size_t i = 0; i < HF_ARRAY_SIZE(endings); i++)
        if (endings[i].rc == rc) {
            cls = endings[i].cls;
            retryable = endings[i].retryable;
        }
    const char *text = t->text[0] ? t->text : curl_easy_strerror(rc);
    hf_fail(err, cls, "%s",
            rc == CURLE_SEND_FAIL_REWIND ? "the connection ended before the answer came" : text);
    err->retryable = retryable;
    if (rc == CURLE_PEER_FAILED_VERIFICATION && t->http->has_fingerprint)
        hf_hint(err, "The server's certificate has another SHA-256 fingerprint than the configured "
                     "one: it was renewed, or it is not the server.");
    else if (rc == CURLE_PEER_FAILED_VERIFICATION)
        hf_hint(err, "Name the CA that signed the server's certificate, or pin its key.");
    if (rc == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        hf_hint(err, "The server has another key than the pinned one: it was replaced, or it is "
                     "not the server.");
    return -1;
}

int hf_http_ended(struct hf_http_transfer *t, struct hf_err *err)
{
    int left = 0;
    const CURLMsg *m = curl_multi_info_read(t->h.multi, &left);
    if (!m || m->msg != CURLMSG_DONE)
        return hf_fail(err, HF_E_INTERNAL, "libcurl does not say how the request ended");
    curl_easy_getinfo(t->h.easy, CURLINFO_RESPONSE_CODE, &t->answer->status);
    return m->data.result == CURLE_OK ? 0 : fail_transfer(t, m->data.result, err);
}

/* ---- its run ---------------------------------------------------------------------------- */

static const struct hf_cancel *cancel_of(const struct hf_http_transfer *t)
{
    return t->req->cancel ? t->req->cancel : t->http->cancel;
}

static int check_cancel(const struct hf_http_transfer *t, struct hf_err *err)
{
    if (t->http->is_cancelled && t->http->is_cancelled(t->http->cancel_ctx))
        return hf_fail(err, HF_E_CANCELLED, "cancelled");
    return hf_cancel_check(cancel_of(t), err);
}

/* A cancel ends the wait at once: its descriptor is waited for beside the network's. */
int hf_http_step(struct hf_http_transfer *t, bool waits, bool *out_running, struct hf_err *err)
{
    const struct hf_cancel *cancel = cancel_of(t);
    struct curl_waitfd stop = {.fd = hf_cancel_fd(cancel), .events = CURL_WAIT_POLLIN};
    int running = 1;
    CURLMcode rc = curl_multi_perform(t->h.multi, &running);
    *out_running = running > 0;
    if (rc == CURLM_OK && !running)
        return 0;
    if (check_cancel(t, err) < 0)
        return -1;
    if (rc == CURLM_OK && waits)
        rc = curl_multi_poll(t->h.multi, &stop, cancel ? 1 : 0, HF_HTTP_LOOK_MS, NULL);
    return rc == CURLM_OK ? 0 : hf_fail(err, HF_E_INTERNAL, "libcurl: %s", curl_multi_strerror(rc));
}

static int keep_headers(struct hf_http_transfer *t, struct hf_err *err)
{
    for (const char *const *h = t->req->headers; h && *h; h++) {
        struct curl_slist *more = curl_slist_append(t->headers, *h);
        if (!more)
            return hf_fail_nomem(err);
        t->headers = more;
    }
    if (t->headers)
        curl_easy_setopt(t->h.easy, CURLOPT_HTTPHEADER, t->headers);
    return 0;
}

int hf_http_begin(struct hf_http_transfer *t, struct hf_err *err)
{
    CURL *e = t->h.easy;
    if (curl_easy_setopt(e, CURLOPT_URL, t->req->url) != CURLE_OK)
        return hf_fail_nomem(err);
    set_method(e, t->req);
    set_bounds(e, t->http, t->req);
    set_once(t);
    set_callbacks(t);
    struct hf_http_trust trust = {t->http->ca_file, t->http->pin,
                                  t->http->has_fingerprint ? t->http->fingerprint : NULL};
    if (hf_http_set_trust(e, &trust, err) < 0 || keep_headers(t, err) < 0 ||
        set_signature(e, t->req, err) < 0 || check_cancel(t, err) < 0)
        return -1;
    return curl_multi_add_handle(t->h.multi, e) == CURLM_OK ? 0 : hf_fail_nomem(err);
}

void hf_http_end(struct hf_http_transfer *t)
{
    curl_multi_remove_handle(t->h.multi, t->h.easy);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
}
