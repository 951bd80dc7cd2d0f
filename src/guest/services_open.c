/* SPDX-License-Identifier: Apache-2.0
 *
 * Which units rest together, and in which order.
 *
 * systemd says for each unit what starts it (TriggeredBy) and what it takes down with it (RequiredBy, BoundBy, ConsistsOf,
 * PropagatesStopTo) and would not start again. Each answer may name further units: asked in rounds, one call each; most
 * sets need one.
 */
#include "base/point.h"
#include "guest/services_intern.h"

#include <stdlib.h>
#include <string.h>

const struct hf_unit *hf_services_known(const struct hf_services *s, const char *name)
{
    for (size_t i = 0; i < s->n_rounds; i++) {
        const struct hf_unit *u = hf_unit_list_find(&s->rounds[i], name);
        if (u)
            return u;
    }
    return NULL;
}

/* ---- what there is ----------------------------------------------------------------------- */

static int ask_round(struct hf_services *s, const struct hf_strv *names, int64_t deadline_ms,
                     struct hf_err *err)
{
    if (s->n_rounds == HF_SERVICES_ROUNDS)
        return hf_fail(err, HF_E_UNSUPPORTED, "too many units hang together with these");
    return hf_units_show(s->guest, names, deadline_ms, &s->rounds[s->n_rounds++], err);
}

static int refuse_absent(const struct hf_unit_list *l, const struct hf_strv *names,
                         struct hf_err *err)
{
    HF_AUTO(hf_buf) struct hf_buf list = HF_BUF_INIT;
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].load != HF_UNIT_LOADED)
            hf_buf_printf(&list, "%s'%s' (%s)", list.len ? ", " : "", names->items[i],
                          l->items[i].load_word);
    if (!hf_buf_ok(&list))
        return hf_fail_nomem(err);
    if (!list.len)
        return 0;
    return hf_fail(err, HF_E_NOT_FOUND, "no such units in the guest: %s", hf_buf_str(&list));
}

static int sort_asked(struct hf_services *s, struct hf_err *err)
{
    for (size_t i = 0; i < s->rounds[0].n; i++) {
        const struct hf_unit *u = &s->rounds[0].items[i];
        if (hf_strv_has(&s->asked, u->id))
            continue;
        if (!hf_unit_is_idle(u) && !hf_unit_runs(u))
            return hf_fail(err, HF_E_BUSY, "unit '%s' is %s just now", u->id, u->state_word);
        if (hf_strv_add(&s->asked, u->id) < 0 ||
            (hf_unit_is_idle(u) && hf_strv_add(&s->idle, u->id) < 0))
            return hf_fail_nomem(err);
    }
    return 0;
}

static int add_unknown(const struct hf_services *s, const struct hf_strv *names,
                       struct hf_strv *out, struct hf_err *err)
{
    for (size_t i = 0; i < names->n; i++)
        if (!hf_services_known(s, names->items[i]) && !hf_strv_has(out, names->items[i]) &&
            hf_strv_add(out, names->items[i]) < 0)
            return hf_fail_nomem(err);
    return 0;
}

/* The names that the last round brought up. What rests already takes nothing down with it. */
static int find_unknown(const struct hf_services *s, struct hf_strv *out, struct hf_err *err)
{
    const struct hf_unit_list *last = &s->rounds[s->n_rounds - 1];
    for (size_t i = 0; i < last->n; i++) {
        const struct hf_unit *u = &last->items[i];
        bool runs = hf_unit_runs(u);
        if ((runs || s->n_rounds == 1) && add_unknown(s, &u->wakers, out, err) < 0)
            return -1;
        if (runs && add_unknown(s, &u->dependents, out, err) < 0)
            return -1;
    }
    return 0;
}

static int look_around(struct hf_services *s, int64_t deadline_ms, struct hf_err *err)
{
    while (true) {
        HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
        if (find_unknown(s, &names, err) < 0)
            return -1;
        if (!names.n)
            return 0;
        if (ask_round(s, &names, deadline_ms, err) < 0)
            return -1;
    }
}

/* ---- order ------------------------------------------------------------------------------- */

static int plan_stop(struct hf_services *s, const char *name, struct hf_strv *visited,
                     struct hf_err *err);

static int plan_stops(struct hf_services *s, const struct hf_strv *names, struct hf_strv *visited,
                      struct hf_err *err)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct hf_unit *u = hf_services_known(s, names->items[i]);
        if (u && hf_unit_runs(u) && plan_stop(s, u->id, visited, err) < 0)
            return -1;
    }
    return 0;
}

