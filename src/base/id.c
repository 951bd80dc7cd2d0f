/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define DIGITS 8

int hf_id_new(const struct hf_clock *clock, char out[HF_ID_MAX], struct hf_err *err)
{
    uint32_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return hf_fail_sys(err, errno, "cannot get random bytes");
    char when[HF_TIME_MAX];
    hf_time_compact(hf_clock_wall_us(clock), when);
    snprintf(out, HF_ID_MAX, "%.20s-%08" PRIx32, when, random);
    if (!hf_id_is_valid(out)) {
        hf_fail(err, HF_E_INTERNAL, "no run id from the time %s", when);
        return hf_hint(err, "Set the clock of this machine.");
    }
    return 0;
}

bool hf_id_is_valid(const char *id)
{
    /* d: decimal digit, x: lower-case hex digit, everything else stands for itself. */
    static const char form[] = "ddddddddTddddddZ-xxxxxxxx";
    if (strlen(id) != sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool digit = id[i] >= '0' && id[i] <= '9';
        bool hex = digit || (id[i] >= 'a' && id[i] <= 'f');
        bool fits = form[i] == 'd' ? digit : form[i] == 'x' ? hex : id[i] == form[i];
        if (!fits)
            return false;
    }
    return true;
}

const char *hf_id_digits(const char *id)
{
    size_t len = strlen(id);
    return id + (len > DIGITS ? len - DIGITS : 0);
}
