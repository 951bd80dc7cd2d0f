/* SPDX-License-Identifier: Apache-2.0 */
#include "rights.h"

#include <string.h>

#define ANY_OF_AGENT "VM.GuestAgent.Unrestricted"
#define AGENT_OF_8 "VM.Monitor"

static const char *const for_snapshots[] = {"VM.Audit", "VM.Snapshot"};
static const char *const for_backups[] = {"VM.Audit", "VM.Backup"};
static const char *const for_storages[] = {"Datastore.AllocateSpace"};

static const struct {
    const char *right, *what_for;
    uint64_t can;
} for_agent[] = {
    {"VM.GuestAgent.Audit", "whether the guest's agent is there, and its disks",
     HF_CAN_GUEST_FSMAP},
    {"VM.GuestAgent.FileSystemMgmt", "freezing, and thawing what a task left frozen",
     HF_CAN_GUEST_FREEZE},
    {"VM.GuestAgent.FileRead", "reading files by the agent (its mounts among them)",
     HF_CAN_GUEST_FILES | HF_CAN_GUEST_FSMAP},
    {"VM.GuestAgent.FileWrite", "writing files by the agent (dead-men)", HF_CAN_GUEST_FILES},
    {ANY_OF_AGENT, "programs by the agent (services, db = agent)", HF_CAN_GUEST_EXEC},
};

void pve_rights_free(struct pve_rights *r)
{
    json_object_put(r->all);
    *r = (struct pve_rights){0};
}

static int load(struct hf_instance *in, const struct hf_call *call, const char *below,
                const char *id, struct pve_rights *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf path = HF_BUF_INIT;
    HF_AUTOFREE char *key = hf_asprintf("/%s/%s", below, id);
    hf_buf_str_add(&path, "/access/permissions?path=");
    if (key)
        hf_url_encode(&path, key, false);
    if (!key || !hf_buf_ok(&path))
        return hf_fail_nomem(err);
    if (pve_get(in, call, path.data, &out->all, err) != 0)
        return -1;
    if (json_object_is_type(out->all, json_type_object))
        json_object_object_get_ex(out->all, key, &out->of_vm);
    if (!json_object_is_type(out->of_vm, json_type_object))
        out->of_vm = NULL;
    return 0;
}

int pve_rights_load(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    struct pve_rights *out, struct hf_err *err)
{
    return load(in, call, "vms", vm_id, out, err);
}

int pve_rights_load_storage(struct hf_instance *in, const struct hf_call *call, const char *storage,
                            struct pve_rights *out, struct hf_err *err)
{
    return load(in, call, "storage", storage, out, err);
}

/* The value says whether it propagates: that it is there is what counts. */
bool pve_rights_has(const struct pve_rights *r, const char *right)
{
    return r->of_vm && json_object_object_get_ex(r->of_vm, right, NULL);
}

static int check_all(const struct pve_rights *r, const char *const *rights, size_t n,
                     const char *below, const char *id, struct hf_err *err)
{
    char missing[256] = "";
    for (size_t i = 0; i < n; i++)
        if (!pve_rights_has(r, rights[i]))
            snprintf(missing + strlen(missing), sizeof missing - strlen(missing), "%s%s",
                     *missing ? " " : "", rights[i]);
    if (!*missing)
        return 0;
    hf_fail(err, HF_E_AUTH, "the right %s on /%s/%s is missing", missing, below, id);
    return hf_hint(
        err,
        "pveum role modify holdfast --append 1 --privs \"%s\" (the role must be given to "
        "the user AND to its token, see docs/plugins/proxmox.md).",
        missing);
}

int pve_rights_check(const struct pve_rights *r, const char *vm_id, struct hf_err *err)
{
    return check_all(r, for_snapshots, HF_ARRAY_SIZE(for_snapshots), "vms", vm_id, err);
}

int pve_rights_check_backup(const struct pve_rights *r, const char *vm_id, struct hf_err *err)
{
    return check_all(r, for_backups, HF_ARRAY_SIZE(for_backups), "vms", vm_id, err);
}

int pve_rights_check_storage(const struct pve_rights *r, const char *storage, struct hf_err *err)
{
    return check_all(r, for_storages, HF_ARRAY_SIZE(for_storages), "storage", storage, err);
}

int pve_rights_check_list(const struct pve_rights *r, const struct hf_strv *rights,
                          const char *vm_id, struct hf_err *err)
{
    return check_all(r, (const char *const *)rights->items, rights->n, "vms", vm_id, err);
}

/* NULL: it is there. */
static const char *missing_of(const struct hf_instance *in, const struct pve_rights *r, size_t i)
{
    if (in->major < 9)
        return pve_rights_has(r, AGENT_OF_8) ? NULL : AGENT_OF_8;
    return pve_rights_has(r, for_agent[i].right) || pve_rights_has(r, ANY_OF_AGENT)
               ? NULL
               : for_agent[i].right;
}

static int warn_one(const char *right, const char *what_for, const char *vm_id, hf_text_cb warn,
                    void *ctx)
{
    char line[512];
    snprintf(line, sizeof line,
             "the right %s on /vms/%s is missing, for %s: pveum role modify holdfast --append 1 "
             "--privs %s",
             right, vm_id, what_for, right);
    return warn(ctx, line) ? -1 : 0;
}

int pve_rights_warn(const struct hf_instance *in, const struct pve_rights *r, const char *vm_id,
                    hf_text_cb warn, void *ctx)
{
    if (in->major < 9 && missing_of(in, r, 0))
        return warn_one(AGENT_OF_8, "all that the guest's agent does", vm_id, warn, ctx);
    for (size_t i = 0; i < HF_ARRAY_SIZE(for_agent); i++) {
        const char *missing = missing_of(in, r, i);
        if (missing && warn_one(missing, for_agent[i].what_for, vm_id, warn, ctx) != 0)
            return -1;
    }
    return 0;
}

uint64_t pve_rights_can(const struct hf_instance *in, const struct pve_rights *r,
                        const char **out_missing)
{
    uint64_t cannot = 0;
    *out_missing = NULL;
    for (size_t i = 0; i < HF_ARRAY_SIZE(for_agent); i++) {
        const char *missing = missing_of(in, r, i);
        cannot |= missing ? for_agent[i].can : 0;
        *out_missing = *out_missing ? *out_missing : missing;
    }
    return (HF_CAN_GUEST_EXEC | HF_CAN_GUEST_FILES | HF_CAN_GUEST_FREEZE | HF_CAN_GUEST_FSMAP) &
           ~cannot;
}
