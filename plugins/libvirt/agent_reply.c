/* SPDX-License-Identifier: Apache-2.0 */
#include "agent_reply.h"

#include "base/base64.h"

#include <string.h>

/* A JSON value of two letters costs json-c some fifty bytes. 4096 mounts have a tenth of this. */
#define VALUES_MAX 400000

/* No fewer than the values in the text; what stands inside strings counts along. */
static size_t count_values(const char *text)
{
    size_t n = 0;
    for (const char *p = text; (p = strpbrk(p, ",[{:")); p++)
        n++;
    return n;
}

int lv_reply_parse(const char *text, struct json_object **out, struct hf_err *err)
{
    size_t len = strnlen(text, LV_REPLY_MAX + 1);
    struct json_object *value = NULL;
    if (len > LV_REPLY_MAX)
        return hf_fail(err, HF_E_CORRUPT, "an answer without end");
    if (count_values(text) > VALUES_MAX)
        return hf_fail(err, HF_E_CORRUPT, "an answer with values without end");
    HF_AUTOJSON struct json_object *doc = hf_json_parse(text, len, err);
    if (!doc)
        return -1;
    if (!json_object_is_type(doc, json_type_object))
        return hf_fail(err, HF_E_CORRUPT, "the answer is no object");
    if (!json_object_object_get_ex(doc, "return", &value) || !value)
        return hf_fail(err, HF_E_CORRUPT, "'return' is missing");
    *out = json_object_get(value);
    return 0;
}

static int int_in(struct json_object *o, const char *key, int64_t least, int64_t most, int64_t *out,
                  struct hf_err *err)
{
    int64_t n = 0;
    if (hf_json_get_int(o, key, &n, err) != 0)
        return -1;
    if (n < least || n > most)
        return hf_fail(err, HF_E_CORRUPT, "'%s' is out of range: %lld", key, (long long)n);
    *out = n;
    return 0;
}

/* The value as a member, for the readers of members. */
static struct json_object *hold(struct json_object *value, const char *what, struct hf_err *err)
{
    struct json_object *holder = json_object_new_object();
    if (holder && hf_json_add(holder, what, json_object_get(value)) == 0)
        return holder;
    json_object_put(holder);
    hf_fail_nomem(err);
    return NULL;
}

int lv_reply_handle(struct json_object *value, int64_t *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hold(value, "handle", err);
    return o ? int_in(o, "handle", 0, INT64_MAX - 1, out, err) : -1;
}

int lv_reply_read(struct json_object *value, size_t asked, struct hf_buf *out, bool *out_eof,
                  struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf data = HF_BUF_INIT;
    const char *text = "";
    int64_t count = 0;
    bool eof, cut = false;
    if (int_in(value, "count", 0, (int64_t)asked, &count, err) != 0 ||
        hf_json_get_bool(value, "eof", &eof, err) != 0 ||
        hf_json_opt_string(value, "buf-b64", &text, err) != 0)
        return -1;
    if (hf_base64_decode(&data, text, asked, &cut) != 0)
        return hf_fail(err, HF_E_CORRUPT, "'buf-b64' is not base64");
    if (!hf_buf_ok(&data))
        return hf_fail_nomem(err);
    if (cut)
        return hf_fail(err, HF_E_CORRUPT, "more than the %zu bytes that were asked for", asked);
    if (data.len != (size_t)count)
        return hf_fail(err, HF_E_CORRUPT, "'count' says %lld bytes, there are %zu",
                       (long long)count, data.len);
    hf_buf_add(out, data.data, data.len);
    *out_eof = eof;
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

int lv_reply_written(struct json_object *value, size_t sent, size_t *out, struct hf_err *err)
{
    int64_t count = 0;
    if (int_in(value, "count", 1, (int64_t)sent, &count, err) != 0)
        return -1;
    *out = (size_t)count;
    return 0;
}

int lv_reply_pid(struct json_object *value, int64_t *out, struct hf_err *err)
{
    return int_in(value, "pid", 1, UINT32_MAX, out, err);
}

void lv_exec_status_free(struct lv_exec_status *s)
{
    hf_buf_free(&s->out);
    hf_buf_free(&s->err);
    *s = (struct lv_exec_status){0};
}

static int take_output(struct json_object *value, const char *key, size_t max, struct hf_buf *out,
                       bool *cut, struct hf_err *err)
{
    const char *text = "";
    if (hf_json_opt_string(value, key, &text, err) != 0)
        return -1;
    if (hf_base64_decode(out, text, max, cut) != 0)
        return hf_fail(err, HF_E_CORRUPT, "'%s' is not base64", key);
    return hf_buf_ok(out) ? 0 : hf_fail_nomem(err);
}

static bool is_set(struct json_object *value, const char *key)
{
    struct json_object *flag;
    return json_object_object_get_ex(value, key, &flag) && json_object_get_boolean(flag);
}

static int take_end(struct json_object *value, struct lv_exec_status *out, struct hf_err *err)
{
    int64_t code = -1, signal = 0;
    if (hf_json_opt_int(value, "exitcode", &code, err) != 0 ||
        hf_json_opt_int(value, "signal", &signal, err) != 0)
        return -1;
    if (signal < 0 || signal > 255 || (!signal && code < 0) || code > INT32_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a program that ended with code %lld and signal %lld",
                       (long long)code, (long long)signal);
    out->exit_code = signal ? -1 : (int32_t)code;
    out->term_signal = (int32_t)signal;
    return 0;
}

int lv_reply_exec_status(struct json_object *value, size_t max, struct lv_exec_status *out,
                         struct hf_err *err)
{
    if (hf_json_get_bool(value, "exited", &out->has_exited, err) != 0)
        return -1;
    if (!out->has_exited)
        return 0;
    out->is_cut = is_set(value, "out-truncated") || is_set(value, "err-truncated");
    if (take_end(value, out, err) != 0 ||
        take_output(value, "out-data", max, &out->out, &out->is_cut, err) != 0)
        return -1;
    return take_output(value, "err-data", max, &out->err, &out->is_cut, err);
}

int lv_reply_fs_count(struct json_object *value, uint32_t *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hold(value, "count", err);
    int64_t n = 0;
    if (!o || int_in(o, "count", 0, LV_MOUNTS_MAX, &n, err) != 0)
        return -1;
    *out = (uint32_t)n;
    return 0;
}

int lv_reply_freeze_state(struct json_object *value, enum hf_freeze_state *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *o = hold(value, "status", err);
    const char *text;
    if (!o || hf_json_get_string(o, "status", &text, err) != 0)
        return -1;
    if (strcmp(text, "thawed") == 0)
        *out = HF_FREEZE_THAWED;
    else if (strcmp(text, "frozen") == 0)
        *out = HF_FREEZE_FROZEN;
    else
        return hf_fail(err, HF_E_CORRUPT, "neither frozen nor thawed");
    return 0;
}
