/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include "base/buf.h"
#include "base/point.h"
#include "base/units.h"
#include "chain.h"
#include "checkpoints.h"
#include "disks.h"
#include "export.h"
#include "image.h"
#include "snapshot_xml.h"
#include "token.h"
#include "vm.h"
#include "warn.h"

#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Below the first an overlay may fill the file system while the guest boots a kernel update; below
 * the second it may do so within a day. */
#define SPACE_MIN ((uint64_t)16 << 20)
#define SPACE_WARN ((uint64_t)1 << 30)

struct hf_capture {
    char *vm_id, *name, *run_id, *label;
    struct lv_plan_disk *disks;
    size_t n;
    char *token;
    char *xml;        /* the request, from prepare on */
    virDomainPtr dom; /* from prepare on */
    struct lv_export *export; /* kind EXPORT: nothing else of this is used */
};

void libvirt_capture_free(struct hf_instance *in, struct hf_capture *cap)
{
    (void)in;
    if (!cap)
        return;
    for (size_t i = 0; i < cap->n; i++) {
        free(cap->disks[i].target);
        free(cap->disks[i].base.path);
        free(cap->disks[i].base.format);
        free(cap->disks[i].base.type);
        free(cap->disks[i].overlay);
    }
    if (cap->dom)
        virDomainFree(cap->dom);
    free(cap->disks);
    free(cap->vm_id);
    free(cap->name);
    free(cap->run_id);
    free(cap->label);
    free(cap->token);
    free(cap->xml);
    lv_export_free(cap->export);
    free(cap);
}

static inline void auto_capture(struct hf_capture **cap)
{
    libvirt_capture_free(NULL, *cap);
}

static int check_request(const struct hf_capture_request *req, struct hf_err *err)
{
    size_t len = strlen(req->name);
    if (req->kind != HF_CAPTURE_SNAPSHOT && req->kind != HF_CAPTURE_EXPORT)
        return hf_fail(err, HF_E_UNSUPPORTED, "an unknown kind of capture");
    if (!len || len > 64 || *req->name == '.' ||
        req->name[strspn(req->name,
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name for a snapshot or an export", req->name);
    return 0;
}

static int check_state(virDomainPtr dom, const struct lv_warner *w, struct hf_err *err)
{
    const char *trouble, *name = virDomainGetName(dom);
    enum hf_vm_state state = lv_vm_state(dom, &trouble);
    if (state == HF_VM_OFF) {
        hf_fail(err, HF_E_UNSUPPORTED,
                "VM '%s' is shut off: this version captures running VMs only", name);
        return hf_hint(err, "Start it, or copy its disks with qemu-img convert while it is off.");
    }
    if (state != HF_VM_RUNNING && state != HF_VM_PAUSED)
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s': %s", name,
                       trouble ? trouble : "its state is unknown");
    if (virDomainIsPersistent(dom) == 0) {
        hf_fail(err, HF_E_UNSUPPORTED,
                "VM '%s' is transient: without a definition nobody would know "
                "its overlays after a shutdown",
                name);
        return hf_hint(err, "Define it: virsh define.");
    }
    return trouble ? lv_warn(w, "VM '%s': %s", name, trouble) : 0;
}

static int check_disks(const struct hf_instance *in, const struct lv_vm *vm, struct hf_err *err)
{
    if (!lv_disks_captured(vm))
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' has no disk to capture", vm->name);
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *d = &vm->disks[i];
        const char *why = lv_disk_is_captured(d) ? lv_disk_refused(d, in->overlay_dir) : NULL;
        if (!why)
            continue;
        hf_fail(err, HF_E_UNSUPPORTED, "VM '%s': disk %s: %s", vm->name, d->target, why);
        return hf_hint(err, "Leave it out on purpose with snapshot='no' in its definition.");
    }
    return 0;
}

static int check_space(const char *overlay, const struct lv_warner *w, struct hf_err *err)
{
    struct statvfs fs;
    HF_AUTOFREE char *copy = strdup(overlay);
    if (!copy)
        return hf_fail_nomem(err);
    const char *dir = dirname(copy);
    if (statvfs(dir, &fs) != 0)
        return hf_fail_sys(err, errno, "directory '%s'", dir);
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    char text[HF_UNITS_MAX];
    hf_format_size(bytes, text);
    if (bytes < SPACE_MIN) {
        hf_fail(err, HF_E_NOSPACE, "only %s are left in '%s'", text, dir);
        return hf_hint(err, "A full file system pauses the guest: make room first.");
    }
    return bytes < SPACE_WARN
               ? lv_warn(w, "only %s are left in '%s', where the overlay will grow", text, dir)
               : 0;
}

static int check_free_name(const struct hf_capture *cap, const char *overlay, struct hf_err *err)
{
    struct stat st;
    for (size_t i = 0; i + 1 < cap->n; i++)
        if (strcmp(cap->disks[i].overlay, overlay) == 0)
            return hf_fail(err, HF_E_CONFLICT, "two disks would get the same overlay '%s'",
                           overlay);
    if (lstat(overlay, &st) == 0)
        return hf_fail(err, HF_E_CONFLICT, "'%s' exists already", overlay);
    return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "'%s'", overlay);
}

