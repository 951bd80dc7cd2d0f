/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"
#include "lv.h"

#include <libvirt/virterror.h>
#include <stdarg.h>
#include <string.h>

struct mapping {
    int code; /* virErrorNumber */
    enum hf_err_class cls;
    const char *hint;
};

static const struct mapping mappings[] = {
    {VIR_ERR_NO_DOMAIN, HF_E_NOT_FOUND, NULL},
    {VIR_ERR_NO_DOMAIN_SNAPSHOT, HF_E_NOT_FOUND, NULL},
    {VIR_ERR_AUTH_FAILED, HF_E_AUTH, "Run as root, or as a member of the group libvirt."},
    {VIR_ERR_AUTH_CANCELLED, HF_E_AUTH, "Run as root, or as a member of the group libvirt."},
    {VIR_ERR_AUTH_UNAVAILABLE, HF_E_AUTH, "Run as root, or as a member of the group libvirt."},
    {VIR_ERR_ACCESS_DENIED, HF_E_AUTH, "See the rights listed in the plugin's manual."},
    {VIR_ERR_NO_CONNECT, HF_E_UNREACHABLE, "Is libvirtd (virtqemud) running?"},
    {VIR_ERR_RPC, HF_E_UNREACHABLE, "Is libvirtd (virtqemud) running?"},
    /* 9.0: "cannot acquire state change lock (held by …)", after 30 s. */
    {VIR_ERR_OPERATION_TIMEOUT, HF_E_BUSY, "Another libvirt client works on this VM; try later."},
    {VIR_ERR_BLOCK_COPY_ACTIVE, HF_E_BUSY, "Wait for the running block job, or abort it."},
    {VIR_ERR_NO_SUPPORT, HF_E_UNSUPPORTED, NULL},
    {VIR_ERR_OPERATION_UNSUPPORTED, HF_E_UNSUPPORTED, NULL},
    {VIR_ERR_CONFIG_UNSUPPORTED, HF_E_UNSUPPORTED, NULL},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, HF_E_UNSUPPORTED, NULL},
    {VIR_ERR_AGENT_UNRESPONSIVE, HF_E_UNREACHABLE, "Is qemu-guest-agent running in the guest?"},
    {VIR_ERR_AGENT_UNSYNCED, HF_E_UNREACHABLE, "Is qemu-guest-agent running in the guest?"},
    {VIR_ERR_OPERATION_INVALID, HF_E_CONFLICT,
     NULL}, /* the VM is in another state than we thought */
    {VIR_ERR_NO_MEMORY, HF_E_INTERNAL, NULL},
};

static const struct mapping *find_mapping(int code)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(mappings); i++)
        if (mappings[i].code == code)
            return &mappings[i];
    return NULL;
}

static enum hf_err_class class_of(const virError *e, const struct mapping *m)
{
    if (m)
        return m->cls;
    /* A socket that broke is a system error in the domain of the RPC layer. */
    if (e->code == VIR_ERR_SYSTEM_ERROR &&
        (e->domain == VIR_FROM_RPC || e->domain == VIR_FROM_REMOTE))
        return HF_E_UNREACHABLE;
    if (e->message && strstr(e->message, "No space left on device"))
        return HF_E_NOSPACE;
    return HF_E_PLUGIN;
}

int lv_fail(struct hf_err *err, const char *fmt, ...)
{
    const virError *e = virGetLastError();
    const struct mapping *m = e ? find_mapping(e->code) : NULL;
    char context[HF_ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    if (!e)
        return hf_fail(err, HF_E_PLUGIN, "%s: libvirt gives no reason", context);
    hf_fail(err, class_of(e, m), "%s: %s", context, e->message ? e->message : "(no message)");
    hf_replace_controls(err->message, ' ');
    err->retryable = err->cls == HF_E_BUSY || err->cls == HF_E_UNREACHABLE;
    if (m && m->hint)
        hf_hint(err, "%s", m->hint);
    else if (err->cls == HF_E_UNREACHABLE)
        hf_hint(err, "Is libvirtd (virtqemud) running?");
    return -1;
}

bool lv_is_unsupported_call(void)
{
    const virError *e = virGetLastError();
    return e && e->code == VIR_ERR_NO_SUPPORT;
}
