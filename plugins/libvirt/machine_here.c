/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void lv_here_free(struct lv_here *h)
{
    free(h->capabilities);
    free(h->origin);
    free(h->domain);
    *h = (struct lv_here){0};
}

static int ask_domain(struct lv_here *h, xmlNodePtr root, struct hf_err *err)
{
    bool failed = false;
    xmlNodePtr type = lv_xml_path(root, "os", "type", NULL);
    HF_AUTOFREE char *virt = lv_xml_attr(root, "type", &failed);
    HF_AUTOFREE char *arch = lv_xml_attr(type, "arch", &failed);
    HF_AUTOFREE char *machine = lv_xml_attr(type, "machine", &failed);
    if (failed)
        return hf_fail_nomem(err);
    h->domain = virConnectGetDomainCapabilities(h->in->conn, NULL, arch, machine, virt, 0);
    if (h->domain || lv_is_unsupported_call())
        return 0;
    lv_fail(err, "a machine '%s' of type '%s'", machine ? machine : "(any)", virt ? virt : "?");
    err->cls = err->cls == HF_E_UNREACHABLE ? err->cls : HF_E_UNSUPPORTED;
    return hf_hint(err, "`virsh domcapabilities` tells what this host has; kvm needs /dev/kvm.");
}

/* The machine that it was made from, when it is one of this host. */
static int ask_origin(struct lv_here *h, xmlNodePtr root, struct hf_err *err)
{
    bool failed = false;
    HF_AUTOFREE char *uuid = lv_xml_text(lv_xml_child(root, "uuid"), &failed);
    if (failed)
        return hf_fail_nomem(err);
    LV_AUTODOMAIN virDomainPtr dom = uuid ? virDomainLookupByUUIDString(h->in->conn, uuid) : NULL;
    h->origin = dom ? virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE) : NULL;
    return 0;
}

/* <guest> of x86_64 with this type of domain. */
static bool runs(xmlNodePtr guest, const char *type)
{
    for (; guest; guest = lv_xml_next(guest)) {
        xmlNodePtr arch = lv_xml_child(guest, "arch");
        if (!lv_xml_attr_is(arch, "name", "x86_64"))
            continue;
        for (xmlNodePtr d = lv_xml_child(arch, "domain"); d; d = lv_xml_next(d))
            if (lv_xml_attr_is(d, "type", type))
                return true;
    }
    return false;
}

static const char *best_type(const char *capabilities)
{
    static const char *const types[] = {"kvm", "qemu"};
    struct hf_err ignored = HF_ERR_INIT;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(capabilities, "capabilities", &ignored);
    xmlNodePtr guest = doc ? lv_xml_child(xmlDocGetRootElement(doc), "guest") : NULL;
    for (size_t i = 0; i < HF_ARRAY_SIZE(types); i++)
        if (runs(guest, types[i]))
            return types[i];
    return NULL;
}

int lv_here_open(struct hf_instance *in, const char *dir, struct lv_here *out, struct hf_err *err)
{
    out->in = in;
    out->dir = dir;
    out->capabilities = virConnectGetCapabilities(in->conn);
    if (!out->capabilities)
        return lv_fail(err, "what this host can do");
    out->type = best_type(out->capabilities);
    return 0;
}

int lv_here_ask(struct lv_here *h, const struct hf_machine_request *req, struct hf_err *err)
{
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(req->definition, "domain", err);
    if (!doc)
        return hf_wrap(err, "the definition");
    if (ask_origin(h, xmlDocGetRootElement(doc), err) != 0)
        return -1;
    return ask_domain(h, xmlDocGetRootElement(doc), err);
}

static bool has_network(struct hf_instance *in, const char *name)
{
    virNetworkPtr net = virNetworkLookupByName(in->conn, name);
    bool is_active = net && virNetworkIsActive(net) == 1;
    if (net)
        virNetworkFree(net);
    return is_active;
}

static bool has_filter(struct hf_instance *in, const char *name)
{
    virNWFilterPtr filter = virNWFilterLookupByName(in->conn, name);
    if (filter)
        virNWFilterFree(filter);
    return filter != NULL;
}

/* A name of the definition is no path. */
static bool has_link(const char *name, const char *below)
{
    if (!*name || strchr(name, '/') || *name == '.')
        return false;
    HF_AUTOFREE char *path = hf_asprintf("/sys/class/net/%s%s", name, below);
    return path && access(path, F_OK) == 0;
}

static bool has_file(const char *path)
{
    struct stat st;
    return *path == '/' && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & S_IROTH;
}

/* Both without links and "..". */
static bool is_below(const char *path, const char *dir)
{
    HF_AUTOFREE char *is = realpath(path, NULL);
    HF_AUTOFREE char *of = dir ? realpath(dir, NULL) : NULL;
    size_t len = of ? strlen(of) : 0;
    return is && len > 1 && strncmp(is, of, len) == 0 && is[len] == '/';
}

