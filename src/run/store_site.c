/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_site.h"

#include "base/buf.h"
#include "base/secret.h"

#include <string.h>

#define OPEN_MS 30000

void hf_store_site_close(struct hf_store_site *s)
{
    hf_site_close(s->site);
    hf_store_close(s->store);
    hf_cancel_free(s->cancel);
    *s = (struct hf_store_site){0};
}

static struct hf_store *open_store(const struct hf_env *env, const struct hf_config_store *config,
                                   const struct hf_cancel *cancel, int64_t within_ms,
                                   struct hf_err *err)
{
    HF_AUTO(hf_secret) struct hf_secret *key = NULL;
    if (config->access_key_file && !(key = hf_secret_read(config->access_key_file, err)))
        return NULL;
    const struct hf_store_opts opts = {
        .url = config->url,
        .clock = env->clock,
        .cancel = cancel,
        .rate_bytes_s = (uint64_t)config->rate_limit,
        .region = config->region,
        .access_key = key ? hf_secret_reveal(key) : NULL,
        .key_file = config->ssh_key,
        .known_hosts = config->ssh_known_hosts,
        .user = config->user,
        .secret_file = config->user ? config->password_file : config->secret_key_file,
        .ca_file = config->ca_file,
        .pin = config->pin,
        .retry_ms = within_ms,
        .stall_ms = within_ms,
    };
    return hf_store_open(&opts, err);
}

typedef struct hf_site *(*site_fn)(const struct hf_site_opts *opts, struct hf_err *err);

static int with_site(const struct hf_env *env, const struct hf_config_store *config, site_fn fn,
                     int64_t within_ms, struct hf_store_site *out, struct hf_err *err)
{
    const int64_t usual_ms = config->patience < OPEN_MS ? config->patience : OPEN_MS;
    out->cancel = hf_cancel_until(env->cancel, env->clock, HF_NO_DEADLINE, err);
    if (!out->cancel)
        return -1;
    out->store = open_store(env, config, out->cancel, within_ms ? within_ms : usual_ms, err);
    const struct hf_site_opts opts = {
        .store = out->store,
        .state_dir = hf_env_state(env),
        .name = config->label,
        .recipients = &config->recipients,
        .identity_file = config->identity_file,
        .clock = env->clock,
        .cancel = out->cancel,
    };
    out->site = out->store ? fn(&opts, err) : NULL;
    if (!out->site)
        return -1;
    if (!within_ms)
        hf_store_set_patience(out->store, config->patience);
    return 0;
}

int hf_store_site_open(const struct hf_env *env, const struct hf_config_store *config,
                       struct hf_store_site *out, struct hf_err *err)
{
    return with_site(env, config, hf_site_open, 0, out, err);
}

int hf_store_site_try(const struct hf_env *env, const struct hf_config_store *config,
                      int64_t within_ms, struct hf_store_site *out, struct hf_err *err)
{
    return with_site(env, config, hf_site_open, within_ms, out, err);
}

int hf_store_site_make(const struct hf_env *env, const struct hf_config_store *config,
                       struct hf_store_site *out, struct hf_err *err)
{
    return with_site(env, config, hf_site_make, 0, out, err);
}

int hf_store_site_none(struct hf_err *err)
{
    hf_fail(err, HF_E_CONFIG, "no store is configured");
    return hf_hint(err,
                   "Add a section [store NAME] with its url, and run `holdfast store init NAME`.");
}

int hf_store_site_each(const struct hf_env *env, const char *only, hf_store_site_fn fn, void *ctx,
                       struct hf_err *err)
{
    const struct hf_config *config = env->config;
    if (only) {
        const struct hf_config_store *found = hf_config_find_store(config, only, err);
        return found ? fn(ctx, found, err) : -1;
    }
    if (hf_config_store_count(config) == 0)
        return hf_store_site_none(err);
    for (size_t i = 0; i < hf_config_store_count(config); i++)
        if (fn(ctx, hf_config_store_at(config, i), err) < 0)
            return -1;
    return 0;
}

void hf_store_site_name(const struct hf_config_store *config, struct hf_err *err)
{
    HF_AUTOFREE char *name = hf_asprintf("store '%s'", config->label);
    if (name && !strstr(err->message, name))
        hf_wrap(err, "%s", name);
}
