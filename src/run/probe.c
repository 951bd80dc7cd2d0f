/* SPDX-License-Identifier: Apache-2.0 */
#include "run/probe.h"

#include "base/id.h"
#include "base/proc.h"
#include "base/utf8.h"
#include "db/server.h"
#include "guest/units.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 1000
#define PROGRAM_OUTPUT_MAX ((size_t)64 << 10)

/* One try of one probe. */
struct attempt {
    const struct hf_probing *p;
    const struct hf_vm_probe *probe;
    int64_t deadline_ms;
    char *said; /* what it saw, HF_PROBE_MESSAGE_MAX */
};

static int64_t left_ms(const struct attempt *a)
{
    return hf_clock_left_ms(a->p->env->clock, a->deadline_ms);
}

/* ---- the kinds -------------------------------------------------------------------------- */

/* The server itself ends a query that takes too long, and refuses one that would change something. */
static int limit_session(struct hf_db_conn *db, int64_t ms, struct hf_err *err)
{
    char sql[128];
    const struct hf_db_server *s = hf_db_server(db);
    if (hf_db_is_mariadb(s, 100101))
        snprintf(sql, sizeof sql, "SET SESSION max_statement_time = %" PRId64 ".%03" PRId64,
                 ms / 1000, ms % 1000);
    else
        snprintf(sql, sizeof sql, "SET SESSION max_execution_time = %" PRId64, ms);
    if (hf_db_exec(db, sql, err) < 0)
        return -1;
    return hf_db_exec(db, "START TRANSACTION READ ONLY", err);
}

struct answer {
    unsigned rows;
    bool is_true;
    char *said;
};

static bool is_true(const char *value)
{
    char *end = NULL;
    double number = value ? strtod(value, &end) : 0;
    return value && end != value && number != 0;
}

static int take_row(void *ctx, unsigned n, char *const *values, struct hf_err *err)
{
    struct answer *a = ctx;
    (void)err;
    if (a->rows++ > 0)
        return 0;
    const char *first = n ? values[0] : NULL;
    a->is_true = is_true(first);
    snprintf(a->said, HF_PROBE_MESSAGE_MAX, "the answer is %s", first ? first : "NULL");
    return 0;
}

static int try_sql(struct attempt *a, struct hf_err *err)
{
    const struct hf_probing *p = a->p;
    HF_AUTO(hf_way) struct hf_way way = {0};
    struct answer answer = {.said = a->said};
    char id
        [HF_ID_MAX]; /* of its own: whoever probes may have a tunnel, too, and its socket has the run's name */
    if (hf_id_new(p->env->clock, id, err) < 0 ||
        hf_way_open(&way, p->env, p->vm, p->vm_id, id, HF_WAY_DB, err) < 0)
        return -1;
    struct hf_db_target target = hf_way_db_target(&way);
    target.connect_timeout_s = target.io_timeout_s = (unsigned)(left_ms(a) / 1000 + 1);
    HF_AUTO(hf_db_conn) struct hf_db_conn *db = hf_db_open(&target, err);
    if (!db || limit_session(db, left_ms(a), err) < 0 ||
        hf_db_query(db, a->probe->what, take_row, &answer, err) < 0)
        return -1;
    if (answer.rows != 1)
        return hf_fail(err, HF_E_CORRUPT, "%u rows instead of one", answer.rows);
    return answer.is_true ? 0 : hf_fail(err, HF_E_CORRUPT, "%s", a->said);
}

static int try_http(struct attempt *a, struct hf_err *err)
{
    long status = 0, want = a->probe->status;
    if (hf_probe_http(a->probe->what, left_ms(a), &status, err) < 0)
        return -1;
    snprintf(a->said, HF_PROBE_MESSAGE_MAX, "status %ld", status);
    if (want ? status == want : status >= 200 && status < 300)
        return 0;
    return want ? hf_fail(err, HF_E_CORRUPT, "status %ld instead of %ld", status, want)
                : hf_fail(err, HF_E_CORRUPT, "status %ld", status);
}

static int try_unit(struct attempt *a, struct hf_err *err)
{
    const struct hf_probing *p = a->p;
    HF_AUTO(hf_way) struct hf_way way = {0};
    HF_AUTO(hf_strv) struct hf_strv name = HF_STRV_INIT;
    HF_AUTO(hf_unit_list) struct hf_unit_list units = HF_UNIT_LIST_INIT;
    if (hf_strv_add(&name, a->probe->what) < 0)
        return hf_fail_nomem(err);
    if (hf_way_open(&way, p->env, p->vm, p->vm_id, p->run_id, HF_WAY_GUEST, err) < 0 ||
        hf_units_show(way.guest, &name, a->deadline_ms, &units, err) < 0)
        return -1;
    const struct hf_unit *u = hf_unit_list_find(&units, a->probe->what);
    if (!u || u->load == HF_UNIT_NOT_FOUND)
        return hf_fail(err, HF_E_NOT_FOUND, "%s does not exist in the guest", a->probe->what);
    snprintf(a->said, HF_PROBE_MESSAGE_MAX, "%s (%s)", u->state_word, u->sub);
    return u->state == HF_UNIT_ACTIVE ? 0 : hf_fail(err, HF_E_CORRUPT, "%s", a->said);
}