static int plan_disk(struct hf_instance *in, const struct lv_vm *vm, const struct lv_disk *d,
                     struct hf_capture *cap, struct hf_err *err)
{
    struct lv_plan_disk *p = &cap->disks[cap->n++];
    const struct lv_layer *base = &d->layers[0];
    p->target = strdup(d->target);
    p->base = (struct lv_layer){.type = strdup(base->type ? base->type : "file"),
                                .path = strdup(base->path),
                                .format = strdup(base->format)};
    if (!p->target || !p->base.type || !p->base.path || !p->base.format)
        return hf_fail_nomem(err);
    p->overlay = lv_overlay_path(in, vm, d->target, base->path, cap->name, err);
    return p->overlay ? check_free_name(cap, p->overlay, err) : -1;
}

/* What will work, and surprise somebody later. */
static int warn_of_disk(struct hf_instance *in, const struct hf_call *call, const struct lv_disk *d,
                        const struct lv_warner *w, struct hf_err *err)
{
    struct lv_chain_info chain = {0};
    if (lv_image_chain(in, call, &d->layers[0], &chain, err) != 0)
        return hf_wrap(err, "disk %s", d->target);
    if (chain.has_snapshots)
        return lv_warn(w,
                    "disk %s holds internal snapshots: while our snapshot exists they cannot be "
                    "reverted to",
                    d->target);
    return 0;
}

static int plan_disks(struct hf_instance *in, const struct hf_call *call, const struct lv_vm *vm,
                      struct hf_capture *cap, const struct lv_warner *w, struct hf_err *err)
{
    cap->disks = calloc(vm->n_disks, sizeof *cap->disks);
    if (!cap->disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *d = &vm->disks[i];
        const char *skipped = lv_disk_skipped(d);
        if (skipped && d->n_layers && lv_warn(w, "disk %s is left out: %s", d->target, skipped) != 0)
            return -1;
        if (skipped)
            continue;
        if (plan_disk(in, vm, d, cap, err) != 0 ||
            check_space(cap->disks[cap->n - 1].overlay, w, err) != 0 ||
            warn_of_disk(in, call, d, w, err) != 0)
            return -1;
    }
    return 0;
}

static int check_name_free(virDomainPtr dom, const char *name, struct hf_err *err)
{
    HF_AUTO(lv_snaps) struct lv_snaps snaps = {0};
    if (lv_snaps_load(dom, &snaps, err) != 0)
        return -1;
    if (lv_snaps_find(&snaps, name))
        return hf_fail(err, HF_E_CONFLICT, "VM '%s' has a snapshot '%s' already",
                       virDomainGetName(dom), name);
    return 0;
}

static struct hf_capture *capture_new(const struct hf_call *call,
                                      const struct hf_capture_request *req)
{
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = calloc(1, sizeof *cap);
    if (!cap)
        return NULL;
    cap->vm_id = strdup(req->vm_id);
    cap->name = strdup(req->name);
    cap->run_id = strdup(call->request_id ? call->request_id : req->name);
    cap->label = strdup(req->label ? req->label : "");
    if (!cap->vm_id || !cap->name || !cap->run_id || !cap->label)
        return NULL;
    return HF_STEAL(cap);
}

static int plan_export(struct hf_instance *in, const struct hf_call *call,
                       const struct hf_capture_request *req, virDomainPtr dom,
                       const struct lv_warner *w, struct hf_capture **out,
                       struct hf_capture_plan *plan, struct hf_err *err)
{
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = calloc(1, sizeof *cap);
    if (!cap)
        return hf_fail_nomem(err);
    if (lv_export_plan(in, call, req, dom, w, &cap->export, plan, err) != 0)
        return -1;
    *out = HF_STEAL(cap);
    return 0;
}

int libvirt_capture_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_capture_request *req, hf_text_cb say, void *ctx,
                         struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err)
{
    struct lv_warner w = {say, ctx};
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    if (lv_enter(in, call, err) != 0 || check_request(req, err) != 0 ||
        lv_domain(in, req->vm_id, &dom, err) != 0)
        return -1;
    if (req->kind == HF_CAPTURE_EXPORT)
        return plan_export(in, call, req, dom, &w, out, plan, err);
    if (check_state(dom, &w, err) != 0)
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = capture_new(call, req);
    if (!vm)
        return -1;
    if (!cap)
        return hf_fail_nomem(err);
    if (lv_vm_check_idle(dom, vm, err) != 0 || check_disks(in, vm, err) != 0 ||
        lv_vm_check_definition(dom, vm, err) != 0 || check_name_free(dom, req->name, err) != 0 ||
        plan_disks(in, call, vm, cap, &w, err) != 0 || lv_checkpoints_warn(dom, &w, err) != 0)
        return -1;
    if (vm->is_uefi && lv_warn(&w, "UEFI variables (NVRAM) are not part of the snapshot") != 0)
        return -1;
    cap->token = lv_token_write(vm->uuid, cap->name, cap->disks, cap->n, err);
    if (!cap->token)
        return -1;
    plan->n_disks = (uint32_t)cap->n;
    plan->undo_token = cap->token;
    *out = HF_STEAL(cap);
    return 0;
}

