/* SPDX-License-Identifier: Apache-2.0
 *
 * base/child.h - a program that runs beside us for a while, without a shell, and does not outlive us.
 *
 * It gets /dev/null as stdin, LC_ALL=C, a process group of its own (a ^C on the terminal is ours to pass on), no inherited
 * descriptors above 2. What it says is kept in memory. SIGKILL when the thread that started it is gone, however that went: start it
 * from one that lives as long as it is needed. Threads: one at a time per child.
 */
#ifndef HF_BASE_CHILD_H
#define HF_BASE_CHILD_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct hf_child;

/* argv[0] is looked up in PATH. NOT_FOUND: no such program. */
struct hf_child *hf_child_start(const char *const *argv, struct hf_err *err) HF_CHECKED;
/* Kills it. */
void hf_child_free(struct hf_child *c);
HF_DEFINE_AUTO(hf_child, hf_child_free)

/* Has it ended by itself, within this time? */
bool hf_child_wait(struct hf_child *c, int64_t within_ms);
/* 0: it ends within this time, by itself, with status 0. PLUGIN: another status, and what it said. TIMEOUT: it was killed. */
int hf_child_finish(struct hf_child *c, int64_t within_ms, struct hf_err *err) HF_CHECKED;
/* Fills err after it has ended too soon, with its status and what it said. Returns -1. */
int hf_child_fail(struct hf_child *c, struct hf_err *err);

#endif
