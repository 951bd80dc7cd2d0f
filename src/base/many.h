/* SPDX-License-Identifier: Apache-2.0
 *
 * base/many.h - the same thing done to many, several at a time: for requests that take their time on the way.
 *
 * fn is called once for each index below n, by up to `threads` threads and the caller. The first failure ends it: nothing further is
 * begun, and its error is the result. With no thread at all the caller does everything alone, so one that does not start is no error.
 */
#ifndef HF_BASE_MANY_H
#define HF_BASE_MANY_H

#include "base/err.h"

#include <stddef.h>

typedef int (*hf_many_fn)(void *ctx, size_t i, struct hf_err *err);

int hf_many(size_t n, unsigned threads, hf_many_fn fn, void *ctx, struct hf_err *err) HF_CHECKED;

#endif
