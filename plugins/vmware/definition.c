/* SPDX-License-Identifier: Apache-2.0
 *
 * What it takes to make such a machine again, as JSON: what a restore makes an OVF of (net/machine_doc.h has its shape).
 *
 * Only what is named here goes into it. So guestinfo variables, vApp properties and whatever else programs keep in a VM's settings,
 * passwords among it, stay where they are. What server or users say is cut to bounds, so that the reader takes it.
 */
#include "net/machine_doc.h"
#include "plugin.h"
#include "vm.h"

#include <string.h>

#define TEXT_MAX 1000
#define ANNOTATION_MAX 16000
#define CONTROLLERS_MAX 64
#define NICS_MAX 64

static const struct kind {
    const char *type, *kind;
} controllers[] =
    {
        {"ParaVirtualSCSIController", "pvscsi"},
        {"VirtualLsiLogicController", "lsilogic"},
        {"VirtualLsiLogicSASController", "lsisas"},
        {"VirtualBusLogicController", "buslogic"},
        {"VirtualIDEController", "ide"},
        {"VirtualAHCIController", "ahci"},
        {"VirtualSATAController", "ahci"},
        {"VirtualNVMEController", "nvme"},
},
  nics[] = {
      {"VirtualVmxnet3", "vmxnet3"}, {"VirtualVmxnet2", "vmxnet2"}, {"VirtualE1000", "e1000"},
      {"VirtualE1000e", "e1000e"},   {"VirtualPCNet32", "pcnet32"},
};

static const char *kind_of(const struct kind *kinds, size_t n, const char *type)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].kind;
    return NULL;
}

