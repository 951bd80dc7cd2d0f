/* SPDX-License-Identifier: Apache-2.0
 *
 * run/env.h - what the engines need from outside, and how an endpoint of the configuration is
 * opened.
 *
 * Borrowed by everything in run/; outlives it.
 */
#ifndef HF_RUN_ENV_H
#define HF_RUN_ENV_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "db/lock.h"
#include "hypervisor/hv.h"

struct hf_run;

struct hf_env {
    const struct hf_config *config;
    const char *config_path; /* handed to the guardian */
    const char *self;        /* this executable, to start the guardian */
    struct hf_log *log;
    struct hf_cancel *cancel; /* NULL in the guardian: it cannot be talked out of it */
    const struct hf_clock *clock;
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* may be NULL */
    void *progress_ctx;
    const struct hf_config_policy *
        policy; /* whose run it is: its stores, produce, require and snapshot-keep count where a request says nothing; NULL: nobody's */
    const struct hf_run
        *within; /* a run that lends its VM's lock to those that are begun with this; NULL: none */
};

struct hf_hv *hf_env_open_hv(const struct hf_env *env, const struct hf_config_hypervisor *h,
                             struct hf_err *err) HF_CHECKED;

/* STATE of the configuration. */
const char *hf_env_state(const struct hf_env *env);

/* The database's lock as the VM's section wants it; borrows all of them. */
struct hf_db_lock_opts hf_env_lock_opts(const struct hf_env *env, const struct hf_config_vm *vm,
                                        const struct hf_db_target *target, const char *run_id);

/* A call that shall be home within ms from now. */
struct hf_hv_call hf_env_call(const struct hf_env *env, const char *run_id, int64_t within_ms);

#endif
