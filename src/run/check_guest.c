/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/clock.h"
#include "guest/deadman.h"
#include "guest/services.h"
#include "run/checking.h"
#include "run/covered.h"
#include "run/rest_units.h"

#include <inttypes.h>
#include <stdlib.h>

/* A dead-man that does nothing is let fire, to see how late it is. */
#define MEASURE_MS 1000
#define LATE_MS 1000
/* Beyond this, instants of guest and host are not to be compared any more. */
#define CLOCK_OFF_MS 2000

/* What is good to have for a sync is needed for everything else. */
static enum hf_finding_level lacking(const struct checking *c)
{
    return hf_way_needed(c->vm) & HF_WAY_GUEST ? HF_FINDING_FAIL : HF_FINDING_WARN;
}

static int check_channel(struct checking *c, struct hf_err *err)
{
    static const char *const argv[] = {"/bin/true", NULL};
    struct hf_err what = HF_ERR_INIT;
    struct hf_guest_cmd cmd = {.argv = argv, .deadline_ms = check_deadline_ms(c)};
    c->has_guest =
        hf_way_open(&c->way, c->env, c->vm, c->found.id, c->id, HF_WAY_GUEST, &what) == 0 &&
        hf_guest_run(c->way.guest, &cmd, NULL, &what) == 0;
    if (c->has_guest)
        return check_tellf(c, "guest", HF_FINDING_OK, err,
                           "programs can be run in the guest, by %s",
                           hf_guest_channel_name(c->way.guest));
    return check_tell(c, "guest", lacking(c), what.message, what.hint[0] ? what.hint : NULL, err);
}

static int check_clock(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    int64_t off_ms = 0, within_ms = 0;
    if (hf_guest_clock_offset(c->way.guest, c->env->clock, check_deadline_ms(c), &off_ms,
                              &within_ms, &what) < 0)
        return check_tell(c, "guest", HF_FINDING_WARN, what.message, NULL, err);
    enum hf_finding_level level =
        llabs(off_ms) - within_ms > CLOCK_OFF_MS ? HF_FINDING_WARN : HF_FINDING_OK;
    return check_tellf(c, "guest", level, err,
                       "its clock is %" PRId64 " ms %s this host's, give or take %" PRId64 " ms",
                       (int64_t)llabs(off_ms), off_ms < 0 ? "behind" : "ahead of", within_ms);
}

static int tell_set(struct checking *c, const struct hf_services *s, struct hf_err *err)
{
    const struct hf_strv *idle = hf_services_idle(s), *running = hf_services_to_start(s);
    for (size_t i = 0; i < idle->n; i++)
        if (check_tellf(c, "services", HF_FINDING_WARN, err, "%s does not run: it stays as it is",
                        idle->items[i]) < 0)
            return -1;
    for (size_t i = running->n; i-- > 0;)
        if (check_tellf(c, "services", HF_FINDING_OK, err, "%s rests during the hold",
                        running->items[i]) < 0)
            return -1;
    return 0;
}

static int check_set(struct checking *c, const struct hf_strv *units, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct hf_services_opts opts = {
        .guest = c->way.guest, .units = units, .clock = c->env->clock, .log = c->env->log};
    if (!units->n)
        return 0;
    HF_AUTO(hf_services)
    struct hf_services *s = hf_services_open(&opts, check_deadline_ms(c), &what);
    return s ? tell_set(c, s, err) : check_tell_err(c, "services", &what, err);
}

/* Those that an app names and that do not exist are told with the app. */
static int check_rest(struct checking *c, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    for (size_t i = 0; i < c->vm->services.n; i++)
        if (!hf_strv_has(&c->units.missing, c->vm->services.items[i]) &&
            hf_strv_add(&units, c->vm->services.items[i]) < 0)
            return hf_fail_nomem(err);
    return check_set(c, &units, err);
}

static int check_services(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    if (check_rest(c, err) < 0)
        return -1;
    if (c->vm->quiesce != HF_QUIESCE_STOP)
        return 0;
    if (hf_rest_units_db(c->vm, c->way.guest, check_deadline_ms(c), &units, &what) < 0)
        return check_tell_err(c, "services", &what, err);
    return check_set(c, &units, err);
}

