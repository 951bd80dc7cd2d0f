/* SPDX-License-Identifier: Apache-2.0
 *
 * Points whose disks lie in a backup that the hypervisor keeps: it goes when the last manifest that names it has gone.
 *
 * Before that the hypervisor is asked: one that does not answer keeps the point. A death between the two leaves a backup without a
 * point; those are named here, and left to somebody's decision (run/pushed_list.h).
 */
#include "base/point.h"
#include "run/prune_intern.h"
#include "run/pushed_list.h"

#include <string.h>

/* ---- the document -------------------------------------------------------------------------- */

static int add_backup(struct pruning *p, const char *vm, const char *hypervisor, const char *ref,
                      const char *action, const char *why, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(p->backups);
    return !row || hf_json_add_string(row, "vm", vm) < 0 ||
                   hf_json_add_string(row, "hypervisor", hypervisor) < 0 ||
                   hf_json_add_string(row, "ref", ref) < 0 ||
                   hf_json_add_string(row, "action", action) < 0 ||
                   hf_json_add_string(row, "why", why) < 0
               ? hf_fail_nomem(err)
               : 0;
}

/* ---- before the manifest goes --------------------------------------------------------------- */

static int skip(struct pruning *p, const struct hf_prune_point *point, const char *why,
                struct hf_err *err)
{
    p->is_bad = true;
    hf_log(p->env->log, HF_LOG_ERROR, "prune", "store '%s': %s/%s stays: %s", p->config->label,
           point->name.vm, point->name.id, why);
    return prune_add_point(p, &point->name, point->taken_us, "failed", why, err);
}

/* 1: no other store has the point. 0: one has, or may have. */
static int is_last(struct pruning *p, const struct hf_prune_point *point,
                   char why[HF_ERR_MESSAGE_MAX], struct hf_err *err)
{
    enum hf_has_point has = HF_HAS_NOT;
    const struct hf_has_question q = {
        .id = point->name.id, .but = p->site->id, .gone = &p->gone, .catalog = p->catalog};
    if (hf_all_stores_ask(&p->lister.stores, &q, &has, why, err) < 0)
        return -1;
    if (has == HF_HAS_UNKNOWN)
        hf_log(p->env->log, HF_LOG_WARN, "prune",
               "whether another store has %s/%s is not known, so its backup stays: %s",
               point->name.vm, point->name.id, why);
    return has == HF_HAS_NOT;
}

int prune_pushed_ask(struct pruning *p, const struct hf_prune_point *point,
                     struct prune_pushed *out, struct hf_err *err)
{
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    HF_AUTO(hf_kept_look) struct hf_kept_look look = {.unknown = HF_ERR_INIT};
    if (point->n_roots) /* its disks lie on the store */
        return 1;
    int rc =
        hf_point_read(p->site, &point->name, &m, err) < 0 ? -1 : hf_kept_of(&m, &out->backup, err);
    if (rc <= 0)
        return rc < 0 ? -1 : 1;
    rc = is_last(p, point, out->why, err);
    out->is_to_go = rc > 0;
    if (rc <= 0)
        return rc < 0 ? -1 : 1;
    if (hf_keepers_look(&p->lister.keepers, &out->backup, &look, err) < 0)
        return -1;
    out->is_foreign = look.is.ref && !look.is_its;
    if (out->is_foreign)
        snprintf(out->why, sizeof out->why, "%s", look.damage);
    return look.unknown.cls ? skip(p, point, look.unknown.message, err) : 1;
}

/* ---- after it -------------------------------------------------------------------------------- */

static int tell_kept(struct pruning *p, const struct hf_prune_point *point, const struct hf_kept *b,
                     const char *why, struct hf_err *err)
{
    return add_backup(p, point->name.vm, b->hypervisor, b->ref, "kept", why, err);
}

static int note_gone(struct pruning *p, const struct hf_prune_point *point, struct hf_err *err)
{
    char key[HF_COPY_KEY_MAX];
    hf_copy_key(p->site->id, point->name.id, key);
    return hf_strv_add(&p->gone, key) < 0 ? hf_fail_nomem(err) : 0;
}

/* A dry run fails where the real one would. */
static int delete_backup(struct pruning *p, const struct prune_pushed *k, struct hf_err *err)
{
    if (p->req->is_dry)
        return k->is_foreign ? hf_fail(err, HF_E_CONFLICT, "%s", k->why) : 0;
    if (HF_POINT_ERR("prune.before_pushed_delete", err) < 0 ||
        hf_keepers_delete(&p->lister.keepers, &k->backup, err) < 0)
        return -1;
    HF_POINT("prune.after_pushed_delete");
    return 0;
}

int prune_pushed_delete(struct pruning *p, const struct hf_prune_point *point,
                        const struct prune_pushed *k, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    const struct hf_kept *b = &k->backup;
    HF_AUTOFREE char *text = NULL;
    if (!b->ref)
        return 0;
    if (note_gone(p, point, err) < 0)
        return -1;
    if (!k->is_to_go) {
        text = hf_asprintf("another store has its point, or may have: %s", k->why);
        return text ? tell_kept(p, point, b, text, err) : hf_fail_nomem(err);
    }
    if (delete_backup(p, k, &why) == 0)
        return add_backup(p, point->name.vm, b->hypervisor, b->ref, "deleted", NULL, err);
    p->is_bad = true;
    hf_wrap(&why, "backup %s, whose point %s deleted, stays", b->ref,
            p->req->is_dry ? "would be" : "is");
    hf_log_err(p->env->log, HF_LOG_ERROR, "prune", &why);
    return add_backup(p, point->name.vm, b->hypervisor, b->ref, "failed", why.message, err);
}

/* ---- without a point -------------------------------------------------------------------------- */

static int name_orphan(void *pruning, const struct hf_pushed_row *row, struct hf_err *err)
{
    struct pruning *p = pruning;
    if (row->state != HF_PUSHED_ORPHAN || row->is_young)
        return 0;
    hf_log(p->env->log, HF_LOG_WARN, "prune",
           "backup %s of %s was made by run %s, and no store has its point: it is left to you to "
           "delete it at the hypervisor%s",
           row->is->ref, row->vm, row->point,
           row->is->is_protected ? ", which protects it: that is to be taken off before" : "");
    return add_backup(p, row->vm, row->hypervisor, row->is->ref, "orphan",
                      "no store of the configuration has its point", err);
}

int prune_pushed_orphans(struct pruning *p, const struct hf_config_vm *vm, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    if (hf_pushed_list_vm(&p->lister, vm, name_orphan, p, &why) >= 0)
        return 0;
    if (hf_cancel_check(p->env->cancel, err) < 0)
        return -1;
    hf_wrap(&why, "backups of %s without a point were not looked for", vm->label);
    hf_log_err(p->env->log, HF_LOG_WARN, "prune", &why);
    return 0;
}
