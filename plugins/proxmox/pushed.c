/* SPDX-License-Identifier: Apache-2.0 */
#include "pushed.h"

#include "base/point.h"
#include "rights.h"
#include "vzdump.h"

#include <string.h>

/* Borrowed from both. */
static void fill(const struct pve_storage *s, const struct pve_archive *a, struct hf_pushed *out)
{
    static const enum hf_pushed_place where[] = {[PVE_OFF_NO] = HF_PLACE_HERE,
                                                 [PVE_OFF_UNKNOWN] = HF_PLACE_UNKNOWN,
                                                 [PVE_OFF_YES] = HF_PLACE_ELSEWHERE};
    out->check = strcmp(a->verified, "ok") == 0       ? HF_PUSHED_GOOD
                 : strcmp(a->verified, "failed") == 0 ? HF_PUSHED_BAD
                                                      : HF_PUSHED_UNCHECKED;
    out->where = where[s->off];
    out->is_ours = a->is_ours && a->run[0];
    out->is_protected = a->is_protected;
    out->taken_at_s = a->taken_at_s > 0 ? a->taken_at_s : 0;
    out->stored_bytes = a->size_bytes > 0 ? (uint64_t)a->size_bytes : 0;
    out->ref = a->volid;
    out->form = strcmp(s->type, "pbs") == 0 ? "pbs" : "vma";
    out->place = s->id;
    out->server = s->server[0] ? s->server : NULL;
    out->where_why = s->why;
    out->run = out->is_ours ? a->run : NULL;
    out->notes = a->notes[0] ? a->notes : NULL;
}

/* The same until the next call. */
static int keep(struct hf_instance *in, const struct pve_storage *s, const struct pve_archive *a,
                struct hf_pushed *out, struct hf_err *err)
{
    struct hf_pushed p = {0};
    fill(s, a, &p);
    const char **texts[] = {&p.ref, &p.form, &p.place, &p.server, &p.where_why, &p.run, &p.notes};
    for (size_t i = 0; i < HF_ARRAY_SIZE(texts); i++) {
        if (!*texts[i])
            continue;
        *texts[i] = pve_keep(in, strdup(*texts[i]));
        if (!*texts[i])
            return hf_fail_nomem(err);
    }
    p.struct_size = out->struct_size;
    *out = p;
    return 0;
}

int proxmox_export_pushed(struct hf_instance *in, const struct hf_call *call,
                          struct hf_capture *cap, struct hf_pushed *out, struct hf_err *err)
{
    char volid[PVE_VOLID_MAX];
    struct pve_storage s;
    struct pve_archive a;
    bool is_there = false;
    if (pve_enter(in, call, err) != 0)
        return -1;
    if (!cap->has_ended)
        return hf_fail(err, HF_E_INTERNAL, "the backup has not ended");
    pve_dump_volid(&cap->log, in->backup_storage, volid);
    if (pve_storage_describe(in, call, in->backup_storage, &s, err) != 0 ||
        pve_archive_find(in, call, cap->node, cap->vm_id, volid, &a, &is_there, err) != 0)
        return -1;
    return is_there ? keep(in, &s, &a, out, err)
                    : hf_fail(err, HF_E_CONFLICT, "%s is not there any more", volid);
}

/* ---- what lies where ---------------------------------------------------------------------------- */

static int check_vm_id(const char *vm_id, struct hf_err *err)
{
    size_t len = strlen(vm_id);
    return len && len < PVE_ID_MAX && strspn(vm_id, "0123456789") == len
               ? 0
               : hf_fail(err, HF_E_NOT_FOUND, "no VM can have the id '%.40s'", vm_id);
}

/* Its storage. What else stands in it is the server's, and is encoded where it is part of a path. */
static int storage_of(const char *ref, char out[PVE_STORAGE_MAX], struct hf_err *err)
{
    size_t len = strcspn(ref, ":");
    if (!ref[len] || !ref[len + 1] || len >= PVE_STORAGE_MAX || strlen(ref) >= PVE_VOLID_MAX)
        return hf_fail(err, HF_E_CONFIG, "'%.100s' is no backup of a storage", ref);
    snprintf(out, PVE_STORAGE_MAX, "%.*s", (int)len, ref);
    return pve_storage_check_key("backup", out, err);
}

static int check_rights(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        struct hf_err *err)
{
    HF_AUTO(pve_rights) struct pve_rights rights = {0};
    return pve_rights_load(in, call, vm_id, &rights, err) != 0
               ? -1
               : pve_rights_check_backup(&rights, vm_id, err);
}

