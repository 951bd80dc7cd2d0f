/* SPDX-License-Identifier: Apache-2.0
 *
 * The hold with a scripted world: database lock, guest, services and hypervisor are the functions below, time
 * is the fake clock. Each answers as told, takes as long as told, and writes its letter into
 * world.trace:
 *
 *   A acquire  L settle log  S sync in the guest  C capture  R release  V verify  P position read
 *   T arm, to start  t arm, to thaw  D disarm  X stop  Q still at rest?  G start  W database ready  F freeze  H thaw
 */
#ifndef HF_TESTS_HOLD_WORLD_H
#define HF_TESTS_HOLD_WORLD_H

#include "db/ping.h"
#include "harness/hf_test.h"
#include "hold/hold.h"

#include <string.h>

#define HOLD_LIMIT_MS 30000

struct step {
    int64_t takes_ms;
    enum hf_err_class fails; /* HF_E_NONE: it succeeds */
};

static struct {
    char trace[64];
    struct hf_fake_clock *clock;
    struct hf_cancel *cancel;
    struct hf_db_lock_plan plan;
    struct step acquire, settle, sync, capture, verify, release, position;
    struct step arm, disarm, stop, still, start, ready, freeze, thaw;
    int64_t arm_after_ms[4], not_after_ms; /* of the dead-men, in order; of the lock */
    unsigned arms;
    const char *fired; /* the dead-man whose name ends in this had fired */
    bool is_resting, is_frozen, nothing_runs;
    bool is_agent_stuck;   /* a call on the connection of the freeze is away */
    bool thawed_by_others; /* … behind our back, before the capture was over */
    struct step look;      /* at the freeze's state: no letter, it changes nothing */
    int64_t thaw_deadline_ms;
    int64_t restore_takes_ms;   /* after the acknowledged unlock */
    bool restore_fails;         /* … and then this */
    bool unlock_unacknowledged; /* release fails without an acknowledgement */
    bool cancel_in_acquire, cancel_in_sync;
    bool capture_is_late, sync_is_late; /* the call stays away after its deadline */
    int sync_exit;
    bool has_binlog, has_no_second_position;
    bool is_stuck;
    int64_t released_us;
    int64_t capture_deadline_ms, sync_deadline_ms;
    bool was_held_at_capture, is_held;
    unsigned positions;
} world;

/* Opaque to the hold: only the scripted functions see them. */
static char a_lock, an_observer, a_capture, a_hypervisor;

static struct hf_hv *held_hypervisor(void)
{
    return (struct hf_hv *)(void *)&a_hypervisor;
}

static int run_step(const struct step *s, char letter, const char *what, struct hf_err *err)
{
    world.trace[strlen(world.trace)] = letter;
    hf_fake_clock_advance_ms(world.clock, s->takes_ms);
    return s->fails ? hf_fail(err, s->fails, "%s failed", what) : 0;
}

/* ---- the scripted functions ------------------------------------------------------------- */

const struct hf_db_lock_plan *__wrap_hf_db_lock_get_plan(const struct hf_db_lock *lock);
const struct hf_db_lock_plan *__wrap_hf_db_lock_get_plan(const struct hf_db_lock *lock)
{
    (void)lock;
    return &world.plan;
}

int __wrap_hf_db_lock_acquire(struct hf_db_lock *lock, int64_t not_after_ms,
                              struct hf_db_lock_timing *out, struct hf_err *err);
int __wrap_hf_db_lock_acquire(struct hf_db_lock *lock, int64_t not_after_ms,
                              struct hf_db_lock_timing *out, struct hf_err *err)
{
    (void)lock;
    world.not_after_ms = not_after_ms;
    *out = (struct hf_db_lock_timing){.attempts = 3, .worst_failed_us = 250500};
    out->begin_us = hf_clock_mono_us(&world.clock->clock);
    if (run_step(&world.acquire, 'A', "acquire", err) < 0)
        return -1;
    out->held_us = hf_clock_mono_us(&world.clock->clock);
    world.is_held = true;
    if (world.cancel_in_acquire)
        hf_cancel_set(world.cancel);
    return 0;
}

