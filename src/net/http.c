/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "api/holdfast/plugin.h" /* HF_NO_DEADLINE */
#include "net/http_tls.h"

#include <pthread.h>
#include <string.h>

#define WITHOUT_DEADLINE_MS 300000
#define IDLE_MAX_S                                                                                 \
    3 /* compared in whole seconds: a connection is given up once it was idle for 4 s */
#define CONNECT_MAX_MS 10000

struct hf_http {
    CURL *curl;
    struct hf_strv hosts;
    size_t at; /* the host that is asked next */
    int default_port;
    char *ca_file, *pin;
    bool has_fingerprint;
    unsigned char fingerprint[HF_FINGERPRINT_BYTES];
    int64_t (*now_ms)(void *ctx);
    int (*cancelled)(void *ctx);
    void *ctx;
};

/* One request on its way. */
struct transfer {
    struct hf_http *h;
    const struct hf_http_request *req;
    struct hf_http_reply *reply;
    size_t body_at; /* bytes of the request's body that were handed out */
    bool is_too_large, was_cancelled, is_connected;
};

void hf_http_reply_free(struct hf_http_reply *r)
{
    hf_buf_free(&r->body);
    *r = (struct hf_http_reply){0};
}

void hf_http_free(struct hf_http *h)
{
    if (!h)
        return;
    if (h->curl)
        curl_easy_cleanup(h->curl);
    hf_strv_free(&h->hosts);
    free(h->ca_file);
    free(h->pin);
    free(h);
}

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* A host ends up in a URL: nothing in it may start another part of one. */
static int add_host(struct hf_http *h, const char *host, struct hf_err *err)
{
    const char *bad = "/@?#\\ \t%";
    if (!*host || strpbrk(host, bad))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no HOST or HOST:PORT", host);
    const char *close = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon = strchr(close ? close : host, ':');
    if ((*host == '[' && !close) ||
        (colon && (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)))) {
        hf_fail(err, HF_E_CONFIG, "'%s' is no HOST or HOST:PORT", host);
        return hf_hint(err, "An IPv6 address stands in brackets.");
    }
    return hf_strv_add(&h->hosts, host) == 0 ? 0 : hf_fail_nomem(err);
}

static int take_trust(struct hf_http *h, const struct hf_http_opts *o, struct hf_err *err)
{
    h->ca_file = o->ca_file ? strdup(o->ca_file) : NULL;
    h->pin = o->pin ? strdup(o->pin) : NULL;
    if ((o->ca_file && !h->ca_file) || (o->pin && !h->pin))
        return hf_fail_nomem(err);
    if (o->ca_file && access(o->ca_file, R_OK) != 0)
        return hf_fail(err, HF_E_CONFIG, "CA file '%s': %s", o->ca_file, strerror(errno));
    if (o->pin && (strncmp(o->pin, "sha256//", 8) != 0 || strlen(o->pin) != 52))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no pin: sha256// and 44 characters", o->pin);
    h->has_fingerprint = o->fingerprint != NULL;
    return o->fingerprint ? hf_http_fingerprint(o->fingerprint, h->fingerprint, err) : 0;
}

struct hf_http *hf_http_new(const struct hf_http_opts *o, struct hf_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    HF_AUTO(hf_http) struct hf_http *h = calloc(1, sizeof *h);
    if (!h || !(h->curl = curl_easy_init())) {
        hf_fail_nomem(err);
        return NULL;
    }
    h->default_port = o->default_port;
    h->now_ms = o->now_ms;
    h->cancelled = o->cancelled;
    h->ctx = o->ctx;
    for (size_t i = 0; i < o->hosts->n; i++)
        if (add_host(h, o->hosts->items[i], err) != 0)
            return NULL;
    if (!h->hosts.n) {
        hf_fail(err, HF_E_CONFIG, "no host is given");
        return NULL;
    }
    return take_trust(h, o, err) == 0 ? HF_STEAL(h) : NULL;
}

const char *hf_http_host(const struct hf_http *h)
{
    return h->hosts.items[h->at];
}

void hf_http_next_host(struct hf_http *h)
{
    h->at = (h->at + 1) % h->hosts.n;
}

/* ---- callbacks of a transfer ------------------------------------------------------------------ */

