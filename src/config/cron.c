/* SPDX-License-Identifier: Apache-2.0 */
#include "config/cron.h"

#include "base/civil.h"
#include "base/cleanup.h"
#include "base/strv.h"

#include <string.h>
#include <strings.h>

#define FIELDS 5
#define NAME_LETTERS 3

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field {
    const char *name;
    unsigned low, high;
    const char *const *names; /* the first one means `low` */
} fields[FIELDS] = {{"minute", 0, 59, NULL},
                    {"hour", 0, 23, NULL},
                    {"day of month", 1, 31, NULL},
                    {"month", 1, 12, month_names},
                    {"day of week", 0, 7, weekday_names}};

static const struct {
    const char *name, *meaning;
} nicknames[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
                 {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
                 {"@hourly", "0 * * * *"}};

static int bad(const struct field *f, const char *text, const char *why, struct hf_err *err)
{
    return hf_fail(err, HF_E_CONFIG, "%s '%.32s': %s", f->name, text, why);
}

/* Digits at *p; UINT_MAX: none there, or more than the largest value has. */
static unsigned read_number(const char **p)
{
    size_t n = strspn(*p, "0123456789");
    unsigned value = 0;
    if (n == 0 || n > 2)
        return ~0u;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)((*p)[i] - '0');
    *p += n;
    return value;
}

/* A number or a name at *p; ~0: neither. */
static unsigned read_value(const struct field *f, const char **p)
{
    for (unsigned i = 0; f->names && f->names[i]; i++) {
        if (strncasecmp(*p, f->names[i], NAME_LETTERS) == 0) {
            *p += NAME_LETTERS;
            return f->low + i;
        }
    }
    return read_number(p);
}

static bool is_weekday(const struct field *f)
{
    return f->names == weekday_names;
}

/* One part between commas: `*`, 5, 1-5, each but 5 with a step. */
static int read_part(const struct field *f, const char *text, uint64_t *bits, struct hf_err *err)
{
    const char *p = text;
    unsigned low = f->low, high = is_weekday(f) ? 6 : f->high, step = 1;
    bool is_single = false;
    if (*p == '*') {
        p++;
    } else {
        low = high = read_value(f, &p);
        is_single = *p != '-';
        if (!is_single) {
            p++;
            high = read_value(f, &p);
        }
        if (is_weekday(f) && high == 0 && low > 0)
            high = 7; /* fri-sun */
    }
    if (low < f->low || low > f->high || high < f->low || high > f->high)
        return bad(f, text, "not in its range", err);
    if (low > high)
        return bad(f, text, "the range runs backwards; write it as two, with a comma", err);
    if (*p == '/') {
        p++;
        step = read_number(&p);
        if (step == 0 || step == ~0u || is_single)
            return bad(f, text, "a step is a number from 1 on, behind '*' or a range", err);
    }
    if (*p != '\0')
        return bad(f, text, "not understood", err);
    for (unsigned i = low; i <= high; i += step)
        *bits |= UINT64_C(1) << (is_weekday(f) ? i % 7 : i);
    return 0;
}

static int read_field(const struct field *f, char *text, uint64_t *bits, struct hf_err *err)
{
    size_t len = strlen(text);
    if (text[0] == ',' || text[len - 1] == ',' || strstr(text, ",,"))
        return bad(f, text, "nothing beside a comma", err);
    char *save = NULL;
    for (char *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save))
        if (read_part(f, part, bits, err) != 0)
            return -1;
    return 0;
}

/* With a weekday, or any, as the alternative there is always a day. */
static bool can_happen(const struct hf_cron *c)
{
    bool is_either = !c->is_any_day && !c->is_any_weekday;
    for (unsigned month = 1; month <= 12; month++) {
        uint64_t in_month =
            (UINT64_C(2) << hf_civil_month_length(2000, month)) - 1; /* a leap year */
        if (c->months >> month & 1 && (is_either || c->days & in_month))
            return true;
    }
    return false;
}

static const char *spelled_out(const char *text, struct hf_err *err)
{
    if (text[0] != '@')
        return text;
    for (size_t i = 0; i < HF_ARRAY_SIZE(nicknames); i++)
        if (strcasecmp(text, nicknames[i].name) == 0)
            return nicknames[i].meaning;
    hf_fail(err, HF_E_CONFIG, "'%.32s' is not a schedule", text);
    hf_hint(err, "There are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually.");
    return NULL;
}

static int split(char *text, char *words[FIELDS], struct hf_err *err)
{
    char *save = NULL;
    size_t n = 0;
    for (char *word = strtok_r(text, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
        if (n < FIELDS)
            words[n] = word;
        n++;
    }
    if (n == FIELDS)
        return 0;
    hf_fail(err, HF_E_CONFIG, "a schedule has 5 fields, here are %zu", n);
    return hf_hint(err, "minute hour day-of-month month day-of-week, such as 30 2 * * mon-fri.");
}

int hf_cron_parse(const char *text, struct hf_cron *out, struct hf_err *err)
{
    struct hf_cron c = {0};
    char copy[HF_CRON_TEXT_MAX];
    char *words[FIELDS] = {0};
    uint64_t *const bits[FIELDS] = {&c.minutes, &c.hours, &c.days, &c.months, &c.weekdays};
    if (strlen(text) >= sizeof copy)
        return hf_fail(err, HF_E_CONFIG, "a schedule of more than %zu bytes", sizeof copy - 1);
    const char *meaning = spelled_out(text, err);
    if (!meaning)
        return -1;
    memcpy(copy, meaning, strlen(meaning) + 1);
    if (split(copy, words, err) != 0)
        return -1;
    c.is_any_day = words[2][0] == '*';
    c.is_any_weekday = words[4][0] == '*';
    for (size_t i = 0; i < FIELDS; i++)
        if (read_field(&fields[i], words[i], bits[i], err) != 0)
            return -1;
    if (!can_happen(&c))
        return hf_fail(err, HF_E_CONFIG, "'%s' names a day that no month has", text);
    memcpy(c.text, text, strlen(text) + 1);
    *out = c;
    return 0;
}

bool hf_cron_has_day(const struct hf_cron *c, int64_t days)
{
    struct hf_date date = hf_civil_date(days);
    bool has_day = c->days >> date.day & 1;
    bool has_weekday = c->weekdays >> hf_civil_weekday(days) & 1;
    if (!(c->months >> date.month & 1))
        return false;
    return c->is_any_day || c->is_any_weekday ? has_day && has_weekday : has_day || has_weekday;
}
