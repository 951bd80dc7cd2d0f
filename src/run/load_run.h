/* SPDX-License-Identifier: Apache-2.0
 *
 * run/load_run.h - `load`: a dump directory into a server, and the document that says what came of it.
 *
 * Needs no configuration: the target is an address and an option file. Leaves no journal: what an interrupted load has done is
 * on the target (db/load/load.h).
 */
#ifndef HF_RUN_LOAD_RUN_H
#define HF_RUN_LOAD_RUN_H

#include "db/load/load.h"
#include "net/json.h"
#include "run/env.h"

struct hf_run_load {
    const char *to;                    /* tcp://host:port */
    const char *defaults_file;         /* or NULL */
    const struct hf_db_target *target; /* instead of both; `to` only names it then. NULL: those */
    struct hf_load_opts opts;          /* target, clock, cancel and log are filled in here */
};

/* *out: {"dir","target","schemas","tables","views","rows","bytes","stored_bytes","duration_ms","resumed","compared":{"rows",
 * "checksums"},"differences":[],"warnings":[]}, to be put; without "dir" where opts.files is given. 1: loaded, but there are differences. */
int hf_run_load(const struct hf_env *env, struct hf_run_load *req, struct json_object **out,
                struct hf_err *err) HF_CHECKED;

#endif
