/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include "base/point.h"
#include "rollback.h"

#include <string.h>

#define STOP_WAIT_MS 500

/* What stands under the number now. */
enum owner { OWNER_NONE, OWNER_US, OWNER_US_SETTLED, OWNER_OTHER };

static enum owner owner_of(const struct pve_machine *m, const struct pve_vm *vm)
{
    struct pve_machine told = {0};
    enum pve_marked marked = pve_mark_read(pve_text(vm->config, "description"), &told);
    if (marked == PVE_UNMARKED || strcmp(told.run, m->run) != 0)
        return OWNER_OTHER;
    return marked == PVE_MARKED ? OWNER_US : OWNER_US_SETTLED;
}

static int look(struct hf_instance *in, const struct hf_call *call, const struct pve_machine *m,
                struct pve_vm *vm, enum owner *out, struct hf_err *err)
{
    struct hf_err gone = HF_ERR_INIT;
    *out = OWNER_NONE;
    if (pve_locate(in, call, m->vm_id, &gone) == 0) {
        if (pve_vm_load(in, call, m->vm_id, vm, err) != 0)
            return -1;
        *out = owner_of(m, vm);
        return 0;
    }
    if (gone.cls == HF_E_UNSUPPORTED) /* a container's */
        *out = OWNER_OTHER;
    else if (gone.cls != HF_E_NOT_FOUND)
        hf_err_copy(err, &gone);
    return err->cls ? -1 : 0;
}

static int need_ours(struct hf_instance *in, const struct hf_call *call,
                     const struct pve_machine *m, struct pve_vm *vm, enum owner *out,
                     struct hf_err *err)
{
    if (look(in, call, m, vm, out, err) != 0)
        return -1;
    if (*out == OWNER_NONE)
        return hf_fail(err, HF_E_NOT_FOUND, "VM %s is not there", m->vm_id);
    return *out == OWNER_OTHER ? hf_fail(err, HF_E_CONFLICT, "VM %s is not of this run", m->vm_id)
                               : 0;
}

int proxmox_machine_start(struct hf_instance *in, const struct hf_call *call,
                          const char *undo_token, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    struct pve_machine m;
    enum owner owner;
    if (call->flags == HF_MACHINE_PAUSED)
        return hf_fail(err, HF_E_UNSUPPORTED, "Proxmox VE starts no VM paused");
    if (pve_enter(in, call, err) != 0 || pve_machine_read(undo_token, &m, err) != 0 ||
        need_ours(in, call, &m, &vm, &owner, err) != 0 || pve_vm_check_lock(&vm, err) != 0)
        return -1;
    if (vm.state == HF_VM_RUNNING)
        return 0;
    /* Somebody may have put them up since it was made. */
    if (pve_machine_cut_links(in, call, &m, &vm, err) != 0 ||
        HF_POINT_ERR("proxmox.before_machine_start", err) != 0 ||
        pve_rollback_power(in, call, m.vm_id, true, err) != 0)
        return hf_wrap(err, "VM %s", m.vm_id);
    return HF_POINT_ERR("proxmox.after_machine_start", err);
}

int proxmox_machine_settle(struct hf_instance *in, const struct hf_call *call,
                           const char *undo_token, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    HF_AUTO(hf_buf) struct hf_buf params = HF_BUF_INIT;
    HF_AUTOJSON struct json_object *none = NULL;
    struct pve_req req = {.method = "PUT", .params = &params};
    struct pve_machine m;
    enum owner owner;
    if (pve_enter(in, call, err) != 0 || pve_machine_read(undo_token, &m, err) != 0 ||
        need_ours(in, call, &m, &vm, &owner, err) != 0)
        return -1;
    if (owner == OWNER_US_SETTLED)
        return 0;
    HF_AUTOFREE char *notes = pve_mark_settle(&m, pve_text(vm.config, "description"));
    if (!notes)
        return hf_fail_nomem(err);
    pve_param(&params, "description", notes);
    if (!hf_buf_ok(&params))
        return hf_fail_nomem(err);
    return pve_vm_request(in, call, m.vm_id, "/config", &req, &none, err) != 0
               ? hf_wrap(err, "VM %s", m.vm_id)
               : 0;
}

/* ---- destroy ------------------------------------------------------------------------------------------ */

