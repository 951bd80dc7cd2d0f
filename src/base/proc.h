/* SPDX-License-Identifier: Apache-2.0
 *
 * base/proc.h - run a program without a shell, with a deadline and bounded output.
 *
 * The child gets /dev/null or the given text as stdin, LC_ALL=C, a process group of its own, no
 * inherited descriptors above 2, and dies with all of its group by SIGKILL at the deadline, or
 * when somebody wants us to stop.
 * stdout and stderr are caught up to max_output each; more is read and dropped. The call
 * returns when the program ends, even if a daemon it left behind keeps the streams open.
 * Threads: any. The process must not ignore SIGCHLD, or the status is lost.
 */
#ifndef HF_BASE_PROC_H
#define HF_BASE_PROC_H

#include "base/buf.h"
#include "base/cancel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hf_proc_request {
    const char *const *argv; /* argv[0] is looked up in PATH */
    const char *input;       /* or NULL */
    size_t input_len;
    int64_t timeout_ms;
    size_t max_output_bytes;        /* 0: 1 MiB */
    const struct hf_cancel *cancel; /* or NULL */
};

struct hf_proc_result {
    int exit_code; /* 0..255, or 128 + signal */
    bool truncated;
    struct hf_buf out, err;
};

/* 0 when the program ran and ended, whatever its status. NOT_FOUND: no such program; TIMEOUT,
 * CANCELLED: killed. *out is initialised ({0} or an earlier result, which is freed) and to be freed in any
 * case. */
int hf_proc_run(const struct hf_proc_request *req, struct hf_proc_result *out, struct hf_err *err)
    HF_CHECKED;
void hf_proc_result_free(struct hf_proc_result *r);
HF_DEFINE_AUTO_VALUE(hf_proc_result, hf_proc_result_free)

/* hf_proc_run, and a status other than 0 is HF_E_PLUGIN quoting the first line of stderr. */
int hf_proc_check(const struct hf_proc_request *req, struct hf_proc_result *out, struct hf_err *err)
    HF_CHECKED;

#endif
