/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#include <stdlib.h>
#include <string.h>

#define FINDINGS_MAX 10000
#define DISK_TEXTS 5 /* of each disk, in hv_call.argv */

static void findings_free(struct hf_machine_finding_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].about);
        free(l->items[i].text);
    }
    free(l->items);
    *l = (struct hf_machine_finding_list){0};
}

void hf_hv_machine_plan_free(struct hf_hv_machine_plan *p)
{
    free(p->vm_id);
    free(p->definition);
    free(p->undo_token);
    findings_free(&p->findings);
    *p = (struct hf_hv_machine_plan){0};
}

void hf_machine_list_free(struct hf_machine_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct hf_machine_copy *m = &l->items[i];
        free(m->vm_id);
        free(m->name);
        free(m->run);
        free(m->purpose);
        free(m->undo_token);
    }
    free(l->items);
    *l = (struct hf_machine_list){0};
}

static int add_finding(void *ctx, const struct hf_machine_finding *finding)
{
    const struct hv_sink *s = ctx;
    struct hf_machine_finding_list *l = &s->c->machine.findings;
    if (l->n >= FINDINGS_MAX)
        return hf_fail(s->err, HF_E_PLUGIN, "the plugin delivered nonsense: findings without end");
    struct hf_machine_finding_copy *items = hv_one_more(l->items, l->n, sizeof *items, s->err);
    if (!items)
        return -1;
    l->items = items;
    l->items[l->n++] = (struct hf_machine_finding_copy){0};
    return hv_copy_finding(finding, &l->items[l->n - 1], s->err);
}

/* What was flattened for the way into the thread. */
static void unpack_disks(const struct hv_call *c, struct hf_machine_disk *disks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *const *text = c->argv.items + i * DISK_TEXTS;
        disks[i] =
            (struct hf_machine_disk){.struct_size = sizeof disks[i],
                                     .source = (enum hf_machine_source)strtol(text[4], NULL, 10),
                                     .target = text[0],
                                     .path = text[1],
                                     .format = text[2],
                                     .export_name = *text[3] ? text[3] : NULL};
    }
}

static bool refuses(const struct hf_machine_finding_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].kind == HF_MACHINE_REFUSED)
            return true;
    return false;
}

static int take_plan(struct hv_call *c, const struct hf_machine_plan *plan, struct hf_err *err)
{
    struct hf_hv_machine_plan *to = &c->machine;
    if (!plan->undo_token || !*plan->undo_token || !plan->vm_id || !*plan->vm_id ||
        !plan->definition || !*plan->definition)
        return hf_fail(err, HF_E_PLUGIN, "the plugin planned a machine without a way back");
    if (refuses(&to->findings))
        return hf_fail(err, HF_E_PLUGIN, "the plugin planned a machine that it refuses");
    to->is_uefi = plan->is_uefi;
    to->memory_bytes = plan->memory_bytes;
    if (hv_copy_text(plan->vm_id, HV_TEXT_MAX, &to->vm_id, err) != 0 ||
        hv_copy_text(plan->definition, HV_DEFINITION_MAX, &to->definition, err) != 0)
        return -1;
    return hv_copy_text(plan->undo_token, HV_TEXT_MAX, &to->undo_token, err);
}

static int run_machine_plan(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                            struct hf_err *err)
{
    struct hv_sink sink = {c, err};
    size_t n = c->argv.n / DISK_TEXTS;
    if (!call->request_id)
        return hf_fail(err, HF_E_INTERNAL, "a machine without a run");
    HF_AUTOFREE struct hf_machine_disk *disks = calloc(n + 1, sizeof *disks);
    if (!disks)
        return hf_fail_nomem(err);
    unpack_disks(c, disks, n);
    struct hf_machine_plan plan = {.struct_size = sizeof plan};
    struct hf_machine_request req = {.struct_size = sizeof req,
                                     .flags = c->machine_flags,
                                     .definition = c->args[0],
                                     .name = c->args[1],
                                     .run = call->request_id,
                                     .purpose = c->args[2],
                                     .dir = c->args[3],
                                     .disks = disks,
                                     .n_disks = (uint32_t)n,
                                     .memory_max_bytes = c->memory_max_bytes,
                                     .pushed = c->args[4],
                                     .vm_id = c->args[5],
                                     .store = c->args[6]};
    if (core->table->machine_plan(core->instance, call, &req, add_finding, &sink, &plan, err) != 0)
        return -1;
    return take_plan(c, &plan, err);
}