int __wrap_hf_db_lock_settle_log(struct hf_db_lock *lock, struct hf_err *err);
int __wrap_hf_db_lock_settle_log(struct hf_db_lock *lock, struct hf_err *err)
{
    (void)lock;
    return run_step(&world.settle, 'L', "settle", err);
}

static struct hf_db_position under_lock = {
    .file = (char[]){"binlog.000007"}, .offset = 4711, .gtid = (char[]){"0-1-99"}};

const struct hf_db_position *__wrap_hf_db_lock_position(const struct hf_db_lock *lock);
const struct hf_db_position *__wrap_hf_db_lock_position(const struct hf_db_lock *lock)
{
    (void)lock;
    under_lock.has_binlog = world.has_binlog;
    return &under_lock;
}

static struct hf_db_position after_lock = {
    .file = (char[]){"binlog.000007"}, .offset = 5000, .gtid = (char[]){"0-1-105"}};

const struct hf_db_position *__wrap_hf_db_lock_position_after(const struct hf_db_lock *lock);
const struct hf_db_position *__wrap_hf_db_lock_position_after(const struct hf_db_lock *lock)
{
    (void)lock;
    after_lock.has_binlog = world.has_binlog;
    return &after_lock;
}

int __wrap_hf_db_lock_verify(struct hf_db_lock *lock, struct hf_err *err);
int __wrap_hf_db_lock_verify(struct hf_db_lock *lock, struct hf_err *err)
{
    (void)lock;
    assert_false(world.is_held);
    return run_step(&world.verify, 'V', "verify", err);
}

/* As the real one: `left` names the variable. */
static int fail_restore(struct hf_err *err)
{
    hf_fail(err, HF_E_UNREACHABLE, "restore failed");
    return hf_left(err, "sync_binlog is 1, was 0");
}

int __wrap_hf_db_lock_unlock(struct hf_db_lock *lock, struct hf_err *err);
int __wrap_hf_db_lock_unlock(struct hf_db_lock *lock, struct hf_err *err)
{
    (void)lock;
    int result = run_step(&world.release, 'R', "unlock", err);
    world.is_held = false;
    if (!world.unlock_unacknowledged)
        world.released_us = hf_clock_mono_us(&world.clock->clock);
    return result;
}

int __wrap_hf_db_lock_restore(struct hf_db_lock *lock, struct hf_err *err);
int __wrap_hf_db_lock_restore(struct hf_db_lock *lock, struct hf_err *err)
{
    (void)lock;
    assert_false(world.is_held);
    hf_fake_clock_advance_ms(world.clock, world.restore_takes_ms);
    return world.restore_fails ? fail_restore(err) : 0;
}

int64_t __wrap_hf_db_lock_released_us(const struct hf_db_lock *lock);
int64_t __wrap_hf_db_lock_released_us(const struct hf_db_lock *lock)
{
    (void)lock;
    return world.released_us;
}

int __wrap_hf_db_position_read(struct hf_db_conn *c, struct hf_db_position *out,
                               struct hf_err *err);
int __wrap_hf_db_position_read(struct hf_db_conn *c, struct hf_db_position *out, struct hf_err *err)
{
    (void)c;
    if (run_step(&world.position, 'P', "position", err) < 0)
        return -1;
    if (world.positions++ > 0 && world.has_no_second_position)
        return hf_fail(err, HF_E_UNREACHABLE, "the observer is gone");
    *out = (struct hf_db_position){.has_binlog = world.has_binlog,
                                   .file = strdup("binlog.000001"),
                                   .offset = world.positions,
                                   .gtid = strdup("")};
    return 0;
}

