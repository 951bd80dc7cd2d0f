/* SPDX-License-Identifier: Apache-2.0 */
#include "vm.h"

#include <ctype.h>
#include <string.h>

#define LAYERS_MAX 64
#define ROOM_MIN_BYTES ((int64_t)2 << 30)
#define DATASTORES_MAX 16

const struct vmw_node *vmw_devices(const struct vmw_vm *vm)
{
    return vmw_child(vmw_prop(vm->props.object, "config.hardware.device"), "VirtualDevice");
}

static bool has(const char *type, const char *part)
{
    return strstr(type, part) != NULL;
}

const char *vmw_bus_of(const char *type)
{
    return has(type, "AHCI") || has(type, "SATA")                        ? "sata"
           : has(type, "NVME")                                           ? "nvme"
           : has(type, "IDE")                                            ? "ide"
           : has(type, "SCSI") || has(type, "Logic") || has(type, "Lsi") ? "scsi"
                                                                         : NULL;
}

static const struct vmw_node *by_key(const struct vmw_vm *vm, int64_t key)
{
    const struct vmw_node *d = vmw_devices(vm);
    while (d && vmw_int(vmw_child(d, "key"), -1) != key)
        d = vmw_next(d);
    return d;
}

/* "scsi0:1"; the device's key where the controller is of no known kind. */
static void name_disk(const struct vmw_node *device, const struct vmw_node *controller,
                      struct vmw_disk *d)
{
    const char *bus = controller ? vmw_bus_of(vmw_type(controller)) : NULL;
    int64_t key = vmw_int(vmw_child(device, "key"), 0);
    if (bus)
        snprintf(d->target, sizeof d->target, "%s%d:%d", bus,
                 (int)vmw_int(vmw_child(controller, "busNumber"), 0),
                 (int)vmw_int(vmw_child(device, "unitNumber"), 0));
    else
        snprintf(d->target, sizeof d->target, "%d", (int)key);
}

static uint32_t depth_of(const struct vmw_node *backing)
{
    uint32_t depth = 0;
    for (; backing && depth < LAYERS_MAX; backing = vmw_child(backing, "parent"))
        depth++;
    return depth;
}

/* What the guest sees of it, where disk.EnableUUID is on: the UUID without its dashes. */
static void read_serial(const struct vmw_node *backing, struct vmw_disk *d)
{
    size_t n = 0;
    const char *uuid = vmw_child_text(backing, "uuid");
    for (; uuid && *uuid && n + 1 < sizeof d->serial; uuid++)
        if (isxdigit((unsigned char)*uuid))
            d->serial[n++] = (char)tolower((unsigned char)*uuid);
    d->disk.serial = n ? d->serial : NULL;
}

/* "[datastore] folder/name.vmdk". */
static void read_store(const char *file, struct vmw_disk *d)
{
    const char *end = file && *file == '[' ? strchr(file, ']') : NULL;
    if (!end)
        return;
    snprintf(d->store, sizeof d->store, "%.*s", (int)(end - file - 1), file + 1);
    d->disk.store = d->store;
}

/* What a snapshot leaves out, and what does not let one be made. */
static void judge_disk(const struct vmw_node *backing, const struct vmw_node *controller,
                       struct vmw_disk *d)
{
    const char *mode = vmw_child_text(backing, "diskMode"), *type = vmw_type(backing);
    const char *bus = vmw_child_text(controller, "sharedBus");
    const char *sharing = vmw_child_text(backing, "sharing");
    if (bus && strcmp(bus, "noSharing") != 0) {
        d->disk.flags |= HF_DISK_SHARED;
        d->disk.refused = "its controller shares its bus: vSphere makes no snapshot then";
    } else if (sharing && strcmp(sharing, "sharingMultiWriter") == 0) {
        d->disk.flags |= HF_DISK_SHARED;
        d->disk.refused = "several VMs write to it (multi-writer): vSphere makes no snapshot then";
    } else if (has(type, "RawDiskMapping") &&
               vmw_is(vmw_child(backing, "compatibilityMode"), "physicalMode")) {
        d->disk.kind = HF_DISK_LUN;
        d->disk.skipped = "a raw device in physical mode: vSphere leaves it out of snapshots";
    } else if (mode && strncmp(mode, "independent_", 12) == 0) {
        snprintf(d->why, sizeof d->why, "its mode is %.40s: vSphere leaves it out of snapshots",
                 mode);
        d->disk.skipped = d->why;
    }
    if (mode && has(mode, "nonpersistent"))
        d->disk.flags |= HF_DISK_TRANSIENT;
}

