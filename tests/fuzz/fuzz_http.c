/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes sent to the metrics' endpoint over TCP, in any pieces: it answers in time, only what it would tell anybody, whole unless
 * it hung up, nothing of what it was sent; and then it still gives the document to the next one who asks.
 *
 * Two bytes are not sent: CUT ends a piece, AGAIN ends one that is sent 64 times, for requests without end.
 */
#include "daemon/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define CUT 0x17
#define AGAIN 0x18
#define TIMES_AGAIN 64
#define SENT_MAX ((size_t)1 << 18)
#define PATIENCE_MS                                                                                \
    4000 /* less than the endpoint's own 5 s: it ends because we are done, not because it is tired of us */
#define PAUSE_US 100 /* so that a piece comes alone */
#define PIECES_ALONE 8
#define ASK_EACH 16
#define ANSWERS_MAX                                                                                \
    64 /* different ones, however long this runs: what is made of requests has no bound */

static const char document[] = "# TYPE holdfast_up gauge\nholdfast_up 1\n";
static const char ask[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/* The library that reads requests is not instrumented: what was answered tells libFuzzer that an input is new. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t answered[ANSWERS_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned port(void)
{
    static struct hf_metrics_http *server;
    if (!server) {
        char host[] = "127.0.0.1";
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_buf) struct hf_buf doc = HF_BUF_INIT;
        hf_buf_str_add(&doc, document);
        server = hf_metrics_http_open(&(struct hf_listen){.host = host}, NULL, &err);
        assert(server);
        assert(hf_metrics_http_put(server, &doc, &err) == 0);
    }
    return hf_metrics_http_port(server);
}

/* ---- a connection ------------------------------------------------------------------------ */

struct talk {
    int fd;
    bool is_reset; /* some of the answer may be lost */
    struct hf_buf sent, got;
};

/* From another address each time: those behind one would be out of ports in a minute. */
static void talk_begin(struct talk *t)
{
    static uint32_t n;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f010000 + n++ % 0xffff)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port())};
    *t = (struct talk){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert(t->fd >= 0);
    assert(bind(t->fd, (struct sockaddr *)&from, sizeof from) == 0);
    assert(connect(t->fd, (struct sockaddr *)&to, sizeof to) == 0);
}

static void talk_end(struct talk *t)
{
    hf_buf_free(&t->sent);
    hf_buf_free(&t->got);
    close(t->fd);
}

static short wait_for(struct talk *t, short events)
{
    struct pollfd p = {.fd = t->fd, .events = events};
    assert(poll(&p, 1, PATIENCE_MS) == 1 &&
           "the endpoint neither reads, nor answers, nor hangs up");
    return p.revents;
}

/* false: there is no more to come. */
static bool take(struct talk *t)
{
    char part[4096];
    ssize_t n = recv(t->fd, part, sizeof part, MSG_DONTWAIT);
    if (n > 0)
        hf_buf_add(&t->got, part, (size_t)n);
    if (n >= 0)
        return n > 0;
    assert(errno == EAGAIN || errno == ECONNRESET || errno == EPIPE);
    t->is_reset = t->is_reset || errno != EAGAIN;
    return errno == EAGAIN;
}

/* What is answered meanwhile is taken, for the endpoint need not read on while nobody does. false: it hung up. */
static bool give(struct talk *t, const void *data, size_t n)
{
    hf_buf_add(&t->sent, data, n);
    for (const char *at = data, *end = at + n; at < end;) {
        short can = wait_for(t, POLLIN | POLLOUT);
        if ((can & ~POLLOUT) && !take(t))
            return false;
        ssize_t sent =
            (can & POLLOUT) ? send(t->fd, at, (size_t)(end - at), MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (sent < 0 && errno != EAGAIN) {
            assert(errno == EPIPE || errno == ECONNRESET);
            t->is_reset = true;
            return true; /* what it said before can still be taken */
        }
        at += sent > 0 ? sent : 0;
    }
    return true;
}

static void take_all(struct talk *t)
{
    (void)shutdown(t->fd, SHUT_WR);
    do
        (void)wait_for(t, POLLIN);
    while (take(t));
    assert(!t->got.failed && !t->sent.failed);
}

/* Each piece by itself, those that come again as one. false: it hung up. */
static bool give_pieces(struct talk *t, const uint8_t *data, size_t size)
{
    for (int n = 0; size > 0; n++) {
        size_t len = 0;
        while (len < size && data[len] != CUT && data[len] != AGAIN)
            len++;
        int times = len < size && data[len] == AGAIN ? TIMES_AGAIN : 1;
        HF_AUTO(hf_buf) struct hf_buf piece = HF_BUF_INIT;
        while (times-- > 0 && t->sent.len + piece.len + len <= SENT_MAX)
            hf_buf_add(&piece, data, len);
        if (piece.len > 0 && !give(t, piece.data, piece.len))
            return false;
        data += len < size ? len + 1 : len;
        size -= len < size ? len + 1 : len;
        if (size > 0 && n < PIECES_ALONE)
            usleep(PAUSE_US);
    }
    return true;
}

/* ---- what was answered ------------------------------------------------------------------- */

struct text {
    const char *at, *end;
};

static bool begins(struct text t, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(t.end - t.at) >= n && memcmp(t.at, with, n) == 0;
}

static bool is(struct text t, const char *what)
{
    return (size_t)(t.end - t.at) == strlen(what) && begins(t, what);
}

/* There are few, and each is known by its hash (FNV-1a). */
static void note(struct text t)
{
    static uint64_t known[ANSWERS_MAX];
    static size_t n_known;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *s = t.at; s < t.end; s++)
        hash = (hash ^ (unsigned char)*s) * UINT64_C(1099511628211);
    size_t i = 0;
    while (i < n_known && known[i] != hash)
        i++;
    assert(i < ANSWERS_MAX && "answers are made of requests");
    if (i == n_known)
        known[n_known++] = hash;
    answered[i] = (uint8_t)(answered[i] < UINT8_MAX ? answered[i] + 1 : UINT8_MAX);
}

