/* SPDX-License-Identifier: Apache-2.0 */
#include "run/pushed.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NOTES_SHOWN 100
#define ASK_MS 60000
#define DELETE_MS (10 * 60 * 1000)
#define COPY_MS (10 * 60 * 1000)                 /* of one call; then it is asked again */
#define WHOLE_MS (INT64_C(7) * 24 * 3600 * 1000) /* of all of them */
#define AWAY_MS (INT64_C(60) * 60 * 1000)        /* without an answer */
#define HOME_MS 60000
#define PAUSE_MS 2000

/* ---- the way ---------------------------------------------------------------------------- */

bool hf_pushed_is_way(const struct hf_vm_copy *vm)
{
    return (vm->can & HF_CAN_EXPORT_PUSHED) &&
           !(vm->can & (HF_CAN_EXPORT_NBD | HF_CAN_EXPORT_STREAM));
}

int hf_pushed_check_way(const struct hf_hv *hv, const struct hf_vm_copy *vm, const char *hypervisor,
                        struct hf_err *err)
{
    const struct hf_plugin *p = hf_hv_plugin(hv);
    if (hf_pushed_is_way(vm) || p->capabilities & (HF_CAN_EXPORT_NBD | HF_CAN_EXPORT_STREAM))
        return 0;
    hf_fail(err, HF_E_UNSUPPORTED, "plugin '%s' exports no disks that could be read", p->name);
    if (!(p->capabilities & HF_CAN_EXPORT_PUSHED))
        return -1;
    return hf_hint(
        err, "Its hypervisor writes backups itself, to the place that [hypervisor %s] names%s%s.",
        hypervisor, vm->cannot ? ": " : "", vm->cannot ? vm->cannot : "");
}

/* ---- hypervisors ------------------------------------------------------------------------ */

struct hf_keeper {
    char *label;
    struct hf_hv *hv; /* NULL: why */
    struct hf_err why;
};

void hf_keepers_free(struct hf_keepers *k)
{
    for (size_t i = 0; i < k->n; i++) {
        hf_hv_close(k->items[i].hv);
        free(k->items[i].label);
    }
    free(k->items);
    *k = (struct hf_keepers){.env = k->env};
}

static struct hf_keeper *keeper_add(struct hf_keepers *k, const char *label, struct hf_err *err)
{
    struct hf_keeper *more = reallocarray(k->items, k->n + 1, sizeof *more);
    if (!more) {
        hf_fail_nomem(err);
        return NULL;
    }
    k->items = more;
    struct hf_keeper *new = &k->items[k->n];
    *new = (struct hf_keeper){.label = strdup(label), .why = HF_ERR_INIT};
    if (!new->label) {
        hf_fail_nomem(err);
        return NULL;
    }
    k->n++;
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(k->env->config, label, &new->why);
    if (h)
        new->hv = hf_env_open_hv(k->env, h, &new->why);
    return new;
}

struct hf_hv *hf_keepers_open(struct hf_keepers *k, const char *hypervisor, struct hf_err *err)
{
    struct hf_keeper *found = NULL;
    for (size_t i = 0; i < k->n && !found; i++)
        found = strcmp(k->items[i].label, hypervisor) == 0 ? &k->items[i] : NULL;
    if (!found)
        found = keeper_add(k, hypervisor, err);
    if (found && !found->hv)
        hf_err_copy(err, &found->why);
    return found ? found->hv : NULL;
}

/* ---- the backup of a point -------------------------------------------------------------- */

void hf_kept_free(struct hf_kept *b)
{
    free(b->hypervisor);
    free(b->vm_id);
    free(b->ref);
    *b = (struct hf_kept){0};
}

int hf_kept_of(const struct hf_manifest *m, struct hf_kept *out, struct hf_err *err)
{
    const struct hf_point_artifact *a = hf_manifest_find(m, HF_POINT_PUSHED);
    if (!a)
        return 0;
    *out = (struct hf_kept){.hypervisor = strdup(m->hypervisor),
                            .vm_id = strdup(m->vm_id),
                            .ref = strdup(a->pushed.ref),
                            .stored_bytes = a->stored_bytes};
    hf_point_mark(m->point.id, out->run);
    return out->hypervisor && out->vm_id && out->ref ? 1 : hf_fail_nomem(err);
}

void hf_kept_look_free(struct hf_kept_look *l)
{
    hf_pushed_copy_free(&l->is);
    *l = (struct hf_kept_look){.unknown = HF_ERR_INIT};
}

/* Proxmox Backup Server tells the size of what was backed up, and adds that of its own index: this has the notes and what the
 * verification found, so it changes with them. */
