/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#define IDLE_MAX 32
#define LOOK_MS 250 /* at the least so often: has somebody cancelled by a parent or a deadline */
#define ANSWER_MAX ((size_t)64 << 10)
#define BUFFER_BYTES (512L << 10)
#define EXPECT_MS 300L
#define SLOW_BYTES_S 1024L  /* slower is standing still */
#define CURL_LEAST 0x075800 /* 7.88.0: before it a given content hash was not signed */

/* Its connections are kept by the multi handle, which also lets one wait for more than the network. */
struct handle {
    CURL *easy;
    CURLM *multi;
};

struct hf_http {
    pthread_mutex_t lock;
    struct handle idle[IDLE_MAX];
    size_t n_idle;
    char *ca_file, *pin;
    uint64_t bytes_s;
    int64_t connect_ms, stall_ms;
    const struct hf_cancel *cancel;
};

/* ---- the pool --------------------------------------------------------------------------- */

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int check_curl(struct hf_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
    return v->version_num >= CURL_LEAST
               ? 0
               : hf_fail(err, HF_E_UNSUPPORTED, "libcurl %s is too old: 7.88 is wanted",
                         v->version);
}

bool hf_http_signs_plus(unsigned version)
{
    if (version == 0)
        version = curl_version_info(CURLVERSION_NOW)->version_num;
    return version < 0x080e00 || version >= 0x081300; /* 8.14 to 8.18 */
}

static int copy_text(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? -1 : 0;
}

struct hf_http *hf_http_new(const struct hf_http_opts *opts, struct hf_err *err)
{
    if (check_curl(err) < 0)
        return NULL;
    struct hf_http *h = calloc(1, sizeof *h);
    if (!h || pthread_mutex_init(&h->lock, NULL) != 0) {
        free(h);
        hf_fail_nomem(err);
        return NULL;
    }
    h->bytes_s = opts->bytes_s;
    h->connect_ms = opts->connect_ms ? opts->connect_ms : 10000;
    h->stall_ms = opts->stall_ms ? opts->stall_ms : 30000;
    h->cancel = opts->cancel;
    if (copy_text(&h->ca_file, opts->ca_file) < 0 || copy_text(&h->pin, opts->pin) < 0) {
        hf_http_free(h);
        hf_fail_nomem(err);
        return NULL;
    }
    return h;
}

static void free_handle(struct handle *e)
{
    curl_easy_cleanup(e->easy);
    curl_multi_cleanup(e->multi);
}

void hf_http_free(struct hf_http *h)
{
    if (!h)
        return;
    while (h->n_idle > 0)
        free_handle(&h->idle[--h->n_idle]);
    pthread_mutex_destroy(&h->lock);
    free(h->ca_file);
    free(h->pin);
    free(h);
}

/* The one used last: its connection is the likeliest to live. */
static int take_handle(struct hf_http *h, struct handle *out, struct hf_err *err)
{
    pthread_mutex_lock(&h->lock);
    bool is_kept = h->n_idle > 0;
    if (is_kept)
        *out = h->idle[--h->n_idle];
    pthread_mutex_unlock(&h->lock);
    if (is_kept)
        return 0;
    *out = (struct handle){curl_easy_init(), curl_multi_init()};
    if (out->easy && out->multi)
        return 0;
    free_handle(out);
    return hf_fail_nomem(err);
}

/* Without its options, and so without the secret; its connection stays. */
static void give_handle(struct hf_http *h, struct handle *e)
{
    curl_easy_reset(e->easy);
    pthread_mutex_lock(&h->lock);
    bool is_kept = h->n_idle < IDLE_MAX;
    if (is_kept)
        h->idle[h->n_idle++] = *e;
    pthread_mutex_unlock(&h->lock);
    if (!is_kept)
        free_handle(e);
}

/* ---- what comes in ---------------------------------------------------------------------- */

struct transfer {
    struct handle h;
    const struct hf_http *http;
    const struct hf_http_request *req;
    struct hf_http_answer *answer;
    bool is_too_long;
    char text[CURL_ERROR_SIZE];
};

static size_t too_long(struct transfer *t)
{
    t->is_too_long = true;
    return 0;
}

static size_t take_body(char *data, size_t one, size_t n, void *ctx)
{
    struct transfer *t = ctx;
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
    struct transfer *t = ctx;
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
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not by a detour of the environment */
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_ms);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)((h->stall_ms + 999) / 1000));
    curl_easy_setopt(e, CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_MS);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    if (h->bytes_s) {
        curl_easy_setopt(e, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)h->bytes_s);
        curl_easy_setopt(e, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)h->bytes_s);
    }
}

