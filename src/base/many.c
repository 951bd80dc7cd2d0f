/* SPDX-License-Identifier: Apache-2.0 */
#include "base/many.h"

#include "base/thread.h"

#include <stdbool.h>

#define THREADS_MAX 32

struct many {
    pthread_mutex_t lock;
    size_t n, next;
    hf_many_fn fn;
    void *ctx;
    bool has_failed;
    struct hf_err failed;
};

static void *work(void *arg)
{
    struct many *m = arg;
    pthread_mutex_lock(&m->lock);
    while (m->next < m->n && !m->has_failed) {
        struct hf_err err = HF_ERR_INIT;
        const size_t i = m->next++;
        pthread_mutex_unlock(&m->lock);
        const int rc = m->fn(m->ctx, i, &err);
        pthread_mutex_lock(&m->lock);
        if (rc < 0 && !m->has_failed) {
            m->has_failed = true;
            hf_err_copy(&m->failed, &err);
        }
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

int hf_many(size_t n, unsigned threads, hf_many_fn fn, void *ctx, struct hf_err *err)
{
    struct many m = {.n = n, .fn = fn, .ctx = ctx, .failed = HF_ERR_INIT};
    pthread_t started[THREADS_MAX];
    size_t started_n = 0;
    pthread_mutex_init(&m.lock, NULL);
    while (started_n < threads && started_n < THREADS_MAX && started_n + 1 < n &&
           hf_thread_start(&started[started_n], work, &m) == 0)
        started_n++;
    work(&m);
    while (started_n)
        pthread_join(started[--started_n], NULL);
    pthread_mutex_destroy(&m.lock);
    if (!m.has_failed)
        return 0;
    hf_err_copy(err, &m.failed);
    return -1;
}
