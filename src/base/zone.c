/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/civil.h"
#include "base/list.h"
#include "base/path.h"
#include "base/zone_intern.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER "/usr/share/zoneinfo"
#define HOST_FILE "/etc/localtime"
#define FILE_MAX_BYTES ((size_t)1 << 20)

/* ---- changes ---------------------------------------------------------------------------- */

void hf_zone_close(struct hf_zone *z)
{
    if (!z)
        return;
    free(z->changes);
    free(z);
}

int32_t hf_zone_last_offset(const struct hf_zone *z)
{
    return z->n ? z->changes[z->n - 1].offset : z->first;
}

int hf_zone_add(struct hf_zone *z, int64_t at_s, int32_t offset, struct hf_err *err)
{
    if (offset == hf_zone_last_offset(z))
        return 0;
    struct hf_zone_change *more = hf_list_room(z->changes, z->n, &z->cap, sizeof *more, 64);
    if (!more)
        return hf_fail_nomem(err);
    z->changes = more;
    z->changes[z->n++] = (struct hf_zone_change){.at_s = at_s, .offset = offset};
    return 0;
}

struct hf_zone_span hf_zone_span_at(const struct hf_zone *z, int64_t at_s)
{
    size_t low = 0, high = z->n; /* how many changes are not later than at_s */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->changes[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    struct hf_zone_span span = {.from_s = INT64_MIN, .until_s = HF_ZONE_NEVER, .offset = z->first};
    if (low > 0) {
        span.from_s = z->changes[low - 1].at_s;
        span.offset = z->changes[low - 1].offset;
    }
    span.offset_before = low > 1 ? z->changes[low - 2].offset : low == 1 ? z->first : span.offset;
    if (low < z->n)
        span.until_s = z->changes[low].at_s;
    return span;
}

int32_t hf_zone_offset(const struct hf_zone *z, int64_t at_s)
{
    return hf_zone_span_at(z, at_s).offset;
}

/* ---- by name ---------------------------------------------------------------------------- */

struct hf_zone *hf_zone_from_rule(const char *rule, struct hf_err *err)
{
    HF_AUTO(hf_zone) struct hf_zone *z = calloc(1, sizeof *z);
    if (!z) {
        hf_fail_nomem(err);
        return NULL;
    }
    return hf_zone_rule_apply(z, rule, INT64_MIN, err) < 0 ? NULL : HF_STEAL(z);
}

static struct hf_zone *open_file(const char *path, struct hf_err *err)
{
    size_t len = 0;
    HF_AUTOFREE char *data = hf_path_read(path, FILE_MAX_BYTES, &len, err);
    struct hf_zone *z = data ? hf_zone_parse(data, len, err) : NULL;
    if (data && !z)
        hf_wrap(err, "%s", path);
    return z;
}

/* It becomes a path: no way out of the folder. */
static bool is_name(const char *s)
{
    static const char *const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789_+-/";
    return *s && *s != '/' && strlen(s) < 64 && strspn(s, allowed) == strlen(s);
}

static struct hf_zone *open_named(const char *name, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTOFREE char *path = is_name(name) ? hf_asprintf("%s/%s", FOLDER, name) : NULL;
    struct hf_zone *z = path ? open_file(path, &why) : NULL;
    if (!z)
        z = hf_zone_from_rule(name, &why);
    if (z)
        return z;
    hf_fail(err, HF_E_CONFIG, "there is no time zone '%.60s'", name);
    hf_hint(err, "Zones are called as the files in %s are, such as Europe/Berlin.", FOLDER);
    return NULL;
}

static struct hf_zone *open_host(struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    const char *tz = getenv("TZ");
    if (tz && *tz) {
        tz += *tz == ':';
        return *tz == '/' ? open_file(tz, err) : open_named(tz, err);
    }
    struct hf_zone *z = open_file(HOST_FILE, &why);
    if (z || why.cls != HF_E_NOT_FOUND) {
        hf_err_copy(err, &why);
        return z;
    }
    return hf_zone_from_rule("UTC0", err);
}

struct hf_zone *hf_zone_open(const char *name, struct hf_err *err)
{
    return name ? open_named(name, err) : open_host(err);
}

/* ---- the calendar ----------------------------------------------------------------------- */

void hf_zone_at(const struct hf_zone *z, int64_t wall_us, struct hf_zone_time *out)
{
    const int64_t wall_s = hf_div_floor(wall_us, 1000000);
    *out = (struct hf_zone_time){.offset_s = hf_zone_offset(z, wall_s)};
    const int64_t here = wall_s + out->offset_s, days = hf_div_floor(here, HF_DAY_S);
    const int of_day = (int)(here - days * HF_DAY_S);
    const struct hf_date date = hf_civil_date(days);
    out->year = date.year;
    out->month = (int)date.month;
    out->day = (int)date.day;
    out->hour = of_day / 3600;
    out->minute = of_day / 60 % 60;
    out->second = of_day % 60;
}

/* A week belongs to the year that its Thursday is in. */
void hf_zone_week(const struct hf_zone_time *t, int *out_year, int *out_week)
{
    const int64_t days = hf_civil_days(t->year, (unsigned)t->month, (unsigned)t->day);
    const int64_t thursday = days - hf_mod_floor(days + 3, 7) + 3;
    *out_year = hf_civil_date(thursday).year;
    *out_week = (int)((thursday - hf_civil_days(*out_year, 1, 1)) / 7) + 1;
}
