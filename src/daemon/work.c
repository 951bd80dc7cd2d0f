/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "daemon/daemon_intern.h"

#include <string.h>
#include <sys/epoll.h>

static const char *static_kind(const char *kind)
{
    return strcmp(kind, HF_DUTY_DRILL) == 0 ? HF_DUTY_DRILL : HF_DUTY_RUN;
}

struct work *work_new(struct hf_daemon *d, const struct hf_duty *duty, struct hf_err *err)
{
    HF_AUTO(work) struct work *w = calloc(1, sizeof *w);
    if (w) {
        *w = (struct work){.daemon = d,
                           .kind = static_kind(duty->kind),
                           .due_s = duty->served_s,
                           .attempt = duty->attempts,
                           .began_us = duty->began_us,
                           .began_ms = hf_clock_mono_ms(d->opts.clock),
                           .pid = duty->pid,
                           .pid_start = duty->pid_start,
                           .job = {.id = HF_PLAN_NONE},
                           .child = HF_RUN_CHILD_INIT,
                           .outcome = {.stall_ms = -1}};
        w->policy = strdup(duty->policy);
        w->vm = strdup(duty->vm);
        w->said.log = d->opts.log;
        w->said.source = w->policy;
    }
    if (!w || !w->policy || !w->vm) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(w);
}

/* Out of the epoll first: a process that was just forked may still have a copy, and then closing ours does not take it out. */
static void close_end(struct work *w, int *fd)
{
    if (*fd < 0)
        return;
    epoll_ctl(w->daemon->epoll, EPOLL_CTL_DEL, *fd, NULL);
    close(HF_STEAL_FD(*fd));
}

void work_free(struct work *w)
{
    if (!w)
        return;
    close_end(w, &w->child.pidfd);
    close_end(w, &w->child.out);
    close_end(w, &w->child.err);
    hf_run_child_close(&w->child);
    hf_said_free(&w->said);
    hf_outcome_free(&w->outcome);
    free(w->policy);
    free(w->vm);
    free(w);
}

struct work *work_find(const struct hf_daemon *d, const struct hf_duty *duty)
{
    for (struct work *w = d->works; w; w = w->next)
        if (w->state != WORK_RECORDED && strcmp(w->policy, duty->policy) == 0 &&
            strcmp(w->vm, duty->vm) == 0 && strcmp(w->kind, duty->kind) == 0)
            return w;
    return NULL;
}

struct hf_duty work_duty(const struct work *w)
{
    return (struct hf_duty){.policy = w->policy,
                            .vm = w->vm,
                            .kind = w->kind,
                            .served_s = w->due_s,
                            .attempts = w->attempt,
                            .began_us = w->began_us,
                            .pid = w->pid,
                            .pid_start = w->pid_start,
                            .stall_ms = -1};
}

/* ---- what happens to it ------------------------------------------------------------------ */

static void on_out(struct work *w)
{
    if (!hf_said_read_out(&w->said, w->child.out))
        close_end(w, &w->child.out);
}

static void on_err(struct work *w)
{
    if (hf_said_read_err(&w->said, w->child.err))
        return;
    hf_said_finish(&w->said);
    close_end(w, &w->child.err);
}

/* What it said last may still be in the pipes. Its guardian holds stderr as well, and has something to say where the run was killed:
 * that is read on. */
static void read_the_rest(struct work *w)
{
    if (w->child.out >= 0)
        on_out(w);
    if (w->child.err >= 0)
        on_err(w);
    close_end(w, &w->child.out);
    hf_said_finish(&w->said);
}

static int judge(struct work *w, struct hf_err *err)
{
    int status;
    if (hf_run_child_reap(&w->child, &status, err) < 0)
        return -1;
    bool is_whole = hf_buf_ok(&w->said.out);
    const struct hf_ending e = {.status = status,
                                .out = hf_buf_str(&w->said.out),
                                .out_len = w->said.out.len,
                                .is_cut = w->said.is_cut || !is_whole,
                                .said = w->said.last};
    return hf_outcome_of_child(w->kind, &e, &w->outcome, err);
}

/* Where its end cannot be told from its status and report, the catalog is asked. */
static void on_end(struct work *w)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_clock *clock = w->daemon->opts.clock;
    bool is_ours = w->child.pid > 0;
    read_the_rest(w);
    close_end(w, &w->child.pidfd);
    w->ended_us = hf_clock_wall_us(clock);
    w->duration_ms = hf_clock_mono_ms(clock) - w->began_ms;
    w->state = is_ours && judge(w, &err) == 0 ? WORK_ENDED : WORK_GONE;
    HF_POINT("daemon.after_child_end");
}

static int add(struct work *w, struct watch *watch, int fd, void (*ready)(struct work *),
               struct hf_err *err)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = watch};
    *watch = (struct watch){w, ready};
    return epoll_ctl(w->daemon->epoll, EPOLL_CTL_ADD, fd, &e) < 0
               ? hf_fail_sys(err, errno, "watch process %lld", (long long)w->pid)
               : 0;
}

int work_watch(struct work *w, struct hf_err *err)
{
    w->state = WORK_GOES_ON;
    if (add(w, &w->on_end, w->child.pidfd, on_end, err) < 0)
        return -1;
    if (w->child.pid == 0)
        return 0;
    return add(w, &w->on_out, w->child.out, on_out, err) < 0 ||
                   add(w, &w->on_err, w->child.err, on_err, err) < 0
               ? -1
               : 0;
}
