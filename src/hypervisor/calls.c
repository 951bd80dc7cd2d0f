/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

static int run_probe(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                     struct hf_err *err)
{
    struct hf_probe p = {.struct_size = sizeof p};
    if (core->table->probe(core->instance, call, &p, err) != 0)
        return -1;
    if (hv_copy_text(p.product, HV_TEXT_MAX, &c->probe.product, err) != 0 ||
        hv_copy_text(p.endpoint, HV_TEXT_MAX, &c->probe.endpoint, err) != 0)
        return -1;
    return hv_copy_text(p.host, HV_TEXT_MAX, &c->probe.host, err);
}

int hf_hv_probe(struct hf_hv *hv, const struct hf_hv_call *call, struct hf_probe_copy *out,
                struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, probe, call, err);
    if (!c || hv_call_go(c, err) != 0)
        return -1;
    *out = c->probe;
    c->probe = (struct hf_probe_copy){0};
    return 0;
}

static int add_vm(void *ctx, const struct hf_vm *vm)
{
    const struct hv_sink *s = ctx;
    struct hf_vm_list *l = &s->c->vms;
    struct hf_vm_copy *items = hv_one_more(l->items, l->n, sizeof *items, s->err);
    if (!items)
        return -1;
    l->items = items;
    l->items[l->n++] = (struct hf_vm_copy){0};
    return hv_copy_vm(vm, &l->items[l->n - 1], s->err);
}

static int run_vm_list(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                       struct hf_err *err)
{
    struct hv_sink s = {c, err};
    return core->table->vm_list(core->instance, call, add_vm, &s, err);
}

int hf_hv_vm_list(struct hf_hv *hv, const struct hf_hv_call *call, struct hf_vm_list *out,
                  struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, vm_list, call, err);
    if (!c || hv_call_go(c, err) != 0)
        return -1;
    *out = c->vms;
    c->vms = (struct hf_vm_list){0};
    return 0;
}

static int run_vm_find(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                       struct hf_err *err)
{
    struct hf_vm vm = {.struct_size = sizeof vm};
    if (core->table->vm_find(core->instance, call, c->args[0], &vm, err) != 0)
        return -1;
    return hv_copy_vm(&vm, &c->vm, err);
}

int hf_hv_vm_find(struct hf_hv *hv, const struct hf_hv_call *call, const char *what,
                  struct hf_vm_copy *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, vm_find, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, what);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->vm;
    c->vm = (struct hf_vm_copy){0};
    return 0;
}

static int add_disk(void *ctx, const struct hf_disk *disk)
{
    const struct hv_sink *s = ctx;
    struct hf_disk_list *l = &s->c->disks;
    struct hf_disk_copy *items = hv_one_more(l->items, l->n, sizeof *items, s->err);
    if (!items)
        return -1;
    l->items = items;
    l->items[l->n++] = (struct hf_disk_copy){0};
    return hv_copy_disk(disk, &l->items[l->n - 1], s->err);
}

static int run_vm_disks(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                        struct hf_err *err)
{
    struct hv_sink s = {c, err};
    return core->table->vm_disks(core->instance, call, c->args[0], add_disk, &s, err);
}

int hf_hv_vm_disks(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                   struct hf_disk_list *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, vm_disks, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->disks;
    c->disks = (struct hf_disk_list){0};
    return 0;
}

static int run_vm_busy(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                       struct hf_err *err)
{
    return core->table->vm_busy(core->instance, call, c->args[0], err);
}

int hf_hv_vm_busy(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                  struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, vm_busy, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    return hv_call_go(c, err);
}

static int run_vm_definition(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    const char *text = NULL;
    if (core->table->vm_definition(core->instance, call, c->args[0], &text, err) != 0)
        return -1;
    if (!text)
        return hf_fail(err, HF_E_PLUGIN, "the plugin delivered no definition");
    return hv_copy_text(text, HV_DEFINITION_MAX, &c->text, err);
}

int hf_hv_vm_definition(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        char **out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, vm_definition, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = HF_STEAL(c->text);
    return 0;
}

static int add_snapshot(void *ctx, const struct hf_snapshot *snap)
{
    const struct hv_sink *s = ctx;
    struct hf_snapshot_list *l = &s->c->snapshots;
    struct hf_snapshot_copy *items = hv_one_more(l->items, l->n, sizeof *items, s->err);
    if (!items)
        return -1;
    l->items = items;
    l->items[l->n++] = (struct hf_snapshot_copy){0};
    return hv_copy_snapshot(snap, &l->items[l->n - 1], s->err);
}

static int run_snapshot_list(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    struct hv_sink s = {c, err};
    return core->table->snapshot_list(core->instance, call, c->args[0], add_snapshot, &s, err);
}

int hf_hv_snapshot_list(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                        struct hf_snapshot_list *out, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, snapshot_list, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    if (hv_call_go(c, err) != 0)
        return -1;
    *out = c->snapshots;
    c->snapshots = (struct hf_snapshot_list){0};
    return 0;
}

static int run_snapshot_delete(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    return core->table->snapshot_delete(core->instance, call, c->args[0], c->args[1], err);
}

int hf_hv_snapshot_delete(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                          const char *name, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, snapshot_delete, call, err);
    if (!c)
        return -1;
    hv_call_arg(c, 0, vm_id);
    hv_call_arg(c, 1, name);
    return hv_call_go(c, err);
}
