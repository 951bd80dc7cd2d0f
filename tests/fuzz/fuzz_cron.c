/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as a schedule, in a zone with all kinds of changes: refused with its reason, or the next
 * times ascend, on days that it names, and the last time before one is found again.
 */
#include "base/civil.h"
#include "policy/schedule.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_ahead(const struct hf_cron *c)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_zone) struct hf_zone *tz = hf_zone_from_rule("CET-1CEST,M3.5.0,M10.5.0/3", &err);
    int64_t t = INT64_C(1774700000); /* 2026-03-28 */
    assert(tz);
    for (int i = 0; i < 50; i++) {
        int64_t next = hf_schedule_next(c, tz, t);
        if (next == HF_NO_TIME)
            return;
        assert(next > t && next % 60 == 0);
        assert(hf_schedule_last(c, tz, t + 1, next) == next);
        assert(hf_cron_has_day(c, hf_div_floor(next + hf_zone_offset(tz, next), HF_DAY_S)));
        t = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[HF_CRON_TEXT_MAX + 8];
    struct hf_err err = HF_ERR_INIT;
    struct hf_cron c;
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (hf_cron_parse(text, &c, &err) == 0)
        look_ahead(&c);
    else
        assert(err.cls == HF_E_CONFIG && err.message[0]);
    return 0;
}
