/* SPDX-License-Identifier: Apache-2.0 */
#include "run/check.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/units.h"
#include "catalog/journal.h"
#include "db/lock.h"

#include <stdio.h>
#include <string.h>

#define QUERY_MS 10000

struct checking {
    const struct hf_env *env;
    const struct hf_config_vm *vm;
    hf_finding_cb emit;
    void *ctx;
    struct hf_hv *hv;
    struct hf_vm_copy found;
    bool has_guest;
};

static void checking_close(struct checking *c)
{
    hf_vm_copy_free(&c->found);
    hf_hv_close(c->hv);
}
HF_DEFINE_AUTO_VALUE(checking, checking_close)

const char *hf_finding_level_name(enum hf_finding_level level)
{
    static const char *const names[] = {"ok", "warn", "fail"};
    return names[level];
}

/* ---- telling ---------------------------------------------------------------------------- */

static int tell(struct checking *c, const char *area, enum hf_finding_level level,
                const char *message, const char *hint, struct hf_err *err)
{
    struct hf_finding f = {
        .vm = c->vm->label, .area = area, .level = level, .message = message, .hint = hint};
    return c->emit(c->ctx, &f, err);
}

static int tell_err(struct checking *c, const char *area, const struct hf_err *what,
                    struct hf_err *err)
{
    return tell(c, area, HF_FINDING_FAIL, what->message, what->hint[0] ? what->hint : NULL, err);
}

HF_PRINTF(5, 6)
static int tellf(struct checking *c, const char *area, enum hf_finding_level level,
                 struct hf_err *err, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    return tell(c, area, level, hf_buf_str(&text), NULL, err);
}

static int tell_each(struct checking *c, const char *area, enum hf_finding_level level,
                     const struct hf_strv *lines, const char *hint, struct hf_err *err)
{
    for (size_t i = 0; i < lines->n; i++)
        if (tell(c, area, level, lines->items[i], hint, err) < 0)
            return -1;
    return 0;
}

/* ---- hypervisor and machine ------------------------------------------------------------- */

static int check_hypervisor(struct checking *c, bool *out_go_on, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_probe_copy) struct hf_probe_copy probe = {0};
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(c->env->config, c->vm->hypervisor, err);
    if (!h)
        return -1;
    c->hv = hf_env_open_hv(c->env, h, &what);
    struct hf_hv_call call = hf_env_call(c->env, NULL, QUERY_MS);
    *out_go_on = c->hv && hf_hv_probe(c->hv, &call, &probe, &what) == 0;
    if (!*out_go_on)
        return tell_err(c, "hypervisor", &what, err);
    return tellf(c, "hypervisor", HF_FINDING_OK, err, "%s at %s", probe.product, probe.endpoint);
}

static const char *state_name(enum hf_vm_state s)
{
    static const char *const names[] = {"in an unknown state", "running", "paused", "shut off",
                                        "crashed"};
    return names[s];
}

static int check_machine(struct checking *c, bool *out_go_on, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(c->env, NULL, QUERY_MS);
    *out_go_on = hf_hv_vm_find(c->hv, &call, c->vm->name, &c->found, &what) == 0;
    if (!*out_go_on)
        return tell_err(c, "vm", &what, err);
    if (!(c->found.can & HF_CAN_SNAPSHOT) &&
        tellf(c, "vm", HF_FINDING_FAIL, err, "%s is %s: no snapshot now%s%s", c->found.name,
              state_name(c->found.state), c->found.cannot ? ": " : "",
              c->found.cannot ? c->found.cannot : "") < 0)
        return -1;
    if ((c->found.can & HF_CAN_SNAPSHOT) &&
        tellf(c, "vm", HF_FINDING_OK, err, "%s (%s) is %s", c->found.name, c->found.id,
              state_name(c->found.state)) < 0)
        return -1;
    call = hf_env_call(c->env, NULL, QUERY_MS);
    if (hf_hv_vm_busy(c->hv, &call, c->found.id, &what) < 0)
        return tell_err(c, "vm", &what, err);
    return 0;
}

static int tell_disk(struct checking *c, const struct hf_disk_copy *d, struct hf_err *err)
{
    char size[HF_UNITS_MAX];
    hf_format_size(d->capacity_bytes, size);
    if (d->refused)
        return tellf(c, "disks", HF_FINDING_FAIL, err, "%s: %s", d->target, d->refused);
    if (d->skipped)
        return tellf(c, "disks", d->kind == HF_DISK_DISK ? HF_FINDING_WARN : HF_FINDING_OK, err,
                     "%s: not captured: %s", d->target, d->skipped);
    return tellf(c, "disks", HF_FINDING_OK, err, "%s: captured, %s, %s, %u layer%s", d->target,
                 size, d->format ? d->format : "unknown format", d->chain_depth,
                 d->chain_depth == 1 ? "" : "s");
}

