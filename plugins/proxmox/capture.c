/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include "aftermath.h"
#include "agent.h"
#include "base/point.h"
#include "rights.h"
#include "snapshots.h"
#include "vm.h"
#include "vzdump.h"

#include <string.h>

#define NAME_MAX_BYTES 40

void proxmox_capture_free(struct hf_instance *in, struct hf_capture *cap)
{
    (void)in;
    if (!cap)
        return;
    hf_buf_free(&cap->params);
    free(cap->vm_id);
    free(cap->name);
    free(cap->token);
    free(cap);
}

static inline void auto_capture(struct hf_capture **cap)
{
    proxmox_capture_free(NULL, *cap);
}

static int check_request(const struct hf_capture_request *req, struct hf_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t len = strlen(req->name);
    if (req->kind != HF_CAPTURE_SNAPSHOT)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown kind of capture %d", (int)req->kind);
    if (len < 2 || len > NAME_MAX_BYTES || !strchr(letters, *req->name) ||
        req->name[strspn(req->name,
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ||
        strcasecmp(req->name, "current") == 0 || strcasecmp(req->name, "pending") == 0)
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name for a snapshot of Proxmox VE", req->name);
    return 0;
}

/* ---- plan ------------------------------------------------------------------------------------------ */

static int refuse_disk(void *ctx, const struct pve_disk *d)
{
    if (d->disk.refused)
        return hf_fail(ctx, HF_E_UNSUPPORTED, "disk %s: %s", d->target, d->disk.refused);
    return 0;
}

static int check_feature(struct hf_instance *in, const struct hf_call *call,
                         const struct pve_vm *vm, const char *vm_id, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *feature = NULL;
    if (vm->is_template)
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is a template", vm->name);
    if (!pve_disks_captured(vm))
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' has no disk to capture", vm->name);
    if (pve_disks_each(vm, refuse_disk, err) != 0 ||
        pve_vm_get(in, call, vm_id, "/feature?feature=snapshot", &feature, err) != 0)
        return -1;
    if (pve_bool(feature, "hasFeature"))
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED,
            "VM '%s': at least one disk lies on a storage that has no snapshots", vm->name);
    return hf_hint(err, "Every disk counts, also those with backup=0, efidisk0 and tpmstate0. "
                        "LVM-thin, ZFS, RBD and qcow2 "
                        "files have snapshots.");
}

static int check_name_free(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *name, struct hf_err *err)
{
    struct pve_snap s;
    if (pve_snap_find(in, call, vm_id, name, &s, err) != 0)
        return -1;
    return s.exists ? hf_fail(err, HF_E_CONFLICT, "VM %s has a snapshot '%s' already", vm_id, name)
                    : 0;
}

/* qemu-server before 9.1.10 thaws at the end of its task, whoever froze. Of 9.1 itself the version does not tell which it has. */
static int warn_of_early_thaw(const struct hf_instance *in, hf_text_cb warn, void *ctx)
{
    char line[256];
    if (!pve_is_before(in, 9, 1))
        return 0;
    snprintf(line, sizeof line,
             "Proxmox VE %d.%d thaws the guest at the end of its own task, whoever froze it, so "
             "the grade will be E: with freeze = no the server freezes by itself",
             in->major, in->minor);
    return warn(ctx, line) ? -1 : 0;
}

int pve_warn_of_agent(struct hf_instance *in, const struct hf_call *call, const struct pve_vm *vm,
                      const struct pve_rights *rights, const struct hf_capture_request *req,
                      hf_text_cb warn, void *ctx)
{
    struct hf_err why = HF_ERR_INIT;
    char line[640];
    const char *missing = NULL;
    if (vm->state != HF_VM_RUNNING || !vm->has_agent)
        return 0;
    if ((req->is_frozen && warn_of_early_thaw(in, warn, ctx) != 0) ||
        pve_rights_warn(in, rights, req->vm_id, warn, ctx) != 0)
        return -1;
    if (!(pve_rights_can(in, rights, &missing) & HF_CAN_GUEST_FSMAP) ||
        pve_agent_ping(in, call, req->vm_id, &why) == 0)
        return 0;
    snprintf(line, sizeof line, "Proxmox VE will not freeze the guest's file systems: %s",
             why.message);
    return warn(ctx, line) ? -1 : 0;
}

static struct hf_capture *capture_new(const struct hf_call *call,
                                      const struct hf_capture_request *req)
{
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = calloc(1, sizeof *cap);
    HF_AUTOFREE char *description =
        hf_asprintf(PVE_MARK "%s%s%s", call->request_id ? call->request_id : req->name,
                    req->label && *req->label ? " label=" : "", req->label ? req->label : "");
    if (!cap || !description)
        return NULL;
    cap->kind = HF_CAPTURE_SNAPSHOT;
    cap->host_freezes = req->is_frozen;
    cap->vm_id = strdup(req->vm_id);
    cap->name = strdup(req->name);
    cap->token = hf_asprintf("proxmox 1 %s %s", req->vm_id, req->name);
    pve_param(&cap->params, "snapname", req->name);
    pve_param(&cap->params, "description", description);
    return cap->vm_id && cap->name && cap->token && hf_buf_ok(&cap->params) ? HF_STEAL(cap) : NULL;
}

int proxmox_capture_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                         struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    HF_AUTO(pve_rights) struct pve_rights rights = {0};
    if (req->kind == HF_CAPTURE_EXPORT) {
        int rc = pve_dump_plan(in, call, req, warn, ctx, out, plan, err);
        if (rc == 0)
            (*out)->host_freezes = req->is_frozen;
        return rc;
    }
    if (pve_enter(in, call, err) != 0 || check_request(req, err) != 0 ||
        pve_locate(in, call, req->vm_id, err) != 0 ||
        pve_rights_load(in, call, req->vm_id, &rights, err) != 0 ||
        pve_rights_check(&rights, req->vm_id, err) != 0 ||
        pve_vm_load_unlocked(in, call, req->vm_id, &vm, err) != 0 ||
        check_feature(in, call, &vm, req->vm_id, err) != 0 ||
        check_name_free(in, call, req->vm_id, req->name, err) != 0 ||
        pve_warn_of_agent(in, call, &vm, &rights, req, warn, ctx) != 0)
        return -1;
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = capture_new(call, req);
    if (!cap)
        return hf_fail_nomem(err);
    plan->n_disks = pve_disks_captured(&vm);
    plan->undo_token = cap->token;
    *out = HF_STEAL(cap);
    return 0;
}

