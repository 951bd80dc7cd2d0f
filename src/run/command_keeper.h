/* SPDX-License-Identifier: Apache-2.0
 *
 * run/command_keeper.h - the process that reads what a command says: private to run/command.c.
 *
 * Forked, not executed, from a process with threads: system calls only. It outlives us, a lost terminal and a reader that
 * left, and ends with the command, not with what the command left running in the background.
 */
#ifndef HF_RUN_COMMAND_KEEPER_H
#define HF_RUN_COMMAND_KEEPER_H

#include <stddef.h>

struct hf_keeper {
    int out, err; /* the command's streams */
    int command;  /* pidfd */
    int log;
    int lock;   /* held until the end, or -1 */
    int to_out; /* where the command's standard output goes; its errors go to stderr */
    size_t max_log_bytes;
};

_Noreturn void hf_keeper_main(const struct hf_keeper *k);

#endif
