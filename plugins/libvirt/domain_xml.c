/* SPDX-License-Identifier: Apache-2.0 */
#include "domain_xml.h"

#include "base/buf.h"
#include "lv.h"
#include "xml.h"

#include <stdlib.h>
#include <string.h>

#define DISKS_MAX 1024
#define CONTROLLERS_MAX 4096
#define LAYERS_MAX 512 /* QEMU itself gives up far below */

static void layer_free(struct lv_layer *l)
{
    free(l->type);
    free(l->path);
    free(l->format);
}

void lv_disk_cut_layers(struct lv_disk *d, size_t n)
{
    while (d->n_layers > n)
        layer_free(&d->layers[--d->n_layers]);
}

int lv_disk_add_layer(struct lv_disk *d, struct lv_layer *layer)
{
    struct lv_layer *grown = reallocarray(d->layers, d->n_layers + 1, sizeof *grown);
    if (!grown) {
        layer_free(layer);
        return -1;
    }
    d->layers = grown;
    d->layers[d->n_layers++] = *layer;
    return 0;
}

static void disk_free(struct lv_disk *d)
{
    lv_disk_cut_layers(d, 0);
    free(d->layers);
    free(d->target);
    free(d->device);
    free(d->snapshot);
    free(d->bus);
    free(d->serial);
    free(d->address);
    free(d->mirror_job);
    free(d->mirror_path);
}

void lv_vm_free(struct lv_vm *vm)
{
    if (!vm)
        return;
    for (size_t i = 0; i < vm->n_disks; i++)
        disk_free(&vm->disks[i]);
    free(vm->disks);
    for (size_t i = 0; i < vm->n_controllers; i++) {
        free(vm->controllers[i].type);
        free(vm->controllers[i].address);
    }
    free(vm->controllers);
    free(vm->name);
    free(vm->uuid);
    free(vm);
}

static char *source_path(const char *type, xmlNodePtr source, bool *failed)
{
    if (!type || strcmp(type, "file") == 0)
        return lv_xml_attr(source, "file", failed);
    if (strcmp(type, "block") == 0)
        return lv_xml_attr(source, "dev", failed);
    return NULL;
}

/* format: the disk's own stands in <driver type>, those below in <format type>. */
static bool add_layer(struct lv_disk *d, xmlNodePtr at, xmlNodePtr format)
{
    bool failed = false;
    xmlNodePtr source = lv_xml_child(at, "source");
    struct lv_layer l = {.type = lv_xml_attr(at, "type", &failed),
                         .format = lv_xml_attr(format, "type", &failed),
                         .index = (int)lv_xml_attr_int(source, "index", -1)};
    /* The index of a layer below the top is an attribute of <backingStore> itself. */
    if (l.index < 0)
        l.index = (int)lv_xml_attr_int(at, "index", -1);
    l.path = source_path(l.type, source, &failed);
    return lv_disk_add_layer(d, &l) == 0 && !failed;
}

static bool parse_layers(struct lv_disk *d, xmlNodePtr disk)
{
    if (!lv_xml_child(disk, "source"))
        return true;
    if (!add_layer(d, disk, lv_xml_child(disk, "driver")))
        return false;
    xmlNodePtr at = lv_xml_child(disk, "backingStore");
    for (; at && lv_xml_child(at, "source"); at = lv_xml_child(at, "backingStore"))
        if (d->n_layers >= LAYERS_MAX || !add_layer(d, at, lv_xml_child(at, "format")))
            return false;
    return true;
}

static bool parse_mirror(struct lv_disk *d, xmlNodePtr mirror)
{
    bool failed = false;
    if (!mirror)
        return true;
    d->mirror_job = lv_xml_attr(mirror, "job", &failed);
    if (!d->mirror_job && !failed)
        d->mirror_job = strdup("copy"); /* what libvirt leaves out for old readers */
    d->mirror_path = lv_xml_attr(lv_xml_child(mirror, "source"), "file", &failed);
    if (!d->mirror_path)
        d->mirror_path = lv_xml_attr(lv_xml_child(mirror, "source"), "dev", &failed);
    d->is_mirror_ready = lv_xml_attr_is(mirror, "ready", "yes");
    return d->mirror_job && !failed;
}

/* "pci:0000:01:00.0" or "drive:0:0:0:1", the figures that guest-get-fsinfo tells, too. */
static char *parse_address(xmlNodePtr a)
{
    bool failed = false;
    HF_AUTOFREE char *type = lv_xml_attr(a, "type", &failed);
    static const char *const pci[] = {"domain", "bus", "slot", "function"};
    static const char *const drive[] = {"controller", "bus", "target", "unit"};
    long n[4];
    if (!type || (strcmp(type, "pci") != 0 && strcmp(type, "drive") != 0))
        return NULL;
    bool is_pci = strcmp(type, "pci") == 0;
    for (size_t i = 0; i < 4; i++) {
        HF_AUTOFREE char *v = lv_xml_attr(a, is_pci ? pci[i] : drive[i], &failed);
        n[i] = v ? strtol(v, NULL, 0) : 0;
    }
    return is_pci ? hf_asprintf("pci:%04lx:%02lx:%02lx.%lx", n[0], n[1], n[2], n[3])
                  : hf_asprintf("drive:%ld:%ld:%ld:%ld", n[0], n[1], n[2], n[3]);
}

