/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns of the daemon on a clock of the test's own, with a program that plays holdfast: it notes its words, says what the file
 * `report` says, and ends as the file `status` says.
 */
#include "base/buf.h"
#include "base/path.h"
#include "daemon/daemon.h"
#include "harness/hf_test.h"
#include "harness/small_fs.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define HOUR INT64_C(3600)
#define DONE "{\"run\":\"20261123T030000Z-7f3a9c21\",\"policy\":\"hourly\",\"grade\":\"B\"}"
#define PROGRAM                                                                                    \
    "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho \"$*\" >>calls\n"                                   \
    "while [ -e wait ]; do sleep 0.05; done\ncat report\nexit $(cat status)\n"
#define CONFIG                                                                                     \
    "[defaults]\nstate = %s/state\n[hypervisor lab]\nplugin = libvirt\nmax-runs = 2\n"             \
    "[vm a]\nhypervisor = lab\n[vm b]\nhypervisor = lab\n[vm c]\nhypervisor = lab\n"               \
    "[policy hourly]\nvms = %s\nschedule = 0 * * * *\ntimezone = UTC\n%s"

/* What the hooks were told. */
static struct {
    int attached, began, ended, withdrawn, troubles, configured;
    char outcome[32], trouble[512], stuck[512];
    bool has_missed, refuses;
} heard;

static void on_configured(void *ctx, const struct hf_config *config)
{
    (void)ctx;
    assert_non_null(config);
    heard.configured++;
}

static int on_attached(void *ctx, struct hf_catalog *c, const struct hf_plan *plan, int64_t at_s,
                       struct hf_err *err)
{
    (void)ctx;
    (void)err;
    assert_true(c && plan && at_s > 0);
    heard.attached++;
    return 0;
}

static int on_changed(void *ctx, struct hf_catalog *c, const struct hf_daemon_change *change,
                      struct hf_err *err)
{
    (void)ctx;
    (void)err;
    assert_non_null(c);
    heard.began += change->what == HF_CHANGE_BEGAN;
    heard.ended += change->what == HF_CHANGE_ENDED;
    heard.withdrawn += change->what == HF_CHANGE_WITHDRAWN;
    heard.has_missed = heard.has_missed || (change->job && change->job->has_missed);
    if (change->what == HF_CHANGE_ENDED)
        snprintf(heard.outcome, sizeof heard.outcome, "%s", change->duty->outcome);
    return 0;
}

static int on_trouble(void *ctx, struct hf_catalog *c, const char *text, struct hf_err *err)
{
    (void)ctx;
    (void)c;
    if (heard.refuses)
        return hf_fail(err, HF_E_NOSPACE, "no room for an alarm");
    heard.troubles += text != NULL;
    snprintf(heard.trouble, sizeof heard.trouble, "%s", text ? text : "");
    return 0;
}

static void on_stuck(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(heard.stuck, sizeof heard.stuck, "%s", text ? text : "over");
}

static const struct hf_daemon_hooks hooks = {.configured = on_configured,
                                             .attached = on_attached,
                                             .changed = on_changed,
                                             .trouble = on_trouble,
                                             .stuck = on_stuck};

struct site {
    void **state;
    const char *dir, *config;
    struct hf_fake_clock *clock;
    struct hf_daemon_opts opts;
};

static void write_config(const struct site *s, const char *vms, const char *keys)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_asprintf(CONFIG, s->dir, vms, keys);
    assert_hf_ok(hf_path_write(s->config, text, strlen(text), 0600, &err), &err);
}

static void play(const struct site *s, const char *report, const char *status)
{
    hf_test_file(s->state, "report", report, 0600);
    hf_test_file(s->state, "status", status, 0600);
}

