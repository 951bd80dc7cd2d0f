/* SPDX-License-Identifier: Apache-2.0 */
#include "run/point_open.h"

#include "point/points.h"

struct opening {
    const struct hf_env *env;
    const struct hf_point_wish *wish;
    struct hf_open_point *out;
    struct hf_err worst;   /* of a store that has it, and where it cannot be used */
    struct hf_err unasked; /* of the first store that could not be asked */
};

void hf_open_point_close(struct hf_open_point *p)
{
    hf_point_reading_end(p->reading);
    hf_manifest_free(&p->manifest);
    hf_store_site_close(&p->at);
    *p = (struct hf_open_point){0};
}

static int hint_key(const struct hf_config_store *config, struct hf_err *err)
{
    return hf_hint(err, "Set identity-file in [store %s] to a key that opens it.", config->label);
}

static int open_on(struct opening *o, const struct hf_config_store *config, struct hf_err *err)
{
    struct hf_open_point *p = o->out;
    struct hf_point_name name;
    if (hf_store_site_open(o->env, config, &p->at, err) < 0) {
        if (err->cls !=
            HF_E_CANCELLED) /* whatever it is, it is not about the point: the next store may have it */
            err->cls = HF_E_UNREACHABLE;
        return -1;
    }
    if (hf_points_find(p->at.site, o->wish->text, &name, err) < 0)
        return -1;
    p->reading = o->wish->to_read ? hf_point_reading_begin(p->at.site, name.id) : NULL;
    if (hf_point_read(p->at.site, &name, &p->manifest, err) < 0)
        return -1;
    if (o->wish->to_read && p->at.site->is_encrypted && !p->at.site->identities) {
        hf_age_fail_keyless(err);
        return hint_key(config, err);
    }
    p->config = config;
    return 0;
}

struct hf_image *hf_open_point_image(const struct hf_env *env, const struct hf_open_point *p,
                                     const char *area, struct hf_err *err)
{
    struct hf_image_refreshed seen = {0};
    HF_AUTO(hf_image) struct hf_image *image = hf_site_image(p->at.site, err);
    if (!image || hf_image_refresh(image, &seen, err) < 0)
        return NULL;
    if (seen.damaged)
        hf_log_err(env->log, HF_LOG_WARN, area, &seen.first_damage);
    return HF_STEAL(image);
}

int hf_open_point_fail(const struct hf_open_point *p, struct hf_err *err)
{
    bool is_of_key = err->cls == HF_E_AUTH && !err->sys_errno; /* not a right to a file */
    return is_of_key ? hint_key(p->config, err) : -1;
}

/* 0 also: not here, perhaps on the next. */
static int try_on(void *ctx, const struct hf_config_store *config, struct hf_err *err)
{
    struct opening *o = ctx;
    struct hf_err why = HF_ERR_INIT;
    if (o->out->config)
        return 0;
    if (open_on(o, config, &why) == 0)
        return 0;
    hf_open_point_close(o->out);
    hf_store_site_name(config, &why);
    if (why.cls == HF_E_CONFLICT || why.cls == HF_E_CANCELLED) {
        hf_err_copy(err, &why);
        return -1;
    }
    if (why.cls == HF_E_CORRUPT || why.cls == HF_E_AUTH)
        hf_err_copy(&o->worst, &why);
    if (why.cls == HF_E_UNREACHABLE && !o->unasked.cls)
        hf_err_copy(&o->unasked, &why);
    if (why.cls != HF_E_NOT_FOUND)
        hf_log_err(o->env->log, HF_LOG_WARN, o->wish->area, &why);
    return 0;
}

int hf_point_open(const struct hf_env *env, const struct hf_point_wish *wish,
                  struct hf_open_point *out, struct hf_err *err)
{
    struct opening o = {
        .env = env, .wish = wish, .out = out, .worst = HF_ERR_INIT, .unasked = HF_ERR_INIT};
    if (hf_store_site_each(env, wish->store, try_on, &o, err) < 0)
        return -1;
    if (out->config)
        return 0;
    if (o.worst.cls) {
        hf_err_copy(err, &o.worst);
        return -1;
    }
    hf_fail(err, HF_E_NOT_FOUND, "no store that could be asked has a point '%.60s'", wish->text);
    if (o.unasked.cls) /* most likely the one that has it */
        hf_hint(err, "Not asked: %s. %s", o.unasked.message, o.unasked.hint);
    return -1;
}
