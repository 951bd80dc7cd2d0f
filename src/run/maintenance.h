/* SPDX-License-Identifier: Apache-2.0
 *
 * run/maintenance.h - what is to be decided after a maintenance that did not end well.
 *
 * A run of `maintain` that died, or failed and was kept, leaves its snapshot and the two commands that decide. It stays
 * undecided until its snapshot is gone, the VM was rolled back, or another maintenance of it was begun. Nobody decides for
 * the administrator: neither guardian nor recover rolls back.
 */
#ifndef HF_RUN_MAINTENANCE_H
#define HF_RUN_MAINTENANCE_H

#include "catalog/catalog.h"
#include "net/json.h"

/* Outcomes in the catalog, beside "done" and "failed". */
#define HF_MAINTENANCE_UNFINISHED "unfinished"
#define HF_MAINTENANCE_ROLLED_BACK "rolled-back"
#define HF_MAINTENANCE_FAILED_KEPT "failed-kept"

#define HF_MAINTAIN_VERB "maintain"

/* Sentences for people. data: the members snapshot and phase of a journal entry or a report; snapshot null: there was none
 * yet, or nobody knows. */
int hf_maintenance_advise(const char *vm, const char *run_id, struct json_object *data,
                          struct hf_strv *lines, struct hf_err *err) HF_CHECKED;

/* The VM's undecided maintenance, as sentences; none: nothing is added. */
int hf_maintenance_undecided(struct hf_catalog *c, const char *vm, struct hf_strv *lines,
                             struct hf_err *err) HF_CHECKED;

#endif
