/* SPDX-License-Identifier: Apache-2.0
 *
 * A planned machine made, started, given away or taken back, by its token and its mark.
 */
#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "machine.h"
#include "vm.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

/* A create of a dead caller may still come to its end in libvirtd: looked at again so often. */
#define UNDO_TRIES 5
#define UNDO_PAUSE_US 50000

/* What a machine's metadata says of us. */
enum mark { NO_MARK, OTHER_RUN, MADE, SETTLED };

struct step {
    struct hf_instance *in;
    const struct hf_call *call;
    struct lv_machine_token token;
    virDomainPtr dom; /* NULL: there is none */
    enum mark mark;
};

static void step_drop(struct step *s)
{
    lv_machine_token_free(&s->token);
    if (s->dom)
        virDomainFree(s->dom);
}
HF_DEFINE_AUTO_VALUE(step, step_drop)

/* ---- looking ---------------------------------------------------------------------------- */

/* The mark's element; NULL: none. libvirt gives it without our prefix. */
static xmlDocPtr mark_of(virDomainPtr dom)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *xml = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, LV_MARK_URI, 0);
    return xml ? lv_xml_parse(xml, "machine", &ignored) : NULL;
}

static enum mark judge(virDomainPtr dom, const char *run)
{
    LV_AUTODOC xmlDocPtr doc = mark_of(dom);
    xmlNodePtr mark = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!mark)
        return NO_MARK;
    if (!lv_xml_attr_is(mark, "run", run))
        return OTHER_RUN;
    return lv_xml_attr_is(mark, "state", "made") ? MADE : SETTLED;
}

static int look(struct step *s, struct hf_err *err)
{
    if (s->dom)
        virDomainFree(s->dom);
    s->mark = NO_MARK;
    s->dom = virDomainLookupByUUIDString(s->in->conn, s->token.uuid);
    const virError *e = s->dom ? NULL : virGetLastError();
    if (e && e->code != VIR_ERR_NO_DOMAIN && e->code != VIR_ERR_INVALID_ARG)
        return lv_fail(err, "machine '%s'", s->token.name);
    if (s->dom)
        s->mark = judge(s->dom, s->token.run);
    return 0;
}

static int enter(struct step *s, const char *undo_token, struct hf_err *err)
{
    struct hf_call plain = *s->call;
    plain.flags = 0; /* machine_start judges its own */
    if (lv_enter(s->in, &plain, err) != 0 || lv_machine_token_read(undo_token, &s->token, err) != 0)
        return -1;
    return look(s, err);
}

static int refuse_flags(const struct hf_call *call, uint32_t known, struct hf_err *err)
{
    if (call->flags & ~known)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    return 0;
}

/* ---- create ----------------------------------------------------------------------------- */

/* What plan made, and nothing else. */
static int check_definition(const struct step *s, const char *xml, struct hf_err *err)
{
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domain", err);
    if (!doc)
        return hf_wrap(err, "the planned definition");
    bool failed = false;
    xmlNodePtr root = xmlDocGetRootElement(doc);
    HF_AUTOFREE char *uuid = lv_xml_text(lv_xml_child(root, "uuid"), &failed);
    HF_AUTOFREE char *name = lv_xml_text(lv_xml_child(root, "name"), &failed);
    xmlNodePtr mark = lv_xml_path(root, "metadata", "machine", NULL);
    if (!uuid || !name || strcmp(uuid, s->token.uuid) != 0 || strcmp(name, s->token.name) != 0 ||
        !lv_xml_attr_is(mark, "run", s->token.run))
        return hf_fail(err, HF_E_CORRUPT, "the definition was not planned with this token");
    return 0;
}

/* By name: another one came in between. */
static int check_name_free(const struct step *s, struct hf_err *err)
{
    LV_AUTODOMAIN virDomainPtr dom = virDomainLookupByName(s->in->conn, s->token.name);
    return dom ? hf_fail(err, HF_E_CONFLICT, "there is a machine '%s' already", s->token.name) : 0;
}

static int check_replaced(const struct step *s, struct hf_err *err)
{
    HF_AUTOFREE char *now = s->dom ? virDomainGetXMLDesc(s->dom, VIR_DOMAIN_XML_INACTIVE) : NULL;
    if (s->dom && !now)
        return lv_fail(err, "definition of the VM");
    if (!now || strcmp(now, s->token.former) != 0 || virDomainIsActive(s->dom) != 0)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' changed since it was planned",
                       s->token.name);
    return 0;
}

