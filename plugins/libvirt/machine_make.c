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

struct step {
    struct hf_instance *in;
    const struct hf_call *call;
    struct lv_machine_token token;
    virDomainPtr dom;  /* NULL: there is none */
    enum lv_mark mark; /* of the definition; of a transient machine, what runs */
    bool is_active;
    bool runs_ours; /* the process has our mark, whatever was defined since */
};

static void step_drop(struct step *s)
{
    lv_machine_token_free(&s->token);
    if (s->dom)
        virDomainFree(s->dom);
}
HF_DEFINE_AUTO_VALUE(step, step_drop)

/* ---- looking ---------------------------------------------------------------------------- */

/* A machine may be defined anew, or started, while ours is made: definition and process are judged each by itself. */
static int judge(struct step *s, struct hf_err *err)
{
    int is_persistent = virDomainIsPersistent(s->dom), is_active = virDomainIsActive(s->dom);
    enum lv_mark running = LV_NO_MARK;
    if (is_persistent < 0 || is_active < 0)
        return lv_fail(err, "machine '%s'", s->token.name);
    if ((is_active &&
         lv_mark_judge(s->dom, VIR_DOMAIN_AFFECT_LIVE, s->token.run, &running, err) != 0) ||
        (is_persistent &&
         lv_mark_judge(s->dom, VIR_DOMAIN_AFFECT_CONFIG, s->token.run, &s->mark, err) != 0))
        return -1;
    if (!is_persistent)
        s->mark = running;
    s->is_active = is_active;
    s->runs_ours = running == LV_MADE || running == LV_SETTLED;
    return 0;
}

static int look_once(struct step *s, struct hf_err *err)
{
    if (s->dom)
        virDomainFree(s->dom);
    s->mark = LV_NO_MARK;
    s->is_active = s->runs_ours = false;
    s->dom = virDomainLookupByUUIDString(s->in->conn, s->token.uuid);
    const virError *e = s->dom ? NULL : virGetLastError();
    if (e && e->code != VIR_ERR_NO_DOMAIN && e->code != VIR_ERR_INVALID_ARG)
        return lv_fail(err, "machine '%s'", s->token.name);
    return s->dom ? judge(s, err) : 0;
}

/* One that ends while it is looked at is looked at again. */
static int look(struct step *s, struct hf_err *err)
{
    int rc = -1;
    for (int tries = 0; rc != 0 && tries < UNDO_TRIES; tries++) {
        struct hf_err why = HF_ERR_INIT;
        rc = look_once(s, &why);
        if (rc != 0)
            hf_err_copy(err, &why);
        if (rc != 0 && why.cls != HF_E_NOT_FOUND && why.cls != HF_E_CONFLICT)
            return -1;
    }
    return rc;
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
    return lv_machine_check_alone(s->dom, s->token.name, err);
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
    if (s.mark == LV_MADE)
        return 0;
    if (s.mark == LV_SETTLED || (s.dom && !s.token.former))
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
    if (s->mark != LV_MADE && s->mark != LV_SETTLED)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' is not of this run", s->token.name);
    if (s->is_active && !s->runs_ours)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' was started as it was before",
                       s->token.name);
    return 0;
}

/* Never from a saved memory: that is of other disks. */
static int boot(virDomainPtr dom, bool pauses)
{
    unsigned how = VIR_DOMAIN_START_FORCE_BOOT;
    return virDomainCreateWithFlags(dom, pauses ? how | VIR_DOMAIN_START_PAUSED : how);
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
    if ((state != HF_VM_PAUSED && s.mark == LV_MADE && lv_vars_save(&s.token, err) != 0) ||
        HF_POINT_ERR("libvirt.before_machine_start", err) != 0)
        return -1;
    if ((state == HF_VM_PAUSED ? virDomainResume(s.dom) : boot(s.dom, pauses)) != 0)
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
    if (s.mark == LV_SETTLED)
        return lv_vars_forget(&s.token, err);
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
    return HF_POINT_ERR("libvirt.after_machine_settle", err) != 0 ? -1
                                                                  : lv_vars_forget(&s.token, err);
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
    unsigned flags = known | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM;
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
    bool is_ours = s->runs_ours || !s->token.former;
    /* First: an open file is removed all the same, and a transient machine's name is gone with its process. */
    if (remove_nvram(s, err) != 0 || (is_ours && stop(s, err) != 0))
        return -1;
    if (s->mark != LV_MADE) /* defined anew over what runs */
        return 0;
    if (!s->token.former)
        return undefine(s, err);
    /* One that was started as it was before has its own open. */
    if ((is_ours || !s->is_active) && lv_vars_put_back(&s->token, err) != 0)
        return -1;
    return bring_back(s, err);
}

