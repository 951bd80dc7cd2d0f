/* SPDX-License-Identifier: Apache-2.0
 *
 * unit/guest/fake_guest.h - a channel into a guest that follows a script.
 *
 * Each program that is run takes the next step: its arguments, joined by blanks, must contain `argv`, and it ends as the
 * step says. A program without a step, or another one than the step says, fails the case. All arguments are recorded, one
 * line per program, so that they can be looked at afterwards.
 *
 *     static struct fake_guest f;
 *     struct hf_guest *g = fake_begin(&f, state);
 *     fake_step(&f, "systemctl stop -- \"$1\"", (struct fake_end){.out = "…"});
 *     …
 *     fake_done(&f);      every step was taken
 *
 * The same situations are met with a real guest in tests/guest/test_services.py; where they differ, this file is wrong.
 */
#ifndef HF_TEST_FAKE_GUEST_H
#define HF_TEST_FAKE_GUEST_H

#include "guest/guest.h"
#include "harness/hf_test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FAKE_STEPS 64

struct fake_end { /* how a program ends */
    const char *out, *err;
    size_t out_len; /* 0: all of out */
    int status, signal;
    bool truncated;
    enum hf_err_class
        fails; /* it does not: the channel says this, with `err` as the message; TIMEOUT: at the
                                deadline */
    int64_t takes_ms; /* of the case's clock */
};

struct fake_guest {
    const char *argv[FAKE_STEPS];
    struct fake_end ends[FAKE_STEPS];
    size_t n, at;
    char last[64 << 10]; /* arguments of the last program, joined by blanks */
    struct hf_fake_clock *clock;
    struct hf_guest *g;
};

static inline int fake_exec(void *self, const struct hf_guest_cmd *cmd,
                            struct hf_hv_exec_result *out, struct hf_err *err)
{
    struct fake_guest *f = self;
    size_t len = 0;
    for (size_t i = 0; cmd->argv[i] && len < sizeof f->last; i++)
        len += (size_t)snprintf(f->last + len, sizeof f->last - len, "%s%s", i ? " " : "",
                                cmd->argv[i]);
    if (f->at == f->n)
        fail_msg("nobody expected '%s'", f->last);
    assert_contains(f->last, f->argv[f->at]);
    const struct fake_end *e = &f->ends[f->at++];
    bool is_late = e->fails == HF_E_TIMEOUT;
    hf_fake_clock_advance_ms(
        f->clock, is_late ? cmd->deadline_ms - hf_clock_mono_ms(&f->clock->clock) : e->takes_ms);
    if (e->fails)
        return hf_fail(err, e->fails, "%s", e->err ? e->err : "the channel is cut");
    *out = (struct hf_hv_exec_result){
        .exit_code = e->status, .term_signal = e->signal, .truncated = e->truncated};
    if (e->out)
        hf_buf_add(&out->out, e->out, e->out_len ? e->out_len : strlen(e->out));
    if (e->err)
        hf_buf_str_add(&out->err, e->err);
    return 0;
}

static inline void fake_close(void *self)
{
    (void)self;
}

static inline struct hf_guest *fake_begin(struct fake_guest *f, void **state)
{
    static const struct hf_guest_ops ops = {.name = "fake", .exec = fake_exec, .close = fake_close};
    struct hf_err err = HF_ERR_INIT;
    *f = (struct fake_guest){.clock = hf_test_clock(state)};
    f->g = hf_guest_new(&ops, f, &err);
    assert_hf_got(f->g, &err);
    return f->g;
}

static inline void fake_step(struct fake_guest *f, const char *argv, struct fake_end end)
{
    assert_true(f->n < FAKE_STEPS);
    f->argv[f->n] = argv;
    f->ends[f->n++] = end;
}

static inline void fake_done(struct fake_guest *f)
{
    if (f->at < f->n)
        fail_msg("'%s' was never run", f->argv[f->at]);
    hf_guest_close(f->g);
    f->g = NULL;
}

#endif
