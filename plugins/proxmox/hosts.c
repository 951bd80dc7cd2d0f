/* SPDX-License-Identifier: Apache-2.0 */
#include "hosts.h"

#include "api/holdfast/plugin.h"

#include <string.h>

#define WITHOUT_DEADLINE_MS 300000
#define CONNECT_MAX_MS 10000
/* libcurl compares whole seconds: a connection is given up once it was idle for 4 s. */
#define IDLE_MAX_S 3

struct pve_hosts {
    struct hf_http *http;
    struct hf_strv names; /* HOST or HOST:PORT */
    size_t at;            /* the one that is asked next */
    const struct hf_host *host;
};

void pve_hosts_free(struct pve_hosts *h)
{
    if (!h)
        return;
    hf_http_free(h->http);
    hf_strv_free(&h->names);
    free(h);
}

/* A host ends up in a URL: nothing in it may start another part of one. */
static int add_host(struct pve_hosts *h, const char *text, struct hf_err *err)
{
    bool is_https = strncmp(text, "https://", 8) == 0; /* the core finds them by it, too */
    const char *host = is_https ? text + 8 : text;
    size_t len = strlen(host);
    HF_AUTOFREE char *name = strndup(host, len && host[len - 1] == '/' ? len - 1 : len);
    if (!name)
        return hf_fail_nomem(err);
    const char *close = *name == '[' ? strchr(name, ']') : NULL;
    const char *colon = strchr(close ? close : name, ':');
    bool is_bad = !is_https || !*name || strpbrk(name, "/@?#\\ \t%") || (*name == '[' && !close);
    if (is_bad || (colon && (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)))) {
        hf_fail(err, HF_E_CONFIG, "'%s' is no https://HOST:PORT", text);
        return hf_hint(err, "Only https; an IPv6 address stands in brackets.");
    }
    return hf_strv_take(&h->names, HF_STEAL(name)) == 0 ? 0 : hf_fail_nomem(err);
}

/* Each node has a key of its own. libcurl wants them one behind the other; text NULL: none. */
static int join_pins(const char *text, struct hf_buf *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv pins = HF_STRV_INIT;
    if (text && hf_strv_split(&pins, text, ',') != 0)
        return hf_fail_nomem(err);
    if (text && !pins.n)
        return hf_fail(err, HF_E_CONFIG, "the pin is empty");
    for (size_t i = 0; i < pins.n; i++) {
        const char *pin = pins.items[i];
        if (strncmp(pin, "sha256//", 8) != 0 || strlen(pin) != 52 || strchr(pin, ';'))
            return hf_fail(err, HF_E_CONFIG, "'%s' is no pin: sha256// and 44 characters", pin);
        hf_buf_printf(out, "%s%s", i ? ";" : "", pin);
    }
    return out->failed ? hf_fail_nomem(err) : 0;
}

static int check_trust(const struct pve_trust *t, struct hf_err *err)
{
    if (t->ca_file && access(t->ca_file, R_OK) != 0)
        return hf_fail(err, HF_E_CONFIG, "CA file '%s': %s", t->ca_file, strerror(errno));
    if (t->fingerprint && (t->pin || t->ca_file))
        return hf_fail(err, HF_E_CONFIG, "fingerprint stands alone: drop it, or ca-file and pin");
    return 0;
}

struct pve_hosts *pve_hosts_new(const struct hf_strv *hosts, const struct pve_trust *trust,
                                const struct hf_host *host, int (*is_cancelled)(void *ctx),
                                void *ctx, struct hf_err *err)
{
    HF_AUTO(pve_hosts) struct pve_hosts *h = calloc(1, sizeof *h);
    if (!h) {
        hf_fail_nomem(err);
        return NULL;
    }
    h->host = host;
    for (size_t i = 0; i < hosts->n; i++)
        if (add_host(h, hosts->items[i], err) != 0)
            return NULL;
    if (!h->names.n) {
        hf_fail(err, HF_E_CONFIG, "no host is given");
        return NULL;
    }
    HF_AUTO(hf_buf) struct hf_buf pins = HF_BUF_INIT;
    if (check_trust(trust, err) != 0 || join_pins(trust->pin, &pins, err) != 0)
        return NULL;
    struct hf_http_opts opts = {.ca_file = trust->ca_file,
                                .pin = trust->pin ? pins.data : NULL,
                                .fingerprint = trust->fingerprint,
                                .stall_ms =
                                    WITHOUT_DEADLINE_MS, /* a freeze says nothing for long */
                                .idle_max_s = IDLE_MAX_S,
                                .is_cancelled = is_cancelled,
                                .cancel_ctx = ctx};
    h->http = hf_http_new(&opts, err);
    return h->http ? HF_STEAL(h) : NULL;
}

const char *pve_hosts_name(const struct pve_hosts *h)
{
    return h->names.items[h->at];
}

void pve_hosts_next(struct pve_hosts *h)
{
    h->at = (h->at + 1) % h->names.n;
}

static int attempt(struct pve_hosts *h, struct hf_http_request *req, const char *path,
                   struct hf_http_answer *out, struct hf_err *err)
{
    const char *name = pve_hosts_name(h), *close = *name == '[' ? strchr(name, ']') : name;
    HF_AUTOFREE char *url = strchr(close, ':')
                                ? hf_asprintf("https://%s%s", name, path)
                                : hf_asprintf("https://%s:%d%s", name, PVE_PORT, path);
    if (!url)
        return hf_fail_nomem(err);
    req->url = url;
    int rc = hf_http_run(h->http, req, out, err);
    req->url = NULL;
    if (rc != 0 && err->cls == HF_E_TIMEOUT && !out->was_sent)
        err->cls = HF_E_UNREACHABLE;
    return rc == 0 ? 0 : hf_wrap(err, "%s", name);
}

int pve_hosts_run(struct pve_hosts *h, struct hf_http_request *req, const char *path,
                  int64_t deadline_ms, int64_t answer_ms, struct hf_http_answer *out,
                  struct hf_err *err)
{
    int64_t now = h->host->now_ms(h->host->ctx);
    int64_t deadline = deadline_ms == HF_NO_DEADLINE ? now + WITHOUT_DEADLINE_MS : deadline_ms;
    struct hf_err last = HF_ERR_INIT;
    hf_fail(&last, HF_E_TIMEOUT, "the deadline passed");
    for (size_t tries = 0; tries < h->names.n; tries++) {
        int64_t left = deadline - h->host->now_ms(h->host->ctx);
        int64_t share = left / (int64_t)(h->names.n - tries);
        if (left <= 0)
            break;
        bool is_cut = answer_ms && answer_ms < left;
        req->timeout_ms = is_cut ? answer_ms : left;
        req->connect_ms = share > CONNECT_MAX_MS ? CONNECT_MAX_MS : share > 0 ? share : 1;
        hf_err_clear(&last);
        if (attempt(h, req, path, out, &last) == 0)
            return 0;
        if (is_cut && last.cls == HF_E_TIMEOUT) /* ours, and not the caller's: it is the host */
            last.cls = HF_E_UNREACHABLE;
        if (out->was_sent || last.cls != HF_E_UNREACHABLE)
            break;
        pve_hosts_next(h); /* nothing was sent, and another server may do */
    }
    hf_err_copy(err, &last);
    return -1;
}
