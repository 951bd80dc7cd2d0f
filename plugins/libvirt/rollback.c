/* SPDX-License-Identifier: Apache-2.0 */
#include "rollback.h"

#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "chain.h"
#include "checkpoints.h"
#include "image.h"
#include "remove.h"
#include "vm.h"

#include <libvirt/virterror.h>
#include <string.h>
#include <sys/stat.h>

/* A call of a dead caller may still come to its end in libvirtd while its work is undone: looked at again so often. */
#define UNDO_TRIES 5

enum side { OLD, NEW, NEITHER };

struct step {
    struct hf_instance *in;
    const struct hf_call *call;
    virDomainPtr dom;
    struct lv_rollback rb;
};

static void step_drop(struct step *s)
{
    lv_rollback_free(&s->rb);
    if (s->dom)
        virDomainFree(s->dom);
}
HF_DEFINE_AUTO_VALUE(step, step_drop)

/* ---- looking ---------------------------------------------------------------------------- */

/* Which disks a view of the domain has: flags 0 (live, when it runs) or VIR_DOMAIN_XML_INACTIVE. */
static int look(const struct step *s, unsigned flags, enum side *out, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(s->dom, flags, err);
    size_t old = 0, new = 0;
    if (!vm)
        return -1;
    for (size_t i = 0; i < s->rb.n; i++) {
        const struct lv_rollback_disk *d = &s->rb.disks[i];
        const struct lv_disk *is = lv_vm_disk(vm, d->target);
        old += is && lv_disk_layer(is, d->from) == 0;
        new += is &&lv_disk_layer(is, d->to) == 0;
    }
    *out = old == s->rb.n ? OLD : new == s->rb.n ? NEW : NEITHER;
    return 0;
}

/* CONFLICT unless what runs (if it does) and what would be started next have the disks of `side`. */
static int check_side(const struct step *s, enum side side, struct hf_err *err)
{
    enum side live, next;
    if (look(s, 0, &live, err) != 0 || look(s, VIR_DOMAIN_XML_INACTIVE, &next, err) != 0)
        return -1;
    if (live == side && next == side)
        return 0;
    err->retryable = 1;
    return hf_fail(err, HF_E_CONFLICT, "the disks of '%s' changed since the rollback was planned",
                   virDomainGetName(s->dom));
}

/* ---- changing --------------------------------------------------------------------------- */

static int create_overlays(struct step *s, struct hf_err *err)
{
    for (size_t i = 0; i < s->rb.n; i++) {
        struct lv_rollback_disk *d = &s->rb.disks[i];
        if (lv_check_stop(s->in, s->call, err) != 0)
            return -1;
        if (lv_image_create(s->in, s->call, d->to, &d->base, d->size_bytes, err) != 0)
            return hf_wrap(err, "overlay of disk %s", d->target);
    }
    return 0;
}

static int stop(struct step *s, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_destroy", err) != 0)
        return -1;
    if (virDomainDestroy(s->dom) != 0 && virDomainIsActive(s->dom) != 0)
        return lv_fail(err, "stop of the VM");
    return HF_POINT_ERR("libvirt.after_destroy", err);
}

