/* SPDX-License-Identifier: Apache-2.0
 *
 * net/http_intern.h - what the files of net/http.h share: handles, and one transfer.
 */
#ifndef HF_NET_HTTP_INTERN_H
#define HF_NET_HTTP_INTERN_H

#include "net/http.h"
#include "net/http_tls.h"

#include <curl/curl.h>
#include <pthread.h>

#define HF_HTTP_IDLE_MAX 32
#define HF_HTTP_LOOK_MS                                                                            \
    250 /* at the least so often: has somebody cancelled by a parent or a deadline */

/* Its connections are kept by the multi handle, which also lets one wait for more than the network. */
struct hf_http_handle {
    CURL *easy;
    CURLM *multi;
};

struct hf_http {
    pthread_mutex_t lock;
    struct hf_http_handle idle[HF_HTTP_IDLE_MAX];
    size_t n_idle;
    char *ca_file, *pin;
    bool has_fingerprint;
    unsigned char fingerprint[HF_FINGERPRINT_BYTES];
    uint64_t bytes_s;
    int64_t connect_ms, stall_ms;
    int idle_max_s;
    const struct hf_cancel *cancel;
    int (*is_cancelled)(void *ctx);
    void *cancel_ctx;
};

/* http.c. give: without its options, and so without the secret; its connection stays. */
int hf_http_take(struct hf_http *h, struct hf_http_handle *out, struct hf_err *err) HF_CHECKED;
void hf_http_give(struct hf_http *h, struct hf_http_handle *e);

struct hf_http_transfer {
    struct hf_http_handle h;
    const struct hf_http *http;
    const struct hf_http_request *req;
    struct hf_http_answer *answer;
    struct curl_slist *headers;
    size_t body_at; /* bytes of the request's body that were handed out, where it goes once */
    bool is_too_long;
    char text[CURL_ERROR_SIZE];
};

/* http_transfer.c. Everything that the request asks for is set, and the transfer is among those of its multi handle; end takes it
 * away again: one that was cut short loses its connection. */
int hf_http_begin(struct hf_http_transfer *t, struct hf_err *err) HF_CHECKED;
void hf_http_end(struct hf_http_transfer *t);
/* One round: what can be done now, and a wait of LOOK_MS at the most for more. *out_running: not at its end. */
int hf_http_step(struct hf_http_transfer *t, bool waits, bool *out_running, struct hf_err *err)
    HF_CHECKED;
/* libcurl's callback: into the answer, or where the request wants it. */
size_t hf_http_take_body(char *data, size_t one, size_t n, void *transfer);
/* How it ended. Fills the answer's status. */
int hf_http_ended(struct hf_http_transfer *t, struct hf_err *err) HF_CHECKED;

#endif
