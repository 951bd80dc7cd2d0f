/* SPDX-License-Identifier: Apache-2.0
 *
 * run/dumping.h - the parts of one dump, for those that put it together: `dump`, and `backup`, which has it begin under a lock
 * that is held anyway. For src/run only.
 *
 *     open ─ attach, or hf_dump_attach under another lock ─ hf_dump_run ─ close
 *
 * Crash      the sessions end with us; what a directory or a store is left with: db/dump/dump.h, run/backup.h.
 */
#ifndef HF_RUN_DUMPING_H
#define HF_RUN_DUMPING_H

#include "base/id.h"
#include "run/dump_run.h"
#include "run/way.h"

struct dumping {
    /* set before open, as position is to HF_DB_POSITION_INIT */
    const struct hf_env *env;
    const struct hf_run_dump *req;
    const struct hf_config_vm *vm;
    char id[HF_ID_MAX]; /* of the run */
    struct hf_db_position position;

    struct hf_way way;
    struct hf_db_target target;
    struct hf_dump *dump;
    struct hf_db_lock *lock; /* attach */
    struct hf_db_lock_timing timing;
};

/* The way to the database, and the sessions, each checked. */
int dumping_open(struct dumping *x, struct hf_err *err);
/* Under a short lock of its own; then position is set, where the server has one. Whatever fails, the lock is released: by close
 * at the latest. */
int dumping_attach(struct dumping *x, struct hf_err *err);
/* Sessions and way; the position stays. May be repeated, as close may. */
void dumping_end(struct dumping *x);
void dumping_close(struct dumping *x);
HF_DEFINE_AUTO_VALUE(dumping, dumping_close)

#endif
