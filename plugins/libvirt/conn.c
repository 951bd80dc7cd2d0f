/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/plugin_side.h"
#include "lv.h"

#include <libvirt/virterror.h>
#include <libxml/uri.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

static void say_nothing(void *ctx, virErrorPtr error)
{
    (void)ctx, (void)error;
}

/* libvirt prints each error on stderr unless it is told not to; both calls are once per process. */
static void init_libvirt(void)
{
    virInitialize();
    virSetErrorFunc(NULL, say_nothing);
}

static void auto_uri(xmlURIPtr *u)
{
    if (*u)
        xmlFreeURI(*u);
}

static int fail_remote(const char *uri, struct hf_err *err)
{
    hf_fail(err, HF_E_UNSUPPORTED, "'%s' is not on this host", uri);
    return hf_hint(err,
                   "Run holdfast on the hypervisor's host, with uri = qemu:///system: it makes "
                   "and removes overlay files itself.");
}

int lv_conn_check_uri(const char *uri, struct hf_err *err)
{
    static const char *const schemes[] = {"qemu", "qemu+unix", "test"};
    __attribute__((cleanup(auto_uri))) xmlURIPtr u = xmlParseURI(uri);
    if (!u || !u->scheme || !u->path)
        return hf_fail(err, HF_E_CONFIG, "'%s' is no libvirt URI", uri);
    if ((u->server && *u->server) || u->port > 0 || u->user)
        return fail_remote(uri, err);
    if (strcmp(u->path, "/embed") == 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "'%s': the embedded driver needs an event loop", uri);
    for (size_t i = 0; i < HF_ARRAY_SIZE(schemes); i++)
        if (strcmp(u->scheme, schemes[i]) == 0)
            return 0;
    if (strncmp(u->scheme, "qemu+", 5) == 0)
        return fail_remote(uri, err);
    hf_fail(err, HF_E_UNSUPPORTED, "'%s': this plugin speaks with QEMU only", uri);
    return hf_hint(err, "Use qemu:///system, qemu:///session or qemu+unix:///system?socket=PATH.");
}

int lv_conn_open(struct hf_instance *in, struct hf_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_libvirt);
    if (in->conn)
        virConnectClose(in->conn);
    in->conn = virConnectOpen(in->uri);
    if (in->conn)
        return 0;
    lv_fail(err, "connect to '%s'", in->uri);
    /* A daemon that is not there is a system error of whatever layer met it first. */
    const virError *e = virGetLastError();
    if (err->cls == HF_E_PLUGIN && e && e->code == VIR_ERR_SYSTEM_ERROR) {
        err->cls = e->int1 == EACCES || e->int1 == EPERM ? HF_E_AUTH : HF_E_UNREACHABLE;
        hf_hint(err, err->cls == HF_E_AUTH ? "Run as root, or as a member of the group libvirt."
                                           : "Is libvirtd (virtqemud) running?");
    }
    return -1;
}

static bool is_past(struct hf_instance *in, const struct hf_call *call)
{
    return call->deadline_ms != HF_NO_DEADLINE &&
           in->host->now_ms(in->host->ctx) >= call->deadline_ms;
}

int lv_enter(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    hf_strv_free(&in->kept);
    if (call->flags)
        return hf_fail(err, HF_E_UNSUPPORTED, "unknown flag bits 0x%x", (unsigned)call->flags);
    if (is_past(in, call))
        return hf_fail(err, HF_E_TIMEOUT, "the deadline had passed before the call");
    unsigned long version;
    /* Without an event loop only a round trip notices that libvirtd was restarted. It costs 0.1 ms.
     */
    if (virConnectGetLibVersion(in->conn, &version) == 0)
        return 0;
    return lv_conn_open(in, err);
}

int lv_check_stop(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    if (in->host->cancelled(in->host->ctx))
        return hf_fail(err, HF_E_CANCELLED, "cancelled");
    if (is_past(in, call))
        return hf_fail(err, HF_E_TIMEOUT, "the deadline passed");
    return 0;
}

int64_t lv_left_ms(struct hf_instance *in, const struct hf_call *call)
{
    if (call->deadline_ms == HF_NO_DEADLINE)
        return INT32_MAX;
    int64_t left = call->deadline_ms - in->host->now_ms(in->host->ctx);
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
}

const char *lv_keep(struct hf_instance *in, char *owned)
{
    if (!owned || hf_strv_take(&in->kept, owned) != 0)
        return NULL;
    return in->kept.items[in->kept.n - 1];
}

int lv_domain(struct hf_instance *in, const char *vm_id, virDomainPtr *out, struct hf_err *err)
{
    *out = virDomainLookupByUUIDString(in->conn, vm_id);
    if (*out)
        return 0;
    const virError *e = virGetLastError();
    if (e && e->code == VIR_ERR_INVALID_ARG) /* not even a UUID */
        return hf_fail(err, HF_E_NOT_FOUND, "no VM with the id '%s'", vm_id);
    return lv_fail(err, "VM '%s'", vm_id);
}

void lv_log(struct hf_instance *in, enum hf_log_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    hf_host_vlog(in->host, level, fmt, ap);
    va_end(ap);
}
