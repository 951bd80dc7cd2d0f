/* SPDX-License-Identifier: Apache-2.0
 *
 * base/thread.h - threads that leave signals to those of the program that expect them.
 */
#ifndef HF_BASE_THREAD_H
#define HF_BASE_THREAD_H

#include "base/err.h"

#include <pthread.h>

/* A thread with every signal blocked from its first instruction on; the caller's own are as before. 0, or pthread_create's errno. */
int hf_thread_start(pthread_t *out, void *(*fn)(void *), void *arg) HF_CHECKED;

#endif
