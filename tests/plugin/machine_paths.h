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

/* A device that an isolated machine must not have; NULL: it has none. */
static inline const char *way_out(xmlNodePtr root)
{
    static const char *const ways[] = {
        "interface", "hostdev",  "filesystem", "graphics", "tpm",   "redirdev", "shmem",
        "vsock",     "parallel", "smartcard",  "lease",    "audio", "sound"};
    xmlNodePtr devices = lv_xml_child(root, "devices");
    for (size_t i = 0; i < HF_ARRAY_SIZE(ways); i++)
        if (lv_xml_child(devices, ways[i]))
            return ways[i];
    return NULL;
}

#endif
