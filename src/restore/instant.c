/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/instant.h"

#include "base/buf.h"
#include "base/point.h"
#include "restore/vm_intern.h"
#include "run/effects.h"

#include <poll.h>
#include <stdlib.h>

#define AREA "restore"
#define MACHINE_MS (2 * 60 * 1000)
#define LOOK_MS 1000 /* how often we look whether it runs */
#define FIND_MS 5000
#define FULL_PERCENT 90 /* of the memory for what it writes */

/* ---- up --------------------------------------------------------------------------------- */

static int make_folder(const struct restoring *r, struct hf_err *err)
{
    if (HF_POINT_ERR("instant.before_folder", err) < 0 || hf_serve_make_dir(r->dir, err) < 0)
        return -1;
    return HF_POINT_ERR("instant.after_folder", err);
}

static int serve_disk(struct restoring *r, const struct restoring_disk *d, struct hf_err *err)
{
    struct hf_serving *s = hf_serve_begin_open(r->env, &r->point, d->artifact->name, d->file, err);
    if (!s)
        return -1;
    r->serving[r->n_serving++] = s;
    return 0;
}

static int serve_all(struct restoring *r, struct hf_err *err)
{
    r->serving = calloc(r->n_disks + 1, sizeof(struct hf_serving *));
    if (!r->serving)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < r->n_disks; i++)
        if (serve_disk(r, &r->disks[i], err) < 0)
            return -1;
    return 0;
}

static int start_machine(const struct restoring *r, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(r->env, r->id, MACHINE_MS);
    if (HF_POINT_ERR("instant.before_create", err) < 0 ||
        hf_hv_machine_create(r->hv, &call, r->plan.definition, r->plan.undo_token, err) < 0 ||
        HF_POINT_ERR("instant.after_create", err) < 0 ||
        hf_hv_machine_start(r->hv, &call, r->plan.undo_token, false, err) < 0)
        return -1;
    return HF_POINT_ERR("instant.after_start", err);
}

static int check_memory(const struct restoring *r, struct hf_err *err)
{
    unsigned percent = 0;
    HF_AUTOFREE char *folder = NULL;
    if (hf_serve_memory(&percent, &folder, err) < 0)
        return -1;
    if (percent < FULL_PERCENT)
        return 0;
    hf_fail(err, HF_E_NOSPACE, "the memory for what %s would write in '%s' is %u%% full", r->name,
            folder, percent);
    return hf_hint(err, "Make room there, or mount another tmpfs and set TMPDIR to it.");
}

static int bring_up(struct restoring *r, struct hf_err *err)
{
    if (check_memory(r, err) < 0 || restoring_guard(r, err) < 0 ||
        hf_effect_machine_served(r->journal, r->hypervisor->label, r->name, r->plan.undo_token,
                                 r->dir, err) < 0)
        return -1;
    if (make_folder(r, err) < 0 || serve_all(r, err) < 0)
        return -1;
    return start_machine(r, err);
}

static int tell_up(const struct restoring *r, hf_instant_up_cb up, void *ctx, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = NULL;
    if (restoring_document(r, &doc, err) < 0)
        return -1;
    return up(ctx, doc, err) < 0 ? -1 : HF_POINT_ERR("instant.up", err);
}

/* ---- until the end ---------------------------------------------------------------------- */

/* A hypervisor that does not answer now says nothing of the machine. */
static bool has_stopped(const struct restoring *r)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_hv_call call = hf_env_call(r->env, r->id, FIND_MS);
    if (hf_hv_vm_find(r->hv, &call, r->plan.vm_id, &vm, &why) < 0)
        return why.cls == HF_E_NOT_FOUND;
    return vm.state == HF_VM_OFF || vm.state == HF_VM_CRASHED;
}

static bool has_lost_disk(const struct restoring *r, const struct pollfd *fds)
{
    for (size_t i = 0; i < r->n_serving; i++) {
        struct hf_serve_facts facts;
        if (!fds[i].revents)
            continue;
        hf_serve_facts(r->serving[i], &facts);
        hf_log(r->env->log, HF_LOG_ERROR, AREA, "disk %s of %s is gone: nbdkit has ended by itself",
               facts.disk, r->name);
        return true;
    }
    return false;
}

/* What cannot be looked at now is looked at a second later. warned: at how many of the steps. */
static bool has_no_memory(const struct restoring *r, size_t *warned)
{
    static const unsigned steps[] = {50, 80};
    unsigned percent = 0;
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *folder = NULL;
    size_t step = 0;
    if (hf_serve_memory(&percent, &folder, &ignored) < 0)
        return false;
    if (percent >= FULL_PERCENT) {
        hf_log(r->env->log, HF_LOG_ERROR, AREA,
               "the memory for what %s writes in '%s' is %u%% full: it is ended, before it is full",
               r->name, folder, percent);
        return true;
    }
    while (step < HF_ARRAY_SIZE(steps) && percent >= steps[step])
        step++;
    if (step > *warned)
        hf_log(r->env->log, HF_LOG_WARN, AREA,
               "the memory for what %s writes in '%s' is %u%% full: at %u%% it is ended", r->name,
               folder, percent, FULL_PERCENT);
    *warned = step > *warned ? step : *warned;
    return false;
}

/* 0, or 1: something went wrong. */
static int await_end(const struct restoring *r)
{
    size_t n = r->n_serving, warned = 0;
    HF_AUTOFREE struct pollfd *fds = calloc(n + 1, sizeof *fds);
    if (!fds)
        return 1;
    for (size_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = hf_serve_fd(r->serving[i]), .events = POLLIN};
    fds[n] = (struct pollfd){.fd = hf_cancel_fd(r->env->cancel), .events = POLLIN};
    while (!hf_cancel_is_set(r->env->cancel)) {
        if ((poll(fds, n + 1, LOOK_MS) > 0 && has_lost_disk(r, fds)) || has_no_memory(r, &warned))
            return 1;
        if (!hf_cancel_is_set(r->env->cancel) && has_stopped(r)) {
            hf_log(r->env->log, HF_LOG_INFO, AREA, "machine %s has stopped", r->name);
            return 0;
        }
    }
    return 0;
}

/* The machine first: it shall not see its disks go. */
static int bring_down(struct restoring *r, int status)
{
    struct hf_err err = HF_ERR_INIT;
    HF_POINT("instant.before_end");
    if (restoring_undo(r, "done", &err) == 0)
        return status;
    hf_hint(&err, "Run `holdfast recover` when the cause is gone.");
    hf_log_err(r->env->log, HF_LOG_ERROR, AREA, &err);
    return 1;
}

int hf_restore_instant(const struct hf_env *env, const struct hf_restore_vm *req,
                       hf_instant_up_cb up, void *ctx, struct json_object **out, struct hf_err *err)
{
    HF_AUTO(restoring) struct restoring r = {.env = env, .req = req};
    if (restoring_begin(&r, out, err) < 0)
        return -1;
    if (req->dry_run)
        return restoring_document(&r, out, err);
    if (bring_up(&r, err) < 0 || tell_up(&r, up, ctx, err) < 0)
        return restoring_give_up(&r, err);
    return bring_down(&r, await_end(&r));
}
