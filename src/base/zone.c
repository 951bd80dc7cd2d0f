/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/path.h"
#include "base/zone_intern.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER "/usr/share/zoneinfo"
#define HOST_FILE "/etc/localtime"
#define FILE_MAX ((size_t)1 << 20)
#define HEAD 44
#define COUNT_MAX 100000u /* of anything in a file */
#define DAY_S 86400

struct change {
    int64_t at_s;
    int offset_s;
};

struct hf_zone {
    struct change *changes; /* ascending */
    size_t n;
    int first_s; /* before the first of them */
    bool has_rule;
    struct hf_zone_rule rule; /* after the last of them */
};

void hf_zone_close(struct hf_zone *z)
{
    if (!z)
        return;
    free(z->changes);
    free(z);
}

/* ---- a file ----------------------------------------------------------------------------- */

static uint64_t get_be(const unsigned char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

struct block { /* one of a file's two */
    const unsigned char *data;
    uint32_t universal, standard, leaps, changes, types, chars;
    size_t time_bytes;
};

static size_t block_bytes(const struct block *b)
{
    return (size_t)b->changes * (b->time_bytes + 1) + (size_t)b->types * 6 + b->chars +
           (size_t)b->leaps * (b->time_bytes + 4) + b->standard + b->universal;
}

/* Its head, and that all of it is there. */
static bool read_block(const unsigned char *data, size_t len, size_t time_bytes, struct block *out)
{
    if (len < HEAD || memcmp(data, "TZif", 4) != 0)
        return false;
    *out = (struct block){.data = data + HEAD,
                          .universal = (uint32_t)get_be(data + 20, 4),
                          .standard = (uint32_t)get_be(data + 24, 4),
                          .leaps = (uint32_t)get_be(data + 28, 4),
                          .changes = (uint32_t)get_be(data + 32, 4),
                          .types = (uint32_t)get_be(data + 36, 4),
                          .chars = (uint32_t)get_be(data + 40, 4),
                          .time_bytes = time_bytes};
    return out->universal <= COUNT_MAX && out->standard <= COUNT_MAX && out->leaps <= COUNT_MAX &&
           out->changes <= COUNT_MAX && out->types > 0 && out->types <= 256 &&
           out->chars <= COUNT_MAX && block_bytes(out) <= len - HEAD;
}

static bool take_block(struct hf_zone *z, const struct block *b)
{
    const unsigned char *kinds = b->data + (size_t)b->changes * b->time_bytes;
    const unsigned char *types = kinds + b->changes;
    z->n = b->changes;
    z->first_s = (int32_t)get_be(types, 4);
    for (size_t i = 0; i < z->n; i++) {
        if (kinds[i] >= b->types)
            return false;
        z->changes[i] = (struct change){(int64_t)get_be(b->data + i * 8, 8),
                                        (int32_t)get_be(types + (size_t)kinds[i] * 6, 4)};
        if (i && z->changes[i].at_s <= z->changes[i - 1].at_s)
            return false;
    }
    return true;
}

/* "\nRULE\n" behind the second block; no rule: none is known. */
static bool take_rule(struct hf_zone *z, const char *text, size_t len)
{
    char rule[128];
    const char *end = len > 1 ? memchr(text + 1, '\n', len - 1) : NULL;
    if (!end || text[0] != '\n' || (size_t)(end - text) > sizeof rule)
        return false;
    memcpy(rule, text + 1, (size_t)(end - text) - 1);
    rule[end - text - 1] = '\0';
    z->has_rule = rule[0] != '\0';
    return !z->has_rule || hf_zone_rule_parse(rule, &z->rule);
}

static int read_zone(struct hf_zone *z, const char *path, struct hf_err *err)
{
    size_t len = 0;
    struct block old, b;
    HF_AUTOFREE char *file = hf_path_read(path, FILE_MAX, &len, err);
    const unsigned char *data = (const unsigned char *)file;
    if (!file)
        return -1;
    if (!read_block(data, len, 4, &old) || data[4] < '2')
        return hf_fail(err, HF_E_CORRUPT, "%s is no zone file", path);
    const size_t first = HEAD + block_bytes(&old);
    if (!read_block(data + first, len - first, 8, &b))
        return hf_fail(err, HF_E_CORRUPT, "%s is no zone file", path);
    if (b.leaps)
        return hf_fail(err, HF_E_CONFIG, "%s counts leap seconds, this host's clock does not",
                       path);
    z->changes = calloc((size_t)b.changes + 1, sizeof *z->changes);
    if (!z->changes)
        return hf_fail_nomem(err);
    const size_t behind = first + HEAD + block_bytes(&b);
    if (!take_block(z, &b) || !take_rule(z, file + behind, len - behind))
        return hf_fail(err, HF_E_CORRUPT, "%s is no zone file", path);
    return 0;
}

/* ---- by name ---------------------------------------------------------------------------- */

static bool is_name(const char *s)
{
    static const char *const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789_+-/";
    return *s && *s != '/' && strlen(s) < 64 && strspn(s, allowed) == strlen(s);
}

static int open_named(struct hf_zone *z, const char *name, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTOFREE char *path = is_name(name) ? hf_asprintf("%s/%s", FOLDER, name) : NULL;
    if (path && read_zone(z, path, &why) == 0)
        return 0;
    if (hf_zone_rule_parse(name, &z->rule)) {
        z->has_rule = true;
        return 0;
    }
    hf_fail(err, HF_E_CONFIG, "there is no time zone '%.60s'", name);
    return hf_hint(err, "Zones are called as the files in %s are, such as Europe/Berlin.", FOLDER);
}

static int open_host(struct hf_zone *z, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    const char *tz = getenv("TZ");
    if (tz && *tz) {
        tz += *tz == ':';
        return *tz == '/' ? read_zone(z, tz, err) : open_named(z, tz, err);
    }
    if (read_zone(z, HOST_FILE, &why) == 0 || why.cls == HF_E_NOT_FOUND)
        return 0;
    hf_err_copy(err, &why);
    return -1;
}

struct hf_zone *hf_zone_open(const char *name, struct hf_err *err)
{
    HF_AUTO(hf_zone) struct hf_zone *z = calloc(1, sizeof *z);
    if (!z) {
        hf_fail_nomem(err);
        return NULL;
    }
    return (name ? open_named(z, name, err) : open_host(z, err)) < 0 ? NULL : HF_STEAL(z);
}

/* ---- asked ------------------------------------------------------------------------------ */

static int offset_at(const struct hf_zone *z, int64_t wall_s)
{
    size_t low = 0, high = z->n; /* the first change after it */
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (z->changes[mid].at_s <= wall_s)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == z->n && z->has_rule)
        return hf_zone_rule_offset(&z->rule, wall_s);
    return low ? z->changes[low - 1].offset_s : z->first_s;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

void hf_zone_at(const struct hf_zone *z, int64_t wall_us, struct hf_zone_time *out)
{
    const int64_t wall_s = floor_div(wall_us, 1000000);
    *out = (struct hf_zone_time){.offset_s = offset_at(z, wall_s)};
    const int64_t here = wall_s + out->offset_s, days = floor_div(here, DAY_S);
    const int of_day = (int)(here - days * DAY_S);
    hf_zone_date(days, &out->year, &out->month, &out->day);
    out->hour = of_day / 3600;
    out->minute = of_day / 60 % 60;
    out->second = of_day % 60;
}

/* A week belongs to the year that its Thursday is in. */
void hf_zone_week(const struct hf_zone_time *t, int *out_year, int *out_week)
{
    int month, day;
    const int64_t days = hf_zone_days(t->year, t->month, t->day);
    const int64_t monday = days - ((days + 3) % 7 + 7) % 7;
    hf_zone_date(monday + 3, out_year, &month, &day);
    *out_week = (int)((monday + 3 - hf_zone_days(*out_year, 1, 1)) / 7) + 1;
}
