/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include "base/buf.h"
#include "base/point.h"
#include "capture.h"
#include "image.h"
#include "vm.h"

#include <libvirt/virterror.h>
#include <libxml/uri.h>
#include <stddef.h>
#include <string.h>

void lv_export_free(struct lv_export *e)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (!e)
        return;
    if (e->is_begun && !e->is_ended)
        (void)!(e->is_off ? lv_export_off_end(e->dir, &ignored)
                          : lv_export_abort(e->dom, e->dir, &ignored));
    for (size_t i = 0; i < e->n; i++) {
        free(e->disks[i].target);
        free(e->disks[i].compare_why);
        free(e->disks[i].layer.type);
        free(e->disks[i].layer.path);
        free(e->disks[i].layer.format);
    }
    if (e->dom)
        virDomainFree(e->dom);
    free(e->disks);
    free(e->vm_id);
    free(e->name);
    free(e->run_id);
    free(e->parent);
    free(e->dir);
    free(e->token);
    free(e->backup_xml);
    free(e->checkpoint_xml);
    free(e);
}

const struct lv_export_disk *lv_export_disk(const struct lv_export *e, const char *target)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->disks[i].target, target) == 0)
            return &e->disks[i];
    return NULL;
}

static int make_scratch(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                        struct hf_err *err)
{
    for (size_t i = 0; i < e->n; i++) {
        struct lv_export_disk *d = &e->disks[i];
        virDomainBlockInfo info = {0};
        HF_AUTOFREE char *path = lv_export_scratch(e, d->target);
        if (!path)
            return hf_fail_nomem(err);
        if (lv_check_stop(in, call, err) != 0)
            return -1;
        if (virDomainGetBlockInfo(e->dom, d->target, &info, 0) != 0)
            return lv_fail(err, "size of disk %s", d->target);
        d->capacity_bytes = info.capacity;
        if (lv_image_create_scratch(in, call, path, d->layer.path, info.capacity, err) != 0)
            return hf_wrap(err, "scratch file of disk %s", d->target);
    }
    return 0;
}

static int fail_changed(const struct lv_export_disk *d, const char *vm, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFLICT, "disk %s of '%s' changed since it was planned", d->target, vm);
    err->retryable = 1;
    return -1;
}

/* Each disk writes to the file that was planned. */
static int check_disks(const struct lv_export *e, const struct lv_vm *vm, struct hf_err *err)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct lv_disk *d = lv_vm_disk(vm, e->disks[i].target);
        if (!d || lv_disk_layer(d, e->disks[i].layer.path) != 0)
            return fail_changed(&e->disks[i], vm->name, err);
    }
    return 0;
}

int lv_export_prepare(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                      struct hf_err *err)
{
    if (lv_enter(in, call, err) != 0 || lv_domain(in, e->vm_id, &e->dom, err) != 0 ||
        lv_export_dir_make(e->dir, err) != 0)
        return -1;
    if (!e->is_off && (make_scratch(in, call, e, err) != 0 ||
                       lv_export_dir_give(e->dir, e->disks[0].layer.path, err) != 0))
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(e->dom, 0, err);
    if (!vm || check_disks(e, vm, err) != 0)
        return -1;
    e->backup_xml = lv_export_backup_xml(vm, e);
    e->checkpoint_xml = e->leaves_checkpoint ? lv_export_checkpoint_xml(vm, e) : NULL;
    return e->backup_xml && (e->checkpoint_xml || !e->leaves_checkpoint) ? 0 : hf_fail_nomem(err);
}

static int fail_begin(const struct lv_export *e, struct hf_err *err)
{
    const virError *last = virGetLastError();
    int code = last ? last->code : VIR_ERR_OK;
    lv_fail(err, "backup job '%s'", e->name);
    if (code != VIR_ERR_CHECKPOINT_INCONSISTENT)
        return -1;
    err->cls = HF_E_CONFLICT;
    return hf_hint(err, "The checkpoint '%s' has lost its bitmap: the next run reads everything.",
                   e->parent ? e->parent : "?");
}

int lv_export_begin(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                    struct hf_err *err)
{
    /* No lv_enter: a reconnect belongs before the hold, and the domain belongs to this connection. */
    if (call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    if (!e->backup_xml)
        return hf_fail(err, HF_E_INTERNAL, "begin without prepare");
    if (lv_check_stop(in, call, err) != 0)
        return -1;
    if (HF_POINT_ERR("libvirt.before_backup", err) != 0)
        return -1;
    if (e->is_off) {
        e->is_begun = true; /* the first of several may run when the second fails */
        return lv_export_off_begin(in, call, e, err);
    }
    if (virDomainBackupBegin(e->dom, e->backup_xml, e->checkpoint_xml,
                             VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL) != 0)
        return fail_begin(e, err);
    e->is_begun = true;
    return HF_POINT_ERR("libvirt.after_backup", err);
}

static int fail_given_up(const struct lv_export *e, struct hf_err *err)
{
    hf_fail(err, HF_E_NOSPACE, "the scratch files in '%s' became too large", e->dir);
    return hf_hint(err, "Give it more room: scratch-dir, or run when the guest writes less.");
}

/* Still there, and ours; with a fresh connection when libvirtd was restarted meanwhile. */
static int check_running(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                         struct hf_err *err)
{
    bool is_there = false;
    virDomainPtr dom = NULL;
    if (lv_enter(in, call, err) != 0)
        return -1;
    if (e->is_given_up && e->is_ended)
        return fail_given_up(e, err);
    if (!e->is_begun || e->is_ended)
        return hf_fail(err, HF_E_CONFLICT, "the export '%s' does not run", e->name);
    if (e->is_off)
        return lv_export_off_check(e, err);
    if (lv_domain(in, e->vm_id, &dom, err) != 0)
        return -1;
    virDomainFree(e->dom);
    e->dom = dom;
    if (lv_export_is_running(dom, e->dir, &is_there, err) != 0)
        return -1;
    if (is_there)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "the backup job '%s' has ended before its time", e->name);
    return hf_hint(err, "The VM was stopped, or somebody aborted the job; libvirtd's log tells.");
}