/* The lines' end is skipped; at is NULL where none comes. */
static struct text line(struct text *rest)
{
    const char *end = memmem(rest->at, (size_t)(rest->end - rest->at), "\r\n", 2);
    struct text out = {end ? rest->at : NULL, end};
    if (end)
        rest->at = end + 2;
    return out;
}

static int judge_status(struct text l)
{
    static const int known[] = {100, 200, 400, 404, 405, 413, 414, 431, 501, 505};
    assert((begins(l, "HTTP/1.1 ") || begins(l, "HTTP/1.0 ")) && l.end - l.at > 13 &&
           l.at[12] == ' ');
    int status = atoi(l.at + 9);
    size_t i = 0;
    while (i < HF_ARRAY_SIZE(known) && known[i] != status)
        i++;
    assert(i < HF_ARRAY_SIZE(known) && "a status that it has no reason for");
    note(l);
    return status;
}

static void judge_header(struct text l, size_t *length, bool *is_gzip)
{
    static const char *const fixed[] = {"Connection: close",
                                        "Connection: Keep-Alive",
                                        "Allow: GET, HEAD",
                                        "Vary: Accept-Encoding",
                                        "Content-Type: text/html",
                                        "Content-Type: text/plain; charset=utf-8",
                                        "Content-Type: text/plain; version=0.0.4; charset=utf-8"};
    static const char length_is[] = "Content-Length: ",
                      date[] = "Date: Fri, 27 Nov 2026 06:58:01 GMT";
    for (size_t i = 0; i < HF_ARRAY_SIZE(fixed); i++)
        if (is(l, fixed[i]))
            return;
    if (is(l, "Content-Encoding: gzip")) {
        *is_gzip = true;
        return;
    }
    if (begins(l, length_is)) {
        *length = (size_t)atoi(l.at + strlen(length_is));
        assert(*length < 1000);
        return;
    }
    assert(begins(l, "Date: ") && (size_t)(l.end - l.at) == strlen(date));
}

static bool is_document_as_gzip(struct text b)
{
    char plain[sizeof document + 1];
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)b.at,
                  .avail_in = (uInt)(b.end - b.at),
                  .next_out = (unsigned char *)plain,
                  .avail_out = sizeof plain};
    assert(inflateInit2(&z, 15 + 16) == Z_OK);
    const bool is_whole = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0;
    const size_t len = z.total_out;
    inflateEnd(&z);
    return is_whole && is((struct text){plain, plain + len}, document);
}

/* The library's own answers are pages. */
static void judge_body(int status, bool is_gzip, struct text b)
{
    note(b);
    if (is_gzip) {
        assert(status == 200 && is_document_as_gzip(b));
        return;
    }
    if (status == 200)
        assert(is(b, document) || is(b, "ok\n"));
    else if (status == 404)
        assert(is(b, "there is /metrics and /healthz\n"));
    else if (status == 405)
        assert(is(b, "GET and HEAD only\n"));
    else
        assert(begins(b, "<html>"));
    for (const char *s = b.at; s < b.end; s++)
        assert(isprint((unsigned char)*s) || *s == '\n');
}

/* One answer, taken off the front; false: it is not whole. */
static bool judge_one(struct text *rest, bool may_lack_body)
{
    size_t length = 0;
    bool is_gzip = false;
    struct text l = line(rest);
    if (!l.at)
        return false;
    int status = judge_status(l);
    for (l = line(rest); l.at && l.at < l.end; l = line(rest))
        judge_header(l, &length, &is_gzip);
    if (!l.at)
        return false;
    /* libmicrohttpd 0.9.75 says the header twice where it is a request's header that it refuses. */
    may_lack_body = may_lack_body || status == 400 || status == 413;
    if (status == 100 || (may_lack_body && (rest->at == rest->end || begins(*rest, "HTTP/1."))))
        return true;
    if ((size_t)(rest->end - rest->at) < length)
        return false;
    judge_body(status, is_gzip, (struct text){rest->at, rest->at + length});
    rest->at += length;
    return true;
}

static void judge(const struct talk *t)
{
    bool may_lack_body = t->sent.len > 0 && memmem(t->sent.data, t->sent.len, "HEAD", 4);
    struct text rest = {hf_buf_str(&t->got), hf_buf_str(&t->got) + t->got.len};
    while (rest.at < rest.end)
        if (!judge_one(&rest, may_lack_body)) {
            assert(t->is_reset && "half an answer, and no reason for it");
            return;
        }
}

static void ask_for_document(void)
{
    struct talk t;
    talk_begin(&t);
    (void)!give(&t, ask, strlen(ask));
    take_all(&t);
    struct text got = {hf_buf_str(&t.got), hf_buf_str(&t.got) + t.got.len};
    assert(!t.is_reset && begins(got, "HTTP/1.1 200 OK\r\n"));
    got.at = memmem(got.at, t.got.len, "\r\n\r\n", 4);
    assert(got.at);
    got.at += 4;
    assert(is(got, document));
    talk_end(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned n;
    struct talk t;
    talk_begin(&t);
    if (give_pieces(&t, data, size))
        take_all(&t);
    judge(&t);
    talk_end(&t);
    if (++n % ASK_EACH == 0)
        ask_for_document();
    return 0;
}
