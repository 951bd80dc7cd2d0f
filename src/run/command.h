/* SPDX-License-Identifier: Apache-2.0
 *
 * run/command.h - the command of a maintenance, on this host, in front of whoever started it.
 *
 * Passed through  standard input is the caller's own; what the command says goes to the caller's output and, both streams
 *                 together, into a log file (0600). At max_log_bytes the log ends with a line that says so; the output
 *                 goes on. The command sees pipes there, not a terminal.
 * No shell        argv is run as it is, argv[0] looked up in PATH. No descriptors but 0, 1 and 2.
 * Its life        is its own. A lost terminal does not end it (SIGHUP is ignored in it), and neither does our death: a
 *                 small process, the keeper, goes on reading its output, writing its log, and holding lock_fd, so that
 *                 nobody else works on the VM before the command has ended.
 * Signals         ^C reaches it through the terminal, or from us where there is none; SIGTERM to us is handed on. We wait
 *                 for its end in any case.
 */
#ifndef HF_RUN_COMMAND_H
#define HF_RUN_COMMAND_H

#include "run/env.h"

struct hf_command {
    const char *const *argv;
    const char *log_path; /* must not exist */
    size_t max_log_bytes;
    int lock_fd;        /* or -1 */
    bool out_to_stderr; /* standard output is spoken for */
};

struct hf_command_result {
    int exit_status;   /* 0..255, or 128 + signal */
    int interrupted;   /* the signal that asked us to stop meanwhile, 0: none did */
    bool has_lost_tty; /* SIGHUP came */
};

/* Where argv[0] would be found; CONFIG: nowhere. */
int hf_command_check(const char *name, struct hf_err *err) HF_CHECKED;
/* 0: it ran and ended, whatever its status. env->cancel is cleared. */
int hf_command_run(const struct hf_env *env, const struct hf_command *cmd,
                   struct hf_command_result *out, struct hf_err *err) HF_CHECKED;

#endif
