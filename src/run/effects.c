/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/point.h"
#include "db/lock.h"
#include "guest/deadman.h"
#include "guest/services.h"
#include "run/effects_intern.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GUEST_MS 15000
#define LOOK_MS 5000

struct effect {
    const char *kind;
    int urgency; /* 0 first */
    int (*undo)(struct hf_undo *u, const char *run_id, struct json_object *data,
                struct hf_err *err);
    const char *would; /* for the dry run */
    bool is_in_guest;  /* gone when the machine is off */
};

/* ---- connections ------------------------------------------------------------------------ */

int hf_undo_need_hv(struct hf_undo *u, struct hf_err *err)
{
    return hf_undo_need_hv_of(u, u->vm->hypervisor, err);
}

int hf_undo_need_hv_of(struct hf_undo *u, const char *hypervisor, struct hf_err *err)
{
    if (u->hv && hf_hv_is_stuck(u->hv)) {
        struct hf_err late = HF_ERR_INIT;
        struct hf_hv_call wait = hf_env_call(u->env, NULL, 60 * 1000);
        if (hf_hv_wait_home(u->hv, wait.deadline_ms, &late, err) < 0) {
            hf_hint(err,
                    "The hypervisor does not answer; when it does again, run `holdfast recover`.");
            return -1;
        }
    }
    if (u->hv)
        return 0;
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(u->env->config, hypervisor, err);
    if (!h)
        return -1;
    u->hv = hf_env_open_hv(u->env, h, err);
    u->owns_hv = u->hv != NULL;
    return u->hv ? 0 : -1;
}

static int need_way(struct hf_undo *u, const char *run_id, int what, struct hf_err *err)
{
    if (hf_way_open(&u->way, u->env, u->vm, u->vm_id, run_id, what, err) < 0)
        return -1;
    if (!(what & HF_WAY_GUEST) || u->way.guest)
        return 0;
    hf_fail(err, HF_E_CONFIG, "vm %s has no way into its guest any more", u->vm->label);
    return hf_hint(err, "Put `guest` back in [vm %s] until `holdfast recover` has run.",
                   u->vm->label);
}

static void close_db(struct hf_undo *u)
{
    if (u->owns_db)
        hf_db_close(u->db);
    u->db = NULL;
    u->owns_db = false;
    hf_way_close_db(&u->way);
}

/* Through a tunnel of its own: the one before may have died with what it led through. */
static int open_db(struct hf_undo *u, const char *run_id, struct hf_err *err)
{
    close_db(u);
    if (need_way(u, run_id, HF_WAY_DB, err) < 0)
        return -1;
    struct hf_db_target target = hf_way_db_target(&u->way);
    target.connect_timeout_s = 5;
    u->db = hf_db_open(&target, err);
    u->owns_db = u->db != NULL;
    return u->db ? 0 : -1;
}

/* A session that was opened long ago may be gone: one new try. */
static int with_db(struct hf_undo *u, const char *run_id,
                   int (*fn)(struct hf_db_conn *c, void *arg, struct hf_err *err), void *arg,
                   struct hf_err *err)
{
    struct hf_err first = HF_ERR_INIT;
    if (u->db && fn(u->db, arg, &first) == 0)
        return 0;
    if (u->db && first.cls != HF_E_UNREACHABLE) {
        hf_err_copy(err, &first);
        return -1;
    }
    if (open_db(u, run_id, err) < 0)
        return -1;
    return fn(u->db, arg, err);
}

void hf_undo_close(struct hf_undo *u)
{
    if (u->owns_db)
        hf_db_close(u->db);
    hf_way_close(&u->way);
    if (u->owns_hv)
        hf_hv_close(u->hv);
    hf_strv_free(&u->actions);
    free(u->unfinished);
    *u = (struct hf_undo){0};
}

/* ---- inverses --------------------------------------------------------------------------- */

