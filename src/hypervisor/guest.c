/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#define OUTPUT_MAX ((size_t)64 << 10)

static int run_guest_ping(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                          struct hf_err *err)
{
    return core->table->guest_ping(core->instance, call, c->args[0], err);
}

/* All calls to a guest go on after a Ctrl-C: what was taken must be given back. */
static int go(struct hv_call *c, const char *vm_id, struct hf_err *err)
{
    if (!c)
        return -1;
    c->is_undo = true;
    hv_call_arg(c, 0, vm_id);
    return hv_call_go(c, err);
}

/* The same, for a call that may have an effect after we gave it up: `what` and `left` say which. */
static int go_for(struct hv_call *c, const char *vm_id, const char *what, const char *left,
                  struct hf_err *err)
{
    if (go(c, vm_id, err) == 0)
        return 0;
    return c && c->is_late ? hf_left(err, "%s%s", what, left) : -1;
}

int hf_hv_guest_ping(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                     struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_ping, call, err);
    return go(c, vm_id, err);
}

static void take_input(struct hv_call *c, const void *data, size_t len)
{
    c->has_input = data != NULL;
    if (data)
        hf_buf_add(&c->input, data, len);
    c->is_broken |= !hf_buf_ok(&c->input);
}

/* Bounded again on this side: the plugin was told the limit, and may not keep it. */
static int add_output(void *ctx, int stream, const void *data, size_t len)
{
    struct hf_hv_exec_result *r = ctx;
    struct hf_buf *b = stream == 2 ? &r->err : &r->out;
    size_t room = OUTPUT_MAX - b->len;
    if (len > room)
        r->truncated = true;
    hf_buf_add(b, data, len < room ? len : room);
    return 0;
}

static int run_guest_exec(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                          struct hf_err *err)
{
    struct hf_guest_exec req = {.struct_size = sizeof req,
                                .max_output_bytes = OUTPUT_MAX,
                                .argv = (const char *const *)c->argv.items,
                                .input = c->has_input ? hf_buf_str(&c->input) : NULL,
                                .input_len = c->input.len,
                                .output = add_output,
                                .output_ctx = &c->exec};
    struct hf_guest_exec_result res = {.struct_size = sizeof res};
    if (core->table->guest_exec(core->instance, call, c->args[0], &req, &res, err) != 0)
        return -1;
    if (!hf_buf_ok(&c->exec.out) || !hf_buf_ok(&c->exec.err))
        return hf_fail_nomem(err);
    c->exec.exit_code = res.exit_code;
    c->exec.term_signal = res.term_signal;
    c->exec.truncated |= res.truncated != 0;
    return 0;
}

int hf_hv_guest_exec(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                     const char *const *argv, const void *input, size_t input_len,
                     struct hf_hv_exec_result *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_exec, call, err);
    if (!c)
        return -1;
    for (size_t i = 0; argv[i]; i++)
        if (hf_strv_add(&c->argv, argv[i]) != 0)
            return hf_fail_nomem(err);
    if (!c->argv.n)
        return hf_fail(err, HF_E_INTERNAL, "guest_exec without a program");
    take_input(c, input, input_len);
    if (go_for(c, vm_id, argv[0], " may run in the guest", err) != 0)
        return -1;
    *out = c->exec;
    c->exec = (struct hf_hv_exec_result){0};
    return 0;
}

static int add_data(void *ctx, int stream, const void *data, size_t len)
{
    const struct hv_sink *s = ctx;
    struct hf_buf *b = &s->c->data;
    (void)stream;
    if (len > s->c->max_bytes - b->len)
        return hf_fail(s->err, HF_E_CORRUPT, "'%s' in the guest is longer than %zu bytes",
                       s->c->args[1], s->c->max_bytes);
    hf_buf_add(b, data, len);
    return hf_buf_ok(b) ? 0 : hf_fail_nomem(s->err);
}

/* One byte more than may be is asked for: it tells a long file from one that just fits. */
static int run_guest_file_read(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    struct hv_sink s = {c, err};
    return core->table->guest_file_read(core->instance, call, c->args[0], c->args[1],
                                        (uint64_t)c->max_bytes + 1, add_data, &s, err);
}

int hf_hv_guest_file_read(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *path, size_t max_bytes, struct hf_buf *out,
                          struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_file_read, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 1, path);
    c->max_bytes = max_bytes < HF_BUF_MAX ? max_bytes : HF_BUF_MAX - 1;
    if (go(c, vm_id, err) != 0)
        return -1;
    hf_buf_free(out);
    *out = c->data;
    c->data = (struct hf_buf)HF_BUF_INIT;
    return 0;
}

static int run_guest_file_write(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                                struct hf_err *err)
{
    return core->table->guest_file_write(core->instance, call, c->args[0], c->args[1],
                                         hf_buf_str(&c->input), c->input.len, err);
}

int hf_hv_guest_file_write(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                           const char *path, const void *data, size_t len, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_file_write, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 1, path);
    take_input(c, data, len);
    return go_for(c, vm_id, path, " in the guest may be incomplete", err);
}

static int run_guest_freeze(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                            struct hf_err *err)
{
    if (core->table->guest_freeze(core->instance, call, c->args[0], &c->frozen, err) != 0)
        return -1;
    return c->frozen ? 0 : hf_fail(err, HF_E_PLUGIN, "the plugin froze nothing and was content");
}

int hf_hv_guest_freeze(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                       uint32_t *out_frozen, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_freeze, call, err);
    if (go_for(c, vm_id, "file systems in the guest", " may be frozen", err) != 0)
        return -1;
    *out_frozen = c->frozen;
    return 0;
}

static int run_guest_thaw(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                          struct hf_err *err)
{
    return core->table->guest_thaw(core->instance, call, c->args[0], err);
}

int hf_hv_guest_thaw(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                     struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_thaw, call, err);
    return go_for(c, vm_id, "file systems in the guest", " may be frozen", err);
}

static int run_guest_freeze_state(struct hv_core *core, struct hv_call *c,
                                  const struct hf_call *call, struct hf_err *err)
{
    enum hf_freeze_state *state = &c->freeze_state;
    if (core->table->guest_freeze_state(core->instance, call, c->args[0], state, err) != 0)
        return -1;
    if ((int)*state < HF_FREEZE_UNKNOWN || (int)*state > HF_FREEZE_FROZEN)
        return hf_fail(err, HF_E_PLUGIN,
                       "the plugin delivered nonsense: an unknown state of file systems");
    return 0;
}

int hf_hv_guest_freeze_state(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                             enum hf_freeze_state *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_freeze_state, call, err);
    if (go(c, vm_id, err) != 0)
        return -1;
    *out = c->freeze_state;
    return 0;
}

static int add_mount(void *ctx, const struct hf_guest_mount *mount)
{
    const struct hv_sink *s = ctx;
    struct hf_mount_list *l = &s->c->mounts;
    struct hf_mount_copy *items = hv_one_more(l->items, l->n, sizeof *items, s->err);
    if (!items)
        return -1;
    l->items = items;
    l->items[l->n++] = (struct hf_mount_copy){0};
    return hv_copy_mount(mount, &l->items[l->n - 1], s->err);
}

static int run_guest_mounts(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                            struct hf_err *err)
{
    struct hv_sink s = {c, err};
    return core->table->guest_mounts(core->instance, call, c->args[0], add_mount, &s, err);
}

int hf_hv_guest_mounts(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                       struct hf_mount_list *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_mounts, call, err);
    if (go(c, vm_id, err) != 0)
        return -1;
    *out = c->mounts;
    c->mounts = (struct hf_mount_list){0};
    return 0;
}
