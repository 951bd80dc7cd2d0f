/* SPDX-License-Identifier: Apache-2.0
 *
 * How it boots, what its processor is, and what goes past libvirt.
 */
#include "base/buf.h"
#include "machine.h"

#include <string.h>

/* libvirt gives them to QEMU's user and labels them, whatever they are: a file of any other place is nobody's kernel. */
static void check_boot_files(struct lv_making *m, xmlNodePtr os)
{
    static const char *const files[] = {"kernel", "initrd", "dtb"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(files); i++) {
        xmlNodePtr node = lv_xml_child(os, files[i]);
        const char *path = lv_get_text(m, node);
        /* With elements inside libvirt would take the text of all of them for a path. */
        if (node && (xmlChildElementCount(node) || !lv_has(m, LV_HAS_BOOT_FILE, path)))
            lv_refuse(m, HF_E_UNSUPPORTED, files[i],
                      "it boots the host's '%s', which is no plain file for everybody to read in "
                      "/boot, " LV_BOOT_DIR " or the machine's folder",
                      path);
    }
}

/* The variables of the machine that is replaced are those of the one that replaces it. */
static void allow_former(struct lv_making *m)
{
    xmlNodePtr root = m->former_doc ? xmlDocGetRootElement(m->former_doc) : NULL;
    lv_allow(m, lv_get_text(m, lv_xml_path(root, "os", "nvram", NULL)));
}

/* UEFI: the file with its variables is the former machine's. Empty, libvirt names one by the machine and makes it from the
 * template; with a directory we name it. */
static void make_nvram(struct lv_making *m, xmlNodePtr os)
{
    xmlNodePtr nvram = lv_xml_child(os, "nvram");
    m->is_uefi = nvram || lv_xml_attr_is(os, "firmware", "efi") ||
                 lv_xml_attr_is(lv_xml_child(os, "loader"), "type", "pflash");
    bool has_template = nvram && xmlHasProp(nvram, (const xmlChar *)"template");
    if (has_template && !lv_has(m, LV_HAS_FILE, lv_get(m, nvram, "template"))) {
        lv_xml_unset(nvram, "template");
        lv_find(m, HF_MACHINE_CHANGED, "nvram", "made from libvirt's template");
    }
    if (!m->is_uefi || m->is_replacing ||
        lv_xml_attr_is(lv_xml_child(os, "loader"), "stateless", "yes")) {
        allow_former(m);
        return;
    }
    while (nvram && nvram->children) /* libvirt's own name, or a <source> */
        lv_xml_drop(nvram->children);
    lv_xml_unset(nvram, "type");
    if (m->req->dir) {
        m->nvram = lv_machine_nvram(m->req->dir, m->req->name, m->req->run);
        if (m->nvram) {
            lv_put_text(m, os, "nvram", m->nvram);
            lv_allow(m, m->nvram);
        }
        m->is_broken |= !m->nvram;
    } else if (m->req->flags & HF_MACHINE_TRANSIENT) {
        lv_refuse(m, HF_E_UNSUPPORTED, "nvram",
                  "a transient machine needs a directory for its UEFI variables");
    }
    lv_find(m, HF_MACHINE_CHANGED, "nvram",
            "new UEFI variables: those of then are not in the point. A guest that cannot be found "
            "without its boot entry needs it made again");
}

/* Distributions keep firmware in different places: libvirt knows those of this host. */
static void make_loader(struct lv_making *m, xmlNodePtr os)
{
    xmlNodePtr loader = lv_xml_child(os, "loader"), nvram = lv_xml_child(os, "nvram");
    const char *path = lv_get_text(m, loader);
    if (loader && lv_xml_attr_is(loader, "type", "pflash") &&
        !lv_xml_attr_is(loader, "readonly", "yes")) {
        lv_find(m, HF_MACHINE_CHANGED, "firmware", "'%s' is for reading: it is the host's", path);
        lv_put(m, loader, "readonly", "yes");
    }
    if (!loader || !*path || lv_has(m, LV_HAS_FILE, path))
        return;
    lv_find(m, HF_MACHINE_CHANGED, "firmware", "'%s' is not here: libvirt chooses", path);
    if (!lv_xml_attr_is(loader, "type", "pflash")) {
        lv_xml_drop(loader); /* another BIOS */
        return;
    }
    bool is_secure = lv_xml_attr_is(loader, "secure", "yes");
    lv_xml_drop(loader);
    lv_xml_unset(nvram, "template");
    lv_put(m, os, "firmware", "efi");
    if (is_secure)
        lv_put(m, lv_put_child(m, os, "loader", NULL), "secure", "yes");
}

