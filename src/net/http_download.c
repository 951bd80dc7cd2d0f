/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces are taken inside of libcurl's own call: while one is taken nothing is read from the network, and the server has to wait. For
 * libcurl that would be a slow server, so that nothing comes is watched here.
 */
#include "net/http_intern.h"

#define SLOW_BYTES_S 1024 /* less is standing still */

struct download {
    struct hf_http_transfer t;
    const struct hf_http_sink *sink;
    uint64_t bytes;
    bool is_refused; /* by who takes it */
    struct hf_err refused;
    int64_t since_ms; /* the window of the watch: from then on … */
    uint64_t since_bytes;
};

static int64_t now_ms(const struct download *d)
{
    return hf_clock_mono_ms(d->sink->clock);
}

static size_t take_piece(char *data, size_t one, size_t n, void *ctx)
{
    struct download *d = ctx;
    long status = 0;
    curl_easy_getinfo(d->t.h.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 != 2)
        return hf_http_take_body(data, one, n, &d->t);
    n *= one;
    if (n > d->sink->bytes_max - d->bytes) {
        d->t.is_too_long = true;
        return 0;
    }
    int64_t from_ms = now_ms(d);
    if (d->sink->piece(d->sink->ctx, data, n, &d->refused) != 0) {
        d->is_refused = true;
        return 0;
    }
    d->since_ms += now_ms(d) - from_ms; /* the server had to wait */
    d->bytes += n;
    return n;
}

static int begin(struct download *d, struct hf_err *err)
{
    CURL *e = d->t.h.easy;
    if (hf_http_begin(&d->t, err) < 0)
        return -1;
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, d);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, 0L);
    return 0;
}

/* Each time that enough came, the window begins anew. */
static int check_speed(struct download *d, struct hf_err *err)
{
    int64_t window_ms = d->t.req->timeout_ms, now = now_ms(d);
    if (d->bytes - d->since_bytes >= (uint64_t)window_ms * SLOW_BYTES_S / 1000) {
        d->since_bytes = d->bytes;
        d->since_ms = now;
    }
    if (now - d->since_ms <= window_ms)
        return 0;
    hf_fail(err, HF_E_TIMEOUT, "the server sends nothing, or next to nothing, any more");
    err->retryable = true;
    return -1;
}

static int run_to_end(struct download *d, struct hf_err *err)
{
    d->since_ms = now_ms(d);
    for (bool running = true; running;)
        if (hf_http_step(&d->t, true, &running, err) < 0 || (running && check_speed(d, err) < 0))
            return -1;
    return hf_http_ended(&d->t, err);
}

int hf_http_download(struct hf_http *h, const struct hf_http_request *req,
                     const struct hf_http_sink *sink, struct hf_http_answer *out,
                     struct hf_err *err)
{
    struct hf_http_request mine = *req;
    struct download d = {
        .t = {.http = h, .req = &mine, .answer = out}, .sink = sink, .refused = HF_ERR_INIT};
    mine.method = "GET";
    mine.body = mine.into = NULL;
    hf_http_answer_free(out);
    if (hf_http_take(h, &d.t.h, err) < 0)
        return -1;
    int rc = begin(&d, err) < 0 ? -1 : run_to_end(&d, err);
    hf_http_end(&d.t);
    hf_http_give(h, &d.t.h);
    if (d.is_refused)
        hf_err_copy(err, &d.refused);
    return rc;
}
