/* SPDX-License-Identifier: Apache-2.0 */
#include "domain_edit.h"

#include "xml.h"

#include <string.h>

/* Of a disk that names `from` or `to`; *from_other: it names something else. */
static int edit_disk(xmlNodePtr disk, const struct lv_edit *e, struct hf_err *err)
{
    xmlNodePtr source = lv_xml_child(disk, "source"), driver = lv_xml_child(disk, "driver");
    if (!lv_xml_attr_is(source, "file", e->from) && !lv_xml_attr_is(source, "file", e->to))
        return hf_fail(err, HF_E_CONFLICT, "disk %s is neither '%s' nor '%s'", e->target, e->from,
                       e->to);
    lv_xml_unset(source, "index");
    lv_xml_drop_children(disk, "backingStore");
    bool ok = lv_xml_set(source, "file", e->to) && (!driver || lv_xml_set(driver, "type", "qcow2"));
    return ok ? 0 : hf_fail_nomem(err);
}

static bool is_disk(xmlNodePtr disk, bool in_snapshot, const char *target)
{
    return in_snapshot ? lv_xml_attr_is(disk, "name", target)
                       : lv_xml_attr_is(lv_xml_child(disk, "target"), "dev", target);
}

static int edit_disks(xmlNodePtr list, bool in_snapshot, const struct lv_edit *edits, size_t n,
                      struct hf_err *err)
{
    for (size_t i = 0; i < n; i++) {
        xmlNodePtr disk = lv_xml_child(list, "disk");
        while (disk && !is_disk(disk, in_snapshot, edits[i].target))
            disk = lv_xml_next(disk);
        if (!disk)
            return hf_fail(err, HF_E_CONFLICT, "there is no disk %s any more", edits[i].target);
        if (edit_disk(disk, &edits[i], err) != 0)
            return -1;
    }
    return 0;
}

static char *print(xmlDocPtr doc, struct hf_err *err)
{
    char *text = lv_xml_print(doc);
    if (!text)
        hf_fail_nomem(err);
    return text;
}

char *lv_edit_domain(const char *xml, const struct lv_edit *edits, size_t n, struct hf_err *err)
{
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domain", err);
    xmlNodePtr devices = doc ? lv_xml_child(xmlDocGetRootElement(doc), "devices") : NULL;
    if (!doc || edit_disks(devices, false, edits, n, err) != 0)
        return NULL;
    return print(doc, err);
}

char *lv_edit_snapshot(const char *xml, const struct lv_edit *edits, size_t n, struct hf_err *err)
{
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domainsnapshot", err);
    xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!doc || edit_disks(lv_xml_child(root, "disks"), true, edits, n, err) != 0)
        return NULL;
    return print(doc, err);
}
