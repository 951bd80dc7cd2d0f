/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include "base/point.h"
#include "base64.h"
#include "net/json.h"

#include <libvirt/libvirt-qemu.h>
#include <string.h>

#define REPLY_MAX                                                                                  \
    ((size_t)4 << 20) /* libvirt's own limit of a string (VIR_NET_MESSAGE_STRING_MAX) */
#define PAUSE_MAX_MS 20

/* One command; *out is what stands in "return". libvirt does the guest-sync. Its timeout has whole
 * seconds: a late answer is judged by the caller's deadline. */
static int agent_call(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                      const char *command, struct json_object **out, struct hf_err *err)
{
    int64_t seconds = (lv_left_ms(in, call) + 999) / 1000;
    HF_AUTOFREE char *reply =
        virDomainQemuAgentCommand(dom, command, seconds > 0 ? (int)seconds : 1, 0);
    if (!reply)
        return lv_fail(err, "guest agent");
    size_t len = strnlen(reply, REPLY_MAX + 1);
    if (len > REPLY_MAX)
        return hf_fail(err, HF_E_CORRUPT, "guest agent: an answer without end");
    HF_AUTOJSON struct json_object *doc = hf_json_parse(reply, len, err);
    struct json_object *value;
    if (!doc || hf_json_get_object(doc, "return", &value, err) != 0)
        return hf_wrap(err, "guest agent");
    *out = json_object_get(value);
    return 0;
}

int libvirt_guest_ping(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    HF_AUTOJSON struct json_object *value = NULL;
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0)
        return -1;
    return agent_call(in, call, dom, "{\"execute\":\"guest-ping\"}", &value, err);
}

static int add_args(struct json_object *args, const char *const *argv)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 1; list && argv[i]; i++)
        if (json_object_array_add(list, json_object_new_string(argv[i])) != 0) {
            json_object_put(list);
            return -1;
        }
    return hf_json_add(args, "arg", list);
}

static int add_input(struct json_object *args, const struct hf_guest_exec *req)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (!req->input)
        return 0;
    lv_base64_encode(&text, req->input, req->input_len);
    return hf_buf_ok(&text) ? hf_json_add_string(args, "input-data", hf_buf_str(&text)) : -1;
}

static char *exec_command(const struct hf_guest_exec *req)
{
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    struct json_object *args = json_object_new_object();
    bool ok = o && args && hf_json_add_string(args, "path", req->argv[0]) == 0 &&
              add_args(args, req->argv) == 0 && add_input(args, req) == 0 &&
              hf_json_add_bool(args, "capture-output", req->output != NULL) == 0 &&
              hf_json_add_string(o, "execute", "guest-exec") == 0;
    ok = hf_json_add(o, "arguments", args) == 0 && ok;
    const char *text = ok ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : NULL;
    return text ? strdup(text) : NULL;
}

static int start(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                 const struct hf_guest_exec *req, int64_t *out_pid, struct hf_err *err)
{
    HF_AUTOFREE char *command = exec_command(req);
    HF_AUTOJSON struct json_object *value = NULL;
    if (!command)
        return hf_fail_nomem(err);
    if (HF_POINT_ERR("libvirt.before_guest_exec", err) != 0)
        return -1;
    if (agent_call(in, call, dom, command, &value, err) != 0)
        return -1;
    if (HF_POINT_ERR("libvirt.after_guest_exec", err) != 0)
        return -1;
    return hf_json_get_int(value, "pid", out_pid, err);
}

static int give_output(const struct hf_guest_exec *req, struct json_object *status, const char *key,
                       int stream, bool *cut, struct hf_err *err)
{
    const char *text = NULL;
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    if (hf_json_opt_string(status, key, &text, err) != 0)
        return -1;
    if (!text || !req->output)
        return 0;
    if (lv_base64_decode(&data, text, req->max_output_bytes, cut) != 0)
        return hf_fail(err, HF_E_CORRUPT, "guest agent: '%s' is not base64", key);
    if (!hf_buf_ok(&data))
        return hf_fail_nomem(err);
    return data.len && req->output(req->output_ctx, stream, data.data, data.len) != 0 ? -1 : 0;
}

static int fill_result(const struct hf_guest_exec *req, struct json_object *status,
                       struct hf_guest_exec_result *out, struct hf_err *err)
{
    int64_t code = -1, signal = 0;
    bool cut = false;
    struct json_object *flag;
    if (hf_json_opt_int(status, "exitcode", &code, err) != 0 ||
        hf_json_opt_int(status, "signal", &signal, err) != 0)
        return hf_wrap(err, "guest agent");
    if (give_output(req, status, "out-data", 1, &cut, err) != 0 ||
        give_output(req, status, "err-data", 2, &cut, err) != 0)
        return -1;
    cut |=
        json_object_object_get_ex(status, "out-truncated", &flag) && json_object_get_boolean(flag);
    cut |=
        json_object_object_get_ex(status, "err-truncated", &flag) && json_object_get_boolean(flag);
    out->exit_code = code < 0 || code > INT32_MAX || signal ? -1 : (int32_t)code;
    out->term_signal = signal < 0 || signal > 255 ? 255 : (int32_t)signal;
    out->truncated = cut;
    return 0;
}

/* 0: ended, and out is filled; 1: still running. */
static int look(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom, int64_t pid,
                const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                struct hf_err *err)
{
    char command[128];
    HF_AUTOJSON struct json_object *status = NULL;
    bool exited;
    snprintf(command, sizeof command,
             "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":%lld}}", (long long)pid);
    if (agent_call(in, call, dom, command, &status, err) != 0 ||
        hf_json_get_bool(status, "exited", &exited, err) != 0)
        return -1;
    return exited ? fill_result(req, status, out, err) : 1;
}

int libvirt_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                       struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    int64_t pid = 0;
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0)
        return -1;
    if (start(in, call, dom, req, &pid, err) != 0)
        return hf_wrap(err, "'%s' in the guest", req->argv[0]);
    /* A sync under the lock takes some milliseconds: be there soon, then spare the agent. */
    for (int64_t pause_ms = 1;;
         pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS) {
        int rc = look(in, call, dom, pid, req, out, err);
        if (rc == 0)
            return 0;
        if (rc < 0 || lv_check_stop(in, call, err) != 0) {
            hf_left(err, "'%s' may still run in the guest (pid %lld)", req->argv[0],
                    (long long)pid);
            return hf_wrap(err, "'%s' in the guest", req->argv[0]);
        }
        usleep((useconds_t)pause_ms * 1000);
    }
}
