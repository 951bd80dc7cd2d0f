/* SPDX-License-Identifier: Apache-2.0
 *
 * daemon/child.h - a run as a process of its own, which does nothing before it is let go, and goes on when we are gone.
 *
 * After the fork it waits on a pipe. A byte lets it exec; the pipe's end (its parent died, or thought better of it) makes it leave
 * without a trace. So whoever knows its pid knows of every run, however the parent dies.
 *
 * It gets a session of its own, /dev/null as stdin, pipes as stdout and stderr, no other descriptor, no blocked signal, and nothing
 * of what systemd told us in the environment. Safe in a process with threads.
 */
#ifndef HF_DAEMON_CHILD_H
#define HF_DAEMON_CHILD_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct hf_run_child {
    pid_t pid;         /* 0: none, or reaped */
    int64_t pid_start; /* clock ticks since boot, as in /proc */
    int pidfd;         /* readable when it has ended */
    int out, err;      /* our ends, not blocking */
    int release;       /* closed once it was let go */
};
#define HF_RUN_CHILD_INIT                                                                          \
    {                                                                                              \
        .pidfd = -1, .out = -1, .err = -1, .release = -1                                           \
    }

/* argv[0] is a path. files: its limit of descriptors; NULL: ours. */
int hf_run_child_start(struct hf_run_child *c, const char *const *argv, const struct rlimit *files,
                       struct hf_err *err) HF_CHECKED;
/* -1: it is gone. */
int hf_run_child_release(struct hf_run_child *c, struct hf_err *err) HF_CHECKED;
/* Waits for its end; status as of waitpid. */
int hf_run_child_reap(struct hf_run_child *c, int *out_status, struct hf_err *err) HF_CHECKED;
/* One that was not let go ends; one that was goes on by itself. */
void hf_run_child_close(struct hf_run_child *c);
HF_DEFINE_AUTO_VALUE(hf_run_child, hf_run_child_close)

/* The process that began then, as a descriptor that is readable when it has ended; -1: it is gone. */
int hf_pid_open(pid_t pid, int64_t start);

#endif
