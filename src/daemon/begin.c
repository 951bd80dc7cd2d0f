/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "base/strv.h"
#include "daemon/daemon_intern.h"

#include <inttypes.h>
#include <string.h>

/* ---- what is run ------------------------------------------------------------------------- */

static bool is_drill(const struct hf_job *job)
{
    return strcmp(job->kind, HF_DUTY_DRILL) == 0;
}

static int take_first(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    char **id = ctx;
    (void)err;
    *id = strdup(p->id);
    return -1; /* the others are older */
}

/* The newest point of the VM, to be freed; NULL, err NOT_FOUND: it has none. */
static char *newest_point(struct hf_catalog *c, const char *vm, struct hf_err *err)
{
    char *id = NULL;
    if (hf_catalog_points(c, vm, 0, take_first, &id, err) < 0 && !id)
        return NULL;
    if (!id)
        hf_fail(err, HF_E_NOT_FOUND, "vm %s has no recovery point that could be drilled", vm);
    return id;
}

static int add_words(struct hf_strv *argv, const char *const *words)
{
    for (; *words; words++)
        if (hf_strv_add(argv, *words) < 0)
            return -1;
    return 0;
}

/* point: of a drill, else NULL. */
static int make_command(const struct hf_daemon *d, const struct hf_job *job, const char *point,
                        struct hf_strv *argv, struct hf_err *err)
{
    const char *policy = job->policy->label, *vm = job->vm->label;
    const char *const begin[] = {d->opts.program, "--json", "-c", d->opts.config_path, NULL};
    const char *const drill[] = {"verify", point, "--drill", NULL};
    const char *const snapshot[] = {"snapshot", "create", vm, "--policy", policy, NULL};
    const char *const backup[] = {"backup", vm, "--policy", policy, NULL};
    const char *const *verb = is_drill(job)                                ? drill
                              : job->policy->produce & HF_PRODUCE_SNAPSHOT ? snapshot
                                                                           : backup;
    return add_words(argv, begin) < 0 || add_words(argv, verb) < 0 ? hf_fail_nomem(err) : 0;
}

/* ---- its beginning ----------------------------------------------------------------------- */

static struct work *make_work(struct hf_daemon *d, const struct hf_job *job, struct hf_err *err)
{
    const struct hf_duty duty = {.policy = job->policy->label,
                                 .vm = job->vm->label,
                                 .kind = job->kind,
                                 .served_s = job->due_s,
                                 .attempts = job->attempt,
                                 .began_us = hf_clock_wall_us(d->opts.clock)};
    struct work *w = work_new(d, &duty, err);
    if (w)
        w->job = *job;
    return w;
}

/* Where this fails the row says so: it has no process, or one that was not let go, and the next look at the catalog withdraws it. */
static int start(struct hf_daemon *d, struct work *w, const struct hf_strv *argv,
                 struct hf_err *err)
{
    if (hf_run_child_start(&w->child, (const char *const *)argv->items, d->opts.files, err) < 0)
        return -1;
    HF_POINT("daemon.after_fork");
    w->pid = w->child.pid;
    w->pid_start = w->child.pid_start;
    const struct hf_duty duty = work_duty(w);
    if (work_watch(w, err) < 0 || hf_duty_child(d->catalog, &duty, err) < 0)
        return -1;
    HF_POINT("daemon.before_release");
    if (hf_run_child_release(&w->child, err) < 0)
        return -1;
    HF_POINT("daemon.after_release");
    return 0;
}

static void enlist(struct hf_daemon *d, struct work *w)
{
    w->is_known = true;
    w->next = d->works;
    d->works = w;
    hf_plan_began(d->plan, &w->job, daemon_now_s(d));
}

static int fail_at_once(struct work *w, const struct hf_err *why, struct hf_err *err)
{
    w->state = WORK_ENDED;
    w->ended_us = w->began_us;
    return hf_outcome_failed(why, &w->outcome, err);
}

int daemon_begin(struct hf_daemon *d, const struct hf_job *job, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv argv = HF_STRV_INIT;
    HF_AUTOFREE char *point = NULL;
    if (is_drill(job) && !(point = newest_point(d->catalog, job->vm->label, &why)) &&
        why.cls != HF_E_NOT_FOUND) {
        hf_err_copy(err, &why);
        return -1;
    }
    HF_AUTO(work) struct work *w = make_work(d, job, err);
    if (!w || make_command(d, job, point, &argv, err) < 0)
        return -1;
    const struct hf_duty duty = work_duty(w);
    if (hf_duty_begin(d->catalog, &duty, err) < 0)
        return -1;
    HF_POINT("daemon.after_duty_begin");
    if ((is_drill(job) && !point ? fail_at_once(w, &why, err) : start(d, w, &argv, err)) < 0)
        return -1;
    struct work *begun = HF_STEAL(w);
    enlist(d, begun);
    hf_log(d->opts.log, HF_LOG_INFO, begun->policy, "%s of %s begins (process %" PRId64 ")",
           begun->kind, begun->vm, begun->pid);
    return daemon_tell(d, HF_CHANGE_BEGAN, begun, &duty, err);
}
