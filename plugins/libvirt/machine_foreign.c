/* SPDX-License-Identifier: Apache-2.0
 *
 * All of the domain but its disks. The definition's words go in as text of a tree, never as XML.
 */
#include "machine_foreign.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

void lv_foreign_free(struct lv_foreign *f)
{
    free(f->xml);
    free(f->disks);
    free(f->targets);
    *f = (struct lv_foreign){0};
}

bool lv_foreign_is(const struct hf_machine_request *req)
{
    return req->definition && req->definition[strspn(req->definition, " \t\r\n")] == '{' &&
           hf_machine_doc_is(req->definition, strlen(req->definition));
}

static const char *line_of(struct lv_making *m, struct hf_buf *to, const char *text)
{
    hf_utf8_add_line(to, text);
    if (!hf_buf_ok(to)) {
        m->is_broken = true;
        return "";
    }
    return hf_buf_str(to);
}

static void add_number(struct lv_making *m, const char *name, int64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)n);
    lv_put_child(m, m->root, name, text);
}

/* ---- the machine ------------------------------------------------------------------------ */

static void add_head(struct lv_making *m, const struct hf_machine_doc *doc)
{
    HF_AUTO(hf_buf) struct hf_buf name = HF_BUF_INIT;
    lv_put_child(m, m->root, "name", *doc->name ? line_of(m, &name, doc->name) : "unnamed");
    if (doc->uuid)
        lv_put_child(m, m->root, "uuid", doc->uuid);
    add_number(m, "memory", doc->memory_mib);
    lv_put(m, lv_xml_child(m->root, "memory"), "unit", "MiB");
    add_number(m, "vcpu", doc->cpus);
}

static void add_feature(struct lv_making *m, xmlNodePtr firmware, const char *name, bool is_on)
{
    xmlNodePtr feature = lv_put_child(m, firmware, "feature", NULL);
    lv_put(m, feature, "enabled", is_on ? "yes" : "no");
    lv_put(m, feature, "name", name);
}

/* Without the vendors' keys everything is let through, whatever the firmware can do. */
static void add_firmware(struct lv_making *m, const struct hf_machine_doc *doc, xmlNodePtr os)
{
    bool is_secure = doc->is_secure && lv_has(m, LV_HAS_SECURE_BOOT, "");
    xmlNodePtr firmware = lv_put_child(m, os, "firmware", NULL);
    lv_put(m, os, "firmware", "efi");
    add_feature(m, firmware, "enrolled-keys", is_secure);
    if (doc->is_secure && !is_secure)
        lv_find(m, HF_MACHINE_CHANGED, "firmware",
                "without secure boot: this host has no UEFI for it");
    if (!is_secure)
        return;
    add_feature(m, firmware, "secure-boot", true);
    lv_put(m, lv_put_child(m, os, "loader", NULL), "secure", "yes");
    lv_put(m, lv_put_child(m, lv_xml_child(m->root, "features"), "smm", NULL), "state", "on");
}

static void add_os(struct lv_making *m, const struct hf_machine_doc *doc, const char *type)
{
    const char *machine = doc->is_uefi ? "q35" : "pc";
    xmlNodePtr os = lv_put_child(m, m->root, "os", NULL);
    xmlNodePtr of = lv_put_child(m, os, "type", "hvm");
    xmlNodePtr features = lv_put_child(m, m->root, "features", NULL);
    lv_put_child(m, features, "acpi", NULL);
    lv_put_child(m, features, "apic", NULL);
    lv_put(m, of, "arch", "x86_64");
    lv_put(m, of, "machine", machine);
    if (doc->is_uefi)
        add_firmware(m, doc, os);
    lv_find(m, HF_MACHINE_CHANGED, "machine",
            "a '%s' of libvirt's type '%s' with %s, instead of another hypervisor's", machine, type,
            doc->is_uefi ? "UEFI" : "BIOS");
}

/* Emulation has no model of the host's. Cores that do not fill their sockets no processor has. */
static void add_cpu(struct lv_making *m, const struct hf_machine_doc *doc, const char *type)
{
    xmlNodePtr cpu = lv_put_child(m, m->root, "cpu", NULL);
    lv_put(m, cpu, "mode", strcmp(type, "kvm") == 0 ? "host-model" : "maximum");
    if (doc->cpus % doc->cores_per_socket != 0)
        return;
    xmlNodePtr topology = lv_put_child(m, cpu, "topology", NULL);
    lv_put_number(m, topology, "sockets", doc->cpus / doc->cores_per_socket);
    lv_put_number(m, topology, "cores", doc->cores_per_socket);
    lv_put_number(m, topology, "threads", 1);
}

/* Windows takes the clock for local time, on vSphere too. */
static void add_clock(struct lv_making *m, const struct hf_machine_doc *doc)
{
    bool is_windows = strncmp(doc->guest, "win", 3) == 0;
    lv_put(m, lv_put_child(m, m->root, "clock", NULL), "offset", is_windows ? "localtime" : "utc");
}

/* ---- devices ---------------------------------------------------------------------------- */

/* The first one stands for what is not known. */
static const struct nic_kind {
    const char *kind, *model;
} nic_kinds[] = {
    {"e1000", "e1000"}, {"e1000e", "e1000e"}, {"vmxnet3", "vmxnet3"}, {"pcnet32", "pcnet"}};

