/* SPDX-License-Identifier: Apache-2.0 */
#include "base/point.h"
#include "run/creation.h"
#include "run/effects.h"

#include <stdio.h>

#define PREPARE_MS 60000
/* The server ends the lock's session this long after hold-limit at the latest (wait_timeout,
 * db/lock.h). */
#define SESSION_SLACK_MS 15000

static int journal_variable(void *ctx, const char *name, const char *old_value,
                            const char *new_value, struct hf_err *err)
{
    struct creation *c = ctx;
    if (c->n_variables == HF_CREATION_VARIABLES_MAX)
        return hf_fail(err, HF_E_INTERNAL, "more than %d variables in one run",
                       HF_CREATION_VARIABLES_MAX);
    return hf_effect_db_variable(c->run->journal, name, old_value, new_value,
                                 &c->variable_seqs[c->n_variables++], err);
}

static int prepare_lock(struct creation *c, struct hf_err *err)
{
    const struct hf_run *run = c->run;
    const struct hf_config_vm *vm = run->vm;
    struct hf_db_lock_opts opts = hf_env_lock_opts(run->env, vm, &c->db_target, run->id);
    opts.on_variable = journal_variable;
    opts.on_variable_ctx = c;
    int64_t dead_at_us =
        run->started_wall_us +
        (vm->quiesce_timeout + vm->hold_limit + SESSION_SLACK_MS + PREPARE_MS) * 1000;
    if (hf_effect_db_lock(run->journal, dead_at_us, &c->lock_seq, err) < 0)
        return -1;
    HF_POINT("run.before_sessions");
    c->lock = hf_db_lock_prepare(&opts, err);
    if (!c->lock)
        return -1;
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(c->lock);
    snprintf(c->server, sizeof c->server, "%s", plan->server);
    snprintf(c->method, sizeof c->method, "%s", plan->method);
    return creation_warn_all(c, &plan->warnings, err);
}

/* Without a lock the position is a courtesy: the snapshot is as good as promised without it. */
static void open_observer(struct creation *c)
{
    struct hf_err err = HF_ERR_INIT;
    struct hf_db_target target = c->db_target;
    target.connect_timeout_s = 5;
    if (c->run->vm->db.kind == HF_DB_NONE)
        return;
    c->observer = hf_db_open(&target, &err);
    if (c->observer)
        snprintf(c->server, sizeof c->server, "%s", hf_db_server(c->observer)->text);
    else
        hf_log(c->run->env->log, HF_LOG_WARN, creation_area(c), "position will not be recorded: %s",
               err.message);
}

int creation_prepare_db(struct creation *c, struct hf_err *err)
{
    const struct hf_config_vm *vm = c->run->vm;
    if (vm->quiesce != HF_QUIESCE_LOCK && vm->quiesce != HF_QUIESCE_LIGHT) {
        open_observer(c);
        return 0;
    }
    if (prepare_lock(c, err) == 0)
        return 0;
    return c->run->found.state == HF_VM_OFF && err->cls == HF_E_UNREACHABLE
               ? hf_hint(err, "The VM is off. Start it; or take its disks as they are, with "
                              "quiesce = none in [vm %s]: grade E.",
                         vm->label)
               : -1;
}

int creation_check_grade(struct creation *c, struct hf_err *err)
{
    const enum hf_grade required = hf_run_required(c->run);
    if (!c->lock || hf_grade_meets(HF_GRADE_E, required))
        return 0;
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(c->lock);
    if (plan->needs_sync && !c->has_guest && !c->freeze.hv) {
        hf_fail(err, HF_E_UNSUPPORTED,
                "grade %s is out of reach: %s, and nothing can sync the guest (%s)",
                hf_grade_name(required), plan->needs_sync_why, c->guest_err.message);
        return hf_hint(err, "Give holdfast a way into the guest (its agent, or guest = ssh), or make "
                            "the server durable at commit, "
                            "or accept less with `require = E`.");
    }
    if (plan->lacks_variable_right) {
        hf_fail(err, HF_E_AUTH,
                "grade %s is out of reach: the redo log is not written at commit, and the right to "
                "settle it is missing",
                hf_grade_name(required));
        return hf_hint(err, "`holdfast check %s` prints the GRANT.", c->run->vm->label);
    }
    return 0;
}

/* A hardened server syncs each commit from here on. What was committed before goes down
 * by a sync in the guest, else by a new binlog. That sync serves a durable server too: the first commits after the
 * snapshot go to new overlays, and find little else to write. */
int creation_calm_db(struct creation *c, struct hf_err *err)
{
    struct hf_err guest_err = HF_ERR_INIT;
    if (!c->lock)
        return 0;
    HF_POINT("run.before_harden");
    if (hf_db_lock_harden(c->lock, err) < 0)
        return -1;
    if (c->has_guest && creation_presync(c, &guest_err) == 0)
        return 0;
    return hf_db_lock_flush_binlog(c->lock, err);
}

void creation_close_entry(struct creation *c, uint64_t *seq)
{
    struct hf_err err = HF_ERR_INIT;
    if (*seq && hf_journal_undone(c->run->journal, *seq, &err) < 0)
        hf_log_err(c->run->env->log, HF_LOG_WARN, creation_area(c), &err);
    *seq = 0;
}

void creation_close_lock(struct creation *c)
{
    if (c->lock)
        hf_db_lock_take_sources(c->lock, &c->sources);
    hf_db_lock_free(HF_STEAL(c->lock));
    creation_close_entry(c, &c->lock_seq);
}
