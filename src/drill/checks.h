/* SPDX-License-Identifier: Apache-2.0
 *
 * drill/checks.h - what a drill looked at, and what that makes of the point. Pure: no way out of the process.
 *
 * Texts may come from a guest: what a terminal would obey is made harmless here. Out of memory is remembered: after a series ask
 * hf_drill_checks_ok once.
 */
#ifndef HF_DRILL_CHECKS_H
#define HF_DRILL_CHECKS_H

#include "net/json.h"

#define HF_DRILL_DISKS "disks"
#define HF_DRILL_POSITION "position"
#define HF_DRILL_TABLES "check-table"

enum hf_drill_result { HF_DRILL_OK, HF_DRILL_FAILED, HF_DRILL_SKIPPED };

struct hf_drill_check {
    char *name;
    enum hf_drill_result result;
    char *why;              /* it failed or was skipped, or what was seen; or NULL */
    char *expected, *found; /* each may be NULL */
};

struct hf_drill_checks {
    struct hf_drill_check *items;
    size_t n;
    bool is_nomem;
};

const char *hf_drill_result_name(enum hf_drill_result r); /* "ok", "failed", "skipped" */

/* why: a format, or NULL. */
void hf_drill_note(struct hf_drill_checks *c, const char *name, enum hf_drill_result result,
                   const char *why, ...) HF_PRINTF(4, 5);
/* Of the one that was noted last. NULL: none. */
void hf_drill_values(struct hf_drill_checks *c, const char *expected, const char *found);
bool hf_drill_has(const struct hf_drill_checks *c, const char *name);
bool hf_drill_checks_ok(const struct hf_drill_checks *c);
void hf_drill_checks_free(struct hf_drill_checks *c);
HF_DEFINE_AUTO_VALUE(hf_drill_checks, hf_drill_checks_free)

/* Passed: nothing failed, and the position or the tables were looked at. why: the first reason against it (a disk that
 * cannot be read before what came of it), "" when it passed. */
bool hf_drill_judge(const struct hf_drill_checks *c, char *why, size_t size);

/* NULL: no memory. To be put. */
struct json_object *hf_drill_checks_json(const struct hf_drill_checks *c);

#endif
