/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/units.h"
#include "checkpoints.h"
#include "disks.h"
#include "export.h"
#include "image.h"
#include "vm.h"

#include <libgen.h>
#include <stddef.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/un.h>

/* Below it a busy guest may fill the scratch space within the time of one export. */
#define SPACE_WARN ((uint64_t)1 << 30)

struct planning {
    struct hf_instance *in;
    const struct hf_call *call;
    const struct hf_capture_request *req;
    const struct lv_warner *w;
    virDomainPtr dom;
    struct lv_vm *vm;
    struct lv_export *e;
    bool has_snapshots; /* internal ones of the VM's owner */
};

static void planning_drop(struct planning *p)
{
    lv_vm_free(p->vm);
    lv_export_free(p->e);
}
HF_DEFINE_AUTO_VALUE(planning, planning_drop)

static inline void auto_export(struct lv_export **e)
{
    lv_export_free(*e);
}

static enum hf_checkpoint_use checkpoint_use(const struct hf_capture_request *req)
{
    return req->struct_size < offsetof(struct hf_capture_request, reserved) ? HF_CHECKPOINT_AUTO
                                                                            : req->checkpoint;
}

static struct lv_export *export_new(const struct hf_call *call,
                                    const struct hf_capture_request *req)
{
    __attribute__((cleanup(auto_export))) struct lv_export *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->vm_id = strdup(req->vm_id);
    e->name = strdup(req->name);
    e->run_id = strdup(call->request_id ? call->request_id : req->name);
    e->parent = req->parent ? strdup(req->parent) : NULL;
    if (!e->vm_id || !e->name || !e->run_id || (req->parent && !e->parent))
        return NULL;
    return HF_STEAL(e);
}

static int check_state(struct planning *p, struct hf_err *err)
{
    const char *trouble, *name = virDomainGetName(p->dom);
    enum hf_vm_state state = lv_vm_state(p->dom, &trouble);
    p->e->is_off = state == HF_VM_OFF;
    p->e->was_paused_by_io = state == HF_VM_PAUSED && trouble;
    if (state != HF_VM_OFF && state != HF_VM_RUNNING && state != HF_VM_PAUSED)
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s': %s", name,
                       trouble ? trouble : "its state is unknown");
    return trouble ? lv_warn(p->w, "VM '%s': %s", name, trouble) : 0;
}

static const char *base_dir(const struct planning *p)
{
    return p->req->scratch_dir  ? p->req->scratch_dir
           : p->in->scratch_dir ? p->in->scratch_dir
                                : p->in->overlay_dir;
}

static int check_disk(const struct planning *p, const struct lv_disk *d, struct hf_err *err)
{
    /* An export of a VM that is off needs no place but for its sockets. */
    const char *why = lv_disk_refused(d, base_dir(p) != NULL);
    if (!why)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "VM '%s': disk %s: %s", p->vm->name, d->target, why);
    return hf_hint(err, "Leave it out on purpose with snapshot='no' in its definition.");
}

static int plan_disk(struct planning *p, const struct lv_disk *d, struct hf_err *err)
{
    struct lv_export_disk *out = &p->e->disks[p->e->n++];
    const struct lv_layer *top = &d->layers[0];
    struct lv_chain_info chain = {0};
    if (lv_image_chain(p->in, p->call, top, &chain, err) != 0)
        return hf_wrap(err, "disk %s", d->target);
    p->has_snapshots |= chain.has_snapshots;
    out->capacity_bytes = chain.size_bytes;
    out->takes_bitmap = chain.takes_bitmaps;
    out->is_alone = chain.depth == 1;
    out->target = strdup(d->target);
    out->layer = (struct lv_layer){.type = strdup(top->type ? top->type : "file"),
                                   .path = strdup(top->path),
                                   .format = strdup(top->format)};
    return out->target && out->layer.type && out->layer.path && out->layer.format
               ? 0
               : hf_fail_nomem(err);
}

static int plan_disks(struct planning *p, struct hf_err *err)
{
    if (!lv_disks_captured(p->vm))
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' has no disk to capture", p->vm->name);
    p->e->disks = calloc(p->vm->n_disks, sizeof *p->e->disks);
    if (!p->e->disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < p->vm->n_disks; i++) {
        const struct lv_disk *d = &p->vm->disks[i];
        const char *skipped = lv_disk_skipped(d);
        if (skipped && d->n_layers &&
            lv_warn(p->w, "disk %s is left out: %s", d->target, skipped) != 0)
            return -1;
        if (!skipped && (check_disk(p, d, err) != 0 || plan_disk(p, d, err) != 0))
            return -1;
    }
    return 0;
}

