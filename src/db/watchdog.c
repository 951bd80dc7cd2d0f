/* SPDX-License-Identifier: Apache-2.0 */
#include "db/watchdog.h"

#include "base/clock.h"
#include "base/point.h"
#include "db/blockers.h"

#include <errno.h>
#include <inttypes.h>
#include <mysql.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>

/* A kill can arrive before the statement it is meant for: then it is sent again. */
#define AGAIN_MS 50

enum outcome { WOKEN, CANCELLED, TIME_UP };

/* Real time, not the caller's clock: the server does not wait on a fake one. */
static enum outcome wait_until(struct hf_db_watch *w, int64_t at_ms, bool heed_cancel)
{
    struct pollfd fds[] = {{.fd = w->wake_fd, .events = POLLIN},
                           {.fd = heed_cancel ? hf_cancel_fd(w->cancel) : -1, .events = POLLIN}};
    for (;;) {
        int left_ms = hf_clock_left_ms(hf_clock_system(), at_ms);
        int n = poll(fds, HF_ARRAY_SIZE(fds), left_ms);
        if (n < 0 && errno == EINTR)
            continue;
        if (fds[0].revents)
            return WOKEN;
        if (fds[1].revents)
            return CANCELLED;
        return TIME_UP;
    }
}

static void look(struct hf_db_watch *w)
{
    struct hf_err ignored = HF_ERR_INIT;
    hf_strv_free(&w->blockers);
    /* Not to know who blocks must not keep us from ending the wait. */
    if (hf_db_suspects(w->helper, w->victim, &w->blockers, &ignored))
        hf_strv_free(&w->blockers);
}

static int kill_query(struct hf_db_watch *w)
{
    struct hf_err ignored = HF_ERR_INIT;
    char sql[48];
    snprintf(sql, sizeof sql, "KILL QUERY %" PRIu64, w->victim);
    HF_POINT("db.before_kill_query");
    w->fired = true;
    return hf_db_exec(w->helper, sql, &ignored);
}

static void *watch(void *arg)
{
    struct hf_db_watch *w = arg;
    int64_t begin_ms = hf_clock_mono_ms(hf_clock_system());
    enum outcome o = wait_until(w, begin_ms + w->limit_ms / 2, true);
    if (o == TIME_UP) {
        look(w);
        o = wait_until(w, begin_ms + w->limit_ms, true);
    }
    while (o != WOKEN) {
        if (kill_query(w))
            break;
        o = wait_until(w, hf_clock_mono_ms(hf_clock_system()) + AGAIN_MS, false);
    }
    mysql_thread_end();
    return NULL;
}

int hf_db_watch_begin(struct hf_db_watch *w, struct hf_err *err)
{
    w->fired = false;
    w->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (w->wake_fd < 0)
        return hf_fail_sys(err, errno, "eventfd");
    int e = pthread_create(&w->thread, NULL, watch, w);
    if (e == 0)
        return 0;
    close(w->wake_fd);
    return hf_fail_sys(err, e, "thread for the stall budget");
}

bool hf_db_watch_end(struct hf_db_watch *w)
{
    (void)eventfd_write(w->wake_fd, 1);
    pthread_join(w->thread, NULL);
    close(w->wake_fd);
    return w->fired;
}

void hf_db_watch_free(struct hf_db_watch *w)
{
    hf_strv_free(&w->blockers);
}
