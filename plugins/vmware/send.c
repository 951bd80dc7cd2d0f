/* SPDX-License-Identifier: Apache-2.0 */
#include "vmw.h"

#include <string.h>

#define CONNECT_MS 10000
#define ANSWER_MS 60000 /* most calls take milliseconds; a busy vCenter takes many seconds */
#define WAIT_SPARE_MS 5000
#define HELD_MS 6000
#define HEADERS_MAX 5
#define URL_MAX 4096

/* A server that is gone without a word, or a connection that nobody knows any more, must not use up the hold. What changes
 * something is not given up early. libcurl takes 0 for no limit. */
static int64_t limit_of(struct hf_instance *in, const struct hf_call *call,
                        const struct vmw_request *req)
{
    int64_t left = vmw_left_ms(in, call);
    int64_t most = req->wait_ms                  ? req->wait_ms + WAIT_SPARE_MS
                   : in->is_held && req->is_read ? HELD_MS
                                                 : ANSWER_MS;
    left = left < most ? left : most;
    return left > 0 ? left : 1;
}

/* The value of a header's line, or NULL: it is another header. */
static const char *cookie_in(const char *line)
{
    static const char header[] = "set-cookie:", name[] = "vmware_soap_session=";
    if (strncasecmp(line, header, strlen(header)) != 0)
        return NULL;
    line += strlen(header);
    line += strspn(line, " \t");
    return strncmp(line, name, strlen(name)) == 0 ? line : NULL;
}

/* The session's cookie, as the server wrote it, quotes and all; what stands before the server may set others. */
static int take_cookie(struct hf_instance *in, const struct hf_http_answer *reply)
{
    for (const char *line = hf_buf_str(&reply->headers); *line;) {
        const char *value = cookie_in(line), *end = strchrnul(line, '\n');
        if (value) {
            hf_secret_free(in->cookie);
            in->cookie = hf_secret_new(value, strcspn(value, ";\n"));
            return in->cookie ? 0 : -1;
        }
        line = *end ? end + 1 : end;
    }
    return 0;
}

int vmw_hint_other(struct hf_err *err)
{
    return hf_hint(err, "No vCenter and no ESXi host answers so: is uri right, is the server still "
                        "starting, or does a proxy or a log-in page stand before it?");
}

static int judge(const struct vmw_request *req, const struct hf_http_answer *reply,
                 struct vmw_tree **out, bool *out_fault, struct hf_err *err)
{
    char expected[96];
    if (reply->status != 200 && reply->status != 500) {
        hf_fail(err, HF_E_UNREACHABLE, "%s: status %ld", req->method, reply->status);
        err->retryable = 1;
        return vmw_hint_other(err);
    }
    HF_AUTO(vmw_tree)
    struct vmw_tree *t = vmw_tree_parse(hf_buf_str(&reply->body), reply->body.len, "Envelope", err);
    if (!t) {
        hf_wrap(err, "%s", req->method);
        return vmw_hint_other(err);
    }
    const struct vmw_node *body = vmw_child(vmw_tree_root(t), "Body"),
                          *first = vmw_child(body, NULL);
    snprintf(expected, sizeof expected, "%sResponse", req->method);
    *out_fault = first && strcmp(vmw_name(first), "Fault") == 0;
    if (!*out_fault && (!first || reply->status != 200 || strcmp(vmw_name(first), expected) != 0))
        return hf_fail(err, HF_E_CORRUPT, "%s: the server's answer is no response to it",
                       req->method);
    *out = HF_STEAL(t);
    return 0;
}

