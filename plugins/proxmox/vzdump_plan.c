/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "snapshots.h"
#include "vzdump.h"

#include <string.h>

#define NOTES_MAX 1000 /* of 1024 that the server takes */

static inline void auto_capture(struct hf_capture **cap)
{
    proxmox_capture_free(NULL, *cap);
}

/* ---- may it, and can it ------------------------------------------------------------------------- */

static int check_rights(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        struct pve_rights *rights, struct hf_err *err)
{
    const char *const storages[] = {in->backup_storage, in->fleecing_storage};
    if (pve_rights_load(in, call, vm_id, rights, err) != 0 ||
        pve_rights_check_backup(rights, vm_id, err) != 0)
        return -1;
    for (size_t i = 0; i < HF_ARRAY_SIZE(storages); i++) {
        HF_AUTO(pve_rights) struct pve_rights there = {0};
        if (storages[i] && (pve_rights_load_storage(in, call, storages[i], &there, err) != 0 ||
                            pve_rights_check_storage(&there, storages[i], err) != 0))
            return -1;
    }
    return 0;
}

struct disks {
    struct hf_err *err;
    uint32_t n, n_data;
};

static int look_at_disk(void *ctx, const struct pve_disk *d)
{
    struct disks *k = ctx;
    if (d->disk.skipped)
        return 0;
    k->n++;
    k->n_data += d->has_data;
    if (d->disk.refused)
        return hf_fail(k->err, HF_E_UNSUPPORTED, "disk %s: %s", d->target, d->disk.refused);
    if (!d->is_left_out)
        return 0;
    hf_fail(k->err, HF_E_UNSUPPORTED, "disk %s has backup=0: the server would leave it out",
            d->target);
    return hf_hint(k->err,
                   "Take backup=0 from it (Hardware, Hard Disk, Backup), or use snapshots.");
}

/* Up to qemu-server 9.0.22 an error that the agent answers is none to vzdump, and no line of its log. */
static int fail_untold(const struct hf_instance *in, const struct pve_vm *vm, uint32_t n_data,
                       struct hf_err *err)
{
    hf_fail(err, HF_E_UNSUPPORTED,
            "VM '%s' has %u disks, and Proxmox VE %d.%d does not say when its freeze fails",
            vm->name, n_data, in->major, in->minor);
    return hf_hint(err, "Use snapshots, or freeze = yes (the server thaws early: grade E), or "
                        "Proxmox VE from 9.1 on.");
}

/* Nothing stops the VM: its disks get their instants one after the other, unless nobody writes to them. */
static int check_freeze(struct hf_instance *in, const struct hf_call *call, const struct pve_vm *vm,
                        const struct hf_capture_request *req, uint32_t n_data, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (n_data < 2 || vm->state != HF_VM_RUNNING)
        return 0;
    if (pve_is_before(in, 9, 1) && !req->is_frozen)
        return fail_untold(in, vm, n_data, err);
    if (!vm->has_agent)
        hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' has %u disks and no guest agent", vm->name, n_data);
    else if (vm->never_freezes)
        hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' has %u disks, and its agent is set never to freeze",
                vm->name, n_data);
    else if (pve_agent_ping(in, call, req->vm_id, &why) != 0)
        hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' has %u disks: %.200s", vm->name, n_data,
                why.message);
    else
        return 0;
    return hf_hint(err, "Without a freeze vzdump takes them one after the other, not in one "
                        "instant. Let the agent freeze, or use snapshots.");
}

struct counting {
    int64_t n_protected;
    struct hf_err *err;
    const char *name;
};

static int count(void *ctx, const struct pve_archive *a)
{
    struct counting *c = ctx;
    c->n_protected += a->is_protected;
    if (a->is_ours && strcmp(a->run, c->name) == 0)
        return hf_fail(c->err, HF_E_CONFLICT, "there is a backup of this run: %s", a->volid);
    return 0;
}

/* The server finds this out after it has copied everything. */
static int check_storage(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_capture_request *req, struct pve_storage *s,
                         struct hf_err *err)
{
    struct counting c = {.err = err, .name = req->name};
    if (pve_storage_load(in, call, in->backup_storage, s, err) != 0)
        return -1;
    if (!s->is_active)
        return hf_fail(err, HF_E_UNREACHABLE, "storage '%s' is not active on node %s", s->id,
                       in->node);
    if (s->total_bytes && s->avail_bytes <= 0)
        return hf_fail(err, HF_E_NOSPACE, "storage '%s' is full", s->id);
    if (pve_archives_each(in, call, in->node, s->id, req->vm_id, count, &c, err) != 0)
        return -1;
    if (s->protected_max < 0 || c.n_protected < s->protected_max)
        return 0;
    hf_fail(err, HF_E_NOSPACE,
            "storage '%s' holds %lld protected backups of VM %s, and no more may be", s->id,
            (long long)c.n_protected, req->vm_id);
    return hf_hint(err, "Delete some, or: pvesm set %s --max-protected-backups N (-1: any number).",
                   s->id);
}

static int warn_of_storage(const struct pve_storage *s, hf_text_cb warn, void *ctx)
{
    char line[512];
    if (s->off == PVE_OFF_YES)
        return 0;
    snprintf(line, sizeof line, "storage '%s' does not protect from the loss of the node: %s",
             s->id, s->why);
    return warn(ctx, line) ? -1 : 0;
}

/* ---- the request -------------------------------------------------------------------------------- */

