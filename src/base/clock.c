/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)

static int64_t now_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

static int64_t system_mono_us(void *ctx)
{
    (void)ctx;
    return now_us(CLOCK_MONOTONIC);
}

static int64_t system_wall_us(void *ctx)
{
    (void)ctx;
    return now_us(CLOCK_REALTIME);
}

static void system_sleep_us(void *ctx, int64_t us)
{
    (void)ctx;
    struct timespec left = {.tv_sec = us / US_PER_S, .tv_nsec = (us % US_PER_S) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

const struct hf_clock *hf_clock_system(void)
{
    static const struct hf_clock system_clock = {
        .mono_us = system_mono_us, .wall_us = system_wall_us, .sleep_us = system_sleep_us};
    return &system_clock;
}

int64_t hf_clock_mono_us(const struct hf_clock *c)
{
    return c->mono_us(c->ctx);
}

int64_t hf_clock_mono_ms(const struct hf_clock *c)
{
    return hf_clock_mono_us(c) / 1000;
}

int64_t hf_clock_wall_us(const struct hf_clock *c)
{
    return c->wall_us(c->ctx);
}

struct hf_clock_mark hf_clock_mark(const struct hf_clock *c)
{
    return (struct hf_clock_mark){hf_clock_mono_us(c), hf_clock_wall_us(c)};
}

int64_t hf_clock_past_ms(const struct hf_clock *c, const struct hf_clock_mark *m)
{
    const int64_t mono = hf_clock_mono_us(c) - m->mono_us;
    const int64_t wall = hf_clock_wall_us(c) - m->wall_us;
    return (mono > wall ? mono : wall) / 1000;
}

void hf_clock_sleep_ms(const struct hf_clock *c, int64_t ms)
{
    if (ms > 0)
        c->sleep_us(c->ctx, ms > INT64_MAX / 1000 ? INT64_MAX : ms * 1000);
}

int hf_clock_left_ms(const struct hf_clock *c, int64_t deadline_ms)
{
    int64_t now = hf_clock_mono_ms(c);
    if (deadline_ms <= now)
        return 0;
    int64_t left = deadline_ms - now;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

bool hf_clock_is_past(const struct hf_clock *c, int64_t deadline_ms)
{
    return hf_clock_mono_ms(c) >= deadline_ms;
}

/* Seconds and the microseconds within, also right before the epoch. */
static struct tm split(int64_t wall_us, int *out_us)
{
    int64_t seconds = wall_us / US_PER_S, us = wall_us % US_PER_S;
    if (us < 0) {
        us += US_PER_S;
        seconds--;
    }
    time_t t = (time_t)seconds;
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    *out_us = (int)us;
    return tm;
}

void hf_time_rfc3339(int64_t wall_us, char out[HF_TIME_MAX])
{
    int us;
    struct tm tm = split(wall_us, &us);
    char seconds[HF_TIME_MAX] = "";
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, HF_TIME_MAX, "%.26s.%03uZ", seconds, (unsigned)us / 1000 % 1000);
}

int hf_time_parse(const char *text, int64_t *out_wall_us)
{
    struct tm tm = {0};
    int ms = 0;
    char again[HF_TIME_MAX];
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t us = (int64_t)timegm(&tm) * US_PER_S + ms * 1000;
    /* What timegm had to carry over, signs and blanks that sscanf lets pass: all of it shows here. */
    hf_time_rfc3339(us, again);
    if (us < 0 || strcmp(again, text) != 0)
        return -1;
    *out_wall_us = us;
    return 0;
}

void hf_time_compact(int64_t wall_us, char out[HF_TIME_MAX])
{
    int us;
    struct tm tm = split(wall_us, &us);
    if (strftime(out, HF_TIME_MAX, "%Y%m%dT%H%M%SZ", &tm) == 0)
        out[0] = '\0';
}
