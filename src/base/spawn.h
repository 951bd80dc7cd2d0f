/* SPDX-License-Identifier: Apache-2.0
 *
 * base/spawn.h - a program started without a shell, for who waits for it himself.
 *
 * The child gets three descriptors and no other, LC_ALL=C, a process group of its own, no blocked signal, SIGPIPE as programs expect it.
 * Safe in a process with threads. Threads: any. The process must not ignore SIGCHLD, or the status is lost.
 */
#ifndef HF_BASE_SPAWN_H
#define HF_BASE_SPAWN_H

#include "base/err.h"

#include <sys/types.h>

struct hf_spawn {
    const char *const *argv; /* argv[0] is looked up in PATH */
    const char *const
        *with_env;    /* "NAME=value", NULL at the end: instead of, or beside our own; NULL: none */
    int in, out, err; /* all above 2 (hf_spawn_above_stdio); they stay open here */
};

/* Whether it runs: NOT_FOUND, there is no such program. The pidfd becomes readable when it has ended, and is to be closed. */
int hf_spawn(const struct hf_spawn *how, pid_t *out_pid, int *out_pidfd, struct hf_err *err)
    HF_CHECKED;
/* Waits for its end. -1: errno. */
int hf_spawn_reap(pid_t pid, int *out_status);

/* Should our own 0 to 2 be closed, new descriptors get these numbers, and wiring the child's stdio would overwrite one with another. Owns
 * fd; -1 also when that is -1. */
int hf_spawn_above_stdio(int fd);
/* Our environment with LC_ALL=C and these instead of, or beside our own. The array is the caller's, the strings are not. NULL: no memory. */
char **hf_spawn_environment(const char *const *with);

#endif
