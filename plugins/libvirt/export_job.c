/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "export.h"

#include <string.h>
#include <unistd.h>

#define ABORT_MS 10000 /* what the end of a backup job may take */

int lv_export_is_running(virDomainPtr dom, const char *dir, bool *out, struct hf_err *err)
{
    HF_AUTOFREE char *of = NULL;
    if (lv_export_job_dir(dom, &of, err) != 0)
        return -1;
    *out = of && strcmp(of, dir) == 0;
    return 0;
}

static int fail_abort(struct hf_err *err)
{
    hf_fail(err, HF_E_TIMEOUT, "the backup job does not end");
    return hf_left(err, "a backup job: virsh domjobabort");
}

/* The call returns when QEMU was told; its answer, and with it the end of the job, comes later. */
int lv_export_abort(virDomainPtr dom, const char *dir, struct hf_err *err)
{
    bool is_there = false, was_told = false;
    if (HF_POINT_ERR("libvirt.before_backup_abort", err) != 0)
        return -1;
    for (int waited = 0; waited < ABORT_MS; waited += LV_POLL_MS) {
        if (lv_export_is_running(dom, dir, &is_there, err) != 0)
            return -1;
        if (!is_there)
            return HF_POINT_ERR("libvirt.after_backup_abort", err);
        if (!was_told && virDomainAbortJob(dom) != 0 &&
            lv_export_is_running(dom, dir, &is_there, err) == 0 && is_there)
            return lv_fail(err, "abort of the backup job");
        was_told = true;
        usleep(LV_POLL_MS * 1000);
    }
    return fail_abort(err);
}

int lv_export_resume(virDomainPtr dom, struct hf_err *err)
{
    int state = VIR_DOMAIN_NOSTATE, reason = 0;
    if (virDomainGetState(dom, &state, &reason, 0) != 0)
        return lv_fail(err, "state of the VM");
    if (state != VIR_DOMAIN_PAUSED || reason != VIR_DOMAIN_PAUSED_IOERROR)
        return 0;
    if (HF_POINT_ERR("libvirt.before_resume", err) != 0)
        return -1;
    return virDomainResume(dom) == 0 ? 0 : lv_fail(err, "resume the VM after an I/O error");
}
