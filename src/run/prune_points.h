/* SPDX-License-Identifier: Apache-2.0
 *
 * run/prune_points.h - the engine behind `prune` of recovery points: which are kept is said by the configuration (keep, keep-verified,
 * prune-grace), by what lies on each store and by what the catalog knows of its copies; how they are removed by point/prune.h.
 *
 * A store that no `keep` concerns is not opened. Points of VMs without a section, or that were not asked for, are kept and not told.
 * What was removed is forgotten by the catalog: a copy, and with the last one the point; runs and drills stay known. When the point goes that the
 * hypervisor knows what changes since by, that checkpoint goes too.
 *
 * A point whose disks lie in a backup of its hypervisor takes that along when it is the last copy; a hypervisor that does not answer keeps it.
 *
 * A point that the catalog knows, and the store has and does not list, ends the store's turn: its listing is not whole. So do two sections
 * with the same url and different rules.
 *
 * One store that fails does not stop the others. ^C ends it after the point that is being removed, with the document of what was done; what
 * was begun is finished by the next prune (point/prune.h).
 */
#ifndef HF_RUN_PRUNE_POINTS_H
#define HF_RUN_PRUNE_POINTS_H

#include "base/strv.h"
#include "net/json.h"
#include "run/env.h"

struct hf_prune_req {
    const struct hf_strv *vms; /* of the configuration; none: all */
    const char *store;         /* only this one; NULL: all */
    bool is_dry;
};

/* *out_report is to be put: {"points":[{"store","vm","point","taken_at","action","why"}],"stores":[{"name","id","points","deleted",
 * "unreadable","damage","abandoned","reprieved","packs":{"used","young","condemned","waiting","removed","wasted","repacked","moved_bytes","left",
 * "left_why"},"error"}],"backups":[{"vm","hypervisor","ref","action","why"}]}; action: "kept",
 * "deleted" (dry: would be), "failed"; of backups that a hypervisor keeps also "orphan": it was made by us, and no store has its point. *out_is_bad: something failed, or could not be read. */
int hf_run_prune_points(const struct hf_env *env, const struct hf_prune_req *req,
                        struct json_object **out_report, bool *out_is_bad, struct hf_err *err)
    HF_CHECKED;

#endif
