/* SPDX-License-Identifier: Apache-2.0
 *
 * A VM by name or number, and what can be done with it now.
 */
#include "agent.h"
#include "rights.h"
#include "vm.h"

#include <string.h>

struct finder {
    const char *what;
    struct hf_strv ids;   /* of all that it may mean */
    struct hf_strv nodes; /* with VMs whose names the cluster does not tell now */
    int nameless;
    bool is_container; /* one of that number or name is there */
    bool is_unsure;    /* a node with VMs of no name did not answer */
};

static void finder_drop(struct finder *f)
{
    hf_strv_free(&f->ids);
    hf_strv_free(&f->nodes);
}
HF_DEFINE_AUTO_VALUE(finder, finder_drop)

static bool is_meant(const struct finder *f, const char *id, const char *name)
{
    return strcmp(id, f->what) == 0 || (name && strcmp(name, f->what) == 0);
}

static int match(struct finder *f, const char *id, const char *name)
{
    return !is_meant(f, id, name) || hf_strv_has(&f->ids, id) ? 0 : hf_strv_add(&f->ids, id);
}

static int find_one(void *ctx, struct json_object *row, struct hf_err *err)
{
    struct finder *f = ctx;
    const char *name = pve_text(row, "name"), *node = pve_text(row, "node");
    if (pve_is_container(row)) {
        f->is_container |= is_meant(f, pve_text(row, "vmid"), name);
        return 0;
    }
    if (match(f, pve_text(row, "vmid"), name) != 0)
        return hf_fail_nomem(err);
    if (name)
        return 0;
    f->nameless++;
    f->is_unsure |= !pve_is_node(node);
    if (pve_is_node(node) && !hf_strv_has(&f->nodes, node) && hf_strv_add(&f->nodes, node) != 0)
        return hf_fail_nomem(err);
    return 0;
}

/* The names come from statistics that each node tells all ten seconds; the node itself knows them at once. One that is
 * away tells nothing, and its VMs are not ours to find by name. */
static int ask_node(struct hf_instance *in, const struct hf_call *call, const char *node,
                    struct finder *f, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = NULL;
    HF_AUTOFREE char *path = hf_asprintf("/nodes/%s/qemu", node);
    struct hf_err ignored = HF_ERR_INIT;
    if (!path)
        return hf_fail_nomem(err);
    if (pve_get(in, call, path, &data, &ignored) != 0) {
        f->is_unsure = true;
        return 0;
    }
    size_t n = pve_rows(data);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(data, i);
        const char *id = pve_text(o, "vmid");
        if (id && match(f, id, pve_text(o, "name")) != 0)
            return hf_fail_nomem(err);
    }
    return 0;
}

static int fail_many(const struct finder *f, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf all = HF_BUF_INIT;
    for (size_t i = 0; i < f->ids.n; i++)
        hf_buf_printf(&all, "%s%s", i ? ", " : "", f->ids.items[i]);
    hf_fail(err, HF_E_CONFLICT, "%zu VMs are called '%s'", f->ids.n, f->what);
    return hf_hint(err, "Use the number: %s.", hf_buf_str(&all));
}

static int search(struct hf_instance *in, const struct hf_call *call, struct finder *f,
                  struct hf_err *err)
{
    if (pve_each_vm(in, call, find_one, f, err) != 0)
        return -1;
    bool is_number = f->what[strspn(f->what, "0123456789")] == '\0';
    for (size_t i = 0; !is_number && i < f->nodes.n; i++)
        if (ask_node(in, call, f->nodes.items[i], f, err) != 0)
            return -1;
    if (f->ids.n == 1 && !is_number && f->is_unsure)
        pve_log(in, HF_LOG_WARN,
                "a node tells no names of its VMs now: whether another one is called '%s', too, is "
                "not known; the number %s is sure",
                f->what, f->ids.items[0]);
    if (f->ids.n)
        return f->ids.n == 1 ? 0 : fail_many(f, err);
    if (f->is_container)
        return hf_fail(err, HF_E_UNSUPPORTED, "'%s' is a container, no virtual machine", f->what);
    hf_fail(err, HF_E_NOT_FOUND, "no VM is called '%s'", f->what);
    if (f->nameless)
        return hf_hint(err,
                       "Of %d VMs the cluster tells no name now (a node that is away or just "
                       "booted): use the number.",
                       f->nameless);
    return hf_hint(err, "Without the right VM.Audit on it a VM looks as if it did not exist.");
}

/* What the agent can do now. *out_why: why not all of it (kept), or NULL. */
static uint64_t judge_agent(struct hf_instance *in, const struct hf_call *call,
                            const struct pve_vm *vm, const char *id, const struct pve_rights *r,
                            const char **out_why)
{
    const char *missing = NULL;
    struct hf_err why = HF_ERR_INIT;
    uint64_t can = pve_rights_can(in, r, &missing);
    *out_why = NULL;
    if (vm->state != HF_VM_RUNNING || !vm->has_agent) {
        *out_why = vm->has_agent ? "the VM does not run"
                                 : "the guest agent is not enabled (Options, QEMU Guest Agent)";
        return 0;
    }
    if (missing)
        *out_why = pve_keep(in, hf_asprintf("the right %s on /vms/%s is missing", missing, id));
    if (can && pve_agent_ping(in, call, id, &why) != 0) {
        *out_why = pve_keep(in, strdup(why.message));
        return 0;
    }
    return can;
}

/* NULL: all that the plugin can. */
static const char *judge_can(struct hf_instance *in, const struct hf_call *call,
                             const struct pve_vm *vm, const char *id, struct hf_vm *out,
                             struct hf_err *err)
{
    HF_AUTOJSON struct json_object *feature = NULL;
    HF_AUTO(pve_rights) struct pve_rights rights = {0};
    const char *why = NULL;
    if (pve_vm_get(in, call, id, "/feature?feature=snapshot", &feature, err) != 0 ||
        pve_rights_load(in, call, id, &rights, err) != 0)
        return NULL;
    bool is_captured = !vm->is_template && pve_bool(feature, "hasFeature");
    uint64_t guest = judge_agent(in, call, vm, id, &rights, &why);
    out->can = (is_captured ? HF_CAN_SNAPSHOT | HF_CAN_MULTI_DISK | HF_CAN_ROLLBACK : 0) | guest;
    if (in->backup_storage && !vm->is_template)
        out->can |= HF_CAN_EXPORT_PUSHED;
    out->has_agent = guest != 0;
    if (vm->is_template)
        return "a template";
    return is_captured ? why : "a disk lies on a storage that has no snapshots";
}

int proxmox_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                    struct hf_vm *out, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    HF_AUTO(finder) struct finder f = {.what = what};
    struct hf_err failed = HF_ERR_INIT;
    if (pve_enter(in, call, err) != 0)
        return -1;
    if (search(in, call, &f, err) != 0 || pve_vm_load(in, call, f.ids.items[0], &vm, err) != 0)
        return -1;
    out->cannot = judge_can(in, call, &vm, f.ids.items[0], out, &failed);
    if (failed.cls) {
        hf_err_copy(err, &failed);
        return -1;
    }
    out->id = pve_keep(in, strdup(f.ids.items[0]));
    out->name = pve_keep(in, strdup(vm.name));
    out->state = vm.state;
    out->n_disks = pve_disks_captured(&vm);
    out->is_uefi = vm.is_uefi;
    return out->id && out->name ? 0 : hf_fail_nomem(err);
}