/* It is the kernel of the machine that the definition was taken from, as that is today. */
static bool boots_origin(const struct lv_here *h, const char *path)
{
    static const char *const files[] = {"kernel", "initrd", "dtb"};
    struct hf_err ignored = HF_ERR_INIT;
    bool failed = false, found = false;
    LV_AUTODOC xmlDocPtr doc = h->origin ? lv_xml_parse(h->origin, "domain", &ignored) : NULL;
    xmlNodePtr os = doc ? lv_xml_child(xmlDocGetRootElement(doc), "os") : NULL;
    for (size_t i = 0; os && !found && i < HF_ARRAY_SIZE(files); i++) {
        HF_AUTOFREE char *is = lv_xml_text(lv_xml_child(os, files[i]), &failed);
        found = is && strcmp(is, path) == 0;
    }
    return found;
}

static bool has_boot_file(const struct lv_here *h, const char *path)
{
    struct stat st;
    if (!has_file(path) || stat(path, &st) != 0 || st.st_mode & (S_ISUID | S_ISGID | 0111))
        return false;
    return is_below(path, "/boot") || is_below(path, LV_BOOT_DIR) || is_below(path, h->dir) ||
           boots_origin(h, path);
}

static bool has_emulator(const struct lv_here *h, const char *path)
{
    struct hf_err ignored = HF_ERR_INIT;
    bool failed = false, found = false;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(h->capabilities, "capabilities", &ignored);
    xmlNodePtr guest = doc ? lv_xml_child(xmlDocGetRootElement(doc), "guest") : NULL;
    for (; guest && !found; guest = lv_xml_next(guest)) {
        HF_AUTOFREE char *is = lv_xml_text(lv_xml_path(guest, "arch", "emulator", NULL), &failed);
        found = is && strcmp(is, path) == 0;
    }
    return found;
}

/* <enum name=…> with this <value>. */
static bool lists(xmlNodePtr of, const char *name, const char *value)
{
    bool failed = false, found = false;
    xmlNodePtr list = lv_xml_child(of, "enum");
    while (list && !lv_xml_attr_is(list, "name", name))
        list = lv_xml_next(list);
    for (xmlNodePtr n = lv_xml_child(list, "value"); n && !found; n = lv_xml_next(n)) {
        HF_AUTOFREE char *is = lv_xml_text(n, &failed);
        found = is && strcmp(is, value) == 0;
    }
    return found;
}

/* A driver that tells nothing of processors and TPMs has whatever is asked for. */
static bool has_of_domain(const struct lv_here *h, enum lv_fact what, const char *value)
{
    struct hf_err ignored = HF_ERR_INIT;
    bool failed = false, found = false;
    LV_AUTODOC xmlDocPtr doc =
        h->domain ? lv_xml_parse(h->domain, "domainCapabilities", &ignored) : NULL;
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root)
        return true;
    if (what == LV_HAS_TPM)
        return lists(lv_xml_path(root, "devices", "tpm", NULL), "backendModel", "emulator");
    xmlNodePtr mode = lv_xml_path(root, "cpu", "mode", NULL);
    const char *name = what == LV_HAS_CPU_MODE ? value : "custom";
    while (mode && !lv_xml_attr_is(mode, "name", name))
        mode = lv_xml_next(mode);
    if (what == LV_HAS_CPU_MODE || !mode)
        return lv_xml_attr_is(mode, "supported", "yes");
    for (xmlNodePtr n = lv_xml_child(mode, "model"); n && !found; n = lv_xml_next(n)) {
        HF_AUTOFREE char *is = lv_xml_text(n, &failed);
        found = is && strcmp(is, value) == 0 && !lv_xml_attr_is(n, "usable", "no");
    }
    return found;
}

/* No list has them: libvirt is asked for a machine that has one. */
static bool has_scsi_model(const struct lv_here *h, const char *model)
{
    HF_AUTOFREE char *xml =
        hf_asprintf("<domain type='%s'><name>holdfast</name><memory>65536</memory><os><type "
                    "arch='x86_64' machine='pc'>hvm</type></os><devices><controller type='scsi' "
                    "model='%s'/></devices></domain>",
                    h->type ? h->type : "qemu", model);
    HF_AUTOFREE char *arguments =
        xml ? virConnectDomainXMLToNative(h->in->conn, "qemu-argv", xml, 0) : NULL;
    return arguments || lv_is_unsupported_call();
}

static bool has_secure_boot(const struct lv_here *h)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTOFREE char *text =
        virConnectGetDomainCapabilities(h->in->conn, NULL, "x86_64", "q35", h->type, 0);
    LV_AUTODOC xmlDocPtr doc = text ? lv_xml_parse(text, "domainCapabilities", &ignored) : NULL;
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    return lists(lv_xml_path(root, "os", "loader", NULL), "secure", "yes");
}

bool lv_here_has(void *ctx, enum lv_fact what, const char *value)
{
    const struct lv_here *h = ctx;
    switch (what) {
    case LV_HAS_NETWORK:
        return has_network(h->in, value);
    case LV_HAS_BRIDGE:
        return has_link(value, "/bridge");
    case LV_HAS_LINK:
        return has_link(value, "");
    case LV_HAS_FILTER:
        return has_filter(h->in, value);
    case LV_HAS_FILE:
        return has_file(value);
    case LV_HAS_BOOT_FILE:
        return has_boot_file(h, value);
    case LV_HAS_EMULATOR:
        return has_emulator(h, value);
    case LV_HAS_SCSI_MODEL:
        return has_scsi_model(h, value);
    case LV_HAS_SECURE_BOOT:
        return has_secure_boot(h);
    default:
        return has_of_domain(h, what, value);
    }
}
