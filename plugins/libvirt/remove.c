/* SPDX-License-Identifier: Apache-2.0 */
#include "remove.h"

#include "base/point.h"
#include "image.h"
#include "job.h"
#include "vm.h"

#include <libvirt/virterror.h>
#include <string.h>

struct merge {
    struct hf_instance *in;
    const struct hf_call *call;
    virDomainPtr dom;
    const struct lv_snaps *snaps;
    const char *name;
    struct lv_progress progress;
    bool is_spoiled; /* a commit began: the snapshot's own state is gone */
};

/* Which snapshot made this layer, or NULL. */
static const struct lv_snap *maker_of(const struct lv_snaps *snaps, const char *path)
{
    for (size_t i = 0; i < snaps->n; i++)
        for (size_t d = 0; d < snaps->items[i].n_disks; d++) {
            const char *source = snaps->items[i].disks[d].source;
            if (source && strcmp(source, path) == 0)
                return &snaps->items[i];
        }
    return NULL;
}

bool lv_snap_descends(const struct lv_snaps *snaps, const struct lv_snap *s, const char *name)
{
    /* Bounded by n: metadata with a loop in it must not become ours. */
    for (size_t steps = 0; s && s->parent && steps < snaps->n; steps++) {
        if (strcmp(s->parent, name) == 0)
            return true;
        s = lv_snaps_find(snaps, s->parent);
    }
    return false;
}

int lv_check_descendants(const struct lv_snaps *snaps, const char *name, struct hf_err *err)
{
    for (size_t i = 0; i < snaps->n; i++) {
        const struct lv_snap *s = &snaps->items[i];
        if (s->is_ours || !lv_snap_descends(snaps, s, name))
            continue;
        hf_fail(err, HF_E_CONFLICT, "snapshot '%s', which holdfast did not make, depends on '%s'",
                s->name, name);
        return hf_hint(err, "Delete '%s' first, with the tool that made it.", s->name);
    }
    return 0;
}

/* The layer above must be one of ours: a foreign one may be what somebody reverts to. */
static int check_above(const struct merge *m, const struct lv_disk *d, int at, struct hf_err *err)
{
    const char *above = at > 0 ? d->layers[at - 1].path : NULL;
    if (at == 0)
        return 0;
    const struct lv_snap *maker = above ? maker_of(m->snaps, above) : NULL;
    if (maker && maker->is_ours)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "disk %s: layer '%s', which holdfast did not make, lies on '%s'",
            d->target, above ? above : "(not a file)", d->layers[at].path);
    return hf_hint(err, "Remove that layer first, with the tool that made it.");
}

static int check_overlay(struct merge *m, const struct lv_vm *vm, const struct lv_disk *d, int at,
                         struct hf_err *err)
{
    const struct lv_layer *layer = &d->layers[at];
    bool has_snapshots = false;
    if (lv_vm_count(vm, layer->path) != 1)
        return hf_fail(err, HF_E_CONFLICT, "'%s' stands in more than one chain of '%s'",
                       layer->path, vm->name);
    if ((size_t)at + 1 >= d->n_layers || layer->index < 0 || d->layers[at + 1].index < 0)
        return hf_fail(err, HF_E_CONFLICT, "disk %s: libvirt tells no layer below '%s'", d->target,
                       layer->path);
    if (check_above(m, d, at, err) != 0 ||
        lv_image_has_snapshots(m->in, m->call, layer, &has_snapshots, err) != 0)
        return -1;
    if (has_snapshots) {
        hf_fail(err, HF_E_CONFLICT, "'%s' holds internal snapshots, which the merge would lose",
                layer->path);
        return hf_hint(
            err, "Delete them first: `virsh snapshot-list` shows them, or `qemu-img snapshot -l`.");
    }
    return 0;
}

