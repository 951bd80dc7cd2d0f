/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoints.h"

#include "base/point.h"
#include "image.h"
#include "xml.h"

#include <libvirt/virterror.h>
#include <string.h>

#define MARK "holdfast run="

struct list {
    virDomainCheckpointPtr *items;
    int n;
};

static void list_free(struct list *l)
{
    for (int i = 0; i < l->n; i++)
        virDomainCheckpointFree(l->items[i]);
    free(l->items);
}
HF_DEFINE_AUTO_VALUE(list, list_free)

static int list_all(virDomainPtr dom, struct list *out, struct hf_err *err)
{
    out->n = virDomainListAllCheckpoints(dom, &out->items, 0);
    if (out->n >= 0)
        return 0;
    out->n = 0;
    return lv_is_unsupported_call() ? 0 : lv_fail(err, "list of checkpoints");
}

static int judge(virDomainCheckpointPtr checkpoint, bool *out_ours, struct hf_err *err)
{
    bool failed = false;
    HF_AUTOFREE char *xml = virDomainCheckpointGetXMLDesc(checkpoint, 0);
    if (!xml)
        return lv_fail(err, "a checkpoint's metadata");
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domaincheckpoint", err);
    if (!doc)
        return -1;
    HF_AUTOFREE char *words =
        lv_xml_text(lv_xml_child(xmlDocGetRootElement(doc), "description"), &failed);
    *out_ours = words && strncmp(words, MARK, strlen(MARK)) == 0;
    return failed ? hf_fail_nomem(err) : 0;
}

int lv_checkpoints_check(virDomainPtr dom, size_t *out_ours, struct hf_err *err)
{
    HF_AUTO(list) struct list l = {0};
    if (list_all(dom, &l, err) != 0)
        return -1;
    for (int i = 0; i < l.n; i++) {
        bool is_ours = false;
        if (judge(l.items[i], &is_ours, err) != 0)
            return -1;
        *out_ours += is_ours;
        if (is_ours)
            continue;
        hf_fail(err, HF_E_CONFLICT, "checkpoint '%s' of another backup program exists",
                virDomainCheckpointGetName(l.items[i]));
        return hf_hint(err, "After a rollback its next increment would be wrong: delete it first, "
                            "with the program that made it, or `virsh checkpoint-delete`.");
    }
    return 0;
}

int lv_checkpoints_warn(virDomainPtr dom, const struct lv_warner *w, struct hf_err *err)
{
    HF_AUTO(list) struct list l = {0};
    const char *first = NULL;
    size_t n = 0;
    if (list_all(dom, &l, err) != 0)
        return -1;
    for (int i = 0; i < l.n; i++) {
        bool is_ours = false;
        if (judge(l.items[i], &is_ours, err) != 0)
            return -1;
        if (!is_ours && !n++)
            first = virDomainCheckpointGetName(l.items[i]);
    }
    if (!n)
        return 0;
    return lv_warn(w,
                   "%zu checkpoint%s of another backup exist%s ('%s' …): they live on in the overlay, "
                   "and rollback will be refused",
                   n, n > 1 ? "s" : "", n > 1 ? "" : "s", first);
}

/* Those in the layers that are given up go with them. */
static int drop_bitmaps(struct hf_instance *in, const struct hf_call *call,
                        const struct lv_rollback *rb, const char *name, struct hf_err *err)
{
    for (size_t i = 0; i < rb->n; i++)
        if (lv_image_forget_bitmap(in, call, &rb->disks[i].base, name, err) != 0)
            return hf_wrap(err, "disk %s", rb->disks[i].target);
    return 0;
}

int lv_checkpoints_drop(struct hf_instance *in, const struct hf_call *call, virDomainPtr dom,
                        const struct lv_rollback *rb, struct hf_err *err)
{
    HF_AUTO(list) struct list l = {0};
    size_t ours = 0;
    if (lv_checkpoints_check(dom, &ours, err) != 0 || list_all(dom, &l, err) != 0)
        return -1;
    for (int i = 0; i < l.n; i++) {
        HF_AUTOFREE char *name = strdup(virDomainCheckpointGetName(l.items[i]));
        if (!name)
            return hf_fail_nomem(err);
        if (virDomainCheckpointDelete(l.items[i], VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) != 0)
            return lv_fail(err, "checkpoint '%s'", name);
        if (drop_bitmaps(in, call, rb, name, err) != 0)
            return -1;
    }
    return 0;
}

