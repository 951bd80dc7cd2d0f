/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include "base/point.h"
#include "lease.h"
#include "rights.h"
#include "snapshots.h"

#include <limits.h>
#include <string.h>

#define NAME_MAX_BYTES 64
#define LOST_LOOKS 6 /* after a lost answer, so often in the tree before it counts as not begun */
#define BUSY_PAUSE_MS 500 /* before it is asked again whether another task has let the VM go */

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

void vmware_capture_free(struct hf_instance *in, struct hf_capture *cap)
{
    if (!cap)
        return;
    if (in && cap->is_export)
        vmw_lease_abort(in);
    vmw_vm_free(&cap->disks);
    free(cap->vm_id);
    free(cap->name);
    free(cap->token);
    free(cap->description);
    free(cap);
}

static inline void auto_capture(struct hf_capture **cap)
{
    vmware_capture_free(NULL, *cap);
}

/* ---- plan ------------------------------------------------------------------------------------------------------- */

/* A '%' in a name would have to be written as %25, and names need not be unique: so these letters only. */
static int check_request(const struct hf_capture_request *req, struct hf_err *err)
{
    size_t len = strlen(req->name);
    if (req->kind != HF_CAPTURE_SNAPSHOT && req->kind != HF_CAPTURE_EXPORT)
        return hf_fail(err, HF_E_UNSUPPORTED, "an unknown kind of capture");
    if (!len || len > NAME_MAX_BYTES || req->name[strspn(req->name, letters)])
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name for a snapshot", req->name);
    return 0;
}

static int check_chain(struct hf_instance *in, const struct hf_call *call, const struct vmw_vm *vm,
                       struct hf_err *err)
{
    int depth = 0;
    if (vmw_snap_depth(in, call, &depth, err) != 0)
        return -1;
    if (depth < in->chain_max)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "VM '%.80s' stands on %d snapshots already, and chain-max is %d",
            vm->name, depth, in->chain_max);
    return hf_hint(err, "Delete snapshots (holdfast snapshot list; those of others in the client), "
                        "or raise chain-max: long chains are slow, and vSphere ends at 32.");
}

static int check_disks_whole(const struct vmw_vm *vm, struct hf_err *err)
{
    if (!vm->needs_consolidation)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "the disks of VM '%.80s' need consolidation", vm->name);
    return hf_hint(err,
                   "In the client: Snapshots, Consolidate. A deletion left delta files behind.");
}

static int check_name_free(struct hf_instance *in, const struct hf_call *call, const char *name,
                           struct hf_err *err)
{
    struct vmw_snap s;
    if (vmw_snap_find(in, call, name, &s, err) != 0)
        return -1;
    return s.exists ? hf_fail(err, HF_E_CONFLICT, "the VM has a snapshot '%s' already", name) : 0;
}

static bool wants_quiesce(const struct hf_instance *in)
{
    return in->tools_quiesce && strcmp(in->tools_quiesce, "yes") == 0;
}

static int check_tools(const struct hf_instance *in, const struct hf_capture_request *req,
                       const struct vmw_vm *vm, hf_text_cb warn, void *ctx, struct hf_err *err)
{
    if (!wants_quiesce(in) || vm->state != HF_VM_RUNNING)
        return 0;
    if (req->is_frozen)
        return warn(ctx, "tools-quiesce is left out: the guest is frozen by holdfast") ? -1 : 0;
    if (vm->has_tools)
        return 0;
    hf_fail(err, HF_E_UNREACHABLE, "tools-quiesce is on, and VMware Tools do not run in VM '%.80s'",
            vm->name);
    return hf_hint(err, "Without them vSphere may leave the quiescing out without a word.");
}

static int check_rights(struct hf_instance *in, const struct hf_call *call,
                        const struct hf_capture_request *req, const struct vmw_vm *vm,
                        hf_text_cb warn, void *ctx, struct hf_err *err)
{
    HF_AUTO(vmw_rights) struct vmw_rights r = {0};
    bool is_export = req->kind == HF_CAPTURE_EXPORT;
    unsigned later = is_export ? 0 : VMW_FOR_ROLLBACKS;
    later |= in->guest_user ? VMW_FOR_GUESTS : 0;
    if (vmw_rights_load(in, call, &vm->ref, &r, err) != 0)
        return -1;
    if (vmw_rights_check(&r, VMW_FOR_SNAPSHOTS | (is_export ? VMW_FOR_EXPORTS : 0), later, err) !=
        0)
        return hf_wrap(err, "VM '%.80s'", vm->name);
    return vmw_rights_warn(&r, later, warn, ctx);
}

/* Disks come from the VM's host, and what fits the vCenter's certificate alone would be found out after the hold. */
static int check_trust(const struct hf_instance *in, const struct hf_capture_request *req,
                       hf_text_cb warn, void *ctx)
{
    char line[256];
    const char *key = in->thumbprint ? "thumbprint" : in->pin ? "pin" : NULL;
    if (req->kind != HF_CAPTURE_EXPORT || in->content.is_host || !key)
        return 0;
    snprintf(line, sizeof line,
             "%s is that of the vCenter, and disks come from the VM's host, whose certificate is "
             "another: a backup needs ca-file instead",
             key);
    return warn(ctx, line) ? -1 : 0;
}

