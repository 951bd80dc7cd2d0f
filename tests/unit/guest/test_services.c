/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_guest.h"
#include "fake_units.h"
#include "guest/services.h"

static struct fake_guest f;

static struct hf_services *open_set(struct hf_log *log, const char *units, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_split(&v, units, ' '), 0);
    struct hf_services_opts opts = {
        .guest = f.g, .units = &v, .clock = &f.clock->clock, .log = log};
    return hf_services_open(&opts, 0, err);
}

static int64_t in_ms(int64_t ms)
{
    return hf_clock_mono_ms(&f.clock->clock) + ms;
}

static void assert_list(const struct hf_strv *v, const char *expected)
{
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    for (size_t i = 0; i < v->n; i++)
        hf_buf_printf(&b, "%s%s", i ? " " : "", v->items[i]);
    assert_string_equal(hf_buf_str(&b), expected);
}

static void step_show(const char *argv, const char *out)
{
    fake_step(&f, argv, (struct fake_end){.out = out});
}

/* A stop of the unit that ends in this block. */
static void step_stop(const char *name, const char *block)
{
    fake_step(&f, "systemctl stop -- \"$1\"; rc=$?;",
              (struct fake_end){.out = show(name, block, NULL)});
}

/* One running unit, cron, opened. */
static struct hf_services *open_cron(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("-- cron.service", show("cron", RUNNING("1"), NULL));
    struct hf_services *s = open_set(NULL, "cron.service", &err);
    assert_hf_got(s, &err);
    return s;
}

/* ---- open -------------------------------------------------------------------------------- */

static void names_every_unit_that_is_not_there(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("show", show("cron", RUNNING("1"), "a", ABSENT, "b",
                           "LoadState=masked\nActiveState=active\nInvocationID=\n", NULL));
    assert_null(open_set(NULL, "cron.service a.service b.service", &err));
    assert_hf_err(&err, HF_E_NOT_FOUND, "'a.service' (not-found), 'b.service' (masked)");
    fake_done(&f);
}

static void counts_two_names_of_one_unit_once(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *block = "Names=mariadb.service mysql.service\n" RUNNING("1");
    fake_begin(&f, state);
    step_show("-- mysql.service mariadb.service", show("mariadb", block, "mariadb", block, NULL));
    HF_AUTO(hf_services)
    struct hf_services *s = open_set(NULL, "mysql.service mariadb.service", &err);
    assert_hf_got(s, &err);
    assert_list(hf_services_to_start(s), "mariadb.service");
    fake_done(&f);
}

static void leaves_alone_what_does_not_run(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    const char *a = "Names=a.service alias.service\n" DEAD("");
    step_show("show", show("a", a, "a", a, "b", FAILED("2", "exit-code"), "c", RUNNING("1"), NULL));
    HF_AUTO(hf_services)
    struct hf_services *s = open_set(NULL, "a.service alias.service b.service c.service", &err);
    assert_hf_got(s, &err);
    assert_list(hf_services_to_start(s), "c.service");
    assert_list(hf_services_idle(s), "a.service b.service");
    fake_done(&f);
}

static void takes_along_what_wakes_a_unit_and_what_goes_down_with_it(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("-- web.service db.service",
              show("web", RUNNING("1"), "db",
                   RUNNING("2") "TriggeredBy=db.socket db.timer off.path\nRequiredBy=app.service\n",
                   NULL));
    step_show("-- db.socket db.timer off.path app.service",
              show("db.socket", RUNNING("3") "RequiredBy=db.service\n", "db.timer", RUNNING("4"),
                   "off.path", DEAD(""), "app", RUNNING("5") "BoundBy=ui.service\n", NULL));
    step_show("-- ui.service", show("ui", RUNNING("6"), NULL));
    HF_AUTO(hf_services)
    struct hf_services *s = open_set(hf_test_log(state, NULL), "web.service db.service", &err);
    assert_hf_got(s, &err);
    assert_list(hf_services_to_start(s),
                "db.socket db.service app.service ui.service db.timer web.service");
    assert_contains(hf_test_logged(state), "app.service rests with the others");
    fake_done(&f);
}

