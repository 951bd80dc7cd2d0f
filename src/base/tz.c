/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tz.h"

#include "base/path.h"
#include "base/tz_intern.h"

#include <stdlib.h>
#include <string.h>

#define ZONE_DIR "/usr/share/zoneinfo/"
#define HOST_ZONE "/etc/localtime"
#define FILE_MAX_BYTES ((size_t)256 << 10)
#define CHANGES_MAX 4096
#define TYPES_MAX 256
#define HEADER_BYTES 44
#define TYPE_BYTES 6

/* ---- changes ---------------------------------------------------------------------------- */

void hf_tz_free(struct hf_tz *tz)
{
    if (!tz)
        return;
    free(tz->changes);
    free(tz);
}

int32_t hf_tz_last_offset(const struct hf_tz *tz)
{
    return tz->n ? tz->changes[tz->n - 1].offset : tz->first;
}

int hf_tz_add(struct hf_tz *tz, int64_t at_s, int32_t offset, struct hf_err *err)
{
    if (offset == hf_tz_last_offset(tz))
        return 0;
    if (tz->n == tz->cap) {
        size_t cap = tz->cap ? tz->cap * 2 : 64;
        struct hf_tz_change *more = reallocarray(tz->changes, cap, sizeof(*more));
        if (!more)
            return hf_fail_nomem(err);
        tz->changes = more;
        tz->cap = cap;
    }
    tz->changes[tz->n++] = (struct hf_tz_change){.at_s = at_s, .offset = offset};
    return 0;
}

