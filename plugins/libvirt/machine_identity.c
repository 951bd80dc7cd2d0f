/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the machine is, when it ends, how much memory it has and where it runs.
 */
#include "base/buf.h"
#include "base/hex.h"
#include "machine.h"

#include <stdio.h>
#include <string.h>

/* Of one table: entries, which are a name and words. */
static void make_table(struct lv_making *m, xmlNodePtr table)
{
    (void)lv_keep_only(table, "entry*");
    for (xmlNodePtr e = lv_xml_child(table, "entry"); e; e = lv_xml_next(e)) {
        (void)lv_keep_only(e, "");
        for (xmlAttrPtr a = e->properties, next; a; a = next) {
            next = a->next;
            if (strcmp((const char *)a->name, "name") != 0)
                xmlRemoveProp(a);
        }
        if (lv_xml_attr_is(e, "name", "uuid") && strcmp((const char *)table->name, "system") == 0)
            xmlNodeSetContent(e, (const xmlChar *)m->uuid);
    }
}

/* smbios tells the UUID once more, and libvirt wants both to be the same; other kinds read files of the host. */
static void make_sysinfo(struct lv_making *m)
{
    bool is_first = true;
    for (xmlNodePtr info = lv_xml_child(m->root, "sysinfo"), next; info; info = next) {
        next = lv_xml_next(info);
        if (!lv_xml_attr_is(info, "type", "smbios") || !is_first) {
            lv_find(m, HF_MACHINE_LEFT_OUT, "sysinfo", "of type '%s'", lv_get(m, info, "type"));
            lv_xml_drop(info);
            continue;
        }
        is_first = false;
        (void)lv_keep_only(info, "bios system baseBoard* chassis oemStrings");
        for (xmlNodePtr table = info->children; table; table = table->next)
            if (table->type == XML_ELEMENT_NODE)
                make_table(m, table);
    }
}

void lv_make_identity(struct lv_making *m)
{
    const char *name = lv_get_text(m, lv_xml_child(m->root, "name"));
    const char *uuid = lv_get_text(m, lv_xml_child(m->root, "uuid"));
    lv_xml_unset(m->root, "id");
    if (strcmp(name, m->req->name) != 0)
        lv_find(m, HF_MACHINE_CHANGED, "name", "'%s' instead of '%s'", m->req->name, name);
    if (strcmp(uuid, m->uuid) != 0)
        lv_find(m, HF_MACHINE_CHANGED, "uuid", "%s instead of %s", m->uuid, uuid);
    lv_put_text(m, m->root, "name", m->req->name);
    lv_put_text(m, m->root, "uuid", m->uuid);
    /* Empty: libvirt makes a new one. The guest learns by it that it went back in time. */
    xmlNodePtr genid = lv_xml_child(m->root, "genid");
    if (genid)
        xmlNodeSetContent(genid, NULL);
    make_sysinfo(m);
}

void lv_make_lifecycle(struct lv_making *m)
{
    static const char *const events[] = {"on_poweroff", "on_reboot", "on_crash"};
    lv_xml_drop_children(m->root, "on_lockfailure");
    for (size_t i = 0; m->is_isolated && i < HF_ARRAY_SIZE(events); i++)
        lv_put_text(m, m->root, events[i], "destroy");
}

/* In KiB; 0: no figure. */
static uint64_t kib_of(struct lv_making *m, xmlNodePtr node)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {{"", 1024},
                 {"k", 1024},
                 {"KiB", 1024},
                 {"b", 1},
                 {"bytes", 1},
                 {"KB", 1000},
                 {"M", 1024u << 10},
                 {"MiB", 1024u << 10},
                 {"MB", 1000u * 1000},
                 {"G", 1024u << 20},
                 {"GiB", 1024u << 20},
                 {"GB", 1000u * 1000 * 1000},
                 {"T", UINT64_C(1) << 40},
                 {"TiB", UINT64_C(1) << 40}};
    const char *unit = lv_get(m, node, "unit"), *text = lv_get_text(m, node);
    char *end = NULL;
    unsigned long long n = strtoull(text, &end, 10);
    end += strspn(end, " \t\r\n");
    for (size_t i = 0; end != text && !*end && i < HF_ARRAY_SIZE(units); i++)
        if (strcmp(unit, units[i].unit) == 0 && n <= UINT64_MAX / units[i].bytes)
            return n * units[i].bytes / 1024;
    return 0;
}