static void keeps_asleep_what_would_wake_an_idle_unit(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("-- job.service",
              show("job", DEAD("") "TriggeredBy=job.timer\nRequiredBy=x.service\n", NULL));
    step_show("-- job.timer", show("job.timer", RUNNING("1"), NULL));
    HF_AUTO(hf_services) struct hf_services *s = open_set(NULL, "job.service", &err);
    assert_hf_got(s, &err);
    assert_list(hf_services_to_start(s), "job.timer");
    fake_done(&f);
}

static void stops_nothing_that_could_not_be_started_again(void **state)
{
    static const struct {
        const char *block, *why;
    } bad[] = {
        {RUNNING("1") "Transient=yes\n", "is gone once it stops"},
        {RUNNING("1") "CanStart=no\n", "may not be started by hand"},
        {RUNNING("1") "CanStop=no\n", "may not be stopped by hand"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        fake_begin(&f, state);
        step_show("show", show("a", bad[i].block, NULL));
        assert_null(open_set(NULL, "a.service", &err));
        assert_hf_err(&err, HF_E_UNSUPPORTED, bad[i].why);
        fake_done(&f);
    }
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("-- a.service", show("a", RUNNING("1") "RequiredBy=b.target\n", NULL));
    step_show("-- b.target", show("b.target", RUNNING("2") "CanStart=no\n", NULL));
    assert_null(open_set(NULL, "a.service", &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED,
                  "'b.target' may not be started by hand, and it would go down with");
    fake_done(&f);
}

static void waits_for_nobody_who_is_stopping(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("show", show("a", LOADED "ActiveState=deactivating\n", NULL));
    assert_null(open_set(NULL, "a.service", &err));
    assert_hf_err(&err, HF_E_BUSY, "unit 'a.service' is deactivating just now");
    fake_done(&f);
}

static void gives_up_on_units_without_end(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "g", "h", "i", "j"};
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    for (size_t i = 0; i < 8; i++) {
        char block[512];
        snprintf(block, sizeof block, "%sRequiredBy=%s.service\n", RUNNING("1"), names[i + 1]);
        step_show("show", show(names[i], block, NULL));
    }
    assert_null(open_set(NULL, "a.service", &err));
    assert_hf_err(&err, HF_E_UNSUPPORTED, "too many units hang together");
    fake_done(&f);
}

/* ---- stop -------------------------------------------------------------------------------- */

static void stops_in_order_and_believes_the_effect_only(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("show", show("web", RUNNING("1"), "db", RUNNING("2"), NULL));
    HF_AUTO(hf_services) struct hf_services *s = open_set(NULL, "web.service db.service", &err);
    step_stop("web", DEAD(INV("1")));
    step_stop("db", DEAD(INV("2")));
    step_show("-- web.service db.service", show("web", DEAD(INV("1")), "db", DEAD(INV("2")), NULL));
    assert_hf_ok(hf_services_stop(s, in_ms(9000), &err), &err);
    assert_contains(f.last, " sh db.service Id,");
    assert_contains(f.last, "PropagatesStopTo 8.000");
    assert_hf_ok(hf_services_verify(s, in_ms(9000), &err), &err);
    fake_done(&f);
}

static void refuses_a_stop_that_was_none(void **state)
{
    static const struct {
        const char *block, *why;
    } bad[] = {
        {RUNNING("2"), "unit 'cron.service' was stopped and is active again"},
        {FAILED("1", "timeout"), "did not stop cleanly: timeout"},
        {FAILED("1", "signal"), "did not stop cleanly: signal"},
        {FAILED("1", "exit-code") "ExecMainStatus=1\n", "did not stop cleanly: exit-code"},
        {LOADED "ActiveState=inactive\nMainPID=7\n", "processes of it still run"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_services) struct hf_services *s = open_cron(state);
        step_stop("cron", bad[i].block);
        assert_int_equal(hf_services_stop(s, in_ms(0), &err), -1);
        assert_hf_err(&err, HF_E_CONFLICT, bad[i].why);
        struct hf_err unstopped = HF_ERR_INIT;
        assert_int_equal(hf_services_verify(s, in_ms(0), &unstopped), -1);
        assert_hf_err(&unstopped, HF_E_INTERNAL, "were not stopped");
        fake_done(&f);
    }
}

static void takes_an_end_by_sigterm_for_an_orderly_one(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_services) struct hf_services *s = open_cron(state);
    step_stop("cron", FAILED("1", "exit-code") "ExecMainStatus=143\n");
    assert_hf_ok(hf_services_stop(s, in_ms(9000), &err), &err);
    fake_done(&f);
}

