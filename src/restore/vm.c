/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "restore/vm_intern.h"
#include "run/effects.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MACHINE_MS (2 * 60 * 1000)
#define GUARDIAN_MS 20000
#define PING_MS 5000
#define PING_PAUSE_MS 500

void restoring_close(struct restoring *r)
{
    hf_guardian_dismiss(r->guardian);
    for (size_t i = 0; i < r->n_serving; i++)
        hf_serving_free(r->serving[i]);
    free(r->serving);
    for (size_t i = 0; i < r->n_disks; i++) {
        free(r->disks[i].part);
        free(r->disks[i].file);
    }
    free(r->disks);
    hf_vm_copy_free(&r->found);
    hf_strv_free(&r->former);
    restoring_free_kept(r);
    free(r->dir);
    free(r->part);
    hf_buf_free(&r->definition);
    hf_hv_machine_plan_free(&r->plan);
    hf_journal_close(r->journal);
    hf_hv_close(r->hv);
    hf_open_point_close(&r->point);
    hf_vmlock_release(r->lock);
}

int restoring_guard(struct restoring *r, struct hf_err *err)
{
    r->guardian = hf_guardian_start(r->env, r->id, hf_vmlock_fd(r->lock), err);
    if (!r->guardian)
        return -1;
    return hf_guardian_wait(r->guardian, hf_clock_mono_ms(r->env->clock) + GUARDIAN_MS, err);
}

/* ---- the disks -------------------------------------------------------------------------- */

static int restore_disk(struct restoring *r, struct hf_image *image, struct restoring_disk *d,
                        struct hf_err *err)
{
    const struct hf_manifest *m = &r->point.manifest;
    HF_AUTOFREE char *point = hf_asprintf("%s/%s", m->point.vm, m->point.id);
    if (!point)
        return hf_fail_nomem(err);
    const struct hf_restore_disk what = {.image = image,
                                         .root = d->artifact->root,
                                         .point = point,
                                         .disk = d->artifact->name,
                                         .file = d->part,
                                         .format = r->req->format,
                                         .is_provisional = true,
                                         .clock = r->env->clock,
                                         .log = r->env->log,
                                         .cancel = r->env->cancel,
                                         .progress = r->env->progress,
                                         .progress_ctx = r->env->progress_ctx};
    if (hf_restore_disk(&what, &d->done, err) == 0)
        return 0;
    hf_open_point_fail(&r->point, err);
    return hf_wrap(err, "disk %s of %s", d->artifact->name, m->point.id);
}

static int restore_disks(struct restoring *r, struct hf_err *err)
{
    HF_AUTO(hf_image)
    struct hf_image *image = hf_open_point_image(r->env, &r->point, "restore", err);
    if (!image || restoring_make_part(r, err) < 0)
        return -1;
    r->has_part = true;
    for (size_t i = 0; i < r->n_disks; i++)
        if (restore_disk(r, image, &r->disks[i], err) < 0)
            return -1;
    return restoring_tidy_part(r, err);
}

/* ---- the machine ------------------------------------------------------------------------ */

static int name_folder(struct restoring *r, struct hf_err *err)
{
    if (HF_POINT_ERR("restore.vm.before_name", err) < 0)
        return -1;
    if (hf_path_name_folder(r->part, r->dir) != 0)
        return hf_fail_sys(err, errno, "folder '%s'", r->dir);
    if (hf_path_sync_dir(r->req->dir, err) < 0)
        return -1;
    return HF_POINT_ERR("restore.vm.after_name", err);
}

/* In place: it counts when its guest answers. */
static int wait_for_boot(struct restoring *r, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    const struct hf_clock *clock = r->env->clock;
    int64_t until = hf_clock_mono_ms(clock) + r->req->boot_ms;
    if (!r->req->in_place || !r->req->boot_ms)
        return 0;
    while (!hf_clock_is_past(clock, until)) {
        struct hf_hv_call call = hf_env_call(r->env, r->id, PING_MS);
        if (hf_hv_guest_ping(r->hv, &call, r->plan.vm_id, &why) == 0)
            return 0;
        if (hf_cancel_is_set(r->env->cancel))
            return hf_fail(err, HF_E_CANCELLED, "cancelled before %s had booted", r->name);
        hf_clock_sleep_ms(clock, PING_PAUSE_MS);
    }
    r->has_not_booted = true;
    return hf_fail(err, HF_E_TIMEOUT, "%s did not boot from the restored disks: %s", r->name,
                   why.message);
}

static int create(struct restoring *r, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(r->env, r->id, MACHINE_MS);
    if (r->pushed)
        return restoring_make_pushed(r, err);
    return hf_hv_machine_create(r->hv, &call, r->plan.definition, r->plan.undo_token, err);
}

