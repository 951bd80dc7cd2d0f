/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "daemon/daemon_intern.h"

#include <string.h>
#include <sys/epoll.h>

#define DELAY_MIN_MS 1000
#define DELAY_MAX_MS (5 * 60 * 1000)
#define LOCK_WITHIN_MS                                                                             \
    1000 /* a process that its predecessor was just starting may have the lock for a moment */
#define LOCK_AGAIN_MS 20
#define BEGIN_MAX 32

/* ---- opened and closed ------------------------------------------------------------------- */

/* all: also those that are not done, or of which somebody still has something to say. */
static void works_free(struct hf_daemon *d, bool all)
{
    for (struct work **at = &d->works; *at;) {
        struct work *w = *at;
        if (!all && (w->state != WORK_RECORDED || w->child.err >= 0)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        work_free(w);
    }
}

void hf_daemon_close(struct hf_daemon *d)
{
    if (!d)
        return;
    daemon_detach(d);
    hf_known_free(&d->known);
    works_free(d, true);
    if (d->epoll >= 0)
        close(d->epoll);
    hf_vmlock_release(d->lock);
    hf_config_free(d->config);
    free(d);
}

/* Policies that cannot be opened would be found only when the plan is made. */
struct hf_config *hf_daemon_load_config(const char *path, struct hf_err *err)
{
    HF_AUTO(hf_config) struct hf_config *config = hf_config_load(path, err);
    for (size_t i = 0; config && i < hf_config_policy_count(config); i++) {
        HF_AUTO(hf_policy) struct hf_policy policy = {0};
        if (hf_policy_open(&policy, config, hf_config_policy_at(config, i), err) < 0)
            return NULL;
    }
    return HF_STEAL(config);
}

static struct hf_vmlock *take_lock(const struct hf_clock *clock, const char *state,
                                   struct hf_err *err)
{
    struct hf_err held = HF_ERR_INIT;
    const int64_t deadline_ms = hf_clock_mono_ms(clock) + LOCK_WITHIN_MS;
    for (;;) {
        struct hf_vmlock *lock = hf_vmlock_take(state, HF_DUTY_LOCK, HF_DUTY_LOCK, &held);
        if (lock)
            return lock;
        if (held.cls != HF_E_BUSY || hf_clock_is_past(clock, deadline_ms))
            break;
        hf_clock_sleep_ms(clock, LOCK_AGAIN_MS);
    }
    if (held.cls != HF_E_BUSY)
        hf_err_copy(err, &held);
    else
        hf_fail(err, HF_E_BUSY, "state directory '%s' has a holdfastd already: %s", state,
                held.message);
    return NULL;
}

static void tell_config(const struct hf_daemon *d)
{
    const struct hf_daemon_hooks *hooks = d->opts.hooks;
    if (hooks && hooks->configured)
        hooks->configured(hooks->ctx, d->config);
}

struct hf_daemon *hf_daemon_open(const struct hf_daemon_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_daemon) struct hf_daemon *d = calloc(1, sizeof *d);
    if (!d) {
        hf_fail_nomem(err);
        return NULL;
    }
    *d = (struct hf_daemon){.opts = *opts, .epoll = -1, .retry_ms = HF_NO_DEADLINE};
    if (!(d->config = hf_daemon_load_config(opts->config_path, err)))
        return NULL;
    d->lock = take_lock(opts->clock, hf_config_get_defaults(d->config)->state, err);
    if (!d->lock)
        return NULL;
    d->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (d->epoll < 0) {
        hf_fail_sys(err, errno, "epoll");
        return NULL;
    }
    tell_config(d);
    return HF_STEAL(d);
}

/* ---- trouble ------------------------------------------------------------------------------ */

const char *hf_daemon_trouble(const struct hf_daemon *d)
{
    return *d->trouble ? d->trouble : d->bad_config;
}

/* All that is known of the catalog is dropped, and read again then: whatever was half done shows there. */
static void put_off(struct hf_daemon *d)
{
    d->delay_ms = d->delay_ms ? 2 * d->delay_ms : DELAY_MIN_MS;
    if (d->delay_ms > DELAY_MAX_MS)
        d->delay_ms = DELAY_MAX_MS;
    d->retry_ms = hf_clock_mono_ms(d->opts.clock) + d->delay_ms;
    daemon_detach(d);
}

static void tell_stuck(const struct hf_daemon *d, const char *text)
{
    const struct hf_daemon_hooks *hooks = d->opts.hooks;
    if (hooks && hooks->stuck)
        hooks->stuck(hooks->ctx, text);
}

static void be_well(struct hf_daemon *d)
{
    if (*d->trouble)
        tell_stuck(d, NULL);
    if (*d->trouble)
        hf_log(d->opts.log, HF_LOG_INFO, "daemon", "works again, after: %s", d->trouble);
    d->trouble[0] = '\0';
    d->delay_ms = 0;
    d->retry_ms = HF_NO_DEADLINE;
}

/* What the alarm is to say, where that is something new. Not while the catalog is away. */
static int tell_trouble(struct hf_daemon *d, const char *text, struct hf_err *err)
{
    const struct hf_daemon_hooks *hooks = d->opts.hooks;
    if (!d->catalog || (d->has_told && strcmp(d->told, text) == 0))
        return 0;
    if (hooks && hooks->trouble &&
        hooks->trouble(hooks->ctx, d->catalog, *text ? text : NULL, err) < 0)
        return -1;
    snprintf(d->told, sizeof d->told, "%s", text);
    d->has_told = true;
    return 0;
}

