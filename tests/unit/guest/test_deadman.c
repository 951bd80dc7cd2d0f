/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_guest.h"
#include "guest/clock.h"
#include "guest/deadman.h"
#include "guest/deadman_intern.h"

static struct fake_guest f;

#define NAME "holdfast-deadman-hf-1-start"
#define FOREVER INT64_MAX

static struct hf_strv *list(const char *items)
{
    static struct hf_strv v;
    hf_strv_free(&v);
    assert_int_equal(hf_strv_split(&v, items, ','), 0);
    return &v;
}

static void is_named_after_run_and_purpose(void **state)
{
    char name[HF_DEADMAN_MAX];
    (void)state;
    hf_deadman_name(name, "hf-1", "start");
    assert_string_equal(name, NAME);
}

static void arms_a_precise_timer_that_starts_units_in_order(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(&f, "systemd-run", (struct fake_end){0});
    assert_hf_ok(
        hf_deadman_arm_start(g, NAME, list("db.service,x@a\\x2db.service"), 2050, FOREVER, &err),
        &err);
    assert_contains(f.last,
                    " sh /run/holdfast/" NAME " systemd-run --quiet --collect --unit=" NAME " ");
    assert_contains(f.last, "--on-active=2.050s --timer-property=AccuracySec=100ms");
    /* systemd-run takes a backslash off. */
    assert_contains(f.last, "PropagatesReloadTo=x@a\\\\x2db.service");
    assert_contains(f.last, " sh /run/holdfast/" NAME " db.service x@a\\x2db.service");
    fake_done(&f);
    hf_strv_free(list(""));
}

static void arms_a_process_that_thaws_each_mount(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(&f, "fsfreeze --version", (struct fake_end){0});
    assert_hf_ok(hf_deadman_arm_thaw(g, NAME, list("/,/srv/a $HOME"), 30500, FOREVER, &err), &err);
    assert_lacks(f.last, "--on-active");
    assert_contains(f.last, " sh /run/holdfast/" NAME " 30.500 / /srv/a $$HOME");
    fake_done(&f);
    hf_strv_free(list(""));
}

