/* SPDX-License-Identifier: Apache-2.0
 *
 * run/rest_units.h - the systemd units of a VM that a run brings to rest.
 */
#ifndef HF_RUN_REST_UNITS_H
#define HF_RUN_REST_UNITS_H

#include "catalog/journal.h"
#include "hold/hold.h"
#include "run/env.h"

/* Those of db-service, else what is found in the guest; in the order of stopping. NOT_FOUND: none. */
int hf_rest_units_db(const struct hf_config_vm *vm, struct hf_guest *g, int64_t deadline_ms,
                     struct hf_strv *out, struct hf_err *err) HF_CHECKED;

/* Opens a set. What it will stop is added to to_start, each once; a sentence for each unit that did not run to warnings. */
struct hf_services *hf_rest_units_open(const struct hf_env *env, struct hf_guest *g,
                                       const struct hf_strv *units, struct hf_strv *to_start,
                                       struct hf_strv *warnings, struct hf_err *err) HF_CHECKED;

/* The times and the names of the dead-men; sets and to_start are the caller's. A run may have two sets at rest at the same time:
 * until_read tells the one that rests until files are read from that of the hold. */
void hf_rest_units_plan(struct hf_hold_services *rest, const struct hf_config_vm *vm,
                        const char *run_id, bool until_read);
/* The entry right before the stop. *seq stays 0 where nothing runs. */
int hf_rest_units_journal(struct hf_journal *j, const struct hf_hold_services *rest, uint64_t *seq,
                          struct hf_err *err) HF_CHECKED;

#endif
