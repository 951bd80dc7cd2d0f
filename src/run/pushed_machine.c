/* SPDX-License-Identifier: Apache-2.0 */
#include "run/pushed_machine.h"

#include <string.h>

#define ASK_MS 60000
#define MAKE_MS (10 * 60 * 1000)                 /* of one call; then it is asked again */
#define WHOLE_MS (INT64_C(7) * 24 * 3600 * 1000) /* of all of them */
#define AWAY_MS (INT64_C(60) * 60 * 1000)        /* without an answer */
#define HOME_MS 60000
#define PAUSE_MS 2000

static const struct hf_point_pushed *pushed_of(const struct hf_pushed_machine *p)
{
    return &hf_manifest_find(p->m, HF_POINT_PUSHED)->pushed;
}

static int check_way(const struct hf_pushed_machine *p, struct hf_err *err)
{
    const struct hf_plugin *plugin = hf_hv_plugin(p->hv);
    if (plugin->capabilities & HF_CAN_MACHINE_PUSHED)
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "plugin '%s' makes no machines from backups of its hypervisor",
            plugin->name);
    return hf_hint(
        err, "The disks of %s are in the backup %s: only the hypervisor that wrote it reads it.",
        p->m->point.id, pushed_of(p)->ref);
}

int hf_pushed_machine_look(const struct hf_pushed_machine *p, struct hf_pushed_copy *out,
                           struct hf_err *err)
{
    char mark[HF_POINT_MARK_MAX];
    const struct hf_point_pushed *of = pushed_of(p);
    struct hf_hv_call call = hf_env_call(p->env, p->run_id, ASK_MS);
    if (check_way(p, err) < 0)
        return -1;
    if (hf_hv_pushed_find(p->hv, &call, p->m->vm_id, of->ref, out, err) < 0)
        return hf_wrap(err, "the backup of %s", p->m->point.id);
    hf_point_mark(p->m->point.id, mark);
    if (out->is_ours && out->run && strcmp(out->run, mark) == 0)
        return 0;
    return hf_fail(err, HF_E_CONFLICT, "the backup %s is not that of %s: it is marked with '%s'",
                   of->ref, p->m->point.id, out->run ? out->run : "");
}

int hf_pushed_machine_plan(const struct hf_pushed_machine *p, const char *name, const char *purpose,
                           uint32_t flags, const char *store, struct hf_hv_machine_plan *out,
                           struct hf_err *err)
{
    const struct hf_machine_request req = {.struct_size = sizeof req,
                                           .flags = flags,
                                           .name = name,
                                           .run = p->run_id,
                                           .purpose = purpose,
                                           .pushed = pushed_of(p)->ref,
                                           .vm_id = p->m->vm_id,
                                           .store = store};
    struct hf_hv_call call = hf_env_call(p->env, p->run_id, ASK_MS);
    return check_way(p, err) < 0 ? -1 : hf_hv_machine_plan(p->hv, &call, &req, out, err);
}

/* ---- the copy ---------------------------------------------------------------------------- */

/* A late call is let come home, so that the next one can be made. */
static int make_once(const struct hf_pushed_machine *p, const struct hf_hv_machine_plan *plan,
                     struct hf_err *err)
{
    struct hf_err late = HF_ERR_INIT, ignored = HF_ERR_INIT;
    struct hf_hv_call call = hf_env_call(p->env, p->run_id, MAKE_MS);
    int rc = hf_hv_machine_create(p->hv, &call, plan->definition, plan->undo_token, err);
    if (rc < 0 && hf_hv_is_stuck(p->hv)) {
        struct hf_hv_call home = hf_env_call(p->env, NULL, HOME_MS);
        (void)!hf_hv_wait_home(p->hv, home.deadline_ms, &late, &ignored);
    }
    return rc;
}

static bool may_ask_again(const struct hf_err *err)
{
    return err->cls == HF_E_TIMEOUT || err->cls == HF_E_UNREACHABLE || err->cls == HF_E_BUSY;
}

static int copy_until_done(const struct hf_pushed_machine *p, const struct hf_hv_machine_plan *plan,
                           struct hf_err *err)
{
    const struct hf_clock *clock = p->env->clock;
    int64_t begun_ms = hf_clock_mono_ms(clock), heard_ms = begun_ms;
    for (;;) {
        struct hf_err why = HF_ERR_INIT;
        if (hf_cancel_check(p->env->cancel, err) < 0)
            return -1;
        if (make_once(p, plan, &why) == 0)
            return 0;
        int64_t now_ms = hf_clock_mono_ms(clock);
        if (why.cls == HF_E_TIMEOUT && !hf_hv_is_stuck(p->hv))
            heard_ms = now_ms; /* it answers, and is not done */
        if (!may_ask_again(&why) || now_ms - heard_ms > AWAY_MS || now_ms - begun_ms > WHOLE_MS) {
            hf_err_copy(err, &why);
            return -1;
        }
        hf_log_err(p->env->log, HF_LOG_DETAIL, p->area, &why);
        hf_cancel_sleep(p->env->cancel, clock, PAUSE_MS);
    }
}

/* What it leaves is for the undo to take away, or to name. */
int hf_pushed_machine_make(const struct hf_pushed_machine *p, const struct hf_hv_machine_plan *plan,
                           struct hf_err *err)
{
    if (copy_until_done(p, plan, err) == 0)
        return 0;
    err->left[0] = '\0';
    return -1;
}
