/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "agent_reply.h"
#include "base/base64.h"
#include "base/point.h"

#include <string.h>

#define PAUSE_MAX_MS 20
#define INPUT_MAX ((size_t)1 << 20) /* base64 in one command, which libvirt takes up to 4 MiB */

static int add_args(struct json_object *args, const char *const *argv)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 1; list && argv[i]; i++)
        if (json_object_array_add(list, json_object_new_string(argv[i])) != 0) {
            json_object_put(list);
            return -1;
        }
    return list ? hf_json_add(args, "arg", list) : -1;
}

static int add_input(struct json_object *args, const struct hf_guest_exec *req)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (!req->input)
        return 0;
    hf_base64_encode(&text, req->input, req->input_len);
    return hf_buf_ok(&text) ? hf_json_add_string(args, "input-data", hf_buf_str(&text)) : -1;
}

static int start(const struct lv_agent *a, const struct hf_guest_exec *req, int64_t *out_pid,
                 struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    HF_AUTOJSON struct json_object *args = json_object_new_object();
    if (req->input && req->input_len > INPUT_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "more than %zu bytes of input", INPUT_MAX);
    if (!args || hf_json_add_string(args, "path", req->argv[0]) != 0 ||
        add_args(args, req->argv) != 0 || add_input(args, req) != 0 ||
        hf_json_add_bool(args, "capture-output", req->output != NULL) != 0)
        return hf_fail_nomem(err);
    if (HF_POINT_ERR("libvirt.before_guest_exec", err) != 0)
        return -1;
    if (lv_agent_call(a, "guest-exec", HF_STEAL(args), &value, err) != 0)
        return err->cls == HF_E_UNREACHABLE
                   ? hf_left(err, "'%s' may have been started in the guest", req->argv[0])
                   : -1;
    if (HF_POINT_ERR("libvirt.after_guest_exec", err) != 0)
        return -1;
    return lv_reply_pid(value, out_pid, err);
}

static int give(const struct hf_guest_exec *req, int stream, const struct hf_buf *data)
{
    if (!data->len || !req->output)
        return 0;
    return req->output(req->output_ctx, stream, data->data, data->len) != 0 ? -1 : 0;
}

static int finish(const struct hf_guest_exec *req, const struct lv_exec_status *s,
                  struct hf_guest_exec_result *out)
{
    out->exit_code = s->exit_code;
    out->term_signal = s->term_signal;
    out->truncated = s->is_cut;
    return give(req, 1, &s->out) == 0 ? give(req, 2, &s->err) : -1;
}

/* 0: ended, and *out is filled; 1: still running. */
static int look(const struct lv_agent *a, int64_t pid, size_t max, struct lv_exec_status *out,
                struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    if (lv_agent_call_int(a, "guest-exec-status", "pid", pid, &value, err) != 0) {
        if (err->cls == HF_E_PLUGIN)
            hf_hint(err, "A guest agent that was restarted meanwhile knows the program no more.");
        return -1;
    }
    if (lv_reply_exec_status(value, max, out, err) != 0)
        return hf_wrap(err, "guest agent");
    return out->has_exited ? 0 : 1;
}

/* A sync under the lock takes some milliseconds: be there soon, then spare the agent. */
static int wait_for(const struct lv_agent *a, int64_t pid, size_t max, struct lv_exec_status *out,
                    struct hf_err *err)
{
    for (int64_t pause_ms = 1;;
         pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS) {
        int rc = look(a, pid, max, out, err);
        if (rc <= 0)
            return rc;
        if (lv_check_stop(a->in, &a->call, err) != 0)
            return -1;
        usleep((useconds_t)pause_ms * 1000);
    }
}

int libvirt_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                       struct hf_err *err)
{
    LV_AUTOAGENT struct lv_agent a = {0};
    HF_AUTO(lv_exec_status) struct lv_exec_status s = {0};
    int64_t pid = 0;
    if (lv_agent_enter(&a, in, call, vm_id, err) != 0)
        return -1;
    if (start(&a, req, &pid, err) != 0)
        return hf_wrap(err, "'%s' in the guest", req->argv[0]);
    if (wait_for(&a, pid, req->max_output_bytes, &s, err) != 0) {
        hf_left(err, "'%s' may still run in the guest (pid %lld)", req->argv[0], (long long)pid);
        return hf_wrap(err, "'%s' in the guest", req->argv[0]);
    }
    return finish(req, &s, out);
}