static inline void auto_checkpoint(virDomainCheckpointPtr *c)
{
    if (*c)
        virDomainCheckpointFree(*c);
}

/* *out NULL: there is none. */
static int find(virDomainPtr dom, const char *name, virDomainCheckpointPtr *out, struct hf_err *err)
{
    *out = virDomainCheckpointLookupByName(dom, name, 0);
    const virError *e = virGetLastError();
    if (*out || (e && (e->code == VIR_ERR_NO_DOMAIN_CHECKPOINT || e->code == VIR_ERR_NO_SUPPORT)))
        return 0;
    return lv_fail(err, "checkpoint '%s'", name);
}

int lv_checkpoint_exists(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
{
    __attribute__((cleanup(auto_checkpoint))) virDomainCheckpointPtr c = NULL;
    if (find(dom, name, &c, err) != 0)
        return -1;
    *out = c != NULL;
    return 0;
}

int lv_checkpoint_is_newest(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
{
    __attribute__((cleanup(auto_checkpoint))) virDomainCheckpointPtr c = NULL;
    HF_AUTO(list) struct list children = {0};
    *out = false;
    if (find(dom, name, &c, err) != 0)
        return -1;
    if (!c)
        return 0;
    children.n = virDomainCheckpointListAllChildren(c, &children.items, 0);
    if (children.n < 0) {
        children.n = 0;
        return lv_fail(err, "children of checkpoint '%s'", name);
    }
    *out = children.n == 0;
    return 0;
}

int lv_checkpoint_disks(virDomainPtr dom, const char *name, struct hf_strv *out, struct hf_err *err)
{
    bool failed = false;
    __attribute__((cleanup(auto_checkpoint))) virDomainCheckpointPtr c = NULL;
    if (find(dom, name, &c, err) != 0)
        return -1;
    /* The size is asked for since QEMU can tell it only of a bitmap that is whole. */
    HF_AUTOFREE char *xml = c ? virDomainCheckpointGetXMLDesc(c, VIR_DOMAIN_CHECKPOINT_XML_SIZE) : NULL;
    if (!xml)
        return 0;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domaincheckpoint", err);
    if (!doc)
        return -1;
    xmlNodePtr disks = lv_xml_child(xmlDocGetRootElement(doc), "disks");
    for (xmlNodePtr d = lv_xml_child(disks, "disk"); d; d = lv_xml_next(d)) {
        if (!lv_xml_attr_is(d, "checkpoint", "bitmap"))
            continue;
        char *target = lv_xml_attr(d, "name", &failed);
        if (target && hf_strv_take(out, target) != 0)
            return hf_fail_nomem(err);
    }
    return failed ? hf_fail_nomem(err) : 0;
}

/* libvirt merges nothing while a VM is off: with this one gone, what was changed since would be missing in an older one. */
static int check_alone(virDomainPtr dom, const char *name, struct hf_err *err)
{
    HF_AUTO(list) struct list l = {0};
    if (list_all(dom, &l, err) != 0)
        return -1;
    if (l.n < 2)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "VM '%s' is off and has other checkpoints than '%s'",
            virDomainGetName(dom), name);
    return hf_hint(err, "Start the VM (paused will do: virsh start --paused), then try again.");
}

int lv_checkpoint_delete(virDomainPtr dom, const char *name, bool is_off, bool *was_there,
                         struct hf_err *err)
{
    bool is_ours = false;
    __attribute__((cleanup(auto_checkpoint))) virDomainCheckpointPtr c = NULL;
    *was_there = false;
    if (find(dom, name, &c, err) != 0)
        return -1;
    if (!c)
        return 0;
    if (judge(c, &is_ours, err) != 0)
        return -1;
    if (!is_ours)
        return hf_fail(err, HF_E_CONFLICT, "checkpoint '%s' was not made by holdfast", name);
    if ((is_off && check_alone(dom, name, err) != 0) ||
        HF_POINT_ERR("libvirt.before_checkpoint_delete", err) != 0)
        return -1;
    if (virDomainCheckpointDelete(c, is_off ? VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY : 0) != 0)
        return lv_fail(err, "deletion of checkpoint '%s'", name);
    *was_there = true;
    return 0;
}
