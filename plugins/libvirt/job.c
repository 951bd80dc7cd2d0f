/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"

#include "base/point.h"

#include <string.h>

#define ABORT_MS 300 /* what the abort of a block job may take */

static const char *type_name(int type)
{
    switch (type) {
    case VIR_DOMAIN_BLOCK_JOB_TYPE_PULL:
        return "block pull";
    case VIR_DOMAIN_BLOCK_JOB_TYPE_COPY:
        return "block copy";
    case VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT:
    case VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT:
        return "block commit";
    case VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP:
        return "backup";
    default:
        return "block job";
    }
}

int lv_job_look(virDomainPtr dom, const char *target, struct lv_job *out, struct hf_err *err)
{
    virDomainBlockJobInfo info = {0};
    *out = (struct lv_job){0};
    int rc = virDomainGetBlockJobInfo(dom, target, &info, 0);
    if (rc < 0)
        return lv_is_unsupported_call() ? 0 : lv_fail(err, "block job of disk %s", target);
    out->is_running = rc > 0;
    out->type = info.type;
    out->name = type_name(info.type);
    out->done = info.cur;
    out->total = info.end;
    return 0;
}

static int fail_commit(const struct lv_disk *d, struct hf_err *err)
{
    lv_fail(err, "block commit of disk %s", d->target);
    /* libvirt/libvirt#622 and #806: the AppArmor profile of the VM denies writing to the lower
     * layers. */
    if (strstr(err->message, "Permission denied"))
        hf_hint(err,
                "Before libvirt 12.1 AppArmor may forbid this merge: see Limits in the plugin's "
                "manual.");
    return -1;
}

int lv_commit_start(virDomainPtr dom, const struct lv_disk *d, int at, struct hf_err *err)
{
    char base[64], top[64];
    unsigned flags = at == 0 ? VIR_DOMAIN_BLOCK_COMMIT_ACTIVE : 0;
    /* By libvirt's own index: two layers may look alike by path, never by index. */
    snprintf(base, sizeof base, "%s[%d]", d->target, d->layers[at + 1].index);
    snprintf(top, sizeof top, "%s[%d]", d->target, d->layers[at].index);
    if (HF_POINT_ERR("libvirt.before_commit", err) != 0)
        return -1;
    if (virDomainBlockCommit(dom, d->target, base, at == 0 ? NULL : top, 0, flags) != 0)
        return fail_commit(d, err);
    return HF_POINT_ERR("libvirt.after_commit_start", err);
}

static int pivot(virDomainPtr dom, const char *target, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_pivot", err) != 0)
        return -1;
    if (virDomainBlockJobAbort(dom, target, VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT) != 0)
        return lv_fail(err, "pivot of disk %s", target);
    return HF_POINT_ERR("libvirt.after_pivot", err);
}

static int abort_job(virDomainPtr dom, const char *target, struct hf_err *err)
{
    if (virDomainBlockJobAbort(dom, target, 0) == 0)
        return -1;
    struct hf_err second = HF_ERR_INIT;
    lv_fail(&second, "abort of the block commit of disk %s", target);
    hf_left(&second, "the block commit of disk %s still runs", target);
    return hf_also(err, &second);
}

/* cur == end alone is no sign: it also holds for an instant before the mirror is in step. */
static int is_ready(virDomainPtr dom, const char *target, bool *out, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    if (!vm)
        return -1;
    const struct lv_disk *d = lv_vm_disk(vm, target);
    *out = d && d->mirror_job && d->is_mirror_ready;
    return 0;
}

static void tell_progress(struct hf_instance *in, const struct lv_progress *p,
                          const struct lv_job *job)
{
    double part = job->total ? (double)job->done / (double)job->total : 0;
    in->host->progress(in->host->ctx, p->done_bytes + (uint64_t)(part * (double)p->disk_bytes),
                       p->total_bytes);
}

/* Early enough that the job is aborted, and the caller told what is left, when the deadline comes.
 */
static int check_stop(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    if (lv_check_stop(in, call, err) != 0)
        return -1;
    if (lv_left_ms(in, call) < ABORT_MS)
        return hf_fail(err, HF_E_TIMEOUT, "the merge was not finished before the deadline");
    return 0;
}

int lv_commit_wait(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                   const char *target, const struct lv_progress *progress, struct hf_err *err)
{
    for (useconds_t pause = 1000;;
         pause = pause * 2 < LV_POLL_MS * 1000 ? pause * 2 : LV_POLL_MS * 1000) {
        struct lv_job job;
        bool ready = false;
        if (lv_job_look(dom, target, &job, err) != 0)
            return -1;
        if (!job.is_running)
            return 0;
        tell_progress(in, progress, &job);
        if (check_stop(in, call, err) != 0)
            return abort_job(dom, target, err);
        if (job.type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT && job.done == job.total &&
            is_ready(dom, target, &ready, err) != 0)
            return -1;
        if (ready)
            return pivot(dom, target, err);
        usleep(pause);
    }
}