/* In place: the variables that its boot writes are kept when they lie in a file that is named. */
static void warn_of_variables(struct lv_making *m)
{
    xmlNodePtr root = m->former_doc ? xmlDocGetRootElement(m->former_doc) : NULL;
    HF_AUTOFREE char *vars = lv_vars_of(root);
    if (m->is_replacing && m->is_uefi && !vars)
        lv_find(m, HF_MACHINE_WARNING, "nvram",
                "the UEFI variables of today are in no file that the definition names: what the "
                "restored guest's boot writes there is not taken back");
}

void lv_make_os(struct lv_making *m)
{
    xmlNodePtr os = lv_xml_child(m->root, "os");
    const char *type = lv_get_text(m, lv_xml_child(os, "type"));
    if (strcmp(type, "hvm") != 0) {
        lv_refuse(m, HF_E_UNSUPPORTED, "os", "of type '%s': only hvm is understood", type);
        return;
    }
    if (lv_is_former(m, os)) {
        m->is_uefi = lv_xml_child(os, "nvram") || lv_xml_attr_is(os, "firmware", "efi");
        warn_of_variables(m);
        return;
    }
    if (lv_keep_only(os, "type loader nvram boot* bootmenu smbios bios firmware kernel initrd "
                         "cmdline dtb") > 0)
        lv_find(m, HF_MACHINE_LEFT_OUT, "os", "tables and programs of the host");
    check_boot_files(m, os);
    make_loader(m, os);
    make_nvram(m, os);
    warn_of_variables(m);
}

void lv_make_cpu(struct lv_making *m)
{
    xmlNodePtr cpu = lv_xml_child(m->root, "cpu"), model = lv_xml_child(cpu, "model");
    const char *mode = lv_get(m, cpu, "mode"), *name = lv_get_text(m, model);
    bool is_custom = !*mode || strcmp(mode, "custom") == 0;
    /* Without a check it starts with what there is of the model. */
    if (!cpu || (is_custom && (!*name || lv_xml_attr_is(cpu, "check", "none"))) ||
        (is_custom ? lv_has(m, LV_HAS_CPU_MODEL, name) : lv_has(m, LV_HAS_CPU_MODE, mode)))
        return;
    bool has_model = lv_has(m, LV_HAS_CPU_MODE, "host-model");
    lv_find(m, HF_MACHINE_CHANGED, "cpu", "'%s' is not here: %s instead", is_custom ? name : mode,
            has_model ? "the host's model" : "libvirt's default");
    if (!has_model) {
        lv_xml_drop(cpu);
        return;
    }
    (void)lv_keep_only(cpu, "topology numa");
    while (cpu->properties)
        xmlRemoveProp(cpu->properties);
    lv_put(m, cpu, "mode", "host-model");
}

#define QEMU_URI "http://libvirt.org/schemas/domain/qemu/1.0"

/* Of QEMU's options those whose value names nothing of the host. */
static bool is_harmless(const char *option)
{
    static const char *const options[] = {"-cpu", "-global", "-rtc"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(options); i++)
        if (strcmp(option, options[i]) == 0)
            return true;
    return false;
}

/* Of the properties that -global sets, of any device, those that are switches. */
static bool is_switch(const char *value)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=";
    static const char *const switches[] = {"driver=cfi.pflash01,property=secure,value=",
                                           "ICH9-LPC.",
                                           "PIIX4_PM.",
                                           "kvm-pit.lost_tick_policy=",
                                           "mc146818rtc.lost_tick_policy=",
                                           "virtio-pci.disable-legacy=",
                                           "virtio-pci.disable-modern="};
    for (size_t i = 0; i < HF_ARRAY_SIZE(switches); i++) {
        size_t len = strlen(switches[i]);
        if (strncmp(value, switches[i], len) == 0)
            return !value[len + strspn(value + len, letters)];
    }
    return false;
}

