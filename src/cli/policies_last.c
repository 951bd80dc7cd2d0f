/* SPDX-License-Identifier: Apache-2.0
 *
 * What became of the policies' runs, as far as the catalog of this host knows.
 */
#include "base/buf.h"
#include "base/civil.h"
#include "cli/owed_judge.h"
#include "cli/policies.h"
#include "cli/text.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 8

/* Opening one makes it: here nothing is written. */
static bool is_there(const struct hf_config *config)
{
    HF_AUTOFREE char *path =
        hf_asprintf("%s/catalog.sqlite", hf_config_get_defaults(config)->state);
    return path && access(path, F_OK) == 0;
}

int hf_policies_know(struct hf_policies *all, const struct hf_clock *clock, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (all->n == 0 || !is_there(all->config))
        return 0;
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog =
        hf_catalog_open(hf_config_get_defaults(all->config)->state, clock, &why);
    all->has_catalog =
        catalog && hf_owed_open(&all->owed, all->config, catalog, all->now_s, &why) == 0;
    if (all->has_catalog)
        return 0;
    hf_owed_close(&all->owed);
    return hf_policies_notice(all, "how the last runs went is not known: %s", why.message) == 0
               ? 0
               : hf_fail_nomem(err);
}

/* ---- text ------------------------------------------------------------------------------- */

/* "2026-11-27 02:00", by the policy's clock. */
static void add_local(struct hf_buf *out, const struct hf_policy *p, int64_t us)
{
    const int64_t utc_s = us / 1000000, at = utc_s + hf_zone_offset(p->zone, utc_s);
    const struct hf_date d = hf_civil_date(hf_div_floor(at, HF_DAY_S));
    const int64_t minute = hf_mod_floor(at, HF_DAY_S) / 60;
    hf_buf_printf(out, "%04d-%02u-%02u %02" PRId64 ":%02" PRId64, d.year, d.month, d.day,
                  minute / 60, minute % 60);
}

static void add_line(struct hf_buf *out, const struct hf_policies *all, const struct hf_policy *p,
                     const struct hf_owed_duty *item)
{
    HF_AUTO(hf_buf) struct hf_buf say = HF_BUF_INIT, line = HF_BUF_INIT;
    const struct hf_duty *d = &item->d;
    const struct hf_owed_verdict v = hf_owed_judge(&all->owed, item, &item->row, &say);
    hf_buf_printf(&line, "%s ", d->vm);
    if (v.level != HF_OWED_OK) {
        hf_buf_printf(&line, "%s", hf_buf_str(&say));
    } else if (item->is_running) {
        hf_buf_str_add(&line, "running since ");
        add_local(&line, p, d->began_us);
    } else if (d->ended_us) {
        hf_buf_printf(&line, "%s ", v.state);
        add_local(&line, p, d->ended_us);
    } else {
        hf_buf_str_add(&line, "nothing yet");
    }
    hf_text_wrap(out, "           ", strlen("  last   "), hf_buf_str(&line));
}

/* Those of this level; *n: lines so far. */
static void add_level(struct hf_buf *out, const struct hf_policies *all, const struct hf_policy *p,
                      enum hf_owed_level level, size_t *n)
{
    for (size_t i = 0; i < all->owed.n; i++) {
        HF_AUTO(hf_buf) struct hf_buf say = HF_BUF_INIT;
        const struct hf_owed_duty *item = &all->owed.items[i];
        if (!item->is_configured || strcmp(item->d.kind, HF_DUTY_RUN) != 0 ||
            strcmp(item->d.policy, p->config->label) != 0 ||
            hf_owed_judge(&all->owed, item, &item->row, &say).level != level || (*n)++ >= LINES_MAX)
            continue;
        hf_buf_str_add(out, *n == 1 ? "  last   " : "         ");
        add_line(out, all, p, item);
    }
}

void hf_policies_add_last(struct hf_buf *out, const struct hf_policies *all,
                          const struct hf_policy *p)
{
    size_t n = 0;
    if (!all->has_catalog)
        return;
    add_level(out, all, p, HF_OWED_CRITICAL, &n);
    add_level(out, all, p, HF_OWED_WARNING, &n);
    add_level(out, all, p, HF_OWED_OK, &n);
    if (n > LINES_MAX)
        hf_buf_printf(out, "         and %zu more: `holdfast status` shows all\n", n - LINES_MAX);
}

/* ---- JSON ------------------------------------------------------------------------------- */

int hf_policies_json_last(struct json_object *row, const struct hf_policies *all,
                          const char *policy, const char *vm)
{
    HF_AUTO(hf_buf) struct hf_buf say = HF_BUF_INIT;
    const struct hf_owed_duty *item = hf_owed_find(&all->owed, policy, vm, HF_DUTY_RUN);
    if (!item)
        return hf_json_add_string(row, "last", NULL);
    const struct hf_owed_verdict v = hf_owed_judge(&all->owed, item, &item->row, &say);
    HF_AUTOJSON struct json_object *o = json_object_new_object();
    if (!o || hf_json_add_string(o, "state", v.state) < 0 ||
        hf_json_add_string(o, "message", say.len ? hf_buf_str(&say) : NULL) < 0 ||
        hf_json_add_bool(o, "running", item->is_running) < 0 ||
        hf_json_add_time(o, "ended_at", item->d.ended_us) < 0 ||
        hf_json_add_time(o, "success_at", item->d.success_us) < 0)
        return -1;
    return hf_json_add(row, "last", HF_STEAL(o));
}
