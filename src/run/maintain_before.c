/* SPDX-License-Identifier: Apache-2.0 */
#include "run/check.h"
#include "run/maintaining.h"

#include <inttypes.h>
#include <string.h>

struct objections {
    const struct hf_env *env;
    unsigned n;
    char first[HF_ERR_MESSAGE_MAX], hint[HF_ERR_HINT_MAX];
};

/* What fails a snapshot, and a probe that fails now: it would fail after the change as well, and mean nothing. */
static int note(void *ctx, const struct hf_finding *f, struct hf_err *err)
{
    struct objections *o = ctx;
    (void)err;
    bool is_probe = strcmp(f->area, HF_FINDING_PROBES) == 0;
    if (f->level == HF_FINDING_OK || (f->level == HF_FINDING_WARN && !is_probe))
        return 0;
    hf_log(o->env->log, HF_LOG_WARN, "check", "%s: %s", f->area, f->message);
    if (o->n++ > 0)
        return 0;
    snprintf(o->first, sizeof o->first, "%s: %s", f->area, f->message);
    snprintf(o->hint, sizeof o->hint, "%s", f->hint ? f->hint : "");
    return 0;
}

static int check_vm(struct maintaining *m, struct hf_err *err)
{
    struct objections o = {.env = m->run->env};
    if (hf_check_vm(m->run->env, m->run->vm, note, &o, err) < 0 ||
        hf_cancel_check(m->run->env->cancel, err) < 0)
        return -1;
    if (o.n == 0)
        return 0;
    hf_fail(err, HF_E_CONFLICT, "check found %u thing%s in the way, first %.400s", o.n,
            o.n == 1 ? "" : "s", o.first);
    hf_hint(err, "%s", o.hint[0] ? o.hint : "`holdfast check` shows everything.");
    return -1;
}

/* Whether the way back would lose what is written until then. */
static int check_saving(struct maintaining *m, struct hf_err *err)
{
    const struct hf_run *run = m->run;
    const struct hf_maintain *req = m->req;
    struct hf_err why = HF_ERR_INIT;
    m->can_save =
        hf_saved_writes_check(run->env, run->vm, run->found.id, run->id, &m->begin, &why) == 0 &&
        m->begin.has_binlog;
    if (m->can_save)
        return 0;
    snprintf(m->why_not_save, sizeof m->why_not_save, "%s", why.message);
    bool is_fatal = req->on_failure == HF_MAINTAIN_ROLL_BACK && !req->discard_writes && !req->ask;
    if (!is_fatal && why.hint[0])
        hf_log(run->env->log, HF_LOG_WARN, "maintain", "hint: %s", why.hint);
    if (!is_fatal)
        return maintaining_warn(
            m, err, "what is written from now on could not be saved before a rollback: %s",
            why.message);
    hf_err_copy(err, &why);
    hf_wrap(err, "what is written from now on could not be saved before a rollback");
    if (err->cls != HF_E_AUTH)
        err->cls = HF_E_UNSUPPORTED;
    return hf_hint(
        err,
        "With --discard-writes the VM goes back all the same, and its disks of until then stay.");
}

int maintaining_check(struct maintaining *m, struct hf_err *err)
{
    const struct hf_run *run = m->run;
    if (check_vm(m, err) < 0 || check_saving(m, err) < 0)
        return -1;
    if (run->vm->probe.n == 0)
        return maintaining_warn(
            m, err, "[vm %s] has no probe: the command's status alone will count", run->vm->label);
    return 0;
}
