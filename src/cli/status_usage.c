/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/status_usage.h"

#include "run/report.h"
#include "run/usage.h"

#include <string.h>

#define WITHIN_MS 10000

/* ---- what the catalog knows --------------------------------------------------------------- */

static int add_expiry(const struct hf_status_usage *u, struct hf_catalog *catalog,
                      const struct hf_config_vm *vm, struct json_object *row, struct hf_err *err)
{
    int64_t next_us = 0, first_us = u->now.wall_us;
    char at[HF_TIME_MAX];
    HF_AUTO(hf_known_list) struct hf_known_list known = {0};
    HF_AUTO(hf_strv) struct hf_strv overdue = HF_STRV_INIT;
    if (hf_known_load(catalog, vm->label, NULL, &known, err) < 0)
        return -1;
    for (size_t i = 0; i < known.n; i++) {
        const struct hf_known *k = &known.items[i];
        enum hf_expiry is = hf_expiry_judge(k, &u->now);
        if (is == HF_EXPIRY_DUE && hf_strv_add(&overdue, k->name) < 0)
            return hf_fail_nomem(err);
        if (is == HF_EXPIRY_DUE && k->expires_us < first_us)
            first_us = k->expires_us;
        if (is == HF_EXPIRY_NOT_DUE && (!next_us || k->expires_us < next_us))
            next_us = k->expires_us;
    }
    hf_time_rfc3339(next_us, at);
    if (hf_json_add_string(row, "next_expiry_at", next_us ? at : NULL) < 0 ||
        hf_json_add(row, "overdue", hf_json_strings(&overdue)) < 0 ||
        hf_json_add_int(row, "overdue_ms", (u->now.wall_us - first_us) / 1000) < 0)
        return hf_fail_nomem(err);
    return 0;
}

/* ---- what the hypervisor knows ------------------------------------------------------------ */

static int add_excess(void *ctx, const struct hf_excess *e, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(ctx);
    if (!row || hf_json_add_string(row, "limit", e->limit) < 0 ||
        hf_json_add_string(row, "message", e->message) < 0 ||
        hf_json_add_bool(row, "refuses", e->refuses) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int add_sizes(struct json_object *row, const struct hf_usage *use, struct hf_err *err)
{
    if (hf_json_add_int(row, "overlay_bytes", (int64_t)use->overlay_bytes) < 0 ||
        hf_json_add_int(row, "chain", use->chain) < 0 ||
        hf_json_add_string(row, "store", use->store) < 0)
        return hf_fail_nomem(err);
    if (!use->store)
        return 0;
    if (hf_json_add_int(row, "store_free_bytes", (int64_t)use->store_free_bytes) < 0 ||
        hf_json_add_int(row, "store_total_bytes", (int64_t)use->store_total_bytes) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int ask(struct hf_status_usage *u, const struct hf_config_vm *vm, struct hf_usage *out,
               struct hf_err *err)
{
    HF_AUTO(hf_vm_copy) struct hf_vm_copy found = {0};
    struct hf_hv_call call = hf_env_call(u->env, NULL, WITHIN_MS);
    if (!u->hv)
        return hf_err_copy(err, &u->why), -1;
    if (hf_hv_vm_find(u->hv, &call, vm->name, &found, err) < 0)
        return -1;
    return hf_usage_take(u->hv, &call, vm, found.id, out, err);
}

static void reach(struct hf_status_usage *u, const struct hf_config_vm *vm)
{
    struct hf_err err = HF_ERR_INIT;
    const struct hf_config_hypervisor *h =
        hf_config_find_hypervisor(u->env->config, vm->hypervisor, &err);
    if (h && h == u->hypervisor)
        return;
    hf_status_usage_close(u);
    u->hypervisor = h;
    u->hv = h ? hf_env_open_hv(u->env, h, &err) : NULL;
    hf_err_copy(&u->why, &err);
}

static int add_usage(struct hf_status_usage *u, const struct hf_config_vm *vm,
                     struct json_object *row, struct hf_err *err)
{
    struct hf_err what = HF_ERR_INIT;
    HF_AUTO(hf_usage) struct hf_usage use = {0};
    struct json_object *limits = json_object_new_array();
    reach(u, vm);
    if (hf_json_add(row, "limits", limits) < 0)
        return hf_fail_nomem(err);
    if (ask(u, vm, &use, &what) == 0)
        return hf_usage_judge(&use, vm, u->now.wall_us, add_excess, limits, err) < 0
                   ? -1
                   : add_sizes(row, &use, err);
    return hf_json_add_string(row, "hypervisor_error", what.message) < 0 ? hf_fail_nomem(err) : 0;
}

int hf_status_usage_add(struct hf_status_usage *u, struct hf_catalog *catalog,
                        const struct hf_config_vm *vm, struct json_object *row, struct hf_err *err)
{
    static const char *const unknown[] = {
        "overlay_bytes",     "chain",           "store", "store_free_bytes",
        "store_total_bytes", "hypervisor_error"};
    for (size_t i = 0; i < HF_ARRAY_SIZE(unknown); i++) /* a member is never missing */
        if (hf_json_add_string(row, unknown[i], NULL) < 0)
            return hf_fail_nomem(err);
    return add_expiry(u, catalog, vm, row, err) < 0 ? -1 : add_usage(u, vm, row, err);
}

void hf_status_usage_close(struct hf_status_usage *u)
{
    hf_hv_close(u->hv);
    u->hv = NULL;
    u->hypervisor = NULL;
    hf_err_clear(&u->why);
}
