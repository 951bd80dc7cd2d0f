/* SPDX-License-Identifier: Apache-2.0
 *
 * FROZEN: a plugin as somebody wrote it against ABI 1.0, using no more than the first operations.
 */
#include "holdfast/plugin.h"

#include <stdlib.h>
#include <string.h>

struct hf_instance {
    const struct hf_host *host;
};

static int old_open(const struct hf_host *host, const struct hf_kv *kv, size_t n,
                    struct hf_instance **out, struct hf_err *err)
{
    (void)kv, (void)n;
    struct hf_instance *in = malloc(sizeof *in);
    if (!in) {
        err->cls = HF_E_INTERNAL;
        strcpy(err->message, "no memory");
        return -1;
    }
    in->host = host;
    *out = in;
    return 0;
}

static void old_close(struct hf_instance *in)
{
    free(in);
}

static int old_vm_list(struct hf_instance *in, const struct hf_call *call, hf_vm_cb emit, void *ctx,
                       struct hf_err *err)
{
    struct hf_vm vm = {.struct_size = sizeof vm,
                       .state = HF_VM_RUNNING,
                       .can = HF_CAN_SNAPSHOT,
                       .id = "7",
                       .name = "seven"};
    if (call->deadline_ms <= in->host->now_ms(in->host->ctx)) {
        err->cls = HF_E_TIMEOUT;
        strcpy(err->message, "too late");
        return -1;
    }
    return emit(ctx, &vm) ? -1 : 0;
}

static int old_vm_disks(struct hf_instance *in, const struct hf_call *call, const char *vm_id,
                        hf_disk_cb emit, void *ctx, struct hf_err *err)
{
    (void)in, (void)call, (void)vm_id, (void)err;
    struct hf_disk disk = {.struct_size = sizeof disk,
                           .target = "sda",
                           .source = "/images/seven",
                           .capacity_bytes = 1024};
    return emit(ctx, &disk) ? -1 : 0;
}

static const struct hf_plugin plugin = {
    .magic = HF_PLUGIN_MAGIC,
    .abi_major = 1,
    .abi_minor = 0,
    .struct_size = sizeof(struct hf_plugin),
    .name = "old",
    .version = "0.9",
    .description = "built from the header of ABI 1.0",
    .capabilities = HF_CAN_SNAPSHOT,
    .open = old_open,
    .close = old_close,
    .vm_list = old_vm_list,
    .vm_disks = old_vm_disks,
};

HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host);
HF_PLUGIN_EXPORT const struct hf_plugin *holdfast_plugin_entry(const struct hf_host *host)
{
    return host->abi_major == 1 ? &plugin : NULL;
}