/* A storage that is not there is no proof that nothing lies on it. */
static int as_unreachable(struct hf_err *err)
{
    if (err->cls == HF_E_NOT_FOUND)
        err->cls = HF_E_UNREACHABLE;
    return -1;
}

struct listing {
    const struct pve_storage *storage;
    hf_pushed_cb emit;
    void *ctx;
};

static int emit_one(void *ctx, const struct pve_archive *a)
{
    const struct listing *l = ctx;
    struct hf_pushed p = {.struct_size = sizeof p};
    fill(l->storage, a, &p);
    return l->emit(l->ctx, &p);
}

int proxmox_pushed_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        hf_pushed_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv nodes = HF_STRV_INIT;
    struct pve_storage s;
    struct listing l = {&s, emit, ctx};
    bool is_hidden = false;
    if (pve_enter(in, call, err) != 0 || check_vm_id(vm_id, err) != 0)
        return -1;
    if (!in->backup_storage)
        return 0;
    if (check_rights(in, call, vm_id, err) != 0)
        return -1;
    if (pve_storage_describe(in, call, in->backup_storage, &s, err) != 0 ||
        pve_storage_nodes(in, call, s.id, &nodes, &is_hidden, err) != 0)
        return as_unreachable(err);
    if (is_hidden)
        pve_log(in, HF_LOG_WARN, "storage '%s' is not available on all its nodes", s.id);
    for (size_t i = 0; i < nodes.n; i++)
        if (pve_archives_each(in, call, nodes.items[i], s.id, vm_id, emit_one, &l, err) != 0)
            return -1;
    return 0;
}

/* *out_node: of nodes, the one that has it; NULL: it is nowhere. */
static int find(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                const char *ref, struct hf_strv *nodes, struct pve_archive *out,
                const char **out_node, struct hf_err *err)
{
    char storage[PVE_STORAGE_MAX];
    bool is_hidden = false, is_there = false;
    *out_node = NULL;
    if (check_vm_id(vm_id, err) != 0 || storage_of(ref, storage, err) != 0 ||
        check_rights(in, call, vm_id, err) != 0)
        return -1;
    if (pve_storage_nodes(in, call, storage, nodes, &is_hidden, err) != 0)
        return as_unreachable(err);
    for (size_t i = 0; i < nodes->n && !is_there; i++) {
        if (pve_archive_find(in, call, nodes->items[i], vm_id, ref, out, &is_there, err) != 0)
            return as_unreachable(err);
        *out_node = is_there ? nodes->items[i] : NULL;
    }
    return is_there || !is_hidden
               ? 0
               : hf_fail(err, HF_E_UNREACHABLE,
                         "%s may lie on a node where storage '%s' is not available", ref, storage);
}

int proxmox_pushed_find(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        const char *ref, struct hf_pushed *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv nodes = HF_STRV_INIT;
    const char *node = NULL;
    char storage[PVE_STORAGE_MAX];
    struct pve_storage s;
    struct pve_archive a;
    if (pve_enter(in, call, err) != 0 || find(in, call, vm_id, ref, &nodes, &a, &node, err) != 0)
        return -1;
    if (!node)
        return hf_fail(err, HF_E_NOT_FOUND, "there is no backup %s of VM %s", ref, vm_id);
    if (storage_of(ref, storage, err) != 0)
        return -1;
    return pve_storage_describe(in, call, storage, &s, err) != 0 ? as_unreachable(err)
                                                                 : keep(in, &s, &a, out, err);
}

int proxmox_pushed_delete(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char *ref, const char *run, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv nodes = HF_STRV_INIT;
    const char *node = NULL;
    struct pve_archive a;
    if (pve_enter(in, call, err) != 0 || find(in, call, vm_id, ref, &nodes, &a, &node, err) != 0)
        return -1;
    if (!node)
        return 0;
    if (!a.is_ours || strcmp(a.run, run) != 0)
        return hf_fail(err, HF_E_CONFLICT, "%s is not of run %.80s: its notes say '%.100s'", ref,
                       run, a.notes);
    if (HF_POINT_ERR("proxmox.before_pushed_delete", err) != 0)
        return -1;
    return pve_archive_delete(in, call, node, vm_id, ref, err) == 0
               ? 0
               : hf_left(err, "backup %s", ref);
}
