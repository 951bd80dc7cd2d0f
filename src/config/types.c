/* SPDX-License-Identifier: Apache-2.0
 *
 * The types of options.def: how a value is read, what the error says when it cannot be.
 */
#include "base/units.h"
#include "config/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ------------------------------------------------------------------------------- */

static int string_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

void hf_config_text_clear(void *field)
{
    char **s = field;
    free(*s);
    *s = NULL;
}

static int path_parse(const char *text, void *field, struct hf_err *err)
{
    if (text[0] != '/')
        return hf_fail(err, HF_E_CONFIG, "'%s' is not an absolute path", text);
    return string_parse(text, field, err);
}

const struct hf_type hf_type_STRING = {
    .name = "text", .expects = "any text", .parse = string_parse, .clear = hf_config_text_clear};
const struct hf_type hf_type_PATH = {.name = "path",
                                     .expects = "a path that begins with '/'",
                                     .parse = path_parse,
                                     .clear = hf_config_text_clear};

/* ---- durations -------------------------------------------------------------------------- */

static int duration_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (hf_parse_duration(text, field, &why) != 0)
        return hf_fail(err, HF_E_CONFIG, "%s", why.message);
    return 0;
}

int hf_type_split_range(const char *range, char low[HF_UNITS_MAX], char high[HF_UNITS_MAX],
                        struct hf_err *err)
{
    const char *dots = strstr(range, "..");
    if (!dots || dots - range >= HF_UNITS_MAX || strlen(dots + 2) >= HF_UNITS_MAX)
        return hf_fail(err, HF_E_INTERNAL, "range '%s' in options.def", range);
    snprintf(low, HF_UNITS_MAX, "%.*s", (int)(dots - range), range);
    snprintf(high, HF_UNITS_MAX, "%s", dots + 2);
    return 0;
}

static int duration_check_range(const char *range, const void *field, struct hf_err *err)
{
    const int64_t *value = field;
    char low_text[HF_UNITS_MAX], high_text[HF_UNITS_MAX], text[HF_UNITS_MAX];
    int64_t low = 0;
    int64_t high = 0;

    if (hf_type_split_range(range, low_text, high_text, err) != 0 ||
        hf_parse_duration(low_text, &low, err) != 0 ||
        hf_parse_duration(high_text, &high, err) != 0)
        return -1;
    if (*value >= low && *value <= high)
        return 0;
    hf_format_duration(*value, text);
    hf_fail(err, HF_E_CONFIG, "%s is out of range", text);
    return hf_hint(err, "Accepted: %s to %s.", low_text, high_text);
}

const struct hf_type hf_type_DURATION = {
    .name = "duration",
    .expects = "a number with its unit (ms, s, m, h), such as 250ms, 2s or 10m",
    .parse = duration_parse,
    .check_range = duration_check_range};
