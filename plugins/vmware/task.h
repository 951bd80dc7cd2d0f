/* SPDX-License-Identifier: Apache-2.0
 *
 * task.h - what the server does in a task, watched until it ends.
 *
 * Giving up does not end a task, and a task is never cancelled here: what it was about to leave is looked for afterwards. A
 * task that the server does not know any more (it was restarted; the host works on) is LOST: only the VM tells what became of it.
 */
#ifndef HF_VMWARE_TASK_H
#define HF_VMWARE_TASK_H

#include "vmw.h"

enum vmw_task_state { VMW_TASK_RUNS, VMW_TASK_DONE, VMW_TASK_FAILED, VMW_TASK_LOST };

struct vmw_task {
    struct vmw_ref ref;
    enum vmw_task_state state;
    struct vmw_ref result; /* of one that is DONE; an empty id: none was told */
    int progress;          /* percent */
    bool is_unseen;        /* nothing was told of it when it was asked about last */
    struct hf_err why;     /* of one that FAILED */
    char fault[64];        /* … its type */
    struct vmw_ref filter; /* that watches it, to be dropped after the hold; an empty id: none */
};

/* The server tells of its end itself (a long poll), and where it does not it is asked each VMW_POLL_MS: at the most a dozen
 * requests in a minute. 0: it has ended, one way or the other, or is LOST. -1: the deadline, a cancel, no right to look. */
int vmw_task_watch(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                   struct hf_err *err) HF_CHECKED;
/* Asked ever more seldom; its progress goes to the host. As above. */
int vmw_task_wait(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t,
                  struct hf_err *err) HF_CHECKED;
void vmw_task_forget(struct hf_instance *in, const struct hf_call *call, struct vmw_task *t);

/* Of a task that FAILED, its fault: the server lost sight of what the host may end all the same. */
bool vmw_task_may_go_on(const char *fault);

/* Begun and waited for until it ended well. One that is given up runs on; while the server is away: in->is_in_doubt. */
int vmw_work(struct hf_instance *in, const struct hf_call *call, const char *method,
             const struct vmw_ref *self, struct vmw_args *args, struct hf_err *err) HF_CHECKED;
/* 0: DONE. Else -1 with what became of it. */
int vmw_task_verdict(const struct vmw_task *t, struct hf_err *err) HF_CHECKED;

#endif
