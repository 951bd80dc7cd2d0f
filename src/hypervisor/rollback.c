/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

void hf_hv_rollback_plan_free(struct hf_hv_rollback_plan *p)
{
    free(p->undo_token);
    hf_strv_free(&p->younger);
    hf_strv_free(&p->warnings);
    *p = (struct hf_hv_rollback_plan){0};
}

static int add_younger(void *ctx, const char *line)
{
    const struct hv_sink *s = ctx;
    return hv_copy_line(&s->c->rollback.younger, line, s->err);
}

static int add_warning(void *ctx, const char *line)
{
    const struct hv_sink *s = ctx;
    return hv_copy_line(&s->c->rollback.warnings, line, s->err);
}

static int run_rollback_plan(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    struct hv_sink sink = {c, err};
    if (!call->request_id)
        return hf_fail(err, HF_E_INTERNAL, "a rollback without a run");
    struct hf_hv_rollback_plan *to = &c->rollback;
    struct hf_rollback_plan plan = {.struct_size = sizeof plan};
    struct hf_rollback_request req = {.struct_size = sizeof req,
                                      .vm_id = c->args[0],
                                      .name = c->args[1],
                                      .run = call->request_id};
    if (core->table->rollback_plan(core->instance, call, &req, add_younger, add_warning, &sink,
                                   &plan, err) != 0)
        return -1;
    if (!plan.undo_token || !*plan.undo_token)
        return hf_fail(err, HF_E_PLUGIN, "the plugin planned a rollback without a way back");
    to->n_disks = plan.n_disks;
    to->is_final = plan.flags & HF_ROLLBACK_FINAL;
    to->was_active = plan.was_active;
    to->was_running = plan.was_running;
    to->taken_at_s = plan.taken_at_s;
    to->discarded_bytes = plan.discarded_bytes;
    return hv_copy_text(plan.undo_token, HV_TEXT_MAX, &to->undo_token, err);
}

int hf_hv_rollback_plan(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        const char *name, struct hf_hv_rollback_plan *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, rollback_plan, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, name);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->rollback;
    c->rollback = (struct hf_hv_rollback_plan){0};
    return 0;
}

static int run_rollback_switch(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    return core->table->rollback_switch(core->instance, call, c->args[0], c->args[1], err);
}

int hf_hv_rollback_switch(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *undo_token, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, rollback_switch, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, undo_token);
    return hv_call_go(c, err);
}

static int add_kept(void *ctx, const char *line)
{
    const struct hv_sink *s = ctx;
    return hv_copy_line(&s->c->texts, line, s->err);
}

static int run_rollback_settle(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    struct hv_sink sink = {c, err};
    return core->table->rollback_settle(core->instance, call, c->args[0], c->args[1], add_kept,
                                        &sink, err);
}

int hf_hv_rollback_settle(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *undo_token, bool keep, struct hf_strv *kept,
                          struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, rollback_settle, call, err);
    if (!c)
        return -1;
    c->is_undo = true;
    c->call.flags = keep ? HF_ROLLBACK_KEEP : 0;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, undo_token);
    if (hv_call_go(c, err) != 0)
        return -1;
    *kept = c->texts;
    c->texts = (struct hf_strv)HF_STRV_INIT;
    return 0;
}

static int run_rollback_undo(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    return core->table->rollback_undo(core->instance, call, c->args[0], c->args[1], err);
}

int hf_hv_rollback_undo(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        const char *undo_token, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, rollback_undo, call, err);
    if (!c)
        return -1;
    c->is_undo = true;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, undo_token);
    return hv_call_go(c, err);
}
