/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backup_intern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define EVERY_MS 250
#define IDLE_MS 20 /* until the capture is there */
#define ANSWER_MS 5000

struct backup_watch {
    struct backup *backup;
    pthread_t thread;
    pthread_mutex_t turn; /* the run's hv is one thread's at a time */
    atomic_bool is_on, stop, has_failed;
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

static int ask(struct backup_watch *w, struct hf_err *err)
{
    const struct hf_run *run = w->backup->run;
    struct hf_export_state state = {0};
    pthread_mutex_lock(&w->turn);
    struct hf_hv_call call = hf_env_call(run->env, run->id, ANSWER_MS);
    int rc = hf_hv_export_watch(w->backup->creation->capture, &call, &state, err);
    pthread_mutex_unlock(&w->turn);
    return rc;
}

/* The end of a backup does not wait for the next look. */
static void rest(struct backup_watch *w, int64_t ms)
{
    for (; ms > 0 && !atomic_load(&w->stop); ms -= IDLE_MS)
        hf_clock_sleep_ms(w->backup->run->env->clock, IDLE_MS);
}

static void *watch(void *arg)
{
    struct backup_watch *w = arg;
    while (!atomic_load(&w->stop)) {
        struct hf_err err = HF_ERR_INIT;
        bool is_on = atomic_load(&w->is_on);
        if (is_on && ask(w, &err) < 0 && !is_unknown(&err)) {
            note(w, &err);
            if (is_over(&err))
                break;
        }
        rest(w, is_on ? EVERY_MS : IDLE_MS);
    }
    return NULL;
}

static void begin(void *watch)
{
    struct backup_watch *w = watch;
    atomic_store(&w->is_on, true);
}

int backup_watch_start(struct backup *b, struct hf_err *err)
{
    struct backup_watch *w = calloc(1, sizeof *w);
    if (!w)
        return hf_fail_nomem(err);
    w->backup = b;
    w->failed = (struct hf_err)HF_ERR_INIT;
    pthread_mutex_init(&w->turn, NULL);
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
    b->creation->told = (struct hf_hold_told){begin, w};
    return 0;
}

int backup_watch_check(struct backup *b, struct hf_err *err)
{
    if (!b->watch || !atomic_load(&b->watch->has_failed))
        return 0;
    hf_err_copy(err, &b->watch->failed);
    return -1;
}

void backup_watch_take_turn(struct backup *b)
{
    pthread_mutex_lock(&b->watch->turn);
}

void backup_watch_end_turn(struct backup *b)
{
    pthread_mutex_unlock(&b->watch->turn);
}

struct hf_cancel *backup_watch_cancel(const struct backup *b)
{
    return b->watch->reading;
}

void backup_watch_stop(struct backup *b)
{
    if (!b->watch)
        return;
    atomic_store(&b->watch->stop, true);
    pthread_join(b->watch->thread, NULL);
    hf_cancel_free(b->watch->reading);
    pthread_mutex_destroy(&b->watch->turn);
    free(HF_STEAL(b->watch));
    creation_wait_home(b->creation);
}
