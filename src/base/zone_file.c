/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of time zones: TZif, RFC 8536. What does not hold together is refused, and nothing is read past the end.
 */
#include "base/zone_intern.h"

#include <stdlib.h>
#include <string.h>

#define CHANGES_MAX 4096
#define TYPES_MAX 256
#define HEADER_BYTES 44
#define TYPE_BYTES 6

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
    return hf_fail(err, HF_E_CORRUPT, "this is no zone file: %s", what);
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
    if (offset < -HF_ZONE_OFFSET_MAX || offset > HF_ZONE_OFFSET_MAX)
        return corrupt(err, "an offset out of range");
    *out = (int32_t)offset;
    return 0;
}

/* *last: the time of the last change in the file, also when it leaves the offset as it is. */
static int read_changes(struct hf_zone *z, const struct block *b, int64_t *last, struct hf_err *err)
{
    *last = INT64_MIN;
    if (b->n_leaps > 0)
        return hf_fail(err, HF_E_UNSUPPORTED, "a time zone file with leap seconds");
    if (type_offset(b, 0, &z->first, err) != 0)
        return -1;
    for (size_t i = 0; i < b->n_times; i++) {
        int64_t at = big_endian(b->times + i * b->time_bytes, b->time_bytes);
        int32_t offset = 0;
        if (i > 0 && at <= *last)
            return corrupt(err, "changes out of order");
        if (type_offset(b, b->indexes[i], &offset, err) != 0 ||
            hf_zone_add(z, at, offset, err) != 0)
            return -1;
        *last = at;
    }
    return 0;
}

/* Behind the second block: "\nRULE\n". An empty rule: the last offset holds for good. */
static int read_footer(struct hf_zone *z, const uint8_t *p, size_t len, int64_t last,
                       struct hf_err *err)
{
    char rule[HF_ZONE_RULE_MAX];
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
    return hf_zone_rule_apply(z, rule, last, err);
}

static int parse(struct hf_zone *z, const uint8_t *p, size_t len, struct hf_err *err)
{
    struct block first = {0}, second = {0};
    int64_t last = INT64_MIN;
    if (read_block(p, len, 4, &first, err) != 0)
        return -1;
    if (first.version < '2')
        return read_changes(z, &first, &last, err);
    if (read_block(p + first.bytes, len - first.bytes, 8, &second, err) != 0 ||
        read_changes(z, &second, &last, err) != 0)
        return -1;
    size_t at = first.bytes + second.bytes;
    return read_footer(z, p + at, len - at, last, err);
}

struct hf_zone *hf_zone_parse(const void *data, size_t len, struct hf_err *err)
{
    HF_AUTO(hf_zone) struct hf_zone *z = calloc(1, sizeof(*z));
    if (!z) {
        hf_fail_nomem(err);
        return NULL;
    }
    return parse(z, data, len, err) == 0 ? HF_STEAL(z) : NULL;
}