static int check_freeze(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    if (!hf_way_freezes(c->vm))
        return 0;
    if (hf_way_check_freeze(c->hv, c->vm, &what) < 0)
        return check_tell_err(c, "guest", &what, err);
    if (c->found.can & HF_CAN_GUEST_FREEZE)
        return check_tell(c, "guest", HF_FINDING_OK, "its filesystems can be frozen", NULL, err);
    return check_tell(
        c, "guest", HF_FINDING_FAIL, "freeze = yes, and the hypervisor reaches no guest agent",
        "Install and start qemu-guest-agent in the guest, or set 'freeze = no'.", err);
}

static int check_deadman(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    char name[HF_DEADMAN_MAX];
    int64_t late_ms = 0;
    if (!(hf_way_needed(c->vm) & HF_WAY_GUEST)) /* nothing that one would have to undo */
        return 0;
    hf_deadman_name(name, c->id, "check");
    if (hf_deadman_measure(c->way.guest, name, MEASURE_MS, check_deadline_ms(c), &late_ms, &what) <
        0)
        return check_tell_err(c, "dead-man", &what, err);
    return check_tellf(c, "dead-man", late_ms > LATE_MS ? HF_FINDING_FAIL : HF_FINDING_OK, err,
                       "a timer in the guest fires %" PRId64 " ms late", late_ms);
}

int check_guest(struct checking *c, struct hf_err *err)
{
    if (c->vm->guest == HF_GUEST_NONE)
        return check_tell(c, "guest", HF_FINDING_OK, "no guest channel (guest = none)", NULL, err);
    if (check_channel(c, err) < 0 || check_freeze(c, err) < 0)
        return -1;
    if (!c->has_guest)
        return 0;
    if (check_clock(c, err) < 0 || check_apps_guest(c, err) < 0 || check_services(c, err) < 0)
        return -1;
    return check_deadman(c, err);
}

/* ---- coverage --------------------------------------------------------------------------- */

static int tell_coverage(struct checking *c, const struct hf_coverage *coverage, struct hf_err *err)
{
    enum hf_finding_level bad =
        c->vm->uncovered == HF_UNCOVERED_REFUSE ? HF_FINDING_FAIL : HF_FINDING_WARN;
    for (size_t i = 0; i < coverage->n; i++) {
        const struct hf_coverage_finding *f = &coverage->items[i];
        bool is_bad = hf_coverage_is_problem(f);
        if (f->is_missing && !is_bad && hf_strv_has(&c->paths.missing, f->path))
            continue; /* told with the app that names it */
        enum hf_finding_level level = is_bad          ? bad
                                      : f->is_missing ? HF_FINDING_WARN
                                                      : HF_FINDING_OK;
        if (check_tell(c, "coverage", level, f->text,
                       is_bad ? "Put it on a disk that is captured, or set 'uncovered = lower'."
                              : NULL,
                       err) < 0)
            return -1;
    }
    return 0;
}

int check_coverage(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_coverage) struct hf_coverage coverage = {0};
    HF_AUTO(hf_db_conn) struct hf_db_conn *db = NULL;
    if (!c->has_guest)
        return c->vm->db.kind == HF_DB_NONE && !c->vm->files.n
                   ? 0
                   : check_tell(c, "coverage", HF_FINDING_WARN,
                                "nobody can look whether all files are on captured disks: no way "
                                "into the guest",
                                NULL, err);
    if (c->has_db) {
        struct hf_db_target target = hf_way_db_target(&c->way);
        db = hf_db_open(&target, &what);
    }
    struct hf_covered_ask ask = {
        .env = c->env, .way = &c->way, .hv = c->hv, .vm_id = c->found.id, .db = db};
    if ((c->has_db && !db) || hf_covered_ask(&ask, &coverage, &what) < 0)
        return check_tell_err(c, "coverage", &what, err);
    return tell_coverage(c, &coverage, err);
}
