/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "run/covered.h"
#include "run/creation.h"
#include "run/effects.h"
#include "run/rest_units.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 30000
#define PRESYNC_MS 60000

/* What the holds need has to open; the way that a sync takes is good to have. */
int creation_open_ways(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    const struct hf_config_vm *vm = run->vm;
    int needed = hf_way_needed(vm);
    if (vm->db.kind == HF_DB_AGENT && hf_effect_bridge(run->journal, &c->bridge_seq, err) < 0)
        return -1;

    if (hf_way_open(&c->way, run->env, vm, run->found.id, run->id, needed, err) < 0)
        return -1;
    if (vm->db.kind != HF_DB_NONE && !(needed & HF_WAY_DB) &&
        hf_way_open(&c->way, run->env, vm, run->found.id, run->id, HF_WAY_DB, err) < 0)
        return -1;
    c->db_target = hf_way_db_target(&c->way);
    if (hf_way_open(&c->way, run->env, vm, run->found.id, run->id, HF_WAY_GUEST, &c->guest_err) < 0)
        hf_log(run->env->log, HF_LOG_WARN, creation_area(c), "%s", c->guest_err.message);
    return 0;
}

int creation_presync(struct creation *c, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(c->run->env, c->run->id, PRESYNC_MS);
    return hf_hold_sync_guest(c->way.guest, call.deadline_ms, err);
}

static void look_for_guest(struct creation *c)
{
    if (!c->way.guest) {
        if (!c->guest_err.cls)
            hf_fail(&c->guest_err, HF_E_UNSUPPORTED, "guest = none");
        return;
    }
    c->has_guest = creation_presync(c, &c->guest_err) == 0;
    if (!c->has_guest)
        hf_log(c->run->env->log, HF_LOG_WARN, creation_area(c), "guest: %s", c->guest_err.message);
}

/* ---- services --------------------------------------------------------------------------- */

static struct hf_services *open_set(struct creation *c, const struct hf_strv *units,
                                    struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv idle = HF_STRV_INIT;
    HF_AUTO(hf_services)
    struct hf_services *set =
        hf_rest_units_open(c->run->env, c->way.guest, units, &c->to_start, &idle, err);
    return set && creation_warn_all(c, &idle, err) == 0 ? HF_STEAL(set) : NULL;
}

/* The database first: it is stopped last, and started first. */
static int open_sets(struct creation *c, struct hf_err *err)
{
    const struct hf_config_vm *vm = c->run->vm;
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT;
    struct hf_hv_call call = hf_env_call(c->run->env, c->run->id, LOOK_MS);
    if (vm->quiesce == HF_QUIESCE_STOP &&
        (hf_rest_units_db(vm, c->way.guest, call.deadline_ms, &units, err) < 0 ||
         !(c->db_services = open_set(c, &units, err))))
        return -1;
    if (vm->services.n && !c->services_rest && !(c->services = open_set(c, &vm->services, err)))
        return -1;
    return 0;
}

static int prepare_services(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    const struct hf_config_vm *vm = run->vm;
    if (open_sets(c, err) < 0)
        return -1;
    c->rest = (struct hf_hold_services){
        .set = c->services,
        .database = c->db_services,
        .to_start = &c->to_start,
        .db_target = vm->db.kind == HF_DB_NONE ? NULL : &c->db_target,
    };
    hf_rest_units_plan(&c->rest, vm, run->id, false);
    return 0;
}

/* ---- freeze ----------------------------------------------------------------------------- */

/* Those on disks: what the agent freezes, and what the dead-man has to thaw. */
static int prepare_freeze(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    HF_AUTO(hf_mount_list) struct hf_mount_list mounts = {0};
    if (!hf_way_freezes(run->vm))
        return 0;
    if (hf_way_check_freeze(run->hv, run->vm, err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(run->env, run->id, LOOK_MS);
    if (hf_hv_guest_mounts(c->way.hv, &call, run->found.id, &mounts, err) < 0)
        return hf_wrap(err, "freeze = yes");
    for (size_t i = 0; i < mounts.n; i++)
        if (!hf_strv_has(&c->mounts, mounts.items[i].mountpoint) &&
            hf_strv_add(&c->mounts, mounts.items[i].mountpoint) < 0)
            return hf_fail_nomem(err);
    if (!c->mounts.n)
        return hf_fail(err, HF_E_UNSUPPORTED,
                       "freeze = yes, and the guest has no filesystem to freeze");
    c->freeze = (struct hf_hold_freeze){.hv = c->way.hv, .mounts = &c->mounts};
    hf_deadman_name(c->freeze.deadman, run->id, "thaw");
    return 0;
}

/* ---- coverage --------------------------------------------------------------------------- */

static int warn_missing(struct creation *c, const struct hf_coverage *coverage, struct hf_err *err)
{
    for (size_t i = 0; i < coverage->n; i++)
        if (coverage->items[i].is_missing && strcmp(coverage->items[i].what, "files") == 0 &&
            creation_warn(c, coverage->items[i].text, err) < 0)
            return -1;
    return 0;
}

/* A session of its own beside a lock's: it is closed before anything is held. */
static int ask_coverage(struct creation *c, struct hf_coverage *coverage, struct hf_err *err)
{
    HF_AUTO(hf_db_conn) struct hf_db_conn *own = NULL;
    struct hf_covered_ask ask = {.env = c->run->env,
                                 .way = &c->way,
                                 .hv = c->run->hv,
                                 .vm_id = c->run->found.id,
                                 .db = c->observer};
    if (c->lock && !(ask.db = own = hf_db_open(&c->db_target, err)))
        return -1;
    return hf_covered_ask(&ask, coverage, err);
}

/* What a restore needs and the snapshot does not contain: refused, or known from the start to be grade E. */
static int check_coverage(struct creation *c, struct hf_err *err)
{
    struct hf_err lacking = HF_ERR_INIT;
    HF_AUTO(hf_coverage) struct hf_coverage coverage = {0};
    if (!c->has_guest)
        return creation_warn(
            c, "nobody could look whether the database's files are on captured disks", err);
    if (ask_coverage(c, &coverage, err) < 0)
        return hf_wrap(err, "coverage");
    if (warn_missing(c, &coverage, err) < 0)
        return -1;
    if (hf_coverage_refuse(&coverage, &lacking) == 0)
        return 0;
    if (c->run->vm->uncovered == HF_UNCOVERED_REFUSE) {
        hf_err_copy(err, &lacking);
        return -1;
    }
    snprintf(c->lowered_why, sizeof c->lowered_why, "%s", lacking.message);
    return creation_warn(c, lacking.message, err);
}

int creation_prepare_guest(struct creation *c, struct hf_err *err)
{
    look_for_guest(c);
    if (prepare_services(c, err) < 0 || prepare_freeze(c, err) < 0)
        return -1;
    return check_coverage(c, err);
}

/* ---- journal ---------------------------------------------------------------------------- */

int creation_journal_guest(struct creation *c, struct hf_err *err)
{
    if (hf_rest_units_journal(c->run->journal, &c->rest, &c->rest_seq, err) < 0)
        return -1;
    if (!c->freeze.hv)
        return 0;
    return hf_effect_freeze(c->run->journal, c->run->found.id, c->freeze.deadman, &c->freeze_seq,
                            err);
}
