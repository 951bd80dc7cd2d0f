/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include "base/buf.h"
#include "disks.h"
#include "job.h"
#include "plugin.h"

#include <libvirt/virterror.h>
#include <string.h>

int libvirt_probe(struct hf_instance *in, const struct hf_call *call, struct hf_probe *out,
                  struct hf_err *err)
{
    unsigned long lib = 0, hv = 0;
    if (lv_enter(in, call, err) != 0)
        return -1;
    if (virConnectGetLibVersion(in->conn, &lib) != 0 || virConnectGetVersion(in->conn, &hv) != 0)
        return lv_fail(err, "versions of '%s'", in->uri);
    HF_AUTOFREE char *host = virConnectGetHostname(in->conn);
    const char *kind = virConnectGetType(in->conn);
    out->product = lv_keep(in, hf_asprintf("libvirt %lu.%lu.%lu, %s %lu.%lu.%lu", lib / 1000000,
                                           lib / 1000 % 1000, lib % 1000, kind ? kind : "?",
                                           hv / 1000000, hv / 1000 % 1000, hv % 1000));
    out->endpoint = lv_keep(in, strdup(in->uri));
    out->host = lv_keep(in, strdup(host ? host : "?"));
    return out->product && out->endpoint && out->host ? 0 : hf_fail_nomem(err);
}

enum hf_vm_state lv_vm_state(virDomainPtr dom, const char **out_trouble)
{
    int state = VIR_DOMAIN_NOSTATE, reason = 0;
    *out_trouble = NULL;
    if (virDomainGetState(dom, &state, &reason, 0) != 0)
        return HF_VM_OTHER;
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        return HF_VM_RUNNING;
    case VIR_DOMAIN_PAUSED:
        if (reason == VIR_DOMAIN_PAUSED_IOERROR)
            *out_trouble = "an I/O error paused it";
        return HF_VM_PAUSED;
    case VIR_DOMAIN_SHUTOFF:
        return HF_VM_OFF;
    case VIR_DOMAIN_CRASHED:
        *out_trouble = "it has crashed";
        return HF_VM_CRASHED;
    case VIR_DOMAIN_SHUTDOWN:
        *out_trouble = "it is being shut down";
        return HF_VM_OTHER;
    case VIR_DOMAIN_PMSUSPENDED:
        *out_trouble = "the guest has suspended itself";
        return HF_VM_OTHER;
    default:
        return HF_VM_OTHER;
    }
}

/* What captures of the VM are possible as it is now. *why: the reason, a new string, when a snapshot is not. */
static uint64_t can_capture(const struct lv_vm *vm, enum hf_vm_state state, bool has_dir,
                            char **why, bool *failed)
{
    const char *refused = NULL;
    bool is_active = state == HF_VM_RUNNING || state == HF_VM_PAUSED;
    size_t i = 0;
    for (; !refused && i < vm->n_disks; i++)
        if (!lv_disk_skipped(&vm->disks[i]))
            refused = lv_disk_refused(&vm->disks[i], has_dir);
    bool has_none = !lv_disks_captured(vm);
    *why = !is_active ? hf_asprintf("snapshot: the VM is not running")
           : has_none ? hf_asprintf("snapshot: there is no disk to capture")
           : refused  ? hf_asprintf("snapshot: disk %s: %s", vm->disks[i - 1].target, refused)
                      : NULL;
    *failed |= !*why && (!is_active || has_none || refused);
    if (has_none || refused || (!is_active && state != HF_VM_OFF))
        return 0;
    return is_active ? LV_CAPTURE_CAPABILITIES : LV_CAPTURE_CAPABILITIES & ~HF_CAN_SNAPSHOT;
}

static int fill_vm(struct hf_instance *in, virDomainPtr dom, struct hf_vm *out, struct hf_err *err)
{
    const char *trouble;
    bool failed = false;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    if (!vm)
        return -1;
    out->state = lv_vm_state(dom, &trouble);
    char *why = NULL;
    out->can = (LV_CAPABILITIES & ~(LV_CAPTURE_CAPABILITIES | HF_CAN_MACHINE)) |
               can_capture(vm, out->state, in->overlay_dir, &why, &failed);
    out->n_disks = (uint32_t)vm->n_disks;
    out->has_agent = vm->has_agent;
    out->is_uefi = vm->is_uefi;
    out->id = lv_keep(in, strdup(vm->uuid));
    out->name = lv_keep(in, strdup(vm->name));
    if (why)
        out->cannot = lv_keep(in, why);
    else if (!vm->has_agent)
        out->cannot = "guest operations: no guest agent is connected";
    if (!vm->has_agent)
        out->can &= ~LV_GUEST_CAPABILITIES;
    if (!vm->n_disks)
        out->can &= ~(HF_CAN_ROLLBACK | HF_CAN_ROLLBACK_UNDO);
    return out->id && out->name && !failed ? 0 : hf_fail_nomem(err);
}

