/* SPDX-License-Identifier: Apache-2.0
 *
 * All that a lock needs and that may take its time: sessions, rights, the plan.
 */
#include "base/buf.h"
#include "base/point.h"
#include "db/lock_state.h"
#include "db/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Between prepare and acquire the caller has things to do, the sessions wait. */
#define IDLE_S 3600
/* A network read may take as long as the longest wait that is asked for, and a little. */
#define IO_MARGIN_S 5

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int take_mark(struct hf_db_lock *lock, struct hf_err *err)
{
    HF_AUTOFREE char *sql = hf_asprintf("SELECT GET_LOCK(%s, 0)", lock->mark);
    HF_AUTOFREE char *got = NULL;
    if (!sql)
        return hf_fail_nomem(err);
    HF_POINT("db.before_mark");
    if (hf_db_value(lock->holder, sql, &got, err))
        return -1;
    HF_POINT("db.after_mark");
    if (got && !strcmp(got, "1"))
        return 0;
    hf_fail(err, HF_E_BUSY, "database %s: another session carries the mark of run %s",
            hf_db_name(lock->holder), lock->run_id);
    return hf_hint(err, "`holdfast recover` ends the session of a dead run.");
}

/* The mark's first owner is the session: after a reconnect it takes it again. */
int hf_db_lock_open_holder(struct hf_db_lock *lock, struct hf_err *err)
{
    char sql[64];
    lock->holder = hf_db_open(&lock->target, err);
    if (!lock->holder)
        return -1;
    snprintf(sql, sizeof sql, "SET SESSION wait_timeout = %d", IDLE_S);
    if (!lock->mark) {
        HF_AUTOFREE char *name = hf_asprintf(HF_DB_MARK_PREFIX "%s", lock->run_id);
        lock->mark = name ? hf_db_quote(lock->holder, name) : NULL;
        if (!lock->mark)
            return hf_fail_nomem(err);
    }
    if (hf_db_exec(lock->holder, sql, err) || hf_db_allow_several(lock->holder, err))
        return -1;
    return take_mark(lock, err);
}

void hf_db_lock_close_holder(struct hf_db_lock *lock)
{
    hf_db_close(lock->holder);
    lock->holder = NULL;
}

/* Its look at who blocks must not make a kill late: half the budget, one second at the most. */
static int open_helper(struct hf_db_lock *lock, struct hf_err *err)
{
    int64_t limit_ms = lock->opts.stall_budget_ms / 2;
    char sql[96];
    if (limit_ms > 1000)
        limit_ms = 1000;
    if (limit_ms < 50)
        limit_ms = 50;
    lock->helper = hf_db_open(&lock->target, err);
    if (!lock->helper)
        return -1;
    if (hf_db_is_mariadb(hf_db_server(lock->helper), 0))
        snprintf(sql, sizeof sql, "SET SESSION wait_timeout = %d, max_statement_time = %.3f",
                 IDLE_S, (double)limit_ms / 1000.0);
    else
        snprintf(sql, sizeof sql, "SET SESSION wait_timeout = %d, max_execution_time = %" PRId64,
                 IDLE_S, limit_ms);
    return hf_db_exec(lock->helper, sql, err);
}

static int refuse(struct hf_db_lock *lock, const struct hf_grants_missing *m, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv statements = HF_STRV_INIT;
    HF_AUTO(hf_buf) struct hf_buf b = HF_BUF_INIT;
    HF_AUTOFREE char *account = NULL;
    if (hf_db_value(lock->holder, "SELECT CURRENT_USER()", &account, err) ||
        hf_grants_statements(m, account ? account : "", true, &statements, err))
        return -1;
    for (size_t i = 0; i < statements.n; i++)
        hf_buf_printf(&b, "%s%s", i ? " " : "", statements.items[i]);
    hf_fail(err, HF_E_AUTH, "database %s: the account %s may not take the lock",
            hf_db_name(lock->holder), account ? account : "");
    return hf_hint(err, "%s", hf_buf_str(&b));
}

