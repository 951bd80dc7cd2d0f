/* SPDX-License-Identifier: Apache-2.0 */
#include "xml.h"

#include "base/xml_bounds.h"

#include <libxml/parser.h>
#include <stdarg.h>
#include <string.h>

#define XML_MAX ((size_t)16 << 20)
#define ELEMENTS_MAX 400000

static xmlDocPtr fail_xml(struct hf_err *err, const char *why)
{
    hf_fail(err, HF_E_CORRUPT, "XML from libvirt %s", why);
    return NULL;
}

/* UTF-8, whatever it says: converters complain on standard error, past all handlers. It is written as it came, without that word. */
static xmlDocPtr read_document(const char *text, size_t len)
{
    xmlDocPtr doc = xmlReadMemory(text, (int)len, "libvirt.xml", "UTF-8",
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                      XML_PARSE_IGNORE_ENC);
    if (doc && doc->encoding) {
        xmlFree((void *)(uintptr_t)doc->encoding);
        doc->encoding = NULL;
    }
    return doc;
}

xmlDocPtr lv_xml_parse(const char *text, const char *root, struct hf_err *err)
{
    size_t len = strnlen(text, XML_MAX + 1);
    const char *excess = len > XML_MAX ? "is too big" : hf_xml_excess(text, len, ELEMENTS_MAX);
    if (excess)
        return fail_xml(err, excess);
    LV_AUTODOC xmlDocPtr doc = read_document(text, len);
    if (!doc)
        return fail_xml(err, "is not well-formed");
    xmlNodePtr top = xmlDocGetRootElement(doc);
    if (!top || strcmp((const char *)top->name, root) != 0)
        return fail_xml(err, "has an unexpected root element");
    return HF_STEAL(doc);
}

static xmlNodePtr first_named(xmlNodePtr node, const char *name)
{
    for (; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0)
            return node;
    return NULL;
}

xmlNodePtr lv_xml_child(xmlNodePtr parent, const char *name)
{
    return parent ? first_named(parent->children, name) : NULL;
}

xmlNodePtr lv_xml_next(xmlNodePtr node)
{
    return first_named(node->next, (const char *)node->name);
}

xmlNodePtr lv_xml_path(xmlNodePtr from, ...)
{
    va_list ap;
    const char *step;
    va_start(ap, from);
    while (from && (step = va_arg(ap, const char *)))
        from = lv_xml_child(from, step);
    va_end(ap);
    return from;
}

/* libxml2 has its own allocator; the rest of the plugin frees with free(). */
static char *adopt(xmlChar *text, bool *failed)
{
    if (!text)
        return NULL;
    char *copy = strdup((const char *)text);
    xmlFree(text);
    if (!copy)
        *failed = true;
    return copy;
}

char *lv_xml_attr(xmlNodePtr node, const char *name, bool *failed)
{
    return node ? adopt(xmlGetNoNsProp(node, (const xmlChar *)name), failed) : NULL;
}

char *lv_xml_text(xmlNodePtr node, bool *failed)
{
    return node ? adopt(xmlNodeGetContent(node), failed) : NULL;
}

bool lv_xml_attr_is(xmlNodePtr node, const char *name, const char *value)
{
    bool failed = false;
    HF_AUTOFREE char *is = lv_xml_attr(node, name, &failed);
    return is && strcmp(is, value) == 0;
}

long long lv_xml_attr_int(xmlNodePtr node, const char *name, long long fallback)
{
    bool failed = false;
    HF_AUTOFREE char *text = lv_xml_attr(node, name, &failed);
    char *end = NULL;
    errno = 0;
    long long value = text ? strtoll(text, &end, 10) : 0;
    return text && *text && !*end && errno == 0 ? value : fallback;
}

bool lv_xml_set(xmlNodePtr node, const char *name, const char *value)
{
    return node && xmlSetProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

void lv_xml_unset(xmlNodePtr node, const char *name)
{
    if (node)
        xmlUnsetProp(node, (const xmlChar *)name);
}

xmlNodePtr lv_xml_add(xmlNodePtr to, const char *name, const char *text)
{
    return to ? xmlNewTextChild(to, NULL, (const xmlChar *)name, (const xmlChar *)text) : NULL;
}

void lv_xml_drop(xmlNodePtr node)
{
    if (!node)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

void lv_xml_drop_children(xmlNodePtr node, const char *name)
{
    for (xmlNodePtr child; (child = lv_xml_child(node, name));)
        lv_xml_drop(child);
}

char *lv_xml_print(xmlDocPtr doc)
{
    xmlChar *text = NULL;
    int len = 0;
    xmlDocDumpMemory(doc, &text, &len);
    char *copy = text ? strndup((const char *)text, (size_t)len) : NULL;
    xmlFree(text);
    return copy;
}
