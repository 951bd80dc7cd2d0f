/* SPDX-License-Identifier: Apache-2.0 */
#include "base/plugin_side.h"
#include "vmw.h"

#include <stdarg.h>
#include <string.h>

#define TRIES_MAX 4
#define PAUSE_FIRST_MS 100
#define SAY_MS 50 /* of each deadline, to say what is left before nobody listens any more */

int64_t vmw_now_ms(struct hf_instance *in)
{
    return in->host->now_ms(in->host->ctx);
}

int64_t vmw_left_ms(struct hf_instance *in, const struct hf_call *call)
{
    if (call->deadline_ms == HF_NO_DEADLINE)
        return INT32_MAX;
    int64_t left = call->deadline_ms - SAY_MS - vmw_now_ms(in);
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
}

int vmw_enter(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    hf_strv_free(&in->kept);
    in->is_unclear = false;
    if (call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    if (!vmw_left_ms(in, call))
        return hf_fail(err, HF_E_TIMEOUT, "the deadline had passed before the call");
    return 0;
}

int vmw_check_stop(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    if (!in->ignores_cancel && in->host->cancelled(in->host->ctx))
        return hf_fail(err, HF_E_CANCELLED, "cancelled");
    return vmw_left_ms(in, call) ? 0 : hf_fail(err, HF_E_TIMEOUT, "the deadline passed");
}

void vmw_pause(struct hf_instance *in, const struct hf_call *call, int64_t ms)
{
    int64_t left = vmw_left_ms(in, call);
    usleep((useconds_t)(ms < left ? ms : left) * 1000);
}

const char *vmw_keep(struct hf_instance *in, char *owned)
{
    return owned && hf_strv_take(&in->kept, owned) == 0 ? in->kept.items[in->kept.n - 1] : NULL;
}

void vmw_log(struct hf_instance *in, enum hf_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    hf_host_vlog(in->host, level, fmt, ap);
    va_end(ap);
}

bool vmw_is_away(const struct hf_err *err)
{
    return err->cls == HF_E_UNREACHABLE || err->cls == HF_E_CORRUPT;
}

const struct vmw_node *vmw_response(const struct vmw_tree *t)
{
    return vmw_child(vmw_child(vmw_tree_root(t), "Body"), NULL);
}

/* ---- one call, and again ------------------------------------------------------------------------------------ */

static bool is_about_session(const struct vmw_request *req)
{
    return strcmp(req->method, "Login") == 0 || strcmp(req->method, "Logout") == 0;
}

/* After a new log-in, where there is no session. */
static int attempt(struct hf_instance *in, const struct hf_call *call,
                   const struct vmw_request *req, struct vmw_tree **out, struct hf_err *err)
{
    bool is_fault = false;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    if (!in->cookie && in->session_key[0] && !is_about_session(req) &&
        vmw_log_in(in, call, err) != 0)
        return -1;
    in->fault[0] = '\0';
    if (vmw_send(in, call, req, &t, &is_fault, err) != 0)
        return -1;
    if (is_fault) {
        vmw_fail_envelope(in, t, err);
        return hf_wrap(err, "%s", req->method);
    }
    *out = HF_STEAL(t);
    return 0;
}

static bool lost_session(const struct hf_instance *in, const struct vmw_request *req)
{
    return strcmp(in->fault, "NotAuthenticated") == 0 && !is_about_session(req);
}

/* The session is gone: another one. Whoever changes something looks first. -1. */
static int come_back(struct hf_instance *in, const struct hf_call *call,
                     const struct vmw_request *req, struct hf_err *err)
{
    if (vmw_log_in(in, call, err) != 0)
        return -1;
    in->was_refused = true;
    hf_fail(err, HF_E_UNREACHABLE, "%s: the server had lost the session", req->method);
    err->retryable = 1;
    return -1;
}

/* A fault is an answer. */
static bool may_ask_again(struct hf_instance *in, const struct vmw_request *req, int tries,
                          int64_t began_ms, const struct hf_err *why)
{
    return req->is_read && !in->fault[0] && vmw_is_away(why) &&
           (tries < TRIES_MAX || vmw_now_ms(in) - began_ms < in->patience_ms);
}

int vmw_call(struct hf_instance *in, const struct hf_call *call, const struct vmw_request *req,
             struct vmw_tree **out, struct hf_err *err)
{
    bool was_renewed = false;
    int64_t began_ms = vmw_now_ms(in);
    in->was_refused = false;
    for (int tries = 1;; tries++) {
        struct hf_err now = HF_ERR_INIT;
        if (attempt(in, call, req, out, &now) == 0)
            return 0;
        if (lost_session(in, req) && !was_renewed) {
            was_renewed = true;
            if (!req->is_read)
                return come_back(in, call, req, err);
            hf_secret_free(in->cookie);
            in->cookie = NULL;
            continue;
        }
        int64_t pause = PAUSE_FIRST_MS << (tries < TRIES_MAX ? tries - 1 : TRIES_MAX);
        if (!may_ask_again(in, req, tries, began_ms, &now) || vmw_left_ms(in, call) <= 2 * pause) {
            hf_err_copy(err, &now);
            return -1;
        }
        vmw_pause(in, call, pause);
        if (vmw_check_stop(in, call, err) != 0)
            return -1;
    }
}

int vmw_call_ref(struct hf_instance *in, const struct hf_call *call, const struct vmw_request *req,
                 struct vmw_ref *out, struct hf_err *err)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    if (vmw_call(in, call, req, &t, err) != 0)
        return -1;
    if (vmw_ref_read(vmw_child(vmw_response(t), "returnval"), out))
        return 0;
    return hf_fail(err, HF_E_PLUGIN, "%s: the server returned nothing", req->method);
}
