/* SPDX-License-Identifier: Apache-2.0 */
#include "run/pushed_list.h"

#include "catalog/journal.h"

#include <stdlib.h>
#include <string.h>

#define ASK_MS 60000
#define MARK "hf-" /* point/manifest.h, hf_point_mark */
#define YOUNG_S (INT64_C(24) * 3600)

const char *hf_pushed_state_name(enum hf_pushed_state state)
{
    static const char *const names[] = {"foreign", "point", "orphan", "uncertain"};
    return names[state];
}

void hf_pushed_lister_free(struct hf_pushed_lister *l)
{
    hf_keepers_free(&l->keepers);
    hf_all_stores_free(&l->stores);
}

/* ---- whose it is -------------------------------------------------------------------------- */

/* Its point may be about to come. */
static int is_under_way(const struct hf_env *env, const char *id, bool *out, struct hf_err *err)
{
    HF_AUTO(hf_strv) struct hf_strv ids = HF_STRV_INIT;
    if (hf_journal_list(hf_env_state(env), &ids, err) < 0)
        return -1;
    *out = hf_strv_has(&ids, id);
    return 0;
}

static int judge(struct hf_pushed_lister *l, struct hf_pushed_row *row, struct hf_err *err)
{
    static const enum hf_pushed_state of[] = {[HF_HAS_NOT] = HF_PUSHED_ORPHAN,
                                              [HF_HAS_POINT] = HF_PUSHED_OF_POINT,
                                              [HF_HAS_UNKNOWN] = HF_PUSHED_UNCERTAIN};
    const char *run = row->is->run;
    bool is_busy = false;
    enum hf_has_point has = HF_HAS_NOT;
    if (!row->is->is_ours || strncmp(run, MARK, strlen(MARK)) != 0 ||
        !hf_id_is_valid(run + strlen(MARK)))
        return 0;
    snprintf(row->point, sizeof row->point, "%s", run + strlen(MARK));
    const struct hf_has_question q = {.id = row->point, .catalog = l->catalog};
    if (is_under_way(l->env, row->point, &is_busy, err) < 0 ||
        hf_all_stores_ask(&l->stores, &q, &has, row->why, err) < 0)
        return -1;
    row->state = of[has];
    if (row->state == HF_PUSHED_OF_POINT)
        row->why[0] = '\0';
    if (row->state != HF_PUSHED_ORPHAN)
        return 0;
    row->is_young = hf_clock_wall_us(l->env->clock) / 1000000 - row->is->taken_at_s < YOUNG_S;
    row->state = is_busy ? HF_PUSHED_UNCERTAIN : HF_PUSHED_ORPHAN;
    if (is_busy)
        snprintf(row->why, sizeof row->why, "run %s is under way, or died", row->point);
    else if (row->is_young)
        snprintf(row->why, sizeof row->why,
                 "it is younger than a day: its run may be under way on another host");
    return 0;
}

/* ---- a VM --------------------------------------------------------------------------------- */

/* Without connecting to anything. */
static int has_kind(const struct hf_env *env, const struct hf_config_hypervisor *h, bool *out,
                    struct hf_err *err)
{
    HF_AUTO(hf_plugin_handle)
    struct hf_plugin_handle *p =
        hf_plugin_load(hf_config_get_defaults(env->config)->plugin_dir, h->plugin, env->log, err);
    if (!p)
        return -1;
    *out = hf_plugin_table(p)->capabilities & HF_CAN_EXPORT_PUSHED;
    return 0;
}

static int take_id(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    char **id = ctx;
    *id = strdup(p->vm_id);
    return *id ? 0 : hf_fail_nomem(err);
}

/* One that is gone had one when its newest point was taken. */
static char *id_of(struct hf_pushed_lister *l, struct hf_hv *hv, const struct hf_config_vm *vm,
                   struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy found = {0};
    struct hf_err why = HF_ERR_INIT;
    char *id = NULL;
    struct hf_hv_call call = hf_env_call(l->env, NULL, ASK_MS);
    if (hf_hv_vm_find(hv, &call, vm->name, &found, &why) == 0)
        return HF_STEAL(found.id);
    if (why.cls == HF_E_NOT_FOUND &&
        hf_catalog_points_newest(l->catalog, vm->label, 0, 1, take_id, &id, err) < 0)
        return NULL;
    if (!id)
        hf_err_copy(err, &why);
    return id;
}

int hf_pushed_list_vm(struct hf_pushed_lister *l, const struct hf_config_vm *vm,
                      hf_pushed_row_cb emit, void *ctx, struct hf_err *err)
{
    bool is_kind = false;
    const struct hf_config_hypervisor *h = hf_config_hypervisor_of(l->env->config, vm);
    HF_AUTO(hf_pushed_list) struct hf_pushed_list all = {0};
    if (has_kind(l->env, h, &is_kind, err) < 0)
        return -1;
    if (!is_kind)
        return 0;
    struct hf_hv *hv = hf_keepers_open(&l->keepers, h->label, err);
    HF_AUTOFREE char *id = hv ? id_of(l, hv, vm, err) : NULL;
    struct hf_hv_call call = hf_env_call(l->env, NULL, ASK_MS);
    if (!id || hf_hv_pushed_list(hv, &call, id, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        struct hf_pushed_row row = {.vm = vm->label, .hypervisor = h->label, .is = &all.items[i]};
        if (judge(l, &row, err) < 0 || emit(ctx, &row, err) < 0)
            return -1;
    }
    return 1;
}
