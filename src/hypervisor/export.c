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
