/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"
#include "hypervisor/host_log.h"
#include "hypervisor/worker.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define END_WAIT_MS 2000

/* ---- what the plugin sees of us: any thread, until the owner is gone ---------------------- */

static void host_log(void *ctx, enum hf_log_level level, const char *message)
{
    struct hv_core *core = ctx;
    pthread_mutex_lock(&core->edge);
    if (!core->is_abandoned)
        hf_host_log(core->log, level, core->table->name, message);
    pthread_mutex_unlock(&core->edge);
}

static bool is_late(struct hv_core *core, bool *out_undo)
{
    pthread_mutex_lock(&core->lock);
    bool late = core->current && core->current->is_late;
    *out_undo = core->current && core->current->is_undo;
    pthread_mutex_unlock(&core->lock);
    return late;
}

static void host_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct hv_core *core = ctx;
    bool undo;
    if (is_late(core, &undo))
        return;
    pthread_mutex_lock(&core->edge);
    if (!core->is_abandoned && core->progress)
        core->progress(core->progress_ctx, done, total);
    pthread_mutex_unlock(&core->edge);
}

static int host_cancelled(void *ctx)
{
    struct hv_core *core = ctx;
    bool undo;
    if (is_late(core, &undo))
        return 1;
    pthread_mutex_lock(&core->edge);
    bool cancelled = core->is_abandoned || (!undo && hf_cancel_is_set(core->cancel));
    pthread_mutex_unlock(&core->edge);
    return cancelled;
}

static int64_t host_now_ms(void *ctx)
{
    struct hv_core *core = ctx;
    pthread_mutex_lock(&core->edge);
    int64_t now = hf_clock_mono_ms(core->is_abandoned ? hf_clock_system() : core->clock);
    pthread_mutex_unlock(&core->edge);
    return now;
}

static void fill_host(struct hv_core *core)
{
    core->host = (struct hf_host){.magic = HF_HOST_MAGIC,
                                  .abi_major = HF_ABI_MAJOR,
                                  .abi_minor = HF_ABI_MINOR,
                                  .struct_size = sizeof core->host,
                                  .ctx = core,
                                  .log = host_log,
                                  .progress = host_progress,
                                  .cancelled = host_cancelled,
                                  .now_ms = host_now_ms};
}

/* ---- the thread --------------------------------------------------------------------------- */

static void core_put(struct hv_core *core)
{
    pthread_mutex_lock(&core->lock);
    bool is_last = --core->refs == 0;
    pthread_mutex_unlock(&core->lock);
    if (!is_last)
        return;
    /* An abandoned thread may still run destructors of the plugin's libraries when it exits, after
     * this: its plugin stays mapped for good. */
    if (!core->is_abandoned)
        hf_plugin_unload(core->plugin);
    else
        hf_plugin_forget(core->plugin);
    pthread_cond_destroy(&core->changed);
    pthread_mutex_destroy(&core->lock);
    pthread_mutex_destroy(&core->edge);
    free(core);
}

static void free_orphans(struct hv_core *core)
{
    pthread_mutex_lock(&core->lock);
    struct hv_cap *cap = HF_STEAL(core->orphans);
    pthread_mutex_unlock(&core->lock);
    while (cap) {
        struct hv_cap *next = cap->next_orphan;
        if (core->table->capture_free)
            core->table->capture_free(core->instance, cap->handle);
        free(cap);
        cap = next;
    }
}

/* The next call, or NULL: the owner is closing. */
static struct hv_call *next_call(struct hv_core *core)
{
    pthread_mutex_lock(&core->lock);
    while (!core->current && !core->orphans && !core->is_closing)
        pthread_cond_wait(&core->changed, &core->lock);
    struct hv_call *c = core->current;
    pthread_mutex_unlock(&core->lock);
    return c;
}

/* A call whose caller gave up while a free was hanging has not begun, and must not. */
static int run_call(struct hv_core *core, struct hv_call *c)
{
    bool undo;
    if (is_late(core, &undo))
        return hf_fail(&c->err, HF_E_TIMEOUT, "%s was not begun", c->op);
    return c->run(core, c, &c->call, &c->err);
}

static bool is_over(struct hv_core *core)
{
    pthread_mutex_lock(&core->lock);
    bool over = core->is_closing && !core->current && !core->orphans;
    pthread_mutex_unlock(&core->lock);
    return over;
}

static void *thread_main(void *arg)
{
    struct hv_core *core = arg;
    for (;;) {
        struct hv_call *c = next_call(core);
        free_orphans(core);
        if (c)
            hv_call_finish(c, run_call(core, c));
        else if (is_over(core))
            break;
    }
    if (core->instance)
        core->table->close(core->instance);
    pthread_mutex_lock(&core->lock);
    core->is_gone = true;
    pthread_cond_broadcast(&core->changed);
    pthread_mutex_unlock(&core->lock);
    core_put(core);
    return NULL;
}

/* Signals belong to the program's own threads: the worker would otherwise take a SIGTERM into a
 * hypervisor library that restarts nothing. */
static int start_thread(struct hv_core *core, struct hf_err *err)
{
    core->refs++;
    int rc = hf_thread_start(&core->thread, thread_main, core);
    if (rc == 0)
        return 0;
    core->refs--;
    return hf_fail_sys(err, rc, "thread for plugin '%s'", core->table->name);
}

static void init_locks(struct hv_core *core)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&core->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&core->lock, NULL);
    pthread_mutex_init(&core->edge, NULL);
}

int hv_core_new(const struct hf_hv_opts *opts, struct hv_core **out, struct hf_err *err)
{
    struct hv_core *core = calloc(1, sizeof *core);
    if (!core)
        return hf_fail_nomem(err);
    init_locks(core);
    core->refs = 1;
    core->late_err = (struct hf_err)HF_ERR_INIT;
    core->log = opts->log;
    core->cancel = opts->cancel;
    core->clock = opts->clock ? opts->clock : hf_clock_system();
    core->progress = opts->progress;
    core->progress_ctx = opts->progress_ctx;
    core->plugin = hf_plugin_load(opts->plugin_dir, opts->plugin, opts->log, err);
    if (core->plugin) {
        core->table = hf_plugin_table(core->plugin);
        fill_host(core);
        if (hf_plugin_check_config(core->table, opts->kv, opts->n_kv, err) == 0 &&
            start_thread(core, err) == 0) {
            *out = core;
            return 0;
        }
    }
    core_put(core);
    return -1;
}

static bool wait_gone(struct hv_core *core)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_WAIT_MS / 1000;
    pthread_mutex_lock(&core->lock);
    core->is_closing = true;
    pthread_cond_broadcast(&core->changed);
    while (!core->is_gone && pthread_cond_timedwait(&core->changed, &core->lock, &until) == 0)
        ;
    bool is_gone = core->is_gone;
    pthread_mutex_unlock(&core->lock);
    return is_gone;
}

void hv_core_end(struct hv_core *core)
{
    if (wait_gone(core)) {
        pthread_join(core->thread, NULL);
    } else {
        pthread_mutex_lock(&core->edge);
        core->is_abandoned = true;
        pthread_mutex_unlock(&core->edge);
        pthread_detach(core->thread);
    }
    core_put(core);
}
