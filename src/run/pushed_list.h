/* SPDX-License-Identifier: Apache-2.0
 *
 * run/pushed_list.h - the backups that hypervisors keep, beside the points: which belong to one, which are ours and belong to none.
 *
 * Asked of each VM's hypervisor whose plugin has backups of the kind; others are not even opened. One of ours without a point (orphan)
 * was left by a run that died between the backup and its first manifest, or by a prune that could not delete it; or its point lies
 * on stores that this configuration does not have. So it is named, and left to somebody's decision.
 */
#ifndef HF_RUN_PUSHED_LIST_H
#define HF_RUN_PUSHED_LIST_H

#include "base/id.h"
#include "run/all_stores.h"
#include "run/pushed.h"

enum hf_pushed_state {
    HF_PUSHED_FOREIGN,
    HF_PUSHED_OF_POINT,
    HF_PUSHED_ORPHAN,
    HF_PUSHED_UNCERTAIN
};
const char *
hf_pushed_state_name(enum hf_pushed_state state); /* "foreign", "point", "orphan", "uncertain" */

struct hf_pushed_row {           /* valid during the callback */
    const char *vm, *hypervisor; /* sections */
    const struct hf_pushed_copy *is;
    enum hf_pushed_state state;
    char point[HF_ID_MAX]; /* of ours: of the run; or "" */
    bool is_young;         /* … less than a day: a run on another host may be about to name it */
    char why[HF_ERR_MESSAGE_MAX]; /* uncertain: why; a young orphan: that; or "" */
};
typedef int (*hf_pushed_row_cb)(void *ctx, const struct hf_pushed_row *row, struct hf_err *err);

struct hf_pushed_lister {
    const struct hf_env *env;
    struct hf_catalog *catalog; /* borrowed */
    struct hf_keepers keepers;
    struct hf_all_stores stores;
};
void hf_pushed_lister_free(struct hf_pushed_lister *l); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_pushed_lister, hf_pushed_lister_free)

/* Those in the place that is configured now (api: pushed_list). 1: it was asked; 0: its plugin has none of the kind. Errors: those of the
 * hypervisor; NOT_FOUND: it has no such VM, and the catalog no point of it. */
int hf_pushed_list_vm(struct hf_pushed_lister *l, const struct hf_config_vm *vm,
                      hf_pushed_row_cb emit, void *ctx, struct hf_err *err) HF_CHECKED;

#endif
