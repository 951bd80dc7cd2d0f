/* SPDX-License-Identifier: Apache-2.0 */
#include "run/all_stores.h"

#include "run/store_site.h"

#include <stdlib.h>
#include <string.h>

struct hf_one_store {
    const struct hf_config_store *config;
    struct hf_store_site at;
    struct hf_points folders; /* a folder may have lost its manifest since, or never had one */
    bool is_listed;
    struct hf_err why; /* it cannot be asked; class NONE: it can */
};

void hf_all_stores_free(struct hf_all_stores *s)
{
    for (size_t i = 0; i < s->n; i++) {
        hf_points_free(&s->items[i].folders);
        hf_store_site_close(&s->items[i].at);
    }
    free(s->items);
    *s = (struct hf_all_stores){.env = s->env};
}

static int open_all(struct hf_all_stores *s, struct hf_err *err)
{
    const struct hf_config *config = s->env->config;
    if (s->items)
        return 0;
    s->items = calloc(hf_config_store_count(config) + 1, sizeof *s->items);
    if (!s->items)
        return hf_fail_nomem(err);
    for (; s->n < hf_config_store_count(config); s->n++) {
        struct hf_one_store *one = &s->items[s->n];
        one->config = hf_config_store_at(config, s->n);
        one->why = (struct hf_err)HF_ERR_INIT;
        (void)!hf_store_site_open(s->env, one->config, &one->at, &one->why); /* why says it */
    }
    return 0;
}

void hf_copy_key(const char *store_id, const char *point, char out[HF_COPY_KEY_MAX])
{
    snprintf(out, HF_COPY_KEY_MAX, "%.*s/%s", HF_IMAGE_STORE_ID, store_id, point);
}

static bool does_not_count(const struct hf_has_question *q, const char *store_id)
{
    char key[HF_COPY_KEY_MAX];
    hf_copy_key(store_id, q->id, key);
    return (q->but && strcmp(store_id, q->but) == 0) || (q->gone && hf_strv_has(q->gone, key));
}

/* ---- the catalog -------------------------------------------------------------------------- */

struct copies {
    const struct hf_has_question *q;
    bool found;
    char store[HF_ERR_MESSAGE_MAX];
};

static int take_copy(void *ctx, const struct hf_catalog_copy *k, struct hf_err *err)
{
    struct copies *c = ctx;
    (void)err;
    if (c->found || does_not_count(c->q, k->store_id))
        return 0;
    c->found = true;
    snprintf(c->store, sizeof c->store, "%s", k->store);
    return 0;
}

/* ---- the stores --------------------------------------------------------------------------- */

static int has_manifest(struct hf_one_store *one, const struct hf_point_name *n, bool *out,
                        struct hf_err *err)
{
    char name[HF_POINT_NAME_MAX];
    struct hf_err what = HF_ERR_INIT;
    struct hf_store_object o;
    if (hf_point_manifest_name(n, one->at.site->is_encrypted, name, err) < 0)
        return -1;
    if (hf_store_head(one->at.store, name, &o, &what) == 0) {
        *out = true;
        return 0;
    }
    if (what.cls == HF_E_NOT_FOUND)
        return 0;
    hf_err_copy(err, &what);
    return -1;
}

static int look(struct hf_one_store *one, const char *id, bool *out, struct hf_err *err)
{
    const struct hf_points_filter all = {0};
    *out = false;
    if (!one->is_listed && hf_points_list(one->at.site, &all, &one->folders, err) < 0)
        return -1;
    one->is_listed = true;
    for (size_t i = 0; i < one->folders.n && !*out; i++)
        if (strcmp(one->folders.items[i].id, id) == 0 &&
            has_manifest(one, &one->folders.items[i], out, err) < 0)
            return -1;
    return 0;
}

static enum hf_has_point ask_one(struct hf_one_store *one, const struct hf_has_question *q,
                                 char why[HF_ERR_MESSAGE_MAX])
{
    struct hf_err what = HF_ERR_INIT;
    bool has = false;
    if (one->why.cls) {
        snprintf(why, HF_ERR_MESSAGE_MAX, "%s", one->why.message);
        return HF_HAS_UNKNOWN;
    }
    if (does_not_count(q, one->at.site->id))
        return HF_HAS_NOT;
    if (look(one, q->id, &has, &what) == 0) {
        snprintf(why, HF_ERR_MESSAGE_MAX, "%s", one->config->label);
        return has ? HF_HAS_POINT : HF_HAS_NOT;
    }
    hf_store_site_name(one->config, &what);
    snprintf(why, HF_ERR_MESSAGE_MAX, "%s", what.message);
    return HF_HAS_UNKNOWN;
}

int hf_all_stores_ask(struct hf_all_stores *s, const struct hf_has_question *q,
                      enum hf_has_point *out, char why[HF_ERR_MESSAGE_MAX], struct hf_err *err)
{
    struct copies known = {.q = q};
    *out = HF_HAS_NOT;
    *why = '\0';
    if (q->catalog && hf_catalog_copies(q->catalog, q->id, take_copy, &known, err) < 0)
        return -1;
    if (known.found) {
        *out = HF_HAS_POINT;
        snprintf(why, HF_ERR_MESSAGE_MAX, "%s", known.store);
        return 0;
    }
    if (open_all(s, err) < 0)
        return -1;
    for (size_t i = 0; i < s->n && *out != HF_HAS_POINT; i++) {
        char one[HF_ERR_MESSAGE_MAX];
        enum hf_has_point is = ask_one(&s->items[i], q, one);
        if (is == HF_HAS_NOT)
            continue;
        *out = is;
        snprintf(why, HF_ERR_MESSAGE_MAX, "%s", one);
    }
    return hf_cancel_check(s->env->cancel, err);
}
