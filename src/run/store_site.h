/* SPDX-License-Identifier: Apache-2.0
 *
 * run/store_site.h - a [store NAME] of the configuration, opened: the store, and the site on it (point/site.h).
 *
 * Errors: theirs, which name the store or its URL. Clock and cancel of env are borrowed. Threads: one opens.
 * Waiting: a store that does not answer is given 30 s while it is opened (or its `patience`, when that is less), and its `patience`
 * afterwards; each time for one request with all its retries.
 */
#ifndef HF_RUN_STORE_SITE_H
#define HF_RUN_STORE_SITE_H

#include "point/site.h"
#include "run/env.h"

struct hf_store_site {
    struct hf_store *store;
    struct hf_site *site;
    struct hf_cancel *cancel; /* of the store alone: set, and each of its requests ends */
};
void hf_store_site_close(struct hf_store_site *s); /* by value: empties it */
HF_DEFINE_AUTO_VALUE(hf_store_site, hf_store_site_close)

/* One that was made ready. out is empty before, and to be closed in any case. */
int hf_store_site_open(const struct hf_env *env, const struct hf_config_store *config,
                       struct hf_store_site *out, struct hf_err *err) HF_CHECKED;
/* The same within this time or little more, for who only wants to know whether it can be opened. */
int hf_store_site_try(const struct hf_env *env, const struct hf_config_store *config,
                      int64_t within_ms, struct hf_store_site *out, struct hf_err *err) HF_CHECKED;
/* Each store that is configured, or `only` that one; NULL: all. CONFIG: no such store, or none at all. fn's -1 ends it. */
typedef int (*hf_store_site_fn)(void *ctx, const struct hf_config_store *config,
                                struct hf_err *err);
int hf_store_site_each(const struct hf_env *env, const char *only, hf_store_site_fn fn, void *ctx,
                       struct hf_err *err) HF_CHECKED;
/* No store is configured. */
int hf_store_site_none(struct hf_err *err);
/* Puts the store in front of what went wrong with it, unless the message names it already. */
void hf_store_site_name(const struct hf_config_store *config, struct hf_err *err);
/* Makes it ready: `store init`. */
int hf_store_site_make(const struct hf_env *env, const struct hf_config_store *config,
                       struct hf_store_site *out, struct hf_err *err) HF_CHECKED;

#endif
