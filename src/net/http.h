/* SPDX-License-Identifier: Apache-2.0
 *
 * net/http.h - one HTTP request with all its bounds: libcurl, wrapped.
 *
 * Connections are kept and used again; requests of several threads get one each. A kept one that turns out to be dead is replaced
 * without a word. No redirect is followed, no proxy of the environment used; HTTP/1.1, TLS 1.2 or later. The server's certificate
 * is checked against the system's or the given CA file; a pin given with a CA file must match beside it, a pin or a fingerprint
 * alone decides. All of that within the handshake: another server never sees a header.
 * A status is an answer, not an error: only what kept the answer from coming is (UNREACHABLE, TIMEOUT, AUTH for a certificate,
 * CANCELLED), and err.retryable says whether the same request may succeed later. Secrets go by the password option, never into a message.
 *
 * Bounds     connect_ms to connect, stall_ms without 1 KiB/s, the request's timeout_ms for all of it; the answer's header and body.
 *            A cancel ends a request within a quarter of a second, mostly at once.
 * Threads    any, at the same time.
 */
#ifndef HF_NET_HTTP_H
#define HF_NET_HTTP_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_HTTP_HEADERS_MAX ((size_t)32 << 10)

struct hf_http;

struct hf_http_opts {
    const char *ca_file, *pin;    /* or NULL; pin as "sha256//BASE64" */
    const char *fingerprint;      /* or NULL; SHA-256 of the server's certificate, "AA:BB:…" */
    uint64_t bytes_s;             /* of one transfer, each way; 0: no limit */
    int64_t connect_ms, stall_ms; /* 0: 10 s, 30 s */
    int idle_max_s; /* a connection kept for longer is not used again; 0: as libcurl does */
    const struct hf_cancel *cancel; /* borrowed, or NULL */
    int (*is_cancelled)(void *ctx); /* beside it, or NULL: asked four times a second */
    void *cancel_ctx;
};

/* UNSUPPORTED: a libcurl older than 7.88, which does not sign a given content hash. CONFIG: no fingerprint. Copies the strings. */
struct hf_http *hf_http_new(const struct hf_http_opts *opts, struct hf_err *err) HF_CHECKED;
void hf_http_free(struct hf_http *h);
/* Is a '+' in a query signed as it is sent? Some versions of libcurl sign a blank. 0: the one that we run with. */
bool hf_http_signs_plus(unsigned version);
HF_DEFINE_AUTO(hf_http, hf_http_free)

struct hf_http_request {
    const char *method, *url;
    const char *const *headers; /* "Name: value", NULL at the end; none with an empty value */
    const char *range;          /* "0-99", or NULL */
    const void *body;           /* or NULL; borrowed */
    size_t body_len;
    /* With a secret: signed by AWS SigV4 where there is a sigv4, "aws:amz:REGION:s3"; else Basic, which shows it to the server. */
    const char *sigv4, *user;
    const struct hf_secret *secret;
    void *into; /* the body of a 2xx answer goes here, if given: at most into_len bytes */
    size_t into_len;
    size_t answer_max; /* of any other body; 0: 64 KiB */
    int64_t timeout_ms;
    int64_t connect_ms; /* 0: the options' */
    /* On a connection of its own: what gets no answer on a kept one, libcurl sends again, done or not. For what must not be done twice. */
    bool is_single;
    bool is_once; /* on a kept connection, if there is one, and all the same never sent again */
    const struct hf_cancel *cancel; /* of this request alone; NULL: that of the options */
};

struct hf_http_answer {
    long status;           /* also where the rest of the answer failed; 0: it did not come so far */
    struct hf_buf body;    /* empty when it went into request.into */
    size_t into_have;      /* bytes there */
    struct hf_buf headers; /* of the last answer: its status line, "name: value\n" */
    bool was_sent; /* also after an error: the server was reached, and may have seen the request */
};
void hf_http_answer_free(struct hf_http_answer *a);
HF_DEFINE_AUTO_VALUE(hf_http_answer, hf_http_answer_free)