/* One file of libvirt's, replaced as a whole: all disks change or none. */
static int define(struct step *s, enum side to, struct hf_err *err)
{
    HF_AUTOFREE struct lv_edit *edits = calloc(s->rb.n, sizeof *edits);
    HF_AUTOFREE char *xml =
        virDomainGetXMLDesc(s->dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    if (!edits)
        return hf_fail_nomem(err);
    if (!xml)
        return lv_fail(err, "definition of the VM");
    for (size_t i = 0; i < s->rb.n; i++) {
        const struct lv_rollback_disk *d = &s->rb.disks[i];
        edits[i] = (struct lv_edit){.target = d->target,
                                    .from = to == NEW ? d->from : d->to,
                                    .to = to == NEW ? d->to : d->from};
    }
    HF_AUTOFREE char *edited = lv_edit_domain(xml, edits, s->rb.n, err);
    if (!edited || HF_POINT_ERR("libvirt.before_define", err) != 0)
        return -1;
    LV_AUTODOMAIN virDomainPtr defined = virDomainDefineXML(s->in->conn, edited);
    if (!defined)
        return lv_fail(err, "change of the VM's definition");
    return HF_POINT_ERR("libvirt.after_define", err);
}

static int start(struct step *s, struct hf_err *err)
{
    unsigned flags = s->rb.was_running ? 0 : VIR_DOMAIN_START_PAUSED;
    if (HF_POINT_ERR("libvirt.before_start", err) != 0)
        return -1;
    if (virDomainCreateWithFlags(s->dom, flags) != 0)
        return lv_fail(err, "start of the VM");
    return HF_POINT_ERR("libvirt.after_start", err);
}

static int enter(struct step *s, const char *vm_id, const char *token, struct hf_err *err)
{
    if (lv_enter(s->in, s->call, err) != 0 || lv_domain(s->in, vm_id, &s->dom, err) != 0)
        return -1;
    return lv_rollback_read(token, vm_id, &s->rb, err);
}

/* What incremental backups know of the disks is wrong from the switch on. Somebody else's may be new since the plan. */
static int drop_checkpoints(struct step *s, struct hf_err *err)
{
    size_t ours = 0;
    if (lv_checkpoints_check(s->dom, &ours, err) != 0)
        return -1;
    return ours ? lv_checkpoints_drop(s->in, s->call, s->dom, NULL, NULL, NULL, err) : 0;
}

int libvirt_rollback_switch(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, struct hf_err *err)
{
    HF_AUTO(step) struct step s = {.in = in, .call = call};
    if (enter(&s, vm_id, undo_token, err) != 0 || check_side(&s, OLD, err) != 0 ||
        create_overlays(&s, err) != 0 || lv_check_stop(in, call, err) != 0)
        return -1;
    if (virDomainIsActive(s.dom) == 1 && stop(&s, err) != 0)
        return -1;
    if (drop_checkpoints(&s, err) != 0 || define(&s, NEW, err) != 0)
        return -1;
    if (s.rb.was_active && start(&s, err) != 0)
        return -1;
    return check_side(&s, NEW, err);
}

/* ---- settle ----------------------------------------------------------------------------- */

/* The snapshot's own overlay is the new one from now on. */
static int rename_in_metadata(struct step *s, struct hf_err *err)
{
    LV_AUTOSNAPSHOT virDomainSnapshotPtr snap =
        virDomainSnapshotLookupByName(s->dom, s->rb.name, 0);
    const virError *e = snap ? NULL : virGetLastError();
    if (e && e->code == VIR_ERR_NO_DOMAIN_SNAPSHOT)
        return 0; /* somebody took it away: there is nothing to be right */
    if (!snap)
        return lv_fail(err, "snapshot '%s'", s->rb.name);
    HF_AUTOFREE struct lv_edit *edits = calloc(s->rb.n, sizeof *edits);
    HF_AUTOFREE char *xml = virDomainSnapshotGetXMLDesc(snap, VIR_DOMAIN_SNAPSHOT_XML_SECURE);
    if (!edits)
        return hf_fail_nomem(err);
    if (!xml)
        return lv_fail(err, "metadata of snapshot '%s'", s->rb.name);
    for (size_t i = 0; i < s->rb.n; i++) {
        const struct lv_rollback_disk *d = &s->rb.disks[i];
        edits[i] = (struct lv_edit){d->target, d->gone.items[d->gone.n - 1], d->to};
    }
    HF_AUTOFREE char *edited = lv_edit_snapshot(xml, edits, s->rb.n, err);
    if (!edited || HF_POINT_ERR("libvirt.before_redefine", err) != 0)
        return -1;
    LV_AUTOSNAPSHOT virDomainSnapshotPtr done = virDomainSnapshotCreateXML(
        s->dom, edited, VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT);
    if (!done)
        return lv_fail(err, "metadata of snapshot '%s'", s->rb.name);
    return HF_POINT_ERR("libvirt.after_redefine", err);
}

/* libvirt syncs the definition's file, and not the folder it was renamed in. Where that is, is its secret: these are the
 * usual places. */
static void sync_definition(const struct hf_instance *in)
{
    struct hf_err ignored = HF_ERR_INIT;
    const char *home = getenv("HOME");
    HF_AUTOFREE char *mine = hf_asprintf("%s/.config/libvirt/qemu", home ? home : "");
    const char *dir = strstr(in->uri, "/session") ? mine : "/etc/libvirt/qemu";
    if (dir && hf_path_sync_dir(dir, &ignored) != 0)
        lv_log((struct hf_instance *)(uintptr_t)in, HF_LOG_DEBUG, "%s", ignored.message);
}

static int give_up_files(struct step *s, hf_text_cb kept, void *ctx, struct hf_err *err)
{
    for (size_t i = 0; i < s->rb.n; i++) {
        const struct hf_strv *gone = &s->rb.disks[i].gone;
        for (size_t k = 0; k < gone->n; k++) {
            const char *path = gone->items[k];
            if (kept ? kept(ctx, path) != 0
                     : lv_overlay_unlink(path, lv_rollback_maker(&s->rb, path), err) != 0)
                return kept ? -1 : hf_left(err, "file '%s'", path);
        }
    }
    return 0;
}

int libvirt_rollback_settle(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *undo_token, hf_text_cb kept, void *ctx, struct hf_err *err)
{
    struct hf_call plain = *call;
    HF_AUTO(step) struct step s = {.in = in, .call = &plain};
    plain.flags &= ~HF_ROLLBACK_KEEP;
    if (enter(&s, vm_id, undo_token, err) != 0 || check_side(&s, NEW, err) != 0 ||
        rename_in_metadata(&s, err) != 0)
        return -1;
    for (size_t i = 0; i < s.rb.younger.n; i++)
        if (lv_drop_metadata(s.dom, s.rb.younger.items[i], err) != 0)
            return -1;
    sync_definition(in);
    return give_up_files(&s, call->flags & HF_ROLLBACK_KEEP ? kept : NULL, ctx, err);
}

/* ---- undo ------------------------------------------------------------------------------- */

/* The metadata tells: settle begins with it. */
static int check_not_settled(struct step *s, struct hf_err *err)
{
    HF_AUTO(lv_snaps) struct lv_snaps snaps = {0};
    if (lv_snaps_load(s->dom, &snaps, err) != 0)
        return -1;
    const struct lv_snap *snap = lv_snaps_find(&snaps, s->rb.name);
    for (size_t i = 0; snap && i < snap->n_disks; i++)
        for (size_t k = 0; k < s->rb.n; k++)
            if (snap->disks[i].source && strcmp(snap->disks[i].source, s->rb.disks[k].to) == 0)
                return hf_fail(err, HF_E_CONFLICT, "the rollback to '%s' is settled: no way back",
                               s->rb.name);
    return 0;
}

/* *out_done: nothing had to be changed. */
static int bring_back(struct step *s, bool *out_done, struct hf_err *err)
{
    enum side live, next;
    if (look(s, 0, &live, err) != 0 || look(s, VIR_DOMAIN_XML_INACTIVE, &next, err) != 0)
        return -1;
    bool is_active = virDomainIsActive(s->dom) == 1;
    if (live == NEITHER || next == NEITHER)
        return hf_fail(err, HF_E_CONFLICT, "'%s' has disks that are of neither state",
                       virDomainGetName(s->dom));
    *out_done = live == OLD && next == OLD && is_active >= s->rb.was_active;
    if (is_active && live == NEW && stop(s, err) != 0)
        return -1;
    if (next == NEW && define(s, OLD, err) != 0)
        return -1;
    bool must_start = s->rb.was_active && virDomainIsActive(s->dom) == 0;
    return must_start ? start(s, err) : 0;
}

static int undo_without_vm(const struct lv_rollback *rb, struct hf_err *err)
{
    struct stat st;
    int rc = 0;
    for (size_t i = 0; i < rb->n; i++)
        if (lstat(rb->disks[i].to, &st) == 0) {
            if (rc == 0)
                rc = hf_fail(err, HF_E_NOT_FOUND,
                             "the VM of the rollback to '%s' does not exist any more", rb->name);
            hf_left(err, "file '%s'", rb->disks[i].to);
        }
    return rc;
}

int libvirt_rollback_undo(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char *undo_token, struct hf_err *err)
{
    HF_AUTO(step) struct step s = {.in = in, .call = call};
    struct hf_err why = HF_ERR_INIT;
    bool is_done = false;
    if (lv_enter(in, call, err) != 0 || lv_rollback_read(undo_token, vm_id, &s.rb, err) != 0)
        return -1;
    if (lv_domain(in, vm_id, &s.dom, &why) != 0) {
        if (why.cls == HF_E_NOT_FOUND)
            return undo_without_vm(&s.rb, err);
        hf_err_copy(err, &why);
        return -1;
    }
    if (check_not_settled(&s, err) != 0)
        return -1;
    for (int tries = 0; !is_done && tries < UNDO_TRIES; tries++)
        if (bring_back(&s, &is_done, err) != 0)
            return -1;
    if (!is_done)
        return hf_fail(err, HF_E_CONFLICT, "somebody else changes '%s' at the same time",
                       virDomainGetName(s.dom));
    for (size_t i = 0; i < s.rb.n; i++)
        if (lv_overlay_unlink(s.rb.disks[i].to, s.rb.name, err) != 0)
            return -1;
    return 0;
}
