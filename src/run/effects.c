/* SPDX-License-Identifier: Apache-2.0 */
#include "run/effects.h"

#include "base/buf.h"
#include "base/point.h"
#include "db/lock.h"

#include <inttypes.h>
#include <string.h>

/* A discard may have to wait for libvirt's job lock (30 s) and merge what the guest wrote
 * meanwhile. */
#define DISCARD_MS (10 * 60 * 1000)
#define DELETE_MS (24 * 60 * 60 * 1000)

struct effect {
    const char *kind;
    int urgency; /* 0 first */
    int (*undo)(struct hf_undo *u, const char *run_id, struct json_object *data,
                struct hf_err *err);
    const char *would; /* for the dry run */
};

/* ---- journal entries -------------------------------------------------------------------- */

static int add_intent(struct hf_journal *j, const char *kind, struct json_object *data, int bad,
                      uint64_t *seq, struct hf_err *err)
{
    if (!data || bad)
        return hf_fail_nomem(err);
    return hf_journal_intent(j, kind, data, seq, err);
}

int hf_effect_db_lock(struct hf_journal *j, int64_t dead_at_us, uint64_t *seq, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad = data ? hf_json_add_int(data, "dead_at_us", dead_at_us) : -1;
    return add_intent(j, HF_EFFECT_DB_LOCK, data, bad, seq, err);
}

int hf_effect_db_variable(struct hf_journal *j, const char *name, const char *old_value,
                          const char *new_value, uint64_t *seq, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad = data ? hf_json_add_string(data, "name", name) |
                         hf_json_add_string(data, "old", old_value) |
                         hf_json_add_string(data, "new", new_value)
                   : -1;
    return add_intent(j, HF_EFFECT_DB_VARIABLE, data, bad, seq, err);
}

static int add_snapshot_intent(struct hf_journal *j, const char *kind, const char *vm_id,
                               const char *name, const char *token, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *data = json_object_new_object();
    int bad =
        data ? hf_json_add_string(data, "vm_id", vm_id) | hf_json_add_string(data, "name", name)
             : -1;
    if (!bad && token)
        bad = hf_json_add_string(data, "token", token);
    return add_intent(j, kind, data, bad, NULL, err);
}

int hf_effect_snapshot(struct hf_journal *j, const char *vm_id, const char *name, const char *token,
                       struct hf_err *err)
{
    return add_snapshot_intent(j, HF_EFFECT_SNAPSHOT, vm_id, name, token, err);
}

int hf_effect_snapshot_delete(struct hf_journal *j, const char *vm_id, const char *name,
                              struct hf_err *err)
{
    return add_snapshot_intent(j, HF_EFFECT_SNAPSHOT_DELETE, vm_id, name, NULL, err);
}

/* ---- connections ------------------------------------------------------------------------ */

static int need_hv(struct hf_undo *u, struct hf_err *err)
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
        hf_config_find_hypervisor(u->env->config, u->vm->hypervisor, err);
    if (!h)
        return -1;
    u->hv = hf_env_open_hv(u->env, h, err);
    u->owns_hv = u->hv != NULL;
    return u->hv ? 0 : -1;
}

static int open_db(struct hf_undo *u, struct hf_err *err)
{
    struct hf_db_target target = hf_env_db_target(u->vm);
    target.connect_timeout_s = 5;
    if (u->owns_db)
        hf_db_close(u->db);
    u->db = hf_db_open(&target, err);
    u->owns_db = u->db != NULL;
    return u->db ? 0 : -1;
}

/* A session that was opened long ago may be gone: one new try. */
static int with_db(struct hf_undo *u,
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
    if (open_db(u, err) < 0)
        return -1;
    return fn(u->db, arg, err);
}

void hf_undo_close(struct hf_undo *u)
{
    if (u->owns_db)
        hf_db_close(u->db);
    if (u->owns_hv)
        hf_hv_close(u->hv);
    hf_strv_free(&u->actions);
    *u = (struct hf_undo){0};
}

/* ---- inverses --------------------------------------------------------------------------- */

static int say(struct hf_undo *u, struct hf_err *err, const char *text, const char *what)
{
    HF_AUTOFREE char *line = hf_asprintf("%s%s%s", text, what ? " " : "", what ? what : "");
    if (!line || hf_strv_add(&u->actions, line) < 0)
        return hf_fail_nomem(err);
    if (!u->dry_run) /* it would read as done */
        hf_log(u->env->log, HF_LOG_INFO, "undo", "%s", line);
    return 0;
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
    if (with_db(u, kill_marked, run, err) == 0)
        return say(u, err, "no database session of the run is left", NULL);
    /* A server that cannot be reached dropped the session by wait_timeout at the latest. */
    if (err->cls == HF_E_UNREACHABLE && hf_clock_wall_us(u->env->clock) > dead_at_us)
        return say(u, err, "the server dropped the run's database session by its wait_timeout",
                   NULL);
    return hf_left(err, "the database lock of run %s, until the server's wait_timeout ends it",
                   run_id);
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
    (void)run_id;
    struct variable v = {0};
    if (hf_json_get_string(data, "name", &v.name, err) < 0 ||
        hf_json_get_string(data, "old", &v.old_value, err) < 0 ||
        hf_json_get_string(data, "new", &v.new_value, err) < 0)
        return -1;
    if (with_db(u, restore, &v, err) == 0)
        return say(u, err, "restored the server variable", v.name);
    return hf_left(err, "server variable %s may still be %s; it was %s", v.name, v.new_value,
                   v.old_value);
}

