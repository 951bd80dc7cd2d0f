/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "catalog/catalog_intern.h"
#include "catalog/duty.h"
#include "harness/hf_test.h"

#include <math.h>

static struct hf_catalog *open_here(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_catalog *c = hf_catalog_open(hf_test_dir(state), &hf_test_clock(state)->clock, &err);
    assert_hf_got(c, &err);
    return c;
}

static const struct hf_duty web01 = {
    .policy = "nightly", .vm = "web01", .kind = HF_DUTY_RUN, .served_s = 1000};

static void follow(struct hf_catalog *c, const struct hf_duty *d)
{
    struct hf_err err = HF_ERR_INIT;
    assert_hf_ok(hf_duty_follow(c, d, &err), &err);
}

static const char *or_dash(const char *text)
{
    return text ? text : "-";
}

static int add_text(void *ctx, const struct hf_duty *d, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s/%s/%s %d#%u %d..%d pid %d@%d %s %s %s %s", d->policy, d->vm, d->kind,
                  (int)d->served_s, d->attempts, (int)d->began_us, (int)d->ended_us, (int)d->pid,
                  (int)d->pid_start, or_dash(d->outcome), or_dash(d->run_id), or_dash(d->error),
                  or_dash(d->message));
    hf_buf_printf(ctx, " | %d %s %g %d %d %d %s; ", (int)d->success_us, or_dash(d->grade),
                  d->stall_ms, (int)d->duration_ms, (int)d->bytes, d->is_protected,
                  or_dash(d->datastores));
    return 0;
}

static void assert_duties(struct hf_catalog *c, const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_duties(c, add_text, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

static void begin(struct hf_catalog *c, int64_t served_s, uint32_t attempts, int64_t began_us)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_duty d = web01;
    d.served_s = served_s;
    d.attempts = attempts;
    d.began_us = began_us;
    assert_hf_ok(hf_duty_begin(c, &d, &err), &err);
}

static void end(struct hf_catalog *c, const struct hf_duty *how)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_duty d = *how;
    d.policy = web01.policy;
    d.vm = web01.vm;
    d.kind = d.kind ? d.kind : web01.kind;
    assert_hf_ok(hf_duty_end(c, &d, &err), &err);
}

#define NEVER "| 0 - -1 0 0 0 -; "

static void a_duty_that_is_followed_stays_as_it_is(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_duty d = web01;
    follow(c, &d);
    d.served_s = 2000;
    follow(c, &d);
    assert_duties(c, "nightly/web01/run 1000#0 0..0 pid 0@0 - - - - " NEVER);
}

static void duties_come_by_policy_vm_and_kind(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    static const struct hf_duty others[] = {
        {.policy = "weekly", .vm = "a", .kind = HF_DUTY_RUN},
        {.policy = "nightly", .vm = "web01", .kind = HF_DUTY_DRILL},
        {.policy = "nightly", .vm = "db1", .kind = HF_DUTY_RUN}};
    follow(c, &web01);
    for (size_t i = 0; i < HF_ARRAY_SIZE(others); i++)
        follow(c, &others[i]);
    assert_duties(c, "nightly/db1/run 0#0 0..0 pid 0@0 - - - - " NEVER
                     "nightly/web01/drill 0#0 0..0 pid 0@0 - - - - " NEVER
                     "nightly/web01/run 1000#0 0..0 pid 0@0 - - - - " NEVER
                     "weekly/a/run 0#0 0..0 pid 0@0 - - - - " NEVER);
}

static const struct hf_duty done = {.ended_us = 80,
                                    .outcome = "done",
                                    .run_id = "r1",
                                    .success_us = 80,
                                    .grade = "B",
                                    .stall_ms = 12.5,
                                    .duration_ms = 30,
                                    .bytes = 4096,
                                    .is_protected = true,
                                    .datastores = "ds1\nds2"};

