/* SPDX-License-Identifier: Apache-2.0
 *
 * job.h - block jobs: looking, waiting, and the commit of one layer into the one below it.
 */
#ifndef HF_LIBVIRT_JOB_H
#define HF_LIBVIRT_JOB_H

#include "domain_xml.h"
#include "lv.h"

struct lv_job {
    bool is_running;
    int type; /* virDomainBlockJobType */
    const char *name;
    unsigned long long done, total;
};

int lv_job_look(virDomainPtr dom, const char *target, struct lv_job *out, struct hf_err *err)
    HF_CHECKED;

/* Where in a merge of several disks we are, for the progress bar. */
struct lv_progress {
    uint64_t done_bytes; /* disks that are finished */
    uint64_t disk_bytes; /* the disk at work */
    uint64_t total_bytes;
};

/* Starts the commit of chain position `at` into the one below it. */
int lv_commit_start(virDomainPtr dom, const struct lv_disk *d, int at, struct hf_err *err)
    HF_CHECKED;
/* Waits until the disk's commit has ended, or is ready to pivot (then pivots). Stopped on the way:
 * aborts the job, which leaves the chain as it was. 0: look at the chain to see what came of it. */
int lv_commit_wait(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                   const char *target, const struct lv_progress *progress, struct hf_err *err)
    HF_CHECKED;

#endif
