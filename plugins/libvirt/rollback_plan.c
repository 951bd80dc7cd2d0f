/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "chain.h"
#include "checkpoints.h"
#include "disks.h"
#include "image.h"
#include "remove.h"
#include "rollback.h"
#include "vm.h"

#include <libvirt/virterror.h>
#include <string.h>
#include <sys/stat.h>

struct plan {
    struct hf_instance *in;
    const struct hf_call *call;
    virDomainPtr dom;
    hf_text_cb warn;
    void *ctx;
    struct lv_vm *vm;
    struct lv_snaps snaps;
    const struct lv_snap *snap;
    struct lv_rollback rb;
    char *token;
};

static void plan_drop(struct plan *p)
{
    lv_vm_free(p->vm);
    lv_snaps_free(&p->snaps);
    lv_rollback_free(&p->rb);
    if (p->dom)
        virDomainFree(p->dom);
    free(p->token);
}
HF_DEFINE_AUTO_VALUE(plan, plan_drop)

/* Takes the line. */
static int warn(struct plan *p, char *line, struct hf_err *err)
{
    HF_AUTOFREE char *owned = line;
    if (!owned)
        return hf_fail_nomem(err);
    return p->warn(p->ctx, owned) ? -1 : 0;
}

static int check_names(const struct hf_rollback_request *req, struct hf_err *err)
{
    size_t len = strlen(req->run);
    if (!len || len > 64 || *req->run == '.' || strchr(req->run, '/'))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name for a run", req->run);
    return 0;
}

/* A suspended machine's memory belongs to the disks it was suspended with. */
static int check_state(struct plan *p, struct hf_err *err)
{
    const char *trouble, *name = virDomainGetName(p->dom);
    enum hf_vm_state state = lv_vm_state(p->dom, &trouble);
    int active = virDomainIsActive(p->dom), saved = virDomainHasManagedSaveImage(p->dom, 0);
    if (active < 0 || (saved < 0 && !lv_is_unsupported_call()))
        return lv_fail(err, "state of the VM");
    if (virDomainIsPersistent(p->dom) == 0) {
        hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is transient: it ends when it is stopped", name);
        return hf_hint(err, "Define it: virsh define.");
    }
    if (saved > 0) {
        hf_fail(err, HF_E_CONFLICT, "VM '%s' is suspended to disk (managed save)", name);
        return hf_hint(err,
                       "Its memory does not fit the disks of the snapshot. Start it, or give "
                       "that up: virsh managedsave-remove %s.",
                       name);
    }
    if (active && state == HF_VM_OTHER && trouble && strstr(trouble, "shut down"))
        return hf_fail(err, HF_E_BUSY, "VM '%s': %s", name, trouble);
    p->rb.was_active = active;
    p->rb.was_running = active && (state != HF_VM_PAUSED || trouble);
    return 0;
}

static int check_snapshot(struct plan *p, const char *name, struct hf_err *err)
{
    const char *vm = virDomainGetName(p->dom);
    p->snap = lv_snaps_find(&p->snaps, name);
    if (!p->snap) {
        hf_fail(err, HF_E_NOT_FOUND, "VM '%s' has no snapshot '%s'", vm, name);
        return hf_hint(err, "`virsh snapshot-list %s` shows what there is.", vm);
    }
    if (p->snap->is_ours && !p->snap->is_memory)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "snapshot '%s' was not made by holdfast", name);
    return hf_hint(err, "Revert to it with the tool that made it: virsh snapshot-revert.");
}