/* The disk whose chain holds the overlay, and where; NULL: none does. */
static const struct lv_disk *find_overlay(const struct lv_vm *vm, const char *path, int *out_at)
{
    for (size_t i = 0; i < vm->n_disks; i++) {
        *out_at = lv_disk_layer(&vm->disks[i], path);
        if (*out_at >= 0)
            return &vm->disks[i];
    }
    return NULL;
}

static int check_all(struct merge *m, const struct lv_overlays *overlays, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(m->dom, 0, err);
    if (!vm)
        return -1;
    for (size_t i = 0; i < overlays->n; i++) {
        int at;
        virDomainBlockInfo info = {0};
        const struct lv_disk *d = find_overlay(vm, overlays->items[i].path, &at);
        if (d && check_overlay(m, vm, d, at, err) != 0)
            return -1;
        if (d && virDomainGetBlockInfo(m->dom, d->target, &info, 0) == 0)
            m->progress.total_bytes += info.capacity;
    }
    return 0;
}

/* 0: nothing of others runs; 1: a commit that an interrupted deletion of this overlay (or of a
 * layer below it) began: wait for it; -1: somebody else's job. */
static int judge_job(const struct merge *m, const struct lv_disk *d, int at, struct hf_err *err)
{
    struct lv_job job;
    if (lv_job_look(m->dom, d->target, &job, err) != 0)
        return -1;
    if (!job.is_running)
        return 0;
    bool ours = job.type == VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT;
    if (job.type == VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT)
        ours = at == 0 && d->mirror_path && d->layers[1].path &&
               strcmp(d->mirror_path, d->layers[1].path) == 0;
    if (ours)
        return 1;
    hf_fail(err, HF_E_BUSY, "disk %s is busy: %s%s%s", d->target, job.name,
            d->mirror_path ? " into " : "", d->mirror_path ? d->mirror_path : "");
    err->retryable = 1;
    return hf_hint(err, "Wait until it has ended, or end it: virsh blockjob --abort.");
}

static int commit_once(struct merge *m, const struct lv_disk *d, int at, bool *started,
                       struct hf_err *err)
{
    int running = judge_job(m, d, at, err);
    if (running < 0)
        return -1;
    if (!running && *started) {
        hf_fail(err, HF_E_PLUGIN, "the block commit of disk %s ended without effect", d->target);
        return hf_hint(err, "libvirtd's log has the reason; often the storage is full.");
    }
    m->is_spoiled = true;
    if (!running) {
        *started = true;
        if (lv_commit_start(m->dom, d, at, err) != 0)
            return -1;
    }
    return lv_commit_wait(m->in, m->call, m->dom, d->target, &m->progress, err);
}

/* Until the overlay is in no live chain. */
static int merge_one(struct merge *m, const char *path, struct hf_err *err)
{
    bool started = false;
    for (;;) {
        int at;
        virDomainBlockInfo info = {0};
        HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(m->dom, 0, err);
        const struct lv_disk *d = vm ? find_overlay(vm, path, &at) : NULL;
        if (!vm)
            return -1;
        if (!d)
            break;
        if (lv_check_stop(m->in, m->call, err) != 0)
            return -1;
        if (virDomainGetBlockInfo(m->dom, d->target, &info, 0) == 0)
            m->progress.disk_bytes = info.capacity;
        if (commit_once(m, d, at, &started, err) != 0)
            return -1;
    }
    m->progress.done_bytes += m->progress.disk_bytes;
    m->progress.disk_bytes = 0;
    return 0;
}

/* The file goes when neither what runs nor what would be started next names it. */
static int remove_file(struct merge *m, const char *path, struct hf_err *err)
{
    static const unsigned views[] = {0, VIR_DOMAIN_XML_INACTIVE};
    for (size_t i = 0; i < HF_ARRAY_SIZE(views); i++) {
        HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(m->dom, views[i], err);
        if (!vm)
            return -1;
        if (!lv_vm_count(vm, path))
            continue;
        hf_fail(err, HF_E_CONFLICT, "the %s definition of '%s' still names '%s'",
                views[i] ? "persistent" : "live", vm->name, path);
        return hf_left(err, "file '%s'", path);
    }
    return lv_overlay_unlink(path, m->name, err);
}

