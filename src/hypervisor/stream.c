/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that the plugin delivers itself. It calls back in its own thread, and who wants the disk is another: each piece is held up
 * until that one has taken it. One that has given up takes no more, and the plugin is told so.
 */
#include "hypervisor/worker.h"

void hv_call_take_extent(struct hv_call *c)
{
    struct hv_core *core = c->core;
    const struct hv_extent e = c->extent;
    pthread_mutex_unlock(&core->lock);
    int rc = c->take(c->take_ctx, e.offset, e.data, e.len, &c->taken);
    pthread_mutex_lock(&core->lock);
    c->extent.is_there = false;
    c->extent.is_unwanted = rc != 0;
    pthread_cond_broadcast(&core->changed);
}

static int check_order(struct hv_call *c, uint64_t offset, uint64_t len, struct hf_err *err)
{
    if (offset != c->extent.behind || !len || len > UINT64_MAX - offset)
        return hf_fail(err, HF_E_PLUGIN, "the plugin delivers a disk out of order, or with a gap");
    c->extent.behind = offset + len;
    return 0;
}

static int hand_over(void *ctx, uint64_t offset, const void *data, uint64_t len)
{
    const struct hv_sink *s = ctx;
    struct hv_call *c = s->c;
    struct hv_core *core = c->core;
    if (check_order(c, offset, len, s->err) != 0)
        return -1;
    pthread_mutex_lock(&core->lock);
    struct hv_extent *e = &c->extent;
    e->offset = offset;
    e->len = len;
    e->data = data;
    e->is_there = true;
    pthread_cond_broadcast(&core->changed);
    while (e->is_there && !e->is_unwanted && !c->is_late)
        pthread_cond_wait(&core->changed, &core->lock);
    bool is_wanted = !e->is_unwanted && !c->is_late;
    e->is_there = false;
    pthread_mutex_unlock(&core->lock);
    return is_wanted ? 0 : hf_fail(s->err, HF_E_CANCELLED, "nobody takes more of the disk");
}

static int run_export_stream(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    struct hv_sink s = {c, err};
    return core->table->export_stream(core->instance, call, c->cap->handle, c->args[0], hand_over,
                                      &s, err);
}

int hf_hv_export_stream(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                        const char *target, hf_hv_extent_cb take, void *ctx, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, export_stream, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, target);
    c->take = take;
    c->take_ctx = ctx;
    c->taken = (struct hf_err)HF_ERR_INIT;
    int rc = hv_call_go_with(cap, c, err);
    if (c->extent.is_unwanted) /* the plugin's own error only says so */
        hf_err_copy(err, &c->taken);
    return rc != 0 || c->extent.is_unwanted ? -1 : 0;
}