/* As the real one: nothing begins past its deadline, or while another call is away. */
static int call_hypervisor(const struct hf_hv_call *call, const struct step *s, char letter,
                           bool is_late, struct hf_err *err)
{
    const struct hf_clock *clock = &world.clock->clock;
    if (world.is_stuck)
        return hf_fail(err, HF_E_BUSY, "the plugin has not come back");
    if (hf_clock_is_past(clock, call->deadline_ms))
        return hf_fail(err, HF_E_TIMEOUT, "the deadline had passed before it began");
    int result = run_step(s, letter, letter == 'C' ? "capture" : "sync", err);
    if (!is_late)
        return result;
    world.is_stuck = true;
    hf_fake_clock_advance_ms(world.clock, hf_clock_left_ms(clock, call->deadline_ms));
    return hf_fail(err, HF_E_TIMEOUT, "the plugin did not return in time");
}

static int guest_exec(void *self, const struct hf_guest_cmd *cmd, struct hf_hv_exec_result *out,
                      struct hf_err *err)
{
    struct hf_hv_call call = {.deadline_ms = cmd->deadline_ms};
    (void)self;
    assert_string_equal(cmd->argv[0], "/bin/sync");
    assert_null(cmd->argv[1]);
    world.sync_deadline_ms = cmd->deadline_ms;
    if (call_hypervisor(&call, &world.sync, 'S', world.sync_is_late, err) < 0)
        return -1;
    if (world.cancel_in_sync)
        hf_cancel_set(world.cancel);
    out->exit_code = world.sync_exit;
    return 0;
}

static void guest_close(void *self)
{
    (void)self;
}

static const struct hf_guest_ops guest_ops = {
    .name = "scripted", .exec = guest_exec, .close = guest_close};

int __wrap_hf_hv_capture_begin(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                               struct hf_err *err);
int __wrap_hf_hv_capture_begin(struct hf_hv_capture *cap, const struct hf_hv_call *call,
                               struct hf_err *err)
{
    (void)cap;
    world.capture_deadline_ms = call->deadline_ms;
    world.was_held_at_capture = world.is_held;
    return call_hypervisor(call, &world.capture, 'C', world.capture_is_late, err);
}

/* ---- services, dead-men, freeze --------------------------------------------------------- */

static struct hf_strv two_units;

int __wrap_hf_services_stop(struct hf_services *s, int64_t deadline_ms, struct hf_err *err);
int __wrap_hf_services_stop(struct hf_services *s, int64_t deadline_ms, struct hf_err *err)
{
    (void)s;
    (void)deadline_ms;
    world.is_resting = true;
    return run_step(&world.stop, 'X', "stop", err);
}

int __wrap_hf_services_verify(struct hf_services *s, int64_t deadline_ms, struct hf_err *err);
int __wrap_hf_services_verify(struct hf_services *s, int64_t deadline_ms, struct hf_err *err)
{
    (void)s;
    (void)deadline_ms;
    assert_false(world.is_frozen); /* a frozen agent runs nothing */
    return run_step(&world.still, 'Q', "still", err);
}

int __wrap_hf_services_start(struct hf_services *s, int64_t deadline_ms, struct hf_err *err);
int __wrap_hf_services_start(struct hf_services *s, int64_t deadline_ms, struct hf_err *err)
{
    (void)s;
    (void)deadline_ms;
    assert_false(world.is_held);
    if (run_step(&world.start, 'G', "start", err) < 0)
        return hf_left(err, "apache2.service does not run");
    world.is_resting = false;
    return 0;
}

int __wrap_hf_db_ping_until(const struct hf_db_target *t, int64_t deadline_ms,
                            const struct hf_clock *clock, struct hf_cancel *cancel,
                            struct hf_err *err);
int __wrap_hf_db_ping_until(const struct hf_db_target *t, int64_t deadline_ms,
                            const struct hf_clock *clock, struct hf_cancel *cancel,
                            struct hf_err *err)
{
    (void)t;
    (void)clock;
    (void)cancel;
    (void)deadline_ms;
    return run_step(&world.ready, 'W', "ready", err);
}

