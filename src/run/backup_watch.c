/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup_intern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define EVERY_MS 250
#define ANSWER_MS 5000
#define COME_HOME_MS 60000

struct backup_watch {
    struct backup *backup;
    pthread_t thread;
    atomic_bool stop, has_failed;
    struct hf_err failed;      /* written before has_failed is set, and not after */
    struct hf_cancel *reading; /* set when it has failed: who waits for the export need not */
};

/* The hypervisor does not say now: the disks may be read on. */
static bool is_unknown(const struct hf_err *err)
{
    return err->cls == HF_E_UNREACHABLE || err->cls == HF_E_TIMEOUT || err->cls == HF_E_BUSY ||
           err->cls == HF_E_CANCELLED;
}

/* The first failure is why. */
static void note(struct backup_watch *w, const struct hf_err *err)
{
    if (atomic_load(&w->has_failed))
        return;
    hf_err_copy(&w->failed, err);
    atomic_store(&w->has_failed, true);
    hf_cancel_set(w->reading);
}

/* An export that was given up and could not be ended may keep the machine paused: that is tried until it succeeds. */
static bool is_over(const struct hf_err *err)
{
    return err->cls != HF_E_NOSPACE || !err->left[0];
}

static void *watch(void *arg)
{
    struct backup_watch *w = arg;
    const struct hf_run *run = w->backup->run;
    while (!atomic_load(&w->stop)) {
        struct hf_err err = HF_ERR_INIT;
        struct hf_export_state state = {0};
        struct hf_hv_call call = hf_env_call(run->env, run->id, ANSWER_MS);
        if (hf_hv_export_watch(w->backup->creation->capture, &call, &state, &err) < 0 &&
            !is_unknown(&err)) {
            note(w, &err);
            if (is_over(&err))
                break;
        }
        hf_clock_sleep_ms(run->env->clock, EVERY_MS);
    }
    return NULL;
}

int backup_watch_start(struct backup *b, struct hf_err *err)
{
    struct backup_watch *w = calloc(1, sizeof *w);
    if (!w)
        return hf_fail_nomem(err);
    w->backup = b;
    w->failed = (struct hf_err)HF_ERR_INIT;
    w->reading = hf_cancel_until(b->run->env->cancel, b->run->env->clock, HF_NO_DEADLINE, err);
    if (!w->reading) {
        free(w);
        return -1;
    }
    int rc = pthread_create(&w->thread, NULL, watch, w);
    if (rc) {
        hf_cancel_free(w->reading);
        free(w);
        return hf_fail_sys(err, rc, "a thread to watch the export");
    }
    b->watch = w;
    return 0;
}

int backup_watch_check(struct backup *b, struct hf_err *err)
{
    if (!b->watch || !atomic_load(&b->watch->has_failed))
        return 0;
    hf_err_copy(err, &b->watch->failed);
    return -1;
}

struct hf_cancel *backup_watch_cancel(const struct backup *b)
{
    return b->watch->reading;
}

void backup_watch_stop(struct backup *b)
{
    struct hf_err late = HF_ERR_INIT, err = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(b->run->env, NULL, COME_HOME_MS);
    if (!b->watch)
        return;
    atomic_store(&b->watch->stop, true);
    pthread_join(b->watch->thread, NULL);
    hf_cancel_free(b->watch->reading);
    free(HF_STEAL(b->watch));
    if (hf_hv_is_stuck(b->run->hv) &&
        hf_hv_wait_home(b->run->hv, call.deadline_ms, &late, &err) < 0)
        hf_log_err(b->run->env->log, HF_LOG_WARN, "backup", &err);
}
