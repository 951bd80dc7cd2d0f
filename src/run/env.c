/* SPDX-License-Identifier: Apache-2.0 */
#include "run/env.h"

struct hf_hv *hf_env_open_hv(const struct hf_env *env, const struct hf_config_hypervisor *h,
                             struct hf_err *err)
{
    struct hf_hv_opts opts = {
        .plugin_dir = hf_config_get_defaults(env->config)->plugin_dir,
        .plugin = h->plugin,
        .kv = h->kv,
        .n_kv = h->n_kv,
        .clock = env->clock,
        .cancel = env->cancel,
        .log = env->log,
        .progress = env->progress,
        .progress_ctx = env->progress_ctx,
    };
    struct hf_hv *hv = hf_hv_open(&opts, err);
    if (!hv) {
        if (err->cls == HF_E_TIMEOUT)
            hf_hint(err, "Its daemon hangs: look at its log, or restart it; guests run on.");
        hf_wrap(err, "hypervisor %s", h->label);
    }
    return hv;
}

const char *hf_env_state(const struct hf_env *env)
{
    return hf_config_get_defaults(env->config)->state;
}

struct hf_hv_call hf_env_call(const struct hf_env *env, const char *run_id, int64_t within_ms)
{
    return (struct hf_hv_call){
        .deadline_ms = hf_clock_mono_ms(env->clock) + within_ms,
        .run_id = run_id,
    };
}

struct hf_db_lock_opts hf_env_lock_opts(const struct hf_env *env, const struct hf_config_vm *vm,
                                        const struct hf_db_target *target, const char *run_id)
{
    return (struct hf_db_lock_opts){
        .target = target,
        .mode = vm->quiesce == HF_QUIESCE_LIGHT ? HF_DB_MODE_LIGHT : HF_DB_MODE_LOCK,
        .run_id = run_id,
        .stall_budget_ms = vm->stall_budget,
        .quiesce_timeout_ms = vm->quiesce_timeout,
        .hold_limit_ms = vm->hold_limit,
        .clock = env->clock,
        .cancel = env->cancel,
        .log = env->log,
    };
}
