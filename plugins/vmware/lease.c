/* SPDX-License-Identifier: Apache-2.0 */
#include "lease.h"

#include "base/point.h"
#include "keeper.h"
#include "vm.h"

#include <ctype.h>
#include <string.h>

#define POLL_FIRST_MS 50
#define POLL_MS 1000
#define TIMEOUT_DEFAULT_S 300
#define TIMEOUT_MAX_S 3600
#define ABORT_MS 5000
#define DISKS_MAX 256

struct lease_disk {
    char target[24];
    char *url;
};

struct vmw_lease {
    struct vmw_ref ref;
    struct lease_disk *disks;
    size_t n;
    int64_t timeout_ms;
    struct vmw_keeper *keeper;
};

static void lease_free(struct vmw_lease *l)
{
    if (!l)
        return;
    vmw_keeper_stop(l->keeper);
    for (size_t i = 0; i < l->n; i++)
        free(l->disks[i].url);
    free(l->disks);
    free(l);
}

/* ---- what it has ------------------------------------------------------------------------------------------------- */

/* "/vm-1/ParaVirtualSCSIController0:2" is our scsi0:2. */
static bool read_key(const char *key, char target[24])
{
    static const char digits[] = "0123456789";
    char type[64];
    const char *name = key ? strrchr(key, '/') : NULL;
    name = name ? name + 1 : key;
    const char *colon = name ? strrchr(name, ':') : NULL, *number = colon;
    while (number && number > name && isdigit((unsigned char)number[-1]))
        number--;
    if (!colon || number == colon || number - name >= (ptrdiff_t)sizeof type ||
        colon - number > 4 || !colon[1] || strlen(colon) > 5 ||
        strspn(colon + 1, digits) != strlen(colon + 1))
        return false;
    snprintf(type, sizeof type, "%.*s", (int)(number - name), name);
    const char *bus = vmw_bus_of(type);
    if (bus)
        snprintf(target, 24, "%s%s", bus, number);
    return bus != NULL;
}

static int add_disk(struct hf_instance *in, struct vmw_lease *l, const struct vmw_node *told,
                    struct hf_err *err)
{
    struct lease_disk d = {0};
    if (!vmw_true(vmw_child(told, "disk")))
        return 0; /* the VM's settings, its CDs */
    const char *key = vmw_child_text(told, "key");
    if (!read_key(key, d.target)) {
        vmw_log(in, HF_LOG_WARN, "the lease has a disk '%.80s', which is of no known bus",
                key ? key : "");
        return 0;
    }
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->disks[i].target, d.target) == 0)
            return hf_fail(err, HF_E_CORRUPT, "the lease has disk %s twice", d.target);
    struct lease_disk *more =
        l->n < DISKS_MAX ? reallocarray(l->disks, l->n + 1, sizeof *more) : NULL;
    if (!more)
        return hf_fail(err, HF_E_CORRUPT, "the lease has more disks than can be");
    l->disks = more;
    d.url = vmw_transfer_url(in, vmw_child_text(told, "url"), err);
    if (!d.url)
        return hf_wrap(err, "disk %s", d.target);
    l->disks[l->n++] = d;
    for (size_t i = 0; i + 1 < l->n; i++)
        if (strcmp(l->disks[i].url, d.url) == 0)
            return hf_fail(err, HF_E_CORRUPT, "the lease has disks %s and %s at one place",
                           l->disks[i].target, d.target);
    return 0;
}

static int read_info(struct hf_instance *in, struct vmw_lease *l, const struct vmw_node *info,
                     struct hf_err *err)
{
    int64_t s = vmw_int(vmw_child(info, "leaseTimeout"), 0);
    if (!info)
        return hf_fail(err, HF_E_CORRUPT, "the lease is ready and tells nothing");
    l->timeout_ms = 1000 * (s <= 0 ? TIMEOUT_DEFAULT_S : s < TIMEOUT_MAX_S ? s : TIMEOUT_MAX_S);
    const struct vmw_node *d = vmw_child(info, "deviceUrl");
    for (; d; d = vmw_next(d))
        if (add_disk(in, l, d, err) != 0)
            return -1;
    return 0;
}

/* ---- until it is ready --------------------------------------------------------------------------------------------- */

