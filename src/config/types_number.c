/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def that are amounts: a share or a size, a size, a count.
 */
#include "base/units.h"
#include "config/schema.h"

#include <inttypes.h>
#include <string.h>

#define NUMBER_MAX_DIGITS 9

/* Decimal digits and nothing else, up to `end`. */
static bool read_digits(const char *text, const char *end, uint64_t *out)
{
    if (end == text || end - text > NUMBER_MAX_DIGITS)
        return false;
    *out = 0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *out = *out * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static int size_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (hf_parse_size(text, field, &why) != 0)
        return hf_fail(err, HF_E_CONFIG, "%s", why.message);
    return 0;
}

/* ---- a share of something, or a size ----------------------------------------------------- */

static int share_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_share *out = field;
    size_t len = strlen(text);
    out->is_percent = len > 0 && text[len - 1] == '%';
    if (out->is_percent && !read_digits(text, text + len - 1, &out->value))
        return hf_fail(err, HF_E_CONFIG, "'%.64s' is not a whole number of percent", text);
    return out->is_percent ? 0 : size_parse(text, &out->value, err);
}

/* A size has no range: what it is a part of is not known here. */
static int share_check_range(const char *range, const void *field, struct hf_err *err)
{
    const struct hf_share *s = field;
    char low_text[HF_UNITS_MAX], high_text[HF_UNITS_MAX];
    struct hf_share low, high;
    if (hf_type_split_range(range, low_text, high_text, err) != 0 ||
        share_parse(low_text, &low, err) != 0 || share_parse(high_text, &high, err) != 0)
        return -1;
    if (!s->is_percent || (s->value >= low.value && s->value <= high.value))
        return 0;
    hf_fail(err, HF_E_CONFIG, "%" PRIu64 "%% is out of range", s->value);
    return hf_hint(err, "Accepted: %s to %s, or a size.", low_text, high_text);
}

uint64_t hf_share_of(const struct hf_share *s, uint64_t whole)
{
    if (!s->is_percent)
        return s->value;
    /* In this order nothing overflows, and small wholes are not rounded away. */
    return whole / 100 * s->value + whole % 100 * s->value / 100;
}

const struct hf_type hf_type_SHARE = {.name = "share or size",
                                      .expects = "a share such as 10%, or a size such as 20G",
                                      .parse = share_parse,
                                      .check_range = share_check_range};

/* ---- a size ------------------------------------------------------------------------------ */

static int size_check_range(const char *range, const void *field, struct hf_err *err)
{
    const uint64_t *value = field;
    char low_text[HF_UNITS_MAX], high_text[HF_UNITS_MAX], text[HF_UNITS_MAX];
    uint64_t low = 0, high = 0;
    if (hf_type_split_range(range, low_text, high_text, err) != 0 ||
        hf_parse_size(low_text, &low, err) != 0 || hf_parse_size(high_text, &high, err) != 0)
        return -1;
    if (*value >= low && *value <= high)
        return 0;
    hf_format_size(*value, text);
    hf_fail(err, HF_E_CONFIG, "%s is out of range", text);
    return hf_hint(err, "Accepted: %s to %s.", low_text, high_text);
}

const struct hf_type hf_type_SIZE = {.name = "size",
                                     .expects = "a size such as 50M or 1G",
                                     .parse = size_parse,
                                     .check_range = size_check_range};

/* ---- a count ----------------------------------------------------------------------------- */

static int count_parse(const char *text, void *field, struct hf_err *err)
{
    uint32_t *out = field;
    uint64_t value = 0;
    if (!read_digits(text, text + strlen(text), &value))
        return hf_fail(err, HF_E_CONFIG, "'%.64s' is not a number", text);
    *out = (uint32_t)value;
    return 0;
}

static int count_check_range(const char *range, const void *field, struct hf_err *err)
{
    const uint32_t *value = field;
    char low_text[HF_UNITS_MAX], high_text[HF_UNITS_MAX];
    uint32_t low = 0, high = 0;
    if (hf_type_split_range(range, low_text, high_text, err) != 0 ||
        count_parse(low_text, &low, err) != 0 || count_parse(high_text, &high, err) != 0)
        return -1;
    if (*value >= low && *value <= high)
        return 0;
    hf_fail(err, HF_E_CONFIG, "%" PRIu32 " is out of range", *value);
    return hf_hint(err, "Accepted: %s to %s.", low_text, high_text);
}

const struct hf_type hf_type_COUNT = {.name = "number",
                                      .expects = "a whole number such as 12",
                                      .parse = count_parse,
                                      .check_range = count_check_range};
