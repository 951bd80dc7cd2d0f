/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting units so that one that hangs or fails does not keep the others down.
 */
#include "base/point.h"
#include "guest/services.h"
#include "guest/units.h"

#include <stdlib.h>
#include <string.h>

/* Kept back for looking at the effect, of the time that is left. */
#define LOOK_RESERVE_MS 2000
#define STEADY_MS 500
#define PAUSE_MS 200

struct starting {
    struct hf_guest *g;
    const struct hf_strv *units;
    const struct hf_clock *clock;
    int64_t deadline_ms;
    bool is_known; /* what runs is known from a look, not guessed */
    struct hf_unit_list look;
};

static int look(struct starting *st, struct hf_err *err)
{
    hf_unit_list_free(&st->look);
    st->is_known = hf_units_show(st->g, st->units, st->deadline_ms, &st->look, err) == 0;
    return st->is_known ? 0 : -1;
}

static bool is_active(const struct hf_unit *u)
{
    return u->state == HF_UNIT_ACTIVE;
}

/* A job that is done in one go is over when it is at its best. */
static bool is_up(const struct hf_unit *u)
{
    return is_active(u) || (u->state == HF_UNIT_INACTIVE && strcmp(u->type, "oneshot") == 0 &&
                            u->invocation[0] && strcmp(u->result, "success") == 0);
}

static bool is_worth_waiting(const struct hf_unit *u)
{
    return u->state == HF_UNIT_ACTIVATING || u->state == HF_UNIT_DEACTIVATING;
}

/* The second attempt is for units that were started too often in the last seconds: systemd refuses those untried. */
static int start_one(struct starting *st, const char *name, int64_t until_ms, struct hf_err *err)
{
    static const char script[] =
        "systemctl start -- \"$1\" && exit; rc=$?; "
        "[ \"$(systemctl show -p Result --value -- \"$1\")\" = start-limit-hit ] || exit $rc; "
        "systemctl reset-failed -- \"$1\"; exec systemctl start -- \"$1\"";
    const char *argv[] = {"/bin/sh", "-c", script, "sh", name, NULL};
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = until_ms};
    HF_POINT("services.before_start");
    int rc = hf_guest_run(st->g, &cmd, NULL, err);
    HF_POINT("services.after_start");
    return rc < 0 ? hf_wrap(err, "start of unit '%s'", name) : 0;
}

/* Each gets its share of the time: a server that recovers for minutes goes on starting while the next one is begun. */
static int64_t share_end(const struct starting *st, size_t to_go)
{
    int64_t now_ms = hf_clock_mono_ms(st->clock);
    int64_t left_ms = st->deadline_ms - now_ms;
    left_ms = left_ms > 2 * LOOK_RESERVE_MS ? left_ms - LOOK_RESERVE_MS : left_ms / 2;
    return now_ms + (left_ms > 0 ? left_ms / (int64_t)to_go : 0);
}

static bool needs_start(const struct starting *st, size_t i)
{
    return !st->is_known || !is_active(&st->look.items[i]);
}

/* Of all that went wrong the first is told; whether it counts, the effect says. */
static void start_all(struct starting *st, struct hf_err *first)
{
    for (size_t i = 0; i < st->units->n; i++) {
        struct hf_err one = HF_ERR_INIT;
        if (needs_start(st, i) &&
            start_one(st, st->units->items[i], share_end(st, st->units->n - i), &one) < 0 &&
            first->cls == HF_E_NONE)
            hf_err_copy(first, &one);
    }
}

static bool all(const struct starting *st, bool (*is)(const struct hf_unit *u))
{
    for (size_t i = 0; i < st->look.n; i++)
        if (!is(&st->look.items[i]))
            return false;
    return true;
}

static bool is_settled(const struct hf_unit *u)
{
    return is_up(u) || !is_worth_waiting(u);
}

static int wait_until_settled(struct starting *st, struct hf_err *err)
{
    while (look(st, err) == 0) {
        if (all(st, is_settled) || hf_clock_left_ms(st->clock, st->deadline_ms) <= PAUSE_MS)
            return 0;
        hf_clock_sleep_ms(st->clock, PAUSE_MS);
    }
    return -1;
}

static int tell_down(const struct hf_unit *u, struct hf_err *err)
{
    hf_fail(err, HF_E_PLUGIN, "unit '%s' is %s (%s)", u->id, u->state_word,
            u->result[0] && strcmp(u->result, "success") ? u->result : u->sub);
    if (is_worth_waiting(u))
        return hf_hint(err,
                       "systemd in the guest is still at it: see 'systemctl list-jobs' there.");
    return hf_hint(err, "See 'journalctl -u %s' in the guest.", u->id);
}

static int add_failure(struct hf_err *err, const struct hf_err *one, const char *left)
{
    if (err->cls == HF_E_NONE)
        hf_err_copy(err, one);
    return hf_left(err, "%s", left);
}

/* before[i] is what unit i was a moment ago. */
static int judge(const struct starting *st, const struct hf_unit_list *before, struct hf_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < st->look.n; i++) {
        const struct hf_unit *u = &st->look.items[i], *b = &before->items[i];
        char left[HF_ERR_LEFT_MAX];
        struct hf_err one = HF_ERR_INIT;
        if (!is_up(u))
            tell_down(u, &one);
        else if (strcmp(u->invocation, b->invocation) || u->main_pid != b->main_pid)
            hf_fail(&one, HF_E_PLUGIN,
                    "unit '%s' does not keep running: it is started again and again", u->id);
        else
            continue;
        snprintf(left, sizeof left, "unit '%s' does not run", u->id);
        rc = add_failure(err, &one, left);
    }
    return rc;
}

static int tell_unknown(const struct starting *st, struct hf_err *err)
{
    for (size_t i = 0; i < st->units->n; i++)
        hf_left(err, "whether unit '%s' runs is not known", st->units->items[i]);
    return -1;
}

static int check_effect(struct starting *st, struct hf_err *err)
{
    if (wait_until_settled(st, err) < 0)
        return tell_unknown(st, err);
    HF_AUTO(hf_unit_list) struct hf_unit_list before = st->look;
    st->look = (struct hf_unit_list){0};
    hf_clock_sleep_ms(st->clock, STEADY_MS);
    if (look(st, err) < 0)
        return tell_unknown(st, err);
    return judge(st, &before, err);
}

int hf_units_start(struct hf_guest *g, const struct hf_strv *units, const struct hf_clock *clock,
                   int64_t deadline_ms, struct hf_err *err)
{
    struct hf_err ignored = HF_ERR_INIT, first = HF_ERR_INIT, effect = HF_ERR_INIT;
    struct starting st = {.g = g,
                          .units = units,
                          .clock = clock ? clock : hf_clock_system(),
                          .deadline_ms = deadline_ms};
    if (!units->n)
        return 0;
    int rc = look(&st, &ignored); /* failed: all are started, running ones take no harm */
    if (rc < 0 || !all(&st, is_active)) {
        start_all(&st, &first);
        rc = check_effect(&st, &effect);
    }
    hf_unit_list_free(&st.look);
    if (rc == 0)
        return 0;
    /* What systemctl said tells more than what was seen afterwards; what is left, only that tells. */
    first.left[0] = '\0';
    hf_err_copy(err, &first);
    return hf_also(err, &effect);
}
