/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include "base/thread.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MS 10000
#define AGAIN_MS 1000 /* after no answer */

struct vmw_keeper {
    struct hf_instance
        twin; /* of the instance: what a request needs, and nothing that another thread changes */
    struct vmw_ref lease;
    int64_t timeout_ms, heard_ms;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    bool stop, is_lost;
    int percent;
    struct hf_err why; /* it is lost */
};

static void keeper_free(struct vmw_keeper *k)
{
    hf_secret_free(k->twin.cookie);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* ---- one word to the server --------------------------------------------------------------------------------- */

/* Never after a new log-in: the lease belongs to the session. */
static int tell(struct vmw_keeper *k, int percent, struct hf_err *err)
{
    bool is_fault = false;
    HF_AUTO(vmw_args) struct vmw_args args = VMW_ARGS_INIT;
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct hf_call call = {.struct_size = sizeof call,
                           .deadline_ms = vmw_now_ms(&k->twin) + ANSWER_MS};
    struct vmw_request req = {
        .method = "HttpNfcLeaseProgress", .self = &k->lease, .args = &args, .is_read = true};
    vmw_put_int(&args, "percent", percent);
    if (vmw_send(&k->twin, &call, &req, &t, &is_fault, err) != 0)
        return -1;
    return is_fault ? vmw_fail_envelope(&k->twin, t, err) : 0;
}

/* What a server that is away or busy says nothing about is asked again, as long as the lease lasts. */
static bool is_final(const struct vmw_keeper *k, const struct hf_err *why)
{
    return !(vmw_is_away(why) || why->retryable || why->cls == HF_E_CANCELLED) ||
           vmw_now_ms((struct hf_instance *)&k->twin) - k->heard_ms >= k->timeout_ms;
}

static void lose(struct vmw_keeper *k, const struct hf_err *why)
{
    k->is_lost = true;
    hf_fail(&k->why, HF_E_UNREACHABLE, "the lease of the export is lost: %s", why->message);
    k->why.retryable = 1;
}

/* ---- the thread ---------------------------------------------------------------------------------------------- */

static void wait_for(struct vmw_keeper *k, int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    while (!k->stop && pthread_cond_timedwait(&k->changed, &k->lock, &t) == 0)
        ;
}

static void *keep(void *arg)
{
    struct vmw_keeper *k = arg;
    int64_t pause_ms = k->timeout_ms / 4;
    pthread_mutex_lock(&k->lock);
    while (!k->is_lost) {
        struct hf_err why = HF_ERR_INIT;
        wait_for(k, pause_ms);
        if (k->stop)
            break;
        int percent = k->percent;
        pthread_mutex_unlock(&k->lock);
        int rc = tell(k, percent, &why);
        pthread_mutex_lock(&k->lock);
        if (rc == 0)
            k->heard_ms = vmw_now_ms(&k->twin);
        else if (is_final(k, &why))
            lose(k, &why);
        pause_ms = rc == 0 || k->timeout_ms / 4 < AGAIN_MS ? k->timeout_ms / 4 : AGAIN_MS;
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

/* ---- begun and ended ------------------------------------------------------------------------------------------ */

static struct vmw_keeper *keeper_new(const struct hf_instance *in)
{
    struct vmw_keeper *k = calloc(1, sizeof *k);
    pthread_condattr_t attr;
    if (!k)
        return NULL;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&k->lock, NULL);
    k->why = (struct hf_err)HF_ERR_INIT;
    k->twin.host = in->host;
    k->twin.http = in->http;
    k->twin.base = in->base;
    memcpy(k->twin.version, in->version, sizeof k->twin.version);
    if (in->cookie && !(k->twin.cookie = hf_secret_new(hf_secret_reveal(in->cookie),
                                                       hf_secret_len(in->cookie)))) {
        keeper_free(k);
        return NULL;
    }
    return k;
}

struct vmw_keeper *vmw_keeper_start(const struct hf_instance *in, const struct vmw_ref *lease,
                                    int64_t timeout_ms, struct hf_err *err)
{
    struct vmw_keeper *k = keeper_new(in);
    if (!k) {
        hf_fail_nomem(err);
        return NULL;
    }
    k->lease = *lease;
    k->timeout_ms = timeout_ms;
    k->heard_ms = vmw_now_ms(&k->twin);
    int rc = hf_thread_start(&k->thread, keep, k);
    if (rc == 0)
        return k;
    hf_fail_sys(err, rc, "a thread for the lease");
    keeper_free(k);
    return NULL;
}

void vmw_keeper_percent(struct vmw_keeper *k, int percent)
{
    pthread_mutex_lock(&k->lock);
    k->percent = percent;
    pthread_mutex_unlock(&k->lock);
}

int vmw_keeper_check(struct vmw_keeper *k, struct hf_err *err)
{
    pthread_mutex_lock(&k->lock);
    bool is_lost = k->is_lost;
    if (is_lost)
        hf_err_copy(err, &k->why);
    pthread_mutex_unlock(&k->lock);
    return is_lost ? -1 : 0;
}

void vmw_keeper_stop(struct vmw_keeper *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    keeper_free(k);
}