static struct site site_new(void **state)
{
    struct site s = {.state = state,
                     .dir = hf_test_dir(state),
                     .config = hf_test_path(state, "holdfast.conf"),
                     .clock = hf_test_clock(state)};
    memset(&heard, 0, sizeof heard);
    s.opts = (struct hf_daemon_opts){.config_path = s.config,
                                     .program = hf_test_file(state, "holdfast", PROGRAM, 0700),
                                     .clock = &s.clock->clock,
                                     .log = hf_test_log(state, NULL),
                                     .hooks = &hooks};
    play(&s, DONE, "0");
    write_config(&s, "a", "");
    return s;
}

static struct hf_daemon *open_daemon(const struct site *s)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_daemon *d = hf_daemon_open(&s->opts, &err);
    assert_hf_got(d, &err);
    return d;
}

static int64_t now_s(const struct site *s)
{
    return s->clock->wall_us / 1000000;
}

static void pass(const struct site *s, int64_t seconds)
{
    hf_fake_clock_advance_ms(s->clock, seconds * 1000);
}

static void jump(const struct site *s, int64_t seconds)
{
    s->clock->wall_us += seconds * 1000000;
}

/* Takes in what runs say, until none goes on. */
static struct hf_daemon_wake settle(struct hf_daemon *d)
{
    struct hf_daemon_wake wake = hf_daemon_turn(d);
    for (int i = 0; hf_daemon_running(d) > 0; i++) {
        struct pollfd p = {.fd = hf_daemon_fd(d), .events = POLLIN};
        assert_true(i < 1000 && poll(&p, 1, 10000) > 0);
        if (hf_daemon_take(d))
            wake = hf_daemon_turn(d);
    }
    return wake;
}

/* Lines of the file `calls`: what the program was begun for. */
static int calls(const struct site *s)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_path_read(hf_test_path(s->state, "calls"), 1 << 20, NULL, &err);
    int n = 0;
    for (const char *p = text; p && *p; p++)
        n += *p == '\n';
    return n;
}

static void assert_called(const struct site *s, const char *words)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTOFREE char *text = hf_path_read(hf_test_path(s->state, "calls"), 1 << 20, NULL, &err);
    assert_hf_got(text, &err);
    assert_contains(text, words);
}

struct lookup {
    const char *vm, *kind;
    struct hf_duty duty;
    char outcome[32], message[HF_DUTY_TEXT_MAX];
};

static int keep_duty(void *ctx, const struct hf_duty *d, struct hf_err *err)
{
    struct lookup *l = ctx;
    (void)err;
    if (strcmp(d->vm, l->vm) != 0 || strcmp(d->kind, l->kind) != 0)
        return 0;
    l->duty = *d;
    snprintf(l->outcome, sizeof l->outcome, "%s", d->outcome ? d->outcome : "");
    snprintf(l->message, sizeof l->message, "%s", d->message ? d->message : "");
    return 0;
}

static struct lookup duty_of(const struct site *s, const char *vm, const char *kind)
{
    struct hf_err err = HF_ERR_INIT;
    struct lookup l = {.vm = vm, .kind = kind};
    HF_AUTO(hf_catalog)
    struct hf_catalog *c = hf_catalog_open(hf_test_path(s->state, "state"), &s->clock->clock, &err);
    assert_hf_got(c, &err);
    assert_hf_ok(hf_duties(c, keep_duty, &l, &err), &err);
    return l;
}

/* ---- what is due --------------------------------------------------------------------------- */

static void a_run_begins_when_it_is_due_and_once(void **state)
{
    struct site s = site_new(state);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    struct hf_daemon_wake wake = settle(d);
    assert_int_equal(calls(&s), 0);
    assert_int_equal(wake.wall_s, (now_s(&s) / HOUR + 1) * HOUR);
    assert_true(wake.mono_ms == HF_NO_DEADLINE);
    pass(&s, wake.wall_s - now_s(&s));
    wake = settle(d);
    assert_int_equal(calls(&s), 1);
    assert_called(&s, "backup a --policy hourly\n");
    assert_int_equal(wake.wall_s, now_s(&s) + HOUR);
    settle(d);
    assert_int_equal(calls(&s), 1);
    struct lookup l = duty_of(&s, "a", HF_DUTY_RUN);
    assert_string_equal(l.outcome, "done");
    assert_int_equal(l.duty.success_us, s.clock->wall_us);
    assert_int_equal(l.duty.served_s, now_s(&s));
    assert_int_equal(l.duty.pid, 0);
    assert_int_equal(heard.began, 1);
    assert_string_equal(heard.outcome, "done");
    assert_false(heard.has_missed);
}