/* Of this run for sure: a number from /cluster/nextid may be that of two runs who planned at the same time. */
static bool is_surely_ours(const struct hf_instance *in, const struct pve_machine *m,
                           const struct pve_task *t)
{
    return strtoul(m->vm_id, NULL, 10) >= PVE_OWN_FIRST || strcmp(in->own_restore, t->upid) == 0;
}

/* It has allocated volumes, and removes them when it is stopped. */
static int end_task(struct hf_instance *in, const struct hf_call *call, const struct pve_machine *m,
                    struct pve_task *t, struct hf_err *err)
{
    struct hf_err ended = HF_ERR_INIT;
    if (pve_task_look(in, call, t, err) != 0)
        return -1;
    if (t->is_stopped)
        return 0;
    if (HF_POINT_ERR("proxmox.before_restore_stop", err) != 0)
        return -1;
    if (is_surely_ours(in, m, t) &&
        pve_task_stop(in, call, t, &ended) != 0) /* an answer that is lost is no matter */
        pve_log(in, HF_LOG_WARN, "stopping the restore: %s", ended.message);
    hf_err_clear(&ended);
    if (pve_task_wait(in, call, t, STOP_WAIT_MS, &ended) == 0 || t->is_stopped)
        return 0;
    hf_err_copy(err, &ended);
    hf_hint(err,
            "Is it the restore that is to be undone, and no other one's to VM %s? Then stop it "
            "(Tasks, Stop); or wait.",
            m->vm_id);
    return hf_left(err, "task %s runs on: it restores a VM", t->upid);
}

/* Which a restore that failed leaves: the server says itself that it cleans up no further. */
static bool is_empty(const struct pve_vm *vm)
{
    json_object_object_foreach(vm->config, key, value)
    {
        (void)value;
        if (strcmp(key, "digest") != 0 && strcmp(key, "lock") != 0)
            return false;
    }
    return vm->state == HF_VM_OFF;
}

static int fail_locked(const struct pve_machine *m, const struct pve_vm *vm, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT, "VM %s, of a restore that was killed, is locked (%s)", m->vm_id,
            vm->lock);
    hf_hint(err,
            "As root on its node, once no task works on it: qm unlock %s && qm destroy %s "
            "--destroy-unreferenced-disks 1",
            m->vm_id, m->vm_id);
    return hf_left(err, "VM %s, locked (%s), and perhaps volumes of it", m->vm_id, vm->lock);
}

/* The server hangs volumes of that number on it which it finds on its storages: of a VM that had it before. */
static int check_unused(const struct pve_machine *m, const struct pve_vm *vm, struct hf_err *err)
{
    json_object_object_foreach(vm->config, key, value)
    {
        if (strncmp(key, "unused", 6) != 0)
            continue;
        hf_fail(err, HF_E_CONFLICT,
                "VM %s has a volume that is not from its backup (%s: %.100s), which would be "
                "deleted with it",
                m->vm_id, key, json_object_get_string(value));
        hf_hint(err, "See what it is. Then: qm destroy %s", m->vm_id);
        return hf_left(err, "VM %s", m->vm_id);
    }
    return 0;
}

/* Without purge=1, which takes the number out of everybody's backup jobs: the next free one is that of a VM that was lost. */
static int remove_vm(struct hf_instance *in, const struct hf_call *call,
                     const struct pve_machine *m, struct hf_err *err)
{
    struct pve_req req = {.method = "DELETE"};
    struct hf_err failed = HF_ERR_INIT, gone = HF_ERR_INIT;
    if (HF_POINT_ERR("proxmox.before_machine_delete", err) != 0 ||
        pve_rollback_power(in, call, m->vm_id, false, err) != 0 ||
        HF_POINT_ERR("proxmox.after_machine_stop", err) != 0)
        return -1;
    if (pve_work(in, call, m->vm_id, "", &req, "qmdestroy", &failed) == 0)
        return 0;
    if (pve_locate(in, call, m->vm_id, &gone) != 0 && gone.cls == HF_E_NOT_FOUND)
        return 0;
    hf_err_copy(err, &failed);
    return -1;
}