/* The plan is made and dropped: it finds what a capture would refuse, and changes nothing. */
static int check_capture_plan(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    char id[HF_ID_MAX], name[HF_ID_MAX + 8];
    HF_AUTO(hf_hv_capture) struct hf_hv_capture *capture = NULL;
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan plan = {0};
    if (hf_id_new(c->env->clock, id, err) < 0)
        return -1;
    snprintf(name, sizeof name, "hf-%s", id);
    struct hf_capture_request req = {
        .struct_size = sizeof req, .kind = HF_CAPTURE_SNAPSHOT, .vm_id = c->found.id, .name = name};
    struct hf_hv_call call = hf_env_call(c->env, id, QUERY_MS);
    if (hf_hv_capture_plan(c->hv, &call, &req, &capture, &plan, &what) < 0)
        return tell_err(c, "disks", &what, err);
    if (tell_each(c, "disks", HF_FINDING_WARN, &plan.warnings, NULL, err) < 0)
        return -1;
    return tellf(c, "disks", HF_FINDING_OK, err, "%u disk%s would be captured in one instant",
                 plan.n_disks, plan.n_disks == 1 ? "" : "s");
}

static int check_disks(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_disk_list) struct hf_disk_list disks = {0};
    struct hf_hv_call call = hf_env_call(c->env, NULL, QUERY_MS);
    if (hf_hv_vm_disks(c->hv, &call, c->found.id, &disks, &what) < 0)
        return tell_err(c, "disks", &what, err);
    for (size_t i = 0; i < disks.n; i++)
        if (tell_disk(c, &disks.items[i], err) < 0)
            return -1;
    return c->found.can & HF_CAN_SNAPSHOT ? check_capture_plan(c, err) : 0;
}

static int check_guest(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(c->env, NULL, QUERY_MS);
    if (c->vm->guest == HF_GUEST_NONE)
        return tell(c, "guest", HF_FINDING_OK, "no guest channel (guest = none)", NULL, err);
    c->has_guest = hf_hv_guest_ping(c->hv, &call, c->found.id, &what) == 0;
    if (c->has_guest)
        return tell(c, "guest", HF_FINDING_OK, "the guest agent answers", NULL, err);
    return tell(c, "guest", HF_FINDING_WARN, what.message, what.hint[0] ? what.hint : NULL, err);
}

/* ---- database --------------------------------------------------------------------------- */

static int check_rights(struct checking *c, struct hf_db_conn *db, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv grants = HF_STRV_INIT;
    if (hf_db_missing_grants(db, &grants, &what) < 0)
        return tell_err(c, "rights", &what, err);
    if (grants.n == 0)
        return tell(c, "rights", HF_FINDING_OK, "the database user has every right that is needed",
                    NULL, err);
    return tell_each(c, "rights", HF_FINDING_FAIL, &grants,
                     "Run this statement on the server as an administrator.", err);
}

static int check_blockers(struct checking *c, struct hf_db_conn *db, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv blockers = HF_STRV_INIT;
    if (hf_db_blockers(db, &blockers, &what) < 0)
        return tell_err(c, "blockers", &what, err);
    if (blockers.n == 0)
        return tell(c, "blockers", HF_FINDING_OK, "nobody would block the lock now", NULL, err);
    return tell_each(c, "blockers", HF_FINDING_WARN, &blockers,
                     "The lock would wait for it, and give up in time.", err);
}

static int tell_durability(struct checking *c, const struct hf_db_lock_plan *plan,
                           struct hf_err *err)
{
    enum hf_finding_level lacking =
        hf_grade_meets(HF_GRADE_E, c->vm->require) ? HF_FINDING_WARN : HF_FINDING_FAIL;
    if (plan->lacks_variable_right)
        return tell(c, "durability", lacking,
                    "the redo log is not written at commit, and the right to settle it is missing",
                    "See rights above.", err);
    if (plan->needs_sync && !c->has_guest)
        return tellf(c, "durability", lacking, err,
                     "%s: needs a sync in the guest, and no guest channel answers",
                     plan->needs_sync_why);
    if (plan->needs_sync)
        return tellf(c, "durability", HF_FINDING_OK, err, "%s: the guest will sync under the lock",
                     plan->needs_sync_why);
    if (plan->hardens)
        return tell(c, "durability", HF_FINDING_OK,
                    "the server is not durable at commit: it is made so for the time of a run",
                    NULL, err);
    return tell(c, "durability", HF_FINDING_OK, "commits are durable when acknowledged", NULL, err);
}