static void several_that_were_missed_are_one(void **state)
{
    struct site s = site_new(state);
    struct hf_daemon *d = open_daemon(&s);
    settle(d);
    hf_daemon_close(d);
    pass(&s, 10 * HOUR);
    d = open_daemon(&s);
    settle(d);
    settle(d);
    assert_int_equal(calls(&s), 1);
    assert_true(heard.has_missed);
    hf_daemon_close(d);
}

static void clocks_that_jump_make_nothing_run_twice(void **state)
{
    struct site s = site_new(state);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    jump(&s, 5 * HOUR);
    settle(d);
    assert_int_equal(calls(&s), 1);
    jump(&s, -5 * HOUR);
    struct hf_daemon_wake wake = settle(d);
    assert_int_equal(calls(&s), 1);
    assert_true(wake.wall_s > now_s(&s));
    jump(&s, 5 * HOUR);
    settle(d);
    assert_int_equal(calls(&s), 1);
    pass(&s, HOUR);
    settle(d);
    assert_int_equal(calls(&s), 2);
}

/* A host that starts with an empty clock battery, and learns the time a little later. */
static void a_clock_of_another_age_begins_nothing_and_forgets_nothing(void **state)
{
    struct site s = site_new(state);
    struct hf_daemon *d = open_daemon(&s);
    settle(d);
    pass(&s, HOUR);
    settle(d);
    assert_int_equal(calls(&s), 1);
    hf_daemon_close(d);
    const int64_t lost_s = now_s(&s) - 1000000;
    jump(&s, -lost_s);
    write_config(&s, "a, b", "");
    d = open_daemon(&s);
    assert_true(settle(d).mono_ms != HF_NO_DEADLINE);
    assert_contains(hf_daemon_trouble(d), "1970-01-12");
    assert_contains(heard.trouble, "1970-01-12");
    pass(&s, 2 * HOUR);
    settle(d);
    assert_int_equal(calls(&s), 1);
    jump(&s, lost_s - 2 * HOUR);
    pass(&s, 300);
    assert_int_equal(settle(d).wall_s, (now_s(&s) / HOUR + 1) * HOUR);
    assert_int_equal(calls(&s), 1);
    assert_string_equal(hf_daemon_trouble(d), "");
    jump(&s, -lost_s); /* and while it runs */
    settle(d);
    assert_contains(hf_daemon_trouble(d), "1970-01-12");
    hf_daemon_close(d);
}

static void limits_hold_and_whoever_waits_begins_when_one_ends(void **state)
{
    struct site s = site_new(state);
    write_config(&s, "*", "");
    hf_test_file(state, "wait", "", 0600);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    hf_daemon_turn(d);
    pass(&s, HOUR);
    hf_daemon_turn(d);
    assert_int_equal(hf_daemon_running(d), 2);
    hf_daemon_turn(d);
    assert_int_equal(hf_daemon_running(d), 2);
    assert_int_equal(unlink(hf_test_path(state, "wait")), 0);
    settle(d);
    assert_int_equal(calls(&s), 3);
    assert_int_equal(heard.ended, 3);
}

static void a_failure_is_recorded_and_tried_again_later(void **state)
{
    struct site s = site_new(state);
    play(&s, "{\"error\":{\"class\":\"unreachable\",\"message\":\"vault is away\"}}", "1");
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    pass(&s, HOUR);
    struct hf_daemon_wake wake = settle(d);
    struct lookup l = duty_of(&s, "a", HF_DUTY_RUN);
    assert_string_equal(l.outcome, "failed");
    assert_string_equal(l.message, "vault is away");
    assert_int_equal(l.duty.success_us, 0);
    assert_int_equal(wake.wall_s, now_s(&s) + 15 * 60);
    play(&s, DONE, "0");
    pass(&s, 15 * 60);
    settle(d);
    assert_int_equal(calls(&s), 2);
    assert_string_equal(duty_of(&s, "a", HF_DUTY_RUN).outcome, "done");
    assert_int_equal(duty_of(&s, "a", HF_DUTY_RUN).duty.attempts, 2);
}

