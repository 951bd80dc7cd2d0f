/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Largest first: hf_format_duration peels from the top, and parts of "1m30s" have to descend. */
static const struct {
    const char *name;
    int64_t ms;
    bool written; /* by hf_format_duration; weeks are for reading only */
} durations[] = {
    {"w", INT64_C(604800000), false},
    {"d", INT64_C(86400000), true},
    {"h", 3600000, true},
    {"m", 60000, true},
    {"s", 1000, true},
    {"ms", 1, true},
};

/* Digits at *p as a number; false: none there, or too large. Moves *p behind them. */
static bool read_number(const char **p, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    const char *first = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        uint64_t digit = (uint64_t)(**p - '0');
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return *p > first;
}

static int bad_duration(const char *text, struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "'%.64s' is not a duration", text);
    return hf_hint(err, "Write a number and its unit: ms, s, m, h, d or w, as in 250ms or 1m30s.");
}

/* The unit at *p, moved behind it; its index in `durations`, or -1. */
static int read_duration_unit(const char **p)
{
    size_t len = strspn(*p, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < HF_ARRAY_SIZE(durations); i++) {
        if (strlen(durations[i].name) == len && strncmp(durations[i].name, *p, len) == 0) {
            *p += len;
            return (int)i;
        }
    }
    return -1;
}

int hf_parse_duration(const char *text, int64_t *out_ms, struct hf_err *err)
{
    int64_t total = 0;
    int last_unit = -1;
    const char *p = text;
    do {
        uint64_t value;
        if (!read_number(&p, INT64_MAX, &value))
            return bad_duration(text, err);
        int unit = read_duration_unit(&p);
        if (unit <= last_unit)
            return bad_duration(text, err);
        int64_t part;
        if (__builtin_mul_overflow((int64_t)value, durations[unit].ms, &part) ||
            __builtin_add_overflow(total, part, &total))
            return bad_duration(text, err);
        last_unit = unit;
    } while (*p);
    *out_ms = total;
    return 0;
}

void hf_format_duration(int64_t ms, char out[HF_UNITS_MAX])
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t at = 0;
    if (ms < 0)
        out[at++] = '-';
    for (size_t i = 0; i < HF_ARRAY_SIZE(durations); i++) {
        uint64_t unit_ms = (uint64_t)durations[i].ms;
        /* "24h" reads better than "1d": days begin where nobody counts hours any more. */
        bool too_early = strcmp(durations[i].name, "d") == 0 && left < 2 * unit_ms;
        if (!durations[i].written || too_early || left < unit_ms)
            continue;
        int n = snprintf(out + at, HF_UNITS_MAX - at, "%" PRIu64 "%s", left / unit_ms,
                         durations[i].name);
        at += (size_t)n;
        left %= unit_ms;
    }
    if (at == 0)
        snprintf(out, HF_UNITS_MAX, "0s");
}

static const char size_letters[] = "KMGTPE";

int hf_parse_size(const char *text, uint64_t *out_bytes, struct hf_err *err)
{
    const char *p = text;
    uint64_t value;
    if (read_number(&p, UINT64_MAX, &value)) {
        unsigned shift = 0;
        const char *letter = *p ? strchr(size_letters, *p >= 'a' ? *p - 'a' + 'A' : *p) : NULL;
        if (letter) {
            shift = 10 * (unsigned)(letter - size_letters + 1);
            p++;
        }
        bool ended = *p == '\0' || (letter && strcmp(p, "iB") == 0);
        if (ended && value <= UINT64_MAX >> shift) {
            *out_bytes = value << shift;
            return 0;
        }
    }
    hf_fail(err, HF_E_CONFIG, "'%.64s' is not a size", text);
    return hf_hint(err, "Write bytes, or a number with K, M, G or T (powers of 1024), as in 64K.");
}

void hf_format_size(uint64_t bytes, char out[HF_UNITS_MAX])
{
    if (bytes < 1024) {
        snprintf(out, HF_UNITS_MAX, "%" PRIu64 " B", bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t i = 0;
    /* 1023.95 would be printed as "1024.0", which is the next unit's 1.0. */
    for (; value >= 1023.95 && i < strlen(size_letters) - 1; i++)
        value /= 1024;
    snprintf(out, HF_UNITS_MAX, "%.1f %ciB", value, size_letters[i]);
}
