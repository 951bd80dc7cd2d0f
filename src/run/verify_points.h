/* SPDX-License-Identifier: Apache-2.0
 *
 * run/verify_points.h - the engine behind `verify`: are the points on the stores what they were when they were made?
 *
 * Each store is opened and looked at in turn (point/verify.h says what is looked at); one that cannot be is named, and the others
 * go on. A copy that the catalog knows of and that is not there is damage; a folder without a manifest that it does not
 * know of is a run that did not end, and none. What was read, or found damaged, is noted in the catalog.
 *
 * A backup that a hypervisor keeps (run/pushed.h) is asked for: gone, of another size, not the point's, or found damaged by its place is
 * damage; its data are not read. A hypervisor that does not answer is noted, the point neither good nor damaged (null), and the
 * status bad. Damage that is not there any more when all is read is taken back; what a drill has found only by another drill.
 *
 * Nothing on the stores is changed. A crash leaves nothing. ^C ends it after the object that is being read.
 */
#ifndef HF_RUN_VERIFY_POINTS_H
#define HF_RUN_VERIFY_POINTS_H

#include "net/json.h"
#include "point/verify.h"
#include "run/env.h"

struct hf_verify_points {
    const char *point; /* an id, its beginning, or VM/ID; NULL: all */
    const char *store; /* only this one; NULL: all */
    enum hf_verify_depth depth;
};

/* "there", "read", "content" */
const char *hf_verify_depth_name(enum hf_verify_depth depth);

/* *out_report is to be put: {"depth","copies":[{"point","vm","store","good","objects","packs","bytes_read","damage":["…"],"notes":["…"]}],
 * "stores":[{"name","id","copies","unfinished","error"}],"damaged"}. *out_is_bad: there is damage, or a store or a hypervisor that could not be
 * looked at. NOT_FOUND: no store that could be asked has this point. */
int hf_run_verify_points(const struct hf_env *env, const struct hf_verify_points *req,
                         struct json_object **out_report, bool *out_is_bad, struct hf_err *err)
    HF_CHECKED;

#endif
