/* SPDX-License-Identifier: Apache-2.0
 *
 * run/dump_run.h - `holdfast dump VM`: the dump of a VM's databases under a short lock of its own.
 *
 * Needs no hypervisor: only the database is reached. Everything is made ready, then commits are held back for as long as the
 * sessions need to begin their snapshots (some milliseconds), and all else is read afterwards. It has neither journal nor
 * guardian: the lock ends with its session, nothing in the guest is changed, and an unfinished directory says so itself. It does not
 * take the VM's lock (catalog/vmlock.h): it may last for hours, and no snapshot shall be refused for that. Where both need the database's
 * lock in the same moment, the server lets one wait for the other, within the budgets that the configuration sets.
 */
#ifndef HF_RUN_DUMP_RUN_H
#define HF_RUN_DUMP_RUN_H

#include "db/dump/dump.h"
#include "net/json.h"
#include "run/env.h"

struct hf_run_dump {
    const char *vm;
    const char *dir;                 /* NULL with a place */
    const struct hf_io_place *place; /* instead, as in struct hf_dump_opts */
    unsigned threads;                /* 0: the usual number */
    const struct hf_strv *only;      /* NULL or empty: everything, accounts included */
    bool accounts;                   /* with `only`, too */
    enum hf_io_packing packing;
    enum hf_dump_plain plain;
    bool strip_definers;
    void (*progress)(void *ctx, const struct hf_dump_progress *p); /* may be NULL */
    void *progress_ctx;
};

/* Has it a way that a dump can take? */
bool hf_run_can_dump(const struct hf_config_vm *vm);

/* *out (to be put): the document of `dump --json`. On failure left names the directory, if one was begun. */
int hf_run_dump(const struct hf_env *env, const struct hf_run_dump *req, struct json_object **out,
                struct hf_err *err) HF_CHECKED;

#endif
