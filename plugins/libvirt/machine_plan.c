/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "checkpoints.h"
#include "domain_xml.h"
#include "machine_foreign.h"
#include "vm.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_KNOWN                                                                                \
    (HF_MACHINE_KEEP_UUID | HF_MACHINE_KEEP_MAC | HF_MACHINE_NO_NETWORK | HF_MACHINE_ISOLATED |    \
     HF_MACHINE_TRANSIENT | HF_MACHINE_REPLACE | HF_MACHINE_ARGUMENTS)
#define FORMER_MAX ((size_t)48 << 10) /* it has to fit the token */
#define DISKS_MAX 1024

static int check_disk(const struct hf_machine_disk *d, struct hf_err *err)
{
    if (d->source != HF_MACHINE_FILE && d->source != HF_MACHINE_NBD)
        return hf_fail(err, HF_E_UNSUPPORTED, "disk %s lies in an unknown kind of place",
                       d->target ? d->target : "?");
    if (!d->target || !*d->target || !d->path || *d->path != '/')
        return hf_fail(err, HF_E_CONFIG, "disk %s has no absolute path",
                       d->target ? d->target : "?");
    if (!d->format || (strcmp(d->format, "qcow2") != 0 && strcmp(d->format, "raw") != 0))
        return hf_fail(err, HF_E_UNSUPPORTED, "disk %s: neither qcow2 nor raw", d->target);
    return 0;
}

static int check_request(const struct hf_machine_request *req, struct hf_err *err)
{
    const uint32_t contrary = HF_MACHINE_TRANSIENT | HF_MACHINE_ISOLATED | HF_MACHINE_NO_NETWORK;
    if (req->flags & ~FLAGS_KNOWN)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)req->flags);
    if (req->flags & HF_MACHINE_REPLACE && req->flags & contrary)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "a machine that replaces another is neither transient nor cut off");
    if (!req->definition || !req->name || !req->run || !req->purpose)
        return hf_fail(err, HF_E_INTERNAL, "an incomplete request");
    if (!lv_machine_is_word(req->name, "._+-"))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no name of a machine", req->name);
    if (!lv_machine_is_word(req->run, "._-") || !lv_machine_is_word(req->purpose, "-"))
        return hf_fail(err, HF_E_CONFIG, "'%s' is no run, or '%s' no purpose", req->run,
                       req->purpose);
    if (req->dir && *req->dir != '/')
        return hf_fail(err, HF_E_CONFIG, "'%s' is no absolute path", req->dir);
    if (req->n_disks > DISKS_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "%u disks", (unsigned)req->n_disks);
    for (uint32_t i = 0; i < req->n_disks; i++)
        if (check_disk(&req->disks[i], err) != 0)
            return -1;
    return 0;
}

/* NULL: there is none; -1: it could not be asked. */
static int find(struct hf_instance *in, const char *uuid, const char *name, virDomainPtr *out,
                struct hf_err *err)
{
    *out =
        uuid ? virDomainLookupByUUIDString(in->conn, uuid) : virDomainLookupByName(in->conn, name);
    const virError *e = *out ? NULL : virGetLastError();
    if (*out || (e && (e->code == VIR_ERR_NO_DOMAIN || e->code == VIR_ERR_INVALID_ARG)))
        return 0;
    return lv_fail(err, "VM '%s'", uuid ? uuid : name);
}

/* It goes into journal and mark, where a password has no business. */
static int keep_former(virDomainPtr dom, const char *name, char **former, struct hf_err *err)
{
    HF_AUTOFREE char *secure =
        virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    *former = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
    if (!*former || !secure)
        return lv_fail(err, "definition of the VM");
    if (strcmp(*former, secure) != 0)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "the definition of '%s' holds passwords, which are not written down", name);
    if (strlen(*former) > FORMER_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "the definition of '%s' is too long to be kept",
                       name);
    return 0;
}

int lv_machine_check_alone(virDomainPtr dom, const char *name, struct hf_err *err)
{
    if (virDomainHasManagedSaveImage(dom, 0) == 1)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' is suspended to disk (managed save)",
                       name);
    if (virDomainSnapshotNum(dom, 0) > 0) {
        hf_fail(err, HF_E_CONFLICT, "the machine '%s' has snapshots", name);
        return hf_hint(err, "They are of the disks that it has now: delete them first.");
    }
    /* Ours know no more than what changed since a backup, of disks that it will not have. */
    size_t ours = 0;
    return lv_checkpoints_check(dom, &ours, err);
}

/* The machine that is to be replaced: off, and nothing of others hangs on its disks. */
static int take_former(struct hf_instance *in, const struct hf_machine_request *req, char **former,
                       struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    if (find(in, NULL, req->name, &dom, err) != 0)
        return -1;
    if (!dom)
        return hf_fail(err, HF_E_NOT_FOUND, "there is no machine '%s' to replace", req->name);
    if (virDomainIsActive(dom) != 0 || virDomainIsPersistent(dom) != 1) {
        hf_fail(err, HF_E_BUSY, "the machine '%s' is not shut off", req->name);
        return hf_hint(err, "Shut it down first (virsh shutdown); its disks stay.");
    }
    if (lv_machine_check_alone(dom, req->name, err) != 0 ||
        keep_former(dom, req->name, former, err) != 0)
        return -1;
    return lv_vars_check(*former, err);
}

static int check_former(const struct lv_making *m, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_parse(m->former, err);
    if (!vm)
        return -1;
    if (strcmp(vm->uuid, m->uuid) == 0)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "the machine '%s' is another one than in the point", m->req->name);
    return hf_hint(err, "Its UUID is %s, that of the definition %s: restore under a new name.",
                   vm->uuid, m->uuid);
}

