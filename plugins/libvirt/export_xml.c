/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "export.h"
#include "xml.h"

#include <libvirt/virterror.h>
#include <string.h>

static xmlNodePtr add(xmlNodePtr to, const char *name, const char *text)
{
    return xmlNewTextChild(to, NULL, (const xmlChar *)name, (const xmlChar *)text);
}

static bool set(xmlNodePtr node, const char *name, const char *value)
{
    return node && xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

static bool add_scratch(xmlNodePtr disk, const struct lv_export *e, const char *target)
{
    HF_AUTOFREE char *path = lv_export_scratch(e, target);
    xmlNodePtr scratch = path ? add(disk, "scratch", NULL) : NULL;
    return set(scratch, "file", path) && set(add(disk, "driver", NULL), "type", "qcow2");
}

static bool add_backup_disk(xmlNodePtr disks, const struct lv_export *e, const char *target)
{
    const struct lv_export_disk *d = lv_export_disk(e, target);
    xmlNodePtr disk = add(disks, "disk", NULL);
    if (!set(disk, "name", target) || !set(disk, "backup", d ? "yes" : "no"))
        return false;
    if (!d)
        return true;
    bool ok = set(disk, "type", "file") && set(disk, "exportname", target);
    if (ok && e->parent)
        ok = set(disk, "backupmode", d->is_incremental ? "incremental" : "full");
    if (ok && d->is_incremental)
        ok = set(disk, "incremental", e->parent);
    return ok && add_scratch(disk, e, target);
}

static char *print(xmlDocPtr doc, bool ok)
{
    return ok ? lv_xml_print(doc) : NULL;
}

char *lv_export_backup_xml(const struct lv_vm *vm, const struct lv_export *e)
{
    LV_AUTODOC xmlDocPtr doc = xmlNewDoc((const xmlChar *)"1.0");
    HF_AUTOFREE char *socket = hf_asprintf("%s/nbd", e->dir);
    xmlNodePtr root = doc ? xmlNewNode(NULL, (const xmlChar *)"domainbackup") : NULL;
    if (!root || !socket)
        return NULL;
    xmlDocSetRootElement(doc, root);
    xmlNodePtr server = add(root, "server", NULL);
    bool ok = set(root, "mode", "pull") && set(server, "transport", "unix") &&
              set(server, "socket", socket);
    xmlNodePtr disks = add(root, "disks", NULL);
    for (size_t i = 0; ok && i < vm->n_disks; i++)
        ok = add_backup_disk(disks, e, vm->disks[i].target);
    return print(doc, ok);
}

static bool add_checkpoint_disk(xmlNodePtr disks, const struct lv_export *e, const char *target)
{
    const struct lv_export_disk *d = lv_export_disk(e, target);
    xmlNodePtr disk = add(disks, "disk", NULL);
    return set(disk, "name", target) &&
           set(disk, "checkpoint", d && d->takes_bitmap ? "bitmap" : "no");
}

char *lv_export_checkpoint_xml(const struct lv_vm *vm, const struct lv_export *e)
{
    LV_AUTODOC xmlDocPtr doc = xmlNewDoc((const xmlChar *)"1.0");
    HF_AUTOFREE char *words = hf_asprintf("holdfast run=%s", e->run_id);
    xmlNodePtr root = doc ? xmlNewNode(NULL, (const xmlChar *)"domaincheckpoint") : NULL;
    if (!root || !words)
        return NULL;
    xmlDocSetRootElement(doc, root);
    bool ok = add(root, "name", e->name) && add(root, "description", words);
    xmlNodePtr disks = add(root, "disks", NULL);
    for (size_t i = 0; ok && i < vm->n_disks; i++)
        ok = add_checkpoint_disk(disks, e, vm->disks[i].target);
    return print(doc, ok);
}

int lv_export_job_dir(virDomainPtr dom, char **out, struct hf_err *err)
{
    bool failed = false;
    *out = NULL;
    HF_AUTOFREE char *xml = virDomainBackupGetXMLDesc(dom, 0);
    if (!xml) {
        const virError *e = virGetLastError();
        /* No job, a VM that is off, a driver without backups. */
        if (e && (e->code == VIR_ERR_NO_DOMAIN_BACKUP || e->code == VIR_ERR_OPERATION_INVALID ||
                  e->code == VIR_ERR_NO_SUPPORT))
            return 0;
        return lv_fail(err, "the running backup job");
    }
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domainbackup", err);
    if (!doc)
        return -1;
    char *socket =
        lv_xml_attr(lv_xml_child(xmlDocGetRootElement(doc), "server"), "socket", &failed);
    char *slash = socket ? strrchr(socket, '/') : NULL;
    if (slash && slash != socket)
        *slash = '\0';
    *out = socket;
    return failed ? hf_fail_nomem(err) : 0;
}
