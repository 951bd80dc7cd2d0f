/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"
#include "datastores.h"
#include "vm.h"

#include <string.h>

#define NAME_MAX_BYTES 15

static bool is_drive(const char *key)
{
    static const char *const kinds[] = {"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(kinds); i++) {
        size_t len = strlen(kinds[i]);
        if (strncmp(key, kinds[i], len) == 0 && key[len] &&
            !key[len + strspn(key + len, "0123456789")])
            return strlen(key) <= NAME_MAX_BYTES;
    }
    return false;
}

/* The value of one option of "VOLID,opt=value,…"; false: not there. */
static bool option(const char *text, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);
    for (const char *p = strchr(text, ','); p; p = strchr(p, ',')) {
        p++;
        if (strncmp(p, name, len) != 0 || p[len] != '=')
            continue;
        snprintf(out, size, "%.*s", (int)strcspn(p + len + 1, ","), p + len + 1);
        return true;
    }
    return false;
}

/* What the guest sees of it: QEMU's own serial is the drive's name for SCSI, a number for IDE and SATA. */
static const char *serial_of(const char *key, const char *text, struct pve_disk *d)
{
    if (option(text, "serial", d->serial, sizeof d->serial))
        return d->serial;
    if (strncmp(key, "scsi", 4) != 0)
        return NULL;
    snprintf(d->serial, sizeof d->serial, "drive-%s", key);
    return d->serial;
}

static const char *format_of(const char *source, const char *text, char *buf, size_t size)
{
    static const char *const known[] = {"qcow2", "vmdk", "raw"};
    const char *dot = strrchr(source, '.');
    const char *word = option(text, "format", buf, size) ? buf : dot ? dot + 1 : "raw";
    for (size_t i = 0; i < HF_ARRAY_SIZE(known); i++)
        if (strcmp(word, known[i]) == 0)
            return known[i];
    return "raw";
}

static void read_disk(const char *key, const char *text, struct pve_disk *d)
{
    char word[64];
    struct hf_err ignored = HF_ERR_INIT;
    snprintf(d->target, sizeof d->target, "%s", key);
    snprintf(d->source, sizeof d->source, "%.*s", (int)strcspn(text, ","), text);
    bool is_empty = strcmp(d->source, "none") == 0;
    d->disk = (struct hf_disk){.struct_size = sizeof d->disk,
                               .kind = HF_DISK_DISK,
                               .target = d->target,
                               .source = is_empty ? NULL : d->source,
                               .serial = serial_of(key, text, d)};
    if (option(text, "media", word, sizeof word) && strcmp(word, "cdrom") == 0) {
        d->disk.kind = HF_DISK_CDROM;
        d->disk.skipped = "a CD-ROM";
        return;
    }
    if (option(text, "size", word, sizeof word))
        (void)!hf_parse_size(word, &d->disk.capacity_bytes, &ignored);
    if (option(text, "snapshot", word, sizeof word) && strcmp(word, "0") != 0)
        d->disk.flags |= HF_DISK_TRANSIENT;
    d->has_data = strncmp(key, "efidisk", 7) != 0 && strncmp(key, "tpmstate", 8) != 0;
    d->is_left_out = option(text, "backup", word, sizeof word) &&
                     (*word == '0' || strcmp(word, "no") == 0 || strcmp(word, "off") == 0);
    d->disk.format = format_of(d->source, text, word, sizeof word);
    if (*d->source == '/') {
        d->disk.kind = HF_DISK_LUN;
        d->disk.refused = "a device that is passed through: Proxmox VE cannot snapshot it";
    }
}

int pve_disks_each(const struct pve_vm *vm, pve_disk_cb each, void *ctx)
{
    json_object_object_foreach(vm->config, key, value)
    {
        struct pve_disk d = {0};
        if (!is_drive(key) || !json_object_is_type(value, json_type_string))
            continue;
        read_disk(key, json_object_get_string(value), &d);
        if (each(ctx, &d) != 0)
            return -1;
    }
    return 0;
}

static int count(void *ctx, const struct pve_disk *d)
{
    *(uint32_t *)ctx += !d->disk.skipped;
    return 0;
}

uint32_t pve_disks_captured(const struct pve_vm *vm)
{
    uint32_t n = 0;
    (void)pve_disks_each(vm, count, &n);
    return n;
}

struct sink {
    hf_disk_cb emit;
    void *ctx;
    struct pve_datastores stores;
};

static int tell(void *ctx, const struct pve_disk *d)
{
    struct sink *s = ctx;
    struct hf_disk told = d->disk;
    char store[256];
    pve_datastores_fill(&s->stores, &told, store, sizeof store);
    return s->emit(s->ctx, &told);
}

int proxmox_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                     hf_disk_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    struct sink s = {.emit = emit, .ctx = ctx};
    if (pve_enter(in, call, err) != 0 || pve_vm_load(in, call, vm_id, &vm, err) != 0)
        return -1;
    pve_datastores_load(in, call, &s.stores);
    int rc = pve_disks_each(&vm, tell, &s);
    pve_datastores_free(&s.stores);
    return rc;
}
