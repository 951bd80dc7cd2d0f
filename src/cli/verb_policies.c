/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/verb_policies.c - `policies`: what will run when, and what will be there of it.
 */
#include "base/civil.h"
#include "cli/output.h"
#include "cli/policies.h"

#include <inttypes.h>

#define DAYS_DEFAULT 7
#define DAYS_MAX 366

static const struct hf_cli_opt opts[] = {
    {"days", 0, HF_OPT_INT, "N", "How many days ahead runs are listed: 1 to 366, 7 when left out."},
};

extern const struct hf_verb hf_verb_policies;

static int days_ahead(const struct hf_cli_args *args, int64_t *out, struct hf_err *err)
{
    const struct hf_cli_value *days = hf_cli_get(&hf_verb_policies, args, "days");
    *out = days->is_set ? days->number : DAYS_DEFAULT;
    if (*out >= 1 && *out <= DAYS_MAX)
        return 0;
    hf_fail(err, HF_E_CONFIG, "--days %" PRId64 " is out of range", *out);
    return hf_hint(err, "Accepted: 1 to %d.", DAYS_MAX);
}

static int run_policies(struct hf_cli *cli, const struct hf_cli_args *args, struct hf_err *err)
{
    HF_AUTO(hf_policies) struct hf_policies all = {0};
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    int64_t days = 0, now = hf_div_floor(hf_clock_wall_us(cli->clock), 1000000);
    if (days_ahead(args, &days, err) != 0 ||
        hf_policies_open(&all, cli->config, now, now + days * HF_DAY_S, err) != 0 ||
        hf_policies_know(&all, cli->clock, err) != 0)
        return -1;
    if (!cli->json)
        return hf_policies_text(&text, &all, err) == 0 ? hf_cli_print(&text, err) : -1;
    HF_AUTOJSON struct json_object *doc = hf_policies_json(&all, err);
    return doc ? hf_cli_print_json(doc, err) : -1;
}

const struct hf_verb hf_verb_policies = {
    .name = "policies",
    .args = "",
    .min_args = 0,
    .max_args = 0,
    .summary = "show which VMs each policy selects, its next runs and what it keeps",
    .help =
        "Reads the configuration, and the catalog of this host where there is one: then how the "
        "last run "
        "for each VM went stands beside the next (status tells more of it). Times are those of the "
        "policy's time zone, with "
        "--json UTC. The "
        "calendar shows what would be there now had every run succeeded for long: a line per month "
        "with the days that "
        "have a point, each with the rule that keeps it longest (l last, h hourly, d daily, w "
        "weekly, m monthly, y yearly) and, in "
        "brackets, how many points that day has.\n\n"
        "Told as well: VMs that are in no policy, policies that select none, two policies that are "
        "due for the same VM at the "
        "same moment, and a required grade that a VM cannot reach. None of these is an error.",
    .opts = opts,
    .n_opts = HF_ARRAY_SIZE(opts),
    .needs_config = true,
    .run = run_policies,
};