static int merge_all(struct merge *m, const struct lv_overlays *overlays, struct hf_err *err)
{
    for (size_t i = 0; i < overlays->n; i++) {
        if (merge_one(m, overlays->items[i].path, err) != 0 ||
            remove_file(m, overlays->items[i].path, err) != 0)
            return hf_wrap(err, "disk %s", overlays->items[i].target);
        lv_log(m->in, HF_LOG_DETAIL, "%s: disk %s is merged", m->name, overlays->items[i].target);
    }
    if (m->progress.total_bytes)
        m->in->host->progress(m->in->host->ctx, m->progress.total_bytes, m->progress.total_bytes);
    return 0;
}

int lv_merge(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
             const struct lv_overlays *overlays, const struct lv_snaps *snaps, const char *name,
             struct hf_err *err)
{
    struct merge m = {.in = in, .call = call, .dom = dom, .snaps = snaps, .name = name};
    if (check_all(&m, overlays, err) != 0)
        return -1;
    if (merge_all(&m, overlays, err) == 0)
        return 0;
    if (m.is_spoiled)
        hf_left(err, "snapshot '%s' of '%s' is half merged: no way back any more, delete it again",
                name, virDomainGetName(dom));
    return -1;
}

int lv_drop_metadata(virDomainPtr dom, const char *name, struct hf_err *err)
{
    LV_AUTOSNAPSHOT virDomainSnapshotPtr snap = virDomainSnapshotLookupByName(dom, name, 0);
    if (!snap) {
        const virError *e = virGetLastError();
        return e && e->code == VIR_ERR_NO_DOMAIN_SNAPSHOT ? 0 : lv_fail(err, "snapshot '%s'", name);
    }
    if (HF_POINT_ERR("libvirt.before_metadata", err) != 0)
        return -1;
    if (virDomainSnapshotDelete(snap, VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY) != 0)
        return lv_fail(err, "metadata of snapshot '%s'", name);
    return HF_POINT_ERR("libvirt.after_metadata", err);
}

static int check_deletable(virDomainPtr dom, const struct lv_snaps *snaps, const char *name,
                           struct hf_err *err)
{
    const char *trouble, *vm = virDomainGetName(dom);
    enum hf_vm_state state = lv_vm_state(dom, &trouble);
    const struct lv_snap *s = lv_snaps_find(snaps, name);
    if (!s)
        return hf_fail(err, HF_E_NOT_FOUND, "VM '%s' has no snapshot '%s'", vm, name);
    if (!s->is_ours || s->is_memory) {
        hf_fail(err, HF_E_UNSUPPORTED, "snapshot '%s' was not made by holdfast", name);
        return hf_hint(err, "Delete it with the tool that made it: virsh snapshot-delete.");
    }
    if (state != HF_VM_RUNNING && state != HF_VM_PAUSED) {
        hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is not running: this version merges live only", vm);
        return hf_hint(err, "Start the VM (paused will do: virsh start --paused) and try again.");
    }
    return lv_check_descendants(snaps, name, err);
}

int libvirt_snapshot_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    HF_AUTO(lv_snaps) struct lv_snaps snaps = {0};
    HF_AUTO(lv_overlays) struct lv_overlays overlays = {0};
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0 ||
        lv_snaps_load(dom, &snaps, err) != 0 || check_deletable(dom, &snaps, name, err) != 0 ||
        lv_overlays_of_snap(&overlays, lv_snaps_find(&snaps, name), name, err) != 0)
        return -1;
    if (lv_merge(in, call, dom, &overlays, &snaps, name, err) != 0)
        return -1;
    return lv_drop_metadata(dom, name, err);
}
