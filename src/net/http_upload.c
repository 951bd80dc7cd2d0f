/* SPDX-License-Identifier: Apache-2.0
 *
 * The transfer stands still (paused) while there is nothing to send, and runs inside our calls alone. That libcurl takes for a slow one:
 * so that nothing moves is watched here.
 */
#include "net/http_intern.h"

#include <string.h>

struct hf_http_upload {
    struct hf_http *http;
    struct hf_http_request req;
    struct hf_http_transfer t;
    struct hf_http_answer answer;
    const struct hf_clock *clock;
    const char *data; /* of the write that is under way */
    size_t left;
    bool is_end, is_paused, is_over;
};

static size_t give_body(char *buf, size_t one, size_t n, void *ctx)
{
    struct hf_http_upload *u = ctx;
    n *= one;
    if (u->left == 0) {
        u->is_paused = !u->is_end;
        return u->is_end ? 0 : CURL_READFUNC_PAUSE;
    }
    n = n < u->left ? n : u->left;
    memcpy(buf, u->data, n);
    u->data += n;
    u->left -= n;
    return n;
}

static int begin(struct hf_http_upload *u, uint64_t bytes, struct hf_err *err)
{
    CURL *e = u->t.h.easy;
    curl_off_t size = bytes == HF_HTTP_UNKNOWN ? -1 : (curl_off_t)bytes;
    if (hf_http_begin(&u->t, err) < 0)
        return -1;
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL);
    curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(e, CURLOPT_READDATA, u);
    curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, size);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, 0L);
    return 0;
}

struct hf_http_upload *hf_http_upload_begin(struct hf_http *h, const struct hf_http_request *req,
                                            uint64_t bytes, const struct hf_clock *clock,
                                            struct hf_err *err)
{
    struct hf_http_upload *u = calloc(1, sizeof *u);
    if (!u) {
        hf_fail_nomem(err);
        return NULL;
    }
    u->http = h;
    u->req = *req;
    u->req.method = "PUT";
    u->req.body = NULL;
    u->clock = clock;
    u->t = (struct hf_http_transfer){.http = h, .req = &u->req, .answer = &u->answer};
    if (hf_http_take(h, &u->t.h, err) < 0) {
        free(u);
        return NULL;
    }
    if (begin(u, bytes, err) == 0)
        return u;
    hf_http_upload_free(u);
    return NULL;
}

/* Until what was given has gone, or all is over. */
static int drive(struct hf_http_upload *u, struct hf_err *err)
{
    int64_t moved_ms = hf_clock_mono_ms(u->clock);
    if (u->is_paused) {
        u->is_paused = false;
        curl_easy_pause(u->t.h.easy, CURLPAUSE_CONT);
    }
    while (!u->is_over && (u->left > 0 || u->is_end)) {
        bool running = true;
        size_t before = u->left;
        if (hf_http_step(&u->t, !u->is_paused, &running, err) < 0)
            return -1;
        u->is_over = !running;
        if (u->left != before)
            moved_ms = hf_clock_mono_ms(u->clock);
        if (hf_clock_is_past(u->clock, moved_ms + u->req.timeout_ms)) {
            hf_fail(err, HF_E_TIMEOUT, "the server takes nothing any more");
            err->retryable = true;
            return -1;
        }
    }
    return 0;
}

int hf_http_upload_write(struct hf_http_upload *u, const void *data, size_t len, struct hf_err *err)
{
    u->data = data;
    u->left = len;
    if (drive(u, err) < 0)
        return -1;
    return u->is_over;
}

int hf_http_upload_finish(struct hf_http_upload *u, int64_t answer_ms, struct hf_http_answer *out,
                          struct hf_err *err)
{
    u->req.timeout_ms = answer_ms;
    u->left = 0;
    u->is_end = true;
    if (drive(u, err) < 0 || hf_http_ended(&u->t, err) < 0)
        return -1;
    hf_http_answer_free(out);
    *out = u->answer;
    u->answer = (struct hf_http_answer){0};
    return 0;
}

void hf_http_upload_free(struct hf_http_upload *u)
{
    if (!u)
        return;
    hf_http_end(&u->t);
    hf_http_give(u->http, &u->t.h);
    hf_http_answer_free(&u->answer);
    free(u);
}
