/* SPDX-License-Identifier: Apache-2.0
 *
 * All devices but disks: a table of those that are known, and what is done with each. What is not in it is left out.
 */
#include "base/buf.h"
#include "machine.h"

#include <string.h>

typedef void (*make_fn)(struct lv_making *m, xmlNodePtr node);

static void leave_out(struct lv_making *m, xmlNodePtr node, const char *why)
{
    lv_find(m, HF_MACHINE_LEFT_OUT, (const char *)node->name, "%s", why);
    lv_xml_drop(node);
}

static void make_nothing(struct lv_making *m, xmlNodePtr node)
{
    (void)m, (void)node;
}

static void make_emulator(struct lv_making *m, xmlNodePtr node)
{
    const char *path = lv_get_text(m, node);
    if (lv_has(m, LV_HAS_EMULATOR, path))
        return;
    lv_find(m, HF_MACHINE_CHANGED, "emulator", "'%s' is not libvirt's here: its own instead", path);
    lv_xml_drop(node);
}

static void make_hostdev(struct lv_making *m, xmlNodePtr node)
{
    xmlNodePtr a = lv_xml_path(node, "source", "address", NULL);
    const char *type = lv_get(m, node, "type");
    if (a && strcmp(type, "pci") == 0)
        lv_find(m, HF_MACHINE_LEFT_OUT, "hostdev", "PCI device %s:%s:%s.%s of the host",
                lv_get(m, a, "domain"), lv_get(m, a, "bus"), lv_get(m, a, "slot"),
                lv_get(m, a, "function"));
    else
        lv_find(m, HF_MACHINE_LEFT_OUT, "hostdev", "a device of the host, of type '%s'",
                *type ? type : lv_get(m, node, "mode"));
    lv_xml_drop(node);
}

static void make_filesystem(struct lv_making *m, xmlNodePtr node)
{
    lv_find(m, HF_MACHINE_LEFT_OUT, "filesystem", "the host's folder '%s', shared as '%s'",
            lv_get(m, lv_xml_child(node, "source"), "dir"),
            lv_get(m, lv_xml_child(node, "target"), "dir"));
    lv_xml_drop(node);
}

static void make_input(struct lv_making *m, xmlNodePtr node)
{
    if (lv_xml_child(node, "source"))
        leave_out(m, node, "an input device of the host");
}

/* Ports are the host's; who sits there now is not known. */
static void make_graphics(struct lv_making *m, xmlNodePtr node)
{
    static const char *const ports[] = {"port", "tlsPort", "websocket", "socket"};
    const char *type = lv_get(m, node, "type");
    bool is_spice = strcmp(type, "spice") == 0;
    if (m->is_isolated || (!is_spice && strcmp(type, "vnc") != 0)) {
        leave_out(m, node, m->is_isolated ? "nothing leads in or out" : "a display of the host");
        return;
    }
    if (!lv_xml_attr_is(node, "autoport", "yes") || lv_xml_attr_is(node, "port", "5900"))
        lv_find(m, HF_MACHINE_CHANGED, "graphics", "%s: libvirt chooses the port", type);
    for (size_t i = 0; i < HF_ARRAY_SIZE(ports); i++)
        lv_xml_unset(node, ports[i]);
    lv_put(m, node, "autoport", "yes");
    lv_xml_drop_children(node, "gl"); /* a device of the host */
    for (xmlNodePtr l = lv_xml_child(node, "listen"), next; l; l = next) {
        next = lv_xml_next(l);
        lv_xml_unset(l, "socket");
        if (lv_xml_attr_is(l, "type", "network"))
            lv_xml_drop(l);
    }
}

static void make_video(struct lv_making *m, xmlNodePtr node)
{
    (void)m;
    lv_xml_drop_children(node, "driver");
    lv_xml_unset(lv_xml_path(node, "model", "acceleration", NULL), "rendernode");
}

static void make_sound(struct lv_making *m, xmlNodePtr node)
{
    if (m->is_isolated)
        lv_xml_drop(node);
}

static void make_audio(struct lv_making *m, xmlNodePtr node)
{
    if (!lv_xml_attr_is(node, "type", "none") && !lv_xml_attr_is(node, "type", "spice"))
        leave_out(m, node, "sound of the host");
    else if (m->is_isolated)
        lv_xml_drop(node);
}

static void make_rng(struct lv_making *m, xmlNodePtr node)
{
    xmlNodePtr backend = lv_xml_child(node, "backend");
    const char *source = lv_get_text(m, backend);
    if (lv_xml_attr_is(backend, "model", "builtin"))
        return;
    lv_allow(m, "/dev/random");
    lv_allow(m, "/dev/urandom");
    if (!lv_xml_attr_is(backend, "model", "random"))
        leave_out(m, node, "random bytes of another program");
    else if (strcmp(source, "/dev/urandom") != 0 && strcmp(source, "/dev/random") != 0)
        xmlNodeSetContent(backend, (const xmlChar *)"/dev/urandom");
}