static int warn(struct hf_db_lock *lock, const char *text, struct hf_err *err)
{
    return hf_strv_add(&lock->plan.warnings, text) ? hf_fail_nomem(err) : 0;
}

static int check_rights(struct hf_db_lock *lock, struct hf_err *err)
{
    HF_AUTO(hf_grants_missing) struct hf_grants_missing m = {0};
    if (hf_grants_read(lock->holder, &lock->grants, err) ||
        hf_grants_find_missing(&lock->grants, hf_db_server(lock->holder), &lock->facts, &m, err))
        return -1;
    if (m.hard.n || m.performance_hard)
        return refuse(lock, &m, err);
    for (size_t i = 0; i < m.soft.n; i++) {
        HF_AUTOFREE char *text =
            hf_asprintf("the account lacks %s: 'holdfast check' tells the GRANT", m.soft.items[i]);
        if (!text)
            return hf_fail_nomem(err);
        if (warn(lock, text, err))
            return -1;
    }
    return 0;
}

/* Why commits that go on would make the picture worth less, to be freed; *out NULL: they would not. */
static int why_not_light(const struct hf_db_lock *lock, const struct hf_db_method *light,
                         char **out, struct hf_err *err)
{
    const struct hf_db_facts *f = &lock->facts;
    HF_AUTOFREE char *sync_why = NULL;
    *out = NULL;
    if (!light)
        *out =
            hf_asprintf("%s has no lock that lets commits go on", hf_db_server(lock->holder)->text);
    else if (f->is_galera) /* BLOCK_DDL pauses the provider: each commit waits (10.11) */
        *out = hf_asprintf("a Galera node stops its writers under any of its locks");
    else if (hf_db_facts_why_sync(f, lock->plan.hardens, &sync_why, err))
        return -1;
    else if (sync_why)
        *out = hf_asprintf("%s%s", sync_why,
                           hf_db_facts_are_relaxed(f) && !lock->plan.hardens
                               ? ", which the account may not change"
                               : "");
    else
        return 0;
    return *out ? 0 : hf_fail_nomem(err);
}

static int fall_back(struct hf_db_lock *lock, struct hf_err *err)
{
    HF_AUTOFREE char *text = hf_asprintf(
        "quiesce = light is not possible, commits will be blocked: %s", lock->light_why);
    lock->plan.light_refused_why = lock->light_why;
    return text ? warn(lock, text, err) : hf_fail_nomem(err);
}

static int choose_method(struct hf_db_lock *lock, struct hf_err *err)
{
    const struct hf_db_server *s = hf_db_server(lock->holder);
    lock->plan.hardens = hf_db_facts_are_relaxed(&lock->facts) &&
                         hf_grants_sets_variables(&lock->grants, s, &lock->facts);
    if (lock->opts.mode == HF_DB_MODE_LIGHT) {
        const struct hf_db_method *light = hf_db_method_for(s, true);
        if (why_not_light(lock, light, &lock->light_why, err))
            return -1;
        lock->plan.is_light = !lock->light_why;
        lock->method = lock->plan.is_light ? light : NULL;
        if (lock->light_why && fall_back(lock, err))
            return -1;
    }
    if (!lock->method)
        lock->method = hf_db_method_for(s, false);
    return lock->method ? 0
                        : hf_fail(err, HF_E_UNSUPPORTED, "%s has no way to block commits", s->text);
}

static int plan_galera(struct hf_db_lock *lock, struct hf_err *err)
{
    struct hf_db_lock_plan *p = &lock->plan;
    p->is_galera = lock->facts.is_galera;
    if (!p->is_galera || lock->facts.galera.is_desynced)
        return 0;
    p->desyncs = hf_grants_desyncs(&lock->grants, hf_db_server(lock->holder));
    return p->desyncs ? 0
                      : warn(lock,
                             "this Galera node cannot be desynced (wsrep_desync): after the lock, "
                             "the whole cluster may have to wait for it (flow control)",
                             err);
}

