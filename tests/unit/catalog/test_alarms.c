/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "catalog/alarm.h"
#include "catalog/catalog_intern.h"
#include "harness/hf_test.h"

#include <stdio.h>

#define NOW INT64_C(1795402800000000)

static const char *const both[] = {"mail", "hook"};

static struct hf_catalog *open_here(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog *c = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_hf_got(c, &err);
    return c;
}

static struct hf_alarm alarm_of(const char *kind, int64_t since_us, const char *text)
{
    return (struct hf_alarm){
        .kind = kind, .policy = "nightly", .vm = "web01", .since_us = since_us, .text = text};
}

static int add_alarm(void *ctx, const struct hf_alarm *a, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s %s/%s +%lld %s; ", a->kind, a->policy, a->vm,
                  (long long)(a->since_us - NOW), a->text);
    return 0;
}

static int add_message(void *ctx, const struct hf_message *m, struct hf_err *err)
{
    hf_buf_printf(ctx, "%d>%s %s%d:%d ", (int)m->id, m->target, m->is_recovery ? "over " : "",
                  (int)m->tries, (int)m->next_us);
    return add_alarm(ctx, &m->alarm, err);
}

static void assert_alarms(struct hf_catalog *c, const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_alarms(c, add_alarm, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

static void assert_messages(struct hf_catalog *c, size_t limit, const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_messages(c, limit, add_message, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

static void many_are_kept_or_dropped_together(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_alarm one = alarm_of("failed", NOW, "one"),
                          two = alarm_of("missed", NOW, "two");
    for (int rc = -1; rc <= 0; rc++) {
        assert_hf_ok(hf_catalog_batch_begin(c, &err), &err);
        assert_int_equal(hf_alarm_raise(c, &one, both, 2, &err), 1);
        assert_int_equal(hf_alarm_raise(c, &two, both, 2, &err), 1);
        assert_int_equal(hf_catalog_batch_end(c, rc, &err), rc);
        if (rc < 0)
            assert_alarms(c, "");
    }
    assert_alarms(c, "failed nightly/web01 +0 one; missed nightly/web01 +0 two; ");
    assert_int_equal(hf_alarm_clear(c, &one, both, 2, &err), 1); /* and alone again */
    assert_alarms(c, "missed nightly/web01 +0 two; ");
}

static void an_alarm_goes_on_once_and_everybody_is_told(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_alarm a = alarm_of("failed", NOW, "no space");
    assert_int_equal(hf_alarm_raise(c, &a, both, 2, &err), 1);
    a = alarm_of("failed", NOW + 7, "no route");
    assert_int_equal(hf_alarm_raise(c, &a, both, 2, &err), 0);
    assert_alarms(c, "failed nightly/web01 +0 no route; ");
    assert_messages(c, 9,
                    "1>mail 0:0 failed nightly/web01 +0 no space; "
                    "2>hook 0:0 failed nightly/web01 +0 no space; ");
    assert_messages(c, 1, "1>mail 0:0 failed nightly/web01 +0 no space; ");
}

static void a_recovery_is_told_once_and_since_when_it_was_wrong(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_alarm a = alarm_of("missed", NOW, "nobody ran");
    const struct hf_alarm over = alarm_of("missed", NOW + 99, "done again");
    assert_int_equal(hf_alarm_clear(c, &over, both, 2, &err), 0);
    assert_int_equal(hf_alarm_raise(c, &a, NULL, 0, &err), 1);
    assert_int_equal(hf_alarm_clear(c, &over, both, 1, &err), 1);
    assert_int_equal(hf_alarm_clear(c, &over, both, 1, &err), 0);
    assert_alarms(c, "");
    assert_messages(c, 9, "1>mail over 0:0 missed nightly/web01 +0 done again; ");
}

static void alarms_of_other_kinds_and_names_are_others(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_alarm late = alarm_of("missed", NOW + 2, "b");
    const struct hf_alarm own = {.kind = "daemon", .since_us = NOW + 1, .text = "a"};
    assert_int_equal(hf_alarm_raise(c, &late, NULL, 0, &err), 1);
    assert_int_equal(hf_alarm_raise(c, &own, NULL, 0, &err), 1);
    assert_int_equal(hf_alarm_raise(c, &own, NULL, 0, &err), 0);
    assert_alarms(c, "daemon / +1 a; missed nightly/web01 +2 b; ");
    assert_int_equal(hf_alarm_clear(c, &own, NULL, 0, &err), 1);
    assert_alarms(c, "missed nightly/web01 +2 b; ");
}

static int keep_time(void *ctx, const struct hf_message *m, struct hf_err *err)
{
    (void)err;
    *(int64_t *)ctx = m->at_us;
    return 0;
}

static void a_message_stays_until_it_is_dropped_over_restarts(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_alarm a = alarm_of("failed", NOW, "x");
    assert_int_equal(hf_alarm_raise(c, &a, both, 2, &err), 1);
    const struct hf_message_later later = {1, 3, 77};
    assert_hf_ok(hf_messages_later(c, &later, 1, &err), &err);
    hf_catalog_close(HF_STEAL(c));
    c = open_here(state);
    assert_messages(
        c, 9, "1>mail 3:77 failed nightly/web01 +0 x; 2>hook 0:0 failed nightly/web01 +0 x; ");
    int64_t at_us = 0;
    assert_hf_ok(hf_messages(c, 1, keep_time, &at_us, &err), &err);
    const struct hf_message_key other = {1, at_us + 1}, key = {1, at_us};
    assert_hf_ok(hf_messages_drop(c, &other, 1, &err), &err); /* of a catalog that was lost */
    assert_messages(
        c, 9, "1>mail 3:77 failed nightly/web01 +0 x; 2>hook 0:0 failed nightly/web01 +0 x; ");
    assert_hf_ok(hf_messages_drop(c, &key, 1, &err), &err);
    assert_hf_ok(hf_messages_drop(c, &key, 1, &err), &err); /* gone already: fine */
    assert_messages(c, 9, "2>hook 0:0 failed nightly/web01 +0 x; ");
}

/* An alarm that is on and whose message could not be recorded would never be told. */
static void alarm_and_message_come_together_or_not_at_all(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_alarm a = alarm_of("failed", NOW, "x");
    assert_hf_ok(hf_sql_exec(c, "ALTER TABLE messages RENAME TO away", "prepare the test", &err),
                 &err);
    assert_int_equal(hf_alarm_raise(c, &a, both, 2, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "messages");
    assert_alarms(c, "");
    assert_int_equal(hf_alarm_raise(c, &a, NULL, 0, &err), 1);
    assert_int_equal(hf_alarm_clear(c, &a, both, 2, &err), -1);
    assert_alarms(c, "failed nightly/web01 +0 x; ");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(many_are_kept_or_dropped_together),
        HF_TEST(an_alarm_goes_on_once_and_everybody_is_told),
        HF_TEST(a_recovery_is_told_once_and_since_when_it_was_wrong),
        HF_TEST(alarms_of_other_kinds_and_names_are_others),
        HF_TEST(a_message_stays_until_it_is_dropped_over_restarts),
        HF_TEST(alarm_and_message_come_together_or_not_at_all),
    };
    return HF_RUN_TESTS("catalog.alarms", tests);
}
