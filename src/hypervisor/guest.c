/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#define OUTPUT_MAX ((size_t)64 << 10)

static int run_guest_ping(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                          struct hf_err *err)
{
    return core->table->guest_ping(core->instance, call, c->args[0], err);
}

int hf_hv_guest_ping(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                     struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_ping, call, err);
    if (!c)
        return -1;
    c->is_undo = true;
    hv_call_arg(c, 0, vm_id);
    return hv_call_go(c, err);
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
                     const char *const *argv, struct hf_hv_exec_result *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, guest_exec, call, err);
    if (!c)
        return -1;
    c->is_undo = true;
    hv_call_arg(c, 0, vm_id);
    for (size_t i = 0; argv[i]; i++)
        if (hf_strv_add(&c->argv, argv[i]) != 0)
            return hf_fail_nomem(err);
    if (!c->argv.n)
        return hf_fail(err, HF_E_INTERNAL, "guest_exec without a program");
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->exec;
    c->exec = (struct hf_hv_exec_result){0};
    return 0;
}