static void arms_nothing_that_makes_no_sense(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    assert_int_equal(hf_deadman_arm_start(g, "cron", list("a.service"), 1000, FOREVER, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not the name of a dead-man");
    assert_int_equal(hf_deadman_arm_start(g, NAME "/../x", list("a.service"), 1000, FOREVER, &err),
                     -1);
    assert_hf_err(&err, HF_E_INTERNAL, "not the name of a dead-man");
    assert_int_equal(hf_deadman_arm_start(g, NAME, list(""), 1000, FOREVER, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "for 0 things");
    assert_int_equal(hf_deadman_arm_start(g, NAME, list("a.service"), 0, FOREVER, &err), -1);
    assert_hf_err(&err, HF_E_INTERNAL, "after 0 ms");
    assert_int_equal(hf_deadman_arm_start(g, NAME, list("$(reboot)"), 1, FOREVER, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "is not the name of a systemd unit");
    assert_int_equal(hf_deadman_arm_thaw(g, NAME, list("--help"), 1, FOREVER, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "does not begin with '/'");
    fake_done(&f);
    hf_strv_free(list(""));
}

static void says_why_it_is_not_armed(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(&f, "systemd-run", (struct fake_end){.status = 1, .err = "Unit is loaded already\n"});
    assert_int_equal(hf_deadman_arm_start(g, NAME, list("a.service"), 1000, FOREVER, &err), -1);
    assert_hf_err(&err, HF_E_PLUGIN,
                  "arm the dead-man '" NAME "': '/bin/sh' in the guest: status 1: Unit is loaded");
    fake_done(&f);
    hf_strv_free(list(""));
}

static void disarming_tells_whether_it_fired(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    bool fired = true;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(&f, "systemctl stop -- \"$1.$u\"", (struct fake_end){.out = "armed\n"});
    fake_step(&f, "stop", (struct fake_end){.out = "fired\n"});
    assert_hf_ok(hf_deadman_disarm(g, NAME, FOREVER, &fired, &err), &err);
    assert_false(fired);
    assert_hf_ok(hf_deadman_disarm(g, NAME, FOREVER, &fired, &err), &err);
    assert_true(fired);
    fake_done(&f);
}

static void a_disarming_that_is_not_sure_leaves_it_to_somebody(void **state)
{
    static const struct fake_end ends[] = {{.status = 1, .err = "x.timer is active\n"},
                                           {.out = "armed"},
                                           {.out = "\nfired\n"},
                                           {.out = "armed\nfired\n"},
                                           {.out = ""},
                                           {.fails = HF_E_UNREACHABLE}};
    bool fired;
    struct hf_guest *g = fake_begin(&f, state);
    for (size_t i = 0; i < HF_ARRAY_SIZE(ends); i++) {
        struct hf_err err = HF_ERR_INIT;
        fake_step(&f, "stop", ends[i]);
        assert_int_equal(hf_deadman_disarm(g, NAME, FOREVER, &fired, &err), -1);
        assert_string_equal(err.left, "dead-man '" NAME "' may be armed in the guest");
    }
    fake_done(&f);
}

static void lists_those_of_a_run_each_once(void **state)
{
    static const char said[] =
        "holdfast-deadman-hf-1-start.timer loaded active waiting holdfast: services\n"
        "holdfast-deadman-hf-1-start.service loaded activating start holdfast: services\n"
        "holdfast-deadman-hf-1-old.service loaded inactive dead holdfast: services\n"
        "holdfast-deadman-hf-1-thaw.service loaded active running holdfast: file systems\n"
        "holdfast-deadman-hf-12-start.timer loaded active waiting holdfast: services\n"
        "holdfast-deadman-hf-3-start.service loaded failed failed holdfast: services";
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv one = HF_STRV_INIT, all = HF_STRV_INIT;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(&f, "list-units --all --full --no-legend --plain holdfast-deadman-*",
              (struct fake_end){.out = said});
    fake_step(&f, "list-units", (struct fake_end){.out = said});
    assert_hf_ok(hf_deadman_list(g, "hf-1", &one, FOREVER, &err), &err);
    assert_hf_ok(hf_deadman_list(g, NULL, &all, FOREVER, &err), &err);
    assert_int_equal(one.n, 2);
    assert_string_equal(one.items[0], "holdfast-deadman-hf-1-start");
    assert_string_equal(one.items[1], "holdfast-deadman-hf-1-thaw");
    assert_int_equal(all.n, 3);
    fake_done(&f);
}

static void refuses_a_list_of_something_else(void **state)
{
    static const char *const bad[] = {
        "cron.service loaded active running x",
        "holdfast-deadman-\033[2J.timer loaded active waiting x",
        "holdfast-deadman-x.timer loaded",
        "holdfast-deadman-x loaded active waiting",
    };
    HF_AUTO(hf_buf) struct hf_buf many = HF_BUF_INIT;
    (void)state;
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        HF_AUTO(hf_strv) struct hf_strv out = HF_STRV_INIT;
        struct hf_err err = HF_ERR_INIT;
        assert_int_equal(hf_deadman_parse_list(bad[i], NULL, &out, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "something else than dead-men");
    }
    for (int i = 0; i < 65; i++)
        hf_buf_printf(&many, "holdfast-deadman-%d-x.timer loaded active waiting x\n", i);
    HF_AUTO(hf_strv) struct hf_strv out = HF_STRV_INIT;
    struct hf_err err = HF_ERR_INIT;
    assert_int_equal(hf_deadman_parse_list(hf_buf_str(&many), NULL, &out, &err), -1);
    assert_hf_err(&err, HF_E_CORRUPT, "more than 64");
}

static void measures_by_the_record_of_systemd(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    int64_t late = 0, until = hf_clock_mono_ms(hf_clock_system()) + 60000;
    struct hf_guest *g = fake_begin(&f, state);
    fake_step(&f, "ExecMainStartTimestampMonotonic",
              (struct fake_end){.out = "120500000 122630999\n"});
    assert_hf_ok(hf_deadman_measure(g, NAME, 2000, until, &late, &err), &err);
    assert_int_equal(late, 130);
    assert_contains(f.last, "--on-active=2.000s --timer-property=AccuracySec=100ms");
    fake_step(&f, "systemd-run", (struct fake_end){.out = "120500000 0\n"});
    assert_int_equal(hf_deadman_measure(g, NAME, 2000, until, &late, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "had not fired");
    static const char *const bad[] = {"",        "12",     "12 ",
                                      "12 34",   " 34\n",  "-1 2\n",
                                      "1 x\n",   "0 5\n",  "99999999999999999999 1\n",
                                      "1 2 3\n", "1.5 2\n"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        fake_step(&f, "systemd-run", (struct fake_end){.out = bad[i]});
        assert_int_equal(hf_deadman_measure(g, NAME, 2000, until, &late, &err), -1);
        assert_hf_err(&err, HF_E_CORRUPT, "does not say when it fired");
    }
    assert_int_equal(hf_deadman_measure(g, NAME, 2000, 0, &late, &err), -1);
    assert_hf_err(&err, HF_E_TIMEOUT, "no time to measure");
    fake_done(&f);
}

static void compares_the_clocks_at_half_way(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    int64_t ms = 0, within = 0;
    char said[64];
    struct hf_guest *g = fake_begin(&f, state);
    int64_t now_us = hf_clock_wall_us(&f.clock->clock);
    snprintf(said, sizeof said, "%lld000\n", (long long)now_us + 50000 + 1234000);
    fake_step(&f, "date +%s%N", (struct fake_end){.out = said, .takes_ms = 100});
    assert_hf_ok(hf_guest_clock_offset(g, &f.clock->clock, FOREVER, &ms, &within, &err), &err);
    assert_int_equal(ms, 1234);
    assert_int_equal(within, 51);
    static const char *const bad[] = {"",    "1764093600%N\n", "12",
                                      "x\n", "-5\n",           "99999999999999999999\n"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(bad); i++) {
        fake_step(&f, "date", (struct fake_end){.out = bad[i]});
        assert_int_equal(hf_guest_clock_offset(g, &f.clock->clock, FOREVER, &ms, &within, &err),
                         -1);
        assert_hf_err(&err, HF_E_CORRUPT, "what time it is");
    }
    fake_done(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(is_named_after_run_and_purpose),
        HF_TEST(arms_a_precise_timer_that_starts_units_in_order),
        HF_TEST(arms_a_process_that_thaws_each_mount),
        HF_TEST(arms_nothing_that_makes_no_sense),
        HF_TEST(says_why_it_is_not_armed),
        HF_TEST(disarming_tells_whether_it_fired),
        HF_TEST(a_disarming_that_is_not_sure_leaves_it_to_somebody),
        HF_TEST(lists_those_of_a_run_each_once),
        HF_TEST(refuses_a_list_of_something_else),
        HF_TEST(measures_by_the_record_of_systemd),
        HF_TEST(compares_the_clocks_at_half_way),
    };
    return HF_RUN_TESTS("guest.deadman", tests);
}
