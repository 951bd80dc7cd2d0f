/* SPDX-License-Identifier: Apache-2.0 */
#include "rollback.h"

#include "base/point.h"
#include "snapshots.h"
#include "vm.h"

#include <string.h>

#define STATE_POLL_MS 500
#define UNDONE " undone"

int pve_rollback_state(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       enum hf_vm_state *out, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    if (pve_vm_load(in, call, vm_id, &vm, err) != 0)
        return -1;
    *out = vm.state;
    return 0;
}

/* Started or stopped. Where the VM is under high availability the task ends before that is done. */
int pve_rollback_power(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                       bool on, struct hf_err *err)
{
    enum hf_vm_state state = HF_VM_OTHER, wanted = on ? HF_VM_RUNNING : HF_VM_OFF;
    struct pve_req req = {.method = "POST"};
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    if (pve_vm_load(in, call, vm_id, &vm, err) != 0)
        return -1;
    if (vm.state == wanted)
        return 0;
    const char *type = vm.is_ha ? on ? "hastart" : "hastop" : on ? "qmstart" : "qmstop";
    if (pve_work(in, call, vm_id, on ? "/status/start" : "/status/stop", &req, type, err) != 0)
        return -1;
    for (;;) {
        if (pve_rollback_state(in, call, vm_id, &state, err) != 0)
            return -1;
        if (state == wanted)
            return 0;
        if (pve_check_stop(in, call, err) != 0)
            return hf_wrap(err, "VM %s is not %s", vm_id, on ? "started" : "off");
        pve_pause(in, call, STATE_POLL_MS);
    }
}

static int keep_state(struct hf_instance *in, const struct hf_call *call,
                      const struct pve_rollback *rb, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    struct pve_req req = {.method = "POST", .params = &params};
    HF_AUTOFREE char *words = hf_asprintf(PVE_MARK "%s back from %s", rb->back + 5, rb->name);
    struct pve_snap s;
    if (!words)
        return hf_fail_nomem(err);
    pve_param(&params, "snapname", rb->back);
    pve_param(&params, "description", words);
    if (!hf_buf_ok(&params))
        return hf_fail_nomem(err);
    if (pve_work(in, call, rb->vm_id, "/snapshot", &req, "qmsnapshot", err) != 0 ||
        pve_snap_find(in, call, rb->vm_id, rb->back, &s, err) != 0)
        return -1;
    return s.exists && s.is_ours && !s.is_unfinished
               ? 0
               : hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was made, and is not there", rb->back);
}

int pve_rollback_go(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    const char *name, struct hf_err *err)
{
    struct pve_req req = {.method = "POST"};
    HF_AUTOFREE char *below = hf_asprintf("/snapshot/%s/rollback", name);
    if (!below)
        return hf_fail_nomem(err);
    if (pve_work(in, call, vm_id, below, &req, "qmrollback", err) == 0)
        return 0;
    if (strstr(err->message, "is not most recent snapshot")) {
        err->hint[0] = '\0'; /* a hint that is there stays, else */
        return hf_hint(
            err, "That storage (ZFS, volume chain) goes back to its newest snapshot only, so "
                 "the state that is left cannot be kept. With the right Datastore.Audit on it "
                 "that is seen before the VM is stopped.");
    }
    return -1;
}

static int switch_over(struct hf_instance *in, const struct hf_call *call,
                       const struct pve_rollback *rb, struct hf_err *err)
{
    if (HF_POINT_ERR("proxmox.before_rollback_stop", err) != 0 ||
        pve_rollback_power(in, call, rb->vm_id, false, err) != 0 ||
        HF_POINT_ERR("proxmox.after_rollback_stop", err) != 0 ||
        keep_state(in, call, rb, err) != 0 ||
        HF_POINT_ERR("proxmox.after_rollback_keep", err) != 0 ||
        pve_rollback_go(in, call, rb->vm_id, rb->name, err) != 0 ||
        HF_POINT_ERR("proxmox.after_rollback_task", err) != 0)
        return -1;
    if (rb->was_active && pve_rollback_power(in, call, rb->vm_id, true, err) != 0)
        return -1;
    return HF_POINT_ERR("proxmox.after_rollback_start", err);
}

int proxmox_rollback_switch(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, struct hf_err *err)
{
    HF_AUTO(pve_rollback) struct pve_rollback rb = {0};
    if (pve_enter(in, call, err) != 0 || pve_locate(in, call, vm_id, err) != 0 ||
        pve_rollback_read(undo_token, &rb, err) != 0)
        return -1;
    int rc = rb.is_final ? pve_final_switch(in, call, &rb, err) : switch_over(in, call, &rb, err);
    return rc == 0 ? 0 : hf_wrap(err, "rollback to '%s'", rb.name);
}

static int describe(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    const char *name, char *words, struct hf_err *err)
{
    HF_AUTOFREE char *owned = words;
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *none = NULL;
    HF_AUTOFREE char *below = hf_asprintf("/snapshot/%s/config", name);
    struct pve_req req = {.method = "PUT", .params = &params};
    if (!below || !owned)
        return hf_fail_nomem(err);
    pve_param(&params, "description", owned);
    return hf_buf_ok(&params) ? pve_vm_request(in, call, vm_id, below, &req, &none, err)
                              : hf_fail_nomem(err);
}

int pve_rollback_mark(struct hf_instance *in, const struct hf_call *call,
                      const struct pve_rollback *rb, struct hf_err *err)
{
    struct pve_snap s;
    if (pve_snap_find(in, call, rb->vm_id, rb->name, &s, err) != 0)
        return -1;
    if (!s.exists || strcmp(s.settled, rb->back) == 0)
        return 0;
    return describe(in, call, rb->vm_id, rb->name,
                    hf_asprintf("%s\n" PVE_SETTLED "%s", s.description, rb->back), err);
}

