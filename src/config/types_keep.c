/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def about how long points are kept: which ones, and by which clock.
 */
#include "base/zone.h"
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

#define KEEP_DIGITS 6

static const char *const rule_names[HF_KEEP_RULES] = {
    [HF_KEEP_LAST] = "last",     [HF_KEEP_HOURLY] = "hourly",   [HF_KEEP_DAILY] = "daily",
    [HF_KEEP_WEEKLY] = "weekly", [HF_KEEP_MONTHLY] = "monthly", [HF_KEEP_YEARLY] = "yearly",
};

const char *hf_keep_rule_name(enum hf_keep_rule rule)
{
    return rule_names[rule];
}

/* "7", and nothing else; 0: it is no such number. */
static uint32_t count(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    return digits && digits <= KEEP_DIGITS && !text[digits] ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

/* "daily 7" */
static int rule_parse(const char *text, struct hf_keep *out, struct hf_err *err)
{
    const size_t word = strcspn(text, " \t");
    const char *number = text + word + strspn(text + word, " \t");
    size_t rule = 0;
    while (rule < HF_KEEP_RULES &&
           (strlen(rule_names[rule]) != word || strncmp(text, rule_names[rule], word) != 0))
        rule++;
    if (rule == HF_KEEP_RULES)
        return hf_fail(err, HF_E_CONFIG, "'%.60s' begins with none of the rules", text);
    if (out->n[rule])
        return hf_fail(err, HF_E_CONFIG, "'%s' stands there twice", rule_names[rule]);
    out->n[rule] = count(number);
    return out->n[rule] ? 0
                        : hf_fail(err, HF_E_CONFIG,
                                  "'%.60s': how many? At least 1, less than a million", text);
}

static int keep_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_keep *out = field;
    HF_AUTO(hf_strv) struct hf_strv rules = HF_STRV_INIT;
    if (strcmp(text, "all") == 0) {
        out->is_all = true;
        return 0;
    }
    if (hf_strv_split(&rules, text, ',') < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < rules.n; i++)
        if (rule_parse(rules.items[i], out, err) < 0)
            return -1;
    return rules.n ? 0 : hf_fail(err, HF_E_CONFIG, "no rule");
}

static int zone_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    HF_AUTO(hf_zone) struct hf_zone *z = hf_zone_open(text, err);
    if (!z)
        return -1;
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

const struct hf_type hf_type_KEEP = {
    .name = "rules",
    .expects =
        "all, or rules such as last 3, daily 7, weekly 4: last, hourly, daily, weekly, monthly, "
        "yearly, each with a number",
    .parse = keep_parse};
const struct hf_type hf_type_ZONE = {.name = "time zone",
                                     .expects = "the name of a time zone, such as Europe/Berlin",
                                     .parse = zone_parse,
                                     .clear = hf_config_text_clear};
