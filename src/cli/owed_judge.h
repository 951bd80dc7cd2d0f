/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/owed_judge.h - whether somebody has to act on what a policy owes. Pure.
 *
 * critical  overdue; the last attempt failed, or its end is known to nobody; no holdfastd has ever run here
 * warning   under way for more than a day; below the grade or not on every store; the VM was busy for long; served for a time that lies
 *           ahead; not followed yet, though others are
 */
#ifndef HF_CLI_OWED_JUDGE_H
#define HF_CLI_OWED_JUDGE_H

#include "base/buf.h"
#include "cli/owed.h"

enum hf_owed_level { HF_OWED_OK, HF_OWED_WARNING, HF_OWED_CRITICAL };
const char *hf_owed_level_name(enum hf_owed_level level); /* "ok", "warning", "critical" */

struct hf_owed_verdict {
    enum hf_owed_level level;
    /* "waiting" (never tried), "done", "degraded", "failed", "busy", "overdue", "interrupted", "unfollowed", "ahead",
     * "long" */
    const char *state;
};

/* say: one line about it, where the level is not OK. The item is that of the row. */
struct hf_owed_verdict hf_owed_judge(const struct hf_owed *o, const struct hf_owed_duty *item,
                                     const struct hf_plan_row *row, struct hf_buf *say);

#endif
