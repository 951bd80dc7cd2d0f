/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def that policies alone have.
 */
#include "base/tz.h"
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX 256
#define PATTERN_BYTES_MAX 64
#define KEEP_MAX 10000
#define DAY_MIN 1440u

/* ---- schedule and time zone ------------------------------------------------------------- */

static int cron_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_cron_parse(text, field, err);
}

/* The zone is read once here, so that a name that does not exist is a mistake of this line. */
static int timezone_parse(const char *text, void *field, struct hf_err *err)
{
    char **out = field;
    HF_AUTO(hf_tz) struct hf_tz *tz = hf_tz_open(text, err);
    if (!tz)
        return -1;
    *out = strdup(text);
    return *out ? 0 : hf_fail_nomem(err);
}

static void timezone_clear(void *field)
{
    char **s = field;
    free(*s);
    *s = NULL;
}

/* ---- window ----------------------------------------------------------------------------- */

/* HH:MM at *p, moved behind it. */
static bool read_clock(const char **p, unsigned *out)
{
    const char *s = *p;
    static const char *const digits = "0123456789";
    if (strspn(s, digits) != 2 || s[2] != ':' || strspn(s + 3, digits) != 2)
        return false;
    unsigned hour = (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0');
    unsigned minute = (unsigned)(s[3] - '0') * 10 + (unsigned)(s[4] - '0');
    *out = hour * 60 + minute;
    *p += 5;
    return minute < 60 && *out <= DAY_MIN;
}

static int window_parse(const char *text, void *field, struct hf_err *err)
{
    struct hf_window *out = field;
    const char *p = text;
    unsigned from = 0, until = 0;
    if (!read_clock(&p, &from) || *p++ != '-' || !read_clock(&p, &until) || *p != '\0' ||
        from == DAY_MIN)
        return hf_fail(err, HF_E_CONFIG, "'%.32s' is not a window", text);
    if (from == until % DAY_MIN)
        return hf_fail(err, HF_E_CONFIG, "window '%s' is empty, or always open", text);
    *out = (struct hf_window){.from_min = (uint16_t)from, .until_min = (uint16_t)(until % DAY_MIN)};
    return 0;
}

/* ---- selection -------------------------------------------------------------------------- */

static void selection_clear(void *field)
{
    struct hf_selection *s = field;
    hf_strv_free(&s->include);
    hf_strv_free(&s->exclude);
}

static bool pattern_is_valid(const char *pattern)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789._-*?";
    size_t n = strlen(pattern);
    return n > 0 && n <= PATTERN_BYTES_MAX && strspn(pattern, allowed) == n;
}

static int selection_parse(const char *text, void *field, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    struct hf_selection *s = field;
    if (hf_strv_split(&parts, text, ',') < 0)
        return hf_fail_nomem(err);
    if (parts.n > PATTERNS_MAX)
        return hf_fail(err, HF_E_CONFIG, "%zu patterns, more than %d", parts.n, PATTERNS_MAX);
    for (size_t i = 0; i < parts.n; i++) {
        bool is_exclusion = parts.items[i][0] == '!';
        const char *pattern = parts.items[i] + is_exclusion;
        struct hf_strv *list = is_exclusion ? &s->exclude : &s->include;
        if (!pattern_is_valid(pattern))
            return hf_fail(err, HF_E_CONFIG, "'%.80s' cannot match the name of a VM", pattern);
        if (hf_strv_has(list, pattern))
            return hf_fail(err, HF_E_CONFIG, "'%s' stands there twice", parts.items[i]);
        if (hf_strv_add(list, pattern) < 0)
            return hf_fail_nomem(err);
    }
    return s->include.n ? 0 : hf_fail(err, HF_E_CONFIG, "nothing but exclusions selects no VM");
}

/* ---- keep ------------------------------------------------------------------------------- */

static const char *const keep_words[HF_KEEP_RULES] = {
    [HF_KEEP_LAST] = "last",     [HF_KEEP_HOURLY] = "hourly",   [HF_KEEP_DAILY] = "daily",
    [HF_KEEP_WEEKLY] = "weekly", [HF_KEEP_MONTHLY] = "monthly", [HF_KEEP_YEARLY] = "yearly"};

const char *hf_keep_rule_name(enum hf_keep_rule rule)
{
    return keep_words[rule];
}

/* "daily 7" */
static int keep_read(const char *text, struct hf_keep *keep, struct hf_err *err)
{
    size_t letters = strcspn(text, " \t");
    const char *number = text + letters + strspn(text + letters, " \t");
    size_t digits = strspn(number, "0123456789");
    for (size_t i = 0; i < HF_KEEP_RULES; i++) {
        if (strlen(keep_words[i]) != letters || strncmp(keep_words[i], text, letters) != 0)
            continue;
        if (digits == 0 || digits > 5 || number[digits] != '\0')
            return hf_fail(err, HF_E_CONFIG, "'%.32s' has no number", text);
        unsigned long n = strtoul(number, NULL, 10);
        if (n == 0 || n > KEEP_MAX)
            return hf_fail(err, HF_E_CONFIG, "'%s' is out of range: 1 to %d", text, KEEP_MAX);
        if (keep->count[i])
            return hf_fail(err, HF_E_CONFIG, "'%s' stands there twice", keep_words[i]);
        keep->count[i] = (uint32_t)n;
        return 0;
    }
    return hf_fail(err, HF_E_CONFIG, "'%.32s' is not a rule", text);
}

static int keep_parse(const char *text, void *field, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    if (hf_strv_split(&parts, text, ',') < 0)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < parts.n; i++)
        if (keep_read(parts.items[i], field, err) != 0)
            return -1;
    return parts.n ? 0 : hf_fail(err, HF_E_CONFIG, "no rule");
}

/* ---- produce ---------------------------------------------------------------------------- */

/* Snapshots alone so far: a word is accepted once there is something that does it. */
static int produce_parse(const char *text, void *field, struct hf_err *err)
{
    unsigned *out = field;
    if (strcmp(text, "snapshot") != 0)
        return hf_fail(err, HF_E_CONFIG, "'%.64s' is not accepted by this version", text);
    *out = HF_PRODUCE_SNAPSHOT;
    return 0;
}

const struct hf_type hf_type_CRON = {
    .name = "schedule",
    .expects = "five fields as in crontab(5), such as 0 2 * * *, or @hourly, @daily, @weekly …",
    .parse = cron_parse};
const struct hf_type hf_type_TIMEZONE = {.name = "time zone",
                                         .expects =
                                             "a name of the TZ database, such as Europe/Berlin",
                                         .parse = timezone_parse,
                                         .clear = timezone_clear};
const struct hf_type hf_type_WINDOW = {
    .name = "window", .expects = "HH:MM-HH:MM, such as 22:00-06:00", .parse = window_parse};
const struct hf_type hf_type_SELECTION = {
    .name = "selection",
    .expects =
        "names of VMs or patterns with * and ?, with ! in front to leave out, separated by commas, "
        "such as web*, !web9*",
    .parse = selection_parse,
    .clear = selection_clear};
const struct hf_type hf_type_KEEP = {
    .name = "retention",
    .expects =
        "rules with numbers, separated by commas: last, hourly, daily, weekly, monthly, yearly, "
        "such as last 3, daily 7",
    .parse = keep_parse};
const struct hf_type hf_type_PRODUCE = {
    .name = "word", .expects = "snapshot", .parse = produce_parse};