int vmw_send(struct hf_instance *in, const struct hf_call *call, const struct vmw_request *req,
             struct vmw_tree **out, bool *out_fault, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf body = HF_BUF_INIT;
    HF_AUTO(hf_http_answer) struct hf_http_answer reply = {0};
    HF_AUTOFREE char *url = hf_asprintf("%s/sdk", in->base);
    char action[64], *cookie = NULL;
    snprintf(action, sizeof action, "SOAPAction: \"urn:vim25/%s\"", in->version);
    if (in->cookie)
        cookie = hf_asprintf("Cookie: %s", hf_secret_reveal(in->cookie));
    HF_AUTOFREE char *owned = cookie;
    const char *headers[HEADERS_MAX] = {"Content-Type: text/xml; charset=utf-8", action,
                                        "Expect:", cookie, NULL};
    if (!vmw_left_ms(in, call)) /* libcurl takes 0 for no limit */
        return hf_fail(err, HF_E_TIMEOUT, "%s: the deadline passed", req->method);
    if (!url || (in->cookie && !cookie) || !vmw_encode(req->method, req->self, req->args, &body))
        return hf_fail_nomem(err);
    struct hf_http_request r = {.method = "POST",
                                .url = url,
                                .headers = headers,
                                .body = body.data,
                                .body_len = body.len,
                                .answer_max = VMW_TREE_MAX,
                                .timeout_ms = limit_of(in, call, req),
                                .connect_ms = CONNECT_MS,
                                .is_once = !req->is_read};
    int rc = hf_http_run(in->http, &r, &reply, err);
    hf_wipe(body.data, body.len);
    if (cookie)
        hf_wipe(cookie, strlen(cookie));
    in->is_unclear = rc != 0 && reply.was_sent && !req->is_read;
    if (rc != 0) {
        if (err->cls == HF_E_TIMEOUT && vmw_left_ms(in, call))
            err->cls = HF_E_UNREACHABLE;
        return hf_wrap(err, "%s", req->method);
    }
    if (take_cookie(in, &reply) != 0)
        return hf_fail_nomem(err);
    rc = judge(req, &reply, out, out_fault, err);
    in->is_unclear = rc != 0 && !req->is_read;
    return rc;
}

int vmw_get_document(struct hf_instance *in, const struct hf_call *call, const char *path,
                     struct hf_http_answer *out, struct hf_err *err)
{
    HF_AUTOFREE char *url = hf_asprintf("%s%s", in->base, path);
    if (!url)
        return hf_fail_nomem(err);
    if (!vmw_left_ms(in, call))
        return hf_fail(err, HF_E_TIMEOUT, "%s: the deadline passed", path);
    struct hf_http_request r = {.method = "GET",
                                .url = url,
                                .timeout_ms = limit_of(in, call, &(struct vmw_request){0}),
                                .connect_ms = CONNECT_MS,
                                .answer_max = (size_t)1 << 20};
    if (hf_http_run(in->http, &r, out, err) != 0)
        return hf_wrap(err, "%s", path);
    if (out->status == 200)
        return 0;
    hf_fail(err, HF_E_UNREACHABLE, "%s: status %ld", path, out->status);
    return vmw_hint_other(err);
}

char *vmw_transfer_url(const struct hf_instance *in, const char *told, struct hf_err *err)
{
    char *url = NULL;
    if (!told || strlen(told) > URL_MAX || strncmp(told, "https://", 8) != 0 ||
        strpbrk(told, " \r\n\t")) {
        hf_fail(err, HF_E_CORRUPT, "the server names no URL for the transfer");
        return NULL;
    }
    if (strncmp(told + 8, "*/", 2) == 0)
        url = hf_asprintf("%s%s", in->base, told + 9);
    else if (strncmp(told + 8, "*:", 2) == 0) /* the port is this server's own, too */
        url = hf_asprintf("%s%s", in->base, told + 9 + strcspn(told + 9, "/"));
    else
        url = strdup(told);
    if (!url)
        hf_fail_nomem(err);
    return url;
}

bool vmw_is_own_url(const struct hf_instance *in, const char *url)
{
    size_t len = strlen(in->base);
    return strncmp(url, in->base, len) == 0 && url[len] == '/';
}

int vmw_hint_host(struct hf_err *err)
{
    err->hint[0] = '\0'; /* about one server alone */
    if (err->cls == HF_E_AUTH)
        return hf_hint(err,
                       "It comes from the VM's host itself, whose certificate is another: trust "
                       "both by ca-file.");
    return err->cls != HF_E_UNREACHABLE
               ? -1
               : hf_hint(err, "It comes from the VM's host itself: its name has to be known here, "
                              "and its port 443 reached.");
}
