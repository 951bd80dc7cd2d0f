/* SPDX-License-Identifier: Apache-2.0
 *
 * In place: the machine that is replaced, and what becomes of its disks.
 */
#include "restore/vm_intern.h"

#include <stdlib.h>
#include <string.h>

#define FIND_MS 60000

int restoring_find_former(struct restoring *r, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(r->env, r->id, FIND_MS);
    if (!r->req->in_place || hf_hv_vm_find(r->hv, &call, r->name, &r->found, err) == 0)
        return 0;
    return hf_wrap(err, "the machine to replace");
}

static const struct restoring_disk *find_restored(const struct restoring *r, const char *target)
{
    for (size_t i = 0; i < r->n_disks; i++)
        if (strcmp(r->disks[i].artifact->name, target) == 0)
            return &r->disks[i];
    return NULL;
}

static bool is_restored_file(const struct restoring *r, const char *file)
{
    for (size_t i = 0; i < r->n_disks; i++)
        if (strcmp(r->disks[i].file, file) == 0)
            return true;
    return false;
}

static int keep(struct restoring *r, const struct hf_disk_copy *d, struct hf_err *err)
{
    struct restoring_kept *k = &r->kept[r->n_kept];
    k->target = strdup(d->target);
    k->file = d->source ? strdup(d->source) : NULL;
    r->n_kept++;
    return k->target && (k->file || !d->source) ? 0 : hf_fail_nomem(err);
}

static int sort_disk(struct restoring *r, const struct hf_disk_copy *d, struct hf_err *err)
{
    if (d->kind == HF_DISK_CDROM || d->kind == HF_DISK_FLOPPY)
        return 0;
    if (!find_restored(r, d->target))
        return keep(r, d, err);
    if (!d->source || is_restored_file(r, d->source) || hf_strv_add(&r->former, d->source) == 0)
        return 0;
    return hf_fail_nomem(err);
}

int restoring_list_former(struct restoring *r, struct hf_err *err)
{
    HF_AUTO(hf_disk_list) struct hf_disk_list disks = {0};
    struct hf_hv_call call = hf_env_call(r->env, r->id, FIND_MS);
    if (!r->req->in_place)
        return 0;
    if (hf_hv_vm_disks(r->hv, &call, r->found.id, &disks, err) < 0)
        return hf_wrap(err, "the machine to replace");
    r->kept = calloc(disks.n + 1, sizeof *r->kept);
    if (!r->kept)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < disks.n; i++)
        if (sort_disk(r, &disks.items[i], err) < 0)
            return -1;
    return 0;
}

void restoring_free_kept(struct restoring *r)
{
    for (size_t i = 0; i < r->n_kept; i++) {
        free(r->kept[i].target);
        free(r->kept[i].file);
    }
    free(r->kept);
}
