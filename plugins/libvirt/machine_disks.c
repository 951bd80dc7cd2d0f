/* SPDX-License-Identifier: Apache-2.0
 *
 * Each disk of the request gets its new source; what else was a disk is left out, and drives are empty.
 */
#include "base/buf.h"
#include "machine.h"

#include <string.h>

static const struct hf_machine_disk *wanted(const struct lv_making *m, const char *target)
{
    for (uint32_t i = 0; i < m->req->n_disks; i++)
        if (strcmp(m->req->disks[i].target, target) == 0)
            return &m->req->disks[i];
    return NULL;
}

static void put_source(struct lv_making *m, xmlNodePtr disk, const struct hf_machine_disk *d)
{
    bool is_nbd = d->source == HF_MACHINE_NBD;
    bool is_device = !is_nbd && strncmp(d->path, "/dev/", 5) == 0;
    xmlNodePtr source = lv_put_child(m, disk, "source", NULL);
    lv_allow(m, d->path);
    lv_put(m, disk, "type", is_nbd ? "network" : is_device ? "block" : "file");
    if (!is_nbd) {
        lv_put(m, source, is_device ? "dev" : "file", d->path);
        return;
    }
    lv_put(m, source, "protocol", "nbd");
    if (d->export_name)
        lv_put(m, source, "name", d->export_name);
    xmlNodePtr host = lv_put_child(m, source, "host", NULL);
    lv_put(m, host, "transport", "unix");
    lv_put(m, host, "socket", d->path);
}

/* An isolated machine's writes are thrown away, and its overlay may lie in memory, where there is no O_DIRECT. */
static void make_driver(struct lv_making *m, xmlNodePtr disk, const struct hf_machine_disk *d)
{
    xmlNodePtr driver = lv_xml_child(disk, "driver");
    if (!driver)
        driver = lv_put_child(m, disk, "driver", NULL);
    lv_put(m, driver, "name", "qemu");
    lv_put(m, driver, "type", d->format);
    lv_xml_drop_children(driver, "metadata_cache"); /* of qcow2 alone */
    if (m->is_isolated)
        lv_put(m, driver, "cache", "unsafe");
    if (m->is_isolated || d->source == HF_MACHINE_NBD)
        lv_xml_unset(driver, "io");
}

static void make_disk(struct lv_making *m, xmlNodePtr disk, const struct hf_machine_disk *d)
{
    HF_AUTOFREE char *about = hf_asprintf("disk %s", d->target);
    if (!lv_xml_attr_is(disk, "device", "disk") && xmlHasProp(disk, (const xmlChar *)"device"))
        lv_find(m, HF_MACHINE_CHANGED, about ? about : "disk", "a plain disk instead of a '%s'",
                lv_get(m, disk, "device"));
    if (lv_xml_child(disk, "encryption") ||
        lv_xml_child(lv_xml_child(disk, "source"), "encryption"))
        lv_refuse(m, HF_E_UNSUPPORTED, about ? about : "disk", "was encrypted by the hypervisor");
    (void)lv_keep_only(disk, "driver target serial wwn vendor product alias address boot geometry "
                             "blockio iotune readonly shareable");
    if (m->is_isolated)
        lv_xml_drop_children(disk, "iotune");
    lv_xml_drop_children(disk, "shareable"); /* the copy is nobody else's */
    lv_xml_unset(disk, "rawio");
    lv_xml_unset(disk, "sgio");
    lv_put(m, disk, "device", "disk");
    make_driver(m, disk, d);
    put_source(m, disk, d);
    lv_find(m, HF_MACHINE_CHANGED, about ? about : "disk", "%s '%s'",
            d->source == HF_MACHINE_NBD ? "over NBD, from" : "in", d->path);
}

/* The drive stays, or the guest would see another machine. */
static void empty_drive(struct lv_making *m, xmlNodePtr disk, const char *target)
{
    HF_AUTOFREE char *about = hf_asprintf("disk %s", target);
    if (lv_xml_child(disk, "source"))
        lv_find(m, HF_MACHINE_LEFT_OUT, about ? about : "disk", "the medium: the drive is empty");
    (void)lv_keep_only(disk, "driver target serial wwn alias address boot readonly");
    lv_xml_drop_children(disk, "driver");
    lv_put(m, disk, "type", "file");
    lv_xml_unset(disk, "rawio");
    lv_xml_unset(disk, "sgio");
}

static void make_one(struct lv_making *m, xmlNodePtr disk, uint32_t *found)
{
    const char *device = lv_get(m, disk, "device");
    const char *target = lv_get(m, lv_xml_child(disk, "target"), "dev");
    const struct hf_machine_disk *d = wanted(m, target);
    HF_AUTOFREE char *about = hf_asprintf("disk %s", target);
    if (d) {
        ++*found;
        make_disk(m, disk, d);
        return;
    }
    if (strcmp(device, "cdrom") == 0 || strcmp(device, "floppy") == 0) {
        empty_drive(m, disk, target);
        return;
    }
    lv_find(m, HF_MACHINE_LEFT_OUT, about ? about : "disk", "is not among those that are restored");
    lv_xml_drop(disk);
}

/* Each of the request is one of the definition, and stands there once. */
static void check_wanted(struct lv_making *m, uint32_t found)
{
    for (uint32_t i = 0; i < m->req->n_disks; i++) {
        size_t times = 0;
        for (xmlNodePtr d = lv_xml_child(m->devices, "disk"); d; d = lv_xml_next(d))
            times += lv_xml_attr_is(lv_xml_child(d, "target"), "dev", m->req->disks[i].target);
        if (times != 1)
            lv_refuse(m, HF_E_CONFLICT, "disk", "the definition has %s disk '%s'",
                      times ? "more than one" : "no", m->req->disks[i].target);
    }
    if (!found && m->req->n_disks)
        lv_refuse(m, HF_E_CONFLICT, "disk", "the definition has none of these disks");
}

void lv_make_disks(struct lv_making *m)
{
    uint32_t found = 0;
    for (xmlNodePtr d = lv_xml_child(m->devices, "disk"), next; d && !m->is_stopped; d = next) {
        next = lv_xml_next(d);
        make_one(m, d, &found);
    }
    check_wanted(m, found);
}
