/* SPDX-License-Identifier: Apache-2.0 */
#include "run/catalog_rebuild.h"

#include "point/rebuild.h"
#include "run/known_points.h"
#include "run/store_site.h"

struct rebuilding {
    const struct hf_env *env;
    struct hf_catalog *catalog;
    struct json_object *stores; /* of the document */
    bool is_bad;
};

/* Of one store. */
struct outcome {
    char id[HF_IMAGE_STORE_ID + 1];
    struct hf_points before, after; /* as the catalog knew and knows them */
    struct hf_rebuilt rebuilt;
};

static void outcome_free(struct outcome *o)
{
    hf_points_free(&o->before);
    hf_points_free(&o->after);
}
HF_DEFINE_AUTO_VALUE(outcome, outcome_free)

/* Those of a that are not in b; both are newest first. */
static int add_difference(struct json_object *row, const char *key, const struct hf_points *a,
                          const struct hf_points *b)
{
    HF_AUTO(hf_strv) struct hf_strv names = HF_STRV_INIT;
    for (size_t i = 0, j = 0; i < a->n; i++) {
        int order = -1;
        while (j < b->n && (order = hf_point_name_compare(&b->items[j], &a->items[i])) < 0)
            j++;
        if (j < b->n && order == 0)
            continue;
        if (hf_strv_take(&names, hf_asprintf("%s/%s", a->items[i].vm, a->items[i].id)) < 0)
            return -1;
    }
    return hf_json_add(row, key, hf_json_strings(&names));
}

static int add_store(struct rebuilding *r, const char *name, const struct outcome *o,
                     const struct hf_err *why, struct hf_err *err)
{
    struct json_object *row = hf_json_append_object(r->stores);
    const struct hf_err *damage = &o->rebuilt.first_damage;
    if (!row || hf_json_add_string(row, "name", name) < 0 ||
        hf_json_add_string(row, "id", o->id[0] ? o->id : NULL) < 0 ||
        hf_json_add_int(row, "points", (int64_t)o->rebuilt.points) < 0 ||
        add_difference(row, "new", &o->after, &o->before) < 0 ||
        add_difference(row, "gone", &o->before, &o->after) < 0 ||
        hf_json_add_int(row, "unfinished", (int64_t)o->rebuilt.unfinished) < 0 ||
        hf_json_add_int(row, "damaged", (int64_t)o->rebuilt.damaged) < 0 ||
        hf_json_add_string(row, "damage", damage->cls ? damage->message : NULL) < 0 ||
        hf_json_add_string(row, "error", why->cls ? why->message : NULL) < 0)
        return hf_fail_nomem(err);
    return 0;
}

static int rebuild(struct rebuilding *r, const struct hf_config_store *config, struct outcome *o,
                   struct hf_err *err)
{
    HF_AUTO(hf_store_site) struct hf_store_site at = {0};
    if (hf_store_site_open(r->env, config, &at, err) < 0)
        return -1;
    memcpy(o->id, at.site->id, sizeof o->id);
    if (hf_known_points_on(r->catalog, o->id, &o->before, err) < 0 ||
        hf_points_rebuild(at.site, r->catalog, &o->rebuilt, err) < 0)
        return -1;
    return hf_known_points_on(r->catalog, o->id, &o->after, err);
}

/* -1: nothing can go on; what keeps from reading this one is told. */
static int rebuild_store(void *rebuilding, const struct hf_config_store *config, struct hf_err *err)
{
    struct rebuilding *r = rebuilding;
    struct hf_err why = HF_ERR_INIT;
    HF_AUTO(outcome) struct outcome o = {.rebuilt.first_damage = HF_ERR_INIT};
    if (rebuild(r, config, &o, &why) < 0) {
        if (hf_cancel_check(r->env->cancel, err) < 0)
            return -1;
        hf_store_site_name(config, &why);
        hf_log_err(r->env->log, HF_LOG_ERROR, "catalog", &why);
        o.rebuilt = (struct hf_rebuilt){.first_damage = HF_ERR_INIT};
        hf_points_free(&o.before); /* still known */
    }
    r->is_bad = r->is_bad || why.cls || o.rebuilt.damaged;
    return add_store(r, config->label, &o, &why, err);
}

int hf_run_catalog_rebuild(const struct hf_env *env, const char *store,
                           struct json_object **out_report, bool *out_is_bad, struct hf_err *err)
{
    HF_AUTOJSON struct json_object *doc = json_object_new_object();
    struct rebuilding r = {.env = env, .stores = json_object_new_array()};
    if (!doc || hf_json_add(doc, "stores", r.stores) < 0)
        return hf_fail_nomem(err);
    HF_AUTO(hf_catalog)
    struct hf_catalog *catalog = hf_catalog_open(hf_env_state(env), env->clock, err);
    r.catalog = catalog;
    if (!catalog || hf_store_site_each(env, store, rebuild_store, &r, err) < 0)
        return -1;
    *out_is_bad = r.is_bad;
    *out_report = HF_STEAL(doc);
    return 0;
}
