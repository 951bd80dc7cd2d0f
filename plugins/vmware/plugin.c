/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c - the vmware plugin's table, open and close.
 */
#include "plugin.h"

#include "base/plugin_side.h"
#include "capture.h"
#include "export.h"
#include "guest.h"
#include "rollback.h"
#include "snapshots.h"
#include "vm.h"
#include "vmw.h"

#include <stdlib.h>
#include <string.h>

static const struct hf_plugin_key keys[] = {
    {.name = "uri",
     .type = HF_KEY_STRING,
     .required = 1,
     .help = "https://HOST of the vCenter, or of a standalone ESXi host."},
    {.name = "user",
     .type = HF_KEY_STRING,
     .required = 1,
     .help = "Who logs in, with the domain: holdfast@vsphere.local; root on ESXi."},
    {.name = "password-file",
     .type = HF_KEY_SECRET_FILE,
     .required = 1,
     .secret = 1,
     .help = "File with the password of that user."},
    {.name = "ca-file",
     .type = HF_KEY_PATH,
     .help =
         "CA of the servers' certificates: the VMCA root, from https://HOST/certs/download.zip. "
         "Absent: the system's."},
    {.name = "pin", .type = HF_KEY_STRING, .help = "sha256//BASE64 of the server's public key."},
    {.name = "thumbprint",
     .type = HF_KEY_STRING,
     .help = "SHA-256 thumbprint of the server's certificate, AA:BB:…; stands alone."},
    {.name = "chain-max",
     .type = HF_KEY_INT,
     .fallback = "3",
     .help = "No snapshot is made of a VM that stands on so many already; 1 to 31."},
    {.name = "tools-quiesce",
     .type = HF_KEY_BOOL,
     .fallback = "no",
     .help = "VMware Tools quiesce the guest at each snapshot (freeze scripts, VSS)."},
    {.name = "guest-user",
     .type = HF_KEY_STRING,
     .help = "Account in the guests, for programs and files by VMware Tools."},
    {.name = "guest-password-file",
     .type = HF_KEY_SECRET_FILE,
     .secret = 1,
     .help = "File with the password of that account."},
};

static void vmware_close(struct hf_instance *in)
{
    if (!in)
        return;
    vmw_guest_folder_leave(in);
    vmw_log_out(in);
    hf_http_free(in->http);
    hf_secret_free(in->password);
    hf_secret_free(in->guest_password);
    hf_strv_free(&in->kept);
    char *owned[] = {in->uri,           in->user,       in->password_file, in->ca_file,
                     in->pin,           in->thumbprint, in->guest_user,    in->guest_password_file,
                     in->tools_quiesce, in->base,       in->chain_max_text};
    for (size_t i = 0; i < HF_ARRAY_SIZE(owned); i++)
        free(owned[i]);
    free(in);
}

static inline void auto_instance(struct hf_instance **in)
{
    vmware_close(*in);
}

static int take_key(struct hf_instance *in, const struct hf_kv *kv, struct hf_err *err)
{
    const struct hf_key_place known[] = {{"uri", &in->uri},
                                         {"user", &in->user},
                                         {"password-file", &in->password_file},
                                         {"ca-file", &in->ca_file},
                                         {"pin", &in->pin},
                                         {"thumbprint", &in->thumbprint},
                                         {"chain-max", &in->chain_max_text},
                                         {"tools-quiesce", &in->tools_quiesce},
                                         {"guest-user", &in->guest_user},
                                         {"guest-password-file", &in->guest_password_file}};
    return hf_key_take(known, HF_ARRAY_SIZE(known), kv, err);
}

static int vmware_open(const struct hf_host *host, const struct hf_kv *kv, size_t n,
                       struct hf_instance **out, struct hf_err *err)
{
    __attribute__((cleanup(auto_instance))) struct hf_instance *in = calloc(1, sizeof *in);
    if (!in)
        return hf_fail_nomem(err);
    in->host = host;
    for (size_t i = 0; i < n; i++)
        if (take_key(in, &kv[i], err) != 0)
            return -1;
    if (vmw_connect(in, err) != 0)
        return -1;
    *out = HF_STEAL(in);
    return 0;
}

static const struct hf_plugin plugin = {
    .magic = HF_PLUGIN_MAGIC,
    .abi_major = HF_ABI_MAJOR,
    .abi_minor = HF_ABI_MINOR,
    .struct_size = sizeof(struct hf_plugin),
    .name = "vmware",
    .version = HF_VERSION,
    .description = "Virtual machines of a vCenter or an ESXi host, over the vSphere API",
    .capabilities = VMW_CAPABILITIES,
    .keys = keys,
    .n_keys = HF_ARRAY_SIZE(keys),
    .open = vmware_open,
    .close = vmware_close,
    .probe = vmware_probe,
    .vm_list = vmware_vm_list,
    .vm_find = vmware_vm_find,
    .vm_disks = vmware_vm_disks,
    .vm_busy = vmware_vm_busy,
    .vm_definition = vmware_vm_definition,
    .capture_plan = vmware_capture_plan,
    .capture_prepare = vmware_capture_prepare,
    .capture_begin = vmware_capture_begin,
    .capture_settle = vmware_capture_settle,
    .capture_free = vmware_capture_free,
    .capture_discard = vmware_capture_discard,
    .export_disk = vmware_export_disk,
    .export_stream = vmware_export_stream,
    .export_watch = vmware_export_watch,
    .export_end = vmware_export_end,
    .snapshot_list = vmware_snapshot_list,
    .snapshot_delete = vmware_snapshot_delete,
    .rollback_plan = vmware_rollback_plan,
    .rollback_switch = vmware_rollback_switch,
    .rollback_settle = vmware_rollback_settle,
    .rollback_undo = vmware_rollback_undo,
    .guest_ping = vmware_guest_ping,
    .guest_exec = vmware_guest_exec,
    .guest_file_read = vmware_guest_file_read,
    .guest_file_write = vmware_guest_file_write,
};

HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);
HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    return host->magic == HF_HOST_MAGIC && host->abi_major == HF_ABI_MAJOR ? &plugin : NULL;
}
