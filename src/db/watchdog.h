/* SPDX-License-Identifier: Apache-2.0
 *
 * db/watchdog.h - ends a statement that waits too long, from a second session.
 *
 * lock_wait_timeout counts whole seconds; the stall budget is finer. So a thread with a session of
 * its own looks at half time who blocks, and sends KILL QUERY when the time is up or the run is
 * cancelled.
 *
 *     hf_db_watch_begin(&w, err);  hf_db_exec(holder, "…");  if (hf_db_watch_end(&w)) …it was
 * killed
 *
 * end waits for a kill that is under way, so none can hit a later statement. When it says that one
 * was sent, the statement counts as failed even if it succeeded: nobody knows which was first. If
 * the second session is lost, the server's own lock_wait_timeout remains.
 */
#ifndef HF_DB_WATCHDOG_H
#define HF_DB_WATCHDOG_H

#include "base/cancel.h"
#include "base/strv.h"
#include "db/conn.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct hf_db_watch {
    struct hf_db_conn *helper; /* only the thread uses it between begin and end */
    uint64_t victim;           /* connection id */
    int64_t limit_ms;
    const struct hf_cancel *cancel; /* may be NULL */
    struct hf_strv blockers;        /* who was seen to block; owned */
    bool fired;                     /* valid after end */
    /* private */
    pthread_t thread;
    int wake_fd;
};

int hf_db_watch_begin(struct hf_db_watch *w, struct hf_err *err) HF_CHECKED;
/* true: KILL QUERY was sent. */
bool hf_db_watch_end(struct hf_db_watch *w);
void hf_db_watch_free(struct hf_db_watch *w);
HF_DEFINE_AUTO_VALUE(hf_db_watch, hf_db_watch_free)

#endif
