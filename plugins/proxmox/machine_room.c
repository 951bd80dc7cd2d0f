/* SPDX-License-Identifier: Apache-2.0
 *
 * The storages of the node that a machine's disks come to lie on. Asking for their state makes the server probe them: never in a hold.
 */
#include "base/units.h"
#include "machine.h"
#include "rights.h"

#include <string.h>

int pve_machine_load_storages(struct pve_planning *p)
{
    HF_AUTOFREE char *path = hf_asprintf("/nodes/%s/storage?enabled=1", p->m.node);
    if (!path)
        return hf_fail_nomem(p->err);
    if (pve_get(p->in, p->call, path, &p->storages, p->err) != 0)
        return -1;
    return json_object_is_type(p->storages, json_type_array)
               ? 0
               : hf_fail(p->err, HF_E_CORRUPT, "the storages of node %s are no list", p->m.node);
}

struct json_object *pve_machine_storage(const struct pve_planning *p, const char *id)
{
    for (size_t i = 0; i < json_object_array_length(p->storages); i++) {
        struct json_object *o = json_object_array_get_idx(p->storages, i);
        const char *name = pve_text(o, "storage");
        if (name && strcmp(name, id) == 0)
            return o;
    }
    return NULL;
}

/* A member of a list that is separated by commas. */
static bool holds_images(struct json_object *storage)
{
    const char *all = pve_text(storage, "content");
    const char *at = all ? strstr(all, "images") : NULL;
    return at && (at == all || at[-1] == ',') && (at[6] == '\0' || at[6] == ',');
}

/* ---- room ------------------------------------------------------------------------------------------ */

struct sizes {
    struct pve_planning *p;
    const char *storage; /* of these disks */
    uint64_t bytes;
};

static const char *target_of(const struct pve_planning *p, const char *disk)
{
    return p->req->store ? p->req->store : pve_text(p->config.disks, disk);
}

static int add_size(void *ctx, const struct pve_disk *d)
{
    struct sizes *s = ctx;
    const char *to = d->disk.skipped ? NULL : target_of(s->p, d->target);
    if (to && pve_text(s->p->config.disks, d->target) && strcmp(to, s->storage) == 0)
        s->bytes += d->disk.capacity_bytes;
    return 0;
}

/* LVM takes the whole size at once; elsewhere holes may cost nothing. */
static int check_size(struct pve_planning *p, struct json_object *o, const char *id)
{
    const struct pve_vm as_vm = {.config = p->config.keys};
    struct sizes s = {.p = p, .storage = id};
    char wanted[HF_UNITS_MAX], free[HF_UNITS_MAX], about[PVE_STORAGE_MAX + 16];
    int64_t avail = pve_int(o, "avail", 0), total = pve_int(o, "total", 0);
    const char *type = pve_text(o, "type");
    bool is_vma = strstr(p->archive.volid, ".vma"), is_thick = type && strcmp(type, "lvm") == 0;
    (void)pve_disks_each(&as_vm, add_size, &s);
    if (!total || (uint64_t)avail >= s.bytes)
        return 0;
    hf_format_size(s.bytes, wanted);
    hf_format_size(avail < 0 ? 0 : (uint64_t)avail, free);
    if (is_thick || avail <= 0 || (is_vma && avail < p->archive.size_bytes)) {
        hf_fail(p->err, HF_E_NOSPACE, "storage '%s' has %s, and the disks are %s", id, free,
                wanted);
        return hf_hint(p->err, "Name another with --storage.");
    }
    snprintf(about, sizeof about, "storage %s", id);
    return pve_machine_tell(p, HF_MACHINE_WARNING, about,
                            "it has %s, and the disks are %s when they are full", free, wanted);
}

static int check_one(struct pve_planning *p, const char *id)
{
    HF_AUTO(pve_rights) struct pve_rights there = {0};
    struct json_object *o = pve_machine_storage(p, id);
    if (!o) {
        hf_fail(p->err, HF_E_NOT_FOUND, "node %s has no storage '%s'", p->m.node, id);
        return hf_hint(p->err, "Name one with --storage; without Datastore.AllocateSpace on it a "
                               "storage looks as if it "
                               "did not exist.");
    }
    if (!holds_images(o)) {
        hf_fail(p->err, HF_E_CONFIG, "storage '%s' is not for disks of VMs (content: images)", id);
        return hf_hint(p->err, "Name another with --storage.");
    }
    if (!pve_bool(o, "active"))
        return hf_fail(p->err, HF_E_UNREACHABLE, "storage '%s' is not active on node %s", id,
                       p->m.node);
    if (pve_rights_load_storage(p->in, p->call, id, &there, p->err) != 0 ||
        pve_rights_check_storage(&there, id, p->err) != 0)
        return -1;
    return check_size(p, o, id);
}

int pve_machine_check_room(struct pve_planning *p)
{
    HF_AUTO(hf_strv) struct hf_strv all = HF_STRV_INIT;
    if (p->req->store)
        return pve_storage_check_key("--storage", p->req->store, p->err) != 0
                   ? -1
                   : check_one(p, p->req->store);
    json_object_object_foreach(p->config.disks, disk, member)
    {
        const char *id = json_object_get_string(member);
        (void)disk;
        if (pve_storage_check_key("the backup's configuration", id, p->err) != 0)
            return hf_hint(p->err, "Name a storage with --storage.");
        if (hf_strv_has(&all, id))
            continue;
        if (hf_strv_add(&all, id) != 0)
            return hf_fail_nomem(p->err);
        if (check_one(p, id) != 0)
            return -1;
    }
    return 0;
}

/* ---- volumes of a number that is free ---------------------------------------------------------------- */

/* The server would hang them on the new VM ("unused"), and delete them with it. */
int pve_machine_has_volumes(struct pve_planning *p, const char *vm_id, bool *out)
{
    *out = false;
    for (size_t i = 0; !*out && i < json_object_array_length(p->storages); i++) {
        struct json_object *o = json_object_array_get_idx(p->storages, i);
        const char *id = pve_text(o, "storage");
        HF_AUTOJSON struct json_object *data = NULL;
        if (!id || !holds_images(o) || !pve_bool(o, "active"))
            continue;
        HF_AUTOFREE char *path = hf_asprintf("/nodes/%s/storage/%s/content?content=images&vmid=%s",
                                             p->m.node, id, vm_id);
        if (!path)
            return hf_fail_nomem(p->err);
        if (pve_storage_check_key("a storage", id, p->err) != 0 ||
            pve_get(p->in, p->call, path, &data, p->err) != 0)
            return -1;
        *out = json_object_is_type(data, json_type_array) && json_object_array_length(data);
    }
    return 0;
}
