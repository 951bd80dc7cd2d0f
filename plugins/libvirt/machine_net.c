/* SPDX-License-Identifier: Apache-2.0
 *
 * Interfaces. One that is cut off has libvirt's user network behind it, which needs nothing of the host, and its link is down:
 * only the host can set it up again.
 */
#include "base/buf.h"
#include "machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define HARDWARE "mac model boot alias address"

/* NULL: it can be there as it was. */
static const char *lacks(struct lv_making *m, xmlNodePtr node, const char **out_name)
{
    const char *type = lv_get(m, node, "type");
    xmlNodePtr source = lv_xml_child(node, "source"), filter = lv_xml_child(node, "filterref");
    bool is_there = false;
    if (strcmp(type, "network") == 0)
        is_there = lv_has(m, LV_HAS_NETWORK, *out_name = lv_get(m, source, "network"));
    else if (strcmp(type, "bridge") == 0)
        is_there = lv_has(m, LV_HAS_BRIDGE, *out_name = lv_get(m, source, "bridge"));
    else if (strcmp(type, "direct") == 0)
        is_there = lv_has(m, LV_HAS_LINK, *out_name = lv_get(m, source, "dev"));
    else if (strcmp(type, "user") == 0)
        is_there = true;
    else
        return *out_name = type, "a connection of type";
    if (!is_there)
        return type[0] == 'n' ? "the network" : type[0] == 'b' ? "the bridge" : "the device";
    if (filter && !lv_has(m, LV_HAS_FILTER, *out_name = lv_get(m, filter, "filter")))
        return "the network filter";
    return NULL;
}

static void cut_off(struct lv_making *m, xmlNodePtr node)
{
    (void)lv_keep_only(node, HARDWARE);
    while (node->properties)
        xmlRemoveProp(node->properties);
    lv_put(m, node, "type", "user");
    lv_put(m, lv_put_child(m, node, "link", NULL), "state", "down");
}

/* Of the driver's own range, and not a group's. */
static void new_mac(struct lv_making *m, xmlNodePtr node)
{
    unsigned char r[3];
    char text[18];
    xmlNodePtr mac = lv_xml_child(node, "mac");
    if (getrandom(r, sizeof r, 0) != sizeof r) {
        m->is_broken = true;
        return;
    }
    snprintf(text, sizeof text, "52:54:00:%02x:%02x:%02x", r[0], r[1], r[2]);
    if (!mac)
        mac = lv_put_child(m, node, "mac", NULL);
    lv_find(m, HF_MACHINE_CHANGED, "mac", "%s instead of %s", text, lv_get(m, mac, "address"));
    while (mac && mac->properties)
        xmlRemoveProp(mac->properties);
    lv_put(m, mac, "address", text);
}

/* What its switch knows the port of the machine of then by. */
static void new_port(xmlNodePtr node)
{
    xmlNodePtr port = lv_xml_child(node, "virtualport");
    for (xmlNodePtr p = lv_xml_child(port, "parameters"); p; p = lv_xml_next(p)) {
        lv_xml_unset(p, "interfaceid");
        lv_xml_unset(p, "instanceid");
    }
}

static void connect(struct lv_making *m, xmlNodePtr node, const char *about)
{
    const char *name = "";
    const char *missing = lacks(m, node, &name);
    if (!m->keeps_net) {
        lv_find(m, HF_MACHINE_CUT_OFF, about, "no network was asked for: its link is down");
        cut_off(m, node);
    } else if (missing) {
        lv_find(m, HF_MACHINE_CUT_OFF, about, "%s '%s' is not here: its link is down", missing,
                name);
        cut_off(m, node);
    } else {
        (void)lv_keep_only(node, HARDWARE " source virtualport bandwidth vlan link mtu driver tune "
                                          "filterref coalesce port");
        lv_xml_unset(lv_xml_child(node, "source"), "portid");
    }
}

void lv_make_interface(struct lv_making *m, xmlNodePtr node)
{
    HF_AUTOFREE char *about =
        hf_asprintf("interface %s", lv_get(m, lv_xml_child(node, "mac"), "address"));
    if (!about) {
        m->is_broken = true;
        return;
    }
    if (m->is_isolated || lv_xml_attr_is(node, "type", "hostdev")) {
        lv_find(m, HF_MACHINE_LEFT_OUT, about,
                m->is_isolated ? "nothing leads in or out" : "is a device of the host");
        lv_xml_drop(node);
        return;
    }
    connect(m, node, about);
    if (m->is_replacing || m->req->flags & HF_MACHINE_KEEP_MAC)
        return;
    new_mac(m, node);
    new_port(node);
}