int hf_undo_say(struct hf_undo *u, struct hf_err *err, const char *text, const char *what)
{
    HF_AUTOFREE char *line = hf_asprintf("%s%s%s", text, what ? " " : "", what ? what : "");
    if (!line || hf_strv_add(&u->actions, line) < 0)
        return hf_fail_nomem(err);
    if (!u->dry_run) /* it would read as done */
        hf_log(u->env->log, HF_LOG_INFO, "undo", "%s", line);
    return 0;
}

static int disarm(struct hf_undo *u, const char *run_id, const char *deadman, struct hf_err *err)
{
    bool fired = false;
    struct hf_hv_call call = hf_env_call(u->env, run_id, GUEST_MS);
    return hf_deadman_disarm(u->way.guest, deadman, call.deadline_ms, &fired, err);
}

/* Thawed first, and not only where it looks frozen: the agent refuses all else while it believes so. */
static int undo_freeze(struct hf_undo *u, const char *run_id, struct json_object *data,
                       struct hf_err *err)
{
    const char *vm_id = NULL, *deadman = NULL;
    if (hf_json_get_string(data, "vm_id", &vm_id, err) < 0 ||
        hf_json_get_string(data, "deadman", &deadman, err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(u->env, run_id, GUEST_MS);
    if (need_way(u, run_id, HF_WAY_AGENT, err) < 0 ||
        hf_hv_guest_thaw(u->way.hv, &call, vm_id, err) < 0)
        return hf_left(
            err, "filesystems in %s may be frozen, until the dead-man in the guest thaws them",
            u->vm->label);
    if (need_way(u, run_id, HF_WAY_GUEST, err) < 0 || disarm(u, run_id, deadman, err) < 0)
        return hf_left(err, "the dead-man %s in %s, which does no harm", deadman, u->vm->label);
    return hf_undo_say(u, err, "the filesystems are thawed:", u->vm->label);
}

static int start_units(struct hf_undo *u, const char *run_id, const struct hf_strv *units,
                       struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(u->env, run_id, u->vm->start_timeout);
    if (need_way(u, run_id, HF_WAY_GUEST, err) == 0 &&
        hf_units_start(u->way.guest, units, u->env->clock, call.deadline_ms, err) == 0)
        return 0;
    for (size_t i = 0; !err->left[0] && i < units->n; i++)
        hf_left(err, "%s in %s may be stopped, until the dead-man in the guest starts it",
                units->items[i], u->vm->label);
    return -1;
}

static int undo_rest(struct hf_undo *u, const char *run_id, struct json_object *data,
                     struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv units = HF_STRV_INIT, deadmen = HF_STRV_INIT;
    if (hf_json_get_strings(data, "units", &units, err) < 0 ||
        hf_json_get_strings(data, "deadmen", &deadmen, err) < 0 ||
        start_units(u, run_id, &units, err) < 0)
        return -1;
    for (size_t i = 0; i < deadmen.n; i++)
        if (disarm(u, run_id, deadmen.items[i], err) < 0)
            return hf_left(err, "the dead-man %s in %s, which does no harm", deadmen.items[i],
                           u->vm->label);
    return hf_undo_say(u, err, "the services run again:", u->vm->label);
}

static int kill_marked(struct hf_db_conn *c, void *run_id, struct hf_err *err)
{
    return hf_db_lock_kill(c, run_id, err);
}

static int undo_db_lock(struct hf_undo *u, const char *run_id, struct json_object *data,
                        struct hf_err *err)
{
    int64_t dead_at_us = 0;
    if (hf_json_get_int(data, "dead_at_us", &dead_at_us, err) < 0)
        return -1;
    HF_AUTOFREE char *run = strdup(run_id);
    if (!run)
        return hf_fail_nomem(err);
    if (with_db(u, run_id, kill_marked, run, err) == 0)
        return hf_undo_say(u, err, "no database session of the run is left", NULL);
    /* A server that cannot be reached dropped the session by wait_timeout at the latest. */
    if (err->cls == HF_E_UNREACHABLE && hf_clock_wall_us(u->env->clock) > dead_at_us)
        return hf_undo_say(
            u, err, "the server dropped the run's database session by its wait_timeout", NULL);
    return hf_left(err, "the database lock of run %s, until the server's wait_timeout ends it",
                   run_id);
}

/* Our own tunnel through the agent would be ended with the others: it is closed before. */
static int undo_bridge(struct hf_undo *u, const char *run_id, struct json_object *data,
                       struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(u->env, run_id, GUEST_MS);
    (void)data;
    close_db(u);
    if (need_way(u, run_id, HF_WAY_GUEST, err) == 0 &&
        hf_tunnel_agent_end(u->way.guest, run_id, call.deadline_ms, err) == 0)
        return hf_undo_say(u, err, "nothing leads to the database any more in", u->vm->label);
    return hf_left(err, "a connection to the database inside %s, which ends by itself",
                   u->vm->label);
}

struct variable {
    const char *name, *old_value, *new_value;
};

static int restore(struct hf_db_conn *c, void *arg, struct hf_err *err)
{
    const struct variable *v = arg;
    return hf_db_variable_restore(c, v->name, v->old_value, v->new_value, err);
}

static int undo_db_variable(struct hf_undo *u, const char *run_id, struct json_object *data,
                            struct hf_err *err)
{
    struct variable v = {0};
    if (hf_json_get_string(data, "name", &v.name, err) < 0 ||
        hf_json_get_string(data, "old", &v.old_value, err) < 0 ||
        hf_json_get_string(data, "new", &v.new_value, err) < 0)
        return -1;
    if (with_db(u, run_id, restore, &v, err) == 0)
        return hf_undo_say(u, err, "restored the server variable", v.name);
    return hf_left(err, "server variable %s may still be %s; it was %s", v.name, v.new_value,
                   v.old_value);
}

#define VARIABLES 2
static const struct effect effects[] = {
    {HF_EFFECT_FREEZE, 0, undo_freeze, "thaw the filesystems frozen by run", true},
    {HF_EFFECT_DB_LOCK, 1, undo_db_lock, "kill the database session of run", false},
    {HF_EFFECT_DB_VARIABLE, VARIABLES, undo_db_variable,
     "restore the server variable changed by run", false},
    {HF_EFFECT_REST, 3, undo_rest, "start the services stopped by run", true},
    {HF_EFFECT_BRIDGE, 3, undo_bridge, "end the way to the database opened by run", true},
    {HF_EFFECT_SNAPSHOT, 4, hf_effect_undo_snapshot, "remove the snapshot of run", false},
    {HF_EFFECT_EXPORT, 4, hf_effect_undo_export, "end the export of run", false},
    {HF_EFFECT_EXPORT_DECIDED, 4, hf_effect_name_export,
     "name the backup that may be without a point, of run", false},
    {HF_EFFECT_SNAPSHOT_DELETE, 4, hf_effect_finish_delete, "finish the snapshot deletion of run",
     false},
    {HF_EFFECT_MAINTENANCE, 4, hf_effect_leave_maintenance,
     "leave to somebody's decision the maintenance", false},
    {HF_EFFECT_ROLLBACK, 4, hf_effect_undo_rollback,
     "go back to the state before the rollback of run", false},
    {HF_EFFECT_ROLLBACK_DECIDED, 4, hf_effect_finish_rollback, "finish the rollback of run", false},
    {HF_EFFECT_MACHINE, 4, hf_effect_undo_machine, "take away the machine made by run", false},
    {HF_EFFECT_MACHINE_DECIDED, 4, hf_effect_finish_machine, "give away the machine made by run",
     false},
    {HF_EFFECT_MACHINE_SERVED, 4, hf_effect_undo_served, "end the machine that runs for run",
     false},
};
#define LAST_HOLD 3 /* up to this urgency: what somebody in the guest may be waiting for */
#define LAST_URGENCY 4

/* ---- the walk --------------------------------------------------------------------------- */

static const struct effect *find_effect(const char *kind)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(effects); i++)
        if (strcmp(effects[i].kind, kind) == 0)
            return &effects[i];
    return NULL;
}