static int fill_plan(struct hf_db_lock *lock, struct hf_err *err)
{
    struct hf_db_lock_plan *p = &lock->plan;
    const struct hf_db_server *s = hf_db_server(lock->holder);
    bool is_lazy = lock->facts.flush_log == 0 && !p->hardens;
    bool may_settle = lock->method->settles_lazy && hf_grants_settles_log(&lock->grants);
    p->method = lock->method->name;
    p->server = s->text;
    p->has_binlog = lock->facts.has_binlog;
    p->is_replica = lock->facts.is_replica;
    p->settles_log = is_lazy && may_settle;
    p->lacks_variable_right = is_lazy && !may_settle;
    if (hf_db_facts_why_sync(&lock->facts, p->hardens, &lock->sync_why, err))
        return -1;
    p->needs_sync = lock->sync_why != NULL;
    p->needs_sync_why = lock->sync_why;
    return plan_galera(lock, err);
}

/* A round trip costs every writer as much as the statement itself, so the readings travel with the lock and with
 * the unlock. */
static int write_statements(struct hf_db_lock *lock, struct hf_err *err)
{
    const struct hf_db_server *s = hf_db_server(lock->holder);
    struct hf_db_reading_opts how = {
        .has_binlog = lock->facts.has_binlog,
        .has_log_status = hf_grants_reads_log_status(&lock->grants, s),
        .mark = lock->mark,
        .has_sources = lock->facts.is_replica && lock->facts.reads_sources,
    };
    HF_AUTOFREE char *reading = hf_db_reading_sql(s, &how);
    const struct hf_db_step *last = lock->method->steps;
    while (last[1].sql)
        last++;
    if (!reading)
        return hf_fail_nomem(err);
    lock->grant_sql = hf_asprintf("%s; %s", last->sql, reading);
    lock->release_sql = hf_asprintf("%s; %s", reading, lock->method->unlock);
    return lock->grant_sql && lock->release_sql ? 0 : hf_fail_nomem(err);
}

static int plan(struct hf_db_lock *lock, struct hf_err *err)
{
    if (hf_db_facts_read(lock->holder, &lock->facts, err) ||
        hf_db_facts_check_node(&lock->facts, hf_db_name(lock->holder), err) ||
        check_rights(lock, err) ||
        hf_db_facts_find_tables(lock->holder, hf_grants_sees_tables(&lock->grants), &lock->facts,
                                err) ||
        choose_method(lock, err))
        return -1;
    return write_statements(lock, err) ? -1 : fill_plan(lock, err);
}

static int set_up(struct hf_db_lock *lock, const struct hf_db_lock_opts *opts)
{
    int64_t longest_ms = opts->quiesce_timeout_ms > opts->hold_limit_ms ? opts->quiesce_timeout_ms
                                                                        : opts->hold_limit_ms;
    lock->opts = *opts;
    lock->target = *opts->target;
    if (!lock->target.io_timeout_s)
        lock->target.io_timeout_s = (unsigned)(longest_ms / 1000) + IO_MARGIN_S;
    lock->facts = (struct hf_db_facts)HF_DB_FACTS_INIT;
    lock->run_id = copy(opts->run_id);
    if (!lock->opts.clock)
        lock->opts.clock = hf_clock_system();
    return lock->run_id ? 0 : -1;
}

struct hf_db_lock *hf_db_lock_prepare(const struct hf_db_lock_opts *opts, struct hf_err *err)
{
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = calloc(1, sizeof *lock);
    if (!lock || set_up(lock, opts)) {
        hf_fail_nomem(err);
        return NULL;
    }
    if (hf_db_lock_open_holder(lock, err) || plan(lock, err) || open_helper(lock, err))
        return NULL;
    hf_log(lock->opts.log, HF_LOG_DETAIL, "db", "%s, lock by %s%s%s%s", lock->plan.server,
           lock->plan.method, lock->plan.hardens ? ", made durable at commit for the run" : "",
           lock->plan.needs_sync ? ", needs sync: " : "",
           lock->plan.needs_sync ? lock->plan.needs_sync_why : "");
    return HF_STEAL(lock);
}