static int check_all(struct hf_instance *in, const struct hf_call *call,
                     const struct hf_capture_request *req, struct vmw_vm *vm, hf_text_cb warn,
                     void *ctx, struct hf_err *err)
{
    if (vmw_locate(in, call, req->vm_id, err) != 0 ||
        vmw_vm_load(in, call, &in->vm, vm, err) != 0 || vmw_vm_check(vm, err) != 0 ||
        check_rights(in, call, req, vm, warn, ctx, err) != 0 || check_disks_whole(vm, err) != 0 ||
        vmw_disks_check(vm, warn, ctx, err) != 0 || check_tools(in, req, vm, warn, ctx, err) != 0 ||
        check_chain(in, call, vm, err) != 0 || vmw_check_idle(in, call, err) != 0 ||
        check_name_free(in, call, req->name, err) != 0 || check_trust(in, req, warn, ctx) != 0)
        return -1;
    return vmw_room_check(in, call, vm, warn, ctx, err);
}

static struct hf_capture *capture_new(struct hf_instance *in, const struct hf_call *call,
                                      const struct hf_capture_request *req)
{
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = calloc(1, sizeof *cap);
    if (!cap)
        return NULL;
    cap->vm_id = strdup(in->vm_id);
    cap->name = strdup(req->name);
    cap->token = hf_asprintf("vmware 1 %s %s %s", in->vm_id, req->name, in->vm.id);
    cap->description =
        hf_asprintf(VMW_MARK "%s%s%s", call->request_id ? call->request_id : req->name,
                    req->label && *req->label ? " label=" : "", req->label ? req->label : "");
    cap->is_export = req->kind == HF_CAPTURE_EXPORT;
    cap->is_quiesced = wants_quiesce(in) && !req->is_frozen; /* Tools hang in a frozen guest */
    return cap->vm_id && cap->name && cap->token && cap->description ? HF_STEAL(cap) : NULL;
}

int vmware_capture_plan(struct hf_instance *in, const struct hf_call *call,
                        const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                        struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err)
{
    HF_AUTO(vmw_vm) struct vmw_vm vm = {0};
    if (vmw_enter(in, call, err) != 0 || check_request(req, err) != 0 ||
        check_all(in, call, req, &vm, warn, ctx, err) != 0)
        return -1;
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = capture_new(in, call, req);
    if (!cap)
        return hf_fail_nomem(err);
    plan->n_disks = cap->n_disks = vmw_disks_captured(&vm);
    plan->undo_token = cap->token;
    *out = HF_STEAL(cap);
    return 0;
}

/* ---- prepare ----------------------------------------------------------------------------------------------------- */

/* Its requests also renew a session that idled, and leave a warm connection behind. */
int vmware_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, struct hf_err *err)
{
    HF_AUTO(vmw_vm) struct vmw_vm vm = {0};
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, cap->vm_id, err) != 0 ||
        check_name_free(in, call, cap->name, err) != 0 || vmw_check_idle(in, call, err) != 0 ||
        vmw_vm_load(in, call, &in->vm, &vm, err) != 0 || vmw_vm_check(&vm, err) != 0)
        return -1;
    cap->vm = in->vm;
    cap->is_prepared = true;
    return 0;
}

/* ---- begin ------------------------------------------------------------------------------------------------------- */

static int post(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                struct hf_err *err)
{
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    struct vmw_request req = {.method = "CreateSnapshot_Task", .self = &cap->vm, .args = &args};
    /* The filter of a try before goes with the session: a hold has no time for it. */
    cap->task = (struct vmw_task){.why = HF_ERR_INIT};
    vmw_put(&args, "name", cap->name);
    vmw_put(&args, "description", cap->description);
    vmw_put_bool(&args, "memory", false);
    vmw_put_bool(&args, "quiesce", cap->is_quiesced);
    return vmw_call_ref(in, call, &req, &cap->task.ref, err);
}

/* 1: it is there, whole; 0: it is not; -1: not known. */
static int look_in_tree(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        struct hf_err *err)
{
    struct vmw_snap s;
    in->vm = cap->vm;
    if (vmw_snap_find(in, call, cap->name, &s, err) != 0)
        return -1;
    if (!s.exists || !s.is_ours)
        return 0;
    cap->made = s.ref;
    return 1;
}

/* The task may still run, also where nobody knows its name: 1 as above once it is there and nothing works on its snapshots or power;
 * 0 after so many looks at which nothing did and none was there. A server that is away is waited for; a deadline or a cancel is -1. */
static int search(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                  int looks, struct hf_err *err)
{
    while (looks) {
        struct vmw_working w = {0};
        struct hf_err away = HF_ERR_INIT;
        int found = look_in_tree(in, call, cap, &away);
        if (found >= 0 && vmw_working_on(in, call, &cap->vm, true, &w, &away) == 0 &&
            !w.task.id[0] && (found || --looks == 0))
            return found;
        if (away.cls == HF_E_AUTH || away.cls == HF_E_NOT_FOUND) {
            hf_err_copy(err, &away);
            return -1;
        }
        if (vmw_check_stop(in, call, err) != 0)
            return -1;
        vmw_pause(in, call, VMW_POLL_MS);
    }
    return 0;
}

