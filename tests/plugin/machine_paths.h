/* SPDX-License-Identifier: Apache-2.0
 *
 * Asked of every adapted definition, by the tests of fixtures and by the fuzzer: which paths of the host it names, and whether
 * anything leads in or out.
 */
#ifndef HF_TEST_MACHINE_PATHS_H
#define HF_TEST_MACHINE_PATHS_H

#include "xml.h"

#include <stdio.h>
#include <string.h>

/* The first path that does not begin with one of the words; NULL: there is none. Prose is none. */
static inline const char *strange_path(xmlNodePtr node, const char *const *words)
{
    static const char *const prose[] = {"metadata", "title",   "description", "name",  "cmdline",
                                        "serial",   "sysinfo", "commandline", "dhCert"};
    static _Thread_local char found[4096];
    for (size_t i = 0; i < HF_ARRAY_SIZE(prose); i++)
        if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, prose[i]) == 0)
            return NULL;
    xmlNodePtr kids = node->children;
    const char *text = node->type == XML_TEXT_NODE ? (const char *)node->content : NULL;
    for (xmlAttrPtr a = node->type == XML_ELEMENT_NODE ? node->properties : NULL; a || text;
         a = a ? a->next : NULL) {
        xmlChar *value = a ? xmlNodeGetContent((xmlNodePtr)a) : NULL;
        const char *is = value ? (const char *)value : text ? text : "";
        is += strspn(is, " \t\r\n");
        bool known = *is != '/';
        for (const char *const *w = words; !known && *w; w++)
            known = strncmp(is, *w, strlen(*w)) == 0;
        snprintf(found, sizeof found, "%s", is);
        xmlFree(value);
        if (!known)
            return found;
        text = NULL;
    }
    for (xmlNodePtr n = node->type == XML_TEXT_NODE ? NULL : kids; n; n = n->next) {
        const char *is = strange_path(n, words);
        if (is)
            return is;
    }
    return NULL;
}

/* A device, or arguments past libvirt, that an isolated machine must not have; NULL: it has none. */
static inline const char *way_out(xmlNodePtr root)
{
    static const char *const ways[] = {
        "interface", "hostdev",  "filesystem", "graphics", "tpm",   "redirdev", "shmem",
        "vsock",     "parallel", "smartcard",  "lease",    "audio", "sound"};
    xmlNodePtr devices = lv_xml_child(root, "devices");
    for (size_t i = 0; i < HF_ARRAY_SIZE(ways); i++)
        if (lv_xml_child(devices, ways[i]))
            return ways[i];
    return lv_xml_child(root, "commandline") ? "commandline" : NULL;
}

/* An attribute of a namespace, which libvirt may take for the one that we looked at; NULL: there is none. Others' metadata has. */
static inline const char *twofold_attribute(xmlNodePtr node)
{
    const char *found = NULL;
    if (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, "metadata") == 0)
        return NULL;
    for (xmlAttrPtr a = node->properties; a; a = a->next)
        if (a->ns)
            return (const char *)a->name;
    for (xmlNodePtr n = node->children; n && !found; n = n->next)
        found = twofold_attribute(n);
    return found;
}

/* QEMU takes an argument by itself for a disk: all are pairs of an option and what belongs to it. NULL: they are. */
static inline const char *stray_argument(xmlNodePtr root)
{
    static _Thread_local char found[4096];
    bool failed = false, is_value = false;
    for (xmlNodePtr list = lv_xml_child(root, "commandline"); list; list = lv_xml_next(list))
        for (xmlNodePtr n = list->children; n; n = n->next) {
            HF_AUTOFREE char *value = lv_xml_attr(n, "value", &failed);
            if (n->type == XML_TEXT_NODE)
                continue;
            snprintf(found, sizeof found, "%s", value ? value : "no value");
            if (strcmp((const char *)n->name, "arg") != 0 || !value || !*value ||
                (*value == '-') == is_value || (is_value && strpbrk(value, "/:")))
                return found;
            is_value = !is_value;
        }
    return is_value ? "an option without its value" : NULL;
}

#endif
