/* SPDX-License-Identifier: Apache-2.0 */
#include "db/ping.h"
#include "unit/db/script.h"

static const struct hf_db_target target = {.socket = "/scripted/sock", .connect_timeout_s = 60};

static int ping(void **state, int64_t within_ms, struct hf_err *err)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    return hf_db_ping_until(&target, hf_clock_mono_ms(&fake->clock) + within_ms, &fake->clock, NULL,
                            err);
}

static void a_server_that_starts_is_waited_for(void **state)
{
    static const unsigned codes[] = {2002, 2003, 2013, 1040, 1047, 1053};
    for (size_t i = 0; i < HF_ARRAY_SIZE(codes); i++) {
        struct hf_err err = HF_ERR_INIT;
        script_begin("10.11.19-MariaDB");
        script_add((struct rule){.piece = "connect", .code = codes[i], .times = 4});
        assert_hf_ok(ping(state, 10000, &err), &err);
        assert_int_equal(script_count("connect"), 5);
        ASSERT_SAID("5:SELECT 1\n", "5:close\n");
    }
}

static void one_that_does_not_come_is_named_in_time(void **state)
{
    struct hf_fake_clock *fake = hf_test_clock(state);
    struct hf_err err = HF_ERR_INIT;
    script_begin("10.11.19-MariaDB");
    script_add((struct rule){.piece = "connect", .code = 2002});
    int64_t begin_ms = hf_clock_mono_ms(&fake->clock);
    assert_int_equal(ping(state, 5000, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT,
                  "the server did not answer in time: database /scripted/sock: ");
    assert_in_range(hf_clock_mono_ms(&fake->clock) - begin_ms, 3900, 5000);
}

static void a_deadline_that_is_past_allows_one_attempt(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    script_begin("10.11.19-MariaDB");
    assert_hf_ok(ping(state, -1000, &err), &err);
    script_add((struct rule){.piece = "connect", .code = 2002});
    assert_int_equal(ping(state, -1000, &err), -1);
    assert_int_equal(err.cls, HF_E_TIMEOUT);
    assert_int_equal(script_count("connect"), 2);
}

/* It is up, then. */
static void a_refused_account_ends_it_at_once(void **state)
{
    static const unsigned codes[] = {1045, 1130, 2026};
    for (size_t i = 0; i < HF_ARRAY_SIZE(codes); i++) {
        struct hf_err err = HF_ERR_INIT;
        script_begin("10.11.19-MariaDB");
        script_add((struct rule){.piece = "connect", .code = codes[i]});
        assert_int_equal(ping(state, 10000, &err), -1);
        assert_int_equal(err.cls, HF_E_AUTH);
        assert_int_equal(script_count("connect"), 1);
    }
}

static void a_cancelled_wait_ends(void **state)
{
    (void)state;
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_cancel) struct hf_cancel *cancel = hf_cancel_new(&err);
    script_begin("10.11.19-MariaDB");
    hf_cancel_set(cancel);
    assert_int_equal(hf_db_ping_until(&target, HF_NO_DEADLINE, NULL, cancel, &err), -1);
    assert_int_equal(err.cls, HF_E_CANCELLED);
    assert_int_equal(script_count("connect"), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_server_that_starts_is_waited_for),
        HF_TEST(one_that_does_not_come_is_named_in_time),
        HF_TEST(a_deadline_that_is_past_allows_one_attempt),
        HF_TEST(a_refused_account_ends_it_at_once),
        HF_TEST(a_cancelled_wait_ends),
    };
    return HF_RUN_TESTS("db.ping", tests);
}
