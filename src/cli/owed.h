/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/owed.h - what the policies owe to which VM, and how that went: from configuration, catalog and clock; nobody is asked.
 *
 * The duties are what holdfastd wrote (catalog/duty.h). Where the catalog has a run of the policy that they do not know - begun by
 * hand or by cron, or by a holdfastd that died before it could write down the end - that run counts as the last one.
 */
#ifndef HF_CLI_OWED_H
#define HF_CLI_OWED_H

#include "base/strv.h"
#include "net/json.h"
#include "policy/plan.h"

struct hf_owed_duty {
    struct hf_duty d;       /* its texts are those of hf_owed */
    struct hf_plan_row row; /* of what comes next, where it is configured */
    bool is_configured;     /* the policy selects the VM */
    bool is_followed;       /* holdfastd knows it */
    bool is_by_others;      /* the last run is none that holdfastd has recorded */
    bool is_running;        /* its process is there */
};

struct hf_owed {
    struct hf_plan *plan;
    struct hf_owed_duty *items; /* by policy, VM, kind; also those that nobody ever did */
    size_t n, cap;
    struct hf_strv texts;
    bool has_followed; /* holdfastd has run here: it follows something */
    int64_t now_s;
};

/* catalog NULL: none. */
int hf_owed_open(struct hf_owed *o, const struct hf_config *config, struct hf_catalog *catalog,
                 int64_t now_s, struct hf_err *err) HF_CHECKED;
void hf_owed_close(struct hf_owed *o);
HF_DEFINE_AUTO_VALUE(hf_owed, hf_owed_close)

/* NULL: nobody knows of it. */
const struct hf_owed_duty *hf_owed_find(const struct hf_owed *o, const char *policy, const char *vm,
                                        const char *kind);

/* HF_NO_TIME: null. */
int hf_owed_add_time(struct json_object *o, const char *key, int64_t at_s) HF_CHECKED;

/* For owed.c: takes from the catalog what the item does not know. keep: a copy that lives as long as o. */
int hf_owed_learn(struct hf_owed *o, struct hf_owed_duty *item, bool makes_snapshots,
                  struct hf_catalog *catalog, struct hf_err *err) HF_CHECKED;
/* *out NULL: text is. */
int hf_owed_keep(struct hf_owed *o, const char *text, const char **out, struct hf_err *err)
    HF_CHECKED;

#endif
