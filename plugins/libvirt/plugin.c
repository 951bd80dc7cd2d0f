/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c - the libvirt plugin's table, open and close.
 */
#include "plugin.h"

#include "agent.h"
#include "capture.h"
#include "checkpoints.h"
#include "discard.h"
#include "disks.h"
#include "lv.h"
#include "machine.h"
#include "remove.h"
#include "rollback.h"
#include "snapshots.h"
#include "vm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct hf_plugin_key keys[] = {
    {.name = "uri",
     .type = HF_KEY_STRING,
     .required = 1,
     .help = "libvirt's connection URI, on this host: qemu:///system, qemu:///session or "
             "qemu+unix:///system?socket=PATH."},
    {.name = "overlay-dir",
     .type = HF_KEY_PATH,
     .help =
         "Directory for overlay files. Absent: beside each disk's file. Needed for disks that are "
         "block devices."},
    {.name = "scratch-dir",
     .type = HF_KEY_PATH,
     .help = "Directory for what an export keeps of the instant while the guest writes on. Absent: "
             "overlay-dir, or beside the VM's first disk."},
    {.name = "scratch-limit",
     .type = HF_KEY_INT,
     .fallback = "80",
     .help = "Percent of the room there at which an export is given up, so that the VM never has "
             "to wait (50 to 95)."},
};

#define SCRATCH_LIMIT 80


static void libvirt_close(struct hf_instance *in)
{
    if (!in)
        return;
    if (in->conn)
        virConnectClose(in->conn);
    hf_strv_free(&in->kept);
    free(in->uri);
    free(in->overlay_dir);
    free(in->scratch_dir);
    free(in);
}

static inline void auto_instance(struct hf_instance **in)
{
    libvirt_close(*in);
}

static int check_dir(const char *key, const char *dir, struct hf_err *err)
{
    struct stat st;
    if (*dir != '/')
        return hf_fail(err, HF_E_CONFIG, "%s '%s' is no absolute path", key, dir);
    if (stat(dir, &st) != 0)
        return hf_fail(err, HF_E_CONFIG, "%s '%s': %s", key, dir, strerror(errno));
    return S_ISDIR(st.st_mode)
               ? 0
               : hf_fail(err, HF_E_CONFIG, "%s '%s' is no directory", key, dir);
}

static int take_limit(struct hf_instance *in, const char *value, struct hf_err *err)
{
    char *end;
    in->scratch_limit = strtol(value, &end, 10);
    if (*end || in->scratch_limit < 50 || in->scratch_limit > 95)
        return hf_fail(err, HF_E_CONFIG, "scratch-limit '%s' is not between 50 and 95", value);
    return 0;
}

static int take_key(struct hf_instance *in, const struct hf_kv *kv, struct hf_err *err)
{
    char **to = strcmp(kv->key, "uri") == 0           ? &in->uri
                : strcmp(kv->key, "overlay-dir") == 0 ? &in->overlay_dir
                : strcmp(kv->key, "scratch-dir") == 0 ? &in->scratch_dir
                                                      : NULL;
    if (strcmp(kv->key, "scratch-limit") == 0)
        return take_limit(in, kv->value, err);
    if (!to)
        return hf_fail(err, HF_E_CONFIG, "unknown key '%s'", kv->key);
    free(*to);
    *to = strdup(kv->value);
    if (!*to)
        return hf_fail_nomem(err);
    if (to == &in->uri)
        return 0;
    /* Paths are compared with what libvirt tells: one way to write them. */
    for (size_t len = strlen(*to); len > 1 && (*to)[len - 1] == '/'; len--)
        (*to)[len - 1] = '\0';
    return check_dir(kv->key, *to, err);
}

static int libvirt_open(const struct hf_host *host, const struct hf_kv *kv, size_t n,
                        struct hf_instance **out, struct hf_err *err)
{
    __attribute__((cleanup(auto_instance))) struct hf_instance *in = calloc(1, sizeof *in);
    if (!in)
        return hf_fail_nomem(err);
    in->host = host;
    in->scratch_limit = SCRATCH_LIMIT;
    for (size_t i = 0; i < n; i++)
        if (take_key(in, &kv[i], err) != 0)
            return -1;
    if (!in->uri)
        return hf_fail(err, HF_E_CONFIG, "the key 'uri' is missing");
    if (lv_conn_check_uri(in->uri, err) != 0 || lv_conn_open(in, err) != 0)
        return -1;
    *out = HF_STEAL(in);
    return 0;
}

static const struct hf_plugin plugin = {
    .magic = HF_PLUGIN_MAGIC,
    .abi_major = HF_ABI_MAJOR,
    .abi_minor = HF_ABI_MINOR,
    .struct_size = sizeof(struct hf_plugin),
    .name = "libvirt",
    .version = HF_VERSION,
    .description = "QEMU/KVM virtual machines of this host, through libvirt",
    .capabilities = LV_CAPABILITIES,
    .keys = keys,
    .n_keys = HF_ARRAY_SIZE(keys),
    .open = libvirt_open,
    .close = libvirt_close,
    .probe = libvirt_probe,
    .vm_list = libvirt_vm_list,
    .vm_find = libvirt_vm_find,
    .vm_disks = libvirt_vm_disks,
    .vm_busy = libvirt_vm_busy,
    .vm_definition = libvirt_vm_definition,
    .capture_plan = libvirt_capture_plan,
    .capture_prepare = libvirt_capture_prepare,
    .capture_begin = libvirt_capture_begin,
    .capture_settle = libvirt_capture_settle,
    .capture_free = libvirt_capture_free,
    .capture_discard = libvirt_capture_discard,
    .snapshot_list = libvirt_snapshot_list,
    .snapshot_delete = libvirt_snapshot_delete,
    .export_disk = libvirt_export_disk,
    .guest_ping = libvirt_guest_ping,
    .guest_exec = libvirt_guest_exec,
    .guest_file_read = libvirt_guest_file_read,
    .guest_file_write = libvirt_guest_file_write,
    .guest_freeze = libvirt_guest_freeze,
    .guest_thaw = libvirt_guest_thaw,
    .guest_freeze_state = libvirt_guest_freeze_state,
    .guest_mounts = libvirt_guest_mounts,
    .rollback_plan = libvirt_rollback_plan,
    .rollback_switch = libvirt_rollback_switch,
    .rollback_settle = libvirt_rollback_settle,
    .rollback_undo = libvirt_rollback_undo,
    .export_watch = libvirt_export_watch,
    .export_end = libvirt_export_end,
    .checkpoint_drop = libvirt_checkpoint_drop,
    .checkpoint_list = libvirt_checkpoint_list,
    .machine_plan = libvirt_machine_plan,
    .machine_create = libvirt_machine_create,
    .machine_start = libvirt_machine_start,
    .machine_settle = libvirt_machine_settle,
    .machine_destroy = libvirt_machine_destroy,
    .machine_list = libvirt_machine_list,
};

HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);
HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    return host->magic == HF_HOST_MAGIC && host->abi_major == HF_ABI_MAJOR ? &plugin : NULL;
}