/* At most max bytes, whole characters; "" for NULL. */
static int add_text(struct json_object *o, const char *key, const char *text, size_t max)
{
    size_t len = text ? strlen(text) : 0;
    for (len = len < max ? len : max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
        len--;
    return hf_json_add(o, key, json_object_new_string_len(text ? text : "", (int)len));
}

static int64_t bounded(const struct vmw_node *n, int64_t least, int64_t most)
{
    int64_t v = vmw_int(n, least);
    return v < least ? least : v > most ? most : v;
}

/* ---- controllers and disks ------------------------------------------------------------------------------------- */

struct listing {
    const struct vmw_vm *vm;
    struct json_object *controllers, *disks, *nics;
    bool has_no_memory;
};

static bool has_controller(const struct listing *l, int64_t key)
{
    int64_t k;
    struct hf_err ignored = HF_ERR_INIT;
    for (size_t i = 0; i < json_object_array_length(l->controllers); i++)
        if (hf_json_get_int(json_object_array_get_idx(l->controllers, i), "key", &k, &ignored) ==
                0 &&
            k == key)
            return true;
    return false;
}

static void add_controller(struct listing *l, int64_t key, const char *kind, int64_t bus)
{
    if (has_controller(l, key) || json_object_array_length(l->controllers) >= CONTROLLERS_MAX)
        return;
    struct json_object *o = hf_json_append_object(l->controllers);
    if (!o || hf_json_add_int(o, "key", key) < 0 || hf_json_add_string(o, "kind", kind) < 0 ||
        hf_json_add_int(o, "bus", bus) < 0)
        l->has_no_memory = true;
}

static void add_controllers(struct listing *l)
{
    for (const struct vmw_node *d = vmw_devices(l->vm); d; d = vmw_next(d)) {
        const char *kind = kind_of(controllers, HF_ARRAY_SIZE(controllers), vmw_type(d));
        if (kind)
            add_controller(l, vmw_int(vmw_child(d, "key"), 0), kind,
                           bounded(vmw_child(d, "busNumber"), 0, 255));
    }
}

static int add_disk(void *ctx, const struct vmw_disk *d)
{
    struct listing *l = ctx;
    if (d->disk.kind == HF_DISK_CDROM || d->disk.kind == HF_DISK_FLOPPY)
        return 0;
    add_controller(l, d->controller, "other", 0); /* unless it is there */
    struct json_object *o = hf_json_append_object(l->disks);
    if (!o || hf_json_add_string(o, "target", d->target) < 0 ||
        hf_json_add_int(o, "key", d->key) < 0 ||
        hf_json_add_int(o, "controller", d->controller) < 0 ||
        hf_json_add_int(o, "unit", d->unit < 0 || d->unit > 65535 ? 0 : d->unit) < 0 ||
        hf_json_add_int(o, "bytes", (int64_t)d->disk.capacity_bytes) < 0 ||
        hf_json_add_bool(o, "captured", !d->disk.skipped) < 0 ||
        add_text(o, "file", d->disk.source, TEXT_MAX) < 0)
        l->has_no_memory = true;
    return l->has_no_memory ? -1 : 0;
}

/* ---- network cards --------------------------------------------------------------------------------------------- */

/* The port group's name: a card on a distributed switch tells its key only. Where that cannot be read the key has to do. */
static char *portgroup_name(struct hf_instance *in, const struct hf_call *call, const char *key)
{
    static const char *const paths[] = {"name", NULL};
    struct vmw_ref ref = {.type = "DistributedVirtualPortgroup"};
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    snprintf(ref.id, sizeof ref.id, "%s", key);
    const char *name = vmw_props_get(in, call, &ref, paths, &p, &ignored) == 0
                           ? vmw_text(vmw_prop(p.object, "name"))
                           : NULL;
    return strdup(name ? name : key);
}

/* NULL: no memory. */
static char *network_of(struct hf_instance *in, const struct hf_call *call,
                        const struct vmw_node *backing)
{
    const char *key = vmw_child_text(vmw_child(backing, "port"), "portgroupKey");
    const char *name = vmw_child_text(backing, "deviceName");
    const char *opaque = vmw_child_text(backing, "opaqueNetworkId");
    return name && *name ? strdup(name)
           : key         ? portgroup_name(in, call, key)
                         : strdup(opaque ? opaque : "");
}

static void add_nic(struct hf_instance *in, const struct hf_call *call, struct listing *l,
                    const struct vmw_node *d, const char *kind)
{
    const struct vmw_node *connected = vmw_child(vmw_child(d, "connectable"), "startConnected");
    HF_AUTOFREE char *network = network_of(in, call, vmw_child(d, "backing"));
    struct json_object *o = hf_json_append_object(l->nics);
    if (!o || !network || hf_json_add_int(o, "key", vmw_int(vmw_child(d, "key"), 0)) < 0 ||
        hf_json_add_string(o, "kind", kind) < 0 || add_text(o, "network", network, TEXT_MAX) < 0 ||
        add_text(o, "mac", vmw_child_text(d, "macAddress"), TEXT_MAX) < 0 ||
        hf_json_add_bool(o, "connected", connected ? vmw_true(connected) : true) < 0)
        l->has_no_memory = true;
}

static void add_nics(struct hf_instance *in, const struct hf_call *call, struct listing *l)
{
    for (const struct vmw_node *d = vmw_devices(l->vm); d; d = vmw_next(d)) {
        const char *kind = kind_of(nics, HF_ARRAY_SIZE(nics), vmw_type(d));
        if (json_object_array_length(l->nics) < NICS_MAX && (kind || vmw_child(d, "macAddress")))
            add_nic(in, call, l, d, kind ? kind : "other");
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int add_head(struct json_object *doc, const struct vmw_node *o, const struct vmw_vm *vm)
{
    const struct vmw_node *boot = vmw_prop(o, "config.bootOptions");
    if (hf_json_add_string(doc, "format", HF_MACHINE_DOC) < 0 ||
        hf_json_add_int(doc, "version", 1) < 0 || add_text(doc, "name", vm->name, TEXT_MAX) < 0 ||
        add_text(doc, "guest", vmw_text(vmw_prop(o, "config.guestId")), TEXT_MAX) < 0 ||
        add_text(doc, "hardware", vmw_text(vmw_prop(o, "config.version")), TEXT_MAX) < 0 ||
        hf_json_add_string(doc, "firmware", vm->is_uefi ? "efi" : "bios") < 0 ||
        hf_json_add_bool(doc, "secure_boot", vmw_true(vmw_child(boot, "efiSecureBootEnabled"))) <
            0 ||
        hf_json_add_int(doc, "cpus", bounded(vmw_prop(o, "config.hardware.numCPU"), 1, 4096)) < 0 ||
        hf_json_add_int(doc, "cores_per_socket",
                        bounded(vmw_prop(o, "config.hardware.numCoresPerSocket"), 1, 4096)) < 0 ||
        hf_json_add_int(doc, "memory_mib",
                        bounded(vmw_prop(o, "config.hardware.memoryMB"), 1, INT64_C(1) << 30)) < 0)
        return -1;
    return add_text(doc, "annotation", vmw_text(vmw_prop(o, "config.annotation")), ANNOTATION_MAX) <
                       0 ||
                   add_text(doc, "instance_uuid", vmw_text(vmw_prop(o, "config.instanceUuid")),
                            TEXT_MAX) < 0 ||
                   add_text(doc, "bios_uuid", vmw_text(vmw_prop(o, "config.uuid")), TEXT_MAX) < 0 ||
                   add_text(doc, "file", vmw_text(vmw_prop(o, "config.files.vmPathName")),
                            TEXT_MAX) < 0
               ? -1
               : 0;
}

static int add_devices(struct hf_instance *in, const struct hf_call *call, const struct vmw_vm *vm,
                       struct json_object *doc)
{
    struct listing l = {.vm = vm};
    l.controllers = hf_json_add_array(doc, "controllers");
    l.disks = hf_json_add_array(doc, "disks");
    l.nics = hf_json_add_array(doc, "nics");
    if (!l.controllers || !l.disks || !l.nics)
        return -1;
    add_controllers(&l);
    (void)vmw_disks_each(vm, add_disk, &l);
    add_nics(in, call, &l);
    return l.has_no_memory ? -1 : 0;
}

int vmware_vm_definition(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         const char **out, struct hf_err *err)
{
    static const char *const paths[] = {"config.version",
                                        "config.guestId",
                                        "config.hardware.numCPU",
                                        "config.hardware.numCoresPerSocket",
                                        "config.hardware.memoryMB",
                                        "config.files.vmPathName",
                                        "config.instanceUuid",
                                        "config.uuid",
                                        "config.annotation",
                                        "config.bootOptions",
                                        NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    HF_AUTO(vmw_vm) struct vmw_vm vm = {0};
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    if (vmw_enter(in, call, err) != 0 || vmw_locate(in, call, vm_id, err) != 0 ||
        vmw_props_get(in, call, &in->vm, paths, &p, err) != 0 ||
        vmw_vm_load(in, call, &in->vm, &vm, err) != 0)
        return -1;
    if (!doc || add_head(doc, p.object, &vm) < 0 || add_devices(in, call, &vm, doc) < 0)
        return hf_fail_nomem(err);
    const char *text = json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PRETTY);
    *out = text ? vmw_keep(in, strdup(text)) : NULL;
    return *out ? 0 : hf_fail_nomem(err);
}