static void read_disk(const struct vmw_vm *vm, const struct vmw_node *device, struct vmw_disk *d)
{
    const struct vmw_node *backing = vmw_child(device, "backing");
    const struct vmw_node *controller = by_key(vm, vmw_int(vmw_child(device, "controllerKey"), -2));
    int64_t bytes = vmw_int(vmw_child(device, "capacityInBytes"), 0);
    int64_t kib = vmw_int(vmw_child(device, "capacityInKB"), 0);
    d->disk = (struct hf_disk){.struct_size = sizeof d->disk,
                               .kind = HF_DISK_DISK,
                               .target = d->target,
                               .source = vmw_child_text(backing, "fileName"),
                               .format = "vmdk",
                               .chain_depth = depth_of(backing)};
    d->disk.capacity_bytes = bytes > 0                          ? (uint64_t)bytes
                             : kib > 0 && kib < INT64_MAX >> 11 ? (uint64_t)kib << 10
                                                                : 0;
    d->key = vmw_int(vmw_child(device, "key"), 0);
    d->controller = vmw_int(vmw_child(device, "controllerKey"), -1);
    d->unit = vmw_int(vmw_child(device, "unitNumber"), 0);
    name_disk(device, controller, d);
    read_serial(backing, d);
    read_store(d->disk.source, d);
    judge_disk(backing, controller, d);
}

static void read_drive(const struct vmw_vm *vm, const struct vmw_node *device, bool is_cd,
                       struct vmw_disk *d)
{
    const struct vmw_node *controller = by_key(vm, vmw_int(vmw_child(device, "controllerKey"), -2));
    d->disk = (struct hf_disk){.struct_size = sizeof d->disk,
                               .kind = is_cd ? HF_DISK_CDROM : HF_DISK_FLOPPY,
                               .flags = is_cd ? HF_DISK_READONLY : 0,
                               .target = d->target,
                               .source = vmw_child_text(vmw_child(device, "backing"), "fileName"),
                               .skipped = is_cd ? "a CD-ROM" : "a floppy drive"};
    name_disk(device, controller, d);
}

int vmw_disks_each(const struct vmw_vm *vm, vmw_disk_cb each, void *ctx)
{
    for (const struct vmw_node *device = vmw_devices(vm); device; device = vmw_next(device)) {
        struct vmw_disk d = {0};
        const char *type = vmw_type(device);
        if (strcmp(type, "VirtualDisk") == 0)
            read_disk(vm, device, &d);
        else if (strcmp(type, "VirtualCdrom") == 0 || strcmp(type, "VirtualFloppy") == 0)
            read_drive(vm, device, strcmp(type, "VirtualCdrom") == 0, &d);
        else
            continue;
        if (each(ctx, &d) != 0)
            return -1;
    }
    return 0;
}

static int count(void *ctx, const struct vmw_disk *d)
{
    *(uint32_t *)ctx += !d->disk.skipped;
    return 0;
}

uint32_t vmw_disks_captured(const struct vmw_vm *vm)
{
    uint32_t n = 0;
    (void)vmw_disks_each(vm, count, &n);
    return n;
}

/* ---- may there be a snapshot ----------------------------------------------------------------------------------- */

struct checker {
    const struct vmw_vm *vm;
    hf_text_cb warn;
    void *ctx;
    struct hf_err *err;
};

static int check_one(void *ctx, const struct vmw_disk *d)
{
    struct checker *c = ctx;
    char line[320];
    if (d->disk.refused)
        return hf_fail(c->err, HF_E_UNSUPPORTED, "disk %s of VM '%.80s': %s", d->disk.target,
                       c->vm->name, d->disk.refused);
    if (!d->disk.skipped || d->disk.kind == HF_DISK_CDROM || d->disk.kind == HF_DISK_FLOPPY ||
        !c->warn)
        return 0;
    snprintf(line, sizeof line, "disk %s is not captured: %s", d->disk.target, d->disk.skipped);
    return c->warn(c->ctx, line) ? -1 : 0;
}

