/* SPDX-License-Identifier: Apache-2.0 */
#include "fsinfo.h"

#include "agent_reply.h"

#include <stdlib.h>
#include <string.h>

#define DISKS_MAX 256 /* below one file system */
#define PATH_BYTES_MAX 4096
#define NAME_BYTES_MAX 256
#define VIRTIO_SERIAL_BYTES 20 /* more of it the guest does not get to see */

void lv_fs_list_free(struct lv_fs_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct lv_fs *fs = &l->items[i];
        for (size_t k = 0; k < fs->n_disks; k++)
            free(fs->disks[k].serial);
        free(fs->disks);
        free(fs->mountpoint);
        free(fs->type);
        free(fs->name);
    }
    free(l->items);
    *l = (struct lv_fs_list){0};
}

static int copy_text(struct json_object *o, const char *key, size_t max, char **out,
                     struct hf_err *err)
{
    const char *text;
    if (hf_json_get_string(o, key, &text, err) != 0)
        return -1;
    if (!*text || strlen(text) > max)
        return hf_fail(err, HF_E_CORRUPT, "'%s' has %zu bytes", key, strlen(text));
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

static int parse_disk(struct json_object *o, struct lv_fs_disk *d, struct hf_err *err)
{
    struct json_object *pci;
    const char *serial = NULL;
    if (hf_json_get_object(o, "pci-controller", &pci, err) != 0 ||
        hf_json_get_int(pci, "domain", &d->domain, err) != 0 ||
        hf_json_get_int(pci, "bus", &d->bus, err) != 0 ||
        hf_json_get_int(pci, "slot", &d->slot, err) != 0 ||
        hf_json_get_int(pci, "function", &d->function, err) != 0 ||
        hf_json_get_int(o, "bus", &d->channel, err) != 0 ||
        hf_json_get_int(o, "target", &d->scsi_target, err) != 0 ||
        hf_json_get_int(o, "unit", &d->unit, err) != 0 ||
        hf_json_opt_string(o, "serial", &serial, err) != 0)
        return -1;
    if (!serial || !*serial)
        return 0;
    if (strlen(serial) > NAME_BYTES_MAX)
        return hf_fail(err, HF_E_CORRUPT, "'serial' has %zu bytes", strlen(serial));
    d->serial = strdup(serial);
    return d->serial ? 0 : hf_fail_nomem(err);
}

static int parse_disks(struct json_object *o, struct lv_fs *fs, struct hf_err *err)
{
    struct json_object *list;
    if (hf_json_get_array(o, "disk", &list, err) != 0)
        return -1;
    size_t n = json_object_array_length(list);
    if (n > DISKS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "a file system on %zu disks", n);
    fs->disks = calloc(n + 1, sizeof *fs->disks);
    if (!fs->disks)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        if (parse_disk(json_object_array_get_idx(list, i), &fs->disks[fs->n_disks++], err) != 0)
            return -1;
    return 0;
}

static int parse_fs(struct json_object *o, struct lv_fs *fs, struct hf_err *err)
{
    if (copy_text(o, "mountpoint", PATH_BYTES_MAX, &fs->mountpoint, err) != 0 ||
        copy_text(o, "type", NAME_BYTES_MAX, &fs->type, err) != 0 ||
        copy_text(o, "name", NAME_BYTES_MAX, &fs->name, err) != 0)
        return -1;
    return parse_disks(o, fs, err);
}

int lv_fsinfo_parse(struct json_object *value, struct lv_fs_list *out, struct hf_err *err)
{
    if (!json_object_is_type(value, json_type_array))
        return hf_fail(err, HF_E_CORRUPT, "the file systems are no list");
    size_t n = json_object_array_length(value);
    if (n > LV_MOUNTS_MAX)
        return hf_fail(err, HF_E_CORRUPT, "%zu file systems", n);
    out->items = calloc(n + 1, sizeof *out->items);
    if (!out->items)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        if (parse_fs(json_object_array_get_idx(value, i), &out->items[out->n++], err) != 0)
            return hf_wrap(err, "file system %zu", i + 1);
    return 0;
}

const struct lv_fs *lv_fs_find(const struct lv_fs_list *l, const char *mountpoint)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].mountpoint, mountpoint) == 0)
            return &l->items[i];
    return NULL;
}

/* virtio cuts a long serial; udev puts vendor and model in front of that of a SCSI or ATA disk. */
static bool is_serial_of(const char *guests, const char *serial)
{
    size_t g = strlen(guests), s = strlen(serial);
    if (!s)
        return false;
    if (g == VIRTIO_SERIAL_BYTES && s > g)
        return strncmp(guests, serial, g) == 0;
    if (g < s || strcmp(guests + g - s, serial) != 0)
        return false;
    return g == s || guests[g - s - 1] == '_';
}

static const char *by_serial(const char *serial, const struct lv_vm *vm)
{
    const char *found = NULL;
    for (size_t i = 0; serial && i < vm->n_disks; i++) {
        if (!vm->disks[i].serial || !is_serial_of(serial, vm->disks[i].serial))
            continue;
        if (found)
            return NULL;
        found = vm->disks[i].target;
    }
    return found;
}

static bool is_at(const char *address, const struct lv_fs_disk *d)
{
    char text[96];
    if (!address || d->domain < 0 || d->bus < 0 || d->slot < 0 || d->function < 0)
        return false;
    snprintf(text, sizeof text, "pci:%04llx:%02llx:%02llx.%llx", (unsigned long long)d->domain,
             (unsigned long long)d->bus, (unsigned long long)d->slot,
             (unsigned long long)d->function);
    return strcmp(address, text) == 0;
}

static bool hangs_on(const struct lv_disk *disk, const struct lv_controller *c,
                     const struct lv_fs_disk *d)
{
    char text[128];
    if (!disk->address || !disk->bus || !c->type || strcmp(disk->bus, c->type) != 0)
        return false;
    snprintf(text, sizeof text, "drive:%ld:%lld:%lld:%lld", c->index, (long long)d->channel,
             (long long)d->scsi_target, (long long)d->unit);
    return strcmp(disk->address, text) == 0;
}

static const char *on_controller(const struct lv_fs_disk *d, const struct lv_vm *vm)
{
    for (size_t c = 0; c < vm->n_controllers; c++)
        for (size_t i = 0; is_at(vm->controllers[c].address, d) && i < vm->n_disks; i++)
            if (hangs_on(&vm->disks[i], &vm->controllers[c], d))
                return vm->disks[i].target;
    return NULL;
}

const char *lv_fs_disk_target(const struct lv_fs_disk *d, const struct lv_vm *vm)
{
    const char *found = by_serial(d->serial, vm);
    for (size_t i = 0; !found && i < vm->n_disks; i++)
        if (is_at(vm->disks[i].address, d))
            found = vm->disks[i].target;
    return found ? found : on_controller(d, vm);
}