static void a_program_that_is_not_there_is_a_failure(void **state)
{
    struct site s = site_new(state);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    assert_int_equal(unlink(s.opts.program), 0);
    pass(&s, HOUR);
    settle(d);
    struct lookup l = duty_of(&s, "a", HF_DUTY_RUN);
    assert_string_equal(l.outcome, "failed");
    assert_contains(l.message, "No such file or directory");
}

static void snapshots_have_a_verb_of_their_own(void **state)
{
    struct site s = site_new(state);
    write_config(&s, "a", "produce = snapshot\n");
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    pass(&s, HOUR);
    settle(d);
    assert_called(&s, "snapshot create a --policy hourly\n");
}

/* ---- drills -------------------------------------------------------------------------------- */

static void add_point(const struct site *s, const char *id, int64_t taken_us)
{
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_catalog)
    struct hf_catalog *c = hf_catalog_open(hf_test_path(s->state, "state"), &s->clock->clock, &err);
    const struct hf_catalog_point p = {
        .id = id, .vm = "a", .hypervisor = "lab", .vm_id = "1", .grade = "B", .taken_us = taken_us};
    const struct hf_catalog_copy copy = {.point_id = id, .store = "v", .store_id = "00"};
    assert_hf_got(c, &err);
    assert_hf_ok(hf_catalog_point_commit(c, &p, &copy, 1, NULL, &err), &err);
}

static void a_drill_is_of_the_newest_point(void **state)
{
    struct site s = site_new(state);
    write_config(&s, "a", "drill = daily\n");
    play(&s, "{\"run\":\"20261123T030000Z-7f3a9c21\",\"policy\":\"hourly\",\"passed\":true}", "0");
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    add_point(&s, "20261123T030000Z-00000002", 2000000);
    add_point(&s, "20261122T030000Z-00000001", 1000000);
    pass(&s, 24 * HOUR);
    settle(d);
    assert_called(&s, "verify 20261123T030000Z-00000002 --drill\n");
    assert_string_equal(duty_of(&s, "a", HF_DUTY_DRILL).outcome, "done");
}

static void a_drill_without_a_point_is_a_failure_that_says_so(void **state)
{
    struct site s = site_new(state);
    write_config(&s, "a", "drill = daily\n");
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    pass(&s, 24 * HOUR);
    settle(d);
    struct lookup l = duty_of(&s, "a", HF_DUTY_DRILL);
    assert_string_equal(l.outcome, "failed");
    assert_contains(l.message, "no recovery point");
    assert_int_equal(calls(&s), 1); /* the run */
}

/* None of them takes a slot, so no limit stops them: signals and the watchdog must not wait until all have been recorded. */
static void thousands_that_end_at_once_do_not_hold_the_loop_up(void **state)
{
    enum { N = 100 };
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    hf_buf_printf(&text, "[defaults]\nstate = %s/state\n[hypervisor lab]\nplugin = libvirt\n",
                  s.dir);
    for (int i = 0; i < N; i++)
        hf_buf_printf(&text, "[vm v%d]\nhypervisor = lab\n", i);
    hf_buf_str_add(&text, "[policy p]\nvms = *\nschedule = 0 0 1 1 *\ndrill = daily\n");
    assert_hf_ok(hf_path_write(s.config, hf_buf_str(&text), text.len, 0600, &err), &err);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    hf_daemon_turn(d);
    pass(&s, 24 * HOUR);
    struct hf_daemon_wake wake = hf_daemon_turn(d);
    assert_in_range(heard.ended, 1, N / 2);
    assert_true(wake.wall_s <= now_s(&s));
    for (int i = 0; i < N && wake.wall_s <= now_s(&s); i++)
        wake = hf_daemon_turn(d);
    assert_int_equal(heard.ended, N);
}

