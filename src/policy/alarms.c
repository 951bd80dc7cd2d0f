/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/alarms.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define RAW_MAX 2048 /* a message of HF_DUTY_TEXT_MAX and what stands around it */
#define SECOND_US 1000000

/* ---- texts ------------------------------------------------------------------------------ */

/* How many bytes the character at s has; 0: it is none. */
static size_t decode(const unsigned char *s, uint32_t *out)
{
    const size_t n = hf_utf8_character((const char *)s);
    *out = n < 2 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        *out = *out << 6 | (s[i] & 0x3f);
    return n;
}

/* Ends a line, moves a cursor, or turns the direction of what stands around it. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void hf_alarm_text(const char *text, char out[HF_ALARM_TEXT_MAX])
{
    const size_t room = HF_ALARM_TEXT_MAX - sizeof ELLIPSIS;
    const unsigned char *s = (const unsigned char *)text;
    size_t n = 0, whole = 0; /* whole: with "…" it still fits */
    while (*s) {
        uint32_t c;
        const size_t len = decode(s, &c), add = len && !is_control(c) ? len : 1;
        if (n + add >= HF_ALARM_TEXT_MAX) {
            memcpy(out + whole, ELLIPSIS, sizeof ELLIPSIS);
            return;
        }
        if (add == len && !is_control(c))
            memcpy(out + n, s, len);
        else
            out[n] = len ? ' ' : '?';
        s += len ? len : 1;
        n += add;
        whole = n <= room ? n : whole;
    }
    out[n] = '\0';
}

static void change(struct hf_alarm_changes *out, const char *kind, bool is_on, const char *text)
{
    struct hf_alarm_change *c = &out->items[out->n++];
    c->kind = kind;
    c->is_on = is_on;
    hf_alarm_text(text, c->text);
}

/* ---- attempts --------------------------------------------------------------------------- */

static bool is(const char *outcome, const char *what)
{
    return strcmp(outcome, what) == 0;
}

/* The message of some errors is their class. */
static void say_bad(const struct hf_duty *d, char out[RAW_MAX])
{
    const bool has_class = d->error && !(d->message && is(d->error, d->message));
    snprintf(out, RAW_MAX, "%s: %s%s%s", d->outcome, has_class ? d->error : "",
             has_class ? ": " : "", d->message ? d->message : "without a message");
}

static void say_good(const struct hf_duty *d, char out[RAW_MAX])
{
    const bool has_grade = is(d->outcome, "done") && d->grade;
    snprintf(out, RAW_MAX, "%s%s%s", d->outcome, has_grade ? " with grade " : "",
             has_grade ? d->grade : "");
}

static void judge_run(const struct hf_duty *d, struct hf_alarm_changes *out)
{
    char bad[RAW_MAX], good[RAW_MAX];
    say_bad(d, bad);
    say_good(d, good);
    if (is(d->outcome, "failed")) {
        change(out, HF_ALARM_FAILED, true, bad);
        return;
    }
    change(out, HF_ALARM_FAILED, false, good);
    change(out, HF_ALARM_MISSED, false, good);
    if (is(d->outcome, "degraded"))
        change(out, HF_ALARM_DEGRADED, true, bad);
    else
        change(out, HF_ALARM_DEGRADED, false, good);
}

static void judge_drill(const struct hf_duty *d, struct hf_alarm_changes *out)
{
    char text[RAW_MAX];
    if (is(d->outcome, "done")) {
        change(out, HF_ALARM_DRILL_FAILED, false, "done");
        change(out, HF_ALARM_DRILL_OVERDUE, false, "done");
        return;
    }
    say_bad(d, text);
    change(out, HF_ALARM_DRILL_FAILED, true, text);
}

void hf_alarms_of_attempt(const struct hf_duty *before, const struct hf_duty *after,
                          struct hf_alarm_changes *out)
{
    out->n = 0;
    const bool has_ended = after->outcome && after->ended_us != 0;
    const bool is_the_same = before && before->ended_us == after->ended_us;
    if (!has_ended || is_the_same || is(after->outcome, "busy"))
        return;
    if (is(after->kind, HF_DUTY_DRILL))
        judge_drill(after, out);
    else
        judge_run(after, out);
}

/* ---- what did not happen ---------------------------------------------------------------- */

static const char *missed_kind(const char *kind)
{
    return is(kind, HF_DUTY_DRILL) ? HF_ALARM_DRILL_OVERDUE : HF_ALARM_MISSED;
}

/* "2026-11-23 03:00:00 UTC" */
static void say_time(int64_t at_s, char out[HF_TIME_MAX])
{
    char rfc[HF_TIME_MAX];
    if (at_s > INT64_MAX / SECOND_US)
        at_s = INT64_MAX / SECOND_US;
    hf_time_rfc3339(at_s * SECOND_US, rfc);
    snprintf(out, HF_TIME_MAX, "%.10s %.8s UTC", rfc, rfc + 11);
}

void hf_alarms_of_job(const struct hf_job *job, struct hf_alarm_changes *out)
{
    char text[RAW_MAX], due[HF_TIME_MAX];
    out->n = 0;
    if (!job->has_missed)
        return;
    say_time(job->due_s, due);
    snprintf(text, sizeof text, "due times before %s passed without a %s", due, job->kind);
    change(out, missed_kind(job->kind), true, text);
}

void hf_alarms_of_row(const struct hf_plan_row *row, struct hf_alarm_changes *out)
{
    char text[RAW_MAX], due[HF_TIME_MAX];
    out->n = 0;
    if (!row->is_overdue && !row->has_missed)
        return;
    say_time(row->due_s, due);
    if (row->is_overdue)
        snprintf(text, sizeof text, "the %s due at %s has not been made%s", row->kind, due,
                 row->is_running ? ": the one before still runs" : "");
    else
        snprintf(text, sizeof text, "due times before %s passed without a %s", due, row->kind);
    change(out, missed_kind(row->kind), true, text);
}

/* ---- who is told ------------------------------------------------------------------------- */

const char **hf_alarm_targets(const struct hf_config *config, const char *kind, size_t *out_n)
{
    size_t n = config ? hf_config_notify_count(config) : 0;
    const char **targets = calloc(n + 1, sizeof *targets);
    *out_n = 0;
    for (size_t i = 0; targets && i < n; i++) {
        const struct hf_config_notify *notify = hf_config_notify_at(config, i);
        if (hf_strv_has(&notify->on, kind))
            targets[(*out_n)++] = notify->label;
    }
    return targets;
}