static int arm(char letter, int64_t after_ms, struct hf_err *err)
{
    assert_true(world.arms < HF_ARRAY_SIZE(world.arm_after_ms));
    world.arm_after_ms[world.arms++] = after_ms;
    return run_step(&world.arm, letter, "arm", err);
}

int __wrap_hf_deadman_arm_start(struct hf_guest *g, const char *name, const struct hf_strv *units,
                                int64_t after_ms, int64_t deadline_ms, struct hf_err *err);
int __wrap_hf_deadman_arm_start(struct hf_guest *g, const char *name, const struct hf_strv *units,
                                int64_t after_ms, int64_t deadline_ms, struct hf_err *err)
{
    (void)g;
    (void)name;
    (void)deadline_ms;
    assert_ptr_equal(units, &two_units);
    return arm('T', after_ms, err);
}

int __wrap_hf_deadman_arm_thaw(struct hf_guest *g, const char *name, const struct hf_strv *mounts,
                               int64_t after_ms, int64_t deadline_ms, struct hf_err *err);
int __wrap_hf_deadman_arm_thaw(struct hf_guest *g, const char *name, const struct hf_strv *mounts,
                               int64_t after_ms, int64_t deadline_ms, struct hf_err *err)
{
    (void)g;
    (void)name;
    (void)mounts;
    (void)deadline_ms;
    return arm('t', after_ms, err);
}

int __wrap_hf_deadman_disarm(struct hf_guest *g, const char *name, int64_t deadline_ms,
                             bool *out_fired, struct hf_err *err);
int __wrap_hf_deadman_disarm(struct hf_guest *g, const char *name, int64_t deadline_ms,
                             bool *out_fired, struct hf_err *err)
{
    (void)g;
    (void)deadline_ms;
    *out_fired = world.fired && strcmp(name, world.fired) == 0;
    return run_step(&world.disarm, 'D', "disarm", err);
}

int __wrap_hf_hv_guest_freeze(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                              uint32_t *out_frozen, struct hf_err *err);
int __wrap_hf_hv_guest_freeze(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                              uint32_t *out_frozen, struct hf_err *err)
{
    (void)hv;
    (void)call;
    assert_string_equal(vm_id, "vm-7");
    *out_frozen = 2;
    world.is_frozen = true;
    return run_step(&world.freeze, 'F', "freeze", err);
}

int __wrap_hf_hv_guest_freeze_state(struct hf_hv *hv, const struct hf_hv_call *call,
                                    const char *vm_id, enum hf_freeze_state *out,
                                    struct hf_err *err);
int __wrap_hf_hv_guest_freeze_state(struct hf_hv *hv, const struct hf_hv_call *call,
                                    const char *vm_id, enum hf_freeze_state *out,
                                    struct hf_err *err)
{
    (void)hv;
    (void)call;
    (void)vm_id;
    *out = world.thawed_by_others ? HF_FREEZE_THAWED : HF_FREEZE_FROZEN;
    return world.look.fails ? hf_fail(err, world.look.fails, "look failed") : 0;
}

int __wrap_hf_hv_guest_thaw(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                            struct hf_err *err);
int __wrap_hf_hv_guest_thaw(struct hf_hv *hv, const struct hf_hv_call *call, const char *vm_id,
                            struct hf_err *err)
{
    (void)hv;
    (void)vm_id;
    world.thaw_deadline_ms = call->deadline_ms;
    if (run_step(&world.thaw, 'H', "thaw", err) < 0)
        return -1;
    world.is_frozen = false;
    return 0;
}

bool __wrap_hf_hv_is_stuck(struct hf_hv *hv);
bool __wrap_hf_hv_is_stuck(struct hf_hv *hv)
{
    return hv == held_hypervisor() ? world.is_stuck : world.is_agent_stuck;
}

