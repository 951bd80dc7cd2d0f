/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/loop.h"

#include "base/point.h"
#include "daemon/notify.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define FAR_S (INT64_C(10) * 366 * 86400)
#define STATUS_MAX 512

enum source { SOURCE_RUNS, SOURCE_SIGNAL, SOURCE_WALL, SOURCE_MONO, SOURCE_ALIVE };

struct loop {
    struct hf_daemon *daemon;
    const struct hf_daemon_opts *opts;
    int epoll, signals, wall, mono, alive;
    bool is_ending;
    char status[STATUS_MAX]; /* as systemd was told */
};

static void loop_close(struct loop *l)
{
    const int fds[] = {l->epoll, l->signals, l->wall, l->mono, l->alive};
    for (size_t i = 0; i < HF_ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
HF_DEFINE_AUTO_VALUE(loop, loop_close)

/* ---- opened ------------------------------------------------------------------------------- */

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

int hf_loop_block_signals(struct hf_err *err)
{
    const sigset_t set = our_signals();
    int e = pthread_sigmask(SIG_BLOCK, &set, NULL);
    return e ? hf_fail_sys(err, e, "signals") : 0;
}

static int add(struct loop *l, int fd, enum source source, struct hf_err *err)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = source};
    if (fd < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        return hf_fail_sys(err, errno, "event loop");
    return 0;
}

/* Half of the watchdog's interval, again and again. */
static int add_alive(struct loop *l, struct hf_err *err)
{
    int64_t us = hf_notify_interval_us();
    if (us == 0)
        return 0;
    const struct timespec every = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    const struct itimerspec timer = {every, every};
    l->alive = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->alive < 0 || timerfd_settime(l->alive, 0, &timer, NULL) < 0)
        return hf_fail_sys(err, errno, "timer of the watchdog");
    return add(l, l->alive, SOURCE_ALIVE, err);
}

static int loop_open(struct loop *l, struct hf_err *err)
{
    const sigset_t set = our_signals();
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    l->wall = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    l->mono = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (add(l, hf_daemon_fd(l->daemon), SOURCE_RUNS, err) < 0 ||
        add(l, l->signals, SOURCE_SIGNAL, err) < 0 || add(l, l->wall, SOURCE_WALL, err) < 0 ||
        add(l, l->mono, SOURCE_MONO, err) < 0)
        return -1;
    return add_alive(l, err);
}

/* ---- a turn -------------------------------------------------------------------------------- */

static void say_status(struct loop *l, const struct hf_daemon_wake *wake)
{
    char status[STATUS_MAX], next[HF_TIME_MAX] = "never";
    const char *trouble = hf_daemon_trouble(l->daemon);
    if (wake->wall_s != HF_NO_TIME)
        hf_time_rfc3339(wake->wall_s * 1000000, next);
    if (*trouble)
        snprintf(status, sizeof status, "%zu running; trouble: %.300s",
                 hf_daemon_running(l->daemon), trouble);
    else
        snprintf(status, sizeof status, "%zu running, looks again at %s",
                 hf_daemon_running(l->daemon), next);
    for (char *p = status; *p; p++)
        *p = *p == '\n' ? ' ' : *p; /* a line of its own would be another message */
    if (strcmp(status, l->status) == 0)
        return;
    memcpy(l->status, status, sizeof status);
    hf_notify_status(status);
}

/* false: the clock was set while the timer was. */
static bool set_wall(struct loop *l, int64_t at_s)
{
    int64_t now_s = hf_clock_wall_us(l->opts->clock) / 1000000;
    bool is_near = at_s != HF_NO_TIME && at_s - now_s < FAR_S;
    /* Armed also where nothing is due: a clock that is set may change that. */
    const struct itimerspec timer = {.it_value.tv_sec = is_near ? at_s : now_s + FAR_S};
    return timerfd_settime(l->wall, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &timer, NULL) ==
               0 ||
           errno != ECANCELED;
}

static void set_mono(struct loop *l, int64_t at_ms)
{
    struct itimerspec timer = {0};
    if (at_ms != HF_NO_DEADLINE)
        timer.it_value = (struct timespec){at_ms / 1000, at_ms % 1000 * 1000000 + 1};
    timerfd_settime(l->mono, TFD_TIMER_ABSTIME, &timer, NULL);
}

static void turn(struct loop *l)
{
    struct hf_daemon_wake wake;
    do {
        wake = hf_daemon_turn(l->daemon);
        set_mono(l, wake.mono_ms);
    } while (!set_wall(l, wake.wall_s));
    say_status(l, &wake);
}

/* ---- what happens ------------------------------------------------------------------------- */

static void reload(struct loop *l)
{
    struct hf_err err = HF_ERR_INIT;
    hf_notify_reloading(l->opts->clock);
    HF_POINT("daemon.before_reload");
    if (hf_daemon_reload(l->daemon, &err) < 0) {
        hf_log_err(l->opts->log, HF_LOG_ERROR, "daemon", &err);
        hf_log(l->opts->log, HF_LOG_WARN, "daemon", "the former configuration stays in force");
    } else {
        hf_log(l->opts->log, HF_LOG_INFO, "daemon", "read the configuration again");
    }
    turn(l);
    (void)malloc_trim(0); /* for a moment there were two configurations */
    hf_notify_ready(l->status);
}

static bool take_signal(struct loop *l)
{
    struct signalfd_siginfo info;
    if (read(l->signals, &info, sizeof info) != sizeof info)
        return false;
    if (info.ssi_signo == SIGHUP) {
        reload(l);
        return false;
    }
    l->is_ending = true;
    return false;
}

/* true: a turn is needed. A read of the wall's timer fails where the clock was set; either way it has woken us. */
static bool take(struct loop *l, enum source source)
{
    uint64_t times;
    switch (source) {
    case SOURCE_RUNS:
        return hf_daemon_take(l->daemon);
    case SOURCE_SIGNAL:
        return take_signal(l);
    case SOURCE_ALIVE:
        if (read(l->alive, &times, sizeof times) == sizeof times)
            hf_notify_alive();
        return false;
    case SOURCE_WALL:
    case SOURCE_MONO:
        return read(source == SOURCE_WALL ? l->wall : l->mono, &times, sizeof times) ==
                   sizeof times ||
               errno == ECANCELED;
    }
    return false;
}

static int wait_and_take(struct loop *l, struct hf_err *err)
{
    struct epoll_event e;
    int n = epoll_wait(l->epoll, &e, 1, -1);
    if (n < 0 && errno != EINTR)
        return hf_fail_sys(err, errno, "event loop");
    if (n > 0 && take(l, e.data.u32))
        turn(l);
    return 0;
}

int hf_loop_run(struct hf_daemon *d, const struct hf_daemon_opts *opts, struct hf_err *err)
{
    HF_AUTO(loop)
    struct loop l = {
        .daemon = d, .opts = opts, .epoll = -1, .signals = -1, .wall = -1, .mono = -1, .alive = -1};
    if (loop_open(&l, err) < 0)
        return -1;
    turn(&l);
    hf_notify_ready(l.status);
    while (!l.is_ending)
        if (wait_and_take(&l, err) < 0)
            return -1;
    hf_notify_stopping();
    hf_log(opts->log, HF_LOG_INFO, "daemon", "ends; %zu runs go on", hf_daemon_running(d));
    return 0;
}
