/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog and the plan, and what goes on by them: at the start, after a reload, and after trouble.
 */
#include "base/list.h"
#include "base/path.h"
#include "base/point.h"
#include "daemon/adopt.h"
#include "daemon/daemon_intern.h"

#include <string.h>

void daemon_detach(struct hf_daemon *d)
{
    if (d->is_attached)
        hf_known_learn(&d->known, d->plan, daemon_now_s(d));
    d->is_attached = false;
    for (struct work *w = d->works; w; w = w->next) {
        w->job = (struct hf_job){.id = HF_PLAN_NONE};
        w->is_known = false;
    }
    hf_plan_free(HF_STEAL(d->plan));
    hf_catalog_close(HF_STEAL(d->catalog));
}

static int look_up(const struct hf_daemon *d, struct stat *out, struct hf_err *err)
{
    HF_AUTOFREE char *path =
        hf_path_join(hf_config_get_defaults(d->config)->state, "catalog.sqlite");
    if (!path)
        return hf_fail_nomem(err);
    return stat(path, out) < 0 ? hf_fail_sys(err, errno, "catalog '%s'", path) : 0;
}

bool daemon_is_current(const struct hf_daemon *d)
{
    struct hf_err none = HF_ERR_INIT;
    struct stat now;
    return look_up(d, &now, &none) == 0 && now.st_dev == d->catalog_file.st_dev &&
           now.st_ino == d->catalog_file.st_ino;
}

/* Before this program was there to be run no clock was right: one that has lost its battery begins in 1970, or when its system was made.
 * Followed by it, all that was made before would be made again when the right time is known, and new points would be the oldest. */
#define EARLIEST_US (INT64_C(1767225600) * 1000000) /* 2026-01-01 */

bool daemon_has_clock(const struct hf_daemon *d)
{
    return hf_clock_wall_us(d->opts.clock) >= EARLIEST_US;
}

static int check_clock(const struct hf_daemon *d, struct hf_err *err)
{
    char day[HF_TIME_MAX];
    if (daemon_has_clock(d))
        return 0;
    hf_time_rfc3339(hf_clock_wall_us(d->opts.clock), day);
    return hf_fail(
        err, HF_E_CONFIG,
        "the clock of this host is wrong, it shows %.10s: nothing begins until it is set", day);
}

/* ---- what the catalog knows -------------------------------------------------------------- */

static int load(void *ctx, const struct hf_duty *duty, struct hf_err *err)
{
    struct hf_daemon *d = ctx;
    struct hf_job job = {.id = HF_PLAN_NONE};
    bool goes_on = duty->began_us > 0 && duty->ended_us == 0;
    hf_plan_load(d->plan, duty, &job);
    if (!goes_on)
        return 0;
    struct work *w = work_find(d, duty);
    if (!w) {
        w = work_new(d, duty, err);
        if (!w)
            return -1;
        w->state = WORK_FOUND;
        w->next = d->works;
        d->works = w;
    }
    w->job = job;
    w->is_known = true;
    return 0;
}

/* The catalog is another one, or its row was lost: said again, so that the run counts. */
static int restate(struct hf_daemon *d, struct work *w, struct hf_err *err)
{
    const struct hf_duty duty = work_duty(w);
    if (hf_duty_follow(d->catalog, &duty, err) < 0 || hf_duty_begin(d->catalog, &duty, err) < 0 ||
        hf_duty_child(d->catalog, &duty, err) < 0)
        return -1;
    return load(d, &duty, err);
}

/* One that was let go, or perhaps was: does it live? */
static int look_at(struct hf_daemon *d, struct work *w, struct hf_err *err)
{
    const struct hf_duty duty = work_duty(w);
    HF_AUTOFD int fd = hf_pid_open((pid_t)w->pid, w->pid_start);
    if (hf_adopt(&duty, fd >= 0, NULL) != HF_ADOPT_WATCH) {
        w->state = WORK_GONE;
        w->ended_us = hf_clock_wall_us(d->opts.clock);
        return 0;
    }
    w->child.pidfd = HF_STEAL_FD(fd);
    hf_log(d->opts.log, HF_LOG_INFO, w->policy, "%s of %s goes on (process %lld)", w->kind, w->vm,
           (long long)w->pid);
    return work_watch(w, err);
}

static int go_through(struct hf_daemon *d, struct hf_err *err)
{
    for (struct work *w = d->works; w; w = w->next) {
        if (w->state == WORK_FOUND && look_at(d, w, err) < 0)
            return -1;
        if (w->state == WORK_GOES_ON && !w->is_known && restate(d, w, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what it has never heard of ---------------------------------------------------------- */

struct fresh {
    const struct hf_known *known;
    struct hf_duty *items; /* names are the configuration's */
    size_t n, cap, n_lost;
};

static int collect(void *ctx, const struct hf_duty *duty, struct hf_err *err)
{
    struct fresh *f = ctx;
    struct hf_duty *items = hf_list_room(f->items, f->n, &f->cap, sizeof *items, 64);
    if (!items)
        return hf_fail_nomem(err);
    f->items = items;
    f->items[f->n] = *duty;
    f->n_lost += hf_known_served(f->known, duty, &f->items[f->n].served_s);
    f->n++;
    return 0;
}

static int follow_new(struct hf_daemon *d, struct hf_err *err)
{
    struct fresh f = {.known = &d->known};
    int rc = hf_plan_each_new(d->plan, collect, &f, err);
    if (rc == 0 && f.n > 0)
        rc = HF_POINT_ERR("daemon.before_follow", err) ||
                     hf_duty_follow_all(d->catalog, f.items, f.n, err) < 0
                 ? -1
                 : 0;
    for (size_t i = 0; rc == 0 && i < f.n; i++)
        hf_plan_load(d->plan, &f.items[i], NULL);
    if (rc == 0 && f.n_lost > 0)
        hf_log(d->opts.log, HF_LOG_WARN, "daemon",
               "the catalog has lost %zu duties, with how they ended; they are followed from where "
               "they were",
               f.n_lost);
    free(f.items);
    return rc;
}

int daemon_attach(struct hf_daemon *d, struct hf_err *err)
{
    const char *state = hf_config_get_defaults(d->config)->state;
    int64_t at_s = daemon_now_s(d);
    d->catalog = hf_catalog_open(state, d->opts.clock, err);
    if (!d->catalog || look_up(d, &d->catalog_file, err) < 0 || check_clock(d, err) < 0 ||
        !(d->plan = hf_plan_new(d->config, at_s, err)))
        return -1;
    if (hf_duties(d->catalog, load, d, err) < 0 || go_through(d, err) < 0)
        return -1;
    if (follow_new(d, err) < 0)
        return -1;
    hf_known_free(&d->known);
    d->is_attached = true;
    const struct hf_daemon_hooks *hooks = d->opts.hooks;
    return hooks && hooks->attached ? hooks->attached(hooks->ctx, d->catalog, d->plan, at_s, err)
                                    : 0;
}
