/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "base/mountinfo.h"
#include "vm.h"

#include <string.h>

struct seeker {
    const char *serial;
    char target[16];
    int n;
};

/* udev puts vendor and model in front of the serial of a SCSI disk; virtio cuts it at 20 bytes. */
static bool is_serial_of(const char *guests, const char *serial)
{
    size_t g = strlen(guests), s = strlen(serial);
    if (!s)
        return false;
    if (g == 20 && s > g)
        return strncmp(guests, serial, g) == 0;
    return g >= s && strcmp(guests + g - s, serial) == 0 && (g == s || guests[g - s - 1] == '_');
}

static int seek(void *ctx, const struct pve_disk *d)
{
    struct seeker *s = ctx;
    if (d->disk.serial && !d->disk.skipped && is_serial_of(s->serial, d->disk.serial)) {
        snprintf(s->target, sizeof s->target, "%s", d->target);
        s->n++;
    }
    return 0;
}

struct teller {
    const struct pve_vm *vm;
    struct json_object *fsinfo;
    hf_mount_cb emit;
    void *ctx;
};

static struct json_object *disks_of(const struct teller *t, const char *mountpoint)
{
    struct json_object *disks = NULL;
    for (size_t i = 0; i < json_object_array_length(t->fsinfo); i++) {
        struct json_object *fs = json_object_array_get_idx(t->fsinfo, i);
        const char *at = pve_text(fs, "mountpoint");
        if (at && strcmp(at, mountpoint) == 0 && json_object_object_get_ex(fs, "disk", &disks) &&
            json_object_is_type(disks, json_type_array))
            return disks;
    }
    return NULL;
}

/* Once per disk it lies on; one that is no disk of this VM: target NULL. */
static int tell(const struct teller *t, const struct hf_mountinfo_entry *m)
{
    struct hf_guest_mount out = {.struct_size = sizeof out,
                                 .mountpoint = m->mountpoint,
                                 .fstype = m->type,
                                 .device = m->source};
    struct json_object *disks = m->has_device ? disks_of(t, m->mountpoint) : NULL;
    size_t n = disks ? json_object_array_length(disks) : 0;
    for (size_t i = 0; i < n && i < 256; i++) {
        const char *serial = pve_text(json_object_array_get_idx(disks, i), "serial");
        struct seeker s = {.serial = serial ? serial : ""};
        (void)pve_disks_each(t->vm, seek, &s);
        out.target = s.n == 1 ? s.target : NULL;
        if (t->emit(t->ctx, &out) != 0)
            return -1;
    }
    return n || t->emit(t->ctx, &out) == 0 ? 0 : -1;
}

int proxmox_guest_mounts(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         hf_mount_cb emit, void *ctx, struct hf_err *err)
{
    HF_AUTO(pve_vm) struct pve_vm vm = {0};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    HF_AUTO(hf_mountinfo) struct hf_mountinfo mounts = {0};
    HF_AUTOJSON struct json_object *fsinfo = NULL;
    bool is_cut = false;
    if (pve_enter(in, call, err) != 0 || pve_vm_load(in, call, vm_id, &vm, err) != 0 ||
        pve_agent_plain(in, call, vm_id, "GET", "get-fsinfo", &fsinfo, err) != 0 ||
        pve_agent_read(in, call, vm_id, "/proc/self/mountinfo", &text, &is_cut, err) != 0)
        return -1;
    if (!json_object_is_type(fsinfo, json_type_array))
        return hf_fail(err, HF_E_CORRUPT, "guest agent: the file systems are no list");
    if (hf_mountinfo_parse(hf_buf_str(&text), text.len, &mounts, err) != 0)
        return hf_wrap(err, "mounts of the guest");
    struct teller t = {&vm, fsinfo, emit, ctx};
    for (size_t i = 0; i < mounts.n; i++)
        if (!mounts.items[i].is_hidden && tell(&t, &mounts.items[i]) != 0)
            return -1;
    return 0;
}
