/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include "plugin.h"

#include <string.h>

#define LOCK_LOOKS 6
#define LOCK_PAUSE_MS 500

void pve_vm_free(struct pve_vm *vm)
{
    json_object_put(vm->config);
    *vm = (struct pve_vm){0};
}

/* "1", "enabled=1,freeze-fs=0,type=virtio", "1,fstrim_cloned_disks=1". */
static bool agent_is_on(const char *text)
{
    if (!text)
        return false;
    const char *on = strstr(text, "enabled=");
    const char *value = on ? on + 8 : text;
    return *value == '1' || strncmp(value, "yes", 3) == 0 || strncmp(value, "on", 2) == 0 ||
           strncmp(value, "true", 4) == 0;
}

/* freeze-fs=0, and by its older names. */
static bool agent_never_freezes(const char *text)
{
    static const char *const keys[] = {"freeze-fs=", "freeze-fs-on-backup=", "guest-fsfreeze="};
    for (size_t i = 0; text && i < HF_ARRAY_SIZE(keys); i++) {
        const char *at = strstr(text, keys[i]), *value = at ? at + strlen(keys[i]) : "1";
        if (*value == '0' || strncmp(value, "no", 2) == 0 || strncmp(value, "off", 3) == 0 ||
            strncmp(value, "false", 5) == 0)
            return true;
    }
    return false;
}

static enum hf_vm_state state_of(struct json_object *status)
{
    const char *s = pve_text(status, "status"), *q = pve_text(status, "qmpstatus");
    if (!s)
        return HF_VM_OTHER;
    if (strcmp(s, "stopped") == 0)
        return HF_VM_OFF;
    if (!q || strcmp(q, "running") == 0)
        return strcmp(s, "running") == 0 ? HF_VM_RUNNING : HF_VM_OTHER;
    return strcmp(q, "paused") == 0 ? HF_VM_PAUSED : HF_VM_OTHER;
}

int pve_vm_load(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                struct pve_vm *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *status = NULL;
    struct json_object *ha = NULL;
    if (pve_vm_get(in, call, vm_id, "/config?current=1", &out->config, err) != 0 ||
        pve_vm_get(in, call, vm_id, "/status/current", &status, err) != 0)
        return -1;
    if (!json_object_is_type(out->config, json_type_object))
        return hf_fail(err, HF_E_CORRUPT, "the configuration of VM %s is no object", vm_id);
    const char *bios = pve_text(out->config, "bios");
    out->name = pve_text(out->config, "name");
    if (!out->name)
        out->name = in->vm_id;
    out->lock = pve_text(out->config, "lock");
    out->state = state_of(status);
    out->is_ha = json_object_object_get_ex(status, "ha", &ha) && pve_bool(ha, "managed");
    out->has_agent = agent_is_on(pve_text(out->config, "agent"));
    out->never_freezes = agent_never_freezes(pve_text(out->config, "agent"));
    out->is_template = pve_bool(out->config, "template");
    out->is_uefi = bios && strcmp(bios, "ovmf") == 0;
    return 0;
}

int pve_vm_load_unlocked(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         struct pve_vm *out, struct hf_err *err)
{
    for (int looks = 0;; looks++) {
        pve_vm_free(out);
        if (pve_vm_load(in, call, vm_id, out, err) != 0)
            return -1;
        if (!out->lock || strncmp(out->lock, "snapshot", 8) != 0 || looks == LOCK_LOOKS)
            return pve_vm_check_lock(out, err);
        pve_pause(in, call, LOCK_PAUSE_MS);
        if (pve_check_stop(in, call, err) != 0)
            return -1;
    }
}

int pve_vm_check_lock(const struct pve_vm *vm, struct hf_err *err)
{
    if (!vm->lock)
        return 0;
    hf_fail(err, HF_E_BUSY, "VM '%s' is locked (%s)", vm->name, vm->lock);
    err->retryable = 1;
    return hf_hint(err, "A task works on it, or one died: then look at its log, and `qm unlock` as "
                        "root on the node.");
}

int proxmox_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                  struct hf_err *err)
{
    char version[64];
    if (pve_enter(in, call, err) != 0 || pve_version(in, call, version, err) != 0)
        return -1;
    out->product = pve_keep(in, hf_asprintf("Proxmox VE %s", version));
    out->endpoint = pve_keep(in, hf_asprintf("https://%s", pve_hosts_name(in->api)));
    out->host = pve_keep(in, strdup(pve_hosts_name(in->api)));
    return out->product && out->endpoint && out->host ? 0 : hf_fail_nomem(err);
}