/* In a machine that is off nothing is frozen or stopped, and no dead-man waits; what starts with it starts anew. Asked
 * only when the guest did not answer, and never of a hypervisor that does not answer either. */
static bool is_off(struct hf_undo *u, const char *run_id)
{
    struct hf_err ignored = HF_ERR_INIT;
    HF_AUTO(hf_vm_copy) struct hf_vm_copy vm = {0};
    struct hf_hv_call call = hf_env_call(u->env, run_id, LOOK_MS);
    if ((u->hv && hf_hv_is_stuck(u->hv)) || hf_undo_need_hv(u, &ignored) < 0 ||
        hf_hv_vm_find(u->hv, &call, u->vm_id, &vm, &ignored) < 0)
        return false;
    return vm.state == HF_VM_OFF || vm.state == HF_VM_CRASHED;
}

static int undo_effect(struct hf_undo *u, const struct effect *effect, const char *run_id,
                       struct json_object *data, struct hf_err *err)
{
    if (effect->undo(u, run_id, data, err) == 0)
        return 0;
    if (!effect->is_in_guest || !is_off(u, run_id))
        return -1;
    hf_err_clear(err);
    return hf_undo_say(u, err, "nothing is at rest in a machine that is off:", u->vm->label);
}

static int undo_entry(struct hf_undo *u, struct hf_journal *j, const struct hf_journal_entry *e,
                      struct hf_err *err)
{
    const struct effect *effect = find_effect(e->kind);
    if (!effect)
        return hf_fail(err, HF_E_UNSUPPORTED, "journal %s holds an effect '%s' of a newer version",
                       hf_journal_run_id(j), e->kind);
    if (hf_undo_is_void(j, e->kind))
        return u->dry_run ? 0 : hf_journal_undone(j, e->seq, err);
    if (u->dry_run)
        return hf_undo_say(u, err, effect->would, hf_journal_run_id(j));
    HF_POINT("undo.before_effect");
    if (undo_effect(u, effect, hf_journal_run_id(j), e->data, err) < 0)
        return -1;
    HF_POINT("undo.after_effect");
    return hf_journal_undone(j, e->seq, err);
}

