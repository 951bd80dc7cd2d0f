/* SPDX-License-Identifier: Apache-2.0 */
#include "run/point_find.h"

#include "run/point_doc.h"
#include "run/point_open.h"

static int nothing_so(const char *text, struct hf_err *err)
{
    hf_err_clear(err);
    return hf_fail(err, HF_E_NOT_FOUND, "no run and no point '%.60s'", text);
}

struct json_object *hf_point_find(const struct hf_env *env, const char *text, struct hf_err *err)
{
    HF_AUTO(hf_open_point) struct hf_open_point p = {0};
    struct hf_point_wish wish = {.text = text, .area = "show"};
    if (hf_config_store_count(env->config) == 0) {
        nothing_so(text, err);
        return NULL;
    }
    if (hf_point_open(env, &wish, &p, err) < 0) {
        if (err->cls == HF_E_NOT_FOUND)
            nothing_so(text, err);
        return NULL;
    }
    HF_AUTOJSON struct json_object *doc = hf_point_doc_manifest(&p.manifest, err);
    if (doc && hf_json_add_string(doc, "read_from", p.config->label) < 0) {
        hf_fail_nomem(err);
        return NULL;
    }
    return HF_STEAL(doc);
}
