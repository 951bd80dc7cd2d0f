/* SPDX-License-Identifier: Apache-2.0
 *
 * plugin.c - the Proxmox VE plugin's table, open and close.
 */
#include "plugin.h"

#include "agent.h"
#include "base/plugin_side.h"
#include "capture.h"
#include "machine.h"
#include "pushed.h"
#include "pve.h"
#include "rollback.h"
#include "snapshots.h"
#include "storage.h"
#include "vm.h"
#include "vzdump.h"

#include <stdlib.h>
#include <string.h>

static const struct hf_plugin_key keys[] = {
    {.name = "uri",
     .type = HF_KEY_STRING,
     .required = 1,
     .help = "https://HOST:8006 of a node of the cluster, or of several, separated by commas: each "
             "serves all of it."},
    {.name = "token-id",
     .type = HF_KEY_STRING,
     .help = "USER@REALM!TOKENID, the name of the API token."},
    {.name = "token-file",
     .type = HF_KEY_SECRET_FILE,
     .secret = 1,
     .help = "File with the secret of that token; or without token-id with all of it: "
             "USER@REALM!TOKENID=SECRET."},
    {.name = "user",
     .type = HF_KEY_STRING,
     .help = "USER@REALM, for a log-in by password instead of a token."},
    {.name = "password-file",
     .type = HF_KEY_SECRET_FILE,
     .secret = 1,
     .help = "File with the password of that user."},
    {.name = "ca-file",
     .type = HF_KEY_PATH,
     .help = "CA of the servers' certificates: /etc/pve/pve-root-ca.pem of a node. Absent: the "
             "system's."},
    {.name = "pin",
     .type = HF_KEY_STRING,
     .help = "sha256//BASE64 of the server's public key; survives renewals of the certificate. Of "
             "several "
             "hosts each has its own, separated by commas."},
    {.name = "fingerprint",
     .type = HF_KEY_STRING,
     .help = "SHA-256 fingerprint of the server's certificate, as the web interface shows it; for "
             "one host."},
    {.name = "backup-storage",
     .type = HF_KEY_STRING,
     .help =
         "Storage of the cluster that the server writes backups to by vzdump (content: backup)."},
    {.name = "fleecing-storage",
     .type = HF_KEY_STRING,
     .help = "Storage for what the guest overwrites while vzdump copies, so that its writes do not "
             "wait for the backup storage."},
};

static void proxmox_close(struct hf_instance *in)
{
    if (!in)
        return;
    pve_hosts_free(in->api);
    hf_secret_free(in->secret);
    hf_secret_free(in->ticket);
    hf_secret_free(in->csrf);
    hf_strv_free(&in->kept);
    char *owned[] = {
        in->uri,     in->token_id, in->token_file,  in->user,           in->password_file,
        in->ca_file, in->pin,      in->fingerprint, in->backup_storage, in->fleecing_storage};
    for (size_t i = 0; i < HF_ARRAY_SIZE(owned); i++)
        free(owned[i]);
    free(in);
}

static inline void auto_instance(struct hf_instance **in)
{
    proxmox_close(*in);
}

static int take_key(struct hf_instance *in, const struct hf_kv *kv, struct hf_err *err)
{
    const struct hf_key_place known[] = {{"uri", &in->uri},
                                         {"token-id", &in->token_id},
                                         {"token-file", &in->token_file},
                                         {"user", &in->user},
                                         {"password-file", &in->password_file},
                                         {"ca-file", &in->ca_file},
                                         {"pin", &in->pin},
                                         {"fingerprint", &in->fingerprint},
                                         {"backup-storage", &in->backup_storage},
                                         {"fleecing-storage", &in->fleecing_storage}};
    return hf_key_take(known, HF_ARRAY_SIZE(known), kv, err);
}

static int proxmox_open(const struct hf_host *host, const struct hf_kv *kv, size_t n,
                        struct hf_instance **out, struct hf_err *err)
{
    __attribute__((cleanup(auto_instance))) struct hf_instance *in = calloc(1, sizeof *in);
    if (!in)
        return hf_fail_nomem(err);
    in->host = host;
    for (size_t i = 0; i < n; i++)
        if (take_key(in, &kv[i], err) != 0)
            return -1;
    if (pve_storage_check_key("backup-storage", in->backup_storage, err) != 0 ||
        pve_storage_check_key("fleecing-storage", in->fleecing_storage, err) != 0 ||
        pve_connect(in, err) != 0)
        return -1;
    *out = HF_STEAL(in);
    return 0;
}

static const struct hf_plugin plugin = {
    .magic = HF_PLUGIN_MAGIC,
    .abi_major = HF_ABI_MAJOR,
    .abi_minor = HF_ABI_MINOR,
    .struct_size = sizeof(struct hf_plugin),
    .name = "proxmox",
    .version = HF_VERSION,
    .description = "Virtual machines of a Proxmox VE cluster, over its REST API",
    .capabilities = PVE_CAPABILITIES,
    .keys = keys,
    .n_keys = HF_ARRAY_SIZE(keys),
    .open = proxmox_open,
    .close = proxmox_close,
    .probe = proxmox_probe,
    .vm_list = proxmox_vm_list,
    .vm_find = proxmox_vm_find,
    .vm_disks = proxmox_vm_disks,
    .vm_busy = proxmox_vm_busy,
    .vm_definition = proxmox_vm_definition,
    .capture_plan = proxmox_capture_plan,
    .capture_prepare = proxmox_capture_prepare,
    .capture_begin = proxmox_capture_begin,
    .capture_settle = proxmox_capture_settle,
    .capture_free = proxmox_capture_free,
    .capture_discard = proxmox_capture_discard,
    .snapshot_list = proxmox_snapshot_list,
    .snapshot_delete = proxmox_snapshot_delete,
    .rollback_plan = proxmox_rollback_plan,
    .rollback_switch = proxmox_rollback_switch,
    .rollback_settle = proxmox_rollback_settle,
    .rollback_undo = proxmox_rollback_undo,
    .export_disk = proxmox_export_disk,
    .export_watch = proxmox_export_watch,
    .export_end = proxmox_export_end,
    .machine_plan = proxmox_machine_plan,
    .machine_create = proxmox_machine_create,
    .machine_start = proxmox_machine_start,
    .machine_settle = proxmox_machine_settle,
    .machine_destroy = proxmox_machine_destroy,
    .machine_list = proxmox_machine_list,
    .export_pushed = proxmox_export_pushed,
    .pushed_list = proxmox_pushed_list,
    .pushed_delete = proxmox_pushed_delete,
    .pushed_find = proxmox_pushed_find,
    .guest_ping = proxmox_guest_ping,
    .guest_exec = proxmox_guest_exec,
    .guest_file_read = proxmox_guest_file_read,
    .guest_file_write = proxmox_guest_file_write,
    .guest_freeze = proxmox_guest_freeze,
    .guest_thaw = proxmox_guest_thaw,
    .guest_freeze_state = proxmox_guest_freeze_state,
    .guest_mounts = proxmox_guest_mounts,
};

HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);
HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    return host->magic == HF_HOST_MAGIC && host->abi_major == HF_ABI_MAJOR ? &plugin : NULL;
}
