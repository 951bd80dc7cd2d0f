/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/clock.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Nanoseconds since the epoch fit until 2262. */
static int read_ns(const char *said, int64_t *out_ns, struct hf_err *err)
{
    char *end = NULL;
    errno = 0;
    long long ns = isdigit((unsigned char)*said) ? strtoll(said, &end, 10) : 0;
    if (!end || errno || strcmp(end, "\n") != 0)
        return hf_fail(err, HF_E_CORRUPT, "the guest does not say what time it is");
    *out_ns = ns;
    return 0;
}

int hf_guest_clock_offset(struct hf_guest *g, const struct hf_clock *clock, int64_t deadline_ms,
                          int64_t *out_ms, int64_t *out_within_ms, struct hf_err *err)
{
    static const char *const argv[] = {"date", "+%s%N", NULL};
    const struct hf_clock *c = clock ? clock : hf_clock_system();
    HF_AUTO(hf_hv_exec_result) struct hf_hv_exec_result r = {0};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = deadline_ms};
    int64_t from_us = hf_clock_wall_us(c), mono_us = hf_clock_mono_us(c), guest_ns = 0;
    if (hf_guest_run(g, &cmd, &r, err) < 0 || read_ns(hf_buf_str(&r.out), &guest_ns, err) < 0)
        return hf_wrap(err, "the guest's clock");
    int64_t half_us = (hf_clock_mono_us(c) - mono_us) / 2;
    *out_ms = (guest_ns / 1000 - (from_us + half_us)) / 1000;
    *out_within_ms = half_us / 1000 + 1;
    return 0;
}
