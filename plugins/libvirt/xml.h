/* SPDX-License-Identifier: Apache-2.0
 *
 * xml.h - libvirt's XML, read without trust: bounded, no network, no DTD, no entities.
 */
#ifndef HF_LIBVIRT_XML_H
#define HF_LIBVIRT_XML_H

#include "base/cleanup.h"
#include "base/err.h"

#include <libxml/tree.h>
#include <stdbool.h>

static inline void lv_auto_doc_(xmlDocPtr *d)
{
    if (*d)
        xmlFreeDoc(*d);
}
#define LV_AUTODOC __attribute__((cleanup(lv_auto_doc_)))

/* CORRUPT: not well-formed, another root element, too big. */
xmlDocPtr lv_xml_parse(const char *text, const char *root, struct hf_err *err) HF_CHECKED;

/* The first child element of that name, or NULL; the next sibling of the same name. NULL parent:
 * NULL. */
xmlNodePtr lv_xml_child(xmlNodePtr parent, const char *name);
xmlNodePtr lv_xml_next(xmlNodePtr node);
/* By steps: lv_xml_path(root, "os", "loader", NULL). */
xmlNodePtr lv_xml_path(xmlNodePtr from, ...) __attribute__((sentinel));

/* A new string, or NULL (absent, or no memory: *failed is set). */
char *lv_xml_attr(xmlNodePtr node, const char *name, bool *failed);
char *lv_xml_text(xmlNodePtr node, bool *failed);
bool lv_xml_attr_is(xmlNodePtr node, const char *name, const char *value);
/* fallback when absent or no number. */
long long lv_xml_attr_int(xmlNodePtr node, const char *name, long long fallback);

/* Editing. Nothing is checked but memory: false. NULL node: false. */
bool lv_xml_set(xmlNodePtr node, const char *name, const char *value);
void lv_xml_unset(xmlNodePtr node, const char *name);
/* A new last child; text is escaped, and may be NULL. NULL: no memory. */
xmlNodePtr lv_xml_add(xmlNodePtr to, const char *name, const char *text);
void lv_xml_drop(xmlNodePtr node); /* takes NULL */
void lv_xml_drop_children(xmlNodePtr node, const char *name);

/* The whole document as a new string; NULL: no memory. */
char *lv_xml_print(xmlDocPtr doc);

#endif
