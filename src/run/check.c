/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/id.h"
#include "base/units.h"
#include "catalog/journal.h"
#include "run/checking.h"
#include "run/pushed.h"
#include "run/usage.h"

#include <stdio.h>
#include <string.h>

static void checking_close(struct checking *c)
{
    check_looked_free(&c->units);
    check_looked_free(&c->paths);
    check_looked_free(&c->schemas);
    hf_strv_free(&c->plan_told);
    hf_way_close(&c->way);
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

int check_tell(struct checking *c, const char *area, enum hf_finding_level level,
               const char *message, const char *hint, struct hf_err *err)
{
    struct hf_finding f = {
        .vm = c->vm->label, .area = area, .level = level, .message = message, .hint = hint};
    return c->emit(c->ctx, &f, err);
}

int check_tell_err(struct checking *c, const char *area, const struct hf_err *what,
                   struct hf_err *err)
{
    return check_tell(c, area, HF_FINDING_FAIL, what->message, what->hint[0] ? what->hint : NULL,
                      err);
}

int check_tellf(struct checking *c, const char *area, enum hf_finding_level level,
                struct hf_err *err, const char *fmt, ...)
{
    HF_AUTO(hf_buf) struct hf_buf text = HF_BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    hf_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    return check_tell(c, area, level, hf_buf_str(&text), NULL, err);
}

int check_tell_each(struct checking *c, const char *area, enum hf_finding_level level,
                    const struct hf_strv *lines, const char *hint, struct hf_err *err)
{
    for (size_t i = 0; i < lines->n; i++)
        if (check_tell(c, area, level, lines->items[i], hint, err) < 0)
            return -1;
    return 0;
}

int64_t check_deadline_ms(const struct checking *c)
{
    return hf_env_call(c->env, NULL, CHECK_QUERY_MS).deadline_ms;
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
    struct hf_hv_call call = hf_env_call(c->env, NULL, CHECK_QUERY_MS);
    *out_go_on = c->hv && hf_hv_probe(c->hv, &call, &probe, &what) == 0;
    if (!*out_go_on)
        return check_tell_err(c, "hypervisor", &what, err);
    return check_tellf(c, "hypervisor", HF_FINDING_OK, err, "%s at %s", probe.product,
                       probe.endpoint);
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
    struct hf_hv_call call = hf_env_call(c->env, NULL, CHECK_QUERY_MS);
    *out_go_on = hf_hv_vm_find(c->hv, &call, c->vm->name, &c->found, &what) == 0;
    if (!*out_go_on)
        return check_tell_err(c, "vm", &what, err);
    if (!(c->found.can & HF_CAN_SNAPSHOT) &&
        check_tellf(c, "vm", HF_FINDING_FAIL, err, "%s is %s: no snapshot now%s%s", c->found.name,
                    state_name(c->found.state), c->found.cannot ? ": " : "",
                    c->found.cannot ? c->found.cannot : "") < 0)
        return -1;
    if ((c->found.can & HF_CAN_SNAPSHOT) &&
        check_tellf(c, "vm", HF_FINDING_OK, err, "%s (%s) is %s", c->found.name, c->found.id,
                    state_name(c->found.state)) < 0)
        return -1;
    call = hf_env_call(c->env, NULL, CHECK_QUERY_MS);
    if (hf_hv_vm_busy(c->hv, &call, c->found.id, &what) < 0)
        return check_tell_err(c, "vm", &what, err);
    return 0;
}

static int tell_disk(struct checking *c, const struct hf_disk_copy *d, struct hf_err *err)
{
    char size[HF_UNITS_MAX], layers[32] = "";
    hf_format_size(d->capacity_bytes, size);
    if (d->chain_depth) /* 0: the hypervisor does not tell */
        snprintf(layers, sizeof layers, ", %u layer%s", d->chain_depth,
                 d->chain_depth == 1 ? "" : "s");
    if (d->refused)
        return check_tellf(c, "disks", HF_FINDING_FAIL, err, "%s: %s", d->target, d->refused);
    if (d->skipped)
        return check_tellf(c, "disks", d->kind == HF_DISK_DISK ? HF_FINDING_WARN : HF_FINDING_OK,
                           err, "%s: not captured: %s", d->target, d->skipped);
    return check_tellf(c, "disks", HF_FINDING_OK, err, "%s: captured, %s, %s%s", d->target, size,
                       d->format ? d->format : "unknown format", layers);
}

/* Of two plans that say the same it is told once. 1: it is new. */
static int note_told(struct checking *c, const char *line, struct hf_err *err)
{
    if (hf_strv_has(&c->plan_told, line))
        return 0;
    return hf_strv_add(&c->plan_told, line) < 0 ? hf_fail_nomem(err) : 1;
}

/* The plan is made and dropped: it finds what a capture would refuse, and changes nothing. 1: one of *out_disks would be made; 0: it
 * would not, which was told. */
static int try_plan(struct checking *c, enum hf_capture_kind kind, const char *area,
                    uint32_t *out_disks, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    char name[HF_ID_MAX + 8];
    HF_AUTO(hf_hv_capture) struct hf_hv_capture *capture = NULL;
    HF_AUTO(hf_hv_capture_plan) struct hf_hv_capture_plan plan = {0};
    snprintf(name, sizeof name, "hf-%s", c->id);
    struct hf_capture_request req = {.struct_size = sizeof req,
                                     .kind = kind,
                                     .vm_id = c->found.id,
                                     .name = name,
                                     .checkpoint = HF_CHECKPOINT_NEVER,
                                     .is_frozen = hf_way_freezes(c->vm)};
    struct hf_hv_call call = hf_env_call(c->env, c->id, CHECK_QUERY_MS);
    if (hf_hv_capture_plan(c->hv, &call, &req, &capture, &plan, &what) < 0) {
        int rc = note_told(c, what.message, err);
        return rc <= 0 ? rc : check_tell_err(c, area, &what, err);
    }
    *out_disks = plan.n_disks;
    for (size_t i = 0; i < plan.warnings.n; i++) {
        int rc = note_told(c, plan.warnings.items[i], err);
        if (rc < 0 ||
            (rc && check_tell(c, area, HF_FINDING_WARN, plan.warnings.items[i], NULL, err) < 0))
            return -1;
    }
    return 1;
}

static int check_capture_plan(struct checking *c, struct hf_err *err)
{
    uint32_t n = 0;
    int rc = try_plan(c, HF_CAPTURE_SNAPSHOT, "disks", &n, err);
    return rc <= 0
               ? rc
               : check_tellf(c, "disks", HF_FINDING_OK, err,
                             "%u disk%s would be captured in one instant", n, n == 1 ? "" : "s");
}

/* The way that a backup would take, where it is not that of a snapshot: another right, another place. */
static int check_backup_plan(struct checking *c, bool is_pushed, struct hf_err *err)
{
    uint32_t n = 0;
    int rc = try_plan(c, HF_CAPTURE_EXPORT, "backup", &n, err);
    const char *many = n == 1 ? "" : "s";
    if (rc <= 0)
        return rc;
    return is_pushed ? check_tellf(c, "backup", HF_FINDING_OK, err,
                                   "the hypervisor would write %u disk%s itself", n, many)
                     : check_tellf(c, "backup", HF_FINDING_OK, err,
                                   "the hypervisor would send %u disk%s, each whole", n, many);
}

/* Without a store there are no backups. */
static int check_backup(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    if (hf_config_store_count(c->env->config) == 0)
        return 0;
    if (hf_pushed_is_way(&c->found) || hf_usage_has_backup(&c->found))
        return check_backup_plan(c, hf_pushed_is_way(&c->found), err);
    return hf_pushed_check_way(c->hv, &c->found, c->vm->hypervisor, &what) == 0
               ? 0
               : check_tell(c, "backup", HF_FINDING_WARN, what.message,
                            what.hint[0] ? what.hint : NULL, err);
}

static int check_disks(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_disk_list) struct hf_disk_list disks = {0};
    struct hf_hv_call call = hf_env_call(c->env, NULL, CHECK_QUERY_MS);
    if (hf_hv_vm_disks(c->hv, &call, c->found.id, &disks, &what) < 0)
        return check_tell_err(c, "disks", &what, err);
    for (size_t i = 0; i < disks.n; i++)
        if (tell_disk(c, &disks.items[i], err) < 0)
            return -1;
    return c->found.can & HF_CAN_SNAPSHOT ? check_capture_plan(c, err) : 0;
}

