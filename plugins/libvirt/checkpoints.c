/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoints.h"

#include "checkpoint_words.h"
#include "xml.h"

#include <libvirt/virterror.h>
#include <string.h>

void lv_checkpoints_free(struct lv_checkpoints *l)
{
    for (int i = 0; i < l->n; i++)
        virDomainCheckpointFree(l->items[i]);
    free(l->items);
    *l = (struct lv_checkpoints){0};
}

int lv_checkpoints_list(virDomainPtr dom, struct lv_checkpoints *out, struct hf_err *err)
{
    out->n = virDomainListAllCheckpoints(dom, &out->items, VIR_DOMAIN_CHECKPOINT_LIST_TOPOLOGICAL);
    if (out->n >= 0)
        return 0;
    out->n = 0;
    return lv_is_unsupported_call() ? 0 : lv_fail(err, "list of checkpoints");
}

int lv_checkpoint_judge(virDomainCheckpointPtr checkpoint, bool *out_ours, char **out_words,
                        struct hf_err *err)
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
    *out_ours = words && strncmp(words, LV_CHECKPOINT_MARK, strlen(LV_CHECKPOINT_MARK)) == 0;
    if (out_words)
        *out_words = HF_STEAL(words);
    return failed ? hf_fail_nomem(err) : 0;
}

int lv_checkpoints_check(virDomainPtr dom, size_t *out_ours, struct hf_err *err)
{
    HF_AUTO(lv_checkpoints) struct lv_checkpoints l = {0};
    if (lv_checkpoints_list(dom, &l, err) != 0)
        return -1;
    for (int i = 0; i < l.n; i++) {
        bool is_ours = false;
        HF_AUTOFREE char *words = NULL;
        if (lv_checkpoint_judge(l.items[i], &is_ours, &words, err) != 0)
            return -1;
        *out_ours += is_ours;
        if (is_ours)
            continue;
        hf_fail(err, HF_E_CONFLICT, "checkpoint '%s' of another backup program exists%s%.80s",
                virDomainCheckpointGetName(l.items[i]), words ? ", which says: " : "",
                words ? words : "");
        return hf_hint(err, "After a rollback its next increment would be wrong: delete it first, "
                            "with the program that made it, or `virsh checkpoint-delete`.");
    }
    return 0;
}

int lv_checkpoints_warn(virDomainPtr dom, const struct lv_warner *w, struct hf_err *err)
{
    HF_AUTO(lv_checkpoints) struct lv_checkpoints l = {0};
    const char *first = NULL;
    size_t n = 0;
    if (lv_checkpoints_list(dom, &l, err) != 0)
        return -1;
    for (int i = 0; i < l.n; i++) {
        bool is_ours = false;
        if (lv_checkpoint_judge(l.items[i], &is_ours, NULL, err) != 0)
            return -1;
        if (!is_ours && !n++)
            first = virDomainCheckpointGetName(l.items[i]);
    }
    if (!n)
        return 0;
    return lv_warn(
        w,
        "%zu checkpoint%s of another backup exist%s ('%s' …): they live on in the overlay, "
        "and rollback will be refused",
        n, n > 1 ? "s" : "", n > 1 ? "" : "s", first);
}

int lv_checkpoint_find(virDomainPtr dom, const char *name, virDomainCheckpointPtr *out,
                       struct hf_err *err)
{
    *out = virDomainCheckpointLookupByName(dom, name, 0);
    const virError *e = virGetLastError();
    if (*out || (e && (e->code == VIR_ERR_NO_DOMAIN_CHECKPOINT || e->code == VIR_ERR_NO_SUPPORT)))
        return 0;
    return lv_fail(err, "checkpoint '%s'", name);
}

int lv_checkpoint_exists(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
{
    LV_AUTOCHECKPOINT virDomainCheckpointPtr c = NULL;
    if (lv_checkpoint_find(dom, name, &c, err) != 0)
        return -1;
    *out = c != NULL;
    return 0;
}

int lv_checkpoint_is_newest(virDomainPtr dom, const char *name, bool *out, struct hf_err *err)
{
    LV_AUTOCHECKPOINT virDomainCheckpointPtr c = NULL;
    HF_AUTO(lv_checkpoints) struct lv_checkpoints children = {0};
    *out = false;
    if (lv_checkpoint_find(dom, name, &c, err) != 0)
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

int lv_checkpoint_disks(virDomainPtr dom, const char *name, struct hf_strv *out, size_t *out_lost,
                        struct hf_err *err)
{
    bool failed = false;
    LV_AUTOCHECKPOINT virDomainCheckpointPtr c = NULL;
    if (lv_checkpoint_find(dom, name, &c, err) != 0)
        return -1;
    /* The size is asked for since QEMU can tell it only of a bitmap that is whole: where one is not there, it is missing. */
    HF_AUTOFREE char *xml =
        c ? virDomainCheckpointGetXMLDesc(c, VIR_DOMAIN_CHECKPOINT_XML_SIZE) : NULL;
    if (!xml)
        return 0;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domaincheckpoint", err);
    if (!doc)
        return -1;
    xmlNodePtr disks = lv_xml_child(xmlDocGetRootElement(doc), "disks");
    for (xmlNodePtr d = lv_xml_child(disks, "disk"); d; d = lv_xml_next(d)) {
        if (!lv_xml_attr_is(d, "checkpoint", "bitmap"))
            continue;
        HF_AUTOFREE char *size = lv_xml_attr(d, "size", &failed);
        if (!size) {
            if (out_lost)
                ++*out_lost;
            continue;
        }
        char *target = lv_xml_attr(d, "name", &failed);
        if (target && hf_strv_take(out, target) != 0)
            return hf_fail_nomem(err);
    }
    return failed ? hf_fail_nomem(err) : 0;
}

int libvirt_checkpoint_list(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                            hf_text_cb emit, void *ctx, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = NULL;
    HF_AUTO(lv_checkpoints) struct lv_checkpoints l = {0};
    if (lv_enter(in, call, err) != 0 || lv_domain(in, vm_id, &dom, err) != 0 ||
        lv_checkpoints_list(dom, &l, err) != 0)
        return -1;
    for (int i = l.n; i-- > 0;) {
        bool is_ours = false;
        if (lv_checkpoint_judge(l.items[i], &is_ours, NULL, err) != 0)
            return -1;
        if (is_ours && emit(ctx, virDomainCheckpointGetName(l.items[i])) != 0)
            return -1;
    }
    return 0;
}
