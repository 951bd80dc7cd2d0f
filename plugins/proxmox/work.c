/* SPDX-License-Identifier: Apache-2.0 */
#include "pve.h"

#include <string.h>

#define LOOKS_FOR_LOST 4
#define WORK_POLL_MS 1000

/* The answer was lost, or says nothing: it may have begun a task all the same. */
static bool look_for_lost(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char *type, const struct pve_task *before, struct pve_task *out)
{
    for (int looks = 0; looks < LOOKS_FOR_LOST; looks++) {
        struct hf_err ignored = HF_ERR_INIT;
        if (pve_task_newest(in, call, vm_id, type, PVE_TASK_OURS, before, out, &ignored) == 0 &&
            out->upid[0])
            return true;
        if (pve_check_stop(in, call, &ignored) != 0)
            return false;
        pve_pause(in, call, PVE_POLL_MS);
    }
    return false;
}

static int find_after_loss(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                           const char *what, const char *type, const struct pve_task *before,
                           const struct hf_err *lost, struct pve_task *out, struct hf_err *err)
{
    bool is_unclear = in->is_unclear; /* the looks forget it */
    if (is_unclear && look_for_lost(in, call, vm_id, type, before, out)) {
        pve_log(in, HF_LOG_WARN, "the answer to %s was lost (%s); its task was found: %s", what,
                lost->message, out->upid);
        in->is_unclear = false;
        out->was_looked_for = true;
        return 0;
    }
    in->is_unclear = is_unclear;
    hf_err_copy(err, lost);
    return -1;
}

int pve_task_begin(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                   const char *below, const struct pve_req *req, const char *type,
                   const struct pve_task *before, struct pve_task *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    struct hf_err lost = HF_ERR_INIT;
    char node[PVE_NODE_MAX];
    snprintf(node, sizeof node, "%s", in->node);
    if (pve_vm_request(in, call, vm_id, below, req, &data, &lost) == 0)
        return pve_task_take(data, out, err);
    /* It has moved, and which tasks another node had before is not known: one of an earlier time is no answer. */
    if (strcmp(node, in->node) != 0) {
        hf_err_copy(err, &lost);
        return -1;
    }
    return find_after_loss(in, call, vm_id, below, type, before, &lost, out, err);
}

int pve_task_begin_at(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                      const struct pve_req *req, const char *type, const struct pve_task *before,
                      struct pve_task *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    struct hf_err lost = HF_ERR_INIT;
    if (pve_request(in, call, req, &data, &lost) == 0)
        return pve_task_take(data, out, err);
    return find_after_loss(in, call, vm_id, req->path, type, before, &lost, out, err);
}

int pve_work(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
             const char *below, const struct pve_req *req, const char *type, struct hf_err *err)
{
    struct pve_task before, task;
    if (pve_task_newest(in, call, vm_id, type, PVE_TASK_OURS, NULL, &before, err) != 0 ||
        pve_task_begin(in, call, vm_id, below, req, type, &before, &task, err) != 0)
        return -1;
    return pve_task_wait(in, call, &task, WORK_POLL_MS, err);
}
