/* SPDX-License-Identifier: Apache-2.0
 *
 * base/err.h - filling, wrapping and joining the error object of api/holdfast/error.h.
 *
 * Raise once where the fact is known (hf_fail), put context in front once per
 * layer (hf_wrap), join what went wrong while undoing (hf_also). Text longer than
 * its field is cut, never overflows. None of these allocates or touches errno.
 */
#ifndef HF_BASE_ERR_H
#define HF_BASE_ERR_H

#include "api/holdfast/error.h"

#define HF_CHECKED __attribute__((warn_unused_result))
#define HF_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Sets class and message, clears the rest (retryable is the caller's to set afterwards). Arguments
 * may point into *err. Returns -1 so that `return hf_fail(…)` reads well. */
int hf_fail(struct hf_err *err, enum hf_err_class cls, const char *fmt, ...) HF_PRINTF(3, 4);

/* As hf_fail, with ": strerror" appended; the class follows from errno (ENOENT: NOT_FOUND,
 * EACCES/EPERM: AUTH, ENOSPC/EDQUOT: NOSPACE, ETIMEDOUT: TIMEOUT, ECONNREFUSED and its kin:
 * UNREACHABLE, ENOMEM and the rest: INTERNAL). */
int hf_fail_sys(struct hf_err *err, int sys_errno, const char *fmt, ...) HF_PRINTF(3, 4);

/* Out of memory: class INTERNAL. */
int hf_fail_nomem(struct hf_err *err);

/* Puts "context: " in front of the message. Returns -1. */
int hf_wrap(struct hf_err *err, const char *fmt, ...) HF_PRINTF(2, 3);

/* Sets the remedy, one sentence; a hint that is already there stays (the inner place knows best).
 * Returns -1. */
int hf_hint(struct hf_err *err, const char *fmt, ...) HF_PRINTF(2, 3);

/* Appends to the list of what remains outside ("; " between items). Returns -1. */
int hf_left(struct hf_err *err, const char *fmt, ...) HF_PRINTF(2, 3);

/* Joins an error met while undoing: the first cause stays first, "; then: " second; left of both;
 * the second's hint when the first has none. No first error: copies the second. Returns -1. */
int hf_also(struct hf_err *err, const struct hf_err *second);

/* Copies src into dst within both struct sizes. */
void hf_err_copy(struct hf_err *dst, const struct hf_err *src);
void hf_err_clear(struct hf_err *err);

/* "config", "auth", … ; "internal" for a number out of range. The JSON field `class`. */
const char *hf_err_class_name(int cls);

/* 0 done, 1 failed, 2 usage or configuration (CONFIG), 4 refused or busy (BUSY, UNSUPPORTED). */
int hf_err_exit_status(const struct hf_err *err);

#endif