/* ---- a daemon that was before ---------------------------------------------------------------- */

static void what_goes_on_is_taken_over(void **state)
{
    struct site s = site_new(state);
    prctl(PR_SET_NAME, "holdfastd-test");
    hf_test_file(state, "wait", "", 0600);
    struct hf_daemon *d = open_daemon(&s);
    hf_daemon_turn(d);
    pass(&s, HOUR);
    hf_daemon_turn(d);
    assert_int_equal(hf_daemon_running(d), 1);
    hf_daemon_close(d);
    d = open_daemon(&s);
    hf_daemon_turn(d);
    assert_int_equal(hf_daemon_running(d), 1);
    assert_int_equal(duty_of(&s, "a", HF_DUTY_RUN).duty.ended_us, 0);
    assert_int_equal(unlink(hf_test_path(state, "wait")), 0);
    /* It left no row of a run, so nothing was done: it is due as before, and runs once more. */
    settle(d);
    assert_int_equal(heard.withdrawn, 1);
    assert_int_equal(calls(&s), 2);
    assert_string_equal(duty_of(&s, "a", HF_DUTY_RUN).outcome, "done");
    hf_daemon_close(d);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* here its parent is still there */
        ;
}

static void there_is_one_daemon_per_state_directory(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    s.opts.clock = hf_clock_system(); /* somebody waits for a moment */
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    assert_null(hf_daemon_open(&s.opts, &err));
    assert_hf_err(&err, HF_E_BUSY, "has a holdfastd already");
}

/* ---- reload ---------------------------------------------------------------------------------- */

static void a_broken_configuration_leaves_the_former_one(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    write_config(&s, "a", "schedule = nonsense\n");
    assert_int_equal(hf_daemon_reload(d, &err), -1);
    assert_int_equal(err.cls, HF_E_CONFIG);
    pass(&s, HOUR);
    settle(d);
    assert_int_equal(calls(&s), 1);
    assert_contains(heard.trouble, "the configuration was not read again");
    hf_err_clear(&err);
    write_config(&s, "b", "");
    assert_hf_ok(hf_daemon_reload(d, &err), &err);
    settle(d);
    assert_string_equal(heard.trouble, "");
    assert_int_equal(heard.troubles, 1);
    assert_int_equal(heard.configured, 2);
    assert_int_equal(heard.attached, 2);
}

static void another_state_directory_needs_a_restart(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    hf_test_file(state, "holdfast.conf", "[defaults]\nstate = /srv/elsewhere\n", 0600);
    assert_int_equal(hf_daemon_reload(d, &err), -1);
    assert_hf_err(&err, HF_E_CONFIG, "state is '/srv/elsewhere' now");
}

static void a_reload_drops_no_run_and_limits_count_it(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    write_config(&s, "*", "");
    hf_test_file(state, "wait", "", 0600);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    hf_daemon_turn(d);
    pass(&s, HOUR);
    hf_daemon_turn(d);
    assert_hf_ok(hf_daemon_reload(d, &err), &err);
    hf_daemon_turn(d);
    assert_int_equal(hf_daemon_running(d), 2);
    assert_int_equal(unlink(hf_test_path(state, "wait")), 0);
    settle(d);
    assert_int_equal(calls(&s), 3);
    assert_int_equal(heard.ended, 3);
    assert_int_equal(heard.withdrawn, 0);
}

static void a_run_whose_policy_goes_is_recorded_all_the_same(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    hf_test_file(state, "wait", "", 0600);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    hf_daemon_turn(d);
    pass(&s, HOUR);
    hf_daemon_turn(d);
    write_config(&s, "b", "");
    assert_hf_ok(hf_daemon_reload(d, &err), &err);
    hf_daemon_turn(d);
    assert_int_equal(unlink(hf_test_path(state, "wait")), 0);
    settle(d);
    assert_string_equal(duty_of(&s, "a", HF_DUTY_RUN).outcome, "done");
}