/* Backslashes and variables mean something in a template; it is one line. Cut at a whole character. */
static void add_notes(struct hf_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        bool is_first = ((unsigned char)*p & 0xC0) != 0x80;
        if (is_first && out->len >= NOTES_MAX)
            return;
        if (*p == '\\')
            hf_buf_str_add(out, "\\\\");
        else if (*p == '{' && p[1] == '{')
            hf_buf_str_add(out, "{ ");
        else
            hf_buf_add(out, (unsigned char)*p < ' ' ? " " : p, 1);
    }
}

static int fill_params(const struct hf_instance *in, const struct hf_capture_request *req,
                       struct hf_buf *params, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf notes = HF_BUF_INIT;
    HF_AUTOFREE char *fleecing =
        in->fleecing_storage ? hf_asprintf("enabled=1,storage=%s", in->fleecing_storage) : NULL;
    hf_buf_printf(&notes, PVE_MARK "%s", req->name);
    if (req->label && *req->label) {
        hf_buf_str_add(&notes, " label=");
        add_notes(&notes, req->label);
    }
    if (!hf_buf_ok(&notes) || (in->fleecing_storage && !fleecing))
        return hf_fail_nomem(err);
    pve_param(params, "vmid", req->vm_id);
    pve_param(params, "storage", in->backup_storage);
    pve_param(params, "mode", "snapshot");
    pve_param(params, "compress", "zstd");
    pve_param(params, "lockwait", "0"); /* else it waits for others while the database is held */
    pve_param(params, "remove", "0");   /* else it deletes older backups, those of others too */
    pve_param(params, "protected",
              "1"); /* … as would the next job of another, and the limit counts */
    pve_param(params, "notes-template", notes.data);
    if (fleecing)
        pve_param(params, "fleecing", fleecing);
    return hf_buf_ok(params) ? 0 : hf_fail_nomem(err);
}

static struct hf_capture *dump_new(const struct hf_instance *in,
                                   const struct hf_capture_request *req,
                                   const struct pve_task *before, struct hf_err *err)
{
    __attribute__((cleanup(auto_capture))) struct hf_capture *cap = calloc(1, sizeof *cap);
    if (!cap) {
        hf_fail_nomem(err);
        return NULL;
    }
    cap->kind = HF_CAPTURE_EXPORT;
    cap->vm_id = strdup(req->vm_id);
    cap->name = strdup(req->name);
    cap->before = *before;
    snprintf(cap->node, sizeof cap->node, "%s", in->node);
    cap->token = hf_asprintf(PVE_DUMP_TOKEN "%s %s %s %s", req->vm_id, in->node, in->backup_storage,
                             before->upid[0] ? before->upid : "-");
    if (!cap->vm_id || !cap->name || !cap->token) {
        hf_fail_nomem(err);
        return NULL;
    }
    return fill_params(in, req, &cap->params, err) == 0 ? HF_STEAL(cap) : NULL;
}

/* The mark in the notes ends at a blank. */
static int check_request(const struct hf_instance *in, const struct hf_capture_request *req,
                         struct hf_err *err)
{
    size_t len = strlen(req->name);
    if (in->fleecing_storage &&
        pve_is_before(in, 8, 2)) /* the request would be refused inside the hold */
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "fleecing-storage needs Proxmox VE 8.2, this is %d.%d", in->major,
                       in->minor);
    if (!in->backup_storage) {
        hf_fail(err, HF_E_UNSUPPORTED, "no storage for backups is configured");
        return hf_hint(err, "backup-storage = STORAGE in the section of the hypervisor.");
    }
    if (!len || len > 64 ||
        strspn(req->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
            len)
        return hf_fail(err, HF_E_CONFIG, "'%.64s' is no name for a backup", req->name);
    return 0;
}

int pve_dump_plan(struct hf_instance *in, const struct hf_call *call,
                  const struct hf_capture_request *req, hf_text_cb warn, void *ctx,
                  struct hf_capture **out, struct hf_capture_plan *plan, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    HF_AUTO(pve_rights) struct pve_rights rights = {0};
    struct disks disks = {.err = err};
    struct pve_storage storage;
    struct pve_task before;
    if (pve_enter(in, call, err) != 0 || check_request(in, req, err) != 0 ||
        pve_locate(in, call, req->vm_id, err) != 0 ||
        check_rights(in, call, req->vm_id, &rights, err) != 0 ||
        pve_vm_load_unlocked(in, call, req->vm_id, &vm, err) != 0)
        return -1;
    if (vm.is_template)
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is a template", vm.name);
    if (pve_disks_each(&vm, look_at_disk, &disks) != 0)
        return -1;
    if (!disks.n)
        return hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' has no disk to capture", vm.name);
    if (check_freeze(in, call, &vm, req, disks.n_data, err) != 0 ||
        check_storage(in, call, req, &storage, err) != 0 ||
        warn_of_storage(&storage, warn, ctx) != 0 ||
        pve_warn_of_agent(in, call, &vm, &rights, req, warn, ctx) != 0 ||
        pve_task_newest(in, call, req->vm_id, "vzdump", PVE_TASK_OURS, NULL, &before, err) != 0)
        return -1;
    struct hf_capture *cap = dump_new(in, req, &before, err);
    if (!cap)
        return -1;
    cap->needs_freeze = disks.n_data > 1 && vm.state == HF_VM_RUNNING;
    cap->needs_rest = disks.n_data > 1 && vm.state == HF_VM_OFF;
    plan->n_disks = disks.n;
    plan->undo_token = cap->token;
    *out = cap;
    return 0;
}
