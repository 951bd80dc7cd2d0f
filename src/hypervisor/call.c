/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/worker.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A plugin that keeps the deadline itself comes home just after it, with the better message. */
#define GRACE_MS 25

struct hv_call *hv_call_new(struct hv_core *core, const char *op, bool has_slot, hv_run_fn run,
                            const struct hf_hv_call *call, struct hf_err *err)
{
    if (!has_slot) {
        hf_fail(err, HF_E_UNSUPPORTED, "plugin '%s' has no %s", core->table->name, op);
        return NULL;
    }
    struct hv_call *c = calloc(1, sizeof *c);
    if (!c || (call->run_id && !(c->run_id = strdup(call->run_id)))) {
        free(c);
        hf_fail_nomem(err);
        return NULL;
    }
    c->core = core;
    c->refs = 1;
    c->op = op;
    c->run = run;
    c->err = (struct hf_err)HF_ERR_INIT;
    c->call = (struct hf_call){
        .struct_size = sizeof c->call, .deadline_ms = call->deadline_ms, .request_id = c->run_id};
    return c;
}

void hv_call_arg(struct hv_call *c, size_t i, const char *value)
{
    if (value && !(c->args[i] = strdup(value)))
        c->is_broken = true;
}

static void call_free(struct hv_call *c)
{
    for (size_t i = 0; i < HV_ARGS; i++)
        free(c->args[i]);
    hf_strv_free(&c->argv);
    hf_vm_copy_free(&c->vm);
    hf_vm_list_free(&c->vms);
    hf_disk_list_free(&c->disks);
    hf_snapshot_list_free(&c->snapshots);
    hf_probe_copy_free(&c->probe);
    hf_hv_capture_plan_free(&c->plan);
    hf_export_copy_free(&c->export);
    hf_pushed_copy_free(&c->pushed);
    hf_pushed_list_free(&c->pushed_all);
    hf_hv_rollback_plan_free(&c->rollback);
    hf_hv_machine_plan_free(&c->machine);
    hf_machine_list_free(&c->machines);
    hf_strv_free(&c->texts);
    hf_hv_exec_result_free(&c->exec);
    hf_mount_list_free(&c->mounts);
    if (c->input.data)
        explicit_bzero(c->input.data, c->input.cap); /* what a program reads may be a password */
    hf_buf_free(&c->input);
    hf_buf_free(&c->data);
    free(c->text);
    free(c->run_id);
    free(c);
}

static void cap_put_locked(struct hv_core *core, struct hv_cap *cap)
{
    if (!cap || --cap->refs > 0)
        return;
    cap->next_orphan = core->orphans;
    core->orphans = cap;
    pthread_cond_broadcast(&core->changed);
}

void hv_cap_put(struct hv_core *core, struct hv_cap *cap)
{
    pthread_mutex_lock(&core->lock);
    cap_put_locked(core, cap);
    pthread_mutex_unlock(&core->lock);
}

static bool call_put_locked(struct hv_core *core, struct hv_call *c)
{
    if (--c->refs > 0)
        return false;
    cap_put_locked(core, HF_STEAL(c->cap));
    cap_put_locked(core, HF_STEAL(c->new_cap));
    return true;
}

void hv_call_put(struct hv_call *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->core->lock);
    bool is_last = call_put_locked(c->core, c);
    pthread_mutex_unlock(&c->core->lock);
    if (is_last)
        call_free(c);
}

/* What a plugin says about its failure is foreign: complete it, never trust its terminators. */
static int judge(struct hv_call *c, int rc)
{
    struct hf_err *e = &c->err;
    const char *plugin = c->core->table->name;
    e->struct_size = sizeof *e;
    e->message[sizeof e->message - 1] = '\0';
    e->hint[sizeof e->hint - 1] = '\0';
    e->left[sizeof e->left - 1] = '\0';
    if (rc == 0)
        return 0;
    if (rc != -1)
        return hf_fail(e, HF_E_PLUGIN, "plugin '%s': %s returned %d", plugin, c->op, rc);
    if (e->cls <= HF_E_NONE || e->cls >= HF_E_CLASSES || !e->message[0])
        return hf_fail(e, HF_E_PLUGIN, "plugin '%s': %s failed without a reason", plugin, c->op);
    return -1;
}