/* 1: ready, and read. 0: not yet. */
static int look(struct hf_instance *in, const struct hf_call *call, struct vmw_lease *l,
                struct hf_err *err)
{
    static const char *const paths[] = {"state", "info", "error", NULL};
    HF_AUTO(vmw_props) struct vmw_props p = {0};
    if (vmw_props_get(in, call, &l->ref, paths, &p, err) != 0)
        return hf_wrap(err, "the lease");
    const struct vmw_node *state = vmw_prop(p.object, "state");
    if (vmw_is(state, "ready"))
        return read_info(in, l, vmw_prop(p.object, "info"), err) == 0 ? 1 : -1;
    if (vmw_is(state, "initializing"))
        return 0;
    if (!vmw_is(state, "error"))
        return hf_fail(err, HF_E_PLUGIN, "the lease is over before it began");
    vmw_fail_localized(in, vmw_prop(p.object, "error"), err);
    return hf_wrap(err, "the lease ended with");
}

static int wait_ready(struct hf_instance *in, const struct hf_call *call, struct vmw_lease *l,
                      struct hf_err *err)
{
    for (int64_t pause = POLL_FIRST_MS;; pause = pause * 2 < POLL_MS ? pause * 2 : POLL_MS) {
        int rc = look(in, call, l, err);
        if (rc != 0)
            return rc < 0 ? -1 : 0;
        if (vmw_check_stop(in, call, err) != 0)
            return hf_wrap(err, "the lease is not ready");
        vmw_pause(in, call, pause);
    }
}

static int request(struct hf_instance *in, const struct hf_call *call,
                   const struct vmw_ref *snapshot, struct vmw_ref *out, struct hf_err *err)
{
    struct vmw_request req = {.method = "ExportSnapshot", .self = snapshot};
    int rc = vmw_call_ref(in, call, &req, out, err);
    if (rc != 0 && in->is_unclear)
        hf_left(err, "perhaps an export of VM %s, which the server ends by itself in some minutes",
                in->vm_id);
    return rc;
}

int vmw_lease_open(struct hf_instance *in, const struct hf_call *call,
                   const struct vmw_ref *snapshot, struct hf_err *err)
{
    struct vmw_ref ref;
    vmw_lease_abort(in);
    if (HF_POINT_ERR("vmware.before_lease", err) != 0 ||
        request(in, call, snapshot, &ref, err) != 0)
        return -1;
    in->lease = calloc(1, sizeof *in->lease);
    if (!in->lease)
        return hf_fail_nomem(err);
    in->lease->ref = ref;
    if (HF_POINT_ERR("vmware.after_lease", err) == 0 && wait_ready(in, call, in->lease, err) == 0 &&
        (in->lease->keeper = vmw_keeper_start(in, &ref, in->lease->timeout_ms, err)))
        return 0;
    vmw_lease_abort(in);
    return -1;
}

/* ---- while it lasts ------------------------------------------------------------------------------------------------ */

const char *vmw_lease_url(const struct hf_instance *in, const char *target, struct hf_err *err)
{
    for (size_t i = 0; i < in->lease->n; i++)
        if (strcmp(in->lease->disks[i].target, target) == 0)
            return in->lease->disks[i].url;
    hf_fail(err, HF_E_CONFLICT, "the server exports no disk %s of the snapshot", target);
    return NULL;
}

int vmw_lease_check(const struct hf_instance *in, struct hf_err *err)
{
    return vmw_keeper_check(in->lease->keeper, err);
}

void vmw_lease_percent(const struct hf_instance *in, int percent)
{
    vmw_keeper_percent(in->lease->keeper, percent);
}

/* ---- its end --------------------------------------------------------------------------------------------------------- */

/* Twice does no harm. */
static int end(struct hf_instance *in, const struct hf_call *call, const char *method,
               struct hf_err *err)
{
    HF_AUTO(vmw_tree) struct vmw_tree *t = NULL;
    struct vmw_request req = {.method = method, .self = &in->lease->ref, .is_read = true};
    vmw_keeper_stop(HF_STEAL(in->lease->keeper));
    int rc = vmw_call(in, call, &req, &t, err);
    lease_free(HF_STEAL(in->lease));
    return rc;
}

int vmw_lease_complete(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
{
    return end(in, call, "HttpNfcLeaseComplete", err);
}

void vmw_lease_abort(struct hf_instance *in)
{
    struct hf_err why = HF_ERR_INIT;
    if (!in->lease)
        return;
    vmw_keeper_stop(HF_STEAL(in->lease->keeper));
    struct hf_call call = {.struct_size = sizeof call, .deadline_ms = vmw_now_ms(in) + ABORT_MS};
    bool ignores = in->ignores_cancel;
    in->ignores_cancel = true;
    if (end(in, &call, "HttpNfcLeaseAbort", &why) != 0 && why.cls != HF_E_NOT_FOUND)
        vmw_log(in, HF_LOG_DETAIL, "the lease was not ended, and ends by itself: %s", why.message);
    in->ignores_cancel = ignores;
}