/* *out is {0} or an earlier answer, which is freed; to be freed in any case. CORRUPT: more bytes than the bounds. */
int hf_http_run(struct hf_http *h, const struct hf_http_request *req, struct hf_http_answer *out,
                struct hf_err *err) HF_CHECKED;

/* ---- a body that comes in pieces --------------------------------------------------------- */

#define HF_HTTP_UNKNOWN UINT64_MAX /* bytes of a body: it is sent in chunks */

struct hf_http_upload;

/* A PUT. Of the request its url, headers, user, secret and cancel count, and timeout_ms: so long may pass without a byte that goes.
 * Nothing is repeated. clock is borrowed; the rest is too, until the end. */
struct hf_http_upload *hf_http_upload_begin(struct hf_http *h, const struct hf_http_request *req,
                                            uint64_t bytes, const struct hf_clock *clock,
                                            struct hf_err *err) HF_CHECKED;
/* 1: the server has answered already, and takes no more: finish says what. */
int hf_http_upload_write(struct hf_http_upload *u, const void *data, size_t len, struct hf_err *err)
    HF_CHECKED;
/* As hf_http_run; the answer may take so long. */
int hf_http_upload_finish(struct hf_http_upload *u, int64_t answer_ms, struct hf_http_answer *out,
                          struct hf_err *err) HF_CHECKED;
void hf_http_upload_free(struct hf_http_upload *u); /* before finish: the request is cut short */
HF_DEFINE_AUTO(hf_http_upload, hf_http_upload_free)

/* What a 2xx answer brings, in order, each piece once; while it is taken nothing more comes. -1 ends the request with its error. */
typedef int (*hf_http_piece_cb)(void *ctx, const void *data, size_t len, struct hf_err *err);
struct hf_http_sink {
    hf_http_piece_cb piece;
    void *ctx;
    uint64_t bytes_max;           /* of all of it; more is CORRUPT */
    const struct hf_clock *clock; /* borrowed */
};

/* A GET whose body goes to the sink, and is never whole in memory. Of the request its url, headers, user, secret, cancel and answer_max count,
 * and timeout_ms: so long may pass with less than 1 KiB/s, beside the time that pieces are taken in. The body of another answer is in out->body.
 * Nothing is repeated: after an error what was taken is a beginning. An answer without a length that is cut looks whole. */
int hf_http_download(struct hf_http *h, const struct hf_http_request *req,
                     const struct hf_http_sink *sink, struct hf_http_answer *out,
                     struct hf_err *err) HF_CHECKED;

/* ---- what an answer says ----------------------------------------------------------------- */

/* What stands behind the status in its line, cut at `size`; "" where there is nothing. */
void hf_http_reason(const struct hf_http_answer *a, char *out, size_t size);
/* The header's value, copied and NUL-terminated, cut at `size`; false: there is none. */
bool hf_http_header(const struct hf_http_answer *a, const char *name, char *out, size_t size);
/* The answer's Date in seconds since the epoch; -1: none. */
int64_t hf_http_date(const struct hf_http_answer *a, const char *name);
/* When to come back, at most an hour; 0: nothing is said. */
int64_t hf_http_retry_after_ms(const struct hf_http_answer *a);
struct hf_http_range {
    uint64_t at;
    size_t len;
};
/* Is this what `into` was to hold, a struct hf_http_range? Also from a server that knows no ranges, where that makes no difference.
 * CORRUPT: other bytes, or the end before. */
int hf_http_judge_range(void *range, const struct hf_http_answer *a, struct hf_err *err) HF_CHECKED;
/* The answer's Date, as hf_http_date tells it, into an int64_t. CORRUPT: it has none. */
int hf_http_judge_date(void *out_s, const struct hf_http_answer *a, struct hf_err *err) HF_CHECKED;
/* Of an answer to HEAD: length, and Last-Modified (0: not said). CORRUPT: no length. */
int hf_http_judge_head(const struct hf_http_answer *a, uint64_t *out_bytes, int64_t *out_changed_s,
                       struct hf_err *err) HF_CHECKED;

#endif
