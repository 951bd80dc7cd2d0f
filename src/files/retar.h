/* SPDX-License-Identifier: Apache-2.0
 *
 * files/retar.h - a sink of files/plan.h that writes a tar of its own: clean, whatever the one that was read looks like.
 *
 * Format     pax as GNU tar reads it: names as bytes, xattrs and ACLs as SCHILY.*, holes as GNU sparse 1.0. Owners are numbers
 *            only. What GNU tar does not know (inode numbers) is in it, too: --warning=no-unknown-keyword.
 * End        only hf_retar_finish writes the two blocks that end a tar. One that is closed without it has none, and GNU tar
 *            mostly, but not always, calls that an error: whoever reads must know by himself that it was not finished. Nothing
 *            comes behind them: GNU tar does not wait for more.
 * Memory     a record of 64 KiB.
 */
#ifndef HF_FILES_RETAR_H
#define HF_FILES_RETAR_H

#include "files/plan.h"

struct hf_retar;

/* write takes all bytes, or ends it with -1. */
struct hf_retar *hf_retar_new(int (*write)(void *ctx, const void *data, size_t len,
                                           struct hf_err *err),
                              void *ctx, struct hf_err *err) HF_CHECKED;
/* For hf_plan_run; borrows. */
struct hf_plan_sink hf_retar_sink(struct hf_retar *t);
int hf_retar_finish(struct hf_retar *t, struct hf_err *err) HF_CHECKED;
uint64_t hf_retar_bytes(const struct hf_retar *t); /* written so far */
void hf_retar_close(struct hf_retar *t);           /* takes NULL */
HF_DEFINE_AUTO(hf_retar, hf_retar_close)

#endif