static int undo_snapshot(struct hf_undo *u, const char *run_id, struct json_object *data,
                         struct hf_err *err)
{
    const char *vm_id = NULL, *name = NULL, *token = NULL;
    if (hf_json_get_string(data, "vm_id", &vm_id, err) < 0 ||
        hf_json_get_string(data, "name", &name, err) < 0 ||
        hf_json_opt_string(data, "token", &token, err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(u->env, run_id, DISCARD_MS);
    if (need_hv(u, err) == 0 && hf_hv_capture_discard(u->hv, &call, vm_id, name, token, err) == 0)
        return say(u, err, "nothing is left of snapshot", name);
    return err->left[0]
               ? -1
               : hf_left(err, "snapshot %s of %s, or its overlay files", name, u->vm->label);
}

static int finish_delete(struct hf_undo *u, const char *run_id, struct json_object *data,
                         struct hf_err *err)
{
    const char *vm_id = NULL, *name = NULL;
    if (hf_json_get_string(data, "vm_id", &vm_id, err) < 0 ||
        hf_json_get_string(data, "name", &name, err) < 0)
        return -1;
    struct hf_hv_call call = hf_env_call(u->env, run_id, DELETE_MS);
    if (need_hv(u, err) == 0 && hf_hv_snapshot_delete(u->hv, &call, vm_id, name, err) == 0)
        return say(u, err, "finished deleting snapshot", name);
    if (err->cls == HF_E_NOT_FOUND)
        return say(u, err, "already deleted: snapshot", name);
    return err->left[0] ? -1 : hf_left(err, "snapshot %s of %s, half deleted", name, u->vm->label);
}

static const struct effect effects[] = {
    {HF_EFFECT_DB_LOCK, 0, undo_db_lock, "kill the database session of run"},
    {HF_EFFECT_DB_VARIABLE, 1, undo_db_variable, "restore the server variable changed by run"},
    {HF_EFFECT_SNAPSHOT, 2, undo_snapshot, "remove the snapshot of run"},
    {HF_EFFECT_SNAPSHOT_DELETE, 2, finish_delete, "finish the snapshot deletion of run"},
};
#define LAST_HOLD 1 /* up to this urgency: what somebody in the guest may be waiting for */
#define LAST_URGENCY 2

/* ---- the walk --------------------------------------------------------------------------- */

static const struct effect *find_effect(const char *kind)
{
    for (size_t i = 0; i < HF_ARRAY_SIZE(effects); i++)
        if (strcmp(effects[i].kind, kind) == 0)
            return &effects[i];
    return NULL;
}

static int undo_entry(struct hf_undo *u, struct hf_journal *j, const struct hf_journal_entry *e,
                      struct hf_err *err)
{
    const struct effect *effect = find_effect(e->kind);
    if (!effect)
        return hf_fail(err, HF_E_UNSUPPORTED, "journal %s holds an effect '%s' of a newer version",
                       hf_journal_run_id(j), e->kind);
    if (u->dry_run)
        return say(u, err, effect->would, hf_journal_run_id(j));
    HF_POINT("undo.before_effect");
    if (effect->undo(u, hf_journal_run_id(j), e->data, err) < 0)
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

static int undo_up_to(struct hf_undo *u, struct hf_journal *j, int last_urgency, struct hf_err *err)
{
    int result = 0;
    for (int urgency = 0; urgency <= last_urgency; urgency++) {
        for (size_t i = hf_journal_count(j); i-- > 0;) {
            struct hf_err one = HF_ERR_INIT;
            if (!is_at(hf_journal_at(j, i), urgency) ||
                undo_entry(u, j, hf_journal_at(j, i), &one) == 0)
                continue;
            if (result == 0)
                hf_err_copy(err, &one);
            else
                hf_also(err, &one);
            result = -1;
        }
    }
    return result;
}

int hf_undo_journal(struct hf_undo *u, struct hf_journal *j, struct hf_err *err)
{
    return undo_up_to(u, j, LAST_URGENCY, err);
}

int hf_undo_holds(struct hf_undo *u, struct hf_journal *j, struct hf_err *err)
{
    return undo_up_to(u, j, LAST_HOLD, err);
}

bool hf_undo_is_holding(const struct hf_journal *j)
{
    for (size_t i = 0; i < hf_journal_count(j); i++)
        for (int urgency = 0; urgency <= LAST_HOLD; urgency++)
            if (is_at(hf_journal_at(j, i), urgency))
                return true;
    return false;
}

bool hf_undo_rolls_forward(const struct hf_journal *j)
{
    for (size_t i = 0; i < hf_journal_count(j); i++)
        if (strcmp(hf_journal_at(j, i)->kind, HF_EFFECT_SNAPSHOT_DELETE) == 0)
            return true;
    return false;
}