static size_t take_body(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * n;
    if (len > t->req->max_body - t->reply->body.len) {
        t->is_too_large = true;
        return 0;
    }
    hf_buf_add(&t->reply->body, data, len);
    return t->reply->body.failed ? 0 : len;
}

/* "HTTP/1.1 500 VM is locked": the text is what a server has to say. */
static size_t take_header(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * n, at = 0, out = 0;
    if (len < 9 || strncmp(data, "HTTP/", 5) != 0)
        return len;
    while (at < len && data[at] != ' ')
        at++;
    for (at++; at < len && data[at] != ' ';)
        at++;
    for (at++; at < len && out + 1 < HF_HTTP_REASON_MAX; at++)
        if (data[at] != '\r' && data[at] != '\n')
            t->reply->reason[out++] = data[at];
    t->reply->reason[out] = '\0';
    return len;
}

static size_t give_body(char *to, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t left = strlen(t->req->body) - t->body_at, len = size * n < left ? size * n : left;
    memcpy(to, t->req->body + t->body_at, len);
    t->body_at += len;
    return len;
}

/* libcurl sends a request anew when a kept connection dies before the answer. Not one that may have been acted upon:
 * without a way back to the body's begin it cannot. */
static int refuse_to_rewind(void *ctx, curl_off_t offset, int origin)
{
    (void)ctx, (void)offset, (void)origin;
    return CURL_SEEKFUNC_FAIL;
}

static int look_up(void *ctx, curl_off_t down, curl_off_t down_now, curl_off_t up,
                   curl_off_t up_now)
{
    struct transfer *t = ctx;
    (void)down, (void)down_now, (void)up, (void)up_now;
    t->was_cancelled = t->h->cancelled && t->h->cancelled(t->h->ctx);
    return t->was_cancelled;
}

/* Called when the connection stands, TLS included, and before the first byte of the request. */
static int note_connected(void *ctx, char *ip, char *local, int port, int local_port)
{
    struct transfer *t = ctx;
    (void)ip, (void)local, (void)port, (void)local_port;
    t->is_connected = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- one attempt ------------------------------------------------------------------------------- */

static void auto_slist(struct curl_slist **l)
{
    curl_slist_free_all(*l);
}

static int add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer ? 0 : -1;
}

static int set_headers(CURL *c, const struct hf_http_request *req, struct curl_slist **list)
{
    int rc = add_line(list, "Expect:"); /* never answered by some servers: a second is lost */
    for (size_t i = 0; req->headers && i < req->headers->n; i++)
        rc |= add_line(list, req->headers->items[i]);
    rc |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, *list) != CURLE_OK;
    return rc ? -1 : 0;
}

static void set_method(struct transfer *t)
{
    CURL *c = t->h->curl;
    const char *method = t->req->method, *body = t->req->body;
    bool is_get = strcmp(method, "GET") == 0;
    if (!is_get)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    /* Nothing stops libcurl from repeating a request without a body. */
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, (long)(!is_get && (!body || !*body)));
    if (is_get || strcmp(method, "DELETE") == 0)
        return;
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)(body ? strlen(body) : 0));
    if (!body || !*body) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
        return;
    }
    curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(c, CURLOPT_READDATA, t);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, refuse_to_rewind);
}

static void set_callbacks(struct transfer *t)
{
    CURL *c = t->h->curl;
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_up);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, note_connected);
    curl_easy_setopt(c, CURLOPT_PREREQDATA, t);
}

static int set_manners(struct hf_http *h, int64_t left_ms, int64_t connect_ms)
{
    CURL *c = h->curl;
    CURLcode rc = CURLE_OK;
    rc |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
    rc |= curl_easy_setopt(c, CURLOPT_PROXY, "");
    rc |= curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    rc |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    rc |= curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE,
                           0L); /* a resumed session is not judged again */
    rc |= curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, (long)IDLE_MAX_S);
    rc |= curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
    rc |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left_ms);
    rc |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    return rc == CURLE_OK ? 0 : -1;
}

static int set_url(struct hf_http *h, const char *path)
{
    const char *host = hf_http_host(h), *close = *host == '[' ? strchr(host, ']') : host;
    bool has_port = strchr(close, ':') != NULL;
    HF_AUTOFREE char *url = has_port ? hf_asprintf("https://%s%s", host, path)
                                     : hf_asprintf("https://%s:%d%s", host, h->default_port, path);
    return url && curl_easy_setopt(h->curl, CURLOPT_URL, url) == CURLE_OK ? 0 : -1;
}

