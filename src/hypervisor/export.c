/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#include <stdlib.h>

static int run_export_disk(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                           struct hf_err *err)
{
    struct hf_export out = {.struct_size = sizeof out};
    if (core->table->export_disk(core->instance, call, c->cap->handle, c->args[0], &out, err) != 0)
        return -1;
    return hv_copy_export(&out, &c->export, err);
}

int hf_hv_export_disk(struct hf_hv_capture *cap, const struct hf_hv_call *call, const char *target,
                      struct hf_export_copy *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, export_disk, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, target);
    if (hv_call_go_with(cap, c, err) != 0)
        return -1;
    *out = c->export;
    c->export = (struct hf_export_copy){0};
    return 0;
}

static int run_export_watch(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                            struct hf_err *err)
{
    c->export_state.struct_size = sizeof c->export_state;
    return core->table->export_watch(core->instance, call, c->cap->handle, &c->export_state, err);
}

int hf_hv_export_watch(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                       struct hf_export_state *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, export_watch, call, err);
    if (hv_call_go_with(cap, c, err) != 0)
        return -1;
    *out = c->export_state;
    return 0;
}

static int run_export_end(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                          struct hf_err *err)
{
    return core->table->export_end(core->instance, call, c->cap->handle, err);
}

int hf_hv_export_end(struct hf_hv_capture *cap, const struct hf_hv_call *call, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, export_end, call, err);
    return hv_call_go_with(cap, c, err);
}

static int add_checkpoint(void *ctx, const char *line)
{
    const struct hv_sink *s = ctx;
    return hv_copy_line(&s->c->texts, line, s->err);
}

static int run_checkpoint_drop(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    struct hv_sink sink = {c, err};
    return core->table->checkpoint_drop(core->instance, call, c->args[0], c->args[1],
                                        add_checkpoint, &sink, err);
}

int hf_hv_checkpoint_drop(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *keep, struct hf_strv *dropped, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, checkpoint_drop, call, err);
    if (!c)
        return -1;
    c->is_undo = true;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, keep);
    if (hv_call_go(c, err) != 0)
        return -1;
    *dropped = c->texts;
    c->texts = (struct hf_strv)HF_STRV_INIT;
    return 0;
}

static int run_checkpoint_list(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    struct hv_sink sink = {c, err};
    return core->table->checkpoint_list(core->instance, call, c->args[0], add_checkpoint, &sink,
                                        err);
}

int hf_hv_checkpoint_list(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          struct hf_strv *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, checkpoint_list, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->texts;
    c->texts = (struct hf_strv)HF_STRV_INIT;
    return 0;
}