void hv_call_finish(struct hv_call *c, int rc)
{
    struct hv_core *core = c->core;
    rc = judge(c, rc);
    pthread_mutex_lock(&core->lock);
    c->rc = rc;
    c->is_done = true;
    if (c->is_late) {
        hf_err_clear(&core->late_err);
        if (rc != 0)
            hf_err_copy(&core->late_err, &c->err);
    }
    cap_put_locked(core, HF_STEAL(c->cap));
    core->current = NULL;
    pthread_cond_broadcast(&core->changed);
    bool is_last = call_put_locked(core, c);
    pthread_mutex_unlock(&core->lock);
    if (is_last)
        call_free(c);
}

static struct timespec in_ms(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Until it is done (under core->lock), taking what it hands over meanwhile; false: the time is over. */
static bool wait_home(struct hv_core *core, struct hv_call *c, int64_t ms)
{
    struct timespec until = in_ms(ms);
    while (!c->is_done) {
        if (c->extent.is_there && !c->extent.is_unwanted)
            hv_call_take_extent(c);
        else if (pthread_cond_timedwait(&core->changed, &core->lock, &until) != 0)
            return c->is_done;
    }
    return true;
}

static int hand_over(struct hv_core *core, struct hv_call *c, struct hf_err *err)
{
    if (core->current) {
        hf_fail(err, HF_E_BUSY, "plugin '%s' has not come back from %s", core->table->name,
                core->current->op);
        err->retryable = 1;
        return -1;
    }
    c->refs++;
    core->current = c;
    pthread_cond_broadcast(&core->changed);
    return 0;
}

int hv_call_go(struct hv_call *c, struct hf_err *err)
{
    struct hv_core *core = c->core;
    if (c->is_broken)
        return hf_fail_nomem(err);
    if (hf_clock_is_past(core->clock, c->call.deadline_ms))
        return hf_fail(err, HF_E_TIMEOUT, "%s: the deadline had passed before it began", c->op);
    pthread_mutex_lock(&core->lock);
    if (hand_over(core, c, err) != 0) {
        pthread_mutex_unlock(&core->lock);
        return -1;
    }
    int64_t left = hf_clock_left_ms(core->clock, c->call.deadline_ms);
    bool is_home = wait_home(core, c, left + GRACE_MS);
    c->is_late = !is_home;
    if (c->is_late)
        pthread_cond_broadcast(&core->changed); /* it may wait for somebody to take a piece */
    pthread_mutex_unlock(&core->lock);
    if (!is_home)
        return hf_fail(err, HF_E_TIMEOUT, "plugin '%s': %s did not return in time",
                       core->table->name, c->op);
    if (c->rc != 0)
        hf_err_copy(err, &c->err);
    return c->rc;
}

bool hf_hv_is_stuck(struct hf_hv *hv)
{
    pthread_mutex_lock(&hv->core->lock);
    bool stuck = hv->core->current != NULL;
    pthread_mutex_unlock(&hv->core->lock);
    return stuck;
}

int hf_hv_wait_home(struct hf_hv *hv, int64_t deadline_ms, struct hf_err *late, struct hf_err *err)
{
    struct hv_core *core = hv->core;
    pthread_mutex_lock(&core->lock);
    struct timespec until = in_ms(hf_clock_left_ms(core->clock, deadline_ms));
    while (core->current && pthread_cond_timedwait(&core->changed, &core->lock, &until) == 0)
        ;
    const char *op = core->current ? core->current->op : NULL;
    if (!op)
        hf_err_copy(late, &core->late_err);
    pthread_mutex_unlock(&core->lock);
    if (op)
        return hf_fail(err, HF_E_TIMEOUT, "plugin '%s': %s is still away", core->table->name, op);
    return 0;
}