static int try_guest(struct attempt *a, struct hf_err *err)
{
    const struct hf_probing *p = a->p;
    HF_AUTO(hf_way) struct hf_way way = {0};
    struct hf_guest_cmd cmd = {.argv = (const char *const *)a->probe->argv.items,
                               .deadline_ms = a->deadline_ms};
    if (hf_way_open(&way, p->env, p->vm, p->vm_id, p->run_id, HF_WAY_GUEST, err) < 0)
        return -1;
    return hf_guest_run(way.guest, &cmd, NULL, err);
}

static int try_command(struct attempt *a, struct hf_err *err)
{
    HF_AUTO(hf_proc_result) struct hf_proc_result out = {0};
    struct hf_proc_request req = {.argv = (const char *const *)a->probe->argv.items,
                                  .timeout_ms = left_ms(a),
                                  .max_output_bytes = PROGRAM_OUTPUT_MAX};
    return hf_proc_check(&req, &out, err);
}

static int (*const tries[])(struct attempt *a, struct hf_err *err) = {
    [HF_PROBE_SQL] = try_sql,     [HF_PROBE_HTTP] = try_http,       [HF_PROBE_UNIT] = try_unit,
    [HF_PROBE_GUEST] = try_guest, [HF_PROBE_COMMAND] = try_command,
};

/* ---- all of them ------------------------------------------------------------------------ */

static void try_one(struct hf_probing *p, struct hf_probe_result *r)
{
    struct hf_err err = HF_ERR_INIT;
    int64_t begin_ms = hf_clock_mono_ms(p->env->clock);
    struct attempt a = {.p = p,
                        .probe = r->probe,
                        .deadline_ms = begin_ms + p->vm->probe_timeout,
                        .said = r->message};
    r->message[0] = '\0';
    r->ok = tries[r->probe->kind](&a, &err) == 0;
    r->took_ms = hf_clock_mono_ms(p->env->clock) - begin_ms;
    if (!r->ok)
        snprintf(r->message, sizeof r->message, "%.*s", HF_PROBE_MESSAGE_MAX - 1, err.message);
    hf_replace_controls(r->message, '?'); /* what a guest said goes to a terminal */
    hf_log(p->env->log, HF_LOG_DETAIL, "probe", "%s: %s%s%s", r->probe->text,
           r->ok ? "passed" : "failed", r->message[0] ? ": " : "", r->message);
}

/* false: somebody wants us to stop. */
static bool pause_before_next(const struct hf_env *env, int64_t ms)
{
    struct pollfd fd = {.fd = hf_cancel_fd(env->cancel), .events = POLLIN};
    return poll(&fd, 1, (int)ms) <= 0 && !hf_cancel_is_set(env->cancel);
}

int hf_probing_init(struct hf_probing *p, const struct hf_env *env, const struct hf_config_vm *vm,
                    const char *vm_id, const char *run_id, struct hf_err *err)
{
    *p = (struct hf_probing){.env = env, .vm = vm, .vm_id = vm_id, .run_id = run_id};
    p->results = calloc(vm->probe.n + 1, sizeof *p->results);
    if (!p->results)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < vm->probe.n; i++) {
        p->results[i].probe = &vm->probe.items[i];
        snprintf(p->results[i].message, sizeof p->results[i].message, "not tried");
    }
    return 0;
}

void hf_probing_free(struct hf_probing *p)
{
    free(p->results);
    *p = (struct hf_probing){0};
}

size_t hf_probing_failed(const struct hf_probing *p)
{
    size_t failed = 0;
    for (size_t i = 0; i < p->vm->probe.n; i++)
        failed += !p->results[i].ok;
    return failed;
}

bool hf_probing_run(struct hf_probing *p, int64_t grace_ms)
{
    const struct hf_env *env = p->env;
    int64_t until_ms = hf_clock_mono_ms(env->clock) + grace_ms;
    for (size_t i = 0; i < p->vm->probe.n; i++)
        p->results[i].ok = false;
    for (;;) {
        for (size_t i = 0; i < p->vm->probe.n && !hf_cancel_is_set(env->cancel); i++)
            if (!p->results[i].ok)
                try_one(p, &p->results[i]);
        if (hf_probing_failed(p) == 0)
            return true;
        if (hf_clock_is_past(env->clock, until_ms) || !pause_before_next(env, AGAIN_MS))
            return false;
    }
}
