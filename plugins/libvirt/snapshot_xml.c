/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot_xml.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "xml.h"

#include <libxml/tree.h>
#include <string.h>

#define MARK "holdfast run="
#define LABEL_MAX 200
#define DISKS_MAX 1024

static void snap_free(struct lv_snap *s)
{
    for (size_t i = 0; i < s->n_disks; i++) {
        free(s->disks[i].target);
        free(s->disks[i].kind);
        free(s->disks[i].source);
    }
    free(s->disks);
    free(s->name);
    free(s->parent);
    free(s->description);
}

void lv_snaps_free(struct lv_snaps *l)
{
    for (size_t i = 0; i < l->n; i++)
        snap_free(&l->items[i]);
    free(l->items);
    *l = (struct lv_snaps){0};
}

static char *disk_source(xmlNodePtr disk, bool *failed)
{
    xmlNodePtr source = lv_xml_child(disk, "source");
    char *file = lv_xml_attr(source, "file", failed);
    return file ? file : lv_xml_attr(source, "dev", failed);
}

static int parse_disks(xmlNodePtr disks, struct lv_snap *out, struct hf_err *err)
{
    bool failed = false;
    size_t n = 0;
    for (xmlNodePtr d = lv_xml_child(disks, "disk"); d; d = lv_xml_next(d))
        n++;
    if (n > DISKS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a snapshot of %zu disks", n);
    out->disks = calloc(n + 1, sizeof *out->disks);
    if (!out->disks)
        return hf_fail_nomem(err);
    for (xmlNodePtr d = lv_xml_child(disks, "disk"); d; d = lv_xml_next(d)) {
        struct lv_snap_disk *to = &out->disks[out->n_disks++];
        to->target = lv_xml_attr(d, "name", &failed);
        to->kind = lv_xml_attr(d, "snapshot", &failed);
        to->source = disk_source(d, &failed);
        out->is_memory |= to->kind && strcmp(to->kind, "internal") == 0;
        if (!to->target || !to->kind)
            return hf_fail(err, HF_E_CORRUPT, "a snapshot with a nameless disk");
    }
    return failed ? hf_fail_nomem(err) : 0;
}

static bool holds_memory(xmlNodePtr root)
{
    xmlNodePtr memory = lv_xml_child(root, "memory");
    return memory && !lv_xml_attr_is(memory, "snapshot", "no");
}

int lv_snap_parse(const char *xml, struct lv_snap *out, struct hf_err *err)
{
    bool failed = false;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domainsnapshot", err);
    if (!doc)
        return -1;
    xmlNodePtr root = xmlDocGetRootElement(doc);
    HF_AUTOFREE char *created = lv_xml_text(lv_xml_child(root, "creationTime"), &failed);
    out->name = lv_xml_text(lv_xml_child(root, "name"), &failed);
    out->parent = lv_xml_text(lv_xml_path(root, "parent", "name", NULL), &failed);
    out->description = lv_xml_text(lv_xml_child(root, "description"), &failed);
    out->created_at_s = created ? strtoll(created, NULL, 10) : 0;
    out->is_ours = out->description && strncmp(out->description, MARK, strlen(MARK)) == 0;
    out->is_memory = holds_memory(root);
    if (failed)
        return hf_fail_nomem(err);
    if (!out->name || !*out->name)
        return hf_fail(err, HF_E_CORRUPT, "a snapshot without a name");
    return parse_disks(lv_xml_child(root, "disks"), out, err);
}

static void free_list(virDomainSnapshotPtr *list, int n)
{
    for (int i = 0; i < n; i++)
        virDomainSnapshotFree(list[i]);
    free(list);
}

int lv_snaps_load(virDomainPtr dom, struct lv_snaps *out, struct hf_err *err)
{
    virDomainSnapshotPtr *list = NULL;
    int n = virDomainListAllSnapshots(dom, &list, 0), rc = 0;
    if (n < 0)
        return lv_is_unsupported_call() ? 0 : lv_fail(err, "list of snapshots");
    out->items = calloc((size_t)n + 1, sizeof *out->items);
    if (!out->items)
        rc = hf_fail_nomem(err);
    for (int i = 0; rc == 0 && i < n; i++) {
        HF_AUTOFREE char *xml = virDomainSnapshotGetXMLDesc(list[i], 0);
        rc = xml ? lv_snap_parse(xml, &out->items[out->n++], err)
                 : lv_fail(err, "a snapshot's metadata");
    }
    free_list(list, n);
    return rc;
}

const struct lv_snap *lv_snaps_find(const struct lv_snaps *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return &l->items[i];
    return NULL;
}

/* Operators' words, as one line that is not too long. */
static char *clean_label(const char *label)
{
    HF_AUTO(hf_buf) struct hf_buf line = HF_BUF_INIT;
    hf_utf8_add_line(&line, label);
    return hf_buf_ok(&line) ? strndup(hf_buf_str(&line), hf_utf8_fit(hf_buf_str(&line), LABEL_MAX))
                            : NULL;
}

static bool add_disk(xmlNodePtr disks, const char *target, const char *overlay)
{
    xmlNodePtr disk = lv_xml_add(disks, "disk", NULL);
    if (!lv_xml_set(disk, "name", target))
        return false;
    if (!overlay)
        return lv_xml_set(disk, "snapshot", "no");
    return lv_xml_set(disk, "snapshot", "external") && lv_xml_set(disk, "type", "file") &&
           lv_xml_set(lv_xml_add(disk, "driver", NULL), "type", "qcow2") &&
           lv_xml_set(lv_xml_add(disk, "source", NULL), "file", overlay);
}

static const char *overlay_of(const struct lv_plan_disk *disks, size_t n, const char *target)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(disks[i].target, target) == 0)
            return disks[i].overlay;
    return NULL;
}

char *lv_snap_build(const struct lv_vm *vm, const struct lv_plan_disk *disks, size_t n,
                    const char *name, const char *run_id, const char *label, struct hf_err *err)
{
    HF_AUTOFREE char *words = clean_label(label ? label : "");
    HF_AUTOFREE char *description =
        words ? hf_asprintf(MARK "%s%s%s", run_id, *words ? " label=" : "", words) : NULL;
    LV_AUTODOC xmlDocPtr doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNodePtr root = doc ? xmlNewNode(NULL, (const xmlChar *)"domainsnapshot") : NULL;
    char *text = NULL;
    if (root && description) {
        xmlDocSetRootElement(doc, root);
        bool ok = lv_xml_add(root, "name", name) && lv_xml_add(root, "description", description);
        xmlNodePtr list = lv_xml_add(root, "disks", NULL);
        for (size_t i = 0; ok && i < vm->n_disks; i++)
            ok = add_disk(list, vm->disks[i].target, overlay_of(disks, n, vm->disks[i].target));
        text = ok ? lv_xml_print(doc) : NULL;
    }
    if (!text)
        hf_fail_nomem(err);
    return text;
}
