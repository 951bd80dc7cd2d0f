/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"
#include "agent_reply.h"
#include "base/mountinfo.h"
#include "fsinfo.h"

#include <string.h>

#define MOUNTINFO_MAX ((size_t)4 << 20)

struct sink {
    const struct lv_vm *vm;
    hf_mount_cb emit;
    void *ctx;
};

/* Partitions of one disk are one target. */
static bool was_told(const struct lv_fs *fs, size_t upto, const char *target,
                     const struct lv_vm *vm)
{
    for (size_t i = 0; i < upto; i++) {
        const char *other = lv_fs_disk_target(&fs->disks[i], vm);
        if (other == target || (other && target && strcmp(other, target) == 0))
            return true;
    }
    return false;
}

/* Once per target of fs; fs NULL or without disks: once, on none. */
static int tell(const struct sink *s, struct hf_guest_mount *mount, const struct lv_fs *fs)
{
    mount->struct_size = sizeof *mount;
    if (!fs || !fs->n_disks)
        return s->emit(s->ctx, mount) != 0 ? -1 : 0;
    for (size_t i = 0; i < fs->n_disks; i++) {
        mount->target = lv_fs_disk_target(&fs->disks[i], s->vm);
        if (!was_told(fs, i, mount->target, s->vm) && s->emit(s->ctx, mount) != 0)
            return -1;
    }
    return 0;
}

static int tell_mounts(const struct sink *s, const struct hf_mountinfo *mounts,
                       const struct lv_fs_list *list)
{
    for (size_t i = 0; i < mounts->n; i++) {
        const struct hf_mountinfo_entry *m = &mounts->items[i];
        struct hf_guest_mount out = {
            .mountpoint = m->mountpoint, .fstype = m->type, .device = m->source};
        if (m->is_hidden)
            continue;
        if (tell(s, &out, m->has_device ? lv_fs_find(list, m->mountpoint) : NULL) != 0)
            return -1;
    }
    return 0;
}

static int tell_file_systems(const struct sink *s, const struct lv_fs_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct lv_fs *fs = &list->items[i];
        struct hf_guest_mount out = {
            .mountpoint = fs->mountpoint, .fstype = fs->type, .device = fs->name};
        if (lv_fs_find(list, fs->mountpoint) == fs && tell(s, &out, fs) != 0)
            return -1;
    }
    return 0;
}

static int read_fsinfo(const struct lv_agent *a, struct lv_fs_list *out, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *value = NULL;
    if (lv_agent_call(a, "guest-get-fsinfo", NULL, &value, err) != 0)
        return -1;
    return lv_fsinfo_parse(value, out, err) == 0 ? 0 : hf_wrap(err, "guest agent");
}

/* 1: the guest lets nobody read it, or has none. */
static int read_mountinfo(const struct lv_agent *a, struct hf_mountinfo *out, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    struct hf_err why = HF_ERR_INIT;
    if (lv_agent_read(a, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, &why) == 0)
        return hf_mountinfo_parse(hf_buf_str(&text), text.len, out, err) == 0
                   ? 0
                   : hf_wrap(err, "mounts of the guest");
    if (why.cls != HF_E_UNSUPPORTED && why.cls != HF_E_PLUGIN && why.cls != HF_E_NOT_FOUND) {
        hf_err_copy(err, &why);
        return -1;
    }
    lv_log(a->in, HF_LOG_WARN, "network and memory file systems of the guest stay unknown: %s",
           why.message);
    return 1;
}

int libvirt_guest_mounts(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                         hf_mount_cb emit, void *ctx, struct hf_err *err)
{
    LV_AUTOAGENT struct lv_agent a = {0};
    HF_AUTO(lv_fs_list) struct lv_fs_list list = {0};
    HF_AUTO(hf_mountinfo) struct hf_mountinfo mounts = {0};
    if (lv_agent_enter(&a, in, call, vm_id, err) != 0 || read_fsinfo(&a, &list, err) != 0)
        return -1;
    int rc = read_mountinfo(&a, &mounts, err);
    if (rc < 0)
        return -1;
    HF_AUTO(lv_vm) struct lv_vm *vm = lv_vm_load(a.dom, 0, err);
    if (!vm)
        return -1;
    struct sink s = {vm, emit, ctx};
    return rc == 0 ? tell_mounts(&s, &mounts, &list) : tell_file_systems(&s, &list);
}
