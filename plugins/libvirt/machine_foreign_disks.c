/* SPDX-License-Identifier: Apache-2.0
 *
 * Disks, and the controllers that they hang on: those of the definition, as far as QEMU has them.
 */
#include "base/buf.h"
#include "machine_foreign.h"

#include <stdio.h>
#include <string.h>

#define IDE_MAX 4
#define SATA_PORTS 6

/* places: disks of one controller of QEMU's. by_target: they differ by the target, and each has the unit 0; else by the unit. */
static const struct kind {
    const char *kind, *bus, *model;
    unsigned places;
    bool by_target, is_other; /* it is no such controller, but the nearest */
} kinds[] = {
    {"pvscsi", "scsi", "vmpvscsi", 16, true, false},
    {"lsilogic", "scsi", "lsilogic", 7, false, false},
    {"lsisas", "scsi", "lsisas1068", 8, true, false},
    {"buslogic", "scsi", "lsilogic", 7, false, true},
    {"ide", "ide", NULL, IDE_MAX, false, false},
    {"ahci", "sata", NULL, SATA_PORTS, false, false},
};
static const struct kind nearest = {"other", "sata", NULL, SATA_PORTS, false, true};

struct bus { /* one of the definition */
    const struct kind *kind;
    unsigned index, used; /* of QEMU's controller */
    bool is_begun;
};

struct placing {
    struct lv_making *m;
    const struct hf_machine_doc *doc;
    struct lv_foreign *out;
    struct bus buses[HF_DOC_CONTROLLERS_MAX];
    unsigned n_scsi, n_sata, n_ide; /* controllers, and disks on the two that all share */
    unsigned n_sd, n_hd, n_disks;   /* names */
};

/* ---- controllers ------------------------------------------------------------------------ */

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].kind, name) == 0)
            return &kinds[i];
    return &nearest;
}

/* UEFI reads none of the SCSI controllers, and a q35 has no IDE. */
static const char *reason_for_sata(const struct placing *p, const struct kind *k)
{
    if (p->doc->is_uefi && strcmp(k->bus, "ide") == 0)
        return "a machine with UEFI has no IDE";
    if (p->doc->is_uefi && k->model)
        return "common UEFI for QEMU reads no disk on it";
    if (k->model && !lv_has(p->m, LV_HAS_SCSI_MODEL, k->model))
        return "this host's QEMU has none";
    return NULL;
}

static void choose_kind(struct placing *p, size_t i)
{
    const struct hf_doc_controller *c = &p->doc->controllers[i];
    const struct kind *wanted = find_kind(c->kind), *chosen = wanted;
    const char *why = reason_for_sata(p, wanted);
    char about[48];
    snprintf(about, sizeof about, "controller %s %lld", wanted->kind, (long long)c->bus);
    if (why)
        chosen = &nearest;
    p->buses[i].kind = chosen;
    if (why || wanted->is_other)
        lv_find(p->m, HF_MACHINE_CHANGED, about,
                "%s: '%s' instead, for which the guest needs a driver that it starts from",
                why ? why : "QEMU has none", chosen->model ? chosen->model : chosen->bus);
    else if (strcmp(wanted->kind, "lsilogic") == 0)
        lv_find(p->m, HF_MACHINE_CHANGED, about,
                "QEMU's is a 53C895A, for which the guest needs another driver (sym53c8xx)");
}

static struct bus *bus_of(struct placing *p, const struct hf_doc_disk *d)
{
    size_t i = 0;
    while (p->doc->controllers[i].key != d->controller)
        i++;
    if (!p->buses[i].kind)
        choose_kind(p, i);
    return &p->buses[i];
}

static void next_controller(struct placing *p, struct bus *b)
{
    xmlNodePtr node = lv_put_child(p->m, p->m->devices, "controller", NULL);
    b->index = p->n_scsi++;
    b->used = 0;
    b->is_begun = true;
    lv_put(p->m, node, "type", "scsi");
    lv_put_number(p->m, node, "index", b->index);
    lv_put(p->m, node, "model", b->kind->model);
}

/* ---- disks ------------------------------------------------------------------------------ */

struct place {
    unsigned controller, bus, target, unit;
};

/* IDE and SATA disks of all controllers follow each other; libvirt makes the controllers. */
static bool take_place(struct placing *p, struct bus *b, struct place *out)
{
    *out = (struct place){0};
    if (strcmp(b->kind->bus, "ide") == 0) {
        out->bus = p->n_ide / 2;
        out->unit = p->n_ide % 2;
        return p->n_ide++ < IDE_MAX;
    }
    if (strcmp(b->kind->bus, "sata") == 0) {
        out->controller = p->n_sata / SATA_PORTS;
        out->unit = p->n_sata++ % SATA_PORTS;
        return true;
    }
    if (!b->is_begun || b->used == b->kind->places)
        next_controller(p, b);
    out->controller = b->index;
    *(b->kind->by_target ? &out->target : &out->unit) = b->used++;
    return true;
}

