/* SPDX-License-Identifier: Apache-2.0
 *
 * base/pid.h - is a process that was once written down still the same one?
 */
#ifndef HF_BASE_PID_H
#define HF_BASE_PID_H

#include <stdbool.h>
#include <stdint.h>

/* When it began, in clock ticks since boot as in /proc/PID/stat, for numbers are used again, also by the next boot's processes: so only
 * one of our programs counts. 0: there is none, it has ended (waited for or not), or it is not ours. */
int64_t hf_pid_start(int64_t pid);
bool hf_pid_is(int64_t pid, int64_t start);

#endif
