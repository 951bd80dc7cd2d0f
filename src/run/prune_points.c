/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keep.h"
#include "run/point_reading.h"
#include "run/prune_intern.h"
#include "run/prune_known.h"
#include "run/report.h"
#include "run/store_site.h"

#include <stdlib.h>
#include <string.h>

/* ---- of a VM ---------------------------------------------------------------------------- */

struct of_vm {
    const struct hf_config_vm *vm;
    const struct hf_prune_point **points; /* newest first */
    struct hf_retained *judged;
    size_t n;
    struct hf_keep keep;
    struct hf_retention rules;
};

static void of_vm_free(struct of_vm *v)
{
    free(v->points);
    free(v->judged);
}
HF_DEFINE_AUTO_VALUE(of_vm, of_vm_free)

static int gather(const struct hf_prune_points *all, struct of_vm *v, struct hf_err *err)
{
    v->points = calloc(all->n + 1, sizeof *v->points);
    v->judged = calloc(all->n + 1, sizeof *v->judged);
    if (!v->points || !v->judged)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->items[i].name.vm, v->vm->label) == 0)
            v->points[v->n++] = &all->items[i];
    return 0;
}

/* The earlier of both clocks: a wrong one must not make points of the future out of those that push others out. */
static int64_t now_us(const struct pruning *p, const struct hf_prune_points *all)
{
    const int64_t here = hf_clock_wall_us(p->env->clock), there = all->now_s * 1000000;
    return here < there ? here : there;
}

static int judge(struct pruning *p, const struct hf_prune_points *all, struct of_vm *v,
                 struct hf_err *err)
{
    HF_AUTO(hf_prune_known_list) struct hf_prune_known_list known = {0};
    if (hf_prune_known_load(p->catalog, v->vm->label, p->site->id, &known, err) < 0)
        return -1;
    for (size_t i = 0; i < v->n; i++) {
        const struct hf_prune_known *k = hf_prune_known_find(&known, v->points[i]->name.id);
        v->judged[i] = (struct hf_retained){.taken_us = v->points[i]->taken_us,
                                            .is_verified = k && k->is_verified,
                                            .is_damaged = k && k->is_damaged};
    }
    const bool has_keep = hf_keep_of(p->env->config, v->vm, p->config, &v->keep);
    v->rules = (struct hf_retention){.keep = has_keep ? &v->keep : NULL,
                                     .verified = v->vm->keep_verified,
                                     .zone = p->zone,
                                     .now_us = now_us(p, all)};
    hf_retention_judge(&v->rules, v->judged, v->n);
    return 0;
}

/* A right that is missing, or what is locked against removal: the next one may go. Of all else that goes wrong there is more to come. */
static bool is_of_this_one(const struct hf_err *what)
{
    return what->cls == HF_E_AUTH || what->cls == HF_E_CONFLICT;
}

static int tell_undeleted(struct pruning *p, const struct hf_prune_point *point,
                          const struct hf_err *what, struct hf_err *err)
{
    if (prune_add_point(p, &point->name, point->taken_us, "failed", what->message, err) < 0)
        return -1;
    if (!is_of_this_one(what)) {
        hf_err_copy(err, what);
        return -1;
    }
    if (!p->failed.cls)
        hf_err_copy(&p->failed, what);
    return 0;
}

static int delete_point(struct pruning *p, struct hf_prune *prune,
                        const struct hf_prune_point *point, const char *why, struct hf_err *err)
{
    bool is_read = false;
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_point_reading)
    struct hf_point_reading *alone =
        hf_point_reading_exclude(p->site, point->name.id, p->req->is_dry, &is_read, &what);
    if (is_read)
        return prune_add_point(p, &point->name, point->taken_us, "kept", "being read", err);
    HF_AUTO(prune_pushed) struct prune_pushed pushed = {0};
    int go_on = what.cls ? 1 : prune_pushed_ask(p, point, &pushed, &what);
    if (go_on == 0)
        return 0;
    if (what.cls || hf_prune_delete(prune, point, &what) < 0)
        return tell_undeleted(p, point, &what, err);
    p->n_deleted++;
    p->has_changed = true;
    hf_log(p->env->log, HF_LOG_INFO, "prune", "store '%s': %s/%s %s: %s", p->config->label,
           point->name.vm, point->name.id, p->req->is_dry ? "would be deleted" : "is deleted", why);
    return prune_add_point(p, &point->name, point->taken_us, "deleted", why, err) < 0
               ? -1
               : prune_pushed_delete(p, point, &pushed, err);
}

