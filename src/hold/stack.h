/* SPDX-License-Identifier: Apache-2.0
 *
 * hold/stack.h - what is at rest now, and how each of it is let go: in reverse order, on every
 * path.
 *
 * A hold is pushed before it is taken (its release must then be harmless) or right after. Releasing
 * goes on past a failure: each hold is tried, errors are joined, the first cause first. Going out
 * of scope with holds on it releases them and logs what could not be released: no path leaves a
 * guest at rest by forgetting.
 */
#ifndef HF_HOLD_STACK_H
#define HF_HOLD_STACK_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#include <stddef.h>

#define HF_HOLD_MAX 16

struct hf_hold {
    const char *name; /* for people: "database lock"; a literal */
    void *self;
    int (*release)(void *self, struct hf_err *err);
};

struct hf_hold_stack {
    struct hf_log *log; /* may be NULL */
    size_t n;
    struct hf_hold items[HF_HOLD_MAX];
};

/* INTERNAL when the stack is full: then nothing was pushed and nothing may be taken. */
int hf_hold_stack_push(struct hf_hold_stack *s, const struct hf_hold *hold, struct hf_err *err)
    HF_CHECKED;
/* Empties the stack, last first. -1: at least one could not be released; left names each. */
int hf_hold_stack_release(struct hf_hold_stack *s, struct hf_err *err) HF_CHECKED;
/* The guard of the scope. */
void hf_hold_stack_drop(struct hf_hold_stack *s);
HF_DEFINE_AUTO_VALUE(hf_hold_stack, hf_hold_stack_drop)

#endif