static bool is_value_of(const char *option, const char *value)
{
    if (!*value || *value == '-' || strpbrk(value, "/:"))
        return false;
    return strcmp(option, "-global") != 0 || is_switch(value);
}

static bool is_argument(xmlNodePtr node)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, "arg") == 0 &&
           node->ns && xmlStrEqual(node->ns->href, (const xmlChar *)QEMU_URI);
}

/* How far the arguments have been read. */
struct reading {
    xmlNodePtr option; /* a harmless one, which wants its value; NULL: none */
    bool is_gone;      /* the last option was left out; its value may follow */
};

static void leave_out_argument(struct lv_making *m, struct reading *r, xmlNodePtr arg)
{
    const char *value = lv_get(m, arg, "value");
    if (*value == '-')
        lv_find(m, HF_MACHINE_LEFT_OUT, "argument", "of QEMU: %s", value);
    else if (!r->is_gone)
        lv_find(m, HF_MACHINE_LEFT_OUT, "argument", "of QEMU: '%s' alone", value);
    r->is_gone = *value == '-';
    lv_xml_drop(arg);
}

/* Exactly one value goes with an option: one more would be a disk to QEMU, and one less takes the next option for its value. */
static void read_argument(struct lv_making *m, struct reading *r, xmlNodePtr arg)
{
    xmlNodePtr option = r->option;
    const char *value = lv_get(m, arg, "value"), *name = lv_get(m, option, "value");
    r->option = NULL;
    if (option && is_value_of(name, value))
        return;
    if (option && *value != '-') {
        lv_find(m, HF_MACHINE_LEFT_OUT, "argument", "of QEMU: %s %s", name, value);
        lv_xml_drop(option);
        lv_xml_drop(arg);
        return;
    }
    if (option)
        leave_out_argument(m, r, option);
    if (!is_harmless(value)) {
        leave_out_argument(m, r, arg);
        return;
    }
    r->option = arg;
    r->is_gone = false;
}

/* All that counts to libvirt is <qemu:arg value=> and <qemu:env>. */
static void make_commandline(struct lv_making *m, xmlNodePtr list)
{
    struct reading r = {0};
    for (xmlNodePtr n = list->children, next; n; n = next) {
        next = n->next;
        if (n->type == XML_TEXT_NODE)
            continue;
        lv_drop_twofold(n);
        if (is_argument(n))
            read_argument(m, &r, n);
        else
            lv_xml_drop(n);
    }
    if (r.option)
        leave_out_argument(m, &r, r.option);
    if (!lv_xml_child(list, "arg"))
        lv_xml_drop(list);
}

static bool is_qemus(xmlNodePtr node)
{
    static const char *const names[] = {"commandline", "capabilities", "override", "deprecation"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        if (strcmp((const char *)node->name, names[i]) == 0)
            return xmlStrEqual(node->ns->href, (const xmlChar *)QEMU_URI);
    return false;
}

/* What is kept whole is so to libvirt, too. */
static void keep_qemus(xmlNodePtr list)
{
    lv_drop_twofold(list);
    for (xmlNodePtr n = list->children, next; n; n = next) {
        next = n->next;
        if (n->type == XML_ELEMENT_NODE && n->ns &&
            xmlStrEqual(n->ns->href, (const xmlChar *)QEMU_URI))
            keep_qemus(n);
        else if (n->type != XML_TEXT_NODE)
            lv_xml_drop(n);
    }
}

/* Elements of a namespace: <qemu:commandline> and its kin. */
void lv_make_arguments(struct lv_making *m)
{
    bool keeps = m->keeps_net && m->req->flags & HF_MACHINE_ARGUMENTS;
    for (xmlNodePtr n = m->root->children, next; n; n = next) {
        next = n->next;
        if (n->type != XML_ELEMENT_NODE || !n->ns || lv_is_former(m, n))
            continue;
        const char *name = (const char *)n->name;
        if (is_qemus(n) && keeps) {
            lv_find(m, HF_MACHINE_WARNING, name, "goes to QEMU past libvirt, as in the definition");
            keep_qemus(n);
        } else if (is_qemus(n) && !m->is_isolated && strcmp(name, "commandline") == 0) {
            make_commandline(m, n);
        } else {
            lv_find(m, HF_MACHINE_LEFT_OUT, name, "is for QEMU, past libvirt");
            lv_xml_drop(n);
        }
    }
}
