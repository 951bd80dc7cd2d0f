/* SPDX-License-Identifier: Apache-2.0 */
#include "db/load/state.h"

#include <mysql.h>

#define LOOK_MS 200

struct pool {
    struct hf_load *l;
    hf_load_job run;
    void **jobs;
    size_t n;
    atomic_size_t next, running;
};

struct worker {
    struct pool *pool;
    unsigned number;
};

static void keep_error(struct hf_load *l, const struct hf_err *err)
{
    pthread_mutex_lock(&l->lock);
    if (l->err.cls == HF_E_NONE)
        hf_err_copy(&l->err, err);
    pthread_mutex_unlock(&l->lock);
    atomic_store(&l->stop, true);
}

static int run_jobs(struct pool *p, struct hf_db_conn **c, struct hf_err *err)
{
    if (!*c && !(*c = hf_load_session(p->l, err)))
        return -1;
    while (!atomic_load(&p->l->stop)) {
        size_t i = atomic_fetch_add(&p->next, 1);
        if (i >= p->n)
            break;
        if (hf_cancel_check(p->l->opts->cancel, err) || p->run(p->l, c, p->jobs[i], err))
            return -1;
    }
    return 0;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct hf_err err = HF_ERR_INIT;
    if (run_jobs(w->pool, &w->pool->l->sessions[w->number], &err))
        keep_error(w->pool->l, &err);
    atomic_fetch_sub(&w->pool->running, 1);
    mysql_thread_end();
    return NULL;
}

static void show(struct hf_load *l)
{
    struct hf_load_progress p = {.stored_done = atomic_load(&l->stored),
                                 .stored_total = l->stored_total,
                                 .rows = atomic_load(&l->rows),
                                 .phase = l->phase};
    if (l->opts->progress)
        l->opts->progress(l->opts->progress_ctx, &p);
}

/* Somebody wants us to stop: statements that run for long are ended. */
static void kill_statements(struct hf_load *l)
{
    struct hf_err ignored = HF_ERR_INIT;
    for (unsigned i = 0; i < l->threads; i++)
        if (l->sessions[i])
            (void)!hf_load_sql(l->main, &ignored, "KILL QUERY %llu",
                               (unsigned long long)hf_db_id(l->sessions[i]));
}

static void watch(struct pool *p)
{
    struct hf_load *l = p->l;
    bool was_killed = false;
    while (atomic_load(&p->running) > 0) {
        hf_clock_sleep_ms(l->clock, p->n < 4 * l->threads && !l->opts->progress ? 5 : LOOK_MS / 4);
        show(l);
        bool stops = hf_cancel_is_set(l->opts->cancel) || atomic_load(&l->stop);
        if (stops && !was_killed) {
            atomic_store(&l->stop, true);
            was_killed = true;
            kill_statements(l);
        }
    }
}

int hf_load_pool(struct hf_load *l, const char *phase, hf_load_job run, void **jobs, size_t n,
                 struct hf_err *err)
{
    struct pool p = {.l = l, .run = run, .jobs = jobs, .n = n};
    struct worker workers[HF_LOAD_THREADS_MAX];
    pthread_t threads[HF_LOAD_THREADS_MAX];
    unsigned started = 0, wanted = n < l->threads ? (unsigned)n : l->threads;
    l->phase = phase;
    for (; started < wanted; started++) {
        workers[started] = (struct worker){&p, started};
        atomic_fetch_add(&p.running, 1);
        if (pthread_create(&threads[started], NULL, work, &workers[started]) != 0) {
            atomic_fetch_sub(&p.running, 1);
            break;
        }
    }
    if (started == 0 && wanted > 0)
        return hf_fail(err, HF_E_INTERNAL, "no thread could be started");
    watch(&p);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (l->err.cls != HF_E_NONE) {
        hf_err_copy(err, &l->err);
        return -1;
    }
    return hf_cancel_check(l->opts->cancel, err);
}
