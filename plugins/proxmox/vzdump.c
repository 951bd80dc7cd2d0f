/* SPDX-License-Identifier: Apache-2.0 */
#include "vzdump.h"

#include "aftermath.h"
#include "base/point.h"
#include "snapshots.h"

#include <string.h>

#define COPY_POLL_MS 2000

void pve_dump_volid(const struct pve_dump_log *log, const char *storage, char out[PVE_VOLID_MAX])
{
    *out = '\0';
    if (log->archive[0])
        snprintf(out, PVE_VOLID_MAX, "%s:backup/%s", storage, log->archive);
}

/* ---- prepare and begin -------------------------------------------------------------------------- */

/* One vzdump runs per node, of whatever VM and whomever. Those of others are seen with Sys.Audit only. */
static int check_node_idle(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    struct pve_task t;
    if (pve_task_newest_on(in, call, in->node, NULL, "vzdump", PVE_TASK_RUNNING, NULL, &t, err) !=
        0)
        return -1;
    if (!t.upid[0])
        return 0;
    hf_fail(err, HF_E_BUSY, "another vzdump runs on node %s: %s", in->node, t.upid);
    err->retryable = 1;
    return hf_hint(err,
                   "A node runs one at a time: it would be waited for with the database held.");
}

int pve_dump_prepare(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                     struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    if (pve_enter(in, call, err) != 0 || pve_freshen(in, call, err) != 0 ||
        pve_locate(in, call, cap->vm_id, err) != 0)
        return -1;
    if (strcmp(in->node, cap->node) != 0) {
        hf_fail(err, HF_E_CONFLICT, "VM %s moved from node %s to %s meanwhile", cap->vm_id,
                cap->node, in->node);
        err->retryable = 1;
        return -1;
    }
    if (pve_vm_load_unlocked(in, call, cap->vm_id, &vm, err) != 0 ||
        check_node_idle(in, call, err) != 0)
        return -1;
    cap->is_prepared = true;
    return 0;
}

static int post(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                struct hf_err *err)
{
    HF_AUTOFREE char *path = hf_asprintf("/nodes/%s/vzdump", cap->node);
    struct pve_req req = {.method = "POST", .path = path, .params = &cap->params};
    if (!path)
        return hf_fail_nomem(err);
    if (pve_task_begin_at(in, call, cap->vm_id, &req, "vzdump", &cap->before, &cap->task, err) == 0)
        return 0;
    /* Not on that node any more: the server says "OK" and does nothing. */
    return in->is_unclear
               ? hf_left(err, "perhaps a vzdump task of VM %s on node %s", cap->vm_id, cap->node)
               : -1;
}

static int fail_as_told(const struct hf_capture *cap, struct hf_err *err)
{
    const char *why = cap->log.reason[0]     ? cap->log.reason
                      : cap->task.is_stopped ? cap->task.exit
                                             : "the job was aborted";
    hf_fail(err, pve_class_of(why), "vzdump failed: %s", why);
    err->retryable = err->cls == HF_E_BUSY;
    hf_hint(err, "Its log: Datacenter, Tasks, or `pvesh get /nodes/%s/tasks/%s/log`.", cap->node,
            cap->task.upid);
    return cap->task.is_stopped ? -1 : hf_left(err, "task %s runs on", cap->task.upid);
}

static int read_log(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                    struct hf_err *err)
{
    return pve_task_log(in, call, &cap->task, &cap->log_at, pve_dump_line, &cap->log, err);
}

/* The log first: it says when to let go. That of a task that has stopped is whole, so it is read once more then. */
static int look_for_instant(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *away)
{
    if (read_log(in, call, cap, away) != 0 || cap->log.has_instant || cap->log.has_failed)
        return away->cls ? -1 : 0;
    if (pve_task_look(in, call, &cap->task, away) != 0)
        return -1;
    return cap->task.is_stopped ? read_log(in, call, cap, away) : 0;
}

