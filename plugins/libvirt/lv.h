/* SPDX-License-Identifier: Apache-2.0
 *
 * lv.h - what the files of the libvirt plugin share: the instance, its connection, errors.
 *
 * Everything here runs in the one thread that calls the instance. There is no event loop: jobs are
 * polled, and a connection that broke is found by the next call and opened again.
 */
#ifndef HF_LIBVIRT_LV_H
#define HF_LIBVIRT_LV_H

#include "api/holdfast/plugin.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/strv.h"

#include <libvirt/libvirt.h>

struct hf_instance {
    const struct hf_host *host;
    char *uri;
    char *overlay_dir; /* NULL: overlays lie beside their base */
    char *scratch_dir; /* NULL: overlay_dir, or beside the first disk */
    long scratch_limit; /* percent of the room for scratch files at which an export is given up */
    virConnectPtr conn;
    struct hf_strv kept; /* strings of results, until the next call */
};

static inline void lv_auto_domain_(virDomainPtr *d)
{
    if (*d)
        virDomainFree(*d);
}
static inline void lv_auto_snapshot_(virDomainSnapshotPtr *s)
{
    if (*s)
        virDomainSnapshotFree(*s);
}
#define LV_AUTODOMAIN __attribute__((cleanup(lv_auto_domain_)))
#define LV_AUTOSNAPSHOT __attribute__((cleanup(lv_auto_snapshot_)))

/* conn.c: CONFIG, UNSUPPORTED (not on this host), UNREACHABLE, AUTH. */
int lv_conn_check_uri(const char *uri, struct hf_err *err) HF_CHECKED;
int lv_conn_open(struct hf_instance *in, struct hf_err *err) HF_CHECKED;
/* The start of each operation: unknown flags, a deadline already past, a lost connection. */
int lv_enter(struct hf_instance *in, const struct hf_call *call, struct hf_err *err) HF_CHECKED;
/* CANCELLED or TIMEOUT when there is a reason to stop at this safe place. */
int lv_check_stop(struct hf_instance *in, const struct hf_call *call, struct hf_err *err)
    HF_CHECKED;
int64_t lv_left_ms(struct hf_instance *in, const struct hf_call *call);
/* Takes ownership (NULL: no memory); valid until the next call. */
const char *lv_keep(struct hf_instance *in, char *owned);
/* By UUID, the id that vm_find tells. */
int lv_domain(struct hf_instance *in, const char *vm_id, virDomainPtr *out, struct hf_err *err)
    HF_CHECKED;
void lv_log(struct hf_instance *in, enum hf_log_level level, const char *fmt, ...) HF_PRINTF(3, 4);

/* error.c: libvirt's last error of this thread, with the context in front. Returns -1. The
 * arguments must call nothing of libvirt: even virDomainGetName resets the last error. */
int lv_fail(struct hf_err *err, const char *fmt, ...) HF_PRINTF(2, 3);
/* The driver does not know this call (test:///default lacks some). */
bool lv_is_unsupported_call(void);

/* Milliseconds between two looks at a block job. */
#define LV_POLL_MS 20

#endif