static const char *nic_model(const char *kind)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(nic_kinds); i++)
        if (strcmp(nic_kinds[i].kind, kind) == 0)
            return nic_kinds[i].model;
    return NULL;
}

static void add_nic(struct lv_making *m, const struct hf_doc_nic *nic, size_t number)
{
    HF_AUTO(hf_buf) struct hf_buf network = HF_BUF_INIT;
    const char *model = nic_model(nic->kind);
    char about[32];
    snprintf(about, sizeof about, "interface %zu", number);
    xmlNodePtr node = lv_put_child(m, m->devices, "interface", NULL);
    lv_put(m, node, "type", "network");
    lv_put(m, lv_put_child(m, node, "source", NULL), "network", line_of(m, &network, nic->network));
    /* One of a group is nobody's, and libvirt takes none. */
    if (nic->mac && !strchr("13579bBdDfF", nic->mac[1]))
        lv_put(m, lv_put_child(m, node, "mac", NULL), "address", nic->mac);
    lv_put(m, lv_put_child(m, node, "model", NULL), "type", model ? model : nic_kinds[0].model);
    if (!nic->is_connected)
        lv_put(m, lv_put_child(m, node, "link", NULL), "state", "down");
    if (!model)
        lv_find(m, HF_MACHINE_CHANGED, about, "an %s instead of a card that QEMU has not",
                nic_kinds[0].model);
}

static void add_agent(struct lv_making *m)
{
    xmlNodePtr channel = lv_put_child(m, m->devices, "channel", NULL);
    xmlNodePtr target = lv_put_child(m, channel, "target", NULL);
    lv_put(m, channel, "type", "unix");
    lv_put(m, target, "type", "virtio");
    lv_put(m, target, "name", "org.qemu.guest_agent.0");
    lv_find(m, HF_MACHINE_CHANGED, "channel",
            "a port for qemu-guest-agent: VMware Tools serve none of QEMU's");
}

static void add_screen(struct lv_making *m)
{
    xmlNodePtr video = lv_put_child(m, m->devices, "video", NULL);
    lv_put(m, lv_put_child(m, video, "model", NULL), "type", "vga");
    if (m->req->flags & HF_MACHINE_ISOLATED)
        return;
    xmlNodePtr screen = lv_put_child(m, m->devices, "graphics", NULL);
    lv_put(m, screen, "type", "vnc");
    lv_put(m, screen, "autoport", "yes");
}

/* What libvirt would give it, and it had not. */
static void add_nothing(struct lv_making *m)
{
    xmlNodePtr usb = lv_put_child(m, m->devices, "controller", NULL);
    lv_put(m, usb, "type", "usb");
    lv_put(m, usb, "model", "none");
    lv_put(m, lv_put_child(m, m->devices, "memballoon", NULL), "model", "none");
}

/* ---- the whole -------------------------------------------------------------------------- */

static void build(struct lv_making *m, const struct hf_machine_doc *doc, const char *type,
                  struct lv_foreign *out)
{
    lv_put(m, m->root, "type", type);
    add_head(m, doc);
    add_os(m, doc, type);
    add_cpu(m, doc, type);
    add_clock(m, doc);
    m->devices = lv_put_child(m, m->root, "devices", NULL);
    lv_foreign_disks(m, doc, out);
    for (size_t i = 0; i < doc->n_nics; i++)
        add_nic(m, &doc->nics[i], i + 1);
    add_agent(m);
    add_screen(m);
    add_nothing(m);
}

static int make_room(const struct hf_machine_request *req, struct lv_foreign *out,
                     struct hf_err *err)
{
    out->req = *req;
    out->disks = calloc(req->n_disks + 1, sizeof *out->disks);
    out->targets = calloc(req->n_disks + 1, sizeof *out->targets);
    return out->disks && out->targets ? 0 : hf_fail_nomem(err);
}

static int conclude(struct lv_making *m, struct lv_foreign *out, struct hf_err *err)
{
    if (m->is_refused) {
        hf_err_copy(err, &m->why);
        return -1;
    }
    out->xml = m->is_broken ? NULL : lv_xml_print(m->doc);
    out->req.definition = out->xml;
    out->req.disks = out->disks;
    if (!out->xml)
        return hf_fail_nomem(err);
    return m->is_stopped ? -1 : 0;
}

int lv_foreign_make(struct lv_making *m, const char *type, struct lv_foreign *out,
                    struct hf_err *err)
{
    HF_AUTO(hf_machine_doc) struct hf_machine_doc doc = {0};
    if (m->req->flags & HF_MACHINE_REPLACE) {
        hf_fail(err, HF_E_UNSUPPORTED,
                "a machine of another hypervisor takes no machine's place here");
        return hf_hint(err, "Restore it beside the other, under a new name.");
    }
    if (hf_machine_doc_parse(m->req->definition, strlen(m->req->definition), &doc, err) != 0)
        return hf_wrap(err, "the definition");
    if (!type)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "the definition is of an x86_64 machine, and this host has none");
    if (make_room(m->req, out, err) != 0)
        return -1;
    m->doc = xmlNewDoc((const xmlChar *)"1.0");
    m->root = m->doc ? xmlNewDocNode(m->doc, NULL, (const xmlChar *)"domain", NULL) : NULL;
    if (!m->root)
        return hf_fail_nomem(err);
    xmlDocSetRootElement(m->doc, m->root);
    build(m, &doc, type, out);
    return conclude(m, out, err);
}
