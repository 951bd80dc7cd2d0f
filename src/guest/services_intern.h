/* SPDX-License-Identifier: Apache-2.0
 *
 * guest/services_intern.h - what a set of services consists of, for services.c and services_open.c only.
 */
#ifndef HF_GUEST_SERVICES_INTERN_H
#define HF_GUEST_SERVICES_INTERN_H

#include "guest/services.h"
#include "guest/units.h"

/* What wakes or depends on what wakes or depends on … a unit: so deep. */
#define HF_SERVICES_ROUNDS 8

struct hf_rest { /* one unit at rest, as it was when it was looked at after its stop */
    enum hf_unit_state state;
    char invocation[HF_UNIT_WORD_MAX + 1];
    bool ran; /* before the stop */
};

struct hf_services {
    struct hf_guest *guest;
    const struct hf_clock *clock;
    struct hf_log *log;
    struct hf_unit_list rounds[HF_SERVICES_ROUNDS]; /* what was there when it was opened */
    size_t n_rounds;
    struct hf_strv asked;   /* real names, each once */
    struct hf_strv to_stop; /* what runs, in order */
    struct hf_strv to_start;
    struct hf_strv idle;   /* of those asked for */
    struct hf_rest *rests; /* to_stop, then idle; valid from stop on */
    size_t n_rests;
    bool is_stopped;
};

const struct hf_unit *hf_services_known(const struct hf_services *s, const char *name);

#endif
