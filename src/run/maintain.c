/* SPDX-License-Identifier: Apache-2.0 */
#include "run/maintain.h"

#include "base/buf.h"
#include "base/path.h"
#include "base/point.h"
#include "run/effects.h"
#include "run/maintaining.h"
#include "run/maintenance.h"
#include "run/report.h"
#include "run/snapshot.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MAX_BYTES ((size_t)16 << 20)

static void maintaining_close(struct maintaining *m)
{
    json_object_put(m->taken);
    json_object_put(m->rollback);
    hf_probing_free(&m->before);
    hf_probing_free(&m->after);
    hf_saved_writes_free(&m->saved);
    hf_db_position_free(&m->begin);
    hf_strv_free(&m->warnings);
    free(m->why);
    free(m->dump);
    free(m->log);
}
HF_DEFINE_AUTO_VALUE(maintaining, maintaining_close)

int maintaining_warn(struct maintaining *m, struct hf_err *err, const char *fmt, ...)
{
    char text[HF_ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hf_log(m->run->env->log, HF_LOG_WARN, "maintain", "%s", text);
    return hf_strv_add(&m->warnings, text) < 0 ? hf_fail_nomem(err) : 0;
}

/* The new entry before the old one's end: one is open at every moment. */
int maintaining_phase(struct maintaining *m, const char *phase, struct hf_err *err)
{
    uint64_t before = m->phase_seq;
    if (hf_effect_maintenance(m->run->journal, phase, m->snapshot, m->log, &m->phase_seq, err) < 0)
        return -1;
    return before ? hf_journal_undone(m->run->journal, before, err) : 0;
}

/* ---- snapshot --------------------------------------------------------------------------- */

static int take_snapshot(struct maintaining *m, bool *out_degraded, struct hf_err *err)
{
    struct hf_snapshot_create req = {.vm = m->run->vm->label, .label = m->req->label};
    HF_POINT("maintain.before_snapshot");
    if (hf_run_snapshot_create(&m->inner, &req, &m->taken, out_degraded, err) < 0 ||
        hf_json_get_string(m->taken, "snapshot", &m->snapshot, err) < 0)
        return -1;
    HF_POINT("maintain.after_snapshot");
    hf_log(m->run->env->log, HF_LOG_INFO, "maintain", "snapshot %s is there", m->snapshot);
    return 0;
}

/* ---- command ---------------------------------------------------------------------------- */

static int choose_log(struct maintaining *m, struct hf_err *err)
{
    HF_AUTOFREE char *dir = hf_path_join(hf_env_state(m->run->env), "maintain");
    HF_AUTOFREE char *name = hf_asprintf("%s.log", m->run->id);
    m->log = dir && name ? hf_path_join(dir, name) : NULL;
    return m->log ? hf_path_mkdirs(dir, 0700, err) : hf_fail_nomem(err);
}

static int run_command(struct maintaining *m, struct hf_err *err)
{
    struct hf_command cmd = {.argv = m->req->argv,
                             .log_path = m->log,
                             .max_log_bytes = LOG_MAX_BYTES,
                             .lock_fd = hf_vmlock_fd(m->run->vmlock),
                             .out_to_stderr = m->req->out_to_stderr};
    HF_POINT("maintain.before_command");
    if (hf_command_run(&m->inner, &cmd, &m->command, err) < 0)
        return -1;
    m->has_run = true;
    HF_POINT("maintain.after_command");
    m->is_alone = m->command.has_lost_tty;
    return 0;
}

/* ---- was it well? ----------------------------------------------------------------------- */

/* A lost terminal does not stop the probes: it only means that nobody looks on any more. */
static bool try_probes(struct maintaining *m, bool *out_interrupted)
{
    int64_t grace_ms = m->command.exit_status ? 0 : m->run->vm->probe_grace;
    int64_t until_ms = hf_clock_mono_ms(m->inner.clock) + grace_ms;
    for (;;) {
        bool ok = hf_probing_run(&m->before, hf_clock_left_ms(m->inner.clock, until_ms));
        if (!hf_cancel_is_set(m->inner.cancel))
            return ok;
        *out_interrupted = hf_cancel_clear(m->inner.cancel) != SIGHUP;
        m->is_alone = m->is_alone || !*out_interrupted;
        if (ok || *out_interrupted)
            return ok;
    }
}

/* m->why stays NULL when all is well. After a command that failed the probes are tried once, for whoever decides. */
static int judge(struct maintaining *m, struct hf_err *err)
{
    bool interrupted = false;
    size_t n = m->run->vm->probe.n;
    if (hf_probing_init(&m->before, &m->inner, m->run->vm, m->run->found.id, m->run->id, err) < 0)
        return -1;
    bool ok = n == 0 || try_probes(m, &interrupted);
    if (m->command.interrupted)
        m->why = hf_asprintf("the command was interrupted, and ended with status %d",
                             m->command.exit_status);
    else if (m->command.exit_status)
        m->why = hf_asprintf("the command ended with status %d", m->command.exit_status);
    else if (interrupted)
        m->why = hf_asprintf("interrupted while the probes were tried");
    else if (!ok)
        m->why = hf_asprintf("%zu of %zu probe%s did not pass", hf_probing_failed(&m->before), n,
                             n == 1 ? "" : "s");
    else
        return 0;
    if (!m->why)
        return hf_fail_nomem(err);
    hf_log(m->run->env->log, HF_LOG_WARN, "maintain", "%s", m->why);
    return 0;
}

/* ---- what now? -------------------------------------------------------------------------- */

static enum hf_maintain_choice decide(struct maintaining *m)
{
    enum hf_maintain_choice choice = HF_MAINTAIN_KEEP;
    struct hf_maintain_question q = {.vm = m->run->vm->label,
                                     .snapshot = m->snapshot,
                                     .log = m->log,
                                     .why = m->why,
                                     .saves = m->can_save,
                                     .why_not = m->why_not_save};
    if (!m->req->ask)
        return m->req->on_failure;
    /* Whoever was to be asked is gone: what was said beforehand counts, but nothing is thrown away that nobody spoke of. */
    if (m->is_alone)
        return m->can_save || m->req->discard_writes ? m->req->on_failure : HF_MAINTAIN_KEEP;
    return m->req->ask(m->req->ctx, &q, &choice) < 0 ? HF_MAINTAIN_KEEP : choice;
}

static int settle(struct maintaining *m, enum hf_maintain_outcome *out, struct hf_err *err)
{
    *out = HF_MAINTAIN_KEPT;
    if (!m->why)
        return 0;
    *out = HF_MAINTAIN_FAILED_KEPT;
    if (maintaining_phase(m, "decision", err) < 0)
        return -1;
    if (decide(m) == HF_MAINTAIN_KEEP)
        return 0;
    struct hf_err why = HF_ERR_INIT;
    if (maintaining_go_back(m, &why) == 0) {
        *out = HF_MAINTAIN_ROLLED_BACK;
        return 0;
    }
    if (why.hint[0])
        hf_log(m->run->env->log, HF_LOG_WARN, "maintain", "hint: %s", why.hint);
    if (why.left[0])
        return maintaining_warn(m, err, "%s; left: %s", why.message, why.left);
    return maintaining_warn(m, err, "%s", why.message);
}

/* ---- the whole of it -------------------------------------------------------------------- */

static int maintain(struct maintaining *m, enum hf_maintain_outcome *out, struct hf_err *err)
{
    bool degraded = false;
    if (maintaining_check(m, err) < 0 || maintaining_phase(m, "snapshot", err) < 0 ||
        take_snapshot(m, &degraded, err) < 0)
        return -1;
    *out = HF_MAINTAIN_NOT_BEGUN;
    if (degraded)
        return maintaining_warn(
            m, err, "the command was not begun: the snapshot is below the required grade");
    if (choose_log(m, err) < 0 || maintaining_phase(m, "command", err) < 0 ||
        run_command(m, err) < 0 || maintaining_phase(m, "probes", err) < 0 || judge(m, err) < 0)
        return -1;
    return settle(m, out, err);
}

/* The journal's entry is no effect to be undone: with it open, failing would say that somebody has to decide. */
static int abandon(struct maintaining *m, struct hf_err *err)
{
    hf_run_keep_effects(m->run, err);
    if (m->snapshot)
        hf_left(err, "snapshot %s of %s", m->snapshot, m->run->vm->label);
    return hf_run_fail(m->run, err);
}

static void record(struct maintaining *m, enum hf_maintain_outcome outcome, struct json_object *doc)
{
    static const char *const words[] = {[HF_MAINTAIN_KEPT] = "done",
                                        [HF_MAINTAIN_ROLLED_BACK] = HF_MAINTENANCE_ROLLED_BACK,
                                        [HF_MAINTAIN_FAILED_KEPT] = HF_MAINTENANCE_FAILED_KEPT,
                                        [HF_MAINTAIN_NOT_BEGUN] = "degraded"};
    HF_POINT("maintain.before_record");
    hf_run_end(m->run, words[outcome], doc, "The maintenance is over");
}

int hf_run_maintain(const struct hf_env *env, const struct hf_maintain *req,
                    struct json_object **out_report, enum hf_maintain_outcome *out,
                    struct hf_err *err)
{
    HF_AUTO(hf_run) struct hf_run run = {0};
    if (hf_command_check(req->argv[0], err) < 0 ||
        hf_run_begin_unguarded(&run, env, HF_MAINTAIN_VERB, req->vm, err) < 0)
        return -1;
    HF_AUTO(maintaining) struct maintaining m = {.run = &run, .req = req, .inner = *env};
    m.inner.within = &run;
    if (maintain(&m, out, err) < 0)
        return abandon(&m, err);
    HF_AUTOJSON struct json_object *doc = maintaining_report(&m, *out, err);
    if (!doc)
        return abandon(&m, err);
    record(&m, *out, doc);
    *out_report = HF_STEAL(doc);
    return 0;
}
