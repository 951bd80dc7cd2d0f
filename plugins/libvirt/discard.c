/* SPDX-License-Identifier: Apache-2.0 */
#include "discard.h"

#include "chain.h"
#include "export.h"
#include "image.h"
#include "remove.h"
#include "token.h"
#include "vm.h"

#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

struct discard {
    struct hf_instance *in;
    const struct hf_call *call;
    virDomainPtr dom;
    const char *name;
    struct lv_snaps snaps;
    struct lv_overlays overlays;
    struct hf_err *gone; /* while the files of a VM that is gone are looked for */
};

static void discard_drop(struct discard *d)
{
    lv_snaps_free(&d->snaps);
    lv_overlays_free(&d->overlays);
    if (d->dom)
        virDomainFree(d->dom);
}
HF_DEFINE_AUTO_VALUE(discard, discard_drop)

/* The token comes from a file: what it names must look like what we make. */
static int add_from_token(void *ctx, const char *target, const char *base, const char *overlay,
                          struct hf_err *err)
{
    struct discard *d = ctx;
    if (!lv_overlay_is_of(overlay, d->name) || strcmp(base, overlay) == 0)
        return hf_fail(err, HF_E_CORRUPT, "the undo token names '%s', no overlay of '%s'", overlay,
                       d->name);
    return lv_overlays_add(&d->overlays, target, overlay) == 0 ? 0 : hf_fail_nomem(err);
}

/* By all traces there may be: metadata, token, the chains, and the file names a capture would
 * choose. */
static int collect(struct discard *d, const char *vm_id, const char *token, struct hf_err *err)
{
    static const unsigned views[] = {0, VIR_DOMAIN_XML_INACTIVE};
    if (lv_snaps_load(d->dom, &d->snaps, err) != 0)
        return -1;
    const struct lv_snap *snap = lv_snaps_find(&d->snaps, d->name);
    if (snap && (!snap->is_ours || snap->is_memory))
        return hf_fail(err, HF_E_CONFLICT, "snapshot '%s' was not made by holdfast", d->name);
    if (snap && lv_overlays_of_snap(&d->overlays, snap, d->name, err) != 0)
        return -1;
    if (token && lv_token_read(token, vm_id, d->name, add_from_token, d, err) != 0)
        return -1;
    for (size_t i = 0; i < HF_ARRAY_SIZE(views); i++) {
        HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(d->dom, views[i], err);
        if (!vm || lv_overlays_of_chains(&d->overlays, vm, d->name, err) != 0)
            return -1;
        if (!token && lv_overlays_of_files(&d->overlays, d->in, vm, d->name, err) != 0)
            return -1;
    }
    return 0;
}

/* The VM is gone. Its disks may live on under another definition: a file that holds data is not
 * ours to judge. */
static int check_orphan(void *ctx, const char *target, const char *base, const char *overlay,
                        struct hf_err *err)
{
    struct discard *d = ctx;
    struct stat st;
    (void)target, (void)base, (void)err;
    if (lv_overlay_is_of(overlay, d->name) && lstat(overlay, &st) == 0)
        hf_left(d->gone, "file '%s'", overlay);
    return 0;
}

static int discard_without_vm(struct discard *d, const char *vm_id, const char *token,
                              struct hf_err *err)
{
    struct hf_err gone = HF_ERR_INIT, bad = HF_ERR_INIT;
    if (!token)
        return 0; /* nothing is known of it, and nothing can be found */
    hf_fail(&gone, HF_E_NOT_FOUND, "VM '%s' of snapshot '%s' does not exist any more", vm_id,
            d->name);
    d->gone = &gone;
    if (lv_token_read(token, vm_id, d->name, check_orphan, d, &bad) != 0)
        return (hf_err_copy(err, &bad), -1);
    if (!gone.left[0])
        return 0;
    hf_err_copy(err, &gone);
    return hf_hint(
        err, "Look with `qemu-img info` whether another VM uses the files before removing them.");
}

/* A VM that is off: an overlay in the chain of its definition holds what the guest wrote last. */
static int check_unused(struct discard *d, const struct lv_vm *vm, struct hf_err *err)
{
    struct hf_err left = HF_ERR_INIT;
    bool is_used = false;
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *disk = &vm->disks[i];
        for (size_t o = 0; o < d->overlays.n; o++) {
            bool found = lv_disk_layer(disk, d->overlays.items[o].path) >= 0;
            if (!found && disk->n_layers && disk->layers[0].path &&
                lv_image_stands_on(d->in, d->call, &disk->layers[0], d->overlays.items[o].path,
                                   &found, err) != 0)
                return hf_wrap(err, "disk %s", disk->target);
            if (found)
                hf_left(&left, "disk %s of '%s' still writes to '%s'", disk->target, vm->name,
                        d->overlays.items[o].path);
            is_used |= found;
        }
    }
    if (!is_used)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is not running: this version merges live only",
            vm->name);
    hf_hint(err,
            "Start the VM (paused will do: virsh start --paused), then run `holdfast recover`.");
    return hf_left(err, "%s", left.left);
}

static int discard_off(struct discard *d, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(d->dom, VIR_DOMAIN_XML_INACTIVE, err);
    if (!vm || check_unused(d, vm, err) != 0)
        return -1;
    for (size_t i = 0; i < d->overlays.n; i++)
        if (lv_overlay_unlink(d->overlays.items[i].path, d->name, err) != 0)
            return -1;
    return 0;
}

int libvirt_capture_discard(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *name, const char *undo_token, struct hf_err *err)
{
    HF_AUTO(discard) struct discard d = {.in = in, .call = call, .name = name};
    const char *trouble;
    if (lv_enter(in, call, err) != 0)
        return -1;
    struct hf_err missing = HF_ERR_INIT; /* err stays untouched when this turns out to be fine */
    if (lv_domain(in, vm_id, &d.dom, &missing) != 0) {
        if (missing.cls == HF_E_NOT_FOUND && undo_token && lv_export_token_is(undo_token))
            return lv_export_discard(in, call, NULL, vm_id, name, undo_token, err);
        if (missing.cls == HF_E_NOT_FOUND)
            return discard_without_vm(&d, vm_id, undo_token, err);
        hf_err_copy(err, &missing);
        return -1;
    }
    if (!undo_token || lv_export_token_is(undo_token)) {
        int rc = lv_export_discard(in, call, d.dom, vm_id, name, undo_token, err);
        if (rc != 0 || undo_token)
            return rc;
    }
    /* A snapshot call that begins later finds its overlay files gone and fails (chain.c, retire). */
    if (lv_vm_wait_for_calls(d.dom, err) != 0 || collect(&d, vm_id, undo_token, err) != 0)
        return -1;
    enum hf_vm_state state = lv_vm_state(d.dom, &trouble);
    bool is_live = state == HF_VM_RUNNING || state == HF_VM_PAUSED;
    if (lv_check_descendants(&d.snaps, name, err) != 0)
        return hf_left(err, "snapshot '%s' of '%s'", name, virDomainGetName(d.dom));
    int rc = is_live ? lv_merge(in, call, d.dom, &d.overlays, &d.snaps, name, err)
                     : discard_off(&d, err);
    return rc == 0 ? lv_drop_metadata(d.dom, name, err) : -1;
}
