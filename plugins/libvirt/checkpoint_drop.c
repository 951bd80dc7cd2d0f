/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "checkpoints.h"
#include "disks.h"
#include "domain_xml.h"
#include "image.h"
#include "vm.h"
#include "xml.h"

#include <libvirt/virterror.h>
#include <string.h>

/* ---- a VM that is off ------------------------------------------------------------------- */

static int forget_in_layers(struct hf_instance *in, const struct hf_call *call,
                            const struct lv_disk *d, const char *name, struct hf_err *err)
{
    for (size_t i = 0; i < d->n_layers; i++) {
        const struct lv_layer *l = &d->layers[i];
        if (l->path && l->format && strcmp(l->format, "qcow2") == 0 &&
            lv_image_forget_bitmap(in, call, l, name, err) != 0)
            return -1;
    }
    return 0;
}

/* Of a VM that is off libvirt knows the active layers only: the files tell what is below. A snapshot since has left the
 * bitmap in more than one. */
static int forget_bitmaps(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                          const char *name, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(dom, VIR_DOMAIN_XML_INACTIVE, err);
    for (size_t i = 0; vm && i < vm->n_disks; i++) {
        struct lv_disk *d = &vm->disks[i];
        if (!lv_disk_is_captured(d) || !d->n_layers || !d->layers[0].path)
            continue;
        if (lv_image_fill(in, call, d, err) != 0 || forget_in_layers(in, call, d, name, err) != 0)
            return hf_wrap(err, "disk %s", d->target);
    }
    return vm ? 0 : -1;
}

static int delete_off(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                      virDomainCheckpointPtr c, const char *name, struct hf_err *err)
{
    if (forget_bitmaps(in, call, dom, name, err) != 0 ||
        HF_POINT_ERR("libvirt.after_checkpoint_bitmaps", err) != 0)
        return -1;
    if (virDomainCheckpointDelete(c, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) != 0)
        return lv_fail(err, "deletion of checkpoint '%s'", name);
    return 0;
}

/* ---- a VM that runs, or is paused ------------------------------------------------------- */

/* libvirt refuses to delete a checkpoint of which a bitmap is not there: a QEMU that was killed before it had ever stored it, a
 * disk that was replaced, an overlay that was merged into a raw disk. */
static bool has_lost_a_bitmap(virDomainPtr dom, const char *name)
{
    size_t lost = 0;
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv whole = HF_STRV_INIT;
    return lv_checkpoint_disks(dom, name, &whole, &lost, &ignored) == 0 && lost > 0;
}

/* The same checkpoint, of this one disk of those that have a bitmap (counted); NULL: there are no more, or *err is set. */
static char *of_one_disk(const char *xml, size_t nth, struct hf_err *err)
{
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domaincheckpoint", err);
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    size_t n = 0;
    bool is_found = false, ok = true;
    for (xmlNodePtr d = lv_xml_child(lv_xml_child(root, "disks"), "disk"); d; d = lv_xml_next(d)) {
        if (!lv_xml_attr_is(d, "checkpoint", "bitmap"))
            continue;
        if (n++ == nth) {
            is_found = true;
            continue;
        }
        ok = ok && lv_xml_set(d, "checkpoint", "no");
        lv_xml_unset(d, "bitmap");
    }
    lv_xml_drop(lv_xml_child(root, "parent")); /* may be gone */
    char *text = ok && is_found ? lv_xml_print(doc) : NULL;
    if (doc && (!ok || (is_found && !text)))
        hf_fail_nomem(err);
    return text;
}

/* What single disks still have of it would cost with each of their writes, and one day keep them from being resized. So it becomes that of one disk
 * after the other, and is deleted as that; of a disk that has lost it the metadata alone. */
