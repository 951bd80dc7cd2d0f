/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/owed_judge.h"

#include <string.h>

const char *hf_owed_level_name(enum hf_owed_level level)
{
    static const char *const names[] = {"ok", "warning", "critical"};
    return names[level];
}

/* 2026-11-27T02:00:00Z */
static void add_time(struct hf_buf *out, int64_t at_s)
{
    char at[HF_TIME_MAX];
    hf_time_rfc3339(at_s * 1000000, at);
    hf_buf_printf(out, "%.*sZ", (int)strcspn(at, ".Z"), at);
}

static void add_why(struct hf_buf *say, const struct hf_duty *d)
{
    if (d->message && *d->message)
        hf_buf_printf(say, ": %s", d->message);
}

static struct hf_owed_verdict unfollowed(const struct hf_owed *o, struct hf_buf *say)
{
    hf_buf_str_add(say, o->has_followed
                            ? "not followed yet: holdfastd has not read this configuration"
                            : "never followed: no holdfastd has run here, so nothing was begun");
    return (struct hf_owed_verdict){o->has_followed ? HF_OWED_WARNING : HF_OWED_CRITICAL,
                                    "unfollowed"};
}

static struct hf_owed_verdict interrupted(const struct hf_duty *d, struct hf_buf *say)
{
    hf_buf_str_add(say, "interrupted: it began ");
    add_time(say, d->began_us / 1000000);
    hf_buf_str_add(say, ", its process is gone, and nobody wrote down how it ended");
    return (struct hf_owed_verdict){HF_OWED_CRITICAL, "interrupted"};
}

static struct hf_owed_verdict overdue(const struct hf_owed_duty *item,
                                      const struct hf_plan_row *row, struct hf_buf *say)
{
    hf_buf_str_add(say, "overdue: it was due ");
    add_time(say, row->start_s < row->due_s ? row->start_s : row->due_s);
    if (item->is_running)
        hf_buf_str_add(say, ", and the one before still runs");
    else if (row->has_missed)
        hf_buf_str_add(say, ", more than once, and nothing has begun: does holdfastd run?");
    else
        hf_buf_str_add(say, ", and nothing has begun: does holdfastd run?");
    return (struct hf_owed_verdict){HF_OWED_CRITICAL, "overdue"};
}

/* holdfastd ends no run: one that hangs is somebody's to end. */
#define LONG_US (INT64_C(24) * 3600 * 1000000)

static bool runs_long(const struct hf_owed *o, const struct hf_owed_duty *item)
{
    return item->is_running && item->d.began_us > 0 &&
           o->now_s * 1000000 - item->d.began_us > LONG_US;
}

static struct hf_owed_verdict takes_long(const struct hf_duty *d, struct hf_buf *say)
{
    hf_buf_str_add(say, "it began ");
    add_time(say, d->began_us / 1000000);
    hf_buf_str_add(say, ", and still runs");
    return (struct hf_owed_verdict){HF_OWED_WARNING, "long"};
}

/* It is owed still, and tried again and again. */
static struct hf_owed_verdict busy(const struct hf_duty *d, const struct hf_plan_row *row,
                                   struct hf_buf *say)
{
    if (!row->is_overdue)
        return (struct hf_owed_verdict){HF_OWED_OK, "busy"};
    hf_buf_str_add(say, "busy for long: it was due ");
    add_time(say, d->served_s);
    hf_buf_str_add(say, ", and each time another run was at work on the VM");
    return (struct hf_owed_verdict){HF_OWED_WARNING, "busy"};
}

/* How the last attempt that ended did; while another one goes on, when that began is known, and when the former ended no longer. */
static void add_end(struct hf_buf *say, const struct hf_duty *d, const char *ended,
                    const char *before)
{
    hf_buf_str_add(say, d->ended_us ? ended : before);
    if (d->ended_us)
        add_time(say, d->ended_us / 1000000);
    add_why(say, d);
    if (d->ended_us)
        return;
    hf_buf_str_add(say, "; another began ");
    add_time(say, d->began_us / 1000000);
}

/* What a failed one waits for; an hour late nobody seems to do it. */
#define LATE_S 3600

static struct hf_owed_verdict failed(const struct hf_duty *d, const struct hf_plan_row *row,
                                     int64_t now_s, struct hf_buf *say)
{
    bool is_retry = row->due_s == d->served_s, is_late = row->start_s < now_s - LATE_S;
    add_end(say, d, "failed ", "the one before failed");
    if (!row->is_running && row->start_s != HF_NO_TIME) {
        hf_buf_str_add(say, is_late    ? "; it should have been tried again "
                            : is_retry ? "; it is tried again "
                                       : "; the next is ");
        add_time(say, row->start_s);
        hf_buf_str_add(say, is_late ? ": does holdfastd run?" : "");
    }
    return (struct hf_owed_verdict){HF_OWED_CRITICAL, "failed"};
}

static struct hf_owed_verdict degraded(const struct hf_duty *d, struct hf_buf *say)
{
    add_end(say, d, "degraded ", "the one before was degraded");
    return (struct hf_owed_verdict){HF_OWED_WARNING, "degraded"};
}

/* Clocks that are put right by less than this are nobody's concern. */
#define SKEW_S 300

/* Until the time that it was done for nothing is made, unless that is so far ahead that the plan does not believe it. */
static struct hf_owed_verdict ahead(const struct hf_duty *d, const struct hf_plan_row *row,
                                    struct hf_buf *say)
{
    hf_buf_str_add(say, row->was_ahead ? "the clock was wrong: it was done for "
                                       : "the clock was ahead: it was done for ");
    add_time(say, d->served_s);
    if (row->was_ahead) {
        hf_buf_str_add(say, ", which lies ahead, and counts anew from now on");
    } else {
        hf_buf_str_add(say, "; the next is ");
        add_time(say, row->start_s);
    }
    return (struct hf_owed_verdict){HF_OWED_WARNING, "ahead"};
}

static bool has_outcome(const struct hf_duty *d, const char *outcome)
{
    return d->outcome && strcmp(d->outcome, outcome) == 0;
}

struct hf_owed_verdict hf_owed_judge(const struct hf_owed *o, const struct hf_owed_duty *item,
                                     const struct hf_plan_row *row, struct hf_buf *say)
{
    const struct hf_duty *d = &item->d;
    if (!item->is_followed && !item->is_by_others)
        return unfollowed(o, say);
    if (d->began_us && !d->ended_us && !item->is_running)
        return interrupted(d, say);
    /* One that found the VM busy is overdue to the plan; it is to us once the next one has come. */
    if (row->is_overdue && !(has_outcome(d, "busy") && !row->has_missed))
        return overdue(item, row, say);
    if (runs_long(o, item) && !has_outcome(d, "failed"))
        return takes_long(d, say);
    if (has_outcome(d, "failed"))
        return failed(d, row, o->now_s, say);
    if (has_outcome(d, "degraded"))
        return degraded(d, say);
    if (row->was_ahead || d->served_s > o->now_s + SKEW_S)
        return ahead(d, row, say);
    if (has_outcome(d, "busy"))
        return busy(d, row, say);
    return (struct hf_owed_verdict){HF_OWED_OK, d->outcome ? "done" : "waiting"};
}
