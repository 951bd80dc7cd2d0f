/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot_xml.h - libvirt's snapshot metadata: reading it, and the request for a new one.
 *
 * Ours are known by the first words of their description: "holdfast run=ID label=…". Names can be
 * given by anybody; nobody writes that by chance.
 */
#ifndef HF_LIBVIRT_SNAPSHOT_XML_H
#define HF_LIBVIRT_SNAPSHOT_XML_H

#include "domain_xml.h"
#include "lv.h"

struct lv_snap_disk {
    char *target;
    char *kind;   /* external, internal, no, manual */
    char *source; /* external: the layer it created */
};

struct lv_snap {
    char *name, *parent, *description;
    int64_t created_at_s;
    bool is_ours;
    bool is_memory; /* holds RAM or is internal to an image */
    struct lv_snap_disk *disks;
    size_t n_disks;
};

struct lv_snaps {
    struct lv_snap *items;
    size_t n;
};

int lv_snap_parse(const char *xml, struct lv_snap *out, struct hf_err *err) HF_CHECKED;
/* All snapshots of the domain. A driver without snapshots has none. */
int lv_snaps_load(virDomainPtr dom, struct lv_snaps *out, struct hf_err *err) HF_CHECKED;
void lv_snaps_free(struct lv_snaps *l);
HF_DEFINE_AUTO_VALUE(lv_snaps, lv_snaps_free)

const struct lv_snap *lv_snaps_find(const struct lv_snaps *l, const char *name);

/* A disk of the snapshot to be made. */
struct lv_plan_disk {
    char *target;
    struct lv_layer base; /* the active layer now */
    char *overlay;        /* the one to come */
    uint64_t capacity_bytes;
};

/* <domainsnapshot> with each disk of vm in it: those of the plan external, all others "no". */
char *lv_snap_build(const struct lv_vm *vm, const struct lv_plan_disk *disks, size_t n,
                    const char *name, const char *run_id, const char *label, struct hf_err *err)
    HF_CHECKED;

#endif
