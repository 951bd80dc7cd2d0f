/* SPDX-License-Identifier: Apache-2.0
 *
 * base/proc_intern.h - what programs that are waited for and those that run beside us have in common.
 */
#ifndef HF_BASE_PROC_INTERN_H
#define HF_BASE_PROC_INTERN_H

/* Should our own 0 to 2 be closed, new descriptors get these numbers, and wiring the child's stdio
 * would overwrite one with another. Takes ownership of fd; -1: it was none, or there are no more. */
int proc_above_stdio(int fd);
/* Our environment with LC_ALL=C; the array is the caller's, the strings are not. NULL: no memory. */
char **proc_environment(void);

#endif