int __wrap_hf_hv_wait_home(struct hf_hv *hv, int64_t deadline_ms, struct hf_err *late,
                           struct hf_err *err);
int __wrap_hf_hv_wait_home(struct hf_hv *hv, int64_t deadline_ms, struct hf_err *late,
                           struct hf_err *err)
{
    (void)hv;
    (void)late;
    const struct hf_clock *clock = &world.clock->clock;
    hf_fake_clock_advance_ms(world.clock, hf_clock_left_ms(clock, deadline_ms));
    return hf_fail(err, HF_E_TIMEOUT, "the agent's call is still away");
}

/* ---- one hold --------------------------------------------------------------------------- */

static struct {
    struct hf_hold_plan plan;
    struct hf_hold_result result;
    struct hf_err err;
} held;

static struct hf_guest *a_guest;

/* A world where everything works, and a plan with a lock that requires grade B. */
static void fresh(void **state)
{
    struct hf_err err = HF_ERR_INIT;
    memset(&world, 0, sizeof world);
    memset(&held, 0, sizeof held);
    held.err = (struct hf_err)HF_ERR_INIT;
    world.clock = hf_test_clock(state);
    world.cancel = hf_cancel_new(&err);
    assert_hf_got(world.cancel, &err);
    world.has_binlog = true;
    world.acquire.takes_ms = 20;
    world.capture.takes_ms = 25;
    world.release.takes_ms = 3;
    if (!a_guest)
        a_guest = hf_guest_new(&guest_ops, &world, &err);
    assert_hf_got(a_guest, &err);
    held.plan = (struct hf_hold_plan){
        .guest = a_guest,
        .lock = (struct hf_db_lock *)(void *)&a_lock,
        .hv = held_hypervisor(),
        .capture = (struct hf_hv_capture *)(void *)&a_capture,
        .vm_id = "vm-7",
        .run_id = "20261123T030000Z-7f3a9c21",
        .required = HF_GRADE_B,
        .hold_limit_ms = HOLD_LIMIT_MS,
        .clock = &world.clock->clock,
        .cancel = world.cancel,
        .log = hf_test_log(state, NULL),
    };
}

__attribute__((unused)) static int run(void)
{
    held.result.timeline.start_us = hf_clock_mono_us(&world.clock->clock);
    int rc = hf_hold_run(&held.plan, &held.result, &held.err);
    hf_cancel_free(world.cancel);
    world.cancel = NULL;
    return rc;
}

__attribute__((unused)) static void without_lock(void)
{
    held.plan.lock = NULL;
    held.plan.observer = (struct hf_db_conn *)(void *)&an_observer;
    held.plan.required = HF_GRADE_E;
}

static void assert_events(const char *wanted)
{
    char got[256] = "";
    for (size_t i = 0; i < held.result.timeline.n; i++) {
        strcat(got, i ? " " : "");
        strcat(got, held.result.timeline.items[i].event);
    }
    assert_string_equal(got, wanted);
}

__attribute__((unused)) static void assert_grade(enum hf_grade grade, const char *proof, const char *why)
{
    assert_hf_ok(held.err.cls, &held.err);
    assert_string_equal(hf_grade_name(held.result.grade), hf_grade_name(grade));
    assert_string_equal(held.result.proof, proof);
    if (why)
        assert_contains(held.result.why, why);
    else
        assert_string_equal(held.result.why, "");
    hf_hold_result_free(&held.result);
}

/* Failed without a capture that counts, and nothing is held any more. */
__attribute__((unused)) static void assert_failed_released(int rc, enum hf_err_class cls, const char *piece)
{
    assert_int_equal(rc, -1);
    assert_hf_err(&held.err, cls, piece);
    assert_false(world.is_held);
    assert_false(held.result.captured);
    hf_hold_result_free(&held.result);
}

#endif