static int tell_excess(void *ctx, const struct hf_excess *e, struct hf_err *err)
{
    return check_tell(ctx, "limits", e->refuses ? HF_FINDING_FAIL : HF_FINDING_WARN, e->message,
                      e->hint, err);
}

static int check_limits(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_usage) struct hf_usage u = {0};
    char overlays[HF_UNITS_MAX], avail[HF_UNITS_MAX];
    struct hf_hv_call call = hf_env_call(c->env, NULL, CHECK_QUERY_MS);
    if (hf_usage_take(c->hv, &call, c->vm, c->found.id, &u, &what) < 0)
        return check_tell_err(c, "limits", &what, err);
    hf_format_size(u.overlay_bytes, overlays);
    hf_format_size(u.store_free_bytes, avail);
    if (u.unknown_store &&
        check_tellf(c, "limits", HF_FINDING_WARN, err,
                    "%s: its free space is not known, so min-free is not watched",
                    u.unknown_store) < 0)
        return -1;
    if (check_tellf(c, "limits", HF_FINDING_OK, err, "snapshots %u, layers %u, overlays %s%s%s%s%s",
                    u.n_ours, u.chain, overlays, u.store ? ", free " : "", u.store ? avail : "",
                    u.store ? " in " : "", u.store ? u.store : "") < 0)
        return -1;
    return hf_usage_judge(&u, c->vm, hf_clock_wall_us(c->env->clock), tell_excess, c, err);
}