static bool parse_disk(struct lv_disk *d, xmlNodePtr node)
{
    bool failed = false;
    xmlNodePtr source = lv_xml_child(node, "source");
    d->target = lv_xml_attr(lv_xml_child(node, "target"), "dev", &failed);
    d->bus = lv_xml_attr(lv_xml_child(node, "target"), "bus", &failed);
    d->device = lv_xml_attr(node, "device", &failed);
    if (!d->device && !failed)
        d->device = strdup("disk");
    d->snapshot = lv_xml_attr(node, "snapshot", &failed);
    d->serial = lv_xml_text(lv_xml_child(node, "serial"), &failed);
    d->address = parse_address(lv_xml_child(node, "address"));
    d->is_readonly = lv_xml_child(node, "readonly");
    d->is_shared = lv_xml_child(node, "shareable");
    d->is_transient = lv_xml_child(node, "transient");
    d->is_encrypted = lv_xml_child(node, "encryption") || lv_xml_child(source, "encryption");
    d->is_sliced = lv_xml_child(source, "slices");
    return d->target && d->device && !failed && parse_layers(d, node) &&
           parse_mirror(d, lv_xml_child(node, "mirror"));
}

static int parse_disks(struct lv_vm *vm, xmlNodePtr devices, struct hf_err *err)
{
    xmlNodePtr first = lv_xml_child(devices, "disk");
    size_t n = 0;
    for (xmlNodePtr d = first; d; d = lv_xml_next(d))
        n++;
    if (n > DISKS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a domain with %zu disks", n);
    vm->disks = calloc(n + 1, sizeof *vm->disks);
    if (!vm->disks)
        return hf_fail_nomem(err);
    for (xmlNodePtr d = first; d; d = lv_xml_next(d))
        if (!parse_disk(&vm->disks[vm->n_disks++], d))
            return hf_fail(err, HF_E_CORRUPT, "disk %zu of '%s' cannot be understood", vm->n_disks,
                           vm->name);
    return 0;
}

static int parse_controllers(struct lv_vm *vm, xmlNodePtr devices, struct hf_err *err)
{
    bool failed = false;
    xmlNodePtr first = lv_xml_child(devices, "controller");
    size_t n = 0;
    for (xmlNodePtr c = first; c; c = lv_xml_next(c))
        n++;
    if (n > CONTROLLERS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a domain with %zu controllers", n);
    vm->controllers = calloc(n + 1, sizeof *vm->controllers);
    if (!vm->controllers)
        return hf_fail_nomem(err);
    for (xmlNodePtr c = first; c; c = lv_xml_next(c))
        vm->controllers[vm->n_controllers++] =
            (struct lv_controller){.type = lv_xml_attr(c, "type", &failed),
                                   .index = (long)lv_xml_attr_int(c, "index", -1),
                                   .address = parse_address(lv_xml_child(c, "address"))};
    return failed ? hf_fail_nomem(err) : 0;
}

static bool has_agent(xmlNodePtr devices)
{
    for (xmlNodePtr c = lv_xml_child(devices, "channel"); c; c = lv_xml_next(c)) {
        xmlNodePtr target = lv_xml_child(c, "target");
        if (lv_xml_attr_is(target, "name", "org.qemu.guest_agent.0"))
            return lv_xml_attr_is(target, "state", "connected");
    }
    return false;
}

struct lv_vm *lv_vm_parse(const char *xml, struct hf_err *err)
{
    bool failed = false;
    LV_AUTODOC xmlDocPtr doc = lv_xml_parse(xml, "domain", err);
    HF_AUTO(lv_vm) struct lv_vm *vm = calloc(1, sizeof *vm);
    if (!doc)
        return NULL;
    if (!vm) {
        hf_fail_nomem(err);
        return NULL;
    }
    xmlNodePtr root = xmlDocGetRootElement(doc), devices = lv_xml_child(root, "devices");
    vm->name = lv_xml_text(lv_xml_child(root, "name"), &failed);
    vm->uuid = lv_xml_text(lv_xml_child(root, "uuid"), &failed);
    if (!vm->name || !vm->uuid) {
        hf_fail(err, HF_E_CORRUPT, "a domain without name or UUID");
        return NULL;
    }
    vm->is_uefi = lv_xml_attr_is(lv_xml_child(root, "os"), "firmware", "efi") ||
                  lv_xml_attr_is(lv_xml_path(root, "os", "loader", NULL), "type", "pflash");
    vm->has_agent = has_agent(devices);
    if (parse_disks(vm, devices, err) != 0 || parse_controllers(vm, devices, err) != 0)
        return NULL;
    return HF_STEAL(vm);
}

struct lv_vm *lv_vm_load(virDomainPtr dom, unsigned flags, struct hf_err *err)
{
    HF_AUTOFREE char *xml = virDomainGetXMLDesc(dom, flags);
    if (!xml) {
        lv_fail(err, "definition of the VM");
        return NULL;
    }
    return lv_vm_parse(xml, err);
}

const struct lv_disk *lv_vm_disk(const struct lv_vm *vm, const char *target)
{
    for (size_t i = 0; i < vm->n_disks; i++)
        if (strcmp(vm->disks[i].target, target) == 0)
            return &vm->disks[i];
    return NULL;
}

int lv_disk_layer(const struct lv_disk *d, const char *path)
{
    for (size_t i = 0; i < d->n_layers; i++)
        if (d->layers[i].path && strcmp(d->layers[i].path, path) == 0)
            return (int)i;
    return -1;
}

size_t lv_vm_count(const struct lv_vm *vm, const char *path)
{
    size_t n = 0;
    for (size_t i = 0; i < vm->n_disks; i++) {
        const struct lv_disk *d = &vm->disks[i];
        for (size_t l = 0; l < d->n_layers; l++)
            n += d->layers[l].path && strcmp(d->layers[l].path, path) == 0;
        n += d->mirror_path && strcmp(d->mirror_path, path) == 0;
    }
    return n;
}
