/* SPDX-License-Identifier: Apache-2.0
 *
 * Serial ports, consoles and channels: what is behind them is a file or socket of the host, which the machine of then may still
 * have. The port stays, with a terminal of its own behind it.
 */
#include "base/buf.h"
#include "machine.h"

#include <string.h>

static void rebuild(struct lv_making *m, xmlNodePtr node, const char *type)
{
    (void)lv_keep_only(node, "target protocol alias address");
    lv_xml_drop_children(node, "protocol");
    while (node->properties)
        xmlRemoveProp(node->properties);
    lv_put(m, node, "type", type);
}

/* A console is the first serial port once more: both become the same. */
void lv_make_chardev(struct lv_making *m, xmlNodePtr node)
{
    const char *type = lv_get(m, node, "type"), *kind = (const char *)node->name;
    const char *path = lv_get(m, lv_xml_child(node, "source"), "path");
    bool is_again = strcmp(kind, "console") == 0;
    if (strcmp(type, "pty") != 0 && !is_again)
        lv_find(m, HF_MACHINE_CHANGED, kind, "a terminal instead of %s%s%s%s", type,
                *path ? " '" : "", path, *path ? "'" : "");
    if (lv_xml_child(node, "log") && !is_again)
        lv_find(m, HF_MACHINE_LEFT_OUT, kind, "its log '%s'",
                lv_get(m, lv_xml_child(node, "log"), "file"));
    rebuild(m, node, "pty");
}

/* The agent's, and others that libvirt makes a socket for. */
void lv_make_channel(struct lv_making *m, xmlNodePtr node)
{
    xmlNodePtr target = lv_xml_child(node, "target");
    const char *type = lv_get(m, node, "type"), *name = lv_get(m, target, "name");
    bool is_virtio = lv_xml_attr_is(target, "type", "virtio");
    if (is_virtio && (strcmp(type, "unix") == 0 || strcmp(type, "pty") == 0)) {
        rebuild(m, node, type);
        lv_xml_unset(target, "state");
        return;
    }
    if (is_virtio && strcmp(type, "spicevmc") == 0 && !m->is_isolated)
        return;
    lv_find(m, HF_MACHINE_LEFT_OUT, "channel", "%s, of type '%s'", *name ? name : "without a name",
            type);
    lv_xml_drop(node);
}