/* What the configuration alone rules out. */
static int check_grade(struct checking *c, struct hf_err *err)
{
    const enum hf_grade best = hf_quiesce_grade(c->vm->quiesce, c->vm->freeze);
    if (hf_grade_meets(best, c->vm->require))
        return 0;
    HF_AUTOFREE char *text = hf_asprintf(
        "require = %s is out of reach: quiesce = %s gives %s at the best",
        hf_grade_name(c->vm->require), hf_quiesce_name(c->vm->quiesce), hf_grade_name(best));
    if (!text)
        return hf_fail_nomem(err);
    return check_tell(c, "grade", HF_FINDING_FAIL, text,
                      "Every snapshot would end with status 3: change require or quiesce.", err);
}

/* ---- dead runs -------------------------------------------------------------------------- */

static int check_runs(struct checking *c, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    if (hf_journal_list(hf_env_state(c->env), &ids, &what) < 0)
        return check_tell_err(c, "runs", &what, err);
    for (size_t i = 0; i < ids.n; i++) {
        const char *vm_id = NULL;
        HF_AUTO(hf_journal)
        struct hf_journal *j =
            hf_journal_open(hf_env_state(c->env), ids.items[i], c->env->clock, &what);
        if (!j && what.cls == HF_E_NOT_FOUND)
            continue; /* it ended while we were looking */
        /* Whose it is cannot be told, so every VM is told. */
        if (!j || hf_json_get_string(hf_journal_run_data(j), "vm_id", &vm_id, &what) < 0) {
            if (check_tell(c, "runs", HF_FINDING_WARN, what.message,
                           what.hint[0] ? what.hint : NULL, err) < 0)
                return -1;
            continue;
        }
        if (strcmp(vm_id, c->found.id ? c->found.id : "") != 0)
            continue;
        HF_AUTOFREE char *text = hf_asprintf("run %s is under way, or died", ids.items[i]);
        if (!text)
            return hf_fail_nomem(err);
        if (check_tell(c, "runs", HF_FINDING_WARN, text, "`holdfast recover` undoes dead runs.",
                       err) < 0)
            return -1;
    }
    return 0;
}

int hf_check_vm(const struct hf_env *env, const struct hf_config_vm *vm, hf_finding_cb emit,
                void *ctx, struct hf_err *err)
{
    HF_AUTO(checking) struct checking c = {.env = env, .vm = vm, .emit = emit, .ctx = ctx};
    bool go_on = false;
    if (hf_id_new(env->clock, c.id, err) < 0)
        return -1;
    if (check_hypervisor(&c, &go_on, err) < 0)
        return -1;
    if (go_on && check_machine(&c, &go_on, err) < 0)
        return -1;
    if (go_on && (check_disks(&c, err) < 0 || check_backup(&c, err) < 0 ||
                  check_limits(&c, err) < 0 || check_guest(&c, err) < 0))
        return -1;
    if (check_database(&c, err) < 0 || check_grade(&c, err) < 0)
        return -1;
    if (check_apps(&c, err) < 0)
        return -1;
    if (go_on && check_coverage(&c, err) < 0)
        return -1;
    if (go_on && check_probes(&c, err) < 0)
        return -1;
    if (check_stores(&c, err) < 0)
        return -1;
    return check_runs(&c, err);
}
