/* SPDX-License-Identifier: Apache-2.0 */
#include "run/pushed_machine.h"

#include "run/pushed.h"

#define ASK_MS 60000

static const struct hf_point_pushed *pushed_of(const struct hf_pushed_machine *p)
{
    return &hf_manifest_find(p->m, HF_POINT_PUSHED)->pushed;
}

static int check_way(const struct hf_pushed_machine *p, struct hf_err *err)
{
    const struct hf_plugin *plugin = hf_hv_plugin(p->hv);
    if (plugin->capabilities & HF_CAN_MACHINE_PUSHED)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "plugin '%s' makes no machines from backups of its hypervisor",
            plugin->name);
    return hf_hint(
        err, "The disks of %s are in the backup %s: only the hypervisor that wrote it reads it.",
        p->m->point.id, pushed_of(p)->ref);
}

int hf_pushed_machine_look(const struct hf_pushed_machine *p, char damage[HF_ERR_MESSAGE_MAX],
                           struct hf_err *err)
{
    HF_AUTO(hf_kept) struct hf_kept b = {0};
    HF_AUTO(hf_pushed_copy) struct hf_pushed_copy is = {0};
    struct hf_hv_call call = hf_env_call(p->env, p->run_id, ASK_MS);
    if (check_way(p, err) < 0 || hf_kept_of(p->m, &b, err) < 0)
        return -1;
    if (hf_hv_pushed_find(p->hv, &call, b.vm_id, b.ref, &is, err) < 0)
        return hf_wrap(err, "the backup of %s", p->m->point.id);
    return hf_kept_judge(&b, &is, damage);
}

int hf_pushed_machine_plan(const struct hf_pushed_machine *p, const char *name, const char *purpose,
                           uint32_t flags, const char *store, struct hf_hv_machine_plan *out,
                           struct hf_err *err)
{
    const struct hf_machine_request req = {.struct_size = sizeof req,
                                           .flags = flags,
                                           .name = name,
                                           .run = p->run_id,
                                           .purpose = purpose,
                                           .pushed = pushed_of(p)->ref,
                                           .vm_id = p->m->vm_id,
                                           .store = store};
    struct hf_hv_call call = hf_env_call(p->env, p->run_id, ASK_MS);
    return check_way(p, err) < 0 ? -1 : hf_hv_machine_plan(p->hv, &call, &req, out, err);
}

/* ---- the copy ---------------------------------------------------------------------------- */

struct making {
    struct hf_hv *hv;
    const struct hf_hv_machine_plan *plan;
};

static int make(void *ctx, const struct hf_hv_call *call, struct hf_err *err)
{
    const struct making *m = ctx;
    return hf_hv_machine_create(m->hv, call, m->plan->definition, m->plan->undo_token, err);
}

/* What it leaves is for the undo to take away, or to name. */
int hf_pushed_machine_make(const struct hf_pushed_machine *p, const struct hf_hv_machine_plan *plan,
                           struct hf_err *err)
{
    struct making m = {p->hv, plan};
    const struct hf_pushed_copying copying = {
        .env = p->env, .hv = p->hv, .area = p->area, .ask = make, .ctx = &m};
    if (hf_pushed_wait(&copying, p->run_id, err) == 0)
        return 0;
    err->left[0] = '\0';
    return -1;
}