static void bound_memory(struct lv_making *m, uint64_t kib)
{
    static const char *const figures[] = {"memory", "currentMemory"};
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)kib);
    for (size_t i = 0; i < HF_ARRAY_SIZE(figures); i++) {
        lv_put_text(m, m->root, figures[i], text);
        lv_put(m, lv_xml_child(m->root, figures[i]), "unit", "KiB");
    }
    /* Their sum would have to be the figure above. */
    lv_xml_drop_children(m->root, "maxMemory");
    lv_xml_drop_children(lv_xml_child(m->root, "cpu"), "numa");
    lv_xml_drop_children(m->devices, "memory");
    lv_xml_drop_children(m->root, "numatune");
}

/* What the guest has in memory is on no disk of the host. */
static void forbid_files(struct lv_making *m)
{
    xmlNodePtr backing = lv_xml_child(m->root, "memoryBacking");
    if (backing)
        lv_find(m, HF_MACHINE_LEFT_OUT, "memoryBacking", "huge or locked pages are not taken");
    lv_xml_drop(backing);
    xmlNodePtr numa = lv_xml_path(m->root, "cpu", "numa", NULL);
    for (xmlNodePtr cell = lv_xml_child(numa, "cell"); cell; cell = lv_xml_next(cell))
        lv_xml_unset(cell, "memAccess");
}

void lv_make_memory(struct lv_making *m)
{
    uint64_t kib = kib_of(m, lv_xml_child(m->root, "memory"));
    uint64_t most = m->req->memory_max_bytes / 1024;
    if (!kib) {
        lv_refuse(m, HF_E_CORRUPT, "memory", "the definition tells no size");
        return;
    }
    if (most && kib > most) {
        lv_find(m, HF_MACHINE_CHANGED, "memory", "%llu MiB instead of %llu MiB",
                (unsigned long long)(most >> 10), (unsigned long long)(kib >> 10));
        bound_memory(m, most);
        kib = most;
    }
    m->memory_bytes = kib * 1024;
    xmlNodePtr backing = lv_xml_child(m->root, "memoryBacking");
    if (m->is_isolated) {
        forbid_files(m);
    } else if (lv_xml_child(backing, "hugepages") && !lv_is_former(m, backing)) {
        lv_find(m, HF_MACHINE_LEFT_OUT, "memoryBacking", "huge pages: this host may have none");
        lv_xml_drop_children(backing, "hugepages");
    }
}

/* What names processors, nodes, partitions and devices of the host it ran on. */
void lv_make_placement(struct lv_making *m)
{
    static const char tuning[] = "shares period quota global_period global_quota emulator_period "
                                 "emulator_quota iothread_period iothread_quota";
    static const char *const gone[] = {"numatune", "blkiotune", "resource"};
    bool is_pinned = false;
    for (size_t i = 0; i < HF_ARRAY_SIZE(gone); i++) {
        xmlNodePtr node = lv_xml_child(m->root, gone[i]);
        if (!node || lv_is_former(m, node))
            continue;
        is_pinned = true;
        lv_xml_drop(node);
    }
    xmlNodePtr cputune = lv_xml_child(m->root, "cputune"), vcpu = lv_xml_child(m->root, "vcpu");
    if (cputune && !lv_is_former(m, cputune))
        is_pinned |= lv_keep_only(cputune, tuning) > 0;
    if (vcpu && !lv_is_former(m, vcpu)) {
        is_pinned |= xmlHasProp(vcpu, (const xmlChar *)"cpuset") != NULL;
        lv_xml_unset(vcpu, "cpuset");
        lv_xml_unset(vcpu, "placement");
    }
    if (is_pinned)
        lv_find(m, HF_MACHINE_LEFT_OUT, "placement",
                "where on its host it ran: pinned processors, nodes, partition, device weights");
}

int lv_make_mark(xmlDocPtr doc, const struct hf_machine_request *req, const char *token,
                 struct hf_err *err)
{
    xmlNodePtr root = xmlDocGetRootElement(doc), data = lv_xml_child(root, "metadata");
    if (!data)
        data = lv_xml_add(root, "metadata", NULL);
    for (xmlNodePtr n = data ? data->children : NULL, next; n; n = next) {
        next = n->next;
        if (n->ns && xmlStrEqual(n->ns->href, (const xmlChar *)LV_MARK_URI))
            lv_xml_drop(n);
    }
    xmlNodePtr mark = lv_xml_add(data, "machine", token);
    xmlNsPtr ns =
        mark ? xmlNewNs(mark, (const xmlChar *)LV_MARK_URI, (const xmlChar *)LV_MARK_KEY) : NULL;
    if (!ns)
        return hf_fail_nomem(err);
    xmlSetNs(mark, ns);
    bool ok = lv_xml_set(mark, "run", req->run) && lv_xml_set(mark, "purpose", req->purpose) &&
              lv_xml_set(mark, "state", token ? "made" : "settled");
    return ok ? 0 : hf_fail_nomem(err);
}
