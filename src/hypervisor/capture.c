/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#include <stdlib.h>

struct warn_sink {
    struct hf_strv *lines;
    struct hf_err *err;
};

static int add_warning(void *ctx, const char *line)
{
    const struct warn_sink *s = ctx;
    return hv_copy_line(s->lines, line, s->err);
}

static struct hf_capture_request request_of(const struct hv_call *c)
{
    return (struct hf_capture_request){.struct_size = sizeof(struct hf_capture_request),
                                       .kind = c->kind,
                                       .vm_id = c->args[0],
                                       .name = c->args[1],
                                       .label = c->args[2],
                                       .parent = c->args[3],
                                       .scratch_dir = c->args[4],
                                       .checkpoint = c->checkpoint,
                                       .is_frozen = c->is_frozen};
}

static int run_capture_plan(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                            struct hf_err *err)
{
    struct hf_capture_request req = request_of(c);
    struct hf_capture_plan plan = {.struct_size = sizeof plan};
    struct warn_sink sink = {&c->plan.warnings, err};
    c->new_cap = calloc(1, sizeof *c->new_cap);
    if (!c->new_cap)
        return hf_fail_nomem(err);
    int rc = core->table->capture_plan(core->instance, call, &req, add_warning, &sink,
                                       &c->new_cap->handle, &plan, err);
    if (rc != 0 || !c->new_cap->handle) {
        free(HF_STEAL(c->new_cap));
        return rc ? rc : hf_fail(err, HF_E_PLUGIN, "the plugin planned a capture without a handle");
    }
    c->new_cap->refs = 1; /* from here on the thread frees it, whatever happens */
    if (!plan.undo_token || !*plan.undo_token)
        return hf_fail(err, HF_E_PLUGIN, "the plugin planned a capture without a way back");
    c->plan.n_disks = plan.n_disks;
    c->plan.leaves_checkpoint = plan.leaves_checkpoint;
    c->plan.is_incremental = plan.is_incremental;
    return hv_copy_text(plan.undo_token, HV_TEXT_MAX, &c->plan.undo_token, err);
}

int hf_hv_capture_plan(struct hf_hv *hv, const struct hf_hv_call *call,
                       const struct hf_capture_request *req, struct hf_hv_capture **out,
                       struct hf_hv_capture_plan *plan, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, capture_plan, call, err);
    HF_AUTOFREE struct hf_hv_capture *cap = calloc(1, sizeof *cap);
    if (!c)
        return -1;
    if (!cap)
        return hf_fail_nomem(err);
    c->kind = req->kind;
    c->checkpoint = req->checkpoint;
    c->is_frozen = req->is_frozen;
    hv_call_arg(c, 0, req->vm_id);
    hv_call_arg(c, 1, req->name);
    hv_call_arg(c, 2, req->label);
    hv_call_arg(c, 3, req->parent);
    hv_call_arg(c, 4, req->scratch_dir);
    if (hv_call_go(c, err) != 0)
        return -1;
    cap->hv = hv;
    cap->shared = HF_STEAL(c->new_cap);
    *plan = c->plan;
    c->plan = (struct hf_hv_capture_plan){0};
    *out = HF_STEAL(cap);
    return 0;
}

/* The call gets a share of the handle: freeing the capture while the call is away leaves it that.
 */
int hv_call_go_with(struct hf_hv_capture *cap, struct hv_call *c, struct hf_err *err)
{
    if (!c)
        return -1;
    pthread_mutex_lock(&c->core->lock);
    cap->shared->refs++;
    pthread_mutex_unlock(&c->core->lock);
    c->cap = cap->shared;
    return hv_call_go(c, err);
}

static int run_capture_prepare(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    return core->table->capture_prepare(core->instance, call, c->cap->handle, err);
}

int hf_hv_capture_prepare(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                          struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, capture_prepare, call, err);
    return hv_call_go_with(cap, c, err);
}

static int run_capture_begin(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    return core->table->capture_begin(core->instance, call, c->cap->handle, err);
}

int hf_hv_capture_begin(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                        struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, capture_begin, call, err);
    return hv_call_go_with(cap, c, err);
}

static int run_capture_settle(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                              struct hf_err *err)
{
    return core->table->capture_settle(core->instance, call, c->cap->handle, err);
}

int hf_hv_capture_settle(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                         struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, capture_settle, call, err);
    return hv_call_go_with(cap, c, err);
}

void hf_hv_capture_free(struct hf_hv_capture *cap)
{
    if (!cap)
        return;
    hv_cap_put(cap->hv->core, cap->shared);
    free(cap);
}

static int run_capture_discard(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    return core->table->capture_discard(core->instance, call, c->args[0], c->args[1], c->args[2],
                                        err);
}

int hf_hv_capture_discard(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *name, const char *undo_token, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, capture_discard, call, err);
    if (!c)
        return -1;
    c->is_undo = true;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, name);
    hv_call_arg(c, 2, undo_token);
    return hv_call_go(c, err);
}