int lv_rollback_younger(const struct lv_snaps *snaps, const char *name, struct hf_strv *out,
                        struct hf_err *err)
{
    if (lv_check_descendants(snaps, name, err) != 0)
        return -1;
    for (size_t i = 0; i < snaps->n; i++) {
        const struct lv_snap *s = &snaps->items[i];
        if (lv_snap_descends(snaps, s, name) && hf_strv_add(out, s->name) != 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int take_layers(const struct lv_rollback *rb, const struct lv_disk *d, size_t upto,
                       struct lv_rollback_disk *to, struct hf_err *err)
{
    for (size_t i = 0; i <= upto; i++) {
        const char *path = d->layers[i].path;
        if (!path || !lv_rollback_maker(rb, path)) {
            hf_fail(err, HF_E_CONFLICT,
                    "disk %s: layer '%s', which holdfast did not make, lies on the snapshot",
                    d->target, path ? path : "(not a file)");
            return hf_hint(err, "Remove that layer first, with the tool that made it.");
        }
        if (hf_strv_add(&to->gone, path) != 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int map_disk(struct hf_instance *in, const struct lv_vm *vm, const struct lv_snap_disk *sd,
                    struct lv_rollback *rb, struct hf_err *err)
{
    const struct lv_disk *d = lv_vm_disk(vm, sd->target);
    int at = d ? lv_disk_layer(d, sd->source) : -1;
    if (!d) {
        hf_fail(err, HF_E_CONFLICT, "disk %s of the snapshot is no disk of '%s' any more",
                sd->target, vm->name);
        return hf_hint(err, "Attach it again as %s, with the source '%s' or what lies on it.",
                       sd->target, sd->source);
    }
    if (at < 0 || (size_t)at + 1 >= d->n_layers || !d->layers[at + 1].path ||
        !d->layers[at + 1].format)
        return hf_fail(err, HF_E_CONFLICT, "disk %s of '%s' does not stand on the snapshot: '%s'",
                       sd->target, vm->name, sd->source);
    const struct lv_layer *base = &d->layers[at + 1];
    struct lv_rollback_disk *to = &rb->disks[rb->n++];
    HF_AUTOFREE char *suffix = hf_asprintf("%s.%s", rb->run, rb->name);
    to->target = strdup(d->target);
    to->from = d->layers[0].path ? strdup(d->layers[0].path) : NULL;
    to->base =
        (struct lv_layer){.path = strdup(base->path), .format = strdup(base->format), .index = -1};
    if (!suffix || !to->target || !to->from || !to->base.path || !to->base.format)
        return hf_fail_nomem(err);
    to->to = lv_overlay_path(in, vm, d->target, base->path, suffix, err);
    return to->to ? take_layers(rb, d, (size_t)at, to, err) : -1;
}

int lv_rollback_map(struct hf_instance *in, const struct lv_vm *vm, const struct lv_snap *snap,
                    struct lv_rollback *rb, struct hf_err *err)
{
    rb->disks = calloc(snap->n_disks + 1, sizeof *rb->disks);
    if (!rb->disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < snap->n_disks; i++)
        if (strcmp(snap->disks[i].kind, "external") == 0 && snap->disks[i].source &&
            map_disk(in, vm, &snap->disks[i], rb, err) != 0)
            return -1;
    return rb->n ? 0 : hf_fail(err, HF_E_CONFLICT, "snapshot '%s' holds no disk", snap->name);
}

static bool is_mapped(const struct lv_rollback *rb, const char *target)
{
    for (size_t i = 0; i < rb->n; i++)
        if (strcmp(rb->disks[i].target, target) == 0)
            return true;
    return false;
}

/* A disk that the snapshot does not have stays as it is, unless a younger snapshot that would go has an overlay on it. */
static int judge_others(struct plan *p, struct hf_err *err)
{
    for (size_t i = 0; i < p->vm->n_disks; i++) {
        const struct lv_disk *d = &p->vm->disks[i];
        if (is_mapped(&p->rb, d->target) || !lv_disk_is_captured(d))
            continue;
        for (size_t k = 0; k < d->n_layers; k++) {
            const char *maker =
                d->layers[k].path ? lv_rollback_maker(&p->rb, d->layers[k].path) : NULL;
            if (!maker)
                continue;
            hf_fail(err, HF_E_CONFLICT, "disk %s was added after '%s', and '%s' has a layer on it",
                    d->target, p->rb.name, maker);
            return hf_hint(err, "Delete '%s' first.", maker);
        }
        if (warn(p, hf_asprintf("disk %s is not in the snapshot: it stays as it is", d->target),
                 err) != 0)
            return -1;
    }
    return 0;
}

/* What is given up must hold nothing that nobody was told of. */
static int look_at_disk(struct plan *p, struct lv_rollback_disk *d, uint64_t *out_bytes,
                        struct hf_err *err)
{
    for (size_t i = 0; i < d->gone.n; i++) {
        bool has_snapshots = false;
        struct stat st;
        struct lv_layer layer = {
            .path = d->gone.items[i], .format = (char *)(uintptr_t) "qcow2", .index = -1};
        if (lv_image_has_snapshots(p->in, p->call, &layer, &has_snapshots, err) != 0)
            return -1;
        if (has_snapshots) {
            hf_fail(err, HF_E_CONFLICT,
                    "'%s' holds internal snapshots, which the rollback would lose", layer.path);
            return hf_hint(err, "Delete them first: `virsh snapshot-list` shows them, or `qemu-img "
                                "snapshot -l`.");
        }
        if (stat(layer.path, &st) == 0)
            *out_bytes += (uint64_t)st.st_blocks * 512;
    }
    return lv_image_size(p->in, p->call, &d->base, &d->size_bytes, err);
}

static int look_at_disks(struct plan *p, uint64_t *out_bytes, struct hf_err *err)
{
    struct stat st;
    for (size_t i = 0; i < p->rb.n; i++) {
        struct lv_rollback_disk *d = &p->rb.disks[i];
        if (look_at_disk(p, d, out_bytes, err) != 0)
            return hf_wrap(err, "disk %s", d->target);
        if (lstat(d->to, &st) == 0)
            return hf_fail(err, HF_E_CONFLICT, "'%s' exists already", d->to);
    }
    return 0;
}

static int warn_of_rest(struct plan *p, struct hf_err *err)
{
    size_t ours = 0;
    if (lv_checkpoints_check(p->dom, &ours, err) != 0)
        return -1;
    if (ours && warn(p,
                     hf_asprintf("%zu checkpoint%s dropped: the next backup compares", ours,
                                 ours > 1 ? "s are" : " is"),
                     err) != 0)
        return -1;
    if (!p->vm->is_uefi)
        return 0;
    return warn(p, strdup("UEFI variables (NVRAM) stay as they are now"), err);
}

/* Of a machine that is off, its definition with the chains that the files tell. */
static int load_vm(struct plan *p, struct hf_err *err)
{
    p->vm = lv_vm_load(p->dom, p->rb.was_active ? 0 : VIR_DOMAIN_XML_INACTIVE, err);
    if (!p->vm)
        return -1;
    if (p->rb.was_active)
        return lv_vm_check_idle(p->dom, p->vm, err) != 0 ||
                       lv_vm_check_definition(p->dom, p->vm, err) != 0
                   ? -1
                   : 0;
    for (size_t i = 0; i < p->vm->n_disks; i++) {
        struct lv_disk *d = &p->vm->disks[i];
        if (lv_disk_is_captured(d) && d->n_layers && d->layers[0].path &&
            lv_image_fill(p->in, p->call, d, err) != 0)
            return hf_wrap(err, "disk %s", d->target);
    }
    return 0;
}

static int begin(struct plan *p, const struct hf_rollback_request *req, struct hf_err *err)
{
    p->rb.uuid = strdup(req->vm_id);
    p->rb.name = strdup(req->name);
    p->rb.run = hf_asprintf("hf-%s", req->run);
    if (!p->rb.uuid || !p->rb.name || !p->rb.run)
        return hf_fail_nomem(err);
    return lv_domain(p->in, req->vm_id, &p->dom, err);
}

static int tell(struct plan *p, hf_text_cb younger, uint64_t bytes, struct hf_rollback_plan *out,
                struct hf_err *err)
{
    for (size_t i = 0; i < p->rb.younger.n; i++)
        if (younger(p->ctx, p->rb.younger.items[i]))
            return -1;
    char *token = lv_rollback_write(&p->rb, err);
    if (!token)
        return -1;
    out->n_disks = (uint32_t)p->rb.n;
    out->was_active = p->rb.was_active;
    out->was_running = p->rb.was_running;
    out->taken_at_s = p->snap->created_at_s;
    out->discarded_bytes = bytes;
    out->undo_token = lv_keep(p->in, token);
    return out->undo_token ? 0 : hf_fail_nomem(err);
}

int libvirt_rollback_plan(struct hf_instance *in, const struct hf_call *call,
                          const struct hf_rollback_request *req, hf_text_cb younger,
                          hf_text_cb warn_cb, void *ctx, struct hf_rollback_plan *out,
                          struct hf_err *err)
{
    HF_AUTO(plan) struct plan p = {.in = in, .call = call, .warn = warn_cb, .ctx = ctx};
    uint64_t bytes = 0;
    if (lv_enter(in, call, err) != 0 || check_names(req, err) != 0 || begin(&p, req, err) != 0 ||
        lv_snaps_load(p.dom, &p.snaps, err) != 0 || check_snapshot(&p, req->name, err) != 0 ||
        check_state(&p, err) != 0 ||
        lv_rollback_younger(&p.snaps, req->name, &p.rb.younger, err) != 0 || load_vm(&p, err) != 0)
        return -1;
    if (lv_rollback_map(in, p.vm, p.snap, &p.rb, err) != 0 || judge_others(&p, err) != 0 ||
        look_at_disks(&p, &bytes, err) != 0 || warn_of_rest(&p, err) != 0)
        return -1;
    return tell(&p, younger, bytes, out, err);
}
