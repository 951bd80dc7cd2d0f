/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"
#include "vm.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

/* libvirt gives the element without our prefix. One of our namespace that is called otherwise is nothing of ours. */
int lv_mark_read(virDomainPtr dom, unsigned where, xmlDocPtr *out, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *xml =
        virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, LV_MARK_URI, where);
    *out = xml ? lv_xml_parse(xml, "machine", &ignored) : NULL;
    const virError *e = xml ? NULL : virGetLastError();
    if (xml || (e && e->code == VIR_ERR_NO_DOMAIN_METADATA))
        return 0;
    return lv_fail(err, "mark of a machine");
}

/* The mark of the machine as it will start; of a transient one, and of one whose definition has none, as it runs. */
static int find_mark(virDomainPtr dom, xmlDocPtr *out, struct hf_err *err)
{
    int is_persistent = virDomainIsPersistent(dom), is_active = virDomainIsActive(dom);
    *out = NULL;
    if (is_persistent < 0 || is_active < 0)
        return lv_fail(err, "state of a machine");
    if (is_persistent && lv_mark_read(dom, VIR_DOMAIN_AFFECT_CONFIG, out, err) != 0)
        return -1;
    return *out || !is_active ? 0 : lv_mark_read(dom, VIR_DOMAIN_AFFECT_LIVE, out, err);
}

int lv_mark_judge(virDomainPtr dom, unsigned where, const char *run, enum lv_mark *out,
                  struct hf_err *err)
{
    LV_AUTODOC xmlDocPtr doc = NULL;
    if (lv_mark_read(dom, where, &doc, err) != 0)
        return -1;
    xmlNodePtr mark = doc ? xmlDocGetRootElement(doc) : NULL;
    *out = !mark                                   ? LV_NO_MARK
           : !lv_xml_attr_is(mark, "run", run)     ? LV_OTHER_RUN
           : lv_xml_attr_is(mark, "state", "made") ? LV_MADE
                                                   : LV_SETTLED;
    return 0;
}

static int emit_one(virDomainPtr dom, hf_machine_cb emit, void *ctx, struct hf_err *err)
{
    const char *trouble = NULL;
    struct hf_err why = HF_ERR_INIT;
    bool failed = false;
    LV_AUTODOC xmlDocPtr doc = NULL;
    if (find_mark(dom, &doc, &why) != 0) {
        bool is_gone = why.cls == HF_E_NOT_FOUND || why.cls == HF_E_CONFLICT; /* meanwhile */
        if (!is_gone)
            hf_err_copy(err, &why);
        return is_gone ? 0 : -1;
    }
    xmlNodePtr mark = doc ? xmlDocGetRootElement(doc) : NULL;
    HF_AUTO(lv_machine_token) struct lv_machine_token t = {0};
    HF_AUTOFREE char *token = lv_xml_text(mark, &failed);
    if (!token || !lv_xml_attr_is(mark, "state", "made") ||
        lv_machine_token_read(token, &t, &why) != 0)
        return 0; /* none of ours */
    struct hf_machine m = {.struct_size = sizeof m,
                           .state = lv_vm_state(dom, &trouble),
                           .is_transient = t.is_transient,
                           .vm_id = t.uuid,
                           .name = virDomainGetName(dom),
                           .run = t.run,
                           .purpose = t.purpose,
                           .undo_token = token};
    return emit(ctx, &m);
}

int libvirt_machine_list(struct hf_instance *in, const struct hf_call *call, hf_machine_cb emit,
                         void *ctx, struct hf_err *err)
{
    virDomainPtr *list = NULL;
    if (lv_enter(in, call, err) != 0)
        return -1;
    int n = virConnectListAllDomains(in->conn, &list, 0), rc = 0;
    if (n < 0)
        return lv_fail(err, "list of VMs");
    for (int i = 0; i < n; i++) {
        rc = rc ? rc : emit_one(list[i], emit, ctx, err);
        virDomainFree(list[i]);
    }
    free(list);
    return rc ? -1 : 0;
}