static bool is_at(const struct hf_journal_entry *e, int urgency)
{
    const struct effect *effect = find_effect(e->kind);
    /* Unknown kinds come last: what is known is undone before they are complained about. */
    return !e->is_undone && (effect ? effect->urgency : LAST_URGENCY) == urgency;
}

static int undo_urgencies(struct hf_undo *u, struct hf_journal *j, int first, int last,
                          struct hf_err *err)
{
    int result = 0;
    for (int urgency = first; urgency <= last; urgency++) {
        for (size_t i = hf_journal_count(j); i-- > 0;) {
            struct hf_err one = HF_ERR_INIT;
            if (!is_at(hf_journal_at(j, i), urgency) ||
                undo_entry(u, j, hf_journal_at(j, i), &one) == 0)
                continue;
            result = hf_also(err, &one);
        }
    }
    return result;
}

int hf_undo_journal(struct hf_undo *u, struct hf_journal *j, struct hf_err *err)
{
    return undo_urgencies(u, j, 0, LAST_URGENCY, err);
}

int hf_undo_holds(struct hf_undo *u, struct hf_journal *j, struct hf_err *err)
{
    return undo_urgencies(u, j, 0, LAST_HOLD, err);
}

int hf_undo_variables(struct hf_undo *u, struct hf_journal *j, struct hf_err *err)
{
    return undo_urgencies(u, j, VARIABLES, VARIABLES, err);
}

bool hf_undo_is_holding(const struct hf_journal *j)
{
    for (size_t i = 0; i < hf_journal_count(j); i++)
        for (int urgency = 0; urgency <= LAST_HOLD; urgency++)
            if (is_at(hf_journal_at(j, i), urgency))
                return true;
    return false;
}