/* "sda" … "sdz", "sdaa" … */
static void name_disk(struct placing *p, const struct bus *b, char name[LV_TARGET_MAX])
{
    bool is_ide = strcmp(b->kind->bus, "ide") == 0;
    unsigned n = is_ide ? p->n_hd++ : p->n_sd++;
    if (n < 26)
        snprintf(name, LV_TARGET_MAX, "%cd%c", is_ide ? 'h' : 's', 'a' + n);
    else
        snprintf(name, LV_TARGET_MAX, "sd%c%c", 'a' + (n / 26 - 1) % 26, 'a' + n % 26);
}

static void add_disk(struct placing *p, const struct bus *b, const struct place *at,
                     const char *name)
{
    struct lv_making *m = p->m;
    xmlNodePtr disk = lv_put_child(m, m->devices, "disk", NULL);
    xmlNodePtr target = lv_put_child(m, disk, "target", NULL);
    xmlNodePtr address = lv_put_child(m, disk, "address", NULL);
    lv_put(m, disk, "type", "file");
    lv_put(m, disk, "device", "disk");
    lv_put(m, target, "dev", name);
    lv_put(m, target, "bus", b->kind->bus);
    lv_put(m, address, "type", "drive");
    lv_put_number(m, address, "controller", at->controller);
    lv_put_number(m, address, "bus", at->bus);
    lv_put_number(m, address, "target", at->target);
    lv_put_number(m, address, "unit", at->unit);
    lv_put_number(m, lv_put_child(m, disk, "boot", NULL), "order", ++p->n_disks);
}

static uint32_t wanted(const struct lv_making *m, const char *target)
{
    uint32_t i = 0;
    while (i < m->req->n_disks && strcmp(m->req->disks[i].target, target) != 0)
        i++;
    return i;
}

static void place_disk(struct placing *p, const struct hf_doc_disk *d)
{
    uint32_t i = wanted(p->m, d->target);
    struct place at;
    HF_AUTOFREE char *about = hf_asprintf("disk %s", d->target);
    if (!about) {
        p->m->is_broken = true;
        return;
    }
    if (i == p->m->req->n_disks) {
        lv_find(p->m, HF_MACHINE_LEFT_OUT, about, "is not among those that are restored");
        return;
    }
    struct bus *b = bus_of(p, d);
    if (!take_place(p, b, &at)) {
        lv_refuse(p->m, HF_E_UNSUPPORTED, about, "a machine has %d IDE disks at most", IDE_MAX);
        return;
    }
    char *name = p->out->targets[i];
    name_disk(p, b, name);
    add_disk(p, b, &at, name);
    p->out->disks[i] = p->m->req->disks[i];
    p->out->disks[i].target = name;
    lv_find(p->m, HF_MACHINE_CHANGED, about, "is '%s' here, on %s", name,
            b->kind->model ? b->kind->model : b->kind->bus);
}

/* By controller, and on it by unit: the first one is what it boots from. */
static int compare(const void *a, const void *b, void *ctx)
{
    const struct hf_machine_doc *doc = ctx;
    const struct hf_doc_disk *one = *(const struct hf_doc_disk *const *)a;
    const struct hf_doc_disk *two = *(const struct hf_doc_disk *const *)b;
    if (one->controller == two->controller)
        return one->unit < two->unit ? -1 : one->unit > two->unit;
    for (size_t i = 0; i < doc->n_controllers; i++)
        if (doc->controllers[i].key == one->controller ||
            doc->controllers[i].key == two->controller)
            return doc->controllers[i].key == one->controller ? -1 : 1;
    return 0;
}

/* One of which the definition knows nothing would have to be put somewhere. */
static void check_placed(struct placing *p)
{
    for (uint32_t i = 0; i < p->m->req->n_disks && !p->m->is_refused; i++)
        if (!p->out->disks[i].target)
            lv_refuse(p->m, HF_E_CONFLICT, "disk", "the definition has no disk '%s'",
                      p->m->req->disks[i].target);
}

void lv_foreign_disks(struct lv_making *m, const struct hf_machine_doc *doc, struct lv_foreign *out)
{
    struct placing p = {.m = m, .doc = doc, .out = out};
    HF_AUTOFREE const struct hf_doc_disk **order = calloc(doc->n_disks + 1, sizeof(void *));
    if (!order) {
        m->is_broken = true;
        return;
    }
    for (size_t i = 0; i < doc->n_disks; i++)
        order[i] = &doc->disks[i];
    qsort_r(order, doc->n_disks, sizeof(void *), compare, (void *)(uintptr_t)doc);
    for (size_t i = 0; i < doc->n_disks && !m->is_stopped; i++)
        place_disk(&p, order[i]);
    check_placed(&p);
}
