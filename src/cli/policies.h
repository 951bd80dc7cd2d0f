/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/policies.h - what `policies` shows, as data and as text; private to cli/.
 */
#ifndef HF_CLI_POLICIES_H
#define HF_CLI_POLICIES_H

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/owed.h"
#include "policy/policy.h"

struct hf_policies {
    const struct hf_config *config;
    struct hf_policy *items;
    size_t n;
    int64_t now_s, until_s;
    struct hf_strv notices; /* what somebody should look at */
    struct hf_strv in_none; /* VMs that no policy selects */
    struct hf_owed owed;    /* what the catalog knows of them */
    bool has_catalog;
};

int hf_policies_open(struct hf_policies *all, const struct hf_config *config, int64_t now_s,
                     int64_t until_s, struct hf_err *err) HF_CHECKED;
void hf_policies_close(struct hf_policies *all);
HF_DEFINE_AUTO_VALUE(hf_policies, hf_policies_close)

/* What became of their runs, where there is a catalog. One that cannot be read is a notice. */
int hf_policies_know(struct hf_policies *all, const struct hf_clock *clock, struct hf_err *err)
    HF_CHECKED;
int hf_policies_notice(struct hf_policies *all, const char *fmt, ...) HF_PRINTF(2, 3);

/* policies_last.c: "  last   web01 done …", a line per VM, whoever is in trouble first. */
void hf_policies_add_last(struct hf_buf *out, const struct hf_policies *all,
                          const struct hf_policy *p);
/* The member "last" of a VM's row; null without a catalog. */
int hf_policies_json_last(struct json_object *row, const struct hf_policies *all,
                          const char *policy, const char *vm) HF_CHECKED;

int hf_policies_text(struct hf_buf *out, const struct hf_policies *all, struct hf_err *err)
    HF_CHECKED;
/* NULL: failed. To be put. */
struct json_object *hf_policies_json(const struct hf_policies *all, struct hf_err *err) HF_CHECKED;

#endif