/* The lock is prepared and dropped, never taken. */
static int check_lock(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    char id[HF_ID_MAX];
    if (hf_id_new(c->env->clock, id, err) < 0)
        return -1;
    struct hf_db_target target = hf_env_db_target(c->vm);
    struct hf_db_lock_opts opts = {
        .target = &target,
        .run_id = id,
        .stall_budget_ms = c->vm->stall_budget,
        .quiesce_timeout_ms = c->vm->quiesce_timeout,
        .hold_limit_ms = c->vm->hold_limit,
        .clock = c->env->clock,
        .cancel = c->env->cancel,
        .log = c->env->log,
    };
    HF_AUTO(hf_db_lock) struct hf_db_lock *lock = hf_db_lock_prepare(&opts, &what);
    if (!lock)
        return tell_err(c, "durability", &what, err);
    const struct hf_db_lock_plan *plan = hf_db_lock_get_plan(lock);
    if (tell_each(c, "database", HF_FINDING_WARN, &plan->warnings, NULL, err) < 0 ||
        tellf(c, "database", HF_FINDING_OK, err, "lock by %s; proof by %s", plan->method,
              plan->has_binlog ? "position" : "session (binlog is off)") < 0)
        return -1;
    return tell_durability(c, plan, err);
}

/* What the configuration alone rules out. */
static int check_grade(struct checking *c, struct hf_err *err)
{
    const enum hf_grade best = c->vm->quiesce == HF_QUIESCE_NONE ? HF_GRADE_E : HF_GRADE_B;
    if (hf_grade_meets(best, c->vm->require))
        return 0;
    HF_AUTOFREE char *text =
        hf_asprintf("require = %s is out of reach: quiesce = %s gives %s at the best",
                    hf_grade_name(c->vm->require),
                    c->vm->quiesce == HF_QUIESCE_NONE ? "none" : "lock", hf_grade_name(best));
    if (!text)
        return hf_fail_nomem(err);
    return tell(c, "grade", HF_FINDING_FAIL, text,
                "Every snapshot would end with status 3: change require or quiesce.", err);
}

static int check_database(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    if (c->vm->db.kind == HF_DB_NONE)
        return tell(c, "database", HF_FINDING_OK, "none (db = none)", NULL, err);
    struct hf_db_target target = hf_env_db_target(c->vm);
    HF_AUTO(hf_db_conn) struct hf_db_conn *db = hf_db_open(&target, &what);
    if (!db)
        return tell_err(c, "database", &what, err);
    const struct hf_db_server *s = hf_db_server(db);
    if (tellf(c, "database", HF_FINDING_OK, err, "%s at %s:%u, %s", s->text, c->vm->db.host,
              c->vm->db.port, s->tls ? "encrypted" : "not encrypted") < 0)
        return -1;
    if (c->vm->quiesce == HF_QUIESCE_NONE)
        return 0;
    if (check_rights(c, db, err) < 0 || check_blockers(c, db, err) < 0)
        return -1;
    return check_lock(c, err);
}

/* ---- dead runs -------------------------------------------------------------------------- */

static int check_runs(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    if (hf_journal_list(hf_env_state(c->env), &ids, &what) < 0)
        return tell_err(c, "runs", &what, err);
    for (size_t i = 0; i < ids.n; i++) {
        const char *vm_id = NULL;
        HF_AUTO(hf_journal)
        struct hf_journal *j =
            hf_journal_open(hf_env_state(c->env), ids.items[i], c->env->clock, &what);
        if (!j && what.cls == HF_E_NOT_FOUND)
            continue; /* it ended while we were looking */
        /* Whose it is cannot be told, so every VM is told. */
        if (!j || hf_json_get_string(hf_journal_run_data(j), "vm_id", &vm_id, &what) < 0) {
            if (tell(c, "runs", HF_FINDING_WARN, what.message, what.hint[0] ? what.hint : NULL,
                     err) < 0)
                return -1;
            continue;
        }
        if (strcmp(vm_id, c->found.id ? c->found.id : "") != 0)
            continue;
        HF_AUTOFREE char *text = hf_asprintf("run %s is under way, or died", ids.items[i]);
        if (!text)
            return hf_fail_nomem(err);
        if (tell(c, "runs", HF_FINDING_WARN, text, "`holdfast recover` undoes dead runs.", err) < 0)
            return -1;
    }
    return 0;
}

int hf_check_vm(const struct hf_env *env, const struct hf_config_vm *vm, hf_finding_cb emit,
                void *ctx, struct hf_err *err)
{
    HF_AUTO(checking) struct checking c = {.env = env, .vm = vm, .emit = emit, .ctx = ctx};
    bool go_on = false;
    if (check_hypervisor(&c, &go_on, err) < 0)
        return -1;
    if (go_on && check_machine(&c, &go_on, err) < 0)
        return -1;
    if (go_on && (check_disks(&c, err) < 0 || check_guest(&c, err) < 0))
        return -1;
    if (check_database(&c, err) < 0 || check_grade(&c, err) < 0)
        return -1;
    return check_runs(&c, err);
}
