/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_list.h"

#include "catalog/catalog.h"
#include "run/off_host.h"
#include "run/store_site.h"

#include <string.h>

#define WITHIN_MS 10000

struct looking {
    const struct hf_env *env;
    struct hf_catalog *catalog;
    struct hf_secured secured;
    struct json_object *rows;
};

static void looking_close(struct looking *l)
{
    hf_secured_free(&l->secured);
    hf_catalog_close(l->catalog);
}
HF_DEFINE_AUTO_VALUE(looking, looking_close)

/* ---- what the catalog knows ------------------------------------------------------------- */

struct sum {
    struct hf_catalog *catalog;
    const char *store_id;
    int64_t points;
    uint64_t bytes;
};

static int sum_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    struct sum *s = ctx;
    (void)err;
    if (strcmp(k->store_id, s->store_id) == 0) {
        s->points++;
        s->bytes += k->bytes;
    }
    return 0;
}

static int sum_point(void *ctx, const struct hf_catalog_point *p, struct hf_err *err)
{
    struct sum *s = ctx;
    return hf_catalog_copies(s->catalog, p->id, sum_copy, s, err);
}

static int add_known(struct looking *l, struct json_object *row, const struct hf_site *site,
                     struct hf_err *err)
{
    struct sum s = {.catalog = l->catalog, .store_id = site ? site->id : ""};
    if (site && hf_catalog_points(l->catalog, NULL, 0, sum_point, &s, err) < 0)
        return -1;
    if ((site ? hf_json_add_int(row, "points", s.points)
              : hf_json_add_string(row, "points", NULL)) < 0 ||
        (site ? hf_json_add_int(row, "bytes", (int64_t)s.bytes)
              : hf_json_add_string(row, "bytes", NULL)) < 0)
        return hf_fail_nomem(err);
    return 0;
}

/* ---- a store ---------------------------------------------------------------------------- */

static int add_space(struct json_object *row, struct hf_store *store, bool is_reached)
{
    uint64_t room = 0;
    struct hf_err unknown = HF_ERR_INIT;
    if (is_reached && hf_store_space(store, &room, &unknown) == 0)
        return hf_json_add_int(row, "free_bytes", (int64_t)room);
    return hf_json_add_string(row, "free_bytes", NULL);
}

static int add_off_host(struct looking *l, const struct hf_config_store *config,
                        struct json_object *row)
{
    struct hf_err why = HF_ERR_INIT;
    struct hf_offhost_verdict v = {0};
    bool is_judged = hf_secured_judge(&l->secured, l->env, config, &v, &why) == 0;
    bool is_assumed = config->off_host == HF_OFF_HOST_ASSUME;
    return hf_json_add_string(row, "off_host",
                              is_judged || is_assumed ? hf_off_host_word(config, &v) : NULL) |
           hf_json_add_string(row, "off_host_why", is_judged ? v.why : why.message) |
           hf_json_add_string(row, "off_host_setting", is_assumed ? "assume" : "verify");
}

/* A store that answers that it has no holdfast.json, or another one, or wants another key, has been reached. */
static bool is_reached(const struct hf_store_site *at, const struct hf_err *why)
{
    return at->store &&
           (why->cls == HF_E_NONE || why->cls == HF_E_NOT_FOUND || why->cls == HF_E_CONFLICT ||
            why->cls == HF_E_CORRUPT || why->cls == HF_E_UNSUPPORTED || why->cls == HF_E_CONFIG ||
            why->cls == HF_E_AUTH);
}

static int add_row(struct looking *l, const struct hf_config_store *config,
                   const struct hf_store_site *at, const struct hf_err *why, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(l->rows);
    const struct hf_site *site = at->site;
    bool has_answered = is_reached(at, why);
    if (!row || hf_json_add_string(row, "name", config->label) < 0 ||
        hf_json_add_string(row, "url", config->url) < 0 ||
        hf_json_add_bool(row, "reachable", has_answered) < 0 ||
        hf_json_add_bool(row, "ready", site != NULL) < 0 ||
        hf_json_add_string(row, "id", site ? site->id : NULL) < 0 ||
        hf_json_add_int(row, "recipients", (int64_t)config->recipients.n) < 0 ||
        add_off_host(l, config, row))
        return hf_fail_nomem(err);
    if (add_known(l, row, site, err) < 0)
        return -1;
    if (add_space(row, at->store, has_answered) < 0 ||
        hf_json_add_string(row, "error", why->cls ? why->message : NULL) < 0 ||
        hf_json_add_string(row, "hint", why->hint[0] ? why->hint : NULL) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int look(struct looking *l, const struct hf_config_store *config, struct hf_err *err)
{
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(hf_store_site) struct hf_store_site at = {0};
    if (hf_store_site_try(l->env, config, WITHIN_MS, &at, &why) < 0 &&
        hf_cancel_check(l->env->cancel, err) < 0)
        return -1;
    return add_row(l, config, &at, &why, err);
}

static int add_vms(struct looking *l, struct hf_err *err)
{
    const struct hf_config *config = l->env->config;
    for (size_t i = 0; i < hf_config_vm_count(config); i++) {
        const struct hf_config_vm *vm = hf_config_vm_at(config, i);
        const struct hf_config_hypervisor *h =
            hf_config_find_hypervisor(config, vm->hypervisor, err);
        if (!h || hf_secured_add_vm(&l->secured, vm, h, err) < 0)
            return -1;
    }
    return 0;
}

int hf_run_store_list(const struct hf_env *env, struct json_object **out_report, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    HF_AUTO(looking) struct looking l = {.env = env, .rows = json_object_new_array()};
    if (!doc || hf_json_add(doc, "stores", l.rows) < 0)
        return hf_fail_nomem(err);
    l.catalog = hf_catalog_open(hf_env_state(env), env->clock, err);
    if (!l.catalog || add_vms(&l, err) < 0)
        return -1;
    for (size_t i = 0; i < hf_config_store_count(env->config); i++)
        if (look(&l, hf_config_store_at(env->config, i), err) < 0)
            return -1;
    *out_report = HF_STEAL(doc);
    return 0;
}
