/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine's hardware in an envelope: a system, and an Item for each device.
 */
#include "restore/ovf_intern.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Items have ids: the two of CPU and memory, then in this order. */
#define CPU_ID 1
#define MEMORY_ID 2
#define CONTROLLERS_ID 3

enum resource {
    R_CPU = 3,
    R_MEMORY = 4,
    R_IDE = 5,
    R_SCSI = 6,
    R_NIC = 10,
    R_DISK = 17,
    R_BUS = 20
};

/* The first one stands for what is not known. */
static const struct controller_kind {
    const char *kind, *subtype, *label;
    enum resource type;
} controller_kinds[] = {
    {"lsilogic", "lsilogic", "SCSI controller", R_SCSI},
    {"lsisas", "lsilogicsas", "SCSI controller", R_SCSI},
    {"pvscsi", "VirtualSCSI", "SCSI controller", R_SCSI},
    {"buslogic", "buslogic", "SCSI controller", R_SCSI},
    {"ide", NULL, "IDE controller", R_IDE},
    {"ahci", "vmware.sata.ahci", "SATA controller", R_BUS},
    {"nvme", "vmware.nvme.controller", "NVMe controller", R_BUS},
};

static const struct nic_kind {
    const char *kind, *subtype;
} nic_kinds[] = {
    {"e1000e", "E1000e"},   {"e1000", "E1000"},     {"vmxnet3", "VmxNet3"},
    {"vmxnet2", "VmxNet2"}, {"pcnet32", "PCNet32"},
};

static const struct controller_kind *controller_kind(const char *kind)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(controller_kinds); i++)
        if (strcmp(controller_kinds[i].kind, kind) == 0)
            return &controller_kinds[i];
    return NULL;
}

static const struct nic_kind *nic_kind(const char *kind)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(nic_kinds); i++)
        if (strcmp(nic_kinds[i].kind, kind) == 0)
            return &nic_kinds[i];
    return NULL;
}

bool hf_ovf_knows_controller(const char *kind)
{
    return controller_kind(kind);
}

bool hf_ovf_knows_nic(const char *kind)
{
    return nic_kind(kind);
}

const char *ovf_network_of(const struct hf_doc_nic *n)
{
    return *n->network ? n->network : "unknown";
}

/* ---- items ------------------------------------------------------------------------------ */

/* One Item, whose members stand in the alphabet's order: that is the schema's. NULL and -1: without it. */
struct item {
    const char *address, *connection, *name, *host_resource, *subtype, *units;
    int64_t on_parent, id, parent, quantity;
    bool allocates; /* network cards: whether it is connected */
    bool is_allocated;
    enum resource type;
};

static void add_text(struct hf_buf *out, const char *name, const char *text)
{
    if (text)
        ovf_add_element(out, name, text);
}

static void add_item(struct hf_buf *out, const struct item *i)
{
    hf_buf_str_add(out, "      <Item>\n");
    add_text(out, "rasd:Address", i->address);
    if (i->on_parent >= 0)
        ovf_add_number(out, "rasd:AddressOnParent", i->on_parent);
    add_text(out, "rasd:AllocationUnits", i->units);
    if (i->allocates)
        ovf_add_element(out, "rasd:AutomaticAllocation", i->is_allocated ? "true" : "false");
    add_text(out, "rasd:Connection", i->connection);
    add_text(out, "rasd:ElementName", i->name);
    add_text(out, "rasd:HostResource", i->host_resource);
    ovf_add_number(out, "rasd:InstanceID", i->id);
    if (i->parent >= 0)
        ovf_add_number(out, "rasd:Parent", i->parent);
    add_text(out, "rasd:ResourceSubType", i->subtype);
    ovf_add_number(out, "rasd:ResourceType", i->type);
    if (i->quantity >= 0)
        ovf_add_number(out, "rasd:VirtualQuantity", i->quantity);
}

static void end_item(struct hf_buf *out)
{
    hf_buf_str_add(out, "      </Item>\n");
}

static void add_cpu_and_memory(struct hf_buf *out, const struct hf_machine_doc *m)
{
    const struct item cpu = {.name = "Virtual CPUs",
                             .units = "hertz * 10^6",
                             .on_parent = -1,
                             .id = CPU_ID,
                             .parent = -1,
                             .quantity = m->cpus,
                             .type = R_CPU};
    const struct item memory = {.name = "Memory",
                                .units = "byte * 2^20",
                                .on_parent = -1,
                                .id = MEMORY_ID,
                                .parent = -1,
                                .quantity = m->memory_mib,
                                .type = R_MEMORY};
    add_item(out, &cpu);
    if (m->cores_per_socket > 1)
        hf_buf_printf(out,
                      "        <vmw:CoresPerSocket ovf:required=\"false\">%lld"
                      "</vmw:CoresPerSocket>\n",
                      (long long)m->cores_per_socket);
    end_item(out);
    add_item(out, &memory);
    end_item(out);
}

const struct hf_doc_disk *ovf_disk_of(const struct hf_ovf *o, const struct hf_ovf_file *f)
{
    for (size_t i = 0; i < o->machine->n_disks; i++)
        if (strcmp(o->machine->disks[i].target, f->target) == 0)
            return &o->machine->disks[i];
    return NULL;
}