static int create_overlays(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, struct hf_err *err)
{
    for (size_t i = 0; i < cap->n; i++) {
        struct lv_plan_disk *d = &cap->disks[i];
        virDomainBlockInfo info = {0};
        if (lv_check_stop(in, call, err) != 0)
            return -1;
        if (virDomainGetBlockInfo(cap->dom, d->target, &info, 0) != 0)
            return lv_fail(err, "size of disk %s", d->target);
        d->capacity_bytes = info.capacity;
        if (lv_image_create(in, call, d->overlay, &d->base, d->capacity_bytes, err) != 0)
            return hf_wrap(err, "overlay of disk %s", d->target);
    }
    return 0;
}

/* Each active layer (position 0 before, 1 after the snapshot) is the base its overlay was made for:
 * the overlay's own header names that file, and a restart of the VM follows the header. */
static int check_bases(const struct hf_capture *cap, const struct lv_vm *vm, size_t at,
                       struct hf_err *err)
{
    for (size_t i = 0; i < cap->n; i++) {
        const struct lv_plan_disk *p = &cap->disks[i];
        const struct lv_disk *d = lv_vm_disk(vm, p->target);
        if (d && at < d->n_layers && d->layers[at].path &&
            strcmp(d->layers[at].path, p->base.path) == 0)
            continue;
        hf_fail(err, HF_E_CONFLICT,
                "disk %s of '%s' changed since it was planned: '%s' is expected, "
                "'%s' is there",
                p->target, vm->name, p->base.path,
                d && at < d->n_layers && d->layers[at].path ? d->layers[at].path : "nothing");
        err->retryable = 1;
        return -1;
    }
    return 0;
}

int libvirt_capture_prepare(struct hf_instance *in, const struct hf_call *call,
                            struct hf_capture *cap, struct hf_err *err)
{
    if (cap->export)
        return lv_export_prepare(in, call, cap->export, err);
    if (lv_enter(in, call, err) != 0 || lv_domain(in, cap->vm_id, &cap->dom, err) != 0 ||
        create_overlays(in, call, cap, err) != 0)
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(cap->dom, 0, err);
    if (!vm || check_bases(cap, vm, 0, err) != 0)
        return -1;
    cap->xml = lv_snap_build(vm, cap->disks, cap->n, cap->name, cap->run_id, cap->label, err);
    return cap->xml ? 0 : -1;
}

int libvirt_capture_begin(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_err *err)
{
    const unsigned flags = VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY |
                           VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC | VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT;
    if (cap->export)
        return lv_export_begin(in, call, cap->export, err);
    /* No lv_enter: a reconnect belongs before the hold, and the domain belongs to this connection.
     */
    if (call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    if (!cap->xml)
        return hf_fail(err, HF_E_INTERNAL, "begin without prepare");
    if (lv_check_stop(in, call, err) != 0)
        return -1;
    if (HF_POINT_ERR("libvirt.before_snapshot", err) != 0)
        return -1;
    LV_AUTOSNAPSHOT virDomainSnapshotPtr snap =
        virDomainSnapshotCreateXML(cap->dom, cap->xml, flags);
    if (!snap)
        return lv_fail(err, "snapshot '%s'", cap->name);
    return HF_POINT_ERR("libvirt.after_snapshot", err);
}

static int check_overlay(virDomainPtr dom, const struct lv_vm *vm, const struct lv_plan_disk *p,
                         struct hf_err *err)
{
    const struct lv_disk *d = lv_vm_disk(vm, p->target);
    virDomainBlockInfo info = {0};
    if (!d || lv_disk_layer(d, p->overlay) != 0 || lv_vm_count(vm, p->overlay) != 1)
        return hf_fail(err, HF_E_CONFLICT, "disk %s of '%s' does not write to '%s'", p->target,
                       vm->name, p->overlay);
    if (virDomainGetBlockInfo(dom, p->target, &info, 0) != 0)
        return lv_fail(err, "size of disk %s", p->target);
    if (info.capacity != p->capacity_bytes)
        return hf_fail(err, HF_E_CONFLICT,
                       "disk %s of '%s' was resized between preparation and snapshot", p->target,
                       vm->name);
    return 0;
}

int libvirt_capture_settle(struct hf_instance *in, const struct hf_call *call,
                           struct hf_capture *cap, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    if (cap->export)
        return lv_export_settle(in, call, cap->export, err);
    if (lv_enter(in, call, err) != 0 || lv_domain(in, cap->vm_id, &dom, err) != 0)
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    if (!vm)
        return -1;
    for (size_t i = 0; i < cap->n; i++)
        if (check_overlay(dom, vm, &cap->disks[i], err) != 0)
            return -1;
    return check_bases(cap, vm, 1, err);
}

struct lv_export *lv_capture_export(struct hf_capture *cap, struct hf_err *err)
{
    if (!cap->export)
        hf_fail(err, HF_E_CONFLICT, "a snapshot is not exported");
    return cap->export;
}
