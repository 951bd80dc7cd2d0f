/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of options.def that policies alone have.
 */
#include "base/units.h"
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX 256
#define PATTERN_BYTES_MAX 64
#define DAY_MIN 1440

/* ---- schedule and time zone ------------------------------------------------------------- */

static int cron_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_cron_parse(text, field, err);
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

/* "web*", "tag:gold", "hypervisor:lab?" */
static bool pattern_is_valid(const char *pattern)
{
    static const char *const kinds[] = {HF_SELECT_TAG, HF_SELECT_HYPERVISOR};
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789._-*?";
    for (size_t i = 0; i < HF_ARRAY_SIZE(kinds); i++) {
        if (strncmp(pattern, kinds[i], strlen(kinds[i])) == 0) {
            pattern += strlen(kinds[i]);
            break;
        }
    }
    const size_t n = strlen(pattern);
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

/* ---- produce ---------------------------------------------------------------------------- */

static const char *const products[] = {"snapshot", "image", "dump", "files"};

const char *hf_produce_name(unsigned bit)
{
    return products[__builtin_ctz(bit)];
}

static int produce_parse(const char *text, void *field, struct hf_err *err)
{
    unsigned *out = field;
    HF_AUTO(hf_strv) struct hf_strv parts = HF_STRV_INIT;
    if (hf_config_names_parse(text, NULL, "a product", &parts, err) < 0)
        return -1;
    for (size_t i = 0; i < parts.n; i++) {
        size_t word = 0;
        while (word < HF_ARRAY_SIZE(products) && strcmp(products[word], parts.items[i]) != 0)
            word++;
        if (word == HF_ARRAY_SIZE(products))
            return hf_fail(err, HF_E_CONFIG, "'%.64s' is nothing that a run leaves behind",
                           parts.items[i]);
        *out |= 1u << word;
    }
    if (*out & HF_PRODUCE_SNAPSHOT && *out != HF_PRODUCE_SNAPSHOT)
        return hf_fail(err, HF_E_CONFIG, "snapshot stands alone: a recovery point needs none");
    if (!(*out & (HF_PRODUCE_SNAPSHOT | HF_PRODUCE_IMAGE)))
        return hf_fail(err, HF_E_CONFIG, "a recovery point has an image");
    return 0;
}

/* ---- how often -------------------------------------------------------------------------- */

static int every_parse(const char *text, void *field, struct hf_err *err)
{
    static const struct {
        const char *word;
        int64_t days;
    } words[] = {{"daily", 1}, {"weekly", 7}, {"monthly", 30}};
    int64_t *out = field;
    for (size_t i = 0; i < HF_ARRAY_SIZE(words); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].days * DAY_MIN * 60000;
            return 0;
        }
    }
    struct hf_err why = HF_ERR_INIT;
    if (hf_parse_duration(text, out, &why) < 0)
        return hf_fail(err, HF_E_CONFIG, "%s", why.message);
    return *out >= 3600000 ? 0 : hf_fail(err, HF_E_CONFIG, "%.32s is less than an hour", text);
}

/* ---- tags ------------------------------------------------------------------------------- */

static bool tag_is_valid(const char *tag)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789._-";
    const size_t n = strlen(tag);
    return n > 0 && n <= PATTERN_BYTES_MAX && strspn(tag, allowed) == n;
}

static int tags_parse(const char *text, void *field, struct hf_err *err)
{
    return hf_config_names_parse(text, tag_is_valid, "a tag", field, err);
}

const struct hf_type hf_type_CRON = {
    .name = "schedule",
    .expects = "five fields as in crontab(5), such as 0 2 * * *, or @hourly, @daily, @weekly …",
    .parse = cron_parse};
const struct hf_type hf_type_WINDOW = {
    .name = "window", .expects = "HH:MM-HH:MM, such as 22:00-06:00", .parse = window_parse};
const struct hf_type hf_type_SELECTION = {
    .name = "selection",
    .expects = "names of VMs or patterns with * and ?, tag:PATTERN or hypervisor:PATTERN, with ! "
               "in front to leave out, "
               "separated by commas, such as web*, !web9*",
    .parse = selection_parse,
    .clear = selection_clear};
const struct hf_type hf_type_PRODUCE = {.name = "products",
                                        .expects =
                                            "snapshot, or image with or without dump and files",
                                        .parse = produce_parse};
const struct hf_type hf_type_EVERY = {.name = "interval",
                                      .expects = "daily, weekly, monthly, or a duration such as 3d",
                                      .parse = every_parse};
const struct hf_type hf_type_TAGS = {.name = "tags",
                                     .expects =
                                         "words of letters, digits and . _ -, separated by commas",
                                     .parse = tags_parse,
                                     .clear = hf_config_list_clear};