/* First what could wake it up, then what would go down with it, then itself. */
static int plan_stop(struct hf_services *s, const char *name, struct hf_strv *visited,
                     struct hf_err *err)
{
    const struct hf_unit *u = hf_services_known(s, name);
    if (hf_strv_has(visited, u->id))
        return 0;
    if (hf_strv_add(visited, u->id) < 0)
        return hf_fail_nomem(err);
    if (plan_stops(s, &u->wakers, visited, err) < 0)
        return -1;
    if (!hf_unit_runs(u))
        return 0;
    if (plan_stops(s, &u->dependents, visited, err) < 0)
        return -1;
    return hf_strv_add(&s->to_stop, u->id) < 0 ? hf_fail_nomem(err) : 0;
}

static int plan_start(struct hf_services *s, const struct hf_unit *u, struct hf_err *err)
{
    if (hf_strv_has(&s->to_start, u->id))
        return 0;
    return hf_strv_add(&s->to_start, u->id) < 0 ? hf_fail_nomem(err) : 0;
}

/* The other way round, but that a socket must be listening before its service runs: systemd refuses it afterwards. */
static int plan_starts(struct hf_services *s, struct hf_err *err)
{
    for (size_t i = s->to_stop.n; i-- > 0;) {
        const struct hf_unit *u = hf_services_known(s, s->to_stop.items[i]);
        for (size_t k = 0; k < u->wakers.n; k++) {
            const struct hf_unit *w = hf_services_known(s, u->wakers.items[k]);
            if (w && hf_unit_has_type(w, ".socket") && hf_strv_has(&s->to_stop, w->id) &&
                plan_start(s, w, err) < 0)
                return -1;
        }
        if (plan_start(s, u, err) < 0)
            return -1;
    }
    return 0;
}

/* Nothing is stopped that could not be started again. */
static int refuse_final(const struct hf_services *s, struct hf_err *err)
{
    for (size_t i = 0; i < s->to_stop.n; i++) {
        const struct hf_unit *u = hf_services_known(s, s->to_stop.items[i]);
        const char *why = u->is_transient             ? "is gone once it stops (a transient unit)"
                          : u->load != HF_UNIT_LOADED ? "could not be started again"
                          : u->cannot_start           ? "may not be started by hand"
                          : u->cannot_stop            ? "may not be stopped by hand"
                                                      : NULL;
        if (!why)
            continue;
        hf_fail(err, HF_E_UNSUPPORTED, "unit '%s' %s%s", u->id, why,
                hf_strv_has(&s->asked, u->id) ? "" : ", and it would go down with the others");
        return -1;
    }
    return 0;
}

static int plan_all(struct hf_services *s, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv visited = HF_STRV_INIT;
    for (size_t i = 0; i < s->asked.n; i++)
        if (plan_stop(s, s->asked.items[i], &visited, err) < 0)
            return -1;
    if (s->to_stop.n + s->idle.n > HF_UNITS_MAX)
        return hf_fail(err, HF_E_UNSUPPORTED, "more than %d units would have to rest",
                       HF_UNITS_MAX);
    s->rests = calloc(s->to_stop.n + s->idle.n + 1, sizeof *s->rests);
    if (!s->rests)
        return hf_fail_nomem(err);
    return plan_starts(s, err) < 0 || refuse_final(s, err) < 0 ? -1 : 0;
}

struct hf_services *hf_services_open(const struct hf_services_opts *opts, int64_t deadline_ms,
                                     struct hf_err *err)
{
    HF_AUTO(hf_services) struct hf_services *s = calloc(1, sizeof *s);
    if (!s) {
        hf_fail_nomem(err);
        return NULL;
    }
    s->guest = opts->guest;
    s->clock = opts->clock ? opts->clock : hf_clock_system();
    s->log = opts->log;
    if (ask_round(s, opts->units, deadline_ms, err) < 0 ||
        refuse_absent(&s->rounds[0], opts->units, err) < 0 || sort_asked(s, err) < 0 ||
        look_around(s, deadline_ms, err) < 0 || plan_all(s, err) < 0)
        return NULL;
    for (size_t i = 0; i < s->to_stop.n; i++)
        if (!hf_strv_has(&s->asked, s->to_stop.items[i]))
            hf_log(s->log, HF_LOG_INFO, "services", "%s rests with the others",
                   s->to_stop.items[i]);
    return HF_STEAL(s);
}
