/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#include <stdlib.h>

void hf_pushed_copy_free(struct hf_pushed_copy *p)
{
    char *owned[] = {p->ref, p->form, p->place, p->server, p->where_why, p->run, p->notes};
    for (size_t i = 0; i < HF_ARRAY_SIZE(owned); i++)
        free(owned[i]);
    *p = (struct hf_pushed_copy){0};
}

void hf_pushed_list_free(struct hf_pushed_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        hf_pushed_copy_free(&l->items[i]);
    free(l->items);
    *l = (struct hf_pushed_list){0};
}

static int run_export_pushed(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    struct hf_pushed out = {.struct_size = sizeof out};
    if (core->table->export_pushed(core->instance, call, c->cap->handle, &out, err) != 0)
        return -1;
    return hv_copy_pushed(&out, &c->pushed, err);
}

int hf_hv_export_pushed(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                        struct hf_pushed_copy *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(cap->hv, export_pushed, call, err);
    if (hv_call_go_with(cap, c, err) != 0)
        return -1;
    *out = c->pushed;
    c->pushed = (struct hf_pushed_copy){0};
    return 0;
}

static int add_pushed(void *ctx, const struct hf_pushed *pushed)
{
    const struct hv_sink *s = ctx;
    struct hf_pushed_list *l = &s->c->pushed_all;
    struct hf_pushed_copy *items = hv_one_more(l->items, l->n, sizeof *items, s->err);
    if (!items)
        return -1;
    l->items = items;
    l->items[l->n++] = (struct hf_pushed_copy){0};
    return hv_copy_pushed(pushed, &l->items[l->n - 1], s->err);
}

static int run_pushed_list(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                           struct hf_err *err)
{
    struct hv_sink sink = {c, err};
    return core->table->pushed_list(core->instance, call, c->args[0], add_pushed, &sink, err);
}

int hf_hv_pushed_list(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                      struct hf_pushed_list *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, pushed_list, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->pushed_all;
    c->pushed_all = (struct hf_pushed_list){0};
    return 0;
}

static int run_pushed_find(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                           struct hf_err *err)
{
    struct hf_pushed out = {.struct_size = sizeof out};
    if (core->table->pushed_find(core->instance, call, c->args[0], c->args[1], &out, err) != 0)
        return -1;
    return hv_copy_pushed(&out, &c->pushed, err);
}

int hf_hv_pushed_find(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                      const char *ref, struct hf_pushed_copy *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, pushed_find, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, ref);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->pushed;
    c->pushed = (struct hf_pushed_copy){0};
    return 0;
}

static int run_pushed_delete(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    return core->table->pushed_delete(core->instance, call, c->args[0], c->args[1], c->args[2],
                                      err);
}

int hf_hv_pushed_delete(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        const char *ref, const char *run, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, pushed_delete, call, err);
    if (!c)
        return -1;
    c->is_undo = true;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, ref);
    hv_call_arg(c, 2, run);
    return hv_call_go(c, err);
}
