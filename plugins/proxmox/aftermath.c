/* SPDX-License-Identifier: Apache-2.0 */
#include "aftermath.h"

#include "agent.h"
#include "vm.h"

#include <string.h>

struct reader {
    struct hf_instance *in;
    const char *what;
    bool is_quiet;
    bool host_freezes; /* so that a freeze of the task cannot succeed */
    bool was_frozen;   /* by somebody else, before the task: whoever froze thaws */
    bool is_trouble;   /* the guest may be frozen still */
};

static int read_line(void *ctx, const char *line)
{
    struct reader *r = ctx;
    static const struct {
        const char *text;
        bool is_trouble, is_freeze;
    } signs[] = {{"unable to freeze guest fs", true, true},
                 {"guest-fsfreeze-freeze' failed", true, true},
                 {"guest-fsfreeze-thaw problems", true, false},
                 {"guest-fsfreeze-thaw' failed", true, false},
                 {"Guest Agent is not running", false, false},
                 {"skipping guest filesystem freeze - already frozen", false, true},
                 {"skipping guest filesystem freeze", false, false},
                 {"WARN:", false, false}};
    for (size_t i = 0; i < HF_ARRAY_SIZE(signs); i++) {
        if (!strstr(line, signs[i].text))
            continue;
        r->is_trouble |= signs[i].is_trouble;
        bool is_fine = signs[i].is_freeze && r->host_freezes;
        if (!r->is_quiet)
            pve_log(r->in, is_fine ? HF_LOG_DETAIL : HF_LOG_WARN, "%s task: %s%s", r->what, line,
                    is_fine ? " (frozen by holdfast before)" : "");
        break;
    }
    r->was_frozen |= strstr(line, "- already frozen") != NULL;
    return 0;
}

static void read_log(struct reader *r, const struct hf_call *call, const struct pve_task *task)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (pve_task_log_all(r->in, call, task, read_line, r, &ignored) != 0)
        pve_log(r->in, HF_LOG_WARN, "the task's log was not to be had: %s", ignored.message);
}

static int thaw_if_frozen(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    enum hf_freeze_state state = HF_FREEZE_UNKNOWN;
    struct hf_err why = HF_ERR_INIT;
    if (pve_vm_load(in, call, vm_id, &vm, err) != 0)
        return -1;
    if (!vm.has_agent || vm.state != HF_VM_RUNNING)
        return 0;
    if (pve_agent_state(in, call, vm_id, &state, &why) != 0) {
        pve_log(in, HF_LOG_WARN, "whether the guest was thawed is not known: %s", why.message);
        return 0;
    }
    if (state != HF_FREEZE_FROZEN)
        return 0;
    pve_log(in, HF_LOG_WARN, "the task left the guest frozen: thawing it");
    return pve_agent_thaw(in, call, vm_id, err);
}

int pve_after_task(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const struct pve_task *task, bool host_freezes, struct hf_err *err)
{
    struct reader r = {.in = in,
                       .host_freezes = host_freezes,
                       .what = strstr(task->upid, ":vzdump:") ? "vzdump" : "snapshot"};
    read_log(&r, call, task);
    return r.was_frozen ? 0 : thaw_if_frozen(in, call, vm_id, err);
}

int pve_after_lost_task(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        struct hf_err *err)
{
    struct pve_task task;
    struct hf_err ignored = HF_ERR_INIT;
    if (pve_task_newest(in, call, vm_id, "qmsnapshot", PVE_TASK_OURS, NULL, &task, err) != 0)
        return -1;
    if (!task.upid[0] || pve_task_look(in, call, &task, &ignored) != 0)
        return 0;
    return pve_after_dead_task(in, call, vm_id, &task, err);
}

/* The task had stopped its processors when it died: nobody but root can let it run. */
static bool is_paused(struct hf_instance *in, const struct hf_call *call, const char *vm_id)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    struct hf_err ignored = HF_ERR_INIT;
    return pve_vm_load(in, call, vm_id, &vm, &ignored) == 0 && vm.state != HF_VM_RUNNING &&
           vm.state != HF_VM_OFF;
}

static int fail_paused(struct hf_instance *in, const char *vm_id, struct hf_err *err)
{
    hf_fail(err, HF_E_BUSY, "the task died and left VM %s standing still", vm_id);
    hf_left(err, "VM %s on %s, paused, its file systems perhaps frozen", vm_id, in->node);
    return hf_hint(
        err,
        "As root on %s: `qm unlock %s; qm resume %s; qm guest cmd %s fsfreeze-thaw`, then "
        "`holdfast recover`.",
        in->node, vm_id, vm_id, vm_id);
}

int pve_after_dead_task(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        const struct pve_task *task, struct hf_err *err)
{
    struct reader r = {.in = in, .is_quiet = true};
    read_log(&r, call, task);
    bool was_killed = task->is_stopped && (strcmp(task->exit, "unexpected status") == 0 ||
                                           strcmp(task->exit, "interrupted by signal") == 0);
    if (r.was_frozen || !(r.is_trouble || was_killed))
        return 0;
    return was_killed && is_paused(in, call, vm_id) ? fail_paused(in, vm_id, err)
                                                    : thaw_if_frozen(in, call, vm_id, err);
}
