/* SPDX-License-Identifier: Apache-2.0
 *
 * run/probe.h - is the VM well? The probes of its section, tried.
 *
 * Reads only: a query runs in a read-only session, a page is fetched and dropped, a program is the administrator's own.
 * Each try opens its own way to the database: after a change, and all the more after a rollback, an old one is dead. A
 * failed probe is no error of ours: its reason is kept for the report, with what the guest said made printable.
 * Time: one try costs probe-timeout at the most, all together probe-grace and one more round.
 */
#ifndef HF_RUN_PROBE_H
#define HF_RUN_PROBE_H

#include "run/way.h"

#define HF_PROBE_MESSAGE_MAX 256

struct hf_probe_result {
    const struct hf_vm_probe *probe; /* borrowed from the configuration */
    bool ok;
    char message[HF_PROBE_MESSAGE_MAX]; /* why not, or what it saw */
    int64_t took_ms;                    /* of the last try */
};

struct hf_probing {
    const struct hf_env *env;
    const struct hf_config_vm *vm;
    const char *vm_id;               /* the hypervisor's */
    const char *run_id;              /* names what is opened */
    struct hf_probe_result *results; /* one per probe of vm, in its order */
};

/* Of vm's probes, not tried yet. */
int hf_probing_init(struct hf_probing *p, const struct hf_env *env, const struct hf_config_vm *vm,
                    const char *vm_id, const char *run_id, struct hf_err *err) HF_CHECKED;
void hf_probing_free(struct hf_probing *p);
HF_DEFINE_AUTO_VALUE(hf_probing, hf_probing_free)

/* Tries all of them once; those that fail again until they pass or grace_ms are over, whoever is first. A cancelled run
 * stops between two probes, and what has not passed by then has failed. true: all passed. */
bool hf_probing_run(struct hf_probing *p, int64_t grace_ms);
/* Of the last hf_probing_run. */
size_t hf_probing_failed(const struct hf_probing *p);

/* The status of an HTTP answer. UNREACHABLE, TIMEOUT: there is none. Follows no redirect, uses no proxy, reads at most
 * 1 MiB. (probe_http.c) */
int hf_probe_http(const char *url, int64_t timeout_ms, long *out_status, struct hf_err *err)
    HF_CHECKED;

#endif
