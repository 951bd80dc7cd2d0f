/* SPDX-License-Identifier: Apache-2.0 */
#include "run/usage.h"

#include "base/buf.h"
#include "base/units.h"
#include "run/datastores.h"

#include <inttypes.h>
#include <string.h>

void hf_usage_free(struct hf_usage *u)
{
    free(u->store);
    free(u->unknown_store);
    hf_strv_free(&u->datastores);
    *u = (struct hf_usage){0};
}

/* ---- what there is ----------------------------------------------------------------------- */

/* Bytes above min-free; negative: below it. */
static int64_t room(const struct hf_config_vm *vm, uint64_t total, uint64_t avail)
{
    uint64_t min = hf_share_of(&vm->min_free, total);
    uint64_t diff = avail > min ? avail - min : min - avail;
    int64_t bytes = diff > INT64_MAX ? INT64_MAX : (int64_t)diff;
    return avail >= min ? bytes : -bytes;
}

static int replace(char **to, const char *text, struct hf_err *err)
{
    char *copy = strdup(text);
    if (!copy)
        return hf_fail_nomem(err);
    free(*to);
    *to = copy;
    return 0;
}

static int add_store(struct hf_usage *u, const struct hf_config_vm *vm,
                     const struct hf_disk_copy *d, struct hf_err *err)
{
    if (!d->store || d->store_total_bytes == 0)
        return replace(&u->unknown_store, d->store ? d->store : d->target, err);
    if (u->store && room(vm, u->store_total_bytes, u->store_free_bytes) <=
                        room(vm, d->store_total_bytes, d->store_free_bytes))
        return 0;
    u->store_total_bytes = d->store_total_bytes;
    u->store_free_bytes = d->store_free_bytes;
    return replace(&u->store, d->store, err);
}

int hf_usage_add_disks(struct hf_usage *u, const struct hf_config_vm *vm,
                       const struct hf_disk_list *disks, struct hf_err *err)
{
    for (size_t i = 0; i < disks->n; i++) {
        const struct hf_disk_copy *d = &disks->items[i];
        if (d->skipped || d->refused)
            continue;
        u->disk_bytes += d->capacity_bytes;
        u->chain = d->chain_depth > u->chain ? d->chain_depth : u->chain;
        if (add_store(u, vm, d, err) < 0)
            return -1;
    }
    return 0;
}

void hf_usage_add_snapshots(struct hf_usage *u, const struct hf_snapshot_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct hf_snapshot_copy *s = &list->items[i];
        int64_t at_us = s->created_at_s * 1000000;
        if (!s->is_ours) {
            u->n_foreign++;
            continue;
        }
        u->n_ours++;
        u->overlay_bytes += s->overlay_bytes;
        if (at_us > 0 && (u->oldest_us == 0 || at_us < u->oldest_us))
            u->oldest_us = at_us;
    }
}

int hf_usage_take(struct hf_hv *hv, const struct hf_hv_call *call, const struct hf_config_vm *vm,
                  const char *vm_id, struct hf_usage *out, struct hf_err *err)
{
    HF_AUTO(hf_disk_list) struct hf_disk_list disks = {0};
    HF_AUTO(hf_snapshot_list) struct hf_snapshot_list list = {0};
    if (hf_hv_vm_disks(hv, call, vm_id, &disks, err) < 0 ||
        hf_hv_snapshot_list(hv, call, vm_id, &list, err) < 0 ||
        hf_datastores_add(&out->datastores, &disks, err) < 0)
        return -1;
    hf_usage_add_snapshots(out, &list);
    return hf_usage_add_disks(out, vm, &disks, err);
}

/* ---- what is too much -------------------------------------------------------------------- */

struct judging {
    const struct hf_usage *u;
    const struct hf_config_vm *vm;
    int64_t now_us;
    hf_excess_cb emit;
    void *ctx;
};

/* text: owned, NULL: no memory. */
static int exceed(const struct judging *j, struct hf_excess e, char *text, struct hf_err *err)
{
    HF_AUTOFREE char *message = text;
    if (!message)
        return hf_fail_nomem(err);
    e.message = message;
    return j->emit(j->ctx, &e, err);
}

static void share_text(const struct hf_share *s, char out[HF_UNITS_MAX])
{
    if (s->is_percent)
        snprintf(out, HF_UNITS_MAX, "%" PRIu64 "%%", s->value);
    else
        hf_format_size(s->value, out);
}

