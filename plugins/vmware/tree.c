/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include "base/civil.h"
#include "base/xml_bounds.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define XSI ((const xmlChar *)"http://www.w3.org/2001/XMLSchema-instance")

/* ---- reading --------------------------------------------------------------------------------------------- */

static bool is_deeper(const xmlNode *n, int left)
{
    for (; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && (!left || is_deeper(n->children, left - 1)))
            return true;
    return false;
}

static struct vmw_tree *fail_tree(struct hf_err *err, const char *why)
{
    hf_fail(err, HF_E_CORRUPT, "the server's answer %s", why);
    return NULL;
}

/* UTF-8, whatever it says: converters complain on standard error, past all handlers. */
static xmlDocPtr read_document(const char *text, size_t len)
{
    return xmlReadMemory(text, (int)len, "answer.xml", "UTF-8",
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                             XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC);
}

struct vmw_tree *vmw_tree_parse(const char *text, size_t len, const char *root, struct hf_err *err)
{
    const char *excess =
        len > VMW_TREE_MAX ? "is too big" : hf_xml_excess(text, len, VMW_ELEMENTS_MAX);
    if (excess)
        return fail_tree(err, excess);
    HF_AUTO(vmw_tree) struct vmw_tree *t = (struct vmw_tree *)read_document(text, len);
    if (!t)
        return fail_tree(err, "is no well-formed XML");
    const xmlNode *top = xmlDocGetRootElement((xmlDocPtr)t);
    if (!top || strcmp((const char *)top->name, root) != 0)
        return fail_tree(err, "is XML of another kind");
    if (is_deeper(top, VMW_DEPTH_MAX))
        return fail_tree(err, "is nested too deeply");
    return HF_STEAL(t);
}

void vmw_tree_free(struct vmw_tree *t)
{
    if (t)
        xmlFreeDoc((xmlDocPtr)t);
}

const struct vmw_node *vmw_tree_root(const struct vmw_tree *t)
{
    return (const struct vmw_node *)xmlDocGetRootElement((xmlDocPtr)(uintptr_t)t);
}

/* ---- elements -------------------------------------------------------------------------------------------- */

static const xmlNode *raw(const struct vmw_node *n)
{
    return (const xmlNode *)n;
}

/* An attribute's text, borrowed; "" where there is none. With a namespace, or without any. */
static const char *attribute(const xmlNode *n, const char *name, const xmlChar *space)
{
    for (const xmlAttr *a = n->properties; a; a = a->next) {
        bool is_it = space ? a->ns && xmlStrEqual(a->ns->href, space) : !a->ns;
        if (is_it && strcmp((const char *)a->name, name) == 0 && a->children &&
            a->children->content)
            return (const char *)a->children->content;
    }
    return "";
}

static bool is_nil(const xmlNode *n)
{
    const char *nil = attribute(n, "nil", XSI);
    return strcmp(nil, "true") == 0 || strcmp(nil, "1") == 0;
}

static const struct vmw_node *first(const xmlNode *n, const char *name)
{
    for (; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && !is_nil(n) &&
            (!name || strcmp((const char *)n->name, name) == 0))
            return (const struct vmw_node *)n;
    return NULL;
}

const struct vmw_node *vmw_child(const struct vmw_node *n, const char *name)
{
    return n ? first(raw(n)->children, name) : NULL;
}

const struct vmw_node *vmw_next(const struct vmw_node *n)
{
    return n ? first(raw(n)->next, (const char *)raw(n)->name) : NULL;
}

const struct vmw_node *vmw_next_any(const struct vmw_node *n)
{
    return n ? first(raw(n)->next, NULL) : NULL;
}

const char *vmw_name(const struct vmw_node *n)
{
    return n ? (const char *)raw(n)->name : "";
}

const char *vmw_text(const struct vmw_node *n)
{
    if (!n)
        return NULL;
    for (const xmlNode *c = raw(n)->children; c; c = c->next)
        if (c->type == XML_TEXT_NODE && c->content)
            return (const char *)c->content;
    return "";
}

const char *vmw_child_text(const struct vmw_node *n, const char *name)
{
    return vmw_text(vmw_child(n, name));
}

const char *vmw_type(const struct vmw_node *n)
{
    const char *type = n ? attribute(raw(n), "type", XSI) : "", *colon = strrchr(type, ':');
    return colon ? colon + 1 : type;
}

bool vmw_is(const struct vmw_node *n, const char *text)
{
    return n && strcmp(vmw_text(n), text) == 0;
}

int64_t vmw_int(const struct vmw_node *n, int64_t fallback)
{
    const char *text = vmw_text(n);
    char *end = NULL;
    errno = 0;
    long long value = text ? strtoll(text, &end, 10) : 0;
    return text && *text && !*end && !errno ? value : fallback;
}

bool vmw_true(const struct vmw_node *n)
{
    return vmw_is(n, "true") || vmw_is(n, "1");
}

bool vmw_ref_read(const struct vmw_node *n, struct vmw_ref *out)
{
    const char *type = n ? attribute(raw(n), "type", NULL) : "", *id = n ? vmw_text(n) : "";
    *out = (struct vmw_ref){0};
    if (!*type || !*id || strlen(type) >= sizeof out->type || strlen(id) >= sizeof out->id)
        return false;
    snprintf(out->type, sizeof out->type, "%s", type);
    snprintf(out->id, sizeof out->id, "%s", id);
    return true;
}

bool vmw_ref_same(const struct vmw_ref *a, const struct vmw_ref *b)
{
    return strcmp(a->type, b->type) == 0 && strcmp(a->id, b->id) == 0;
}

/* "…T02:09:18.33Z", or with an offset: digits of two, and what stands between them. */
static bool two(const char **p, char before, unsigned *out)
{
    const char *s = *p;
    if (before && *s++ != before)
        return false;
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return false;
    *out = (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0');
    *p = s + 2;
    return true;
}

static int64_t offset_s(const char *p)
{
    unsigned hours = 0, minutes = 0;
    char sign = *p;
    if (sign != '+' && sign != '-')
        return 0;
    p++;
    if (!two(&p, 0, &hours) || !two(&p, ':', &minutes))
        return 0;
    int64_t s = (int64_t)hours * 3600 + minutes * 60;
    return sign == '+' ? s : -s;
}

int64_t vmw_time(const struct vmw_node *n)
{
    const char *p = vmw_text(n);
    unsigned century, year, month, day, hour, minute, second;
    if (!p || !two(&p, 0, &century) || !two(&p, 0, &year) || !two(&p, '-', &month) ||
        !two(&p, '-', &day) || !two(&p, 'T', &hour) || !two(&p, ':', &minute) ||
        !two(&p, ':', &second) || month < 1 || month > 12 || day < 1 || day > 31)
        return 0;
    if (*p == '.')
        p += 1 + strspn(p + 1, "0123456789");
    return hf_civil_days((int)(century * 100 + year), month, day) * HF_DAY_S + hour * 3600 +
           minute * 60 + second - offset_s(p);
}
