/* SPDX-License-Identifier: Apache-2.0
 *
 * base/pid.h - is a process that was once written down still the same one?
 */
#ifndef HF_BASE_PID_H
#define HF_BASE_PID_H

#include <stdbool.h>
#include <stdint.h>

/* start: clock ticks since boot, as in /proc/PID/stat, for numbers are used again. One that has ended and was not waited for is none. */
bool hf_pid_is(int64_t pid, int64_t start);

#endif