static void free_domains(virDomainPtr *list)
{
    for (size_t i = 0; list && list[i]; i++)
        virDomainFree(list[i]);
    free(list);
}

int libvirt_vm_list(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx,
                    struct hf_err *err)
{
    if (lv_enter(in, call, err) != 0)
        return -1;
    virDomainPtr *list = NULL;
    int n = virConnectListAllDomains(in->conn, &list, 0);
    if (n < 0)
        return lv_fail(err, "list of VMs");
    int rc = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        struct hf_vm vm = {.struct_size = sizeof vm};
        struct hf_err one = HF_ERR_INIT;
        /* A domain may go away between the list and the look at it. */
        if (fill_vm(in, list[i], &vm, &one) == 0)
            rc = emit(ctx, &vm);
        else if (one.cls != HF_E_NOT_FOUND)
            rc = (hf_err_copy(err, &one), -1);
        if (rc == 0)
            rc = lv_check_stop(in, call, err);
    }
    free_domains(list);
    return rc ? -1 : 0;
}

static bool is_same(virDomainPtr a, virDomainPtr b)
{
    char ua[VIR_UUID_STRING_BUFLEN], ub[VIR_UUID_STRING_BUFLEN];
    return virDomainGetUUIDString(a, ua) == 0 && virDomainGetUUIDString(b, ub) == 0 &&
           strcmp(ua, ub) == 0;
}

int libvirt_vm_find(struct hf_instance *in, const struct hf_call *call, const char *what,
                    struct hf_vm *out, struct hf_err *err)
{
    if (lv_enter(in, call, err) != 0)
        return -1;
    LV_AUTODOMAIN virDomainPtr by_name = virDomainLookupByName(in->conn, what);
    const virError *e = virGetLastError();
    if (!by_name && e && e->code != VIR_ERR_NO_DOMAIN)
        return lv_fail(err, "VM '%s'", what);
    LV_AUTODOMAIN virDomainPtr by_uuid = virDomainLookupByUUIDString(in->conn, what);
    if (by_name && by_uuid && !is_same(by_name, by_uuid)) {
        hf_fail(err, HF_E_CONFLICT, "'%s' is the name of one VM and the UUID of another", what);
        return hf_hint(err, "The UUID belongs to '%s'; ask for the other by its own UUID.",
                       virDomainGetName(by_uuid));
    }
    virDomainPtr dom = by_name ? by_name : by_uuid;
    if (!dom) {
        hf_fail(err, HF_E_NOT_FOUND, "no VM '%s' at '%s'", what, in->uri);
        return hf_hint(err, "`virsh -c '%s' list --all` shows what is there.", in->uri);
    }
    return fill_vm(in, dom, out, err);
}

static const char *operation_name(int op)
{
    switch (op) {
    case VIR_DOMAIN_JOB_OPERATION_START:
        return "start";
    case VIR_DOMAIN_JOB_OPERATION_SAVE:
        return "save";
    case VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN:
    case VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT:
        return "migration";
    case VIR_DOMAIN_JOB_OPERATION_SNAPSHOT:
        return "snapshot";
    case VIR_DOMAIN_JOB_OPERATION_SNAPSHOT_REVERT:
        return "snapshot revert";
    case VIR_DOMAIN_JOB_OPERATION_DUMP:
        return "dump";
    case VIR_DOMAIN_JOB_OPERATION_BACKUP:
        return "backup";
    default:
        return "unknown";
    }
}

static int fail_busy(struct hf_err *err, const char *vm, const char *what)
{
    hf_fail(err, HF_E_BUSY, "VM '%s' is busy: %s", vm, what);
    err->retryable = 1;
    return hf_hint(
        err, "Wait until it has ended; `virsh domjobinfo %s` and `virsh blockjob` tell more.", vm);
}

/* A driver that does not know the call, and a VM that stopped meanwhile, have no jobs. */
static int excuse(virDomainPtr dom, const char *what, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    bool is_unsupported = lv_is_unsupported_call();
    lv_fail(&why, "%s", what);
    if (is_unsupported || virDomainIsActive(dom) == 0)
        return 0;
    hf_err_copy(err, &why);
    return -1;
}

/* The only question libvirt answers without taking the domain's lock: a call that waits for that
 * lock would make all the others wait, too (30 s in 9.0). A query of another client passes in a
 * moment. */