/* ---- trouble ------------------------------------------------------------------------------- */

static void damage(const struct site *s)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/catalog.sqlite", hf_test_path(s->state, "state"));
    HF_AUTOFREE char *aside = hf_asprintf("%s.aside", path);
    char noise[4097]; /* a shorter one counts as an empty database */
    memset(noise, 'x', sizeof noise - 1);
    noise[sizeof noise - 1] = '\0';
    HF_AUTOFREE char *wal = hf_asprintf("%s-wal", path);
    assert_int_equal(rename(path, aside), 0);
    (void)unlink(wal); /* or the database would be mended from it */
    hf_test_file(s->state, "state/catalog.sqlite", noise, 0600);
}

static void without_a_catalog_nothing_begins_and_nothing_is_hurried(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    damage(&s);
    assert_hf_ok(hf_daemon_reload(d, &err), &err); /* has it opened again */
    pass(&s, HOUR);
    int64_t waited_ms[12];
    for (int i = 0; i < 12; i++) {
        int64_t now_ms = s.clock->mono_us / 1000;
        struct hf_daemon_wake wake = hf_daemon_turn(d);
        assert_true(wake.wall_s == HF_NO_TIME);
        assert_int_equal(hf_daemon_turn(d).mono_ms, wake.mono_ms); /* too early: as before */
        waited_ms[i] = wake.mono_ms - now_ms;
        hf_fake_clock_advance_ms(s.clock, waited_ms[i]);
    }
    assert_int_equal(waited_ms[0], 1000);
    assert_int_equal(waited_ms[1], 2000);
    assert_int_equal(waited_ms[8], 256000);
    assert_int_equal(waited_ms[9], 300000);
    assert_int_equal(waited_ms[11], 300000);
    assert_contains(hf_daemon_trouble(d), "catalog.sqlite");
    assert_int_equal(calls(&s), 0);
    assert_int_equal(unlink(hf_test_path(state, "state/catalog.sqlite")), 0);
    settle(d); /* a new catalog, which knows of nothing: what came due meanwhile is owed all the same */
    assert_string_equal(hf_daemon_trouble(d), "");
    assert_int_equal(calls(&s), 1);
    pass(&s, HOUR);
    settle(d);
    assert_int_equal(calls(&s), 2);
}

static void a_catalog_that_is_lost_under_a_run_learns_of_it(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    hf_test_file(state, "wait", "", 0600);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    hf_daemon_turn(d);
    pass(&s, HOUR);
    hf_daemon_turn(d);
    assert_int_equal(hf_daemon_running(d), 1);
    damage(&s);
    assert_int_equal(unlink(hf_test_path(state, "state/catalog.sqlite")), 0);
    assert_hf_ok(hf_daemon_reload(d, &err), &err);
    hf_daemon_turn(d);
    assert_true(duty_of(&s, "a", HF_DUTY_RUN).duty.pid > 0);
    assert_int_equal(unlink(hf_test_path(state, "wait")), 0);
    settle(d);
    assert_string_equal(duty_of(&s, "a", HF_DUTY_RUN).outcome, "done");
    assert_int_equal(calls(&s), 1);
}

/* A catalog that somebody took away and replaced by another one, without a word to us. */
static void another_catalog_is_noticed(void **state)
{
    struct site s = site_new(state);
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    damage(&s);
    assert_int_equal(unlink(hf_test_path(state, "state/catalog.sqlite")), 0);
    pass(&s, HOUR);
    settle(d);
    assert_int_equal(calls(&s), 1);
    settle(d);
    pass(&s, HOUR);
    settle(d);
    assert_int_equal(calls(&s), 2);
    assert_string_equal(duty_of(&s, "a", HF_DUTY_RUN).outcome, "done");
}

