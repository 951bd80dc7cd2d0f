/* SPDX-License-Identifier: Apache-2.0
 *
 * The last look: every path of the host that is still in the definition is one that was decided on. What libvirt will
 * understand next year, in an element that is known today, is not decided by nobody having heard of it.
 */
#include "machine.h"

#include <string.h>

/* Words, whatever they look like. */
static bool is_prose(const char *name)
{
    static const char *const names[] = {"metadata", "title",  "description", "name",
                                        "cmdline",  "serial", "sysinfo",     "dhCert"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_decided(const struct lv_making *m, const char *value)
{
    value += strspn(value, " \t\r\n");
    return *value != '/' || hf_strv_has(&m->paths, value);
}

static void tell(struct lv_making *m, xmlNodePtr node, const char *value)
{
    lv_find(m, HF_MACHINE_LEFT_OUT, (const char *)node->name, "'%s', a path of the host", value);
}

static void look_at(struct lv_making *m, xmlNodePtr node);

static void look_below(struct lv_making *m, xmlNodePtr node)
{
    for (xmlNodePtr n = node->children, next; n && !m->is_stopped; n = next) {
        next = n->next;
        if (n->type == XML_TEXT_NODE && !is_decided(m, (const char *)n->content)) {
            tell(m, node, (const char *)n->content);
            lv_xml_drop(n);
        } else if (n->type == XML_ELEMENT_NODE && !n->ns && !is_prose((const char *)n->name) &&
                   !lv_is_former(m, n)) {
            look_at(m, n);
        }
    }
}

static void look_at(struct lv_making *m, xmlNodePtr node)
{
    for (xmlAttrPtr a = node->properties, next; a; a = next) {
        const char *value = lv_get(m, node, (const char *)a->name);
        next = a->next;
        if (!a->ns && is_decided(m, value))
            continue;
        tell(m, node, value);
        xmlRemoveProp(a);
    }
    look_below(m, node);
}

void lv_make_paths(struct lv_making *m)
{
    look_at(m, m->root);
}

void lv_allow(struct lv_making *m, const char *path)
{
    if (hf_strv_add(&m->paths, path) != 0)
        m->is_broken = true;
}
