/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/utf8.h"
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void tell(struct lv_making *m, enum hf_machine_finding_kind kind, const char *about,
                 const char *fmt, va_list ap)
{
    char text[512];
    if (m->is_stopped)
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    hf_replace_controls(text, ' ');
    struct hf_machine_finding f = {
        .struct_size = sizeof f, .kind = kind, .about = about, .text = text};
    m->is_stopped = m->say(m->say_ctx, &f) != 0;
}

void lv_find(struct lv_making *m, enum hf_machine_finding_kind kind, const char *about,
             const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tell(m, kind, about, fmt, ap);
    va_end(ap);
}

void lv_refuse(struct lv_making *m, enum hf_err_class cls, const char *about, const char *fmt, ...)
{
    char text[384];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    vsnprintf(text, sizeof text, fmt, again);
    va_end(again);
    if (!m->is_refused)
        hf_fail(&m->why, cls, "%s: %s", about, text);
    m->is_refused = true;
    tell(m, HF_MACHINE_REFUSED, about, fmt, ap);
    va_end(ap);
}

bool lv_has(struct lv_making *m, enum lv_fact what, const char *value)
{
    if (!m->has(m->has_ctx, what, value))
        return false;
    if (*value == '/')
        lv_allow(m, value);
    return true;
}

void lv_put(struct lv_making *m, xmlNodePtr node, const char *name, const char *value)
{
    if (!lv_xml_set(node, name, value))
        m->is_broken = true;
}

void lv_put_number(struct lv_making *m, xmlNodePtr node, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    lv_put(m, node, name, text);
}

xmlNodePtr lv_put_child(struct lv_making *m, xmlNodePtr to, const char *name, const char *text)
{
    xmlNodePtr child = lv_xml_add(to, name, text);
    if (!child)
        m->is_broken = true;
    return child;
}

void lv_put_text(struct lv_making *m, xmlNodePtr parent, const char *name, const char *text)
{
    xmlNodePtr node = lv_xml_child(parent, name);
    if (!node)
        node = lv_put_child(m, parent, name, NULL);
    xmlNodePtr words = xmlNewDocText(m->doc, (const xmlChar *)text);
    if (!node || !words) {
        xmlFreeNode(words);
        m->is_broken = true;
        return;
    }
    while (node->children)
        lv_xml_drop(node->children);
    xmlAddChild(node, words);
}

static const char *keep(struct lv_making *m, char *owned, bool failed)
{
    m->is_broken |= failed;
    if (!owned)
        return "";
    if (hf_strv_take(&m->kept, owned) == 0)
        return m->kept.items[m->kept.n - 1];
    m->is_broken = true;
    return "";
}

const char *lv_get(struct lv_making *m, xmlNodePtr node, const char *name)
{
    bool failed = false;
    char *value = lv_xml_attr(node, name, &failed);
    return keep(m, value, failed);
}

const char *lv_get_text(struct lv_making *m, xmlNodePtr node)
{
    bool failed = false;
    char *value = lv_xml_text(node, &failed);
    return keep(m, value, failed);
}

/* In a list like "a b c*". */
static bool is_listed(const char *list, const char *name, bool *out_often)
{
    size_t len = strlen(name);
    for (const char *p = list; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        size_t word = strcspn(p, " ");
        *out_often = word && p[word - 1] == '*';
        if (word - *out_often == len && strncmp(p, name, len) == 0)
            return true;
    }
    return false;
}

static bool has_older_twin(xmlNodePtr node)
{
    for (xmlNodePtr n = node->prev; n; n = n->prev)
        if (n->type == XML_ELEMENT_NODE && !n->ns && xmlStrEqual(n->name, node->name))
            return true;
    return false;
}

size_t lv_keep_only(xmlNodePtr node, const char *list)
{
    size_t gone = 0;
    bool is_root = node && node->parent && node->parent->type == XML_DOCUMENT_NODE;
    for (xmlNodePtr n = node ? node->children : NULL, next; n; n = next) {
        bool often = false;
        next = n->next;
        if (n->type == XML_TEXT_NODE || (is_root && n->ns))
            continue;
        if (n->type == XML_ELEMENT_NODE && !n->ns &&
            is_listed(list, (const char *)n->name, &often) && (often || !has_older_twin(n)))
            continue;
        gone += n->type == XML_ELEMENT_NODE;
        lv_xml_drop(n);
    }
    return gone;
}

void lv_drop_twofold(xmlNodePtr node)
{
    for (xmlAttrPtr a = node->type == XML_ELEMENT_NODE ? node->properties : NULL, next; a;
         a = next) {
        next = a->next;
        if (a->ns)
            xmlRemoveProp(a);
    }
}

/* Without the blanks between elements, so that indentation is no difference. */
static char *dump(xmlNodePtr node)
{
    xmlBufferPtr buf = xmlBufferCreate();
    char *text = NULL;
    if (buf && xmlNodeDump(buf, node->doc, node, 0, 0) >= 0)
        text = strdup((const char *)xmlBufferContent(buf));
    xmlBufferFree(buf);
    char *to = text;
    for (const char *p = text; p && *p; p++)
        if (!strchr(" \t\r\n", *p))
            *to++ = *p;
    if (to)
        *to = '\0';
    return text;
}

bool lv_is_former(const struct lv_making *m, xmlNodePtr node)
{
    if (!m->former_doc || (node->parent != m->root && node->parent != m->devices))
        return false;
    HF_AUTOFREE char *ours = dump(node);
    xmlNodePtr root = xmlDocGetRootElement(m->former_doc);
    xmlNodePtr list = node->parent == m->root ? root : lv_xml_child(root, "devices");
    for (xmlNodePtr n = lv_xml_child(list, (const char *)node->name); ours && n;
         n = lv_xml_next(n)) {
        HF_AUTOFREE char *theirs = dump(n);
        if (theirs && strcmp(ours, theirs) == 0)
            return true;
    }
    return false;
}
