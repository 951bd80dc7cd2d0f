/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "checkpoint_words.h"
#include "export.h"
#include "xml.h"

#include <libvirt/virterror.h>
#include <string.h>

static bool add_scratch(xmlNodePtr disk, const struct lv_export *e, const char *target)
{
    HF_AUTOFREE char *path = lv_export_scratch(e, target);
    xmlNodePtr scratch = path ? lv_xml_add(disk, "scratch", NULL) : NULL;
    return lv_xml_set(scratch, "file", path) && lv_xml_set(lv_xml_add(disk, "driver", NULL), "type", "qcow2");
}

static bool add_backup_disk(xmlNodePtr disks, const struct lv_export *e, const char *target)
{
    const struct lv_export_disk *d = lv_export_disk(e, target);
    xmlNodePtr disk = lv_xml_add(disks, "disk", NULL);
    if (!lv_xml_set(disk, "name", target) || !lv_xml_set(disk, "backup", d ? "yes" : "no"))
        return false;
    if (!d)
        return true;
    bool ok = lv_xml_set(disk, "type", "file") && lv_xml_set(disk, "exportname", target);
    if (ok && e->parent)
        ok = lv_xml_set(disk, "backupmode", d->is_incremental ? "incremental" : "full");
    if (ok && d->is_incremental)
        ok = lv_xml_set(disk, "incremental", e->parent);
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
    xmlNodePtr server = lv_xml_add(root, "server", NULL);
    bool ok = lv_xml_set(root, "mode", "pull") && lv_xml_set(server, "transport", "unix") &&
              lv_xml_set(server, "socket", socket);
    xmlNodePtr disks = lv_xml_add(root, "disks", NULL);
    for (size_t i = 0; ok && i < vm->n_disks; i++)
        ok = add_backup_disk(disks, e, vm->disks[i].target);
    return print(doc, ok);
}

static bool add_checkpoint_disk(xmlNodePtr disks, const struct lv_export *e, const char *target)
{
    const struct lv_export_disk *d = lv_export_disk(e, target);
    xmlNodePtr disk = lv_xml_add(disks, "disk", NULL);
    return lv_xml_set(disk, "name", target) &&
           lv_xml_set(disk, "checkpoint", d && d->takes_bitmap ? "bitmap" : "no");
}

char *lv_export_checkpoint_xml(const struct lv_vm *vm, const struct lv_export *e)
{
    LV_AUTODOC xmlDocPtr doc = xmlNewDoc((const xmlChar *)"1.0");
    HF_AUTOFREE char *words = lv_checkpoint_words(vm, e);
    xmlNodePtr root = doc ? xmlNewNode(NULL, (const xmlChar *)"domaincheckpoint") : NULL;
    if (!root || !words)
        return NULL;
    xmlDocSetRootElement(doc, root);
    bool ok = lv_xml_add(root, "name", e->name) && lv_xml_add(root, "description", words);
    xmlNodePtr disks = lv_xml_add(root, "disks", NULL);
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