int lv_export_settle(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                     struct hf_err *err)
{
    if (check_running(in, call, e, err) != 0)
        return -1;
    for (size_t i = 0; !e->is_off && i < e->n; i++) {
        virDomainBlockInfo info = {0};
        if (virDomainGetBlockInfo(e->dom, e->disks[i].target, &info, 0) != 0)
            return lv_fail(err, "size of disk %s", e->disks[i].target);
        if (info.capacity != e->disks[i].capacity_bytes)
            return fail_changed(&e->disks[i], virDomainGetName(e->dom), err);
    }
    return 0;
}

static char *uri_of(const struct lv_export *e, const char *target)
{
    HF_AUTOFREE char *socket =
        e->is_off ? lv_export_off_socket(e, target) : hf_asprintf("%s/nbd", e->dir);
    xmlChar *escaped =
        socket ? xmlURIEscapeStr((const xmlChar *)socket, (const xmlChar *)"/") : NULL;
    char *uri = escaped ? hf_asprintf("nbd+unix:///%s?socket=%s", target, (char *)escaped) : NULL;
    xmlFree(escaped);
    return uri;
}

static int disk_of(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                   const char *target, struct hf_export *out, struct hf_err *err)
{
    if (check_running(in, call, e, err) != 0)
        return -1;
    const struct lv_export_disk *d = lv_export_disk(e, target);
    if (!d)
        return hf_fail(err, HF_E_NOT_FOUND, "disk %s is not part of the export", target);
    out->form = HF_EXPORT_NBD;
    out->uri = lv_keep(in, uri_of(e, target));
    out->allocation_ctx = "base:allocation";
    out->size_bytes = d->capacity_bytes;
    if (out->struct_size > offsetof(struct hf_export, has_lost_changes)) {
        out->compare_why = d->compare_why;
        out->has_lost_changes = d->has_lost_changes;
    }
    if (d->is_incremental)
        out->dirty_ctx =
            lv_keep(in, hf_asprintf("qemu:dirty-bitmap:%s%s", e->is_off ? "" : "backup-",
                                    e->is_off ? e->parent : target));
    return out->uri && (out->dirty_ctx || !d->is_incremental) ? 0 : hf_fail_nomem(err);
}

/* The VM comes first: the job ends, and a VM that it paused goes on. What fails is tried again by the next watch, and named
 * until it is done. */
static int give_up(struct lv_export *e, struct hf_err *err)
{
    struct hf_err second = HF_ERR_INIT;
    e->is_given_up = true;
    e->is_ended = lv_export_abort(e->dom, e->dir, &second) == 0 &&
                  (e->was_paused_by_io || lv_export_resume(e->dom, &second) == 0);
    if (!e->is_ended) {
        if (!second.left[0])
            (void)hf_left(&second, "a backup job that may have paused the VM: virsh domjobabort");
        hf_also(err, &second);
    }
    return hf_hint(err, "Give it more room: scratch-dir, or run when the guest writes less.");
}

static bool is_paused_by_io(const struct lv_export *e)
{
    const char *trouble;
    return !e->was_paused_by_io && lv_vm_state(e->dom, &trouble) == HF_VM_PAUSED && trouble;
}

static int watch(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
                 struct hf_export_state *out, struct hf_err *err)
{
    uint64_t used, room;
    if (e->is_given_up && !e->is_ended && lv_enter(in, call, err) == 0) {
        (void)fail_given_up(e, err);
        return give_up(e, err);
    }
    if (check_running(in, call, e, err) != 0)
        return -1;
    if (e->is_off)
        return 0;
    if (lv_export_scratch_use(e, &used, &room, err) != 0)
        return -1;
    out->scratch_used_bytes = used;
    out->scratch_room_bytes = room / 100 * (uint64_t)in->scratch_limit;
    bool is_paused = is_paused_by_io(e);
    if (used <= out->scratch_room_bytes && !is_paused)
        return 0;
    hf_fail(err, HF_E_NOSPACE, "the scratch files in '%s' have taken %llu of %llu bytes%s", e->dir,
            (unsigned long long)used, (unsigned long long)room,
            is_paused ? ", and an I/O error paused the VM" : "");
    return give_up(e, err);
}

static int end(struct hf_instance *in, const struct hf_call *call, struct lv_export *e,
               struct hf_err *err)
{
    if (check_running(in, call, e, err) != 0)
        return -1;
    if ((e->is_off ? lv_export_off_end(e->dir, err) : lv_export_abort(e->dom, e->dir, err)) != 0)
        return -1;
    e->is_ended = true;
    return lv_export_dir_remove(e->dir, e->name, err);
}

int libvirt_export_disk(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                        const char *target, struct hf_export *out, struct hf_err *err)
{
    struct lv_export *e = lv_capture_export(cap, err);
    return e ? disk_of(in, call, e, target, out, err) : -1;
}

int libvirt_export_watch(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                         struct hf_export_state *out, struct hf_err *err)
{
    struct lv_export *e = lv_capture_export(cap, err);
    return e ? watch(in, call, e, out, err) : -1;
}

int libvirt_export_end(struct hf_instance *in, const struct hf_call *call, struct hf_capture *cap,
                       struct hf_err *err)
{
    struct lv_export *e = lv_capture_export(cap, err);
    return e ? end(in, call, e, err) : -1;
}