static int make(const struct step *s, const char *xml, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_machine", err) != 0)
        return -1;
    LV_AUTODOMAIN virDomainPtr dom =
        s->token.is_transient ? virDomainCreateXML(s->in->conn, xml, VIR_DOMAIN_START_PAUSED)
                              : virDomainDefineXML(s->in->conn, xml);
    if (!dom)
        return lv_fail(err, "machine '%s'", s->token.name);
    return HF_POINT_ERR("libvirt.after_machine", err);
}

int libvirt_machine_create(struct hf_instance *in, const struct hf_call *call,
                           const char *definition, const char *undo_token, struct hf_err *err)
{
    HF_AUTO(step) struct step s = {.in = in, .call = call};
    if (refuse_flags(call, 0, err) != 0 || enter(&s, undo_token, err) != 0 ||
        check_definition(&s, definition, err) != 0)
        return -1;
    if (s.mark == MADE)
        return 0;
    if (s.mark == SETTLED || (s.dom && !s.token.former))
        return hf_fail(err, HF_E_CONFLICT, "there is a machine with the UUID %s already",
                       s.token.uuid);
    if ((s.token.former ? check_replaced(&s, err) : check_name_free(&s, err)) != 0 ||
        lv_check_stop(in, call, err) != 0 || lv_machine_give_sockets(in, definition, err) != 0)
        return -1;
    return make(&s, definition, err);
}

/* ---- start, settle ---------------------------------------------------------------------- */

static int check_ours(const struct step *s, struct hf_err *err)
{
    if (!s->dom)
        return hf_fail(err, HF_E_NOT_FOUND, "there is no machine '%s' of this run", s->token.name);
    if (s->mark == MADE || s->mark == SETTLED)
        return 0;
    return hf_fail(err, HF_E_CONFLICT, "the machine '%s' is not of this run", s->token.name);
}

int libvirt_machine_start(struct hf_instance *in, const struct hf_call *call,
                          const char *undo_token, struct hf_err *err)
{
    const char *trouble = NULL;
    HF_AUTO(step) struct step s = {.in = in, .call = call};
    if (refuse_flags(call, HF_MACHINE_PAUSED, err) != 0 || enter(&s, undo_token, err) != 0 ||
        check_ours(&s, err) != 0 || lv_check_stop(in, call, err) != 0)
        return -1;
    bool pauses = call->flags & HF_MACHINE_PAUSED;
    enum hf_vm_state state = lv_vm_state(s.dom, &trouble);
    if (state == HF_VM_RUNNING || (state == HF_VM_PAUSED && pauses))
        return 0;
    if (HF_POINT_ERR("libvirt.before_machine_start", err) != 0)
        return -1;
    int rc = state == HF_VM_PAUSED
                 ? virDomainResume(s.dom)
                 : virDomainCreateWithFlags(s.dom, pauses ? VIR_DOMAIN_START_PAUSED : 0);
    if (rc != 0)
        return lv_fail(err, "start of '%s'", s.token.name);
    return HF_POINT_ERR("libvirt.after_machine_start", err);
}

static char *settled_mark(const struct lv_machine_token *t)
{
    LV_AUTODOC xmlDocPtr doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNodePtr mark = doc ? xmlNewNode(NULL, (const xmlChar *)"machine") : NULL;
    if (!mark)
        return NULL;
    xmlDocSetRootElement(doc, mark);
    bool ok = lv_xml_set(mark, "run", t->run) && lv_xml_set(mark, "purpose", t->purpose) &&
              lv_xml_set(mark, "state", "settled");
    return ok ? lv_xml_print(doc) : NULL;
}

int libvirt_machine_settle(struct hf_instance *in, const struct hf_call *call,
                           const char *undo_token, struct hf_err *err)
{
    HF_AUTO(step) struct step s = {.in = in, .call = call};
    if (refuse_flags(call, 0, err) != 0 || enter(&s, undo_token, err) != 0 ||
        check_ours(&s, err) != 0)
        return -1;
    if (s.mark == SETTLED)
        return 0;
    if (s.token.is_transient)
        return hf_fail(err, HF_E_UNSUPPORTED, "a transient machine is nobody's to keep");
    HF_AUTOFREE char *mark = settled_mark(&s.token);
    unsigned flags = VIR_DOMAIN_AFFECT_CONFIG;
    if (virDomainIsActive(s.dom) == 1)
        flags |= VIR_DOMAIN_AFFECT_LIVE;
    if (!mark)
        return hf_fail_nomem(err);
    if (HF_POINT_ERR("libvirt.before_machine_settle", err) != 0)
        return -1;
    if (virDomainSetMetadata(s.dom, VIR_DOMAIN_METADATA_ELEMENT, mark, LV_MARK_KEY, LV_MARK_URI,
                             flags) != 0)
        return lv_fail(err, "mark of '%s'", s.token.name);
    return HF_POINT_ERR("libvirt.after_machine_settle", err);
}

