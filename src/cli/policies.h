/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/policies.h - what `policies` shows, as data and as text; private to cli/.
 */
#ifndef HF_CLI_POLICIES_H
#define HF_CLI_POLICIES_H

#include "base/buf.h"
#include "cli/cli.h"
#include "policy/policy.h"

struct hf_policies {
    const struct hf_config *config;
    struct hf_policy *items;
    size_t n;
    int64_t now_s, until_s;
    struct hf_strv notices; /* what somebody should look at */
    struct hf_strv in_none; /* VMs that no policy selects */
};

int hf_policies_open(struct hf_policies *all, const struct hf_config *config, int64_t now_s,
                     int64_t until_s, struct hf_err *err) HF_CHECKED;
void hf_policies_close(struct hf_policies *all);
HF_DEFINE_AUTO_VALUE(hf_policies, hf_policies_close)

int hf_policies_text(struct hf_buf *out, const struct hf_policies *all, struct hf_err *err)
    HF_CHECKED;
/* NULL: failed. To be put. */
struct json_object *hf_policies_json(const struct hf_policies *all, struct hf_err *err) HF_CHECKED;

#endif
