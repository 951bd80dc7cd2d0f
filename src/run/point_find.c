/* SPDX-License-Identifier: Apache-2.0 */
#include "run/point_find.h"

#include "point/points.h"
#include "run/point_doc.h"
#include "run/store_site.h"

static struct json_object *find_on(const struct hf_env *env, const struct hf_config_store *config,
                                   const char *text, struct hf_err *err)
{
    struct hf_point_name n;
    HF_AUTO(hf_store_site) struct hf_store_site at = {0};
    HF_AUTO(hf_manifest) struct hf_manifest m = {0};
    if (hf_store_site_open(env, config, &at, err) < 0) {
        if (err->cls !=
            HF_E_CANCELLED) /* whatever it is, it is not about the point: the next store may have it */
            err->cls = HF_E_UNREACHABLE;
        return NULL;
    }
    if (hf_points_find(at.site, text, &n, err) < 0 || hf_point_read(at.site, &n, &m, err) < 0)
        return NULL;
    HF_AUTOJSON struct json_object *doc = hf_point_doc_manifest(&m, err);
    if (doc && hf_json_add_string(doc, "read_from", config->label) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}

static bool is_final(enum hf_err_class cls)
{
    return cls == HF_E_CONFLICT || cls == HF_E_CANCELLED;
}

struct json_object *hf_point_find(const struct hf_env *env, const char *text, struct hf_err *err)
{
    struct hf_err worst = HF_ERR_INIT;
    for (size_t i = 0; i < hf_config_store_count(env->config); i++) {
        struct hf_err why = HF_ERR_INIT;
        const struct hf_config_store *config = hf_config_store_at(env->config, i);
        struct json_object *doc = find_on(env, config, text, &why);
        if (doc)
            return doc;
        hf_store_site_name(config, &why);
        if (is_final(why.cls)) {
            hf_err_copy(err, &why);
            return NULL;
        }
        if (why.cls == HF_E_CORRUPT)
            hf_err_copy(&worst, &why);
        if (why.cls != HF_E_NOT_FOUND)
            hf_log_err(env->log, HF_LOG_WARN, "show", &why);
    }
    if (worst.cls)
        hf_err_copy(err, &worst);
    else
        hf_fail(err, HF_E_NOT_FOUND, "no run and no point '%.60s'", text);
    return NULL;
}