static void have_trouble(struct hf_daemon *d, const struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    if (strcmp(d->trouble, err->message) != 0)
        hf_log_err(d->opts.log, HF_LOG_ERROR, "daemon", err);
    snprintf(d->trouble, sizeof d->trouble, "%s", err->message);
    /* Where the catalog is not what is wrong, it can be told. */
    if (!d->catalog || tell_trouble(d, d->trouble, &second) < 0)
        tell_stuck(d, d->trouble);
    put_off(d);
}

/* ---- a turn ------------------------------------------------------------------------------- */

static int record_all(struct hf_daemon *d, struct hf_err *err)
{
    for (struct work *w = d->works; w; w = w->next)
        if ((w->state == WORK_ENDED || w->state == WORK_GONE) && daemon_record(d, w, err) < 0)
            return -1;
    return 0;
}

/* Not more of them in a turn than the watchdog bears; the others are still ready, so the next turn follows at once. A drill that had
 * nothing to be made of has ended as it began. */
static int begin_some(struct hf_daemon *d, struct hf_err *err)
{
    struct hf_job job;
    for (int i = 0; i < BEGIN_MAX && hf_plan_ready(d->plan, daemon_now_s(d), &job); i++)
        if (daemon_begin(d, &job, err) < 0 || record_all(d, err) < 0)
            return -1;
    return 0;
}

static int tell_turned(struct hf_daemon *d, int64_t *io_wake_s, struct hf_err *err)
{
    const struct hf_daemon_hooks *hooks = d->opts.hooks;
    return hooks && hooks->turned
               ? hooks->turned(hooks->ctx, d->catalog, d->plan, daemon_now_s(d), io_wake_s, err)
               : 0;
}

static int turn(struct hf_daemon *d, int64_t *out_wake_s, struct hf_err *err)
{
    if (d->catalog && (!daemon_is_current(d) || !daemon_has_clock(d)))
        daemon_detach(d);
    if ((!d->catalog || !d->plan) && daemon_attach(d, err) < 0)
        return -1;
    if (record_all(d, err) < 0 || begin_some(d, err) < 0)
        return -1;
    *out_wake_s = hf_plan_wake(d->plan, daemon_now_s(d));
    if (tell_turned(d, out_wake_s, err) < 0)
        return -1;
    if (tell_trouble(d, d->bad_config, err) < 0)
        return -1;
    be_well(d);
    return 0;
}

struct hf_daemon_wake hf_daemon_turn(struct hf_daemon *d)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_daemon_wake wake = {HF_NO_TIME, HF_NO_DEADLINE};
    if (d->retry_ms != HF_NO_DEADLINE && !hf_clock_is_past(d->opts.clock, d->retry_ms)) {
        wake.mono_ms = d->retry_ms;
        return wake;
    }
    if (turn(d, &wake.wall_s, &err) < 0) {
        have_trouble(d, &err);
        wake = (struct hf_daemon_wake){HF_NO_TIME, d->retry_ms};
    }
    works_free(d, false);
    return wake;
}

/* ---- what happens ------------------------------------------------------------------------- */

int hf_daemon_fd(const struct hf_daemon *d)
{
    return d->epoll;
}

/* One at a time: what one brings about may make others of the same answer void. */
bool hf_daemon_take(struct hf_daemon *d)
{
    struct epoll_event e;
    if (epoll_wait(d->epoll, &e, 1, 0) != 1)
        return false;
    const struct watch *watch = e.data.ptr;
    struct work *w = watch->work;
    watch->ready(w);
    return w->state != WORK_GOES_ON;
}

static int check_state(const struct hf_daemon *d, const struct hf_config *config,
                       struct hf_err *err)
{
    const char *before = hf_config_get_defaults(d->config)->state;
    const char *after = hf_config_get_defaults(config)->state;
    if (strcmp(before, after) == 0)
        return 0;
    hf_fail(err, HF_E_CONFIG, "%s: state is '%s' now, and holdfastd works with '%s'",
            d->opts.config_path, after, before);
    return hf_hint(err, "Restart holdfastd to have it work with another state directory.");
}

int hf_daemon_reload(struct hf_daemon *d, struct hf_err *err)
{
    HF_AUTO(hf_config) struct hf_config *config = hf_daemon_load_config(d->opts.config_path, err);
    if (!config || check_state(d, config, err) < 0) {
        snprintf(d->bad_config, sizeof d->bad_config,
                 "the configuration was not read again: %.400s", err->message);
        return -1;
    }
    d->bad_config[0] = '\0';
    d->retry_ms = HF_NO_DEADLINE; /* somebody has done something about it, perhaps */
    daemon_detach(d);
    struct hf_config *former = d->config;
    d->config = HF_STEAL(config);
    tell_config(d);
    hf_config_free(former);
    HF_POINT("daemon.after_reload");
    return 0;
}

size_t hf_daemon_running(const struct hf_daemon *d)
{
    size_t n = 0;
    for (const struct work *w = d->works; w; w = w->next)
        n += w->state == WORK_GOES_ON;
    return n;
}