/* A server that was restarted need not know a task that its host works on: the snapshot is waited for as long as the hold may
 * last. One that refused the request outright has begun nothing. */
static int looks_for(const struct hf_capture *cap, bool was_refused)
{
    return cap->task.state == VMW_TASK_LOST ? INT_MAX : was_refused ? 1 : LOST_LOOKS;
}

static int fail_unknown(const struct hf_capture *cap, const struct hf_err *why, struct hf_err *err)
{
    hf_err_copy(err, why);
    return hf_left(err, "perhaps snapshot '%s' of VM %s", cap->name, cap->vm_id);
}

/* What became of a request without an answer, or of a task that is not known any more. 1: the snapshot is there. 0: there
 * is none by now. */
static int find_out(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                    int looks, const struct hf_err *lost, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    int found = search(in, call, cap, looks, &why);
    if (found < 0) {
        fail_unknown(cap, &why, err);
        return -1;
    }
    if (found)
        vmw_log(in, HF_LOG_WARN, "%s; snapshot '%s' was found all the same", lost->message,
                cap->name);
    return found;
}

/* One try. 0: made. 1: nothing was made, and another try may do. */
static int try_once(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                    struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    int rc = post(in, call, cap, &why);
    bool is_lost = rc != 0 && in->is_unclear, was_refused = rc != 0 && in->was_refused;
    if (rc == 0) {
        if (vmw_task_watch(in, call, &cap->task, err) != 0) {
            in->is_in_doubt = true; /* a server that is restarted now will not know the task */
            return hf_left(err, "it makes snapshot '%s' of VM %s", cap->name, cap->vm_id);
        }
        rc = vmw_task_verdict(&cap->task, &why);
        is_lost = cap->task.state == VMW_TASK_LOST;
        cap->made = cap->task.result;
    }
    if (rc == 0)
        return 0;
    if (is_lost || was_refused) {
        int found = find_out(in, call, cap, looks_for(cap, was_refused), &why, err);
        in->is_in_doubt = found < 0;
        if (found != 0)
            return found > 0 ? 0 : -1;
    }
    hf_err_copy(err, &why);
    if (is_lost) {
        in->is_in_doubt = true;
        err->retryable = 1;
        return -1; /* one that begins later than all looks is found by the undo */
    }
    in->is_in_doubt = vmw_task_may_go_on(cap->task.fault);
    return was_refused || why.cls == HF_E_BUSY ? 1 : -1;
}

static int make(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                struct hf_err *err)
{
    int rc;
    int64_t pause = 0; /* the second try after a lost session is made at once */
    while ((rc = try_once(in, call, cap, err)) == 1) {
        pause = err->cls == HF_E_BUSY ? BUSY_PAUSE_MS : pause;
        if (vmw_left_ms(in, call) <= pause)
            return -1;
        vmw_pause(in, call, pause);
        pause = BUSY_PAUSE_MS;
        hf_err_clear(err);
        if (vmw_check_stop(in, call, err) != 0)
            return -1;
    }
    return rc;
}

int vmware_capture_begin(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         struct hf_err *err)
{
    if (call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    if (!cap->is_prepared)
        return hf_fail(err, HF_E_INTERNAL, "begin without prepare");
    in->is_in_doubt = false;
    if (vmw_check_stop(in, call, err) != 0 || HF_POINT_ERR("vmware.before_snapshot", err) != 0)
        return -1;
    in->is_held = true;
    int rc = make(in, call, cap, err);
    in->is_held = false;
    return rc == 0 ? HF_POINT_ERR("vmware.after_snapshot", err)
                   : hf_wrap(err, "snapshot '%s'", cap->name);
}

/* ---- settle ------------------------------------------------------------------------------------------------------- */

int vmware_capture_settle(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_err *err)
{
    struct vmw_snap s;
    if (vmw_enter(in, call, err) != 0)
        return -1;
    vmw_task_forget(in, call, &cap->task);
    in->vm = cap->vm;
    if (vmw_snap_find(in, call, cap->name, &s, err) != 0)
        return -1;
    in->is_in_doubt = !s.exists; /* the host may end it still */
    if (!s.exists || !s.is_ours || (cap->made.id[0] && !vmw_ref_same(&s.ref, &cap->made)))
        return hf_fail(err, HF_E_CONFLICT, "the task ended well, and snapshot '%s' is %s",
                       cap->name, s.exists ? "another" : "not there");
    cap->made = s.ref;
    cap->is_settled = true;
    if (!cap->is_quiesced || s.is_quiesced)
        return 0;
    hf_fail(err, HF_E_UNREACHABLE,
            "the guest was to be quiesced, and snapshot '%s' says it was not", cap->name);
    return hf_hint(err,
                   "Do VMware Tools in the guest have what it takes (VSS, or the sync driver)?");
}