static int wait_for_instant(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *err)
{
    for (int64_t pause = 20;; pause = pause * 2 < PVE_POLL_MS ? pause * 2 : PVE_POLL_MS) {
        struct hf_err away = HF_ERR_INIT;
        int rc = look_for_instant(in, call, cap, &away);
        if (cap->log.has_instant)
            return 0;
        if (cap->log.has_failed || (rc == 0 && cap->task.is_stopped))
            return fail_as_told(cap, err);
        if (rc != 0 && (away.cls == HF_E_AUTH || away.cls == HF_E_NOT_FOUND)) {
            hf_err_copy(err, &away);
            return hf_left(err, "task %s may run on", cap->task.upid);
        }
        if (pve_check_stop(in, call, err) != 0)
            return hf_left(err, "task %s runs on: it makes a backup", cap->task.upid);
        pve_pause(in, call, pause);
    }
}

int pve_dump_begin(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                   struct hf_err *err)
{
    if (pve_check_stop(in, call, err) != 0 || HF_POINT_ERR("proxmox.before_vzdump", err) != 0)
        return -1;
    if (post(in, call, cap, err) != 0 || wait_for_instant(in, call, cap, err) != 0)
        return hf_wrap(err, "backup '%s'", cap->name);
    return HF_POINT_ERR("proxmox.after_vzdump", err);
}

/* ---- settle, and the export --------------------------------------------------------------------- */

static int check_whole(const struct hf_capture *cap, struct hf_err *err)
{
    if (!cap->log.left_out[0])
        return 0;
    hf_fail(err, HF_E_CONFLICT, "disk %s got backup=0 since this was planned: it is left out",
            cap->log.left_out);
    return hf_left(err, "task %s runs on", cap->task.upid);
}

static int check_frozen(const struct hf_capture *cap, struct hf_err *err)
{
    bool needs_it = cap->needs_freeze || (cap->needs_rest && cap->log.is_running);
    if (!needs_it || (cap->log.has_frozen && !cap->log.is_unfrozen))
        return 0;
    hf_fail(err, HF_E_CONFLICT,
            "the guest was not frozen when the backup began: its disks are not of one instant");
    if (cap->log.reason[0])
        hf_hint(err, "The task says: %s.", cap->log.reason);
    return hf_left(err, "task %s runs on", cap->task.upid);
}

/* The class that the contract has for it: nothing that was copied counts. */
static int fail_copy(const struct hf_capture *cap, struct hf_err *err)
{
    fail_as_told(cap, err);
    err->cls = HF_E_CONFLICT;
    err->retryable = 0;
    return -1;
}

int pve_dump_settle(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                    struct hf_err *err)
{
    if (pve_enter(in, call, err) != 0 || read_log(in, call, cap, err) != 0)
        return -1;
    if (cap->log.has_frozen && !cap->log.is_by_others &&
        pve_after_task(in, call, cap->vm_id, &cap->task, cap->host_freezes, err) != 0)
        return -1;
    if (cap->log.has_failed)
        return fail_copy(cap, err);
    return check_whole(cap, err) != 0 ? -1 : check_frozen(cap, err);
}

struct size_finder {
    const char *target;
    uint64_t bytes;
    bool found;
};

static int find_size(void *ctx, const struct pve_disk *d)
{
    struct size_finder *f = ctx;
    if (d->disk.skipped || strcmp(d->target, f->target) != 0)
        return 0;
    f->bytes = d->disk.capacity_bytes;
    f->found = true;
    return 0;
}

int proxmox_export_disk(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        const char *target, struct hf_export *out, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    char volid[PVE_VOLID_MAX];
    struct size_finder f = {.target = target};
    if (pve_enter(in, call, err) != 0 || pve_vm_load(in, call, cap->vm_id, &vm, err) != 0)
        return -1;
    (void)pve_disks_each(&vm, find_size, &f);
    if (!f.found)
        return hf_fail(err, HF_E_NOT_FOUND, "VM %s has no disk '%s'", cap->vm_id, target);
    pve_dump_volid(&cap->log, in->backup_storage, volid);
    if (!*volid)
        return hf_fail(err, HF_E_CORRUPT, "the task's log does not name its archive");
    out->form = HF_EXPORT_PUSHED;
    out->uri = pve_keep(in, strdup(volid));
    out->size_bytes = f.bytes;
    return out->uri ? 0 : hf_fail_nomem(err);
}

