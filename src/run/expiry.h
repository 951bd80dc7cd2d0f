/* SPDX-License-Identifier: Apache-2.0
 *
 * run/expiry.h - is a snapshot's time over? Pure, but for hf_expiry_now.
 *
 * The wall clock alone does not decide: it may be wrong now, or have been when the snapshot was taken. A snapshot from
 * the future is not due, and as long as the host has not been booted since, as much time as it was to be kept must have
 * passed by the monotonic clock, too. Whatever does not fit is "clock": reported, never deleted.
 */
#ifndef HF_RUN_EXPIRY_H
#define HF_RUN_EXPIRY_H

#include "base/clock.h"
#include "catalog/catalog.h"

#define HF_BOOT_ID_MAX 40

struct hf_expiry_now {
    int64_t wall_us, up_ms;       /* up: monotonic */
    char boot_id[HF_BOOT_ID_MAX]; /* of the running kernel; empty: cannot be read */
};
struct hf_expiry_now hf_expiry_now(const struct hf_clock *clock);

/* What the catalog knows of a snapshot. */
struct hf_known {
    char *name, *hypervisor;
    int64_t taken_us, expires_us; /* wall; expires 0: never */
    struct hf_expiry_now taken;   /* when it was captured; boot_id empty: unknown */
};
struct hf_known_list {
    struct hf_known *items;
    size_t n;
};
void hf_known_list_free(struct hf_known_list *l);
HF_DEFINE_AUTO_VALUE(hf_known_list, hf_known_list_free)

/* A row, its report's "clock" read; what cannot be read of that counts as unknown. */
int hf_known_read(const struct hf_catalog_snapshot *s, struct hf_known *out, struct hf_err *err)
    HF_CHECKED;
void hf_known_clear(struct hf_known *k);
/* Those not deleted, of the VM called vm in the configuration (NULL: any), with this id at the hypervisor (NULL: any). */
int hf_known_load(struct hf_catalog *c, const char *vm, const char *vm_id,
                  struct hf_known_list *out, struct hf_err *err) HF_CHECKED;
const struct hf_known *hf_known_find(const struct hf_known_list *l, const char *name);

enum hf_expiry { HF_EXPIRY_NEVER, HF_EXPIRY_NOT_DUE, HF_EXPIRY_CLOCK, HF_EXPIRY_DUE };
enum hf_expiry hf_expiry_judge(const struct hf_known *k, const struct hf_expiry_now *now);

#endif