#define LEFT_BEHIND                                                                                \
    LOADED "ActiveState=inactive\nMainPID=0\nControlGroup=/x\nTasksCurrent=2\nInvocationID=" INV(  \
        "1") "\n"

static void gives_the_last_processes_a_moment(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_services) struct hf_services *s = open_cron(state);
    step_stop("cron", LEFT_BEHIND);
    step_show("-- cron.service", show("cron", LEFT_BEHIND, NULL));
    step_show("-- cron.service", show("cron", DEAD(INV("1")), NULL));
    assert_hf_ok(hf_services_stop(s, in_ms(9000), &err), &err);
    assert_int_equal(f.clock->slept_us, 200000);
    fake_done(&f);
}

static void waits_for_a_job_of_cron_until_its_end(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_services) struct hf_services *s = open_cron(state);
    step_stop("cron", LEFT_BEHIND);
    for (int i = 0; i < 24; i++)
        step_show("-- cron.service", show("cron", LEFT_BEHIND, NULL));
    step_show("-- cron.service", show("cron", DEAD(INV("1")), NULL));
    assert_hf_ok(hf_services_stop(s, in_ms(9000), &err), &err);
    assert_int_equal(f.clock->slept_us, 7000000); /* 20 short pauses and 5 long ones */
    fake_done(&f);
}

static void refuses_processes_that_stay(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_services) struct hf_services *s = open_cron(state);
    step_stop("cron", LEFT_BEHIND);
    for (int i = 0; i < 25; i++)
        step_show("-- cron.service", show("cron", LEFT_BEHIND, NULL));
    assert_int_equal(hf_services_stop(s, in_ms(9000), &err), -1);
    assert_hf_err(&err, HF_E_CONFLICT, "is stopped, and processes of it still run");
    assert_hf_err(&err, HF_E_CONFLICT, "KillMode=");
    fake_done(&f);
}

static void a_stop_that_hangs_stops_nothing_after_it(void **state)
{
    static const struct {
        struct fake_end end;
        const char *why;
    } bad[] = {
        {{.out = "late\n"}, "stop of unit 'a.service': systemd had not done it after 75 ms"},
        {{.fails = HF_E_TIMEOUT, .err = "the deadline passed"},
         "stop of unit 'a.service': the deadline passed"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        fake_begin(&f, state);
        step_show("show", show("a", RUNNING("1"), "b", RUNNING("2"), NULL));
        HF_AUTO(hf_services) struct hf_services *s = open_set(NULL, "a.service b.service", &err);
        fake_step(&f, "timeout \"$3\" systemctl stop", bad[i].end);
        assert_int_equal(hf_services_stop(s, in_ms(100), &err), -1);
        assert_hf_err(&err, HF_E_TIMEOUT, bad[i].why);
        fake_done(&f);
    }
}

/* ---- verify ------------------------------------------------------------------------------ */

static void notices_each_way_of_not_staying_at_rest(void **state)
{
    static const struct {
        const char *block, *why;
    } bad[] = {
        {RUNNING("2"), "unit 'cron.service' did not stay at rest: it is active"},
        {DEAD(INV("2")), "it was started and stopped in between"},
        {DEAD(""), "systemd has forgotten unit 'cron.service'"},
        {FAILED("1", "signal"), "it is failed"},
        {LEFT_BEHIND, "processes of it run"},
    };
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        struct hf_err err = HF_ERR_INIT;
        HF_AUTO(hf_services) struct hf_services *s = open_cron(state);
        step_stop("cron", DEAD(INV("1")));
        step_show("-- cron.service", show("cron", bad[i].block, NULL));
        assert_hf_ok(hf_services_stop(s, in_ms(9000), &err), &err);
        assert_int_equal(hf_services_verify(s, in_ms(9000), &err), -1);
        assert_hf_err(&err, HF_E_CONFLICT, bad[i].why);
        fake_done(&f);
    }
}

