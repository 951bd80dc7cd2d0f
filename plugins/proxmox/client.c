/* SPDX-License-Identifier: Apache-2.0 */
#include "base/plugin_side.h"
#include "login.h"

#include <stdarg.h>
#include <string.h>

#define TRIES_MAX 4
#define PAUSE_FIRST_MS 100
#define NEW_TOKEN_MS 2000
#define OPEN_MS 20000
#define ANSWER_MS 40000 /* the server itself gives up a node after 30 s */
#define LINES_MAX 4
/* pve-http-server 5.2.1 brought the larger one; it came with Proxmox VE 8.4 at the latest. */
#define BODY_MAX ((size_t)512 << 10)
#define BODY_MAX_OLD ((size_t)64 << 10)

static int is_cancelled(void *ctx)
{
    struct hf_instance *in = ctx;
    return !in->ignores_cancel && in->host->cancelled(in->host->ctx);
}

int64_t pve_now_ms(struct hf_instance *in)
{
    return in->host->now_ms(in->host->ctx);
}

int64_t pve_left_ms(struct hf_instance *in, const struct hf_call *call)
{
    if (call->deadline_ms == HF_NO_DEADLINE)
        return INT32_MAX;
    int64_t left = call->deadline_ms - pve_now_ms(in);
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
}

