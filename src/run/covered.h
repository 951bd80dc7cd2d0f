/* SPDX-License-Identifier: Apache-2.0
 *
 * run/covered.h - the coverage question (run/coverage.h) asked for one VM: what its database and its section name, where
 * its guest has it, and which of its disks a capture contains.
 */
#ifndef HF_RUN_COVERED_H
#define HF_RUN_COVERED_H

#include "db/conn.h"
#include "run/coverage.h"
#include "run/way.h"

struct hf_covered_ask {
    const struct hf_env *env;
    const struct hf_way *way; /* its guest, open */
    struct hf_hv *hv;         /* that captures */
    const char *vm_id;
    struct hf_db_conn *db; /* NULL: no database, or not reached */
};

/* Nothing to ask for: 0, and out is empty. */
int hf_covered_ask(const struct hf_covered_ask *ask, struct hf_coverage *out, struct hf_err *err)
    HF_CHECKED;

#endif