static int make_machine(struct restoring *r, struct hf_err *err)
{
    if (create(r, err) < 0 || HF_POINT_ERR("restore.vm.after_create", err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(r->env, r->id, MACHINE_MS);
    if ((r->req->start || r->req->in_place) &&
        hf_hv_machine_start(r->hv, &call, r->plan.undo_token, false, err) < 0)
        return -1;
    return wait_for_boot(r, err) < 0 ? -1 : HF_POINT_ERR("restore.vm.after_start", err);
}

/* What was noted of the former disks since their last backup; the next backup would do it, too. */
static void forget_changes(struct restoring *r)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv dropped = HF_STRV_INIT;
    struct hf_hv_call call = hf_env_call(r->env, r->id, MACHINE_MS);
    if (r->req->in_place &&
        hf_hv_checkpoint_drop(r->hv, &call, r->plan.vm_id, NULL, &dropped, &why) < 0)
        hf_log_err(r->env->log, HF_LOG_WARN, "restore", &why);
}

/* From here on it counts: what goes wrong now is finished by recover. */
static int settle(struct restoring *r, const struct hf_effect_machine *m, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(r->env, r->id, MACHINE_MS);
    if (hf_effect_machine_decided(r->journal, m, err) < 0)
        return -1;
    HF_POINT("restore.vm.after_decision");
    if (hf_hv_machine_settle(r->hv, &call, m->token, &why) == 0 &&
        hf_effect_remove_records(m->dir, &why) == 0) {
        HF_POINT("restore.vm.after_settle");
        forget_changes(r);
        if (hf_journal_end(r->journal, "done", &why) == 0 &&
            hf_journal_finish(r->journal, &why) == 0)
            return 0;
    }
    hf_hint(&why, "The machine is restored; `holdfast recover` ends its journal.");
    hf_log_err(r->env->log, HF_LOG_WARN, "restore", &why);
    return 0;
}

static int bring_up(struct restoring *r, struct hf_err *err)
{
    const struct hf_effect_machine m = {.hypervisor = r->hypervisor->label,
                                        .token = r->plan.undo_token,
                                        .part = r->part,
                                        .dir = r->dir};
    if (restoring_guard(r, err) < 0 || hf_effect_machine(r->journal, &m, err) < 0 ||
        (!r->pushed && name_folder(r, err) < 0) || make_machine(r, err) < 0)
        return -1;
    return settle(r, &m, err);
}

int restoring_undo(struct restoring *r, const char *outcome, struct hf_err *err)
{
    HF_AUTO(hf_undo) struct hf_undo undo = {.env = r->env, .hv = r->hv};
    if (hf_undo_journal(&undo, r->journal, err) < 0 || hf_journal_end(r->journal, outcome, err) < 0)
        return -1;
    return hf_journal_finish(r->journal, err);
}

int restoring_give_up(struct restoring *r, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    if (r->journal && restoring_undo(r, "failed", &second) < 0)
        return hf_also(err, &second);
    if (r->has_not_booted)
        hf_hint(err, "The machine has its former disks again, and is shut off.");
    return -1;
}

int restoring_begin(struct restoring *r, struct json_object **out, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    r->began_ms = hf_clock_mono_ms(r->env->clock);
    if (hf_id_new(r->env->clock, r->id, err) < 0)
        return -1;
    if (restoring_plan(r, err) == 0)
        return 0;
    if (r->plan.findings.n)
        (void)!restoring_document(r, out, &ignored);
    return restoring_give_up(r, err);
}

/* A folder that is hidden, and may hold much. */
static int leave_part(const struct restoring *r, struct hf_err *err)
{
    if (!r->has_part || rmdir(r->part) == 0 || errno == ENOENT || err->left[0])
        return -1;
    hf_left(err, "'%s', with what was restored so far", r->part);
    return hf_hint(err,
                   "The same command goes on from there. Whoever does not want to removes it.");
}

static int make_package(struct restoring *r, struct json_object **out, struct hf_err *err)
{
    if (restore_disks(r, err) < 0 || restoring_write_ovf(r, err) < 0 || name_folder(r, err) < 0)
        return leave_part(r, err);
    return restoring_document(r, out, err);
}

int hf_restore_vm(const struct hf_env *env, const struct hf_restore_vm *req,
                  struct json_object **out, struct hf_err *err)
{
    HF_AUTO(restoring) struct restoring r = {.env = env, .req = req};
    if (restoring_begin(&r, out, err) < 0)
        return -1;
    if (req->dry_run)
        return restoring_document(&r, out, err);
    if (req->is_ovf)
        return make_package(&r, out, err);
    if ((!r.pushed && restore_disks(&r, err) < 0) || bring_up(&r, err) < 0)
        return restoring_give_up(&r, err);
    return restoring_document(&r, out, err);
}