int proxmox_rollback_settle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, hf_text_cb kept, void *ctx, struct hf_err *err)
{
    HF_AUTO(pve_rollback) struct pve_rollback rb = {0};
    struct hf_call plain = *call;
    struct pve_snap s;
    bool keeps = call->flags & HF_ROLLBACK_KEEP, was = false;
    char line[128];
    plain.flags &= ~HF_ROLLBACK_KEEP;
    if (pve_enter(in, &plain, err) != 0 || pve_locate(in, &plain, vm_id, err) != 0 ||
        pve_rollback_read(undo_token, &rb, err) != 0)
        return -1;
    if (rb.is_final)
        return pve_final_settle(in, &plain, &rb, err);
    if (HF_POINT_ERR("proxmox.before_settle_mark", err) != 0 ||
        pve_rollback_mark(in, &plain, &rb, err) != 0 ||
        HF_POINT_ERR("proxmox.after_settle_mark", err) != 0)
        return -1;
    if (!keeps)
        return pve_snap_drop(in, &plain, rb.vm_id, rb.back, &was, err);
    if (pve_snap_find(in, &plain, rb.vm_id, rb.back, &s, err) != 0)
        return -1;
    snprintf(line, sizeof line, "snapshot '%s' of VM %s", rb.back, rb.vm_id);
    return !s.exists || kept(ctx, line) == 0 ? 0 : -1;
}

/* ---- the way back ----------------------------------------------------------------------------------------- */

/* From here on the VM may write again, and the undo must not go back another time. */
static int mark_undone(struct hf_instance *in, const struct hf_call *call,
                       const struct pve_rollback *rb, struct hf_err *err)
{
    return describe(in, call, rb->vm_id, rb->back, hf_asprintf(PVE_MARK "%s" UNDONE, rb->back + 5),
                    err);
}

static int go_back(struct hf_instance *in, const struct hf_call *call,
                   const struct pve_rollback *rb, struct hf_err *err)
{
    if (pve_rollback_power(in, call, rb->vm_id, false, err) != 0 ||
        pve_rollback_go(in, call, rb->vm_id, rb->back, err) != 0 ||
        HF_POINT_ERR("proxmox.after_undo_task", err) != 0 || mark_undone(in, call, rb, err) != 0)
        return -1;
    return HF_POINT_ERR("proxmox.after_undo_mark", err);
}

/* Died before its rollback, or behind the way back, nothing is left to do but the start: somebody may have started the VM
 * since, and what he wrote stays. A rollback that failed may have done a part of the disks. */
static int is_rolled_back(struct hf_instance *in, const struct hf_call *call,
                          const struct pve_rollback *rb, const struct pve_snap *back, bool *out,
                          struct hf_err *err)
{
    struct pve_task t;
    *out = true;
    if (!back->is_current)
        return 0;
    if (pve_task_newest(in, call, rb->vm_id, "qmrollback", PVE_TASK_OURS, NULL, &t, err) != 0)
        return -1;
    *out = t.upid[0] && t.start_s >= back->taken_at_s;
    if (*out && pve_task_look(in, call, &t, err) != 0)
        return -1;
    *out = *out && !pve_task_is_good(&t); /* a good one to another would have left it elsewhere */
    return 0;
}

static int undo(struct hf_instance *in, const struct hf_call *call, const struct pve_rollback *rb,
                struct hf_err *err)
{
    struct pve_snap s, target;
    bool was = false;
    if (pve_snap_find(in, call, rb->vm_id, rb->name, &target, err) != 0)
        return -1;
    if (target.exists && strcmp(target.settled, rb->back) == 0)
        return hf_fail(err, HF_E_CONFLICT, "the rollback to '%s' is settled", rb->name);
    if (pve_snap_wait_idle(in, call, rb->vm_id, err) != 0 ||
        pve_snap_find(in, call, rb->vm_id, rb->back, &s, err) != 0)
        return -1;
    if (s.exists && !s.is_ours)
        return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was not made by holdfast", rb->back);
    /* An unfinished one means that nothing was rolled back yet. */
    bool goes = s.exists && !s.is_unfinished && !s.is_undone;
    if ((goes && is_rolled_back(in, call, rb, &s, &goes, err) != 0) ||
        (goes && go_back(in, call, rb, err) != 0))
        return -1;
    if (rb->was_active && pve_rollback_power(in, call, rb->vm_id, true, err) != 0)
        return -1;
    if (HF_POINT_ERR("proxmox.after_undo_start", err) != 0)
        return -1;
    return s.exists ? pve_snap_drop(in, call, rb->vm_id, rb->back, &was, err) : 0;
}

int proxmox_rollback_undo(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char *undo_token, struct hf_err *err)
{
    HF_AUTO(pve_rollback) struct pve_rollback rb = {0};
    if (pve_enter(in, call, err) != 0 || pve_rollback_read(undo_token, &rb, err) != 0 ||
        pve_locate(in, call, vm_id, err) != 0)
        return -1;
    if (rb.is_final)
        return pve_final_undo(in, call, &rb, err);
    if (undo(in, call, &rb, err) == 0)
        return 0;
    if (!err->left[0])
        hf_left(err, "VM %s, perhaps stopped, with its former state in snapshot '%s'", rb.vm_id,
                rb.back);
    return hf_wrap(err, "undo of the rollback to '%s'", rb.name);
}