static bool is_used(const struct hf_ovf *o, const struct hf_doc_controller *c)
{
    for (size_t i = 0; i < o->n_files; i++)
        if (ovf_disk_of(o, &o->files[i])->controller == c->key)
            return true;
    return false;
}

static int64_t controller_id(const struct hf_ovf *o, int64_t key)
{
    size_t i = 0;
    while (o->machine->controllers[i].key != key)
        i++;
    return CONTROLLERS_ID + (int64_t)i;
}

static void add_controllers(struct hf_buf *out, const struct hf_ovf *o)
{
    for (size_t i = 0; i < o->machine->n_controllers; i++) {
        const struct hf_doc_controller *c = &o->machine->controllers[i];
        const struct controller_kind *known = controller_kind(c->kind);
        const struct controller_kind *k = known ? known : &controller_kinds[0];
        char bus[24], name[64];
        if (!is_used(o, c))
            continue;
        snprintf(bus, sizeof bus, "%lld", (long long)c->bus);
        snprintf(name, sizeof name, "%s %s", k->label, bus);
        const struct item item = {.address = bus,
                                  .name = name,
                                  .subtype = k->subtype,
                                  .on_parent = -1,
                                  .id = controller_id(o, c->key),
                                  .parent = -1,
                                  .quantity = -1,
                                  .type = k->type};
        add_item(out, &item);
        end_item(out);
    }
}

static void add_disks(struct hf_buf *out, const struct hf_ovf *o)
{
    for (size_t i = 0; i < o->n_files; i++) {
        const struct hf_doc_disk *d = ovf_disk_of(o, &o->files[i]);
        char resource[40], name[32];
        snprintf(resource, sizeof resource, "ovf:/disk/vmdisk%zu", i + 1);
        snprintf(name, sizeof name, "Hard disk %zu", i + 1);
        const struct item item = {.name = name,
                                  .host_resource = resource,
                                  .on_parent = d->unit,
                                  .id = CONTROLLERS_ID + HF_DOC_CONTROLLERS_MAX + (int64_t)i,
                                  .parent = controller_id(o, d->controller),
                                  .quantity = -1,
                                  .type = R_DISK};
        add_item(out, &item);
        end_item(out);
    }
}

static void add_nics(struct hf_buf *out, const struct hf_ovf *o)
{
    for (size_t i = 0; i < o->machine->n_nics; i++) {
        const struct hf_doc_nic *n = &o->machine->nics[i];
        const struct nic_kind *known = nic_kind(n->kind);
        char name[40];
        snprintf(name, sizeof name, "Network adapter %zu", i + 1);
        const struct item item = {.address = o->keep_mac ? n->mac : NULL,
                                  .connection = ovf_network_of(n),
                                  .name = name,
                                  .subtype = known ? known->subtype : nic_kinds[0].subtype,
                                  .on_parent = 7 + (int64_t)i,
                                  .id = CONTROLLERS_ID + HF_DOC_CONTROLLERS_MAX + HF_DOC_DISKS_MAX +
                                        (int64_t)i,
                                  .parent = -1,
                                  .quantity = -1,
                                  .allocates = true,
                                  .is_allocated = n->is_connected,
                                  .type = R_NIC};
        add_item(out, &item);
        end_item(out);
    }
}

/* ---- the section ------------------------------------------------------------------------ */

/* "vmx-19"; anything else would be refused as hardware that nobody has. */
static const char *hardware_of(const struct hf_machine_doc *m)
{
    const char *h = m->hardware;
    bool is_one = strncmp(h, "vmx-", 4) == 0 && isdigit((unsigned char)h[4]) &&
                  isdigit((unsigned char)h[5]) && !h[6];
    return is_one ? h : "vmx-13";
}

static void add_system(struct hf_buf *out, const struct hf_ovf *o)
{
    hf_buf_str_add(out, "      <System>\n");
    ovf_add_element(out, "vssd:ElementName", "Virtual Hardware Family");
    ovf_add_number(out, "vssd:InstanceID", 0);
    ovf_add_element(out, "vssd:VirtualSystemIdentifier", o->name);
    ovf_add_element(out, "vssd:VirtualSystemType", hardware_of(o->machine));
    hf_buf_str_add(out, "      </System>\n");
}

void ovf_add_hardware(struct hf_buf *out, const struct hf_ovf *o)
{
    hf_buf_str_add(out, "    <VirtualHardwareSection>\n      <Info>Virtual hardware</Info>\n");
    add_system(out, o);
    add_cpu_and_memory(out, o->machine);
    add_controllers(out, o);
    add_disks(out, o);
    add_nics(out, o);
    hf_buf_printf(out,
                  "      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" "
                  "vmw:value=\"%s\"/>\n",
                  o->machine->is_uefi ? "efi" : "bios");
    if (o->machine->is_secure)
        hf_buf_str_add(out, "      <vmw:Config ovf:required=\"false\" "
                            "vmw:key=\"bootOptions.efiSecureBootEnabled\" vmw:value=\"true\"/>\n");
    hf_buf_str_add(out, "    </VirtualHardwareSection>\n");
}