int vmw_disks_check(const struct vmw_vm *vm, hf_text_cb warn, void *ctx, struct hf_err *err)
{
    struct checker c = {vm, warn, ctx, err};
    for (const struct vmw_node *d = vmw_devices(vm); d; d = vmw_next(d)) {
        if (!has(vmw_type(d), "PCIPassthrough"))
            continue;
        hf_fail(err, HF_E_UNSUPPORTED,
                "VM '%.80s' has a device of the host (PCI passthrough): vSphere makes no snapshot "
                "then",
                vm->name);
        return -1;
    }
    return vmw_disks_each(vm, check_one, &c);
}

/* ---- room ------------------------------------------------------------------------------------------------------ */

struct room {
    char name[128];
    int64_t total, free; /* bytes; -1: not told */
};

static int read_room(struct hf_instance *in, const struct hf_call *call, const struct vmw_ref *ref,
                     struct room *out, struct hf_err *err)
{
    static const char *const paths[] = {"summary.name", "summary.capacity", "summary.freeSpace",
                                        NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    if (vmw_props_get(in, call, ref, paths, &p, err) != 0)
        return -1;
    const char *name = vmw_text(vmw_prop(p.object, "summary.name"));
    snprintf(out->name, sizeof out->name, "%.100s", name ? name : ref->id);
    out->total = vmw_int(vmw_prop(p.object, "summary.capacity"), -1);
    out->free = vmw_int(vmw_prop(p.object, "summary.freeSpace"), -1);
    return 0;
}

/* Of each datastore of the VM that may be looked at; the number of them, or -1. */
static int read_rooms(struct hf_instance *in, const struct hf_call *call, const struct vmw_vm *vm,
                      struct room *out, struct hf_err *err)
{
    int n = 0;
    const struct vmw_node *at =
        vmw_child(vmw_prop(vm->props.object, "datastore"), "ManagedObjectReference");
    for (; at && n < DATASTORES_MAX; at = vmw_next(at)) {
        struct vmw_ref ref;
        struct hf_err hidden = HF_ERR_INIT;
        if (!vmw_ref_read(at, &ref))
            continue;
        if (read_room(in, call, &ref, &out[n], &hidden) == 0) {
            n++;
        } else if (hidden.cls != HF_E_AUTH && hidden.cls != HF_E_NOT_FOUND) {
            hf_err_copy(err, &hidden);
            return -1;
        }
    }
    return n;
}

int vmw_room_check(struct hf_instance *in, const struct hf_call *call, const struct vmw_vm *vm,
                   hf_text_cb warn, void *ctx, struct hf_err *err)
{
    struct room rooms[DATASTORES_MAX];
    int n = read_rooms(in, call, vm, rooms, err);
    for (int i = 0; i < n; i++) {
        char line[320];
        if (rooms[i].free < 0 || rooms[i].free >= ROOM_MIN_BYTES)
            continue;
        if (!rooms[i].free)
            return hf_fail(err, HF_E_NOSPACE, "datastore '%s' of the VM is full", rooms[i].name);
        snprintf(line, sizeof line,
                 "datastore '%s' has %lld MiB left, and what the VM writes while a snapshot is "
                 "there needs room",
                 rooms[i].name, (long long)(rooms[i].free >> 20));
        if (warn(ctx, line) != 0)
            return -1;
    }
    return n < 0 ? -1 : 0;
}

struct sink {
    hf_disk_cb emit;
    void *ctx;
    const struct room *rooms;
    int n;
};

static int tell(void *ctx, const struct vmw_disk *d)
{
    struct sink *s = ctx;
    struct hf_disk disk = d->disk;
    for (int i = 0; disk.store && i < s->n; i++)
        if (strcmp(s->rooms[i].name, disk.store) == 0 && s->rooms[i].total > 0 &&
            s->rooms[i].free >= 0) {
            disk.store_total_bytes = (uint64_t)s->rooms[i].total;
            disk.store_free_bytes = (uint64_t)s->rooms[i].free;
        }
    return s->emit(s->ctx, &disk);
}

int vmware_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                    hf_disk_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTO(vmw_vm) struct vmw_vm vm = {0};
    struct room rooms[DATASTORES_MAX];
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, vm_id, err) != 0 ||
        vmw_vm_load(in, call, &in->vm, &vm, err) != 0)
        return -1;
    struct sink s = {emit, ctx, rooms, read_rooms(in, call, &vm, rooms, err)};
    return s.n < 0 ? -1 : vmw_disks_each(&vm, tell, &s);
}
