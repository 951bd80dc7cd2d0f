/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of blocks. Full ones are counted under the lock and touched outside of it: the writer has the one behind them, the
 * thread the first of them.
 */
#include "io/aside.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct block {
    size_t len;
    char data[HF_IO_ASIDE_BLOCK];
};

struct aside {
    struct hf_io_sink sink, *next;
    pthread_t thread;
    bool has_thread; /* not joined yet */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_full;              /* from here on under the lock */
    bool is_last, is_abandoned; /* no more comes; no more is wanted */
    bool has_failed;
    struct hf_err failed;
    size_t at, first; /* block being filled: the writer's; being written: the thread's */
    struct block blocks[HF_IO_ASIDE_BLOCKS];
};

/* ---- the thread ------------------------------------------------------------------------- */

/* True: there is a block to write. */
static bool await_block(struct aside *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->n_full && !a->is_last && !a->is_abandoned)
        pthread_cond_wait(&a->changed, &a->lock);
    bool is_there = a->n_full > 0 && !a->is_abandoned;
    pthread_mutex_unlock(&a->lock);
    return is_there;
}

static void give_back(struct aside *a, int rc, const struct hf_err *err)
{
    pthread_mutex_lock(&a->lock);
    if (rc < 0) {
        a->has_failed = true;
        hf_err_copy(&a->failed, err);
    }
    a->n_full--;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static void *work(void *arg)
{
    struct aside *a = arg;
    struct hf_err err = HF_ERR_INIT;
    for (int rc = 0; rc == 0 && await_block(a); a->first = (a->first + 1) % HF_IO_ASIDE_BLOCKS) {
        const struct block *b = &a->blocks[a->first];
        rc = hf_io_write(a->next, b->data, b->len, &err);
        give_back(a, rc, &err);
    }
    return NULL;
}

/* ---- the writer ------------------------------------------------------------------------- */

/* The block being filled is full: the next one, as soon as it is free. */
static int pass_on(struct aside *a, struct hf_err *err)
{
    pthread_mutex_lock(&a->lock);
    a->n_full++;
    pthread_cond_signal(&a->changed);
    while (a->n_full == HF_IO_ASIDE_BLOCKS && !a->has_failed)
        pthread_cond_wait(&a->changed, &a->lock);
    bool has_failed = a->has_failed;
    pthread_mutex_unlock(&a->lock);
    if (has_failed) {
        hf_err_copy(err, &a->failed);
        return -1;
    }
    a->at = (a->at + 1) % HF_IO_ASIDE_BLOCKS;
    a->blocks[a->at].len = 0;
    return 0;
}

static int aside_write(struct hf_io_sink *s, const void *data, size_t len, struct hf_err *err)
{
    struct aside *a = (struct aside *)s;
    for (const char *p = data; len > 0;) {
        struct block *b = &a->blocks[a->at];
        size_t n = HF_IO_ASIDE_BLOCK - b->len < len ? HF_IO_ASIDE_BLOCK - b->len : len;
        memcpy(b->data + b->len, p, n);
        b->len += n;
        p += n;
        len -= n;
        if (b->len == HF_IO_ASIDE_BLOCK && pass_on(a, err) < 0)
            return -1;
    }
    return 0;
}

static void end_thread(struct aside *a, bool is_abandoned)
{
    if (!a->has_thread)
        return;
    pthread_mutex_lock(&a->lock);
    a->is_last = true;
    a->is_abandoned = is_abandoned;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    a->has_thread = false;
}

static int aside_finish(struct hf_io_sink *s, struct hf_err *err)
{
    struct aside *a = (struct aside *)s;
    int rc = a->blocks[a->at].len ? pass_on(a, err) : 0;
    end_thread(a, rc < 0);
    if (rc == 0 && a->has_failed) {
        hf_err_copy(err, &a->failed);
        rc = -1;
    }
    return rc < 0 ? -1 : hf_io_finish(a->next, err);
}

static void aside_close(struct hf_io_sink *s)
{
    struct aside *a = (struct aside *)s;
    end_thread(a, true);
    hf_io_close(a->next);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static const struct hf_io_sink_ops aside_ops = {aside_write, aside_finish, aside_close};

static int start(struct aside *a, struct hf_err *err)
{
    int e = hf_thread_start(&a->thread, work, a);
    a->has_thread = e == 0;
    return e ? hf_fail_sys(err, e, "a thread for what is written") : 0;
}

struct hf_io_sink *hf_io_aside_new(struct hf_io_sink *next, struct hf_err *err)
{
    struct aside *a = calloc(1, sizeof *a);
    if (!a) {
        hf_io_close(next);
        hf_fail_nomem(err);
        return NULL;
    }
    a->sink.ops = &aside_ops;
    a->next = next;
    a->failed = (struct hf_err)HF_ERR_INIT;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    if (start(a, err) < 0) {
        aside_close(&a->sink);
        return NULL;
    }
    return &a->sink;
}