static int fail_untrusted(const struct hf_http *h, const char *text, struct hf_err *err)
{
    hf_fail(err, HF_E_AUTH, "%s is not the server that is trusted: %s", hf_http_host(h), text);
    return hf_hint(err, h->has_fingerprint
                            ? "The certificate's fingerprint is another: renewed? A pin of the "
                              "public key survives a renewal."
                            : "Check the CA file or the pin, and the host name.");
}

static int judge(struct transfer *t, CURLcode rc, const char *text, struct hf_err *err)
{
    const char *host = hf_http_host(t->h);
    if (!*text)
        text = curl_easy_strerror(rc);
    if (t->was_cancelled)
        return hf_fail(err, HF_E_CANCELLED, "cancelled");
    if (t->is_too_large)
        return hf_fail(err, HF_E_CORRUPT, "%s: an answer of more than %zu bytes", host,
                       t->req->max_body);
    switch (rc) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_ISSUER_ERROR:
        return fail_untrusted(t->h, text, err);
    case CURLE_SSL_CACERT_BADFILE:
        return hf_fail(err, HF_E_CONFIG, "%s", text);
    case CURLE_OPERATION_TIMEDOUT:
        return hf_fail(err, t->is_connected ? HF_E_TIMEOUT : HF_E_UNREACHABLE, "%s: %s", host,
                       text);
    case CURLE_OUT_OF_MEMORY:
        return hf_fail_nomem(err);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return hf_fail(err, HF_E_CORRUPT, "%s: %s", host, text);
    default:
        return hf_fail(err, HF_E_UNREACHABLE, "%s: %s", host, text);
    }
}

static int attempt(struct transfer *t, int64_t left_ms, int64_t connect_ms, struct hf_err *err)
{
    __attribute__((cleanup(auto_slist))) struct curl_slist *list = NULL;
    char text[CURL_ERROR_SIZE] = "";
    CURL *c = t->h->curl;
    long status = 0;
    curl_easy_reset(c); /* keeps its connections */
    set_callbacks(t);
    set_method(t);
    if (set_manners(t->h, left_ms, connect_ms) != 0 || set_url(t->h, t->req->path) != 0 ||
        set_headers(c, t->req, &list) != 0)
        return hf_fail(err, HF_E_INTERNAL, "libcurl refuses its options");
    struct hf_http_trust trust = {t->h->ca_file, t->h->pin,
                                  t->h->has_fingerprint ? t->h->fingerprint : NULL};
    if (hf_http_set_trust(c, &trust, err) != 0)
        return -1;
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text);
    CURLcode rc = curl_easy_perform(c);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    t->reply->was_sent = t->is_connected;
    t->reply->status = (int)status;
    return rc == CURLE_OK ? 0 : judge(t, rc, text, err);
}

/* Nothing was sent, and another server may do: not there, or not reached in its time. */
static bool may_be_elsewhere(const struct hf_http_reply *reply, const struct hf_err *err)
{
    return !reply->was_sent && err->cls == HF_E_UNREACHABLE;
}

int hf_http_do(struct hf_http *h, const struct hf_http_request *req, struct hf_http_reply *reply,
               struct hf_err *err)
{
    int64_t deadline = req->deadline_ms == HF_NO_DEADLINE ? h->now_ms(h->ctx) + WITHOUT_DEADLINE_MS
                                                          : req->deadline_ms;
    struct hf_err last = HF_ERR_INIT;
    for (size_t tries = 0; tries < h->hosts.n; tries++) {
        struct transfer t = {.h = h, .req = req, .reply = reply};
        int64_t left = deadline - h->now_ms(h->ctx);
        int64_t share = left / (int64_t)(h->hosts.n - tries);
        hf_http_reply_free(reply);
        if (left <= 0) {
            if (!tries)
                hf_fail(&last, HF_E_TIMEOUT, "the deadline passed");
            break;
        }
        if (attempt(&t, left,
                    share > CONNECT_MAX_MS ? CONNECT_MAX_MS
                    : share > 0            ? share
                                           : 1,
                    &last) == 0)
            return 0;
        if (!may_be_elsewhere(reply, &last))
            break;
        hf_http_next_host(h);
    }
    hf_err_copy(err, &last);
    return -1;
}