/* Its notes decide whose it is, so it stays. But what this run restored for sure nobody else knows of. */
static int pass_over(struct hf_instance *in, const struct pve_machine *m, const struct pve_task *t,
                     struct hf_err *err)
{
    if (!t->upid[0] || !pve_task_is_good(t) || !is_surely_ours(in, m, t)) {
        pve_log(in, HF_LOG_WARN, "VM %s is another's now, and is not touched", m->vm_id);
        return 0;
    }
    hf_fail(err, HF_E_CONFLICT,
            "VM %s was restored by this run, and its notes do not say so: it is not touched",
            m->vm_id);
    hf_hint(err, "Look at it. Is it nobody's, then: qm destroy %s", m->vm_id);
    return hf_left(err, "VM %s, without the mark of its run", m->vm_id);
}

static int destroy(struct hf_instance *in, const struct hf_call *call, const struct pve_machine *m,
                   struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    struct pve_task t = {0};
    enum owner owner;
    if (strcmp(in->taken_vm_id, m->vm_id) == 0)
        return 0;
    if (pve_machine_find_task(in, call, m, &t, err) != 0 ||
        (t.upid[0] && end_task(in, call, m, &t, err) != 0) ||
        look(in, call, m, &vm, &owner, err) != 0)
        return -1;
    if (owner == OWNER_NONE)
        return 0;
    if (owner == OWNER_US_SETTLED)
        return hf_fail(err, HF_E_CONFLICT, "VM %s is settled: it is not taken away", m->vm_id);
    if (owner == OWNER_OTHER && !(t.upid[0] && !pve_task_is_good(&t) && is_empty(&vm)))
        return pass_over(in, m, &t, err);
    if (vm.lock)
        return fail_locked(m, &vm, err);
    return check_unused(m, &vm, err) != 0 ? -1 : remove_vm(in, call, m, err);
}

int proxmox_machine_destroy(struct hf_instance *in, const struct hf_call *call,
                            const char *undo_token, struct hf_err *err)
{
    struct pve_machine m;
    if (pve_enter(in, call, err) != 0 || pve_machine_read(undo_token, &m, err) != 0)
        return -1;
    if (destroy(in, call, &m, err) == 0)
        return 0;
    if (!err->left[0])
        hf_left(err, "VM %s", m.vm_id);
    return hf_wrap(err, "VM %s", m.vm_id);
}

/* ---- list ------------------------------------------------------------------------------------------------ */

struct lister {
    struct hf_instance *in;
    const struct hf_call *call;
    hf_machine_cb emit;
    void *ctx;
};

static int tell(struct lister *l, const struct pve_machine *m, const struct pve_vm *vm,
                struct hf_err *err)
{
    HF_AUTOFREE char *token = pve_machine_write(m, err);
    if (!token)
        return -1;
    const struct hf_machine machine = {.struct_size = sizeof machine,
                                       .state = vm->state,
                                       .vm_id = m->vm_id,
                                       .name = vm->name,
                                       .run = m->run,
                                       .purpose = m->purpose,
                                       .undo_token = token};
    return l->emit(l->ctx, &machine) != 0 ? -1 : 0;
}

/* Its notes are in its configuration only. One that moves or goes meanwhile is not there. */
static int list_one(void *ctx, struct json_object *row, struct hf_err *err)
{
    struct lister *l = ctx;
    struct hf_err gone = HF_ERR_INIT;
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    struct pve_machine m = {0};
    const char *node = pve_text(row, "node");
    if (pve_is_container(row) || !pve_is_node(node) || pve_bool(row, "template"))
        return 0;
    snprintf(m.vm_id, sizeof m.vm_id, "%s", pve_text(row, "vmid"));
    snprintf(m.node, sizeof m.node, "%s", node);
    snprintf(l->in->vm_id, sizeof l->in->vm_id, "%s", m.vm_id);
    snprintf(l->in->node, sizeof l->in->node, "%s", node);
    if (pve_vm_load(l->in, l->call, m.vm_id, &vm, &gone) != 0) {
        if (gone.cls == HF_E_NOT_FOUND)
            return 0;
        hf_err_copy(err, &gone);
        return -1;
    }
    return pve_mark_read(pve_text(vm.config, "description"), &m) == PVE_MARKED
               ? tell(l, &m, &vm, err)
               : 0;
}

int proxmox_machine_list(struct hf_instance *in, const struct hf_call *call, hf_machine_cb emit,
                         void *ctx, struct hf_err *err)
{
    struct lister l = {in, call, emit, ctx};
    return pve_enter(in, call, err) != 0 ? -1 : pve_each_vm(in, call, list_one, &l, err);
}
