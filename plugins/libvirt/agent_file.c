/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "agent_reply.h"
#include "base/base64.h"
#include "base/point.h"

#include <string.h>

/* Of data per command: 64 KiB of base64 without padding. A round trip costs some milliseconds, so
 * the agent's default of 4 KiB would be slow; much more than this and another client waits long,
 * libvirt copies its receive buffer for each KiB it grows, and its limit of 4 MiB comes near. */
#define CHUNK ((size_t)48 << 10)

struct file {
    const struct lv_agent *a;
    const char *path;
    int64_t handle;
};

static int file_open(struct file *f, const char *mode, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    HF_AUTOJSON struct json_object *args = json_object_new_object();
    if (!args || hf_json_add_string(args, "path", f->path) != 0 ||
        hf_json_add_string(args, "mode", mode) != 0)
        return hf_fail_nomem(err);
    if (lv_agent_call(f->a, "guest-file-open", HF_STEAL(args), &value, err) != 0)
        return -1;
    return lv_reply_handle(value, &f->handle, err);
}

static int file_do(const struct file *f, const char *command, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    return lv_agent_call_int(f->a, command, "handle", f->handle, &value, err);
}

/* After a failure. An agent that did not answer will not close either, and asking it would take
 * longer than the caller has. */
static void file_abandon(const struct file *f, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    if (err->cls == HF_E_UNREACHABLE || file_do(f, "guest-file-close", &second) != 0)
        hf_left(err, "'%s' may be open in the guest's agent", f->path);
}

static int file_read(const struct file *f, size_t asked, struct hf_buf *out, bool *out_end,
                     struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    HF_AUTOJSON struct json_object *args = json_object_new_object();
    if (!args || hf_json_add_int(args, "handle", f->handle) != 0 ||
        hf_json_add_int(args, "count", (int64_t)asked) != 0)
        return hf_fail_nomem(err);
    if (lv_agent_call(f->a, "guest-file-read", HF_STEAL(args), &value, err) == 0) {
        if (lv_reply_read(value, asked, out, out_end, err) != 0)
            return -1;
        *out_end |= !out->len; /* nothing there now: asking on would never end */
        return 0;
    }
    if (err->cls != HF_E_PLUGIN || !strstr(err->message, "Resource temporarily unavailable"))
        return -1;
    hf_err_clear(err);
    *out_end = true;
    return 0;
}

/* 1: the callback wants no more, and has said why. */
static int read_all(const struct file *f, uint64_t max_bytes, hf_data_cb emit, void *ctx,
                    struct hf_err *err)
{
    bool is_end = false;
    for (uint64_t left = max_bytes; left && !is_end;) {
        HF_AUTO(hf_buf) struct hf_buf chunk = HF_BUF_INIT;
        if (lv_check_stop(f->a->in, &f->a->call, err) != 0 ||
            file_read(f, left < CHUNK ? (size_t)left : CHUNK, &chunk, &is_end, err) != 0)
            return -1;
        if (chunk.len && emit(ctx, 1, chunk.data, chunk.len) != 0)
            return 1;
        left -= chunk.len;
    }
    return 0;
}

static int read_file(const struct lv_agent *a, const char *path, uint64_t max_bytes,
                     hf_data_cb emit, void *ctx, struct hf_err *err)
{
    struct file f = {.a = a, .path = path};
    struct hf_err close_err = HF_ERR_INIT;
    if (file_open(&f, "r", err) != 0)
        return hf_wrap(err, "'%s' in the guest", path);
    int rc = read_all(&f, max_bytes, emit, ctx, err);
    if (rc < 0) {
        file_abandon(&f, err);
        return hf_wrap(err, "'%s' in the guest", path);
    }
    /* What was read was read; one handle too many costs the agent next to nothing. */
    if (file_do(&f, "guest-file-close", &close_err) != 0)
        lv_log(a->in, HF_LOG_WARN, "'%s' in the guest: %s", path, close_err.message);
    return rc ? -1 : 0;
}

int libvirt_guest_file_read(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *path, uint64_t max_bytes, hf_data_cb emit, void *ctx,
                            struct hf_err *err)
{
    LV_AUTOAGENT struct lv_agent a = {0};
    if (lv_agent_enter(&a, in, call, vm_id, err) != 0)
        return -1;
    return read_file(&a, path, max_bytes, emit, ctx, err);
}

static int add_data(void *ctx, int stream, const void *data, size_t len)
{
    (void)stream;
    hf_buf_add(ctx, data, len);
    return 0;
}

int lv_agent_read(const struct lv_agent *a, const char *path, size_t max, struct hf_buf *out,
                  struct hf_err *err)
{
    if (read_file(a, path, max + 1, add_data, out, err) != 0)
        return -1;
    if (!hf_buf_ok(out))
        return hf_fail_nomem(err);
    if (out->len > max)
        return hf_fail(err, HF_E_CORRUPT, "'%s' in the guest is longer than %zu bytes", path, max);
    return 0;
}

static int file_write(const struct file *f, const void *data, size_t len, size_t *out_written,
                      struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *value = NULL;
    HF_AUTOJSON struct json_object *args = json_object_new_object();
    hf_base64_encode(&text, data, len);
    if (!args || !hf_buf_ok(&text) || hf_json_add_int(args, "handle", f->handle) != 0 ||
        hf_json_add_string(args, "buf-b64", hf_buf_str(&text)) != 0)
        return hf_fail_nomem(err);
    if (lv_agent_call(f->a, "guest-file-write", HF_STEAL(args), &value, err) != 0)
        return -1;
    return lv_reply_written(value, len, out_written, err);
}

static int write_all(const struct file *f, const char *data, size_t len, struct hf_err *err)
{
    for (size_t at = 0, n = 0; at < len; at += n)
        if (lv_check_stop(f->a->in, &f->a->call, err) != 0 ||
            file_write(f, data + at, len - at < CHUNK ? len - at : CHUNK, &n, err) != 0)
            return -1;
    return file_do(f, "guest-file-flush", err);
}

/* Once opened the file is cut to nothing: from there on a failure leaves a part of the whole. */
static int write_file(struct file *f, const void *data, size_t len, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_guest_file_write", err) != 0 || file_open(f, "w", err) != 0)
        return -1;
    if (write_all(f, data, len, err) != 0) {
        file_abandon(f, err);
        return hf_left(err, "'%s' in the guest may be incomplete", f->path);
    }
    if (file_do(f, "guest-file-close", err) != 0)
        return hf_left(err, "'%s' in the guest may be incomplete", f->path);
    return HF_POINT_ERR("libvirt.after_guest_file_write", err) != 0 ? -1 : 0;
}

int libvirt_guest_file_write(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                             const char *path, const void *data, size_t len, struct hf_err *err)
{
    LV_AUTOAGENT struct lv_agent a = {0};
    struct file f = {.a = &a, .path = path};
    if (lv_agent_enter(&a, in, call, vm_id, err) != 0)
        return -1;
    return write_file(&f, data, len, err) == 0 ? 0 : hf_wrap(err, "'%s' in the guest", path);
}