static int check_control(virDomainPtr dom, const char *name, struct hf_err *err)
{
    for (int tries = 0; tries < 20; tries++) {
        virDomainControlInfo info = {0};
        if (virDomainGetControlInfo(dom, &info, 0) != 0)
            return excuse(dom, "control state", err);
        if (info.state == VIR_DOMAIN_CONTROL_OK)
            return 0;
        if (info.state == VIR_DOMAIN_CONTROL_ERROR)
            return hf_fail(err, HF_E_PLUGIN, "libvirt has lost QEMU's monitor of '%s'", name);
        usleep(20000);
    }
    return fail_busy(err, name, "another libvirt call works on it");
}

static int check_domain_job(virDomainPtr dom, const char *name, struct hf_err *err)
{
    int type = VIR_DOMAIN_JOB_NONE, n = 0, op = 0;
    virTypedParameterPtr params = NULL;
    if (virDomainGetJobStats(dom, &type, &params, &n, 0) != 0)
        return excuse(dom, "running jobs", err);
    virTypedParamsGetInt(params, n, VIR_DOMAIN_JOB_OPERATION, &op);
    virTypedParamsFree(params, n);
    if (type != VIR_DOMAIN_JOB_BOUNDED && type != VIR_DOMAIN_JOB_UNBOUNDED)
        return 0;
    char what[64];
    snprintf(what, sizeof what, "a job of the kind '%s' runs", operation_name(op));
    return fail_busy(err, name, what);
}

int lv_vm_check_idle(virDomainPtr dom, const struct lv_vm *vm, struct hf_err *err)
{
    if (check_domain_job(dom, vm->name, err) != 0)
        return -1;
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *d = &vm->disks[i];
        struct lv_job job;
        if (!d->n_layers)
            continue;
        if (lv_job_look(dom, d->target, &job, err) != 0)
            return -1;
        if (!job.is_running && !d->mirror_job)
            continue;
        char what[128];
        snprintf(what, sizeof what, "%s of disk %s", job.is_running ? job.name : d->mirror_job,
                 d->target);
        return fail_busy(err, vm->name, what);
    }
    return 0;
}

/* A query of the domain's block layer waits for its job lock (30 s at the most). */
int lv_vm_wait_for_calls(virDomainPtr dom, struct hf_err *err)
{
    virDomainBlockInfo info;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    if (!vm)
        return -1;
    for (size_t i = 0; i < vm->n_disks; i++) {
        if (!vm->disks[i].n_layers)
            continue;
        if (virDomainGetBlockInfo(dom, vm->disks[i].target, &info, 0) == 0)
            return 0;
        const virError *e = virGetLastError();
        if (e && e->code == VIR_ERR_OPERATION_TIMEOUT)
            return lv_fail(err, "another call keeps VM '%s' busy", vm->name);
    }
    return 0;
}

/* libvirt writes the overlay into the persistent definition only where that names the same file. Elsewhere the next
 * start would go back to the base, and all that was written since would be lost. */
int lv_vm_check_definition(virDomainPtr dom, const struct lv_vm *vm, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *next = lv_vm_load(dom, VIR_DOMAIN_XML_INACTIVE, err);
    if (!next)
        return -1;
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *d = &vm->disks[i];
        const struct lv_disk *n = lv_vm_disk(next, d->target);
        const char *path = n && n->n_layers ? n->layers[0].path : NULL;
        if (!lv_disk_is_captured(d) || (path && strcmp(path, d->layers[0].path) == 0))
            continue;
        hf_fail(err, HF_E_UNSUPPORTED,
                "VM '%s': disk %s is '%s', and in its definition for the next start %s%s%s",
                vm->name, d->target, d->layers[0].path, path ? "'" : "it is not there",
                path ? path : "", path ? "'" : "");
        return hf_hint(err, "Bring the definition into line (virsh edit, or attach-disk --config), "
                            "or restart the VM.");
    }
    return 0;
}

int libvirt_vm_busy(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    const char *trouble;
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0)
        return -1;
    enum hf_vm_state state = lv_vm_state(dom, &trouble);
    if (state == HF_VM_OFF)
        return 0;
    if (state == HF_VM_OTHER || state == HF_VM_CRASHED)
        return fail_busy(err, virDomainGetName(dom), trouble ? trouble : "its state is unknown");
    if (check_control(dom, virDomainGetName(dom), err) != 0)
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, err);
    return vm ? lv_vm_check_idle(dom, vm, err) : -1;
}

int libvirt_vm_definition(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                          const char **out, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0)
        return -1;
    char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_MIGRATABLE);
    if (!xml)
        xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE); /* drivers without migration */
    if (!xml)
        return lv_fail(err, "definition of the VM");
    *out = lv_keep(in, xml);
    return *out ? 0 : hf_fail_nomem(err);
}
