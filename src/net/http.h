/* SPDX-License-Identifier: Apache-2.0
 *
 * net/http.h - HTTPS to one of several equal servers, by libcurl: deadlines, bounded answers, no surprises.
 *
 * Trust     by CA file, public-key pin or certificate fingerprint, decided within the TLS handshake: a server
 *           that fails it never sees a header. None given: the system's CAs. Never unchecked.
 * Hosts     the one that answered last is asked first; when a connection cannot be made (nothing was sent)
 *           the next one is tried, each with its share of the time.
 * Once      a request is put on the wire once. A connection that sat idle for 4 s is not used again; one that
 *           the server closed under our hands is an error for all but GET: the caller looks before it repeats.
 * Not done  redirects, proxies of the environment, HTTP/2, Expect: 100-continue, chunked requests.
 * Errors    UNREACHABLE, TIMEOUT, AUTH (the server is not the one that was trusted), CANCELLED, CORRUPT (an answer
 *           that is larger than asked for or is no HTTP). Headers that were sent never appear in a message.
 * Threads   one caller at a time per object. No thread is left behind.
 */
#ifndef HF_NET_HTTP_H
#define HF_NET_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"

#include <stdbool.h>
#include <stdint.h>

#define HF_HTTP_REASON_MAX 512

struct hf_http;

/* Times are in milliseconds on the caller's monotonic clock. */
struct hf_http_opts {
    const struct hf_strv *hosts; /* HOST or HOST:PORT, [V6]:PORT; at least one */
    int default_port;
    const char *ca_file;     /* PEM, or NULL */
    const char *pin;         /* "sha256//BASE64" of the public key, or NULL */
    const char *fingerprint; /* "AA:BB:…", SHA-256 of the certificate, or NULL */
    int64_t (*now_ms)(void *ctx);
    int (*cancelled)(void *ctx); /* NULL: never */
    void *ctx;
};

struct hf_http_request {
    const char *method;            /* GET POST PUT DELETE */
    const char *path;              /* from / on, percent-encoded, with the query */
    const char *body;              /* form-urlencoded, or NULL; never with GET or DELETE */
    const struct hf_strv *headers; /* whole lines, or NULL; may hold secrets */
    int64_t deadline_ms;           /* HF_NO_DEADLINE: five minutes */
    size_t max_body;               /* of the answer */
};

struct hf_http_reply {
    int status;                      /* 0: none came */
    char reason[HF_HTTP_REASON_MAX]; /* of the status line */
    struct hf_buf body;
    bool was_sent; /* also after an error: the server may have seen the request */
};
void hf_http_reply_free(struct hf_http_reply *r);
HF_DEFINE_AUTO_VALUE(hf_http_reply, hf_http_reply_free)

/* NULL: CONFIG for a host, file, pin or fingerprint that cannot be. Nothing is connected. */
struct hf_http *hf_http_new(const struct hf_http_opts *opts, struct hf_err *err) HF_CHECKED;
void hf_http_free(struct hf_http *h);
HF_DEFINE_AUTO(hf_http, hf_http_free)

/* 0: an answer came, of whatever status. */
int hf_http_do(struct hf_http *h, const struct hf_http_request *req, struct hf_http_reply *reply,
               struct hf_err *err) HF_CHECKED;
/* The host that is asked next, as configured; and the one after it from now on. */
const char *hf_http_host(const struct hf_http *h);
void hf_http_next_host(struct hf_http *h);

/* Appends every byte but letters, digits and -._~ as %XX. */
void hf_http_encode(struct hf_buf *out, const char *text);
void hf_http_encode_bytes(struct hf_buf *out, const void *data, size_t len);

#endif