static void set_trust(CURL *e, const struct hf_http *h)
{
    curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (h->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
    if (!h->pin)
        return;
    curl_easy_setopt(e, CURLOPT_PINNEDPUBLICKEY, h->pin);
    if (!h->ca_file) { /* libcurl compares the pin all the same */
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void set_callbacks(struct transfer *t)
{
    CURL *e = t->h.easy;
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->text);
}

static int set_signature(CURL *e, const struct hf_http_request *req, struct hf_err *err)
{
    if (!req->sigv4)
        return 0;
    /* Not USERPWD: that splits an access key at its first colon. */
    if (curl_easy_setopt(e, CURLOPT_AWS_SIGV4, req->sigv4) != CURLE_OK ||
        curl_easy_setopt(e, CURLOPT_USERNAME, req->user) != CURLE_OK ||
        curl_easy_setopt(e, CURLOPT_PASSWORD, hf_secret_reveal(req->secret)) != CURLE_OK)
        return hf_fail(err, HF_E_UNSUPPORTED, "this libcurl cannot sign requests");
    return 0;
}

static void auto_slist(struct curl_slist **l)
{
    curl_slist_free_all(*l);
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

static int fail_transfer(const struct transfer *t, CURLcode rc, struct hf_err *err)
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
    hf_fail(err, cls, "%s", t->text[0] ? t->text : curl_easy_strerror(rc));
    err->retryable = retryable;
    if (rc == CURLE_PEER_FAILED_VERIFICATION)
        hf_hint(err, "Name the CA that signed the server's certificate, or pin its key.");
    if (rc == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        hf_hint(err, "The server has another key than the pinned one: it was replaced, or it is "
                     "not the server.");
    return -1;
}

static int ended(const struct transfer *t, struct hf_err *err)
{
    int left = 0;
    const CURLMsg *m = curl_multi_info_read(t->h.multi, &left);
    if (!m || m->msg != CURLMSG_DONE)
        return hf_fail(err, HF_E_INTERNAL, "libcurl does not say how the request ended");
    return m->data.result == CURLE_OK ? 0 : fail_transfer(t, m->data.result, err);
}

static const struct hf_cancel *cancel_of(const struct transfer *t)
{
    return t->req->cancel ? t->req->cancel : t->http->cancel;
}

/* A cancel ends the wait at once: its descriptor is waited for beside the network's. */
static int drive(const struct transfer *t, struct hf_err *err)
{
    const struct hf_cancel *cancel = cancel_of(t);
    struct curl_waitfd stop = {.fd = hf_cancel_fd(cancel), .events = CURL_WAIT_POLLIN};
    for (int running = 1;;) {
        CURLMcode rc = curl_multi_perform(t->h.multi, &running);
        if (rc == CURLM_OK && !running)
            return ended(t, err);
        if (hf_cancel_check(cancel, err) < 0)
            return -1;
        if (rc == CURLM_OK)
            rc = curl_multi_poll(t->h.multi, &stop, cancel ? 1 : 0, LOOK_MS, NULL);
        if (rc != CURLM_OK)
            return hf_fail(err, HF_E_INTERNAL, "libcurl: %s", curl_multi_strerror(rc));
    }
}

static int run_to_end(struct transfer *t, struct hf_err *err)
{
    if (hf_cancel_check(cancel_of(t), err) < 0)
        return -1;
    if (curl_multi_add_handle(t->h.multi, t->h.easy) != CURLM_OK)
        return hf_fail_nomem(err);
    int rc = drive(t, err);
    /* One that was cut short loses its connection. */
    curl_multi_remove_handle(t->h.multi, t->h.easy);
    return rc;
}

static int perform(struct transfer *t, struct hf_err *err)
{
    __attribute__((cleanup(auto_slist))) struct curl_slist *headers = NULL;
    for (const char *const *h = t->req->headers; h && *h; h++) {
        struct curl_slist *more = curl_slist_append(headers, *h);
        if (!more)
            return hf_fail_nomem(err);
        headers = more;
    }
    if (curl_easy_setopt(t->h.easy, CURLOPT_URL, t->req->url) != CURLE_OK)
        return hf_fail_nomem(err);
    if (headers)
        curl_easy_setopt(t->h.easy, CURLOPT_HTTPHEADER, headers);
    set_method(t->h.easy, t->req);
    set_bounds(t->h.easy, t->http, t->req);
    set_trust(t->h.easy, t->http);
    set_callbacks(t);
    if (set_signature(t->h.easy, t->req, err) < 0)
        return -1;
    if (run_to_end(t, err) < 0)
        return -1;
    curl_easy_getinfo(t->h.easy, CURLINFO_RESPONSE_CODE, &t->answer->status);
    return 0;
}

int hf_http_run(struct hf_http *h, const struct hf_http_request *req, struct hf_http_answer *out,
                struct hf_err *err)
{
    hf_http_answer_free(out);
    struct transfer t = {.http = h, .req = req, .answer = out};
    if (take_handle(h, &t.h, err) < 0)
        return -1;
    int rc = perform(&t, err);
    give_handle(h, &t.h);
    return rc;
}