/* ---- destroy ---------------------------------------------------------------------------- */

static int remove_nvram(const struct step *s, struct hf_err *err)
{
    if (!s->token.nvram || unlink(s->token.nvram) == 0 || errno == ENOENT)
        return 0;
    hf_fail_sys(err, errno, "UEFI variables '%s'", s->token.nvram);
    return hf_left(err, "file '%s'", s->token.nvram);
}

static int stop(const struct step *s, struct hf_err *err)
{
    if (virDomainIsActive(s->dom) != 1)
        return 0;
    if (HF_POINT_ERR("libvirt.before_machine_stop", err) != 0)
        return -1;
    if (virDomainDestroy(s->dom) != 0 && virDomainIsActive(s->dom) == 1)
        return lv_fail(err, "end of '%s'", s->token.name);
    return HF_POINT_ERR("libvirt.after_machine_stop", err);
}

/* A driver that has neither UEFI nor checkpoints knows no flag for them. */
static int undefine_all(virDomainPtr dom)
{
    unsigned known = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
    unsigned flags =
        known | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM;
    if (virDomainUndefineFlags(dom, flags) == 0)
        return 0;
    const virError *e = virGetLastError();
    if (e && e->code == VIR_ERR_NO_DOMAIN)
        return 0;
    return e && e->code == VIR_ERR_INVALID_ARG ? virDomainUndefineFlags(dom, known) : -1;
}

static int undefine(const struct step *s, struct hf_err *err)
{
    if (virDomainIsPersistent(s->dom) != 1) /* gone with its process */
        return 0;
    if (HF_POINT_ERR("libvirt.before_machine_undefine", err) != 0)
        return -1;
    if (undefine_all(s->dom) != 0)
        return lv_fail(err, "definition of '%s'", s->token.name);
    return HF_POINT_ERR("libvirt.after_machine_undefine", err);
}

/* The machine that was there before, as it was: one file of libvirt's. */
static int bring_back(const struct step *s, struct hf_err *err)
{
    if (HF_POINT_ERR("libvirt.before_machine_back", err) != 0)
        return -1;
    LV_AUTODOMAIN virDomainPtr dom = virDomainDefineXML(s->in->conn, s->token.former);
    if (!dom)
        return lv_fail(err, "former definition of '%s'", s->token.name);
    return HF_POINT_ERR("libvirt.after_machine_back", err);
}

static int take_away(const struct step *s, struct hf_err *err)
{
    /* First: an open file is removed all the same, and a transient machine's name is gone with its process. */
    if (remove_nvram(s, err) != 0 || stop(s, err) != 0)
        return -1;
    return s->token.former ? bring_back(s, err) : undefine(s, err);
}

int libvirt_machine_destroy(struct hf_instance *in, const struct hf_call *call,
                            const char *undo_token, struct hf_err *err)
{
    HF_AUTO(step) struct step s = {.in = in, .call = call};
    if (refuse_flags(call, 0, err) != 0 || enter(&s, undo_token, err) != 0)
        return -1;
    if (s.mark == SETTLED)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' is settled: it is not taken away",
                       s.token.name);
    /* A replaced one that has no mark is the former one still, or again. */
    if (s.dom && s.mark != MADE && !s.token.former)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' is not of this run", s.token.name);
    for (int tries = 0; tries < UNDO_TRIES && s.mark == MADE; tries++) {
        if (take_away(&s, err) != 0)
            return hf_left(err, "machine '%s'", s.token.name);
        usleep(UNDO_PAUSE_US);
        if (look(&s, err) != 0)
            return -1;
    }
    if (s.mark == MADE)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' comes again and again", s.token.name);
    return remove_nvram(&s, err);
}

/* ---- list ------------------------------------------------------------------------------- */

static int emit_one(virDomainPtr dom, hf_machine_cb emit, void *ctx)
{
    const char *trouble = NULL;
    struct hf_err ignored = HF_ERR_INIT;
    bool failed = false;
    LV_AUTODOC xmlDocPtr doc = mark_of(dom);
    xmlNodePtr mark = doc ? xmlDocGetRootElement(doc) : NULL;
    HF_AUTO(lv_machine_token) struct lv_machine_token t = {0};
    HF_AUTOFREE char *token = lv_xml_text(mark, &failed);
    if (!token || !lv_xml_attr_is(mark, "state", "made") ||
        lv_machine_token_read(token, &t, &ignored) != 0)
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
        rc = rc ? rc : emit_one(list[i], emit, ctx);
        virDomainFree(list[i]);
    }
    free(list);
    return rc ? -1 : 0;
}
