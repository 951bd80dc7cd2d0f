/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checking.h"
#include "run/dumping.h"

#include <stdio.h>

static int check_rights(struct checking *c, struct hf_db_conn *db, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv grants = HF_STRV_INIT;
    if (hf_db_missing_grants(db, &grants, &what) < 0)
        return check_tell_err(c, "rights", &what, err);
    if (grants.n == 0)
        return check_tell(c, "rights", HF_FINDING_OK,
                          "the database user has every right that is needed", NULL, err);
    return check_tell_each(c, "rights", HF_FINDING_FAIL, &grants,
                           "Run this statement on the server as an administrator.", err);
}

static int check_blockers(struct checking *c, struct hf_db_conn *db, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv blockers = HF_STRV_INIT;
    if (hf_db_blockers(db, &blockers, &what) < 0)
        return check_tell_err(c, "blockers", &what, err);
    if (blockers.n == 0)
        return check_tell(c, "blockers", HF_FINDING_OK, "nobody would block the lock now", NULL,
                          err);
    return check_tell_each(c, "blockers", HF_FINDING_WARN, &blockers,
                           "The lock would wait for it, and give up in time.", err);
}

static int tell_durability(struct checking *c, const struct hf_db_lock_plan *plan,
                           struct hf_err *err)
{
    enum hf_finding_level lacking =
        hf_grade_meets(HF_GRADE_E, c->vm->require) ? HF_FINDING_WARN : HF_FINDING_FAIL;
    if (plan->lacks_variable_right)
        return check_tell(
            c, "durability", lacking,
            "the redo log is not written at commit, and the right to settle it is missing",
            "See rights above.", err);
    if (plan->needs_sync && !c->has_guest)
        return check_tellf(c, "durability", lacking, err,
                           "%s: needs a sync in the guest, and no guest channel answers",
                           plan->needs_sync_why);
    if (plan->needs_sync)
        return check_tellf(c, "durability", HF_FINDING_OK, err,
                           "%s: the guest will sync under the lock", plan->needs_sync_why);
    if (plan->hardens)
        return check_tell(
            c, "durability", HF_FINDING_OK,
            "the server is not durable at commit: it is made so for the time of a run", NULL, err);
    return check_tell(c, "durability", HF_FINDING_OK, "commits are durable when acknowledged", NULL,
                      err);
}

/* The lock is prepared and dropped, never taken. */
static int check_lock(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct hf_db_target target = hf_way_db_target(&c->way);
    const struct hf_db_lock_opts opts = hf_env_lock_opts(c->env, c->vm, &target, c->id);
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &what);
    if (!lock)
        return check_tell_err(c, "durability", &what, err);
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
    if (check_tell_each(c, "database", HF_FINDING_WARN, &plan->warnings, NULL, err) < 0 ||
        check_tellf(c, "database", HF_FINDING_OK, err, "lock by %s; proof by %s", plan->method,
                    plan->has_binlog ? "position" : "session (binlog is off)") < 0)
        return -1;
    return tell_durability(c, plan, err);
}

/* What `backup` does beside the lock: its sessions, and the rights to read everything. */
static int check_dump(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    const struct hf_io_place nowhere = {0}; /* nothing is written before it runs */
    const struct hf_run_dump req = {
        .vm = c->vm->label, .place = &nowhere, .only = &c->vm->dump.schemas, .accounts = true};
    if (!hf_config_store_count(c->env->config) || c->vm->dump.kind == HF_DUMPED_NONE ||
        !hf_run_can_dump(c->vm))
        return 0;
    HF_AUTO(dumping)
    struct dumping x = {.env = c->env, .req = &req, .vm = c->vm, .position = HF_DB_POSITION_INIT};
    snprintf(x.id, sizeof x.id, "%s", c->id);
    if (dumping_open(&x, &what) < 0)
        return check_tell_err(c, "dump", &what, err);
    return check_tell(c, "dump", HF_FINDING_OK, "everything in it may be read", NULL, err);
}

int check_database(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    if (c->vm->db.kind == HF_DB_NONE)
        return check_tell(c, "database", HF_FINDING_OK, "none (db = none)", NULL, err);
    if (c->vm->db.kind == HF_DB_AGENT && !c->found.id)
        return 0; /* without the machine there is no way to it, and that was told */
    if (hf_way_open(&c->way, c->env, c->vm, c->found.id, c->id, HF_WAY_DB, &what) < 0)
        return check_tell_err(c, "database", &what, err);
    struct hf_db_target target = hf_way_db_target(&c->way);
    HF_AUTO(hf_db_conn) struct hf_db_conn *db = hf_db_open(&target, &what);
    if (!db)
        return check_tell_err(c, "database", &what, err);
    c->has_db = true;
    const struct hf_db_server *s = hf_db_server(db);
    if (check_tellf(c, "database", HF_FINDING_OK, err, "%s at %s, %s", s->text, hf_db_name(db),
                    s->tls ? "encrypted" : "not encrypted") < 0)
        return -1;
    if (check_apps_schemas(c, db, err) < 0 || check_dump(c, err) < 0)
        return -1;
    if (c->vm->quiesce == HF_QUIESCE_NONE || c->vm->quiesce == HF_QUIESCE_STOP)
        return 0;
    if (check_rights(c, db, err) < 0 || check_blockers(c, db, err) < 0)
        return -1;
    return check_lock(c, err);
}