int pve_enter(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    hf_strv_free(&in->kept);
    in->is_unclear = false;
    if (call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    if (!pve_left_ms(in, call))
        return hf_fail(err, HF_E_TIMEOUT, "the deadline had passed before the call");
    return 0;
}

int pve_check_stop(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    if (is_cancelled(in))
        return hf_fail(err, HF_E_CANCELLED, "cancelled");
    return pve_left_ms(in, call) ? 0 : hf_fail(err, HF_E_TIMEOUT, "the deadline passed");
}

void pve_pause(struct hf_instance *in, const struct hf_call *call, int64_t ms)
{
    int64_t left = pve_left_ms(in, call);
    usleep((useconds_t)(ms < left ? ms : left) * 1000);
}

const char *pve_keep(struct hf_instance *in, char *owned)
{
    return owned && hf_strv_take(&in->kept, owned) == 0 ? in->kept.items[in->kept.n - 1] : NULL;
}

void pve_log(struct hf_instance *in, enum hf_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    hf_host_vlog(in->host, level, fmt, ap);
    va_end(ap);
}

void pve_param(struct hf_buf *params, const char *key, const char *value)
{
    hf_buf_printf(params, "%s%s=", params->len ? "&" : "", key);
    hf_url_encode(params, value, false);
}

/* ---- one request, and again ------------------------------------------------------------------------ */

static int take_data(const struct hf_http_answer *reply, struct json_object **out,
                     struct hf_err *err)
{
    struct json_object *data = NULL;
    HF_AUTOJSON struct json_object *doc =
        hf_json_parse(hf_buf_str(&reply->body), reply->body.len, err);
    if (!doc)
        return -1;
    if (!json_object_object_get_ex(doc, "data", &data))
        return hf_fail(err, HF_E_CORRUPT, "an answer without 'data'");
    *out = json_object_get(data);
    return 0;
}

/* A host that is gone without a word, or a connection that nobody knows any more, must not use up what time there is. */
static int64_t answer_ms(const struct pve_req *req, bool is_get)
{
    if (req->answer_ms)
        return req->answer_ms;
    return is_get && !req->max_body ? ANSWER_MS : 0;
}

static int send_once(struct hf_instance *in, const struct hf_call *call, const struct pve_req *req,
                     struct hf_http_answer *reply, struct hf_err *err)
{
    PVE_AUTO_LINES struct hf_strv lines = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf path = HF_BUF_INIT;
    const char *headers[LINES_MAX + 1] = {NULL};
    bool is_get = strcmp(req->method, "GET") == 0;
    bool has_body = !is_get && strcmp(req->method, "DELETE") != 0;
    const char *params = req->params ? hf_buf_str(req->params) : "";
    hf_buf_printf(&path, "/api2/json%s", req->path);
    if (!has_body && *params) /* a body with GET or DELETE is refused */
        hf_buf_printf(&path, "?%s", params);
    if (pve_identity_add(in, is_get, &lines) != 0 || !hf_buf_ok(&path) ||
        (req->params && !hf_buf_ok(req->params)))
        return hf_fail_nomem(err);
    headers[0] = "Expect:"; /* no 100 Continue is ever sent */
    for (size_t i = 0; i < lines.n && i + 1 < LINES_MAX; i++)
        headers[i + 1] = lines.items[i];
    struct hf_http_request r = {.method = req->method,
                                .headers = headers,
                                .body = has_body ? params : NULL,
                                .body_len = has_body ? strlen(params) : 0,
                                .answer_max = req->max_body ? req->max_body : PVE_BODY_MAX,
                                .is_once = !is_get};
    return pve_hosts_run(in->api, &r, path.data, call->deadline_ms, answer_ms(req, is_get), reply,
                         err);
}

/* Whether the same request may be sent again: surely nothing happened, or asking twice changes nothing. */
static bool may_repeat(const struct pve_req *req, const struct hf_http_answer *reply,
                       const struct hf_err *err)
{
    bool is_get = strcmp(req->method, "GET") == 0;
    if (reply->status == 595) /* the node was not reached */
        return true;
    if (reply->status >= 596)
        return is_get;
    return (is_get || req->answer_ms) && !reply->status && err->cls == HF_E_UNREACHABLE;
}

static bool is_certain(const struct hf_http_answer *reply, const struct hf_err *err)
{
    long s = reply->status;
    return !reply->was_sent || s == 400 || s == 401 || s == 403 || s == 501 || s == 595 ||
           (s == 500 && strstr(err->message, "Configuration file 'nodes/"));
}

static int attempt(struct hf_instance *in, const struct hf_call *call, const struct pve_req *req,
                   struct hf_http_answer *reply, struct json_object **out, struct hf_err *err)
{
    int rc = send_once(in, call, req, reply, err);
    if (rc == 0 && reply->status == 200)
        rc = take_data(reply, out, err);
    else if (rc == 0)
        rc = pve_fail_status(in, reply, req->method, req->path, err);
    in->is_unclear = rc != 0 && strcmp(req->method, "GET") != 0 && !is_certain(reply, err);
    return rc;
}

int pve_request(struct hf_instance *in, const struct hf_call *call, const struct pve_req *req,
                struct json_object **out, struct hf_err *err)
{
    bool was_renewed = false;
    if (pve_renew_if_due(in, call, req, err) != 0)
        return -1;
    for (int tries = 1;; tries++) {
        HF_AUTO(hf_http_answer) struct hf_http_answer reply = {0};
        struct hf_err now = HF_ERR_INIT;
        if (attempt(in, call, req, &reply, out, &now) == 0) {
            in->was_admitted = true;
            return 0;
        }
        bool is_new = reply.status == 401 && in->token_file && !in->was_admitted && !was_renewed;
        bool is_forbidden = reply.status == 403 && !in->was_refused && !pve_is_login(req);
        if (is_new || is_forbidden) {
            /* a new token, or right, reaches all nodes some seconds late */
            *(is_new ? &was_renewed : &in->was_refused) = true;
            pve_pause(in, call, NEW_TOKEN_MS);
            if (pve_check_stop(in, call, err) != 0)
                return -1;
            continue;
        }
        if (reply.status == 401 && !in->token_file && !pve_is_login(req) && !was_renewed) {
            was_renewed = true;
            if (pve_log_in(in, call, err) != 0)
                return -1;
            continue;
        }
        if (tries == TRIES_MAX || !may_repeat(req, &reply, &now) ||
            pve_left_ms(in, call) <= PAUSE_FIRST_MS << tries) {
            hf_err_copy(err, &now);
            return -1;
        }
        pve_hosts_next(in->api);
        pve_pause(in, call, PAUSE_FIRST_MS << (tries - 1));
        if (pve_check_stop(in, call, err) != 0)
            return -1;
    }
}

int pve_get(struct hf_instance *in, const struct hf_call *call, const char *path,
            struct json_object **out, struct hf_err *err)
{
    struct pve_req req = {.method = "GET", .path = path};
    return pve_request(in, call, &req, out, err);
}

/* ---- open ------------------------------------------------------------------------------------------ */

int pve_version(struct hf_instance *in, const struct hf_call *call, char text[64],
                struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    if (pve_get(in, call, "/version", &data, err) != 0)
        return -1;
    const char *version = pve_text(data, "version");
    if (!version)
        return hf_fail(err, HF_E_CORRUPT, "the server tells no version");
    char *end;
    in->major = (int)strtol(version, &end, 10);
    in->minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
    in->body_max = in->major > 8 || (in->major == 8 && in->minor >= 4) ? BODY_MAX : BODY_MAX_OLD;
    snprintf(text, 64, "%s", version);
    if (in->major < 7)
        return hf_fail(err, HF_E_UNSUPPORTED, "Proxmox VE %s is older than 7", text);
    return 0;
}

bool pve_is_before(const struct hf_instance *in, int major, int minor)
{
    return in->major < major || (in->major == major && in->minor < minor);
}

int pve_connect(struct hf_instance *in, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv hosts = HF_STRV_INIT;
    char version[64];
    struct hf_call call = {.struct_size = sizeof call, .deadline_ms = pve_now_ms(in) + OPEN_MS};
    if (pve_identity_read(in, err) != 0)
        return -1;
    if (hf_strv_split(&hosts, in->uri, ',') != 0)
        return hf_fail_nomem(err);
    struct pve_trust trust = {in->ca_file, in->pin, in->fingerprint};
    in->api = pve_hosts_new(&hosts, &trust, in->host, is_cancelled, in, err);
    return in->api ? pve_version(in, &call, version, err) : -1;
}