static int prune_vm(struct pruning *p, struct hf_prune *prune, const struct hf_prune_points *all,
                    const struct hf_config_vm *vm, struct hf_err *err)
{
    HF_AUTO(of_vm) struct of_vm v = {.vm = vm};
    if (gather(all, &v, err) < 0 || judge(p, all, &v, err) < 0)
        return -1;
    p->n_points += (int64_t)v.n;
    for (size_t i = 0; i < v.n; i++) {
        const struct hf_prune_point *point = v.points[i];
        char why[HF_RETENTION_WHY];
        if (hf_cancel_check(p->env->cancel, err) < 0)
            return -1;
        hf_retention_why(&v.rules, v.judged, v.n, i, why);
        if ((v.judged[i].reasons
                 ? prune_add_point(p, &point->name, point->taken_us, "kept", why, err)
                 : delete_point(p, prune, point, why, err)) < 0)
            return -1;
    }
    return 0;
}

/* ---- a store ---------------------------------------------------------------------------- */

static bool is_asked_for(const struct pruning *p, const char *vm)
{
    return p->req->vms->n == 0 || hf_strv_has(p->req->vms, vm);
}

static int tell_unreadable(struct pruning *p, const struct hf_prune_points *all, struct hf_err *err)
{
    for (size_t i = 0; i < all->unreadable_n; i++)
        if (is_asked_for(p, all->unreadable[i].vm) &&
            prune_add_point(p, &all->unreadable[i], 0, "kept", "its manifest cannot be read", err) <
                0)
            return -1;
    if (all->unreadable_n == 0)
        return 0;
    p->is_bad = true;
    hf_log(p->env->log, HF_LOG_ERROR, "prune",
           "store '%s': %zu manifests cannot be read, so no pack is removed: %s", p->config->label,
           all->unreadable_n, all->first_damage.message);
    return 0;
}

static int forget(void *pruning, const struct hf_point_name *n, struct hf_err *err)
{
    struct pruning *p = pruning;
    return hf_catalog_copy_forget(p->catalog, n->id, p->site->id, err);
}