/* What it holds is the former machine's, and not in the point. */
static void make_tpm(struct lv_making *m, xmlNodePtr node)
{
    xmlNodePtr backend = lv_xml_child(node, "backend");
    if (m->is_isolated)
        leave_out(m, node, "what it held is not in the point");
    else if (!lv_xml_attr_is(backend, "type", "emulator"))
        leave_out(m, node, "a device of the host");
    else if (!lv_has(m, LV_HAS_TPM, ""))
        leave_out(m, node, "this host has no swtpm");
    else {
        (void)lv_keep_only(backend, "active_pcr_banks");
        if (!m->is_replacing)
            lv_find(m, HF_MACHINE_WARNING, "tpm",
                    "is empty: what it held is not in the point, and disks "
                    "sealed to it ask for their recovery key");
    }
}

static void make_vsock(struct lv_making *m, xmlNodePtr node)
{
    xmlNodePtr cid = lv_xml_child(node, "cid");
    if (m->is_isolated) {
        leave_out(m, node, "nothing leads in or out");
        return;
    }
    lv_xml_unset(cid, "address");
    if (cid)
        lv_put(m, cid, "auto", "yes");
}

static void make_redirdev(struct lv_making *m, xmlNodePtr node)
{
    if (m->is_isolated || !lv_xml_attr_is(node, "type", "spicevmc"))
        leave_out(m, node, "leads out of the machine");
}

static void make_memory(struct lv_making *m, xmlNodePtr node)
{
    if (!lv_xml_attr_is(node, "model", "dimm") || lv_xml_path(node, "source", "path", NULL))
        leave_out(m, node, "memory that lies in a file of the host");
    else if (m->is_isolated)
        lv_xml_unset(node, "access"); /* shared or not: either puts it into a file */
}

/* The guest decides when. */
static void make_watchdog(struct lv_making *m, xmlNodePtr node)
{
    if (!m->is_isolated || !lv_xml_attr_is(node, "action", "dump"))
        return;
    lv_find(m, HF_MACHINE_CHANGED, "watchdog", "switches off instead of dumping the memory");
    lv_put(m, node, "action", "poweroff");
}

static const struct {
    const char *name;
    make_fn make;
} table[] = {
    {"emulator", make_emulator},
    {"disk", make_nothing},
    {"controller", make_nothing},
    {"interface", lv_make_interface},
    {"hostdev", make_hostdev},
    {"filesystem", make_filesystem},
    {"input", make_input},
    {"graphics", make_graphics},
    {"video", make_video},
    {"sound", make_sound},
    {"audio", make_audio},
    {"channel", lv_make_channel},
    {"serial", lv_make_chardev},
    {"console", lv_make_chardev},
    {"rng", make_rng},
    {"tpm", make_tpm},
    {"vsock", make_vsock},
    {"redirdev", make_redirdev},
    {"memory", make_memory},
    {"redirfilter", make_nothing},
    {"hub", make_nothing},
    {"iommu", make_nothing},
    {"watchdog", make_watchdog},
    {"memballoon", make_nothing},
    {"panic", make_nothing},
    {"nvram", make_nothing},
};

static void make_device(struct lv_making *m, xmlNodePtr node)
{
    for (xmlNodePtr rom = lv_xml_child(node, "rom"); rom; rom = lv_xml_next(rom))
        lv_xml_unset(rom, "file");
    for (size_t i = 0; i < HF_ARRAY_SIZE(table); i++)
        if (strcmp((const char *)node->name, table[i].name) == 0) {
            table[i].make(m, node);
            return;
        }
    leave_out(m, node, "is of a kind that is not taken over");
}

/* libvirt keeps what it holds by the machine's UUID. */
static void warn_of_tpm(struct lv_making *m)
{
    if (m->is_replacing && lv_xml_child(m->devices, "tpm"))
        lv_find(m, HF_MACHINE_WARNING, "tpm",
                "holds what it holds today, and what the restored guest's boot writes into it is "
                "not taken back: disks sealed to it may ask for their recovery key");
}

void lv_make_devices(struct lv_making *m)
{
    for (xmlNodePtr n = m->devices->children, next; n && !m->is_stopped; n = next) {
        next = n->next;
        if (n->type == XML_ELEMENT_NODE && !lv_is_former(m, n))
            make_device(m, n);
    }
    warn_of_tpm(m);
    lv_make_disks(m);
}
