/* SPDX-License-Identifier: Apache-2.0 */
#include "db/ping.h"

#define PAUSE_MS 100
#define ATTEMPT_S 2

static int ask(const struct hf_db_target *t, struct hf_err *err)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *c = hf_db_open(t, err);
    return c ? hf_db_exec(c, "SELECT 1", err) : -1;
}

/* The client library counts in whole seconds. */
static int try_once(const struct hf_db_target *t, int left_ms, struct hf_err *err)
{
    struct hf_db_target brief = *t;
    unsigned limit_s = left_ms >= 1000 * ATTEMPT_S ? ATTEMPT_S : 1;
    brief.connect_timeout_s = limit_s;
    brief.io_timeout_s = limit_s;
    return ask(&brief, err);
}

static int give_up(const struct hf_err *last, struct hf_err *err)
{
    hf_err_copy(err, last);
    err->cls = HF_E_TIMEOUT;
    return hf_wrap(err, "the server did not answer in time");
}

int hf_db_ping_until(const struct hf_db_target *t, int64_t deadline_ms,
                     const struct hf_clock *clock, const struct hf_cancel *cancel,
                     struct hf_err *err)
{
    clock = clock ? clock : hf_clock_system();
    for (;;) {
        struct hf_err last = HF_ERR_INIT;
        if (hf_cancel_check(cancel, err))
            return -1;
        if (try_once(t, hf_clock_left_ms(clock, deadline_ms), &last) == 0)
            return 0;
        if (last.cls != HF_E_UNREACHABLE && last.cls != HF_E_BUSY && last.cls != HF_E_TIMEOUT) {
            hf_err_copy(err, &last);
            return -1;
        }
        hf_clock_sleep_ms(clock, PAUSE_MS);
        if (hf_clock_left_ms(clock, deadline_ms) < 1000)
            return give_up(&last, err);
    }
}