static void watches_idle_units_as_well(void **state)
{
    static const char *const later[] = {DEAD(""), DEAD(INV("3")), RUNNING("3")};
    for (size_t i = 0; i < HF_ARRAY_SIZE(later); i++) {
        struct hf_err err = HF_ERR_INIT;
        fake_begin(&f, state);
        step_show("show", show("a", DEAD(""), NULL));
        HF_AUTO(hf_services) struct hf_services *s = open_set(NULL, "a.service", &err);
        step_show("-- a.service", show("a", later[i], NULL));
        assert_hf_ok(hf_services_stop(s, in_ms(9000), &err), &err);
        assert_int_equal(hf_services_verify(s, in_ms(9000), &err), i ? -1 : 0);
        fake_done(&f);
    }
}

/* ---- start ------------------------------------------------------------------------------- */

static int start_units(const char *units, int64_t limit_ms, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv v = HF_STRV_INIT;
    assert_int_equal(hf_strv_split(&v, units, ' '), 0);
    return hf_units_start(f.g, &v, &f.clock->clock, in_ms(limit_ms), err);
}

#define START "systemctl start -- \"$1\" && exit;"

static void starts_what_is_down_and_looks_twice(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("-- db.service web.service", show("db", DEAD(""), "web", RUNNING("1"), NULL));
    step_show(START, "");
    step_show("-- db.service web.service", show("db", RUNNING("2"), "web", RUNNING("1"), NULL));
    step_show("-- db.service web.service", show("db", RUNNING("2"), "web", RUNNING("1"), NULL));
    assert_hf_ok(start_units("db.service web.service", 20000, &err), &err);
    assert_int_equal(f.clock->slept_us, 500000);
    fake_done(&f);
}

static void does_nothing_when_all_run(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("show", show("db", RUNNING("2"), NULL));
    assert_hf_ok(start_units("db.service", 20000, &err), &err);
    assert_hf_ok(start_units("", 20000, &err), &err);
    fake_done(&f);
}