static void an_attempt_goes_from_its_due_time_to_its_end(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_duty child = web01;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    follow(c, &web01);
    begin(c, 1500, 1, 50);
    assert_duties(c, "nightly/web01/run 1500#1 50..0 pid 0@0 - - - - " NEVER);
    child.pid = 77;
    child.pid_start = 9;
    assert_hf_ok(hf_duty_child(c, &child, &err), &err);
    assert_duties(c, "nightly/web01/run 1500#1 50..0 pid 77@9 - - - - " NEVER);
    end(c, &done);
    assert_duties(c, "nightly/web01/run 1500#1 50..80 pid 0@0 done r1 - - | 80 B 12.5 30 4096 1 "
                     "ds1\nds2; ");
}

static void a_failure_leaves_the_last_success(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    follow(c, &web01);
    begin(c, 1500, 1, 50);
    end(c, &done);
    begin(c, 1600, 2, 90);
    /* going on: how the one before ended is still told */
    assert_duties(c, "nightly/web01/run 1600#2 90..0 pid 0@0 done r1 - - | 80 B 12.5 30 4096 1 "
                     "ds1\nds2; ");
    end(c, &(struct hf_duty){.ended_us = 95,
                             .outcome = "failed",
                             .error = "nospace",
                             .message = "full",
                             .success_us = 95,
                             .grade = "E",
                             .stall_ms = 1,
                             .bytes = 1});
    assert_duties(c, "nightly/web01/run 1600#2 90..95 pid 0@0 failed - nospace full | 80 B 12.5 30 "
                     "4096 1 ds1\nds2; ");
}

static void a_withdrawn_attempt_is_none(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_duty back = web01;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    follow(c, &web01);
    begin(c, 1500, 1, 50);
    end(c, &done);
    begin(c, 1600, 1, 90);
    back.served_s = 1500;
    back.attempts = 1;
    assert_hf_ok(hf_duty_withdraw(c, &back, &err), &err);
    assert_duties(c, "nightly/web01/run 1500#1 90..90 pid 0@0 done r1 - - | 80 B 12.5 30 4096 1 "
                     "ds1\nds2; ");
}