struct hf_tz_span hf_tz_span_at(const struct hf_tz *tz, int64_t at_s)
{
    size_t low = 0, high = tz->n; /* how many changes are not later than at_s */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tz->changes[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    struct hf_tz_span span = {.from_s = INT64_MIN, .until_s = HF_TZ_NEVER, .offset = tz->first};
    if (low > 0) {
        span.from_s = tz->changes[low - 1].at_s;
        span.offset = tz->changes[low - 1].offset;
    }
    span.offset_before = low > 1 ? tz->changes[low - 2].offset : low == 1 ? tz->first : span.offset;
    if (low < tz->n)
        span.until_s = tz->changes[low].at_s;
    return span;
}

int32_t hf_tz_offset(const struct hf_tz *tz, int64_t at_s)
{
    return hf_tz_span_at(tz, at_s).offset;
}

/* ---- TZif ------------------------------------------------------------------------------- */

/* One data block of the file: its counts, and where its parts begin. */
struct block {
    size_t time_bytes; /* 4 in a version 1 block, 8 in the other */
    size_t n_times, n_types, n_chars, n_leaps, n_std, n_ut;
    const uint8_t *times, *indexes, *types;
    size_t bytes; /* all of it, with its header */
    char version;
};

static int corrupt(struct hf_err *err, const char *what)
{
    return hf_fail(err, HF_E_CORRUPT, "not a time zone file: %s", what);
}

static int64_t big_endian(const uint8_t *p, size_t bytes)
{
    uint64_t value = p[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return (int64_t)value;
}

static int read_block(const uint8_t *p, size_t len, size_t time_bytes, struct block *b,
                      struct hf_err *err)
{
    size_t *const counts[] = {&b->n_ut,    &b->n_std,   &b->n_leaps,
                              &b->n_times, &b->n_types, &b->n_chars};
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return corrupt(err, "no header");
    b->version = (char)p[4];
    b->time_bytes = time_bytes;
    for (size_t i = 0; i < HF_ARRAY_SIZE(counts); i++) {
        int64_t n = big_endian(p + 20 + 4 * i, 4);
        if (n < 0 || n > CHANGES_MAX)
            return corrupt(err, "a count out of range");
        *counts[i] = (size_t)n;
    }
    if (b->n_types == 0 || b->n_types > TYPES_MAX)
        return corrupt(err, "no type of local time, or too many");
    b->times = p + HEADER_BYTES;
    b->indexes = b->times + b->n_times * time_bytes;
    b->types = b->indexes + b->n_times;
    b->bytes = HEADER_BYTES + b->n_times * (time_bytes + 1) + b->n_types * TYPE_BYTES + b->n_chars +
               b->n_leaps * (time_bytes + 4) + b->n_std + b->n_ut;
    return b->bytes <= len ? 0 : corrupt(err, "cut off");
}

static int type_offset(const struct block *b, size_t i, int32_t *out, struct hf_err *err)
{
    if (i >= b->n_types)
        return corrupt(err, "a type that does not exist");
    int64_t offset = big_endian(b->types + i * TYPE_BYTES, 4);
    if (offset < -HF_TZ_OFFSET_MAX || offset > HF_TZ_OFFSET_MAX)
        return corrupt(err, "an offset out of range");
    *out = (int32_t)offset;
    return 0;
}

/* *last: the time of the last change in the file, also when it leaves the offset as it is. */
static int read_changes(struct hf_tz *tz, const struct block *b, int64_t *last, struct hf_err *err)
{
    *last = INT64_MIN;
    if (b->n_leaps > 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "a time zone file with leap seconds");
    if (type_offset(b, 0, &tz->first, err) != 0)
        return -1;
    for (size_t i = 0; i < b->n_times; i++) {
        int64_t at = big_endian(b->times + i * b->time_bytes, b->time_bytes);
        int32_t offset = 0;
        if (i > 0 && at <= *last)
            return corrupt(err, "changes out of order");
        if (type_offset(b, b->indexes[i], &offset, err) != 0 || hf_tz_add(tz, at, offset, err) != 0)
            return -1;
        *last = at;
    }
    return 0;
}

/* Behind the second block: "\nRULE\n". An empty rule: the last offset holds for good. */
static int read_footer(struct hf_tz *tz, const uint8_t *p, size_t len, int64_t last,
                       struct hf_err *err)
{
    char rule[HF_TZ_RULE_MAX];
    const uint8_t *end = len > 1 && p[0] == '\n' ? memchr(p + 1, '\n', len - 1) : NULL;
    if (!end)
        return corrupt(err, "no footer");
    size_t n = (size_t)(end - p) - 1;
    if (n == 0)
        return 0;
    if (n >= sizeof rule || memchr(p + 1, '\0', n))
        return corrupt(err, "its rule");
    memcpy(rule, p + 1, n);
    rule[n] = '\0';
    return hf_tz_rule_apply(tz, rule, last, err);
}

static int parse(struct hf_tz *tz, const uint8_t *p, size_t len, struct hf_err *err)
{
    struct block first = {0}, second = {0};
    int64_t last = INT64_MIN;
    if (read_block(p, len, 4, &first, err) != 0)
        return -1;
    if (first.version < '2')
        return read_changes(tz, &first, &last, err);
    if (read_block(p + first.bytes, len - first.bytes, 8, &second, err) != 0 ||
        read_changes(tz, &second, &last, err) != 0)
        return -1;
    size_t at = first.bytes + second.bytes;
    return read_footer(tz, p + at, len - at, last, err);
}

struct hf_tz *hf_tz_parse(const void *data, size_t len, struct hf_err *err)
{
    HF_AUTO(hf_tz) struct hf_tz *tz = calloc(1, sizeof(*tz));
    if (!tz) {
        hf_fail_nomem(err);
        return NULL;
    }
    return parse(tz, data, len, err) == 0 ? HF_STEAL(tz) : NULL;
}

struct hf_tz *hf_tz_from_rule(const char *rule, struct hf_err *err)
{
    HF_AUTO(hf_tz) struct hf_tz *tz = calloc(1, sizeof(*tz));
    if (!tz) {
        hf_fail_nomem(err);
        return NULL;
    }
    return hf_tz_rule_apply(tz, rule, INT64_MIN, err) == 0 ? HF_STEAL(tz) : NULL;
}

/* ---- names ------------------------------------------------------------------------------ */

/* It becomes a path: no way out of the directory. */
static bool name_is_valid(const char *name)
{
    static const char *const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789_+-/";
    size_t len = strlen(name);
    return len > 0 && len <= HF_TZ_NAME_MAX && strspn(name, allowed) == len && name[0] != '/';
}

static struct hf_tz *open_file(const char *path, struct hf_err *err)
{
    size_t len = 0;
    HF_AUTOFREE char *data = hf_path_read(path, FILE_MAX_BYTES, &len, err);
    return data ? hf_tz_parse(data, len, err) : NULL;
}

static struct hf_tz *open_host(struct hf_err *err)
{
    if (access(HOST_ZONE, F_OK) != 0)
        return hf_tz_from_rule("UTC0", err);
    struct hf_tz *tz = open_file(HOST_ZONE, err);
    if (!tz)
        hf_wrap(err, "this host's time zone, " HOST_ZONE);
    return tz;
}

struct hf_tz *hf_tz_open(const char *name, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    char path[sizeof(ZONE_DIR) + HF_TZ_NAME_MAX];
    if (!name)
        return open_host(err);
    if (strcmp(name, "UTC") == 0)
        return hf_tz_from_rule("UTC0", err);
    struct hf_tz *tz = NULL;
    if (name_is_valid(name)) {
        snprintf(path, sizeof path, ZONE_DIR "%s", name);
        tz = open_file(path, &why);
    }
    if (tz)
        return tz;
    hf_fail(err, HF_E_CONFIG, "'%.64s' is not a time zone of this host", name);
    hf_hint(err,
            "Names such as Europe/Berlin, as below " ZONE_DIR " (Debian package tzdata), or UTC.");
    return NULL;
}