/* Looks at task and log. */
static int look(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                struct hf_err *err)
{
    if (pve_task_look(in, call, &cap->task, err) != 0 || read_log(in, call, cap, err) != 0)
        return -1;
    cap->looked_at_ms = pve_now_ms(in);
    if (cap->log.all_bytes)
        in->host->progress(in->host->ctx, cap->log.done_bytes, cap->log.all_bytes);
    return 0;
}

int proxmox_export_watch(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         struct hf_export_state *out, struct hf_err *err)
{
    if (pve_enter(in, call, err) != 0)
        return -1;
    if (cap->has_ended)
        return hf_fail(err, HF_E_CONFLICT, "the backup has ended");
    out->scratch_used_bytes = out->scratch_room_bytes = 0;
    /* Asked four times a second; the server need not be. */
    if (pve_now_ms(in) - cap->looked_at_ms < COPY_POLL_MS)
        return 0;
    if (look(in, call, cap, err) != 0)
        return -1;
    bool is_bad = cap->task.is_stopped && !pve_task_is_good(&cap->task);
    return cap->log.has_failed || is_bad ? fail_copy(cap, err) : 0;
}

static int confirm(struct hf_instance *in, const struct hf_call *call, const struct hf_capture *cap,
                   struct hf_err *err)
{
    char volid[PVE_VOLID_MAX];
    struct pve_archive a;
    bool is_there = false;
    pve_dump_volid(&cap->log, in->backup_storage, volid);
    if (!*volid)
        return hf_fail(err, HF_E_CORRUPT, "the task's log does not name its archive");
    if (pve_archive_find(in, call, cap->node, cap->vm_id, volid, &a, &is_there, err) != 0)
        return -1;
    if (!is_there)
        return hf_fail(err, HF_E_CONFLICT, "the task ended well, and %s is not there", volid);
    if (!a.is_ours || strcmp(a.run, cap->name) != 0 || a.size_bytes <= 0)
        return hf_fail(err, HF_E_CONFLICT, "the task ended well, and %s is %s", volid,
                       a.size_bytes <= 0 ? "empty" : "not of this run");
    if (!a.is_protected)
        pve_log(in, HF_LOG_WARN, "%s is not protected: another job may prune it", volid);
    return 0;
}

/* last: why the API says nothing; class NONE: it answers. */
static int wait_for_end(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        struct hf_err *err)
{
    struct hf_err last = HF_ERR_INIT;
    for (int64_t pause = 20;; pause = pause * 2 < COPY_POLL_MS ? pause * 2 : COPY_POLL_MS) {
        struct hf_err away = HF_ERR_INIT;
        int rc = look(in, call, cap, &away);
        if (rc == 0 && cap->task.is_stopped)
            return 0;
        if (rc != 0 && !pve_is_away(&away) && away.cls != HF_E_TIMEOUT) {
            hf_err_copy(err, &away);
            return hf_left(err, "task %s may run on", cap->task.upid);
        }
        if (rc == 0)
            hf_err_clear(&last);
        else if (away.cls != HF_E_TIMEOUT) /* that is our own deadline */
            hf_err_copy(&last, &away);
        if (pve_check_stop(in, call, err) != 0) {
            if (last.cls && err->cls == HF_E_TIMEOUT) /* it is not slow, it is away */
                hf_err_copy(err, &last);
            return hf_left(err, "task %s runs on: it makes a backup", cap->task.upid);
        }
        pve_pause(in, call, pause);
    }
}

int proxmox_export_end(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                       struct hf_err *err)
{
    if (pve_enter(in, call, err) != 0 || wait_for_end(in, call, cap, err) != 0 ||
        pve_task_log_all(in, call, &cap->task, pve_dump_line, &cap->log, err) != 0)
        return -1;
    if (!pve_task_is_good(&cap->task) || cap->log.has_failed)
        return fail_copy(cap, err);
    if (!cap->log.has_instant)
        return hf_fail(err, HF_E_CONFLICT, "the task ended well without saying when it began");
    if (confirm(in, call, cap, err) != 0)
        return -1;
    cap->has_ended = true;
    return 0;
}