/* No disk but those that the former machine had: it is that one, whatever else somebody changed. */
static int has_former_disks(const struct step *s, const char *now, bool *out, struct hf_err *err)
{
    HF_AUTO(lv_vm) struct lv_vm *former = lv_vm_parse(s->token.former, err);
    HF_AUTO(lv_vm) struct lv_vm *vm = former ? lv_vm_parse(now, err) : NULL;
    *out = true;
    for (size_t i = 0; vm && i < vm->n_disks; i++)
        for (size_t k = 0; k < vm->disks[i].n_layers; k++)
            *out &= !vm->disks[i].layers[k].path ||
                    lv_vm_count(former, vm->disks[i].layers[k].path) > 0;
    return vm ? 0 : -1;
}

/* A replaced one that has no mark is the former one still, or again; else somebody took the mark off ours. */
static int check_former(const struct step *s, struct hf_err *err)
{
    bool is_same = false;
    HF_AUTOFREE char *now = virDomainGetXMLDesc(s->dom, VIR_DOMAIN_XML_INACTIVE);
    if (!now)
        return lv_fail(err, "definition of '%s'", s->token.name);
    if (strcmp(now, s->token.former) == 0)
        return 0;
    if (has_former_disks(s, now, &is_same, err) != 0)
        return -1;
    if (is_same)
        return 0;
    hf_fail(err, HF_E_CONFLICT,
            "the machine '%s' is neither the restored one nor the one that was there before",
            s->token.name);
    hf_hint(err,
            "Somebody defined it anew, with disks that may be restored ones: give it the disks "
            "that it had, or another UUID.");
    return hf_left(err, "machine '%s'", s->token.name);
}

/* There is nothing of ours; what is there under its UUID is not looked at any more. */
static int end_without(const struct step *s, struct hf_err *err)
{
    if (s->token.former && s->dom && check_former(s, err) != 0)
        return -1;
    if (!s->token.former && s->dom)
        lv_log(s->in, HF_LOG_WARN,
               "the machine '%s' is not of run %s, whose own is not there: it stays as it is",
               virDomainGetName(s->dom), s->token.run);
    if (!s->is_active && lv_vars_put_back(&s->token, err) != 0)
        return -1;
    return remove_nvram(s, err);
}

static int refuse_settled(const struct step *s, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT;
    if (lv_vars_forget(&s->token, &ignored) != 0)
        lv_log(s->in, HF_LOG_WARN, "%s", ignored.message);
    return hf_fail(err, HF_E_CONFLICT, "the machine '%s' is settled: it is not taken away",
                   s->token.name);
}

int libvirt_machine_destroy(struct hf_instance *in, const struct hf_call *call,
                            const char *undo_token, struct hf_err *err)
{
    HF_AUTO(step) struct step s = {.in = in, .call = call};
    if (refuse_flags(call, 0, err) != 0 || enter(&s, undo_token, err) != 0)
        return -1;
    if (s.mark == LV_SETTLED)
        return refuse_settled(&s, err);
    for (int tries = 0; tries < UNDO_TRIES && (s.mark == LV_MADE || s.runs_ours); tries++) {
        if (take_away(&s, err) != 0)
            return hf_left(err, "machine '%s'", s.token.name);
        usleep(UNDO_PAUSE_US);
        if (look(&s, err) != 0)
            return -1;
    }
    if (s.mark == LV_MADE || s.runs_ours)
        return hf_fail(err, HF_E_CONFLICT, "the machine '%s' comes again and again", s.token.name);
    return end_without(&s, err);
}