/* A socket's address has no room for more. */
static int check_socket_path(const struct planning *p, struct hf_err *err)
{
    size_t longest = strlen("nbd");
    for (size_t i = 0; p->e->is_off && i < p->e->n; i++)
        if (strlen(p->e->disks[i].target) + strlen(".nbd") > longest)
            longest = strlen(p->e->disks[i].target) + strlen(".nbd");
    if (strlen(p->e->dir) + 1 + longest < sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "the path '%s' is too long for a socket", p->e->dir);
    return hf_hint(err, "Set scratch-dir to a directory with a shorter path.");
}

static int check_space(const struct planning *p, const char *base, struct hf_err *err)
{
    struct statvfs fs;
    char text[HF_UNITS_MAX];
    if (statvfs(base, &fs) != 0)
        return hf_fail_sys(err, errno, "directory '%s'", base);
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (p->e->is_off || bytes >= SPACE_WARN)
        return 0;
    hf_format_size(bytes, text);
    return lv_warn(p->w, "only %s are left in '%s', where the scratch files will grow", text, base);
}

static int plan_place(struct planning *p, struct hf_err *err)
{
    struct stat st;
    HF_AUTOFREE char *beside = strdup(p->e->disks[0].layer.path);
    if (!beside)
        return hf_fail_nomem(err);
    const char *base = base_dir(p) ? base_dir(p) : dirname(beside);
    if (*base != '/')
        return hf_fail(err, HF_E_CONFIG, "scratch-dir '%s' is no absolute path", base);
    p->e->dir = lv_export_dir(base, p->e->name, err);
    if (!p->e->dir || check_socket_path(p, err) != 0 || check_space(p, base, err) != 0)
        return -1;
    if (lstat(p->e->dir, &st) == 0)
        return hf_fail(err, HF_E_CONFLICT, "'%s' exists already", p->e->dir);
    return errno == ENOENT ? 0 : hf_fail_sys(err, errno, "'%s'", p->e->dir);
}

static int plan_checkpoint(struct planning *p)
{
    struct lv_export *e = p->e;
    enum hf_checkpoint_use use = checkpoint_use(p->req);
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++)
        n += e->disks[i].takes_bitmap;
    e->leaves_checkpoint = n && !e->is_off && use != HF_CHECKPOINT_NEVER;
    if (!e->leaves_checkpoint || !p->has_snapshots || use == HF_CHECKPOINT_ALWAYS)
        return 0;
    e->leaves_checkpoint = false;
    return lv_warn(p->w,
                   "VM '%s' has internal snapshots, which could not be reverted to with a "
                   "checkpoint: the next backup compares",
                   p->vm->name);
}

static int check_names(struct planning *p, struct hf_err *err)
{
    bool is_there = false;
    if (lv_checkpoint_exists(p->dom, p->e->name, &is_there, err) != 0)
        return -1;
    if (!is_there)
        return 0;
    return hf_fail(err, HF_E_CONFLICT, "VM '%s' has a checkpoint '%s' already", p->vm->name,
                   p->e->name);
}

static int check_persistent(struct planning *p, struct hf_err *err)
{
    if (virDomainIsPersistent(p->dom) != 0)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is transient: it cannot have checkpoints", p->vm->name);
    return hf_hint(err, "Define it: virsh define.");
}

static void fill_plan(const struct lv_export *e, struct hf_capture_plan *plan)
{
    plan->n_disks = (uint32_t)e->n;
    plan->undo_token = e->token;
    if (plan->struct_size <= offsetof(struct hf_capture_plan, leaves_checkpoint))
        return;
    plan->leaves_checkpoint = e->leaves_checkpoint;
    plan->is_incremental = e->parent != NULL;
}

int lv_export_plan(struct hf_instance *in, const struct hf_call *call,
                   const struct hf_capture_request *req, virDomainPtr dom,
                   const struct lv_warner *w, struct lv_export **out, struct hf_capture_plan *plan,
                   struct hf_err *err)
{
    HF_AUTO(planning)
    struct planning p = {.in = in, .call = call, .req = req, .w = w, .dom = dom};
    p.e = export_new(call, req);
    if (!p.e)
        return hf_fail_nomem(err);
    p.vm = lv_vm_load(dom, 0, err);
    if (!p.vm || check_state(&p, err) != 0 || check_persistent(&p, err) != 0)
        return -1;
    if (!p.e->is_off && lv_vm_check_idle(dom, p.vm, err) != 0)
        return -1;
    if (plan_disks(&p, err) != 0 || plan_place(&p, err) != 0 || check_names(&p, err) != 0 ||
        lv_export_plan_parent(in, call, p.vm, dom, p.e, err) != 0 || plan_checkpoint(&p) != 0)
        return -1;
    if (p.vm->is_uefi && lv_warn(w, "UEFI variables (NVRAM) are not part of the export") != 0)
        return -1;
    p.e->token = lv_export_token(p.vm->uuid, p.e, err);
    if (!p.e->token)
        return -1;
    fill_plan(p.e, plan);
    *out = HF_STEAL(p.e);
    return 0;
}
