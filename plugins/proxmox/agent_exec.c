/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "base/base64.h"
#include "base/point.h"

#include <string.h>

#define PAUSE_MAX_MS 100
#define INPUT_MAX ((size_t)48000)
#define WRITE_MAX ((size_t)45000)
#define FORM_SPARE                                                                                 \
    ((size_t)6000) /* of a request's body, for all but the content: the path, mostly */
#define FILE_BODY_MAX ((size_t)100 << 20) /* 16 MiB, each byte perhaps as \u0000 */
#define OUTPUT_BODY_MAX ((size_t)200 << 20)

/* How long base64 of it is in a form, where three of its characters take three bytes each. */
static size_t form_bytes(const void *data, size_t len)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_base64_encode(&text, data, len);
    size_t n = text.len;
    for (size_t i = 0; i < text.len; i++)
        n += strchr("+/=", text.data[i]) ? 2 : 0;
    return text.failed ? SIZE_MAX : n;
}

/* The longest begin of data, by halves, that the server takes in one request. */
static size_t piece_of(const struct hf_instance *in, const void *data, size_t len)
{
    size_t part = len < WRITE_MAX ? len : WRITE_MAX;
    while (part > 1 && form_bytes(data, part) > in->body_max - FORM_SPARE)
        part = (part / 2 + 2) / 3 * 3;
    return part;
}

static void param_bytes(struct hf_buf *params, const char *key, const struct hf_buf *value)
{
    pve_param(params, key, hf_buf_str(value));
}

/* Input goes as base64 through a shell that hands it on: the API takes ASCII only. The program and its arguments are the
 * shell's positional parameters, never text of its script. */
static int build(const struct hf_instance *in, const struct hf_guest_exec *req,
                 struct hf_buf *params, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    if (req->input && req->input_len > INPUT_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "more than %zu bytes of input", INPUT_MAX);
    if (req->input && req->input_len) {
        pve_param(params, "command", "/bin/sh");
        pve_param(params, "command", "-c");
        pve_param(params, "command", "base64 -d | \"$@\"");
        pve_param(params, "command", "sh");
        hf_base64_encode(&text, req->input, req->input_len);
    }
    for (size_t i = 0; req->argv[i]; i++)
        pve_param(params, "command", req->argv[i]);
    if (text.len)
        param_bytes(params, "input-data", &text);
    if (params->len > in->body_max)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "program and input take %zu bytes as a request, the "
                       "server takes %zu",
                       params->len, in->body_max);
    return hf_buf_ok(params) && !text.failed ? 0 : hf_fail_nomem(err);
}

static int start(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                 const struct hf_guest_exec *req, int64_t *out_pid, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *data = NULL;
    struct pve_req r = {.method = "POST", .params = &params};
    if (build(in, req, &params, err) != 0 || HF_POINT_ERR("proxmox.before_guest_exec", err) != 0)
        return -1;
    if (pve_vm_request(in, call, vm_id, "/agent/exec", &r, &data, err) != 0)
        return in->is_unclear && (err->cls == HF_E_UNREACHABLE || err->cls == HF_E_TIMEOUT)
                   ? hf_left(err, "'%s' may have been started in the guest", req->argv[0])
                   : -1;
    if (HF_POINT_ERR("proxmox.after_guest_exec", err) != 0)
        return -1;
    *out_pid = pve_int(data, "pid", -1);
    return *out_pid >= 0 ? 0 : hf_fail(err, HF_E_CORRUPT, "guest agent: no pid was told");
}

static int give(const struct hf_guest_exec *req, int stream, struct json_object *data,
                bool *out_cut, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf bytes = HF_BUF_INIT;
    struct json_object *text = NULL;
    json_object_object_get_ex(data, stream == 1 ? "out-data" : "err-data", &text);
    if (pve_narrow(text, &bytes, err) != 0)
        return -1;
    *out_cut |= bytes.len > req->max_output_bytes;
    size_t len = bytes.len > req->max_output_bytes ? req->max_output_bytes : bytes.len;
    return len && req->output && req->output(req->output_ctx, stream, bytes.data, len) != 0 ? -1
                                                                                            : 0;
}

static int finish(const struct hf_guest_exec *req, struct json_object *data,
                  struct hf_guest_exec_result *out, struct hf_err *err)
{
    bool is_cut = pve_bool(data, "out-truncated") || pve_bool(data, "err-truncated");
    out->term_signal = (int32_t)pve_int(data, "signal", 0);
    out->exit_code = out->term_signal ? -1 : (int32_t)pve_int(data, "exitcode", -1);
    if (give(req, 1, data, &is_cut, err) != 0 || give(req, 2, data, &is_cut, err) != 0)
        return -1;
    out->truncated = is_cut;
    return 0;
}