static bool has_lasting_size(const struct hf_pushed_copy *p)
{
    return p->stored_bytes && strcmp(p->form, "pbs") != 0;
}

bool hf_kept_judge(const struct hf_kept *b, const struct hf_pushed_copy *p,
                   char damage[HF_ERR_MESSAGE_MAX])
{
    const bool is_its = p->is_ours && strcmp(p->run, b->run) == 0;
    const char *notes = p->notes ? p->notes : "";
    *damage = '\0';
    if (!is_its)
        snprintf(damage, HF_ERR_MESSAGE_MAX, "backup %s is not this point's: it says '%.*s'",
                 b->ref, (int)hf_utf8_fit(notes, NOTES_SHOWN), notes);
    else if (p->check == HF_PUSHED_BAD)
        snprintf(damage, HF_ERR_MESSAGE_MAX,
                 "backup %s is damaged, as its place found when it verified it", b->ref);
    else if (has_lasting_size(p) && p->stored_bytes != b->stored_bytes)
        snprintf(damage, HF_ERR_MESSAGE_MAX,
                 "backup %s has %" PRIu64 " bytes, and had %" PRIu64 " when it was taken", b->ref,
                 p->stored_bytes, b->stored_bytes);
    return is_its;
}

int hf_keepers_look(struct hf_keepers *k, const struct hf_kept *b, struct hf_kept_look *out,
                    struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(k->env, NULL, ASK_MS);
    *out = (struct hf_kept_look){.unknown = HF_ERR_INIT};
    struct hf_hv *hv = hf_keepers_open(k, b->hypervisor, &out->unknown);
    if (hv && hf_hv_pushed_find(hv, &call, b->vm_id, b->ref, &out->is, &out->unknown) == 0)
        out->is_its = hf_kept_judge(b, &out->is, out->damage);
    if (hv && out->unknown.cls == HF_E_NOT_FOUND) {
        snprintf(out->damage, sizeof out->damage, "backup %s is gone", b->ref);
        hf_err_clear(&out->unknown);
    }
    return hf_cancel_check(k->env->cancel, err);
}

int hf_keepers_delete(struct hf_keepers *k, const struct hf_kept *b, struct hf_err *err)
{
    struct hf_hv_call call = hf_env_call(k->env, NULL, DELETE_MS);
    struct hf_hv *hv = hf_keepers_open(k, b->hypervisor, err);
    return hv ? hf_hv_pushed_delete(hv, &call, b->vm_id, b->ref, b->run, err) : -1;
}

/* ---- what the hypervisor copies by itself ---------------------------------------------------- */

static int ask_once(const struct hf_pushed_copying *c, const char *run_id, struct hf_err *err)
{
    struct hf_err late = HF_ERR_INIT, ignored = HF_ERR_INIT;
    const struct hf_hv_call call = hf_env_call(c->env, run_id, COPY_MS);
    int rc = c->ask(c->ctx, &call, err);
    if (rc < 0 && hf_hv_is_stuck(c->hv)) {
        const struct hf_hv_call home = hf_env_call(c->env, NULL, HOME_MS);
        (void)!hf_hv_wait_home(c->hv, home.deadline_ms, &late, &ignored);
    }
    return rc;
}

static bool may_ask_again(const struct hf_err *err)
{
    return err->cls == HF_E_TIMEOUT || err->cls == HF_E_UNREACHABLE || err->cls == HF_E_BUSY;
}

int hf_pushed_wait(const struct hf_pushed_copying *c, const char *run_id, struct hf_err *err)
{
    const struct hf_clock *clock = c->env->clock;
    int64_t begun_ms = hf_clock_mono_ms(clock), heard_ms = begun_ms;
    for (;;) {
        struct hf_err why = HF_ERR_INIT;
        if (hf_cancel_check(c->env->cancel, err) < 0)
            return -1;
        if (ask_once(c, run_id, &why) == 0)
            return 0;
        int64_t now_ms = hf_clock_mono_ms(clock);
        if (why.cls == HF_E_TIMEOUT && !hf_hv_is_stuck(c->hv))
            heard_ms = now_ms;
        if (!may_ask_again(&why) || now_ms - heard_ms > AWAY_MS || now_ms - begun_ms > WHOLE_MS) {
            hf_err_copy(err, &why);
            return -1;
        }
        hf_log_err(c->env->log, HF_LOG_DETAIL, c->area, &why);
        hf_cancel_sleep(c->env->cancel, clock, PAUSE_MS);
    }
}