/* ---- prepare and begin --------------------------------------------------------------------------------- */

/* Its requests also leave a warm connection behind, for the 4 s that a server keeps one. */
int proxmox_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    if (cap->kind == HF_CAPTURE_EXPORT)
        return pve_dump_prepare(in, call, cap, err);
    if (pve_enter(in, call, err) != 0 || pve_freshen(in, call, err) != 0 ||
        pve_locate(in, call, cap->vm_id, err) != 0 ||
        pve_task_newest(in, call, cap->vm_id, "qmsnapshot", PVE_TASK_OURS, NULL, &cap->before,
                        err) != 0 ||
        check_name_free(in, call, cap->vm_id, cap->name, err) != 0 ||
        pve_vm_load_unlocked(in, call, cap->vm_id, &vm, err) != 0)
        return -1;
    cap->is_prepared = true;
    return 0;
}

static int post(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                struct hf_err *err)
{
    struct pve_req req = {.method = "POST", .params = &cap->params};
    if (pve_task_begin(in, call, cap->vm_id, "/snapshot", &req, "qmsnapshot", &cap->before,
                       &cap->task, err) == 0)
        return 0;
    return in->is_unclear ? hf_left(err, "perhaps snapshot '%s' of VM %s", cap->name, cap->vm_id)
                          : -1;
}

static int watch_line(void *ctx, const char *line)
{
    struct hf_capture *cap = ctx;
    cap->is_cleaning_up |= strstr(line, "snapshot create failed: starting cleanup") != NULL;
    return 0;
}

/* Until the task has stopped, good or bad, or says that it failed. */
static int wait_for_instant(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *err)
{
    for (int64_t pause = 20;; pause = pause * 2 < PVE_POLL_MS ? pause * 2 : PVE_POLL_MS) {
        struct hf_err away = HF_ERR_INIT;
        int rc = pve_task_look(in, call, &cap->task, &away);
        if (rc == 0 && cap->task.is_stopped)
            return pve_task_verdict(&cap->task, err);
        if (rc == 0)
            rc = pve_task_log(in, call, &cap->task, &cap->log_at, watch_line, cap, &away);
        if (cap->is_cleaning_up) {
            hf_fail(err, HF_E_PLUGIN, "the snapshot failed and is cleaned up by the server");
            return hf_left(err, "task %s runs on", cap->task.upid);
        }
        if (rc != 0 && (away.cls == HF_E_AUTH || away.cls == HF_E_NOT_FOUND)) {
            hf_err_copy(err, &away);
            return hf_left(err, "task %s may run on", cap->task.upid);
        }
        if (pve_check_stop(in, call, err) != 0)
            return hf_left(err, "task %s runs on: it makes snapshot '%s'", cap->task.upid,
                           cap->name);
        pve_pause(in, call, pause);
    }
}

int proxmox_capture_begin(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_err *err)
{
    if (call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    if (!cap->is_prepared)
        return hf_fail(err, HF_E_INTERNAL, "begin without prepare");
    if (cap->kind == HF_CAPTURE_EXPORT)
        return pve_dump_begin(in, call, cap, err);
    if (pve_check_stop(in, call, err) != 0 || HF_POINT_ERR("proxmox.before_snapshot", err) != 0)
        return -1;
    if (post(in, call, cap, err) != 0 || wait_for_instant(in, call, cap, err) != 0)
        return hf_wrap(err, "snapshot '%s'", cap->name);
    return HF_POINT_ERR("proxmox.after_snapshot", err);
}

/* ---- settle ---------------------------------------------------------------------------------------------- */

int proxmox_capture_settle(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, struct hf_err *err)
{
    struct pve_snap s;
    if (cap->kind == HF_CAPTURE_EXPORT)
        return pve_dump_settle(in, call, cap, err);
    if (pve_enter(in, call, err) != 0 ||
        pve_after_task(in, call, cap->vm_id, &cap->task, cap->host_freezes, err) != 0 ||
        pve_snap_find(in, call, cap->vm_id, cap->name, &s, err) != 0)
        return -1;
    if (s.exists && s.is_ours && !s.is_unfinished)
        return 0;
    return hf_fail(err, HF_E_CONFLICT, "the task ended well, and snapshot '%s' is %s", cap->name,
                   !s.exists         ? "not there"
                   : s.is_unfinished ? "unfinished"
                                     : "somebody else's");
}