static int wait_for(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    int64_t pid, struct json_object **out, struct hf_err *err)
{
    char below[64];
    struct pve_req r = {.method = "GET", .max_body = OUTPUT_BODY_MAX};
    snprintf(below, sizeof below, "/agent/exec-status?pid=%lld", (long long)pid);
    for (int64_t pause = 5;; pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
        HF_AUTOJSON struct json_object *data = NULL;
        if (pve_vm_request(in, call, vm_id, below, &r, &data, err) != 0) {
            if (err->cls == HF_E_TIMEOUT || err->cls == HF_E_CANCELLED)
                return -1;
            return hf_hint(err, "How a program ended is told once: that answer was lost, or the "
                                "agent was restarted.");
        }
        if (pve_bool(data, "exited")) {
            *out = HF_STEAL(data);
            return 0;
        }
        if (pve_check_stop(in, call, err) != 0)
            return -1;
        pve_pause(in, call, pause);
    }
}

static int run(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
               const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
               struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    int64_t pid = 0;
    if (start(in, call, vm_id, req, &pid, err) != 0)
        return hf_wrap(err, "'%s' in the guest", req->argv[0]);
    if (wait_for(in, call, vm_id, pid, &data, err) != 0) {
        hf_left(err, "'%s' may still run in the guest (pid %lld)", req->argv[0], (long long)pid);
        return hf_wrap(err, "'%s' in the guest", req->argv[0]);
    }
    return finish(req, data, out, err);
}

int proxmox_guest_exec(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const struct hf_guest_exec *req, struct hf_guest_exec_result *out,
                       struct hf_err *err)
{
    return pve_enter(in, call, err) == 0 ? run(in, call, vm_id, req, out, err) : -1;
}

/* ---- files ----------------------------------------------------------------------------------------- */

int pve_agent_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const char *path, struct hf_buf *out, bool *out_cut, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *data = NULL;
    struct json_object *content = NULL;
    struct pve_req r = {.method = "GET", .params = &params, .max_body = FILE_BODY_MAX};
    pve_param(&params, "file", path);
    if (!hf_buf_ok(&params))
        return hf_fail_nomem(err);
    if (pve_vm_request(in, call, vm_id, "/agent/file-read", &r, &data, err) != 0)
        return -1;
    if (json_object_is_type(data, json_type_object))
        json_object_object_get_ex(data, "content", &content);
    *out_cut = pve_bool(data, "truncated");
    return pve_narrow(content, out, err);
}

int proxmox_guest_file_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *path, uint64_t max_bytes, hf_data_cb emit, void *ctx,
                            struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf bytes = HF_BUF_INIT;
    bool is_cut = false;
    if (pve_enter(in, call, err) != 0 ||
        pve_agent_read(in, call, vm_id, path, &bytes, &is_cut, err) != 0)
        return -1;
    if (is_cut && bytes.len < max_bytes)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "'%s' in the guest: the API hands out %zu bytes at most", path, bytes.len);
    size_t len = bytes.len < max_bytes ? bytes.len : (size_t)max_bytes;
    return len && emit(ctx, 1, bytes.data, len) != 0 ? -1 : 0;
}

static int write_first(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       const char *path, const void *data, size_t len, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT, text = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *none = NULL;
    struct pve_req r = {.method = "POST", .params = &params};
    hf_base64_encode(&text, data, len);
    pve_param(&params, "file", path);
    param_bytes(&params, "content", &text);
    pve_param(&params, "encode", "0");
    if (!hf_buf_ok(&params) || text.failed)
        return hf_fail_nomem(err);
    if (HF_POINT_ERR("proxmox.before_guest_write", err) != 0)
        return -1;
    return pve_vm_request(in, call, vm_id, "/agent/file-write", &r, &none, err);
}

static int append(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                  const char *path, const void *data, size_t len, struct hf_err *err)
{
    const char *const argv[] = {"/bin/sh", "-c", "cat >> \"$1\"", "sh", path, NULL};
    struct hf_guest_exec req = {
        .struct_size = sizeof req, .argv = argv, .input = data, .input_len = len};
    struct hf_guest_exec_result res = {.struct_size = sizeof res};
    if (run(in, call, vm_id, &req, &res, err) != 0)
        return -1;
    return res.exit_code == 0
               ? 0
               : hf_fail(err, HF_E_PLUGIN, "writing ended with status %d", res.exit_code);
}

int proxmox_guest_file_write(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char *path, const void *data, size_t len, struct hf_err *err)
{
    size_t done = piece_of(in, data, len), first = done;
    if (pve_enter(in, call, err) != 0)
        return -1;
    int rc = write_first(in, call, vm_id, path, data, done, err);
    while (rc == 0 && done < len) {
        size_t part = piece_of(in, (const char *)data + done, len - done);
        rc = append(in, call, vm_id, path, (const char *)data + done, part, err);
        done += part;
    }
    if (rc == 0)
        return 0;
    if (in->is_unclear || done > first)
        hf_left(err, "file '%s' in the guest may hold a part", path);
    return hf_wrap(err, "file '%s' in the guest", path);
}