static int prune_vms(struct pruning *p, struct hf_prune *prune, const struct hf_prune_points *all,
                     struct hf_err *err)
{
    const struct hf_config *config = p->env->config;
    for (size_t i = 0; i < hf_config_vm_count(config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(config, i);
        if (is_asked_for(p, vm->label) && prune_vm(p, prune, all, vm, err) < 0)
            return -1;
    }
    return 0;
}

/* A tree or a pack that cannot be read: no failure of a prune, which does without. That something is damaged `verify` says. */
static void tell_damage(const struct pruning *p, const struct hf_prune_repacked *r)
{
    if (r->damage.cls)
        hf_log(p->env->log, HF_LOG_WARN, "prune", "store '%s': %s: %s", p->config->label,
               r->is_known ? "packs that cannot be read are not repacked"
                           : "what is wasted is not known, and nothing is repacked",
               r->damage.message);
}

/* Nothing was condemned then (point/prune.h), and nobody would know why. */
static void tell_pointless(const struct pruning *p, const struct hf_prune_points *all,
                           const struct hf_pruned *done)
{
    if (all->n == 0 && all->unreadable_n == 0 && done->young.packs + done->waiting.packs > 0)
        hf_log(p->env->log, HF_LOG_WARN, "prune",
               "store '%s' has packs and not a single point: none is removed before there is one. "
               "Is all of the store mounted?",
               p->config->label);
}

/* *points and *done: NULL where it did not come so far. */
static int prune_site(struct pruning *p, struct hf_prune *prune,
                      const struct hf_prune_points **points, struct hf_pruned *sum,
                      const struct hf_pruned **done, struct hf_err *err)
{
    if (hf_prune_points(prune, points, err) < 0 || prune_check_listed(p, *points, err) < 0 ||
        tell_unreadable(p, *points, err) < 0 || prune_vms(p, prune, *points, err) < 0 ||
        hf_prune_rest(prune, sum, err) < 0)
        return -1;
    *done = sum;
    if (sum->is_refused && (*points)->unreadable_n == 0 && !p->failed.cls)
        hf_fail(
            &p->failed, HF_E_CORRUPT,
            "the manifest of a point that came meanwhile cannot be read, so no pack is removed");
    if (p->failed.cls)
        hf_err_copy(err, &p->failed);
    p->has_changed = p->has_changed || sum->condemned.packs || sum->removed.packs ||
                     sum->reprieved || sum->abandoned || sum->repacked.done.packs;
    tell_damage(p, &sum->repacked);
    tell_pointless(p, *points, sum);
    return p->failed.cls ? -1 : 0;
}

static struct hf_prune *begin(struct pruning *p, struct hf_site *site, struct hf_err *err)
{
    const struct hf_prune_opts opts = {.site = site,
                                       .run_id = p->run_id,
                                       .grace_s = p->config->prune_grace / 1000,
                                       .is_dry = p->req->is_dry,
                                       .repacks = p->config->repack == HF_REPACK_YES,
                                       .forget = forget,
                                       .ctx = p};
    p->site = site;
    return hf_prune_begin(&opts, err);
}

/* Nothing is deleted without a `keep`: then the store need not be asked either. */
static bool is_concerned(const struct pruning *p, const struct hf_config_store *store)
{
    const struct hf_config *config = p->env->config;
    struct hf_keep keep;
    for (size_t i = 0; i < hf_config_vm_count(config); i++)
        if (hf_keep_of(config, hf_config_vm_at(config, i), store, &keep))
            return true;
    return false;
}

/* Of each VM. */
static bool keep_the_same(const struct pruning *p, const struct hf_config_store *a,
                          const struct hf_config_store *b)
{
    const struct hf_config *config = p->env->config;
    for (size_t i = 0; i < hf_config_vm_count(config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(config, i);
        struct hf_keep of_a = {0}, of_b = {0};
        if (hf_keep_of(config, vm, a, &of_a) != hf_keep_of(config, vm, b, &of_b) ||
            memcmp(&of_a, &of_b, sizeof of_a) != 0)
            return false;
    }
    return true;
}

/* Under another name the same store has other rules: most likely a section that was copied, and its url was not changed. */
static int check_twins(const struct pruning *p, struct hf_err *err)
{
    const struct hf_config *config = p->env->config;
    for (size_t i = 0; i < hf_config_store_count(config); i++) {
        const struct hf_config_store *other = hf_config_store_at(config, i);
        if (strcmp(other->url, p->config->url) == 0 && !keep_the_same(p, other, p->config))
            return hf_fail(err, HF_E_CONFIG,
                           "store '%s' has the same url and another `keep`: which one counts?",
                           other->label);
    }
    return 0;
}

/* NULL: nothing is begun. */
static struct hf_prune *open_and_begin(struct pruning *p, struct hf_store_site *at,
                                       struct hf_err *err)
{
    return hf_cancel_check(p->env->cancel, err) < 0 || check_twins(p, err) < 0 ||
                   hf_store_site_open(p->env, p->config, at, err) < 0
               ? NULL
               : begin(p, at->site, err);
}

static int prune_store(void *pruning, const struct hf_config_store *config, struct hf_err *err)
{
    struct pruning *p = pruning;
    struct hf_err why = HF_ERR_INIT;
    struct hf_pruned sum;
    const struct hf_prune_points *points = NULL;
    const struct hf_pruned *done = NULL;
    if (!is_concerned(p, config))
        return 0;
    p->config = config;
    p->site = NULL;
    p->n_points = p->n_deleted = 0;
    p->failed = (struct hf_err)HF_ERR_INIT;
    HF_AUTO(hf_store_site) struct hf_store_site at = {0};
    HF_AUTO(hf_prune) struct hf_prune *prune = open_and_begin(p, &at, &why);
    if (prune && prune_site(p, prune, &points, &sum, &done, &why) == 0)
        return prune_add_store(p, points, done, &why, err);
    p->is_bad = true;
    hf_store_site_name(config, &why);
    hf_log_err(p->env->log, HF_LOG_ERROR, "prune", &why);
    return prune_add_store(p, points, done, &why, err);
}

/* ---- the whole -------------------------------------------------------------------------- */

static void pruning_close(struct pruning *p)
{
    hf_pushed_lister_free(&p->lister);
    hf_strv_free(&p->gone);
    hf_catalog_close(p->catalog);
    hf_zone_close(p->zone);
}
HF_DEFINE_AUTO_VALUE(pruning, pruning_close)

static int name_orphans(struct pruning *p, struct hf_err *err)
{
    const struct hf_config *config = p->env->config;
    for (size_t i = 0; i < hf_config_vm_count(config); i++)
        if (is_asked_for(p, hf_config_vm_at(config, i)->label) &&
            prune_pushed_orphans(p, hf_config_vm_at(config, i), err) < 0)
            return -1;
    return 0;
}

static int with_checkpoints(struct pruning *p, struct hf_err *err)
{
    const struct hf_config *config = p->env->config;
    const size_t n = hf_config_vm_count(config);
    HF_AUTOFREE struct prune_checkpoint *checkpoints = calloc(n + 1, sizeof *checkpoints);
    if (!checkpoints)
        return hf_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        if (prune_checkpoint_of(p, hf_config_vm_at(config, i), &checkpoints[i], err) < 0)
            return -1;
    if (hf_store_site_each(p->env, p->req->store, prune_store, p, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (prune_checkpoint_drop(p, &checkpoints[i], err) < 0)
            return -1;
    return p->req->store ? 0 : name_orphans(p, err);
}

/* What was deleted outlives its points: in the history of runs. */
static int record(struct pruning *p, struct json_object *doc, struct hf_err *err)
{
    const struct hf_catalog_run row = {
        .id = p->run_id,
        .verb = "prune",
        .outcome = p->is_bad ? "failed" : "done",
        .report = json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN)};
    return p->req->is_dry || !p->has_changed ? 0 : hf_catalog_run_end(p->catalog, &row, err);
}

int hf_run_prune_points(const struct hf_env *env, const struct hf_prune_req *req,
                        struct json_object **out_report, bool *out_is_bad, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    HF_AUTO(pruning)
    struct pruning p = {.env = env, .req = req, .started_us = hf_clock_wall_us(env->clock)};
    p.points = json_object_new_array();
    p.stores = json_object_new_array();
    p.backups = json_object_new_array();
    if (!doc || (hf_json_add(doc, "points", p.points) | hf_json_add(doc, "stores", p.stores) |
                 hf_json_add(doc, "backups", p.backups)) < 0)
        return hf_fail_nomem(err);
    if (hf_id_new(env->clock, p.run_id, err) < 0)
        return -1;
    p.zone = hf_zone_open(hf_config_get_defaults(env->config)->timezone, err);
    p.catalog = p.zone ? hf_catalog_open(hf_env_state(env), env->clock, err) : NULL;
    p.lister = (struct hf_pushed_lister){
        .env = env, .catalog = p.catalog, .keepers = {.env = env}, .stores = {.env = env}};
    if (!p.catalog || with_checkpoints(&p, err) < 0 || record(&p, doc, err) < 0)
        return -1;
    *out_is_bad = p.is_bad;
    *out_report = HF_STEAL(doc);
    return 0;
}
