/* SPDX-License-Identifier: Apache-2.0
 *
 * Times stand here as the policy's own clock shows them.
 */
#include "base/civil.h"
#include "base/units.h"
#include "cli/policies.h"
#include "cli/text.h"
#include "policy/forecast.h"

#include <inttypes.h>
#include <string.h>

#define NAMES_MAX 8
#define DAYS_MAX 14
#define TIMES_MAX 6

static int64_t local_day(const struct hf_policy *p, int64_t at_s)
{
    return hf_div_floor(at_s + hf_zone_offset(p->zone, at_s), HF_DAY_S);
}

/* "Thu 2026-11-26" */
static void add_day(struct hf_buf *out, int64_t day)
{
    static const char *const names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    struct hf_date d = hf_civil_date(day);
    hf_buf_printf(out, "%s %04d-%02u-%02u", names[hf_civil_weekday(day)], d.year, d.month, d.day);
}

static void add_names(struct hf_buf *out, size_t n, const char *name)
{
    if (n <= NAMES_MAX)
        hf_buf_printf(out, "%s%s", n > 1 ? ", " : "", name);
}

static void add_vms(struct hf_buf *out, const struct hf_policies *all, const struct hf_policy *p)
{
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    size_t n = 0;
    for (size_t i = 0; i < hf_config_vm_count(all->config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(all->config, i);
        if (hf_policy_selects(p, vm))
            add_names(&names, ++n, vm->label);
    }
    if (n > NAMES_MAX)
        hf_buf_printf(&names, " and %zu more", n - NAMES_MAX);
    hf_buf_printf(out, "  %zu VM%s%s", n, n == 1 ? "" : "s", n ? ": " : "");
    hf_buf_printf(out, "%s\n", hf_buf_str(&names));
}

/* "image, dump", as in the file; 0: nothing. */
static void add_products(struct hf_buf *out, unsigned produce)
{
    const char *comma = "";
    for (unsigned left = produce; left; left &= left - 1, comma = ", ")
        hf_buf_printf(out, "%s%s", comma, hf_produce_name(left & -left));
}

static void add_heading(struct hf_buf *out, const struct hf_policy *p)
{
    const struct hf_config_policy *c = p->config;
    const char *zone = c->timezone ? c->timezone : hf_config_get_defaults(p->all)->timezone;
    char jitter[HF_UNITS_MAX];
    const struct hf_window *w = &c->window;
    hf_buf_printf(out, "%s: %s, %s", c->label, c->schedule.text, zone ? zone : "local time");
    if (w->from_min != w->until_min)
        hf_buf_printf(out, ", window %02u:%02u-%02u:%02u", w->from_min / 60u, w->from_min % 60u,
                      w->until_min / 60u, w->until_min % 60u);
    hf_format_duration(c->jitter, jitter);
    if (c->jitter)
        hf_buf_printf(out, ", jitter %s", jitter);
    hf_buf_str_add(out, c->produce ? ", " : "");
    add_products(out, c->produce);
    hf_buf_str_add(out, "\n");
}

static void end_day(struct hf_buf *out, size_t on_day)
{
    if (on_day > TIMES_MAX)
        hf_buf_printf(out, " … %zu in all", on_day);
    hf_buf_str_add(out, on_day ? "\n" : "");
}

/* A line per day: the first times of it, and how many there are. */
static void add_runs(struct hf_buf *out, const struct hf_policies *all, const struct hf_policy *p)
{
    int64_t day = INT64_MIN;
    size_t days = 0, on_day = 0;
    for (int64_t t = all->now_s; (t = hf_policy_begin_next(p, t)) <= all->until_s;) {
        int64_t minute = hf_mod_floor(t + hf_zone_offset(p->zone, t), HF_DAY_S) / 60;
        if (local_day(p, t) != day) {
            end_day(out, on_day);
            day = local_day(p, t);
            on_day = 0;
            hf_buf_str_add(out, days++ == 0 ? "  next   " : "         ");
            if (days > DAYS_MAX) {
                hf_buf_str_add(out, "…\n");
                return;
            }
            add_day(out, day);
        }
        if (++on_day <= TIMES_MAX)
            hf_buf_printf(out, "  %02" PRId64 ":%02" PRId64, minute / 60, minute % 60);
    }
    end_day(out, on_day);
    if (days == 0)
        hf_buf_str_add(out, "  next   none in this time\n");
}

/* The letter of the rule that keeps longest. */
static char mark(uint32_t reasons)
{
    static const char letters[HF_KEEP_RULES] = {'l', 'h', 'd', 'w', 'm', 'y'};
    for (size_t rule = HF_KEEP_RULES; rule-- > 0;)
        if (reasons >> rule & 1)
            return letters[rule];
    return ' ';
}

/* A line per month, newest first: the days with points, what keeps them longest, and how many. */
static void add_calendar(struct hf_buf *out, const struct hf_policy *p,
                         const struct hf_forecast_kept *k)
{
    int year = 0;
    unsigned month = 0;
    for (size_t i = 0; i < k->n;) {
        int64_t day = local_day(p, k->points[i].taken_us / 1000000);
        struct hf_date d = hf_civil_date(day);
        uint32_t reasons = 0;
        size_t on_day = 0;
        for (; i < k->n && local_day(p, k->points[i].taken_us / 1000000) == day; i++, on_day++)
            reasons |= k->points[i].reasons;
        if (d.year != year || d.month != month)
            hf_buf_printf(out, "\n         %04d-%02u ", d.year, d.month);
        year = d.year;
        month = d.month;
        hf_buf_printf(out, " %02u%c", d.day, mark(reasons));
        if (on_day > 1)
            hf_buf_printf(out, "(%zu)", on_day);
    }
    hf_buf_str_add(out, k->is_cut ? "\n         … and older ones\n" : "\n");
}

static void add_keep(struct hf_buf *out, const struct hf_keep *keep)
{
    const char *comma = "";
    for (size_t rule = 0; rule < HF_KEEP_RULES; rule++) {
        if (!keep->n[rule])
            continue;
        hf_buf_printf(out, "%s%s %" PRIu32, comma, hf_keep_rule_name((enum hf_keep_rule)rule),
                      keep->n[rule]);
        comma = ", ";
    }
}

/* Snapshots go by their age. */
static void add_kept_snapshots(struct hf_buf *out, const struct hf_config_policy *c)
{
    char age[HF_UNITS_MAX];
    hf_format_duration(c->snapshot_keep, age);
    hf_buf_printf(out, "  keep   %s\n", c->snapshot_keep ? age : "as snapshot-keep of each VM");
}

static int add_kept(struct hf_buf *out, const struct hf_policies *all, const struct hf_policy *p,
                    struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf keep = HF_BUF_INIT;
    HF_AUTO(hf_forecast_kept) struct hf_forecast_kept kept = {0};
    if (p->config->produce == HF_PRODUCE_SNAPSHOT) {
        add_kept_snapshots(out, p->config);
        return 0;
    }
    add_keep(&keep, &p->config->keep);
    if (keep.len == 0) {
        hf_buf_str_add(out, p->config->keep_line
                                ? "  keep   everything\n"
                                : "  keep   as store and VM say, else everything\n");
        return 0;
    }
    if (hf_forecast_kept(p, all->now_s, &kept, err) != 0)
        return -1;
    hf_buf_printf(out, "  keep   %s: %zu point%s, when every run succeeds", hf_buf_str(&keep),
                  kept.n, kept.n == 1 ? "" : "s");
    add_calendar(out, p, &kept);
    return 0;
}

int hf_policies_text(struct hf_buf *out, const struct hf_policies *all, struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf names = HF_BUF_INIT;
    for (size_t i = 0; i < all->n; i++) {
        const struct hf_policy *p = &all->items[i];
        hf_buf_str_add(out, i ? "\n" : "");
        add_heading(out, p);
        add_vms(out, all, p);
        hf_policies_add_last(out, all, p);
        add_runs(out, all, p);
        if (add_kept(out, all, p, err) != 0)
            return -1;
    }
    if (all->n == 0)
        hf_buf_str_add(out, "There are no policies: no section [policy NAME].\n");
    for (size_t i = 0; i < all->in_none.n; i++)
        add_names(&names, i + 1, all->in_none.items[i]);
    if (all->n && all->in_none.n)
        hf_buf_printf(out, "\nin no policy: %s", hf_buf_str(&names));
    if (all->n && all->in_none.n > NAMES_MAX)
        hf_buf_printf(out, " and %zu more", all->in_none.n - NAMES_MAX);
    hf_buf_str_add(out, all->n && all->in_none.n ? "\n" : "");
    for (size_t i = 0; i < all->notices.n; i++) {
        hf_buf_str_add(out, i ? "notice: " : "\nnotice: ");
        hf_text_wrap(out, "        ", strlen("notice: "), all->notices.items[i]);
    }
    return 0;
}