static void one_of_three_that_fails_is_named_and_the_others_start(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("show", show("a", DEAD(""), "b", DEAD(""), "c", DEAD(""), NULL));
    step_show(START, "");
    fake_step(&f, START, (struct fake_end){.status = 1, .err = "Job for b.service failed\n"});
    step_show(START, "");
    const char *after =
        show("a", RUNNING("1"), "b", FAILED("2", "exit-code"), "c", RUNNING("3"), NULL);
    step_show("show", after);
    step_show("show", after);
    assert_int_equal(start_units("a.service b.service c.service", 20000, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "start of unit 'b.service'");
    assert_hf_err(&err, HF_E_PLUGIN, "Job for b.service failed");
    assert_string_equal(err.left, "unit 'b.service' does not run");
    fake_done(&f);
}

static void a_main_process_that_changes_does_not_count_as_running(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    fake_begin(&f, state);
    step_show("show", show("a", DEAD(""), NULL));
    step_show(START, "");
    step_show("show", show("a", RUNNING("1"), NULL));
    step_show("show", show("a", RUNNING("2"), NULL));
    assert_int_equal(start_units("a.service", 20000, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN, "does not keep running");
    assert_string_equal(err.left, "unit 'a.service' does not run");
    fake_done(&f);
}

static void a_start_that_hangs_leaves_time_for_the_others(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *activating = LOADED "ActiveState=activating\nSubState=start\nInvocationID=\n";
    fake_begin(&f, state);
    step_show("show", show("a", DEAD(""), "b", DEAD(""), NULL));
    /* Half of what is left beside the looks. */
    fake_step(&f, " sh a.service 8.500", (struct fake_end){.out = "late\n", .takes_ms = 8500});
    fake_step(&f, " sh b.service 8.500", (struct fake_end){.takes_ms = 100});
    int64_t end_ms = in_ms(20000);
    for (int i = 0; i <= 42; i++)
        step_show("show", show("a", activating, "b", RUNNING("1"), NULL));
    assert_int_equal(start_units("a.service b.service", 20000, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT,
                  "start of unit 'a.service': systemd had not done it after 8500 ms");
    assert_string_equal(err.left, "unit 'a.service' does not run");
    assert_true(in_ms(0) <= end_ms);
    fake_done(&f);
}

static void a_job_that_is_done_in_one_go_counts_as_started(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    const char *done =
        "LoadState=loaded\nType=oneshot\nActiveState=inactive\nSubState=dead\nResult=success\n"
        "MainPID=0\nInvocationID=" INV("1") "\n";
    fake_begin(&f, state);
    step_show("show", show("a", DEAD(""), NULL));
    step_show(START, "");
    step_show("show", show("a", done, NULL));
    step_show("show", show("a", done, NULL));
    assert_hf_ok(start_units("a.service", 20000, &err), &err);
    fake_done(&f);
}

static void says_what_is_not_known_when_the_guest_is_silent(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct fake_end cut = {.fails = HF_E_UNREACHABLE};
    fake_begin(&f, state);
    for (int i = 0; i < 4; i++) /* a look, two starts, a look */
        fake_step(&f, "", cut);
    assert_int_equal(start_units("a.service b.service", 20000, &err), -1);
    assert_hf_err(&err, HF_E_UNREACHABLE, "start of unit 'a.service': the channel is cut");
    assert_string_equal(err.left, "whether unit 'a.service' runs is not known; "
                                  "whether unit 'b.service' runs is not known");
    fake_done(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(names_every_unit_that_is_not_there),
        HF_TEST(counts_two_names_of_one_unit_once),
        HF_TEST(leaves_alone_what_does_not_run),
        HF_TEST(takes_along_what_wakes_a_unit_and_what_goes_down_with_it),
        HF_TEST(keeps_asleep_what_would_wake_an_idle_unit),
        HF_TEST(stops_nothing_that_could_not_be_started_again),
        HF_TEST(waits_for_nobody_who_is_stopping),
        HF_TEST(gives_up_on_units_without_end),
        HF_TEST(stops_in_order_and_believes_the_effect_only),
        HF_TEST(refuses_a_stop_that_was_none),
        HF_TEST(takes_an_end_by_sigterm_for_an_orderly_one),
        HF_TEST(gives_the_last_processes_a_moment),
        HF_TEST(waits_for_a_job_of_cron_until_its_end),
        HF_TEST(refuses_processes_that_stay),
        HF_TEST(a_stop_that_hangs_stops_nothing_after_it),
        HF_TEST(notices_each_way_of_not_staying_at_rest),
        HF_TEST(watches_idle_units_as_well),
        HF_TEST(starts_what_is_down_and_looks_twice),
        HF_TEST(does_nothing_when_all_run),
        HF_TEST(one_of_three_that_fails_is_named_and_the_others_start),
        HF_TEST(a_main_process_that_changes_does_not_count_as_running),
        HF_TEST(a_start_that_hangs_leaves_time_for_the_others),
        HF_TEST(a_job_that_is_done_in_one_go_counts_as_started),
        HF_TEST(says_what_is_not_known_when_the_guest_is_silent),
    };
    return HF_RUN_TESTS("guest.services", tests);
}