static int pack_disks(struct hv_call *c, const struct hf_machine_request *req, struct hf_err *err)
{
    for (uint32_t i = 0; i < req->n_disks; i++) {
        const struct hf_machine_disk *d = &req->disks[i];
        char source[16];
        snprintf(source, sizeof source, "%d", (int)d->source);
        const char *texts[DISK_TEXTS] = {d->target, d->path, d->format,
                                         d->export_name ? d->export_name : "", source};
        for (size_t k = 0; k < DISK_TEXTS; k++)
            if (hf_strv_add(&c->argv, texts[k]) != 0)
                return hf_fail_nomem(err);
    }
    return 0;
}

int hf_hv_machine_plan(struct hf_hv *hv, const struct hf_hv_call *call,
                       const struct hf_machine_request *req, struct hf_hv_machine_plan *out,
                       struct hf_err *err)
{
    if (!hv->core->table->machine_plan)
        return hf_fail(err, HF_E_UNSUPPORTED, "plugin '%s' makes no machines of stored points",
                       hv->core->table->name);
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, machine_plan, call, err);
    if (!c || pack_disks(c, req, err) != 0)
        return -1;
    hv_call_arg(c, 0, req->definition);
    hv_call_arg(c, 1, req->name);
    hv_call_arg(c, 2, req->purpose);
    hv_call_arg(c, 3, req->dir);
    hv_call_arg(c, 4, req->pushed);
    hv_call_arg(c, 5, req->vm_id);
    hv_call_arg(c, 6, req->store);
    c->machine_flags = req->flags;
    c->memory_max_bytes = req->memory_max_bytes;
    int rc = hv_call_go(c, err);
    if (c->is_late) /* the thread is still at it */
        return rc;
    *out = c->machine;
    c->machine = (struct hf_hv_machine_plan){0};
    return rc;
}

static int run_machine_create(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                              struct hf_err *err)
{
    return core->table->machine_create(core->instance, call, c->args[1], c->args[0], err);
}

/* Those that have a token as their first argument. */
static int go(struct hv_call *c, const char *undo_token, struct hf_err *err)
{
    if (!c)
        return -1;
    hv_call_arg(c, 0, undo_token);
    return hv_call_go(c, err);
}

int hf_hv_machine_create(struct hf_hv *hv, const struct hf_hv_call *call, const char *definition,
                         const char *undo_token, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, machine_create, call, err);
    if (c)
        hv_call_arg(c, 1, definition);
    return go(c, undo_token, err);
}

static int run_machine_start(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                             struct hf_err *err)
{
    return core->table->machine_start(core->instance, call, c->args[0], err);
}

int hf_hv_machine_start(struct hf_hv *hv, const struct hf_hv_call *call, const char *undo_token,
                        bool paused, struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, machine_start, call, err);
    if (c)
        c->call.flags = paused ? HF_MACHINE_PAUSED : 0;
    return go(c, undo_token, err);
}

static int run_machine_settle(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                              struct hf_err *err)
{
    return core->table->machine_settle(core->instance, call, c->args[0], err);
}

int hf_hv_machine_settle(struct hf_hv *hv, const struct hf_hv_call *call, const char *undo_token,
                         struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, machine_settle, call, err);
    if (c)
        c->is_undo = true;
    return go(c, undo_token, err);
}

static int run_machine_destroy(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                               struct hf_err *err)
{
    return core->table->machine_destroy(core->instance, call, c->args[0], err);
}

int hf_hv_machine_destroy(struct hf_hv *hv, const struct hf_hv_call *call, const char *undo_token,
                          struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, machine_destroy, call, err);
    if (c)
        c->is_undo = true;
    return go(c, undo_token, err);
}

static int add_machine(void *ctx, const struct hf_machine *machine)
{
    const struct hv_sink *s = ctx;
    struct hf_machine_list *l = &s->c->machines;
    struct hf_machine_copy *items = hv_one_more(l->items, l->n, sizeof *items, s->err);
    if (!items)
        return -1;
    l->items = items;
    l->items[l->n++] = (struct hf_machine_copy){0};
    return hv_copy_machine(machine, &l->items[l->n - 1], s->err);
}

static int run_machine_list(struct hv_core *core, struct hv_call *c, const struct hf_call *call,
                            struct hf_err *err)
{
    struct hv_sink sink = {c, err};
    return core->table->machine_list(core->instance, call, add_machine, &sink, err);
}

int hf_hv_machine_list(struct hf_hv *hv, const struct hf_hv_call *call, struct hf_machine_list *out,
                       struct hf_err *err)
{
    HF_AUTO(hv_call) struct hv_call *c = HV_CALL_NEW(hv, machine_list, call, err);
    if (!c || hv_call_go(c, err) != 0)
        return -1;
    *out = c->machines;
    c->machines = (struct hf_machine_list){0};
    return 0;
}