/* ---- the cluster's list ------------------------------------------------------------------------------ */

bool pve_is_container(struct json_object *row)
{
    return strcmp(pve_text(row, "type"), "lxc") == 0;
}

int pve_each_vm(struct hf_instance *in, const struct hf_call *call, pve_row_cb row, void *ctx,
                struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    if (pve_get(in, call, "/cluster/resources?type=vm", &data, err) != 0)
        return -1;
    if (!json_object_is_type(data, json_type_array))
        return hf_fail(err, HF_E_CORRUPT, "the cluster's resources are no list");
    for (size_t i = 0; i < json_object_array_length(data); i++) {
        struct json_object *o = json_object_array_get_idx(data, i);
        const char *type = pve_text(o, "type");
        if (type && (strcmp(type, "qemu") == 0 || strcmp(type, "lxc") == 0) &&
            pve_text(o, "vmid") && row(ctx, o, err) != 0)
            return -1;
    }
    return 0;
}

struct lister {
    hf_vm_cb emit;
    void *ctx;
    uint64_t can; /* of one that is no template */
};

static int list_one(void *ctx, struct json_object *row, struct hf_err *err)
{
    struct lister *l = ctx;
    const char *name = pve_text(row, "name"), *status = pve_text(row, "status");
    bool is_template = pve_bool(row, "template");
    struct hf_vm vm = {.struct_size = sizeof vm,
                       .id = pve_text(row, "vmid"),
                       .name = name ? name : pve_text(row, "vmid"),
                       .can = is_template ? 0 : l->can,
                       .cannot = is_template ? "a template" : NULL};
    (void)err;
    if (pve_is_container(row))
        return 0;
    vm.state = !status                          ? HF_VM_OTHER
               : strcmp(status, "running") == 0 ? HF_VM_RUNNING
               : strcmp(status, "stopped") == 0 ? HF_VM_OFF
                                                : HF_VM_OTHER;
    return l->emit(l->ctx, &vm) != 0 ? -1 : 0;
}

int proxmox_vm_list(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx,
                    struct hf_err *err)
{
    uint64_t cannot = PVE_GUEST_CAPABILITIES | HF_CAN_MACHINE_PUSHED |
                      (in->backup_storage ? 0 : HF_CAN_EXPORT_PUSHED);
    struct lister l = {emit, ctx, PVE_CAPABILITIES & ~cannot};
    if (pve_enter(in, call, err) != 0)
        return -1;
    return pve_each_vm(in, call, list_one, &l, err);
}

int proxmox_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    struct pve_task running;
    if (pve_enter(in, call, err) != 0 || pve_vm_load(in, call, vm_id, &vm, err) != 0 ||
        pve_vm_check_lock(&vm, err) != 0 ||
        pve_task_newest(in, call, vm_id, NULL, PVE_TASK_RUNNING | PVE_TASK_WORKS, NULL, &running,
                        err) != 0)
        return -1;
    if (!running.upid[0])
        return 0;
    hf_fail(err, HF_E_BUSY, "a task works on VM '%s': %s", vm.name, running.upid);
    err->retryable = 1;
    return -1;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int proxmox_vm_definition(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char **out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv lines = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    if (pve_enter(in, call, err) != 0 || pve_vm_load(in, call, vm_id, &vm, err) != 0)
        return -1;
    json_object_object_foreach(vm.config, key, value)
    {
        (void)value;
        const char *member = pve_text(vm.config, key);
        if (member && strcmp(key, "digest") != 0 &&
            hf_strv_take(&lines, hf_asprintf("%s: %s\n", key, member)) != 0)
            return hf_fail_nomem(err);
    }
    if (lines.n) /* the server's order is random */
        qsort(lines.items, lines.n, sizeof *lines.items, by_text);
    for (size_t i = 0; i < lines.n; i++)
        hf_buf_str_add(&text, lines.items[i]);
    *out = hf_buf_ok(&text) ? pve_keep(in, hf_buf_steal(&text)) : NULL;
    return *out ? 0 : hf_fail_nomem(err);
}
