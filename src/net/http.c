/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_intern.h"

#include <string.h>

#define CURL_LEAST 0x075800 /* 7.88.0: before it a given content hash was not signed */

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
    h->idle_max_s = opts->idle_max_s;
    h->cancel = opts->cancel;
    h->is_cancelled = opts->is_cancelled;
    h->cancel_ctx = opts->cancel_ctx;
    if (copy_text(&h->ca_file, opts->ca_file) < 0 || copy_text(&h->pin, opts->pin) < 0) {
        hf_http_free(h);
        hf_fail_nomem(err);
        return NULL;
    }
    h->has_fingerprint = opts->fingerprint != NULL;
    if (opts->fingerprint && hf_http_fingerprint(opts->fingerprint, h->fingerprint, err) < 0) {
        hf_http_free(h);
        return NULL;
    }
    return h;
}

static void free_handle(struct hf_http_handle *e)
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
int hf_http_take(struct hf_http *h, struct hf_http_handle *out, struct hf_err *err)
{
    pthread_mutex_lock(&h->lock);
    bool is_kept = h->n_idle > 0;
    if (is_kept)
        *out = h->idle[--h->n_idle];
    pthread_mutex_unlock(&h->lock);
    if (is_kept)
        return 0;
    *out = (struct hf_http_handle){curl_easy_init(), curl_multi_init()};
    if (out->easy && out->multi)
        return 0;
    free_handle(out);
    return hf_fail_nomem(err);
}

void hf_http_give(struct hf_http *h, struct hf_http_handle *e)
{
    curl_easy_reset(e->easy);
    pthread_mutex_lock(&h->lock);
    bool is_kept = h->n_idle < HF_HTTP_IDLE_MAX;
    if (is_kept)
        h->idle[h->n_idle++] = *e;
    pthread_mutex_unlock(&h->lock);
    if (!is_kept)
        free_handle(e);
}

/* ---- a request -------------------------------------------------------------------------- */

static int run_to_end(struct hf_http_transfer *t, struct hf_err *err)
{
    for (bool running = true; running;)
        if (hf_http_step(t, true, &running, err) < 0)
            return -1;
    return hf_http_ended(t, err);
}

int hf_http_run(struct hf_http *h, const struct hf_http_request *req, struct hf_http_answer *out,
                struct hf_err *err)
{
    hf_http_answer_free(out);
    struct hf_http_transfer t = {.http = h, .req = req, .answer = out};
    if (hf_http_take(h, &t.h, err) < 0)
        return -1;
    int rc = hf_http_begin(&t, err) < 0 ? -1 : run_to_end(&t, err);
    hf_http_end(&t);
    hf_http_give(h, &t.h);
    return rc;
}
