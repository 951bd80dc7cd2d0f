/* SPDX-License-Identifier: Apache-2.0 */
#include "point/prune.h"
#include "run/backup_intern.h"

#define SWEEP_MS 10000

void backup_close_store(struct backup_store *s)
{
    hf_image_write_close(s->writer);
    hf_image_close(s->image);
    hf_store_site_close(&s->at);
    hf_manifest_free(&s->manifest);
    hf_manifest_free(&s->parent);
    backup_parts_free(s);
}

void backup_drop(struct backup *b, struct backup_store *s, struct hf_err *why)
{
    hf_store_site_name(s->config, why);
    hf_log_err(b->run->env->log, HF_LOG_WARN, "backup", why);
    hf_err_copy(&s->failed, why);
    hf_err_clear(why);
    if (s->at.cancel)
        hf_cancel_set(s->at.cancel);
    hf_image_write_close(HF_STEAL(s->writer));
}

int backup_has_stores(const struct backup *b, struct hf_err *err)
{
    for (size_t i = 0; i < b->n_stores; i++)
        if (backup_store_is_in(&b->stores[i]))
            return hf_cancel_check(b->run->env->cancel, err);
    if (hf_cancel_check(b->run->env->cancel, err) < 0)
        return -1;
    hf_err_copy(err, &b->stores[b->n_stores - 1].failed);
    return -1;
}

/* ---- afterwards -------------------------------------------------------------------------- */

/* What this run sent, so that the next one does not read it back from the store. Only a cache. */
static void keep_index(const struct backup *b, const struct backup_store *s)
{
    struct hf_err err = HF_ERR_INIT;
    if (!s->image)
        return;
    if (hf_image_chunks_save(hf_image_chunks(s->image), &err) < 0)
        hf_log_err(b->run->env->log, HF_LOG_WARN, "backup", &err);
}

static int sweep(const struct backup_store *s, uint64_t *n, struct hf_err *err)
{
    int64_t now_s = 0;
    return hf_store_now(s->at.store, &now_s, err) < 0
               ? -1
               : hf_store_sweep(s->at.store, now_s - HF_PRUNE_DEAD_PUT_S, n, err);
}

void backup_sweep_stores(struct backup *b)
{
    for (size_t i = 0; i < b->n_stores; i++) {
        uint64_t n = 0;
        struct hf_err err = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        if (!backup_store_is_in(s))
            continue;
        keep_index(b, s);
        hf_store_set_patience(s->at.store, SWEEP_MS);
        if (sweep(s, &n, &err) < 0)
            hf_log_err(b->run->env->log, HF_LOG_WARN, "backup", &err);
        else if (n)
            hf_log(b->run->env->log, HF_LOG_INFO, "backup",
                   "store '%s': %llu unfinished objects of dead runs removed", s->config->label,
                   (unsigned long long)n);
    }
}

/* ---- which ------------------------------------------------------------------------------ */

static int add_store(struct backup *b, const struct hf_config_store *config, struct hf_err *err)
{
    if (!config)
        return -1;
    for (size_t i = 0; i < b->n_stores; i++)
        if (b->stores[i].config == config)
            return 0;
    if (b->n_stores == HF_BACKUP_STORES_MAX)
        return hf_fail(err, HF_E_CONFIG, "more than %d stores for vm %s", HF_BACKUP_STORES_MAX,
                       b->run->vm->label);
    b->stores[b->n_stores++].config = config;
    return 0;
}

static int choose(struct backup *b, struct hf_err *err)
{
    const struct hf_config *config = b->run->env->config;
    const struct hf_config_policy *policy = b->run->env->policy;
    const struct hf_strv *named =
        policy && policy->stores.n ? &policy->stores : &b->run->vm->stores;
    if (b->req->store)
        return add_store(b, hf_config_find_store(config, b->req->store, err), err);
    for (size_t i = 0; i < named->n; i++)
        if (add_store(b, hf_config_find_store(config, named->items[i], err), err) < 0)
            return -1;
    for (size_t i = 0; !named->n && i < hf_config_store_count(config); i++)
        if (add_store(b, hf_config_store_at(config, i), err) < 0)
            return -1;
    return b->n_stores ? 0 : hf_store_site_none(err);
}

/* ---- opened ----------------------------------------------------------------------------- */

static int warn_of_keys(struct backup *b, const struct backup_store *s, struct hf_err *err)
{
    if (!s->at.site->has_new_recipients)
        return 0;
    HF_AUTOFREE char *text = hf_asprintf(
        "store %s: its recipients are not those it was made for: a key that came later does not "
        "open the chunks of disks that lie there already",
        s->config->label);
    return text ? creation_warn(b->creation, text, err) : hf_fail_nomem(err);
}

static int refresh(struct backup *b, struct backup_store *s, struct hf_err *err)
{
    struct hf_image_refreshed found = {.first_damage = HF_ERR_INIT};
    if (backup_is_pushed(b)) /* no chunk is looked for or put */
        return warn_of_keys(b, s, err);
    s->image = hf_site_image(s->at.site, err);
    s->looked = hf_clock_mark(b->run->env->clock);
    if (!s->image || hf_image_refresh(s->image, &found, err) < 0 || warn_of_keys(b, s, err) < 0)
        return -1;
    if (!found.damaged)
        return 0;
    HF_AUTOFREE char *text =
        hf_asprintf("store %s has %u damaged index objects: %s", s->config->label, found.damaged,
                    found.first_damage.message);
    return text ? creation_warn(b->creation, text, err) : hf_fail_nomem(err);
}

int backup_open_stores(struct backup *b, struct hf_err *err)
{
    if (choose(b, err) < 0)
        return -1;
    for (size_t i = 0; i < b->n_stores; i++) {
        struct hf_err why = HF_ERR_INIT;
        struct backup_store *s = &b->stores[i];
        s->failed = (struct hf_err)HF_ERR_INIT;
        if (backup_check_off_host(b, s, &why) < 0 ||
            hf_store_site_open(b->run->env, s->config, &s->at, &why) < 0 || refresh(b, s, &why) < 0)
            backup_drop(b, s, &why);
    }
    return backup_has_stores(b, err);
}