static void nothing_is_recorded_for_a_duty_that_is_not_followed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_duty d = done;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    d.policy = "nightly";
    d.vm = "gone";
    d.kind = HF_DUTY_RUN;
    assert_int_equal(hf_duty_begin(c, &d, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "no run of policy nightly is owed to gone");
    assert_int_equal(hf_duty_child(c, &d, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "gone");
    assert_int_equal(hf_duty_end(c, &d, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "gone");
    assert_int_equal(hf_duty_withdraw(c, &d, &err), -1);
    assert_hf_err(&err, HF_E_NOT_FOUND, "gone");
    assert_duties(c, "");
}

/* ---- stalls ------------------------------------------------------------------------------ */

static int add_stalls(void *ctx, const struct hf_stalls *s, struct hf_err *err)
{
    (void)err;
    hf_buf_printf(ctx, "%s/%s %g:", s->policy, s->vm, s->sum_ms);
    for (size_t i = 0; i < HF_STALL_BUCKETS; i++)
        if (s->runs[i])
            hf_buf_printf(ctx, " %g=%d", hf_stall_bucket_ms(i), (int)s->runs[i]);
    hf_buf_str_add(ctx, "; ");
    return 0;
}

static void assert_stalls(struct hf_catalog *c, const char *expected)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf got = HF_BUF_INIT;
    assert_hf_ok(hf_stalls(c, add_stalls, &got, &err), &err);
    assert_string_equal(hf_buf_str(&got), expected);
}

static void run_with(struct hf_catalog *c, const char *outcome, double stall_ms)
{
    begin(c, 1500, 1, 50);
    end(c, &(struct hf_duty){.ended_us = 80, .outcome = outcome, .stall_ms = stall_ms});
}

static void stalls_are_counted_by_bucket(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    follow(c, &web01);
    assert_stalls(c, "");
    run_with(c, "done", 0);
    run_with(c, "done", 1);
    run_with(c, "degraded", 1.5);
    run_with(c, "done", 10000);
    run_with(c, "done", 12000);
    assert_stalls(c, "nightly/web01 22002.5: 1=2 2=1 10000=1 inf=1; ");
}

static void what_held_nobody_up_or_failed_is_not_counted(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_duty drill = {
        .policy = "nightly", .vm = "web01", .kind = HF_DUTY_DRILL, .outcome = "done"};
    follow(c, &web01);
    follow(c, &drill);
    run_with(c, "done", -1);
    run_with(c, "failed", 5);
    run_with(c, "busy", 5);
    run_with(c, "done", NAN);
    end(c, &(struct hf_duty){.kind = HF_DUTY_DRILL, .ended_us = 1, .outcome = "done"});
    assert_stalls(c, "");
}

static void an_end_that_is_recorded_twice_counts_once(void **state)
{
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    follow(c, &web01);
    begin(c, 1500, 1, 50);
    end(c, &done);
    end(c, &done);
    assert_stalls(c, "nightly/web01 12.5: 20=1; ");
}

static void a_catalog_of_the_third_schema_gets_the_tables(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    const struct hf_catalog_run run = {.id = "20261123T030000Z-7f3a9c21", .verb = "backup"};
    assert_hf_ok(hf_catalog_run_begin(c, &run, &err), &err);
    assert_hf_ok(hf_sql_exec(c,
                             "DROP TABLE duties; DROP TABLE alarms; DROP TABLE messages;"
                             "ALTER TABLE points DROP COLUMN bytes;"
                             "ALTER TABLE copies DROP COLUMN off_host;"
                             "DROP TABLE stalls; PRAGMA user_version = 3",
                             "prepare the test", &err),
                 &err);
    hf_catalog_close(HF_STEAL(c));
    c = open_here(state);
    follow(c, &web01);
    run_with(c, "done", 3);
    assert_stalls(c, "nightly/web01 3: 5=1; ");
    assert_int_equal(hf_catalog_run_begin(c, &run, &err), -1); /* what it had is there */
    assert_int_equal(err.cls, HF_E_CONFLICT);
}

/* Only what holdfastd has recorded as bad, and not while it is at it. */
static void a_run_by_hand_makes_good_what_failed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog) struct hf_catalog *c = open_here(state);
    struct hf_duty hand = {.policy = "nightly",
                           .vm = "web01",
                           .kind = HF_DUTY_RUN,
                           .success_us = 900,
                           .grade = "A",
                           .stall_ms = 3,
                           .duration_ms = 4,
                           .bytes = 5,
                           .is_protected = true};
    assert_int_equal(hf_duty_make_good(c, &hand, &err), 0); /* not followed */
    follow(c, &web01);
    assert_int_equal(hf_duty_make_good(c, &hand, &err), 0); /* never tried */
    begin(c, 2000, 1, 100);
    assert_int_equal(hf_duty_make_good(c, &hand, &err), 0); /* goes on */
    struct hf_duty end = web01;
    end.ended_us = 200;
    end.outcome = "failed";
    end.error = "io";
    end.message = "no";
    end.run_id = "r";
    assert_hf_ok(hf_duty_end(c, &end, &err), &err);
    assert_int_equal(hf_duty_make_good(c, &hand, &err), 1);
    assert_duties(c, "nightly/web01/run 2000#1 100..200 pid 0@0 done r - - | 900 A 3 4 5 1 -; ");
    hand.grade = "B";
    assert_int_equal(hf_duty_make_good(c, &hand, &err), 0); /* is well */
    assert_duties(c, "nightly/web01/run 2000#1 100..200 pid 0@0 done r - - | 900 A 3 4 5 1 -; ");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_duty_that_is_followed_stays_as_it_is),
        HF_TEST(duties_come_by_policy_vm_and_kind),
        HF_TEST(an_attempt_goes_from_its_due_time_to_its_end),
        HF_TEST(a_failure_leaves_the_last_success),
        HF_TEST(a_withdrawn_attempt_is_none),
        HF_TEST(nothing_is_recorded_for_a_duty_that_is_not_followed),
        HF_TEST(stalls_are_counted_by_bucket),
        HF_TEST(what_held_nobody_up_or_failed_is_not_counted),
        HF_TEST(an_end_that_is_recorded_twice_counts_once),
        HF_TEST(a_catalog_of_the_third_schema_gets_the_tables),
        HF_TEST(a_run_by_hand_makes_good_what_failed),
    };
    return HF_RUN_TESTS("catalog.duties", tests);
}