static int check_free(struct hf_instance *in, const struct lv_making *m, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr by_name = NULL, by_uuid = NULL;
    if (m->is_replacing)
        return check_former(m, err);
    if (find(in, NULL, m->req->name, &by_name, err) != 0 ||
        find(in, m->uuid, NULL, &by_uuid, err) != 0)
        return -1;
    if (by_name)
        return hf_fail(err, HF_E_CONFLICT, "there is a machine '%s' already", m->req->name);
    if (by_uuid)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' has the UUID %s already",
                       virDomainGetName(by_uuid), m->uuid);
    return 0;
}

/* Of one other machine: none of its layers is a disk of ours. */
static int check_against(virDomainPtr dom, const struct lv_making *m, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, 0, &ignored);
    for (uint32_t i = 0; vm && i < m->req->n_disks; i++)
        if (m->req->disks[i].source == HF_MACHINE_FILE &&
            lv_vm_count(vm, m->req->disks[i].path) > 0)
            return hf_fail(err, HF_E_CONFLICT, "'%s' is a disk of the machine '%s'",
                           m->req->disks[i].path, vm->name);
    return 0;
}

static int check_disks_free(struct hf_instance *in, const struct lv_making *m, struct hf_err *err)
{
    virDomainPtr *list = NULL;
    int n = virConnectListAllDomains(in->conn, &list, 0), rc = 0;
    if (n < 0)
        return lv_fail(err, "list of VMs");
    for (int i = 0; i < n; i++) {
        rc = rc ? rc : check_against(list[i], m, err);
        virDomainFree(list[i]);
    }
    free(list);
    return rc;
}

/* libvirt checks everything as if it were to start the machine, and starts nothing. */
static int ask_libvirt(struct hf_instance *in, const char *xml, struct lv_making *m,
                       struct hf_err *err)
{
    HF_AUTOFREE char *arguments = virConnectDomainXMLToNative(in->conn, "qemu-argv", xml, 0);
    if (arguments || lv_is_unsupported_call())
        return 0;
    lv_fail(err, "libvirt would not start it");
    if (err->cls != HF_E_UNREACHABLE) {
        err->cls = HF_E_UNSUPPORTED;
        lv_find(m, HF_MACHINE_REFUSED, "definition", "%s", err->message);
    }
    return -1;
}

static char *token_of(const struct lv_making *m, struct hf_err *err)
{
    const struct hf_machine_request *r = m->req;
    struct lv_machine_token t = {.uuid = (char *)(uintptr_t)m->uuid,
                                 .name = (char *)(uintptr_t)r->name,
                                 .run = (char *)(uintptr_t)r->run,
                                 .purpose = (char *)(uintptr_t)r->purpose,
                                 .nvram = m->nvram,
                                 .former = (char *)(uintptr_t)m->former,
                                 .is_transient = r->flags & HF_MACHINE_TRANSIENT};
    return lv_machine_token_write(&t, err);
}

static int finish(struct hf_instance *in, struct lv_making *m, struct hf_machine_plan *out,
                  struct hf_err *err)
{
    HF_AUTOFREE char *token = token_of(m, err);
    if (!token || lv_make_mark(m->doc, m->req, token, err) != 0)
        return -1;
    HF_AUTOFREE char *xml = lv_xml_print(m->doc);
    if (!xml)
        return hf_fail_nomem(err);
    if (ask_libvirt(in, xml, m, err) != 0)
        return -1;
    out->is_uefi = m->is_uefi;
    out->memory_bytes = m->memory_bytes;
    out->vm_id = lv_keep(in, strdup(m->uuid));
    out->definition = lv_keep(in, HF_STEAL(xml));
    out->undo_token = lv_keep(in, HF_STEAL(token));
    return out->vm_id && out->definition && out->undo_token ? 0 : hf_fail_nomem(err);
}

/* For req: all that follows. */
static int plan(struct hf_instance *in, const struct hf_call *call, struct lv_here *here,
                struct lv_making *m, struct hf_machine_plan *out, struct hf_err *err)
{
    HF_AUTOFREE char *former = NULL;
    if (m->req->flags & HF_MACHINE_REPLACE && take_former(in, m->req, &former, err) != 0)
        return -1;
    m->former = former;
    m->why = (struct hf_err)HF_ERR_INIT;
    if (lv_here_ask(here, m->req, err) != 0 || lv_make(m, err) != 0 ||
        lv_check_stop(in, call, err) != 0 || check_free(in, m, err) != 0 ||
        check_disks_free(in, m, err) != 0)
        return -1;
    return finish(in, m, out, err);
}

int libvirt_machine_plan(struct hf_instance *in, const struct hf_call *call,
                         const struct hf_machine_request *req, hf_machine_finding_cb emit,
                         void *ctx, struct hf_machine_plan *out, struct hf_err *err)
{
    HF_AUTO(lv_here) struct lv_here here = {0};
    HF_AUTO(lv_foreign) struct lv_foreign foreign = {0};
    HF_AUTO(lv_making)
    struct lv_making m = {
        .req = req, .has = lv_here_has, .has_ctx = &here, .say = emit, .say_ctx = ctx};
    HF_AUTO(lv_making) struct lv_making its = m;
    if (lv_enter(in, call, err) != 0 || check_request(req, err) != 0 ||
        lv_here_open(in, req->dir, &here, err) != 0)
        return -1;
    if (lv_foreign_is(req)) {
        if (lv_foreign_make(&its, here.type, &foreign, err) != 0)
            return -1;
        m.req = &foreign.req;
    }
    return plan(in, call, &here, &m, out, err);
}