static int delete_by_disks(virDomainPtr dom, virDomainCheckpointPtr c, const char *name,
                           struct hf_err *err)
{
    HF_AUTOFREE char *xml = virDomainCheckpointGetXMLDesc(c, 0);
    if (!xml)
        return lv_fail(err, "checkpoint '%s'", name);
    HF_AUTOFREE char *one = of_one_disk(xml, 0, err);
    for (size_t i = 0; one; free(one), one = of_one_disk(xml, ++i, err)) {
        LV_AUTOCHECKPOINT virDomainCheckpointPtr its =
            virDomainCheckpointCreateXML(dom, one, VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE);
        if (!its ||
            (virDomainCheckpointDelete(its, 0) != 0 &&
             virDomainCheckpointDelete(its, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) != 0))
            return lv_fail(err, "deletion of checkpoint '%s', disk by disk", name);
    }
    return err->cls == HF_E_NONE ? 0 : -1;
}

static int delete_live(virDomainPtr dom, virDomainCheckpointPtr c, const char *name,
                       struct hf_err *err)
{
    if (virDomainCheckpointDelete(c, 0) == 0)
        return 0;
    const virError *e = virGetLastError();
    bool may_be_lost = e && e->code == VIR_ERR_INTERNAL_ERROR;
    lv_fail(err, "deletion of checkpoint '%s'", name);
    if (!may_be_lost || !has_lost_a_bitmap(dom, name))
        return -1;
    hf_err_clear(err);
    return delete_by_disks(dom, c, name, err);
}

/* ---- one, and all ----------------------------------------------------------------------- */

int lv_checkpoint_delete(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                         const char *name, struct hf_err *err)
{
    bool is_ours = false;
    const char *trouble;
    LV_AUTOCHECKPOINT virDomainCheckpointPtr c = NULL;
    if (lv_checkpoint_find(dom, name, &c, err) != 0)
        return -1;
    if (!c)
        return 0;
    if (lv_checkpoint_judge(c, &is_ours, NULL, err) != 0)
        return -1;
    if (!is_ours)
        return hf_fail(err, HF_E_CONFLICT, "checkpoint '%s' was not made by holdfast", name);
    if (HF_POINT_ERR("libvirt.before_checkpoint_delete", err) != 0)
        return -1;
    return lv_vm_state(dom, &trouble) == HF_VM_OFF ? delete_off(in, call, dom, c, name, err)
                                                   : delete_live(dom, c, name, err);
}

/* One that stays is named, and the others are tried still. */
static int drop_one(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                    const char *name, struct hf_err *failures, struct hf_err *err)
{
    struct hf_err mine = HF_ERR_INIT;
    if (lv_check_stop(in, call, err) != 0)
        return -1;
    if (lv_checkpoint_delete(in, call, dom, name, &mine) == 0)
        return 1;
    hf_left(&mine, "checkpoint '%s' of '%s'", name, virDomainGetName(dom));
    hf_also(failures, &mine);
    return 0;
}

int lv_checkpoints_drop(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                        const char *keep, hf_text_cb dropped, void *ctx, struct hf_err *err)
{
    HF_AUTO(lv_checkpoints) struct lv_checkpoints l = {0};
    struct hf_err failures = HF_ERR_INIT;
    if (lv_checkpoints_list(dom, &l, err) != 0)
        return -1;
    for (int i = 0; i < l.n; i++) {
        bool is_ours = false;
        const char *name = virDomainCheckpointGetName(l.items[i]);
        if (lv_checkpoint_judge(l.items[i], &is_ours, NULL, err) != 0)
            return -1;
        if (!is_ours || (keep && strcmp(name, keep) == 0))
            continue;
        int rc = drop_one(in, call, dom, name, &failures, err);
        if (rc < 0 || (rc > 0 && dropped && dropped(ctx, name) != 0))
            return -1;
    }
    if (failures.cls == HF_E_NONE)
        return 0;
    hf_err_copy(err, &failures);
    return -1;
}

int libvirt_checkpoint_drop(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            const char *keep, hf_text_cb dropped, void *ctx, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0)
        return -1;
    if (lv_checkpoints_drop(in, call, dom, keep, dropped, ctx, err) == 0)
        return 0;
    return err->hint[0] ? -1
                        : hf_hint(err,
                                  "`virsh checkpoint-delete %s NAME`; --metadata alone while "
                                  "the VM is off.",
                                  virDomainGetName(dom));
}