static int judge_free(const struct judging *j, struct hf_err *err)
{
    const struct hf_usage *u = j->u;
    char avail[HF_UNITS_MAX], total[HF_UNITS_MAX], min[HF_UNITS_MAX];
    if (!u->store || room(j->vm, u->store_total_bytes, u->store_free_bytes) >= 0)
        return 0;
    hf_format_size(u->store_free_bytes, avail);
    hf_format_size(u->store_total_bytes, total);
    share_text(&j->vm->min_free, min);
    return exceed(
        j,
        (struct hf_excess){
            .limit = "min-free",
            .refuses = true,
            .cls = HF_E_NOSPACE,
            .hint = "Make room there, delete snapshots (`holdfast snapshot list` shows what their "
                    "overlays take, `holdfast prune` deletes expired ones), or lower min-free."},
        hf_asprintf("%s of %s are free in %s, less than min-free = %s", avail, total, u->store,
                    min),
        err);
}

static int judge_depth(const struct judging *j, struct hf_err *err)
{
    static const char hint[] =
        "Delete a snapshot first: `holdfast snapshot list` shows them, `holdfast prune` "
        "deletes expired ones.";
    struct hf_excess e = {.refuses = true, .cls = HF_E_UNSUPPORTED, .hint = hint};
    e.limit = "max-snapshots";
    if (j->u->n_ours >= j->vm->max_snapshots &&
        exceed(j, e,
               hf_asprintf("%" PRIu32 " snapshots of holdfast's, and max-snapshots = %" PRIu32,
                           j->u->n_ours, j->vm->max_snapshots),
               err) < 0)
        return -1;
    e.limit = "max-chain";
    if (j->u->chain < j->vm->max_chain)
        return 0;
    return exceed(j, e,
                  hf_asprintf("a disk has %" PRIu32 " layers, and max-chain = %" PRIu32,
                              j->u->chain, j->vm->max_chain),
                  err);
}

static int judge_age(const struct judging *j, struct hf_err *err)
{
    char age[HF_UNITS_MAX], max[HF_UNITS_MAX];
    int64_t age_ms = (j->now_us - j->u->oldest_us) / 1000;
    if (j->u->oldest_us == 0 || age_ms <= j->vm->max_snapshot_age)
        return 0;
    hf_format_duration(age_ms / 60000 * 60000, age);
    hf_format_duration(j->vm->max_snapshot_age, max);
    return exceed(j,
                  (struct hf_excess){.limit = "max-snapshot-age",
                                     .hint = "Delete it when it is no longer needed; --keep or "
                                             "snapshot-keep does that in time."},
                  hf_asprintf("the oldest snapshot is %s old, and max-snapshot-age = %s", age, max),
                  err);
}

static int judge_growth(const struct judging *j, struct hf_err *err)
{
    char taken[HF_UNITS_MAX], max[HF_UNITS_MAX];
    if (j->u->overlay_bytes <= hf_share_of(&j->vm->max_overlay, j->u->disk_bytes))
        return 0;
    hf_format_size(j->u->overlay_bytes, taken);
    share_text(&j->vm->max_overlay, max);
    return exceed(
        j,
        (struct hf_excess){.limit = "max-overlay",
                           .hint = "Delete the snapshot with the largest overlay: the more it has "
                                   "grown, the longer that takes."},
        hf_asprintf("overlays have grown to %s, and max-overlay = %s", taken, max), err);
}

int hf_usage_judge(const struct hf_usage *u, const struct hf_config_vm *vm, int64_t now_us,
                   hf_excess_cb emit, void *ctx, struct hf_err *err)
{
    struct judging j = {.u = u, .vm = vm, .now_us = now_us, .emit = emit, .ctx = ctx};
    if (judge_free(&j, err) < 0 || judge_depth(&j, err) < 0 || judge_age(&j, err) < 0)
        return -1;
    return judge_growth(&j, err);
}

static int refuse(void *ctx, const struct hf_excess *e, struct hf_err *err)
{
    if (!e->refuses)
        return 0;
    hf_fail(err, e->cls, "no %s: %s", (const char *)ctx, e->message);
    return hf_hint(err, "%s", e->hint);
}

int hf_usage_refuse(const struct hf_usage *u, const struct hf_config_vm *vm, struct hf_err *err)
{
    char what[] = "further snapshot";
    if (hf_usage_judge(u, vm, 0, refuse, what, err) == 0)
        return 0;
    return hf_wrap(err, "vm %s", vm->label);
}

bool hf_usage_has_backup(const struct hf_vm_copy *vm)
{
    return (vm->can & (HF_CAN_EXPORT_NBD | HF_CAN_EXPORT_STREAM)) == HF_CAN_EXPORT_STREAM;
}

int hf_usage_refuse_backup(const struct hf_usage *u, const struct hf_config_vm *vm,
                           struct hf_err *err)
{
    char what[] = "snapshot for a backup";
    const struct judging j = {.u = u, .vm = vm, .emit = refuse, .ctx = what};
    if (judge_free(&j, err) == 0)
        return 0;
    return hf_wrap(err, "vm %s", vm->label);
}