static void a_full_disk_begins_nothing_and_loses_no_end(void **state)
{
    struct site s = site_new(state);
    s.dir = small_fs_mount(state, 1024);
    write_config(&s, "a, b", "");
    hf_test_file(state, "wait", "", 0600);
    struct hf_daemon *d = open_daemon(&s);
    hf_daemon_turn(d);
    pass(&s, HOUR);
    hf_daemon_turn(d);
    assert_int_equal(hf_daemon_running(d), 2);
    small_fs_fill(s.dir);
    assert_int_equal(unlink(hf_test_path(state, "wait")), 0);
    struct hf_daemon_wake wake = settle(d);
    assert_true(wake.mono_ms != HF_NO_DEADLINE);
    assert_contains(hf_daemon_trouble(d), "full");
    for (int i = 0; i < 5; i++) {
        pass(&s, HOUR);
        settle(d);
    }
    assert_int_equal(calls(&s), 2);
    assert_int_equal(heard.ended, 0);
    small_fs_relieve(s.dir);
    pass(&s, HOUR);
    settle(d);
    assert_int_equal(heard.ended, 2 + 2); /* and what has become due meanwhile, once each */
    assert_int_equal(calls(&s), 4);
    assert_string_equal(hf_daemon_trouble(d), "");
    hf_daemon_close(d);
    small_fs_umount(s.dir);
}

static void an_alarm_that_cannot_be_written_is_trouble_that_passes(void **state)
{
    struct site s = site_new(state);
    struct hf_err err = HF_ERR_INIT;
    HF_AUTO(hf_daemon) struct hf_daemon *d = open_daemon(&s);
    settle(d);
    write_config(&s, "a", "schedule = nonsense\n");
    assert_int_equal(hf_daemon_reload(d, &err), -1);
    heard.refuses = true;
    struct hf_daemon_wake first = hf_daemon_turn(d);
    hf_fake_clock_advance_ms(s.clock, 1000);
    struct hf_daemon_wake second = hf_daemon_turn(d);
    assert_int_equal(second.mono_ms - first.mono_ms, 2000);
    assert_string_equal(heard.stuck, "no room for an alarm");
    heard.refuses = false;
    pass(&s, 10);
    hf_daemon_turn(d);
    assert_string_equal(heard.stuck, "over");
    assert_contains(heard.trouble, "was not read again");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        HF_TEST(a_run_begins_when_it_is_due_and_once),
        HF_TEST(several_that_were_missed_are_one),
        HF_TEST(clocks_that_jump_make_nothing_run_twice),
        HF_TEST(a_clock_of_another_age_begins_nothing_and_forgets_nothing),
        HF_TEST(limits_hold_and_whoever_waits_begins_when_one_ends),
        HF_TEST(a_failure_is_recorded_and_tried_again_later),
        HF_TEST(a_program_that_is_not_there_is_a_failure),
        HF_TEST(snapshots_have_a_verb_of_their_own),
        HF_TEST(a_drill_is_of_the_newest_point),
        HF_TEST(a_drill_without_a_point_is_a_failure_that_says_so),
        HF_TEST(thousands_that_end_at_once_do_not_hold_the_loop_up),
        HF_TEST(what_goes_on_is_taken_over),
        HF_TEST(there_is_one_daemon_per_state_directory),
        HF_TEST(a_broken_configuration_leaves_the_former_one),
        HF_TEST(another_state_directory_needs_a_restart),
        HF_TEST(a_reload_drops_no_run_and_limits_count_it),
        HF_TEST(a_run_whose_policy_goes_is_recorded_all_the_same),
        HF_TEST(without_a_catalog_nothing_begins_and_nothing_is_hurried),
        HF_TEST(a_catalog_that_is_lost_under_a_run_learns_of_it),
        HF_TEST(another_catalog_is_noticed),
        HF_TEST(a_full_disk_begins_nothing_and_loses_no_end),
        HF_TEST(an_alarm_that_cannot_be_written_is_trouble_that_passes),
    };
    return HF_RUN_TESTS("daemon.daemon", tests);
}
